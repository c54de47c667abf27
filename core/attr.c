// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sets of attributes, encoded: see attr.h.
 */
#include "attr.h"
#include "wire.h"

enum {
	HEADER = 4,	/* kind, name length, value length */
	I64_LEN = 8,
};

/* One encoded attribute, taken apart. */
struct entry {
	const u8 *start, *name, *value;
	u8 kind, name_len;
	u16 value_len;
	u32 size, index;
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

/* Whether all of an attribute is at @p; only then is @e its parts, but for the index. */
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

static bool find(const u8 *buf, u32 len, const void *name, size_t name_len, struct entry *e)
{
	for (e->index = 0; take_apart(buf, len, e); e->index++) {
		if (e->name_len == name_len && !memcmp(e->name, name, name_len))
			return true;
		buf += e->size;
		len -= e->size;
	}
	return false;
}

u32 ke_attrs_count(const void *buf, u32 len)
{
	const u8 *p = buf;
	struct entry e;
	u32 n = 0;

	for (; take_apart(p, len, &e); p += e.size, len -= e.size)
		n++;
	return n;
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

static struct ke_value value_of(const struct entry *e)
{
	struct ke_value v = { .kind = e->kind, .len = e->value_len };

	if (e->kind == KE_VALUE_I64)
		v.i64 = (s64)get_unaligned_le64(e->value);
	else
		v.data = e->value;
	return v;
}

int ke_attrs_find(const void *buf, u32 len, const char *name, struct ke_value *v)
{
	struct entry e;

	if (!find(buf, len, name, strlen(name), &e))
		return -ENOENT;
	*v = value_of(&e);
	return 0;
}

int ke_attrs_only(const void *buf, u32 len, char *name, struct ke_value *v)
{
	struct entry e;

	if (!ke_attrs_check(buf, len) || !take_apart(buf, len, &e) || e.size != len)
		return -EINVAL;
	memcpy(name, e.name, e.name_len);
	name[e.name_len] = 0;
	*v = value_of(&e);
	return 0;
}

static s64 age_ms(const struct ke_attr_since *since, u64 now_ms)
{
	return max_t(s64, (s64)now_ms - since->set_ms, 0);
}

s64 ke_attrs_age_ms(const struct ke_attrs *a, const char *name, u64 now_ms)
{
	struct entry e;

	if (!find(a->buf, a->len, name, strlen(name), &e))
		return -ENOENT;
	return age_ms(&a->since[e.index], now_ms);
}

int ke_attrs_set_ms(const struct ke_attrs *a, const char *name, s64 *set_ms)
{
	struct entry e;

	if (!find(a->buf, a->len, name, strlen(name), &e))
		return -ENOENT;
	*set_ms = a->since[e.index].set_ms;
	return 0;
}

/* ------------------------------------------------------------------- changing */

static u8 *encode(u8 *p, const struct entry *e)
{
	p[0] = e->kind;
	p[1] = e->name_len;
	put_unaligned_le16(e->value_len, p + 2);
	memcpy(p + HEADER, e->name, e->name_len);
	if (e->value_len)
		memcpy(p + HEADER + e->name_len, e->value, e->value_len);
	return p + e->size;
}

static int room_for_one(struct ke_attrs *a)
{
	struct ke_attr_since *since;

	since = krealloc(a->since, (a->n + 1) * sizeof(*since), GFP_KERNEL_ACCOUNT);
	if (!since)
		return -ENOMEM;
	a->since = since;
	return 0;
}

/*
 * The changed set, with @e in the place of @old or behind the last. It is built beside the
 * one that is there, so a failure changes nothing and a value may come from the set itself.
 */
static int rebuild(struct ke_attrs *a, const struct entry *old, const struct entry *e,
		   const struct ke_attr_since *since)
{
	u32 before = old ? old->start - a->buf : a->len, index = old ? old->index : a->n;
	u32 after = old ? a->len - before - old->size : 0, len = before + e->size + after;
	u8 *buf, *end;

	if (len > KE_ATTRS_MAX)
		return -E2BIG;
	buf = kmalloc(len, GFP_KERNEL_ACCOUNT);
	if (!buf || (!old && room_for_one(a))) {
		kfree(buf);
		return -ENOMEM;
	}
	if (before)
		memcpy(buf, a->buf, before);
	end = encode(buf + before, e);
	if (after)
		memcpy(end, old->start + old->size, after);
	kfree(a->buf);
	a->buf = buf;
	a->len = len;
	a->n += !old;
	a->since[index] = *since;
	return 0;
}

/* @old: the one of this name, or NULL. */
static int put(struct ke_attrs *a, const struct entry *old, const struct entry *e,
	       const struct ke_attr_since *since)
{
	if (!old || old->kind != e->kind || old->value_len != e->value_len)
		return rebuild(a, old, e, since);
	/* In its place: the usual change of a live attribute. */
	if (e->value_len)
		memmove(a->buf + (old->value - a->buf), e->value, e->value_len);
	a->since[old->index] = *since;
	return 0;
}

int ke_attrs_set(struct ke_attrs *a, const char *name, const struct ke_value *v, u64 now_ms)
{
	u32 name_len = strnlen(name, KE_NAME_MAX + 1);
	u32 value_len = v->kind == KE_VALUE_I64 ? I64_LEN : v->len;
	struct ke_attr_since since = { .set_ms = now_ms };
	__le64 i64 = cpu_to_le64((u64)v->i64);
	struct entry old, e;
	bool there;

	if (!name_good(name, name_len) || !kind_good(v->kind, value_len))
		return -EINVAL;
	if (value_len > KE_ATTR_VALUE_MAX)
		return -E2BIG;
	e = (struct entry){
		.kind = v->kind, .name = (const u8 *)name, .name_len = name_len,
		.value = v->kind == KE_VALUE_I64 ? (const u8 *)&i64 : v->data,
		.value_len = value_len, .size = HEADER + name_len + value_len,
	};
	there = find(a->buf, a->len, name, name_len, &old);
	since.version = there ? a->since[old.index].version : 0;
	since.version += since.version < U64_MAX;
	return put(a, there ? &old : NULL, &e, &since);
}

/* Takes @buf, which is a set, with @ages as they travel, or NULL: set now. */
static int take(struct ke_attrs *a, u8 *buf, u32 len, const u8 *ages, u64 now_ms)
{
	u32 n = ke_attrs_count(buf, len), i;
	struct ke_attr_since *since = NULL;

	if (n) {
		since = kcalloc(n, sizeof(*since), GFP_KERNEL_ACCOUNT);
		if (!since)
			return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		since[i].set_ms = now_ms - (ages ? get_unaligned_le32(ages + i * sizeof(u32)) : 0);
		since[i].version = 1;
	}
	ke_attrs_free(a);
	*a = (struct ke_attrs){ .buf = buf, .len = len, .since = since, .n = n };
	return 0;
}

static int load(struct ke_attrs *a, const void *buf, u32 len, const u8 *ages, u64 now_ms)
{
	u8 *copy = NULL;
	int err = 0;

	if (len > KE_ATTRS_MAX)
		return -E2BIG;
	if (len) {
		copy = kmemdup(buf, len, GFP_KERNEL_ACCOUNT);
		if (!copy)
			return -ENOMEM;
	}
	/* The copy is judged: what it was made from may change at any time. */
	if (!ke_attrs_check(copy, len))
		err = -EPROTO;
	err = err ?: take(a, copy, len, ages, now_ms);
	if (err)
		kfree(copy);
	return err;
}

int ke_attrs_load(struct ke_attrs *a, const void *buf, u32 len, u64 now_ms)
{
	return load(a, buf, len, NULL, now_ms);
}

int ke_attrs_copy(struct ke_attrs *a, const struct ke_attrs *from)
{
	int err = load(a, from->buf, from->len, NULL, 0);

	if (!err && a->n)
		memcpy(a->since, from->since, a->n * sizeof(*a->since));
	return err;
}

void ke_attrs_free(struct ke_attrs *a)
{
	kfree(a->buf);
	kfree(a->since);
	*a = (struct ke_attrs){};
}

/* ----------------------------------------------------------------- travelling */

void ke_attrs_put(struct ke_out *o, const struct ke_attrs *a, u64 now_ms)
{
	u32 i;

	ke_put_bytes(o, a->buf, a->len);
	for (i = 0; i < a->n; i++)
		ke_put_u32(o, min_t(s64, age_ms(&a->since[i], now_ms), U32_MAX));
}

void ke_attrs_put_versions(struct ke_out *o, const struct ke_attrs *a, u64 now_ms)
{
	u32 i;

	ke_attrs_put(o, a, now_ms);
	for (i = 0; i < a->n; i++)
		ke_put_u64(o, a->since[i].version);
}

/* The set and its ages; NULL: it is none, or not all there. */
static const u8 *get_set(struct ke_in *in, u32 *len, const u8 **ages)
{
	const u8 *set = ke_get_bytes(in, len);

	if (!set || !ke_attrs_check(set, *len))
		return NULL;
	*ages = ke_get(in, ke_attrs_count(set, *len) * sizeof(u32));
	return *ages ? set : NULL;
}

int ke_attrs_get(struct ke_attrs *a, struct ke_in *in, u64 now_ms)
{
	const u8 *set, *ages;
	u32 len;

	set = get_set(in, &len, &ages);
	return set ? load(a, set, len, ages, now_ms) : -EPROTO;
}

/* Of two with the same version: the same answer everywhere. */
static bool outweighs(const struct entry *e, const struct entry *old)
{
	if (e->kind != old->kind)
		return e->kind > old->kind;
	if (e->value_len != old->value_len)
		return e->value_len > old->value_len;
	return memcmp(e->value, old->value, e->value_len) > 0;
}

/* 1: it is newer than ours, if we have one of its name; 0. */
static int merge_one(struct ke_attrs *a, const struct entry *e, const struct ke_attr_since *since)
{
	struct entry old;
	bool there = find(a->buf, a->len, e->name, e->name_len, &old);
	u64 ours = there ? a->since[old.index].version : 0;
	int err;

	if (since->version < ours || (there && since->version == ours && !outweighs(e, &old)))
		return 0;
	err = put(a, there ? &old : NULL, e, since);
	return err == -E2BIG ? 0 : err ?: 1;
}

int ke_attrs_merge(struct ke_attrs *a, struct ke_in *in, u64 now_ms)
{
	const u8 *set, *ages, *versions = NULL;
	struct ke_attr_since since;
	int newer = 0, taken = 0;
	struct entry e;
	u32 len, i;

	set = get_set(in, &len, &ages);
	if (set)
		versions = ke_get(in, ke_attrs_count(set, len) * sizeof(u64));
	if (!versions)
		return -EPROTO;
	for (i = 0; taken >= 0 && take_apart(set, len, &e); i++, set += e.size, len -= e.size) {
		since.set_ms = now_ms - get_unaligned_le32(ages + i * sizeof(u32));
		since.version = get_unaligned_le64(versions + i * sizeof(u64));
		taken = merge_one(a, &e, &since);
		newer += taken;
	}
	return taken < 0 ? taken : newer;
}
