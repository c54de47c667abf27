/* SPDX-License-Identifier: MIT */
/*
 * A log in the hands of a hostile writer. It changes any word of ring and header between
 * two calls, and also within one: what looks at it is compiled with loads that let the
 * input strike just before any of them. So a target includes this, then that source file.
 */
#ifndef FUZZ_HOSTILE_H
#define FUZZ_HOSTILE_H

#include "input.h"
#include "log.h"

enum { RING = KE_LOG_SIZE_MIN };

static struct {
	struct kecho_log_header *hdr;
	u8 *ring;
	struct input *in;
	const u64 *near;	/* about where to strike */
	u64 head;		/* where records are written */
	u32 loads;		/* of this call */
	u32 loads_max;
	u8 strikes;		/* left for this call */
} hostile;

static __le64 *word_near(u64 pos, u32 words)
{
	return (__le64 *)(hostile.ring + ((pos + words * 8ULL) & (RING - 1)));
}

static __le64 pos_near(void)
{
	return cpu_to_le64(*hostile.near + 8 * (s64)(s16)take_u16(hostile.in));
}

/* Anything may change now: a word of the ring, or of the header. */
static void strike(void)
{
	u8 what;

	check(++hostile.loads <= hostile.loads_max);
	if (!hostile.strikes || !hostile.in->len)
		return;
	what = take_u8(hostile.in);
	if (what < 128)		/* not before this load */
		return;
	hostile.strikes--;
	if (what < 192)
		*word_near(*hostile.near, what & 7) = take_u64(hostile.in);
	else if (what < 224)
		hostile.hdr->head = pos_near();
	else if (what < 240)
		hostile.hdr->tail = pos_near();
	else
		hostile.hdr->mark[what & 15] = pos_near();
}

static void write_filtered(u64 seq, u64 len)
{
	*word_near(hostile.head, 0) = (len & 0xff ? 32 : len) | (u64)KECHO_RECORD_FILTERED << 32;
	*word_near(hostile.head, 1) = seq + (len >> 8 & 15);
	*word_near(hostile.head, 2) = seq - 1 + (len >> 12);
	*word_near(hostile.head, 3) = len >> 7 & 3;
	hostile.head += 32;
	hostile.hdr->head = cpu_to_le64(hostile.head);
}

/* Ids that ascend, or don't, where the sections end; perhaps not as many as it says. */
static void write_names(u8 data, bool lives)
{
	u16 n = take_u16(hostile.in);
	u8 i;

	*word_near(hostile.head, data - 1 - lives) = n & 0xff00 ? n : n % 16;
	for (i = 0; i < n % 16; i++)
		*word_near(hostile.head, data + i) = take_u8(hostile.in) % 8;
}

/* A record that is nearly good, so that the input gets past the first checks. */
static void write_record(u64 seq)
{
	u8 kind = take_u8(hostile.in), flags = take_u8(hostile.in), data = take_u8(hostile.in);
	u64 len = take_u16(hostile.in);
	u32 room = RING - (hostile.head & (RING - 1));

	seq += (s8)take_u8(hostile.in);
	if (kind & 0x80)	/* to the ring's end, exactly or nearly */
		len = room - (len & 8);
	if (data == 255) {	/* what only a mirror has */
		write_filtered(seq, len);
		return;
	}
	*word_near(hostile.head, 0) = len | (u64)(kind & 3) << 32 | (u64)(flags & 0x1f) << 40 |
				      (u64)data << 48;
	*word_near(hostile.head, 1) = seq;
	if (flags & KECHO_RECORD_F_FRAGMENT)
		*word_near(hostile.head, 3) = take_u16(hostile.in) |
					      (u64)take_u16(hostile.in) << 32;
	if (flags & KECHO_RECORD_F_ATTRS)
		*word_near(hostile.head, flags & KECHO_RECORD_F_FRAGMENT ? 4 : 3) =
			take_u16(hostile.in);
	if (flags & KECHO_RECORD_F_TO)
		write_names(data, flags & KECHO_RECORD_F_LIFE);
	hostile.head += ALIGN(len, 8);
	hostile.hdr->head = cpu_to_le64(hostile.head);
}

static void write_raw(void)
{
	u8 bytes[64], n = take_u8(hostile.in) % 8 + 1, i;

	take_bytes(hostile.in, bytes, n * 8);
	for (i = 0; i < n; i++)
		memcpy(word_near(hostile.head, i), bytes + i * 8, 8);
	hostile.head += n * 8;
	hostile.hdr->head = cpu_to_le64(hostile.head);
}

/* One act of the writer, by @op's lower bits; 0 to 7. */
static void write_any(u8 op, u8 arg, u64 seq)
{
	switch (op) {
	case 0:
		hostile.hdr->head = take_u64(hostile.in);
		break;
	case 1:
		hostile.hdr->tail = take_u64(hostile.in);
		break;
	case 2:
		hostile.hdr->mark[arg] = take_u64(hostile.in);
		break;
	case 3:
		hostile.hdr->tail = pos_near();
		break;
	case 4:
		hostile.hdr->mark[arg] = pos_near();
		break;
	case 5:		/* a ring full of the same */
		memset(hostile.ring, take_u8(hostile.in), RING);
		hostile.head += 8 * take_u16(hostile.in);
		hostile.hdr->head = cpu_to_le64(hostile.head);
		break;
	case 6:
		write_record(seq);
		break;
	default:
		write_raw();
	}
}

static void hostile_init(struct input *in, const u64 *near, u32 loads_max)
{
	if (!hostile.ring) {
		hostile.hdr = malloc(sizeof(*hostile.hdr));
		hostile.ring = malloc(RING);
		check(hostile.hdr && hostile.ring);
	}
	memset(hostile.hdr, 0, sizeof(*hostile.hdr));
	memset(hostile.ring, 0, RING);
	hostile.in = in;
	hostile.near = near;
	hostile.loads_max = loads_max;
	hostile.strikes = 0;
}

/* A call begins that may be struck so often. */
static void hostile_call(u8 strikes)
{
	hostile.loads = 0;
	hostile.strikes = strikes;
}

#undef READ_ONCE
#define READ_ONCE(x)								\
	({									\
		strike();							\
		__atomic_load_n((const volatile typeof(x) *)&(x), __ATOMIC_RELAXED); \
	})
#undef smp_load_acquire
#define smp_load_acquire(p)							\
	({									\
		strike();							\
		__atomic_load_n(p, __ATOMIC_ACQUIRE);				\
	})

#endif
