// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * kecho_events.ko: what happens to processes and network devices, as events in channels of
 * the namespace of who loads the module. Where nobody hears, all it does is to look whether
 * somebody does.
 *
 * Parameters: the channels' names; empty: that kind is not told. What could not be submitted,
 * as a `block` sink held the log up, is counted in the *_missed and told by the next event.
 */
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>

#include "events.h"

static char *process = "kernel.process", *oom = "kernel.oom", *netdev = "kernel.netdev";
module_param(process, charp, 0444);
MODULE_PARM_DESC(process, "channel of processes that fork, exec and exit");
module_param(oom, charp, 0444);
MODULE_PARM_DESC(oom, "channel of processes that are killed for want of memory");
module_param(netdev, charp, 0444);
MODULE_PARM_DESC(netdev, "channel of network devices");

static const struct {
	const struct event_kind *kind;
	char **channel;
} kinds[] = {
	{ &process_kind, &process },
	{ &oom_kind, &oom },
	{ &netdev_kind, &netdev },
};

static struct kecho *kecho;
static struct net *net;

static void end(size_t n)
{
	while (n--)
		if (kinds[n].kind->outlet->source)
			kinds[n].kind->end(net);
	kecho_close(kecho);
}

static int begin(const struct event_kind *kind, const char *channel)
{
	int err = outlet_open(kind->outlet, kecho, channel);

	return err || !kind->outlet->source ? err : kind->begin(net);
}

static int __init events_init(void)
{
	struct kecho_options options = { .net = current->nsproxy->net_ns };
	size_t n;
	int err;

	net = options.net;	/* who is attached keeps it */
	err = kecho_open(&kecho, &options);
	if (err)
		return err;
	for (n = 0; n < ARRAY_SIZE(kinds); n++) {
		err = begin(kinds[n].kind, *kinds[n].channel);
		if (err) {
			end(n);
			return err;
		}
	}
	return 0;
}

static void __exit events_exit(void)
{
	end(ARRAY_SIZE(kinds));
}

module_init(events_init);
module_exit(events_exit);
MODULE_DESCRIPTION("kecho: events of processes and network devices");
MODULE_LICENSE("Dual MIT/GPL");
