/* SPDX-License-Identifier: MIT */
/* Transactions, ranges and numbers in the JSON of etcd's gateway: bytes are base64 there. */
#include "bridge.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *base64_encode(const void *data, size_t len)
{
	size_t size = 4 * ((len + 2) / 3), i, k;
	char *text = malloc(size + 1);
	const u8 *p = data;
	json_t *json;
	u32 v;

	if (!text)
		return NULL;
	for (i = k = 0; i < len; i += 3) {
		v = p[i] << 16 | (i + 1 < len ? p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);
		text[k++] = digits[v >> 18];
		text[k++] = digits[v >> 12 & 63];
		text[k++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
		text[k++] = i + 2 < len ? digits[v & 63] : '=';
	}
	json = json_stringn(text, size);
	free(text);
	return json;
}

/* The value of a digit; -1: it is none. */
static int digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? at - digits : -1;
}

ssize_t base64_decode(const char *text, size_t len, char *to, size_t size)
{
	size_t n = 0, i, pad = 0;
	u32 v = 0;
	int d;

	if (len % 4)
		return -EINVAL;
	while (pad < 2 && len && text[len - 1] == '=') {
		len--;
		pad++;
	}
	if (len / 4 * 3 + 3 >= size)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		d = digit(text[i]);
		if (d < 0)
			return -EINVAL;
		v = v << 6 | d;
		if (i % 4)	/* the first of four completes no byte */
			to[n++] = v >> (6 - 2 * (i % 4));
	}
	/* What is left over of the last digit. */
	if (len % 4 && v & (len % 4 == 2 ? 15 : 3))
		return -EINVAL;
	to[n] = 0;
	return n;
}

int json_s64(const json_t *object, const char *name, s64 *to)
{
	const json_t *v = json_object_get(object, name);
	const char *text;
	char *end;

	*to = 0;
	if (!v)
		return 0;
	if (json_is_integer(v)) {
		*to = json_integer_value(v);
		return 0;
	}
	text = json_string_value(v);
	if (!text || !*text || strspn(text, "-0123456789") != strlen(text))
		return -EINVAL;
	errno = 0;
	*to = strtoll(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static json_t *number(s64 v)
{
	return json_sprintf("%lld", (long long)v);
}

void txn_init(struct txn *t)
{
	t->compare = json_array();
	t->success = json_array();
	t->bad = !t->compare || !t->success;
}

/* @to and its elements are NULL without memory: jansson says so when they are appended. */
static void append(struct txn *t, json_t *to, json_t *one)
{
	if (json_array_append_new(to, one))
		t->bad = true;
}

/* An object that names the keys of @r. */
static json_t *object_of(const struct range *r)
{
	json_t *o = json_object();
	int err = json_object_set_new(o, "key", base64_encode(r->key, strlen(r->key)));

	if (r->end[0])
		err |= json_object_set_new(o, "range_end", base64_encode(r->end, strlen(r->end)));
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *with(json_t *o, const char *name, json_t *value)
{
	if (!json_object_set_new(o, name, value))
		return o;
	json_decref(o);
	return NULL;
}

static json_t *compare(const struct range *r, const char *target, const char *result)
{
	return with(with(object_of(r), "target", json_string(target)), "result",
		    json_string(result));
}

void txn_if_unchanged(struct txn *t, const struct range *r, u64 then)
{
	append(t, t->compare, with(compare(r, "MOD", "LESS"), "mod_revision", number(then)));
}

void txn_if_absent(struct txn *t, const struct range *r)
{
	append(t, t->compare, with(compare(r, "CREATE", "EQUAL"), "create_revision", number(0)));
}

void txn_if_value(struct txn *t, const struct range *r, const char *value)
{
	append(t, t->compare,
	       with(compare(r, "VALUE", "EQUAL"), "value", base64_encode(value, strlen(value))));
}

void txn_put(struct txn *t, const char *key, const char *value, s64 lease)
{
	append(t, t->success,
	       json_pack("{s{so so so}}", "request_put", "key", base64_encode(key, strlen(key)),
			 "value", base64_encode(value, strlen(value)), "lease", number(lease)));
}

void txn_delete(struct txn *t, const struct range *r)
{
	append(t, t->success, with(json_object(), "request_delete_range", object_of(r)));
}

void txn_get(struct txn *t, const struct range *r, unsigned int limit)
{
	append(t, t->success,
	       with(json_object(), "request_range", range_body(r, limit, 0)));
}

json_t *txn_body(struct txn *t)
{
	json_t *o = json_object();

	o = with(o, "compare", t->compare);
	o = with(o, "success", t->success);
	if (!t->bad)
		return o;
	json_decref(o);
	return NULL;
}

json_t *range_body(const struct range *r, unsigned int limit, u64 revision)
{
	return with(with(object_of(r), "limit", number(limit)), "revision", number(revision));
}
