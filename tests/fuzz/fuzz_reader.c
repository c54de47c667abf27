/* SPDX-License-Identifier: MIT */
/*
 * A reader of a hostile writer's log. The writer changes any word of ring and
 * header between two calls, and also within one: the reader is compiled here
 * with loads that let the input strike just before any of them.
 *
 * Whatever it does: no access outside the ring, the copy and the reader's own
 * memory; calls end; positions and sequence only grow.
 */
#include "input.h"
#include "log.h"

static void strike(void);

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

#include "../../core/reader.c"
#include "../../core/view.c"

enum {
	RING = KE_LOG_SIZE_MIN,
	OPS_MAX = 400,
	LOADS_MAX = 200000,	/* of one call: a ring, copied, and the words around it */
};

static struct {
	struct kecho_log_header *hdr;
	u8 *ring;
	u8 *copy;
	u8 *big;
	struct ke_reader r;
	struct ke_item item;
	struct input in;
	u64 head;		/* where the writer goes on */
	u32 loads;
	u8 strikes;		/* left for this call */
} f;

static __le64 *word_near(u64 pos, u8 words)
{
	return (__le64 *)(f.ring + ((pos + words * 8ULL) & (RING - 1)));
}

/* Anything may change now: a word of the ring about where the reader is, or of the header. */
static void strike(void)
{
	u8 what;

	check(++f.loads < LOADS_MAX);
	if (!f.strikes || !f.in.len)
		return;
	what = take_u8(&f.in);
	if (what < 128)		/* not before this load */
		return;
	f.strikes--;
	if (what < 192)
		*word_near(f.r.pos, what & 7) = take_u64(&f.in);
	else if (what < 224)
		f.hdr->head = cpu_to_le64(f.r.pos + 8 * (s64)(s16)take_u16(&f.in));
	else if (what < 240)
		f.hdr->tail = cpu_to_le64(f.r.pos + 8 * (s64)(s16)take_u16(&f.in));
	else
		f.hdr->mark[what & 15] = cpu_to_le64(f.r.pos + 8 * (s64)(s16)take_u16(&f.in));
}

/* A record that is nearly good, so that the input gets past the first checks. */
static void write_record(void)
{
	u8 kind = take_u8(&f.in), flags = take_u8(&f.in), data = take_u8(&f.in);
	u64 len = take_u16(&f.in), seq = f.r.seq + (s8)take_u8(&f.in);
	u32 room = RING - (f.head & (RING - 1));

	if (kind & 0x80)	/* to the ring's end, exactly or nearly */
		len = room - (len & 8);
	*word_near(f.head, 0) = len | (u64)(kind & 3) << 32 | (u64)(flags & 7) << 40 |
				(u64)data << 48;
	*word_near(f.head, 1) = seq;
	if (flags & KECHO_RECORD_F_FRAGMENT)
		*word_near(f.head, 3) = take_u16(&f.in) | (u64)take_u16(&f.in) << 32;
	if (flags & KECHO_RECORD_F_ATTRS)
		*word_near(f.head, flags & KECHO_RECORD_F_FRAGMENT ? 4 : 3) = take_u16(&f.in);
	f.head += ALIGN(len, 8);
	f.hdr->head = cpu_to_le64(f.head);
}

static void write_raw(void)
{
	u8 bytes[64], n = take_u8(&f.in) % 8 + 1, i;

	take_bytes(&f.in, bytes, n * 8);
	for (i = 0; i < n; i++)
		memcpy(word_near(f.head, i), bytes + i * 8, 8);
	f.head += n * 8;
	f.hdr->head = cpu_to_le64(f.head);
}

static void check_item(u64 seq_before)
{
	const struct ke_item *item = &f.item;

	check(item->seq > seq_before);	/* not always the next: numbers may be void */
	if (item->kind == KE_ITEM_LOST) {
		check(item->last >= item->seq && f.r.seq == item->last);
		return;
	}
	check(f.r.seq == item->seq);
	check(item->len <= KE_EVENT_MAX && item->attrs_len <= KE_EVENT_ATTRS_MAX);
	touch(item->data, item->len);
	touch(item->attrs, item->attrs_len);
}

static void give_memory(u8 how)
{
	u32 size = f.r.big_total;

	free(f.big);
	/* exactly so much, to see overruns */
	f.big = how & 1 && size < 1 << 20 ? malloc(size) : NULL;
	ke_reader_give(&f.r, f.big, f.big ? size : 0);
}

/* One call, and what holds after it. */
static int read_one(void)
{
	u64 pos = f.r.pos, released = f.r.released, seq = f.r.seq;
	int n;

	f.loads = 0;
	n = seq % 2 && ke_reader_plain(&f.r, ke_reader_plain_end(&f.r), &f.item);
	n = n ?: ke_reader_next(&f.r, &f.item);
	check(n == 1 || n == 0 || n == -ENOBUFS || n == -EPROTO);
	check(f.r.pos >= pos && f.r.released >= released && f.r.released <= f.r.pos);
	check(f.r.seq >= seq && f.r.lost <= f.r.seq);
	if (n == 1)
		check_item(seq);
	return n;
}

/* The log's own node looks for retained events in what its application scribbles on. */
static void retain(void)
{
	struct ke_log log = { .hdr = f.hdr, .ring = f.ring, .size = RING,
			      .record_max = ke_record_max(RING) };
	u64 seq, pos;
	u32 i;

	f.loads = 0;
	log.tail = f.r.released % (64 * RING) & ~7ULL;
	log.head = log.end = log.tail + ALIGN(take_u16(&f.in) % RING, 8);
	for (i = 0; i < KECHO_LOG_MARKS; i++)
		log.mark[i] = log.tail;
	pos = ke_log_retained(&log, take_u8(&f.in), &seq);
	check(pos >= log.tail && pos <= log.head);
}

/* The node looks where a log of another process ends, and what is retained of it. */
static void look(u8 how)
{
	u64 head = 1, seq = 1, from, pos;

	f.loads = 0;
	f.strikes = how;
	if (how & 1)
		f.hdr->head_seq = take_u8(&f.in);
	if (how & 2)
		f.hdr->mark[how] = cpu_to_le64(f.head - 8 * (u64)take_u8(&f.in));
	if (!ke_view_now(&f.r.view, &head, &seq)) {
		head &= ~7ULL;
		from = ke_view_boundary(&f.r.view, head - min(head, (u64)RING / 2), head);
		check(from <= head);
		pos = ke_view_retained(&f.r.view, from, head, seq, take_u8(&f.in), &seq);
		check(pos >= from && pos <= head);
	}
	f.strikes = 0;
}

static void init_reader(u8 how)
{
	u64 pos = how & 2 ? U64_MAX - 7 - 8 * (u64)take_u16(&f.in) : 8 * (u64)take_u16(&f.in);
	struct ke_view view = { .hdr = f.hdr, .ring = f.ring, .size = RING };

	free(f.big);
	f.big = NULL;
	ke_reader_init(&f.r, view, how & 1, pos, how & 4 ? U64_MAX - 2 : 0, f.copy);
	f.head = pos;
	f.hdr->head = f.hdr->tail = cpu_to_le64(pos);
}

/* One act of the writer, or of the reader. */
static void act(u8 op)
{
	u8 arg = op >> 4;

	switch (op & 15) {
	case 0:
		f.hdr->head = take_u64(&f.in);
		break;
	case 1:
		f.hdr->tail = take_u64(&f.in);
		break;
	case 2:
		f.hdr->mark[arg] = take_u64(&f.in);
		break;
	case 3:
		f.hdr->tail = cpu_to_le64(f.r.pos + 8 * (s64)(s16)take_u16(&f.in));
		break;
	case 4:
		f.hdr->mark[arg] = cpu_to_le64(f.r.pos + 8 * (s64)(s16)take_u16(&f.in));
		break;
	case 5:		/* a ring full of the same */
		memset(f.ring, take_u8(&f.in), RING);
		f.hdr->head = cpu_to_le64(f.head += 8 * take_u16(&f.in));
		break;
	case 6:
		look(arg);
		break;
	case 7:
		write_raw();
		break;
	case 8:
		if (ke_reader_finish(&f.r, f.r.seq + (s8)take_u8(&f.in), &f.item))
			check(f.item.last == f.r.seq);
		break;
	case 9:
		retain();
		break;
	case 10:
	case 11:
	case 12:
		write_record();
		break;
	default:
		f.strikes = arg;
		if (read_one() == -ENOBUFS)
			give_memory(take_u8(&f.in));
		f.strikes = 0;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int ops;

	if (!f.ring) {
		f.hdr = malloc(sizeof(*f.hdr));
		f.ring = malloc(RING);
		f.copy = malloc(ke_record_max(RING));
		check(f.hdr && f.ring && f.copy);
	}
	memset(f.hdr, 0, sizeof(*f.hdr));
	memset(f.ring, 0, RING);
	f.in = (struct input){ data, size };
	f.strikes = 0;
	init_reader(take_u8(&f.in));
	for (ops = 0; f.in.len && ops < OPS_MAX; ops++)
		act(take_u8(&f.in));
	return 0;
}
