// SPDX-License-Identifier: MIT
/*
 * Sinks of the processes of this host.
 */
#include "daemon.h"

#include <syslog.h>

struct kd_sink *kd_sink(const struct kd_session *s, u32 handle)
{
	struct kd_opening *o;
	struct kd_sink *k;

	list_for_each_entry(o, &s->openings, session_list)
		list_for_each_entry(k, &o->sinks, opening_list)
			if (k->handle == handle)
				return k;
	return NULL;
}

static struct kecho_limit_slot *kept(const struct kd_sink *k)
{
	return (struct kecho_limit_slot *)k->o->s->limits.map + k->slot;
}

/* It reads in place, perhaps, or will when it runs again: it must see that it is ended
 * before anything is overwritten there. Nobody else gets that slot. */
static void let_go(struct kd_sink *k)
{
	WRITE_ONCE(kept(k)->limit, 0);
	atomic_thread_fence(memory_order_seq_cst);
}

static struct kd_sink *sink_make(struct kd_opening *o, const struct kecho_ctl_sink_open *in,
				 u32 attrs_len, int *err)
{
	struct kd_sink *k = calloc(1, sizeof(*k));

	*err = k ? kd_take_attrs(&k->m.attrs, in + 1, attrs_len) : -ENOMEM;
	if (*err)
		goto free_sink;
	*err = kd_user_member(o->s->user, KD_MEMBER_BYTES);
	if (*err)
		goto free_attrs;
	*err = kd_gate_take(o->s, 0, &k->gate);
	if (*err)
		goto uncharge;
	*err = kd_slot_take(&o->s->limits, &k->slot);
	if (*err)
		goto free_gate;
	k->o = o;
	k->c = o->c;
	k->m.owner = k;
	k->m.role = KE_SINK;
	k->m.policy = le32_to_cpu(in->policy);
	k->m.channel = &o->c->ch;
	k->from = le32_to_cpu(in->retained);
	if (k->from == KECHO_FROM_REJOIN)
		k->kept = kd_keep_find(o->s, o->c, KE_SINK, le64_to_cpu(in->member));
	if (k->kept)
		k->m.id = le64_to_cpu(in->member);
	k->handle = ++o->s->last_handle;
	INIT_LIST_HEAD(&k->feeds);
	INIT_LIST_HEAD(&k->m.list);
	o->c->ch.sinks++;
	o->c->ch.gated += k->m.policy == KECHO_BLOCK;
	o->nsinks++;
	list_add_tail(&k->opening_list, &o->sinks);
	list_add_tail(&k->channel_list, &o->c->sinks);
	kept(k)->limit = cpu_to_le64(KE_NO_LIMIT);
	return k;
free_gate:
	kd_slot_give_back(&o->s->gates, k->gate);
uncharge:
	kd_user_no_member(o->s->user, KD_MEMBER_BYTES);
free_attrs:
	ke_attrs_free(&k->m.attrs);
free_sink:
	free(k);
	return NULL;
}

static int sink_join(struct kd_sink *k)
{
	struct kd_source *src;
	int err = kd_bells_update(k->c);

	list_for_each_entry(src, &k->c->sources, channel_list)
		if (!err && src->state == KD_JOINED)
			err = kd_feed_source(k, src, false);
	if (!err && k->from == KECHO_FROM_REJOIN)
		err = kd_mirrors_again(k);
	/* Who sees the member may submit at once: the subscription goes first. */
	err = err ?: ke_channel_subscribe(&k->c->ch, k->from == KECHO_FROM_RETAINED);
	err = err ?: ke_member_join(&k->m, &k->c->ch);
	if (!err && k->kept)
		kd_keep_back(k->kept, k->o->s, k->slot);
	else if (!err)
		k->kept = kd_keep_member(k->o->s, &k->m, k->slot);
	return err;
}

static const char *forbidden(const struct kd_request *r, const struct kd_opening *o, u32 policy)
{
	if (!(kd_rights(r->s, o->c) & KD_SUBSCRIBE))
		return "subscribe there";
	if (policy == KECHO_BLOCK && !kd_may_block(r->s, o->c))
		return "hold up sources";
	return NULL;
}

/* A sink that reads in place was there before us, and logs have gone on without it. */
static bool came_late(const struct kd_session *s, const struct kd_opening *o,
		      const struct kecho_ctl_sink_open *in)
{
	if (le32_to_cpu(in->retained) != KECHO_FROM_REJOIN ||
	    le32_to_cpu(in->policy) != KECHO_BLOCK || (s->d->holds && !s->d->taking_over))
		return false;
	return !kd_keep_find(s, o->c, KE_SINK, le64_to_cpu(in->member));
}

static bool started(struct kd_wait *w)
{
	struct kd_sink *k = w->object;

	return ke_channel_acked(&k->c->ch) && ke_channel_started(&k->c->ch);
}

void kd_sink_open_request(const struct kd_request *r)
{
	struct kecho_ctl_sink_open *in = r->body, out = *in;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));
	u32 policy = le32_to_cpu(in->policy);
	struct kd_sink *k;
	const char *what;
	int err;

	if (!o || policy > KECHO_DISCONNECT || le32_to_cpu(in->retained) > KECHO_FROM_REJOIN) {
		kd_refuse(r, o ? -EINVAL : -EBADF,
			  "no channel %u of this process, policy %u or start %u",
			  le32_to_cpu(in->channel), policy, le32_to_cpu(in->retained));
		return;
	}
	if (in->boost_us) {
		kd_refuse(r, -EOPNOTSUPP, "only a kernel's node boosts");
		return;
	}
	if (o->c->ch.ended) {
		kd_refuse(r, -ESHUTDOWN, "channel '%s' was destroyed", o->c->ch.name);
		return;
	}
	what = forbidden(r, o, policy);
	if (what) {
		kd_refuse(r, *what == 'h' ? -EPERM : -EACCES, "sink of '%s': user %u may not %s",
			  o->c->ch.name, r->s->user->uid, what);
		return;
	}
	if (came_late(r->s, o, in)) {
		kd_refuse(r, -EPIPE, "sink of '%s': it came back too late, and nobody has waited "
			  "for it", o->c->ch.name);
		return;
	}
	k = sink_make(o, in, r->tail_len, &err);
	if (k) {
		err = sink_join(k);
		if (err)
			kd_sink_close(k, false);
	}
	if (err) {
		kd_refuse(r, err, "sink of '%s': no place for it", o->c->ch.name);
		return;
	}
	kd_tell_member(k->c, &k->m, KE_JOINED);
	out.sink = cpu_to_le32(k->handle);
	out.gate = cpu_to_le32(k->gate);
	out.slot = cpu_to_le32(k->slot);
	out.member = cpu_to_le64(k->m.id);
	out.attrs_len = 0;
	if (!kd_wait(r, k, &out, JOIN_MS, started, kd_wait_answer))
		kd_sink_close(k, false);
}

void kd_sink_close(struct kd_sink *k, bool failed)
{
	struct kd_channel *c = k->c;
	bool joined = !list_empty(&k->m.list);

	kd_waits_cancel(c->d, k, -EPIPE, "the sink was closed");
	k->m.failed = failed;
	if (joined)
		kd_keep_forget(c->d, k->kept);
	if (joined)
		kd_tell_member(c, &k->m, failed ? KE_FAILED : KE_LEFT);
	ke_member_leave(&k->m);
	list_del(&k->opening_list);
	list_del(&k->channel_list);
	c->ch.sinks--;
	c->ch.gated -= k->m.policy == KECHO_BLOCK;
	k->o->nsinks--;
	if (!k->err)
		kd_slot_give_back(&k->o->s->limits, k->slot);
	while (!list_empty(&k->feeds))
		kd_feed_free(list_first_entry(&k->feeds, struct kd_feed, sink_list));
	ke_channel_unsubscribe(&c->ch);
	kd_slot_give_back(&k->o->s->gates, k->gate);
	kd_user_uncharge(k->o->s->user, k->filter_bytes);
	kd_user_no_member(k->o->s->user, KD_MEMBER_BYTES);
	free(k);
	WARN_ON_ONCE(kd_bells_update(c));
}

/* It cannot have all that it asked for: it will be over, when nobody looks at it. */
void kd_sink_fail(struct kd_sink *k, int err, const char *why)
{
	if (k->err)
		return;
	k->err = err;
	strscpy(k->why, why, sizeof(k->why));
	let_go(k);
	k->c->d->changed = k->c->d->sinks_failing = true;
}

static void tell_end(struct kd_sink *k)
{
	struct kecho_note_end note = { .handle = cpu_to_le32(k->handle),
				       .error = cpu_to_le32((u32)k->err) };
	struct kd_session *s = k->o->s;

	char why[WHY_MAX + KE_NAME_MAX + 16];

	kd_say(LOG_WARNING, "a sink of process %d, user %u, in '%s' is ended: %s: %s", s->pid,
	       s->user->uid, k->c->ch.name, k->why, strerror(-k->err));
	if (!kd_waits_on(s->d, k, KECHO_CMD_SINK_OPEN)) {
		kd_send(s, KECHO_NOTE_SINK_END, 0, 0, &note, sizeof(note), k->why,
			strlen(k->why), NULL, 0);
		return;
	}
	/* Its process does not know it yet. */
	snprintf(why, sizeof(why), "sink of '%s': %s", k->c->ch.name, k->why);
	kd_waits_cancel(s->d, k, k->err, why);
}

void kd_sinks_failing(struct kd *d)
{
	struct kd_channel *c;
	struct kd_sink *k, *next;

	if (!d->sinks_failing)
		return;
	d->sinks_failing = false;
	list_for_each_entry(c, &d->channels, list) {
		list_for_each_entry_safe(k, next, &c->sinks, channel_list) {
			if (!k->err)
				continue;
			tell_end(k);
			kd_sink_close(k, true);
		}
	}
}

void kd_sink_close_request(const struct kd_request *r)
{
	const struct kecho_ctl_sink *in = r->body;
	struct kd_sink *k = kd_sink(r->s, le32_to_cpu(in->sink));

	if (!k) {
		kd_refuse(r, -EBADF, "no sink %u of this process", le32_to_cpu(in->sink));
		return;
	}
	kd_sink_close(k, false);
	kd_answer(r, in);
}
