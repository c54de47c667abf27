// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What users of the API do wrong: callbacks that take too long, or close what they are called
 * for. A module that leaves without closing is tests/vm/leaves.c.
 */
#include <linux/sched/clock.h>
#include <linux/uio.h>

#include "kernel_test.h"

enum {
	DETACHED_AFTER = 16,	/* overruns in a row */
	SOME_MAX = 100,
};

struct slow {
	struct completion ended;
	struct test_channel *t;
	struct kecho_sink *sink;
	struct kecho_source *src;
	unsigned int calls, every, us, limit;
	int err, ends, closed[3];
	bool softirq;
};

/* Each call, or each so many calls, lasts. */
static void be_slow(void *arg, const struct kecho_event *ev)
{
	u64 until = local_clock();
	struct slow *s = arg;

	if (s->calls++ % s->every)
		return;
	until += s->us * (u64)NSEC_PER_USEC;
	if (!s->softirq)
		usleep_range(s->us, 2 * s->us);
	/* By the clock: an emulated CPU may have a wrong idea of how long a loop of mdelay() is. */
	while (local_clock() < until)
		cpu_relax();
}

static void ended(void *arg, int err)
{
	struct slow *s = arg;

	s->err = err;
	s->ends++;
	s->closed[0] = kecho_sink_close(s->sink);
	complete(&s->ended);
}

static int open_slow(struct test_channel *t, struct slow *s, struct kecho_sink_options *opt)
{
	init_completion(&s->ended);
	s->every = s->every ?: 1;
	s->softirq = opt->context == KECHO_SOFTIRQ;
	opt->ended = ended;
	opt->arg = s;
	return kecho_sink_open(t->ch, opt, &s->sink);
}

static bool ends(struct slow *s)
{
	return wait_for_completion_timeout(&s->ended, msecs_to_jiffies(SOON_MS));
}

/* At once, before it is heard of the first. */
static int submit_some(struct kecho_source *src, unsigned int n)
{
	struct kvec v[SOME_MAX];
	unsigned int i;

	for (i = 0; i < n; i++)
		v[i] = (struct kvec){ &n, sizeof(n) };
	return kecho_submit_vector(src, v, n, 0) == n ? 0 : -EIO;
}

/* What it is given, it was given: the rest is lost. */
static void check_detached(struct slow *s, unsigned int events)
{
	struct kecho_sink_stats st;

	ok(ends(s), "it ends");
	is_eq(s->err, -ETIME, "as it takes too long");
	is_eq(s->closed[0], -EDEADLK, "it is not closed from there");
	is_eq(kecho_sink_error(s->sink), -ETIME, "it can be asked for that");
	kecho_sink_stats(s->sink, &st);
	is_eq(st.overruns, DETACHED_AFTER, "after so many calls");
	is_eq(st.received, s->calls, "each event that it got was a call");
	is_eq(st.lost, events - s->calls, "the rest is lost");
	is_eq(st.lag_bytes, 0, "nothing waits for it");
	ok(st.longest_ns > NSEC_PER_MSEC && st.busy_ns > st.overruns * NSEC_PER_MSEC,
	   "its time: %llu ns, at most %llu", st.busy_ns, st.longest_ns);
}

static void check_slow(enum kecho_context context, enum kecho_policy policy)
{
	struct kecho_source_options small = { .log_size = KECHO_LOG_SIZE_MIN };
	struct slow s = { .us = 4000 };
	struct kecho_sink_options opt = { .context = context, .policy = policy, .fn = be_slow,
					  .budget_ns = NSEC_PER_MSEC };
	char payload[1000] = { 0 };
	struct test_channel t;
	int i, err = 0;

	must(!test_open(&t) && !open_slow(&t, &s, &opt), "sink");
	must(!kecho_source_open(t.ch, &small, &s.src), "source");
	is_eq(submit_some(s.src, 50), 0, "submit");
	check_detached(&s, 50);
	for (i = 0; i < 200 && !err; i++)
		err = kecho_submit(s.src, payload, sizeof(payload), 0);
	is_eq(err, 0, "nobody waits for it");
	is_eq(kecho_source_heard(s.src), false, "nobody reads");
	is_eq(s.calls, DETACHED_AFTER, "it is not called any more");
	is_eq(s.ends, 1, "it was told once");
	is_eq(kecho_sink_close(s.sink), 0, "closed");
	test_close(&t);
}

TEST(slow_thread)
{
	check_slow(KECHO_THREAD, KECHO_BLOCK);
}

TEST(slow_softirq)
{
	check_slow(KECHO_SOFTIRQ, KECHO_BLOCK);
	check_slow(KECHO_SOFTIRQ, KECHO_LATEST);
}

/* Others of its channel get all. */
TEST(others_go_on)
{
	struct slow bad = { .us = 4000 };
	struct kecho_sink_options opt = { .fn = be_slow, .budget_ns = NSEC_PER_MSEC };
	struct kecho_sink_options reads = { .policy = KECHO_BLOCK };
	struct test_channel t;
	struct kecho_sink *s;
	struct kecho_event ev;
	u64 seq = 0;

	must(!test_open(&t) && !open_slow(&t, &bad, &opt), "a slow sink");
	must(!kecho_sink_open(t.ch, &reads, &s), "a good one");
	must(!kecho_source_open(t.ch, NULL, &bad.src), "source");
	is_eq(submit_some(bad.src, 50), 0, "submit");
	ok(ends(&bad), "the slow one ends");
	is_eq(submit_some(bad.src, 50), 0, "submit more");
	while (!kecho_read(s, &ev, 0))
		is_eq(ev.seq, ++seq, "in order");
	is_eq(seq, 100, "all");
	test_close(&t);
}

static void check_stays(struct slow *s, u64 budget_ns, unsigned int events)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = be_slow,
					  .budget_ns = budget_ns };
	struct kecho_sink_stats st;
	struct test_channel t;
	int i;

	must(!test_open(&t) && !open_slow(&t, s, &opt), "sink");
	must(!kecho_source_open(t.ch, NULL, &s->src), "source");
	is_eq(submit_some(s->src, events), 0, "submit");
	for (i = 0; i < SOON_MS / 10 && READ_ONCE(s->calls) < events; i++)
		msleep(10);
	is_eq(kecho_sink_error(s->sink), 0, "it is there");
	kecho_sink_stats(s->sink, &st);
	is_eq(st.received, events, "all were received");
	s->err = st.overruns;
	test_close(&t);
	is_eq(s->ends, 0, "and it has not ended");
}

/* One call of twenty is too slow; it is forgiven. */
TEST(forgiven)
{
	struct slow s = { .us = 60000, .every = 20 };

	check_stays(&s, 30 * NSEC_PER_MSEC, 100);
	ok(s.err >= 5, "they are counted: %d", s.err);
}

TEST(no_budget)
{
	struct slow s = { .us = 4000 };

	check_stays(&s, KECHO_NO_BUDGET, 30);
	is_eq(s.err, 0, "there is nothing that it is over");
}

/* ------------------------------------------------------------------ closing */

static void close_all(void *arg, const struct kecho_event *ev)
{
	struct slow *s = arg;

	s->closed[0] = kecho_sink_close(s->sink);
	s->closed[1] = kecho_channel_close(s->t->ch);
	s->closed[2] = kecho_close(s->t->k);
	if (++s->calls < s->limit)
		s->err |= kecho_submit(s->src, ev->data, ev->len, 0);
	else
		complete(&s->ended);
}

static void check_reentrant(enum kecho_context context)
{
	struct slow s = { .limit = 100 };
	struct kecho_sink_options opt = { .context = context, .fn = close_all };
	struct test_channel t;

	must(!test_open(&t), "open");
	s.t = &t;
	must(!open_slow(&t, &s, &opt) && !kecho_source_open(t.ch, NULL, &s.src), "members");
	is_eq(submit_some(s.src, 1), 0, "submit");
	ok(ends(&s), "it hears what it says itself");
	is_eq(s.err, 0, "it may submit to its own channel");
	is_eq(s.closed[0], -EDEADLK, "its sink is not closed from within");
	is_eq(s.closed[1], -EDEADLK, "nor its channel");
	is_eq(s.closed[2], -EDEADLK, "nor all");
	is_eq(kecho_sink_close(s.sink), 0, "but from without");
	test_close(&t);
}

TEST(reentrant)
{
	check_reentrant(KECHO_THREAD);
	check_reentrant(KECHO_SOFTIRQ);
}

/* A callback may close another sink. */
static void close_other(void *arg, const struct kecho_event *ev)
{
	struct slow *s = arg;

	if (s->calls++)
		return;
	s->err = kecho_sink_close(s->sink);
	complete(&s->ended);
}

TEST(closes_another)
{
	struct slow s = { 0 };
	struct kecho_sink_options opt = { .fn = close_other, .arg = &s };
	struct kecho_sink *closes;
	struct test_channel t;

	init_completion(&s.ended);
	must(!test_open(&t) && !kecho_sink_open(t.ch, NULL, &s.sink), "a sink");
	must(!kecho_sink_open(t.ch, &opt, &closes), "another");
	must(!kecho_source_open(t.ch, NULL, &s.src), "source");
	is_eq(submit_some(s.src, 1), 0, "submit");
	ok(ends(&s), "heard");
	is_eq(s.err, 0, "closed");
	is_eq(kecho_members(t.ch, NULL, 0), 2, "it has left");
	test_close(&t);
}

static void watch_no_more(void *arg, const struct kecho_member *m)
{
	struct slow *s = arg;

	s->closed[0] = kecho_channel_watch(s->t->ch, NULL, NULL);
	s->closed[1] = kecho_channel_close(s->t->ch);
	s->closed[2] = kecho_close(s->t->k);
	complete(&s->ended);
}

TEST(watcher_closes)
{
	struct slow s = { 0 };
	struct test_channel t;
	int i;

	init_completion(&s.ended);
	must(!test_open(&t), "open");
	s.t = &t;
	is_eq(kecho_channel_watch(t.ch, watch_no_more, &s), 0, "watch");
	must(!kecho_source_open(t.ch, NULL, &s.src), "source");
	ok(ends(&s), "it is told");
	for (i = 0; i < 3; i++)
		is_eq(s.closed[i], -EDEADLK, "not from there");
	is_eq(kecho_channel_watch(t.ch, NULL, NULL), 0, "but from without");
	test_close(&t);
}

/* It holds its source up, and nobody else, until that has had enough. */
struct stuck {
	struct completion go_on, ended;
	unsigned int calls, lost;
	int err;
};

static void be_stuck(void *arg, const struct kecho_event *ev)
{
	struct stuck *s = arg;

	s->lost += ev->kind == KECHO_LOST;
	if (!s->calls++)
		wait_for_completion(&s->go_on);
}

static void stuck_ended(void *arg, int err)
{
	struct stuck *s = arg;

	s->err = err;
	complete(&s->ended);
}

TEST(stuck)
{
	struct kecho_source_options stalls = { .log_size = KECHO_LOG_SIZE_MIN, .stall_ms = 100 };
	struct stuck s = { 0 };
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = be_stuck, .arg = &s,
					  .ended = stuck_ended };
	char payload[1000] = { 0 };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *sink;
	int i, err = 0;

	init_completion(&s.go_on);
	init_completion(&s.ended);
	must(!test_open(&t) && !kecho_sink_open(t.ch, &opt, &sink), "sink");
	must(!kecho_source_open(t.ch, &stalls, &src), "source");
	for (i = 0; i < 200 && !err; i++)
		err = kecho_submit_wait(src, payload, sizeof(payload), 0, SOON_MS);
	is_eq(err, 0, "the source goes on");
	is_eq(s.calls, 1, "while it is in its first call");
	complete(&s.go_on);
	ok(wait_for_completion_timeout(&s.ended, msecs_to_jiffies(SOON_MS)), "it ends");
	is_eq(s.err, -EPIPE, "as it was too slow");
	is_eq(s.lost, 1, "it was told what it lost");
	test_close(&t);
}

TEST(disconnect_is_told)
{
	struct slow s = { .us = 300000 };	/* longer than a lap takes */
	struct kecho_sink_options opt = { .policy = KECHO_DISCONNECT, .fn = be_slow };
	struct kecho_source_options small = { .log_size = KECHO_LOG_SIZE_MIN };
	char payload[1000] = { 0 };
	struct test_channel t;
	int i;

	must(!test_open(&t) && !open_slow(&t, &s, &opt), "sink");
	must(!kecho_source_open(t.ch, &small, &s.src), "source");
	for (i = 0; i < 200; i++)
		kecho_submit(s.src, payload, sizeof(payload), 0);
	ok(ends(&s), "it ends");
	is_eq(s.err, -EPIPE, "as it was too slow");
	is_eq(kecho_sink_error(s.sink), -EPIPE, "it can be asked for that");
	test_close(&t);
}

TESTS(contain, slow_thread, slow_softirq, others_go_on, forgiven, no_budget, reentrant,
      closes_another, watcher_closes, stuck, disconnect_is_told);
