// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sources: becoming one, and no more. What they submit is in submit.c.
 */
#include "kn.h"

static u32 stall_limit(int stall_ms)
{
	return stall_ms < 0 ? 0 : stall_ms ?: KECHO_STALL_MS_DEFAULT;
}

/* Who submitted was refused for a gate that stands still: whose it is may have to end. Or he
 * has finished an event that a frozen channel waited for. */
static void do_chores(struct work_struct *work)
{
	struct kecho_source *s = container_of(work, struct kecho_source, chores);
	struct kn_channel *c = s->ch->c;

	kn_lock(c->kn);
	ke_source_end_stalled(&s->s);
	ke_channel_settle(&c->ch);
	kn_changed(c->kn);
	kn_unlock(c->kn);
}

static struct kecho_source *make(struct kecho_channel *ch, const struct kecho_source_options *opt)
{
	struct kecho_source *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->ch = ch;
	spin_lock_init(&s->lock);
	INIT_WORK(&s->chores, do_chores);
	INIT_LIST_HEAD(&s->pfeeds);
	s->s.member.owner = ch;
	s->s.member.role = KE_SOURCE;
	s->s.member.whose = KN_OF_KERNEL;
	s->s.member.source = &s->s;
	s->s.retain = ch->retain;
	s->lifespan_ns = opt ? opt->lifespan_ns : 0;
	s->linger_ms = opt && opt->linger_ms ? opt->linger_ms : KN_LINGER_MS;
	s->s.stall_ms = stall_limit(opt ? opt->stall_ms : 0);
	return s;
}

/* kn.lock is held. */
static int feed_own_sinks(struct kecho_source *s)
{
	struct kecho_sink *sink;
	int err = 0;

	list_for_each_entry(sink, &s->ch->c->sinks, list)
		if (!sink->stalled)
			err = err ?: kn_feed_source(sink, s, false);
	if (!err)
		kn_psinks_feed(s);
	return err;
}

/* With its channel: nothing is appended any more. kn.lock is held. */
void kn_source_end(struct kecho_source *s)
{
	spin_lock_irq(&s->lock);
	WRITE_ONCE(s->s.closed, true);
	spin_unlock_irq(&s->lock);
	ke_source_end(&s->s);
	kn_feeds_end_source(s);
	kn_pfeeds_end_source(s);
}

/* kn.lock is held, and let go while sinks of other nodes still lack something. */
static void leave(struct kecho_source *s)
{
	unsigned long until = jiffies + msecs_to_jiffies(max(s->linger_ms, 0));
	struct kn *kn = s->ch->c->kn;

	kn_source_end(s);
	while (!ke_source_drained(&s->s) && kn_wait(kn, until))
		;
	ke_source_fini(&s->s);
	kn_leave(&s->s.member, s->ch);
	kn_choose_end(s);
	list_del(&s->list);
}

static int join(struct kecho_source *s, size_t size, bool addresses)
{
	unsigned long until = jiffies + msecs_to_jiffies(KN_JOIN_MS);
	struct kn_channel *c = s->ch->c;
	int err;

	kn_lock(c->kn);
	if (c->ch.ended) {
		kn_unlock(c->kn);
		return -ESHUTDOWN;
	}
	ke_log_init(&s->s.log, s->log->pages.map, kn_log_ring(s->log), size, 0, 0);
	ke_source_init(&s->s, &c->kn->node);
	list_add_tail(&s->list, &c->sources);
	err = kn_join(&s->s.member, s->ch) ?: feed_own_sinks(s);
	if (!err && addresses)
		err = kn_choose_begin(s);
	while (!err && !ke_channel_acked(&c->ch) && kn_wait(c->kn, until))
		;
	if (err)
		leave(s);
	kn_unlock(c->kn);
	return err;
}

int kecho_source_open(struct kecho_channel *ch, const struct kecho_source_options *opt,
		      struct kecho_source **out)
{
	size_t size = opt && opt->log_size ? opt->log_size : KECHO_LOG_SIZE_DEFAULT;
	struct kecho_source *s;
	int err = -ENOMEM;

	if (!ke_log_size_fits(size))
		return -EINVAL;
	s = make(ch, opt);
	if (!s)
		return -ENOMEM;
	s->log = kn_log_make(size);
	if (!s->log)
		goto free_source;
	err = opt ? kn_attrs_load(&s->s.member.attrs, opt->attrs, opt->nattrs) : 0;
	if (err)
		goto put_log;
	err = join(s, size, opt && opt->addresses);
	if (err)
		goto put_log;
	kn_made(KN_SOURCE);
	*out = s;
	return 0;

put_log:
	ke_attrs_free(&s->s.member.attrs);
	kn_log_put(s->log);
free_source:
	kfree(s);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_source_open);

int kecho_source_close(struct kecho_source *s)
{
	struct kn *kn;

	if (!s)
		return 0;
	if (!in_task())
		return -EDEADLK;
	kn = s->ch->c->kn;
	cancel_work_sync(&s->chores);
	kn_lock(kn);
	leave(s);
	kn_unlock(kn);
	kn_bell_ring(s->ch->c->bell);
	kn_log_put(s->log);
	kfree(s);
	kn_gone(KN_SOURCE);
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_source_close);

u64 kecho_source_id(const struct kecho_source *s)
{
	return s->s.member.id;
}
EXPORT_SYMBOL_GPL(kecho_source_id);

void kecho_source_stats(struct kecho_source *s, struct kecho_source_stats *st)
{
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	*st = s->stats;
	st->stalled = s->s.stalls;
	st->expired = ke_source_expired(&s->s);
	spin_unlock_irqrestore(&s->lock, flags);
}
EXPORT_SYMBOL_GPL(kecho_source_stats);

bool kecho_source_heard(const struct kecho_source *s)
{
	return READ_ONCE(s->ch->c->ch.sinks) || READ_ONCE(s->s.nremote);
}
EXPORT_SYMBOL_GPL(kecho_source_heard);
