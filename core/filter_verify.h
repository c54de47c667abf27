/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The inside of the verifier: what is known of registers and of the stack before an
 * instruction runs, and who looks at what.
 */
#ifndef KE_FILTER_VERIFY_H
#define KE_FILTER_VERIFY_H

#include "filter_program.h"

enum ke_reg_kind {
	KE_REG_UNSET = 0,
	KE_REG_PARTLY,		/* set on some of the ways */
	KE_REG_LOST,		/* in a call */
	KE_REG_MIXED,		/* on different ways to different things */
	KE_REG_NUMBER,		/* from here on it can be calculated with */
	KE_REG_NONZERO64,
	KE_REG_NONZERO32,	/* its lower half isn't 0 */
	KE_REG_CONSTANT,	/* value[] has it */
	KE_REG_CONTEXT,	/* from here on pointers */
	KE_REG_PAYLOAD,
	KE_REG_SLOTS,
	KE_REG_STATE,
	KE_REG_STACK,
	KE_REG_KINDS,
};

enum { KE_STACK_WORDS = KECHO_FILTER_STACK_SIZE / 64 };

static_assert(KECHO_FILTER_STACK_SIZE % 64 == 0);

/* What is known before an instruction runs. */
struct ke_known {
	bool reached;
	u8 kind[MAX_BPF_REG];		/* enum ke_reg_kind */
	u64 value[MAX_BPF_REG];
	u64 written[KE_STACK_WORDS];	/* bytes of the stack, from its lowest */
	u32 cost;			/* of the most costly way */
};

struct ke_verifier {
	const struct bpf_insn *insns;
	u32 n;
	const struct ke_filter_bounds *bounds;
	struct ke_known *before;	/* each instruction */
	struct ke_known now;
	struct ke_filter_proof *proof;
	char *why;
};

static inline bool ke_reg_is_number(u8 kind)
{
	return kind >= KE_REG_NUMBER && kind <= KE_REG_CONSTANT;
}

static inline void ke_reg_set(struct ke_known *k, u8 r, u8 kind)
{
	k->kind[r] = kind;
	k->value[r] = 0;
}

/* What a pointer leads to; NULL: it is none. */
const char *ke_reg_target(u8 kind);

/* Whether a register may be read, calculated with, written. -EACCES. */
int ke_reg_readable(struct ke_verifier *v, u8 r);
int ke_reg_number(struct ke_verifier *v, u8 r);
int ke_reg_writable(struct ke_verifier *v, u8 r);

/* Whether @size bytes at @off are within @what, of @max. -EACCES. */
int ke_access_range(struct ke_verifier *v, const char *what, s32 off, u32 size, u32 max);

/* Instructions that load or store. -EACCES. */
int ke_access_load(struct ke_verifier *v, const struct bpf_insn *insn);
int ke_access_store(struct ke_verifier *v, const struct bpf_insn *insn);

#endif
