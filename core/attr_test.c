// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sets of attributes: what is set is found, and how old it is; a failure changes
 * nothing, and no run of bytes from elsewhere is believed.
 */
#include "attr.h"
#include "tap.h"
#include "wire.h"

static int set_i64(struct ke_attrs *a, const char *name, s64 i64)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .i64 = i64 };

	return ke_attrs_set(a, name, &v, 0);
}

static int set_bytes(struct ke_attrs *a, const char *name, u8 kind, const void *data, u16 len)
{
	struct ke_value v = { .kind = kind, .data = data, .len = len };

	return ke_attrs_set(a, name, &v, 0);
}

static void has_i64(const struct ke_attrs *a, const char *name, s64 i64)
{
	struct ke_value v = {};

	is_eq(ke_attrs_find(a->buf, a->len, name, &v), 0, "%s is there", name);
	is_eq(v.kind, KE_VALUE_I64, "%s", name);
	is_eq(v.i64, i64, "%s", name);
}

static void has_bytes(const struct ke_attrs *a, const char *name, u8 kind, const void *data,
		      u16 len)
{
	struct ke_value v = {};

	must(!ke_attrs_find(a->buf, a->len, name, &v), "%s is there", name);
	is_eq(v.kind, kind, "%s", name);
	must(is_eq(v.len, len, "%s", name), "length");
	is_mem(v.data, data, len, "%s", name);
}

static void lacks(const struct ke_attrs *a, const char *name)
{
	struct ke_value v;

	is_eq(ke_attrs_find(a->buf, a->len, name, &v), -ENOENT, "%s is not there", name);
}

TEST(set_and_find)
{
	struct ke_attrs a = {};

	lacks(&a, "load");
	is_eq(set_i64(&a, "load", -5), 0, "integer");
	is_eq(set_bytes(&a, "zone", KE_VALUE_STRING, "north", 5), 0, "string");
	is_eq(set_bytes(&a, "none", KE_VALUE_BYTES, NULL, 0), 0, "no bytes");
	is_eq(set_i64(&a, "loa", S64_MAX), 0, "a prefix of another name");
	ok(ke_attrs_check(a.buf, a.len), "well-formed");
	has_i64(&a, "load", -5);
	has_bytes(&a, "zone", KE_VALUE_STRING, "north", 5);
	has_bytes(&a, "none", KE_VALUE_BYTES, "", 0);
	has_i64(&a, "loa", S64_MAX);
	lacks(&a, "loadx");
	lacks(&a, "");
	ke_attrs_free(&a);
	ok(!a.buf && !a.len, "empty");
}

TEST(replace)
{
	struct ke_attrs a = {};
	u32 len;

	set_i64(&a, "a", 1);
	set_i64(&a, "b", 2);
	set_i64(&a, "c", 3);
	len = a.len;
	is_eq(set_i64(&a, "b", S64_MIN), 0, "in its place");
	is_eq(a.len, len, "nothing grew");
	is_eq(set_bytes(&a, "a", KE_VALUE_STRING, "a longer value", 14), 0, "the first");
	is_eq(set_bytes(&a, "c", KE_VALUE_BYTES, "", 0), 0, "the last");
	is_eq(a.len, len + 14 - 8 - 8, "each name once");
	has_bytes(&a, "a", KE_VALUE_STRING, "a longer value", 14);
	has_i64(&a, "b", S64_MIN);
	has_bytes(&a, "c", KE_VALUE_BYTES, "", 0);
	ok(ke_attrs_check(a.buf, a.len), "well-formed");
	ke_attrs_free(&a);
}

/* A value may lie in the set that it goes to. */
TEST(from_itself)
{
	struct ke_attrs a = {};
	struct ke_value v = {};

	set_bytes(&a, "a", KE_VALUE_STRING, "some words", 10);
	must(!ke_attrs_find(a.buf, a.len, "a", &v), "there");
	is_eq(ke_attrs_set(&a, "b", &v, 0), 0, "a copy");
	must(!ke_attrs_find(a.buf, a.len, "b", &v), "there");
	is_eq(ke_attrs_set(&a, "a", &v, 0), 0, "onto where it came from");
	has_bytes(&a, "a", KE_VALUE_STRING, "some words", 10);
	has_bytes(&a, "b", KE_VALUE_STRING, "some words", 10);
	ke_attrs_free(&a);
}

TEST(bad)
{
	struct ke_attrs a = {};
	char name[KE_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[KE_NAME_MAX + 1] = 0;
	is_eq(set_i64(&a, "", 1), -EINVAL, "no name");
	is_eq(set_i64(&a, name, 1), -EINVAL, "too long");
	is_eq(set_i64(&a, "a b", 1), -EINVAL, "a space");
	is_eq(set_i64(&a, "a\n", 1), -EINVAL, "a control byte");
	is_eq(set_bytes(&a, "a", 0, "x", 1), -EINVAL, "no kind");
	is_eq(set_bytes(&a, "a", 4, "x", 1), -EINVAL, "a kind that is none");
	is_eq(set_bytes(&a, "a", KE_VALUE_BYTES, name, KE_ATTR_VALUE_MAX + 1), -E2BIG, "too long");
	ok(!a.buf, "nothing happened");
	name[KE_NAME_MAX] = 0;
	is_eq(set_i64(&a, name, 1), 0, "as long as can be");
	has_i64(&a, name, 1);
	ke_attrs_free(&a);
}

/* The set that is full stays whole. */
TEST(full)
{
	struct ke_attrs a = {};
	u8 value[KE_ATTR_VALUE_MAX];
	char name[2] = "a";
	int err;
	u32 len;

	memset(value, 7, sizeof(value));
	do {
		len = a.len;
		err = set_bytes(&a, name, KE_VALUE_BYTES, value, sizeof(value));
		name[0]++;
	} while (!err && name[0] < 'z');
	is_eq(err, -E2BIG, "at last");
	is_eq(a.len, len, "as before");
	is_eq(name[0] - 'a', 1 + KE_ATTRS_MAX / (4 + 1 + KE_ATTR_VALUE_MAX), "as many as fit");
	has_bytes(&a, "a", KE_VALUE_BYTES, value, sizeof(value));
	is_eq(set_bytes(&a, "z", KE_VALUE_BYTES, value, KE_ATTRS_MAX - a.len - 5), 0,
	      "to the brim");
	is_eq(a.len, KE_ATTRS_MAX, "full");
	is_eq(set_bytes(&a, "y", KE_VALUE_BYTES, value, 0), -E2BIG, "no more");
	ok(ke_attrs_check(a.buf, a.len), "well-formed");
	ke_attrs_free(&a);
}

TEST(load)
{
	struct ke_attrs a = {}, b = {};
	u8 *big;

	set_i64(&a, "load", 3);
	set_bytes(&a, "zone", KE_VALUE_STRING, "n", 1);
	set_i64(&b, "old", 3);
	is_eq(ke_attrs_load(&b, a.buf, a.len - 1, 0), -EPROTO, "cut");
	has_i64(&b, "old", 3);
	is_eq(ke_attrs_load(&b, a.buf, a.len, 0), 0, "whole");
	lacks(&b, "old");
	has_i64(&b, "load", 3);
	big = kcalloc(1, KE_ATTRS_MAX + 1, GFP_KERNEL);
	must(big, "memory");
	is_eq(ke_attrs_load(&b, big, KE_ATTRS_MAX + 1, 0), -E2BIG, "too big");
	has_i64(&b, "load", 3);
	is_eq(ke_attrs_load(&b, NULL, 0, 0), 0, "none");
	is_eq(b.len, 0, "empty");
	kfree(big);
	ke_attrs_free(&a);
	ke_attrs_free(&b);
}

/* One attribute with one thing wrong with it. */
static void refused(u8 kind, u8 name_len, u16 value_len, const char *rest, u32 rest_len)
{
	u8 buf[64];

	buf[0] = kind;
	buf[1] = name_len;
	put_unaligned_le16(value_len, buf + 2);
	memcpy(buf + 4, rest, rest_len);
	ok(!ke_attrs_check(buf, 4 + rest_len), "kind %u, name of %u, value of %u", kind, name_len,
	   value_len);
}

TEST(malformed)
{
	ok(ke_attrs_check(NULL, 0), "none is a set");
	ok(ke_attrs_check("\x02\x01\x01\x00nv", 6), "a good one");
	refused(0, 1, 1, "nv", 2);
	refused(4, 1, 1, "nv", 2);
	refused(2, 0, 1, "v", 1);
	refused(2, 128, 1, "nv", 2);
	refused(2, 1, 1, "\x20v", 2);
	refused(2, 1, 2, "nv", 2);
	refused(2, 1, 0xffff, "nv", 2);
	refused(2, 1, 0, "nv", 2);
	refused(1, 1, 1, "nv", 2);
	refused(1, 1, 7, "n1234567", 8);
	refused(1, 1, 9, "n123456789", 10);
}

TEST(only)
{
	char name[KE_NAME_MAX + 1];
	struct ke_value v;

	is_eq(ke_attrs_only("\x01\x02\x08\x00nm12345678", 14, name, &v), 0, "one");
	ok(!strcmp(name, "nm") && v.kind == KE_VALUE_I64, "which it is");
	is_eq(ke_attrs_only("\x02\x01\x01\x00nv\x02\x01\x01\x00mv", 12, name, &v), -EINVAL, "two");
	is_eq(ke_attrs_only("\x02\x01\x01\x00nv", 5, name, &v), -EINVAL, "not whole");
	is_eq(ke_attrs_only("\x02\x01\x01\x00nvv", 7, name, &v), -EINVAL, "more than one");
	is_eq(ke_attrs_only("", 0, name, &v), -EINVAL, "none");
}

/*
 * Whatever a check passes can be walked: a good set with some bytes changed, cut
 * anywhere. It ends where its memory does, so that a sanitizer sees a read past it.
 */
TEST(hostile)
{
	static const u8 good[] = "\x02\x01\x01\x00nv\x01\x01\x08\x00m12345678\x03\x01\x02\x00ovv";
	u32 round, len, passed = 0, found = 0;
	u64 rng = 88172645463325252ULL;
	struct ke_value v;
	u8 *p;

	for (round = 0; round < 20000; round++) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		len = 1 + (rng >> 8) % (sizeof(good) - 1);
		p = kmemdup(good, len, GFP_KERNEL);
		must(p, "memory");
		p[(rng >> 16) % len] = rng >> 24 & 15;
		p[(rng >> 32) % len] = rng >> 40;
		if (ke_attrs_check(p, len)) {
			passed++;
			if (!ke_attrs_find(p, len, "o", &v) && v.data) {
				found++;
				ok((const u8 *)v.data + v.len <= p + len, "inside");
			}
		}
		kfree(p);
	}
	ok(passed > 100 && passed < round - 100, "%u were well-formed", passed);
	ok(found > 10, "%u had it", found);
}

/* ------------------------------------------------------------------------ ages */

static int set_at(struct ke_attrs *a, const char *name, s64 i64, u64 now_ms)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .i64 = i64 };

	return ke_attrs_set(a, name, &v, now_ms);
}

TEST(ages)
{
	struct ke_value v = { .kind = KE_VALUE_STRING, .data = "north", .len = 5 };
	struct ke_attrs a = {}, b = {};
	const u8 *buf;

	is_eq(ke_attrs_age_ms(&a, "load", 5), -ENOENT, "of none");
	is_eq(set_at(&a, "load", 1, 100), 0, "set");
	is_eq(ke_attrs_set(&a, "zone", &v, 200), 0, "another");
	is_eq(ke_attrs_age_ms(&a, "load", 300), 200, "the first");
	is_eq(ke_attrs_age_ms(&a, "zone", 300), 100, "the second");
	is_eq(ke_attrs_age_ms(&a, "zone", 150), 0, "never less than nothing");
	buf = a.buf;
	is_eq(set_at(&a, "load", 1, 250), 0, "to what it was");
	is_eq(ke_attrs_set(&a, "zone", &v, 260), 0, "a string, too");
	is_eq(ke_attrs_age_ms(&a, "load", 300), 50, "it is fresh");
	is_eq(ke_attrs_age_ms(&a, "zone", 300), 40, "it, too");
	ok(a.buf == buf, "in their places");
	v.len = 4;
	is_eq(ke_attrs_set(&a, "zone", &v, 270), 0, "of another size");
	is_eq(ke_attrs_age_ms(&a, "load", 300), 50, "its neighbour is as old as it was");
	is_eq(ke_attrs_copy(&b, &a), 0, "a copy");
	is_eq(ke_attrs_age_ms(&b, "zone", 300), 30, "is as old");
	is_eq(ke_attrs_load(&b, a.buf, a.len, 300), 0, "loaded");
	is_eq(ke_attrs_age_ms(&b, "load", 300), 0, "is new");
	ke_attrs_free(&a);
	ke_attrs_free(&b);
}

/* To a host whose clock has just begun, and on from there to one more. */
TEST(ages_travel)
{
	struct ke_attrs a = {}, b = {};
	u8 body[64];
	struct ke_out o = { .buf = body, .size = sizeof(body) };
	struct ke_in in = { .p = body };

	set_at(&a, "load", 1, 1000000);
	set_at(&a, "old", 2, 5);
	ke_attrs_put(&o, &a, 1000070);
	ok(!o.bad, "it fits");
	is_eq(o.len, ke_attrs_live_len(&a), "as long as it was said to be");
	in.end = body + o.len;
	is_eq(ke_attrs_get(&b, &in, 10), 0, "heard");
	ok(!in.bad && in.p == in.end, "all of it");
	has_i64(&b, "load", 1);
	is_eq(ke_attrs_age_ms(&b, "load", 10), 70, "as old as there");
	is_eq(ke_attrs_age_ms(&b, "load", 15), 75, "and older");
	is_eq(ke_attrs_age_ms(&b, "old", 10), 1000065, "older than the clock");
	o.len = 0;
	set_at(&b, "load", 1, U32_MAX + 10ULL);
	ke_attrs_put(&o, &b, 3ULL * U32_MAX);
	in = (struct ke_in){ .p = body, .end = body + o.len };
	is_eq(ke_attrs_get(&a, &in, 0), 0, "heard");
	is_eq(ke_attrs_age_ms(&a, "load", 0), U32_MAX, "seven weeks are the most that is said");
	ke_attrs_free(&a);
	ke_attrs_free(&b);
}

/* Ages and versions are believed to be there as little as the set is. */
TEST(ages_that_lack)
{
	struct ke_attrs a = {}, b = {};
	u8 *body = kcalloc(1, KE_ATTRS_LIVE_MAX, GFP_KERNEL), *cut;
	struct ke_out o = { .buf = body, .size = KE_ATTRS_LIVE_MAX };
	struct ke_in in;
	u32 len, want;

	must(body, "memory");
	set_at(&a, "load", 1, 0);
	set_at(&a, "more", 2, 0);
	set_at(&b, "kept", 3, 0);
	ke_attrs_put_versions(&o, &a, 0);
	is_eq(o.len, ke_attrs_versions_len(&a), "as long as it was said to be");
	for (len = 0; len < o.len; len++) {
		cut = kmemdup(body, len ?: 1, GFP_KERNEL);
		must(cut, "memory");
		want = len < ke_attrs_live_len(&a);
		in = (struct ke_in){ .p = cut, .end = cut + len };
		is_eq(ke_attrs_merge(&b, &in, 0), -EPROTO, "%u bytes, with versions", len);
		in = (struct ke_in){ .p = cut, .end = cut + len };
		if (want)
			is_eq(ke_attrs_get(&b, &in, 0), -EPROTO, "%u bytes", len);
		kfree(cut);
	}
	has_i64(&b, "kept", 3);
	is_eq(b.n, 1, "nothing of it was taken");
	body[2] = 9;
	in = (struct ke_in){ .p = body, .end = body + o.len };
	is_eq(ke_attrs_get(&b, &in, 0), -EPROTO, "no set");
	kfree(body);
	ke_attrs_free(&a);
	ke_attrs_free(&b);
}

/* The largest set, of the most attributes. */
TEST(most)
{
	struct ke_attrs a = {}, b = {};
	u8 *run = kcalloc(1, KE_ATTRS_MAX, GFP_KERNEL);
	u8 *body = kcalloc(1, KE_ATTRS_LIVE_MAX, GFP_KERNEL);
	struct ke_out o = { .buf = body, .size = KE_ATTRS_LIVE_MAX };
	struct ke_in in;
	u32 i;

	must(run && body, "memory");
	for (i = 0; i < KE_ATTRS_MAX / 5; i++) {
		run[5 * i] = KE_VALUE_BYTES;
		run[5 * i + 1] = 1;
		run[5 * i + 4] = 'n';
	}
	is_eq(ke_attrs_load(&a, run, 5 * i, 0), 0, "loaded");
	is_eq(a.n, KE_ATTRS_MAX / 5, "so many");
	ke_attrs_put_versions(&o, &a, 0);
	ok(!o.bad, "it fits");
	in = (struct ke_in){ .p = body, .end = body + o.len };
	is_eq(ke_attrs_get(&b, &in, 0), 0, "heard");
	is_eq(b.n, a.n, "all");
	ke_attrs_free(&a);
	ke_attrs_free(&b);
	kfree(run);
	kfree(body);
}

/* -------------------------------------------------------------------- versions */

/* What @from has goes to @to. */
static int told(struct ke_attrs *to, const struct ke_attrs *from, u64 now_ms)
{
	static u8 body[KE_ATTRS_LIVE_MAX];
	struct ke_out o = { .buf = body, .size = sizeof(body) };
	struct ke_in in = { .p = body };

	ke_attrs_put_versions(&o, from, now_ms);
	in.end = body + o.len;
	return ke_attrs_merge(to, &in, now_ms);
}

static void same(struct ke_attrs *a, const struct ke_attrs *b, const char *name)
{
	struct ke_value x = {}, y = {};

	ok(!ke_attrs_find(a->buf, a->len, name, &x) && !ke_attrs_find(b->buf, b->len, name, &y),
	   "%s is in both", name);
	ok(x.kind == y.kind && x.i64 == y.i64, "%s is the same", name);
}

/* Set by two at the same time: nothing is lost, and they agree. */
TEST(merge)
{
	struct ke_attrs a = {}, b = {};

	set_at(&a, "x", 1, 0);
	set_at(&b, "y", 2, 0);
	set_at(&a, "both", 3, 0);
	set_at(&b, "both", 4, 0);
	is_eq(told(&a, &b, 5), 2, "the other's, and the one that outweighs");
	is_eq(told(&b, &a, 5), 1, "one");
	same(&a, &b, "x");
	same(&a, &b, "y");
	same(&a, &b, "both");
	is_eq(ke_attrs_age_ms(&b, "x", 5), 5, "with its age");
	is_eq(told(&b, &a, 9), 0, "nothing is new");
	is_eq(ke_attrs_age_ms(&b, "x", 9), 9, "nor younger");
	set_at(&b, "both", 0, 10);
	is_eq(told(&b, &a, 11), 0, "what is older is not taken back");
	is_eq(told(&a, &b, 11), 1, "what is newer is taken, whatever its weight");
	has_i64(&a, "both", 0);
	set_bytes(&a, "both", KE_VALUE_STRING, "word", 4);
	is_eq(told(&b, &a, 11), 1, "another kind");
	has_bytes(&b, "both", KE_VALUE_STRING, "word", 4);
	ke_attrs_free(&a);
	ke_attrs_free(&b);
}

/* A version that can't grow any more, and more than fits. */
TEST(merge_limits)
{
	struct ke_attrs a = {}, b = {};
	u8 value[KE_ATTR_VALUE_MAX] = { 0 };
	char name[2] = "a";
	u32 i;

	set_at(&a, "x", 1, 0);
	a.since[0].version = U64_MAX;
	is_eq(told(&b, &a, 0), 1, "taken");
	set_at(&b, "x", 2, 0);
	is_eq(b.since[0].version, U64_MAX, "it stays there");
	is_eq(told(&a, &b, 0), 1, "then the larger one counts");
	ke_attrs_free(&b);
	for (i = 0; i < 7; i++, name[0]++)
		is_eq(set_bytes(i % 2 ? &a : &b, name, KE_VALUE_BYTES, value, sizeof(value)), 0,
		      "large");
	for (i = 0; i < 7; i++, name[0]++)
		is_eq(set_bytes(&b, name, KE_VALUE_BYTES, value, 600), i < 6 ? 0 : -E2BIG, "%s",
		      name);
	is_eq(told(&a, &b, 0), 5, "as many as fit");
	ok(ke_attrs_check(a.buf, a.len), "well-formed");
	has_i64(&a, "x", 2);
	ke_attrs_free(&a);
	ke_attrs_free(&b);
}

TESTS(attr, set_and_find, replace, from_itself, bad, full, load, malformed, only, hostile,
      ages, ages_travel, ages_that_lack, most, merge, merge_limits);
