// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Prints what is published in the channel "hello", in a thread. */
#include <linux/module.h>
#include "kecho.h"

static struct kecho *kecho;

static void heard(void *arg, const struct kecho_event *ev)
{
	if (ev->kind == KECHO_EVENT)
		pr_info("hello: event %llu: %.*s\n", ev->seq, (int)ev->len,
			(const char *)ev->data);
}

static int __init hello_init(void)
{
	struct kecho_sink_options options = { .fn = heard };
	struct kecho_channel *channel;
	struct kecho_sink *sink;
	int err = kecho_open(&kecho, NULL);

	err = err ?: kecho_channel_open(kecho, "hello", NULL, &channel);
	err = err ?: kecho_sink_open(channel, &options, &sink);
	if (err)
		kecho_close(kecho);
	return err;
}

static void __exit hello_exit(void)
{
	kecho_close(kecho);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_DESCRIPTION("hears hello in a kecho channel");
MODULE_LICENSE("Dual MIT/GPL");
