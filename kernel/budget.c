// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The time that a sink's callback, and its filter in C, take for each event: counted, and limited
 * by a budget. In softirq all of a CPU waits for it, in a thread its own sources.
 *
 * One that takes longer is KN_STRIKE strikes, one that does not takes a strike off. At
 * KN_STRIKES_MAX the sink is detached: so it is for what it does again and again, and not for
 * an interrupt in one call. Time that a hypervisor takes away counts, too, as nobody says when it
 * does: on busy machines that may be some milliseconds whenever a callback wakes somebody, hence
 * the defaults. Who has strikes gets events one by one, so none is on its way to it then.
 *
 * A call that does not return is not ended by anybody. Its sources go on when it has stalled
 * them for long enough; the kernel's own watchdogs see it if it is in softirq.
 */
#include <linux/moduleparam.h>
#include <linux/sched/clock.h>

#include "kn.h"
#include "trace.h"

static unsigned int softirq_budget_us = 10000, thread_budget_us = 1000000;

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

/* What some calls came to. */
struct tally {
	u64 at, busy_ns, longest_ns, filtered_bytes;
	unsigned int n, overruns, filtered;
};

/* Strikes are its caller's. */
static void strike(struct kecho_sink *s, const struct tally *t)
{
	unsigned int good = t->n - t->overruns;

	s->strikes += t->overruns * KN_STRIKE;
	s->strikes -= min(s->strikes, good);
	if (s->strikes < KN_STRIKES_MAX)
		return;
	WRITE_ONCE(s->overran, true);
	WRITE_ONCE(s->disconnected, true);
	WRITE_ONCE(s->chores_due, true);
}

static void begin(struct kecho_sink *s, struct tally *t)
{
	*t = (struct tally){ .at = local_clock() };
	WRITE_ONCE(s->caller, current);
}

static void called(struct kecho_sink *s, struct tally *t)
{
	u64 now = local_clock();
	/* A thread may have come to another CPU. */
	u64 took = (s64)(now - t->at) > 0 ? now - t->at : 0;

	t->n++;
	t->at = now;
	t->busy_ns += took;
	t->longest_ns = max(t->longest_ns, took);
	if (likely(took <= s->budget_ns))
		return;
	t->overruns++;
	trace_kecho_overrun(s->ch->c->ch.name, s->m.id, took, s->budget_ns);
}

static void end(struct kecho_sink *s, const struct tally *t)
{
	struct kecho_sink_stats *st = &s->stats;

	WRITE_ONCE(s->caller, NULL);
	spin_lock_bh(&s->lock);
	st->busy_ns += t->busy_ns;
	st->longest_ns = max(st->longest_ns, t->longest_ns);
	st->overruns += t->overruns;
	st->filtered += t->filtered;
	st->received -= t->filtered;
	st->bytes -= t->filtered_bytes;
	spin_unlock_bh(&s->lock);
	if (unlikely(t->overruns || s->strikes))
		strike(s, t);
}

static bool wants(struct kecho_sink *s, const struct kecho_event *ev, struct tally *t)
{
	if (likely(!s->filter) || ev->kind != KECHO_EVENT || s->filter(s->arg, ev))
		return true;
	t->filtered++;
	t->filtered_bytes += ev->len;
	return false;
}

void kn_budget_call(struct kecho_sink *s, const struct kecho_event *ev, unsigned int n)
{
	struct tally t;
	unsigned int i;

	begin(s, &t);
	for (i = 0; i < n; i++) {
		if (wants(s, &ev[i], &t))
			s->fn(s->arg, &ev[i]);
		called(s, &t);
	}
	end(s, &t);
}

bool kn_budget_wants(struct kecho_sink *s, const struct kecho_event *ev)
{
	struct tally t;
	bool yes;

	begin(s, &t);
	yes = wants(s, ev, &t);
	called(s, &t);
	end(s, &t);
	return yes;
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
