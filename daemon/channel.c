// SPDX-License-Identifier: MIT
/*
 * Channels that processes of this host have open, and each process's opening of one.
 * The node is in a channel once, however many processes are, and leaves it with the
 * last, and with the last source whose events are still on their way.
 */
#include "daemon.h"

struct kd_channel *kd_channel_find(struct kd *d, const char *name)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list)
		if (!c->ch.ended && !strcmp(c->ch.name, name))
			return c;
	return NULL;
}

void kd_channel_get(struct kd_channel *c)
{
	c->refs++;
}

void kd_channel_put(struct kd_channel *c)
{
	if (--c->refs)
		return;
	kd_bells_free(c);
	kd_live_free(c);
	kd_keep_no_channel(c);
	if (!c->ch.ended)
		ke_reg_leave(c->d->k.reg, c->ch.name);
	ke_channel_close(&c->ch);
	list_del(&c->list);
	list_del(&c->ring_list);
	kd_entries_free(&c->stats);
	free(c);
}

/* The registry has answered; one reference is the caller's. NULL: *@err. */
struct kd_channel *kd_channel_make(struct kd *d, const char *name, const struct ke_id *uuid,
				   const struct ke_contact *contact, unsigned int n, int *err)
{
	struct kd_channel *c = calloc(1, sizeof(*c));
	unsigned int i;

	*err = c ? ke_channel_open(&c->ch, &d->k.node, uuid, name) : -ENOMEM;
	if (*err) {
		free(c);
		return NULL;
	}
	c->d = d;
	c->refs = 1;
	c->ch.owner = c;
	INIT_LIST_HEAD(&c->openings);
	INIT_LIST_HEAD(&c->sources);
	INIT_LIST_HEAD(&c->sinks);
	INIT_LIST_HEAD(&c->bells);
	INIT_LIST_HEAD(&c->ring_list);
	list_add_tail(&c->list, &d->channels);
	for (i = 0; i < n && !*err; i++)
		*err = ke_channel_contact(&c->ch, &contact[i]);
	if (!*err)
		return c;
	kd_channel_put(c);
	return NULL;
}

/* ----------------------------------------------------------------- openings */

struct kd_opening *kd_opening(const struct kd_session *s, u32 handle)
{
	struct kd_opening *o;

	list_for_each_entry(o, &s->openings, session_list)
		if (o->ready && o->handle == handle)
			return o;
	return NULL;
}

static struct kd_opening *opening_make(struct kd_session *s, struct kd_channel *c)
{
	struct kd_user *u = s->user;
	struct kd_opening *o;

	if (u->channels == s->d->conf.user_channels)
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	u->channels++;
	o->s = s;
	o->c = c;
	o->handle = ++s->last_handle;
	INIT_LIST_HEAD(&o->sources);
	INIT_LIST_HEAD(&o->sinks);
	list_add_tail(&o->session_list, &s->openings);
	list_add_tail(&o->channel_list, &c->openings);
	kd_channel_get(c);
	return o;
}

void kd_opening_close(struct kd_opening *o, bool failed)
{
	struct kd_channel *c = o->c;

	o->watch = false;
	kd_waits_cancel(o->s->d, o, -EBADF, "the channel was closed");
	while (!list_empty(&o->sources))
		kd_source_close(list_first_entry(&o->sources, struct kd_source, opening_list),
				failed);
	while (!list_empty(&o->sinks))
		kd_sink_close(list_first_entry(&o->sinks, struct kd_sink, opening_list), failed);
	kd_bells_forget(o);
	kd_end_sources(o);
	kd_drain_end(o);
	kd_thaw(o);
	o->s->user->channels--;
	list_del(&o->session_list);
	list_del(&o->channel_list);
	free(o);
	kd_channel_put(c);
}

/* -------------------------------------------------------------------- opening */

static bool synced(struct kd_wait *w)
{
	const struct kd_opening *o = w->object;

	/* It was when there was another kechod; now those who were there come back first. */
	return o->c->taken_over || ke_channel_synced(&o->c->ch);
}

static bool is_first(const struct kd_opening *o)
{
	const struct kd_opening *other;

	list_for_each_entry(other, &o->c->openings, channel_list)
		if (other->ready)
			return false;
	return true;
}

static const char *why_not(int err)
{
	if (err == -EACCES)
		return "channel '%s': user %u has no right to it";
	if (err == -ESHUTDOWN)
		return "channel '%s' was destroyed as user %u opened it";
	return "channel '%s': its rights for user %u";
}

/* A node of the channel that we cannot talk to. */
static const struct ke_peer *refused_node(const struct kd_channel *c)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &c->ch.presences, channel_list)
		if (pr->peer->refused)
			return pr->peer;
	return NULL;
}

/* All that answers knows of us: now the channel's attributes are there too. */
static void opened(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);
	struct kd_opening *o = w->object;
	const struct ke_peer *p = refused_node(o->c);
	int err = !p && is_first(o) ? kd_own_channel(w->s, o->c, w->arg[0]) : 0;

	(void)in_time;
	if (p) {
		kd_refuse(&r, -EPROTONOSUPPORT, "channel '%s': node %s speaks versions %u to %u of "
			  "the protocol, kechod %u to %u", o->c->ch.name, p->name, p->speaks.oldest,
			  p->speaks.newest, p->node->speaks.oldest, p->node->speaks.newest);
		kd_opening_close(o, false);
		return;
	}
	if (o->c->ch.ended)
		err = -ESHUTDOWN;
	if (!err && !kd_rights(w->s, o->c))
		err = -EACCES;
	if (err) {
		kd_refuse(&r, err, why_not(err), o->c->ch.name, w->s->user->uid);
		kd_opening_close(o, false);
		return;
	}
	kd_keep_channel(o->c);
	o->ready = true;
	kd_answer(&r, w->body);
}

static bool is_open(const struct kd_session *s, const struct kd_channel *c)
{
	const struct kd_opening *o;

	list_for_each_entry(o, &s->openings, session_list)
		if (o->c == c)
			return true;
	return false;
}

/* The node is in the channel; a process wants to be. */
void kd_channel_joined(const struct kd_request *r, struct kd_channel *c, u32 timeout_ms, u32 mode)
{
	struct kecho_ctl_channel_open out = { .mode = cpu_to_le32(mode) };
	struct kd_request answer = *r;
	struct kd_opening *o;
	struct kd_wait *w;

	if (is_open(r->s, c)) {
		kd_refuse(r, -EBUSY, "channel '%s' is open here already", c->ch.name);
		return;
	}
	o = opening_make(r->s, c);
	if (!o) {
		kd_refuse(r, -ENOSPC, "channel '%s': user %u has %u channels open, the most that "
			  "it may", c->ch.name, r->s->user->uid, r->s->user->channels);
		return;
	}
	out.channel = cpu_to_le32(o->handle);
	memcpy(out.uuid, c->ch.uuid.b, sizeof(out.uuid));
	strscpy(out.name, c->ch.name, sizeof(out.name));
	answer.len = sizeof(out);
	w = kd_wait(&answer, o, &out, timeout_ms, synced, opened);
	if (w)
		w->arg[0] = mode;
	else
		kd_opening_close(o, false);
}

static bool bad_name(const char *name, size_t size)
{
	const u8 *p;

	if (!*name || strnlen(name, size) == size)
		return true;
	for (p = (const void *)name; *p; p++)
		if (*p < 0x21 || *p == '*' || *p == 0x7f)
			return true;
	return false;
}

void kd_channel_open_request(const struct kd_request *r)
{
	const struct kecho_ctl_channel_open *in = r->body;
	u32 flags = le32_to_cpu(in->flags), timeout_ms = le32_to_cpu(in->timeout_ms);
	u32 mode = le32_to_cpu(in->mode), reg_flags = 0;
	struct kd_channel *c;

	if (bad_name(in->name, sizeof(in->name)) || mode > 0777 ||
	    flags & ~(u32)(KECHO_EXISTING | KECHO_EXCLUSIVE)) {
		kd_refuse(r, -EINVAL, "a channel's name, flags 0x%x or mode 0%o", flags, mode);
		return;
	}
	if (!timeout_ms)
		timeout_ms = r->s->d->conf.timeout_ms;
	c = kd_channel_find(r->s->d, in->name);
	if (c && is_open(r->s, c)) {
		kd_refuse(r, -EBUSY, "channel '%s' is open here already", in->name);
	} else if (c && (flags & KECHO_EXCLUSIVE)) {
		kd_refuse(r, -EEXIST, "channel '%s' exists", in->name);
	} else if (c) {
		kd_channel_joined(r, c, timeout_ms, mode);
	} else {
		reg_flags |= flags & KECHO_EXISTING ? KE_REG_EXISTING : 0;
		reg_flags |= flags & KECHO_EXCLUSIVE ? KE_REG_EXCLUSIVE : 0;
		kd_join(r, reg_flags, timeout_ms, mode, in->name);
	}
}

void kd_channel_close_request(const struct kd_request *r)
{
	const struct kecho_ctl_channel *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));

	if (!o) {
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	kd_opening_close(o, false);
	kd_answer(r, in);
}
