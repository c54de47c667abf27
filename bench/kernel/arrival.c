// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * When data came last to a TCP socket of a host, which is the network namespace of the process
 * `pid`; and, if that is asked for, a sink there in the kernel, with how long each event took
 * from then to its callback.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/tcp.h>
#include <linux/tracepoint.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "kecho.h"

enum { SAMPLES = 64 };

static int pid;
module_param(pid, int, 0);
MODULE_PARM_DESC(pid, "a process on that host");
static char *channel = "bench";
module_param(channel, charp, 0);
MODULE_PARM_DESC(channel, "of the sink");
static char *context = "";
module_param(context, charp, 0);
MODULE_PARM_DESC(context, "softirq or thread: where it is called; empty: there is none");

static u64 arrived_ns;
module_param(arrived_ns, ullong, 0444);
MODULE_PARM_DESC(arrived_ns, "when data came");
static unsigned int took_ns[SAMPLES], came;
module_param_array(took_ns, uint, &came, 0444);
MODULE_PARM_DESC(took_ns, "from then to the callback, for each event");

static struct tracepoint *point;
static struct net *net;
static struct kecho *k;

/* TCP is given a segment for an established connection. */
static void segment(void *arg, struct sock *sk, struct sk_buff *skb)
{
	if (net_eq(sock_net(sk), net) && skb->len > tcp_hdrlen(skb))
		WRITE_ONCE(arrived_ns, ktime_get_ns());
}

static void hear(void *arg, const struct kecho_event *ev)
{
	u64 now = ktime_get_ns();

	if (ev->kind != KECHO_EVENT || came == SAMPLES)
		return;
	took_ns[came] = now - READ_ONCE(arrived_ns);
	smp_store_release(&came, came + 1);
}

static int open_sink(void)
{
	struct kecho_sink_options sink = {
		.fn = hear,
		.policy = KECHO_BLOCK,
		.context = strcmp(context, "softirq") ? KECHO_THREAD : KECHO_SOFTIRQ,
		.budget_ns = KECHO_NO_BUDGET,
	};
	struct kecho_options opt = { .net = net };
	struct kecho_channel *ch;
	struct kecho_sink *s;
	int err = kecho_open(&k, &opt);

	err = err ?: kecho_channel_open(k, channel, NULL, &ch);
	return err ?: kecho_sink_open(ch, &sink, &s);
}

static void look(struct tracepoint *tp, void *arg)
{
	if (!strcmp(tp->name, "tcp_probe"))
		point = tp;
}

static int __init arrival_init(void)
{
	int err;

	for_each_kernel_tracepoint(look, NULL);
	if (!point)
		return -ENODEV;
	net = get_net_ns_by_pid(pid);
	if (IS_ERR(net))
		return PTR_ERR(net);
	err = tracepoint_probe_register(point, segment, NULL);
	if (err)
		goto put;
	err = *context ? open_sink() : 0;
	if (!err)
		return 0;
	kecho_close(k);
	tracepoint_probe_unregister(point, segment, NULL);
	tracepoint_synchronize_unregister();
put:
	put_net(net);
	return err;
}

static void __exit arrival_exit(void)
{
	kecho_close(k);
	tracepoint_probe_unregister(point, segment, NULL);
	tracepoint_synchronize_unregister();
	put_net(net);
}

module_init(arrival_init);
module_exit(arrival_exit);
MODULE_DESCRIPTION("when events came, and how long it took to their handlers");
MODULE_LICENSE("Dual MIT/GPL");
