/* SPDX-License-Identifier: MIT */
/*
 * The JSON writer, and UTF-8 as RFC 3629 defines it: no overlong forms, no
 * surrogates, nothing past U+10FFFF.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"

static void item(struct json *j)
{
	if (j->comma)
		buf_char(j->b, ',');
	j->comma = true;
}

static void begin(struct json *j, char c)
{
	item(j);
	buf_char(j->b, c);
	j->comma = false;
}

static void end(struct json *j, char c)
{
	buf_char(j->b, c);
	j->comma = true;
}

void json_object(struct json *j)
{
	begin(j, '{');
}

void json_object_end(struct json *j)
{
	end(j, '}');
}

void json_array(struct json *j)
{
	begin(j, '[');
}

void json_array_end(struct json *j)
{
	end(j, ']');
}

void json_key_n(struct json *j, const char *key, size_t len)
{
	json_string_n(j, key, len);
	buf_char(j->b, ':');
	j->comma = false;
}

void json_key(struct json *j, const char *key)
{
	json_key_n(j, key, strlen(key));
}

size_t utf8_length(const void *at, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	const unsigned char *s = at;
	size_t need;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (len < need || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

bool utf8_valid(const void *s, size_t len)
{
	const unsigned char *p = s;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_length(p + i, len - i);
		if (!n)
			return false;
	}
	return true;
}

static void escaped(struct buf *b, unsigned char c)
{
	static const char letters[] = "\bb\tt\nn\ff\rr\"\"\\\\";

	for (size_t i = 0; letters[i]; i += 2) {
		if (letters[i] == (char)c) {
			buf_char(b, '\\');
			buf_char(b, letters[i + 1]);
			return;
		}
	}
	buf_format(b, "\\u%04x", c);
}

static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void json_string_n(struct json *j, const void *s, size_t len)
{
	const unsigned char *p = s;
	size_t i = 0, n;

	item(j);
	buf_char(j->b, '"');
	while (i < len) {
		for (n = 0; i + n < len && plain(p[i + n]); n++)
			;
		buf_add(j->b, p + i, n);
		i += n;
		if (i == len)
			break;
		n = utf8_length(p + i, len - i);
		if (n > 1)
			buf_add(j->b, p + i, n);
		else if (n == 1)
			escaped(j->b, p[i]);
		else
			buf_str(j->b, "\xef\xbf\xbd");
		i += n ? n : 1;
	}
	buf_char(j->b, '"');
}

void json_base64(struct json *j, const void *data, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;
	uint32_t v;
	size_t n;
	char *to;

	item(j);
	buf_char(j->b, '"');
	to = buf_room(j->b, (len / 3 + 1) * 4);
	for (size_t i = 0; i < len; i += 3) {
		n = len - i;
		v = (uint32_t)p[i] << 16 | (n > 1 ? p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
		*to++ = digit[v >> 18];
		*to++ = digit[v >> 12 & 63];
		*to++ = n > 1 ? digit[v >> 6 & 63] : '=';
		*to++ = n > 2 ? digit[v & 63] : '=';
	}
	j->b->len += (len + 2) / 3 * 4;
	buf_char(j->b, '"');
}

void json_id_value(struct json *j, uint64_t id)
{
	item(j);
	buf_format(j->b, "\"%016" PRIx64 "\"", id);
}

void json_str(struct json *j, const char *key, const char *s)
{
	json_key(j, key);
	json_string_n(j, s, strlen(s));
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	item(j);
	buf_format(j->b, "%" PRIu64, v);
}

void json_i64(struct json *j, const char *key, int64_t v)
{
	json_key(j, key);
	item(j);
	buf_format(j->b, "%" PRId64, v);
}

void json_real(struct json *j, const char *key, double v, int decimals)
{
	/* JSON has no infinity and no NaN. */
	if (!isfinite(v)) {
		json_null(j, key);
		return;
	}
	json_key(j, key);
	item(j);
	buf_format(j->b, "%.*f", decimals, v);
}

void json_bool(struct json *j, const char *key, bool v)
{
	json_key(j, key);
	item(j);
	buf_str(j->b, v ? "true" : "false");
}

void json_id(struct json *j, const char *key, uint64_t id)
{
	json_key(j, key);
	json_id_value(j, id);
}

void json_null(struct json *j, const char *key)
{
	json_key(j, key);
	item(j);
	buf_str(j->b, "null");
}
