// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs that may run, and what the verifier finds out of them: what is known where ways
 * meet, what they cost, how much payload they need.
 */
#include "filter.h"
#include "filter_test.h"
#include "tap.h"

static const struct ke_filter_slot slots[] = {
	{ .scope = KECHO_SCOPE_SINK, .kind = KE_VALUE_STRING },
	{ .scope = KECHO_SCOPE_SINK, .kind = KE_VALUE_BYTES },
};

static const struct ke_filter_bounds bounds = {
	.payload = 100000,
	.nslots = ARRAY_SIZE(slots),
	.consts_len = 20,
	.slots = slots,
};

static struct ke_filter_proof proof;

static bool passes(const struct bpf_insn *insns, u32 n)
{
	char why[KE_FILTER_WHY_MAX];
	int err = ke_filter_verify(&proof, insns, n, &bounds, why);

	return ok(!err, "instruction %u: %s", proof.at, why);
}

#define PASSES(...)								\
	({									\
		const struct bpf_insn __insns[] = { __VA_ARGS__ };		\
										\
		passes(__insns, ARRAY_SIZE(__insns));				\
	})

#define SEQ LDX(BPF_DW, 0, 1, CTX(seq))

TEST(smallest)
{
	PASSES(MOV(0, 1), EXIT);
	is_eq(proof.cost, 2, "cost");
	is_eq(proof.need, 0, "payload");
}

/* Two that agree are one; numbers agree on being numbers. */
TEST(ways_that_agree)
{
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 2), COPY(6, 1), JA(1), COPY(6, 1),
	       LDX(BPF_DW, 0, 6, CTX(seq)), EXIT);
	PASSES(SEQ, LDX(BPF_DW, 6, 1, CTX(payload)), JMP(BPF_JEQ, 0, 1, 1), COPY(6, 6),
	       LDX(BPF_B, 0, 6, 0), EXIT);
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 2), MOV(6, 1), JA(1), COPY(6, 0), COPY(0, 6), EXIT);
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 2), MOV(2, 5), JA(1), MOV(2, 5), MOV(3, 5),
	       CALL(KECHO_CALL_RATE), EXIT);
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 2), ST(BPF_DW, 10, -8, 1), JA(1),
	       STX(BPF_DW, 10, -8, 0), LDX(BPF_DW, 0, 10, -8), EXIT);
}

/* What differs may be there as long as nobody reads it, and be written anew. */
TEST(ways_that_differ)
{
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 1), COPY(2, 1), MOV(2, 1), COPY(0, 2), EXIT);
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 2), COPY(2, 1), EXIT, MOV(2, 3), COPY(0, 2), EXIT);
	PASSES(SEQ, JMP(BPF_JEQ, 0, 1, 1), MOV(9, 1), EXIT);
}

/* All that leads to one place is there before it is looked at, however far it came. */
TEST(many_ways)
{
	struct bpf_insn insns[202];
	u32 i;

	insns[0] = SEQ;
	for (i = 1; i <= 199; i++)
		insns[i] = JMP(BPF_JEQ, 0, i, 200 - i);
	insns[200] = MOV(0, 1);
	insns[201] = EXIT;
	passes(insns, ARRAY_SIZE(insns));
	is_eq(proof.cost, 202, "the longest way");
}

TEST(stack)
{
	PASSES(ST(BPF_B, 10, -1, 0), ST(BPF_B, 10, -2, 0), LDX(BPF_H, 0, 10, -2), EXIT);
	PASSES(ST(BPF_DW, 10, -128, 0), LDX(BPF_W, 0, 10, -124), EXIT);
	PASSES(ST(BPF_DW, 10, -64, 0), ST(BPF_DW, 10, -72, 0), LDX(BPF_DW, 0, 10, -72),
	       LDX(BPF_DW, 0, 10, -64), EXIT);
	PASSES(COPY(2, 10), ST(BPF_DW, 2, -8, 0), LDX(BPF_DW, 0, 10, -8), EXIT);
	/* It stays as it is in a call. */
	PASSES(ST(BPF_DW, 10, -8, 0), CALL(KECHO_CALL_NOW), LDX(BPF_DW, 0, 10, -8), EXIT);
}

TEST(calls)
{
	PASSES(COPY(6, 1), CALL(KECHO_CALL_NOW), COPY(7, 0), COPY(1, 6), COPY(2, 7),
	       CALL(KECHO_CALL_HASH), ALUR(BPF_XOR, 0, 7), EXIT);
	PASSES(MOV32(2, KECHO_STR_NONE), MOV32(3, KECHO_STR(KECHO_STR_SLOT, 1, 0)),
	       CALL(KECHO_CALL_EQUAL), EXIT);
	/* The lower half is what counts. */
	PASSES(MOV(2, (s32)KECHO_STR(KECHO_STR_SLOT, 0, 0)), CALL(KECHO_CALL_HASH_STR), EXIT);
	PASSES(MOV(2, 7), WIDE(3, KE_FILTER_WINDOW_MAX), CALL(KECHO_CALL_ONCE), EXIT);
	PASSES(MOV(2, KE_FILTER_RATE_MAX), MOV(3, KE_FILTER_RATES_MAX - 1),
	       CALL(KECHO_CALL_RATE), EXIT);
	/* A copy of a constant is one. */
	PASSES(MOV(4, 7), COPY(2, 4), COPY32(3, 4), CALL(KECHO_CALL_RATE), EXIT);
}

TEST(divisors)
{
	PASSES(SEQ, MOV(2, -1), ALUR(BPF_DIV, 0, 2), EXIT);
	PASSES(SEQ, WIDE(2, 1ULL << 32), ALUR(BPF_MOD, 0, 2), EXIT);
	PASSES(SEQ, COPY(2, 0), JMP(BPF_JEQ, 2, 0, 1), ALUR(BPF_DIV, 0, 2), EXIT);
	PASSES(SEQ, COPY(2, 0), JMP(BPF_JNE, 2, 0, 1), EXIT, COPY(3, 2), ALUR(BPF_DIV, 0, 3),
	       EXIT);
	PASSES(SEQ, COPY(2, 0), JMP32(BPF_JEQ, 2, 0, 2), ALUR(BPF_DIV, 0, 2),
	       ALU32R(BPF_DIV, 0, 2), EXIT);
	PASSES(SEQ, COPY(2, 0), JMP32(BPF_JEQ, 2, 0, 3), JMP(BPF_JEQ, 2, 0, 2), COPY32(2, 2),
	       ALU32R(BPF_MOD, 0, 2), EXIT);
	/* Where it was 0 nothing is divided, and the verifier needn't know. */
	PASSES(SEQ, MOV(2, 0), JMP(BPF_JNE, 2, 0, 1), EXIT, ALUR(BPF_DIV, 0, 2), EXIT);
}

TEST(score)
{
	PASSES(ST(BPF_DW, 1, CTX(score), -1), LDX(BPF_DW, 0, 1, CTX(score)), EXIT);
}

TEST(need)
{
	PASSES(LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_B, 0, 6, 99), LDX(BPF_W, 0, 6, 7), EXIT);
	is_eq(proof.need, 100, "the furthest byte");
	PASSES(MOV32(2, KECHO_STR(KECHO_STR_FIELD, 70, 50)), CALL(KECHO_CALL_HASH_STR), EXIT);
	is_eq(proof.need, 120, "of strings");
	PASSES(MOV32(2, KECHO_STR(KECHO_STR_BYTES, KECHO_STR_AT_MAX, 100)),
	       CALL(KECHO_CALL_HASH_STR), EXIT);
	is_eq(proof.need, KECHO_STR_AT_MAX + 100, "further than loads reach");
}

/* The most costly way counts, not all of them together. */
TEST(cost)
{
	u32 slot = KECHO_STR(KECHO_STR_SLOT, 0, 0), text = KECHO_STR(KECHO_STR_CONST, 0, 5);

	PASSES(SEQ, JMP(BPF_JEQ, 0, 0, 2), CALL(KECHO_CALL_NOW), EXIT, MOV(0, 1), EXIT);
	is_eq(proof.cost, 2 + 9 + 1, "with a call");
	PASSES(MOV32(2, slot), MOV32(3, text), CALL(KECHO_CALL_EQUAL), EXIT);
	is_eq(proof.cost, 4 + 8 + 2 * 5, "the shorter one's bytes");
	PASSES(MOV32(2, text), MOV32(3, slot), CALL(KECHO_CALL_PREFIX), EXIT);
	is_eq(proof.cost, 4 + 8 + 2 * 5, "the shorter one's bytes");
	PASSES(MOV32(2, slot), CALL(KECHO_CALL_HASH_STR), EXIT);
	is_eq(proof.cost, 3 + 8 + 2 * KE_ATTR_VALUE_MAX, "all its bytes");
	PASSES(MOV32(2, slot), MOV32(3, text), CALL(KECHO_CALL_CONTAINS), EXIT);
	is_eq(proof.cost, 4 + 8 + 2 * KE_ATTR_VALUE_MAX + 6 * 5, "the sum of both");
}

/* Calls of now() between, so that it costs what may be spent and no more. */
TEST(cost_to_the_brim)
{
	u32 calls = (KE_FILTER_COST_MAX - 2) / 10, n = 0, rest = (KE_FILTER_COST_MAX - 2) % 10;
	struct bpf_insn *insns = kmalloc_array(2 * calls + 16, sizeof(*insns), GFP_KERNEL);
	char why[KE_FILTER_WHY_MAX];

	must(insns, "memory");
	insns[n++] = COPY(6, 1);
	while (calls--) {
		insns[n++] = COPY(1, 6);
		insns[n++] = CALL(KECHO_CALL_NOW);
	}
	while (rest--)
		insns[n++] = MOV(2, 1);
	insns[n++] = EXIT;
	passes(insns, n);
	is_eq(proof.cost, KE_FILTER_COST_MAX, "all");
	insns[n - 1] = MOV(2, 1);
	insns[n++] = EXIT;
	is_eq(ke_filter_verify(&proof, insns, n, &bounds, why), -EACCES, "one more");
	is_eq(proof.at, n - 1, "where it ends");
	kfree(insns);
}

TEST(length)
{
	struct bpf_insn *insns = kmalloc_array(KE_PROGRAM_INSNS_MAX + 1, sizeof(*insns),
					       GFP_KERNEL);
	char why[KE_FILTER_WHY_MAX];
	u32 i;

	must(insns, "memory");
	for (i = 0; i < KE_PROGRAM_INSNS_MAX; i++)
		insns[i] = MOV(0, 1);
	insns[KE_PROGRAM_INSNS_MAX] = EXIT;
	is_eq(ke_filter_verify(&proof, insns, KE_PROGRAM_INSNS_MAX + 1, &bounds, why), -EACCES,
	      "too long");
	is_str(why, "4097 instructions, not 1 to 4096", "the reason");
	is_eq(ke_filter_verify(&proof, insns, 0, &bounds, why), -EACCES, "none");
	passes(insns + 1, KE_PROGRAM_INSNS_MAX);
	kfree(insns);
}

TESTS(filter_verify, smallest, ways_that_agree, ways_that_differ, many_ways, stack, calls, divisors,
      score, need, cost, cost_to_the_brim, length);
