// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sinks: becoming one, and kecho_read().
 */
#include <linux/random.h>

#include "kn.h"

static bool options_good(const struct kecho_sink_options *opt)
{
	return !opt || ((unsigned int)opt->policy <= KECHO_DISCONNECT &&
			(unsigned int)opt->context <= KECHO_SOFTIRQ);
}

static void free_sink(struct kecho_sink *s)
{
	kn_dispatch_fini(s);
	ke_attrs_free(&s->m.attrs);
	ke_type_free(s->type);
	kvfree(s->copy);
	kfree(s);
}

static struct kecho_sink *make(struct kecho_channel *ch, const struct kecho_sink_options *opt)
{
	struct kecho_sink *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->ch = ch;
	spin_lock_init(&s->lock);
	INIT_LIST_HEAD(&s->feeds);
	s->m.owner = ch;
	s->m.role = KE_SINK;
	s->m.whose = KN_OF_KERNEL;
	s->m.id = get_random_u64() ?: 1;
	if (opt) {
		s->m.policy = opt->policy;
		s->retained = opt->retained;
		s->context = opt->context;
		s->filter = opt->filter;
		s->fn = opt->fn;
		s->ended = opt->ended;
		s->arg = opt->arg;
		s->budget_ns = opt->budget_ns;
	}
	s->budget_ns = s->budget_ns ?: kn_budget_default(s->context);
	kn_dispatch_init(s);
	if (s->m.policy == KECHO_BLOCK)
		return s;
	s->copy = kvmalloc(KE_RECORD_MAX, GFP_KERNEL_ACCOUNT);
	if (s->copy)
		return s;
	free_sink(s);
	return NULL;
}

static void count(struct kecho_sink *s, int n)
{
	struct ke_channel *ch = &s->ch->c->ch;

	ch->sinks += n;
	ch->gated += s->m.policy == KECHO_BLOCK ? n : 0;
}

static void leave(struct kecho_sink *s)
{
	kn_leave(&s->m, s->ch);
	list_del(&s->list);
	if (!s->stalled)
		count(s, -1);
	kn_feeds_free(s);
	kn_in_leave(s);
	ke_channel_unsubscribe(&s->ch->c->ch);
}

static bool is_started(const struct ke_channel *ch)
{
	return ke_channel_acked(ch) && ke_channel_started(ch);
}

/* Who sees the member may submit at once: what it reads comes first. */
static int join(struct kecho_sink *s)
{
	unsigned long until = jiffies + msecs_to_jiffies(KN_JOIN_MS);
	struct kn_channel *c = s->ch->c;
	struct kecho_source *src;
	int err = 0;

	kn_lock(c->kn);
	if (c->ch.ended) {
		kn_unlock(c->kn);
		return -ESHUTDOWN;
	}
	count(s, 1);
	list_add_tail(&s->list, &c->sinks);
	INIT_LIST_HEAD(&s->m.list);
	err = kn_in_join(s);
	ke_member_identify(&s->m, &c->kn->node);
	list_for_each_entry(src, &c->sources, list)
		if (!err && kn_source_goes_on(src))
			err = kn_feed_source(s, src, s->retained);
	err = err ?: ke_channel_subscribe(&c->ch, s->retained);
	err = err ?: kn_join(&s->m, s->ch);
	while (!err && !is_started(&c->ch) && kn_wait(c->kn, until))
		;
	err = err ?: s->refused;
	if (err)
		leave(s);
	kn_unlock(c->kn);
	return err;
}

int kecho_sink_open(struct kecho_channel *ch, const struct kecho_sink_options *opt,
		    struct kecho_sink **out)
{
	struct kecho_sink *s;
	int err;

	if (!options_good(opt))
		return -EINVAL;
	s = make(ch, opt);
	if (!s)
		return -ENOMEM;
	err = opt ? kn_attrs_load(&s->m.attrs, opt->attrs, opt->nattrs) : 0;
	err = err || !opt || !opt->type ? err : kn_typed_open(s, opt->type);
	err = err ?: join(s);
	if (err) {
		free_sink(s);
		return err;
	}
	kn_made(KN_SINK);
	*out = s;
	kn_dispatch_start(s);
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_sink_open);

int kecho_sink_close(struct kecho_sink *s)
{
	struct kn *kn;

	if (!s)
		return 0;
	if (!in_task() || kn_dispatch_is_own(s))
		return -EDEADLK;
	kn = s->ch->c->kn;
	kn_dispatch_stop(s);
	kn_lock(kn);
	leave(s);
	kn_unlock(kn);
	free_sink(s);
	kn_gone(KN_SINK);
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_sink_close);

u64 kecho_sink_id(const struct kecho_sink *s)
{
	return s->m.id;
}
EXPORT_SYMBOL_GPL(kecho_sink_id);

int kecho_sink_error(struct kecho_sink *s)
{
	if (READ_ONCE(s->overran))
		return -ETIME;
	if (READ_ONCE(s->disconnected))
		return READ_ONCE(s->refused) ?: -EPIPE;
	return kn_feeds_shut(s) ? -ESHUTDOWN : 0;
}
EXPORT_SYMBOL_GPL(kecho_sink_error);

/* Left to look again: how much of @left is left; 0: none; -ERESTARTSYS. */
static long sleep(struct kecho_sink *s, long left)
{
	if (!kn_dispatch_arm(s))
		return left;
	left = wait_event_interruptible_timeout(s->wait, list_empty_careful(&s->waiter.list),
						left);
	kn_bell_disarm(s->ch->c->bell, &s->waiter, false);
	return left;
}

static int read_wait(struct kecho_sink *s, struct kecho_event *ev, int timeout_ms)
{
	long left = timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(timeout_ms);
	unsigned int n;
	int err;

	for (;;) {
		n = kn_feeds_next(s, ev, 1);
		if (n && s->filter && !kn_budget_wants(s, ev))
			continue;
		if (READ_ONCE(s->chores_due)) {
			kn_feeds_chores(s);
			if (!n)
				continue;
		}
		if (n)
			return 0;
		err = kecho_sink_error(s);
		if (err)
			return err;
		kn_feeds_release(s);
		if (left <= 0 && kn_feeds_ready(s))	/* what was there was not for it */
			continue;
		if (left <= 0)
			return left ?: timeout_ms ? -ETIMEDOUT : -EAGAIN;
		left = sleep(s, left);
	}
}

int kecho_read(struct kecho_sink *s, struct kecho_event *ev, int timeout_ms)
{
	struct kecho_event got;
	int err;

	might_sleep();
	if (s->fn)
		return -EINVAL;
	if (test_and_set_bit_lock(0, &s->reading))
		return -EBUSY;
	err = read_wait(s, &got, timeout_ms);
	clear_bit_unlock(0, &s->reading);
	if (!err)
		*ev = got;
	return err;
}
EXPORT_SYMBOL_GPL(kecho_read);

void kecho_sink_stats(struct kecho_sink *s, struct kecho_sink_stats *st)
{
	spin_lock_bh(&s->lock);
	kn_feeds_count(s, st);
	spin_unlock_bh(&s->lock);
}
EXPORT_SYMBOL_GPL(kecho_sink_stats);
