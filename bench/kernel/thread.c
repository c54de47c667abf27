// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A kernel thread that submits, and sinks in the kernel of other hosts, which are the network
 * namespaces of the processes `pids`. What an event takes, from its submission until all sinks
 * have it, is there to be read when this is loaded: in instructions, in a guest that counts its
 * clock in those.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/nsproxy.h>
#include <linux/slab.h>
#include <linux/tick.h>
#include <net/net_namespace.h>

#include "kecho.h"

enum {
	HOSTS_MAX = 8,
	SINKS_MAX = 8,
	LEN_MAX = 65536,
	PACE_US = 1000,		/* for each event: all is quiet again by then */
};

static int pids[HOSTS_MAX];
static unsigned int hosts;
module_param_array(pids, int, &hosts, 0);
MODULE_PARM_DESC(pids, "a process on each of the sinks' hosts");
static unsigned int sinks = 1;
module_param(sinks, uint, 0);
MODULE_PARM_DESC(sinks, "how many, one for each host in turn");
static bool softirq = true;
module_param(softirq, bool, 0);
MODULE_PARM_DESC(softirq, "they are called there; else in a thread");
static unsigned int len = 100;
module_param(len, uint, 0);
MODULE_PARM_DESC(len, "bytes of an event");
static unsigned int rounds = 200;
module_param(rounds, uint, 0);
MODULE_PARM_DESC(rounds, "to measure");
static unsigned int each = 1;
module_param(each, uint, 0);
MODULE_PARM_DESC(each, "events of a round");

/* What came of it, of all rounds, without what it takes to wait between them. */
static u64 all, own;
module_param(all, ullong, 0444);
MODULE_PARM_DESC(all, "nanoseconds that the CPU was not idle");
module_param(own, ullong, 0444);
MODULE_PARM_DESC(own, "of those, in kecho_submit()");

struct end {
	struct kecho *k;
	struct kecho_channel *ch;
};

struct hearer {
	struct kecho_sink *sink;
	u64 came;
};

static struct end end[HOSTS_MAX + 1];	/* the first is the publisher's */
static struct hearer hearer[SINKS_MAX];
static struct kecho_source *source;
static void *payload;

static void hear(void *arg, const struct kecho_event *ev)
{
	struct hearer *h = arg;

	if (ev->kind == KECHO_EVENT)
		WRITE_ONCE(h->came, h->came + 1);
}

/* ------------------------------------------------------------------------ to measure */

struct busy {
	u64 all, own;
};

static u64 busy_ns(void)
{
	return ktime_get_ns() - get_cpu_idle_time_us(0, NULL) * NSEC_PER_USEC;
}

static int submit_some(unsigned int n, u64 *own_ns)
{
	u64 begin_ns = ktime_get_ns();
	int err = 0;

	while (n-- && !err)
		err = kecho_submit(source, payload, len, KECHO_NOTIME);
	*own_ns += ktime_get_ns() - begin_ns;
	return err;
}

static int run(struct busy *b, unsigned int n)
{
	u64 begin_ns = busy_ns();
	unsigned int i;
	int err = 0;

	b->own = 0;
	for (i = 0; i < rounds && !err; i++) {
		err = submit_some(n, &b->own);
		usleep_range(each * PACE_US, each * PACE_US);
	}
	b->all = busy_ns() - begin_ns;
	return err;
}

static int all_came(u64 n)
{
	unsigned int i;

	for (i = 0; i < sinks; i++)
		if (READ_ONCE(hearer[i].came) != n)
			return -ETIMEDOUT;
	return 0;
}

struct job {
	struct completion done;
	int err;
};

/* The first run warms up; the one without events is what waiting costs. */
static int measure(void *arg)
{
	struct busy b, pace;
	struct job *job = arg;
	int err;

	err = run(&b, each);
	err = err ?: run(&pace, 0);
	err = err ?: run(&b, each);
	err = err ?: all_came(2ull * rounds * each);
	all = b.all - pace.all;
	own = b.own - pace.own;
	job->err = err;
	complete(&job->done);
	return 0;
}

static int measure_in_thread(void)
{
	struct job job = { .done = COMPLETION_INITIALIZER_ONSTACK(job.done) };
	struct task_struct *task = kthread_run(measure, &job, "kecho-bench");

	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&job.done);
	return job.err;
}

/* ---------------------------------------------------------------------------- to open */

static int open_end(struct end *e, struct net *net)
{
	struct kecho_options opt = { .net = net };
	int err = kecho_open(&e->k, &opt);

	return err ?: kecho_channel_open(e->k, "bench", NULL, &e->ch);
}

static int open_far(unsigned int i)
{
	struct net *net = get_net_ns_by_pid(pids[i]);
	int err;

	if (IS_ERR(net))
		return PTR_ERR(net);
	err = open_end(&end[1 + i], net);
	put_net(net);
	return err;
}

static int open_sinks(void)
{
	struct kecho_sink_options opt = {
		.fn = hear,
		.policy = KECHO_BLOCK,
		.context = softirq ? KECHO_SOFTIRQ : KECHO_THREAD,
		.budget_ns = KECHO_NO_BUDGET,
	};
	unsigned int i;
	int err = 0;

	for (i = 0; i < sinks && !err; i++) {
		opt.arg = &hearer[i];
		err = kecho_sink_open(end[1 + i % hosts].ch, &opt, &hearer[i].sink);
	}
	return err;
}

static int open_all(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < hosts && !err; i++)
		err = open_far(i);
	err = err ?: open_sinks();
	err = err ?: open_end(&end[0], current->nsproxy->net_ns);
	return err ?: kecho_source_open(end[0].ch, NULL, &source);
}

static void close_all(void)
{
	unsigned int i;

	for (i = 0; i <= hosts; i++)
		kecho_close(end[i].k);
}

static int __init bench_init(void)
{
	int err;

	if (!hosts || !sinks || sinks > SINKS_MAX || len > LEN_MAX)
		return -EINVAL;
	payload = kzalloc(len, GFP_KERNEL);
	if (!payload)
		return -ENOMEM;
	err = open_all();
	err = err ?: measure_in_thread();
	close_all();
	kfree(payload);
	return err;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("what a kernel thread's events take");
MODULE_LICENSE("Dual MIT/GPL");
