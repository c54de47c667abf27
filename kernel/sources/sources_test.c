// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What kecho_load.ko and kecho_events.ko tell: they are loaded, with their own names of
 * channels, in the namespace of who loads this.
 */
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "kernel_test.h"
#include "uapi/kecho_sources.h"

static int open_sink(struct test_channel *t, const char *channel, enum kecho_policy policy,
		     struct kecho_sink **s)
{
	struct kecho_options opt = { .net = current->nsproxy->net_ns };
	struct kecho_sink_options sink = { .policy = policy };
	int err = kecho_open(&t->k, &opt);

	err = err ?: kecho_channel_open(t->k, channel, NULL, &t->ch);
	return err ?: kecho_sink_open(t->ch, &sink, s);
}

/* A kernel thread's name while it runs. */
static int pause(void *arg)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 3 << 8;
}

static int make_thread(const char *name)
{
	struct task_struct *p = kthread_run(pause, NULL, "%s", name);

	if (IS_ERR(p))
		return PTR_ERR(p);
	kthread_stop(p);
	return 0;
}

TEST(fork_and_exit)
{
	const struct kecho_exit *e;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct test_channel t;
	unsigned int forks = 0;
	bool ended = false;

	must(!open_sink(&t, "kernel.process", KECHO_LATEST, &s), "sink");
	must(!make_thread("kecho-was-here"), "thread");
	while (!ended && !kecho_read(s, &ev, SOON_MS)) {
		if (ev.kind != KECHO_EVENT)
			continue;
		e = ev.data;
		forks += ev.type == 1 && ev.len == sizeof(struct kecho_fork);
		ended = ev.type == 3 && !strcmp(e->comm, "kecho-was-here");
	}
	must(ended, "its exit is told");
	ok(forks, "and its fork");
	is_eq(ev.len, sizeof(*e), "length");
	ok(e->pid > 0 && e->tgid == e->pid && !e->uid, "who");
	ok(e->lived_ns > 0 && e->lived_ns < (u64)SOON_MS * NSEC_PER_MSEC, "how long it lived");
	test_close(&t);
}

/* Which lag behind, and then are told. */
TEST(what_is_missed_is_told)
{
	const struct kecho_exit *e;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct test_channel t;
	u64 missed = 0, last = 0, whole = 0;
	int i, err = 0;

	must(!open_sink(&t, "kernel.process", KECHO_BLOCK, &s), "sink");
	for (i = 0; i < 2500 && !err; i++)	/* each of them forks and exits */
		err = make_thread("kecho-many");
	is_eq(err, 0, "threads");
	while (!kecho_read(s, &ev, 0)) {	/* some exit late, and tell what was missed */
		is_eq(ev.kind, KECHO_EVENT, "nothing is lost on the way");
		e = ev.data;
		missed += e->missed;
		whole += !missed;
		last = ev.seq;
	}
	ok(whole > 1000, "the first are all there: %llu, and %llu", whole, missed);
	must(!make_thread("kecho-one"), "one more");
	must(!kecho_read(s, &ev, SOON_MS), "read");
	e = ev.data;
	is_eq(ev.seq, last + 1, "the next");
	missed += e->missed;
	ok(missed && missed + last >= 5000, "what was missed is told: %llu", missed);
	must(!kecho_read(s, &ev, SOON_MS), "read");
	e = ev.data;
	is_eq(e->missed, 0, "once");
	test_close(&t);
}

static void set_mtu(struct net_device *dev, int mtu)
{
	rtnl_lock();
	ok(!dev_set_mtu(dev, mtu), "MTU");
	rtnl_unlock();
}

TEST(netdev)
{
	struct net_device *lo = current->nsproxy->net_ns->loopback_dev;
	const struct kecho_netdev *e;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct test_channel t;
	int mtu = lo->mtu;

	must(!open_sink(&t, "kernel.netdev", KECHO_LATEST, &s), "sink");
	set_mtu(lo, mtu - 1);
	must(!kecho_read(s, &ev, SOON_MS), "read");
	e = ev.data;
	is_eq(ev.len, sizeof(*e), "length");
	is_str(e->happened, "mtu", "what");
	is_str(e->name, lo->name, "whose");
	ok(e->mtu == mtu - 1 && e->ifindex == lo->ifindex, "its state");
	set_mtu(lo, mtu);
	test_close(&t);
}

static bool plausible(const struct kecho_load *l)
{
	u64 all = l->user_ns + l->system_ns + l->irq_ns + l->steal_ns + l->iowait_ns + l->idle_ns;

	return ok(l->interval_ns, "an interval") &&
	       ok(l->cpus == num_online_cpus() && l->cpu_percent <= 100, "CPUs") &&
	       ok(all && all < 3 * l->cpus * l->interval_ns, "%llu of CPU time in %llu ns", all,
		  l->interval_ns) &&
	       ok(l->running && l->threads > l->running, "threads") &&
	       ok(l->memory_available_bytes < l->memory_total_bytes && l->memory_free_bytes,
		  "memory");
}

TEST(load)
{
	struct kecho_sink *s;
	struct kecho_event ev;
	struct test_channel t;
	u64 seq;
	int i;

	must(!open_sink(&t, "kernel.load", KECHO_LATEST, &s), "sink");
	for (i = 0; i < 5; i++) {
		must(!kecho_read(s, &ev, SOON_MS), "read");
		is_eq(ev.len, sizeof(struct kecho_load), "length");
		plausible(ev.data);
	}
	seq = ev.seq;
	kecho_sink_close(s);
	msleep(1000);
	must(!kecho_sink_open(t.ch, NULL, &s), "another");
	must(!kecho_read(s, &ev, SOON_MS), "read");
	ok(ev.seq <= seq + 2, "while nobody heard nothing was sampled: %llu", ev.seq - seq);
	test_close(&t);
}

TESTS(sources, fork_and_exit, what_is_missed_is_told, netdev, load);
