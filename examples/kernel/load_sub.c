// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Prints how loaded other kernels are, which kecho_load.ko there tells; in a thread. */
#include <linux/module.h>
#include "kecho.h"
#include "uapi/kecho_sources.h"

static struct kecho *kecho;
static struct kecho_channel *channel;
static struct kecho_sink *sink;

static void heard(void *arg, const struct kecho_event *ev)
{
	const struct kecho_load *load = ev->data;
	struct kecho_value name;
	char buf[64];

	if (kecho_member_get(channel, ev->source, "node.name", &name, buf, sizeof(buf)))
		return;
	if (ev->kind == KECHO_EVENT && ev->len == sizeof(*load))
		pr_info("load_sub: %.*s: CPU %u %%, %llu MiB available\n", (int)name.len, buf,
			load->cpu_percent, load->memory_available_bytes >> 20);
	else if (ev->kind == KECHO_ENDED)
		pr_info("load_sub: %.*s: %s\n", (int)name.len, buf,
			ev->failed ? "failed" : "left");
}

static int __init load_init(void)
{
	struct kecho_sink_options options = { .fn = heard };
	int err = kecho_open(&kecho, NULL);

	err = err ?: kecho_channel_open(kecho, "kernel.load", NULL, &channel);
	err = err ?: kecho_sink_open(channel, &options, &sink);
	if (err)
		kecho_close(kecho);
	return err;
}

static void __exit load_exit(void)
{
	kecho_close(kecho);
}

module_init(load_init);
module_exit(load_exit);
MODULE_DESCRIPTION("hears in a kecho channel how loaded kernels are");
MODULE_LICENSE("Dual MIT/GPL");
