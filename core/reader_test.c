// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Reading a log: each event once and in order, each loss told exactly, and no
 * word of a hostile writer believed. All tests are made of both kinds of
 * reader, in place and copying, where the kind makes no difference.
 */
#include "reader_test.h"

BOTH(events)
{
	struct pair *p = pair_new(SIZE, in_place);
	u32 len;

	must(p, "memory");
	gets_nothing(p);
	for (len = 0; len < 300; len++) {
		append(p->f, len, KE_NO_LIMIT);
		append(p->f, len + 1, KE_NO_LIMIT);
		is_eq(next(p), 0, "not published");
		ke_log_publish(&p->f->log);
		if (!gets_event(p, 2 * len + 1, len) || !gets_event(p, 2 * len + 2, len + 1))
			break;
	}
	gets_nothing(p);
	is_eq(p->r.lost, 0, "nothing is lost");
	pair_free(p);
}

/* Data stays good until the next call, so the gate moves only then. */
BOTH(released)
{
	struct pair *p = pair_new(SIZE, in_place);

	must(p, "memory");
	append(p->f, 8, KE_NO_LIMIT);
	append(p->f, 8, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	gets_event(p, 1, 8);
	is_eq(p->r.released, 0, "the first is in use");
	p->turn = 0;	/* not the way that releases nothing */
	gets_event(p, 2, 8);
	is_eq(p->r.released, 32, "the second is");
	gets_nothing(p);
	is_eq(p->r.released, 64, "none is");
	pair_free(p);
}

BOTH(attributes)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct ke_event_info info = { .type = 1, .time_ns = 1000 };
	u8 attrs[64];
	u64 seq;
	u32 len;

	must(p, "memory");
	for (len = 1; len <= sizeof(attrs); len++) {
		memset(attrs, len, sizeof(attrs));
		info.attrs = attrs;
		info.attrs_len = len;
		seq = 0;
		is_eq(ke_log_append(&p->f->log, &info, "xyz", 3, KE_NO_LIMIT, &seq), 0, "append");
		ke_log_publish(&p->f->log);
		is_eq(next(p), 1, "event");
		is_eq(p->item.attrs_len, len, "length of attributes");
		is_mem(p->item.attrs, attrs, len, "attributes");
		is_eq(p->item.len, 3, "length");
		is_mem(p->item.data, "xyz", 3, "payload");
	}
	append(p->f, 1, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	is_eq(next(p), 1, "event");
	ok(!p->item.attrs && !p->item.attrs_len, "none");
	pair_free(p);
}

/* Aborted and shortened reservations: no loss, no event, nothing in between. */
BOTH(voids)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct ke_event_info info = { .type = 2 };
	u64 a, b;
	void *data;

	must(p, "memory");
	is_eq(ke_log_reserve(&p->f->log, &info, 100, KE_NO_LIMIT, &data, &a), 0, "reserve");
	is_eq(ke_log_reserve(&p->f->log, &info, 100, KE_NO_LIMIT, &data, &b), 0, "reserve");
	fill_event(data, 2, 0, 100);
	is_eq(ke_log_abort(&p->f->log, a), 0, "abort");
	is_eq(next(p), 0, "nothing yet to tell");
	is_eq(ke_log_commit(&p->f->log, b, 10, 2000), 0, "commit");
	gets_event(p, 2, 10);
	gets_nothing(p);
	is_eq(p->r.lost, 0, "nothing is lost");
	is_eq(ke_reader_finish(&p->r, 2, &p->item), 0, "nothing is lost");
	pair_free(p);
}

/* ---------------------------------------------------------------------- losses */

TEST(lapped)
{
	struct pair *p = pair_new(SIZE, false);
	u64 i, seen = 0, last = 0;

	must(p, "memory");
	for (i = 0; i < 5; i++)
		append(p->f, 1000, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	gets_event(p, 1, 1000);
	for (i = 5; i < 500; i++)
		append(p->f, 1000, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	is_eq(next(p), 1, "an item");
	is_eq(p->item.kind, KE_ITEM_LOST, "a loss");
	is_eq(p->item.seq, 2, "from where it was");
	last = p->item.last;
	ok(p->r.pos > p->f->log.tail + SIZE / 4, "it goes on well away from the tail");
	ok(p->r.pos < p->f->log.tail + SIZE * 3 / 4, "and from the head");
	while (last + seen < 500 && gets_event(p, last + seen + 1, 1000))
		seen++;
	gets_nothing(p);
	is_eq(p->r.lost, last - 1, "counted");
	is_eq(1 + p->r.lost + seen, 500, "each is either lost or seen");
	pair_free(p);
}

/* Overwritten to the end: the loss shows with the next event, or at the end. */
TEST(finish)
{
	struct pair *p = pair_new(SIZE, false);

	must(p, "memory");
	append(p->f, 100, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	gets_event(p, 1, 100);
	is_eq(ke_reader_finish(&p->r, 1, &p->item), 0, "nothing is lost");
	is_eq(ke_reader_finish(&p->r, 0, &p->item), 0, "nor if told so late");
	is_eq(ke_reader_finish(&p->r, 7, &p->item), 1, "six are");
	is_eq(p->item.kind, KE_ITEM_LOST, "loss");
	is_eq(p->item.seq, 2, "first");
	is_eq(p->item.last, 7, "last");
	is_eq(p->r.lost, 6, "counted");
	is_eq(ke_reader_finish(&p->r, 7, &p->item), 0, "once");
	pair_free(p);
}

/* The tail runs ahead of the gate by up to a part of the ring; what the gate holds
 * is still there. */
TEST(gated_tail)
{
	struct pair *p = pair_new(SIZE, true);
	u64 seq, ahead = 0;

	must(p, "memory");
	for (seq = 1; seq < 2000; seq++) {
		while (!append(p->f, random_below(p->f, 5000), p->r.released + SIZE))
			ke_log_publish(&p->f->log);
		ahead += p->f->log.tail > p->r.pos;
		if (!is_eq(next(p), 1, "event %llu", seq) ||
		    !is_eq(p->item.kind, KE_ITEM_EVENT, "event %llu", seq) ||
		    !is_eq(p->item.seq, seq, "number") ||
		    !ok(is_event(p->item.data, seq, p->item.len), "bytes of event %llu", seq))
			break;
	}
	ok(ahead > 100, "the tail was ahead of the reader");
	pair_free(p);
}

BOTH(sequence)
{
	static const u64 seqs[] = { 0, 4, 5, 6, 7, U64_MAX };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(seqs); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		const u64 words[] = { word_of(24, KECHO_RECORD_EVENT, 0, 3, 6), seqs[i],
				      seqs[i] * 1000 };

		must(p, "memory");
		p->r.seq = 5;
		hostile(p, words, 3, 24);
		if (seqs[i] > 6)
			gets_lost(p, 6, seqs[i] - 1);
		if (seqs[i] > 5)
			is_eq(next(p), 1, "event %llu", seqs[i]);
		else
			is_eq(next(p), -EPROTO, "event %llu", seqs[i]);
		pair_free(p);
	}
}

/* -------------------------------------------------------------------- hostility */

BOTH(bad_heads)
{
	static const struct { u64 pos, tail, head; bool good; } heads[] = {
		{ 0, 0, 4, false },
		{ 0, 0, SIZE + 8, false },
		{ 0, 0, U64_MAX, false },
		{ 0, 0, U64_MAX - 7, false },
		{ 4096, 0, 4088, false },
		{ 4096, 4096, 0, false },
		{ 4096, 8192, 4088, false },
		{ 4096, 4096, 4096 + SIZE + 8, false },
		{ 4096, 0, 4096, true },
		{ 4096, 0, SIZE, true },
		{ 4096, 0, SIZE + 8, false },
		{ 4096, U64_MAX, 4096, true },
		{ 4096, 100 * SIZE, 100 * SIZE, true },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		struct pair *p = pair_new(SIZE, in_place);

		must(p, "memory");
		p->r.pos = heads[i].pos;
		p->f->hdr->tail = cpu_to_le64(heads[i].tail);
		p->f->hdr->head = cpu_to_le64(heads[i].head);
		if (heads[i].good) {
			is_eq(ke_reader_head(&p->r), heads[i].head, "head %u", i);
		} else {
			is_eq(ke_reader_head(&p->r), KE_HEAD_BAD, "head %u", i);
			is_eq(next(p), -EPROTO, "head %u", i);
		}
		pair_free(p);
	}
}

BOTH(bad_words)
{
	const u64 most = ke_record_max(SIZE);
	const u64 bad[] = {
		0, U64_MAX, U32_MAX,
		word_of(4, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(12, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(72, KECHO_RECORD_PAD, 0, 0, 0),		/* past the head */
		word_of(U32_MAX - 7, KECHO_RECORD_PAD, 0, 0, 0),
		word_of(32, KECHO_RECORD_VOID, 1, 3, 0),	/* it has no sections */
		word_of(16, KECHO_RECORD_VOID, 0, 3, 0),
		word_of(65, KECHO_RECORD_VOID, 0, 3, 0),
		word_of(23, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(32, KECHO_RECORD_EVENT, 0, 2, 0),
		word_of(32, KECHO_RECORD_EVENT, 0, 5, 0),
		word_of(32, KECHO_RECORD_EVENT, 0, 255, 0),
		word_of(32, KECHO_RECORD_EVENT, 1, 3, 0),
		word_of(32, KECHO_RECORD_EVENT, 2, 3, 0),
		word_of(40, KECHO_RECORD_EVENT, 3, 4, 0),
		word_of(64, KECHO_RECORD_EVENT, 4, 3, 0),
		word_of(65, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(most + 1, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(U32_MAX, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(U32_MAX - 6, KECHO_RECORD_EVENT, 0, 3, 0),
		word_of(64, 0, 0, 3, 0),
		word_of(64, 4, 0, 3, 0),
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		u64 words[] = { bad[i], 1, 0, 0, 0, 0, 0, 0 };

		must(p, "memory");
		hostile(p, words, 8, 64);
		is_eq(next(p), -EPROTO, "bad word %u", i);
		is_eq(next(p), -EPROTO, "it stays so");
		is_eq(p->r.pos, 0, "nothing is taken");
		pair_free(p);
	}
}

/* The record after the head's bound is larger than what a log allows. */
BOTH(too_large)
{
	struct pair *p = pair_new(SIZE, in_place);
	const u64 max = ke_record_max(SIZE);
	u64 words[] = { word_of(max, KECHO_RECORD_EVENT, 0, 3, 0), 1, 0 };

	must(p, "memory");
	hostile(p, words, 3, SIZE);
	is_eq(next(p), 1, "the largest");
	is_eq(p->item.len, max - REC, "all of it");
	pair_free(p);
	p = pair_new(SIZE, in_place);
	must(p, "memory");
	words[0] = word_of(max + 1, KECHO_RECORD_EVENT, 0, 3, 0);
	hostile(p, words, 3, SIZE);
	is_eq(next(p), -EPROTO, "larger");
	pair_free(p);
}

BOTH(bad_attributes)
{
	static const struct { u64 len, flags, data, attrs; bool good; } cases[] = {
		{ 40, KECHO_RECORD_F_ATTRS, 5, 8, true },
		{ 40, KECHO_RECORD_F_ATTRS, 4, 0, true },
		{ 40, KECHO_RECORD_F_ATTRS, 5, 9, false },
		{ 40, KECHO_RECORD_F_ATTRS, 4, 8, false },
		{ 40, KECHO_RECORD_F_ATTRS, 5, U16_MAX, false },
		{ 32 + 1024, KECHO_RECORD_F_ATTRS, 132, 1024, true },
		{ 32 + 1032, KECHO_RECORD_F_ATTRS, 133, 1025, false },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		u64 words[] = { word_of(cases[i].len, KECHO_RECORD_EVENT, cases[i].flags,
					cases[i].data, 0), 1, 0, cases[i].attrs };

		must(p, "memory");
		hostile(p, words, 4, ALIGN(cases[i].len, 8));
		is_eq(next(p), cases[i].good ? 1 : -EPROTO, "attributes %u", i);
		if (cases[i].good)
			is_eq(p->item.attrs_len, cases[i].attrs, "attributes %u", i);
		pair_free(p);
	}
}

/* A ring of nothing is read in bounded steps, and a writer can't make them more. */
BOTH(bounded)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 i, pos, calls = 0;

	must(p, "memory");
	for (i = 0; i < SIZE; i += 8)
		*(__le64 *)(p->f->log.ring + i) = cpu_to_le64(8 | (u64)KECHO_RECORD_PAD << 32);
	p->f->hdr->head = cpu_to_le64(SIZE);
	while (p->r.pos < SIZE && calls++ < SIZE) {
		pos = p->r.pos;
		is_eq(next(p), 0, "nothing to tell");
		if (!ok(p->r.pos > pos && p->r.pos - pos <= KE_SILENT_RECORDS_MAX * 8,
			"it gets on, but not for long"))
			break;
		is_eq(p->r.released, p->r.pos, "what is read is released");
	}
	is_eq(calls, SIZE / 8 / KE_SILENT_RECORDS_MAX, "calls");
	pair_free(p);
}

/* Marks and tail that lie: a position in the log, never back, or an error. */
TEST(hostile_marks)
{
	struct pair *p = pair_new(SIZE, false);
	u32 i, j;
	int n;

	must(p, "memory");
	for (i = 0; i < 20000; i++) {
		u64 pos = p->r.pos, head = p->r.pos + 8ULL * random_below(p->f, SIZE / 4);

		p->f->hdr->head = cpu_to_le64(head);
		p->f->hdr->tail = cpu_to_le64(head - random_below(p->f, SIZE + 64));
		for (j = 0; j < KECHO_LOG_MARKS; j++)
			p->f->hdr->mark[j] = cpu_to_le64(head - random_below(p->f, 2 * SIZE) + 64);
		n = next(p);
		if (!ok(n == 0 || n == -EPROTO, "no events in a ring of zeros") ||
		    !ok(p->r.pos >= pos && p->r.pos <= head, "a position up to the head"))
			break;
	}
	pair_free(p);
}

/* --------------------------------------------------------------------- mirrors */

/* What is skipped may be more than a ring: a loss for any reader that had caught up. */
BOTH(skipped)
{
	static const u64 by[] = { 8, 4096, SIZE - 64, SIZE - 24, SIZE, SIZE + 8, 5 * SIZE };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(by); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		__le64 words[3] = { cpu_to_le64(word_of(24, KECHO_RECORD_EVENT, 0, 3, 1)),
				    cpu_to_le64(1), cpu_to_le64(1000) };

		must(p, "memory");
		memcpy(ke_log_window(&p->f->log, 24), words, 24);
		is_eq(ke_log_accept(&p->f->log, 24), 0, "event");
		gets_event(p, 1, 0);
		gets_nothing(p);
		is_eq(ke_log_skip(&p->f->log, 24 + by[i]), 0, "skip %llu", by[i]);
		if (log_left(p->f) < 24)
			is_eq(ke_log_skip(&p->f->log, p->f->log.head + log_left(p->f)), 0, "pad");
		gets_nothing(p);
		words[0] = cpu_to_le64(word_of(24, KECHO_RECORD_EVENT, 0, 3, 9));
		words[1] = cpu_to_le64(9);
		words[2] = cpu_to_le64(9000);
		memcpy(ke_log_window(&p->f->log, 24), words, 24);
		is_eq(ke_log_accept(&p->f->log, 24), 0, "event");
		gets_lost(p, 2, 8);
		gets_event(p, 9, 0);
		pair_free(p);
	}
}

/* ---------------------------------------------------------------------- random */

/*
 * Against a model that is a counter: an event's length follows from its number,
 * so whoever reads event n knows all that it should be.
 */
static u32 model_len(u64 seq)
{
	return (seq * 2654435761U >> 7) % (1 << (seq % 13));
}

static bool model_big(u64 seq)
{
	return seq % 29 == 0;
}

static int model_append(struct log_fix *f, u64 limit)
{
	u64 n = f->log.seq + 1, seq = 0;
	u32 offset, len, total = 20000 + model_len(n);
	int err;

	if (!model_big(n))
		return append(f, model_len(n), limit);
	if (limit != KE_NO_LIMIT && f->log.end + 2 * total > limit)
		return -EAGAIN;
	for (offset = 0; offset < total; offset += len) {
		len = min_t(u32, total - offset, random_below(f, 5000) + 1);
		err = append_piece(f, offset, total, len, KE_NO_LIMIT, &seq);
		if (err)
			return err;
		if (random_below(f, 2))
			ke_log_publish(&f->log);
	}
	return 0;
}

static bool model_check(struct pair *p)
{
	u64 n = p->item.seq;

	if (p->item.kind == KE_ITEM_LOST)
		return true;
	return is_eq(p->item.len, model_big(n) ? 20000 + model_len(n) : model_len(n), "length") &&
	       is_eq(p->item.type, (u8)n, "type") &&
	       ok(is_event(p->item.data, n, p->item.len), "bytes of %llu", n);
}

/* A record at the ring's very end says that it goes on behind it. */
BOTH(past_the_end)
{
	struct pair *p = pair_new(SIZE, in_place);
	__le64 *behind, fence;

	must(p, "memory");
	behind = (__le64 *)(p->f->log.ring + SIZE);
	p->r.pos = p->r.released = SIZE - 8;
	*(behind - 1) = cpu_to_le64(word_of(REC, KECHO_RECORD_EVENT, 0, 3, 0));
	p->f->hdr->head = cpu_to_le64(SIZE + 16);
	p->f->hdr->tail = cpu_to_le64(SIZE - 8);
	fence = *behind;
	*behind = cpu_to_le64(1);
	ok(!ke_reader_plain(&p->r, ke_reader_plain_end(&p->r), &p->item), "no event");
	*behind = fence;
	is_eq(next(p), -EPROTO, "damaged");
	pair_free(p);
}

/* After the last number there is comes none, not the first again. */
/* What lies behind the bound that its owner sets waits. */
BOTH(until)
{
	struct pair *p = pair_new(SIZE, in_place);

	must(p, "memory");
	append(p->f, 10, KE_NO_LIMIT);
	p->r.until = p->f->log.end;
	append(p->f, 10, KE_NO_LIMIT);
	ke_log_publish(&p->f->log);
	gets_event(p, 1, 10);
	is_eq(next(p), 0, "no more");
	p->r.until = KE_NO_LIMIT;
	gets_event(p, 2, 10);
	pair_free(p);
}

BOTH(last_number)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 words[] = { word_of(REC, KECHO_RECORD_EVENT, 0, 3, 0), 0, 0 };

	must(p, "memory");
	p->r.seq = U64_MAX;
	hostile(p, words, 3, REC);
	ok(!ke_reader_plain(&p->r, ke_reader_plain_end(&p->r), &p->item), "no event");
	is_eq(next(p), -EPROTO, "damaged");
	pair_free(p);
}

/* While a reservation is open a ring full of others follows it. */
BOTH(reserved_lap)
{
	struct pair *p = pair_new(SIZE, in_place);
	struct ke_event_info info = { .time_ns = 2000, .type = 2 };
	u64 cookie, seq;
	void *data;

	must(p, "memory");
	is_eq(append(p->f, 1000, KE_NO_LIMIT), 0, "one before it");
	ke_log_publish(&p->f->log);
	gets_event(p, 1, 1000);
	is_eq(ke_log_reserve(&p->f->log, &info, 100, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
	fill_event(data, 2, 0, 100);
	while (!append(p->f, 4000, KE_NO_LIMIT))
		;
	while (!append(p->f, 0, KE_NO_LIMIT))
		;
	ke_log_publish(&p->f->log);
	gets_nothing(p);
	is_eq(ke_log_commit(&p->f->log, cookie, 100, 2000), 0, "committed");
	gets_event(p, 2, 100);
	for (seq = 3; seq <= p->f->log.seq && next(p) == 1; seq++)
		if (!is_eq(p->item.seq, seq, "in order"))
			break;
	is_eq(p->r.seq, p->f->log.seq, "all have come");
	is_eq(p->r.lost, 0, "none is lost");
	pair_free(p);
}

BOTH(random_reads)
{
	struct pair *p = pair_new(SIZE, in_place);
	u64 seen = 0, lost = 0, last = 0;
	u32 step, i;
	int n;

	must(p, "memory");
	for (step = 0; step < 6000 && !tap_state.failed; step++) {
		u64 limit = in_place ? p->r.released + SIZE : KE_NO_LIMIT;

		i = random_below(p->f, 6) * random_below(p->f, 6);
		i += random_below(p->f, 50) ? 0 : 200;
		for (; i; i--)
			if (model_append(p->f, limit) == -EAGAIN)
				break;
		ke_log_publish(&p->f->log);
		for (i = random_below(p->f, 40), n = 1; i && n > 0; i--) {
			n = next_big(p);
			if (n <= 0)
				break;
			is_eq(p->item.seq, last + 1, "no hole");
			lost += p->item.kind == KE_ITEM_LOST ? p->item.last - last : 0;
			last = p->item.kind == KE_ITEM_LOST ? p->item.last : p->item.seq;
			seen += p->item.kind == KE_ITEM_EVENT;
			model_check(p);
		}
		ok(n >= 0, "no error");
	}
	while ((n = next_big(p)) > 0) {
		lost += p->item.kind == KE_ITEM_LOST ? p->item.last - p->item.seq + 1 : 0;
		seen += p->item.kind == KE_ITEM_EVENT;
		model_check(p);
	}
	if (ke_reader_finish(&p->r, p->f->log.seq, &p->item))
		lost += p->item.last - p->item.seq + 1;
	is_eq(seen + lost, p->f->log.seq, "each is either seen or lost");
	is_eq(lost, p->r.lost, "counted");
	ok(seen > 10000, "many are seen");
	ok(in_place ? !lost : lost > 1000, "some are lost, but none behind a gate");
	pair_free(p);
}

/* Whose gate was taken shows in the log's header, however many others' were too. */
TEST(gate_taken)
{
	static struct kecho_log_header hdr;
	struct ke_view v = { .hdr = &hdr, .size = KE_LOG_SIZE_MIN };
	static struct ke_reader r;
	u32 i;

	memset(&hdr, 0, sizeof(hdr));
	ke_reader_init(&r, v, true, 0, 0, NULL);
	hdr.taken = cpu_to_le64(40);
	ok(ke_reader_kept(&r), "nobody can take it");
	ke_reader_gated(&r, 7, 3);
	ok(!ke_reader_kept(&r), "more than can be named");
	ke_reader_gated(&r, 7, 40);
	for (i = 0; i < KECHO_LOG_TAKEN; i++) {
		hdr.taken_of[(40 + i) % KECHO_LOG_TAKEN] = cpu_to_le64(100 + i);
		hdr.taken = cpu_to_le64(41 + i);
		ok(ke_reader_kept(&r), "another's, %u of them", i + 1);
	}
	hdr.taken_of[(40 + 5) % KECHO_LOG_TAKEN] = cpu_to_le64(7);
	ok(!ke_reader_kept(&r), "ours");
	ke_reader_gated(&r, 7, 56);
	ok(ke_reader_kept(&r), "an old one");
	hdr.taken = cpu_to_le64(55);
	ok(!ke_reader_kept(&r), "a count that goes back");
}

TESTS(reader, gate_taken, events, released, attributes, voids, lapped, finish, gated_tail,
      sequence, bad_heads, bad_words, too_large, bad_attributes, bounded, hostile_marks, skipped,
      past_the_end, until, last_number, reserved_lap, random_reads);
