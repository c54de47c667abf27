// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The copy of a process's log, while sinks of the kernel or of other nodes read it: see
 * core/copy.h. A work fills it, which sleeps on the channel's bell as a sink does, so its process
 * rings for it. Where a gate holds it the gate says when it goes on.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "dev.h"

/* Any context. */
void kn_copy_kick(struct kn_psource *ps)
{
	queue_work(kn_wq, &ps->work);
}

static void kick_links(struct kn_psource *ps)
{
	struct ke_tstream *ts;

	spin_lock_irq(&ps->src.lock);
	list_for_each_entry(ts, &ps->src.s.streams, source_list)
		if (ts->link)
			kn_conn_kick(ts->link->owner);
	spin_unlock_irq(&ps->src.lock);
}

/* All that there is, or a turn of it: as ke_copy_piece() says. */
static s64 copy_turn(struct kn_psource *ps)
{
	s64 n, left = KN_TURN_BYTES;

	do {
		spin_lock_irq(&ps->src.lock);
		n = ke_copy_piece(&ps->copy);
		spin_unlock_irq(&ps->src.lock);
		left -= n;
	} while (n > 0 && left > 0);
	return n;
}

void kn_copy_now(struct kn_psource *ps)
{
	if (ps->readers && !ps->why && !ps->said_end && copy_turn(ps) != 0)
		kn_copy_kick(ps);
}

/* Is there something, and may it be copied? Else it sleeps on what makes it so. */
static bool stays_awake(struct kn_psource *ps)
{
	struct ke_source *s = &ps->src.s;
	bool more;
	u64 head;

	if (ps->state != KN_JOINED)
		return false;
	WRITE_ONCE(ps->held, true);
	/* With a full barrier. */
	kn_bell_arm(ps->src.ch->c->bell, &ps->waiter);
	if (ke_copy_head(&ps->copy, &head))
		return true;
	spin_lock_irq(&ps->src.lock);
	more = head > s->log.end && ke_source_limit(s, s->log.end + 8) > s->log.end + 7;
	spin_unlock_irq(&ps->src.lock);
	return more;
}

/* True: there is more to do. */
static bool run_copy(struct kn_psource *ps)
{
	u64 head = ps->src.s.log.head;
	s64 n;

	kn_bell_disarm(ps->src.ch->c->bell, &ps->waiter, false);
	WRITE_ONCE(ps->held, false);
	n = copy_turn(ps);
	if (ps->src.s.log.head != head) {
		kick_links(ps);
		kn_bell_ring(ps->src.ch->c->bell);
	}
	if (n < 0 && n != -EAGAIN) {
		kn_psource_lies(ps);
		return false;
	}
	return n || stays_awake(ps);
}

static void run(struct work_struct *work)
{
	struct kn_psource *ps = container_of(work, struct kn_psource, work);

	kn_lock(ps->kn);
	if (ps->state != KN_OVER) {
		if (ps->readers && !ps->why && !ps->said_end && run_copy(ps))
			kn_copy_kick(ps);
		kn_psource_room(ps);
	}
	if (ps->state == KN_CLOSING)
		kn_changed(ps->kn);
	kn_unlock(ps->kn);
}

static void wake(struct kn_waiter *w)
{
	kn_copy_kick(container_of(w, struct kn_psource, waiter));
}

void kn_copy_init(struct kn_psource *ps)
{
	INIT_WORK(&ps->work, run);
	INIT_LIST_HEAD(&ps->waiter.list);
	ps->waiter.wake = wake;
}

/* It is made for others, but is the process's: its user is charged, and its control group. */
static struct kn_log *make_log(struct kn_psource *ps)
{
	struct kn_session *s = ps->o->s;
	struct mem_cgroup *was;
	struct kn_log *log;

	if (kn_charge(s->user, KN_MEMORY, ps->copy.from.size))
		return NULL;
	was = set_active_memcg(s->memcg);
	log = kn_log_make(ps->copy.from.size);
	set_active_memcg(was);
	if (!log)
		kn_uncharge(s->user, KN_MEMORY, ps->copy.from.size);
	return log;
}

void kn_copy_free(struct kn_psource *ps, struct kn_session *s)
{
	if (!ps->src.log)
		return;
	kn_log_put(ps->src.log);
	ps->src.log = NULL;
	kn_uncharge(s->user, KN_MEMORY, ps->copy.from.size);
}

/* Somebody begins to read it; kn.lock is held. -EPROTO: the source will be over, which is no
 * error of who reads. */
static int get(struct kn_psource *ps)
{
	int err;

	if (ps->why)
		return -EPROTO;
	if (ps->readers++)
		return 0;
	ps->src.log = make_log(ps);
	err = ps->src.log ? ke_copy_begin(&ps->copy, ps->src.log->pages.map,
					  kn_log_ring(ps->src.log)) : -ENOSPC;
	if (!err) {
		kn_copy_kick(ps);
		return 0;
	}
	ps->readers = 0;
	ps->src.s.log.hdr = ps->shared->pages.map;
	kn_copy_free(ps, ps->o->s);
	if (err == -EPROTO)
		kn_psource_lies(ps);
	else
		kn_psource_fail(ps, err, "its user has no place for a copy of its log");
	return -EPROTO;
}

/* One reads it no more; kn.lock is held. At its end it stays for who reads on. */
static void put(struct kn_psource *ps)
{
	if (--ps->readers || ps->said_end)
		return;
	kn_bell_disarm(ps->src.ch->c->bell, &ps->waiter, false);
	ps->src.s.log.hdr = ps->state == KN_JOINED ? ps->shared->pages.map :
						     (void *)&ps->nothing;
	kn_copy_free(ps, ps->o->s);
	kn_psource_room(ps);
}

int kn_copy_hold(struct kecho_source *src)
{
	return src->proc ? get(src->proc) : 0;
}

void kn_copy_release(struct kecho_source *src)
{
	if (src->proc)
		put(src->proc);
}

/* All that is there, wherever they begin. */
int kn_copy_open(struct ke_source *s, u8 from)
{
	return kn_copy_hold(container_of(s, struct kecho_source, s));
}

void kn_copy_close(struct ke_source *s)
{
	kn_copy_release(container_of(s, struct kecho_source, s));
}

void kn_copy_moved(struct kecho_source *src)
{
	struct kn_psource *ps = src->proc;

	if (!ps)
		return;
	smp_mb();	/* the gate, before it is looked whether that is waited for */
	if (READ_ONCE(ps->held))
		kn_copy_kick(ps);
}
