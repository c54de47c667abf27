/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The inside of filters, for those who run or verify them: what a program is made of, what
 * lies behind the context that it sees, and its helpers.
 */
#ifndef KE_FILTER_PROGRAM_H
#define KE_FILTER_PROGRAM_H

#include "filter.h"

struct ke_program {
	u32 need, cost, n;
	u16 nslots, consts_len;
	const char *consts;
	struct ke_native *native;	/* NULL: it is interpreted */
	struct bpf_insn insns[];
};

/* Helpers get the context and find the rest behind it, whoever runs the program. */
struct ke_filter_run {
	struct kecho_filter_ctx ctx;
	const struct ke_program *p;
	struct ke_filter_state *state;
	const struct ke_judged *j;
	const struct ke_filter_ops *ops;
};

/* What an argument may be, from r2 on; r1 is the context. */
enum ke_filter_arg {
	KE_ARG_NONE = 0,
	KE_ARG_NUMBER,
	KE_ARG_STR,		/* constant, as the others */
	KE_ARG_WINDOW,
	KE_ARG_RATE,
	KE_ARG_RATE_ID,
};

typedef u64 ke_filter_helper_fn(struct kecho_filter_ctx *ctx, u64 a, u64 b, u64 c, u64 d);

struct ke_filter_helper {
	const char *name;
	ke_filter_helper_fn *fn;
	u8 arg[2];		/* enum ke_filter_arg */
};

enum {
	KE_FILTER_ARGS_MAX = 2,
	KE_FILTER_CALL_COST = 8,
};

/* NULL: there is none of that number. */
const struct ke_filter_helper *ke_filter_helper(s32 number);

/* Fills @run but for its program; the payload has what the program needs. */
void ke_filter_run_init(struct ke_filter_run *run, const struct ke_program *p,
			struct ke_filter_state *s, const struct ke_judged *j,
			const struct ke_filter_ops *ops);

/* Whether instruction @i of @n is one of those that there are, with nothing in it that is
 * reserved, and leads to one behind it. -EACCES, with the reason. */
int ke_filter_form(const struct bpf_insn *insns, u32 n, u32 i, char *why);

static inline bool ke_insn_is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_DW | BPF_IMM);
}

/* Whether it may be followed by another than the next one: not calls, not exit. */
static inline bool ke_insn_is_jump(const struct bpf_insn *insn)
{
	u8 class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

/* Writes the reason; gives @err. */
__printf(3, 4) int ke_filter_refuse(int err, char *why, const char *fmt, ...);

#endif
