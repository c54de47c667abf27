// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs of filters as code of the machine, by the kernel's own JIT.
 *
 * Core's programs are BPF, verified by core's verifier, so they need no translation: only calls
 * get the distance to their helper where core has its number. What the JIT makes is the kernel's
 * own business and kept by its rules: pages that are never writable and executable at once,
 * landing pads for indirect calls, returns that are not guessed.
 *
 * Constants are always blinded, whatever net.core.bpf_jit_harden says: who sets a filter chooses
 * them, and could write code of his own into the middle of instructions.
 */
#include <linux/bpf.h>
#include <linux/filter.h>

#include "filter_program.h"
#include "jit.h"

/* Blinding moves all that follows, for each constant: it takes time by the square of this. */
enum { JIT_INSNS_MAX = 1024 };

/* Helpers take pointers and numbers of 64 bits in the same registers; payloads lie anywhere. */
static bool is_possible(const struct ke_program *p)
{
	return p->n <= JIT_INSNS_MAX && IS_ENABLED(CONFIG_64BIT) &&
	       IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS);
}

/* The JIT adds it to an address of its own: false, the helper is too far from that. */
static bool lead_call(struct bpf_insn *insn)
{
	long distance = BPF_CALL_IMM(ke_filter_helper(insn->imm)->fn);

	insn->imm = distance;
	return insn->imm == distance;
}

/* The second half of a 64-bit constant is no call: its code is 0. */
static bool put_insns(struct bpf_prog *prog, const struct ke_program *p)
{
	u32 i;

	memcpy(prog->insnsi, p->insns, p->n * sizeof(*p->insns));
	for (i = 0; i < p->n; i++)
		if (prog->insnsi[i].code == (BPF_JMP | BPF_CALL) && !lead_call(&prog->insnsi[i]))
			return false;
	return true;
}

struct bpf_prog *kn_jit(const struct ke_program *p)
{
	struct bpf_prog *prog;
	int err = 0;

	if (!is_possible(p))
		return NULL;
	/* Without memory it is interpreted: nobody need be alarmed. */
	prog = bpf_prog_alloc(bpf_prog_size(p->n), __GFP_NOWARN);
	if (!prog)
		return NULL;
	prog->type = BPF_PROG_TYPE_SOCKET_FILTER;	/* any, but for that of classic BPF */
	prog->len = p->n;
	prog->aux->stack_depth = KECHO_FILTER_STACK_SIZE;
	prog->blinding_requested = 1;
	if (!put_insns(prog, p))
		goto free;
	prog = bpf_prog_select_runtime(prog, &err);
	/* Without a JIT it is interpreted there; that is done better here. */
	if (!err && prog->jited && prog->blinded)
		return prog;
free:
	bpf_prog_free(prog);
	return NULL;
}

size_t kn_jit_bytes(const struct bpf_prog *prog)
{
	return prog->pages * PAGE_SIZE + prog->jited_len;
}
