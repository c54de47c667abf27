/* SPDX-License-Identifier: MIT */
/* Three nodes on two hosts with a hundred channels, and nothing to do, cost nothing. */
#include "cluster.h"

enum {
	NODES = 3,
	CHANNELS = 100,
	IDLE_MS = 10000,
	SETTLE_MS = 3000,
	CPU_BAR_US = 5000,
};

static struct hall {
	int joined[NODES];
	u32 phase;		/* 1: all settle and idle; 2: all end */
	u64 cpu_ns[NODES];
	bool measured[NODES];
} *hall;

static int node(void *arg)
{
	struct kecho_options opt = { .registry = REGISTRY };
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;
	char name[16];
	int i, me = *(int *)arg;
	u64 begin;

	opt.listen = me ? "127.0.0.2" : "127.0.0.1";
	if (kecho_open(&k, &opt))
		return 1;
	for (i = 0; i < CHANNELS; i++) {
		snprintf(name, sizeof(name), "idle-%d", i);
		if (kecho_channel_open(k, name, NULL, &ch) ||
		    (i + me) % NODES == 0 ? kecho_source_open(ch, NULL, &src) :
					    kecho_sink_open(ch, NULL, &snk))
			return 1;
	}
	WRITE_ONCE(hall->joined[me], 1);
	while (!smp_load_acquire(&hall->phase))
		sleep_us(STEP_US);
	sleep_us(SETTLE_MS * 1000);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_us(IDLE_MS * 1000);
	hall->cpu_ns[me] = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
	smp_store_release(&hall->measured[me], true);
	while (smp_load_acquire(&hall->phase) < 2)
		sleep_us(10000);
	kecho_close(k);
	return 0;
}

TEST(idle)
{
	pid_t pid[NODES];
	int i, me[NODES];

	ARENA();
	hall = shared(sizeof(*hall));
	must(hall, "memory");
	for (i = 0; i < NODES; i++) {
		me[i] = i;
		pid[i] = spawn(node, &me[i]);
		ok(comes_true(READ_ONCE(hall->joined[i])), "node %d has joined", i);
	}
	smp_store_release(&hall->phase, 1);
	sleep_us((SETTLE_MS + IDLE_MS) * 1000);
	for (i = 0; i < NODES; i++) {
		ok(comes_true(smp_load_acquire(&hall->measured[i])), "node %d is alive", i);
		pr_info("# node %d: %.2f ms of CPU in %d s\n", i, hall->cpu_ns[i] / 1e6,
			IDLE_MS / 1000);
		ok(hall->cpu_ns[i] <= CPU_BAR_US * 1000ull, "node %d: %llu us", i,
		   (unsigned long long)hall->cpu_ns[i] / 1000);
	}
	smp_store_release(&hall->phase, 2);
	for (i = 0; i < NODES; i++)
		is_eq(ends(pid[i]), 0, "node %d ends", i);
}

TESTS(idle, idle);
