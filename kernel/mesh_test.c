// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Nodes in several network namespaces of one kernel, in one channel: each is a source and a
 * sink, those with an even number in softirq, and their sources wait for them. What happens to
 * the wires between them meanwhile is up to who loads this: each event comes, or is told to be
 * lost, at every sink. The namespaces are those of the processes `pids`.
 */
#include <linux/moduleparam.h>
#include <linux/workqueue.h>

#include <net/net_namespace.h>

#include "kernel_test.h"

enum {
	NODES_MAX = 8,
	ROUND_MS = 5,
	SETTLE_MS = 60000,	/* TCP doubles its time to send again */
};

static int pids[NODES_MAX];
static unsigned int nodes;
module_param_array(pids, int, &nodes, 0);
MODULE_PARM_DESC(pids, "a process in each namespace");
static unsigned int seconds = 2;
module_param(seconds, uint, 0);
MODULE_PARM_DESC(seconds, "how long all submit");
static bool lossless = true;
module_param(lossless, bool, 0);
MODULE_PARM_DESC(lossless, "nothing may be lost by who waits");
static int leaves = -1;
module_param(leaves, int, 0);
MODULE_PARM_DESC(leaves, "this node goes when half of the time is over");

static bool talking;
module_param(talking, bool, 0444);
MODULE_PARM_DESC(talking, "all are there, and the first events under way");

struct mesh_event {
	u64 node, number;
	u8 rest[400];
};

/* By one sink, of one source. */
struct heard {
	u64 last, came, lost, ends, wrong;
};

struct mesh_node {
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	u64 id, submitted;	/* of its source */
	u64 strangers;		/* events of a source that is none of ours */
	struct heard heard[NODES_MAX];
};

static struct mesh_node node[NODES_MAX];

static bool is_gone(unsigned int i)
{
	return !READ_ONCE(node[i].src);
}

static void give(struct heard *h, const struct kecho_event *ev, unsigned int from)
{
	const struct mesh_event *e = ev->data;

	if (ev->kind == KECHO_ENDED) {
		h->wrong += ev->last_seq != h->last;
		WRITE_ONCE(h->ends, h->ends + 1);
		return;
	}
	h->wrong += ev->seq != h->last + 1;
	if (ev->kind == KECHO_LOST) {
		h->lost += ev->last_seq - ev->seq + 1;
		smp_store_release(&h->last, ev->last_seq);
		return;
	}
	h->wrong += ev->len != sizeof(*e) || e->node != from || e->number != ev->seq;
	h->came++;
	smp_store_release(&h->last, ev->seq);
}

static void hear(void *arg, const struct kecho_event *ev)
{
	struct mesh_node *n = arg;
	unsigned int i;

	for (i = 0; i < nodes && node[i].id != ev->source; i++)
		;
	if (i < nodes)
		give(&n->heard[i], ev, i);
	else
		n->strangers++;
}

static int open_node(unsigned int i)
{
	struct kecho_options opt = { .net = get_net_ns_by_pid(pids[i]) };
	struct kecho_channel_options patient = { .timeout_ms = SETTLE_MS };
	struct kecho_sink_options sink = {
		.fn = hear, .arg = &node[i],
		.policy = i % 2 ? KECHO_LATEST : KECHO_BLOCK,
		.context = i % 2 ? KECHO_THREAD : KECHO_SOFTIRQ,
	};
	struct mesh_node *n = &node[i];
	int err;

	if (IS_ERR(opt.net))
		return PTR_ERR(opt.net);
	err = kecho_open(&n->k, &opt);
	put_net(opt.net);
	err = err ?: kecho_channel_open(n->k, "mesh", &patient, &n->ch);
	return err ?: kecho_sink_open(n->ch, &sink, &n->snk);
}

static int open_source(unsigned int i)
{
	struct kecho_source_options opt = { .log_size = KECHO_LOG_SIZE_MIN };
	int err = kecho_source_open(node[i].ch, &opt, &node[i].src);

	if (!err)
		node[i].id = kecho_source_id(node[i].src);
	return err;
}

static void close_all(void)
{
	unsigned int i;

	for (i = 0; i < nodes; i++)
		kecho_close(node[i].k);
}

/* All sinks are there before the first source, so each hears all. */
static bool open_all(void)
{
	unsigned int i;
	int err = 0;

	memset(node, 0, sizeof(node));
	for (i = 0; i < nodes && is_eq(err, 0, "%u nodes are there", i); i++)
		err = open_node(i);
	for (i = 0; i < nodes && is_eq(err, 0, "%u sources are there", i); i++)
		err = open_source(i);
	if (is_eq(err, 0, "all are there"))
		return true;
	close_all();
	return false;
}

static void go(struct work_struct *work)
{
	struct kecho *k = node[leaves].k;

	node[leaves].k = NULL;
	kecho_close(k);
}

static DECLARE_WORK(going, go);

static void submit_one(struct mesh_node *n)
{
	struct mesh_event e = { .node = n - node, .number = n->submitted + 1 };
	int err = kecho_submit(n->src, &e, sizeof(e), 0);

	n->submitted += !err;
	if (err)
		ok(err == -EAGAIN, "node %u: %d", (unsigned int)e.node, err);
}

static void load(void)
{
	unsigned long half = jiffies + seconds * HZ / 2, end = jiffies + seconds * HZ;
	unsigned int i;

	WRITE_ONCE(talking, true);
	while (time_before(jiffies, end)) {
		if (leaves >= 0 && !is_gone(leaves) && time_after(jiffies, half)) {
			node[leaves].src = NULL;	/* closing is the work's */
			schedule_work(&going);
		}
		for (i = 0; i < nodes; i++)
			if (!is_gone(i))
				submit_one(&node[i]);
		msleep(ROUND_MS);
	}
	flush_work(&going);
}

static bool settled(const struct heard *h, unsigned int from)
{
	if (is_gone(from))
		return READ_ONCE(h->ends);
	return smp_load_acquire(&h->last) == node[from].submitted;
}

static bool all_settled(void)
{
	unsigned int i, j;

	for (i = 0; i < nodes; i++)
		for (j = 0; j < nodes && !is_gone(i); j++)
			if (!settled(&node[i].heard[j], j))
				return false;
	return true;
}

static void settle(void)
{
	unsigned long until = jiffies + msecs_to_jiffies(SETTLE_MS);

	while (!all_settled() && time_before(jiffies, until))
		msleep(ROUND_MS);
}

/* What node @to got of node @from. */
static void look_at(unsigned int to, unsigned int from)
{
	const struct heard *h = &node[to].heard[from];

	ok(settled(h, from), "%u of %u: %llu of %llu", to, from, h->last, node[from].submitted);
	is_eq(h->wrong, 0, "%u of %u: in order, and as they were", to, from);
	is_eq(h->came + h->lost, h->last, "%u of %u: came or told to be lost", to, from);
	if (!lossless)
		return;
	is_eq(h->last, node[from].submitted, "%u of %u: all", to, from);
	is_eq(h->ends, is_gone(from), "%u of %u: its end", to, from);
	if (to % 2 == 0)
		is_eq(h->lost, 0, "%u of %u: none is lost", to, from);
}

TEST(all_hear_all)
{
	u64 submitted = 0, came = 0, lost = 0, ends = 0;
	unsigned int i, j;

	must(open_all(), "open");
	load();
	settle();
	for (i = 0; i < nodes; i++) {
		submitted += node[i].submitted;
		is_eq(node[i].strangers, 0, "%u: of nobody else", i);
		for (j = 0; j < nodes && !is_gone(i); j++) {
			look_at(i, j);
			came += node[i].heard[j].came;
			lost += node[i].heard[j].lost;
			ends += node[i].heard[j].ends;
		}
	}
	close_all();
	pr_info("# %u nodes submitted %llu: %llu came, %llu lost, %llu ends\n", nodes, submitted,
		came, lost, ends);
}

TESTS(mesh, all_hear_all);
