/* SPDX-License-Identifier: MIT */
/*
 * Writes filters by the input's decisions. It keeps to what the verifier asks for, knowing
 * less of the program than that does: which registers are numbers, which words of the stack
 * were written. Unless it is to be dishonest: then it takes what holds on one way to hold on
 * all, or an instruction or another part gets any bits, and a type's fields may lie anywhere.
 */
#ifndef FUZZ_WRITTEN_H
#define FUZZ_WRITTEN_H

#include "decisions.h"
#include "filter.h"
#include "type_test.h"

enum {
	INSNS_MAX = 200,	/* that are decided on; branches are closed after */
	DEPTH_MAX = 6,
	FIELDS_MAX = 8,
	SLOTS_MAX = 4,
	CONSTS = 64,
	/* How it is dishonest: below the second it takes what holds on one way to hold on all,
	 * below the first any register for any other; then an instruction is another; */
	RECKLESS = 32,
	CARELESS = 96,
	WRONG_OUTSIDE = 208,	/* from here on any byte of what travels may be another */
	/* members of the context that are numbers */
	CTX_SEQ = offsetof(struct kecho_filter_ctx, seq),
	CTX_TIME = offsetof(struct kecho_filter_ctx, time_ns),
	CTX_LEN = offsetof(struct kecho_filter_ctx, len),
	CTX_SCORE = offsetof(struct kecho_filter_ctx, score),
};

/* What the writer knows of a program, which is less than the verifier does. */
struct model {
	u16 numbers;		/* registers that hold one */
	u16 stack;		/* words of the stack that were written, from the lowest */
};

struct branch {
	u32 jump;
	struct model model;	/* where it was left */
};

static struct {
	struct input in;
	struct draft type;
	bool typed;
	struct kecho_filter_header h;
	struct kecho_filter_insn insns[INSNS_MAX + 64];
	struct kecho_filter_ref refs[INSNS_MAX];
	struct kecho_filter_slot slots[SLOTS_MAX];
	u32 ninsns, nrefs, nslots;
	struct model model;
	struct branch branches[DEPTH_MAX];
	u32 depth;
	bool honest, careless, reckless;
	u64 now;
} f;

static const char consts[CONSTS + 1] = "f0f1f2f3f4f5f6f7nonetypeload"
				       "aaaaaaaabaaabaaabbbbaabaabaabxyz....";

/* --------------------------------------------------------------------------- types */

static void decide_field(u32 i)
{
	static const u8 kinds[] = { KE_FIELD_UNSIGNED, KE_FIELD_SIGNED, KE_FIELD_UNSIGNED,
				    KE_FIELD_SIGNED, KE_FIELD_FLOAT, KE_FIELD_STRING,
				    KE_FIELD_BYTES, KE_FIELD_STRING };
	char name[3] = { 'f', '0' + i, 0 };
	struct ke_field field = { .kind = kinds[take_u8(&f.in) % ARRAY_SIZE(kinds)] };
	u8 how = take_u8(&f.in);

	field.size = field.kind >= KE_FIELD_STRING ? how % 40 : 1 << how % 4;
	field.offset = take_u8(&f.in) % (256 - field.size);
	if (field.kind <= KE_FIELD_SIGNED && how & 64) {
		field.bit_offset = take_u8(&f.in) % (field.size * 8);
		field.bits = 1 + take_u8(&f.in) % (field.size * 8 - field.bit_offset);
	}
	if (!f.honest && how & 128) {
		field.offset = take_u32(&f.in);
		field.size = take_u16(&f.in);
		field.bits = take_u8(&f.in);
	}
	draft_add(&f.type, name, field);
}

static void decide_type(u8 how)
{
	u32 i, n = how % (FIELDS_MAX + 1);

	draft_begin(&f.type, how & 16 ? "type" : "load", 256, how & 32);
	for (i = 0; i < n; i++)
		decide_field(i);
	f.typed = !(how & 128);
}

/* ----------------------------------------------------------------------- the writer */

static void put(u8 code, u8 dst, u8 src, s16 off, s32 imm)
{
	f.insns[f.ninsns++] = (struct kecho_filter_insn){
		.code = code,
		.regs = dst | src << 4,
		.off = cpu_to_le16(off),
		.imm = cpu_to_le32(imm),
	};
}

/* r6 is the payload, r7 the slots, r8 the state, r9 the context; the others are numbers. */
static u8 any_number(void)
{
	u8 how = take_u8(&f.in), r = how % 6;

	if (f.reckless && how >= 224)
		return how % MAX_BPF_REG;
	while (!(f.model.numbers & 1 << r))
		r = (r + 1) % 6;
	return r;
}

static u8 any_target(void)
{
	u8 how = take_u8(&f.in), r = how % 6;

	if (f.reckless && how >= 224)
		return 6 + how % 4;
	f.model.numbers |= 1 << r;
	return r;
}

/* Few of the stack's, so that the same come again. */
static u8 any_word(void)
{
	return take_u8(&f.in) % 4 * 5;
}

static const u8 sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };

static void put_alu(u8 how)
{
	static const u8 all[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH,
				  BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH };
	u8 op = all[how % ARRAY_SIZE(all)], class = how & 16 ? BPF_ALU64 : BPF_ALU;
	u8 dst = any_number();
	s32 imm;

	if (how & 32) {
		put(class | op | BPF_X, dst, any_number(), 0, 0);
		return;
	}
	imm = how & 64 ? (s32)take_u32(&f.in) : (s8)take_u8(&f.in);
	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		imm &= class == BPF_ALU64 ? 63 : 31;
	if (op == BPF_DIV || op == BPF_MOD)
		imm = imm ?: 1;
	put(class | op, dst, 0, 0, imm);
}

static void put_other_alu(u8 how)
{
	u8 r = any_number();

	switch (how % 4) {
	case 0:
		put((how & 4 ? BPF_ALU64 : BPF_ALU) | BPF_NEG, r, 0, 0, 0);
		break;
	case 1:
		put(BPF_ALU | BPF_END | (how & 4 ? BPF_TO_BE : BPF_TO_LE), r, 0, 0,
		    16 << (how >> 3) % 3);
		break;
	case 2:
		put(BPF_LD | BPF_DW | BPF_IMM, any_target(), 0, 0, take_u32(&f.in));
		put(0, 0, 0, 0, take_u32(&f.in));
		break;
	default:
		put(BPF_ALU64 | BPF_MOV, any_target(), 0, 0, (s8)take_u8(&f.in));
	}
}

static void put_ref(u8 kind, u8 wants, u32 name, u32 len)
{
	f.refs[f.nrefs++] = (struct kecho_filter_ref){
		.insn = cpu_to_le16(f.ninsns),
		.kind = kind,
		.wants = wants,
		.name = cpu_to_le16(name),
		.name_len = cpu_to_le16(len),
	};
}

/* A field, or one that no type has. */
static u32 any_field(void)
{
	return take_u8(&f.in) % (FIELDS_MAX + 1) * 2;
}

static void put_load(u8 how)
{
	static const u8 members[] = { CTX_SEQ, CTX_TIME, CTX_LEN, CTX_SCORE };
	u8 size = sizes[how >> 5 & 3], n = 1 << (how >> 5 & 3), word;

	switch (how % 6) {
	case 0:
	case 1:
		put_ref(KECHO_REF_FIELD, 0, any_field(), 2);
		put(BPF_LDX | BPF_MEM | BPF_DW, any_target(), 6, 0, 0);
		break;
	case 2:
		put(BPF_LDX | BPF_MEM | size, any_target(), 6, take_u8(&f.in) % (257 - n), 0);
		break;
	case 3:
		if (!f.nslots)
			break;
		put(BPF_LDX | BPF_MEM | BPF_DW, any_target(), 7,
		    8 * (take_u8(&f.in) % (2 * f.nslots)), 0);
		break;
	case 4:
		put(BPF_LDX | BPF_MEM | size, any_target(), 8, take_u8(&f.in) % (64 / n) * n, 0);
		break;
	default:
		word = any_word();
		if (f.model.stack & 1 << word)
			put(BPF_LDX | BPF_MEM | size, any_target(), 10, 8 * word - 128 + 8 - n, 0);
		else
			put(BPF_LDX | BPF_MEM | BPF_DW, any_target(), 9, members[word % 4], 0);
	}
}

static void put_store(u8 how)
{
	u8 n = 1 << (how >> 5 & 3), size = sizes[how >> 5 & 3], word = any_word();

	switch (how % 5) {
	case 0:
		put(BPF_STX | BPF_MEM | BPF_DW, 9, any_number(), CTX_SCORE, 0);
		break;
	case 1:
		put(BPF_STX | BPF_MEM | size, 8, any_number(), word % (64 / n) * n, 0);
		break;
	case 2:
		put(BPF_ST | BPF_MEM | size, 8, 0, word % (64 / n) * n, (s8)take_u8(&f.in));
		break;
	case 3:
		put(BPF_ST | BPF_MEM | BPF_DW, 10, 0, 8 * word - 128, (s32)take_u32(&f.in));
		f.model.stack |= 1 << word;
		break;
	default:
		put(BPF_STX | BPF_MEM | BPF_DW, 10, any_number(), 8 * word - 128, 0);
		f.model.stack |= 1 << word;
	}
}

/* A move to an argument of strings. */
static void put_str(u8 r)
{
	u8 how = take_u8(&f.in), at = take_u8(&f.in), len = take_u8(&f.in), slot = how >> 2;
	u32 str;

	switch (how % 4) {
	case 0:
		put_ref(KECHO_REF_FIELD_STR, 0, any_field(), 2);
		str = 0;
		break;
	case 1:
		at %= CONSTS;
		str = KECHO_STR(KECHO_STR_CONST, at, len % (CONSTS + 1 - at));
		break;
	case 2:
		str = KECHO_STR(how & 64 ? KECHO_STR_FIELD : KECHO_STR_BYTES, at,
				len % (257 - at));
		break;
	default:
		slot %= SLOTS_MAX;
		str = KECHO_STR_NONE;
		if (slot < f.nslots && f.slots[slot].kind >= KE_VALUE_STRING &&
		    !f.slots[slot].flags)
			str = KECHO_STR(KECHO_STR_SLOT, slot, 0);
	}
	put(BPF_ALU | BPF_MOV, r, 0, 0, (s32)str);
}

static void put_call(u8 how)
{
	u8 helper = 1 + how % 9;

	if (helper == KECHO_CALL_HASH || helper == KECHO_CALL_ONCE)
		put(BPF_ALU64 | BPF_MOV | BPF_X, 2, any_number(), 0, 0);
	put(BPF_ALU64 | BPF_MOV | BPF_X, 1, 9, 0, 0);
	switch (helper) {
	case KECHO_CALL_HASH_STR:
		put_str(2);
		break;
	case KECHO_CALL_EQUAL:
	case KECHO_CALL_PREFIX:
	case KECHO_CALL_CONTAINS:
		put_str(2);
		put_str(3);
		break;
	case KECHO_CALL_ONCE:
		put(BPF_ALU64 | BPF_MOV, 3, 0, 0, 1 + take_u16(&f.in));
		break;
	case KECHO_CALL_RATE:
		put(BPF_ALU64 | BPF_MOV, 2, 0, 0, 1 + take_u8(&f.in));
		put(BPF_ALU64 | BPF_MOV, 3, 0, 0, take_u8(&f.in) % 16);
		break;
	}
	put(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
	f.model.numbers = (f.model.numbers | 1) & ~0x3e;
}

/* What is known of the type when the program is made. */
static void put_known(u8 how)
{
	static const u8 wants[] = { 0, KE_VALUE_I64, KE_VALUE_STRING };

	if (how & 1)
		put_ref(KECHO_REF_TYPE, 0, how & 2 ? 20 : 24, 4);
	else
		put_ref(KECHO_REF_HAS_FIELD, wants[how % 3], any_field(), 2);
	put(BPF_ALU | BPF_MOV, any_target(), 0, 0, 0);
}

static void open_branch(u8 how)
{
	static const u8 all[] = { BPF_JEQ, BPF_JNE, BPF_JGT, BPF_JGE, BPF_JLT, BPF_JLE, BPF_JSET,
				  BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE };
	u8 code = (how & 128 ? BPF_JMP : BPF_JMP32) | all[how % ARRAY_SIZE(all)];
	u8 r = any_number();

	if (f.depth == DEPTH_MAX)
		return;
	f.branches[f.depth++] = (struct branch){ .jump = f.ninsns, .model = f.model };
	if (how & 64)
		put(code | BPF_X, r, any_number(), 0, 0);
	else
		put(code, r, 0, 0, (s8)take_u8(&f.in));
}

static struct model both(const struct model *a, const struct model *b)
{
	return (struct model){ a->numbers & b->numbers, a->stack & b->stack };
}

static struct model either(const struct model *a, const struct model *b)
{
	return (struct model){ a->numbers | b->numbers, a->stack | b->stack };
}

/* Leads to what comes next, and only what holds on both ways does there. */
static void close_branch(bool exits)
{
	struct branch *b;

	if (!f.depth)
		return;
	b = &f.branches[--f.depth];
	if (exits) {
		put(BPF_ALU64 | BPF_MOV | BPF_X, 0, any_number(), 0, 0);
		put(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		f.model = b->model;
	}
	f.insns[b->jump].off = cpu_to_le16(f.ninsns - b->jump - 1);
	f.model = f.careless ? either(&f.model, &b->model) : both(&f.model, &b->model);
}

/* One way ends by jumping over the other. */
static void other_branch(void)
{
	struct branch *b;
	struct model then = f.model;

	if (!f.depth)
		return;
	b = &f.branches[f.depth - 1];
	f.insns[b->jump].off = cpu_to_le16(f.ninsns - b->jump);
	f.model = b->model;
	*b = (struct branch){ .jump = f.ninsns, .model = then };
	put(BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

static void put_one(void)
{
	u8 op = take_u8(&f.in), how = take_u8(&f.in);

	switch (op % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		put_alu(how);
		break;
	case 4:
		put_other_alu(how);
		break;
	case 5:
	case 6:
	case 7:
		put_load(how);
		break;
	case 8:
		put_store(how);
		break;
	case 9:
		put_known(how);
		break;
	case 10:
		put_call(how);
		break;
	case 11:
	case 12:
		open_branch(how);
		break;
	case 13:
		other_branch();
		break;
	default:
		close_branch(how < 32);
	}
}

static void put_prologue(void)
{
	u32 r;

	put(BPF_ALU64 | BPF_MOV | BPF_X, 9, 1, 0, 0);
	for (r = 6; r < 9; r++)
		put(BPF_LDX | BPF_MEM | BPF_DW, r, 1, 8 * (r - 6), 0);
	for (r = 0; r < 6; r++)
		put(BPF_ALU64 | BPF_MOV, r, 0, 0, (s8)take_u8(&f.in));
	f.model.numbers = 0x3f;
}

static void decide_slots(u32 n)
{
	u8 how;

	for (f.nslots = 0; f.nslots < n; f.nslots++) {
		how = take_u8(&f.in);
		f.slots[f.nslots] = (struct kecho_filter_slot){
			.scope = 2 + how % 6,
			.flags = how >= 240 ? KECHO_SLOT_AGE : 0,
			.kind = how >> 3 & 3,
			.name = cpu_to_le16(24),
			.name_len = cpu_to_le16(4),
		};
	}
}

/* An instruction that isn't there, or has another byte or another bit, as decided before the
 * input has ended. */
static void spoil(u32 which, u8 how, u8 value)
{
	struct kecho_filter_insn *insn = &f.insns[which % f.ninsns];
	u8 *byte = (u8 *)insn + how % sizeof(*insn);

	if (how < 128)
		*insn = (struct kecho_filter_insn){ .code = BPF_JMP | BPF_JA };
	else if (how < 176)
		*byte ^= 1 << value % 8;
	else
		*byte = value;
}

/* What an input decides before there is a program: the type, and these. */
struct plan {
	u8 fails;		/* the allocation that does; 0: none */
	bool raw;		/* the rest is a filter as it travels */
	u64 seed;
};

static struct plan begin_program(const u8 *data, size_t size)
{
	struct plan p = { 0 };
	u8 how;

	memset(&f, 0, sizeof(f));
	f.in = (struct input){ data, size };
	how = take_u8(&f.in);
	p.fails = how & 16 ? take_u8(&f.in) % 8 : 0;
	p.raw = how & 128;
	p.seed = take_u16(&f.in) + 1;
	f.now = p.seed << 32;
	f.honest = how % 4 != 3;
	decide_type(take_u8(&f.in));
	return p;
}

static u8 *append(u8 *to, const void *from, u32 len)
{
	memcpy(to, from, len);
	return to + len;
}

enum {
	WRITTEN_MAX = sizeof(f.insns) + sizeof(f.refs) + sizeof(f.slots) + 256,
};

static u32 write_program(u8 *to, u8 how)
{
	u8 *p = to, wrong = 0, value = 0;
	u32 which = 0;

	if (!f.honest) {
		which = take_u16(&f.in);
		wrong = take_u8(&f.in);
		value = take_u8(&f.in);
		f.careless = wrong < CARELESS;
		f.reckless = wrong < RECKLESS;
	}
	decide_slots(how % (SLOTS_MAX + 1));
	put_prologue();
	while (f.in.len && f.ninsns < INSNS_MAX)
		put_one();
	while (f.depth)
		close_branch(false);
	put(BPF_ALU64 | BPF_MOV | BPF_X, 0, any_number(), 0, 0);
	put(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	if (!f.honest && wrong >= CARELESS && wrong < WRONG_OUTSIDE)
		spoil(which, wrong, value);
	f.h = (struct kecho_filter_header){
		.magic = cpu_to_le16(KECHO_FILTER_MAGIC),
		.version = KECHO_FILTER_VERSION,
		.kind = 1 + how % 3,
		.insns = cpu_to_le16(f.ninsns),
		.refs = cpu_to_le16(f.nrefs),
		.slots = cpu_to_le16(f.nslots),
		.consts = cpu_to_le16(CONSTS),
	};
	p = append(p, &f.h, sizeof(f.h));
	p = append(p, f.insns, f.ninsns * sizeof(*f.insns));
	p = append(p, f.refs, f.nrefs * sizeof(*f.refs));
	p = append(p, f.slots, f.nslots * sizeof(*f.slots));
	p = append(p, consts, CONSTS);
	if (!f.honest && wrong >= WRONG_OUTSIDE)
		to[which % (p - to)] = value;
	return p - to;
}

#endif
