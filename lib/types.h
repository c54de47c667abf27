/* SPDX-License-Identifier: MIT */
/*
 * Types in the library: kecho_type is core's type with names that end in zero and the order
 * of the struct. All of them come in as a draft, field by field in any order, or encoded.
 */
#ifndef KECHO_TYPES_H
#define KECHO_TYPES_H

#include <locale.h>

#include "kecho/type.h"
#include "type.h"

struct kecho_type {
	struct ke_type *t;
	u64 serial;		/* no other one of this process has or had it */
	char *name;		/* the struct's; those of the fields follow it */
	const char **names;
	u16 *by_offset;		/* numbers of fields */
};

struct type_draft {
	const char *name;
	u32 size;
	bool big_endian;
	struct ke_field *fields;
	u32 nfields, fields_room;
	char *names;
	u32 names_len, names_room;
};

/* Of numbers with a point, whatever the process's locale has; 0: there is no memory. */
locale_t type_c_locale(void);

/* What @f says of its name is not looked at. -E2BIG: over core's limits; -ENOMEM. */
int type_draft_add(struct type_draft *d, const char *name, const struct ke_field *f);
/* The type, if all that was drafted is as it must be; the draft stays. It explains. */
int type_draft_make(struct kecho_type **out, struct type_draft *d);
void type_draft_free(struct type_draft *d);

#endif
