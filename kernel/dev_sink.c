// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sinks of processes.
 */
#include <linux/sched/mm.h>

#include "dev.h"

struct kn_psink *kn_psink(const struct kn_session *s, u32 handle)
{
	struct kn_opening *o;
	struct kn_psink *k;

	list_for_each_entry(o, &s->openings, list)
		list_for_each_entry(k, &o->sinks, list)
			if (k->handle == handle)
				return k;
	return NULL;
}

static void count(struct kn_psink *k, int n)
{
	struct ke_channel *ch = &k->o->ch->c->ch;

	ch->sinks += n;
	ch->gated += k->m.policy == KECHO_BLOCK ? n : 0;
}

static int take_slots(struct kn_psink *k, struct kn_session *s)
{
	int err = kn_slot_take(&s->gates, &k->gate);

	if (err)
		return err;
	err = kn_slot_take(&s->limits, &k->slot);
	if (err)
		kn_slot_give_back(&s->gates, k->gate);
	else
		kn_limit(s, k->slot)->limit = cpu_to_le64(KE_NO_LIMIT);
	return err;
}

static struct kn_psink *make(struct kn_opening *o, const struct kn_ask *r)
{
	const struct kecho_ctl_sink_open *in = r->body;
	int err = kn_charge_member(o->s->user, 0);
	struct kn_psink *k;

	if (err)
		return ERR_PTR(err);
	k = kzalloc(sizeof(*k), GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (!k)
		goto uncharge;
	err = kn_take_attrs(&k->m.attrs, in + 1, r->tail_len);
	if (err)
		goto free;
	err = take_slots(k, o->s);
	if (err)
		goto free_attrs;
	k->o = o;
	k->m.owner = o->ch;
	k->m.role = KE_SINK;
	k->m.whose = o->s->whose;
	k->m.policy = le32_to_cpu(in->policy);
	k->m.channel = &o->ch->c->ch;
	INIT_LIST_HEAD(&k->m.list);
	k->retained = le32_to_cpu(in->retained) == KECHO_FROM_RETAINED;
	k->handle = ++o->s->last_handle;
	k->opens = true;
	INIT_LIST_HEAD(&k->feeds);
	list_add_tail(&k->list, &o->sinks);
	list_add_tail(&k->channel_list, &o->ch->c->psinks);
	count(k, 1);
	return k;

free_attrs:
	ke_attrs_free(&k->m.attrs);
free:
	kfree(k);
uncharge:
	kn_uncharge_member(o->s->user, 0);
	return ERR_PTR(err);
}

/* Who sees the member may submit at once: what it reads comes first. */
static int join(struct kn_psink *k)
{
	struct kn_channel *c = k->o->ch->c;
	struct kecho_source *src;
	int err = kn_bell_tell(k->o);

	list_for_each_entry(src, &c->sources, list)
		if (!err && kn_source_goes_on(src))
			err = kn_pfeed_source(k, src, false);
	err = err ?: ke_channel_subscribe(&c->ch, k->retained);
	return err ?: kn_join(&k->m, k->o->ch);
}

static const char *refused(const struct kn_session *s, const struct kn_opening *o,
			   const struct kecho_ctl_sink_open *in, int *err)
{
	*err = -EINVAL;
	if (le32_to_cpu(in->policy) > KECHO_DISCONNECT ||
	    le32_to_cpu(in->retained) > KECHO_FROM_REJOIN)
		return "there is no such policy, or start";
	*err = -EPIPE;
	if (le32_to_cpu(in->retained) == KECHO_FROM_REJOIN)
		return "it was cut off, and nobody has waited for it";
	*err = -ESHUTDOWN;
	if (o->ch->c->ch.ended)
		return "the channel was destroyed";
	*err = -EACCES;
	if (!(kn_rights(s, o->ch->c) & KN_SUBSCRIBE))
		return "this user may not subscribe there";
	*err = -EPERM;
	if (le32_to_cpu(in->policy) == KECHO_BLOCK && !kn_may_block(s, o->ch->c))
		return "this user has no right to block";
	if (in->boost_us && !kn_may_boost())
		return "this process has no right to be boosted";
	return NULL;
}

static const char *why_ended(const struct kn_psink *k)
{
	return k->err == -EPIPE ? "it has held a source up for too long" :
				  "there is no place for one more log";
}

/* Its process knows nothing of it: it has the slots back at once. */
static void refuse_ended(const struct kn_ask *r, struct kn_psink *k)
{
	kn_refuse(r, k->err, "sink of '%s': %s", k->o->ch->c->ch.name, why_ended(k));
	k->err = 0;
	kn_psink_close(k, true);
}

static void wait_started(const struct kn_ask *r, struct kn_psink *k)
{
	unsigned long until = jiffies + msecs_to_jiffies(KN_JOIN_MS);
	struct kecho_ctl_sink_open out = *(const struct kecho_ctl_sink_open *)r->body;
	u32 handle = k->handle;

	for (;;) {
		if (!k) {
			kn_refuse(r, -EPIPE, "the sink has ended");
			return;
		}
		if (k->err) {
			refuse_ended(r, k);
			return;
		}
		if ((ke_channel_acked(&k->o->ch->c->ch) &&
		     ke_channel_started(&k->o->ch->c->ch)) || !kn_wait(r->s->kn, until))
			break;
		k = kn_psink(r->s, handle);
	}
	k->opens = false;
	out.sink = cpu_to_le32(k->handle);
	out.gate = cpu_to_le32(k->gate);
	out.slot = cpu_to_le32(k->slot);
	out.member = cpu_to_le64(k->m.id);
	out.attrs_len = 0;
	kn_answer(r, &out);
}

void kn_sink_open_request(const struct kn_ask *r)
{
	const struct kecho_ctl_sink_open *in = r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(in->channel));
	struct kn_psink *k;
	const char *why;
	int err;

	if (!o) {
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	why = refused(r->s, o, in, &err);
	if (why) {
		kn_refuse(r, err, "sink of '%s': %s", o->ch->c->ch.name, why);
		return;
	}
	k = make(o, r);
	err = PTR_ERR_OR_ZERO(k);
	if (!err) {
		err = join(k);
		if (err)
			kn_psink_close(k, false);
	}
	if (err)
		kn_refuse(r, err, "sink of '%s': no place for it", o->ch->c->ch.name);
	else
		wait_started(r, k);
}

void kn_psink_close(struct kn_psink *k, bool failed)
{
	struct kn_session *s = k->o->s;

	k->m.failed = failed;
	kn_leave(&k->m, k->o->ch);
	list_del(&k->list);
	list_del(&k->channel_list);
	count(k, -1);
	while (!list_empty(&k->feeds))
		kn_pfeed_free(list_first_entry(&k->feeds, struct kn_pfeed, sink_list));
	ke_channel_unsubscribe(&k->o->ch->c->ch);
	if (!k->err)	/* of one that was ended it says so as long as its process looks */
		kn_slot_give_back(&s->limits, k->slot);
	kn_slot_give_back(&s->gates, k->gate);
	kn_uncharge(s->user, KN_MEMORY, k->filter_bytes);
	kn_uncharge_member(s->user, 0);
	kfree(k);
}

/* It is over, and will be when nobody looks at it. It reads in place, perhaps: it must see that
 * before anything is overwritten there. */
void kn_psink_fail(struct kn_psink *k, int err)
{
	if (k->err)
		return;
	k->err = err;
	WRITE_ONCE(kn_limit(k->o->s, k->slot)->limit, 0);
	smp_mb();
	if (k->opens)
		kn_changed(k->o->s->kn);
	else
		queue_work(kn_wq, &k->o->s->chores);
}

void kn_psink_fails(struct kn_psink *k)
{
	const char *why = why_ended(k);
	struct kecho_note_end note = { .handle = cpu_to_le32(k->handle),
				       .error = cpu_to_le32((u32)k->err) };
	struct kn_answer a = { .body = &note, .len = sizeof(note), .tail = why,
			       .tail_len = strlen(why) };

	kn_send(k->o->s, KECHO_NOTE_SINK_END, 0, 0, &a);
	kn_count_loss(k->o->s->kn);
	kn_psink_close(k, true);
}

/* Those that are here see all of a source that is new; one that has no place for it is over. */
void kn_psinks_feed(struct kecho_source *src)
{
	struct kn_psink *k;
	int err;

	list_for_each_entry(k, &src->ch->c->psinks, channel_list) {
		err = k->err ? 0 : kn_pfeed_source(k, src, true);
		if (err)
			kn_psink_fail(k, err);
	}
}

struct kn_log *kn_psinks_mirror(struct kn_channel *c, size_t ring)
{
	struct mem_cgroup *was;
	struct kn_psink *k;
	struct kn_log *log;

	list_for_each_entry(k, &c->psinks, channel_list) {
		if (k->err)
			continue;
		was = set_active_memcg(k->o->s->memcg);
		log = kn_log_make_mirror(c->kn, ring);
		set_active_memcg(was);
		if (log)
			return log;
		kn_psink_fail(k, -ENOMEM);
	}
	return NULL;
}

void kn_psinks_refuse(struct kn_channel *c, int err)
{
	struct kn_psink *k;

	list_for_each_entry(k, &c->psinks, channel_list)
		kn_psink_fail(k, err);
}

static bool lags(struct kn_psink *k, struct ke_in marks)
{
	struct ke_drain_mark m;
	struct kn_pfeed *f;
	bool is = false;

	while (!is && !k->err && ke_drain_mark(&marks, &m))
		list_for_each_entry(f, &k->feeds, sink_list)
			is |= f->member == m.member &&
			      le64_to_cpu(READ_ONCE(kn_gate(k->o->s, f->slot)->given)) < m.pos;
	return is;
}

u32 kn_psinks_lagging(struct kn_channel *c, const struct ke_in *marks)
{
	struct kn_psink *k;
	u32 n = 0;

	list_for_each_entry(k, &c->psinks, channel_list)
		n += lags(k, *marks);
	return n;
}

void kn_sink_close_request(const struct kn_ask *r)
{
	const struct kecho_ctl_sink *in = r->body;
	struct kn_psink *k = kn_psink(r->s, le32_to_cpu(in->sink));

	if (!k) {
		kn_refuse(r, -EBADF, "no sink %u of this process", le32_to_cpu(in->sink));
		return;
	}
	kn_psink_close(k, false);
	kn_answer(r, in);
}
