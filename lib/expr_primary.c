// SPDX-License-Identifier: MIT
/*
 * Operands: numbers, strings, names of fields and attributes, functions, what stands in
 * parentheses or behind one operator.
 *
 * A name is a field's, unless it is one of the words below or begins with a scope. With a
 * dot in front it is a field's in any case. What looks like a word that was misspelt is
 * not taken for a field: it would never be there, and the filter silently say no.
 */
#include "expr.h"

enum {
	WORD_MAX = 16,		/* longer ones are no misspelt ones of ours */
	LONG_WORD = 6,		/* of so long ones one other letter makes no other word */
	FIRST_OF_NAMES = '!',	/* what is below are blanks and control characters */
};

static const struct {
	const char *name;
	u8 op;
} values[] = {
	{ "seq", OP_SEQ }, { "time", OP_TIME }, { "len", OP_LEN }, { "now", OP_NOW },
	{ "random", OP_RANDOM }, { "type", OP_TYPE },
};

static const struct {
	const char *name;
	u8 scope;		/* of an attribute of its own */
	u8 node;		/* of one of its node; 0: it is on none */
} scopes[] = {
	{ "event", KECHO_SCOPE_EVENT, 0 },
	{ "channel", KECHO_SCOPE_CHANNEL, 0 },
	{ "source", KECHO_SCOPE_SOURCE, KECHO_SCOPE_SOURCE_NODE },
	{ "sink", KECHO_SCOPE_SINK, KECHO_SCOPE_SINK_NODE },
	{ "node", KECHO_SCOPE_NODE, 0 },
};

static const struct {
	const char *name;
	u8 op;
} functions[] = {
	{ "prefix", OP_PREFIX }, { "contains", OP_CONTAINS }, { "has", OP_HAS },
	{ "once", OP_ONCE }, { "rate", OP_RATE }, { "hash", OP_HASH },
};

/* How many letters to add, drop, change or swap make one of the other. */
static unsigned int distance(const char *a, size_t a_len, const char *b)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t i, j, b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX;
	for (i = 0; i <= a_len; i++) {
		for (j = 0; j <= b_len; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = min(min(d[i - 1][j], d[i][j - 1]) + 1,
				      d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a_len][b_len];
}

static bool misspelt(const char *a, size_t len, const char *b)
{
	size_t i, swapped = 0;

	if (distance(a, len, b) != 1)
		return false;
	if (strlen(b) >= LONG_WORD)
		return true;
	/* the same letters: two of them are swapped */
	for (i = 0; i < len; i++)
		swapped += strchr(b, a[i]) != NULL;
	return len == strlen(b) && swapped == len;
}

static u16 no_function(struct expr *x, const struct expr_token *t)
{
	const char *word = x->text + t->at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (distance(word, t->len, functions[i].name) <= 2)
			break;
	if (i < ARRAY_SIZE(functions))
		expr_fail_at(x, t,
			     "there is no function %.*s(): is it %s()?", t->len, word,
			     functions[i].name);
	else
		expr_fail_at(x, t,
			     "there is no function %.*s(): there are prefix(), contains(), "
			     "has(), once(), rate() and hash()", (int)min_t(u16, t->len, 32), word);
	return 0;
}

/* A field's first word; @alone: it is all of it. */
static bool check_field(struct expr *x, const struct expr_token *t, bool alone)
{
	const char *word = x->text + t->at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		if (alone && expr_is(x, t, scopes[i].name)) {
			expr_fail_at(x, t,
				     "which attribute? It is %s.NAME; a field that is called %s "
				     "is .%s", scopes[i].name, scopes[i].name, scopes[i].name);
			return false;
		}
		if (!alone && misspelt(word, t->len, scopes[i].name)) {
			expr_fail_at(x, t,
				     "is it %s.? A field that is called %.*s is .%.*s",
				     scopes[i].name, t->len, word, t->len, word);
			return false;
		}
	}
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		if (alone && misspelt(word, t->len, values[i].name)) {
			expr_fail_at(x, t,
				     "is it %s? A field that is called %.*s is .%.*s",
				     values[i].name, t->len, word, t->len, word);
			return false;
		}
	}
	return true;
}

static u16 find_name(struct expr *x, const struct expr_name *name, const char *path)
{
	const struct expr_name *n;
	u16 i;

	for (i = 0; i < x->names; i++) {
		n = &x->name[i];
		if (n->scope == name->scope && n->age == name->age &&
		    n->str_len == name->str_len &&
		    !memcmp(x->strings + n->str, path, n->str_len))
			return i;
	}
	if (x->names == EXPR_NAMES_MAX) {
		expr_fail_at(x, name, "over %d different attributes and fields", EXPR_NAMES_MAX);
		return 0;
	}
	x->name[i] = *name;
	x->name[i].str = x->strings_len;
	memcpy(x->strings + x->strings_len, path, name->str_len);
	x->strings_len += name->str_len;
	x->names++;
	return i;
}

struct path {
	char text[KE_NAME_MAX];
	u16 len;
	u16 end;		/* in the expression */
	u16 age;		/* where in the text .age begins, if that is the last part */
};

static bool is_a_name(const char *s, u16 len)
{
	u16 i;

	for (i = 0; i < len; i++)
		if ((u8)s[i] < FIRST_OF_NAMES)
			return false;
	return len > 0;
}

static bool add_part(struct expr *x, struct path *p, u16 begin)
{
	const struct expr_token *t = &x->token;
	bool quoted = t->kind == TOKEN_STRING;
	const char *part = quoted ? x->strings + t->str : x->text + t->at;
	u16 len = quoted ? t->str_len : t->len;

	if (p->len + !!p->len + len > KE_NAME_MAX) {
		expr_fail(x, begin, t->at + t->len - begin,
			  "a name has at most %d bytes", KE_NAME_MAX);
		return false;
	}
	p->age = p->len && !quoted && expr_is(x, t, "age") ? p->len : 0;
	if (p->len)
		p->text[p->len++] = '.';
	memcpy(p->text + p->len, part, len);
	p->len += len;
	p->end = t->at + t->len;
	if (!is_a_name(part, len)) {
		expr_fail_at(x, t, "a name has no blanks or control characters, but others");
		return false;
	}
	return expr_next(x);
}

/* The parts from the next token on; an attribute's may be quoted. */
static bool read_path(struct expr *x, struct path *p, u16 begin, bool attribute)
{
	for (;;) {
		if (x->token.kind == TOKEN_STRING && !attribute) {
			expr_fail_at(x, &x->token,
				     "only names of attributes are quoted, as in "
				     "sink.\"free-bytes\"");
			return false;
		}
		if (x->token.kind != TOKEN_NAME && x->token.kind != TOKEN_STRING)
			return expr_wanted(x, "a name");
		if (!add_part(x, p, begin))
			return false;
		if (x->token.kind != '.')
			return true;
		if (!expr_next(x))
			return false;
	}
}

static u16 make_name(struct expr *x, const struct path *p, u16 begin, u8 scope)
{
	struct expr_name name = { .scope = scope, .at = begin, .len = p->end - begin };
	struct expr_token at = { .at = begin, .len = p->end - begin };
	u16 n = expr_make(x, OP_NAME, &at, 0, 0);

	if (scope == KECHO_SCOPE_EVENT && p->age)
		expr_fail(x, begin, name.len,
			  "attributes of an event have no age: is it now - time?");
	name.age = scope && p->age;
	name.str_len = name.age ? p->age : p->len;
	x->node[n].name = find_name(x, &name, p->text);
	return x->failed ? 0 : n;
}

/* Behind "source." or the like. */
static u16 attribute(struct expr *x, u16 begin, u8 scope, u8 node)
{
	struct path p = { .len = 0 };
	bool of_node = node && expr_is(x, &x->token, "node");

	if (of_node) {
		if (!expr_next(x))
			return 0;
		if (!expr_expect(x, '.', "a dot and the name of an attribute of the node"))
			return 0;
		scope = node;
	}
	return read_path(x, &p, begin, true) ? make_name(x, &p, begin, scope) : 0;
}

static u16 field(struct expr *x, u16 begin)
{
	struct path p = { .len = 0 };

	return read_path(x, &p, begin, false) ? make_name(x, &p, begin, 0) : 0;
}

/* What stands behind the token: a dot, a parenthesis, anything else. */
static char behind(const struct expr *x)
{
	u16 at = x->pos;

	while (at < x->text_len && strchr(" \t\r\n", x->text[at]))
		at++;
	if (at == x->text_len || (x->text[at] == '.' && x->text[at + 1] == '.'))
		return '\0';
	return x->text[at];
}

static u16 dotted(struct expr *x)
{
	struct expr_token first = x->token;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		if (!expr_is(x, &first, scopes[i].name))
			continue;
		if (!expr_next(x) || !expr_next(x))
			return 0;
		return attribute(x, first.at, scopes[i].scope, scopes[i].node);
	}
	return check_field(x, &first, false) ? field(x, first.at) : 0;
}

static u16 word(struct expr *x)
{
	struct expr_token t = x->token;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		if (expr_is(x, &t, values[i].name))
			return expr_next(x) ? expr_make(x, values[i].op, &t, 0, 0) : 0;
	return check_field(x, &t, true) ? field(x, t.at) : 0;
}

/* A number that has to be one as it stands, from 1 to @max. */
static bool plain_number(struct expr *x, const char *what, u64 max, s64 *v)
{
	struct expr_token t = x->token;

	if (t.kind != TOKEN_NUMBER)
		return expr_wanted(x, what);
	if (t.value < 1 || (u64)t.value > max) {
		expr_fail_at(x, &t, "it is from 1 to %llu", (unsigned long long)max);
		return false;
	}
	*v = t.value;
	return expr_next(x);
}

/* Behind the first argument of once(). */
static bool window(struct expr *x, s64 *ns)
{
	*ns = EXPR_ONCE_DEFAULT_NS;
	if (x->token.kind != ',')
		return true;
	return expr_next(x) && plain_number(x, "how long, such as 10s", KE_FILTER_WINDOW_MAX, ns);
}

static bool count_site(struct expr *x, const struct expr_token *t, u8 *sites, u8 *site)
{
	if (*sites == KE_FILTER_RATES_MAX) {
		expr_fail_at(x, t, "over %d of them in one filter", KE_FILTER_RATES_MAX);
		return false;
	}
	*site = (*sites)++;
	return true;
}

static u16 arguments(struct expr *x, u8 op, const struct expr_token *t)
{
	u16 a = 0, b = 0, n;
	s64 value = 0;
	u8 site = 0;

	if (op == OP_RATE) {
		if (!plain_number(x, "how many a second, such as 100", KE_FILTER_RATE_MAX, &value))
			return 0;
	} else {
		a = expr_condition(x);
	}
	if (op == OP_PREFIX || op == OP_CONTAINS) {
		if (a && expr_expect(x, ',', "a comma and the string that is looked for"))
			b = expr_condition(x);
	} else if (op == OP_ONCE && a && !window(x, &value)) {
		return 0;
	}
	if (op == OP_ONCE && !count_site(x, t, &x->onces, &site))
		return 0;
	if (op == OP_RATE && !count_site(x, t, &x->rates, &site))
		return 0;
	n = expr_make(x, op, t, a, b);
	x->node[n].value = value;
	x->node[n].site = site;
	return n;
}

static u16 function(struct expr *x)
{
	struct expr_token t = x->token;
	size_t i;
	u16 n;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (expr_is(x, &t, functions[i].name))
			break;
	if (i == ARRAY_SIZE(functions))
		return no_function(x, &t);
	if (!expr_next(x) || !expr_next(x))
		return 0;
	n = arguments(x, functions[i].op, &t);
	return n && expr_expect(x, ')', ") behind what the function is given") ? n : 0;
}

static u16 prefixed(struct expr *x, u8 op)
{
	struct expr_token t = x->token;
	u16 a = 0;

	if (++x->depth > EXPR_DEPTH_MAX)
		expr_fail_at(x, &t,
			     "the expression is too deep: over %d parentheses and operators "
			     "within each other", EXPR_DEPTH_MAX);
	else if (expr_next(x))
		a = expr_operand(x);
	x->depth--;
	return a ? expr_make(x, op, &t, a, 0) : 0;
}

static u16 literal(struct expr *x, u8 op)
{
	struct expr_token t = x->token;
	u16 n = expr_make(x, op, &t, 0, 0);

	x->node[n].value = t.value;
	x->node[n].str = t.str;
	x->node[n].str_len = t.str_len;
	return expr_next(x) ? n : 0;
}

static u16 parentheses(struct expr *x)
{
	u16 n = expr_next(x) ? expr_condition(x) : 0;

	return n && expr_expect(x, ')', "an operator, or ) for the ( before") ? n : 0;
}

static u16 named(struct expr *x)
{
	if (expr_is(x, &x->token, "in")) {
		expr_wanted(x, "what is looked for; a field that is called in is .in");
		return 0;
	}
	switch (behind(x)) {
	case '(':
		return function(x);
	case '.':
		return dotted(x);
	default:
		return word(x);
	}
}

u16 expr_operand(struct expr *x)
{
	u16 begin = x->token.at;

	if (x->failed)
		return 0;
	switch (x->token.kind) {
	case TOKEN_NUMBER:
		return literal(x, OP_NUMBER);
	case TOKEN_STRING:
		return literal(x, OP_STRING);
	case TOKEN_NAME:
		return named(x);
	case '(':
		return parentheses(x);
	case '-':
		return prefixed(x, OP_NEG);
	case '~':
		return prefixed(x, OP_INVERT);
	case '!':
		return prefixed(x, OP_NOT);
	case '.':
		return expr_next(x) ? field(x, begin) : 0;
	default:
		expr_wanted(x, "a number, a string, a field, an attribute or a condition");
		return 0;
	}
}
