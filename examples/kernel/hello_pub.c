// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Publishes a greeting twice a second, from a timer: that is softirq context. */
#include <linux/module.h>
#include <linux/timer.h>
#include "kecho.h"

static struct kecho *kecho;
static struct kecho_source *source;

static void greet(struct timer_list *t)
{
	kecho_submit(source, "hello, world", 12, 0);
	mod_timer(t, jiffies + HZ / 2);
}

static DEFINE_TIMER(timer, greet);

static int __init hello_init(void)
{
	struct kecho_channel *channel;
	int err = kecho_open(&kecho, NULL);

	err = err ?: kecho_channel_open(kecho, "hello", NULL, &channel);
	err = err ?: kecho_source_open(channel, NULL, &source);
	if (err)
		kecho_close(kecho);
	return err ?: mod_timer(&timer, jiffies);
}

static void __exit hello_exit(void)
{
	del_timer_sync(&timer);
	kecho_close(kecho);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_DESCRIPTION("says hello in a kecho channel");
MODULE_LICENSE("Dual MIT/GPL");
