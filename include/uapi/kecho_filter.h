/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * A filter: a small program that decides about an event, and what it refers to. This is
 * how it travels, from the process that set it to the nodes that judge by it.
 *
 *	struct kecho_filter_header | instructions | references | slots | constants
 *
 * Instructions are those of RFC 9669, 8 bytes each; which of them a filter may have is in
 * core/filter.h. Everything is little-endian.
 *
 * Changelog
 *   1  all of it
 */
#ifndef _UAPI_KECHO_FILTER_H
#define _UAPI_KECHO_FILTER_H

#include <linux/types.h>

#define KECHO_FILTER_MAGIC	0x6b66	/* "fk" */
#define KECHO_FILTER_VERSION	1

/* What a filter says of an event: enum kecho_filter_kind says whom it is asked for. */
enum kecho_filter_kind {
	KECHO_FILTER_EVENT = 1,	/* is it for this sink? Asked once for all that have it */
	KECHO_FILTER_IN = 2,	/* is it for this sink? Asked where it is dispatched */
	KECHO_FILTER_OUT = 3,	/* is it for that sink, and how well does that suit? */
};

struct kecho_filter_header {
	__le16 magic;
	__u8 version;
	__u8 kind;		/* enum kecho_filter_kind */
	__le16 insns;		/* how many; a load of 64 bits counts as two */
	__le16 refs;
	__le16 slots;
	__le16 consts;		/* bytes */
	__le32 best;		/* OUT: only so many, those with the highest score; 0: all */
	__u8 pad[8];		/* 0, as everything here that is called so */
};

struct kecho_filter_insn {
	__u8 code;
	__u8 regs;		/* destination in the lower four bits, source in the upper */
	__le16 off;
	__le32 imm;
};

/*
 * A reference: an instruction that is not known before the event's type is. It is written
 * anew for each type that the filter meets, and only then is the filter verified.
 */
enum kecho_filter_ref_kind {
	/* A load of 64 bits at offset 0 with the payload as source becomes one of the field,
	 * widened by its sign, in the host's byte order. What is no number reads as 0: a field
	 * that the type has not, or that is a string, bytes or floating. */
	KECHO_REF_FIELD = 1,
	/* A 32-bit move of the constant 0: 1 if the type has such a field, as it is wanted. */
	KECHO_REF_HAS_FIELD = 2,
	/* The same: what helpers take for the field's bytes, see KECHO_STR(); KECHO_STR_NONE
	 * if it is no string and no bytes. */
	KECHO_REF_FIELD_STR = 3,
	/* The same: 1 if the event's type has that name, else 0. */
	KECHO_REF_TYPE = 4,
};

struct kecho_filter_ref {	/* in the order of their instructions, one for each */
	__le16 insn;
	__u8 kind;		/* enum kecho_filter_ref_kind */
	/* HAS_FIELD: KE_VALUE_I64 for one that can be loaded, KE_VALUE_STRING for a string or
	 * bytes, 0 for either; 0 with the others. */
	__u8 wants;
	__le16 name, name_len;	/* in the constants; members of members with dots: "pos.x" */
};

/*
 * A slot: an attribute that the filter reads. Slots are filled before it runs.
 */
enum kecho_filter_scope {
	KECHO_SCOPE_EVENT = 1,
	KECHO_SCOPE_CHANNEL = 2,
	KECHO_SCOPE_SOURCE = 3,
	KECHO_SCOPE_SOURCE_NODE = 4,
	KECHO_SCOPE_SINK = 5,
	KECHO_SCOPE_SINK_NODE = 6,
	KECHO_SCOPE_NODE = 7,		/* where it is judged */
};

enum kecho_filter_slot_flags {
	/* Not its value: nanoseconds since it was set. An event's have none. */
	KECHO_SLOT_AGE = 1,
};

struct kecho_filter_slot {
	__u8 scope;		/* enum kecho_filter_scope */
	__u8 flags;		/* enum kecho_filter_slot_flags */
	__u8 kind;		/* enum ke_value_kind: of another kind it is absent; 0: any */
	__u8 pad;
	__le16 name, name_len;	/* in the constants */
};

/*
 * What a filter's program sees. r1 points to this when it begins; r10 to the end of its
 * stack. What it returns in the lower half of r0, as an int, is yes, unless it is 0.
 */
struct kecho_filter_value {
	__u64 present;		/* 1, or 0: the attribute is not set, or of another kind */
	__s64 value;		/* an integer; the length of a string or bytes; an age */
};

struct kecho_filter_ctx {
	__u64 payload;		/* pointer; all that the program reads of it is there */
	__u64 slots;		/* pointer to struct kecho_filter_value, one for each slot */
	__u64 state;		/* pointer to KECHO_FILTER_STATE_SIZE bytes that stay */
	__u64 seq;		/* of the event */
	__u64 time_ns;		/* when it was submitted, since 1970; 0: not told */
	__u64 len;		/* bytes of its payload */
	__u64 pad[2];
	__s64 score;		/* may be written; 0 before */
};

#define KECHO_FILTER_STATE_SIZE	64
#define KECHO_FILTER_STACK_SIZE	128

/*
 * Bytes that helpers work on, where they lie: a number of 32 bits that is known when the
 * filter is verified.
 */
enum kecho_str_area {
	KECHO_STR_CONST = 0,	/* @at and @len in the constants */
	KECHO_STR_FIELD = 1,	/* @at and @len in the payload, up to the first zero */
	KECHO_STR_SLOT = 2,	/* slot @at, of kind string or bytes, no age; @len 0 */
	KECHO_STR_BYTES = 3,	/* @at and @len in the payload, all of them */
};

#define KECHO_STR(area, at, len)	((__u32)(area) << 30 | (__u32)(at) << 14 | (len))
#define KECHO_STR_AT_MAX	0xffff
#define KECHO_STR_LEN_MAX	0x3fff

/* Bytes that are never there. */
#define KECHO_STR_NONE		KECHO_STR(KECHO_STR_SLOT, KECHO_STR_AT_MAX, 0)

/*
 * Helpers; arguments from r1 on, what they give in r0, r1 to r5 are lost. The first is
 * always the context. Arguments that are called constant must be so for the verifier.
 */
enum kecho_filter_helper {
	KECHO_CALL_NOW = 1,	/* (): CLOCK_REALTIME where it is judged, in nanoseconds */
	KECHO_CALL_RANDOM = 2,	/* (): 64 bits, for sampling, not for secrets */
	KECHO_CALL_HASH = 3,	/* (u64): 64 bits, the same on every machine */
	KECHO_CALL_HASH_STR = 4,	/* (constant str): likewise; absent: 0 */
	KECHO_CALL_EQUAL = 5,	/* (constant str a, constant str b): 1 or 0; absent: 0 */
	KECHO_CALL_PREFIX = 6,	/* likewise: a begins with b */
	KECHO_CALL_CONTAINS = 7,	/* likewise: b is within a */
	/* (u64 key, constant window in ns): 1 the first time within, counted from that time.
	 * All keys of a filter are one set, of KECHO_FILTER_ONCE_KEYS: beyond them the one
	 * that ends first may be forgotten. */
	KECHO_CALL_ONCE = 8,
	/* (constant n, constant id): 1 n times a second, and at most n times at once; an id,
	 * under KECHO_FILTER_RATES, for each that counts by itself. */
	KECHO_CALL_RATE = 9,
};

#define KECHO_FILTER_ONCE_KEYS	512
#define KECHO_FILTER_RATES	16

#endif
