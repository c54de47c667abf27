// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Data that is taken in softirq: that it is, and that links, sinks and nodes may go meanwhile.
 */
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sort.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "link_test.h"

enum {
	EVENTS = 100,		/* one after the other */
	ROUNDS = 20,
	SOME = 30,		/* events of a round */
	STEADY = 2000,
	LATE_MS = 3000,		/* no word of a node: it counts as dead */
};

/* ------------------------------------------------------------ works that receive */

static atomic_t works;

static void work_begins(void *arg, struct work_struct *work)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, (unsigned long)work->func);
	if (!strcmp(name, "receive_work [kecho]"))
		atomic_inc(&works);
}

static void look(struct tracepoint *point, void *found)
{
	if (!strcmp(point->name, "workqueue_execute_start"))
		*(struct tracepoint **)found = point;
}

/* NULL: they can't be counted. */
static struct tracepoint *count_works(void)
{
	struct tracepoint *point = NULL;

	for_each_kernel_tracepoint(look, &point);
	if (!point || tracepoint_probe_register(point, work_begins, NULL))
		return NULL;
	return point;
}

static void count_no_more(struct tracepoint *point)
{
	tracepoint_probe_unregister(point, work_begins, NULL);
	tracepoint_synchronize_unregister();
}

/* ---------------------------------------------------------------- one at a time */

struct one {
	struct completion came;
	u64 ns[EVENTS];		/* from its submission to the callback */
	unsigned int n;
	int works;		/* that had begun by then */
	bool softirq;
};

static void one_came(void *arg, const struct kecho_event *ev)
{
	struct one *one = arg;

	if (ev->kind != KECHO_EVENT || one->n == EVENTS)
		return;
	one->ns[one->n++] = ktime_get_real_ns() - ev->time_ns;
	one->works = atomic_read(&works);
	one->softirq = in_serving_softirq();
	complete(&one->came);
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* How many of EVENTS came before any work had begun to receive. */
static unsigned int came_alone(struct kecho_source *src, struct one *one)
{
	unsigned int i, alone = 0;
	int before;

	for (i = 0; i < EVENTS; i++) {
		msleep(3);
		before = atomic_read(&works);
		if (kecho_submit(src, &i, sizeof(i), 0) ||
		    !wait_for_completion_timeout(&one->came, msecs_to_jiffies(SOON_MS)))
			break;
		alone += one->works == before;
	}
	is_eq(i, EVENTS, "all came");
	sort(one->ns, EVENTS, sizeof(one->ns[0]), compare, NULL);
	pr_info("# in %s: %u of %u with no work, in %llu us (median)\n",
		one->softirq ? "softirq" : "a thread", alone, EVENTS, one->ns[EVENTS / 2] / 1000);
	return alone;
}

static void one_by_one(enum kecho_context context)
{
	static struct one one;
	struct kecho_sink_options opt = { .fn = one_came, .arg = &one, .context = context };
	struct kecho_source *src;
	struct kecho_sink *s;
	struct two t;

	memset(&one, 0, sizeof(one));
	init_completion(&one.came);
	must(!open_two(&t, "one"), "open");
	must(!kecho_sink_open(t.ch[1], &opt, &s) && !open_source(t.ch[0], &src), "members");
	/* Heartbeats come by works, of both nodes. */
	ok(came_alone(src, &one) > EVENTS * 3 / 4, "most came without one");
	is_eq(one.softirq, context == KECHO_SOFTIRQ, "where it was asked for");
	close_two(&t);
}

/* Of an event that comes alone no work knows, whoever gets it. */
TEST(no_work)
{
	struct tracepoint *point = count_works();

	must(point, "tracepoint");
	one_by_one(KECHO_SOFTIRQ);
	one_by_one(KECHO_THREAD);
	ok(atomic_read(&works) > 0, "works are seen");
	count_no_more(point);
}

/* ---------------------------------------------------------------------- traffic */

struct traffic {
	struct kecho_source *src;
	struct task_struct *task;
};

static int submit_on(void *arg)
{
	struct traffic *tr = arg;
	u8 payload[300] = { 0 };
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 4; i++)
			kecho_submit(tr->src, payload, sizeof(payload), 0);
		usleep_range(500, 1000);
	}
	return 0;
}

static bool traffic_begins(struct traffic *tr, struct kecho_channel *ch)
{
	if (open_source(ch, &tr->src))
		return false;
	tr->task = kthread_run(submit_on, tr, "kecho-traffic");
	return !IS_ERR(tr->task);
}

static void traffic_ends(struct traffic *tr)
{
	kthread_stop(tr->task);
	kecho_source_close(tr->src);
}

struct heard {
	u64 source, seq, n;
	bool wrong;
};

/* Of one source after the other each event, or that it is lost, once and in order. */
static void hear(void *arg, const struct kecho_event *ev)
{
	struct heard *h = arg;

	if (ev->source != h->source)
		h->seq = 0;
	h->source = ev->source;
	if (ev->kind == KECHO_EVENT) {
		h->wrong |= h->seq && ev->seq != h->seq + 1;
		h->seq = ev->seq;
		WRITE_ONCE(h->n, h->n + 1);
	} else if (ev->kind == KECHO_LOST) {
		h->wrong |= h->seq && ev->seq != h->seq + 1;
		h->seq = ev->last_seq;
	} else {
		h->seq = 0;
	}
}

static bool hears(struct heard *h, u64 more)
{
	unsigned long until = jiffies + msecs_to_jiffies(SOON_MS);
	u64 from = READ_ONCE(h->n);

	while (READ_ONCE(h->n) - from < more && time_before(jiffies, until))
		msleep(1);
	return READ_ONCE(h->n) - from >= more;
}

static int open_hearing(struct kecho_channel *ch, struct heard *h, enum kecho_policy policy,
			struct kecho_sink **s)
{
	struct kecho_sink_options opt = { .fn = hear, .arg = h, .context = KECHO_SOFTIRQ,
					  .policy = policy };

	memset(h, 0, sizeof(*h));
	return kecho_sink_open(ch, &opt, s);
}

/* An ACK for each quarter of a mirror is said by a work, which may take what comes then. */
static void steadily(struct two *t)
{
	struct kecho_sink *s;
	struct traffic tr;
	struct heard h;
	u64 n;

	must(!open_hearing(t->ch[1], &h, KECHO_BLOCK, &s), "sink");
	must(traffic_begins(&tr, t->ch[0]), "traffic");
	ok(hears(&h, SOME), "it hears");
	atomic_set(&works, 0);
	n = READ_ONCE(h.n);
	hears(&h, STEADY);
	n = READ_ONCE(h.n) - n;
	pr_info("# of %llu events: %d works\n", n, atomic_read(&works));
	ok(n >= STEADY && atomic_read(&works) < n / 4, "few works");
	traffic_ends(&tr);
	kecho_sink_close(s);
}

TEST(few_works)
{
	struct tracepoint *point = count_works();
	struct two t;

	must(point, "tracepoint");
	if (ok(!open_two(&t, "steady"), "open")) {
		steadily(&t);
		close_two(&t);
	}
	count_no_more(point);
}

/* Streams end and begin anew, gated or not, while their data comes. */
TEST(sinks_come_and_go)
{
	struct kecho_sink *s;
	struct traffic tr;
	struct heard h;
	struct two t;
	int i, n = 0;

	must(!open_two(&t, "come-and-go"), "open");
	must(traffic_begins(&tr, t.ch[0]), "traffic");
	for (i = 0; i < ROUNDS; i++) {
		must(!open_hearing(t.ch[1], &h, i % 2 ? KECHO_BLOCK : KECHO_LATEST, &s), "sink");
		n += hears(&h, SOME) && !h.wrong;
		kecho_sink_close(s);
	}
	is_eq(n, ROUNDS, "each hears in order");
	traffic_ends(&tr);
	close_two(&t);
}

/* One sink reads on while others begin and end. */
TEST(one_stays)
{
	struct kecho_sink *stays, *s;
	struct heard h, other;
	struct traffic tr;
	struct two t;
	int i;

	must(!open_two(&t, "stays"), "open");
	must(!open_hearing(t.ch[1], &h, KECHO_LATEST, &stays), "sink");
	must(traffic_begins(&tr, t.ch[0]), "traffic");
	for (i = 0; i < ROUNDS; i++) {
		must(!open_hearing(t.ch[1], &other, KECHO_BLOCK, &s), "another");
		msleep(10);
		kecho_sink_close(s);
	}
	ok(hears(&h, SOME) && !h.wrong, "it hears on, in order");
	traffic_ends(&tr);
	close_two(&t);
}

/* With its node the link goes. */
TEST(nodes_come_and_go)
{
	struct kecho_sink *s;
	struct traffic tr;
	struct heard h;
	struct two t;
	int i, n = 0, err = 0;

	must(!open_two(&t, "nodes"), "open");
	must(traffic_begins(&tr, t.ch[0]), "traffic");
	for (i = 0; i < ROUNDS && !err; i++) {
		struct kecho_options opt = { .net = t.net };

		err = open_hearing(t.ch[1], &h, KECHO_LATEST, &s);
		n += !err && hears(&h, SOME) && !h.wrong;
		kecho_close(t.k[1]);
		t.k[1] = NULL;
		err = err ?: kecho_open(&t.k[1], &opt);
		err = err ?: kecho_channel_open(t.k[1], "nodes", NULL, &t.ch[1]);
	}
	is_eq(n, ROUNDS, "each hears in order (%d)", err);
	traffic_ends(&tr);
	close_two(&t);
}

/* The source's node goes while what it says comes. */
TEST(sources_come_and_go)
{
	struct kecho_sink *s;
	struct traffic tr;
	struct heard h;
	struct two t;
	int i, n = 0, err = 0;

	must(!open_two(&t, "sources"), "open");
	must(!open_hearing(t.ch[1], &h, KECHO_BLOCK, &s), "sink");
	for (i = 0; i < ROUNDS && !err; i++) {
		struct kecho_options opt = { .net = current->nsproxy->net_ns };

		must(traffic_begins(&tr, t.ch[0]), "traffic");
		n += hears(&h, SOME) && !h.wrong;
		traffic_ends(&tr);
		kecho_close(t.k[0]);
		t.k[0] = NULL;
		err = kecho_open(&t.k[0], &opt);
		err = err ?: kecho_channel_open(t.k[0], "sources", NULL, &t.ch[0]);
	}
	is_eq(n, ROUNDS, "each is heard in order (%d)", err);
	close_two(&t);
}

static void set_up(struct net *net, bool up)
{
	struct net_device *dev;

	rtnl_lock();
	dev = __dev_get_by_name(net, "veth0");
	if (!dev)
		tap_fail("there is no veth0");
	else if (!up)
		dev_close(dev);
	else
		is_eq(dev_open(dev, NULL), 0, "up");
	rtnl_unlock();
}

/* For a moment, and for so long that either node counts as dead. */
TEST(link_breaks)
{
	struct kecho_sink *s;
	struct traffic tr;
	struct heard h;
	struct two t;

	must(!open_two(&t, "breaks"), "open");
	must(!open_hearing(t.ch[1], &h, KECHO_LATEST, &s), "sink");
	must(traffic_begins(&tr, t.ch[0]), "traffic");
	ok(hears(&h, SOME), "it hears");
	set_up(t.net, false);
	msleep(300);
	set_up(t.net, true);
	ok(hears(&h, SOME), "again");
	set_up(t.net, false);
	msleep(LATE_MS);
	set_up(t.net, true);
	ok(hears(&h, SOME), "and again");
	ok(!h.wrong, "in order");
	traffic_ends(&tr);
	close_two(&t);
}

TESTS(data, no_work, few_works, sinks_come_and_go, one_stays, nodes_come_and_go,
      sources_come_and_go, link_breaks);
