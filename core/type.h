/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Types of events: a struct's name, its size and a flat table of its fields, made from BTF
 * by the library and sent along with the source. Fields of nested structs have names with
 * dots; an array of char is one string field; an array of numbers is one field of bytes
 * that knows what numbers they are. Of all else that has no name of its own within (unions,
 * arrays of structs or of arrays) only the size is known, and a shape: who has another
 * layout of it has another shape.
 *
 * Fields may overlap: nothing relies on the contrary.
 *
 * An event's payload and a reader's struct are two versions of a type. They match by the
 * names of their fields: a plan is made once for a pair of types (ke_type_match), and then
 * turns each payload into the reader's struct. What a field becomes:
 *
 *	number		as C assigns it: widened by the writer's sign, cut to the reader's
 *			width; bit-fields likewise
 *	float, double	widened, or rounded to the nearest
 *	string		cut so that it still ends in a zero; of equal length: as it is
 *	numbers		one by one as above, as many as both have
 *	other bytes	as they are, if shape and byte order are the same
 *
 * Between numbers, floats, strings and bytes nothing is converted. What the writer has not,
 * or in no form that can be converted, or what is not whole in the payload, is zero and
 * counts as absent. What only the writer has is left out.
 */
#ifndef KE_TYPE_H
#define KE_TYPE_H

#include "plat.h"
#include "bounds.h"
#include "uapi/kecho_type.h"

#define KE_TYPE_WHY_MAX 400

#define KE_TYPE_ENCODED_MAX							\
	(sizeof(struct kecho_type_header) +					\
	 KE_TYPE_FIELDS_MAX * sizeof(struct kecho_type_field) + KE_NAME_MAX +	\
	 KE_TYPE_NAMES_MAX)

enum ke_field_kind {
	KE_FIELD_UNSIGNED = 1,	/* and bool, enums without a sign, pointers */
	KE_FIELD_SIGNED = 2,
	KE_FIELD_FLOAT = 3,	/* filters don't see them */
	KE_FIELD_STRING = 4,	/* char[]: up to its first zero */
	KE_FIELD_BYTES = 5,
};

static inline bool ke_kind_is_integer(u32 kind)
{
	return kind == KE_FIELD_UNSIGNED || kind == KE_FIELD_SIGNED;
}

struct ke_field {
	u16 name, name_len;	/* in the type's names */
	u32 offset;		/* of its first byte in the struct */
	u32 size;		/* bytes; a number's are 1, 2, 4 or 8 */
	u8 kind;		/* enum ke_field_kind */
	u8 bit_offset, bits;	/* a bit-field: from the number's lowest bit; bits 0: none */
	u8 elem;		/* BYTES: KE_ELEM(); 0: they are no numbers */
	u32 shape;		/* BYTES that are no numbers */
};

/* The numbers of an array. */
#define KE_ELEM(kind, size)	((u8)((kind) << 4 | (size)))
#define KE_ELEM_KIND(elem)	((elem) >> 4)
#define KE_ELEM_SIZE(elem)	((elem) & 15)

struct ke_type {
	const char *names;
	u32 names_len;
	u16 name, name_len;	/* the struct's own */
	u32 size;		/* bytes of the struct */
	bool big_endian;
	u16 nfields;
	const struct ke_field *fields;	/* sorted by name */

	/* of one that was loaded */
	u64 id;			/* a hash of the encoded form: no proof against a liar */
	const void *encoded;
	u32 encoded_len;
};

/*
 * ke_type_load - a type as it travelled, checked, in memory of its own. @buf may change
 * meanwhile. -EPROTO, with the reason in @why, of KE_TYPE_WHY_MAX bytes; -ENOMEM. It is
 * freed by ke_type_free(), which takes NULL.
 */
int ke_type_load(struct ke_type **t, const void *buf, u32 len, char *why);
void ke_type_free(struct ke_type *t);

/*
 * ke_type_encode - what ke_type_load() takes, of a type whose fields are sorted
 * (ke_field_order) and whose numbers fit their places. Returns its length; -EMSGSIZE: over
 * @size or over a limit.
 */
int ke_type_encode(const struct ke_type *t, void *buf, u32 size);

/* The order of names: less than 0, 0, or more. */
int ke_field_order(const char *a, u32 a_len, const char *b, u32 b_len);

/* NULL: it has no such field. */
const struct ke_field *ke_type_field(const struct ke_type *t, const char *name, u32 len);

static inline const char *ke_field_name(const struct ke_type *t, const struct ke_field *f)
{
	return t->names + f->name;
}

/*
 * ke_field_get, ke_field_put - number @i of a field, 0 if it is no array, in a payload that
 * has all of it: an integer widened by its sign, or cut to its width; a float's bytes.
 */
u64 ke_field_get(const struct ke_type *t, const struct ke_field *f, const void *payload, u32 i);
void ke_field_put(const struct ke_type *t, const struct ke_field *f, void *payload, u32 i, u64 v);

/* How a writer's payload becomes a reader's struct. */
struct ke_match;

/* ke_type_match - the plan; it needs neither type any more. -ENOMEM. ke_match_free() frees
 * it, and takes NULL. */
int ke_type_match(struct ke_match **m, const struct ke_type *reader,
		  const struct ke_type *writer);
void ke_match_free(struct ke_match *m);

/* Bytes of the reader's struct, and the words of a set of its fields. */
u32 ke_match_size(const struct ke_match *m);
u32 ke_match_words(const struct ke_match *m);

/* Whether the reader's field number @field is in the writer's whole payloads. */
bool ke_match_has(const struct ke_match *m, u32 field);

/*
 * ke_type_convert - fill the reader's struct, ke_match_size() bytes at @to, from a payload.
 * @present, of ke_match_words() words, gets a bit for each of its fields, field i at bit
 * i % 64 of word i / 64, 1 if it is there; it may be NULL. A leaf: allocates nothing, takes
 * no lock, fails never. No byte beyond @len is read; @to may not overlap @payload.
 */
void ke_type_convert(const struct ke_match *m, const void *payload, u32 len, void *to,
		     u64 *present);

#endif
