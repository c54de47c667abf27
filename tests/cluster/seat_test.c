// SPDX-License-Identifier: MIT
/*
 * Filters that are judged at the source: what is for no sink of a host never travels there,
 * each event is judged by one filter while they are replaced, and whatever can't be judged at
 * the source is by the sink.
 */
#include "far.h"

enum {
	QUIET_EVENTS = 50000,
	QUIET_EVERY = 10000,		/* so few are wanted */
	QUIET_BYTES_MAX = 64 << 10,	/* that all else takes: of 50 MB */
	REPLACED = 300,
	REPLACED_LONG = 10000,
	REPLACED_EVENTS_MAX = 1 << 28,
	RETAINED = 60,
	SINKS = 70,			/* more than there are bits */
	SINK_EVENTS = 2 * SINKS,
	PIECES = 12,
	PIECES_LEN = 100000,
	AGE_US = 1100000,		/* more than the filter's */
};

/* -------------------------------------------------------------------- on the wire */

static void few_wanted(enum kecho_policy policy)
{
	struct reader r = { .every = QUIET_EVERY };
	struct pair p = {};
	u64 before;

	if (far_stream(&p, "wire", policy)) {
		r.sink = p.snk;
		if (set(p.snk, "seq % 10000 == 0") && reader_start(&r)) {
			before = sent(p.k[0]);
			ok(submit_unwanted(p.src, QUIET_EVENTS), "events");
			reader_end(&r, &p, QUIET_EVENTS);
			is_eq(r.came, QUIET_EVENTS / QUIET_EVERY, "the few");
			ok(sent(p.k[0]) - before < QUIET_BYTES_MAX, "%llu bytes went out",
			   sent(p.k[0]) - before);
		}
	}
	pair_end(&p);
}

/* What nobody wants there costs no bytes. */
TEST(wire)
{
	ARENA();
	if (with_node())
		skip("two hosts");
	few_wanted(KECHO_BLOCK);
	few_wanted(KECHO_LATEST);
}

/* A source that comes later judges from its first event on. */
TEST(late_source)
{
	struct pair p = {};
	u64 before;

	ARENA();
	if (with_node())
		skip("two hosts");
	if (far_open(&p, "late-source", 0) &&
	    ok(!kecho_sink_open(p.ch[1], NULL, &p.snk), "sink: %s", kecho_explain()) &&
	    set(p.snk, "len < 10") && open_source(&p)) {
		before = sent(p.k[0]);
		ok(submit_unwanted(p.src, 1000), "not wanted");
		ok(sent(p.k[0]) - before < EVENT_LEN * 100, "%llu bytes went out",
		   sent(p.k[0]) - before);
		ok(submit(p.src, 1), "wanted");
		comes(p.snk, 1001);
		is_eq(kecho_sink_filtered(p.snk), 1000, "filtered");
	}
	pair_end(&p);
}

/* ----------------------------------------------------------------------- replaced */

struct load {
	struct kecho_source *src;
	bool done;
	u64 events;
};

static void *submit_all(void *arg)
{
	struct load *l = arg;

	for (; !READ_ONCE(l->done) && l->events < REPLACED_EVENTS_MAX; l->events++)
		if (!submit(l->src, 8))
			break;
	return NULL;
}

static u64 submitted(struct kecho_source *s)
{
	struct kecho_source_stats st;

	kecho_source_stats(s, &st);
	return st.submitted;
}

/* Events that were submitted between two replacements: those after @from, up to @to. */
struct span {
	u64 from, to;
};

/* Even ones or odd ones, as the filter of the round says. */
static u64 wrong_ones(const u8 *came_at, const struct span *span, unsigned int round)
{
	u64 seq, wrong = 0;

	for (seq = span->from + 1; seq <= span->to; seq++)
		wrong += came_at[seq] != (seq % 2 == round % 2);
	return wrong;
}

/* What is submitted between two replacements is judged by the first of them. */
static u64 replace_all(struct pair *p, unsigned int rounds, struct span *span)
{
	struct kecho_filter *f[2] = {};
	u64 between = 0;
	unsigned int i;

	ok(!kecho_filter_compile(&f[0], KECHO_FOR_EVENT, "seq % 2 == 0", NULL) &&
	   !kecho_filter_compile(&f[1], KECHO_FOR_EVENT, "seq % 2 == 1", NULL), "two filters");
	for (i = 0; i < rounds; i++) {
		span[i].to = submitted(p->src);
		if (i)
			between += span[i].to - span[i].from;
		if (!ok(!kecho_sink_filter(p->snk, f[i % 2], NULL), "round %u: %s", i,
			kecho_explain()))
			break;
		span[i + 1].from = submitted(p->src);
		sleep_us(i % 8 * 50);
	}
	span[rounds].to = submitted(p->src);
	kecho_filter_free(f[0]);
	kecho_filter_free(f[1]);
	return between;
}

static void replaced(struct pair *p)
{
	unsigned int rounds = long_run() ? REPLACED_LONG : REPLACED, i;
	struct reader r = { .sink = p->snk, .came_at = shared(REPLACED_EVENTS_MAX) };
	struct span *span = calloc(rounds + 1, sizeof(*span));
	struct load l = { .src = p->src };
	pthread_t thread;
	u64 wrong = 0;

	must(r.came_at && span, "memory");
	/* Who waits for room before there is any filter is judged by one that comes later. */
	must(set(p->snk, "seq % 2 == 1"), "the first");
	must(reader_start(&r) && !pthread_create(&thread, NULL, submit_all, &l), "threads");
	ok(replace_all(p, rounds, span) > rounds, "events between two replacements");
	WRITE_ONCE(l.done, true);
	pthread_join(thread, NULL);
	reader_end(&r, p, l.events);
	for (i = 1; i <= rounds; i++)
		wrong += wrong_ones(r.came_at, &span[i], i - 1);
	is_eq(wrong, 0, "each as the filter of its time says");
	munmap(r.came_at, REPLACED_EVENTS_MAX);
	free(span);
}

TEST(replaced_far)
{
	struct pair p = {};

	ARENA();
	if (far_stream(&p, "replaced-far", KECHO_BLOCK))
		replaced(&p);
	pair_end(&p);
}

TEST(replaced_near)
{
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "replaced-near", KECHO_BLOCK))
		replaced(&p);
	pair_end(&p);
}

/* Seen and counted anew by each filter, not by each sink. */
TEST(memory)
{
	char text[] = "abbc";
	struct iovec three[] = { { text, 1 }, { text + 1, 2 }, { text + 3, 1 } };
	struct pair p = {};

	ARENA();
	if (far_stream(&p, "memory", KECHO_BLOCK) && set(p.snk, "once(len, 1h)")) {
		is_eq(kecho_submit_vector(p.src, three, 3, 0), 3, "1 to 3");
		comes(p.snk, 1);
		comes(p.snk, 2);
		set(p.snk, "seq > 0 && once(len, 1h)");
		is_eq(kecho_submit_vector(p.src, three, 3, 0), 3, "4 to 6");
		comes(p.snk, 4);
		comes(p.snk, 5);
		set(p.snk, "rate(2)");
		is_eq(kecho_submit_vector(p.src, three, 3, 0), 3, "7 to 9");
		comes(p.snk, 7);
		comes(p.snk, 8);
		set(p.snk, "seq > 0 && rate(1)");
		is_eq(kecho_submit_vector(p.src, three, 3, 0), 3, "10 to 12");
		comes(p.snk, 10);
		quiet(&p, p.snk, 5);
	}
	pair_end(&p);
}

/* -------------------------------------------------------------------- several sinks */

static void past_comes(struct pair *p)
{
	struct kecho_sink_options opt = { .retained = 1 };
	struct pair late = {};
	unsigned int i;

	if (ok(!kecho_open(&late.k[1], &host[2]) &&
	       !kecho_channel_open(late.k[1], "late-sink", NULL, &late.ch[1]) &&
	       !kecho_sink_open(late.ch[1], &opt, &late.snk), "late: %s", kecho_explain()) &&
	    set(late.snk, "seq % 15 == 0")) {
		for (i = 15; i <= RETAINED; i += 15)
			comes(late.snk, i);
		quiet(p, late.snk, RETAINED - RETAINED / 15);
	}
	pair_end(&late);
}

/* Its past was judged for others, and is there all the same. */
TEST(late_sink)
{
	struct pair p = {};
	unsigned int i;

	ARENA();
	if (far_open(&p, "late-sink", RETAINED) && open_source(&p) &&
	    ok(!kecho_sink_open(p.ch[1], NULL, &p.snk), "sink: %s", kecho_explain()) &&
	    set(p.snk, "seq % 20 == 0")) {
		ok(submit_some(p.src, RETAINED, 8), "events");
		for (i = 20; i <= RETAINED; i += 20)
			comes(p.snk, i);
		past_comes(&p);
	}
	pair_end(&p);
}

/* Gives the last that was read. */
static u64 each_its_own(struct pair *p, struct kecho_sink *const *s, unsigned int n)
{
	u64 first = submitted(p->src) + 1, mine = 0;
	unsigned int i;

	ok(submit_some(p->src, SINK_EVENTS, 8), "events");
	for (i = 0; i < n; i++) {
		mine = first + (i + SINKS - first % SINKS) % SINKS;
		comes(s[i], mine);
		comes(s[i], mine + SINKS);
	}
	return mine + SINKS;
}

/* More filters than bits: for some the sinks judge themselves. Gone ones leave theirs. */
static void many(struct pair *p)
{
	struct kecho_sink *s[SINKS];
	char text[64];
	unsigned int i;
	u64 before, old, last;

	for (i = 0; i < SINKS; i++) {
		must(!kecho_sink_open(p->ch[1], NULL, &s[i]), "sink: %s", kecho_explain());
		snprintf(text, sizeof(text), "seq %% %d == %u", SINKS, i);
		must(set(s[i], text), "sink %u", i);
	}
	each_its_own(p, s, SINKS);
	for (i = 0; i < SINKS; i++)
		kecho_sink_close(s[i]);
	must(!kecho_sink_open(p->ch[1], NULL, &s[0]) && set(s[0], "seq % 70 == 0 && len < 10"),
	     "one more");
	before = sent(p->k[0]);
	old = submitted(p->src);
	ok(submit_unwanted(p->src, 1000), "events");
	last = each_its_own(p, s, 1);
	is_eq(kecho_sink_filtered(s[0]), last - old - 2, "filtered by then");
	ok(sent(p->k[0]) - before < EVENT_LEN * 100, "%llu bytes went out", sent(p->k[0]) - before);
}

TEST(many_far)
{
	struct pair p = {};

	ARENA();
	if (with_node())
		skip("two hosts");
	if (far_open(&p, "many-far", 0) && open_source(&p))
		many(&p);
	pair_end(&p);
}

static int one_sink(void *arg)
{
	struct pair p = {};
	char text[64];

	snprintf(text, sizeof(text), "seq == 0 && len != %u", *(unsigned int *)arg);
	if (kecho_open(&p.k[1], &host[1]) ||
	    kecho_channel_open(p.k[1], "killed", NULL, &p.ch[1]) ||
	    kecho_sink_open(p.ch[1], NULL, &p.snk) || try_set(p.snk, KECHO_FOR_EVENT, text))
		return 1;
	raise(SIGKILL);
	return 0;
}

/* One after the other, each with a filter of its own. */
static int all_sinks(void *go)
{
	unsigned int i, killed = 0;

	if (!comes_true(READ_ONCE(*(bool *)go)))
		return 1;
	for (i = 0; i < SINKS; i++)
		killed += ends(spawn(one_sink, &i)) < 0;
	return killed != SINKS;
}

static bool alone(struct kecho_channel *ch)
{
	struct kecho_member m[1];

	return kecho_members(ch, m, 1) == 1;
}

static void nothing_goes_out(struct pair *p)
{
	u64 before;

	must(!kecho_open(&p->k[1], &host[1]), "host: %s", kecho_explain());
	must(!kecho_channel_open(p->k[1], "killed", NULL, &p->ch[1]), "%s", kecho_explain());
	must(!kecho_sink_open(p->ch[1], NULL, &p->snk), "sink: %s", kecho_explain());
	must(set(p->snk, "len < 10"), "its filter");
	before = sent(p->k[0]);
	ok(submit_unwanted(p->src, 1000), "not wanted");
	ok(submit(p->src, 1), "wanted");
	comes(p->snk, 1001);
	ok(sent(p->k[0]) - before < EVENT_LEN * 100, "%llu bytes went out", sent(p->k[0]) - before);
}

/* A process that is killed leaves its bits to others. */
TEST(killed)
{
	bool *go = shared(sizeof(*go));
	struct pair p = {};
	int status = -1;
	pid_t pid;

	ARENA();
	if (with_node())
		skip("two hosts");
	must(go, "memory");
	pid = spawn(all_sinks, go);	/* while there is no thread */
	if (ok(!kecho_open(&p.k[0], &host[0]), "host: %s", kecho_explain()) &&
	    ok(!kecho_channel_open(p.k[0], "killed", NULL, &p.ch[0]), "%s", kecho_explain()) &&
	    open_source(&p)) {
		WRITE_ONCE(*go, true);
		ok(waitpid(pid, &status, 0) == pid && !status, "all are killed");
		ok(comes_true(alone(p.ch[0])), "and gone");
		nothing_goes_out(&p);
	}
	pair_end(&p);
	munmap(go, sizeof(*go));
}

/* ---------------------------------------------------------------- on the same host */

static void some_wanted(struct pair *p, u64 every)
{
	struct reader r = { .sink = p->snk, .every = every };
	char text[64];

	snprintf(text, sizeof(text), "seq %% %llu == 0", (unsigned long long)every);
	if (!set(p->snk, text) || !reader_start(&r))
		return;
	ok(submit_some(p->src, QUIET_EVENTS, 8), "events");
	reader_end(&r, p, QUIET_EVENTS);
	is_eq(r.came, QUIET_EVENTS / every, "those that it wants");
}

TEST(near)
{
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "near", KECHO_BLOCK))
		some_wanted(&p, 7);
	pair_end(&p);
}

/* The source and the sink are of one process. */
TEST(own)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct pair p = {};

	ARENA();
	if (pair_open(&p, "own", NULL) && open_source(&p) &&
	    ok(!kecho_sink_open(p.ch[0], &opt, &p.snk), "sink: %s", kecho_explain()))
		some_wanted(&p, 7);
	pair_end(&p);
}

/* ----------------------------------------------------------------- kinds of events */

/* All pieces of an event are for the sink, or none. */
TEST(pieces)
{
	struct reader r = { .every = PIECES };
	char *event = calloc(1, PIECES_LEN);
	struct pair p = {};
	unsigned int i;
	u64 before;

	ARENA();
	if (far_stream(&p, "pieces", KECHO_BLOCK) &&
	    set(p.snk, "seq == 12 && len == 100000")) {
		r.sink = p.snk;
		before = sent(p.k[0]);
		must(reader_start(&r), "a reader");
		for (i = 1; i <= PIECES; i++)
			is_eq(kecho_submit(p.src, event, PIECES_LEN, 0), 0, "event %u", i);
		reader_end(&r, &p, PIECES);
		is_eq(r.came, 1, "the last");
		is_eq(r.bytes, PIECES_LEN, "whole");
		/* With some that its room ended in. */
		ok(sent(p.k[0]) - before < PIECES * PIECES_LEN / 2, "%llu bytes went out",
		   sent(p.k[0]) - before);
	}
	pair_end(&p);
	free(event);
}

/* What is written in place is judged as it is committed. */
TEST(reserved)
{
	struct kecho_reservation r[2];
	struct pair p = {};

	ARENA();
	if (far_stream(&p, "reserved", KECHO_BLOCK)) {
		is_eq(kecho_reserve(p.src, 100, 0, &r[0]), 0, "before there is a filter");
		set(p.snk, "len == 50 && seq < 3");
		is_eq(kecho_reserve(p.src, 100, 0, &r[1]), 0, "with one");
		is_eq(kecho_commit(p.src, &r[1], 50), 0, "2 is for it");
		is_eq(kecho_commit(p.src, &r[0], 50), 0, "1 as well");
		comes(p.snk, 1);
		comes(p.snk, 2);
		is_eq(kecho_reserve(p.src, 100, 0, &r[0]), 0, "room");
		is_eq(kecho_commit(p.src, &r[0], 50), 0, "3 is not");
		is_eq(kecho_reserve(p.src, KECHO_EVENT_WHOLE_MAX, 0, &r[0]), 0, "all room");
		is_eq(kecho_commit(p.src, &r[0], KECHO_EVENT_WHOLE_MAX), 0, "4 neither");
		quiet(&p, p.snk, 2);
	}
	pair_end(&p);
}

/* ------------------------------------------------------------------------ the rest */

/* Events come as soon as the source has heard of it; the number of the last. */
static u64 heard(struct pair *p, size_t len)
{
	struct kecho_event ev = { 0 };

	ok(comes_true(submit(p->src, len) && !kecho_read(p->snk, &ev, QUIET_MS)), "it comes");
	while (!kecho_read(p->snk, &ev, QUIET_MS))
		;
	return ev.seq;
}

/* Attributes are those that the source has heard of. */
TEST(live)
{
	struct pair p = {};
	u64 seq;

	ARENA();
	if (far_stream(&p, "live", KECHO_BLOCK) && set(p.snk, "len >= sink.least")) {
		ok(submit(p.src, 5), "nothing is least");
		is_eq(kecho_sink_set(p.snk, "least", kecho_i64(5)), 0, "5 is");
		seq = heard(&p, 5);
		ok(submit(p.src, 4) && submit(p.src, 5), "below and not");
		comes(p.snk, seq + 2);
		is_eq(kecho_sink_filter(p.snk, NULL, NULL), 0, "no filter any more");
		ok(submit(p.src, 1), "what was not for it");
		comes(p.snk, seq + 3);
	}
	pair_end(&p);
}

/* No event comes while its attribute is old or not set; once it is set some do, as soon as
 * the source has heard of it. */
static void turns_young(struct pair *p)
{
	struct kecho_event ev;

	ok(submit(p->src, 1), "one");
	is_eq(kecho_read(p->snk, &ev, QUIET_MS), -ETIMEDOUT, "not young");
	is_eq(kecho_sink_set(p->snk, "load", kecho_i64(5)), 0, "set");
	ok(comes_true(submit(p->src, 1) && !kecho_read(p->snk, &ev, QUIET_MS)), "young");
	while (!kecho_read(p->snk, &ev, QUIET_MS))
		;
}

/* It grows from event to event, until it is set, be it to what it was. */
TEST(age)
{
	struct pair p = {};

	ARENA();
	if (far_stream(&p, "age", KECHO_BLOCK) && set(p.snk, "sink.load.age < 1s")) {
		turns_young(&p);
		sleep_us(AGE_US);
		turns_young(&p);
	}
	pair_end(&p);
}

/* One for where events are dispatched stays there, in turns with one that travels. */
TEST(here)
{
	struct pair p = {};
	unsigned int i;

	ARENA();
	if (far_stream(&p, "here", KECHO_BLOCK)) {
		for (i = 1; i <= 40; i += 4) {
			is_eq(try_set(p.snk, KECHO_FOR_IN, "seq % 4 == 2"), 0, "here");
			ok(submit_some(p.src, 2, 8), "two");
			comes(p.snk, i + 1);
			set(p.snk, "seq % 4 == 3");
			ok(submit_some(p.src, 2, 8), "two");
			comes(p.snk, i + 2);
		}
		quiet(&p, p.snk, 20);
	}
	pair_end(&p);
}

/* What one filter has judged is not judged by the next, wherever that is judged. */
TEST(unread)
{
	struct kecho_sink *other = NULL;
	struct pair p = {};

	ARENA();
	if (far_stream(&p, "unread", KECHO_LATEST) &&
	    ok(!kecho_sink_open(p.ch[1], NULL, &other), "another: %s", kecho_explain()) &&
	    set(other, "seq % 2 == 1") && set(p.snk, "seq % 2 == 0")) {
		ok(submit_some(p.src, 4, 8), "1 to 4");
		comes(other, 1);
		comes(other, 3);
		is_eq(try_set(p.snk, KECHO_FOR_IN, "seq % 2 == 1"), 0, "here");
		ok(submit_some(p.src, 4, 8), "5 to 8");
		comes(p.snk, 2);
		comes(p.snk, 4);
		comes(p.snk, 5);
		set(p.snk, "seq % 2 == 0");
		ok(submit_some(p.src, 4, 8), "9 to 12");
		comes(p.snk, 6);	/* nobody had judged it */
		comes(p.snk, 8);
		comes(p.snk, 10);
		set(p.snk, "seq % 2 == 1");
		ok(submit_some(p.src, 4, 8), "13 to 16");
		comes(p.snk, 12);
		comes(p.snk, 13);
		comes(p.snk, 15);
		quiet(&p, p.snk, 7);
	}
	pair_end(&p);
}

TESTS(seat, wire, late_source, replaced_far, replaced_near, memory, late_sink, many_far, killed,
      near, own, pieces, reserved, live, age, here, unread);
