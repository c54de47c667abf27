// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The time that a sink's callback takes: counted, and limited by a budget for each call. In
 * softirq all of a CPU waits for it, in a thread its own sources.
 *
 * A call that takes longer is KN_STRIKE strikes, one that does not takes a strike off. At
 * KN_STRIKES_MAX the sink is detached: so it is for what it does again and again, and not for
 * an interrupt in one call. Who has strikes gets events one by one, so none is on its way to it
 * then.
 *
 * A call that does not return is not ended by anybody. Its sources go on when it has stalled
 * them for long enough; the kernel's own watchdogs see it if it is in softirq.
 */
#include <linux/moduleparam.h>
#include <linux/sched/clock.h>

#include "kn.h"
#include "trace.h"

static unsigned int softirq_budget_us = 1000, thread_budget_us = 1000000;

module_param(softirq_budget_us, uint, 0644);
MODULE_PARM_DESC(softirq_budget_us, "how long a sink's callback in softirq may take");
module_param(thread_budget_us, uint, 0644);
MODULE_PARM_DESC(thread_budget_us, "how long a sink's callback in a thread may take");

u64 kn_budget_default(enum kecho_context context)
{
	return (u64)NSEC_PER_USEC * READ_ONCE(*(context == KECHO_SOFTIRQ ? &softirq_budget_us :
									   &thread_budget_us));
}

unsigned int kn_budget_batch(const struct kecho_sink *s)
{
	return s->strikes ? 1 : KN_BATCH;
}

/* Strikes are its caller's. */
static void strike(struct kecho_sink *s, unsigned int overruns, unsigned int good)
{
	s->strikes += overruns * KN_STRIKE;
	s->strikes -= min(s->strikes, good);
	if (s->strikes < KN_STRIKES_MAX)
		return;
	WRITE_ONCE(s->overran, true);
	WRITE_ONCE(s->disconnected, true);
	WRITE_ONCE(s->chores_due, true);
}

static void charge(struct kecho_sink *s, u64 busy_ns, u64 longest_ns, unsigned int overruns)
{
	spin_lock_bh(&s->lock);
	s->stats.busy_ns += busy_ns;
	s->stats.longest_ns = max(s->stats.longest_ns, longest_ns);
	s->stats.overruns += overruns;
	spin_unlock_bh(&s->lock);
}

void kn_budget_call(struct kecho_sink *s, const struct kecho_event *ev, unsigned int n)
{
	u64 at = local_clock(), longest = 0, busy = 0, end, took;
	unsigned int i, overruns = 0;

	WRITE_ONCE(s->caller, current);
	for (i = 0; i < n; i++) {
		s->fn(s->arg, &ev[i]);
		end = local_clock();
		/* A thread may have come to another CPU. */
		took = (s64)(end - at) > 0 ? end - at : 0;
		at = end;
		busy += took;
		longest = max(longest, took);
		if (likely(took <= s->budget_ns))
			continue;
		overruns++;
		trace_kecho_overrun(s->ch->c->ch.name, s->m.id, took, s->budget_ns);
	}
	WRITE_ONCE(s->caller, NULL);
	charge(s, busy, longest, overruns);
	if (unlikely(overruns || s->strikes))
		strike(s, overruns, n - overruns);
}

void kn_budget_detach(struct kecho_sink *s)
{
	if (s->stalled)
		return;
	pr_warn("kecho: channel '%s': a sink of %s is detached: %llu calls took over %llu ns\n",
		s->ch->c->ch.name, module_name(s->ch->k->owner), s->stats.overruns,
		s->budget_ns);
	kn_stall_end(s);
}
