// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A channel as a whole: frozen, drained, destroyed, on one node.
 */
#include "kernel_test.h"

TEST(frozen)
{
	struct kecho_options where = { .net = current->nsproxy->net_ns };
	struct kecho_channel *also;
	struct kecho_source *src;
	struct kecho_event ev;
	struct test_channel t;
	struct kecho_sink *s;
	struct kecho *other;

	must(!test_open(&t) && !kecho_open(&other, &where), "open");
	must(!kecho_channel_open(other, "test", NULL, &also), "the same channel");
	must(!kecho_source_open(t.ch, NULL, &src) && !kecho_sink_open(also, NULL, &s), "members");
	is_eq(kecho_channel_thaw(t.ch), -EINVAL, "it isn't held");
	is_eq(kecho_channel_freeze(t.ch, SOON_MS), 0, "freeze");
	is_eq(kecho_channel_freeze(t.ch, SOON_MS), -EALREADY, "it is held");
	is_eq(kecho_channel_freeze(also, SOON_MS), 0, "by another one, too");
	is_eq(kecho_submit(src, "x", 1, 0), -EAGAIN, "nothing is published");
	is_eq(kecho_submit_wait(src, "x", 1, 0, 20), -ETIMEDOUT, "nor later");
	is_eq(kecho_channel_thaw(t.ch), 0, "thaw");
	is_eq(kecho_submit(src, "x", 1, 0), -EAGAIN, "the other one holds it");
	kecho_channel_close(also);
	is_eq(kecho_submit(src, "x", 1, 0), 0, "who closes it holds nothing");
	must(!kecho_sink_open(t.ch, NULL, &s), "a sink");
	is_eq(kecho_submit(src, "y", 1, 0) ?: kecho_read(s, &ev, 0), 0, "it goes on");
	test_close(&t);
	kecho_close(other);
}

static void hear_slowly(void *arg, const struct kecho_event *ev)
{
	unsigned int *n = arg;

	msleep(20);
	(*n)++;
}

TEST(drained)
{
	unsigned int i, n = 0;
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = hear_slowly, .arg = &n };
	struct kecho_source *src;
	struct kecho_sink *s, *reads;
	struct kecho_event ev;
	struct test_channel t;

	must(!test_open(&t) && !kecho_source_open(t.ch, NULL, &src), "source");
	is_eq(kecho_channel_drain(t.ch, SOON_MS), 0, "nobody lags");
	must(!kecho_sink_open(t.ch, &opt, &s) && !kecho_sink_open(t.ch, NULL, &reads), "sinks");
	for (i = 0; i < 10; i++)
		is_eq(kecho_submit(src, "x", 1, 0), 0, "submit");
	is_eq(kecho_channel_drain(t.ch, 500), -ETIMEDOUT, "one has not read");
	while (!kecho_read(reads, &ev, 0))
		;
	is_eq(kecho_channel_drain(t.ch, SOON_MS), 0, "drained");
	kecho_sink_close(s);
	is_eq(n, 10, "all were given out");
	test_close(&t);
}

struct over {
	struct completion done;
	int err;
	unsigned int n;
};

static void hear(void *arg, const struct kecho_event *ev)
{
	struct over *o = arg;

	o->n += ev->kind == KECHO_EVENT;
}

static void ended(void *arg, int err)
{
	struct over *o = arg;

	o->err = err;
	complete(&o->done);
}

static void check_told(struct over *o)
{
	ok(wait_for_completion_timeout(&o->done, msecs_to_jiffies(SOON_MS)), "it is told");
	is_eq(o->err, -ESHUTDOWN, "that the channel was destroyed");
	is_eq(o->n, 1, "behind its last event");
}

/* What they had is gone with them. */
static void check_nobody_joins(struct kecho_channel *ch)
{
	const struct kecho_attr where = { "where", kecho_string("here") };
	struct kecho_source_options publishes = { .attrs = &where, .nattrs = 1 };
	struct kecho_sink_options subscribes = { .attrs = &where, .nattrs = 1 };
	struct kecho_source *src;
	struct kecho_sink *s;

	is_eq(kecho_source_open(ch, &publishes, &src), -ESHUTDOWN, "no source joins");
	is_eq(kecho_sink_open(ch, &subscribes, &s), -ESHUTDOWN, "nor a sink");
}

TEST(destroyed)
{
	struct over soft = { 0 }, thread = { 0 };
	struct kecho_sink_options opt = { .fn = hear, .ended = ended, .arg = &thread };
	struct kecho_sink *s, *callback;
	struct kecho_channel *again;
	struct kecho_source *src;
	struct kecho_event ev;
	struct test_channel t;
	u8 uuid[2][16];

	init_completion(&soft.done);
	init_completion(&thread.done);
	must(!test_open(&t) && !kecho_source_open(t.ch, NULL, &src), "source");
	must(!kecho_sink_open(t.ch, NULL, &s) && !kecho_sink_open(t.ch, &opt, &callback), "sinks");
	opt.context = KECHO_SOFTIRQ;
	opt.arg = &soft;
	must(!kecho_sink_open(t.ch, &opt, &callback), "one in softirq");
	is_eq(kecho_submit(src, "last", 4, 0), 0, "submit");
	is_eq(kecho_sink_error(s), 0, "it is there");
	is_eq(kecho_channel_destroy(t.ch, SOON_MS), 0, "destroy");
	is_eq(kecho_submit(src, "x", 1, 0), -ESHUTDOWN, "nothing is submitted");
	is_eq(kecho_read(s, &ev, 0) ?: ev.kind, KECHO_EVENT, "what was is read");
	is_eq(kecho_read(s, &ev, 0) ?: ev.kind, KECHO_ENDED, "to its end");
	is_eq(kecho_read(s, &ev, 0), -ESHUTDOWN, "and no more");
	is_eq(kecho_sink_error(s), -ESHUTDOWN, "as it says");
	check_told(&thread);
	check_told(&soft);
	is_eq(kecho_members(t.ch, NULL, 0), 0, "nobody is there");
	is_eq(kecho_channel_destroy(t.ch, SOON_MS), -ESHUTDOWN, "it was destroyed");
	is_eq(kecho_channel_freeze(t.ch, SOON_MS), -ESHUTDOWN, "there is nothing to hold");
	check_nobody_joins(t.ch);
	must(!kecho_channel_open(t.k, "test", NULL, &again), "its name is free");
	kecho_channel_uuid(t.ch, uuid[0]);
	kecho_channel_uuid(again, uuid[1]);
	ok(memcmp(uuid[0], uuid[1], sizeof(uuid[0])), "it is another one's");
	test_close(&t);
}

TESTS(hold, frozen, drained, destroyed);
