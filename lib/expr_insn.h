/* SPDX-License-Identifier: MIT */
/*
 * A filter while it is written: instructions, what they refer to, and jumps to places that
 * come later. What there is no more room for makes it too large, which is found out at the
 * end; until then nothing is written past its end.
 *
 * Registers: r0 is for a moment only. r2 to r5 hold numbers that are being computed; a call
 * loses them. Those that stay are loaded once, at the beginning, if they are needed at all:
 * the context (r6; r1 in a program that calls nothing), the slots, the payload. r9 is for
 * signs. The stack holds numbers that have to wait for a call.
 */
#ifndef KECHO_EXPR_INSN_H
#define KECHO_EXPR_INSN_H

#include "expr.h"

enum expr_reg {
	REG_NOW = 0,
	REG_ARG = 1,		/* the first argument of a call */
	REG_TEMP = 2,		/* and those after it */
	REG_CONTEXT = 6,
	REG_SLOTS = 7,
	REG_PAYLOAD = 8,
	REG_SIGN = 9,
	REG_STACK = 10,
};

enum expr_code_limits {
	CODE_TEMPS = 4,
	CODE_STACK = KECHO_FILTER_STACK_SIZE / 8,
	CODE_KINDS = EXPR_CONDITION,	/* open, number, string */
};

/* Jumps that lead to one place: the last of them, and in each the one before. */
struct expr_label {
	u16 last;		/* instruction + 1; 0: none */
};

struct expr_code {
	struct expr *x;
	struct kecho_filter_insn insn[KE_FILTER_INSNS_MAX];
	struct kecho_filter_ref ref[KE_FILTER_REFS_MAX];
	struct kecho_filter_slot slot[KE_FILTER_SLOTS_MAX];
	char consts[KE_FILTER_CONSTS_MAX];
	u16 insns, refs, slots, consts_len;
	bool too_large;
	bool calls, uses_slots, uses_payload;
	u8 stack;		/* numbers on it */
	u8 slot_of[EXPR_NAMES_MAX][CODE_KINDS];	/* slot + 1 */
	u64 known[CODE_KINDS];	/* bits of names that are there, as this kind */
};

void code_insn(struct expr_code *c, u8 op, u8 dst, u8 src, s16 off, s32 imm);
void code_set(struct expr_code *c, u8 dst, s64 value);
void code_move(struct expr_code *c, u8 dst, u8 src);
void code_load(struct expr_code *c, u8 dst, u8 src, s16 off);
void code_store(struct expr_code *c, u8 dst, s16 off, u8 src);
void code_alu(struct expr_code *c, u8 op, u8 dst, u8 src);
void code_alu_value(struct expr_code *c, u8 op, u8 dst, s32 value);
void code_call(struct expr_code *c, enum kecho_filter_helper helper);
void code_return(struct expr_code *c, s32 value);

/* A jump that compares, @op of BPF_JMP; any value, for which r0 is used. */
void code_jump(struct expr_code *c, u8 op, u8 dst, u8 src, struct expr_label *to);
void code_jump_value(struct expr_code *c, u8 op, u8 dst, s64 value, struct expr_label *to);
void code_go(struct expr_code *c, struct expr_label *to);
/* All that jump there come here. */
void code_here(struct expr_code *c, struct expr_label *label);

/* A 32-bit constant that is known when the filter meets a type. */
void code_set_ref(struct expr_code *c, u8 dst, enum kecho_filter_ref_kind kind,
		  enum expr_kind as, const char *name, u16 len);
void code_load_field(struct expr_code *c, u8 dst, const char *name, u16 len);

/* The slot of a name, as this kind; made when it is first asked for. */
u8 code_slot(struct expr_code *c, u16 name, enum expr_kind kind);

/* What helpers take for a constant string. */
u32 code_const(struct expr_code *c, const char *s, u16 len);

static inline u8 code_context(const struct expr_code *c)
{
	return c->calls ? REG_CONTEXT : REG_ARG;
}

static inline bool fits_imm(s64 v)
{
	return v >= S32_MIN && v <= S32_MAX;
}

/* expr_number.c */

/* Computes a number into temporary @d; jumps if anything in it is absent. */
void code_number(struct expr_code *c, u16 i, u8 d, struct expr_label *absent);
/* Two of them; gives their registers. */
void code_pair(struct expr_code *c, u16 a, u16 b, u8 d, struct expr_label *absent, u8 *ra, u8 *rb);
/* What once() takes, and hash() gives but for its sign, in r2 or r0. */
void code_key(struct expr_code *c, u16 i, struct expr_label *absent);
/* Jumps if a name is absent, unless it is known that it isn't. */
void code_present(struct expr_code *c, u16 name, enum expr_kind kind, struct expr_label *absent);
/* 1 or 0 into r0. */
void code_presence(struct expr_code *c, u16 name, enum expr_kind kind);
/* What helpers take for a string. */
void code_string(struct expr_code *c, u16 i, u8 reg);
void code_load_name(struct expr_code *c, u16 name, u8 dst);

static inline u8 temp(u8 d)
{
	return REG_TEMP + d;
}

#endif
