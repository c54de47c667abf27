// SPDX-License-Identifier: MIT
/*
 * What is done to a channel as a whole: holding it frozen, waiting until it is empty,
 * ending it. It takes the right to manage it.
 *
 * Freezing. Only the process knows what its sources have begun, so it is told (FROZEN) and
 * says when that is published (STILL); from then on the limits hold its sources where they
 * are, and until then the channel does not stand still. A process holds it, and lets go
 * when it closes the channel, or dies.
 */
#include "daemon.h"

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
	if (o->c->ch.freeze) {
		kd_refuse(r, -EALREADY, "channel '%s' is held by a process of this host",
			  o->c->ch.name);
		return;
	}
	o->freezes = true;
	ke_channel_freeze(&o->c->ch);
	if (!kd_wait(r, o, r->body, timeout_of(r), stands, frozen))
		kd_thaw(o);
}

void kd_thaw(struct kd_opening *o)
{
	if (o->freezes)
		ke_channel_thaw(&o->c->ch);
	o->freezes = false;
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

static void tell_frozen(struct kd_opening *o, bool on)
{
	struct kecho_note_frozen note = { .channel = cpu_to_le32(o->handle),
					  .on = cpu_to_le32(on) };

	o->frozen = o->frozen_due = on;
	kd_note(o->s, KECHO_NOTE_FROZEN, &note, sizeof(note), NULL, 0);
}

/* Core may have frozen or thawed it. */
void kd_frozen(struct kd_source *src)
{
	if (src->state != KD_JOINED || src->frozen == src->s.frozen)
		return;
	src->frozen = src->s.frozen;
	if (src->o->frozen != src->frozen)
		tell_frozen(src->o, src->frozen);
	src->s.in_pieces = src->o->frozen_due;
	kd_source_room(src);
}

void kd_still_request(const struct kd_request *r)
{
	const struct kecho_ctl_channel_only *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));
	struct kd_source *src;

	if (!o) {
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	o->frozen_due = false;
	list_for_each_entry(src, &o->sources, opening_list) {
		if (src->state != KD_JOINED)
			continue;
		src->s.in_pieces = false;
		kd_source_room(src);
		kd_copy_wanted(src);
	}
	ke_channel_settle(&o->c->ch);
	r->s->d->changed = true;
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

static bool undestroyed(struct kd_wait *w)
{
	struct kd_opening *o = w->object;

	return !ke_channel_undestroyed(&o->c->ch);
}

static void destroy_over(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);
	struct kd_opening *o = w->object;

	if (in_time)
		kd_answer(&r, w->body);
	else
		kd_refuse(&r, -ETIMEDOUT, "channel '%s' is destroyed, but %u nodes do not confirm "
			  "it", o->c->ch.name, ke_channel_undestroyed(&o->c->ch));
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

/* By anybody. Sinks read on to where the sources end; then all is told to be over. */
void kd_destroyed(struct ke_channel *ch)
{
	struct kd_channel *c = ch->owner;
	struct kd_source *src;

	list_for_each_entry(src, &c->sources, channel_list)
		kd_source_over(src);
	if (c->d->k.reg)
		ke_reg_leave(c->d->k.reg, ch->name);
	c->d->nended++;
	c->d->changed = true;
}

static bool any_feed(const struct kd_channel *c)
{
	const struct kd_sink *k;

	list_for_each_entry(k, &c->sinks, channel_list)
		if (!list_empty(&k->feeds))
			return true;
	return false;
}

/* Channels that have ended, and whose sinks have been told of all that they will get. */
void kd_channels_ended(struct kd *d)
{
	struct kecho_ctl_channel_only note = { 0 };
	struct kd_channel *c;
	struct kd_opening *o;

	if (!d->nended)
		return;
	list_for_each_entry(c, &d->channels, list) {
		if (!c->ch.ended || c->told_end || any_feed(c))
			continue;
		c->told_end = true;
		d->nended--;
		list_for_each_entry(o, &c->openings, channel_list) {
			note.channel = cpu_to_le32(o->handle);
			kd_note(o->s, KECHO_NOTE_CHANNEL_END, &note, sizeof(note), NULL, 0);
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
