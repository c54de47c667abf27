// SPDX-License-Identifier: MIT
/*
 * Deadlines: what has expired is not given to anybody, and each event that was submitted is
 * received, lost, filtered or expired, for each sink, and one of these only.
 */
#include "far.h"

enum {
	SECOND_NS = 1000000000,
	LIFE_NS = 30000000,
	OVER_US = 60000,	/* longer than that */
	MIXED = 20000,
	MIXED_LONG = 1000000,
	BIG = 200000,		/* bytes, in pieces */
	RETAIN = 20,
};

static u64 real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static u64 expired_of(struct kecho_sink *s)
{
	struct kecho_sink_stats st;

	kecho_sink_stats(s, &st);
	return st.expired;
}

/* One that is of use for so long yet; below 0: it was. */
static int submit_for(struct kecho_source *s, const void *data, size_t len, s64 ns)
{
	return kecho_submit_until(s, data, len, real_ns() + ns, 0);
}

static void nothing_comes(struct kecho_sink *s, u64 expired)
{
	struct kecho_event ev;

	is_eq(kecho_read(s, &ev, QUIET_MS), -ETIMEDOUT, "nothing comes");
	is_eq(expired_of(s), expired, "expired");
}

static void one_host(const char *name, enum kecho_policy policy)
{
	u64 deadline = real_ns() + 100ull * SECOND_NS;
	struct kecho_event ev;
	struct pair p = {};

	if (!pair_stream(&p, name, policy))
		goto end;
	is_eq(submit_for(p.src, "x", 1, -1), 0, "one that is over");
	is_eq(kecho_submit_until(p.src, "x", 1, 1, 0), 0, "since 1970");
	is_eq(kecho_submit_until(p.src, "x", 1, deadline, 0), 0, "one that is not");
	is_eq(kecho_submit_until(p.src, "x", 1, 0, 0), 0, "one that never is");
	is_eq(kecho_submit_until(p.src, "x", 1, UINT64_MAX, KECHO_NOTIME), 0, "nor this one");
	comes(p.snk, 3);
	comes(p.snk, 4);
	comes(p.snk, 5);
	is_eq(kecho_submit_until(p.src, "x", 1, deadline, 0), 0, "one more");
	is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "comes");
	is_eq(ev.deadline_ns, deadline, "with its deadline");
	is_eq(submit_for(p.src, "x", 1, LIFE_NS), 0, "not for long");
	sleep_us(OVER_US);
	nothing_comes(p.snk, 3);
	is_eq(kecho_submit(p.src, "x", 1, 0), 0, "submit");
	comes(p.snk, 8);
end:
	pair_end(&p);
}

TEST(until)
{
	ARENA();
	one_host("until-block", KECHO_BLOCK);
	one_host("until-latest", KECHO_LATEST);
}

/* Each way to submit gives an event its source's lifespan. */
static void submit_all_ways(struct kecho_source *s)
{
	struct kecho_attr a = { "level", kecho_i64(1) };
	struct kecho_reservation r;
	struct iovec v[] = { { (void *)"a", 1 }, { (void *)"b", 1 } };
	static const char big[BIG];

	is_eq(kecho_submit(s, "x", 1, 0), 0, "submit");
	is_eq(kecho_submit(s, "x", 1, KECHO_NOTIME), 0, "without a time");
	is_eq(kecho_submit_vector(s, v, 2, 0), 2, "two");
	is_eq(kecho_submit_attrs(s, "x", 1, &a, 1, 0), 0, "with an attribute");
	is_eq(kecho_submit(s, big, sizeof(big), 0), 0, "in pieces");
	is_eq(kecho_reserve(s, 8, 0, &r), 0, "reserve");
	sleep_us(OVER_US);	/* it lives from its submission on */
	is_eq(kecho_commit(s, &r, 4), 0, "commit");
}

TEST(lifespan)
{
	struct kecho_source_options opt = { .lifespan_ns = LIFE_NS };
	struct kecho_event ev;
	struct pair p = {};
	u64 now;

	ARENA();
	if (!pair_open(&p, "lifespan", NULL) ||
	    !ok(!kecho_sink_open(p.ch[1], NULL, &p.snk), "sink: %s", kecho_explain()) ||
	    !ok(!kecho_source_open(p.ch[0], &opt, &p.src), "source: %s", kecho_explain()))
		goto end;
	submit_all_ways(p.src);
	is_eq(kecho_read(p.snk, &ev, 0), 0, "the last comes");
	now = real_ns();
	is_eq(ev.seq, 7, "that is the last");
	ok(ev.deadline_ns > now - SECOND_NS && ev.deadline_ns <= now + LIFE_NS, "its deadline");
	is_eq(ev.deadline_ns - ev.time_ns, LIFE_NS, "from its submission on");
	is_eq(kecho_submit_until(p.src, "x", 1, 0, 0), 0, "one that lives on");
	sleep_us(OVER_US);
	comes(p.snk, 8);
	nothing_comes(p.snk, 6);
end:
	pair_end(&p);
}

/* Many at once, and between them some that are over. */
TEST(vector)
{
	struct kecho_event ev[64];
	u64 i, got = 0, wrong = 0;
	struct pair p = {};
	ssize_t n;

	ARENA();
	if (pair_stream(&p, "vector", KECHO_BLOCK)) {
		for (i = 1; i <= 300; i++)
			wrong += submit_for(p.src, "x", 1, i % 3 ? -1 : SECOND_NS * 100LL) != 0;
		while ((n = kecho_read_vector(p.snk, ev, 64, 0)) > 0)
			for (i = 0; i < (u64)n; i++)
				wrong += ev[i].seq != ++got * 3;
		is_eq(wrong, 0, "those that are not over");
		is_eq(got, 100, "all of them");
		is_eq(expired_of(p.snk), 200, "the others");
	}
	pair_end(&p);
}

static void count_event(void *arg, const struct kecho_event *ev)
{
	*(u64 *)arg += ev->kind == KECHO_EVENT;
}

TEST(run)
{
	struct pair p = {};
	u64 i, got = 0;
	struct kecho_sink_options opt = { .fn = count_event, .arg = &got };

	ARENA();
	if (pair_open(&p, "run", NULL) &&
	    ok(!kecho_source_open(p.ch[0], NULL, &p.src), "source: %s", kecho_explain()) &&
	    ok(!kecho_sink_open(p.ch[1], &opt, &p.snk), "sink: %s", kecho_explain())) {
		for (i = 0; i < 100; i++)
			is_eq(submit_for(p.src, "x", 1, i & 1 ? -1 : SECOND_NS), 0, "submit");
		while (kecho_run(p.k[1], QUIET_MS) > 0)
			;
		is_eq(got, 50, "called for each");
		is_eq(expired_of(p.snk), 50, "not for those that are over");
	}
	pair_end(&p);
}

/* What a filter says no to at the source is filtered; it is not asked here of what is over. */
static void beside(enum kecho_filter_use use)
{
	struct pair p = {};
	struct kecho_sink_stats st;
	struct kecho_event ev;
	u64 i, got = 0;

	if (pair_stream(&p, "beside", KECHO_BLOCK) && ok(!try_set(p.snk, use, "seq % 2 == 0"),
							 "filter: %s", kecho_explain())) {
		for (i = 1; i <= 400; i++)
			is_eq(submit_for(p.src, "x", 1, i % 4 < 2 ? -1 : SECOND_NS * 100LL), 0,
			      "submit");
		while (!kecho_read(p.snk, &ev, QUIET_MS))
			got += ev.kind == KECHO_EVENT;
		kecho_sink_stats(p.snk, &st);
		is_eq(got, 100, "those that live and are wanted");
		is_eq(st.received, got, "are those that were received");
		is_eq(kecho_sink_filtered(p.snk), use == KECHO_FOR_IN ? 100 : 200, "not wanted");
		is_eq(expired_of(p.snk), use == KECHO_FOR_IN ? 200 : 100, "over");
	}
	pair_end(&p);
}

TEST(filters)
{
	ARENA();
	beside(KECHO_FOR_EVENT);
	beside(KECHO_FOR_IN);
}

/* Who comes late gets of what is retained what is not over. */
TEST(retained)
{
	struct kecho_channel_options opt = { .retain = RETAIN };
	struct kecho_sink_options late = { .retained = 1 };
	struct pair p = {};
	u64 i;

	ARENA();
	if (pair_open(&p, "retained", &opt) &&
	    ok(!kecho_source_open(p.ch[0], NULL, &p.src), "source: %s", kecho_explain())) {
		for (i = 1; i <= RETAIN; i++)
			is_eq(submit_for(p.src, "x", 1, i & 1 ? LIFE_NS : SECOND_NS * 100LL), 0,
			      "submit");
		sleep_us(OVER_US);
		is_eq(kecho_sink_open(p.ch[1], &late, &p.snk), 0, "sink");
		for (i = 2; i <= RETAIN; i += 2)
			comes(p.snk, i);
		nothing_comes(p.snk, RETAIN / 2);
	}
	pair_end(&p);
}

/* --------------------------------------------------------------- on another host */

/* What is over is not sent. */
TEST(far)
{
	struct kecho_event ev;
	struct pair p = {};
	u64 before, now;
	int i;

	if (with_node())
		skip("its node is one host");
	ARENA();
	if (!far_stream(&p, "far", KECHO_BLOCK))
		goto end;
	submit_for(p.src, "x", 1, SECOND_NS * 100LL);
	comes(p.snk, 1);
	before = sent(p.k[0]);
	for (i = 0; i < 100; i++) {
		static const char event[EVENT_LEN];

		is_eq(submit_for(p.src, event, sizeof(event), -1), 0, "one that is over");
	}
	is_eq(kecho_submit_until(p.src, "x", 1, real_ns() + SECOND_NS, 0), 0, "one that is not");
	is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "comes");
	now = real_ns();
	is_eq(ev.seq, 102, "this one");
	ok(ev.deadline_ns > now && ev.deadline_ns < now + 2ull * SECOND_NS, "its deadline here");
	is_eq(expired_of(p.snk), 100, "the others");
	ok(sent(p.k[0]) - before < 10 * EVENT_LEN, "%llu bytes", sent(p.k[0]) - before);
	is_eq(submit_for(p.src, "x", 1, LIFE_NS), 0, "one that will be");
	sleep_us(OVER_US);
	nothing_comes(p.snk, 101);
end:
	pair_end(&p);
}

/* Of any length and deadline, faster than they are read. */
static void mixed(const char *name, enum kecho_policy policy, const char *filter)
{
	unsigned int i, n = long_run() ? MIXED_LONG : MIXED, seed = 1;
	static const char event[4 * EVENT_LEN];
	struct reader r = { .every = 1 };
	struct kecho_sink_stats st;
	struct pair p = {};
	u64 wrong = 0;

	if (!far_stream(&p, name, policy) || (filter && !set(p.snk, filter)))
		goto end;
	r.sink = p.snk;
	reader_start(&r);
	for (i = 0; i < n; i++) {
		s64 life = rand_r(&seed) % 2000000 - 1000000;

		life = rand_r(&seed) % 4 ? SECOND_NS * 100LL : life;
		wrong += submit_for(p.src, event, rand_r(&seed) % sizeof(event), life) != 0;
	}
	is_eq(wrong, 0, "all submitted");
	kecho_source_close(p.src);
	pthread_join(r.thread, NULL);
	kecho_sink_stats(p.snk, &st);
	is_eq(r.wrong, 0, "in order");
	is_eq(r.end, n, "to the end");
	is_eq(r.came + r.lost + kecho_sink_filtered(p.snk) + st.expired, n, "each is one thing");
	is_eq(st.received, r.came, "received");
	is_eq(st.lost, r.lost, "lost");
	ok(st.expired > n / 100, "%llu expired", (unsigned long long)st.expired);
	if (policy == KECHO_BLOCK)
		is_eq(r.lost, 0, "none is lost");
end:
	pair_end(&p);
}

TEST(sums)
{
	if (with_node())
		skip("its node is one host");
	ARENA();
	mixed("sums-block", KECHO_BLOCK, NULL);
	mixed("sums-latest", KECHO_LATEST, NULL);
	mixed("sums-filter", KECHO_BLOCK, "seq % 2 == 0 || len < 3000");
}

TESTS(deadline, until, lifespan, vector, run, filters, retained, far, sums);
