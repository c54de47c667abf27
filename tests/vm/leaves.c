// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A module that closes nothing when it goes, or when its init fails, while its callbacks are at
 * work: what its sink in softirq hears it says again.
 */
#include <linux/module.h>

#include "kecho.h"

static bool fails;
module_param(fails, bool, 0);

static struct kecho_source *source;
static atomic_long_t calls;

static void say_again(void *arg, const struct kecho_event *ev)
{
	atomic_long_inc(&calls);
	if (ev->kind == KECHO_EVENT)
		kecho_submit(source, ev->data, ev->len, 0);
}

static void hear(void *arg, const struct kecho_event *ev)
{
	atomic_long_inc(&calls);
}

static void watch(void *arg, const struct kecho_member *m)
{
	atomic_long_inc(&calls);
}

static int __init leaves_init(void)
{
	struct kecho_sink_options soft = { .fn = say_again, .context = KECHO_SOFTIRQ };
	struct kecho_sink_options thread = { .fn = hear, .policy = KECHO_BLOCK };
	struct kecho_channel *channel;
	struct kecho_sink *sink;
	struct kecho *kecho;
	int err = kecho_open(&kecho, NULL);

	err = err ?: kecho_channel_open(kecho, "leaves", NULL, &channel);
	if (!err)
		kecho_channel_watch(channel, watch, NULL);
	err = err ?: kecho_source_open(channel, NULL, &source);
	err = err ?: kecho_sink_open(channel, &soft, &sink);
	err = err ?: kecho_sink_open(channel, &thread, &sink);
	err = err ?: kecho_submit(source, "round and round", 15, 0);
	return err ?: fails ? -ECANCELED : 0;
}

static void __exit leaves_exit(void)
{
	pr_info("leaves: after %ld calls\n", atomic_long_read(&calls));
}

module_init(leaves_init);
module_exit(leaves_exit);
MODULE_DESCRIPTION("leaves without closing what it has opened");
MODULE_LICENSE("Dual MIT/GPL");
