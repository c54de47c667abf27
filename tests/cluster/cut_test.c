/* SPDX-License-Identifier: MIT */
/*
 * The link between two hosts is cut under load. A host is a network namespace:
 *
 *	near 10.99.0.1 [cut0]---veth---[cut1] 10.99.0.2 far
 *
 * A short cut loses and repeats nothing; after one that is longer than a host may
 * be silent each event has come or was said to be lost.
 */
#include <stdlib.h>

#include "cluster.h"

enum {
#ifdef SANITIZED
	SHORT_MS = 500,		/* TCP doubles its time to send again, and all is late */
#else
	SHORT_MS = 1000,
#endif
	LONG_MS = 4000,
	LOAD_MS = 500,
	EVENT_LEN = 256,
	PACE_US = 100,
};

#define CUT_REGISTRY "10.99.0.1:7390"

static struct hall {
	bool apart, wired, ready;
	struct given sink;
} *hall;

static int far_host(void *arg)
{
	const struct kecho_options opt = { .listen = "10.99.0.2", .registry = CUT_REGISTRY };
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho *k;

	(void)arg;
	if (unshare(CLONE_NEWNET))
		return 2;
	WRITE_ONCE(hall->apart, true);
	if (!comes_true(READ_ONCE(hall->wired)))
		return 3;
	if (system("ip addr add 10.99.0.2/24 dev cut1 && ip link set cut1 up && ip link set lo up"))
		return 4;
	if (kecho_open(&k, &opt) || kecho_channel_open(k, "cut", NULL, &ch) ||
	    kecho_sink_open(ch, &block, &s))
		return 5;
	WRITE_ONCE(hall->ready, true);
	for (;;)
		if (!kecho_read(s, &ev, -1))
			give(&hall->sink, &ev);
}

static bool wire(pid_t far)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "ip link add cut0 type veth peer name cut1 netns %d && "
		 "ip addr add 10.99.0.1/24 dev cut0 && ip link set cut0 up", far);
	return comes_true(READ_ONCE(hall->apart)) && !system(cmd);
}

static u64 load(struct kecho_source *s, u64 number, unsigned int ms)
{
	u64 buf[EVENT_LEN / sizeof(u64)], until = now_ns() + ms * 1000000ull;

	while (now_ns() < until) {
		stamp_write(buf, sizeof(buf), number + 1);
		/* While the link is down the log fills up. */
		number += !kecho_submit(s, buf, sizeof(buf), KECHO_DONTWAIT);
		sleep_us(PACE_US);
	}
	return number;
}

static void cut_under_load(struct kecho *k, unsigned int ms, bool lossless)
{
	struct kecho_channel *ch;
	struct kecho_source *s;
	u64 n;

	must(!kecho_channel_open(k, "cut", NULL, &ch) && !kecho_source_open(ch, NULL, &s), "%s",
	     kecho_explain());
	n = load(s, 0, LOAD_MS);
	must(!system("ip link set cut0 down"), "cut");
	n = load(s, n, ms);
	must(!system("ip link set cut0 up"), "healed");
	n = load(s, n, LOAD_MS);
	ok(comes_true(READ_ONCE(hall->sink.last) == n), "accounted for %llu of %llu",
	   (unsigned long long)hall->sink.last, (unsigned long long)n);
	is_eq(hall->sink.wrong, 0, "gaps, repeats or torn events");
	is_eq(hall->sink.came + hall->sink.lost, n, "came and lost");
	/* A node that is silent for long has failed, until it is heard again. */
	ok(hall->sink.ends <= !lossless, "%llu ends", (unsigned long long)hall->sink.ends);
	if (lossless)
		is_eq(hall->sink.lost, 0, "lost");
	pr_info("# cut of %u ms: %llu submitted, %llu came, %llu lost, %llu ends\n", ms,
		(unsigned long long)n, (unsigned long long)hall->sink.came,
		(unsigned long long)hall->sink.lost, (unsigned long long)hall->sink.ends);
}

static void cut(unsigned int ms, bool lossless)
{
	const struct kecho_options opt = { .listen = "10.99.0.1", .registry = CUT_REGISTRY };
	struct kecho *k = NULL;
	pid_t far;

	hall = shared(sizeof(*hall));
	must(hall, "memory");
	far = spawn(far_host, NULL);
	if (ok(wire(far), "veth") && ok(!kecho_open(&k, &opt), "%s", kecho_explain())) {
		WRITE_ONCE(hall->wired, true);
		if (ok(comes_true(READ_ONCE(hall->ready)), "the far host has joined"))
			cut_under_load(k, ms, lossless);
	}
	kecho_close(k);
	put_down(far);
	/* The namespace goes later than its process; its link may not stay so long. */
	if (system("ip link del cut0 2>/dev/null"))
		pr_info("# the link went with its host\n");
}

TEST(short_cut)
{
	if (geteuid())
		skip("needs root");
	ARENA();
	cut(SHORT_MS, true);
}

TEST(long_cut)
{
	if (geteuid())
		skip("needs root");
	ARENA();
	cut(LONG_MS, false);
}

TESTS(cut, short_cut, long_cut);
