// SPDX-License-Identifier: MIT
/*
 * What kind everything in an expression is. A name's kind is that of its use; two uses that
 * disagree are an error. Names that are only compared with each other, or only looked for,
 * stay open: when the filter runs they may be numbers or strings.
 */
#include "expr.h"

static void check(struct expr *x, u16 i);

static const char *const kind_text[] = {
	[EXPR_OPEN] = "something", [EXPR_NUMBER] = "a number", [EXPR_STRING] = "a string",
	[EXPR_CONDITION] = "a condition",
};

/* What an operator makes, or an operand is. */
static enum expr_kind kind_of(const struct expr *x, u16 i)
{
	const struct expr_node *n = &x->node[i];

	if (n->op == OP_NAME)
		return x->name[n->name].kind;
	if (n->op == OP_STRING || n->op == OP_TYPE)
		return EXPR_STRING;
	return n->op < OP_STRING ? EXPR_NUMBER : EXPR_CONDITION;
}

static const char *article(const struct expr_name *n)
{
	return n->scope ? "the attribute" : "the field";
}

static void use_name(struct expr *x, u16 name, enum expr_kind kind, u16 at, u16 len)
{
	struct expr_name *n = &x->name[name];

	if (n->age && kind == EXPR_STRING) {
		expr_fail(x, at, len, "an age is a number of nanoseconds, not a string");
	} else if (n->kind == EXPR_OPEN) {
		n->kind = kind;
		n->at = at;
		n->len = len;
	} else if (n->kind != kind) {
		expr_fail(x, at, len,
			  "%s is %s here, but %s at column %u", article(n), kind_text[kind],
			  kind_text[n->kind], n->at + 1);
	}
}

/* @what wants @i to be of this kind. */
static void want(struct expr *x, u16 i, enum expr_kind kind, const char *what)
{
	const struct expr_node *n = &x->node[i];
	enum expr_kind is = kind_of(x, i);

	if (n->op == OP_NAME)
		use_name(x, n->name, kind, n->at, n->len);
	else if (is == kind)
		check(x, i);
	else if (is == EXPR_CONDITION)
		expr_fail_at(x, n,
			     "%s needs %s; this is a condition, so it may need parentheses", what,
			     kind_text[kind]);
	else
		expr_fail_at(x, n,
			     "%s needs %s, and this is %s", what, kind_text[kind], kind_text[is]);
}

/* A number is a condition too: it is not 0. */
static void want_condition(struct expr *x, u16 *i)
{
	const struct expr_node *n = &x->node[*i];
	struct expr_token at = { .at = n->at, .len = n->len };

	if (kind_of(x, *i) == EXPR_CONDITION) {
		check(x, *i);
		return;
	}
	if (n->op == OP_STRING || n->op == OP_TYPE) {
		expr_fail_at(x, n, "a string is no condition: compare it with something");
		return;
	}
	want(x, *i, EXPR_NUMBER, "a condition");
	*i = expr_make(x, OP_TRUTH, &at, *i, 0);
}

/* A filter has it as a name, of which there are good ones and others. */
static void check_type_name(struct expr *x, const struct expr_node *w)
{
	u32 i;

	if (w->op != OP_STRING || !w->str_len || w->str_len > KE_NAME_MAX) {
		expr_fail_at(x, w, "a type is compared with its name, such as \"load\"");
		return;
	}
	for (i = 0; i < w->str_len; i++) {
		if ((u8)x->strings[w->str + i] >= 0x21)
			continue;
		expr_fail_at(x, w, "a type's name has no blanks and no control characters");
		return;
	}
}

static void check_type(struct expr *x, const struct expr_node *n, u16 with)
{
	if (n->op != OP_EQ && n->op != OP_NE)
		expr_fail_at(x, n, "types are compared with ==, != and in");
	else
		check_type_name(x, &x->node[with]);
}

static void link_names(struct expr *x, const struct expr_node *n)
{
	if (x->links == EXPR_LINKS_MAX) {
		expr_fail_at(x, n,
			     "over %d comparisons of attributes and fields with each other",
			     EXPR_LINKS_MAX);
		return;
	}
	x->link[x->links++] = (struct expr_link){
		.a = x->node[n->a].name, .b = x->node[n->b].name, .at = n->at, .len = n->len,
	};
}

static const char *operator_text(u8 op)
{
	static const char *const texts[] = {
		[OP_NEG] = "-", [OP_INVERT] = "~", [OP_ADD] = "+", [OP_SUB] = "-", [OP_MUL] = "*",
		[OP_DIV] = "/", [OP_MOD] = "%", [OP_BITAND] = "&", [OP_BITOR] = "|",
		[OP_BITXOR] = "^", [OP_SHL] = "<<", [OP_SHR] = ">>", [OP_EQ] = "==", [OP_NE] = "!=",
		[OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">=",
		[OP_PREFIX] = "prefix()", [OP_CONTAINS] = "contains()",
	};

	return texts[op];
}

static void check_comparison(struct expr *x, const struct expr_node *n)
{
	u8 a = x->node[n->a].op, b = x->node[n->b].op;
	enum expr_kind kind = EXPR_NUMBER;

	if (a == OP_TYPE || b == OP_TYPE) {
		check_type(x, n, a == OP_TYPE ? n->b : n->a);
		return;
	}
	if (n->op == OP_EQ || n->op == OP_NE) {
		if (a == OP_NAME && b == OP_NAME) {
			link_names(x, n);
			return;
		}
		if (a == OP_STRING || b == OP_STRING)
			kind = EXPR_STRING;
	} else if (a == OP_STRING || b == OP_STRING) {
		expr_fail_at(x, n,
			     "strings have no order here: compare them with ==, !=, in, prefix() "
			     "or contains()");
		return;
	}
	want(x, n->a, kind, operator_text(n->op));
	want(x, n->b, kind, operator_text(n->op));
}

static void check_set(struct expr *x, const struct expr_node *n)
{
	bool strings = x->node[n->b].op == OP_STRING;
	u16 item;

	if (x->node[n->a].op != OP_TYPE) {
		want(x, n->a, strings ? EXPR_STRING : EXPR_NUMBER,
		     strings ? "a set of strings" : "a set of numbers");
		return;
	}
	for (item = n->b; item; item = x->node[item].next)
		check_type_name(x, &x->node[item]);
}

static void want_text(struct expr *x, u16 i, const char *what)
{
	if (x->node[i].op == OP_TYPE)
		expr_fail_at(x, &x->node[i], "types are compared with ==, != and in");
	else
		want(x, i, EXPR_STRING, what);
}

/* once() and hash(): of a string or a number. */
static void want_key(struct expr *x, u16 i, const char *what)
{
	const struct expr_node *n = &x->node[i];

	if (n->op == OP_STRING || n->op == OP_NAME)
		return;
	if (kind_of(x, i) == EXPR_NUMBER)
		check(x, i);
	else
		expr_fail_at(x, n, "%s is given a number, a string, a field or an attribute", what);
}

static void check_has(struct expr *x, const struct expr_node *n)
{
	const struct expr_node *a = &x->node[n->a];

	if (a->op != OP_NAME && a->op != OP_TIME)
		expr_fail_at(x, a, "has() is given a field or an attribute");
}

static void check(struct expr *x, u16 i)
{
	struct expr_node *n = &x->node[i];

	if (x->failed)
		return;
	switch (n->op) {
	case OP_HASH:
	case OP_ONCE:
		want_key(x, n->a, n->op == OP_HASH ? "hash()" : "once()");
		break;
	case OP_NEG:
	case OP_INVERT:
		want(x, n->a, EXPR_NUMBER, operator_text(n->op));
		break;
	case OP_ADD ... OP_SHR:
		want(x, n->a, EXPR_NUMBER, operator_text(n->op));
		want(x, n->b, EXPR_NUMBER, operator_text(n->op));
		break;
	case OP_EQ ... OP_GE:
		check_comparison(x, n);
		break;
	case OP_PREFIX:
	case OP_CONTAINS:
		want_text(x, n->a, operator_text(n->op));
		want_text(x, n->b, operator_text(n->op));
		break;
	case OP_IN:
		check_set(x, n);
		break;
	case OP_HAS:
		check_has(x, n);
		break;
	case OP_NOT:
		want_condition(x, &n->a);
		break;
	case OP_ALL:
	case OP_ANY:
		want_condition(x, &n->a);
		want_condition(x, &n->b);
		break;
	}
}

/* Of two names that are compared one may be known by now: then the other is so too. Each
 * round that changes anything makes one more name known, so it ends. */
static void settle(struct expr *x)
{
	bool changed = true;
	u16 i;

	while (changed && !x->failed) {
		changed = false;
		for (i = 0; i < x->links; i++) {
			struct expr_link *l = &x->link[i];
			u8 a = x->name[l->a].kind, b = x->name[l->b].kind;

			if (a == b)
				continue;
			changed = true;
			if (a == EXPR_OPEN)
				use_name(x, l->a, b, l->at, l->len);
			else if (b == EXPR_OPEN)
				use_name(x, l->b, a, l->at, l->len);
			else
				expr_fail_at(x, l,
					     "%s is compared with %s here: see columns %u and %u",
					     kind_text[a], kind_text[b], x->name[l->a].at + 1,
					     x->name[l->b].at + 1);
		}
	}
}

/* ~ turns the order of all numbers round, as - does but for the lowest. */
static void check_score(struct expr *x)
{
	struct expr_token at = { .at = x->node[x->score].at, .len = x->node[x->score].len };

	want(x, x->score, EXPR_NUMBER, "a score");
	if (x->least)
		x->score = expr_make(x, OP_INVERT, &at, x->score, 0);
}

bool expr_check(struct expr *x)
{
	u16 i;

	for (i = 0; i < x->names; i++)
		if (x->name[i].age)
			x->name[i].kind = EXPR_NUMBER;
	if (x->condition)
		want_condition(x, &x->condition);
	if (x->score)
		check_score(x);
	if (!x->failed)
		settle(x);
	return !x->failed;
}
