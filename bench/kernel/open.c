// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a channel takes a kernel thread: to create it, to open one that somebody has on another
 * host (far-0 and on), for a sink, and to look for an event where none is. Of everybody, in
 * instructions, in a guest that counts its clock in those.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/tick.h>

#include "kecho.h"

enum {
	TIMES = 20,
	POLLS = 500,
};

static u64 create_ns, open_ns, poll_ns;
module_param(create_ns, ullong, 0444);
MODULE_PARM_DESC(create_ns, "a channel that nobody has");
module_param(open_ns, ullong, 0444);
MODULE_PARM_DESC(open_ns, "one that somebody has, for a sink");
module_param(poll_ns, ullong, 0444);
MODULE_PARM_DESC(poll_ns, "no event");

static struct kecho *k;
static struct kecho_sink *sink;

static u64 busy_ns(void)
{
	return ktime_get_ns() - get_cpu_idle_time_us(0, NULL) * NSEC_PER_USEC;
}

static int create(unsigned int i)
{
	struct kecho_channel *ch;
	char name[32];

	snprintf(name, sizeof(name), "new-%u", i);
	return kecho_channel_open(k, name, NULL, &ch);
}

static int open(unsigned int i)
{
	struct kecho_channel *ch;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "far-%u", i);
	err = kecho_channel_open(k, name, NULL, &ch);
	return err ?: kecho_sink_open(ch, NULL, &sink);
}

static int poll(unsigned int i)
{
	struct kecho_event ev;
	int err = kecho_read(sink, &ev, 0);

	return err == -EAGAIN ? 0 : err ?: -EPROTO;
}

static int measure(int (*op)(unsigned int i), unsigned int n, u64 *ns)
{
	u64 begin_ns = busy_ns();
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = op(i);
	*ns = div_u64(busy_ns() - begin_ns, n);
	return err;
}

static int __init open_init(void)
{
	struct kecho_options opt = { .net = current->nsproxy->net_ns };
	int err = kecho_open(&k, &opt);

	err = err ?: measure(create, TIMES, &create_ns);
	err = err ?: measure(open, TIMES, &open_ns);
	err = err ?: measure(poll, POLLS, &poll_ns);
	kecho_close(k);
	return err;
}

static void __exit open_exit(void)
{
}

module_init(open_init);
module_exit(open_exit);
MODULE_DESCRIPTION("what a channel takes a kernel thread");
MODULE_LICENSE("Dual MIT/GPL");
