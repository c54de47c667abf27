// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The verifier: see filter.h for what it asks of a program. As jumps lead forward only, one
 * walk in the order of instructions sees each after all that lead to it. What is known when
 * an instruction is reached is merged from all of those; so the walk is as long as the
 * program, whatever its branches.
 */
#include "filter_verify.h"

static_assert(KE_FILTER_ONCE_MAX == KECHO_FILTER_ONCE_KEYS);
static_assert(KE_FILTER_RATES_MAX == KECHO_FILTER_RATES);
static_assert(KE_FILTER_CONSTS_MAX <= KECHO_STR_AT_MAX);

#define refuse(v, fmt, ...) ke_filter_refuse(-EACCES, (v)->why, fmt, ##__VA_ARGS__)

/* ---------------------------------------------------------------------- registers */

static void set_constant(struct ke_known *k, u8 r, u64 value)
{
	k->kind[r] = KE_REG_CONSTANT;
	k->value[r] = value;
}

/* A register that is @a on one way, @b on another, or of another value. */
static u8 join_kinds(u8 a, u8 b)
{
	if (a == b && a != KE_REG_CONSTANT)
		return a;
	if (ke_reg_is_number(a) && ke_reg_is_number(b))
		return KE_REG_NUMBER;
	if (a >= KE_REG_NUMBER && b >= KE_REG_NUMBER)
		return KE_REG_MIXED;
	return a == KE_REG_MIXED || b == KE_REG_MIXED ? KE_REG_MIXED : KE_REG_PARTLY;
}

/* Another way leads to @k. */
static void join(struct ke_known *k, const struct ke_known *from)
{
	u32 i;

	if (!k->reached) {
		*k = *from;
		k->reached = true;
		return;
	}
	for (i = 0; i < MAX_BPF_REG; i++) {
		if (k->kind[i] != from->kind[i] || k->value[i] != from->value[i])
			ke_reg_set(k, i, join_kinds(k->kind[i], from->kind[i]));
	}
	for (i = 0; i < KE_STACK_WORDS; i++)
		k->written[i] &= from->written[i];
	k->cost = max(k->cost, from->cost);
}

/* --------------------------------------------------------------------- arithmetic */

static int check_divisor(struct ke_verifier *v, u8 r, bool wide)
{
	u64 value = v->now.value[r];

	switch (v->now.kind[r]) {
	case KE_REG_NONZERO32:
		return 0;
	case KE_REG_NONZERO64:
		if (wide)
			return 0;
		break;
	case KE_REG_CONSTANT:
		if (wide ? value : (u32)value)
			return 0;
		break;
	}
	return refuse(v, "r%u may be 0, and is divided by", r);
}

static int move(struct ke_verifier *v, const struct bpf_insn *insn, bool wide)
{
	struct ke_known *k = &v->now;
	u8 dst = insn->dst_reg, src = insn->src_reg, kind;
	int err = ke_reg_writable(v, dst);

	if (err)
		return err;
	if (BPF_SRC(insn->code) == BPF_K) {
		set_constant(k, dst, wide ? (u64)(s64)insn->imm : (u32)insn->imm);
		return 0;
	}
	err = wide ? ke_reg_readable(v, src) : ke_reg_number(v, src);
	if (err)
		return err;
	if (wide) {
		k->kind[dst] = k->kind[src];
		k->value[dst] = k->value[src];
	} else if (k->kind[src] == KE_REG_CONSTANT) {
		set_constant(k, dst, (u32)k->value[src]);
	} else {
		kind = k->kind[src] == KE_REG_NONZERO32 ? KE_REG_NONZERO32 : KE_REG_NUMBER;
		ke_reg_set(k, dst, kind);
	}
	return 0;
}

static int check_alu(struct ke_verifier *v, const struct bpf_insn *insn)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	u8 op = BPF_OP(insn->code);
	bool has_src = BPF_SRC(insn->code) == BPF_X && op != BPF_END;
	int err;

	if (op == BPF_MOV)
		return move(v, insn, wide);
	err = ke_reg_writable(v, insn->dst_reg) ?: ke_reg_number(v, insn->dst_reg);
	if (!err && has_src)
		err = ke_reg_number(v, insn->src_reg);
	if (!err && has_src && (op == BPF_DIV || op == BPF_MOD))
		err = check_divisor(v, insn->src_reg, wide);
	if (!err)
		ke_reg_set(&v->now, insn->dst_reg, KE_REG_NUMBER);
	return err;
}

static int check_wide(struct ke_verifier *v, const struct bpf_insn *insn)
{
	u64 value = (u32)insn[0].imm | (u64)(u32)insn[1].imm << 32;
	int err = ke_reg_writable(v, insn->dst_reg);

	if (!err)
		set_constant(&v->now, insn->dst_reg, value);
	return err;
}

/* ------------------------------------------------------------------------- helpers */

/* How many bytes an argument of strings can have at most; -EACCES. */
static int str_len(struct ke_verifier *v, u8 r)
{
	const struct ke_filter_bounds *b = v->bounds;
	u32 str = v->now.value[r], at = str >> 14 & KECHO_STR_AT_MAX, len = str & KECHO_STR_LEN_MAX;

	if (str == KECHO_STR_NONE)
		return 0;
	switch (str >> 30) {
	case KECHO_STR_CONST:
		return ke_access_range(v, "the constants", at, len, b->consts_len) ?: (int)len;
	case KECHO_STR_SLOT:
		if (at >= b->nslots || len)
			return refuse(v, "r%u is no string: there is no slot %u", r, at);
		if (b->slots[at].kind < KE_VALUE_STRING || b->slots[at].flags & KECHO_SLOT_AGE)
			return refuse(v, "r%u is no string: slot %u is none", r, at);
		return KE_ATTR_VALUE_MAX;
	default:
		if (ke_access_range(v, ke_reg_target(KE_REG_PAYLOAD), at, len, b->payload))
			return -EACCES;
		v->proof->need = max(v->proof->need, at + len);
		return len;
	}
}

/* Gives an argument's length, if it is one of strings; -EACCES. */
static int check_arg(struct ke_verifier *v, u8 r, u8 arg)
{
	u64 value = v->now.value[r];
	int err = ke_reg_number(v, r);

	if (err || arg == KE_ARG_NUMBER)
		return err;
	if (v->now.kind[r] != KE_REG_CONSTANT)
		return refuse(v, "r%u must be the same constant on every way that leads here", r);
	switch (arg) {
	case KE_ARG_STR:
		return str_len(v, r);
	case KE_ARG_WINDOW:
		if (!value || value > KE_FILTER_WINDOW_MAX)
			return refuse(v, "r%u is a window of 1 ns to a week, not %llu", r,
				      (unsigned long long)value);
		return 0;
	case KE_ARG_RATE:
		if (!value || value > KE_FILTER_RATE_MAX)
			return refuse(v, "r%u is a rate of 1 to %u, not %llu", r,
				      KE_FILTER_RATE_MAX, (unsigned long long)value);
		return 0;
	default:
		if (value >= KE_FILTER_RATES_MAX)
			return refuse(v, "r%u is the number of a rate, under %u, not %llu", r,
				      KE_FILTER_RATES_MAX, (unsigned long long)value);
		return 0;
	}
}

static u32 call_cost(s32 number, const u32 *len)
{
	switch (number) {
	case KECHO_CALL_HASH_STR:
		return 2 * len[0];
	case KECHO_CALL_EQUAL:
	case KECHO_CALL_PREFIX:
		return 2 * min(len[0], len[1]);
	case KECHO_CALL_CONTAINS:
		return 2 * len[0] + 6 * len[1];
	default:
		return 0;
	}
}

static int check_call(struct ke_verifier *v, const struct bpf_insn *insn)
{
	const struct ke_filter_helper *h = ke_filter_helper(insn->imm);
	u32 len[KE_FILTER_ARGS_MAX] = { 0 }, i;
	int n;

	if (!h)
		return refuse(v, "there is no helper %d", insn->imm);
	n = ke_reg_readable(v, BPF_REG_1);
	if (n)
		return n;
	if (v->now.kind[BPF_REG_1] != KE_REG_CONTEXT)
		return refuse(v, "%s() wants the context in r1", h->name);
	for (i = 0; i < KE_FILTER_ARGS_MAX && h->arg[i]; i++) {
		n = check_arg(v, BPF_REG_2 + i, h->arg[i]);
		if (n < 0)
			return n;
		len[i] = n;
	}
	v->now.cost += KE_FILTER_CALL_COST + call_cost(insn->imm, len);
	ke_reg_set(&v->now, BPF_REG_0, KE_REG_NUMBER);
	for (i = BPF_REG_1; i <= BPF_REG_5; i++)
		ke_reg_set(&v->now, i, KE_REG_LOST);
	return 0;
}

/* --------------------------------------------------------------------------- ways */

/* @k is what is known where a register was compared with 0 and isn't. */
static void not_zero(struct ke_known *k, const struct bpf_insn *insn)
{
	u8 r = insn->dst_reg;
	bool wide = BPF_CLASS(insn->code) == BPF_JMP;

	if (k->kind[r] == KE_REG_CONSTANT && (wide ? k->value[r] : (u32)k->value[r]))
		return;
	if (k->kind[r] != KE_REG_NONZERO32)
		ke_reg_set(k, r, wide ? KE_REG_NONZERO64 : KE_REG_NONZERO32);
}

static int check_jump(struct ke_verifier *v, u32 i)
{
	const struct bpf_insn *insn = &v->insns[i];
	struct ke_known *to = &v->before[i + 1 + insn->off], *next = &v->before[i + 1];
	bool with_zero = BPF_SRC(insn->code) == BPF_K && !insn->imm;
	u8 op = BPF_OP(insn->code);
	struct ke_known *after = &v->now;
	int err;

	if (op == BPF_JA) {
		join(to, after);
		return 0;
	}
	err = ke_reg_number(v, insn->dst_reg);
	if (!err && BPF_SRC(insn->code) == BPF_X)
		err = ke_reg_number(v, insn->src_reg);
	if (err)
		return err;
	/* What is known on one way only is told there last. */
	if (op == BPF_JEQ) {
		join(to, after);
		if (with_zero)
			not_zero(after, insn);
		join(next, after);
	} else {
		join(next, after);
		if (with_zero && op == BPF_JNE)
			not_zero(after, insn);
		join(to, after);
	}
	return 0;
}

static int check_exit(struct ke_verifier *v)
{
	v->proof->cost = max(v->proof->cost, v->now.cost);
	return ke_reg_number(v, BPF_REG_0);
}

/* One instruction, and what is known after it. */
static int step(struct ke_verifier *v, u32 i)
{
	const struct bpf_insn *insn = &v->insns[i];

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return check_wide(v, insn);
	case BPF_LDX:
		return ke_access_load(v, insn);
	case BPF_ST:
	case BPF_STX:
		return ke_access_store(v, insn);
	case BPF_ALU:
	case BPF_ALU64:
		return check_alu(v, insn);
	}
	if (BPF_OP(insn->code) == BPF_CALL)
		return check_call(v, insn);
	return BPF_OP(insn->code) == BPF_EXIT ? check_exit(v) : check_jump(v, i);
}

static bool goes_on(const struct bpf_insn *insn)
{
	return !ke_insn_is_jump(insn) && insn->code != (BPF_JMP | BPF_EXIT);
}

static int check_one(struct ke_verifier *v, u32 i)
{
	const struct bpf_insn *insn = &v->insns[i];
	u32 next = i + 1 + ke_insn_is_wide(insn);
	int err;

	if (!v->before[i].reached)
		return refuse(v, "no way leads to it");
	err = ke_filter_form(v->insns, v->n, i, v->why);
	if (err)
		return err;
	if (insn->code != (BPF_JMP | BPF_EXIT) && insn->code != (BPF_JMP | BPF_JA) &&
	    next >= v->n)
		return refuse(v, "the program ends without an exit");
	v->now = v->before[i];
	v->now.cost++;
	err = step(v, i);
	if (err)
		return err;
	if (v->now.cost > KE_FILTER_COST_MAX)
		return refuse(v, "up to here it may cost %u: %u at most", v->now.cost,
			      KE_FILTER_COST_MAX);
	if (goes_on(insn))
		join(&v->before[next], &v->now);
	return 0;
}

int ke_filter_verify(struct ke_filter_proof *proof, const struct bpf_insn *insns, u32 n,
		     const struct ke_filter_bounds *bounds, char *why)
{
	struct ke_verifier v = {
		.insns = insns,
		.n = n,
		.bounds = bounds,
		.proof = proof,
		.why = why,
	};
	int err = 0;
	u32 i;

	*proof = (struct ke_filter_proof){};
	if (!n || n > KE_PROGRAM_INSNS_MAX)
		return refuse(&v, "%u instructions, not 1 to %u", n, KE_PROGRAM_INSNS_MAX);
	v.before = kvcalloc(n, sizeof(*v.before), GFP_KERNEL_ACCOUNT);
	if (!v.before)
		return ke_filter_refuse(-ENOMEM, why, "no memory");
	v.before[0].reached = true;
	v.before[0].kind[BPF_REG_1] = KE_REG_CONTEXT;
	v.before[0].kind[BPF_REG_10] = KE_REG_STACK;
	for (i = 0; i < n && !err; i += 1 + ke_insn_is_wide(&insns[i])) {
		proof->at = i;
		err = check_one(&v, i);
	}
	kvfree(v.before);
	return err;
}
