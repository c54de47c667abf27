// SPDX-License-Identifier: MIT
/*
 * Events as JSON (RFC 8259), by their type. type_parse.c reads what is written here.
 */
#include <float.h>
#include <math.h>

#include "internal.h"
#include "types.h"

enum { NUMBER_MAX = 40 };

struct writer {
	char *buf;
	size_t size, len;	/* @len goes on where @size has ended */
	bool comma;		/* the next item needs one before it */
	const char *path;	/* the name of the last field: it is in these objects */
};

static pthread_once_t c_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void c_begin(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

locale_t type_c_locale(void)
{
	pthread_once(&c_once, c_begin);
	return c_locale;
}

static void add(struct writer *w, const void *p, size_t len)
{
	if (w->len < w->size)
		memcpy(w->buf + w->len, p, min_t(size_t, len, w->size - w->len));
	w->len += len;
}

static void add_char(struct writer *w, char c)
{
	add(w, &c, 1);
}

static void item(struct writer *w)
{
	if (w->comma)
		add_char(w, ',');
	w->comma = true;
}

/* ---------------------------------------------------------------------- strings */

/* Bytes of the UTF-8 character at @s; 0: it is none. */
static size_t utf8(const u8 *s, size_t len)
{
	static const u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	u32 v, n, i;

	n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
	if (n < 2 || n > len)
		return n == 1;
	v = s[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		v = v << 6 | (s[i] & 0x3f);
	}
	return v < least[n] || v > 0x10ffff || v >> 11 == 0x1b ? 0 : n;
}

static void add_string(struct writer *w, const void *data, size_t len)
{
	const u8 *s = data, *end = s + len;
	char escaped[8];
	size_t n;

	add_char(w, '"');
	for (; s < end; s += n ?: 1) {
		n = utf8(s, end - s);
		if (!n)
			add(w, "\xef\xbf\xbd", 3);
		else if (*s == '"' || *s == '\\')
			add(w, (char[]){ '\\', (char)*s }, 2);
		else if (*s < 0x20 || *s == 0x7f)
			add(w, escaped, snprintf(escaped, sizeof(escaped), "\\u%04x", *s));
		else
			add(w, s, n);
	}
	add_char(w, '"');
}

static void add_hex(struct writer *w, const u8 *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	add_char(w, '"');
	for (; len; len--, p++) {
		add_char(w, digits[*p >> 4]);
		add_char(w, digits[*p & 15]);
	}
	add_char(w, '"');
}

/* ---------------------------------------------------------------------- numbers */

/* With as few digits as tell it from all others. */
static void add_float(struct writer *w, u64 raw, u32 size)
{
	locale_t before = uselocale(type_c_locale());
	int digits = size == 4 ? FLT_DIG : DBL_DIG;
	char text[NUMBER_MAX];
	double value;
	float single;
	bool same;
	u32 low = raw;

	memcpy(&value, &raw, sizeof(value));
	memcpy(&single, &low, sizeof(single));
	if (size == 4)
		value = single;
	do {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		same = size == 4 ? strtof(text, NULL) == single : strtod(text, NULL) == value;
	} while (!same && digits++ < 17);
	uselocale(before);
	if (isfinite(value))
		add(w, text, strlen(text));
	else
		add(w, "null", 4);
}

static void add_number(struct writer *w, const struct ke_type *t, const struct ke_field *f,
		       const void *data, u32 i)
{
	u32 kind = f->elem ? KE_ELEM_KIND(f->elem) : f->kind;
	u64 v = ke_field_get(t, f, data, i);
	char text[NUMBER_MAX];

	if (kind == KE_FIELD_FLOAT) {
		add_float(w, v, f->elem ? KE_ELEM_SIZE(f->elem) : f->size);
		return;
	}
	snprintf(text, sizeof(text), kind == KE_FIELD_SIGNED ? "%lld" : "%llu", v);
	add(w, text, strlen(text));
}

static void add_array(struct writer *w, const struct ke_type *t, const struct ke_field *f,
		      const void *data)
{
	u32 n = f->size / KE_ELEM_SIZE(f->elem), i;

	add_char(w, '[');
	w->comma = false;
	for (i = 0; i < n; i++) {
		item(w);
		add_number(w, t, f, data, i);
	}
	add_char(w, ']');
}

/* ----------------------------------------------------------------------- fields */

static void add_value(struct writer *w, const struct ke_type *t, const struct ke_field *f,
		      const void *data)
{
	const char *at = (const char *)data + f->offset;

	if (f->kind == KE_FIELD_STRING)
		add_string(w, at, strnlen(at, f->size));
	else if (f->kind != KE_FIELD_BYTES)
		add_number(w, t, f, data, 0);
	else if (!f->elem || f->elem == KE_ELEM(KE_FIELD_UNSIGNED, 1))
		add_hex(w, (const u8 *)at, f->size);
	else
		add_array(w, t, f, data);
	w->comma = true;
}

/* The bytes of @name that say the objects which the last field is in as well. */
static size_t common(const char *path, const char *name)
{
	size_t i, dot = 0;

	for (i = 0; path[i] && path[i] == name[i]; i++)
		if (name[i] == '.')
			dot = i + 1;
	return dot;
}

/* Ends the objects of the last field that @name is not in, and begins its own. */
static void add_key(struct writer *w, const char *name)
{
	size_t same = common(w->path, name);
	const char *p, *dot;

	for (p = strchr(w->path + same, '.'); p; p = strchr(p + 1, '.')) {
		add_char(w, '}');
		w->comma = true;
	}
	for (p = name + same; (dot = strchr(p, '.')); p = dot + 1) {
		item(w);
		add_string(w, p, dot - p);
		add(w, ":{", 2);
		w->comma = false;
	}
	item(w);
	add_string(w, p, strlen(p));
	add_char(w, ':');
	w->path = name;
}

size_t kecho_type_to_json(const struct kecho_type *type, const void *data, size_t len, char *buf,
			  size_t size)
{
	struct writer w = { .buf = buf, .size = size, .path = "" };
	const struct ke_type *t = type->t;
	const struct ke_field *f;
	const char *p;
	u32 i;

	add_char(&w, '{');
	for (i = 0; i < t->nfields; i++) {
		f = &t->fields[type->by_offset[i]];
		if (f->offset + f->size > len)
			continue;
		add_key(&w, type->names[type->by_offset[i]]);
		add_value(&w, t, f, data);
	}
	for (p = strchr(w.path, '.'); p; p = strchr(p + 1, '.'))
		add_char(&w, '}');
	add_char(&w, '}');
	if (size)
		buf[min_t(size_t, w.len, size - 1)] = 0;
	return w.len;
}
