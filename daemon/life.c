// SPDX-License-Identifier: MIT
/*
 * What is done to a channel as a whole: holding it frozen, waiting until it is empty,
 * ending it. It takes the right to manage it.
 *
 * Only the process knows what its sources have begun, so it is told (FROZEN, CHANNEL_END)
 * and says when that is published or void (STILL). Each such note has a number, which
 * STILL gives back: what is under way when it comes may have begun after an older note.
 *
 * Freezing. The limits hold sources that stand still where they are; until all do the
 * channel does not stand. Each process holds it for itself, and lets go when it closes the
 * channel, or dies: to other nodes we hold it as long as one process does.
 *
 * Destroying. Sources end when they stand still, so that nothing is lost that a process
 * was told is submitted; whoever does not say so has KD_END_MS.
 */
#include "daemon.h"

#include <syslog.h>

enum { DRAIN_TURNS_MAX = 16 };

/* The opening that may manage its channel; NULL: it was refused. */
static struct kd_opening *managed(const struct kd_request *r, const char *what)
{
	const struct kecho_ctl_channel_wait *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));

	if (!o)
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
	else if (!(kd_rights(r->s, o->c) & KD_MANAGE))
		kd_refuse(r, -EACCES, "channel '%s': user %u may not %s it", o->c->ch.name,
			  r->s->user->uid, what);
	else if (o->c->ch.ended)
		kd_refuse(r, -ESHUTDOWN, "channel '%s' was destroyed", o->c->ch.name);
	else
		return o;
	return NULL;
}

static u32 timeout_of(const struct kd_request *r)
{
	const struct kecho_ctl_channel_wait *in = r->body;

	return le32_to_cpu(in->timeout_ms);
}

/* ------------------------------------------------------------------ freezing */

static bool stands(struct kd_wait *w)
{
	struct kd_opening *o = w->object;

	return o->c->ch.ended || !ke_channel_unfrozen(&o->c->ch);
}

static void frozen(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);
	struct kd_opening *o = w->object;

	if (o->c->ch.ended) {
		kd_refuse(&r, -ESHUTDOWN, "channel '%s' was destroyed", o->c->ch.name);
	} else if (in_time) {
		kd_answer(&r, w->body);
	} else {
		kd_refuse(&r, -ETIMEDOUT,
			  "channel '%s': of %u nodes the sources do not stand still",
			  o->c->ch.name, ke_channel_unfrozen(&o->c->ch));
		kd_thaw(o);
	}
}

void kd_freeze_request(const struct kd_request *r)
{
	struct kd_opening *o = managed(r, "freeze");

	if (!o)
		return;
	if (o->freezes) {
		kd_refuse(r, -EALREADY, "channel '%s' is held by this process", o->c->ch.name);
		return;
	}
	o->freezes = true;
	if (!o->c->nholders++)
		ke_channel_freeze(&o->c->ch);
	if (!kd_wait(r, o, r->body, timeout_of(r), stands, frozen))
		kd_thaw(o);
}

void kd_thaw(struct kd_opening *o)
{
	if (!o->freezes)
		return;
	o->freezes = false;
	if (!--o->c->nholders)
		ke_channel_thaw(&o->c->ch);
}

void kd_thaw_request(const struct kd_request *r)
{
	const struct kecho_ctl_channel_wait *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));

	if (!o || !o->freezes) {
		kd_refuse(r, o ? -EINVAL : -EBADF, "channel %u is not held by this process",
			  le32_to_cpu(in->channel));
		return;
	}
	kd_thaw(o);
	kd_answer(r, in);
}

/* A note that is answered by STILL, or (@due is false) need not be any more. */
static void tell_still(struct kd_opening *o, u32 cmd, bool due)
{
	struct kecho_ctl_still note = { .channel = cpu_to_le32(o->handle) };

	o->still_due = due;
	if (due && !++o->told)
		o->told = 1;
	note.number = cpu_to_le32(due ? o->told : 0);
	kd_note(o->s, cmd, &note, sizeof(note), NULL, 0);
}

/* Core may have frozen or thawed it. Without a source a process is told nothing, so it may
 * still believe what it was told before. What has ended stands as it is. */
void kd_frozen(struct kd_source *src)
{
	struct kd_opening *o = src->o;
	bool frozen = src->s.frozen;

	if (src->state != KD_JOINED || src->c->ch.ended)
		return;
	if (o->frozen != frozen) {
		o->frozen = frozen;
		tell_still(o, KECHO_NOTE_FROZEN, frozen);
	}
	src->frozen = frozen;
	src->s.in_pieces = o->still_due;
	kd_source_room(src);
}

static void stand_still(struct kd_opening *o)
{
	struct kd_source *src;

	list_for_each_entry(src, &o->sources, opening_list) {
		if (src->state != KD_JOINED)
			continue;
		src->s.in_pieces = false;
		kd_source_room(src);
		kd_copy_wanted(src);
	}
	ke_channel_settle(&o->c->ch);
}

void kd_still_request(const struct kd_request *r)
{
	const struct kecho_ctl_still *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));

	if (!o) {
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	if (o->still_due && le32_to_cpu(in->number) == o->told) {
		o->still_due = false;
		if (o->c->ch.ended)
			kd_end_sources(o);
		else
			stand_still(o);
		r->s->d->changed = true;
	}
	kd_answer(r, in);
}

/* ------------------------------------------------------------------ draining */

static bool lags(struct kd_sink *k, struct ke_in marks)
{
	struct ke_drain_mark m;
	struct kd_feed *f;
	u64 member;

	while (ke_drain_mark(&marks, &m)) {
		list_for_each_entry(f, &k->feeds, sink_list) {
			member = f->source ? f->source->s.member.id : f->mirror->rs->remote->id;
			if (member == m.member &&
			    le64_to_cpu(READ_ONCE(kd_gate(k->o->s, f->slot)->given)) < m.pos)
				return true;
		}
	}
	return false;
}

/* As the processes say, which is of use to nobody but themselves. */
u32 kd_lagging(struct ke_channel *ch, const struct ke_in *marks)
{
	struct kd_channel *c = ch->owner;
	struct kd_sink *k;
	u32 n = 0;

	list_for_each_entry(k, &c->sinks, channel_list)
		n += lags(k, *marks);
	if (n)
		kd_bells_wake(c);
	return n;
}

static bool drained(struct kd_wait *w)
{
	struct kd_opening *o = w->object;
	u32 lag = 0, silent = 0;

	if (!w->arg[0])
		w->arg[0] = (u64)(s64)ke_drain_step(&o->c->ch, &lag, &silent);
	w->arg[1] = silent ? (u64)silent << 32 : lag;
	return w->arg[0];
}

void kd_drain_end(struct kd_opening *o)
{
	if (o->c->drainer != o)
		return;
	ke_drain_end(&o->c->ch);
	o->c->drainer = NULL;
	o->c->d->ndrains--;
}

static void drain_over(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);
	struct kd_opening *o = w->object;

	if ((s64)w->arg[0] < 0)
		kd_refuse(&r, (s64)w->arg[0], "channel '%s': it has over %d sources",
			  o->c->ch.name, KE_DRAIN_SOURCES_MAX);
	else if (in_time)
		kd_answer(&r, w->body);
	else if (w->arg[1] >> 32)
		kd_refuse(&r, -ETIMEDOUT, "channel '%s': %u nodes have not said what their sinks "
			  "have read", o->c->ch.name, (u32)(w->arg[1] >> 32));
	else
		kd_refuse(&r, -ETIMEDOUT, "channel '%s': %u sinks have not read all",
			  o->c->ch.name, (u32)w->arg[1]);
	kd_drain_end(o);
}

/* Where a source is its copy says. */
static void copy_all(struct kd_channel *c)
{
	struct kd_source *src;
	int turns = DRAIN_TURNS_MAX;

	list_for_each_entry(src, &c->sources, channel_list)
		kd_copy_wanted(src);
	while (turns-- && kd_copies_run(c->d))
		;
}

void kd_drain_request(const struct kd_request *r)
{
	struct kd_opening *o = managed(r, "drain");
	int err;

	if (!o)
		return;
	copy_all(o->c);
	err = ke_drain_begin(&o->c->ch);
	if (err && err != -ENOSPC) {
		kd_refuse(r, err, "channel '%s': another drain is under way", o->c->ch.name);
		return;
	}
	o->c->drainer = o;
	o->c->d->ndrains++;
	if (!kd_wait(r, o, r->body, timeout_of(r), drained, drain_over))
		kd_drain_end(o);
}

/* ---------------------------------------------------------------- destroying */

/* The name first: who opens it from then on is in another channel. */
void kd_destroy_request(const struct kd_request *r)
{
	struct kd_opening *o = managed(r, "destroy");

	if (o)
		kd_join_end(r, o, timeout_of(r));
}

static u32 processes_ending(const struct kd_channel *c)
{
	const struct kd_opening *o;
	u32 n = 0;

	list_for_each_entry(o, &c->openings, channel_list)
		n += !!o->end_ms;
	return n;
}

static bool undestroyed(struct kd_wait *w)
{
	struct kd_opening *o = w->object;

	return !processes_ending(o->c) && !ke_channel_undestroyed(&o->c->ch);
}

static void destroy_over(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);
	struct kd_opening *o = w->object;

	if (in_time)
		kd_answer(&r, w->body);
	else
		kd_refuse(&r, -ETIMEDOUT,
			  "channel '%s' is destroyed, but %u nodes and %u processes of this host "
			  "do not confirm it",
			  o->c->ch.name, ke_channel_undestroyed(&o->c->ch),
			  processes_ending(o->c));
}

/* The registry has answered. */
void kd_destroy_named(const struct kd_request *r, struct kd_opening *o, int err, u32 left_ms)
{
	if (!o || err) {
		kd_refuse(r, err ?: -EBADF, "a channel is not destroyed: %s",
			  err ? "the registry does not answer" : "it was closed");
		return;
	}
	ke_channel_destroy(&o->c->ch);
	kd_wait(r, o, r->body, left_ms, undestroyed, destroy_over);
}

/* Its process is told; the sources that it has there end when it has said STILL. */
static void end_opening(struct kd_opening *o)
{
	o->freezes = false;
	if (!o->ready)	/* its opening is refused */
		return;
	if (o->nsources) {
		o->end_ms = lib_deadline(KD_END_MS);
		o->c->d->nending++;
	}
	tell_still(o, KECHO_NOTE_CHANNEL_END, true);
}

/* By anybody. Sinks read on to where the sources end. */
void kd_destroyed(struct ke_channel *ch)
{
	struct kd_channel *c = ch->owner;
	struct kd_opening *o;

	c->nholders = 0;
	list_for_each_entry(o, &c->openings, channel_list)
		end_opening(o);
	if (c->d->k.reg)
		ke_reg_leave(c->d->k.reg, ch->name);
	c->d->changed = true;
}

/* They stand still, or have had their time. */
void kd_end_sources(struct kd_opening *o)
{
	struct kd_source *src;

	if (!o->end_ms)
		return;
	o->end_ms = 0;
	o->c->d->nending--;
	o->c->d->changed = true;
	list_for_each_entry(src, &o->sources, opening_list)
		kd_source_over(src);
}

/* Processes that were to stand still, and do not say so. */
void kd_ends_look(struct kd *d)
{
	struct kd_channel *c;
	struct kd_opening *o;

	if (!d->nending)
		return;
	list_for_each_entry(c, &d->channels, list) {
		list_for_each_entry(o, &c->openings, channel_list) {
			if (!o->end_ms || lib_deadline(0) < o->end_ms)
				continue;
			kd_say(LOG_WARNING, "process %d of user %u does not stop its sources in "
			       "'%s', which was destroyed: they end where they are", o->s->pid,
			       o->s->user->uid, c->ch.name);
			kd_end_sources(o);
		}
	}
}

void kd_other_request(const struct kd_request *r)
{
	struct kecho_ctl_other out = *(const struct kecho_ctl_other *)r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(out.channel));

	if (!o) {
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(out.channel));
		return;
	}
	out.other = cpu_to_le32(names_other(&r->s->d->k, &o->c->ch));
	if (out.other)
		memcpy(out.uuid, o->c->ch.other.b, sizeof(out.uuid));
	kd_answer(r, &out);
}
