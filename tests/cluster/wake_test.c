// SPDX-License-Identifier: MIT
/*
 * Sinks that sleep are left asleep by what they don't want, and miss nothing by it: neither an
 * event, nor the log's moving on, nor that somebody waits until they have read all.
 */
#include <sys/resource.h>

#include "far.h"

enum {
	UNWANTED = 2000,		/* of UNWANTED_LEN bytes: more than a log has */
	UNWANTED_LEN = 200,
	PAUSE_US = 50,			/* after each: who is woken runs */
	PARTS = 16,			/* of a log, each of which all are woken for */
	WAKES_MAX = 3 * 2 * PARTS,
};

struct sleeper {
	struct kecho_sink *sink;
	pthread_t thread;
	u64 came, lost;
	long sleeps;
};

/* Until the one that is longer than all. */
static void *sleep_and_read(void *arg)
{
	struct sleeper *s = arg;
	struct rusage before, after;
	struct kecho_event ev;

	getrusage(RUSAGE_THREAD, &before);
	while (!kecho_read(s->sink, &ev, SOON_MS)) {
		WRITE_ONCE(s->came, s->came + (ev.kind == KECHO_EVENT));
		s->lost += ev.kind == KECHO_LOST;
		if (ev.kind == KECHO_EVENT && ev.len == EVENT_LEN)
			break;
	}
	getrusage(RUSAGE_THREAD, &after);
	s->sleeps = after.ru_nvcsw - before.ru_nvcsw;
	return NULL;
}

/* It has come back by itself, and not as its time was up. */
static void woken(struct sleeper *s)
{
	u64 before = now_ns();

	pthread_join(s->thread, NULL);
	ok(now_ns() - before < SOON_MS * 500000ull, "it was woken");
}

static bool stream_for(struct pair *p, const char *name, enum kecho_policy policy)
{
	struct kecho_sink_options opt = { .policy = policy };

	return pair_open(p, name, NULL) && open_source(p) &&
	       ok(!kecho_sink_open(p->ch[1], &opt, &p->snk), "sink: %s", kecho_explain()) &&
	       set(p->snk, "len != 200");
}

static bool submit_slowly(struct kecho_source *s, unsigned int n, size_t len)
{
	for (; n && submit(s, len); n--)
		sleep_us(PAUSE_US);
	return !n;
}

static void left_asleep(enum kecho_policy policy)
{
	struct sleeper s = { 0 };
	struct pair p = {};

	if (stream_for(&p, "asleep", policy)) {
		s.sink = p.snk;
		must(!pthread_create(&s.thread, NULL, sleep_and_read, &s), "a thread");
		sleep_us(QUIET_MS * 1000);
		ok(submit_slowly(p.src, UNWANTED, UNWANTED_LEN), "not wanted");
		ok(submit(p.src, 1) && submit(p.src, EVENT_LEN), "wanted");
		woken(&s);
		is_eq(s.came, 2, "the two that are for it");
		is_eq(s.lost, 0, "nothing is lost");
		is_eq(kecho_sink_filtered(p.snk), UNWANTED, "the others were not for it");
		ok(s.sleeps <= WAKES_MAX, "it was woken %ld times", s.sleeps);
	}
	pair_end(&p);
}

TEST(asleep)
{
	ARENA();
	left_asleep(KECHO_BLOCK);
	left_asleep(KECHO_LATEST);
}

/* Each is woken at once by what it wants, whatever the others want. */
TEST(woken)
{
	struct kecho_event ev;
	struct pair p = {};
	unsigned int i;

	ARENA();
	if (stream_for(&p, "woken", KECHO_BLOCK)) {
		for (i = 0; i < 100; i++) {
			must(submit_some(p.src, i % 5, UNWANTED_LEN) && submit(p.src, i), "submit");
			is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "%u comes", i);
			is_eq(ev.len, i, "it is the one");
		}
		is_eq(kecho_sink_filtered(p.snk), 200, "filtered");
	}
	pair_end(&p);
}

/* Who drains waits for those, too, who sleep on what is not for them. */
TEST(drained)
{
	struct sleeper s = { 0 };
	struct pair p = {};

	ARENA();
	if (stream_for(&p, "drained", KECHO_BLOCK)) {
		s.sink = p.snk;
		must(!pthread_create(&s.thread, NULL, sleep_and_read, &s), "a thread");
		sleep_us(QUIET_MS * 1000);
		ok(submit_some(p.src, 3, UNWANTED_LEN), "not wanted");
		is_eq(kecho_channel_drain(p.ch[0], SOON_MS), 0, "drained: %s", kecho_explain());
		is_eq(kecho_sink_filtered(p.snk), 3, "all were read");
		ok(submit(p.src, EVENT_LEN), "the last");
		woken(&s);
	}
	pair_end(&p);
}

/* A sink that does not read, and has nothing in hand, holds nobody up by what it doesn't want, or
 * is for the sink @to only (0: for all). */
static void not_held(struct kecho_channel *ch, struct pair *p, unsigned int flags, u64 to)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	static const char event[UNWANTED_LEN];
	struct kecho_event ev;
	unsigned int n = 0;
	u64 until = now_ns() + SOON_MS * 1000000ull;

	if (!ok(!kecho_sink_open(ch, &opt, &p->snk), "sink: %s", kecho_explain()) ||
	    (!to && !set(p->snk, "len != 200")))
		return;
	while (n < 5 * UNWANTED && now_ns() < until) {
		if (!(to ? kecho_submit_to(p->src, event, sizeof(event), to, flags) :
			   kecho_submit(p->src, event, sizeof(event), flags)))
			n++;
		else if (flags != KECHO_DONTWAIT)
			break;
	}
	is_eq(n, 5 * UNWANTED, "all are submitted");
	ok(submit(p->src, 1), "wanted");
	is_eq(kecho_read(p->snk, &ev, SOON_MS), 0, "it comes");
	ok(ev.kind == KECHO_EVENT && ev.len == 1, "it is the one");
	is_eq(kecho_sink_filtered(p->snk), 5 * UNWANTED, "the others were left out");
	kecho_sink_close(p->snk);
}

TEST(not_held)
{
	struct kecho_sink *other;
	struct pair p = {};
	int i;

	ARENA();
	if (pair_open(&p, "not-held", NULL) && open_source(&p))
		for (i = 0; i < 4; i++)
			not_held(p.ch[i % 2], &p, i / 2 * KECHO_DONTWAIT, 0);
	pair_end(&p);
	if (pair_open(&p, "not-held-to", NULL) && open_source(&p) &&
	    ok(!kecho_sink_open(p.ch[0], NULL, &other), "another: %s", kecho_explain()))
		for (i = 0; i < 4; i++)
			not_held(p.ch[i % 2], &p, i / 2 * KECHO_DONTWAIT, kecho_sink_id(other));
	pair_end(&p);
}

/* An event was appended before a sink came that wants it, and is published when that sleeps. */
TEST(come_meanwhile)
{
	struct kecho_reservation r;
	struct sleeper s = { 0 };
	struct pair p = {};
	u64 begun;

	ARENA();
	if (stream_for(&p, "meanwhile", KECHO_LATEST) && submit_some(p.src, 1, UNWANTED_LEN)) {
		must(!kecho_reserve(p.src, 1, 0, &r), "reserve: %s", kecho_explain());
		ok(submit(p.src, UNWANTED_LEN), "behind it");
		must(!kecho_sink_open(p.ch[1], NULL, &s.sink), "another: %s", kecho_explain());
		kecho_sink_close(p.snk);
		must(!pthread_create(&s.thread, NULL, sleep_and_read, &s), "a thread");
		sleep_us(QUIET_MS * 1000);
		begun = now_ns();
		kecho_abort(p.src, &r);
		ok(comes_true(READ_ONCE(s.came)) && now_ns() - begun < SOON_MS * 500000ull,
		   "it was woken");
		ok(submit(p.src, EVENT_LEN), "the last");
		woken(&s);
		is_eq(s.came, 2, "both");
	}
	pair_end(&p);
}

TESTS(wake, asleep, woken, drained, not_held, come_meanwhile);
