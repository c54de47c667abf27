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
 */
#ifndef KE_ATTR_H
#define KE_ATTR_H

#include "plat.h"
#include "bounds.h"

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

struct ke_attrs {		/* zeroed: empty */
	u8 *buf;
	u32 len, size;
};

/* Adds or replaces. -EINVAL: no name or value; -E2BIG: too much; -ENOMEM. */
int ke_attrs_set(struct ke_attrs *a, const char *name, const struct ke_value *v);

/* Reads from a run that ke_attrs_check() has passed. -ENOENT. */
int ke_attrs_find(const void *buf, u32 len, const char *name, struct ke_value *v);

/* Whether a run from elsewhere is a set; it may hold anything. */
bool ke_attrs_check(const void *buf, u32 len);

/* A checked copy replaces what was there. -EPROTO: it is no set; -E2BIG; -ENOMEM. */
int ke_attrs_load(struct ke_attrs *a, const void *buf, u32 len);

void ke_attrs_free(struct ke_attrs *a);

#endif
