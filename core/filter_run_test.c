// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What each instruction does, as RFC 9669 has it, and what a program sees and leaves.
 */
#include "filter.h"
#include "filter_test.h"
#include "tap.h"

static struct parts parts;

/* Numbers that programs get in their payload, so that nothing is known of them before. */
struct operands {
	u64 a, b;
};

/* Runs what was put into parts; its score, or 0 with a failed check. */
static u64 score_of(const void *payload, u32 len)
{
	struct ke_judged j = { .payload = payload, .len = len };
	struct ke_filter_state *s = ke_filter_state_make(1);
	struct ke_program *p = parts_make(&parts, NULL);
	s64 score = 0;

	if (ok(p && s, "%s", parts.why))
		ok(ke_program_run(p, s, &j, &test_ops, &score), "yes");
	ke_program_free(p);
	ke_filter_state_free(s);
	return score;
}

/* r2 is a, r3 is b; what r2 is after @insn, which is @n. */
static u64 result(const struct bpf_insn *insn, u32 n, u64 a, u64 b)
{
	struct operands v = { a, b };

	parts_begin(&parts, KECHO_FILTER_OUT);
	parts_insn(&parts, LDX(BPF_DW, 6, 1, CTX(payload)));
	parts_insn(&parts, LDX(BPF_DW, 2, 6, 0));
	parts_insn(&parts, LDX(BPF_DW, 3, 6, 8));
	parts_insns(&parts, insn, n);
	parts_insn(&parts, STX(BPF_DW, 1, CTX(score), 2));
	parts_insn(&parts, MOV(0, 1));
	parts_insn(&parts, EXIT);
	return score_of(&v, sizeof(v));
}

#define TOP	0x8000000000000000ULL
#define TOP32	0x80000000ULL
#define HIGH	0xffffffff00000000ULL

struct alu_case {
	u8 op;
	u64 a, b;
	u64 is64, is32;		/* with a register as source */
};

static const struct alu_case alu_cases[] = {
	{ BPF_ADD, 2, 3, 5, 5 },
	{ BPF_ADD, ~0ULL, 1, 0, 0 },
	{ BPF_ADD, 0xffffffff, 1, 0x100000000ULL, 0 },
	{ BPF_SUB, 2, 3, ~0ULL, 0xffffffff },
	{ BPF_SUB, HIGH, 1, 0xfffffffeffffffffULL, 0xffffffff },
	{ BPF_MUL, 0x100000001ULL, 3, 0x300000003ULL, 3 },
	{ BPF_MUL, ~0ULL, ~0ULL, 1, 1 },
	{ BPF_OR, HIGH | 1, 6, HIGH | 7, 7 },
	{ BPF_AND, HIGH | 5, HIGH | 6, HIGH | 4, 4 },
	{ BPF_XOR, HIGH | 5, 6, HIGH | 3, 3 },
	{ BPF_MOV, 1, HIGH | 2, HIGH | 2, 2 },
	{ BPF_DIV, 7, 2, 3, 3 },
	{ BPF_DIV, ~0ULL, 2, S64_MAX, 0x7fffffff },
	{ BPF_DIV, HIGH | 8, HIGH | 2, 1, 4 },
	{ BPF_DIV, TOP, ~0ULL, 0, 0 },
	{ BPF_DIV, 7, 0, 0, 0 },
	{ BPF_DIV, HIGH | 7, HIGH, 1, 0 },
	{ BPF_MOD, 7, 4, 3, 3 },
	{ BPF_MOD, HIGH | 7, 4, 3, 3 },
	{ BPF_MOD, HIGH | 7, 0, HIGH | 7, 7 },
	{ BPF_MOD, HIGH | 7, HIGH, 7, 7 },
	{ BPF_LSH, 1, 4, 16, 16 },
	{ BPF_LSH, 1, 63, TOP, TOP32 },
	{ BPF_LSH, 3, 64, 3, 3 },
	{ BPF_LSH, 3, 33, 0x600000000ULL, 6 },
	{ BPF_RSH, TOP | 16, 4, TOP >> 4 | 1, 1 },
	{ BPF_RSH, HIGH | TOP32, 31, 0x1ffffffffULL, 1 },
	{ BPF_RSH, 3, 64, 3, 3 },
	{ BPF_ARSH, TOP, 63, ~0ULL, 0 },
	{ BPF_ARSH, TOP32, 31, 1, 0xffffffff },
	{ BPF_ARSH, TOP32 >> 1, 30, 1, 1 },
	{ BPF_ARSH, HIGH | TOP32, 68, 0xfffffffff8000000ULL | HIGH, 0xf8000000 },
};

TEST(arithmetic)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(alu_cases); i++) {
		const struct alu_case *c = &alu_cases[i];
		struct bpf_insn wide = ALUR(c->op, 2, 3), half = ALU32R(c->op, 2, 3);

		is_eq(result(&wide, 1, c->a, c->b), c->is64, "64 bits, case %u, op 0x%x", i,
		      c->op);
		is_eq(result(&half, 1, c->a, c->b), c->is32, "32 bits, case %u, op 0x%x", i,
		      c->op);
	}
}

/* Constants are widened by their sign. */
struct imm_case {
	u8 op;
	u64 a;
	s32 imm;
	u64 is64, is32;
};

static const struct imm_case imm_cases[] = {
	{ BPF_ADD, 5, -2, 3, 3 },
	{ BPF_SUB, 1, -1, 2, 2 },
	{ BPF_MUL, 3, -1, -3ULL, (u32)-3 },
	{ BPF_OR, 0, -1, ~0ULL, 0xffffffff },
	{ BPF_AND, ~0ULL, -16, -16ULL, (u32)-16 },
	{ BPF_XOR, 0, S32_MIN, 0xffffffff80000000ULL, TOP32 },
	{ BPF_MOV, 7, -1, ~0ULL, 0xffffffff },
	{ BPF_DIV, ~0ULL, -1, 1, 1 },
	{ BPF_DIV, 100, -1, 0, 0 },
	{ BPF_MOD, 100, -1, 100, 100 },
	{ BPF_MOD, HIGH | 9, 5, 4, 4 },
	{ BPF_LSH, 1, 31, TOP32, TOP32 },
	{ BPF_RSH, HIGH, 4, 0x0ffffffff0000000ULL, 0 },
	{ BPF_ARSH, HIGH | TOP32, 4, 0xfffffffff8000000ULL, 0xf8000000 },
};

TEST(constants)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(imm_cases); i++) {
		const struct imm_case *c = &imm_cases[i];
		struct bpf_insn wide = ALU(c->op, 2, c->imm), half = ALU32(c->op, 2, c->imm);

		is_eq(result(&wide, 1, c->a, 0), c->is64, "64 bits, case %u, op 0x%x", i, c->op);
		is_eq(result(&half, 1, c->a, 0), c->is32, "32 bits, case %u, op 0x%x", i, c->op);
	}
}

static u64 swapped(u8 order, u32 bits, u64 v)
{
	struct bpf_insn insn = INSN(BPF_ALU | BPF_END | order, 2, 0, 0, bits);

	return result(&insn, 1, v, 0);
}

TEST(one_operand)
{
	static const struct bpf_insn neg = INSN(BPF_ALU64 | BPF_NEG, 2, 0, 0, 0);
	static const struct bpf_insn neg32 = INSN(BPF_ALU | BPF_NEG, 2, 0, 0, 0);
	static const struct bpf_insn wide[] = { WIDE(2, 0xfedcba9876543210ULL) };
	u8 same = cpu_to_le16(1) == 1 ? BPF_TO_LE : BPF_TO_BE, other = same ^ BPF_TO_BE;
	u64 v = 0x0123456789abcdefULL;

	is_eq(result(&neg, 1, 5, 0), -5, "negated");
	is_eq(result(&neg, 1, TOP, 0), TOP, "the least");
	is_eq(result(&neg32, 1, HIGH | 5, 0), (u32)-5, "negated, 32 bits");
	is_eq(result(wide, 2, 0, 0), 0xfedcba9876543210ULL, "64-bit load");
	is_eq(swapped(other, 16, v), 0xefcd, "16 bits swapped");
	is_eq(swapped(other, 32, v), 0xefcdab89, "32 bits swapped");
	is_eq(swapped(other, 64, v), 0xefcdab8967452301ULL, "64 bits swapped");
	is_eq(swapped(same, 16, v), 0xcdef, "16 bits as they are");
	is_eq(swapped(same, 32, v), 0x89abcdef, "32 bits as they are");
	is_eq(swapped(same, 64, v), v, "64 bits as they are");
}

struct jump_case {
	u8 op;
	u64 a, b;
	bool is64, is32;
};

static const struct jump_case jump_cases[] = {
	{ BPF_JEQ, 5, 5, true, true },
	{ BPF_JEQ, HIGH | 5, 5, false, true },
	{ BPF_JEQ, 4, 5, false, false },
	{ BPF_JNE, 5, 5, false, false },
	{ BPF_JNE, HIGH | 5, 5, true, false },
	{ BPF_JGT, 6, 5, true, true },
	{ BPF_JGT, 5, 5, false, false },
	{ BPF_JGT, HIGH, 5, true, false },
	{ BPF_JGT, ~0ULL, 0, true, true },
	{ BPF_JGE, 5, 5, true, true },
	{ BPF_JGE, 4, 5, false, false },
	{ BPF_JGE, HIGH | 4, 5, true, false },
	{ BPF_JLT, 4, 5, true, true },
	{ BPF_JLT, 5, 5, false, false },
	{ BPF_JLT, HIGH | 4, 5, false, true },
	{ BPF_JLE, 5, 5, true, true },
	{ BPF_JLE, 6, 5, false, false },
	{ BPF_JLE, HIGH | 5, 5, false, true },
	{ BPF_JSET, 6, 2, true, true },
	{ BPF_JSET, 4, 3, false, false },
	{ BPF_JSET, HIGH, HIGH, true, false },
	{ BPF_JSGT, 0, ~0ULL, true, true },
	{ BPF_JSGT, ~0ULL, 0, false, false },
	{ BPF_JSGT, TOP32, 0, true, false },
	{ BPF_JSGE, ~0ULL, ~0ULL, true, true },
	{ BPF_JSGE, TOP, 0, false, true },
	{ BPF_JSLT, ~0ULL, 0, true, true },
	{ BPF_JSLT, TOP32, 0, false, true },
	{ BPF_JSLT, 0, 0, false, false },
	{ BPF_JSLE, 0, 0, true, true },
	{ BPF_JSLE, TOP, 0, true, true },
	{ BPF_JSLE, 1, ~0ULL, false, false },
};

static bool jumps(struct bpf_insn insn, u64 a, u64 b)
{
	struct bpf_insn insns[] = { insn, MOV(2, 0), JA(1), MOV(2, 1) };

	insns[0].off = 2;
	return result(insns, ARRAY_SIZE(insns), a, b);
}

TEST(jumps)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(jump_cases); i++) {
		const struct jump_case *c = &jump_cases[i];
		bool fits = c->b == (u64)(s64)(s32)c->b;

		is_eq(jumps(INSN(BPF_JMP | BPF_X | c->op, 2, 3, 0, 0), c->a, c->b), c->is64,
		      "64 bits, case %u, op 0x%x", i, c->op);
		is_eq(jumps(INSN(BPF_JMP32 | BPF_X | c->op, 2, 3, 0, 0), c->a, c->b), c->is32,
		      "32 bits, case %u, op 0x%x", i, c->op);
		is_eq(jumps(INSN(BPF_JMP32 | c->op, 2, 0, 0, c->b), c->a, 0), c->is32,
		      "32 bits, a constant, case %u, op 0x%x", i, c->op);
		if (fits)
			is_eq(jumps(INSN(BPF_JMP | c->op, 2, 0, 0, c->b), c->a, 0), c->is64,
			      "64 bits, a constant, case %u, op 0x%x", i, c->op);
	}
}

static const u8 sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };
static const u64 masks[] = { 0xff, 0xffff, 0xffffffff, ~0ULL };

/* What is stored with each width is there again, whatever lay around it. */
TEST(memory)
{
	u64 v = 0xfedcba9876543210ULL, all = 0x1111111111111111ULL, is;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct bpf_insn stack[] = { STX(sizes[i], 10, -128, 2),
					    LDX(sizes[i], 2, 10, -128) };
		struct bpf_insn state[] = { LDX(BPF_DW, 4, 1, CTX(state)),
					    STX(BPF_DW, 4, 56, 3), STX(sizes[i], 4, 56, 2),
					    LDX(BPF_DW, 2, 4, 56) };
		struct bpf_insn imm[] = { STX(BPF_DW, 10, -8, 3), ST(sizes[i], 10, -8, -2),
					  LDX(sizes[i], 2, 10, -8) };

		is_eq(result(stack, ARRAY_SIZE(stack), v, 0), v & masks[i], "stack, size %u", i);
		is = all;
		memcpy(&is, &v, cpu_to_le16(1) == 1 ? 1 << i : 0);
		if (cpu_to_le16(1) == 1)
			is_eq(result(state, ARRAY_SIZE(state), v, all), is, "state, size %u", i);
		is_eq(result(imm, ARRAY_SIZE(imm), 0, 0), -2ULL & masks[i], "constant, size %u",
		      i);
	}
}

TEST(payload_at_any_offset)
{
	struct bpf_insn insns[] = { LDX(BPF_W, 2, 6, 3) };
	u8 bytes[16] = { 0, 0, 0, 0x21, 0x43, 0x65, 0x87 };
	struct operands v;

	memcpy(&v, bytes, sizeof(v));
	is_eq(result(insns, 1, v.a, v.b), cpu_to_le16(1) == 1 ? 0x87654321 : 0x21436587,
	      "unaligned");
}

/* A copy of each member that is a number. */
TEST(context)
{
	static const u32 members[] = { CTX(seq), CTX(time_ns), CTX(len), CTX(score) };
	static const u64 is[] = { 11, 22, 33, 0 };
	u8 payload[33] = { 0 };
	struct ke_judged j = { .payload = payload, .len = 33, .seq = 11, .time_ns = 22 };
	struct ke_filter_state *s = ke_filter_state_make(1);
	struct ke_program *p;
	s64 score;
	u32 i;

	must(s, "memory");
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		parts_begin(&parts, KECHO_FILTER_OUT);
		parts_insn(&parts, LDX(BPF_DW, 0, 1, members[i]));
		parts_insn(&parts, STX(BPF_DW, 1, CTX(score), 0));
		parts_insn(&parts, EXIT);
		p = parts_make(&parts, NULL);
		must(p, "%s", parts.why);
		is_eq(ke_program_need(p), 0, "it needs no payload");
		is_eq(ke_program_cost(p), 3, "its cost");
		score = -1;
		is_eq(ke_program_run(p, s, &j, &test_ops, &score), !!is[i], "member %u", i);
		is_eq(score, is[i], "member %u", i);
		is_eq(ke_program_run(p, s, &j, &test_ops, NULL), !!is[i], "without a score");
		ke_program_free(p);
	}
	ke_filter_state_free(s);
}

/* Yes is any number but 0 in the lower half: a function in C returns an int there, and leaves in
 * the upper one what was there. */
TEST(verdict)
{
	static const u64 results[] = { 0, 1, TOP32, HIGH, TOP, HIGH | 2, ~0ULL };
	struct ke_judged j = {};
	struct ke_filter_state *s = ke_filter_state_make(1);
	struct ke_program *p;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		struct bpf_insn insns[] = { WIDE(0, results[i]), EXIT };

		parts_begin(&parts, KECHO_FILTER_EVENT);
		parts_insns(&parts, insns, ARRAY_SIZE(insns));
		p = parts_make(&parts, NULL);
		must(p && s, "%s", parts.why);
		is_eq(ke_program_run(p, s, &j, &test_ops, NULL), !!(u32)results[i], "case %u",
		      i);
		ke_program_free(p);
	}
	ke_filter_state_free(s);
}

/* With fewer bytes than it reads it isn't run. */
TEST(short_payload)
{
	struct ke_filter_state *s = ke_filter_state_make(1);
	u8 *payload = kzalloc(12, GFP_KERNEL);
	struct ke_judged j = { .payload = payload, .len = 12 };
	struct ke_program *p;
	s64 score = 7;

	parts_begin(&parts, KECHO_FILTER_OUT);
	parts_insn(&parts, LDX(BPF_DW, 6, 1, CTX(payload)));
	parts_insn(&parts, LDX(BPF_W, 0, 6, 8));
	parts_insn(&parts, MOV(0, 1));
	parts_insn(&parts, STX(BPF_DW, 1, CTX(score), 0));
	parts_insn(&parts, EXIT);
	p = parts_make(&parts, NULL);
	must(p && s && payload, "%s", parts.why);
	is_eq(ke_program_need(p), 12, "needed");
	ok(ke_program_run(p, s, &j, &test_ops, &score), "enough");
	is_eq(score, 1, "it ran");
	j.len = 11;
	ok(!ke_program_run(p, s, &j, &test_ops, &score), "too short");
	is_eq(score, 0, "it didn't run");
	ke_program_free(p);
	ke_filter_state_free(s);
	kfree(payload);
}

/* The block stays from event to event, and belongs to the state. */
TEST(state_stays)
{
	static const struct bpf_insn insns[] = {
		LDX(BPF_DW, 6, 1, CTX(state)),
		LDX(BPF_DW, 0, 6, 8),
		ALU(BPF_ADD, 0, 1),
		STX(BPF_DW, 6, 8, 0),
		STX(BPF_DW, 1, CTX(score), 0),
		EXIT,
	};
	struct ke_filter_state *a = ke_filter_state_make(1), *b = ke_filter_state_make(1);
	struct ke_judged j = {};
	struct ke_program *p;
	s64 score;
	u64 *block;
	u32 i;

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	p = parts_make(&parts, NULL);
	must(p && a && b, "%s", parts.why);
	for (i = 1; i < 5; i++) {
		ke_program_run(p, a, &j, &test_ops, &score);
		is_eq(score, i, "counted");
	}
	ke_program_run(p, b, &j, &test_ops, &score);
	is_eq(score, 1, "another's");
	block = ke_filter_state_block(a);
	is_eq(block[1], 4, "seen from outside");
	block[1] = 40;
	ke_program_run(p, a, &j, &test_ops, &score);
	is_eq(score, 41, "set from outside");
	ke_program_free(p);
	ke_program_free(NULL);
	ke_filter_state_free(a);
	ke_filter_state_free(b);
	ke_filter_state_free(NULL);
}

TEST(slots)
{
	static const struct kecho_filter_value values[] = { { 1, -7 }, { 0, 99 } };
	static const struct bpf_insn insns[] = {
		LDX(BPF_DW, 6, 1, CTX(slots)),
		LDX(BPF_DW, 2, 6, 8),
		STX(BPF_DW, 1, CTX(score), 2),
		LDX(BPF_DW, 0, 6, 16),
		EXIT,
	};
	struct ke_judged j = { .slots = values };
	struct ke_filter_state *s = ke_filter_state_make(1);
	struct ke_program *p;
	s64 score;

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_slot(&parts, KECHO_SCOPE_SINK, 0, KE_VALUE_I64, "a");
	parts_slot(&parts, KECHO_SCOPE_SINK, 0, KE_VALUE_I64, "b");
	p = parts_make(&parts, NULL);
	must(p && s, "%s", parts.why);
	ok(!ke_program_run(p, s, &j, &test_ops, &score), "the second is not there");
	is_eq(score, -7, "the first");
	ke_program_free(p);
	ke_filter_state_free(s);
}

TESTS(filter_run, arithmetic, constants, one_operand, jumps, memory, payload_at_any_offset, context,
      verdict, short_payload, state_stays, slots);
