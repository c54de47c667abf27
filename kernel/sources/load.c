// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * kecho_load.ko: how loaded the host is, told at intervals in a channel of the namespace of who
 * loads the module. Where nobody hears nothing is sampled, and no timer runs: a sink that joins
 * wakes it.
 *
 * Parameters: the channel's name; interval_ms, which may be changed at any time; missed, the
 * samples that could not be submitted as a `block` sink held the log up.
 */
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "outlet.h"
#include "sample.h"

enum {
	INTERVAL_MS_MIN = 1,
	INTERVAL_MS_MAX = 3600000,
	/* A sink has joined before it hears: so often, and for so long, it is waited for. */
	LOOK_MS = 100,
	LOOKS_MAX = 50,
};

static char *channel = "kernel.load";
module_param(channel, charp, 0444);
MODULE_PARM_DESC(channel, "its name");

static int set_interval(const char *text, const struct kernel_param *param)
{
	return param_set_uint_minmax(text, param, INTERVAL_MS_MIN, INTERVAL_MS_MAX);
}

static const struct kernel_param_ops interval_ops = {
	.set = set_interval, .get = param_get_uint,
};

static unsigned int interval_ms = 1000;
module_param_cb(interval_ms, &interval_ops, &interval_ms, 0644);
MODULE_PARM_DESC(interval_ms, "milliseconds from sample to sample, 1 to 3600000");

static struct outlet loads;
module_param_cb(missed, &outlet_missed_ops, &loads, 0444);
MODULE_PARM_DESC(missed, "samples that could not be submitted");

#define LOAD(member) KECHO_FIELD(struct kecho_load, member)

static const struct kecho_type load_is = {
	KECHO_TYPE(struct kecho_load, LOAD(missed), LOAD(interval_ns), LOAD(user_ns),
		   LOAD(system_ns), LOAD(irq_ns), LOAD(steal_ns), LOAD(iowait_ns), LOAD(idle_ns),
		   LOAD(cpus), LOAD(cpu_percent), LOAD(running), LOAD(threads),
		   LOAD(load1_centi), LOAD(load5_centi), LOAD(load15_centi), LOAD(pressure),
		   LOAD(cpu_some_us), LOAD(memory_some_us), LOAD(memory_full_us),
		   LOAD(io_some_us), LOAD(io_full_us), LOAD(memory_total_bytes),
		   LOAD(memory_free_bytes), LOAD(memory_available_bytes), LOAD(rx_bytes),
		   LOAD(rx_packets), LOAD(rx_dropped), LOAD(tx_bytes), LOAD(tx_packets),
		   LOAD(tx_dropped))
};

static struct kecho *kecho;
static struct net *net;
static int load_type;
static struct kecho_load last;
static bool have_last;
static unsigned int looks;	/* since somebody heard, or joined */

static void work(struct work_struct *w);
static DECLARE_DELAYED_WORK(sampling, work);

static void sample(void)
{
	struct kecho_load now, load;

	sample_take(&now, net);
	if (have_last) {
		sample_since(&load, &last, &now);
		outlet_submit(&loads, load_type, &load, sizeof(load));
	}
	last = now;
	have_last = true;
}

/* The first sample after a silence is where the first interval begins. */
static void work(struct work_struct *w)
{
	if (outlet_heard(&loads)) {
		WRITE_ONCE(looks, 0);
		sample();
		schedule_delayed_work(&sampling, msecs_to_jiffies(READ_ONCE(interval_ms)));
		return;
	}
	have_last = false;
	if (READ_ONCE(looks) == LOOKS_MAX)
		return;
	WRITE_ONCE(looks, looks + 1);
	schedule_delayed_work(&sampling, msecs_to_jiffies(LOOK_MS));
}

static void member_changed(void *arg, const struct kecho_member *m)
{
	if (m->role != KECHO_SINK || m->state != KECHO_JOINED)
		return;
	WRITE_ONCE(looks, 0);
	schedule_delayed_work(&sampling, 0);
}

static int __init load_init(void)
{
	struct kecho_options options = { .net = current->nsproxy->net_ns };
	int err = kecho_open(&kecho, &options);

	if (err)
		return err;
	net = options.net;	/* who is attached keeps it */
	err = outlet_open(&loads, kecho, channel);
	if (!err && !loads.source)
		err = -EINVAL;
	if (!err)
		load_type = err = outlet_announce(&loads, &load_is);
	if (err < 0) {
		kecho_close(kecho);
		return err;
	}
	shows_open();
	kecho_channel_watch(loads.channel, member_changed, NULL);
	return 0;
}

static void __exit load_exit(void)
{
	kecho_channel_watch(loads.channel, NULL, NULL);
	cancel_delayed_work_sync(&sampling);
	shows_close();
	kecho_close(kecho);
}

module_init(load_init);
module_exit(load_exit);
MODULE_DESCRIPTION("kecho: how loaded a host is");
MODULE_LICENSE("Dual MIT/GPL");
