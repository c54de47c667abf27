// SPDX-License-Identifier: MIT
/*
 * From words to a tree: operators by their precedence, and what chooses sinks.
 *
 *	filter    = [ condition ]			of an OUT filter:
 *	          | choice [ "where" condition ] | "where" condition
 *	choice    = "all" | "any" | "best" [ number ] "by" [ "least" | "most" ] condition
 *	condition = operands with operators between them: || lowest, && , comparisons and
 *	            "in" , | , ^ , & , << >> , + - , * / %
 *
 * Bits bind tighter than comparisons, unlike in C: flags & 4 == 4 is what it looks like.
 * In C's order it would be an error here, since a comparison is no number.
 */
#include "expr.h"

enum precedence {
	PRECEDENCE_LOWEST = 1,
	PRECEDENCE_COMPARISON = 3,
	PRECEDENCE_NONE = 0,
};

static const struct {
	u16 token;
	u8 precedence, op;
} operators[] = {
	{ TOKEN_OR, 1, OP_ANY },
	{ TOKEN_AND, 2, OP_ALL },
	{ TOKEN_EQ, PRECEDENCE_COMPARISON, OP_EQ },
	{ TOKEN_NE, PRECEDENCE_COMPARISON, OP_NE },
	{ '<', PRECEDENCE_COMPARISON, OP_LT },
	{ TOKEN_LE, PRECEDENCE_COMPARISON, OP_LE },
	{ '>', PRECEDENCE_COMPARISON, OP_GT },
	{ TOKEN_GE, PRECEDENCE_COMPARISON, OP_GE },
	{ '|', 4, OP_BITOR },
	{ '^', 5, OP_BITXOR },
	{ '&', 6, OP_BITAND },
	{ TOKEN_SHL, 7, OP_SHL },
	{ TOKEN_SHR, 7, OP_SHR },
	{ '+', 8, OP_ADD },
	{ '-', 8, OP_SUB },
	{ '*', 9, OP_MUL },
	{ '/', 9, OP_DIV },
	{ '%', 9, OP_MOD },
};

u16 expr_make(struct expr *x, u8 op, const struct expr_token *at, u16 a, u16 b)
{
	struct expr_node *n;
	u16 i;

	if (x->failed)
		return 0;
	if (x->nodes + 1 >= EXPR_NODES_MAX) {
		expr_fail_at(x, at,
			     "the expression is too long: over %d operators and operands",
			     EXPR_NODES_MAX);
		return 0;
	}
	i = ++x->nodes;
	n = &x->node[i];
	*n = (struct expr_node){ .op = op, .at = at->at, .len = at->len, .a = a, .b = b };
	n->height = 1 + max(x->node[a].height, x->node[b].height);
	if (n->height > EXPR_DEPTH_MAX)
		expr_fail_at(x, at,
			     "the expression is too deep: over %d operators within each other; x "
			     "in (1, 2) is one", EXPR_DEPTH_MAX);
	return x->failed ? 0 : i;
}

/* An error about the next token. */
bool expr_wanted(struct expr *x, const char *what)
{
	if (x->token.kind == TOKEN_END)
		expr_fail(x, x->token.at, 0,
			  "the expression ends too early: here should be %s", what);
	else
		expr_fail_at(x, &x->token, "here should be %s", what);
	return false;
}

bool expr_expect(struct expr *x, u16 kind, const char *what)
{
	return x->token.kind == kind ? expr_next(x) : expr_wanted(x, what);
}

static bool sign(struct expr *x)
{
	bool negative = x->token.kind == '-';

	if (negative)
		expr_next(x);
	return negative;
}

static bool set_number(struct expr *x, s64 *v)
{
	bool negative = sign(x);
	s64 value = x->token.value;

	if (x->failed || !expr_expect(x, TOKEN_NUMBER, "a number"))
		return false;
	*v = negative ? (s64)(0 - (u64)value) : value;
	return true;
}

/* One item of a set: "a string", 5, or 5..9. */
static u16 set_item(struct expr *x)
{
	struct expr_token begin = x->token;
	u16 i = expr_make(x, OP_ITEM, &begin, 0, 0);
	struct expr_node *n = &x->node[i];

	if (x->failed)
		return 0;
	if (begin.kind == TOKEN_STRING) {
		n->op = OP_STRING;
		n->str = begin.str;
		n->str_len = begin.str_len;
		return expr_next(x) ? i : 0;
	}
	if (begin.kind != TOKEN_NUMBER && begin.kind != '-') {
		expr_wanted(x, "a number, a range such as 5..9, or a string");
		return 0;
	}
	if (!set_number(x, &n->value))
		return 0;
	n->last = n->value;
	if (x->token.kind == TOKEN_RANGE && (!expr_next(x) || !set_number(x, &n->last)))
		return 0;
	n->len = x->token.at - n->at;
	if (n->value > n->last)
		expr_fail_at(x, n, "nothing is in this range: the lower number comes first");
	return i;
}

static u16 set(struct expr *x)
{
	u16 first = 0, last = 0, i;

	if (!expr_expect(x, '(', "( and a list such as (1, 5..9) or (\"a\", \"b\")"))
		return 0;
	do {
		i = set_item(x);
		if (!i)
			return 0;
		if (first)
			x->node[last].next = i;
		else
			first = i;
		last = i;
		if ((x->node[i].op == OP_STRING) != (x->node[first].op == OP_STRING)) {
			expr_fail_at(x, &x->node[i], "a set has numbers or strings, not both");
			return 0;
		}
	} while (x->token.kind == ',' && expr_next(x));
	return expr_expect(x, ')', ", or ) behind the items of a set") ? first : 0;
}

static u8 precedence_of(const struct expr *x, u8 *op)
{
	size_t i;

	*op = OP_IN;
	if (expr_is(x, &x->token, "in"))
		return PRECEDENCE_COMPARISON;
	for (i = 0; i < ARRAY_SIZE(operators); i++) {
		if (x->token.kind == operators[i].token) {
			*op = operators[i].op;
			return operators[i].precedence;
		}
	}
	return PRECEDENCE_NONE;
}

/* Operators of at least this precedence; those of one are taken from left to right. */
static u16 binary(struct expr *x, u8 lowest)
{
	u16 a = expr_operand(x), b;
	struct expr_token at;
	u8 precedence, op;

	while (a && (precedence = precedence_of(x, &op)) >= lowest) {
		at = x->token;
		if (!expr_next(x))
			return 0;
		b = op == OP_IN ? set(x) : binary(x, precedence + 1);
		a = b ? expr_make(x, op, &at, a, b) : 0;
		if (a && precedence == PRECEDENCE_COMPARISON &&
		    precedence_of(x, &op) == PRECEDENCE_COMPARISON) {
			expr_fail_at(x, &x->token,
				     "comparisons do not chain: join two with && or ||");
			return 0;
		}
	}
	return a;
}

u16 expr_condition(struct expr *x)
{
	u16 n;

	if (++x->depth > EXPR_DEPTH_MAX) {
		expr_fail_at(x, &x->token,
			     "the expression is too deep: over %d parentheses and operators "
			     "within each other", EXPR_DEPTH_MAX);
		return 0;
	}
	n = binary(x, PRECEDENCE_LOWEST);
	x->depth--;
	return n;
}

static bool take_word(struct expr *x, const char *word)
{
	return expr_is(x, &x->token, word) && expr_next(x);
}

/* "best" has been read. */
static bool best(struct expr *x)
{
	x->best = 1;
	if (x->token.kind == TOKEN_NUMBER) {
		if (x->token.value < 1 || x->token.value > U32_MAX) {
			expr_fail_at(x, &x->token, "the best are 1 to %u of all sinks", U32_MAX);
			return false;
		}
		x->best = x->token.value;
		expr_next(x);
	}
	if (!take_word(x, "by"))
		return expr_wanted(x, "how many, or \"by\" and what makes a sink a good one");
	x->least = !take_word(x, "most");
	if (x->least)
		take_word(x, "least");
	x->score = expr_condition(x);
	return x->score != 0;
}

static bool any(struct expr *x, const struct expr_token *at)
{
	x->best = 1;
	x->score = expr_make(x, OP_RANDOM, at, 0, 0);
	return x->score != 0;
}

/* Of an OUT filter: whether there is a condition behind it. */
static bool choice(struct expr *x)
{
	struct expr_token first = x->token;

	if (take_word(x, "where"))
		return true;
	if (take_word(x, "best")) {
		if (!best(x))
			return false;
	} else if (take_word(x, "any")) {
		if (!any(x, &first))
			return false;
	} else if (!take_word(x, "all")) {
		return !x->failed;
	}
	if (x->failed || x->token.kind == TOKEN_END)
		return false;
	if (take_word(x, "where"))
		return true;
	return x->failed ? false : expr_wanted(x, "\"where\" and a condition, or the end");
}

static bool chooses(const struct expr *x, const struct expr_token *t)
{
	return expr_is(x, t, "best") || expr_is(x, t, "any") || expr_is(x, t, "all") ||
	       expr_is(x, t, "where");
}

static bool parse_filter(struct expr *x)
{
	struct expr_token first = x->token;

	if (x->use == KECHO_FOR_OUT && !choice(x))
		return !x->failed;
	x->condition = expr_condition(x);
	if (x->failed || x->token.kind == TOKEN_END)
		return !x->failed;
	if (chooses(x, &first))
		expr_fail_at(x, &first,
			     "only OUT filters choose sinks; a field that is called %.*s is .%.*s",
			     first.len, x->text + first.at, first.len, x->text + first.at);
	return expr_wanted(x, "an operator, or the end");
}

bool expr_parse(struct expr *x)
{
	return expr_next(x) && parse_filter(x);
}
