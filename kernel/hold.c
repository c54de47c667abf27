// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What kernel code does to a channel as a whole: holding it frozen, waiting until it is empty,
 * ending it. Each who has opened the channel holds it for himself, processes too; to other nodes
 * we hold it as long as one does.
 */
#include <linux/sched/signal.h>

#include "dev.h"

enum { LOOK_MS = 20 };	/* sinks say nothing when they have read */

static unsigned long deadline(int timeout_ms)
{
	unsigned long left = timeout_ms < 0 ? MAX_JIFFY_OFFSET / 2 : msecs_to_jiffies(timeout_ms);

	return jiffies + min_t(unsigned long, left, MAX_JIFFY_OFFSET / 2);
}

static int late(void)
{
	return fatal_signal_pending(current) ? -ERESTARTSYS : -ETIMEDOUT;
}

/* ------------------------------------------------------------------ freezing */

void kn_hold_end(struct kecho_channel *ch)
{
	struct kn_channel *c = ch->c;

	if (!ch->holds)
		return;
	ch->holds = false;
	if (!--c->nholders)
		ke_channel_thaw(&c->ch);
}

static int freeze(struct kecho_channel *ch, unsigned long until)
{
	struct kn_channel *c = ch->c;

	if (c->ch.ended)
		return -ESHUTDOWN;
	if (ch->holds)
		return -EALREADY;
	ch->holds = true;
	if (!c->nholders++)
		ke_channel_freeze(&c->ch);
	while (!c->ch.ended && ke_channel_unfrozen(&c->ch)) {
		if (kn_wait(c->kn, until))
			continue;
		kn_hold_end(ch);
		return late();
	}
	return c->ch.ended ? -ESHUTDOWN : 0;
}

int kecho_channel_freeze(struct kecho_channel *ch, int timeout_ms)
{
	struct kn *kn = ch->c->kn;
	int err;

	kn_lock(kn);
	err = freeze(ch, deadline(timeout_ms));
	kn_unlock(kn);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_channel_freeze);

int kecho_channel_thaw(struct kecho_channel *ch)
{
	struct kn *kn = ch->c->kn;
	bool held;

	kn_lock(kn);
	held = ch->holds;
	kn_hold_end(ch);
	kn_unlock(kn);
	return held ? 0 : -EINVAL;
}
EXPORT_SYMBOL_GPL(kecho_channel_thaw);

/* ------------------------------------------------------------------ draining */

static int drain(struct kn_channel *c, unsigned long until)
{
	u32 lag, silent;
	unsigned long look;
	int done;

	for (;;) {
		done = ke_drain_step(&c->ch, &lag, &silent);
		if (done)
			return min(done, 0);
		look = jiffies + msecs_to_jiffies(LOOK_MS);
		if (!kn_wait(c->kn, time_before(look, until) ? look : until))
			return late();
	}
}

int kecho_channel_drain(struct kecho_channel *ch, int timeout_ms)
{
	struct kn_channel *c = ch->c;
	struct kecho_source *src;
	int err;

	kn_lock(c->kn);
	/* Where a process's source is its copy says. */
	list_for_each_entry(src, &c->sources, list)
		if (src->proc)
			kn_copy_now(src->proc);
	err = ke_drain_begin(&c->ch);
	err = err ?: drain(c, deadline(timeout_ms));
	if (err != -EBUSY)
		ke_drain_end(&c->ch);
	kn_unlock(c->kn);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_channel_drain);

/* ---------------------------------------------------------------- destroying */

/* The name first: who opens it from then on is in another channel. */
static int destroy(struct kn_channel *c, unsigned long until)
{
	int err;

	if (c->ch.ended)
		return -ESHUTDOWN;
	err = c->kn->registry_used ? kn_reg_end(c, until) : 0;
	if (err)
		return err;
	ke_channel_destroy(&c->ch);
	while (kn_processes_ending(c) || ke_channel_undestroyed(&c->ch))
		if (!kn_wait(c->kn, until))
			return late();
	return 0;
}

int kecho_channel_destroy(struct kecho_channel *ch, int timeout_ms)
{
	struct kn *kn = ch->c->kn;
	int err;

	kn_lock(kn);
	err = destroy(ch->c, deadline(timeout_ms));
	kn_unlock(kn);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_channel_destroy);
