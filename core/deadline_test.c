// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Deadlines in records, and what a mirror says of events that were not sent as they had
 * expired: each reader counts them exactly, wherever it begins and whatever it is lapped by.
 */
#include "reader_test.h"

#define DEADLINE 0x1122334455667788ULL

/* Each set of sections, with and without a deadline: what the record is for is all that it
 * says. */
TEST(sections)
{
	static const __le64 to[] = { 3, 5, 9 };
	static const u8 attrs[] = { KE_EVENT_ATTRS_MAX & 0x7f, 1, 2, 3, 4 };
	struct pair *p = pair_new(SIZE, true);
	u64 pos, seq, word;
	u32 i;

	must(p, "memory");
	ke_reader_for(&p->r, 5);
	ke_reader_judged(&p->r, 2, 1, 1);
	for (i = 0; i < 32; i++) {
		struct ke_event_info info = {
			.time_ns = i, .deadline_ns = i & 1 ? DEADLINE + i : 0,
			.judged = i & 2, .bits = 4, .generation = 1,
			.named = i & 4, .to = to, .nto = ARRAY_SIZE(to),
			.attrs = attrs, .attrs_len = i & 8 ? sizeof(attrs) : 0,
			.frag_total = i & 16 ? 7 : 0,
		};

		pos = p->f->log.end;
		seq = 0;
		is_eq(ke_log_append(&p->f->log, &info, "events", 7, KE_NO_LIMIT, &seq), 0,
		      "set %u", i);
		ke_log_publish(&p->f->log);
		word = log_word(p->f, pos);
		is_eq(ke_record_word_len(word), ke_record_size(&info, 7), "set %u: its length", i);
		is_eq(ke_record_deadline(log_at(p->f, pos), word), info.deadline_ns, "set %u", i);
		is_eq(next_big(p), 1, "set %u", i);
		is_eq(p->item.deadline_ns, info.deadline_ns, "set %u: its deadline", i);
		is_eq(p->item.judged, info.judged, "set %u: how it was judged", i);
		is_eq(p->item.attrs_len, info.attrs_len, "set %u: attributes", i);
		is_eq(p->item.len, 7, "set %u: payload", i);
		ok(!memcmp(p->item.data, "events", 7), "set %u: its bytes", i);
	}
	is_eq(p->r.lost + p->r.filtered + p->r.expired, 0, "all came");
	pair_free(p);
}

/* Who sends a log looks from the first deadline on. */
TEST(first)
{
	struct ke_event_info lives = { .deadline_ns = DEADLINE };
	struct pair *p = pair_new(SIZE, true);
	struct ke_log *log;
	u64 seq = 0, pos;

	must(p, "memory");
	log = &p->f->log;
	is_eq(append(p->f, 100, KE_NO_LIMIT), 0, "an event");
	is_eq(log->lives, KE_NO_LIMIT, "none lives");
	pos = log->end;
	is_eq(ke_log_append(log, &lives, "", 1, KE_NO_LIMIT, &seq), 0, "one with a deadline");
	is_eq(log->lives, pos, "is the first");
	seq = 0;
	is_eq(ke_log_append(log, &lives, "", 1, KE_NO_LIMIT, &seq), 0, "another");
	is_eq(log->lives, pos, "is not");
	pair_free(p);
}

/* When it is reserved nobody knows when it is submitted. */
TEST(reserved)
{
	struct ke_event_info info = { .deadline_ns = U64_MAX };
	struct pair *p = pair_new(SIZE, true);
	u64 cookie;
	void *data;

	must(p, "memory");
	is_eq(ke_log_reserve(&p->f->log, &info, 16, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
	is_eq(ke_log_expires(&p->f->log, cookie + 1, DEADLINE), -EINVAL, "no reservation");
	is_eq(ke_log_expires(&p->f->log, cookie, DEADLINE), 0, "its deadline");
	is_eq(ke_log_commit(&p->f->log, cookie, 8, 1), 0, "submitted");
	is_eq(next(p), 1, "is there");
	is_eq(p->item.deadline_ns, DEADLINE, "with its deadline");
	info.deadline_ns = 0;
	is_eq(ke_log_reserve(&p->f->log, &info, 16, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
	is_eq(ke_log_expires(&p->f->log, cookie, DEADLINE), -EINVAL, "it has none");
	is_eq(ke_log_abort(&p->f->log, cookie), 0, "aborted");
	pair_free(p);
}

BOTH(in_pieces)
{
	struct ke_event_info info = { .deadline_ns = DEADLINE, .frag_total = 300 };
	struct pair *p = pair_new(SIZE, in_place);
	u64 seq = 0;
	u8 piece[100] = { 0 };

	must(p, "memory");
	for (; info.frag_offset < 300; info.frag_offset += 100)
		is_eq(ke_log_append(&p->f->log, &info, piece, 100, KE_NO_LIMIT, &seq), 0,
		      "a piece");
	ke_log_publish(&p->f->log);
	is_eq(next_big(p), 1, "all of it");
	is_eq(p->item.len, 300, "its length");
	is_eq(p->item.deadline_ns, DEADLINE, "its deadline");
	pair_free(p);
}

/* A record that is too short for what its flags say. */
BOTH(hostile_sections)
{
	static const struct {
		u64 len, flags, data;
		bool good;
	} cases[] = {
		{ 24, KECHO_RECORD_F_LIFE, 3, false },
		{ 32, KECHO_RECORD_F_LIFE, 4, true },
		{ 40, KECHO_RECORD_F_LIFE, 3, false },
		{ 32, KECHO_RECORD_F_LIFE | KECHO_RECORD_F_TO, 4, false },
		{ 48, KECHO_RECORD_F_LIFE | KECHO_RECORD_F_MATCH, 6, true },
		{ 40, KECHO_RECORD_F_LIFE | KECHO_RECORD_F_MATCH, 5, false },
		{ 32, 1 << 5, 4, false },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p = pair_new(SIZE, in_place);
		u64 words[] = { word_of(cases[i].len, KECHO_RECORD_EVENT, cases[i].flags,
					cases[i].data, 0), 1 };

		must(p, "memory");
		hostile(p, words, 2, cases[i].len);
		is_eq(next(p), cases[i].good ? 1 : -EPROTO, "case %u", i);
		pair_free(p);
	}
}

/* -------------------------------------------------------------------- mirrors */

enum { READERS = 4, EVENTS = 4000 };

enum fate { CAME, GAP, FILTERED, EXPIRED };

/* A mirror, what became of each event, and readers that come and go. */
struct mirror {
	struct log_fix *f;
	u8 fate[EVENTS + 64];
	struct ke_reader r[READERS];
	u64 from[READERS], got[READERS];
	u8 *copy[READERS];
};

static void mirror_free(struct mirror *m)
{
	u32 i;

	for (i = 0; i < READERS; i++)
		kvfree(m->copy[i]);
	if (m->f)
		fix_free(m->f);
	kvfree(m);
}

static struct mirror *mirror_new(u64 seed)
{
	struct mirror *m = kvzalloc(sizeof(*m), GFP_KERNEL);
	bool good = m;
	u32 i;

	if (!m)
		return NULL;
	m->f = fix_new(SIZE, 0, 0);
	for (i = 0; i < READERS; i++) {
		m->copy[i] = kvzalloc(ke_record_max(SIZE), GFP_KERNEL);
		good &= !!m->copy[i];
	}
	if (!m->f || !good) {
		mirror_free(m);
		return NULL;
	}
	m->f->rng += seed << 32;
	return m;
}

static void reader_begins(struct mirror *m, u32 i)
{
	struct ke_log *log = &m->f->log;

	ke_reader_init(&m->r[i], ke_log_view(log), false, log->head, log->seq, m->copy[i]);
	ke_reader_behind(&m->r[i], ke_log_passed(log));
	ke_reader_judged(&m->r[i], KE_BIT_ALL, 0, 0);
	m->from[i] = log->seq;
	m->got[i] = 0;
}

static bool reader_reads(struct mirror *m, u32 i)
{
	struct ke_item item;
	int n;

	while ((n = ke_reader_next(&m->r[i], &item)) > 0)
		m->got[i] += item.kind == KE_ITEM_EVENT;
	return is_eq(n, 0, "reader %u", i);
}

/* An event comes, of its header only. */
static void event_in(struct mirror *m)
{
	struct ke_log *log = &m->f->log;
	u64 word = word_of(32, KECHO_RECORD_EVENT, KECHO_RECORD_F_LIFE, 4, 0);
	__le64 words[4] = { cpu_to_le64(word), cpu_to_le64(log->seq + 1) };
	void *to;

	/* It would not wrap: there is a pad. */
	if (log_left(m->f) < sizeof(words))
		is_eq(ke_log_skip(log, log->head + log_left(m->f)), 0, "to the ring's end");
	to = ke_log_window(log, sizeof(words));
	if (!ok(to, "room"))
		return;
	m->fate[log->seq + 1] = CAME;
	memcpy(to, words, sizeof(words));
	is_eq(ke_log_accept(log, sizeof(words)), 0, "an event");
}

/* Some are passed over, perhaps behind some that are lost. */
static void pass_in(struct mirror *m)
{
	struct ke_log *log = &m->f->log;
	u64 gap = random_below(m->f, 8) ? 0 : random_below(m->f, 9), before = log->seq + gap;
	u64 n = random_below(m->f, 9), expired = 0, seq = before, i;

	for (i = log->seq + 1; i <= before; i++)
		m->fate[i] = GAP;
	for (i = 0; i < n; i++, expired += m->fate[seq] == EXPIRED)
		m->fate[++seq] = random_below(m->f, 2) ? EXPIRED : FILTERED;
	if (seq)
		is_eq(ke_log_pass(log, log->head + 32 + 8 * random_below(m->f, 1000), before, seq,
				  expired), 0, "passed over");
}

/* How many of those that the reader has looked at were so. */
static u64 count_fate(const struct mirror *m, u32 i, enum fate fate)
{
	u64 seq, n = 0;

	for (seq = m->from[i] + 1; seq <= m->r[i].seq; seq++)
		n += m->fate[seq] == fate;
	return n;
}

/* A reader that lost nothing but what never came knows exactly; of the others each event is
 * one thing. */
static bool reader_is_right(const struct mirror *m, u32 i)
{
	const struct ke_reader *r = &m->r[i];

	if (!is_eq(m->got[i] + r->lost + r->filtered + r->expired, r->seq - m->from[i],
		   "reader %u: the sum", i))
		return false;
	if (r->lost > count_fate(m, i, GAP))
		return ok(r->expired <= count_fate(m, i, EXPIRED) &&
			  r->filtered <= count_fate(m, i, FILTERED), "reader %u: no more", i);
	return is_eq(r->lost, count_fate(m, i, GAP), "reader %u: lost", i) &&
	       is_eq(r->filtered, count_fate(m, i, FILTERED), "reader %u: filtered", i) &&
	       is_eq(r->expired, count_fate(m, i, EXPIRED), "reader %u: expired", i);
}

static bool run_readers(struct mirror *m, u32 events)
{
	u32 i;

	for (i = 0; i < READERS; i++)
		reader_begins(m, i);
	while (m->f->log.seq < EVENTS) {
		/* Rows of nothing but passes, too. */
		if (random_below(m->f, 100) < events)
			event_in(m);
		else
			pass_in(m);
		i = random_below(m->f, 50);
		if (i >= READERS)
			continue;
		if (!reader_reads(m, i) || !reader_is_right(m, i))
			return false;
		if (!random_below(m->f, 4))
			reader_begins(m, i);
	}
	return true;
}

TEST(readers)
{
	struct mirror *m;
	u32 seed;

	for (seed = 0; seed < 60; seed++) {
		m = mirror_new(seed);
		must(m, "memory");
		ok(run_readers(m, seed % 3 * 10), "seed %u", seed);
		mirror_free(m);
	}
}

/* One that is lapped in a row of passes is told by the next of all of it, but for those that it
 * knows of. */
TEST(row)
{
	struct pair *p = pair_new(SIZE, false);
	u64 i, n = 8 * SIZE / 1000;
	struct ke_reader late;

	must(p, "memory");
	ke_reader_judged(&p->r, KE_BIT_ALL, 0, 0);
	is_eq(ke_log_pass(&p->f->log, 1000, 0, 10, 3), 0, "3 of 10");
	is_eq(next(p), 0, "nothing");
	is_eq(p->r.expired, 3, "had expired");
	ke_reader_init(&late, ke_log_view(&p->f->log), false, 1000, 10, p->copy);
	ke_reader_behind(&late, ke_log_passed(&p->f->log));
	for (i = 1; i <= n; i++)
		is_eq(ke_log_pass(&p->f->log, 1000 + i * 1000, 10 * i, 10 * i + 10, i % 3), 0,
		      "more");
	is_eq(next(p), 0, "nothing");
	is_eq(ke_reader_next(&late, &p->item), 0, "nor for one that came then");
	is_eq(p->r.seq, 10 * n + 10, "to the end");
	is_eq(p->r.expired, 3 + late.expired, "the same");
	is_eq(p->r.expired + p->r.filtered, p->r.seq, "the sum");
	is_eq(p->r.lost + late.lost, 0, "nothing is lost");
	for (n = 0; i-- > 1;)
		n += i % 3;
	is_eq(late.expired, n, "exactly");
	pair_free(p);
}

TESTS(deadline, sections, first, reserved, in_pieces, hostile_sections, readers, row);
