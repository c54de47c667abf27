// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What processes do to a channel as a whole: holding it frozen, waiting until it is empty, ending
 * it. It takes the right to manage it.
 *
 * Only a process knows what its sources have begun, so it is told (FROZEN, CHANNEL_END) and
 * says when that is published or void (STILL). Each such note has a number, which STILL gives
 * back. Sources that stand still are held by their limits; those of a channel that was destroyed
 * end when they stand still, or after KN_END_MS.
 *
 * Each process holds a channel frozen for itself, and lets go when it closes it, or dies: to
 * other nodes we hold it as long as one does.
 */
#include "dev.h"

enum { OTHER_MET = 1, OTHER_NAMED };	/* enum kecho_other of libkecho */

enum { DRAIN_LOOK_MS = 20 };	/* sinks of processes say nothing when they have read */

/* After a wait it may have been closed. */
static struct kn_opening *again(const struct kn_ask *r)
{
	const struct kecho_ctl_channel_wait *in = r->body;

	return r->s->over ? NULL : kn_opening(r->s, le32_to_cpu(in->channel));
}

/* The opening that may manage its channel; NULL: it was refused. */
static struct kn_opening *managed(const struct kn_ask *r, const char *what)
{
	const struct kecho_ctl_channel_wait *in = r->body;
	struct kn_opening *o = again(r);

	if (!o)
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
	else if (!(kn_rights(r->s, o->ch->c) & KN_MANAGE))
		kn_refuse(r, -EACCES, "channel '%s': user %u may not %s it", o->ch->c->ch.name,
			  kn_user(r->s), what);
	else if (o->ch->c->ch.ended)
		kn_refuse(r, -ESHUTDOWN, "channel '%s' was destroyed", o->ch->c->ch.name);
	else
		return o;
	return NULL;
}

static unsigned long until(const struct kn_ask *r)
{
	const struct kecho_ctl_channel_wait *in = r->body;

	return jiffies + min_t(unsigned long, msecs_to_jiffies(le32_to_cpu(in->timeout_ms)),
			       MAX_JIFFY_OFFSET / 2);
}

/* A note that is answered by STILL, or (@due is false) need not be any more. */
static void tell_still(struct kn_opening *o, u32 cmd, bool due)
{
	struct kecho_ctl_still note = { .channel = cpu_to_le32(o->handle) };

	o->still_due = due;
	if (due && !++o->told)
		o->told = 1;
	note.number = cpu_to_le32(due ? o->told : 0);
	kn_note(o->s, cmd, &note, sizeof(note), NULL);
}

static void set_in_pieces(struct kn_psource *ps, bool in_pieces)
{
	spin_lock_irq(&ps->src.lock);
	ps->src.s.in_pieces = in_pieces;
	spin_unlock_irq(&ps->src.lock);
}

/* ------------------------------------------------------------------ freezing */

void kn_thaw(struct kn_opening *o)
{
	struct kn_channel *c = o->ch->c;

	if (!o->freezes)
		return;
	o->freezes = false;
	if (!--c->nholders && !c->ch.ended)
		ke_channel_thaw(&c->ch);
}

void kn_freeze_request(const struct kn_ask *r)
{
	struct kn_opening *o = managed(r, "freeze");
	unsigned long end = until(r);

	if (!o)
		return;
	if (o->freezes) {
		kn_refuse(r, -EALREADY, "channel '%s' is held by this process",
			  o->ch->c->ch.name);
		return;
	}
	o->freezes = true;
	if (!o->ch->c->nholders++)
		ke_channel_freeze(&o->ch->c->ch);
	while (o && !o->ch->c->ch.ended && ke_channel_unfrozen(&o->ch->c->ch)) {
		if (!kn_wait(r->s->kn, end)) {
			kn_refuse(r, -ETIMEDOUT,
				  "channel '%s': of %u nodes the sources do not stand still",
				  o->ch->c->ch.name, ke_channel_unfrozen(&o->ch->c->ch));
			kn_thaw(o);
			return;
		}
		o = again(r);
	}
	if (!o || o->ch->c->ch.ended)
		kn_refuse(r, -ESHUTDOWN, "the channel was closed or destroyed");
	else
		kn_answer(r, r->body);
}

void kn_thaw_request(const struct kn_ask *r)
{
	struct kn_opening *o = again(r);

	if (!o || !o->freezes) {
		kn_refuse(r, o ? -EINVAL : -EBADF, "the channel is not held by this process");
		return;
	}
	kn_thaw(o);
	kn_answer(r, r->body);
}

/* Core may have frozen or thawed it. Without a source a process is told nothing, so it may
 * still believe what it was told before. What has ended stands as it is. */
void kn_psource_frozen(struct kn_psource *ps)
{
	struct kn_opening *o = ps->o;
	bool frozen = ps->src.s.frozen;

	if (ps->state != KN_JOINED || ps->src.ch->c->ch.ended)
		return;
	if (o->frozen != frozen) {
		o->frozen = frozen;
		tell_still(o, KECHO_NOTE_FROZEN, frozen);
	}
	set_in_pieces(ps, o->still_due);
	kn_psource_room(ps);
}

static void stand_still(struct kn_opening *o)
{
	struct kn_psource *ps;

	list_for_each_entry(ps, &o->sources, list) {
		if (ps->state != KN_JOINED)
			continue;
		set_in_pieces(ps, false);
		kn_psource_room(ps);
		kn_copy_kick(ps);
	}
	ke_channel_settle(&o->ch->c->ch);
}

static void end_sources(struct kn_opening *o)
{
	struct kn_psource *ps;

	if (!o->ending)
		return;
	o->ending = false;
	list_for_each_entry(ps, &o->sources, list) {
		kn_psource_close(ps, false);
		kn_psource_drained(ps);
	}
}

void kn_still_request(const struct kn_ask *r)
{
	const struct kecho_ctl_still *in = r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(in->channel));

	if (!o) {
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	if (o->still_due && le32_to_cpu(in->number) == o->told) {
		o->still_due = false;
		if (o->ch->c->ch.ended)
			end_sources(o);
		else
			stand_still(o);
		kn_changed(r->s->kn);
	}
	kn_answer(r, in);
}

/* ------------------------------------------------------------------ draining */

/* 1: done; 0: not in time, or who waits is killed; -ENOSPC. */
static int drain(const struct kn_ask *r, struct kn_channel *c, u32 *lag, u32 *silent)
{
	unsigned long end = until(r), look;
	int done;

	for (;;) {
		done = ke_drain_step(&c->ch, lag, silent);
		if (done || time_after(jiffies, end))
			return done;
		look = jiffies + msecs_to_jiffies(DRAIN_LOOK_MS);
		if (!kn_wait(r->s->kn, time_before(look, end) ? look : end) || !again(r))
			return 0;
	}
}

static void not_drained(const struct kn_ask *r, int err, u32 lag, u32 silent)
{
	if (silent)
		kn_refuse(r, err, "%u nodes have not said what their sinks have read", silent);
	else
		kn_refuse(r, err, "%u sinks have not read all", lag);
}

void kn_drain_request(const struct kn_ask *r)
{
	struct kn_opening *o = managed(r, "drain");
	struct kecho_source *src;
	u32 lag = 0, silent = 0;
	int done;

	if (!o)
		return;
	/* Where a source is its copy says. */
	list_for_each_entry(src, &o->ch->c->sources, list)
		if (src->proc)
			kn_copy_now(src->proc);
	done = ke_drain_begin(&o->ch->c->ch);
	if (done && done != -ENOSPC) {	/* that is what the first step says */
		kn_refuse(r, done, "channel '%s': it can't be drained now", o->ch->c->ch.name);
		return;
	}
	o->drains = true;
	done = drain(r, o->ch->c, &lag, &silent);
	o = again(r);
	if (o)
		kn_drain_end(o);
	if (done > 0)
		kn_answer(r, r->body);
	else
		not_drained(r, done ?: -ETIMEDOUT, lag, silent);
}

void kn_drain_end(struct kn_opening *o)
{
	if (o->drains)
		ke_drain_end(&o->ch->c->ch);
	o->drains = false;
}

/* ---------------------------------------------------------------- destroying */

u32 kn_processes_ending(const struct kn_channel *c)
{
	const struct kecho_channel *ch;
	u32 n = 0;

	list_for_each_entry(ch, &c->users, users)
		n += ch->process && ch->process->ending;
	return n;
}

/* The name first: who opens it from then on is in another channel. */
static void destroy(const struct kn_ask *r, struct kn_channel *c)
{
	unsigned long end = until(r);
	int err = r->s->kn->registry_used ? kn_reg_end(c, end) : 0;

	if (err) {
		kn_refuse(r, err, "channel '%s': the registry does not let go of its name",
			  c->ch.name);
		return;
	}
	ke_channel_destroy(&c->ch);
	while (kn_processes_ending(c) || ke_channel_undestroyed(&c->ch)) {
		if (kn_wait(r->s->kn, end))
			continue;
		kn_refuse(r, -ETIMEDOUT, "channel '%s' is destroyed, but %u nodes and %u "
			  "processes of this host do not confirm it", c->ch.name,
			  ke_channel_undestroyed(&c->ch), kn_processes_ending(c));
		return;
	}
	kn_answer(r, r->body);
}

/* The lock is let go meanwhile, but it is not closed. */
void kn_destroy_request(const struct kn_ask *r)
{
	struct kn_session *s = r->s;
	struct kn_opening *o;

	mutex_lock(&s->closing);
	kn_lock(s->kn);
	o = managed(r, "destroy");
	if (o)
		destroy(r, o->ch->c);
	kn_unlock(s->kn);
	mutex_unlock(&s->closing);
}

/* By anybody: the process is told, and its sources there end when it has said STILL. */
void kn_opening_ended(struct kn_opening *o)
{
	o->freezes = false;
	o->ending = !list_empty(&o->sources);
	tell_still(o, KECHO_NOTE_CHANNEL_END, true);
	mod_delayed_work(kn_wq, &o->s->late, msecs_to_jiffies(KN_END_MS));
}

/* Who does not say that it stands still ends where it is. */
void kn_session_late(struct kn_session *s)
{
	struct kn_opening *o;

	list_for_each_entry(o, &s->openings, list)
		end_sources(o);
	kn_changed(s->kn);
}

void kn_other_request(const struct kn_ask *r)
{
	struct kecho_ctl_other out = *(const struct kecho_ctl_other *)r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(out.channel));

	if (!o) {
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(out.channel));
		return;
	}
	out.other = cpu_to_le32(0);
	if (ke_channel_has_other(&o->ch->c->ch)) {
		out.other = cpu_to_le32(o->ch->c->unnamed ? OTHER_NAMED : OTHER_MET);
		memcpy(out.uuid, o->ch->c->ch.other.b, sizeof(out.uuid));
	}
	kn_answer(r, &out);
}
