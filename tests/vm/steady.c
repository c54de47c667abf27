// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A kernel service beside processes, for tests: it reads channels and submits to them, and tells
 * in /sys/module/kecho_steady/parameters how far it has come.
 *
 *	own	block, in a thread and in softirq; a source
 *	mixed	the same, and latest in softirq; a source
 *	held	a source, which others may hold up
 *	slow	block, in a thread that sleeps while the parameter `hold` says so
 *	typed	latest, in a thread, by a struct of its own: `number_read` is that of the last event
 *
 * Of `own` all has to come, in order, and each event begins with its number.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "kecho.h"
#include "kecho/field.h"

enum {
	CHANNELS = 5,
	SOURCES = 3,		/* in the first of them */
	EARS = 7,
	COUNTED = 5,		/* the first of them */
	TALKERS_MAX = 8,
	PACE_MS = 10, BURST = 4, STALL_MS = 200,
};

static const char *const names[CHANNELS] = { "own", "mixed", "held", "slow", "typed" };

struct counted {
	u32 number;
};

static const struct kecho_type counted_is = {
	KECHO_TYPE(struct counted, KECHO_FIELD(struct counted, number))
};

struct talker {
	u64 id, last;
};

struct ear {
	const char *channel;
	struct kecho_sink_options options;
	struct kecho_sink *sink;
	struct talker talker[TALKERS_MAX];
};

static void heard_own(void *arg, const struct kecho_event *ev);
static void heard_mixed(void *arg, const struct kecho_event *ev);
static void heard_slow(void *arg, const struct kecho_event *ev);
static void heard_typed(void *arg, const struct kecho_event *ev);

static struct ear ears[EARS] = {
	{ "own", { .fn = heard_own, .policy = KECHO_BLOCK } },
	{ "own", { .fn = heard_own, .policy = KECHO_BLOCK, .context = KECHO_SOFTIRQ } },
	{ "mixed", { .fn = heard_mixed, .policy = KECHO_BLOCK } },
	{ "mixed", { .fn = heard_mixed, .policy = KECHO_BLOCK, .context = KECHO_SOFTIRQ } },
	{ "mixed", { .fn = heard_mixed, .policy = KECHO_LATEST, .context = KECHO_SOFTIRQ } },
	{ "slow", { .fn = heard_slow, .policy = KECHO_BLOCK } },
	{ "typed", { .fn = heard_typed, .type = &counted_is } },
};

static unsigned long heard[COUNTED], submitted[SOURCES], wrong;
static unsigned int number_read;
static bool hold;
module_param_array(heard, ulong, NULL, 0444);
module_param_array(submitted, ulong, NULL, 0444);
module_param(wrong, ulong, 0444);
module_param(number_read, uint, 0444);
module_param(hold, bool, 0644);

static struct kecho *kecho;
static struct kecho_channel *channel[CHANNELS];
static struct kecho_source *source[SOURCES];
static u64 number[SOURCES];

static void count(const struct ear *e)
{
	unsigned long *n = &heard[e - ears];

	WRITE_ONCE(*n, *n + 1);
}

static struct talker *talker_of(struct ear *e, u64 id)
{
	struct talker *t;

	for (t = e->talker; t < e->talker + TALKERS_MAX; t++) {
		if (!t->id)
			t->id = id;
		if (t->id == id)
			return t;
	}
	return NULL;
}

static bool is_next(struct ear *e, const struct kecho_event *ev)
{
	struct talker *t = talker_of(e, ev->source);
	bool is = t && ev->kind == KECHO_EVENT && ev->len >= sizeof(u64) &&
		  ev->seq == t->last + 1 && *(const u64 *)ev->data == ev->seq;

	if (t)
		t->last = ev->seq;
	return is;
}

static void heard_own(void *arg, const struct kecho_event *ev)
{
	if (ev->kind != KECHO_ENDED && !is_next(arg, ev))
		WRITE_ONCE(wrong, wrong + 1);
	count(arg);
}

/* Anybody may say anything there, and all of it can be looked at. */
static void heard_mixed(void *arg, const struct kecho_event *ev)
{
	const u8 *p = ev->data;
	u32 i, sum = 0;

	for (i = 0; ev->kind == KECHO_EVENT && i < ev->len; i++)
		sum += p[i];
	barrier_data(&sum);
	count(arg);
}

static void heard_slow(void *arg, const struct kecho_event *ev)
{
	while (READ_ONCE(hold))
		msleep(PACE_MS);
}

static void heard_typed(void *arg, const struct kecho_event *ev)
{
	const struct ear *e = arg;
	struct counted c;

	if (ev->kind == KECHO_EVENT && !kecho_event_as(e->sink, ev, &c, NULL))
		WRITE_ONCE(number_read, c.number);
}

static void submit_some(unsigned int i)
{
	u64 event[8] = { 0 };
	int n;

	for (n = 0; n < BURST; n++) {
		event[0] = number[i] + 1;
		if (kecho_submit(source[i], event, sizeof(event), 0))
			return;
		WRITE_ONCE(submitted[i], ++number[i]);
	}
}

static void submit_all(struct work_struct *work)
{
	unsigned int i;

	for (i = 0; i < SOURCES; i++)
		submit_some(i);
	schedule_delayed_work(to_delayed_work(work), msecs_to_jiffies(PACE_MS));
}
static DECLARE_DELAYED_WORK(submitting, submit_all);

static int open_channels(void)
{
	struct kecho_source_options options = { .stall_ms = STALL_MS };
	unsigned int i;
	int err = kecho_open(&kecho, NULL);

	for (i = 0; i < CHANNELS && !err; i++) {
		err = kecho_channel_open(kecho, names[i], NULL, &channel[i]);
		if (!err && i < SOURCES)
			err = kecho_source_open(channel[i], &options, &source[i]);
	}
	return err;
}

static int open_ears(void)
{
	struct ear *e;
	unsigned int i;
	int err = 0;

	for (e = ears; e < ears + EARS && !err; e++) {
		for (i = 0; strcmp(names[i], e->channel); i++)
			;
		e->options.arg = e;
		err = kecho_sink_open(channel[i], &e->options, &e->sink);
	}
	return err;
}

static int __init steady_init(void)
{
	int err = open_channels() ?: open_ears();

	if (err)
		kecho_close(kecho);
	else
		schedule_delayed_work(&submitting, 0);
	return err;
}

static void __exit steady_exit(void)
{
	cancel_delayed_work_sync(&submitting);
	kecho_close(kecho);
}

module_init(steady_init);
module_exit(steady_exit);
MODULE_DESCRIPTION("a kernel service that tests look at");
MODULE_LICENSE("Dual MIT/GPL");
