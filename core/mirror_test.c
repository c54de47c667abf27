// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A log's mirror: the same records at the same places however they arrive, and
 * nothing but whole good records is ever published, whatever the peer sends.
 */
#include "log_test.h"

#define REC ((u32)sizeof(struct kecho_record))

/* @len bytes from @from into the mirror, in one piece. */
static int put(struct log_fix *m, const void *from, u32 len)
{
	void *to = ke_log_window(&m->log, len);

	if (!to)
		return -ENOSPC;
	memcpy(to, from, len);
	return ke_log_accept(&m->log, len);
}

static int put_word(struct log_fix *m, u64 word)
{
	__le64 w = cpu_to_le64(word);

	return put(m, &w, sizeof(w));
}

/* All that the source has published, in pieces of at most @piece bytes. */
static int transfer(struct log_fix *src, struct log_fix *m, u32 piece)
{
	int err = 0;

	while (!err && m->log.end < src->log.head) {
		u64 len = min(src->log.head - m->log.end, log_left(m));

		err = put(m, log_at(src, m->log.end), min_t(u64, len, piece));
	}
	return err;
}

static bool same(const struct log_fix *src, const struct log_fix *m)
{
	u64 pos, from = max(src->log.tail, m->log.tail);

	for (pos = from; pos < m->log.head; pos += 8)
		if (log_word(src, pos) != log_word(m, pos))
			return false;
	return m->log.head == src->log.head && m->log.seq == src->log.seq;
}

/* Three laps of records, a few at a time. */
static void run_laps(u32 piece)
{
	struct log_fix *src = fix_new(KE_LOG_SIZE_MIN, 8, 0);
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 8, 0);
	u32 i;

	if (!ok(src && m, "memory"))
		goto free_fixes;
	while (src->log.end < 3 * src->log.size) {
		for (i = random_below(src, 8); i; i--)
			append(src, random_below(src, 1 << random_below(src, 12)), KE_NO_LIMIT);
		ke_log_publish(&src->log);
		if (!is_eq(transfer(src, m, piece), 0, "pieces of %u", piece) ||
		    !log_sound(m, m->log.head) || !ok(same(src, m), "the same bytes"))
			break;
	}
	is_eq(view_seq(m), view_seq(src), "the last number");
free_fixes:
	if (src)
		fix_free(src);
	if (m)
		fix_free(m);
}

TEST(pieces)
{
	static const u32 sizes[] = { 1, 2, 3, 7, 8, 9, 23, 24, 25, 64, 1000, 4096, 60000 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		run_laps(sizes[i]);
}

/* At each byte: what is published is what is whole. */
TEST(each_byte)
{
	struct log_fix *src = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 i;

	must(src && m, "memory");
	append(src, 1, KE_NO_LIMIT);
	append(src, 9, KE_NO_LIMIT);
	ke_log_publish(&src->log);
	for (i = 0; i < 72; i++) {
		is_eq(view_head(m), i < 32 ? 0 : 32, "head at byte %llu", i);
		is_eq(view_seq(m), i < 32 ? 0 : 1, "seq at byte %llu", i);
		is_eq(put(m, log_at(src, i), 1), 0, "byte %llu", i);
	}
	is_eq(view_head(m), 72, "head");
	is_eq(view_seq(m), 2, "seq");
	fix_free(src);
	fix_free(m);
}

TEST(window)
{
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, KE_LOG_SIZE_MIN - 24, 0);

	must(m, "memory");
	ok(!ke_log_window(&m->log, 25), "it would wrap");
	ok(ke_log_window(&m->log, 24) == log_at(m, m->log.end), "it would not");
	ok(ke_log_window(&m->log, 0) == log_at(m, m->log.end), "nothing");
	is_eq(put_word(m, 24 | (u64)KECHO_RECORD_PAD << 32), 0, "a pad's word");
	is_eq(put(m, m->hdr, 16), 0, "its rest");
	ok(ke_log_window(&m->log, KE_LOG_SIZE_MIN) == m->log.ring, "a whole ring");
	ok(!ke_log_window(&m->log, KE_LOG_SIZE_MIN + 1), "more than a ring");
	ok(!ke_log_window(&m->log, U32_MAX), "no wrap");
	ok(log_sound(m, m->log.head), "sound");
	fix_free(m);
}

/* The tail never comes to lie in a record of which only a part has come. */
TEST(tail_and_part)
{
	struct log_fix *src = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 at = KE_LOG_SIZE_MIN;

	must(src && m, "memory");
	ok(fill_up_to(src, 4096), "most of a lap");
	append(src, 4096 - REC, KE_NO_LIMIT);
	ke_log_publish(&src->log);
	is_eq(transfer(src, m, 100000), 0, "the lap");
	append(src, 1000, KE_NO_LIMIT);
	ke_log_publish(&src->log);
	is_eq(put(m, log_at(src, at), 100), 0, "a part");
	is_eq(m->log.head, at, "not the last record");
	ok(ke_log_window(&m->log, log_left(m)), "all the rest of the ring");
	ok(m->log.tail <= at, "the tail is no further than the head");
	is_eq(transfer(src, m, 100000), 0, "the rest comes");
	ok(log_sound(m, m->log.head), "sound");
	ok(same(src, m), "the same bytes");
	fix_free(src);
	fix_free(m);
}

static u64 word_of(u64 len, u64 kind, u64 flags, u64 data, u64 type)
{
	return len | kind << 32 | flags << 40 | data << 48 | type << 56;
}

TEST(bad_words)
{
	const u64 most = ke_record_max(KE_LOG_SIZE_MIN);
	const u64 bad[] = {
		0, U64_MAX, U32_MAX,
		word_of(0, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(4, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(12, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(KE_LOG_SIZE_MIN, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(U32_MAX - 7, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(0, KECHO_RECORD_VOID, 0, 3, 0),
		word_of(32, KECHO_RECORD_VOID, 1, 3, 0),	/* it has no sections */
		word_of(23, KECHO_RECORD_VOID, 0, 3, 0),
		word_of(most + 1, KECHO_RECORD_VOID, 0, 3, 0),
		word_of(U32_MAX, KECHO_RECORD_VOID, 0, 3, 0),
		word_of(0, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(23, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(32, KECHO_RECORD_EVENT, 0, 2, 0),	/* the payload in the header */
		word_of(32, KECHO_RECORD_EVENT, 0, 5, 0),	/* it starts after its end */
		word_of(32, KECHO_RECORD_EVENT, 0, 255, 0),
		word_of(32, KECHO_RECORD_EVENT, 1, 3, 0),	/* no room for the section */
		word_of(32, KECHO_RECORD_EVENT, 2, 3, 0),
		word_of(64, KECHO_RECORD_EVENT, 3, 4, 0),
		word_of(39, KECHO_RECORD_EVENT, 4, 5, 0),	/* no room for the section */
		word_of(64, KECHO_RECORD_EVENT, 4, 4, 0),
		word_of(64, KECHO_RECORD_EVENT, 8, 3, 0),	/* an unknown flag */
		word_of(64, KECHO_RECORD_EVENT, 0x80, 3, 0),
		word_of(most + 1, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(U32_MAX, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(64, 0, 0, 3, 0),
		word_of(32, KECHO_RECORD_FILTERED, 0, 0, 0),	/* a mirror's own word */
		word_of(64, 5, 0, 3, 0),
		word_of(64, 255, 0, 3, 0),
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 64, 0);

		must(m, "memory");
		is_eq(put_word(m, 8 | (u64)KECHO_RECORD_PAD << 32), 0, "a good one");
		is_eq(put_word(m, bad[i]), -EPROTO, "bad word %u", i);
		is_eq(view_head(m), 72, "only the good one is seen");
		fix_free(m);
	}
}

/* A good record and a bad one come in one piece. */
TEST(good_before_bad)
{
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	__le64 words[4] = { cpu_to_le64(word_of(24, KECHO_RECORD_EVENT, 0, 3, 0)), cpu_to_le64(5),
			    0, 0 };

	must(m, "memory");
	is_eq(put(m, words, sizeof(words)), -EPROTO, "the second is none");
	is_eq(view_head(m), 24, "the first is seen");
	is_eq(view_seq(m), 5, "with its number");
	fix_free(m);
}

/* A record that would wrap, though its length alone is fine. */
TEST(wrapping_record)
{
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, KE_LOG_SIZE_MIN - 32, 0);

	must(m, "memory");
	is_eq(put_word(m, word_of(40, KECHO_RECORD_EVENT, 0, 3, 0)), -EPROTO, "it wraps");
	fix_free(m);
	m = fix_new(KE_LOG_SIZE_MIN, KE_LOG_SIZE_MIN - 32, 0);
	must(m, "memory");
	is_eq(put_word(m, word_of(40, KECHO_RECORD_PAD, 0, 0, 0)), -EPROTO, "it wraps");
	fix_free(m);
}

static int put_event(struct log_fix *m, u64 kind, u64 seq)
{
	u64 left = log_left(m);
	int err = 0;

	if (left < REC)
		err = ke_log_skip(&m->log, m->log.head + left);
	err = err ?: put_word(m, word_of(24, kind, 0, 3, 0));
	err = err ?: put_word(m, seq);
	return err ?: put_word(m, 0);
}

TEST(sequence)
{
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 0, 4);

	must(m, "memory");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 5), 0, "the next");
	is_eq(put_event(m, KECHO_RECORD_VOID, 6), 0, "a void");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 9), 0, "a gap");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 8), -EPROTO, "back");
	is_eq(view_seq(m), 9, "the last good one");
	fix_free(m);
	m = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	must(m, "memory");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 0), -EPROTO, "there is no event 0");
	fix_free(m);
}

/* ----------------------------------------------------------------------- skips */

TEST(skip)
{
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 64, 0);
	u64 size = KE_LOG_SIZE_MIN;

	must(m, "memory");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 5), 0, "an event");
	is_eq(put_word(m, word_of(64, KECHO_RECORD_EVENT, 0, 3, 0)), 0, "a part of another");
	is_eq(ke_log_skip(&m->log, 80), -EPROTO, "back");
	is_eq(ke_log_skip(&m->log, 100), -EPROTO, "unaligned");
	is_eq(ke_log_skip(&m->log, U64_MAX - 7), -EPROTO, "a position that wraps");
	is_eq(ke_log_skip(&m->log, 88), 0, "nowhere: the part is gone");
	is_eq(m->log.end, 88, "the part is gone");
	is_eq(ke_log_skip(&m->log, 96), 0, "the smallest");
	is_eq(log_word(m, 88), 8 | (u64)KECHO_RECORD_PAD << 32, "a pad");
	is_eq(view_head(m), 96, "head");
	is_eq(ke_log_skip(&m->log, size + 640), 0, "around the ring's end");
	ok(log_sound(m, m->log.head), "sound");
	is_eq(view_head(m), size + 640, "head");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 6), 0, "it goes on");
	is_eq(view_head(m), size + 664, "head");
	is_eq(view_seq(m), 6, "seq");
	ok(log_sound(m, m->log.head), "sound");
	fix_free(m);
}

/* Around a ring's length, from anywhere in it. */
TEST(skip_ring)
{
	u64 size = KE_LOG_SIZE_MIN, from, by;

	for (from = 0; from < 3 * 4096; from += 1000)
		for (by = size - 64; by <= size + 64; by += 8) {
			struct log_fix *m = fix_new(size, from, 0);

			must(m, "memory");
			is_eq(put_event(m, KECHO_RECORD_EVENT, 1), 0, "an event");
			is_eq(ke_log_skip(&m->log, from + 24 + by), 0, "skip by %llu", by);
			is_eq(view_head(m), from + 24 + by, "head");
			log_sound(m, m->log.head);
			is_eq(put_event(m, KECHO_RECORD_EVENT, 2), 0, "it goes on");
			log_sound(m, m->log.head);
			fix_free(m);
		}
}

TEST(skip_far)
{
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 far = (KE_POSITION_MAX & ~(KE_LOG_SIZE_MIN - 1ULL)) - 4 * KE_LOG_SIZE_MIN;

	must(m, "memory");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 1), 0, "an event");
	is_eq(ke_log_skip(&m->log, far), 0, "very far");
	is_eq(m->log.tail, far, "nothing is kept");
	ok(log_sound(m, m->log.head), "sound");
	is_eq(put_event(m, KECHO_RECORD_EVENT, 2), 0, "it goes on");
	is_eq(view_head(m), far + 24, "head");
	ok(log_sound(m, m->log.head), "sound");
	fix_free(m);
}

/* ---------------------------------------------------------------------- random */

/* Any pieces, of which the source overwrites some before they are sent. */
TEST(random_transfer)
{
	struct log_fix *src = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct log_fix *m = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u32 step, i;

	must(src && m, "memory");
	for (step = 0; step < 4000 && !tap_state.failed; step++) {
		for (i = random_below(src, 6) * random_below(src, 6); i; i--)
			append(src, random_below(src, 4000), KE_NO_LIMIT);
		ke_log_publish(&src->log);
		for (i = random_below(src, 30); i && m->log.end < src->log.head; i--) {
			u64 len = min(src->log.head - m->log.end, log_left(m));

			if (m->log.end < src->log.tail) {
				is_eq(ke_log_skip(&m->log, src->log.tail), 0, "skip");
				continue;
			}
			len = min_t(u64, len, random_below(src, 1 << random_below(src, 14)) + 1);
			is_eq(put(m, log_at(src, m->log.end), len), 0, "a piece");
		}
		log_sound(m, m->log.head);
	}
	if (m->log.end < src->log.tail)
		is_eq(ke_log_skip(&m->log, src->log.tail), 0, "skip");
	is_eq(transfer(src, m, 4096), 0, "the rest");
	ok(same(src, m), "the same bytes");
	fix_free(src);
	fix_free(m);
}

TESTS(mirror, pieces, each_byte, window, tail_and_part, bad_words, good_before_bad,
      wrapping_record, sequence, skip, skip_ring, skip_far, random_transfer);
