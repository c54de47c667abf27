// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Records that say how they were judged, readers that leave out what isn't theirs, and
 * mirrors that have less than their log.
 */
#include "reader_test.h"

/* An event of @len bytes that was judged, seen at once. */
static int put_judged(struct log_fix *f, u64 bits, u32 generation, u32 len)
{
	struct ke_event_info info = { .judged = true, .bits = bits, .generation = generation };
	u64 seq = 0, n = f->log.seq + 1;
	u8 *data = kvzalloc(len + 1, GFP_KERNEL);
	int err;

	if (!data)
		return -ENOMEM;
	info.type = n;
	info.time_ns = n * 1000;
	fill_event(data, n, 0, len);
	err = ke_log_append(&f->log, &info, data, len, KE_NO_LIMIT, &seq);
	ke_log_publish(&f->log);
	kvfree(data);
	return err;
}

/* --------------------------------------------------------------------- records */

TEST(section)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct ke_event_info info = { .frag_offset = 16, .frag_total = 99, .attrs_len = 3,
				      .attrs = "abc", .judged = true, .bits = 0x1234,
				      .generation = 7 };
	u64 seq = 0, word;

	must(f, "memory");
	is_eq(ke_log_append(&f->log, &info, "0123456789", 10, KE_NO_LIMIT, &seq), 0, "append");
	word = log_word(f, 0);
	is_eq(ke_record_word_flags(word), 7, "flags");
	is_eq(ke_record_word_len(word), ke_record_size(&info, 10), "the size as foretold");
	is_eq(ke_record_word_data(word), 64, "data");
	is_eq(ke_record_word_match(word), 48, "it lies right before that");
	is_eq(log_word(f, 48), 0x1234, "bits");
	is_eq(log_word(f, 56), 7, "generation");
	is_mem(log_at(f, 64), "0123456789", 10, "payload");
	fix_free(f);
}

/* A reservation is judged when its payload is known. */
TEST(reserved)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct ke_event_info info = { .judged = true };
	u64 a, b;
	void *data;

	must(f, "memory");
	is_eq(ke_log_reserve(&f->log, &info, 100, KE_NO_LIMIT, &data, &a), 0, "judged");
	info.judged = false;
	is_eq(ke_log_reserve(&f->log, &info, 100, KE_NO_LIMIT, &data, &b), 0, "not");
	is_eq(ke_log_judged(&f->log, b, 1, 1), -EINVAL, "there is no room for that");
	is_eq(ke_log_judged(&f->log, b + 1, 1, 1), -EINVAL, "no reservation");
	is_eq(ke_log_judged(&f->log, a, 5, 2), 0, "judged");
	is_eq(ke_log_commit(&f->log, a, 10, 1), 0, "committed, shorter");
	is_eq(ke_log_judged(&f->log, a, 6, 3), -EINVAL, "too late");
	is_eq(ke_log_commit(&f->log, b, 100, 1), 0, "committed");
	is_eq(log_word(f, 24), 5, "bits");
	is_eq(log_word(f, 32), 2, "generation");
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

/* --------------------------------------------------------------------- readers */

/* What was reserved to be judged and then could not be is for each sink to judge, whatever it
 * was told: also by one that had no filter when the source had judged nothing yet. */
BOTH(never_judged)
{
	struct pair *p = pair_new(SIZE, in_place);
	static const struct ke_reader_verdict told[] = {
		{ .bit = KE_BIT_SELF }, { .bit = KE_BIT_ALL }, { .bit = 0, .from = 1 },
		{ .bit = KE_BIT_SELF, .from = 2 },
	};
	struct ke_event_info info = { .judged = true };
	void *data;
	u64 cookie;
	u32 i;

	must(p, "memory");
	for (i = 0; i < ARRAY_SIZE(told); i++) {
		ke_reader_judged(&p->r, told[i].bit, told[i].from, 0);
		is_eq(ke_log_reserve(&p->f->log, &info, 10, KE_NO_LIMIT, &data, &cookie), 0,
		      "reserved");
		is_eq(ke_log_commit(&p->f->log, cookie, 10, 1), 0, "committed as it is");
		ke_log_publish(&p->f->log);
		is_eq(next(p), 1, "it comes");
		ok(!p->item.judged, "with bit %u it is for the sink to judge", told[i].bit);
	}
	pair_free(p);
}

/* What the reader says of an event with bit 0 of generation @generation: 0: it is left out;
 * 1: judged to be ours; 2: it is for the sink to judge. */
static int says(struct pair *p, u32 generation)
{
	u64 filtered = p->r.filtered, seq = p->f->log.seq + 1;
	int n;

	if (put_judged(p->f, 1, generation, 10))
		return -ENOSPC;
	n = next(p);
	if (!n)
		n = next(p);
	if (n)
		return p->item.seq == seq && p->item.len == 10 && p->r.filtered == filtered ?
		       2 - p->item.judged : -EPROTO;
	return p->r.filtered == filtered + 1 && p->r.seq == seq && !p->r.lost ? 0 : -EPROTO;
}

BOTH(verdicts)
{
	struct pair *p = pair_new(SIZE, in_place);
	u32 i;

	must(p, "memory");
	is_eq(says(p, 5), 2, "nothing is known");
	ke_reader_judged(&p->r, 0, 5, 5);
	is_eq(says(p, 4), 2, "before");
	is_eq(says(p, 5), 1, "its bit");
	ke_reader_judged(&p->r, 1, 7, 5);
	is_eq(says(p, 6), 1, "the first version");
	is_eq(says(p, 7), 0, "the second");
	is_eq(says(p, (1 << KE_GENERATION_SETS) - 1), 0, "as long as the epoch lasts");
	is_eq(says(p, 1 << KE_GENERATION_SETS), 2, "whoever gave that bit has gone");
	is_eq(says(p, U32_MAX), 2, "for ever");
	ke_reader_judged(&p->r, 1, 7, 5);
	is_eq(p->r.nverdicts, 2, "said again");
	ke_reader_judged(&p->r, KE_BIT_SELF, 9, 5);
	ke_reader_judged(&p->r, KE_BIT_ALL, 11, 5);
	is_eq(says(p, 8), 0, "the second");
	is_eq(says(p, 10), 2, "it judges itself");
	is_eq(says(p, 11), 1, "all");
	for (i = 5; i <= KE_VERDICTS_MAX; i++)
		ke_reader_judged(&p->r, 63, 3 + 2 * i, 5);
	is_eq(says(p, 6), 1, "the first is known");
	ke_reader_judged(&p->r, 63, 3 + 2 * i, 5);
	is_eq(says(p, 6), 2, "the first is forgotten");
	is_eq(says(p, 7), 0, "the second is not");
	is_eq(says(p, 4 + 2 * i), 0, "the last bit");
	ke_reader_judged(&p->r, 0, 100, 100);
	for (i = 5; i < 100; i++)
		is_eq(says(p, i), 2, "all others are void");
	is_eq(says(p, 100), 1, "its bit");
	append(p->f, 5, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	is_eq(next(p), 1, "one that was not judged");
	ok(!p->item.judged, "is for the sink to judge");
	pair_free(p);
}

TEST(crowded)
{
	struct pair *p = pair_new(SIZE, true);
	u32 i;

	must(p, "memory");
	for (i = 1; i <= 2 * KE_VERDICTS_MAX; i++)
		ke_reader_judged(&p->r, 0, i, 1);
	ok(!ke_reader_crowded(&p->r), "there is nothing that was judged");
	for (; i <= 2 * KE_VERDICTS_MAX + KE_VERDICTS_UNREAD_MAX; i++) {
		append(p->f, 5, KE_NO_LIMIT);
		ke_log_publish(&p->f->log);
		ok(!ke_reader_crowded(&p->r), "version %u", i);
		ke_reader_judged(&p->r, 0, i, 1);
	}
	ok(ke_reader_crowded(&p->r), "the first is not read");
	is_eq(next(p), 1, "it is");
	ok(!ke_reader_crowded(&p->r), "room for another");
	pair_free(p);
}

/* Over some laps: each event is there or was left out, as its bit says. */
BOTH(left_out)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 got = 0, all = 0;
	u32 i, n;

	must(p, "memory");
	ke_reader_judged(&p->r, 9, 1, 1);
	while (p->f->log.end < 5 * SIZE) {
		for (i = random_below(p->f, 50); i; i--)
			put_judged(p->f, BIT_ULL(random_below(p->f, 12)), 1,
				   random_below(p->f, 300));
		all = p->f->log.seq;
		for (n = 0; n < 60; n++) {
			if (next(p) <= 0)
				continue;
			got++;
			if (!ok(p->item.judged && is_event(p->item.data, p->item.seq, p->item.len),
				"event %llu", p->item.seq))
				break;
		}
		is_eq(p->r.released, p->f->log.head, "all is released");
	}
	is_eq(got + p->r.filtered, all, "all are accounted for");
	ok(got > all / 24 && got < all / 6, "%llu of %llu are ours", got, all);
	is_eq(p->r.lost, 0, "nothing is lost");
	pair_free(p);
}

/* However many are left out, one call reads so many records. */
BOTH(silent)
{
	struct pair *p = pair_new(SIZE, in_place);
	u32 i;

	must(p, "memory");
	ke_reader_judged(&p->r, 9, 1, 1);
	for (i = 0; i < KE_SILENT_RECORDS_MAX + 1; i++)
		put_judged(p->f, 1, 1, 0);
	put_judged(p->f, BIT_ULL(9), 1, 0);
	is_eq(ke_reader_next(&p->r, &p->item), 0, "enough");
	is_eq(p->r.filtered, KE_SILENT_RECORDS_MAX, "so many");
	ok(ke_reader_head(&p->r) != p->r.pos, "there is more");
	is_eq(p->r.released, p->r.pos, "these are released");
	is_eq(ke_reader_next(&p->r, &p->item), 1, "one is ours");
	pair_free(p);
}

static int put_piece(struct pair *p, u64 bits, u32 offset, u64 *seq)
{
	struct ke_event_info info = { .judged = true, .bits = bits, .generation = 1,
				      .frag_offset = offset, .frag_total = 30 };
	u8 data[10];
	int err;

	fill_event(data, *seq ?: p->f->log.seq + 1, offset, sizeof(data));
	err = ke_log_append(&p->f->log, &info, data, sizeof(data), KE_NO_LIMIT, seq);
	ke_log_publish(&p->f->log);
	return err;
}

BOTH(in_pieces)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 seq = 0;
	u32 i;

	must(p, "memory");
	ke_reader_judged(&p->r, 3, 1, 1);
	for (i = 0; i < 30; i += 10)
		put_piece(p, 1, i, &seq);
	is_eq(next_big(p), 0, "one that isn't ours");
	is_eq(p->r.filtered, 1, "is one");
	for (i = 0, seq = 0; i < 30; i += 10)
		put_piece(p, 8, i, &seq);
	is_eq(next_big(p), 1, "one that is");
	ok(p->item.judged && p->item.len == 30 && is_event(p->item.data, 2, 30), "whole");
	/* The sink's filter is replaced meanwhile; or the writer lies. */
	for (i = 0, seq = 0; i < 30; i += 10) {
		put_piece(p, i ? 1 : 8, i, &seq);
		is_eq(next_big(p), i == 20, "piece at %u", i);
	}
	ok(p->item.judged && is_event(p->item.data, 3, 30), "they go the way of the first");
	for (i = 0, seq = 0; i < 30; i += 10) {
		put_piece(p, i ? 8 : 1, i, &seq);
		is_eq(next_big(p), 0, "piece at %u", i);
	}
	is_eq(p->r.filtered, 2, "left out");
	is_eq(p->r.lost, 0, "nothing is lost");
	gets_nothing(p);
	pair_free(p);
}

/* Attributes, and behind them how it was judged. */
BOTH(with_attributes)
{
	static const struct {
		u32 len, words, attrs_len;
		bool good;
	} cases[] = {
		{ 48, 6, 0, true }, { 56, 7, 8, true }, { 56, 7, 9, false },
		{ 48, 6, 1, false }, { 48, 6, U16_MAX, false },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		u64 words[8] = {
			word_of(cases[i].len, KECHO_RECORD_EVENT,
				KECHO_RECORD_F_ATTRS | KECHO_RECORD_F_MATCH, cases[i].words, 0),
			1, 0, cases[i].attrs_len,
		};

		must(p, "memory");
		hostile(p, words, 8, ke_record_align(cases[i].len));
		is_eq(next(p), cases[i].good ? 1 : -EPROTO, "case %u", i);
		pair_free(p);
	}
}

/* -------------------------------------------------------------------- mirrors */

/* The reader gets nothing but that @n events were left out. */
static void leaves_out(struct pair *p, u64 n)
{
	u64 before = p->r.filtered;

	gets_nothing(p);
	is_eq(p->r.filtered - before, n, "left out");
}

BOTH(passed)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct ke_log *m;

	must(p, "memory");
	m = &p->f->log;
	ke_reader_judged(&p->r, 0, 1, 1);
	is_eq(ke_log_pass(m, 1000, 0, 9, 0), 0, "passed over");
	is_eq(log_word(p->f, 0), word_of(32, KECHO_RECORD_FILTERED, 0, 0, 0), "it says so");
	is_eq(log_word(p->f, 32), word_of(968, KECHO_RECORD_PAD, 0, 0, 0), "and no more");
	is_eq(view_head(p->f), 1000, "head");
	is_eq(view_seq(p->f), 9, "its number");
	leaves_out(p, 9);
	is_eq(ke_log_pass(m, 1032, 9, 9, 0), 0, "of further pieces");
	leaves_out(p, 0);
	is_eq(ke_log_skip(m, 1048), 0, "these are lost");
	is_eq(ke_log_pass(m, 2000, 12, 20, 0), 0, "these are not");
	gets_lost(p, 10, 12);
	leaves_out(p, 8);
	is_eq(ke_log_skip(m, 3000), 0, "it was passed over alone");
	ok(log_sound(p->f, m->head), "sound");
	pair_free(p);
}

/* A sink whose filter was never judged can't have had it left out. */
BOTH(not_counted)
{
	struct pair *p = pair_new(SIZE, in_place);

	must(p, "memory");
	is_eq(ke_log_pass(&p->f->log, 64, 0, 9, 0), 0, "passed over");
	leaves_out(p, 0);
	is_eq(p->r.seq, 9, "it goes on behind them");
	pair_free(p);
}

/* A reader that has begun in between, or has lost what was before. */
BOTH(pass_lapped)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct ke_log *m;
	u64 i, n = 8 * SIZE / 1000;

	must(p, "memory");
	m = &p->f->log;
	ke_reader_judged(&p->r, 0, 1, 1);
	p->r.in_place = false;
	p->copy = p->copy ?: kvzalloc(ke_record_max(SIZE), GFP_KERNEL);
	p->r.copy = p->copy;
	must(p->copy, "memory");
	for (i = 1; i <= n; i++)
		is_eq(ke_log_pass(m, i * 1000, 10 * i - 5, 10 * i, 0), 0, "some lost, some passed");
	while (ke_reader_next(&p->r, &p->item) > 0)
		is_eq(p->item.kind, KE_ITEM_LOST, "a loss");
	is_eq(p->r.seq, 10 * n, "to the last");
	is_eq(p->r.lost + p->r.filtered, 10 * n, "all are accounted for");
	ok(!(p->r.filtered % 5) && p->r.filtered > 5 && p->r.filtered < 5 * n, "exactly");
	pair_free(p);
}

/* A reader that is lapped by nothing else loses nothing. */
BOTH(pass_row)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 i, n = 8 * SIZE / 1000;

	must(p, "memory");
	ke_reader_judged(&p->r, 0, 1, 1);
	p->r.in_place = false;
	p->copy = p->copy ?: kvzalloc(ke_record_max(SIZE), GFP_KERNEL);
	p->r.copy = p->copy;
	must(p->copy, "memory");
	is_eq(ke_log_pass(&p->f->log, 504, 3, 7, 0), 0, "3 lost");
	gets_lost(p, 1, 3);
	for (i = 1; i <= n; i++)
		is_eq(ke_log_pass(&p->f->log, 504 + i * 1000, 10 * i - 3, 10 * i + 7, 0), 0,
		      "more");
	leaves_out(p, 10 * n + 4);
	is_eq(p->r.lost, 3, "no more");
	pair_free(p);
}

/* At each distance from the ring's end. */
TEST(pass_ring)
{
	u64 left, by;

	for (left = 8; left <= 128; left += 8)
		for (by = 8; by <= 160; by += 8) {
			struct log_fix *f = fix_new(SIZE, SIZE - left, 0);
			u64 pads = left < REC + 8 ? left : 0, seq, last = 0, head;
			struct ke_view v;
			bool good = by >= pads + REC + 8;

			must(f, "memory");
			v = ke_log_view(&f->log);
			is_eq(ke_log_pass(&f->log, SIZE - left + by, 0, 3, 0), good ? 0 : -EPROTO,
			      "%llu of %llu", by, left);
			log_sound(f, f->log.head);
			is_eq(ke_log_retained(&f->log, 2, &seq), SIZE - left + (good ? pads : 0),
			      "where the last begin");
			is_eq(seq, good ? 2 : 0, "their number");
			f->hdr->head_seq = cpu_to_le64(1);
			if (good)
				is_eq(ke_view_now(&v, &head, &last), 0, "by its records");
			is_eq(last, good ? 3 : 0, "the last");
			fix_free(f);
		}
}

TEST(pass_refused)
{
	static const struct {
		u64 pos, before, seq, expired;
		int err;
	} cases[] = {
		{ 96, 4, 5, 0, -EPROTO },	/* numbers that go back */
		{ 96, 5, 4, 0, -EPROTO },
		{ 96, 7, 6, 0, -EPROTO },
		{ 96, 5, 6, 2, -EPROTO },	/* more than there were */
		{ 96, 5, 5, 1, -EPROTO },
		{ 96, 5, 6, U64_MAX, -EPROTO },
		{ 88, 5, 6, 0, -EPROTO },	/* no room for a record */
		{ 64, 5, 6, 0, -EPROTO },
		{ 0, 5, 6, 0, -EPROTO },
		{ 98, 5, 6, 0, -EPROTO },
		{ U64_MAX & ~7ULL, 5, 6, 0, -EPROTO },
		{ 64 + KE_LOG_SIZE_MIN / 2 + 8, 5, 6, 0, 0 },
		{ 64 + KE_LOG_SIZE_MIN, 5, 6, 1, 0 },
		{ 64 + 9 * KE_LOG_SIZE_MIN + 8, 5, 6, 1, 0 },	/* many rings */
		{ 64 + KE_LOG_SIZE_MIN / 2, 5, 6, 1, 0 },
		{ 96, 5, 5, 0, 0 },
		{ 96, 5, U64_MAX, 9, 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct log_fix *f = fix_new(SIZE, 64, 5);

		must(f, "memory");
		is_eq(ke_log_pass(&f->log, cases[i].pos, cases[i].before, cases[i].seq,
				  cases[i].expired), cases[i].err, "case %u", i);
		is_eq(view_head(f), cases[i].err ? 64 : cases[i].pos, "case %u: head", i);
		fix_free(f);
	}
}

/* Half a record that has come goes first. It may be anything but what a mirror says. */
TEST(pass_half)
{
	struct log_fix *f = fix_new(SIZE, 0, 0);
	__le64 word = cpu_to_le64(word_of(64, KECHO_RECORD_EVENT, 0, 3, 0));

	must(f, "memory");
	memcpy(ke_log_window(&f->log, 8), &word, 8);
	is_eq(ke_log_accept(&f->log, 8), 0, "half a record");
	is_eq(ke_log_pass(&f->log, 64, 0, 2, 0), 0, "passed over");
	is_eq(f->log.end, 64, "the half is gone");
	ok(log_sound(f, 64), "sound");
	word = cpu_to_le64(word_of(32, KECHO_RECORD_FILTERED, 0, 0, 0));
	memcpy(ke_log_window(&f->log, 8), &word, 8);
	is_eq(ke_log_accept(&f->log, 8), -EPROTO, "that is not for others to say");
	fix_free(f);
}

/* An adopted mirror is as it was. */
TEST(pass_adopted)
{
	struct log_fix *f = fix_new(SIZE, 0, 0);
	u8 *ring;

	must(f, "memory");
	ring = f->log.ring;
	is_eq(ke_log_pass(&f->log, 640, 0, 12, 0), 0, "passed over");
	is_eq(ke_log_adopt(&f->log, f->hdr, ring, SIZE), 0, "adopted");
	is_eq(f->log.head, 640, "head");
	is_eq(f->log.seq, 12, "its number");
	is_eq(ke_log_pass(&f->log, 1280, 12, 13, 0), 0, "it goes on");
	ok(log_sound(f, 1280), "sound");
	fix_free(f);
}

BOTH(hostile_words)
{
	static const struct {
		u64 len, flags, seq, before, expired;
		int n;
	} cases[] = {
		{ 32, 0, 5, 0, 0, 0 }, { 32, 0, 0, 0, 0, 0 }, { 32, 0, U64_MAX, 0, 0, 0 },
		{ 32, 0, 5, 5, 0, 1 }, { 32, 0, 5, 6, 0, -EPROTO }, { 32, 0, 0, 1, 0, -EPROTO },
		{ 32, 0, 5, 0, 5, 0 }, { 32, 0, 5, 0, 6, -EPROTO }, { 32, 0, 5, 5, 1, -EPROTO },
		{ 32, 0, 5, 0, U64_MAX, -EPROTO }, { 32, 4, 5, 0, 0, -EPROTO },
		{ 24, 0, 5, 0, 0, -EPROTO }, { 40, 0, 5, 0, 0, -EPROTO },
		{ 0, 0, 5, 0, 0, -EPROTO }, { U32_MAX, 0, 5, 0, 0, -EPROTO },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		u64 words[4] = {
			word_of(cases[i].len, KECHO_RECORD_FILTERED, cases[i].flags, 0, 0),
			cases[i].seq, cases[i].before, cases[i].expired,
		};

		must(p, "memory");
		hostile(p, words, 4, 32);
		is_eq(next(p), cases[i].n, "case %u", i);
		pair_free(p);
	}
}

TESTS(judged, section, reserved, never_judged, verdicts, crowded, left_out, silent, in_pieces,
      with_attributes, passed, not_counted, pass_lapped, pass_row, pass_ring, pass_refused,
      pass_half, pass_adopted, hostile_words);
