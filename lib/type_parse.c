// SPDX-License-Identifier: MIT
/*
 * Events from JSON (RFC 8259), by their type: what type_json.c writes. It is judged to its
 * end before anything of it is used, and what is wrong is told with the field's name.
 */
#include "internal.h"
#include "types.h"

enum { QUOTED_MAX = 40 };	/* bytes of a value that a complaint shows */

struct parser {
	const struct ke_type *t;
	const char *begin, *p, *end;
	u8 *out;
	/* The name of the field that is read, with those of the objects that it is in. */
	char path[KE_FIELD_NAME_MAX + 1];
	size_t path_len;
	u64 seen[KE_TYPE_FIELDS_MAX / 64];
	char why[400];
};

#define wrong(ps, ...) (snprintf((ps)->why, sizeof((ps)->why), __VA_ARGS__), -EINVAL)

static int value(struct parser *ps);

static int wrong_here(struct parser *ps, const char *wanted)
{
	return wrong(ps, "column %zu: %s", ps->p - ps->begin + 1, wanted);
}

static int field_wrong(struct parser *ps, const char *reason)
{
	return wrong(ps, "field '%.*s' %s", (int)ps->path_len, ps->path, reason);
}

/* The value that was read from @from on does not fit. */
static int value_wrong(struct parser *ps, const char *from, const char *reason)
{
	int len = min_t(ptrdiff_t, ps->p - from, QUOTED_MAX);

	return wrong(ps, "field '%.*s': %.*s%s %s", (int)ps->path_len, ps->path, len, from,
		     len < ps->p - from ? "..." : "", reason);
}

static void skip_blanks(struct parser *ps)
{
	while (ps->p < ps->end && memchr(" \t\r\n", *ps->p, 4))
		ps->p++;
}

/* The next byte that is no blank; 0: there is none. */
static char next(struct parser *ps)
{
	skip_blanks(ps);
	return ps->p < ps->end ? *ps->p : 0;
}

static bool take(struct parser *ps, char c)
{
	if (next(ps) != c)
		return false;
	ps->p++;
	return true;
}

static bool take_word(struct parser *ps, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(ps->end - ps->p) < len || memcmp(ps->p, word, len))
		return false;
	ps->p += len;
	return true;
}

/* ----------------------------------------------------------------------- strings */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u. */
static bool unit(struct parser *ps, u32 *v)
{
	int i, digit;

	*v = 0;
	for (i = 0; i < 4; i++) {
		digit = ps->p < ps->end ? hex(*ps->p) : -1;
		if (digit < 0)
			return false;
		*v = *v << 4 | (u32)digit;
		ps->p++;
	}
	return true;
}

/* A character as UTF-8; its length. */
static size_t encode(u32 v, char to[4])
{
	size_t n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4, i;

	if (n == 1) {
		to[0] = v;
		return 1;
	}
	for (i = n - 1; i; i--, v >>= 6)
		to[i] = 0x80 | (v & 0x3f);
	to[0] = (0xf00 >> n) | v;
	return n;
}

/* What stands behind a backslash: 1 to 4 bytes; 0: nothing that may. */
static size_t escape(struct parser *ps, char to[4])
{
	static const char letters[] = "b\bf\fn\nr\rt\t\"\"\\\\//";
	u32 v, low;
	int i;

	if (ps->p == ps->end)
		return 0;
	for (i = 0; letters[i]; i += 2) {
		if (letters[i] == *ps->p) {
			ps->p++;
			to[0] = letters[i + 1];
			return 1;
		}
	}
	if (*ps->p++ != 'u' || !unit(ps, &v))
		return 0;
	if (v >> 11 != 0x1b)
		return encode(v, to);
	if (v >= 0xdc00 || !take_word(ps, "\\u") || !unit(ps, &low) || low >> 10 != 0x37)
		return 0;
	return encode(0x10000 + ((v & 0x3ff) << 10 | (low & 0x3ff)), to);
}

/* A string, whose first quote is next: its bytes as far as there is @room, and how many
 * there are. */
static int string(struct parser *ps, void *to, size_t room, size_t *len)
{
	char bytes[4];
	size_t n, at = 0;

	for (ps->p++; ps->p < ps->end && *ps->p != '"'; at += n) {
		if ((u8)*ps->p < 0x20)
			return wrong_here(ps, "a string with a control character");
		n = 1;
		bytes[0] = *ps->p++;
		if (bytes[0] == '\\')
			n = escape(ps, bytes);
		if (!n)
			return wrong_here(ps, "an escape that JSON does not have");
		if (at < room)
			memcpy((char *)to + at, bytes, min_t(size_t, n, room - at));
	}
	if (ps->p == ps->end)
		return wrong_here(ps, "a string without an end");
	ps->p++;
	*len = at;
	return 0;
}

static int string_value(struct parser *ps, const struct ke_field *f)
{
	const char *from = ps->p;
	u8 *to = ps->out + f->offset;
	size_t len;
	char why[60];
	int err = string(ps, to, f->size, &len);

	if (err)
		return err;
	snprintf(why, sizeof(why), "has %zu bytes, over %u", len, f->size);
	if (len > f->size)
		return value_wrong(ps, from, why);
	return memchr(to, 0, len) ? value_wrong(ps, from, "has a zero in it") : 0;
}

static int hex_value(struct parser *ps, const struct ke_field *f)
{
	const char *from = ps->p;
	u8 *to = ps->out + f->offset;
	int high, low;
	u32 n;

	ps->p++;
	for (n = 0; ps->end - ps->p >= 2 && *ps->p != '"'; n++, ps->p += 2) {
		high = hex(ps->p[0]);
		low = hex(ps->p[1]);
		if (high < 0 || low < 0)
			return value_wrong(ps, from, "is not made of pairs of hex digits");
		if (n == f->size)
			return value_wrong(ps, from, "has more bytes than it");
		to[n] = high << 4 | low;
	}
	if (ps->p == ps->end || *ps->p != '"')
		return wrong_here(ps, "a string without an end");
	ps->p++;
	return 0;
}

/* ----------------------------------------------------------------------- numbers */

static void digits(struct parser *ps)
{
	while (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9')
		ps->p++;
}

/* A number's end, and whether it is a whole one. */
static int number_end(struct parser *ps, bool *whole)
{
	const char *from;

	*whole = true;
	if (ps->p < ps->end && *ps->p == '-')
		ps->p++;
	from = ps->p;
	digits(ps);
	if (ps->p == from || (*from == '0' && ps->p > from + 1))
		return wrong_here(ps, "not a value");
	if (ps->p < ps->end && *ps->p == '.') {
		*whole = false;
		from = ++ps->p;
		digits(ps);
		if (ps->p == from)
			return wrong_here(ps, "a digit is missing");
	}
	if (ps->p < ps->end && (*ps->p | 0x20) == 'e') {
		*whole = false;
		ps->p++;
		if (ps->p < ps->end && (*ps->p == '+' || *ps->p == '-'))
			ps->p++;
		from = ps->p;
		digits(ps);
		if (ps->p == from)
			return wrong_here(ps, "a digit is missing");
	}
	return 0;
}

/* A whole number's amount; false: it has over 64 bits. */
static bool amount(const char *p, const char *end, u64 *v)
{
	for (*v = 0; p < end; p++)
		if (check_mul_overflow(*v, 10ULL, v) ||
		    check_add_overflow(*v, (u64)(*p - '0'), v))
			return false;
	return true;
}

static int integer_value(struct parser *ps, const struct ke_field *f, u32 i, const char *from)
{
	u32 bits = f->bits ?: 8 * (f->elem ? KE_ELEM_SIZE(f->elem) : f->size);
	bool minus = *from == '-', is_signed;
	char why[60];
	u64 v, most;

	is_signed = (f->elem ? KE_ELEM_KIND(f->elem) : f->kind) == KE_FIELD_SIGNED;
	most = U64_MAX >> (64 - bits) >> is_signed;
	if (amount(from + minus, ps->p, &v) && v <= most + (is_signed && minus) &&
	    (is_signed || !minus || !v)) {
		ke_field_put(ps->t, f, ps->out, i, minus ? -v : v);
		return 0;
	}
	snprintf(why, sizeof(why), "does not fit %u bits %s a sign", bits,
		 is_signed ? "with" : "without");
	return value_wrong(ps, from, why);
}

static int float_value(struct parser *ps, const struct ke_field *f, u32 i, const char *from)
{
	u32 size = f->elem ? KE_ELEM_SIZE(f->elem) : f->size, low;
	locale_t c = type_c_locale();
	char text[512];
	double v;
	float single;
	u64 raw;

	if (!c)
		return -ENOMEM;
	if ((size_t)(ps->p - from) >= sizeof(text))
		return value_wrong(ps, from, "has too many digits");
	*(char *)mempcpy(text, from, ps->p - from) = 0;
	v = strtod_l(text, NULL, c);
	single = strtof_l(text, NULL, c);
	memcpy(&raw, &v, sizeof(v));
	memcpy(&low, &single, sizeof(single));
	if (size == 4 ? __builtin_isinf(single) : __builtin_isinf(v))
		return value_wrong(ps, from, "is too large");
	ke_field_put(ps->t, f, ps->out, i, size == 4 ? low : raw);
	return 0;
}

/* Number @i of the field. */
static int number(struct parser *ps, const struct ke_field *f, u32 i)
{
	u32 kind = f->elem ? KE_ELEM_KIND(f->elem) : f->kind;
	const char *from = ps->p;
	bool whole;
	int err;

	if (kind != KE_FIELD_FLOAT && (take_word(ps, "true") || take_word(ps, "false"))) {
		ke_field_put(ps->t, f, ps->out, i, *from == 't');
		return 0;
	}
	if (*from == '"')
		return field_wrong(ps, "is a number, and no string");
	err = number_end(ps, &whole);
	if (err)
		return err;
	if (kind == KE_FIELD_FLOAT)
		return float_value(ps, f, i, from);
	return whole ? integer_value(ps, f, i, from) :
		       value_wrong(ps, from, "is not a whole number");
}

static int array(struct parser *ps, const struct ke_field *f)
{
	u32 n = f->size / KE_ELEM_SIZE(f->elem), i;
	char why[60];
	int err;

	ps->p++;
	if (take(ps, ']'))
		return 0;
	for (i = 0;; i++) {
		snprintf(why, sizeof(why), "has %u elements, and no more", n);
		if (i == n)
			return field_wrong(ps, why);
		skip_blanks(ps);
		err = ps->p < ps->end ? number(ps, f, i) : wrong_here(ps, "not a value");
		if (err)
			return err;
		if (take(ps, ']'))
			return 0;
		if (!take(ps, ','))
			return wrong_here(ps, "neither ',' nor ']'");
	}
}

/* ------------------------------------------------------------------------ fields */

static int field_value(struct parser *ps, const struct ke_field *f)
{
	u64 *seen = &ps->seen[(f - ps->t->fields) / 64], bit = 1ULL << (f - ps->t->fields) % 64;
	char c = *ps->p;

	if (*seen & bit)
		return field_wrong(ps, "is there twice");
	*seen |= bit;
	if (take_word(ps, "null"))
		return 0;
	if (f->kind == KE_FIELD_STRING)
		return c == '"' ? string_value(ps, f) : field_wrong(ps, "is a string");
	if (f->kind != KE_FIELD_BYTES)
		return number(ps, f, 0);
	if (c == '"' && (!f->elem || f->elem == KE_ELEM(KE_FIELD_UNSIGNED, 1)))
		return hex_value(ps, f);
	if (c == '[' && f->elem)
		return array(ps, f);
	return field_wrong(ps, f->elem ? "is an array of numbers" : "is a string of hex digits");
}

static bool has_members(const struct parser *ps)
{
	const struct ke_field *f;

	for (f = ps->t->fields; f < ps->t->fields + ps->t->nfields; f++)
		if (f->name_len > ps->path_len &&
		    !memcmp(ke_field_name(ps->t, f), ps->path, ps->path_len))
			return true;
	return false;
}

/* The members of an object whose brace is next; their names follow the path. */
static int object(struct parser *ps)
{
	size_t before = ps->path_len, len;
	int err;

	ps->p++;
	if (take(ps, '}'))
		return 0;
	for (;;) {
		if (next(ps) != '"')
			return wrong_here(ps, "not a name in quotes");
		err = string(ps, ps->path + before, sizeof(ps->path) - before, &len);
		if (err)
			return err;
		ps->path_len = min_t(size_t, before + len, sizeof(ps->path));
		if (!take(ps, ':'))
			return wrong_here(ps, "no ':' behind a name");
		err = value(ps);
		if (err)
			return err;
		if (take(ps, '}'))
			break;
		if (!take(ps, ','))
			return wrong_here(ps, "neither ',' nor '}'");
	}
	ps->path_len = before;
	return 0;
}

static int value(struct parser *ps)
{
	const struct ke_field *f = ke_type_field(ps->t, ps->path, ps->path_len);
	char c = next(ps);
	int err;

	if (!c)
		return wrong_here(ps, "not a value");
	if (f)
		return field_value(ps, f);
	if (ps->path_len < sizeof(ps->path)) {
		ps->path[ps->path_len++] = '.';
		if (has_members(ps)) {
			err = c == '{' ? object(ps) : 0;
			ps->path_len--;
			return c == '{' ? err : field_wrong(ps, "is an object");
		}
		ps->path_len--;
	}
	return field_wrong(ps, "is not in the type");
}

int kecho_type_from_json(const struct kecho_type *type, const char *text, size_t len, void *data)
{
	struct parser ps = { .t = type->t, .begin = text, .p = text, .end = text + len };
	char sentence[512];
	int err;

	ps.out = calloc(1, ps.t->size + 1);
	if (!ps.out)
		return lib_fail(-ENOMEM, "an event of type '%s'", type->name);
	err = next(&ps) == '{' ? object(&ps) : wrong_here(&ps, "not a JSON object");
	skip_blanks(&ps);
	if (!err && ps.p < ps.end)
		err = wrong_here(&ps, "something behind the object");
	if (!err)
		memcpy(data, ps.out, ps.t->size);
	free(ps.out);
	if (err == -EINVAL) {
		snprintf(sentence, sizeof(sentence), "type '%s': %s", type->name, ps.why);
		return lib_fail_as(err, sentence);
	}
	return err ? lib_fail(err, "an event of type '%s'", type->name) : 0;
}
