/* SPDX-License-Identifier: MIT */
/*
 * A second interpreter of filters, which trusts nothing: a register knows whether it is a
 * number or where it points to, a byte of the stack whether it was written, and each step,
 * access and argument is checked against what there really is. It is slow and written from
 * RFC 9669, with nothing of core's but what helpers keep from event to event.
 */
#ifndef FUZZ_CHECKED_H
#define FUZZ_CHECKED_H

#include "input.h"
#include "filter_program.h"

enum where { NOWHERE, A_NUMBER, AT_CONTEXT, AT_PAYLOAD, AT_SLOTS, AT_STATE, AT_STACK };

struct value {
	enum where where;
	u64 v;			/* a number; of a pointer nothing but what it points to is known */
};

struct checked {
	const struct ke_program *p;
	const struct ke_judged *j;
	struct ke_filter_run run;	/* for helpers that keep something */
	u8 *state;
	struct value reg[MAX_BPF_REG];
	u8 stack[KECHO_FILTER_STACK_SIZE];
	bool written[KECHO_FILTER_STACK_SIZE];
	s64 score;
	u32 cost;
};

static inline u64 number(const struct checked *c, u32 r)
{
	check(c->reg[r].where == A_NUMBER);
	return c->reg[r].v;
}

static inline void set_number(struct checked *c, u32 r, u64 v)
{
	check(r < BPF_REG_10);
	c->reg[r] = (struct value){ A_NUMBER, v };
}

/* --------------------------------------------------------------------- arithmetic */

/* The lowest @bits of @v as a number with a sign. */
static inline s64 with_sign(u64 v, u32 bits)
{
	u64 top = 1ULL << (bits - 1);

	v &= top | (top - 1);
	return v & top ? -(s64)(~v & (top - 1)) - 1 : (s64)v;
}

static inline u64 shifted_with_sign(u64 a, u32 by, u32 bits)
{
	u64 v = a, top = 1ULL << (bits - 1);

	while (by--)
		v = (v & top) | (v & (top | (top - 1))) >> 1;
	return v;
}

static inline u64 calculated(u8 op, u64 a, u64 b, u32 bits)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a + ~b + 1;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		check(b);
		return a / b;
	case BPF_MOD:
		check(b);
		return a % b;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return (a | b) & ~(a & b);
	case BPF_MOV:
		return b;
	case BPF_NEG:
		return ~a + 1;
	case BPF_LSH:
		return a << b % bits;
	case BPF_RSH:
		return a >> b % bits;
	case BPF_ARSH:
		return shifted_with_sign(a, b % bits, bits);
	default:
		check(!"an operation");
		return 0;
	}
}

static inline u64 reversed(u64 v, u32 bytes)
{
	u64 to = 0;

	for (; bytes; bytes--, v >>= 8)
		to = to << 8 | (v & 255);
	return to;
}

static inline void run_swap(struct checked *c, const struct bpf_insn *insn)
{
	bool host_big = cpu_to_le16(1) != 1, big = insn->code & BPF_TO_BE;
	u64 v = number(c, insn->dst_reg);
	u32 bytes = insn->imm / 8;

	check(insn->imm == 16 || insn->imm == 32 || insn->imm == 64);
	if (bytes < 8)
		v &= (1ULL << insn->imm) - 1;
	set_number(c, insn->dst_reg, big == host_big ? v : reversed(v, bytes));
}

static inline void run_alu(struct checked *c, const struct bpf_insn *insn)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64, x = BPF_SRC(insn->code) == BPF_X;
	u8 op = BPF_OP(insn->code);
	u64 a, b, mask = wide ? ~0ULL : 0xffffffff;

	if (op == BPF_END) {
		run_swap(c, insn);
		return;
	}
	if (op == BPF_MOV && wide && x) {
		check(c->reg[insn->src_reg].where != NOWHERE && insn->dst_reg < BPF_REG_10);
		c->reg[insn->dst_reg] = c->reg[insn->src_reg];
		return;
	}
	a = op == BPF_MOV ? 0 : number(c, insn->dst_reg) & mask;
	b = (x ? number(c, insn->src_reg) : (u64)(s64)insn->imm) & mask;
	if (!x && (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH))
		check(b < (wide ? 64 : 32));
	set_number(c, insn->dst_reg, calculated(op, a, b, wide ? 64 : 32) & mask);
}

static inline bool leads_away(const struct checked *c, const struct bpf_insn *insn)
{
	u32 bits = BPF_CLASS(insn->code) == BPF_JMP ? 64 : 32;
	u64 mask = bits == 64 ? ~0ULL : 0xffffffff, a, b;
	s64 sa, sb;

	if (BPF_OP(insn->code) == BPF_JA)
		return true;
	a = number(c, insn->dst_reg) & mask;
	b = BPF_SRC(insn->code) == BPF_X ? number(c, insn->src_reg) : (u64)(s64)insn->imm;
	b &= mask;
	sa = with_sign(a, bits);
	sb = with_sign(b, bits);
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return a & b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	case BPF_JSLE:
		return sa <= sb;
	default:
		check(!"a jump");
		return false;
	}
}

/* ------------------------------------------------------------------------- memory */

static inline u32 width(u8 code)
{
	static const u8 widths[] = { 4, 2, 1, 8 };

	return widths[BPF_SIZE(code) >> 3];
}

/* A byte's place in the host's order. */
static inline u32 place(u32 i, u32 n)
{
	return cpu_to_le16(1) == 1 ? i : n - 1 - i;
}

static inline u64 gathered(const u8 *p, u32 n)
{
	u64 v = 0;
	u32 i;

	for (i = 0; i < n; i++)
		v |= (u64)p[place(i, n)] << 8 * i;
	return v;
}

static inline void scattered(u8 *p, u32 n, u64 v)
{
	u32 i;

	for (i = 0; i < n; i++)
		p[place(i, n)] = v >> 8 * i;
}

static inline struct value load_context(const struct checked *c, s32 off, u32 n)
{
	check(n == 8);
	switch (off) {
	case 0:
		return (struct value){ AT_PAYLOAD, 0 };
	case 8:
		return (struct value){ AT_SLOTS, 0 };
	case 16:
		return (struct value){ AT_STATE, 0 };
	case 24:
		return (struct value){ A_NUMBER, c->j->seq };
	case 32:
		return (struct value){ A_NUMBER, c->j->time_ns };
	case 40:
		return (struct value){ A_NUMBER, c->j->len };
	case 64:
		return (struct value){ A_NUMBER, c->score };
	default:
		check(!"a member");
		return (struct value){ NOWHERE, 0 };
	}
}

static inline u64 load_stack(const struct checked *c, s32 off, u32 n)
{
	s32 at = off + KECHO_FILTER_STACK_SIZE;
	u32 i;

	check(at >= 0 && at + n <= KECHO_FILTER_STACK_SIZE && at % n == 0);
	for (i = 0; i < n; i++)
		check(c->written[at + i]);
	return gathered(c->stack + at, n);
}

static inline void run_load(struct checked *c, const struct bpf_insn *insn)
{
	s32 off = insn->off;
	u32 n = width(insn->code);
	struct value to = { A_NUMBER, 0 };

	switch (c->reg[insn->src_reg].where) {
	case AT_CONTEXT:
		to = load_context(c, off, n);
		break;
	case AT_PAYLOAD:
		check(off >= 0 && off + n <= c->p->need && c->p->need <= c->j->len);
		to.v = gathered((const u8 *)c->j->payload + off, n);
		break;
	case AT_SLOTS:
		check(off >= 0 && n == 8 && off % 8 == 0 && off / 16 < c->p->nslots);
		to.v = gathered((const u8 *)c->j->slots + off, n);
		break;
	case AT_STATE:
		check(off >= 0 && off + n <= KECHO_FILTER_STATE_SIZE && off % n == 0);
		to.v = gathered(c->state + off, n);
		break;
	case AT_STACK:
		to.v = load_stack(c, off, n);
		break;
	default:
		check(!"a pointer");
	}
	check(insn->dst_reg < BPF_REG_10);
	c->reg[insn->dst_reg] = to;
}

static inline void run_store(struct checked *c, const struct bpf_insn *insn)
{
	bool x = BPF_CLASS(insn->code) == BPF_STX;
	u64 v = x ? number(c, insn->src_reg) : (u64)(s64)insn->imm;
	s32 off = insn->off, at = off + KECHO_FILTER_STACK_SIZE;
	u32 n = width(insn->code);

	switch (c->reg[insn->dst_reg].where) {
	case AT_CONTEXT:
		check(off == 64 && n == 8);
		c->score = (s64)v;
		break;
	case AT_STATE:
		check(off >= 0 && off + n <= KECHO_FILTER_STATE_SIZE && off % n == 0);
		scattered(c->state + off, n, v);
		break;
	case AT_STACK:
		check(at >= 0 && at + n <= KECHO_FILTER_STACK_SIZE && at % n == 0);
		scattered(c->stack + at, n, v);
		memset(c->written + at, true, n);
		break;
	default:
		check(!"a pointer to what may be written");
	}
}

/* ------------------------------------------------------------------------- helpers */

struct text {
	const u8 *p;
	u32 len, most;	/* what the verifier can know of its length */
	bool there;
};

static inline struct text text_of(const struct checked *c, u32 str)
{
	u32 area = str >> 30, at = str >> 14 & 0xffff, len = str & 0x3fff;
	struct text t = { .len = len, .most = len, .there = true };

	if (str == KECHO_STR_NONE)
		return (struct text){};
	if (area == KECHO_STR_CONST) {
		check(at + len <= c->p->consts_len);
		t.p = (const u8 *)c->p->consts + at;
	} else if (area == KECHO_STR_SLOT) {
		check(at < c->p->nslots);
		t.p = c->j->strs[at].data;
		t.len = c->j->strs[at].len;
		t.most = KE_ATTR_VALUE_MAX;
		t.there = c->j->slots[at].present;
	} else {
		check(at + len <= c->p->need);
		t.p = (const u8 *)c->j->payload + at;
		for (t.len = 0; t.len < len; t.len++)
			if (area == KECHO_STR_FIELD && !t.p[t.len])
				break;
	}
	return t;
}

static inline bool begins(const struct text *a, u32 at, const struct text *b)
{
	u32 i;

	if (at + b->len > a->len)
		return false;
	for (i = 0; i < b->len; i++)
		if (a->p[at + i] != b->p[i])
			return false;
	return true;
}

static inline u64 compared(struct checked *c, s32 helper)
{
	struct text a = text_of(c, number(c, 2)), b = text_of(c, number(c, 3));
	u32 at;

	if (helper == KECHO_CALL_CONTAINS)
		c->cost += 2 * a.most + 6 * b.most;
	else
		c->cost += 2 * min(a.most, b.most);
	if (!a.there || !b.there)
		return 0;
	if (helper != KECHO_CALL_CONTAINS)
		return begins(&a, 0, &b) && (helper == KECHO_CALL_PREFIX || a.len == b.len);
	for (at = 0; at <= a.len; at++)
		if (begins(&a, at, &b))
			return 1;
	return 0;
}

/* Two steps that no zero survives, written as they are defined. */
static inline u64 mixed(u64 v)
{
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93ULL;
	v ^= v >> 29;
	v *= 0x9fb21c651e98df25ULL;
	return v ^ v >> 32;
}

static inline u64 hashed(struct checked *c)
{
	struct text t = text_of(c, number(c, 2));
	u64 h = 0xcbf29ce484222325ULL;
	u32 i;

	c->cost += 2 * t.most;
	for (i = 0; i < t.len; i++)
		h = (h ^ t.p[i]) * 0x100000001b3ULL;
	return t.there ? mixed(h) : 0;
}

/* Those that keep something are core's: they are tried elsewhere. */
static inline u64 kept(struct checked *c, s32 helper)
{
	u64 a = 0, b = 0;

	if (helper == KECHO_CALL_ONCE || helper == KECHO_CALL_RATE) {
		a = number(c, 2);
		b = number(c, 3);
		check(helper == KECHO_CALL_ONCE || (a && a <= KE_FILTER_RATE_MAX && b < 16));
		check(helper == KECHO_CALL_RATE || (b && b <= KE_FILTER_WINDOW_MAX));
	}
	return ke_filter_helper(helper)->fn(&c->run.ctx, a, b, 0, 0);
}

static inline void run_call(struct checked *c, s32 helper)
{
	u64 to;
	u32 i;

	check(c->reg[1].where == AT_CONTEXT);
	c->cost += 8;
	switch (helper) {
	case KECHO_CALL_NOW:
		to = c->run.ops->now_ns(c->run.ops->arg);
		break;
	case KECHO_CALL_HASH:
		to = mixed(number(c, 2) + 1);
		break;
	case KECHO_CALL_HASH_STR:
		to = hashed(c);
		break;
	case KECHO_CALL_EQUAL:
	case KECHO_CALL_PREFIX:
	case KECHO_CALL_CONTAINS:
		to = compared(c, helper);
		break;
	default:
		to = kept(c, helper);
	}
	set_number(c, 0, to);
	for (i = 1; i <= 5; i++)
		c->reg[i] = (struct value){ NOWHERE, 0 };
}

/* --------------------------------------------------------------------------- steps */

/* Gives which instruction is next; @n if it ends. */
static inline u32 run_one(struct checked *c, u32 i, u32 n)
{
	const struct bpf_insn *insn = &c->p->insns[i];

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		check(i + 1 < n);
		set_number(c, insn->dst_reg, (u32)insn->imm | (u64)(u32)insn[1].imm << 32);
		return i + 2;
	case BPF_LDX:
		run_load(c, insn);
		return i + 1;
	case BPF_ST:
	case BPF_STX:
		run_store(c, insn);
		return i + 1;
	case BPF_ALU:
	case BPF_ALU64:
		run_alu(c, insn);
		return i + 1;
	}
	if (insn->code == (BPF_JMP | BPF_EXIT))
		return n;
	if (insn->code == (BPF_JMP | BPF_CALL)) {
		run_call(c, insn->imm);
		return i + 1;
	}
	check(insn->off >= 0);
	return i + 1 + (leads_away(c, insn) ? insn->off : 0);
}

/* As ke_program_run(). */
static inline bool checked_run(const struct ke_program *p, struct ke_filter_state *s,
			       const struct ke_judged *j, const struct ke_filter_ops *ops,
			       s64 *score)
{
	struct checked c = { .p = p, .j = j, .state = ke_filter_state_block(s) };
	u32 i, next, n = p->n;

	*score = 0;
	if (j->len < p->need)
		return false;
	ke_filter_run_init(&c.run, p, s, j, ops);
	c.reg[1].where = AT_CONTEXT;
	c.reg[10].where = AT_STACK;
	for (i = 0; i < n; i = next) {
		c.cost++;
		next = run_one(&c, i, n);
		check(next > i);
		/* The end is an exit's, not where the instructions stop. */
		check(next < n || p->insns[i].code == (BPF_JMP | BPF_EXIT));
	}
	check(c.cost <= p->cost && p->cost <= KE_FILTER_COST_MAX);
	*score = c.score;
	return (u32)number(&c, 0);
}

#endif
