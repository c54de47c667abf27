// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters written for types: each kind of field, width and byte order; what is not there;
 * jumps around what was inserted; numbers of instructions in what is said.
 */
#include "filter.h"
#include "filter_test.h"
#include "type_test.h"
#include "tap.h"

static struct parts parts;
static struct draft draft;

static bool host_big(void)
{
	return cpu_to_le16(1) != 1;
}

/* The lowest @size bytes of @v at @p, as a machine of that order has them. */
static void put_bytes(u8 *p, u64 v, u32 size, bool big_endian)
{
	u32 i;

	for (i = 0; i < size; i++)
		p[big_endian ? size - 1 - i : i] = v >> 8 * i;
}

/* Loads the field and leaves it as the score; also counts what was inserted. */
static void begin_load(const char *name)
{
	parts_begin(&parts, KECHO_FILTER_OUT);
	parts_insn(&parts, LDX(BPF_DW, 6, 1, CTX(payload)));
	parts_ref(&parts, parts_insn(&parts, LDX(BPF_DW, 3, 6, 0)), KECHO_REF_FIELD, 0, name);
	parts_insn(&parts, STX(BPF_DW, 1, CTX(score), 3));
	parts_insn(&parts, MOV(0, 1));
	parts_insn(&parts, EXIT);
}

/* What a made program leaves as score with this payload; its memory ends where it does. */
static u64 score_with(struct ke_program *p, const void *payload, u32 len)
{
	struct ke_filter_state *s = ke_filter_state_make(1);
	struct ke_judged j = { .payload = kmemdup(payload, len, GFP_KERNEL), .len = len };
	s64 score = 0;

	if (ok(p && s && j.payload, "%s", parts.why))
		ok(ke_program_run(p, s, &j, &test_ops, &score), "yes");
	ke_filter_state_free(s);
	kfree(j.payload);
	return score;
}

static u64 loaded(const struct ke_type *t, const char *name, const void *payload, u32 len)
{
	struct ke_program *p;
	u64 v;

	begin_load(name);
	p = parts_make(&parts, t);
	v = score_with(p, payload, len);
	ke_program_free(p);
	return v;
}

static u64 widened(u64 v, u32 bits, bool is_signed)
{
	u32 by = 64 - bits;

	return is_signed ? (u64)((s64)(v << by) >> by) : v << by >> by;
}

/* At an odd offset, so that none is aligned. */
static void check_number(u32 size, bool is_signed, bool big_endian, u64 v)
{
	u8 payload[16];

	draft_begin(&draft, "t", sizeof(payload), big_endian);
	draft_number(&draft, "x", is_signed ? KE_FIELD_SIGNED : KE_FIELD_UNSIGNED, 3, size);
	memset(payload, 0x5a, sizeof(payload));
	put_bytes(payload + 3, v, size, big_endian);
	is_eq(loaded(&draft.type, "x", payload, 3 + size), widened(v, 8 * size, is_signed),
	      "%u bytes, %d, %d", size, is_signed, big_endian);
}

TEST(numbers)
{
	static const u64 values[] = { 0, 1, ~0ULL, 0x8182838485868788ULL, 0x0102030405060708ULL };
	u32 size, i, how;

	for (size = 1; size <= 8; size *= 2)
		for (how = 0; how < 4; how++)
			for (i = 0; i < ARRAY_SIZE(values); i++)
				check_number(size, how & 1, how & 2, values[i]);
}

static void check_bits(u32 size, u32 at, u32 bits, bool is_signed, bool big_endian)
{
	u64 v = 0x9b5ac3d27e81f064ULL, unit = v, is;
	u8 payload[8];

	draft_begin(&draft, "t", sizeof(payload), big_endian);
	draft_bits(&draft, "x", is_signed ? KE_FIELD_SIGNED : KE_FIELD_UNSIGNED, 0, size, at,
		   bits);
	memset(payload, 0, sizeof(payload));
	put_bytes(payload, unit, size, big_endian);
	is = widened(unit >> at, bits, is_signed);
	is_eq(loaded(&draft.type, "x", payload, size), is, "%u bits at %u of %u, %d, %d", bits,
	      at, size, is_signed, big_endian);
}

/* Every place and width in small units, some in large ones. */
TEST(bit_fields)
{
	u32 size, at, bits, how, step;

	for (size = 1; size <= 8; size *= 2) {
		step = size > 2 ? 5 : 1;
		for (how = 0; how < 4; how++)
			for (at = 0; at < 8 * size; at += step)
				for (bits = 1; at + bits <= 8 * size; bits += step)
					check_bits(size, at, bits, how & 1, how & 2);
	}
}

/* What a load of 64 bits becomes. */
static void becomes(const struct ke_field field, bool big_endian, const struct bpf_insn *insns,
		    u32 n, const char *what)
{
	const struct bpf_insn *is;
	struct ke_program *p;
	u32 total, i;

	draft_begin(&draft, "t", 64, big_endian);
	draft_add(&draft, "x", field);
	begin_load("x");
	p = parts_make(&parts, &draft.type);
	must(p, "%s: %s", what, parts.why);
	is = ke_program_insns(p, &total);
	if (is_eq(total, n + 4, "%s", what))
		for (i = 0; i < n; i++)
			is_mem(&is[1 + i], &insns[i], sizeof(*insns), "%s: %u", what, i);
	ke_program_free(p);
}

#define BECOMES(what, big, field, ...)						\
	({									\
		const struct bpf_insn __b[] = { __VA_ARGS__ };			\
										\
		becomes((struct ke_field)field, big, __b, ARRAY_SIZE(__b), what); \
	})
#define FIELD(...) { __VA_ARGS__ }

/* No more than is needed, and nothing that Linux 6.1 has not. */
TEST(instructions)
{
	u8 swap = BPF_ALU | BPF_END | (host_big() ? BPF_TO_LE : BPF_TO_BE);

	BECOMES("u64", host_big(), FIELD(.kind = KE_FIELD_UNSIGNED, .offset = 8, .size = 8),
		LDX(BPF_DW, 3, 6, 8));
	BECOMES("u8", !host_big(), FIELD(.kind = KE_FIELD_UNSIGNED, .offset = 8, .size = 1),
		LDX(BPF_B, 3, 6, 8));
	BECOMES("u32 swapped", !host_big(), FIELD(.kind = KE_FIELD_UNSIGNED, .size = 4),
		LDX(BPF_W, 3, 6, 0), INSN(swap, 3, 0, 0, 32));
	BECOMES("s64 swapped", !host_big(), FIELD(.kind = KE_FIELD_SIGNED, .size = 8),
		LDX(BPF_DW, 3, 6, 0), INSN(swap, 3, 0, 0, 64));
	BECOMES("s16", host_big(), FIELD(.kind = KE_FIELD_SIGNED, .size = 2),
		LDX(BPF_H, 3, 6, 0), ALU(BPF_LSH, 3, 48), ALU(BPF_ARSH, 3, 48));
	BECOMES("bits", host_big(),
		FIELD(.kind = KE_FIELD_UNSIGNED, .size = 4, .bit_offset = 3, .bits = 5),
		LDX(BPF_W, 3, 6, 0), ALU(BPF_LSH, 3, 56), ALU(BPF_RSH, 3, 59));
	BECOMES("the highest bits", host_big(),
		FIELD(.kind = KE_FIELD_UNSIGNED, .size = 8, .bit_offset = 60, .bits = 4),
		LDX(BPF_DW, 3, 6, 0), ALU(BPF_RSH, 3, 60));
	BECOMES("a string", host_big(), FIELD(.kind = KE_FIELD_STRING, .size = 8), MOV(3, 0));
	BECOMES("bytes", host_big(), FIELD(.kind = KE_FIELD_BYTES, .size = 8), MOV(3, 0));
	BECOMES("floating", host_big(), FIELD(.kind = KE_FIELD_FLOAT, .size = 8), MOV(3, 0));
}

TEST(absent)
{
	u8 payload[64];

	memset(payload, 0x77, sizeof(payload));
	draft_begin(&draft, "t", 64, false);
	draft_number(&draft, "x", KE_FIELD_UNSIGNED, 0, 8);
	is_eq(loaded(&draft.type, "y", payload, 64), 0, "no such field");
	is_eq(loaded(NULL, "x", payload, 64), 0, "plain bytes");
	is_eq(loaded(NULL, "x", payload, 0), 0, "nothing");
}

/* What a 32-bit move of 0 becomes. */
static u32 moved(const struct ke_type *t, u8 kind, u8 wants, const char *name)
{
	const struct bpf_insn *insns;
	struct ke_program *p;
	u32 n, imm;

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_ref(&parts, parts_insn(&parts, MOV32(0, 0)), kind, wants, name);
	parts_insn(&parts, EXIT);
	p = parts_make(&parts, t);
	if (!ok(p, "%s", parts.why))
		return -1;
	insns = ke_program_insns(p, &n);
	is_eq(n, 2, "as many");
	ok(insns->code == (BPF_ALU | BPF_MOV | BPF_K) && !insns->dst_reg, "a move still");
	imm = insns->imm;
	ke_program_free(p);
	return imm;
}

static void begin_type_of_all(void)
{
	draft_begin(&draft, "load", 64, false);
	draft_number(&draft, "u", KE_FIELD_UNSIGNED, 0, 4);
	draft_number(&draft, "s", KE_FIELD_SIGNED, 4, 4);
	draft_number(&draft, "f", KE_FIELD_FLOAT, 8, 8);
	draft_number(&draft, "c", KE_FIELD_STRING, 16, 16);
	draft_number(&draft, "b", KE_FIELD_BYTES, 32, 7);
}

TEST(has_field)
{
	static const struct {
		const char *name;
		bool any, number, string;
	} cases[] = {
		{ "u", true, true, false }, { "s", true, true, false },
		{ "f", false, false, false }, { "c", true, false, true },
		{ "b", true, false, true }, { "x", false, false, false },
	};
	u32 i;

	begin_type_of_all();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *name = cases[i].name;

		is_eq(moved(&draft.type, KECHO_REF_HAS_FIELD, 0, name), cases[i].any, "%s", name);
		is_eq(moved(&draft.type, KECHO_REF_HAS_FIELD, KE_VALUE_I64, name),
		      cases[i].number, "%s, a number", name);
		is_eq(moved(&draft.type, KECHO_REF_HAS_FIELD, KE_VALUE_STRING, name),
		      cases[i].string, "%s, a string", name);
		is_eq(moved(NULL, KECHO_REF_HAS_FIELD, 0, name), 0, "%s of plain bytes", name);
	}
}

TEST(type_name)
{
	begin_type_of_all();
	is_eq(moved(&draft.type, KECHO_REF_TYPE, 0, "load"), 1, "its own");
	is_eq(moved(&draft.type, KECHO_REF_TYPE, 0, "loa"), 0, "shorter");
	is_eq(moved(&draft.type, KECHO_REF_TYPE, 0, "loadx"), 0, "longer");
	is_eq(moved(&draft.type, KECHO_REF_TYPE, 0, "lord"), 0, "another");
	is_eq(moved(NULL, KECHO_REF_TYPE, 0, "load"), 0, "plain bytes");
}

TEST(strings)
{
	begin_type_of_all();
	is_eq(moved(&draft.type, KECHO_REF_FIELD_STR, 0, "c"), KECHO_STR(KECHO_STR_FIELD, 16, 16),
	      "a string");
	is_eq(moved(&draft.type, KECHO_REF_FIELD_STR, 0, "b"), KECHO_STR(KECHO_STR_BYTES, 32, 7),
	      "bytes");
	is_eq(moved(&draft.type, KECHO_REF_FIELD_STR, 0, "u"), KECHO_STR_NONE, "a number");
	is_eq(moved(&draft.type, KECHO_REF_FIELD_STR, 0, "x"), KECHO_STR_NONE, "no field");
	is_eq(moved(NULL, KECHO_REF_FIELD_STR, 0, "c"), KECHO_STR_NONE, "plain bytes");
}

/* Each instruction that grows is jumped over, and jumped to. */
TEST(jumps_are_led)
{
	static const struct bpf_insn insns[] = {
		LDX(BPF_DW, 6, 1, CTX(payload)),
		LDX(BPF_DW, 0, 6, 0),	/* x */
		JMP(BPF_JEQ, 0, -2, 4), /* to the load of y */
		LDX(BPF_DW, 0, 6, 0),	/* x */
		JMP(BPF_JNE, 0, -3, 3), /* over y */
		WIDE(3, 5),
		LDX(BPF_DW, 0, 6, 0),	/* y */
		ALU(BPF_ADD, 0, 100),
		STX(BPF_DW, 1, CTX(score), 0),
		EXIT,
	};
	struct ke_program *p;
	s16 payload[2];

	draft_begin(&draft, "t", 4, host_big());
	draft_number(&draft, "x", KE_FIELD_SIGNED, 0, 2);
	draft_number(&draft, "y", KE_FIELD_SIGNED, 2, 2);
	parts_begin(&parts, KECHO_FILTER_OUT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_ref(&parts, 1, KECHO_REF_FIELD, 0, "x");
	parts_ref(&parts, 3, KECHO_REF_FIELD, 0, "x");
	parts_ref(&parts, 7, KECHO_REF_FIELD, 0, "y");
	p = parts_make(&parts, &draft.type);
	must(p, "%s", parts.why);
	payload[0] = -2;
	payload[1] = -20;
	is_eq(score_with(p, payload, 4), 80, "to y");
	payload[0] = -3;
	is_eq(score_with(p, payload, 4), 80, "on to y");
	payload[0] = -4;
	is_eq(score_with(p, payload, 4), 96, "over y");
	ke_program_free(p);
}

/* A jump that was wrong stays wrong, though the program has grown. */
TEST(jumps_stay_out)
{
	draft_begin(&draft, "t", 4, host_big());
	draft_number(&draft, "x", KE_FIELD_SIGNED, 0, 2);
	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insn(&parts, LDX(BPF_DW, 6, 1, CTX(payload)));
	parts_insn(&parts, JMPR(BPF_JEQ, 10, 10, 5));
	parts_ref(&parts, parts_insn(&parts, LDX(BPF_DW, 0, 6, 0)), KECHO_REF_FIELD, 0, "x");
	parts_ref(&parts, parts_insn(&parts, LDX(BPF_DW, 0, 6, 0)), KECHO_REF_FIELD, 0, "x");
	parts_insn(&parts, EXIT);
	ok(!parts_make(&parts, &draft.type), "out");
	is_str(parts.why, "instruction 1: it jumps out of the program, by 7", "why");
	parts.insns[1].off = cpu_to_le16(-2);
	ok(!parts_make(&parts, &draft.type), "back");
	is_str(parts.why, "instruction 1: it jumps back, by -2", "why");
}

/* As it came, and as it was written. */
TEST(reasons_have_numbers)
{
	draft_begin(&draft, "t", 70000, host_big());
	draft_number(&draft, "x", KE_FIELD_SIGNED, 0, 2);
	draft_number(&draft, "far", KE_FIELD_UNSIGNED, S16_MAX + 1, 2);
	draft_number(&draft, "long", KE_FIELD_STRING, 0, KECHO_STR_LEN_MAX + 1);
	begin_load("x");
	parts.insns[2].regs = 1 | 9 << 4;
	ok(!parts_make(&parts, &draft.type), "refused");
	is_str(parts.why, "instruction 2 (4 with fields resolved): r9 was never set", "why");
	begin_load("far");
	ok(!parts_make(&parts, &draft.type), "refused");
	is_str(parts.why, "instruction 1: field far is at 32768: loads reach to 32767", "why");
	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_ref(&parts, parts_insn(&parts, MOV32(0, 0)), KECHO_REF_FIELD_STR, 0, "long");
	parts_insn(&parts, EXIT);
	ok(!parts_make(&parts, &draft.type), "refused");
	is_str(parts.why,
	       "instruction 0: field long has 16384 bytes at 0: filters read 16383 to 65535",
	       "why");
}

/* A type that lies makes programs that are refused. */
TEST(types_that_lie)
{
	static const struct ke_field lies[] = {
		{ .kind = KE_FIELD_UNSIGNED, .offset = 57, .size = 8 },
		{ .kind = KE_FIELD_UNSIGNED, .offset = 64, .size = 1 },
		{ .kind = KE_FIELD_SIGNED, .offset = 0, .size = 1, .bits = 200 },
		{ .kind = KE_FIELD_UNSIGNED, .offset = 0, .size = 4, .bit_offset = 60, .bits = 9 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		draft_begin(&draft, "t", 64, host_big());
		draft_add(&draft, "x", lies[i]);
		begin_load("x");
		ok(!parts_make(&parts, &draft.type), "lie %u", i);
	}
}

/* As a JIT gets it: what is divided by was compared with 0. */
TEST(divisions)
{
	static const struct bpf_insn insns[] = {
		LDX(BPF_DW, 6, 1, CTX(payload)),
		LDX(BPF_DW, 2, 6, 0),
		LDX(BPF_DW, 3, 6, 8),
		ALU32R(BPF_MOD, 2, 3),
		STX(BPF_DW, 1, CTX(score), 2),
		MOV(0, 1),
		EXIT,
	};
	struct ke_program *p;
	const struct bpf_insn *is;
	u64 payload[2] = { 0x500000007ULL, 0x300000000ULL };
	u32 n;

	parts_begin(&parts, KECHO_FILTER_OUT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	p = parts_make(&parts, NULL);
	must(p, "%s", parts.why);
	is = ke_program_insns(p, &n);
	is_eq(n, ARRAY_SIZE(insns) + 3, "guarded");
	is_eq(is[3].code, BPF_JMP32 | BPF_JEQ, "by the half that divides");
	is_eq(score_with(p, payload, 16), 7, "by 0");
	payload[1] = 4;
	is_eq(score_with(p, payload, 16), 3, "by 4");
	ke_program_free(p);
}

TESTS(filter_resolve, numbers, bit_fields, instructions, absent, has_field, type_name, strings,
      jumps_are_led, jumps_stay_out, reasons_have_numbers, types_that_lie, divisions);
