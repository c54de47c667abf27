// SPDX-License-Identifier: MIT
/*
 * Numbers, names and strings, as instructions.
 *
 * The subset divides unsigned numbers only, so signs are taken away before and given back
 * after. Where a name was found to be there it is not asked again on the way on from there.
 */
#include "expr_insn.h"

enum {
	PRESENT = offsetof(struct kecho_filter_value, present),
	VALUE = offsetof(struct kecho_filter_value, value),
};

static const char *name_text(const struct expr_code *c, const struct expr_name *n)
{
	return c->x->strings + n->str;
}

/* Where the slot of a name is, behind those before it. */
static s16 slot_offset(struct expr_code *c, u16 name, enum expr_kind kind)
{
	return code_slot(c, name, kind) * (int)sizeof(struct kecho_filter_value);
}

void code_presence(struct expr_code *c, u16 name, enum expr_kind kind)
{
	const struct expr_name *n = &c->x->name[name];

	if (n->scope)
		code_load(c, REG_NOW, REG_SLOTS,
			  slot_offset(c, name, kind) + PRESENT);
	else
		code_set_ref(c, REG_NOW, KECHO_REF_HAS_FIELD, kind, name_text(c, n), n->str_len);
}

void code_present(struct expr_code *c, u16 name, enum expr_kind kind, struct expr_label *absent)
{
	if (c->known[kind] & BIT_ULL(name))
		return;
	code_presence(c, name, kind);
	code_jump_value(c, BPF_JEQ, REG_NOW, 0, absent);
	c->known[kind] |= BIT_ULL(name);
}

void code_load_name(struct expr_code *c, u16 name, u8 dst)
{
	const struct expr_name *n = &c->x->name[name];

	if (n->scope)
		code_load(c, dst, REG_SLOTS,
			  slot_offset(c, name, EXPR_NUMBER) + VALUE);
	else
		code_load_field(c, dst, name_text(c, n), n->str_len);
}

void code_string(struct expr_code *c, u16 i, u8 reg)
{
	const struct expr_node *n = &c->x->node[i];
	const struct expr_name *name = &c->x->name[n->name];
	u32 str;

	if (n->op == OP_NAME && !name->scope) {
		code_set_ref(c, reg, KECHO_REF_FIELD_STR, EXPR_OPEN, name_text(c, name),
			     name->str_len);
		return;
	}
	if (n->op == OP_NAME)
		str = KECHO_STR(KECHO_STR_SLOT, code_slot(c, n->name, EXPR_STRING), 0);
	else
		str = code_const(c, c->x->strings + n->str, n->str_len);
	code_insn(c, BPF_ALU | BPF_MOV | BPF_K, reg, 0, 0, (s32)str);
}

static void hash_string(struct expr_code *c, u16 i, struct expr_label *absent)
{
	const struct expr_node *n = &c->x->node[i];

	if (n->op == OP_NAME)
		code_present(c, n->name, EXPR_STRING, absent);
	code_string(c, i, temp(0));
	code_call(c, KECHO_CALL_HASH_STR);
}

/* Of a name that may be a number or a string. What was seen of it on one way does not hold
 * on the other. */
static void open_key(struct expr_code *c, u16 i, bool hash, struct expr_label *absent)
{
	struct expr_label string = { 0 }, done = { 0 };
	u64 numbers = c->known[EXPR_NUMBER], strings = c->known[EXPR_STRING];
	u16 name = c->x->node[i].name;

	code_present(c, name, EXPR_NUMBER, &string);
	code_load_name(c, name, temp(0));
	if (hash)
		code_call(c, KECHO_CALL_HASH);
	else
		code_move(c, REG_NOW, temp(0));
	code_go(c, &done);
	code_here(c, &string);
	c->known[EXPR_NUMBER] = numbers;
	hash_string(c, i, absent);
	code_here(c, &done);
	c->known[EXPR_STRING] = strings;
}

static bool is_string(const struct expr *x, const struct expr_node *n)
{
	return n->op == OP_STRING || (n->op == OP_NAME && x->name[n->name].kind == EXPR_STRING);
}

static bool is_open(const struct expr *x, const struct expr_node *n)
{
	return n->op == OP_NAME && x->name[n->name].kind == EXPR_OPEN;
}

static void key(struct expr_code *c, u16 i, bool hash, struct expr_label *absent)
{
	const struct expr_node *n = &c->x->node[i];

	if (is_open(c->x, n)) {
		open_key(c, i, hash, absent);
	} else if (is_string(c->x, n)) {
		hash_string(c, i, absent);
	} else {
		code_number(c, i, 0, absent);
		if (hash)
			code_call(c, KECHO_CALL_HASH);
		else
			code_move(c, REG_NOW, temp(0));
	}
}

void code_key(struct expr_code *c, u16 i, struct expr_label *absent)
{
	key(c, i, false, absent);
}

static bool calls(const struct expr *x, u16 i)
{
	const struct expr_node *n = &x->node[i];

	if (n->op == OP_NOW || n->op == OP_RANDOM || n->op == OP_HASH)
		return true;
	return (n->a && calls(x, n->a)) || (n->b && calls(x, n->b));
}

/* The second may need all temporaries, or lose them: the first waits on the stack. */
void code_pair(struct expr_code *c, u16 a, u16 b, u8 d, struct expr_label *absent, u8 *ra, u8 *rb)
{
	s16 at;

	code_number(c, a, d, absent);
	if (d + 1 < CODE_TEMPS && !calls(c->x, b)) {
		code_number(c, b, d + 1, absent);
		*ra = temp(d);
		*rb = temp(d + 1);
		return;
	}
	*ra = REG_NOW;
	*rb = temp(d);
	if (c->stack == CODE_STACK) {
		expr_fail(c->x, c->x->node[b].at, c->x->node[b].len,
			  "the expression is too complex: over %d numbers have to wait for others",
			  CODE_STACK);
		return;
	}
	at = -8 * ++c->stack;
	code_store(c, REG_STACK, at, temp(d));
	code_number(c, b, d, absent);
	code_load(c, REG_NOW, REG_STACK, at);
	c->stack--;
}

static void absolute(struct expr_code *c, u8 reg)
{
	struct expr_label positive = { 0 };

	code_jump_value(c, BPF_JSGE, reg, 0, &positive);
	code_insn(c, BPF_ALU64 | BPF_NEG, reg, 0, 0, 0);
	code_here(c, &positive);
}

/* @reg becomes negative if the sign is -1 and not if it is 0. */
static void give_sign(struct expr_code *c, u8 reg)
{
	code_alu(c, BPF_XOR, reg, REG_SIGN);
	code_alu(c, BPF_SUB, reg, REG_SIGN);
}

/* @a becomes its quotient by @b, or the remainder; @b is lost. A quotient by 0 is 0 as it is. */
static void divide(struct expr_code *c, u8 op, u8 a, u8 b)
{
	struct expr_label zero = { 0 }, done = { 0 };

	code_move(c, REG_SIGN, a);
	if (op == OP_DIV)
		code_alu(c, BPF_XOR, REG_SIGN, b);
	else
		code_jump_value(c, BPF_JEQ, b, 0, &zero);
	code_alu_value(c, BPF_ARSH, REG_SIGN, 63);
	absolute(c, a);
	absolute(c, b);
	code_alu(c, op == OP_DIV ? BPF_DIV : BPF_MOD, a, b);
	give_sign(c, a);
	if (op == OP_DIV)
		return;
	code_go(c, &done);
	code_here(c, &zero);
	code_set(c, a, 0);
	code_here(c, &done);
}

/* Whether a number can't be below 0. */
static bool is_positive(const struct expr_node *n)
{
	return n->op == OP_RANDOM || n->op == OP_HASH || n->op == OP_LEN;
}

/* The same by a number that is known and fits. */
static void divide_value(struct expr_code *c, u8 op, u8 reg, s32 by, bool positive)
{
	if (!by) {
		code_set(c, reg, 0);
		return;
	}
	if (positive && by > 0) {
		code_alu_value(c, op == OP_DIV ? BPF_DIV : BPF_MOD, reg, by);
		return;
	}
	code_move(c, REG_SIGN, reg);
	code_alu_value(c, BPF_ARSH, REG_SIGN, 63);
	give_sign(c, reg);
	code_alu_value(c, op == OP_DIV ? BPF_DIV : BPF_MOD, reg, by < 0 ? -by : by);
	if (op == OP_DIV && by < 0)
		code_alu_value(c, BPF_XOR, REG_SIGN, -1);
	give_sign(c, reg);
}

static const u8 alu_of[] = {
	[OP_ADD] = BPF_ADD, [OP_SUB] = BPF_SUB, [OP_MUL] = BPF_MUL, [OP_BITAND] = BPF_AND,
	[OP_BITOR] = BPF_OR, [OP_BITXOR] = BPF_XOR, [OP_SHL] = BPF_LSH, [OP_SHR] = BPF_ARSH,
};

static void binary_value(struct expr_code *c, const struct expr_node *n, u16 a, s64 v, u8 d,
			 struct expr_label *absent)
{
	code_number(c, a, d, absent);
	if (n->op == OP_DIV || n->op == OP_MOD)
		divide_value(c, n->op, temp(d), (s32)v, is_positive(&c->x->node[a]));
	else
		code_alu_value(c, alu_of[n->op], temp(d), (s32)v);
}

static bool turns(u8 op)
{
	return op == OP_ADD || op == OP_MUL || op == OP_BITAND || op == OP_BITOR || op == OP_BITXOR;
}

/* The number that an operator has at one side, if it may be part of an instruction. */
static bool small(const struct expr_node *n, u8 op, s64 *v)
{
	*v = op == OP_SHL || op == OP_SHR ? n->value & 63 : n->value;
	return n->op == OP_NUMBER && *v > S32_MIN && *v <= S32_MAX;
}

static void binary(struct expr_code *c, const struct expr_node *n, u8 d, struct expr_label *absent)
{
	const struct expr_node *node = c->x->node;
	u8 a, b;
	s64 v;

	if (small(&node[n->b], n->op, &v)) {
		binary_value(c, n, n->a, v, d, absent);
		return;
	}
	if (turns(n->op) && small(&node[n->a], n->op, &v)) {
		binary_value(c, n, n->b, v, d, absent);
		return;
	}
	code_pair(c, n->a, n->b, d, absent, &a, &b);
	if (n->op == OP_DIV || n->op == OP_MOD)
		divide(c, n->op, a, b);
	else
		code_alu(c, alu_of[n->op], a, b);
	code_move(c, temp(d), a);
}

static void context_word(struct expr_code *c, u8 d, size_t off)
{
	code_load(c, temp(d), code_context(c), (s16)off);
}

/* What a call gave; @shift 1: without its sign. */
static void result(struct expr_code *c, u8 d, u8 shift)
{
	code_move(c, temp(d), REG_NOW);
	if (shift)
		code_alu_value(c, BPF_RSH, temp(d), shift);
}

void code_number(struct expr_code *c, u16 i, u8 d, struct expr_label *absent)
{
	const struct expr_node *n = &c->x->node[i];

	switch (n->op) {
	case OP_NUMBER:
		code_set(c, temp(d), n->value);
		break;
	case OP_NAME:
		code_present(c, n->name, EXPR_NUMBER, absent);
		code_load_name(c, n->name, temp(d));
		break;
	case OP_SEQ:
		context_word(c, d, offsetof(struct kecho_filter_ctx, seq));
		break;
	case OP_LEN:
		context_word(c, d, offsetof(struct kecho_filter_ctx, len));
		break;
	case OP_TIME:
		context_word(c, d, offsetof(struct kecho_filter_ctx, time_ns));
		code_jump_value(c, BPF_JEQ, temp(d), 0, absent);
		break;
	case OP_NOW:
		code_call(c, KECHO_CALL_NOW);
		result(c, d, 0);
		break;
	case OP_RANDOM:
		code_call(c, KECHO_CALL_RANDOM);
		result(c, d, 1);
		break;
	case OP_HASH:
		key(c, n->a, true, absent);
		result(c, d, 1);
		break;
	case OP_NEG:
		code_number(c, n->a, d, absent);
		code_insn(c, BPF_ALU64 | BPF_NEG, temp(d), 0, 0, 0);
		break;
	case OP_INVERT:
		code_number(c, n->a, d, absent);
		code_alu_value(c, BPF_XOR, temp(d), -1);
		break;
	default:
		binary(c, n, d, absent);
	}
}
