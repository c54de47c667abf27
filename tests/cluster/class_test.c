/* SPDX-License-Identifier: MIT */
/*
 * Classes of sources on a wire that is full. Sources are here, in this test's namespace, the
 * sink that reads them all in another:
 *
 *	us 10.95.0.1 [cla]---20 Mbit/s---[clb] 10.95.0.2 other
 *
 * What is urgent is not held up by bulk, which is held up no more than it must be; and nothing
 * is lost or comes in another order.
 */
#include <stdlib.h>

#include "net.h"

enum {
	WIRE_KBIT = 20000,
	EVENT_LEN = 128,
	BULK_LEN = 30000,
	LOG_SIZE = 1 << 20,
	SOURCES = 2,
	PACE_US = 10000,
#ifdef SANITIZED
	FULL_MS = 1000,
#else
	FULL_MS = 3000,
#endif
	/* What is urgent waits for a frame and what the socket and the wire hold: some 25 ms.
	 * Without classes it is several hundred. A busy host may be slow, now and then. */
	URGENT_LATE_MS = 100,
	LATE_OF_ALL = 4,
};

#define CLASS_REGISTRY "10.95.0.1:7390"

/* Both processes'. Each field has one writer. */
static struct hall {
	bool apart, wired, ready, stop;
	u64 id[SOURCES];	/* of the sources */
	struct given of[SOURCES];
	u64 bytes[SOURCES];
	u64 worst_ns[SOURCES];	/* from submission to the sink */
	u64 late;		/* events of the first that took longer than they may */
	unsigned int classes;	/* of sources that the other sees: a digit each, sorted */
} * hall;

static void take(const struct kecho_event *ev)
{
	u64 took;
	int i;

	for (i = 0; i < SOURCES; i++) {
		if (READ_ONCE(hall->id[i]) != ev->source)
			continue;
		give(&hall->of[i], ev);
		if (ev->kind != KECHO_EVENT)
			return;
		took = clock_ns(CLOCK_REALTIME) - ev->time_ns;
		WRITE_ONCE(hall->bytes[i], hall->bytes[i] + ev->len);
		if (took > hall->worst_ns[i])
			WRITE_ONCE(hall->worst_ns[i], took);
		hall->late += !i && took > URGENT_LATE_MS * 1000000ull;
	}
}

static void look_at_members(struct kecho_channel *ch)
{
	struct kecho_member m[8];
	unsigned int of[3] = { 0 }, i;
	ssize_t n = kecho_members(ch, m, 8);

	for (i = 0; n > 0 && i < (unsigned int)min_t(ssize_t, n, 8); i++)
		if (m[i].role == KECHO_SOURCE && m[i].traffic_class <= KECHO_BULK)
			of[m[i].traffic_class]++;
	WRITE_ONCE(hall->classes, 100 * of[KECHO_URGENT] + 10 * of[KECHO_NORMAL] + of[KECHO_BULK]);
}

static int other(void *arg)
{
	const struct kecho_options opt = { .listen = "10.95.0.2", .registry = CLASS_REGISTRY };
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct kecho *k;

	(void)arg;
	if (!host_apart(&hall->apart) || !comes_true(READ_ONCE(hall->wired)))
		return 1;
	if (kecho_open(&k, &opt) || kecho_channel_open(k, "class", NULL, &ch) ||
	    kecho_sink_open(ch, &block, &s))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!READ_ONCE(hall->stop)) {
		if (!kecho_read(s, &ev, 20))
			take(&ev);
		look_at_members(ch);
	}
	return 0;
}

/* ------------------------------------------------------------------- this host */

struct us {
	int fds;
	pid_t other;
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src[SOURCES];
	u64 submitted[SOURCES];
};

static bool open_source(struct us *u, int i, enum kecho_class class)
{
	struct kecho_source_options opt = { .log_size = LOG_SIZE, .traffic_class = class };

	if (!ok(!kecho_source_open(u->ch, &opt, &u->src[i]), "%s", kecho_explain()))
		return false;
	u->submitted[i] = 0;
	memset(&hall->of[i], 0, sizeof(hall->of[i]));
	WRITE_ONCE(hall->id[i], kecho_source_id(u->src[i]));
	return true;
}

static bool begin(struct us *u)
{
	const struct kecho_options opt = { .listen = "10.95.0.1", .registry = CLASS_REGISTRY };

	u->fds = fds_of(getpid());
	hall = shared(sizeof(*hall));
	u->other = hall ? spawn(other, NULL) : -1;
	if (!ok(hall && comes_true(READ_ONCE(hall->apart)) &&
			net_wire("cl", 0, "10.95.0.1", u->other, "10.95.0.2") &&
			net_do(0, "tc qdisc add dev cla root tbf rate %dkbit burst 16k latency "
				  "50ms", WIRE_KBIT),
		"the network") ||
	    !ok(!kecho_open(&u->k, &opt) && !kecho_channel_open(u->k, "class", NULL, &u->ch), "%s",
		kecho_explain()))
		return false;
	WRITE_ONCE(hall->wired, true);
	return ok(comes_true(READ_ONCE(hall->ready)), "the other host has joined");
}

static void end(struct us *u)
{
	if (hall)
		WRITE_ONCE(hall->stop, true);
	kecho_close(u->k);
	ends(u->other);
	ok(net_gone(u->fds), "nothing is left");
}

/* Whether it did not fail for another reason than a full log. */
static bool submit_one(struct us *u, int i, size_t len)
{
	static u64 buf[BULK_LEN / sizeof(u64) + 1];
	int err;

	stamp_write(buf, len, u->submitted[i] + 1);
	err = kecho_submit(u->src[i], buf, len, KECHO_DONTWAIT);
	u->submitted[i] += !err;
	return !err || err == -EAGAIN;
}

static bool fill(struct us *u, int i, size_t len)
{
	u64 before;

	do {
		before = u->submitted[i];
		if (!ok(submit_one(u, i, len), "%s", kecho_explain()))
			return false;
	} while (u->submitted[i] != before);
	return true;
}

static double kbit(u64 bytes, u64 ns)
{
	return bytes * 8e6 / ns;
}

/* Everything that was submitted came, in order. */
static void all_came(struct us *u)
{
	int i;

	for (i = 0; i < SOURCES; i++) {
		if (!u->src[i])
			continue;
		ok(comes_true(READ_ONCE(hall->of[i].last) == u->submitted[i]), "source %d: all",
		   i);
		is_eq(hall->of[i].wrong + hall->of[i].lost, 0, "source %d: whole, in order", i);
	}
}

#define US(u) \
	struct us u = { 0 }; \
	if (geteuid()) \
		skip("needs root"); \
	if (with_node()) \
		skip("a host's node is in one namespace"); \
	ARENA(); \
	if (!begin(&u)) \
	goto out

TEST(urgent_beside_bulk)
{
	u64 start, until, bytes;
	double rate;

	US(u);
	if (!open_source(&u, 0, KECHO_URGENT) || !open_source(&u, 1, KECHO_BULK))
		goto out;
	if (!fill(&u, 1, BULK_LEN))
		goto out;
	sleep_us(300000);
	start = now_ns();
	bytes = READ_ONCE(hall->bytes[1]);
	for (until = start + FULL_MS * 1000000ull; now_ns() < until; sleep_us(PACE_US))
		if (!fill(&u, 1, BULK_LEN) || !ok(submit_one(&u, 0, EVENT_LEN), "urgent"))
			goto out;
	rate = kbit(READ_ONCE(hall->bytes[1]) - bytes, now_ns() - start);
	all_came(&u);
	pr_info("# urgent: %.1f ms at most; bulk: %.0f of %d kbit/s, %.0f ms at most\n",
		hall->worst_ns[0] / 1e6, rate, WIRE_KBIT, hall->worst_ns[1] / 1e6);
	ok(rate >= .7 * WIRE_KBIT, "bulk has the rest: %.0f kbit/s", rate);
#ifndef SANITIZED
	ok(hall->late <= u.submitted[0] / LATE_OF_ALL, "%llu of %llu were late",
	   (unsigned long long)hall->late, (unsigned long long)u.submitted[0]);
#endif
out:
	end(&u);
}

/* Bulk has its share, and the link its heartbeats. */
TEST(urgent_never_pauses)
{
	u64 until, bytes[SOURCES];
	struct kecho_link_info l = { 0 };
	int i;

	US(u);
	if (!open_source(&u, 0, KECHO_URGENT) || !open_source(&u, 1, KECHO_BULK))
		goto out;
	is_eq(kecho_links(u.k, &l, 1), 1, "a link");
	until = now_ns() + FULL_MS * 1000000ull;
	while (now_ns() < until) {
		for (i = 0; i < SOURCES; i++)
			if (!fill(&u, i, BULK_LEN))
				goto out;
		ok(kecho_ping(u.k, l.node, SOON_MS) >= 0, "a round trip: %s", kecho_explain());
		sleep_us(PACE_US);
	}
	for (i = 0; i < SOURCES; i++)
		bytes[i] = READ_ONCE(hall->bytes[i]);
	pr_info("# %llu bytes urgent, %llu bulk\n", (unsigned long long)bytes[0],
		(unsigned long long)bytes[1]);
	ok(bytes[0] > 2 * bytes[1], "urgent has more");
	ok(bytes[1] > bytes[0] / 50, "bulk has some");
	all_came(&u);
out:
	end(&u);
}

/* A source that is opened again may be of another class; all see that. */
TEST(reopened)
{
	US(u);
	if (!open_source(&u, 0, KECHO_URGENT) || !open_source(&u, 1, KECHO_BULK))
		goto out;
	ok(comes_true(READ_ONCE(hall->classes) == 101), "seen there");
	if (!fill(&u, 1, BULK_LEN) || !fill(&u, 0, EVENT_LEN))
		goto out;
	kecho_source_close(u.src[0]);
	u.src[0] = NULL;
	if (!open_source(&u, 0, KECHO_BULK))
		goto out;
	ok(comes_true(READ_ONCE(hall->classes) == 2), "as it is now");
	if (fill(&u, 0, EVENT_LEN))
		all_came(&u);
out:
	end(&u);
}

/* On one host a class means nothing, but is seen too. */
TEST(members)
{
	struct kecho_source_options opt = { 0 };
	struct kecho *k[2] = { NULL };
	struct kecho_channel *ch[2];
	struct kecho_source *s;
	struct kecho_member m[2];
	unsigned int i;

	ARENA();
	for (i = 0; i < 2; i++)
		if (!ok(!kecho_open(&k[i], NULL) &&
				!kecho_channel_open(k[i], "members", NULL, &ch[i]),
			"%s", kecho_explain()))
			goto out;
	for (i = KECHO_NORMAL; i <= KECHO_BULK; i++) {
		opt.traffic_class = i;
		if (!ok(!kecho_source_open(ch[0], &opt, &s), "%s", kecho_explain()))
			goto out;
		is_eq(kecho_members(ch[0], m, 2), 1, "the source");
		is_eq(m[0].traffic_class, i, "its own process sees it");
		ok(comes_true(kecho_members(ch[1], m, 2) == 1 && m[0].traffic_class == i),
		   "the other does");
		kecho_source_close(s);
	}
	opt.traffic_class = i;
	is_eq(kecho_source_open(ch[0], &opt, &s), -EINVAL, "a class that is none");
	ok(strstr(kecho_explain(), "class"), "said: %s", kecho_explain());
out:
	kecho_close(k[0]);
	kecho_close(k[1]);
}

TESTS(class, members, urgent_beside_bulk, urgent_never_pauses, reopened);
