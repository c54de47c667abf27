// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Events in pieces: put together whole or told as lost, whatever is lapped,
 * skipped, out of memory or wrong.
 */
#include "reader_test.h"

/* Publishes the next event in pieces of @len, reading all the while. 1: it is read. */
static int pass_big(struct pair *p, u32 total, u32 len)
{
	u64 seq = 0;
	u32 offset;
	int n = 0;

	for (offset = 0; offset < total; offset += len) {
		if (append_piece(p->f, offset, total, min(len, total - offset), KE_NO_LIMIT, &seq))
			return -ENOSPC;
		ke_log_publish(&p->f->log);
		n = next_big(p);
		if (n)
			break;
	}
	return offset + len >= total ? n : -EIO;
}

BOTH(big)
{
	u64 size;

	for (size = SIZE; size <= 256 << 10; size *= 2) {
		struct pair *p = pair_new(size, in_place);
		u32 most = ke_record_max(size) - REC - sizeof(struct kecho_record_fragment);

		must(p, "memory");
		is_eq(pass_big(p, KE_EVENT_MAX, most), 1, "the largest event");
		is_eq(p->item.kind, KE_ITEM_EVENT, "event");
		is_eq(p->item.len, KE_EVENT_MAX, "length");
		is_eq(p->item.seq, 1, "number");
		is_eq(p->item.time_ns, 1000, "time");
		ok(is_event(p->item.data, 1, KE_EVENT_MAX), "bytes");
		append(p->f, 10, KE_NO_LIMIT);
		ke_log_publish(&p->f->log);
		gets_event(p, 2, 10);
		is_eq(pass_big(p, 5000, 999), 1, "in the same memory");
		ok(is_event(p->item.data, 3, 5000), "bytes");
		is_eq(pass_big(p, 100, 100), 1, "in one piece");
		is_eq(pass_big(p, 100, 1), 1, "byte by byte");
		is_eq(p->r.lost, 0, "nothing is lost");
		gets_nothing(p);
		pair_free(p);
	}
}

/* Only the first piece's attributes count. */
BOTH(big_attributes)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct ke_event_info info = { .frag_total = 6, .attrs_len = 5, .attrs = "first" };
	u64 seq = 0;

	must(p, "memory");
	is_eq(ke_log_append(&p->f->log, &info, "abc", 3, KE_NO_LIMIT, &seq), 0, "a piece");
	info.frag_offset = 3;
	info.attrs_len = 0;
	is_eq(ke_log_append(&p->f->log, &info, "def", 3, KE_NO_LIMIT, &seq), 0, "the other");
	ke_log_publish(&p->f->log);
	is_eq(next_big(p), 1, "the event");
	is_eq(p->item.attrs_len, 5, "attributes");
	is_mem(p->item.attrs, "first", 5, "attributes");
	is_mem(p->item.data, "abcdef", 6, "payload");
	pair_free(p);
}

BOTH(no_memory)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 seq = 0;
	u32 i;

	must(p, "memory");
	for (i = 0; i < 3; i++)
		append_piece(p->f, i * 100, 300, 100, KE_NO_LIMIT, &seq);
	append(p->f, 8, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	is_eq(next(p), -ENOBUFS, "it wants memory");
	is_eq(p->r.big_total, 300, "so much");
	is_eq(next(p), -ENOBUFS, "it still does");
	ke_reader_give(&p->r, NULL, 0);
	gets_lost(p, 1, 1);
	gets_event(p, 2, 8);
	is_eq(pass_big(p, 500, 100), 1, "the next may have memory again");
	ok(is_event(p->item.data, 3, 500), "bytes");
	is_eq(p->r.lost, 1, "counted");
	pair_free(p);
}

/* The reader is lapped while the very event goes on that it has begun. */
TEST(big_lapped)
{
	struct pair *p = pair_new(SIZE, false);
	u64 seq = 0;
	u32 i;

	must(p, "memory");
	for (i = 0; i < 100; i++) {
		is_eq(append_piece(p->f, i * 4000, 400000, 4000, KE_NO_LIMIT, &seq), 0, "piece");
		ke_log_publish(&p->f->log);
		if (i < 3 || i == 60)
			is_eq(next_big(p), 0, "no end yet");
	}
	is_eq(next(p), 0, "the end of an event without its middle");
	append(p->f, 10, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	gets_lost(p, 1, 1);
	gets_event(p, 2, 10);
	pair_free(p);
}

/* The same in a mirror, where what didn't come is a pad. */
BOTH(big_skipped)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct log_fix *src = fix_new(SIZE, 0, 0);
	u64 seq = 0, skip_to = 0;
	u32 i;

	must(p && src, "memory");
	for (i = 0; i < 6; i++) {
		append_piece(src, i * 100, 600, 100, KE_NO_LIMIT, &seq);
		if (i == 3)
			skip_to = src->log.end;
	}
	append(src, 9, KE_NO_LIMIT);
	for (i = 0; i < 2; i++) {
		memcpy(ke_log_window(&p->f->log, 136), log_at(src, i * 136), 136);
		is_eq(ke_log_accept(&p->f->log, 136), 0, "a piece");
		is_eq(next_big(p), 0, "no end yet");
	}
	is_eq(ke_log_skip(&p->f->log, skip_to), 0, "two are gone");
	memcpy(ke_log_window(&p->f->log, src->log.end - skip_to), log_at(src, skip_to),
	       src->log.end - skip_to);
	is_eq(ke_log_accept(&p->f->log, src->log.end - skip_to), 0, "the rest");
	gets_lost(p, 1, 1);
	gets_event(p, 2, 9);
	fix_free(src);
	pair_free(p);
}

/* Who joins in the middle of an event doesn't get it, and has lost nothing. */
BOTH(big_joined)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 seq = 0;
	u32 i;

	must(p, "memory");
	append_piece(p->f, 0, 300, 100, KE_NO_LIMIT, &seq);
	ke_log_publish(&p->f->log);
	ke_reader_init(&p->r, ke_log_view(&p->f->log), in_place, view_head(p->f), view_seq(p->f),
		       p->copy);
	for (i = 1; i < 3; i++)
		append_piece(p->f, i * 100, 300, 100, KE_NO_LIMIT, &seq);
	append(p->f, 8, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	gets_event(p, 2, 8);
	is_eq(p->r.lost, 0, "nothing is lost");
	pair_free(p);
}

BOTH(bad_pieces)
{
	static const struct { u32 offset, total, len; } pieces[] = {
		{ 0, 100, 10 },				/* the beginning again: no harm */
		{ 5, 100, 10 },				/* back */
		{ 10, 101, 10 },			/* another length */
		{ 0, 0, 10 },
		{ 10, 100, 0 },
		{ 10, 100, 91 },
		{ 101, 100, 1 },
		{ U32_MAX, 100, 1 },
		{ 10, KE_EVENT_MAX + 1, 10 },
		{ U32_MAX - 4, U32_MAX, 8 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		u64 seq = 0, pos, word;

		must(p, "memory");
		append_piece(p->f, 0, 100, 10, KE_NO_LIMIT, &seq);
		ke_log_publish(&p->f->log);
		is_eq(next_big(p), 0, "the beginning");
		pos = p->f->log.end;
		append_piece(p->f, 1, 1, pieces[i].len, KE_NO_LIMIT, &seq);
		word = pieces[i].offset | (u64)pieces[i].total << 32;
		*(__le64 *)log_at(p->f, pos + REC) = cpu_to_le64(word);
		ke_log_publish(&p->f->log);
		is_eq(next(p), i ? -EPROTO : 0, "piece %u", i);
		pair_free(p);
	}
}

/* An event that never ends, and then others: it is lost. */
BOTH(big_unfinished)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 seq = 0;

	must(p, "memory");
	append_piece(p->f, 0, 100, 10, KE_NO_LIMIT, &seq);
	append(p->f, 8, KE_NO_LIMIT);
	append_piece(p->f, 10, 100, 90, KE_NO_LIMIT, &seq);
	ke_log_publish(&p->f->log);
	is_eq(next_big(p), 1, "an item");
	is_eq(p->item.kind, KE_ITEM_LOST, "it is lost");
	gets_event(p, 2, 8);
	is_eq(next(p), -EPROTO, "an event goes on after the next has begun");
	pair_free(p);
}

TESTS(pieces, big, big_attributes, no_memory, big_lapped, big_skipped, big_joined, bad_pieces,
      big_unfinished);
