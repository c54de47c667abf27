/* SPDX-License-Identifier: MIT */
/*
 * The fields of a type, as a table in the program: what type.h, and kernel code, makes a type
 * of. An array of C's own struct says it all, and a macro writes each line of it:
 *
 *	KECHO_TYPE(struct load, KECHO_FIELD(struct load, cpu), KECHO_FIELD(struct load, host))
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_FIELD_H
#define KECHO_FIELD_H

#include <linux/types.h>

enum kecho_field_kind {
	KECHO_FIELD_UNSIGNED = 1,	/* also bool, pointers, and enums without a sign */
	KECHO_FIELD_SIGNED = 2,
	KECHO_FIELD_FLOAT = 3,		/* float or double */
	KECHO_FIELD_STRING = 4,		/* an array of char; it ends at its first zero */
	KECHO_FIELD_BYTES = 5,		/* an array of numbers, or what has no names within */
};

/* A field. One of a nested struct has a name with dots: "pos.x". */
struct kecho_field {
	const char *name;
	enum kecho_field_kind kind;
	__u32 offset;		/* of its first byte in the struct */
	__u32 size;		/* bytes; of a number 1, 2, 4 or 8, of a float 4 or 8 */
	/* A bit-field is @bits bits of a number, the lowest of them number @bit_offset from
	 * the number's lowest one; bits 0: it is none. */
	__u8 bit_offset, bits;
	/* KECHO_FIELD_BYTES: what numbers they are. 0: none, but a union, or an array of
	 * arrays, structs or unions; versions of those match if their shapes are equal. */
	__u8 elem_kind;
	__u8 elem_size;
	__u32 shape;
};

#ifndef __cplusplus

/* clang-format off */

/* A field of the struct @type by its name; no bit-field. Of members of members: pos.x. What
 * is neither a number, nor an array of them, nor of char, is bytes with their number as
 * shape: who changes what is in them without that gives them another name too. */
#define KECHO_FIELD(type, member)						\
	{ #member, kecho_kind_of(type, member), offsetof(type, member),	\
	  sizeof(((type *)0)->member), 0, 0, kecho_elem_of(type, member) >> 4,	\
	  kecho_elem_of(type, member) & 15, kecho_shape_of(type, member) }

#define KECHO_TYPE(type, ...)							\
	#type, sizeof(type), (const struct kecho_field[]){ __VA_ARGS__ },	\
	sizeof((const struct kecho_field[]){ __VA_ARGS__ }) / sizeof(struct kecho_field)

/* What these are made of: a pointer to the member tells a number from an array of them. */
#define kecho_array(type, member, elem)						\
	elem (*)[(sizeof(((type *)0)->member) + sizeof(elem) - 1) / sizeof(elem)]
#define kecho_numbers(type, member, elem, kind)					\
	kecho_array(type, member, elem): KECHO_FIELD_##kind << 4 | sizeof(elem)
#define kecho_kind_of(type, member)						\
	_Generic(&((type *)0)->member,						\
		_Bool *: KECHO_FIELD_UNSIGNED,					\
		char *: (char)-1 < (char)1 ? KECHO_FIELD_SIGNED : KECHO_FIELD_UNSIGNED, \
		signed char *: KECHO_FIELD_SIGNED,				\
		unsigned char *: KECHO_FIELD_UNSIGNED,				\
		short *: KECHO_FIELD_SIGNED,					\
		unsigned short *: KECHO_FIELD_UNSIGNED,				\
		int *: KECHO_FIELD_SIGNED,					\
		unsigned int *: KECHO_FIELD_UNSIGNED,				\
		long *: KECHO_FIELD_SIGNED,					\
		unsigned long *: KECHO_FIELD_UNSIGNED,				\
		long long *: KECHO_FIELD_SIGNED,				\
		unsigned long long *: KECHO_FIELD_UNSIGNED,			\
		float *: KECHO_FIELD_FLOAT,					\
		double *: KECHO_FIELD_FLOAT,					\
		kecho_array(type, member, char): KECHO_FIELD_STRING,		\
		default: KECHO_FIELD_BYTES)
#define kecho_elem_of(type, member)						\
	_Generic(&((type *)0)->member,						\
		kecho_numbers(type, member, _Bool, UNSIGNED),			\
		kecho_numbers(type, member, signed char, SIGNED),		\
		kecho_numbers(type, member, unsigned char, UNSIGNED),		\
		kecho_numbers(type, member, short, SIGNED),			\
		kecho_numbers(type, member, unsigned short, UNSIGNED),		\
		kecho_numbers(type, member, int, SIGNED),			\
		kecho_numbers(type, member, unsigned int, UNSIGNED),		\
		kecho_numbers(type, member, long, SIGNED),			\
		kecho_numbers(type, member, unsigned long, UNSIGNED),		\
		kecho_numbers(type, member, long long, SIGNED),			\
		kecho_numbers(type, member, unsigned long long, UNSIGNED),	\
		kecho_numbers(type, member, float, FLOAT),			\
		kecho_numbers(type, member, double, FLOAT),			\
		default: 0)
#define kecho_shape_of(type, member)						\
	(kecho_kind_of(type, member) == KECHO_FIELD_BYTES &&			\
	 !kecho_elem_of(type, member) ? sizeof(((type *)0)->member) : 0)

/* clang-format on */

#endif

#endif
