// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sources of processes: coming and going.
 *
 *	MADE		its process has the log's memory, to be mapped
 *	JOINED		the log is sealed, and others read it
 *	CLOSING		nothing more is published; what is there is on its way to other nodes,
 *			until it is there or the time is up
 *	OVER		it has left the channel
 *
 * A source whose process has died, or whose log makes no sense, goes through CLOSING too, as
 * failed. Sinks of processes read on in the memory that they have mapped.
 */
#include <linux/random.h>

#include "announce.h"
#include "dev.h"

struct kn_psource *kn_psource(const struct kn_session *s, u32 handle)
{
	struct kn_opening *o;
	struct kn_psource *ps;

	list_for_each_entry(o, &s->openings, list)
		list_for_each_entry(ps, &o->sources, list)
			if (ps->handle == handle)
				return ps;
	return NULL;
}

/* ------------------------------------------------------------------- opening */

static int take_slots(struct kn_psource *ps, struct kn_session *s)
{
	int err = kn_slot_take(&s->limits, &ps->slot);

	if (err)
		return err;
	err = kn_slot_take(&s->gates, &ps->gate);
	if (err) {
		kn_slot_give_back(&s->limits, ps->slot);
		return err;
	}
	*kn_limit(s, ps->slot) = (struct kecho_limit_slot){
		.limit = cpu_to_le64(KE_NO_LIMIT),
		.here.all = cpu_to_le32(true), .there.all = cpu_to_le32(true),
	};
	return 0;
}

static void give_slots_back(struct kn_psource *ps)
{
	kn_slot_give_back(&ps->o->s->limits, ps->slot);
	kn_slot_give_back(&ps->o->s->gates, ps->gate);
}

static void init(struct kn_psource *ps, struct kn_opening *o,
		 const struct kecho_ctl_source_open *in)
{
	u32 stall_ms = le32_to_cpu(in->stall_ms) ?: KECHO_STALL_MS_DEFAULT;
	struct kecho_source *src = &ps->src;

	ps->o = o;
	ps->kn = o->s->kn;
	ps->limit = KE_NO_LIMIT;
	ps->copy.s = &src->s;
	ps->copy.from = (struct ke_view){ .hdr = ps->shared->pages.map,
					  .ring = kn_log_ring(ps->shared),
					  .size = le64_to_cpu(in->log_size) };
	kn_copy_init(ps);
	src->ch = o->ch;
	src->proc = ps;
	spin_lock_init(&src->lock);
	INIT_LIST_HEAD(&src->list);
	INIT_LIST_HEAD(&src->pfeeds);
	src->s.member.owner = o->ch;
	src->s.member.role = KE_SOURCE;
	src->s.member.source = &src->s;
	src->s.member.channel = &o->ch->c->ch;
	INIT_LIST_HEAD(&src->s.member.list);
	src->s.member.id = get_random_u64() ?: 1;
	src->s.member.traffic_class = le32_to_cpu(in->traffic_class);
	src->s.member.alive_ms = le32_to_cpu(in->alive_ms);
	src->s.retain = le32_to_cpu(in->retain);
	src->s.stall_ms = stall_ms == U32_MAX ? 0 : max_t(u32, stall_ms, KN_STALL_MIN_MS);
	ps->handle = ++o->s->last_handle;
	kn_judge_init(ps);
	list_add_tail(&ps->list, &o->sources);
}

/* Bytes of its log; its user is charged for them. */
static unsigned long cost(u64 log_size)
{
	return KECHO_LOG_HEADER_SIZE + log_size;
}

/* Its memory, which takes its time: without the lock. */
static struct kn_psource *make(const struct kn_ask *r, u64 log_size)
{
	int err = kn_charge_member(r->s->user, cost(log_size));
	struct kn_psource *ps;

	if (err)
		return ERR_PTR(err);
	ps = kzalloc(sizeof(*ps), GFP_KERNEL_ACCOUNT);
	if (!ps)
		goto uncharge;
	ps->shared = kn_log_make_open(log_size);
	if (ps->shared)
		return ps;
	kfree(ps);
uncharge:
	kn_uncharge_member(r->s->user, cost(log_size));
	return ERR_PTR(-ENOMEM);
}

static void unmake(struct kn_psource *ps, struct kn_session *s)
{
	kn_copy_free(ps, s);
	kn_uncharge_member(s->user, cost(ps->shared->ring));
	kn_log_put(ps->shared);
	kfree(ps);
}

static int place(struct kn_psource *ps, struct kn_opening *o, const struct kn_ask *r)
{
	const struct kecho_ctl_source_open *in = r->body;
	int err = kn_take_attrs(&ps->src.s.member.attrs, in + 1, r->tail_len);

	if (err)
		return err;
	err = take_slots(ps, o->s);
	if (err)
		ke_attrs_free(&ps->src.s.member.attrs);
	else
		init(ps, o, in);
	return err;
}

/* NULL, or why not: then *@err, too. */
static const char *refused(const struct kn_session *s, const struct kn_opening *o,
			   const struct kecho_ctl_source_open *in, int *err)
{
	*err = -EINVAL;
	if (!ke_log_size_fits(le64_to_cpu(in->log_size)))
		return "no log is of that size";
	if (le32_to_cpu(in->traffic_class) > KE_BULK)
		return "there is no such class";
	if (!ke_promise_fits(le32_to_cpu(in->alive_ms)))
		return "no sign of life comes so often";
	*err = -EOPNOTSUPP;
	if (in->again)
		return "this node has not been another's";
	*err = -ESHUTDOWN;
	if (o->ch->c->ch.ended)
		return "the channel was destroyed";
	*err = -EACCES;
	return kn_rights(s, o->ch->c) & KN_PUBLISH ? NULL : "this user may not publish there";
}

/* Left to be tried: the opening; NULL: it has been refused. kn.lock is held. */
static struct kn_opening *may_open(const struct kn_ask *r)
{
	const struct kecho_ctl_source_open *in = r->body;
	struct kn_opening *o = r->s->over ? NULL : kn_opening(r->s, le32_to_cpu(in->channel));
	const char *why;
	int err;

	if (!o) {
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return NULL;
	}
	why = refused(r->s, o, in, &err);
	if (!why)
		return o;
	kn_refuse(r, err, "source of '%s': %s", o->ch->c->ch.name, why);
	return NULL;
}

static bool asked_well(const struct kn_ask *r)
{
	bool is;

	kn_lock(r->s->kn);
	is = may_open(r);
	kn_unlock(r->s->kn);
	return is;
}

/* kn.lock is held, and was not since @ps was made. */
static int open_source(const struct kn_ask *r, struct kn_psource *ps)
{
	struct kecho_ctl_source_open out = *(const struct kecho_ctl_source_open *)r->body;
	struct kn_answer a = { .body = &out, .len = sizeof(out), .nfiles = 1 };
	struct kn_opening *o = may_open(r);
	int err;

	if (!o)
		return -EBADF;
	err = place(ps, o, r);
	if (err) {
		kn_refuse(r, err, "source of '%s': no place for it", o->ch->c->ch.name);
		return err;
	}
	out.source = cpu_to_le32(ps->handle);
	out.slot = cpu_to_le32(ps->slot);
	out.gate = cpu_to_le32(ps->gate);
	out.member = cpu_to_le64(ps->src.s.member.id);
	out.attrs_len = 0;
	a.file[0] = ps->shared->pages.file;
	kn_send(r->s, r->cmd, r->serial, 0, &a);
	return 0;
}

void kn_source_open_request(const struct kn_ask *r)
{
	const struct kecho_ctl_source_open *in = r->body;
	struct kn *kn = r->s->kn;
	struct kn_psource *ps;
	int err;

	if (!asked_well(r))
		return;
	ps = make(r, le64_to_cpu(in->log_size));
	if (IS_ERR(ps)) {
		kn_refuse(r, PTR_ERR(ps), "a source: user %u has no place for it", kn_user(r->s));
		return;
	}
	kn_lock(kn);
	err = open_source(r, ps);
	kn_unlock(kn);
	if (err)
		unmake(ps, r->s);
}

/* -------------------------------------------------------------------- joining */

static int feed_sinks(struct kn_psource *ps)
{
	struct kn_channel *c = ps->src.ch->c;
	struct kecho_sink *sink;
	int err = 0;

	kn_psinks_feed(&ps->src);
	list_for_each_entry(sink, &c->sinks, list)
		if (!sink->stalled)
			err = err ?: kn_feed_source(sink, &ps->src, false);
	return err;
}

static int join(struct kn_psource *ps)
{
	struct kecho_source *src = &ps->src;
	struct ke_source *s = &src->s;
	u64 head;
	int err;

	kn_pages_seal(&ps->shared->pages);
	err = ke_copy_head(&ps->copy, &head) ?: kn_bell_tell(ps->o);
	if (err)
		return err;
	s->log.size = ps->copy.from.size;
	s->log.hdr = ps->shared->pages.map;
	ke_source_init(s, &src->ch->c->kn->node);
	s->judged_later = true;
	ps->state = KN_JOINED;
	list_add_tail(&src->list, &src->ch->c->sources);
	/* On an error it leaves in kn_psource_gone(). */
	err = feed_sinks(ps) ?: kn_join(&s->member, src->ch);
	if (!err)
		kn_psource_frozen(ps);
	return err;
}

/* It has ended while others were waited for. */
static void refuse_ended(const struct kn_ask *r, u32 channel)
{
	const struct kn_opening *o = kn_opening(r->s, channel);

	if (o && o->ch->c->ch.ended)
		kn_refuse(r, -ESHUTDOWN, "channel '%s' was destroyed", o->ch->c->ch.name);
	else
		kn_refuse(r, -EPIPE, "the source has ended");
}

static void wait_joined(const struct kn_ask *r, u32 handle, u32 channel)
{
	unsigned long until = jiffies + msecs_to_jiffies(KN_JOIN_MS);
	struct kn_psource *ps;

	for (;;) {
		ps = kn_psource(r->s, handle);
		if (!ps || ps->state != KN_JOINED) {
			refuse_ended(r, channel);
			return;
		}
		if (ke_channel_acked(&ps->src.ch->c->ch) || !kn_wait(r->s->kn, until))
			break;
	}
	kn_answer(r, r->body);
}

void kn_source_ready_request(const struct kn_ask *r)
{
	const struct kecho_ctl_source *in = r->body;
	struct kn_psource *ps = kn_psource(r->s, le32_to_cpu(in->source));
	int err;

	if (!ps || ps->state != KN_MADE) {
		kn_refuse(r, -EBADF, "no source %u of this process that is to be ready",
			  le32_to_cpu(in->source));
		return;
	}
	err = ps->src.ch->c->ch.ended ? -ESHUTDOWN : join(ps);
	if (!err) {
		wait_joined(r, ps->handle, ps->o->handle);
		return;
	}
	kn_refuse(r, err, "source of '%s': no place for it", ps->src.ch->c->ch.name);
	kn_psource_gone(ps);
}

/* It names sinks in its log, which nobody here has to believe. */
void kn_address_request(const struct kn_ask *r)
{
	const struct kecho_ctl_source *in = r->body;
	struct kn_psource *ps = kn_psource(r->s, le32_to_cpu(in->source));

	if (!ps || ps->state != KN_JOINED) {
		kn_refuse(r, -EBADF, "no source %u of this process", le32_to_cpu(in->source));
		return;
	}
	ke_source_names_sinks(&ps->src.s);
	kn_answer(r, in);
}

/* -------------------------------------------------------------------- closing */

static const char lies[] = "its log says what cannot be";

/* Where it ends, for all who read it. */
static void find_end(struct kn_psource *ps)
{
	u64 head, seq;

	if (!ps->why && ke_copy_now(&ps->copy, &head, &seq)) {
		ps->why = lies;
		ps->err = -EPROTO;
	}
	if (ps->why) {	/* what it published until then is good */
		ps->src.s.member.failed = true;
		seq = ps->readers ? ps->src.s.log.seq : 0;
	}
	ps->copy.seq = seq;
	ps->copy.over = true;
}

static void end_pfeeds(struct kn_psource *ps)
{
	const struct ke_member *m = &ps->src.s.member;
	struct kn_pfeed *f;

	while (!list_empty(&ps->src.pfeeds)) {
		f = list_first_entry(&ps->src.pfeeds, struct kn_pfeed, source_list);
		kn_pfeed_types(f, m->types);
		kn_pfeed_end(f, ps->copy.seq, m->failed, &m->attrs, &ps->src.ch->c->kn->node.attrs);
	}
}

/* Its process wants it no more, or it is bad. */
void kn_psource_close(struct kn_psource *ps, bool failed)
{
	if (ps->state != KN_JOINED)
		return;
	ps->src.s.member.failed |= failed;
	find_end(ps);
	ps->state = KN_CLOSING;
	ke_told_end(&ps->judge);
	ps->src.s.in_pieces = false;	/* what there is of it is all */
	end_pfeeds(ps);
	kn_copy_kick(ps);
}

/* No event comes any more: sinks of the kernel and of other nodes hear it. */
static void say_end(struct kn_psource *ps)
{
	struct ke_source *s = &ps->src.s;

	if (ps->said_end)
		return;
	ps->said_end = true;
	spin_lock_irq(&ps->src.lock);
	ps->nothing.seq = cpu_to_le64(ps->copy.seq);
	ps->nothing.head = cpu_to_le64(s->log.head);
	s->log.hdr = &ps->nothing;
	WRITE_ONCE(s->closed, true);
	spin_unlock_irq(&ps->src.lock);
	ke_source_end(s);
	kn_feeds_end_source(&ps->src);
	kn_bell_ring(ps->src.ch->c->bell);
}

bool kn_psource_drained(struct kn_psource *ps)
{
	if (ps->state != KN_CLOSING)
		return true;
	if (!ps->readers || ps->why || ke_copy_complete(&ps->copy))
		say_end(ps);
	return ps->said_end && ke_source_drained(&ps->src.s);
}

static void leave(struct kn_psource *ps)
{
	struct kecho_source *src = &ps->src;

	kn_psource_close(ps, false);
	say_end(ps);
	ke_source_fini(&src->s);
	kn_leave(&src->s.member, src->ch);
	list_del_init(&src->list);
}

/* What is not where it is to be by now will not get there. */
void kn_psource_gone(struct kn_psource *ps)
{
	if (ps->state != KN_MADE)
		leave(ps);
	else
		ke_attrs_free(&ps->src.s.member.attrs);
	kn_psource_forget_types(ps);
	ps->state = KN_OVER;
	kn_bell_disarm(ps->src.ch->c->bell, &ps->waiter, true);
	give_slots_back(ps);
	list_move(&ps->list, &ps->o->s->dead);
}

/* Their works may want the lock. */
void kn_psources_bury(struct kn_session *s)
{
	struct kn_psource *ps, *next;
	LIST_HEAD(dead);

	if (list_empty_careful(&s->dead))
		return;
	kn_lock(s->kn);
	list_splice_init(&s->dead, &dead);
	kn_unlock(s->kn);
	list_for_each_entry_safe(ps, next, &dead, list) {
		cancel_work_sync(&ps->work);
		unmake(ps, s);
	}
}

/* The source will be over, and nobody else's. */
void kn_psource_fail(struct kn_psource *ps, int err, const char *why)
{
	if (!ps->why) {
		ps->why = why;
		ps->err = err;
	}
	queue_work(kn_wq, &ps->o->s->chores);
}

void kn_psource_lies(struct kn_psource *ps)
{
	kn_psource_fail(ps, -EPROTO, lies);
}

void kn_psource_fails(struct kn_psource *ps)
{
	struct kecho_note_end note = { .handle = cpu_to_le32(ps->handle),
				       .error = cpu_to_le32((u32)ps->err) };
	struct kn_answer a = { .body = &note, .len = sizeof(note), .tail = ps->why,
			       .tail_len = strlen(ps->why) };

	kn_send(ps->o->s, KECHO_NOTE_SOURCE_END, 0, 0, &a);
	kn_psource_close(ps, true);
	kn_psource_drained(ps);
}

bool kn_source_goes_on(const struct kecho_source *src)
{
	return !src->s.closed && (!src->proc || src->proc->state == KN_JOINED);
}

struct mem_cgroup *kn_source_memcg(const struct kecho_source *src)
{
	return src->proc->o->s->memcg;
}

struct kn_user *kn_source_user(const struct kecho_source *src)
{
	return src->proc ? kn_user_get(src->proc->o->s->user->uid) : NULL;
}

u64 kn_source_last(const struct kecho_source *src)
{
	return src->proc ? src->proc->copy.seq : src->s.log.seq;
}

void kn_source_close_request(const struct kn_ask *r)
{
	const struct kecho_ctl_source *in = r->body;
	u32 handle = le32_to_cpu(in->source);
	unsigned long until = jiffies + msecs_to_jiffies(le32_to_cpu(in->linger_ms));
	struct kn_psource *ps = kn_psource(r->s, handle);

	if (!ps) {
		kn_refuse(r, -EBADF, "no source %u of this process", handle);
		return;
	}
	kn_psource_close(ps, false);
	while (ps && !kn_psource_drained(ps) && kn_wait(r->s->kn, until))
		ps = kn_psource(r->s, handle);
	if (ps)
		kn_psource_gone(ps);
	kn_answer(r, in);
}
