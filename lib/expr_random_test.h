/* SPDX-License-Identifier: MIT */
/*
 * Random expressions, as trees of their own, and their text: written with as few parentheses
 * as the manual's precedences allow, and some that are not needed. The compiler has no part
 * in this.
 */
#ifndef KECHO_EXPR_RANDOM_TEST_H
#define KECHO_EXPR_RANDOM_TEST_H

#include "plat.h"

enum {
	R_TEXT_MAX = 4096,
	R_NODES_MAX = 400,
	R_ITEMS_MAX = 4,
	R_STRING_MAX = 8,
	R_MEMORY_MAX = 8,	/* events that one expression judges, at most */
};

/* Conditions, numbers and strings, in one list. */
enum r_op {
	R_OR, R_AND, R_NOT, R_EQ, R_NE, R_LT, R_LE, R_GT, R_GE, R_IN, R_TRUTH, R_HAS, R_ONCE,
	R_RATE, R_TYPE, R_NOT_TYPE, R_SAME_HASH,
	R_STR_EQ, R_STR_NE, R_PREFIX, R_CONTAINS, R_STR_IN,
	R_LITERAL, R_NAME, R_SEQ, R_LEN, R_TIME, R_NOW, R_NEG, R_INV,
	R_ADD, R_SUB, R_MUL, R_DIV, R_MOD, R_BAND, R_BOR, R_BXOR, R_SHL, R_SHR,
	R_STRING,
};

struct r_string {
	char s[R_STRING_MAX];
	u32 len;
};

struct r_key {
	bool is_string;
	s64 i;
	struct r_string s;
	u64 until;
};

struct r_node {
	enum r_op op;
	struct r_node *a, *b;
	s64 value;		/* of a literal, a window, a rate */
	u32 name;
	struct r_string str;
	s64 from[R_ITEMS_MAX], to[R_ITEMS_MAX];
	struct r_string item[R_ITEMS_MAX];
	u32 items;
	/* what once() and rate() of this node have seen */
	struct r_key key[R_MEMORY_MAX];
	u32 keys;
	u64 credit, last;
};

struct r_name {
	const char *text;
	bool is_string;		/* used as one */
};

struct r_world {
	u64 random;
	const struct r_name *names;
	u32 nnames;
	struct r_node node[R_NODES_MAX];
	u32 nodes, onces, rates;
	char text[R_TEXT_MAX];
	u32 len;
};

static inline u64 r_next(struct r_world *w)
{
	u64 z = w->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static inline u32 r_below(struct r_world *w, u32 n)
{
	return r_next(w) % n;
}

/* Near 0, near the ends of 32 and 64 bits, anything. */
static inline s64 r_number(struct r_world *w)
{
	static const s64 corners[] = { 0, S32_MAX, S32_MIN, S64_MAX, S64_MIN, U32_MAX, 255, 1024 };

	switch (r_below(w, 8)) {
	case 0:
		return (s64)((u64)corners[r_below(w, ARRAY_SIZE(corners))] + r_below(w, 5) - 2);
	case 1:
		return (s64)(r_next(w) >> r_below(w, 64));
	default:
		return (s64)r_below(w, 16) - 5;
	}
}

static inline struct r_string r_string(struct r_world *w)
{
	struct r_string s = { .len = r_below(w, 4) };
	u32 i;

	for (i = 0; i < s.len; i++)
		s.s[i] = r_below(w, 40) ? 'a' + r_below(w, 2) : '"' + r_below(w, 200);
	return s;
}

/* ------------------------------------------------------------------------- trees */

static inline struct r_node *r_new(struct r_world *w, enum r_op op)
{
	struct r_node *n = &w->node[w->nodes++];

	if (w->nodes > R_NODES_MAX)
		abort();
	memset(n, 0, sizeof(*n));
	n->op = op;
	return n;
}

static inline struct r_node *r_name(struct r_world *w, bool is_string)
{
	struct r_node *n = r_new(w, R_NAME);

	do {
		n->name = r_below(w, w->nnames);
	} while (w->names[n->name].is_string != is_string);
	return n;
}

static inline struct r_node *r_text(struct r_world *w)
{
	struct r_node *n;

	if (r_below(w, 2))
		return r_name(w, true);
	n = r_new(w, R_STRING);
	n->str = r_string(w);
	return n;
}

static inline struct r_node *r_num(struct r_world *w, u32 depth)
{
	struct r_node *n;
	u32 which = r_below(w, depth ? 12 : 6);

	if (which < 2) {
		n = r_new(w, R_LITERAL);
		n->value = r_number(w);
		return n;
	}
	if (which < 5)
		return r_name(w, false);
	if (which < 6)
		return r_new(w, R_SEQ + r_below(w, 4));
	n = r_new(w, R_NEG + r_below(w, R_SHR - R_NEG + 1));
	n->a = r_num(w, depth - 1);
	if (n->op >= R_ADD)
		n->b = r_num(w, depth - 1);
	return n;
}

static inline struct r_node *r_set(struct r_world *w, bool strings)
{
	struct r_node *n = r_new(w, strings ? R_STR_IN : R_IN);
	s64 a, b;

	n->a = strings ? r_name(w, true) : r_num(w, 1);
	n->items = 1 + r_below(w, R_ITEMS_MAX);
	for (u32 i = 0; i < n->items; i++) {
		n->item[i] = r_string(w);
		a = r_number(w);
		b = r_below(w, 2) ? a : r_number(w);
		n->from[i] = min(a, b);
		n->to[i] = max(a, b);
	}
	return n;
}

/* What once() and hash() take. */
static inline struct r_node *r_key(struct r_world *w)
{
	return r_below(w, 2) ? r_text(w) : r_num(w, 1);
}

static inline struct r_node *r_pair(struct r_world *w, enum r_op op, struct r_node *a,
				    struct r_node *b)
{
	struct r_node *n = r_new(w, op);

	n->a = a;
	n->b = b;
	return n;
}

static inline struct r_node *r_number_name(struct r_world *w)
{
	return r_name(w, false);
}

static inline struct r_node *r_deep(struct r_world *w)
{
	return r_num(w, 3);
}

/* In this order, whatever the compiler. */
static inline struct r_node *r_two(struct r_world *w, enum r_op op,
				   struct r_node *(*make)(struct r_world *w))
{
	struct r_node *n = r_new(w, op);

	n->a = make(w);
	n->b = make(w);
	return n;
}

static inline struct r_node *r_remembering(struct r_world *w)
{
	struct r_node *n;

	if (r_below(w, 2) && w->rates < 8) {
		w->rates++;
		n = r_new(w, R_RATE);
		n->value = 1 + r_below(w, 3);
	} else if (w->onces < 8) {
		w->onces++;
		n = r_new(w, R_ONCE);
		n->a = r_key(w);
		n->value = 1000000 << r_below(w, 12);
	} else {
		n = r_pair(w, R_TRUTH, r_num(w, 1), NULL);
	}
	return n;
}

static inline struct r_node *r_atom(struct r_world *w)
{
	struct r_node *n;

	switch (r_below(w, 12)) {
	case 0:
		return r_set(w, false);
	case 1:
		return r_set(w, true);
	case 2:
		n = r_new(w, R_HAS);
		n->a = r_below(w, 8) ? r_name(w, r_below(w, 2)) : r_new(w, R_TIME);
		return n;
	case 3:
		return r_remembering(w);
	case 4:
		n = r_new(w, r_below(w, 2) ? R_TYPE : R_NOT_TYPE);
		n->value = r_below(w, 2);
		return n;
	case 5:
		return r_two(w, R_SAME_HASH, r_key);
	case 6:
	case 7:
		return r_two(w, R_STR_EQ + r_below(w, 4), r_text);
	case 8:
		return r_pair(w, R_TRUTH, r_num(w, 2), NULL);
	case 9:
		return r_two(w, R_EQ + r_below(w, 2), r_number_name);
	default:
		return r_two(w, R_EQ + r_below(w, 6), r_deep);
	}
}

static inline struct r_node *r_condition(struct r_world *w, u32 depth)
{
	struct r_node *a;
	u32 which = r_below(w, 4);

	if (!depth || which == 3)
		return r_atom(w);
	a = r_condition(w, depth - 1);
	if (which == 2)
		return r_pair(w, R_NOT, a, NULL);
	return r_pair(w, which ? R_AND : R_OR, a, r_condition(w, depth - 1));
}

/* -------------------------------------------------------------------------- text */

static inline void r_put(struct r_world *w, const char *fmt, ...) __printf(2, 3);
static inline void r_put(struct r_world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->len += vscnprintf(w->text + w->len, sizeof(w->text) - w->len, fmt, ap);
	va_end(ap);
	if (!r_below(w, 4))
		w->len += scnprintf(w->text + w->len, sizeof(w->text) - w->len,
				    r_below(w, 4) ? " " : "\t\n ");
}

static inline void r_put_number(struct r_world *w, s64 v)
{
	if (v == S64_MIN || !r_below(w, 8))
		r_put(w, "0x%llx", (unsigned long long)v);
	else if (v && v % 1024 == 0 && r_below(w, 2))
		r_put(w, "%lldK", (long long)v / 1024);
	else if (v && v % 1000 == 0 && r_below(w, 2))
		r_put(w, "%lldus", (long long)v / 1000);
	else
		r_put(w, "%lld", (long long)v);
}

static inline void r_put_string(struct r_world *w, const struct r_string *s)
{
	char quote = r_below(w, 2) ? '"' : '\'', text[8 * R_STRING_MAX];
	u32 i, len = 0;

	for (i = 0; i < s->len; i++) {
		char c = s->s[i];

		if (c == quote || c == '\\')
			len += scnprintf(text + len, sizeof(text) - len, "\\%c", c);
		else if ((u8)c < ' ' || !r_below(w, 10))
			len += scnprintf(text + len, sizeof(text) - len, "\\x%02x", (u8)c);
		else
			text[len++] = c;
	}
	text[len] = '\0';
	r_put(w, "%c%s%c", quote, text, quote);
}

static const struct {
	const char *text;
	u8 precedence;
} r_operators[] = {
	[R_OR] = { "||", 1 }, [R_AND] = { "&&", 2 }, [R_EQ] = { "==", 3 }, [R_NE] = { "!=", 3 },
	[R_LT] = { "<", 3 }, [R_LE] = { "<=", 3 }, [R_GT] = { ">", 3 }, [R_GE] = { ">=", 3 },
	[R_STR_EQ] = { "==", 3 }, [R_STR_NE] = { "!=", 3 }, [R_IN] = { "in", 3 },
	[R_STR_IN] = { "in", 3 }, [R_TYPE] = { "==", 3 }, [R_NOT_TYPE] = { "!=", 3 },
	[R_SAME_HASH] = { "==", 3 }, [R_BOR] = { "|", 4 }, [R_BXOR] = { "^", 5 },
	[R_BAND] = { "&", 6 }, [R_SHL] = { "<<", 7 }, [R_SHR] = { ">>", 7 },
	[R_ADD] = { "+", 8 }, [R_SUB] = { "-", 8 }, [R_MUL] = { "*", 9 }, [R_DIV] = { "/", 9 },
	[R_MOD] = { "%", 9 }, [R_NEG] = { "-", 10 }, [R_INV] = { "~", 10 }, [R_NOT] = { "!", 10 },
	[R_STRING] = { NULL, 0 },
};

static inline void r_write(struct r_world *w, const struct r_node *n, u8 lowest);

static inline void r_write_set(struct r_world *w, const struct r_node *n)
{
	u32 i;

	r_write(w, n->a, 4);
	r_put(w, " in");
	r_put(w, "(");
	for (i = 0; i < n->items; i++) {
		if (i)
			r_put(w, ",");
		if (n->op == R_STR_IN) {
			r_put_string(w, &n->item[i]);
			continue;
		}
		r_put_number(w, n->from[i]);
		if (n->from[i] == n->to[i])
			continue;
		r_put(w, "..");
		r_put_number(w, n->to[i]);
	}
	r_put(w, ")");
}

static inline void r_write_call(struct r_world *w, const char *name, const struct r_node *a,
				const struct r_node *b)
{
	r_put(w, "%s", name);
	r_put(w, "(");
	r_write(w, a, 0);
	if (b) {
		r_put(w, ",");
		r_write(w, b, 0);
	}
	r_put(w, ")");
}

/* What is no operator; gives whether it was that. */
static inline bool r_write_leaf(struct r_world *w, const struct r_node *n)
{
	static const char *const words[] = {
		[R_SEQ] = "seq", [R_LEN] = "len", [R_TIME] = "time", [R_NOW] = "now",
	};

	switch (n->op) {
	case R_LITERAL:
		r_put_number(w, n->value);
		break;
	case R_STRING:
		r_put_string(w, &n->str);
		break;
	case R_NAME:
		r_put(w, "%s", w->names[n->name].text);
		break;
	case R_SEQ ... R_NOW:
		r_put(w, "%s", words[n->op]);
		break;
	case R_HAS:
		r_write_call(w, "has", n->a, NULL);
		break;
	case R_PREFIX:
	case R_CONTAINS:
		r_write_call(w, n->op == R_PREFIX ? "prefix" : "contains", n->a, n->b);
		break;
	case R_ONCE:
		r_put(w, "once(");
		r_write(w, n->a, 0);
		r_put(w, ", %lldns)", (long long)n->value);
		break;
	case R_RATE:
		r_put(w, "rate(%lld)", (long long)n->value);
		break;
	default:
		return false;
	}
	return true;
}

static inline void r_write_operator(struct r_world *w, const struct r_node *n)
{
	u8 p = r_operators[n->op].precedence;

	switch (n->op) {
	case R_IN:
	case R_STR_IN:
		r_write_set(w, n);
		break;
	case R_TYPE:
	case R_NOT_TYPE:
		r_put(w, "type %s '%s'", r_operators[n->op].text, n->value ? "other" : "load");
		break;
	case R_SAME_HASH:
		r_write_call(w, "hash", n->a, NULL);
		r_put(w, "==");
		r_write_call(w, "hash", n->b, NULL);
		break;
	case R_NEG:
	case R_INV:
	case R_NOT:
		r_put(w, "%s", r_operators[n->op].text);
		r_write(w, n->a, p);
		break;
	default:
		r_write(w, n->a, p == 3 ? 4 : p);
		r_put(w, "%s", r_operators[n->op].text);
		r_write(w, n->b, p + 1);
	}
}

/* In parentheses if it binds less than @lowest; a literal below 0 is an operator's. */
static inline void r_write(struct r_world *w, const struct r_node *n, u8 lowest)
{
	bool wrap = !r_below(w, 12);

	if (n->op == R_TRUTH) {
		r_write(w, n->a, lowest);
		return;
	}
	if (r_operators[n->op].precedence)
		wrap |= r_operators[n->op].precedence < lowest;
	if (wrap)
		r_put(w, "(");
	if (!r_write_leaf(w, n))
		r_write_operator(w, n);
	if (wrap)
		r_put(w, ")");
}

#endif
