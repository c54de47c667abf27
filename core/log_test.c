// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The log's writing side: what is visible when, what a full log says, and that
 * the tail, the marks and the sequence hold whatever the writer or a peer does.
 */
#include "log_test.h"

#define REC ((u32)sizeof(struct kecho_record))

static const struct ke_event_info plain;

TEST(init)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 4096 + 8, 41);
	struct ke_log *log;

	must(f, "memory");
	log = &f->log;
	is_eq(le64_to_cpu(f->hdr->magic), KECHO_LOG_MAGIC, "magic");
	is_eq(le64_to_cpu(f->hdr->size), KE_LOG_SIZE_MIN, "size");
	is_eq(view_seq(f), 41, "seq");
	ok(log_sound(f, log->end), "a new log");
	is_eq(view_head(f), 4104, "head");
	is_eq(append(f, 1, KE_NO_LIMIT), 0, "append");
	is_eq(log->seq, 42, "the first number");
	is_eq(ke_log_init(log, f->hdr, log->ring, KE_LOG_SIZE_MIN / 2, 0, 0), -EINVAL, "small");
	is_eq(ke_log_init(log, f->hdr, log->ring, KE_LOG_SIZE_MAX * 2ULL, 0, 0), -EINVAL, "large");
	is_eq(ke_log_init(log, f->hdr, log->ring, KE_LOG_SIZE_MIN + 8, 0, 0), -EINVAL, "odd");
	is_eq(ke_log_init(log, f->hdr, log->ring, 0, 0, 0), -EINVAL, "no size");
	is_eq(ke_log_init(log, f->hdr, log->ring, KE_LOG_SIZE_MIN, 4, 0), -EINVAL, "unaligned");
	is_eq(ke_log_init(log, f->hdr, log->ring, KE_LOG_SIZE_MIN, U64_MAX - 7, 0), -EINVAL,
	      "a position that wraps");
	fix_free(f);
}

TEST(publish)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	const struct kecho_record *rec;

	must(f, "memory");
	is_eq(append(f, 5, KE_NO_LIMIT), 0, "append");
	is_eq(append(f, 8, KE_NO_LIMIT), 0, "append");
	is_eq(view_head(f), 0, "not seen yet");
	is_eq(view_seq(f), 0, "not numbered yet");
	ke_log_publish(&f->log);
	is_eq(view_head(f), 32 + 32, "seen");
	is_eq(view_seq(f), 2, "numbered");
	is_eq(f->log.bytes, 13, "bytes of payload");

	rec = (const struct kecho_record *)log_at(f, 0);
	is_eq(le32_to_cpu(rec->len), REC + 5, "length");
	is_eq(rec->kind, KECHO_RECORD_EVENT, "kind");
	is_eq(rec->flags, 0, "flags");
	is_eq(rec->data_words, 3, "data");
	is_eq(rec->type, 1, "type");
	is_eq(le64_to_cpu(rec->seq), 1, "number");
	is_eq(le64_to_cpu(rec->time_ns), 1000, "time");
	ok(is_event((const u8 *)(rec + 1), 1, 5), "payload");
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

TEST(sections)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct ke_event_info info = { .frag_offset = 16, .frag_total = 99, .attrs_len = 3,
				      .attrs = "abc" };
	const struct kecho_record *rec;
	u64 seq = 7;

	must(f, "memory");
	is_eq(ke_log_append(&f->log, &info, "0123456789", 10, KE_NO_LIMIT, &seq), 0, "append");
	is_eq(seq, 7, "a later piece keeps its number");
	is_eq(f->log.seq, 0, "and uses up none");
	rec = (const struct kecho_record *)log_at(f, 0);
	is_eq(rec->flags, KECHO_RECORD_F_FRAGMENT | KECHO_RECORD_F_ATTRS, "flags");
	is_eq(log_word(f, 24), 16 | 99ULL << 32, "fragment");
	is_eq(log_word(f, 32), 3, "attributes");
	is_mem(log_at(f, 40), "abc", 3, "attributes");
	is_eq(rec->data_words, 6, "data");
	is_mem(log_at(f, 48), "0123456789", 10, "payload");
	is_eq(le32_to_cpu(rec->len), 58, "length");
	is_eq(f->log.end, 64, "end");
	is_eq(ke_record_size(&info, 10), 58, "the size as foretold");
	fix_free(f);
}

/* Every space that can be left at the ring's end, around the size of a record. */
TEST(pads)
{
	u64 left, size = ke_record_align(REC + 40);

	for (left = 24; left <= size + 24; left += 8) {
		struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
		u64 lap = KE_LOG_SIZE_MIN, pos = lap - left, word;

		must(f, "memory");
		ok(fill_up_to(f, left), "filled");
		is_eq(append(f, 40, KE_NO_LIMIT), 0, "append");
		word = log_word(f, pos);
		if (left < size) {
			is_eq(word, left | (u64)KECHO_RECORD_PAD << 32, "a pad of %llu", left);
			is_eq(f->log.end, lap + size, "the record is at the ring's start");
		} else {
			is_eq(ke_record_word_kind(word), KECHO_RECORD_EVENT, "it fits %llu", left);
			is_eq(f->log.end, pos + size, "no pad");
		}
		ke_log_publish(&f->log);
		ok(log_sound(f, f->log.end), "sound");
		fix_free(f);
	}
}

TEST(smallest_pad)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, KE_LOG_SIZE_MIN - 8, 0);

	must(f, "memory");
	is_eq(append(f, 0, KE_NO_LIMIT), 0, "an empty event");
	is_eq(log_word(f, KE_LOG_SIZE_MIN - 8), 8 | (u64)KECHO_RECORD_PAD << 32, "a pad of 8");
	is_eq(f->log.end, KE_LOG_SIZE_MIN + REC, "end");
	ke_log_publish(&f->log);
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

TEST(limit)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct ke_log *before;
	u64 lap = KE_LOG_SIZE_MIN, cookie = 99, need;
	void *data = NULL;

	must(f, "memory");
	before = kvzalloc(sizeof(*before), GFP_KERNEL);
	if (!ok(before, "memory") || !ok(fill_up_to(f, 64), "filled"))
		goto free_fix;
	need = lap + 128;	/* the pad counts */
	*before = f->log;
	is_eq(append(f, 128 - REC, need - 1), -EAGAIN, "a byte short");
	is_eq(append(f, 128 - REC, 0), -EAGAIN, "no room at all");
	is_eq(ke_log_reserve(&f->log, &plain, 128 - REC, need - 8, &data, &cookie), -EAGAIN,
	      "reserve too");
	is_mem(&f->log, before, sizeof(*before), "a refusal changes nothing");
	ok(!data && cookie == 99, "nor its outputs");
	ok(!ke_log_room(&f->log, 128, need - 1), "no room");
	ok(!ke_log_room(&f->log, 121, need - 1), "no room for a record that is rounded up");
	ok(ke_log_room(&f->log, 128, need), "room");
	is_eq(append(f, 128 - REC, need), 0, "exactly enough");
	is_eq(f->log.end, need, "exactly used");
free_fix:
	kvfree(before);
	fix_free(f);
}

TEST(sizes)
{
	u64 size;

	is_eq(ke_record_max(KE_LOG_SIZE_MIN), KE_LOG_SIZE_MIN / 8 + KE_RECORD_EXTRA,
	      "an eighth, and what is around it");
	is_eq(ke_record_max(KE_LOG_SIZE_MAX), KE_RECORD_MAX, "no more");
	for (size = KE_LOG_SIZE_MIN; size <= 1 << 20; size *= 2) {
		struct log_fix *f = fix_new(size, 0, 0);
		struct ke_event_info info = { .attrs_len = KE_EVENT_ATTRS_MAX + 1 };
		u32 most = ke_payload_max(size);
		u64 cookie;
		void *data;

		must(f, "memory");
		is_eq(append(f, most, KE_NO_LIMIT), 0, "the largest");
		is_eq(append(f, most + 1, KE_NO_LIMIT), -EMSGSIZE, "larger");
		is_eq(ke_log_reserve(&f->log, &plain, most + 1, KE_NO_LIMIT, &data, &cookie),
		      -EMSGSIZE, "larger");
		is_eq(ke_log_reserve(&f->log, &plain, U32_MAX, KE_NO_LIMIT, &data, &cookie),
		      -EMSGSIZE, "no wrap");
		info.attrs = f->hdr;
		is_eq(ke_log_reserve(&f->log, &info, 1, KE_NO_LIMIT, &data, &cookie), -EMSGSIZE,
		      "attributes");
		fix_free(f);
	}
}

/* ---------------------------------------------------------------- reservations */

static int reserve(struct log_fix *f, u32 len, u64 *cookie)
{
	struct ke_event_info info = { .type = 9 };
	void *data;
	int err = ke_log_reserve(&f->log, &info, len, KE_NO_LIMIT, &data, cookie);

	if (!err)
		fill_event(data, f->log.seq, 0, len);
	return err;
}

TEST(commit_order)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 a, b, c;

	must(f, "memory");
	is_eq(reserve(f, 8, &a), 0, "first");
	is_eq(reserve(f, 8, &b), 0, "second");
	is_eq(append(f, 8, KE_NO_LIMIT), 0, "an append behind them");
	ke_log_publish(&f->log);
	is_eq(view_head(f), 0, "the oldest holds all back");
	is_eq(reserve(f, 8, &c), 0, "third");
	is_eq(ke_log_commit(&f->log, b, 8, 2), 0, "the second first");
	is_eq(view_head(f), 0, "still held back");
	is_eq(view_seq(f), 0, "nor numbered");
	is_eq(ke_log_commit(&f->log, a, 8, 1), 0, "the first");
	is_eq(view_head(f), 96, "the append came with them");
	is_eq(view_seq(f), 3, "numbered");
	is_eq(log_word(f, 48), 2, "the time of the commit");
	is_eq(f->log.bytes, 24, "bytes of payload");
	is_eq(ke_log_commit(&f->log, c, 8, 1), 0, "the last");
	is_eq(view_head(f), 128, "all");
	is_eq(view_seq(f), 4, "all");
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

TEST(abort)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 a, b;

	must(f, "memory");
	is_eq(reserve(f, 8, &a), 0, "first");
	is_eq(reserve(f, 13, &b), 0, "second");
	is_eq(ke_log_abort(&f->log, b), 0, "abort");
	is_eq(view_head(f), 0, "an abort keeps its place");
	is_eq(ke_log_abort(&f->log, b), -EINVAL, "once");
	is_eq(ke_log_commit(&f->log, a, 8, 1), 0, "commit");
	is_eq(view_head(f), 32 + 40, "both");
	is_eq(view_seq(f), 2, "the number is used up");
	is_eq(ke_record_word_kind(log_word(f, 32)), KECHO_RECORD_VOID, "void");
	is_eq(log_word(f, 40), 2, "its number");
	is_eq(f->log.bytes, 8, "no bytes of its");
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

TEST(shrink)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 pos, cookie, is;
	u32 len;

	must(f, "memory");
	for (len = 0; len <= 41; len++) {
		pos = f->log.end;
		if (!is_eq(reserve(f, 41, &cookie), 0, "reserve"))
			break;
		is_eq(ke_log_commit(&f->log, cookie, 42, 0), -EMSGSIZE, "growing");
		is_eq(ke_log_commit(&f->log, cookie, U32_MAX, 0), -EMSGSIZE, "no wrap");
		is_eq(ke_log_commit(&f->log, cookie, len, 5), 0, "commit");
		is = ke_record_align(REC + len);
		is_eq(ke_record_word_len(log_word(f, pos)), REC + len, "length");
		is_eq(ke_record_word_type(log_word(f, pos)), 9, "type");
		is_eq(log_word(f, pos + 8), len + 1, "number");
		ok(is_event(log_at(f, pos + REC), len + 1, len), "payload of %u", len);
		if (is < 72)
			is_eq(log_word(f, pos + is), (72 - is) | (u64)KECHO_RECORD_PAD << 32,
			      "pad after %u", len);
		is_eq(view_head(f), pos + 72, "all of it is published");
	}
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

TEST(reservations_max)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 cookie[KE_RESERVATIONS_MAX], more;
	u32 i;

	must(f, "memory");
	for (i = 0; i < KE_RESERVATIONS_MAX; i++)
		is_eq(reserve(f, 8, &cookie[i]), 0, "reservation %u", i);
	is_eq(reserve(f, 8, &more), -ENOBUFS, "one too many");
	is_eq(append(f, 8, KE_NO_LIMIT), -ENOBUFS, "an append too");
	is_eq(ke_log_commit(&f->log, cookie[63], 8, 0), 0, "the newest");
	is_eq(reserve(f, 8, &more), -ENOBUFS, "the oldest holds its place");
	is_eq(ke_log_commit(&f->log, cookie[0], 8, 0), 0, "the oldest");
	is_eq(append(f, 8, KE_NO_LIMIT), 0, "room for one");
	is_eq(reserve(f, 8, &more), -ENOBUFS, "and no more");
	for (i = 1; i < KE_RESERVATIONS_MAX - 1; i++)
		is_eq(ke_log_commit(&f->log, cookie[i], 8, 0), 0, "commit %u", i);
	is_eq(view_head(f), f->log.end, "all published");
	is_eq(view_seq(f), 65, "all numbered");
	fix_free(f);
}

TEST(cookies)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 a, b;

	must(f, "memory");
	is_eq(ke_log_commit(&f->log, 0, 0, 0), -EINVAL, "none is open");
	f->log.first = f->log.next = U32_MAX;	/* the counters wrap between the two */
	is_eq(reserve(f, 8, &a), 0, "reserve");
	is_eq(reserve(f, 8, &b), 0, "reserve");
	is_eq(append(f, 8, KE_NO_LIMIT), 0, "append");
	is_eq(ke_log_commit(&f->log, b + 1, 0, 0), -EINVAL, "an append has none");
	is_eq(ke_log_commit(&f->log, b + 2, 0, 0), -EINVAL, "not given yet");
	is_eq(ke_log_abort(&f->log, a - 1), -EINVAL, "never given");
	is_eq(ke_log_abort(&f->log, a + (1ULL << 32)), -EINVAL, "high bits count");
	is_eq(ke_log_abort(&f->log, U64_MAX), -EINVAL, "nonsense");
	is_eq(ke_log_abort(&f->log, a), 0, "the right one");
	is_eq(ke_log_commit(&f->log, a, 8, 0), -EINVAL, "used up");
	is_eq(ke_log_commit(&f->log, b, 8, 0), 0, "the right one");
	is_eq(ke_log_commit(&f->log, b, 8, 0), -EINVAL, "used up");
	is_eq(view_head(f), 96, "all published");
	fix_free(f);
}

/* An open reservation's memory is somebody's to write to: the log can't lap it. */
TEST(reservation_is_not_lapped)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 cookie = 0;
	int err = 0, n;

	must(f, "memory");
	is_eq(append(f, 100, KE_NO_LIMIT), 0, "something older");
	is_eq(reserve(f, 1000, &cookie), 0, "reserve");
	for (n = 0; n < 20 && !err; n++)
		err = append(f, 4096, KE_NO_LIMIT);
	is_eq(err, -ENOBUFS, "the log is full up to the reservation");
	ok(f->log.end <= 128 + f->log.size, "what is reserved is kept");
	ok(is_event(log_at(f, 128 + REC), 2, 1000), "its bytes are kept");
	is_eq(ke_log_commit(&f->log, cookie, 1000, 0), 0, "commit");
	is_eq(view_head(f), f->log.end, "published");
	is_eq(append(f, 4096, KE_NO_LIMIT), 0, "and on it goes");
	ke_log_publish(&f->log);
	ok(log_sound(f, f->log.end), "sound");
	fix_free(f);
}

/* -------------------------------------------------------------- marks and tail */

TEST(tail)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 part = KE_LOG_SIZE_MIN / KECHO_LOG_MARKS;
	int i;

	must(f, "memory");
	while (f->log.end + 8192 <= f->log.size)
		append(f, random_below(f, 4000), KE_NO_LIMIT);
	is_eq(f->log.tail, 0, "nothing is lost in the first lap");
	for (i = 0; i < 3000; i++) {
		u32 len = random_below(f, ke_payload_max(f->log.size));
		u64 least;

		if (!is_eq(append(f, i & 1 ? len : len / 64, KE_NO_LIMIT), 0, "append"))
			break;
		ke_log_publish(&f->log);
		least = f->log.end > f->log.size ? f->log.end - f->log.size : 0;
		if (!log_sound(f, f->log.end) ||
		    !ok(f->log.tail <= least + part + f->log.record_max,
			"no more is given up than a part and a record"))
			break;
	}
	fix_free(f);
}

TEST(boundary)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 pos, b;

	must(f, "memory");
	is_eq(ke_log_boundary(&f->log, 0), 0, "of an empty log");
	is_eq(ke_log_boundary(&f->log, 1000), 0, "past an empty log");
	while (f->log.end < f->log.size + 20000)
		append(f, 1000, KE_NO_LIMIT);
	ke_log_publish(&f->log);
	is_eq(ke_log_boundary(&f->log, 0), f->log.tail, "before the tail");
	for (pos = f->log.tail; pos <= f->log.end; pos += 8) {
		b = ke_log_boundary(&f->log, pos);
		if (!ok(b >= pos && b <= f->log.end && b < pos + 4096 + 2048, "of %llu", pos))
			break;
	}
	fix_free(f);
}

/* ------------------------------------------------------------------ retention */

TEST(retained)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 seq = 0, pos, i;

	must(f, "memory");
	is_eq(ke_log_retained(&f->log, 5, &seq), 0, "of an empty log");
	is_eq(seq, 0, "nothing");
	for (i = 0; i < 10; i++)
		append(f, 100, KE_NO_LIMIT);
	ke_log_publish(&f->log);
	is_eq(ke_log_retained(&f->log, 0, &seq), f->log.head, "none wanted");
	is_eq(seq, 10, "all are past");
	is_eq(ke_log_retained(&f->log, 3, &seq), 7 * 128, "the last three");
	is_eq(seq, 7, "before them");
	is_eq(ke_log_retained(&f->log, 10, &seq), 0, "all");
	is_eq(seq, 0, "none before them");
	is_eq(ke_log_retained(&f->log, U64_MAX, &seq), 0, "as many as there are");
	is_eq(seq, 0, "none before them");

	for (i = 0; i < 2000; i++)
		append(f, 100, KE_NO_LIMIT);
	ke_log_publish(&f->log);
	pos = ke_log_retained(&f->log, U64_MAX, &seq);
	ok(pos >= f->log.head - f->log.size / 2, "at most half the log");
	ok(pos < f->log.head - f->log.size / 4, "and not much less");
	is_eq(log_word(f, pos + 8), seq + 1, "the number fits the position");
	fix_free(f);
}

/* An event in pieces counts once, and is never begun in its middle. */
TEST(retained_pieces)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 seq = 0, first, piece;
	u32 i;

	must(f, "memory");
	is_eq(append(f, 10, KE_NO_LIMIT), 0, "append");
	first = f->log.end;
	for (i = 0, piece = 0; i < 4; i++)
		is_eq(append_piece(f, i * 100, 400, 100, KE_NO_LIMIT, &piece), 0, "piece");
	ke_log_publish(&f->log);
	is_eq(ke_log_retained(&f->log, 1, &seq), first, "where it begins");
	is_eq(seq, 1, "before it");
	for (i = 0, piece = 0; i < 10; i++)
		is_eq(append_piece(f, i * 4000, 40000, 4000, KE_NO_LIMIT, &piece), 0, "piece");
	ke_log_publish(&f->log);
	is_eq(ke_log_retained(&f->log, 1, &seq), f->log.head, "its beginning is too far back");
	is_eq(seq, 3, "it is past");
	fix_free(f);
}

/* The owner maps its own log: what stands there is no reason to go astray. */
TEST(retained_scribbled)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	u64 seq, i, pos;

	must(f, "memory");
	while (f->log.end < f->log.size * 2)
		append(f, 100, KE_NO_LIMIT);
	ke_log_publish(&f->log);
	for (i = 0; i < 300; i++) {
		memset(f->log.ring, i, f->log.size);
		if (i >= 256)	/* good records, all over the place */
			for (pos = 0; pos < f->log.size; pos += 8)
				*(__le64 *)(f->log.ring + pos) = cpu_to_le64(
					32 | (u64)KECHO_RECORD_EVENT << 32 | 4ULL << 48 |
					(u64)(i & 1) << 40);
		pos = ke_log_retained(&f->log, 10, &seq);
		if (!ok(pos >= f->log.tail && pos <= f->log.head, "a position in the log"))
			break;
	}
	fix_free(f);
}

/* --------------------------------------------------------------------- random */

struct open {
	u64 cookie, pos, seq;
	u32 len;
};

static void random_end(struct log_fix *f, struct open *o)
{
	u32 len = random_below(f, o->len + 1);

	if (random_below(f, 4)) {
		is_eq(ke_log_commit(&f->log, o->cookie, len, o->seq), 0, "commit");
		ok(is_event(log_at(f, o->pos + REC), o->seq, len), "what was reserved is there");
	} else {
		is_eq(ke_log_abort(&f->log, o->cookie), 0, "abort");
	}
}

/* Reservations, ended in any order, among appends of any size. */
TEST(random_reservations)
{
	struct log_fix *f = fix_new(KE_LOG_SIZE_MIN, 0, 0);
	struct open open[8];
	u32 step, n = 0, i;
	u64 seq = 0, oldest;
	int err;

	must(f, "memory");
	for (step = 0; step < 5000 && !tap_state.failed; step++) {
		i = random_below(f, 8);
		if (i < 3 && n < ARRAY_SIZE(open)) {
			open[n].len = random_below(f, 1 << random_below(f, 12));
			err = reserve(f, open[n].len, &open[n].cookie);
			open[n].seq = f->log.seq;
			open[n].pos = f->log.end - ke_record_align(REC + open[n].len);
			n += !err;
		} else if (i < 5) {
			err = append(f, random_below(f, 3000), KE_NO_LIMIT);
			ke_log_publish(&f->log);
		} else {
			if (n) {
				i = random_below(f, n);
				random_end(f, &open[i]);
				open[i] = open[--n];
			}
			continue;
		}
		ok(err ? err == -ENOBUFS && n : f->log.seq == seq + 1, "refused for reservations");
		seq = f->log.seq;
		for (i = 0, oldest = f->log.end; i < n; i++)
			oldest = min(oldest, open[i].pos);
		is_eq(view_head(f), oldest, "seen up to the oldest reservation");
		log_sound(f, f->log.end);
	}
	while (n)
		random_end(f, &open[--n]);
	is_eq(view_head(f), f->log.end, "all is seen");
	is_eq(view_seq(f), f->log.seq, "all is numbered");
	fix_free(f);
}

TESTS(log, init, publish, sections, pads, smallest_pad, limit, sizes, commit_order, abort, shrink,
      reservations_max, cookies, reservation_is_not_lapped, tail, boundary, retained,
      retained_pieces, retained_scribbled, random_reservations);
