// SPDX-License-Identifier: MIT
/*
 * The words of an expression, and complaints about it. Of several complaints the first
 * counts.
 */
#include "expr.h"

void expr_fail(struct expr *x, u16 at, u16 len, const char *fmt, ...)
{
	va_list ap;

	if (x->failed)
		return;
	x->failed = true;
	if (!x->err)
		return;
	x->err->column = at + 1;
	x->err->length = len;
	va_start(ap, fmt);
	vsnprintf(x->err->message, sizeof(x->err->message), fmt, ap);
	va_end(ap);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static char peek(const struct expr *x, u16 ahead)
{
	return x->pos + ahead < x->text_len ? x->text[x->pos + ahead] : '\0';
}

bool expr_is(const struct expr *x, const struct expr_token *t, const char *word)
{
	return t->kind == TOKEN_NAME && t->len == strlen(word) &&
	       !memcmp(x->text + t->at, word, t->len);
}

/* Letters and digits from here on, to be shown in a complaint. */
static u16 rest_of_word(const struct expr *x)
{
	u16 n = 0;

	while (is_letter(peek(x, n)) || is_digit(peek(x, n)))
		n++;
	return n;
}

static u64 unit_of(const char *s, u16 len)
{
	static const struct {
		const char *name;
		u64 factor;
	} units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
		{ "m", 60000000000 }, { "h", 3600000000000 },
		{ "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 },
	};
	size_t i;

	if (!len)
		return 1;
	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (len == strlen(units[i].name) && !memcmp(s, units[i].name, len))
			return units[i].factor;
	return 0;
}

/* Hexadecimal numbers are 64 bits as they are written, decimal ones are none below 0. */
static void number(struct expr *x, struct expr_token *t)
{
	bool hex = peek(x, 0) == '0' && (peek(x, 1) == 'x' || peek(x, 1) == 'X');
	u64 v = 0, unit, base = hex ? 16 : 10, max = hex ? U64_MAX : S64_MAX;
	bool over = false;
	u16 n;

	x->pos += hex ? 2 : 0;
	for (n = 0; hex ? hex_digit(peek(x, 0)) >= 0 : is_digit(peek(x, 0)); n++, x->pos++) {
		int digit = hex_digit(peek(x, 0));

		over |= v > (max - digit) / base;
		v = v * base + digit;
	}
	n = n ? rest_of_word(x) : 0;
	unit = unit_of(x->text + x->pos, n);
	if (!unit || (hex && x->pos == t->at + 2))
		expr_fail(x, t->at, x->pos + rest_of_word(x) - t->at,
			  "this is no number: behind it may be ns, us, ms, s, m, h, K, M or G");
	else if (peek(x, n) == '.' && is_digit(peek(x, n + 1)))
		expr_fail(x, t->at, x->pos + n - t->at, "numbers have no fractions here");
	else if (over || v > max / unit)
		expr_fail(x, t->at, x->pos + n - t->at, "the number is over %s",
			  hex ? "0xffffffffffffffff" : "9223372036854775807");
	t->kind = TOKEN_NUMBER;
	t->value = (s64)(v * unit);
	x->pos += n;
}

/* What the escape at x->pos means; -1 after a complaint. */
static int escape(struct expr *x)
{
	static const char plain[] = "n\nt\tr\r\\\\\"\"''";
	int high, low;
	size_t i;

	if (peek(x, 1) == 'x') {
		high = hex_digit(peek(x, 2));
		low = high < 0 ? -1 : hex_digit(peek(x, 3));
		if (low >= 0) {
			x->pos += 4;
			return high << 4 | low;
		}
	}
	for (i = 0; plain[i]; i += 2) {
		if (peek(x, 1) == plain[i]) {
			x->pos += 2;
			return (unsigned char)plain[i + 1];
		}
	}
	expr_fail(x, x->pos, min(x->text_len - x->pos, 2),
		  "behind a backslash may be n, t, r, \\, \", ' or xHH");
	return -1;
}

static void string(struct expr *x, struct expr_token *t)
{
	char quote = peek(x, 0);
	int c;

	t->kind = TOKEN_STRING;
	t->str = x->strings_len;
	x->pos++;
	while (x->pos < x->text_len && peek(x, 0) != quote) {
		if (peek(x, 0) == '\\') {
			c = escape(x);
			if (c < 0)
				return;
		} else {
			c = x->text[x->pos++];
		}
		x->strings[x->strings_len++] = (char)c;
	}
	t->str_len = x->strings_len - t->str;
	if (x->pos == x->text_len)
		expr_fail(x, t->at, x->pos - t->at, "the string has no end: %c is missing", quote);
	x->pos++;
}

static void symbol(struct expr *x, struct expr_token *t)
{
	static const struct {
		char text[3];
		u16 kind;
	} pairs[] = {
		{ "==", TOKEN_EQ }, { "!=", TOKEN_NE }, { "<=", TOKEN_LE }, { ">=", TOKEN_GE },
		{ "<<", TOKEN_SHL }, { ">>", TOKEN_SHR }, { "&&", TOKEN_AND }, { "||", TOKEN_OR },
		{ "..", TOKEN_RANGE },
	};
	char c = peek(x, 0);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (c == pairs[i].text[0] && peek(x, 1) == pairs[i].text[1]) {
			t->kind = pairs[i].kind;
			x->pos += 2;
			return;
		}
	}
	t->kind = c;
	x->pos++;
	if (c == '=')
		expr_fail(x, t->at, 1, "this compares nothing: equality is ==");
	else if (!c || !strchr("+-*/%&|^~!<>().,", c))
		expr_fail(x, t->at, 1, "this character means nothing here");
}

bool expr_next(struct expr *x)
{
	struct expr_token *t = &x->token;

	while (x->pos < x->text_len && strchr(" \t\r\n", x->text[x->pos]))
		x->pos++;
	*t = (struct expr_token){ .kind = TOKEN_END, .at = x->pos };
	if (x->pos == x->text_len)
		return !x->failed;
	if (is_digit(peek(x, 0))) {
		number(x, t);
	} else if (is_letter(peek(x, 0))) {
		t->kind = TOKEN_NAME;
		x->pos += rest_of_word(x);
	} else if (peek(x, 0) == '"' || peek(x, 0) == '\'') {
		string(x, t);
	} else {
		symbol(x, t);
	}
	t->len = x->pos - t->at;
	return !x->failed;
}
