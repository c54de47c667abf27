// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The bell of a channel: what its sinks sleep on. Who publishes looks whether somebody
 * sleeps, which costs one load while nobody does, however many sinks there are; if so, all
 * are woken.
 *
 * Who publishes and then looks, and who says that he sleeps and then looks for what was
 * published, have a full barrier between the two: one of them sees the other.
 */
#include "kn.h"

void kn_bell_init(struct kn_bell *b)
{
	spin_lock_init(&b->lock);
	INIT_LIST_HEAD(&b->waiters);
}

static void wake_all(struct kn_bell *b)
{
	struct kn_waiter *w, *next;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	list_for_each_entry_safe(w, next, &b->waiters, list) {
		list_del_init(&w->list);
		w->wake(w);
	}
	spin_unlock_irqrestore(&b->lock, flags);
}

void kn_bell_ring(struct kn_bell *b)
{
	smp_mb();
	if (likely(list_empty(&b->waiters)))
		return;
	if (irqs_disabled()) {
		wake_all(b);
		return;
	}
	/* Softirqs that are raised meanwhile run when this ends, and not in ksoftirqd. */
	local_bh_disable();
	wake_all(b);
	local_bh_enable();
}

void kn_bell_arm(struct kn_bell *b, struct kn_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	if (!w->gone && list_empty(&w->list))
		list_add_tail(&w->list, &b->waiters);
	spin_unlock_irqrestore(&b->lock, flags);
	smp_mb();
}

void kn_bell_disarm(struct kn_bell *b, struct kn_waiter *w, bool gone)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	w->gone |= gone;
	list_del_init(&w->list);
	spin_unlock_irqrestore(&b->lock, flags);
}

void kn_bell_wake(struct kn_bell *b, struct kn_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	list_del_init(&w->list);
	if (!w->gone)
		w->wake(w);
	spin_unlock_irqrestore(&b->lock, flags);
}
