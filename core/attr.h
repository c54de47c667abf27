/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Attributes: typed name-value pairs, kept encoded, as they travel.
 *
 * A set of them is a run of
 *
 *	u8 kind | u8 name length | u16 value length | name | value
 *
 * without padding, little-endian; of a name that comes twice the first counts.
 * An integer's value is its eight bytes. A set is changed whole or not at all,
 * and never holds more than KE_ATTRS_MAX bytes. No call here locks: the owner of
 * a set does.
 *
 * Live ones are known with their age, which is how long ago they were set, if only to what
 * they were. Hosts share no clock, so an age travels and not a time; who hears it counts on
 * from there by his own clock, and the way that it took is not in it. A live set travels as
 *
 *	u16 bytes of the set | the set | u32 age in milliseconds, of each in its order
 *
 * and one that several nodes set, a channel's, with a u64 version of each behind that, which
 * goes up by one each time: the newer one of a name stays, and of two that were set at the
 * same time all nodes choose the same.
 */
#ifndef KE_ATTR_H
#define KE_ATTR_H

#include "plat.h"
#include "bounds.h"

struct ke_in;
struct ke_out;

/* As in kecho.h, and on the wire. */
enum ke_value_kind {
	KE_VALUE_I64 = 1,
	KE_VALUE_STRING = 2,
	KE_VALUE_BYTES = 3,
};

struct ke_value {
	u8 kind;		/* enum ke_value_kind */
	u16 len;		/* bytes of @data; 8 for an integer that was found */
	s64 i64;
	const void *data;	/* of a string or bytes; a found one points into the set */
};

struct ke_attr_since {
	s64 set_ms;		/* by the owner's clock, which may have begun later */
	u64 version;
};

struct ke_attrs {		/* zeroed: empty */
	u8 *buf;
	struct ke_attr_since *since;	/* of each, in its order */
	u32 len, n;
};

/* The largest set, live and with versions: of names of one byte, without values. */
#define KE_ATTRS_LIVE_MAX (2 + KE_ATTRS_MAX + KE_ATTRS_MAX / 5 * 12)

/* Adds or replaces; what keeps its size takes no memory. -EINVAL: no name or value; -E2BIG:
 * too much; -ENOMEM. */
int ke_attrs_set(struct ke_attrs *a, const char *name, const struct ke_value *v, u64 now_ms);

/* Reads from a run that ke_attrs_check() has passed. -ENOENT. */
int ke_attrs_find(const void *buf, u32 len, const char *name, struct ke_value *v);

/* How long ago it was set. -ENOENT. */
s64 ke_attrs_age_ms(const struct ke_attrs *a, const char *name, u64 now_ms);
/* When that was, by the same clock; perhaps before its beginning. -ENOENT. */
int ke_attrs_set_ms(const struct ke_attrs *a, const char *name, s64 *set_ms);

/* Whether a run from elsewhere is a set; it may hold anything. How many are in one. */
bool ke_attrs_check(const void *buf, u32 len);
u32 ke_attrs_count(const void *buf, u32 len);
/* Of such a run that is a set of one its @name, KE_NAME_MAX bytes and a 0 at most, and value.
 * -EINVAL: it is none. */
int ke_attrs_only(const void *buf, u32 len, char *name, struct ke_value *v);

/* A checked copy, all of it set now, replaces what was there. -EPROTO: it is no set; -E2BIG;
 * -ENOMEM. */
int ke_attrs_load(struct ke_attrs *a, const void *buf, u32 len, u64 now_ms);

/* The same of a set that has been checked, with its ages. -ENOMEM. */
int ke_attrs_copy(struct ke_attrs *a, const struct ke_attrs *from);

void ke_attrs_free(struct ke_attrs *a);

/* Live sets. ke_attrs_get - what was put replaces what was there. -EPROTO, -ENOMEM. */
static inline u32 ke_attrs_live_len(const struct ke_attrs *a)
{
	return sizeof(u16) + a->len + a->n * sizeof(u32);
}
void ke_attrs_put(struct ke_out *o, const struct ke_attrs *a, u64 now_ms);
int ke_attrs_get(struct ke_attrs *a, struct ke_in *in, u64 now_ms);

/* The same with versions. What is newer than here is taken; how many were. What would be too
 * much together is left out. -EPROTO; -ENOMEM: some may have been taken. */
static inline u32 ke_attrs_versions_len(const struct ke_attrs *a)
{
	return ke_attrs_live_len(a) + a->n * sizeof(u64);
}
void ke_attrs_put_versions(struct ke_out *o, const struct ke_attrs *a, u64 now_ms);
int ke_attrs_merge(struct ke_attrs *a, struct ke_in *in, u64 now_ms);

#endif
