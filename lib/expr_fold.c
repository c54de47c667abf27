// SPDX-License-Identifier: MIT
/*
 * What is known before any event has come is computed here, and what it decides is dropped.
 * Numbers have 64 bits and wrap; division truncates, and by 0 it gives 0; shifts go by the
 * count modulo 64, to the right with the sign.
 */
#include "expr.h"

enum { SHIFT_MASK = 63 };

static s64 divide(s64 a, s64 b)
{
	if (!b)
		return 0;
	return b == -1 ? (s64)(0 - (u64)a) : a / b;
}

static s64 remainder_of(s64 a, s64 b)
{
	return b && b != -1 ? a % b : 0;
}

s64 expr_compute(u8 op, s64 a, s64 b)
{
	switch (op) {
	case OP_NEG:
		return (s64)(0 - (u64)a);
	case OP_INVERT:
		return ~a;
	case OP_ADD:
		return (s64)((u64)a + (u64)b);
	case OP_SUB:
		return (s64)((u64)a - (u64)b);
	case OP_MUL:
		return (s64)((u64)a * (u64)b);
	case OP_DIV:
		return divide(a, b);
	case OP_MOD:
		return remainder_of(a, b);
	case OP_BITAND:
		return a & b;
	case OP_BITOR:
		return a | b;
	case OP_BITXOR:
		return a ^ b;
	case OP_SHL:
		return (s64)((u64)a << (b & SHIFT_MASK));
	case OP_SHR:
		return a >> (b & SHIFT_MASK);
	}
	WARN_ON(1);
	return 0;
}

static bool compare(u8 op, s64 a, s64 b)
{
	switch (op) {
	case OP_EQ:
		return a == b;
	case OP_NE:
		return a != b;
	case OP_LT:
		return a < b;
	case OP_LE:
		return a <= b;
	case OP_GT:
		return a > b;
	default:
		return a >= b;
	}
}

static void set_condition(struct expr_node *n, bool value)
{
	n->op = OP_CONDITION;
	n->value = value;
	n->a = 0;
	n->b = 0;
}

int expr_find(const char *in, size_t in_len, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i + len <= in_len; i++)
		if (!memcmp(in + i, s, len))
			return i;
	return -1;
}

static bool strings_match(const struct expr *x, u8 op, const struct expr_node *a,
			  const struct expr_node *b)
{
	const char *s = x->strings + a->str, *t = x->strings + b->str;

	if (op == OP_EQ || op == OP_NE)
		return (a->str_len == b->str_len && !memcmp(s, t, a->str_len)) == (op == OP_EQ);
	if (op == OP_CONTAINS)
		return expr_find(s, a->str_len, t, b->str_len) >= 0;
	return a->str_len >= b->str_len && !memcmp(s, t, b->str_len);
}

static bool in_set(const struct expr *x, const struct expr_node *a, u16 item)
{
	const struct expr_node *n;

	for (; item; item = n->next) {
		n = &x->node[item];
		if (a->op == OP_STRING && strings_match(x, OP_EQ, a, n))
			return true;
		if (a->op == OP_NUMBER && a->value >= n->value && a->value <= n->last)
			return true;
	}
	return false;
}

static void fold_comparison(const struct expr *x, struct expr_node *n)
{
	const struct expr_node *a = &x->node[n->a], *b = &x->node[n->b];

	if (a->op == OP_NUMBER && b->op == OP_NUMBER)
		set_condition(n, compare(n->op, a->value, b->value));
	else if (a->op == OP_STRING && b->op == OP_STRING)
		set_condition(n, strings_match(x, n->op, a, b));
}

/* && and ||: one side that is known decides, or leaves the other. */
static void fold_join(const struct expr *x, struct expr_node *n)
{
	const struct expr_node *a = &x->node[n->a], *b = &x->node[n->b];
	bool decides = n->op == OP_ANY;

	if (a->op == OP_CONDITION)
		*n = a->value == decides ? *a : *b;
	else if (b->op == OP_CONDITION)
		*n = b->value == decides ? *b : *a;
}

static void fold_number(const struct expr *x, struct expr_node *n)
{
	const struct expr_node *a = &x->node[n->a], *b = &x->node[n->b];

	if (a->op != OP_NUMBER || (n->b && b->op != OP_NUMBER))
		return;
	n->value = expr_compute(n->op, a->value, b->value);
	n->op = OP_NUMBER;
	n->a = 0;
	n->b = 0;
}

static void fold(struct expr *x, struct expr_node *n)
{
	const struct expr_node *a = &x->node[n->a];

	switch (n->op) {
	case OP_NEG ... OP_SHR:
		fold_number(x, n);
		break;
	case OP_EQ ... OP_CONTAINS:
		fold_comparison(x, n);
		break;
	case OP_IN:
		if (a->op == OP_NUMBER || a->op == OP_STRING)
			set_condition(n, in_set(x, a, n->b));
		break;
	case OP_TRUTH:
		if (a->op == OP_NUMBER)
			set_condition(n, a->value != 0);
		break;
	case OP_NOT:
		if (a->op == OP_CONDITION)
			set_condition(n, !a->value);
		break;
	case OP_ALL:
	case OP_ANY:
		fold_join(x, n);
		break;
	}
}

static void fold_tree(struct expr *x, u16 i)
{
	struct expr_node *n = &x->node[i];

	if (n->a)
		fold_tree(x, n->a);
	if (n->b && n->op != OP_IN)
		fold_tree(x, n->b);
	fold(x, n);
}

void expr_fold(struct expr *x)
{
	if (x->condition)
		fold_tree(x, x->condition);
	if (x->score)
		fold_tree(x, x->score);
}
