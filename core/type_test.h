/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Types that tests make, field by field, and what they need to make many.
 */
#ifndef KE_TYPE_TEST_H
#define KE_TYPE_TEST_H

#include "type.h"

#define DRAFT_FIELDS_MAX	16
#define DRAFT_NAMES_MAX		512
#define DRAFT_ENCODED_MAX	2048

/* Too large for a kernel's stack. */
struct draft {
	char names[DRAFT_NAMES_MAX];
	struct ke_field fields[DRAFT_FIELDS_MAX];
	u8 encoded[DRAFT_ENCODED_MAX];
	struct ke_type type;
	char why[KE_TYPE_WHY_MAX];
};

static inline u16 draft_name(struct draft *d, const char *name)
{
	u32 len = strlen(name), at = d->type.names_len;

	WARN_ON(at + len > DRAFT_NAMES_MAX);
	memcpy(d->names + at, name, len);
	d->type.names_len += len;
	return at;
}

static inline void draft_begin(struct draft *d, const char *name, u32 size, bool big_endian)
{
	d->type = (struct ke_type){ .names = d->names, .fields = d->fields, .size = size,
				    .big_endian = big_endian };
	d->type.name = draft_name(d, name);
	d->type.name_len = strlen(name);
}

/* Fields may be added in any order. */
static inline void draft_add(struct draft *d, const char *name, struct ke_field f)
{
	u32 i = d->type.nfields++;

	WARN_ON(i == DRAFT_FIELDS_MAX);
	f.name = draft_name(d, name);
	f.name_len = strlen(name);
	for (; i; i--) {
		const struct ke_field *before = &d->fields[i - 1];

		if (ke_field_order(ke_field_name(&d->type, before), before->name_len, name,
				   f.name_len) <= 0)
			break;
		d->fields[i] = d->fields[i - 1];
	}
	d->fields[i] = f;
}

static inline void draft_number(struct draft *d, const char *name, u8 kind, u32 offset, u32 size)
{
	draft_add(d, name, (struct ke_field){ .kind = kind, .offset = offset, .size = size });
}

static inline void draft_bits(struct draft *d, const char *name, u8 kind, u32 offset, u32 size,
			      u8 bit_offset, u8 bits)
{
	draft_add(d, name, (struct ke_field){ .kind = kind, .offset = offset, .size = size,
					      .bit_offset = bit_offset, .bits = bits });
}

static inline void draft_array(struct draft *d, const char *name, u8 elem, u32 offset, u32 size)
{
	draft_add(d, name, (struct ke_field){ .kind = KE_FIELD_BYTES, .offset = offset,
					      .size = size, .elem = elem });
}

/* As it comes from elsewhere; NULL: it was refused, d->why says why. */
static inline struct ke_type *draft_load(struct draft *d)
{
	int len = ke_type_encode(&d->type, d->encoded, sizeof(d->encoded));
	struct ke_type *t = NULL;

	WARN_ON(len < 0);
	d->why[0] = 0;
	if (len >= 0 && ke_type_load(&t, d->encoded, len, d->why))
		t = NULL;
	return t;
}

/* Numbers that are the same in each run. */
struct lots {
	u64 state;
};

static inline u32 lots(struct lots *l, u32 below)
{
	l->state = l->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(l->state >> 33) % below;
}

#endif
