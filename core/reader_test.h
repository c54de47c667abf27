/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of readers share: a log with one reader of it, what it should
 * get next, and a hostile writer.
 */
#ifndef KE_READER_TEST_H
#define KE_READER_TEST_H

#include "log_test.h"

#define REC ((u32)sizeof(struct kecho_record))
#define SIZE ((u64)KE_LOG_SIZE_MIN)

/* A log, one reader of it and its memory. */
struct pair {
	struct log_fix *f;
	struct ke_reader r;
	struct ke_item item;
	u8 *copy;
	u8 *big;
	u32 turn;
};

static __maybe_unused void pair_free(struct pair *p)
{
	kvfree(p->copy);
	kvfree(p->big);
	if (p->f)
		fix_free(p->f);
	kvfree(p);
}

static __maybe_unused struct pair *pair_new(u64 size, bool in_place)
{
	struct pair *p = kvzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->f = fix_new(size, 0, 0);
	if (!in_place)	/* exactly what is promised, so that more is noticed */
		p->copy = kvzalloc(ke_record_max(size), GFP_KERNEL);
	if (!p->f || (!in_place && !p->copy)) {
		pair_free(p);
		return NULL;
	}
	ke_reader_init(&p->r, ke_log_view(&p->f->log), in_place, 0, 0, p->copy);
	return p;
}

/* By turns in both of the ways that there are. */
static __maybe_unused int next(struct pair *p)
{
	if (p->turn++ % 2 && ke_reader_plain(&p->r, ke_reader_plain_end(&p->r), &p->item))
		return 1;
	return ke_reader_next(&p->r, &p->item);
}

/* The next item is event @seq of @len bytes. */
static __maybe_unused bool gets_event(struct pair *p, u64 seq, u32 len)
{
	return is_eq(next(p), 1, "event %llu", seq) &&
	       is_eq(p->item.kind, KE_ITEM_EVENT, "event %llu", seq) &&
	       is_eq(p->item.seq, seq, "number") && is_eq(p->item.len, len, "length") &&
	       is_eq(p->item.type, (u8)seq, "type") &&
	       is_eq(p->item.time_ns, seq * 1000, "time") &&
	       ok(is_event(p->item.data, seq, len), "bytes of event %llu", seq);
}

static __maybe_unused bool gets_lost(struct pair *p, u64 first, u64 last)
{
	return is_eq(next(p), 1, "lost from %llu", first) &&
	       is_eq(p->item.kind, KE_ITEM_LOST, "lost from %llu", first) &&
	       is_eq(p->item.seq, first, "first") && is_eq(p->item.last, last, "last");
}

static __maybe_unused bool gets_nothing(struct pair *p)
{
	return is_eq(next(p), 0, "nothing") && is_eq(p->r.released, p->r.pos, "released") &&
	       is_eq(p->r.pos, view_head(p->f), "it is at the head");
}

/* The log as a hostile writer leaves it: words at the ring's start, and a head. */
static __maybe_unused void hostile(struct pair *p, const u64 *words, u32 n, u64 head)
{
	u32 i;

	for (i = 0; i < n; i++)
		((__le64 *)p->f->log.ring)[i] = cpu_to_le64(words[i]);
	p->f->hdr->head = cpu_to_le64(head);
}

static __maybe_unused u64 word_of(u64 len, u64 kind, u64 flags, u64 data, u64 type)
{
	return len | kind << 32 | flags << 40 | data << 48 | type << 56;
}

/* Gives the reader the memory that it asks for. */
static __maybe_unused int next_big(struct pair *p)
{
	int n = next(p);

	if (n != -ENOBUFS)
		return n;
	kvfree(p->big);
	p->big = kvzalloc(p->r.big_total, GFP_KERNEL);
	ke_reader_give(&p->r, p->big, p->big ? p->r.big_total : 0);
	return next(p);
}

/* A test that is made with a copying reader and with one in place. */
#define BOTH(name)						\
	static void both_##name(bool in_place);			\
	TEST(name)						\
	{							\
		both_##name(false);				\
		both_##name(true);				\
	}							\
	static void both_##name(bool in_place)

#endif
