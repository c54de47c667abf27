// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sets of attributes, encoded: see attr.h.
 */
#include "attr.h"

enum {
	HEADER = 4,	/* kind, name length, value length */
	I64_LEN = 8,
};

/* One encoded attribute, taken apart. */
struct entry {
	const u8 *start, *name, *value;
	u8 kind, name_len;
	u16 value_len;
	u32 size;
};

static bool name_good(const void *name, size_t len)
{
	const u8 *p = name;
	size_t i;

	if (!len || len > KE_NAME_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (p[i] < 0x21)
			return false;
	return true;
}

static bool kind_good(u8 kind, u32 value_len)
{
	if (kind == KE_VALUE_I64)
		return value_len == I64_LEN;
	return kind == KE_VALUE_STRING || kind == KE_VALUE_BYTES;
}

/* Whether all of an attribute is at @p; only then is @e its parts. */
static bool take_apart(const u8 *p, u32 len, struct entry *e)
{
	if (len < HEADER)
		return false;
	e->start = p;
	e->kind = p[0];
	e->name_len = p[1];
	e->value_len = get_unaligned_le16(p + 2);
	e->name = p + HEADER;
	e->value = e->name + e->name_len;
	e->size = HEADER + e->name_len + e->value_len;
	return e->size <= len;
}

static bool find(const u8 *buf, u32 len, const char *name, struct entry *e)
{
	size_t name_len = strlen(name);

	while (take_apart(buf, len, e)) {
		if (e->name_len == name_len && !memcmp(e->name, name, name_len))
			return true;
		buf += e->size;
		len -= e->size;
	}
	return false;
}

bool ke_attrs_check(const void *buf, u32 len)
{
	const u8 *p = buf;
	struct entry e;

	if (len > KE_ATTRS_MAX)
		return false;
	for (; len; p += e.size, len -= e.size) {
		if (!take_apart(p, len, &e) || e.value_len > KE_ATTR_VALUE_MAX ||
		    !name_good(e.name, e.name_len) || !kind_good(e.kind, e.value_len))
			return false;
	}
	return true;
}

int ke_attrs_find(const void *buf, u32 len, const char *name, struct ke_value *v)
{
	struct entry e;

	if (!find(buf, len, name, &e))
		return -ENOENT;
	*v = (struct ke_value){ .kind = e.kind, .len = e.value_len };
	if (e.kind == KE_VALUE_I64)
		v->i64 = (s64)get_unaligned_le64(e.value);
	else
		v->data = e.value;
	return 0;
}

static u8 *encode(u8 *p, const char *name, u8 name_len, const struct ke_value *v, u16 value_len)
{
	p[0] = v->kind;
	p[1] = name_len;
	put_unaligned_le16(value_len, p + 2);
	p += HEADER;
	memcpy(p, name, name_len);
	p += name_len;
	if (v->kind == KE_VALUE_I64)
		put_unaligned_le64((u64)v->i64, p);
	else if (value_len)
		memcpy(p, v->data, value_len);
	return p + value_len;
}

/*
 * A changed set is built beside the old one, so a failure changes nothing and a
 * value may come from the set itself. An integer in its place, the usual change
 * of a live attribute, takes no memory.
 */
int ke_attrs_set(struct ke_attrs *a, const char *name, const struct ke_value *v)
{
	u32 name_len = strnlen(name, KE_NAME_MAX + 1), value_len, before = a->len, after = 0, len;
	struct entry old = {};
	u8 *buf, *end;

	value_len = v->kind == KE_VALUE_I64 ? I64_LEN : v->len;
	if (!name_good(name, name_len) || !kind_good(v->kind, value_len))
		return -EINVAL;
	if (value_len > KE_ATTR_VALUE_MAX)
		return -E2BIG;
	if (find(a->buf, a->len, name, &old)) {
		if (v->kind == KE_VALUE_I64 && old.kind == KE_VALUE_I64) {
			put_unaligned_le64((u64)v->i64, a->buf + (old.value - a->buf));
			return 0;
		}
		before = old.start - a->buf;
		after = a->len - before - old.size;
	}
	len = before + HEADER + name_len + value_len + after;
	if (len > KE_ATTRS_MAX)
		return -E2BIG;
	buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (before)
		memcpy(buf, a->buf, before);
	end = encode(buf + before, name, name_len, v, value_len);
	if (after)
		memcpy(end, old.start + old.size, after);
	kfree(a->buf);
	*a = (struct ke_attrs){ .buf = buf, .len = len, .size = len };
	return 0;
}

int ke_attrs_load(struct ke_attrs *a, const void *buf, u32 len)
{
	u8 *copy = NULL;

	if (len > KE_ATTRS_MAX)
		return -E2BIG;
	if (len) {
		copy = kmemdup(buf, len, GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
	}
	/* The copy is judged: what it was made from may change at any time. */
	if (!ke_attrs_check(copy, len)) {
		kfree(copy);
		return -EPROTO;
	}
	kfree(a->buf);
	*a = (struct ke_attrs){ .buf = copy, .len = len, .size = len };
	return 0;
}

void ke_attrs_free(struct ke_attrs *a)
{
	kfree(a->buf);
	*a = (struct ke_attrs){};
}
