/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * A type of events: a C struct's name, its size and its fields. This is how it travels:
 *
 *	struct kecho_type_header | struct kecho_type_field[] | names
 *
 * Everything is little-endian. The names follow each other without anything between them:
 * first the struct's own, then those of the fields in their order, which is that of their
 * names' bytes. So a type is encoded in one way only, and these bytes are what tells it
 * from all others.
 *
 * Changelog
 *   1  all of it
 */
#ifndef _UAPI_KECHO_TYPE_H
#define _UAPI_KECHO_TYPE_H

#include <linux/types.h>

#define KECHO_TYPE_MAGIC	0x746b	/* "kt" */
#define KECHO_TYPE_VERSION	1

enum kecho_type_flags {
	KECHO_TYPE_BIG_ENDIAN = 1,	/* its numbers are */
};

struct kecho_type_header {
	__le16 magic;
	__u8 version;
	__u8 flags;		/* enum kecho_type_flags */
	__le32 size;		/* bytes of the struct */
	__le16 fields;		/* how many */
	__le16 name_len;	/* of the struct's name */
	__le32 names_len;	/* of all names together */
};

struct kecho_type_field {
	__le32 offset;		/* of its first byte in the struct */
	__le32 size;		/* bytes */
	__le32 shape;		/* of bytes that are no numbers: differs if their layout does */
	__u8 kind;		/* enum ke_field_kind of core/type.h */
	__u8 bit_offset;	/* of a bit-field: from the number's lowest bit */
	__u8 bits;		/* 0: it is no bit-field */
	__u8 elem;		/* of bytes that are numbers: kind << 4 | size of one of them */
	__le16 name_len;
	__u8 pad[2];		/* 0 */
};

#endif
