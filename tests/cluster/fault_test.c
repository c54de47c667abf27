/* SPDX-License-Identifier: MIT */
/*
 * Hosts that die or stand still, and wires that are slow. The other host is a namespace
 * with one process, this test's namespace the first:
 *
 *	us 10.97.0.1 [fwa]---veth---[fwb] 10.97.0.2 other
 *
 * A host that doesn't answer has failed within 2 s, and whatever happens each event has
 * come or was said to be lost; a wire that is only slow is no failure.
 */
#include <stdlib.h>

#include "net.h"

enum {
	DETECT_BAR_MS = 2000,
	EVENT_LEN = 256,
	LOG_SIZE = 4 << 20,
	PACE_US = 500,
	LOAD_MS = 500,
#ifdef SANITIZED
	STOP_SHORT_MS = 300, /* it may be long until it goes on */
#else
	STOP_SHORT_MS = 1000,
#endif
	STOP_LONG_MS = 4000,
	SLOW_MS = 6000,
	SLOW_KBIT = 1000,
	BURST = 512, /* as much as the wire takes in a second, each time */
	BURST_EVERY_US = 50000,
	PING_BAR_MS = 2500, /* behind what the sockets hold */
};

#define FAULT_REGISTRY "10.97.0.1:7390"

/* Both processes'. Each field has one writer. */
static struct hall {
	bool apart, wired, ready, stop;
	u64 submitted; /* the source's */
	struct given sink;
	u64 failed_at, joins; /* as we see the other's member */
} * hall;

static void read_some(struct kecho_sink *s, int timeout_ms)
{
	struct kecho_event ev;

	if (!kecho_read(s, &ev, timeout_ms))
		give(&hall->sink, &ev);
}

/* Whether it did not fail for another reason than a full log. */
static bool submit_one(struct kecho_source *s, unsigned int flags)
{
	u64 buf[EVENT_LEN / sizeof(u64)];
	int err;

	stamp_write(buf, sizeof(buf), hall->submitted + 1);
	err = kecho_submit(s, buf, sizeof(buf), flags);
	if (!err)
		WRITE_ONCE(hall->submitted, hall->submitted + 1);
	return !err || err == -EAGAIN;
}

static int other_begins(struct kecho_channel **ch)
{
	const struct kecho_options opt = { .listen = "10.97.0.2", .registry = FAULT_REGISTRY };
	struct kecho *k;

	if (!host_apart(&hall->apart) || !comes_true(READ_ONCE(hall->wired)))
		return 1;
	return kecho_open(&k, &opt) || kecho_channel_open(k, "fault", NULL, ch);
}

static int other_sinks(void *arg)
{
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;
	struct kecho_sink *s;

	(void)arg;
	if (other_begins(&ch) || kecho_sink_open(ch, &block, &s))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!READ_ONCE(hall->stop))
		read_some(s, 100);
	return 0;
}

static int other_submits(void *arg)
{
	const struct kecho_source_options big = { .log_size = LOG_SIZE };
	struct kecho_channel *ch;
	struct kecho_source *s;

	(void)arg;
	if (other_begins(&ch) || kecho_source_open(ch, &big, &s))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!READ_ONCE(hall->stop)) {
		if (!submit_one(s, KECHO_DONTWAIT))
			return 1;
		sleep_us(PACE_US);
	}
	for (;;)
		pause(); /* until it is killed: what it submitted is being counted */
}

/* ------------------------------------------------------------------- this host */

struct us {
	int fds;
	pid_t other;
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
};

static void on_member(void *arg, const struct kecho_member *m)
{
	(void)arg;
	if (m->mine)
		return;
	if (m->state == KECHO_FAILED)
		WRITE_ONCE(hall->failed_at, now_ns());
	if (m->state == KECHO_JOINED)
		WRITE_ONCE(hall->joins, hall->joins + 1);
}

/* @other: what the other host does; we do the opposite. */
static bool begin(struct us *u, int (*other)(void *arg))
{
	const struct kecho_options opt = { .listen = "10.97.0.1", .registry = FAULT_REGISTRY };
	const struct kecho_source_options big = { .log_size = LOG_SIZE };
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };

	u->fds = fds_of(getpid());
	hall = shared(sizeof(*hall));
	u->other = hall ? spawn(other, NULL) : -1;
	if (!ok(hall && comes_true(READ_ONCE(hall->apart)) &&
			net_wire("fw", 0, "10.97.0.1", u->other, "10.97.0.2"),
		"the network") ||
	    !ok(!kecho_open(&u->k, &opt) && !kecho_channel_open(u->k, "fault", NULL, &u->ch) &&
			!kecho_channel_watch(u->ch, on_member, NULL),
		"%s", kecho_explain()))
		return false;
	if (!ok(!(other == other_sinks ? kecho_source_open(u->ch, &big, &u->src) :
					 kecho_sink_open(u->ch, &block, &u->snk)),
		"%s", kecho_explain()))
		return false;
	WRITE_ONCE(hall->wired, true);
	return ok(comes_true(READ_ONCE(hall->ready)), "the other host has joined");
}

static void end(struct us *u)
{
	kecho_close(u->k);
	put_down(u->other);
	ok(net_gone(u->fds), "nothing is left");
}

/* We do our part for so long. */
static void work(struct us *u, unsigned int ms)
{
	u64 until = now_ns() + ms * 1000000ull;

	while (now_ns() < until) {
		if (u->snk) {
			read_some(u->snk, 10);
			continue;
		}
		/* While it is full nobody takes it: the gate must be lifted in time. */
		if (!ok(submit_one(u->src, KECHO_DONTWAIT), "%s", kecho_explain()))
			return;
		sleep_us(PACE_US);
	}
}

/* Everything that was submitted was accounted for, in order. */
static void all_accounted(struct us *u)
{
	u64 until = now_ns() + SOON_MS * 1000000ull;

	while (READ_ONCE(hall->sink.last) != READ_ONCE(hall->submitted) && now_ns() < until) {
		if (u->snk)
			read_some(u->snk, 10);
		else
			sleep_us(1000);
	}
	is_eq(hall->sink.last, hall->submitted, "accounted for");
	is_eq(hall->sink.wrong, 0, "gaps, repeats or torn events");
	is_eq(hall->sink.came + hall->sink.lost, hall->submitted, "came and lost");
	pr_info("# %llu submitted, %llu came, %llu lost, %llu ends, %llu joins\n",
		(unsigned long long)hall->submitted, (unsigned long long)hall->sink.came,
		(unsigned long long)hall->sink.lost, (unsigned long long)hall->sink.ends,
		(unsigned long long)READ_ONCE(hall->joins));
}

/* Goes on until @cond holds, SOON_MS at most; gives whether it does. */
#define work_until(u, cond)							\
	({									\
		u64 __until = now_ns() + SOON_MS * 1000000ull;			\
										\
		while (!(cond) && now_ns() < __until)				\
			work(u, 10);						\
		!!(cond);							\
	})

static void noticed(struct us *u, u64 since)
{
	bool has = work_until(u, READ_ONCE(hall->failed_at));
	u64 at = READ_ONCE(hall->failed_at);
	u64 ms = at > since ? (at - since) / 1000000 : 0;

	pr_info("# failed after %llu ms\n", (unsigned long long)ms);
	ok(has, "it has failed");
#ifndef SANITIZED
	ok(ms <= DETECT_BAR_MS, "after %llu ms", (unsigned long long)ms);
#endif
}

#define US(u, other) \
	struct us u = { 0 }; \
	if (geteuid()) \
		skip("needs root"); \
	ARENA(); \
	if (!begin(&u, other)) \
	goto out

/* ------------------------------------------------------------- death and silence */

TEST(killed)
{
	u64 at, before;

	US(u, other_sinks);
	work(&u, LOAD_MS);
	at = now_ns();
	put_down(u.other);
	u.other = 0;
	noticed(&u, at);
	before = hall->submitted;
	work(&u, LOAD_MS);
	ok(hall->submitted > before + 10, "the source goes on");
out:
	end(&u);
}

TEST(killed_source)
{
	u64 at;

	US(u, other_submits);
	work(&u, LOAD_MS);
	at = now_ns();
	put_down(u.other);
	u.other = 0;
	noticed(&u, at);
	ok(work_until(&u, hall->sink.ends), "its end comes");
	work(&u, LOAD_MS);
	is_eq(hall->sink.ends, 1, "one end");
	is_eq(hall->sink.wrong, 0, "at the last that came");
	/* It may have died before it could count the last one. */
	ok(hall->sink.last <= hall->submitted + 1, "none that was not submitted");
out:
	end(&u);
}

static void stopped(int (*other)(void *arg), unsigned int ms, bool fails)
{
	u64 at;

	US(u, other);
	work(&u, LOAD_MS);
	at = now_ns();
	kill(u.other, SIGSTOP);
	work(&u, ms);
	kill(u.other, SIGCONT);
	if (fails) {
		noticed(&u, at);
		ok(work_until(&u, READ_ONCE(hall->joins) >= 2), "it has joined again");
	}
	work(&u, 2 * LOAD_MS);
	WRITE_ONCE(hall->stop, !!u.snk); /* the source has nothing more to say */
	work(&u, LOAD_MS);
	if (!fails)
		ok(!READ_ONCE(hall->failed_at) && !hall->sink.ends && !hall->sink.lost,
		   "nobody has noticed");
	all_accounted(&u);
out:
	end(&u);
}

TEST(stopped_sink)
{
	stopped(other_sinks, STOP_LONG_MS, true);
}

TEST(stopped_source)
{
	stopped(other_submits, STOP_LONG_MS, true);
}

TEST(stopped_shortly)
{
	stopped(other_sinks, STOP_SHORT_MS, false);
}

/* -------------------------------------------------------------------- slow wires */

static u64 node_of_link(struct us *u)
{
	struct kecho_link_info l = { 0 };

	return kecho_links(u->k, &l, 1) == 1 ? l.node : 0;
}

static bool throttle(pid_t host, const char *end)
{
	return net_do(host, "tc qdisc add dev %s root tbf rate %dkbit burst 8k latency 200ms", end,
		      SLOW_KBIT);
}

/* The wire is full all the time; heartbeats must come through, and not too late. */
TEST(throttled)
{
	u64 begin_ns, came, until, node;
	int64_t rtt, worst = 0;
	double rate;

	US(u, other_sinks);
	if (!ok(throttle(0, "fwa") && throttle(u.other, "fwb"), "tbf"))
		goto out;
	node = node_of_link(&u);
	begin_ns = now_ns();
	came = hall->sink.came;
	until = begin_ns + SLOW_MS * 1000000ull;
	while (now_ns() < until) {
		unsigned int i;

		for (i = 0; i < BURST; i++)
			submit_one(u.src, KECHO_DONTWAIT);
		sleep_us(BURST_EVERY_US);
		rtt = kecho_ping(u.k, node, 2 * PING_BAR_MS);
		ok(rtt >= 0, "a round trip: %s", kecho_explain());
		worst = max(worst, rtt);
	}
	rate = (hall->sink.came - came) * (EVENT_LEN + 24) * 8.0 / ((now_ns() - begin_ns) / 1e6);
	pr_info("# %.0f kbit/s of %d, round trip %.0f ms at most\n", rate, SLOW_KBIT, worst / 1e6);
	ok(rate >= SLOW_KBIT / 2, "%.0f kbit/s", rate);
	ok(worst <= PING_BAR_MS * 1000000ll, "%.0f ms", worst / 1e6);
	ok(!READ_ONCE(hall->failed_at) && !hall->sink.ends && !hall->sink.lost,
	   "nothing has failed");
	ok(net_do(0, "tc qdisc del dev fwa root"), "fast again");
	all_accounted(&u);
out:
	end(&u);
}

TESTS(fault, killed, killed_source, stopped_sink, stopped_source, stopped_shortly, throttled);
