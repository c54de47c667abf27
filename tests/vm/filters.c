// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A module whose sink has a filter for as long as it is loaded, so that others can look what became
 * of it. It says what that costs: a submission that is for nobody, an event that is left out as it
 * is read. In a guest whose clock are its instructions a nanosecond is one.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "four_test.h"
#include "kecho.h"

enum { ROUNDS = 256, TIMES = 10 };

static const struct sample unwanted = { .cpu = 40, .temp = 20, .port = 7390, .level = 3 };

static struct kecho *kecho;
static struct kecho_channel *channel;
static struct kecho_source *source;
static struct kecho_sink *judged;

static int set_filter(struct kecho_sink *s)
{
	struct parts *p = kmalloc(sizeof(*p), GFP_KERNEL);
	int err;

	if (!p)
		return -ENOMEM;
	parts_begin(p, KECHO_FILTER_EVENT);
	parts_insns(p, four, ARRAY_SIZE(four));
	parts_join(p);
	err = kecho_sink_filter(s, p->wire, p->wire_len, NULL);
	kfree(p);
	return err;
}

static int submit_some(void)
{
	int i, err = 0;

	for (i = 0; i < ROUNDS && !err; i++)
		err = kecho_submit(source, &unwanted, sizeof(unwanted), 0);
	return err;
}

/* The shortest of some rounds, of one submission. */
static u64 submission_ns(void)
{
	u64 begin, least = U64_MAX;
	int i;

	for (i = 0; i < TIMES; i++) {
		begin = ktime_get_ns();
		if (submit_some())
			return 0;
		least = min(least, ktime_get_ns() - begin);
	}
	return least / ROUNDS;
}

/* Of an event that its sink reads and leaves out; @filter in C, or a program. */
static u64 reading_ns(kecho_filter_fn filter)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .filter = filter };
	u64 begin, least = U64_MAX;
	struct kecho_event ev;
	struct kecho_sink *s;
	int i, err = 0;

	for (i = 0; i < TIMES && !err; i++) {
		err = kecho_sink_open(channel, &opt, &s);
		if (err)
			break;
		err = submit_some() ?: filter ? 0 : set_filter(s);
		begin = ktime_get_ns();
		if (!err && kecho_read(s, &ev, 0) == -EAGAIN)
			least = min(least, ktime_get_ns() - begin);
		kecho_sink_close(s);
	}
	return least / ROUNDS;
}

static bool in_c(void *arg, const struct kecho_event *ev)
{
	return four_in_c(ev->data);
}

static int __init filters_init(void)
{
	u64 plain, read_c, read;
	int err = kecho_open(&kecho, NULL);

	err = err ?: kecho_channel_open(kecho, "filters", NULL, &channel);
	err = err ?: kecho_source_open(channel, NULL, &source);
	if (err)
		goto close;
	plain = submission_ns();
	read_c = reading_ns(in_c);
	read = reading_ns(NULL);
	err = kecho_sink_open(channel, NULL, &judged) ?: set_filter(judged);
	if (err)
		goto close;
	pr_info("# a submission takes %llu ns, judged %llu; an event left out as it is read %llu, "
		"by a function in C %llu\n", plain, submission_ns(), read, read_c);
	return 0;
close:
	kecho_close(kecho);
	return err;
}

static void __exit filters_exit(void)
{
	kecho_close(kecho);
}

module_init(filters_init);
module_exit(filters_exit);
MODULE_DESCRIPTION("has a sink with a filter");
MODULE_LICENSE("Dual MIT/GPL");
