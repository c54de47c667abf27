// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The bell of a channel: what its sinks sleep on. Who publishes looks whether somebody
 * sleeps, which costs one load while nobody does, however many sinks there are; if so, all
 * are woken.
 *
 * Who publishes and then looks, and who says that he sleeps and then looks for what was
 * published, have a full barrier between the two: one of them sees the other.
 *
 * Processes see in a page of their own whether anybody sleeps, and ring by a call. All who sleep
 * of them are one waiter. Nobody but us writes that page, so none can make others sleep on.
 */
#include <linux/poll.h>

#include "kn.h"

/* The lock is held. All that processes see of who sleeps. */
static void show_waiters(struct kn_bell *b)
{
	if (b->shown)
		WRITE_ONCE(b->shown->waiters, list_empty(&b->waiters) ? 0 : KECHO_WAIT_POLL);
}

static void wake_processes(struct kn_waiter *w)
{
	struct kn_bell *b = container_of(w, struct kn_bell, processes);

	WRITE_ONCE(b->shown->futex, b->shown->futex + 1);
	wake_up_poll(&b->asleep, EPOLLIN | EPOLLRDNORM);
}

struct kn_bell *kn_bell_make(void)
{
	struct kn_bell *b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);

	if (!b)
		return NULL;
	spin_lock_init(&b->lock);
	INIT_LIST_HEAD(&b->waiters);
	refcount_set(&b->refs, 1);
	INIT_LIST_HEAD(&b->processes.list);
	b->processes.wake = wake_processes;
	init_waitqueue_head(&b->asleep);
	kn_made(KN_BELL);
	return b;
}

void kn_bell_put(struct kn_bell *b)
{
	if (!refcount_dec_and_test(&b->refs))
		return;
	kn_pages_free(&b->pages);
	kfree(b);
	kn_gone(KN_BELL);
}

int kn_bell_show(struct kn_bell *b)
{
	int err;

	if (b->shown)
		return 0;
	err = kn_pages_make(&b->pages, "kecho-bell", sizeof(struct kecho_doorbell));
	if (err)
		return err;
	kn_pages_seal(&b->pages);
	spin_lock_irq(&b->lock);
	b->shown = b->pages.map;
	show_waiters(b);
	spin_unlock_irq(&b->lock);
	return 0;
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
	show_waiters(b);
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
	show_waiters(b);
	spin_unlock_irqrestore(&b->lock, flags);
	smp_mb();
}

void kn_bell_disarm(struct kn_bell *b, struct kn_waiter *w, bool gone)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	w->gone |= gone;
	list_del_init(&w->list);
	show_waiters(b);
	spin_unlock_irqrestore(&b->lock, flags);
}

void kn_bell_wake(struct kn_bell *b, struct kn_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	list_del_init(&w->list);
	show_waiters(b);
	if (!w->gone)
		w->wake(w);
	spin_unlock_irqrestore(&b->lock, flags);
}
