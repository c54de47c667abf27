// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels as processes have them open, and who is there.
 */
#include "dev.h"

struct kn_opening *kn_opening(const struct kn_session *s, u32 handle)
{
	struct kn_opening *o;

	list_for_each_entry(o, &s->openings, list)
		if (o->handle == handle)
			return o;
	return NULL;
}

void kn_opening_free(struct kn_opening *o)
{
	list_del(&o->list);
	kecho_channel_close(o->ch);
	kn_uncharge(o->s->user, KN_CHANNELS, 1);
	kfree(o);
}

/* kn.lock is held. */
static int take_channel(struct kn_opening *o, u32 mode)
{
	struct kn_session *s = o->s;
	int err;

	if (s->over)
		return -ENOTCONN;
	o->handle = ++s->last_handle;
	o->ch->process = o;
	list_add_tail(&o->list, &s->openings);
	err = kn_own_channel(s, o->ch->c, mode);
	return err ?: (kn_rights(s, o->ch->c) ? 0 : -EACCES);
}

/* s->opening is held; a child may have the descriptor still when the session ends. */
static int open_channel(const struct kn_ask *r, struct kecho_ctl_channel_open *c,
			struct kn_opening *o)
{
	struct kecho_channel_options opt = {
		.flags = le32_to_cpu(c->flags),
		.timeout_ms = min_t(u32, le32_to_cpu(c->timeout_ms), KN_OPEN_MAX_MS),
	};
	int err = strnlen(c->name, sizeof(c->name)) == sizeof(c->name) ? -EINVAL : 0;

	if (READ_ONCE(r->s->over))
		return -ENOTCONN;
	err = err ?: kecho_channel_open(r->s->k, c->name, &opt, &o->ch);
	if (err)
		return err;
	o->s = r->s;
	INIT_LIST_HEAD(&o->list);
	INIT_LIST_HEAD(&o->sources);
	INIT_LIST_HEAD(&o->sinks);
	kn_lock(r->s->kn);
	err = take_channel(o, le32_to_cpu(c->mode));
	if (err) {
		o->ch->process = NULL;
		list_del_init(&o->list);
	}
	kn_unlock(r->s->kn);
	if (err)
		kecho_channel_close(o->ch);
	return err;
}

void kn_channel_open_request(const struct kn_ask *r)
{
	struct kecho_ctl_channel_open out = *(const struct kecho_ctl_channel_open *)r->body;
	struct kn_opening *o = kzalloc(sizeof(*o), GFP_KERNEL_ACCOUNT);
	int err = o ? kn_charge(r->s->user, KN_CHANNELS, 1) : -ENOMEM;

	if (err)
		goto free;
	err = mutex_lock_killable(&r->s->opening);
	if (err)
		goto uncharge;
	err = open_channel(r, &out, o);
	if (!err) {
		out.channel = cpu_to_le32(o->handle);
		kecho_channel_uuid(o->ch, out.uuid);
	}
	mutex_unlock(&r->s->opening);
	if (!err) {
		kn_answer(r, &out);
		return;
	}
uncharge:
	kn_uncharge(r->s->user, KN_CHANNELS, 1);
free:
	kfree(o);
	kn_refuse(r, err, "channel '%.*s'", KE_NAME_MAX, out.name);
}

/* What is on its way to others has had its time, or its process does not care. */
static struct kn_opening *empty_opening(const struct kn_ask *r, u32 handle)
{
	struct kn_opening *o = r->s->over ? NULL : kn_opening(r->s, handle);

	if (!o)
		return NULL;
	while (!list_empty(&o->sinks))
		kn_psink_close(list_first_entry(&o->sinks, struct kn_psink, list), false);
	while (!list_empty(&o->sources))
		kn_psource_gone(list_first_entry(&o->sources, struct kn_psource, list));
	kn_thaw(o);
	kn_drain_end(o);
	o->ch->process = NULL;
	list_del_init(&o->list);
	return o;
}

void kn_channel_close_request(const struct kn_ask *r)
{
	const struct kecho_ctl_channel *in = r->body;
	struct kn_session *s = r->s;
	struct kn_opening *o;

	mutex_lock(&s->closing);
	kn_lock(s->kn);
	o = empty_opening(r, le32_to_cpu(in->channel));
	kn_unlock(s->kn);
	if (o) {
		kn_psources_bury(s);
		kn_opening_free(o);
		kn_answer(r, in);
	} else {
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
	}
	mutex_unlock(&s->closing);
}

/* ---------------------------------------------------------------------- members */

struct kecho_ctl_member kn_describe(const struct kn_opening *o, const struct kecho_member *m)
{
	return (struct kecho_ctl_member){
		.id = cpu_to_le64(m->id), .node = cpu_to_le64(m->node),
		.channel = cpu_to_le32(o->handle), .role = m->role, .policy = m->policy,
		.state = m->state, .mine = m->mine, .remote = m->remote,
		.traffic_class = m->traffic_class,
	};
}

/* Of our own it is said under kn.lock, so in order. */
static void tell_member(void *arg, const struct kecho_member *m)
{
	struct kn_opening *o = arg;
	struct kecho_ctl_member note = kn_describe(o, m);

	kn_note(o->s, KECHO_NOTE_MEMBER, &note, sizeof(note), NULL);
}

void kn_watch_request(const struct kn_ask *r)
{
	const struct kecho_ctl_channel *in = r->body;
	struct kn_session *s = r->s;
	struct kn_opening *o;

	mutex_lock(&s->closing);
	kn_lock(s->kn);
	o = s->over ? NULL : kn_opening(s, le32_to_cpu(in->channel));
	kn_unlock(s->kn);
	if (o) {
		kn_answer(r, in);
		kecho_channel_watch(o->ch, in->on ? tell_member : NULL, o);
	} else {
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
	}
	mutex_unlock(&s->closing);
}
