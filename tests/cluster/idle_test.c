/* SPDX-License-Identifier: MIT */
/*
 * Three nodes on two hosts with a hundred channels, and nothing to do, cost nothing; and hardly
 * more if all sources promise signs of life, and give them.
 *
 * Each node says for WINDOWS stretches of time what it ran. Its own doing is the same in
 * all; what neighbours do to its caches, and the host's interrupts, only add to it, so the
 * least counts.
 */
#include "cluster.h"

enum {
	NODES = 3,
	CHANNELS = 100,
	IDLE_MS = 10000,
	WINDOWS = 3,
	SETTLE_MS = 3000,
	CPU_BAR_US = 5000,
	ALIVE_MS = 5000,	/* what it costs is wake-ups, four in this time */
	BEAT_MS = 2000,
};

static struct hall {
	unsigned int alive_ms;
	int joined[NODES];
	u32 phase;		/* 1: all settle and idle; 2: all end */
	u64 cpu_ns[NODES][WINDOWS];
	bool measured[NODES];
} *hall;

/* A window goes by, with signs of life of these sources. */
static void idle(struct kecho_source *const *src, int n)
{
	int i, ms;

	if (!hall->alive_ms) {
		sleep_us(IDLE_MS * 1000);
		return;
	}
	for (ms = 0; ms < IDLE_MS; ms += BEAT_MS) {
		for (i = 0; i < n; i++)
			kecho_source_alive(src[i]);
		sleep_us(BEAT_MS * 1000);
	}
}

static bool join(struct kecho *k, int i, bool source, struct kecho_source **src)
{
	struct kecho_source_options opt = { .alive_ms = hall->alive_ms };
	struct kecho_channel *ch;
	struct kecho_sink *snk;
	char name[16];

	snprintf(name, sizeof(name), "idle-%d", i);
	return !kecho_channel_open(k, name, NULL, &ch) &&
	       !(source ? kecho_source_open(ch, &opt, src) : kecho_sink_open(ch, NULL, &snk));
}

static int node(void *arg)
{
	struct kecho_options opt = { .registry = REGISTRY };
	struct kecho_source *src[CHANNELS];
	struct kecho *k;
	int i, n = 0, me = *(int *)arg;
	u64 begin;

	opt.listen = me ? "127.0.0.2" : "127.0.0.1";
	if (kecho_open(&k, &opt))
		return 1;
	for (i = 0; i < CHANNELS; i++) {
		if (!join(k, i, (i + me) % NODES == 0, &src[n]))
			return 1;
		n += (i + me) % NODES == 0;
	}
	WRITE_ONCE(hall->joined[me], 1);
	while (!smp_load_acquire(&hall->phase))
		sleep_us(STEP_US);
	sleep_us(SETTLE_MS * 1000);
	for (i = 0; i < WINDOWS; i++) {
		begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		idle(src, n);
		hall->cpu_ns[me][i] = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
	}
	smp_store_release(&hall->measured[me], true);
	while (smp_load_acquire(&hall->phase) < 2)
		sleep_us(10000);
	kecho_close(k);
	return 0;
}

static u64 least_us(const u64 ns[WINDOWS])
{
	u64 least = ns[0];
	int i;

	for (i = 0; i < WINDOWS; i++) {
		pr_info("#   %.2f ms of CPU in %d s\n", ns[i] / 1e6, IDLE_MS / 1000);
		least = min(least, ns[i]);
	}
	return least / 1000;
}

static void nodes_idle(unsigned int alive_ms)
{
	pid_t pid[NODES];
	int i, me[NODES];
	u64 us;

	hall = shared(sizeof(*hall));
	must(hall, "memory");
	hall->alive_ms = alive_ms;
	for (i = 0; i < NODES; i++) {
		me[i] = i;
		pid[i] = spawn(node, &me[i]);
		ok(comes_true(READ_ONCE(hall->joined[i])), "node %d has joined", i);
	}
	smp_store_release(&hall->phase, 1);
	sleep_us((SETTLE_MS + WINDOWS * IDLE_MS) * 1000);
	for (i = 0; i < NODES; i++) {
		ok(comes_true(smp_load_acquire(&hall->measured[i])), "node %d is alive", i);
		us = least_us(hall->cpu_ns[i]);
		ok(us <= CPU_BAR_US, "node %d: %llu us", i, (unsigned long long)us);
	}
	smp_store_release(&hall->phase, 2);
	for (i = 0; i < NODES; i++)
		is_eq(ends(pid[i]), 0, "node %d ends", i);
}

TEST(nothing_to_do)
{
	ARENA();
	nodes_idle(0);
}

TEST(signs_of_life)
{
	ARENA();
	nodes_idle(ALIVE_MS);
}

TESTS(idle, nothing_to_do, signs_of_life);
