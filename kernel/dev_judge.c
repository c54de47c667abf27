// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What sources of processes judge by, see core/told.h, and whom they wake. A work of their session
 * tells them, for core has more to say when it says that something has changed.
 *
 * What such a source says in its records of who wants them is believed, as what another node's
 * says: a filter is no access control. Nobody reads more or less by it than this source's events.
 */
#include "dev.h"

static void tell(struct ke_told *t, u32 cmd, const void *body, u32 len, const void *tail,
		 u32 tail_len)
{
	const struct kn_psource *ps = container_of(t, struct kn_psource, judge);
	struct kn_answer a = { .body = body, .len = len, .tail = tail, .tail_len = tail_len };

	kn_send(ps->o->s, cmd, 0, 0, &a);
}

static void run(struct work_struct *work)
{
	struct kn_session *s = container_of(to_delayed_work(work), struct kn_session, judging);
	u64 now = kn_now_ms(), late = 0;

	kn_lock(s->kn);
	if (!s->over)
		late = ke_tells_run(&s->judges, now);
	if (late)
		mod_delayed_work(kn_wq, &s->judging, msecs_to_jiffies(late - now) + 1);
	kn_unlock(s->kn);
}

void kn_judging_init(struct kn_session *s)
{
	INIT_LIST_HEAD(&s->judges.due);
	INIT_LIST_HEAD(&s->judges.open);
	INIT_DELAYED_WORK(&s->judging, run);
}

void kn_judge_init(struct kn_psource *ps)
{
	ps->judge.s = &ps->src.s;
	ps->judge.handle = ps->handle;
	ps->judge.tells = &ps->o->s->judges;
	ps->judge.send = tell;
	INIT_LIST_HEAD(&ps->judge.list);
}

static void tell_soon(struct kn_psource *ps)
{
	mod_delayed_work(kn_wq, &ps->o->s->judging, 0);
}

/* Its process has rung. */
void kn_judge_took(struct kn_psource *ps)
{
	__le64 judged = smp_load_acquire(&kn_gate(ps->o->s, ps->gate)->judged);

	if (ke_told_took(&ps->judge, judged))
		tell_soon(ps);
}

static struct kn_psource *joined(const struct ke_source *s)
{
	struct kn_psource *ps = container_of(s, struct kecho_source, s)->proc;

	return ps && ps->state == KN_JOINED ? ps : NULL;
}

/* Kernel code's sources judge by core's own judge. */
void kn_judges(struct ke_source *s)
{
	struct kn_psource *ps = joined(s);

	if (ps && ke_told_changed(&ps->judge))
		tell_soon(ps);
}

/* All who sleep in the channel do so on one bell: processes, the kernel's sinks, and who copies
 * the log, for the kernel and other nodes. What is wanted now may be there already. */
void kn_wakes(struct ke_source *s)
{
	struct kn_psource *ps = joined(s);
	struct ke_wants w;

	if (!ps)
		return;
	w = ke_wants_there(s);
	w.bits |= s->own.bits;
	w.from = max(w.from, s->own.from);
	w.all |= s->own.all;
	ke_show_wants(&kn_limit(ps->o->s, ps->slot)->here, &w);
	if (ps->readers)
		kn_copy_kick(ps);
}
