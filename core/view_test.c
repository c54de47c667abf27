// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Looking at a log from outside: head and number fit each other at whatever store
 * its writer is, and nothing that is written there leads astray.
 */
#include "log_test.h"

static const struct ke_event_info plain;

static void fill(struct log_fix *f, u32 n)
{
	u64 seq;

	while (n--) {
		seq = 0;
		ke_log_append(&f->log, &plain, "event", 5, KE_NO_LIMIT, &seq);
		ke_log_publish(&f->log);
	}
}

TEST(now)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 4096, 41);
	struct ke_view v;
	u64 head = 0, seq = 0;
	u32 i;

	must(f, "memory");
	v = ke_log_view(&f->log);
	is_eq(ke_view_now(&v, &head, &seq), 0, "of an empty log");
	is_eq(head, 4096, "its head");
	is_eq(seq, 41, "its number");
	for (i = 0; i < 5000; i++) {
		fill(f, 1);
		if (ke_view_now(&v, &head, &seq) || head != f->log.head || seq != 42 + i)
			break;
	}
	is_eq(i, 5000, "over and over");
	fix_free(f);
}

/* A writer that is stopped between its three stores. */
TEST(stopped)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 head = 0, seq = 0, before, last;
	struct ke_view v;

	must(f, "memory");
	v = ke_log_view(&f->log);
	fill(f, 3000);
	before = f->log.head;
	last = f->log.seq;
	fill(f, 1);
	f->hdr->head = cpu_to_le64(before);
	f->hdr->head_seq = cpu_to_le64(last);
	is_eq(ke_view_now(&v, &head, &seq), 0, "before the head");
	is_eq(head, before, "the head of before");
	is_eq(seq, last, "and its number");
	f->hdr->head = cpu_to_le64(f->log.head);
	is_eq(ke_view_now(&v, &head, &seq), 0, "behind it");
	is_eq(head, f->log.head, "the new head");
	is_eq(seq, last + 1, "and its number");
	fix_free(f);
}

/* As if its writer had been stopped in the publishing of its last event. */
static void stopped_in(struct log_fix *f, bool head_stored, u64 head, u64 seq)
{
	struct ke_view v = ke_log_view(&f->log);
	u64 h = 0, s = 0;

	if (!head_stored)
		f->hdr->head = cpu_to_le64(head);
	f->hdr->head_seq = cpu_to_le64(seq);
	is_eq(ke_view_now(&v, &h, &s), 0, "it is read");
	is_eq(h, head_stored ? f->log.head : head, "the head");
	is_eq(s, head_stored ? f->log.seq : seq, "and its number");
	f->hdr->head = cpu_to_le64(f->log.head);
	f->hdr->head_seq = cpu_to_le64(f->log.seq);
}

/* In front of it no record tells a number: there is none, or all are pads. */
TEST(stopped_at_the_first)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 4096, 41);
	u64 head;
	u32 i;

	must(f, "memory");
	fill(f, 1);
	stopped_in(f, false, 4096, 41);
	stopped_in(f, true, 4096, 41);
	fill(f, 100);
	is_eq(ke_log_skip(&f->log, f->log.head + f->log.size), 0, "all is skipped");
	head = f->log.head;
	fill(f, 1);
	stopped_in(f, false, head, f->log.seq - 1);
	stopped_in(f, true, head, f->log.seq - 1);
	for (i = 0; i < 4; i++)
		is_eq(ke_log_skip(&f->log, f->log.head + f->log.size / 16), 0, "a part is");
	head = f->log.head;
	fill(f, 1);
	stopped_in(f, false, head, f->log.seq - 1);
	stopped_in(f, true, head, f->log.seq - 1);
	fix_free(f);
}

/* Where one that looks from outside may begin is where the log itself says. */
TEST(boundaries)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct ke_view v;
	u64 pos;
	u32 i;

	must(f, "memory");
	v = ke_log_view(&f->log);
	is_eq(ke_view_boundary(&v, 0, 0), 0, "of an empty log");
	for (i = 0; i < 4; i++) {
		fill(f, 1700);
		for (pos = f->log.tail; pos <= f->log.head; pos += 504)
			if (ke_view_boundary(&v, pos, f->log.head) !=
			    ke_log_boundary(&f->log, pos))
				break;
		ok(pos > f->log.head, "everywhere in round %u", i);
	}
	is_eq(ke_view_boundary(&v, f->log.head, f->log.head), f->log.head, "at the head");
	fix_free(f);
}

TEST(lies)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 head = 7, seq = 7, i;
	struct ke_view v;
	u64 *word;

	must(f, "memory");
	v = ke_log_view(&f->log);
	fill(f, 3000);
	f->hdr->head = cpu_to_le64(f->log.head + 4);
	is_eq(ke_view_now(&v, &head, &seq), -EAGAIN, "a head between words, with its number");
	f->hdr->head_seq = 0;
	is_eq(ke_view_now(&v, &head, &seq), -EAGAIN, "a head between words");
	f->hdr->head = cpu_to_le64(U64_MAX & ~7ULL);
	is_eq(ke_view_now(&v, &head, &seq), -EAGAIN, "a head nowhere");
	is_eq(head, 7, "nothing is said");
	is_eq(seq, 7, "nothing is said");
	for (i = 0; i < 20000; i++) {
		word = (u64 *)f->hdr + random_below(f, sizeof(*f->hdr) / 8);
		*word = random_below(f, 2) ? (u64)random_below(f, 1 << 18) * 8 :
					     (u64)random_below(f, U32_MAX) << random_below(f, 32);
		*(u64 *)(f->log.ring + 8 * random_below(f, f->log.size / 8)) =
			random_below(f, 400) | (u64)random_below(f, U32_MAX) << 32;
		ke_view_now(&v, &head, &seq);
		ok(ke_view_boundary(&v, *word, head) <= head, "never behind the head");
		ke_view_retained(&v, 8 * (u64)random_below(f, 1 << 16), head, seq, 9, &seq);
	}
	fix_free(f);
}

/* A head that has run away since the boundary was found: all in between looks like records. */
TEST(head_far_away)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct ke_view v;
	u64 i, seq = 7;

	must(f, "memory");
	v = ke_log_view(&f->log);
	for (i = 0; i < f->log.size; i += 8)
		*(__le64 *)(f->log.ring + i) = cpu_to_le64(8 | (u64)KECHO_RECORD_PAD << 32);
	is_eq(ke_view_retained(&v, 4096, KE_POSITION_MAX & ~7ULL, 99, 5, &seq),
	      KE_POSITION_MAX & ~7ULL, "nothing is retained");
	is_eq(seq, 99, "all that comes is behind it");
	fix_free(f);
}

/* What somebody says that he was given counts as far as it can be. */
TEST(unread)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 4096, 0);
	struct ke_view v;
	u64 head, at;

	must(f, "memory");
	fill(f, 10);
	at = f->log.head;
	fill(f, 5);
	head = f->log.head;
	v = ke_log_view(&f->log);
	is_eq(ke_view_unread(&v, 4096, 4096, head, 15), 15, "all");
	is_eq(ke_view_unread(&v, 4096, at, head, 15), 5, "behind those");
	is_eq(ke_view_unread(&v, at, 4096, head, 15), 5, "he has read more than that");
	is_eq(ke_view_unread(&v, 4096, head + 64, head, 15), 0, "no more than there is");
	is_eq(ke_view_unread(&v, 4096, at + 4, head, 15), 0, "where no record begins");
	is_eq(ke_view_unread(&v, head + 8, at, head, 15), 0, "beyond its end");
	is_eq(ke_view_unread(&v, head - f->log.size - 8, at, head, 15), 0, "he was lapped");
	fix_free(f);
}

TESTS(view, now, stopped, stopped_at_the_first, boundaries, lies, head_far_away, unread);
