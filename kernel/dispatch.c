// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How a sink gets its events: its callback is called in a thread, by a work, or in softirq,
 * by a tasklet; or somebody sleeps in kecho_read(). Whichever it is, one at a time.
 *
 *	asleep (on the channel's bell) -> woken -> running -> (turn over: woken) -> asleep
 *
 * A turn is over after KN_TURN events or KN_TURN_NS. Of a sink that has ended, a thread tells
 * its owner that.
 *
 * What may sleep is a chore: a thread does it between two events, a tasklet leaves it to a
 * work and is woken when it is done.
 */
#include <linux/sched/clock.h>

#include "kn.h"

static struct kn_bell *bell_of(struct kecho_sink *s)
{
	return s->ch->c->bell;
}

static void wake(struct kn_waiter *w)
{
	struct kecho_sink *s = container_of(w, struct kecho_sink, waiter);

	if (!s->fn)
		wake_up_all(&s->wait);
	else if (s->context == KECHO_SOFTIRQ)
		tasklet_schedule(&s->bh);
	else
		queue_work(kn_callback_wq, &s->run);
}

bool kn_dispatch_arm(struct kecho_sink *s)
{
	kn_bell_arm(bell_of(s), &s->waiter);
	if (!READ_ONCE(s->disconnected) && !READ_ONCE(s->refused) && !kn_feeds_ready(s) &&
	    !kn_feeds_shut(s))
		return true;
	kn_bell_disarm(bell_of(s), &s->waiter, false);
	return false;
}

/* False: its turn is over, and there may be more. */
static bool run(struct kecho_sink *s)
{
	struct kecho_event ev[KN_BATCH];
	u64 start = local_clock();
	unsigned int n, all;

	for (all = 0; all < KN_TURN && local_clock() - start < KN_TURN_NS; all += n) {
		n = kn_feeds_next(s, ev, kn_budget_batch(s));
		if (!n) {
			kn_feeds_release(s);
			return true;
		}
		kn_budget_call(s, ev, n);
	}
	return false;
}

/* Of one that has ended comes no more. */
static bool over(struct kecho_sink *s)
{
	return READ_ONCE(s->disconnected) || kn_feeds_shut(s);
}

bool kn_dispatch_is_own(const struct kecho_sink *s)
{
	return READ_ONCE(s->caller) == current;
}

static void tell_end(struct kecho_sink *s)
{
	if (s->end_told || !s->ended)
		return;
	s->end_told = true;
	WRITE_ONCE(s->caller, current);
	s->ended(s->arg, kecho_sink_error(s));
	WRITE_ONCE(s->caller, NULL);
}

static void run_in_thread(struct work_struct *work)
{
	struct kecho_sink *s = container_of(work, struct kecho_sink, run);
	bool all = run(s);

	if (READ_ONCE(s->chores_due)) {
		kn_feeds_chores(s);
		all = false;
	}
	if (over(s))
		tell_end(s);
	else if (!all || !kn_dispatch_arm(s))
		kn_bell_wake(bell_of(s), &s->waiter);
}

static void end_in_thread(struct work_struct *work)
{
	tell_end(container_of(work, struct kecho_sink, run));
}

/* Behind chores it is woken again. */
static void run_in_softirq(struct tasklet_struct *t)
{
	struct kecho_sink *s = from_tasklet(s, t, bh);
	bool all = run(s), chores = READ_ONCE(s->chores_due);

	if (chores)
		queue_work(kn_wq, &s->chores);
	if (!over(s)) {
		if (!all || !kn_dispatch_arm(s))
			kn_bell_wake(bell_of(s), &s->waiter);
	} else if (!chores) {
		queue_work(kn_callback_wq, &s->run);
	}
}

static void do_chores(struct work_struct *work)
{
	struct kecho_sink *s = container_of(work, struct kecho_sink, chores);

	kn_feeds_chores(s);
	kn_bell_wake(bell_of(s), &s->waiter);
}

void kn_dispatch_init(struct kecho_sink *s)
{
	INIT_LIST_HEAD(&s->waiter.list);
	s->waiter.wake = wake;
	init_waitqueue_head(&s->wait);
	INIT_WORK(&s->run, s->context == KECHO_SOFTIRQ ? end_in_thread : run_in_thread);
	/* A callback may close another sink, whose work is not its own to lockdep then. */
	lockdep_register_key(&s->run_key);
	lockdep_init_map(&s->run.lockdep_map, "kecho sink", &s->run_key, 0);
	INIT_WORK(&s->chores, do_chores);
	tasklet_setup(&s->bh, run_in_softirq);
}

void kn_dispatch_fini(struct kecho_sink *s)
{
	lockdep_unregister_key(&s->run_key);
}

/* It may have events to read already. */
void kn_dispatch_start(struct kecho_sink *s)
{
	kn_bell_wake(bell_of(s), &s->waiter);
}

/* From the first line on nothing wakes it; what runs then wakes nothing but the chores. */
void kn_dispatch_stop(struct kecho_sink *s)
{
	kn_bell_disarm(bell_of(s), &s->waiter, true);
	tasklet_kill(&s->bh);
	cancel_work_sync(&s->run);
	cancel_work_sync(&s->chores);
}
