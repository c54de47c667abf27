// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A feed of a process's sink: its reading of one log, of a process, of the kernel, or of
 * another node's, mirrored. The process does it; we say where it begins and ends, and look at
 * what it has read if somebody waits for that.
 *
 * A gate is set before its place in a process's log is chosen: the limit that follows from it
 * is stored, then a full barrier, and only then the log's head is read.
 */
#include <linux/sched/mm.h>

#include "dev.h"

enum { SAY_PARTS = 8 };	/* of a mirror: its node hears when so much was read */

static bool blocks(const struct kn_pfeed *f)
{
	return f->sink->m.policy == KECHO_BLOCK;
}

static struct kecho_gate_slot *slot_of(const struct kn_pfeed *f)
{
	return kn_gate(f->sink->o->s, f->slot);
}

static struct kn_pfeed *make(struct kn_psink *k, struct kn_log *log, u64 member)
{
	struct mem_cgroup *was = set_active_memcg(k->o->s->memcg);
	struct kn_pfeed *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int err = f ? kn_slot_take(&k->o->s->gates, &f->slot) : -ENOMEM;

	set_active_memcg(was);
	if (err) {
		kfree(f);
		return ERR_PTR(err);
	}
	f->sink = k;
	f->id = ++k->last_feed;
	f->log = kn_log_get(log);
	f->member = member;
	INIT_LIST_HEAD(&f->source_list);
	list_add_tail(&f->sink_list, &k->feeds);
	kn_made(KN_FEED);
	return f;
}

/* Of another sink of the same user, which reads the same mirror; NULL: there is none. */
static struct kn_pfeed *sibling(const struct kn_pfeed *f, const struct ke_rstream *rs)
{
	const struct kn_session *s = f->sink->o->s;
	struct kn_pfeed *other;
	struct kn_psink *k;

	list_for_each_entry(k, &f->sink->o->ch->c->psinks, channel_list)
		if (k->o->s->user == s->user)
			list_for_each_entry(other, &k->feeds, sink_list)
				if (other != f && other->rs == rs)
					return other;
	return NULL;
}

/* A user pays for a mirror once. */
static int charge(struct kn_pfeed *f, const struct ke_rstream *rs)
{
	int err = sibling(f, rs) ? 0 : kn_charge(f->sink->o->s->user, KN_MEMORY, f->log->ring);

	f->charged = !err && !sibling(f, rs);
	return err;
}

static void uncharge(struct kn_pfeed *f)
{
	struct kn_pfeed *heir = f->charged ? sibling(f, f->rs) : NULL;

	if (heir)
		heir->charged = true;
	else if (f->charged)
		kn_uncharge(f->sink->o->s->user, KN_MEMORY, f->log->ring);
}

static void unlink_feed(struct kn_pfeed *f)
{
	list_del(&f->sink_list);
	uncharge(f);
	list_del(&f->source_list);
	kn_log_put(f->log);
	kfree(f);
	kn_gone(KN_FEED);
}

static void tell(struct kn_pfeed *f, u64 pos, u64 seq, u64 expired, u32 alive_ms, bool again)
{
	struct kecho_note_feed note = {
		.sink = cpu_to_le32(f->sink->handle), .feed = cpu_to_le32(f->id),
		.size = cpu_to_le64(f->log->ring),
		.pos = cpu_to_le64(pos), .seq = cpu_to_le64(seq),
		.expired = cpu_to_le64(expired), .member = cpu_to_le64(f->member),
		.slot = cpu_to_le32(f->slot), .gated = blocks(f), .again = again,
		.mine = f->source && f->source->proc, .alive_ms = cpu_to_le32(alive_ms),
	};

	kn_note(f->sink->o->s, KECHO_NOTE_FEED, &note, sizeof(note),
		again ? NULL : f->log->pages.file);
}

/* Its process begins at @pos, behind the event @seq. */
static void begin(struct kn_pfeed *f, u64 pos, u64 seq, u64 expired, u32 alive_ms)
{
	f->pos = f->said = pos;
	WRITE_ONCE(slot_of(f)->pos, cpu_to_le64(pos));
	tell(f, pos, seq, expired, alive_ms, false);
	kn_pfeed_verdict(f);
}

/* ------------------------------------------------------------ where it begins */

/* The first that it may be given, if all of that is still there. */
static u64 from_where(const struct kn_pfeed *f, u64 head)
{
	const struct kn_psource *ps = f->source->proc;
	const struct ke_view *v = &ps->copy.from;
	u64 half = head > v->size / 2 ? head - v->size / 2 : 0;

	if (f->sink->retained && ps->src.s.retain)
		return ke_view_boundary(v, half, head);
	return head;
}

/* In a process's log. The feed's place stands before all that it may be given meanwhile. */
static int find_place(struct kn_pfeed *f, u64 *pos, u64 *seq)
{
	struct kn_psource *ps = f->source->proc;
	const struct ke_view *v = &ps->copy.from;
	u64 head, from, tries = KN_FROM_TRIES_MAX;
	int err = ke_copy_head(&ps->copy, &head);

	do {
		if (err)
			return err;
		from = f->pos = from_where(f, head);
		WRITE_ONCE(slot_of(f)->pos, cpu_to_le64(from));
		kn_psource_room(ps);
		err = ke_copy_now(&ps->copy, &head, seq);
	} while (le64_to_cpu(READ_ONCE(v->hdr->tail)) > from && from < head && --tries);
	if (err)
		return err;
	*pos = tries ? from : head;
	if (*pos != head)
		*pos = ke_view_retained(v, from, head, *seq, ps->src.s.retain, seq);
	return 0;
}

static void begin_at_process(struct kn_pfeed *f, bool from_start)
{
	struct kn_psource *ps = f->source->proc;
	u64 pos = 0, seq = 0;

	if (!from_start && find_place(f, &pos, &seq)) {
		kn_psource_lies(ps);
		kn_pfeed_free(f);
		return;
	}
	begin(f, pos, seq, 0, ps->src.s.member.alive_ms);
	kn_psource_room(ps);
}

/* Its source is kernel code, which looks at the gate itself. */
static void begin_at_kernel(struct kn_pfeed *f)
{
	struct kecho_source *src = f->source;
	u64 pos, seq;

	spin_lock_irq(&src->lock);
	pos = ke_log_retained(&src->s.log, f->sink->retained ? src->s.retain : 0, &seq);
	WRITE_ONCE(slot_of(f)->pos, cpu_to_le64(pos));
	f->gated = blocks(f);
	if (f->gated)
		ke_source_gate(&src->s, &f->gate, (u64 *)&slot_of(f)->pos);
	spin_unlock_irq(&src->lock);
	begin(f, pos, seq, 0, src->s.member.alive_ms);
}

/* @from_start: the source is new, and the sink sees all of it. A log that makes no sense is no
 * error of the sink's: it gets no feed of it. */
int kn_pfeed_source(struct kn_psink *k, struct kecho_source *src, bool from_start)
{
	struct kn_pfeed *f = make(k, src->proc ? src->proc->shared : src->log, src->s.member.id);

	if (IS_ERR(f))
		return PTR_ERR(f);
	f->source = src;
	list_add_tail(&f->source_list, &src->pfeeds);
	if (src->proc)
		begin_at_process(f, from_start);
	else
		begin_at_kernel(f);
	return 0;
}

static int begin_at_mirror(struct kn_psink *k, struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct kn_pfeed *f = make(k, rs->owner, rs->remote->id);
	int err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	err = charge(f, rs);
	if (err) {
		kn_pfeed_free(f);
		return err;
	}
	f->rs = rs;
	begin(f, pos, seq, pos == rs->mirror.head ? ke_log_passed(&rs->mirror) : 0,
	      rs->remote->alive_ms);
	return 0;
}

/* ---------------------------------------------------------------- its end */

static void ungate(struct kn_pfeed *f)
{
	struct kecho_source *src = f->source;

	if (!f->gated)
		return;
	f->gated = false;
	spin_lock_irq(&src->lock);
	ke_source_ungate(&src->s, &f->gate);
	spin_unlock_irq(&src->lock);
	wake_up_all(&src->log->room);
}

/* Where its log ends, as far as that can be said. */
static int log_end(const struct kn_pfeed *f, struct ke_view *v, u64 *head, u64 *last)
{
	const struct ke_log *log = f->rs ? &f->rs->mirror : &f->source->s.log;

	if (f->source && f->source->proc) {
		*v = f->source->proc->copy.from;
		return ke_copy_now(&f->source->proc->copy, head, last);
	}
	*v = ke_log_view(log);
	*head = READ_ONCE(log->head);
	*last = READ_ONCE(log->seq);
	return 0;
}

/* Its sink is ended for what it has not read: that is lost, behind what it was given. */
static u64 cut(const struct kn_pfeed *f)
{
	u64 given = le64_to_cpu(READ_ONCE(slot_of(f)->given)), head, last;
	struct ke_view v;

	if (log_end(f, &v, &head, &last))
		return 0;
	return ke_view_unread(&v, f->pos, given, head, last);
}

/* What its process says that it lost, which is at most all that there was; and what it will. */
u64 kn_pfeed_lost(struct kn_pfeed *f)
{
	const struct kecho_log_header *hdr = f->log->pages.map;
	u64 lost = le64_to_cpu(READ_ONCE(slot_of(f)->lost));

	if (lost > f->lost && lost <= le64_to_cpu(READ_ONCE(hdr->head)))
		f->lost = lost;
	return f->lost + (f->sink->err == -EPIPE ? cut(f) : 0);
}

/* Its source keeps the count; of sinks of its own process that counts itself. */
static void keep_lost(struct kn_pfeed *f)
{
	struct kecho_source *src = f->source;

	if (src && (!src->proc || src->proc->o->s != f->sink->o->s))
		src->s.lost += kn_pfeed_lost(f);
}

/* Its sink has ended, or could not begin. */
void kn_pfeed_free(struct kn_pfeed *f)
{
	struct kecho_source *src = f->source;
	struct ke_rstream *rs = f->rs;

	keep_lost(f);
	ungate(f);
	kn_slot_give_back(&f->sink->o->s->gates, f->slot);
	unlink_feed(f);
	if (src && src->proc)
		kn_psource_room(src->proc);
	if (rs)
		kn_stream_released(rs);
}

/* Nothing comes for now (@attrs is NULL) or ever; then the feed is freed. */
void kn_pfeed_end(struct kn_pfeed *f, u64 last_seq, bool failed, const struct ke_attrs *attrs,
		  const struct ke_attrs *node_attrs)
{
	struct kn_session *s = f->sink->o->s;
	struct kecho_note_feed_end note = {
		.sink = cpu_to_le32(f->sink->handle), .feed = cpu_to_le32(f->id),
		.last_seq = cpu_to_le64(last_seq), .failed = failed, .gone = !!attrs,
	};
	struct kn_answer a = { .body = &note, .len = sizeof(note) };
	struct ke_out o = { 0 };

	f->ended = true;
	if (attrs) {
		o.size = ke_attrs_live_len(attrs) + ke_attrs_live_len(node_attrs);
		o.buf = kvmalloc(o.size, GFP_KERNEL_ACCOUNT);
	}
	if (o.buf) {
		ke_attrs_put(&o, attrs, kn_now_ms());
		ke_attrs_put(&o, node_attrs, kn_now_ms());
		a.tail = o.buf;
		a.tail_len = o.len;
	}
	kn_send(s, KECHO_NOTE_FEED_END, 0, 0, &a);
	kvfree(o.buf);
	if (!attrs)
		return;
	keep_lost(f);
	ungate(f);
	/* The process still drains it, and says in the slot when it is through. */
	kn_slot_lend(&s->gates, f->slot);
	unlink_feed(f);
}

/* ----------------------------------------------------------------- gates */

/* Has it read on? Never believed back, or beyond @head. */
bool kn_pfeed_look(struct kn_pfeed *f, u64 head)
{
	u64 pos = le64_to_cpu(smp_load_acquire(&slot_of(f)->pos));

	/* It has given the log up; nobody has to wait for it. */
	if (pos == U64_MAX ? f->pos == U64_MAX : pos <= f->pos || pos > head)
		return false;
	f->pos = pos;
	return true;
}

static void look_at(struct kn_pfeed *f)
{
	u64 head;

	kn_pfeed_took(f);
	if (!blocks(f))
		return;
	if (f->rs) {
		kn_pfeed_look(f, f->rs->mirror.head);
		if (f->pos - f->said >= f->rs->mirror.size / SAY_PARTS ||
		    le64_to_cpu(READ_ONCE(slot_of(f)->pos)) == KE_NO_LIMIT) {
			f->said = f->pos;
			kn_stream_released(f->rs);
		}
	} else if (f->source && f->source->proc) {
		if (!ke_copy_head(&f->source->proc->copy, &head) && kn_pfeed_look(f, head))
			kn_psource_room(f->source->proc);
	} else if (f->source) {
		if (slot_of(f)->pos == cpu_to_le64(KE_NO_LIMIT))
			ungate(f);
		wake_up_all(&f->source->log->room);
	}
}

/* Whoever waits for room has written what nobody wants, perhaps, and so did not wake who copies
 * it. */
static void look_at_source(struct kn_psource *ps)
{
	if (ps->readers && READ_ONCE(ps->copy.from.hdr->want))
		kn_copy_kick(ps);
	kn_psource_room(ps);
	kn_judge_took(ps);
}

/* A process has rung: what it has read, or written, has passed where somebody waits; or it goes
 * by what it was told. */
void kn_session_rang(struct kn_session *s)
{
	struct kn_pfeed *f, *next;
	struct kn_opening *o;
	struct kn_psource *ps;
	struct kn_psink *k;

	list_for_each_entry(o, &s->openings, list) {
		list_for_each_entry(ps, &o->sources, list)
			look_at_source(ps);
		list_for_each_entry(k, &o->sinks, list)
			list_for_each_entry_safe(f, next, &k->feeds, sink_list)
				look_at(f);
	}
}

/* --------------------------------------------------------- mirrors, kernel sources */

static void feeds_of(struct ke_rstream *rs, void (*fn)(struct kn_pfeed *f, void *arg), void *arg)
{
	struct kn_channel *c = rs->remote->presence->channel->owner;
	struct kn_pfeed *f, *next;
	struct kn_psink *k;

	list_for_each_entry(k, &c->psinks, channel_list)
		list_for_each_entry_safe(f, next, &k->feeds, sink_list)
			if (f->rs == rs)
				fn(f, arg);
}

static void goes_on(struct kn_pfeed *f, void *arg)
{
	if (f->ended)
		tell(f, f->pos, 0, 0, 0, true);
	f->ended = false;
}

static bool has_feed(const struct kn_psink *k, const struct ke_rstream *rs)
{
	const struct kn_pfeed *f;

	list_for_each_entry(f, &k->feeds, sink_list)
		if (f->rs == rs)
			return true;
	return false;
}

void kn_pfeeds_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct kn_channel *c = rs->remote->presence->channel->owner;
	bool open = ke_rstream_gate_stands(rs) || rs->remote->state != KE_JOINED;
	struct kn_psink *k;
	int err;

	feeds_of(rs, goes_on, NULL);
	list_for_each_entry(k, &c->psinks, channel_list) {
		if (k->err || has_feed(k, rs) || (k->m.policy == KECHO_BLOCK && !open))
			continue;
		err = begin_at_mirror(k, rs, pos, seq);
		if (err)
			kn_psink_fail(k, err);
	}
}

static void pause(struct kn_pfeed *f, void *arg)
{
	struct ke_rstream *rs = arg;

	kn_pfeed_end(f, rs->last_seq, rs->remote->state == KE_FAILED, NULL, NULL);
}

void kn_pfeeds_ended(struct ke_rstream *rs)
{
	feeds_of(rs, pause, rs);
}

static void gone(struct kn_pfeed *f, void *arg)
{
	struct ke_rstream *rs = arg;

	kn_pfeed_types(f, rs->remote->types);
	kn_pfeed_end(f, rs->last_seq, rs->remote->state == KE_FAILED, &rs->remote->attrs,
		     &rs->peer->attrs);
}

void kn_pfeeds_detach(struct ke_rstream *rs)
{
	feeds_of(rs, gone, rs);
}

static void add_lost(struct kn_pfeed *f, void *sum)
{
	*(u64 *)sum += kn_pfeed_lost(f);
}

u64 kn_pfeeds_lost(struct ke_rstream *rs)
{
	u64 sum = 0;

	feeds_of(rs, add_lost, &sum);
	return sum;
}

static void take_slowest(struct kn_pfeed *f, void *min)
{
	if (!blocks(f) || f->sink->err)
		return;
	kn_pfeed_look(f, f->rs->mirror.head);
	*(u64 *)min = min(*(u64 *)min, f->pos);
}

u64 kn_pfeeds_slowest(struct ke_rstream *rs)
{
	u64 slowest = U64_MAX;

	feeds_of(rs, take_slowest, &slowest);
	return slowest;
}

static void end_stalled(struct kn_pfeed *f, void *arg)
{
	if (!blocks(f))
		return;
	kn_pfeed_look(f, f->rs->mirror.head);
	if (f->pos <= *(u64 *)arg && f->pos < f->rs->mirror.head)
		kn_psink_fail(f->sink, -EPIPE);
}

void kn_pfeeds_stalled(struct ke_rstream *rs, u64 pos)
{
	feeds_of(rs, end_stalled, &pos);
}

/* A source of the kernel: whose gate is this? */
bool kn_pfeed_stalled_own(struct kecho_source *src, const struct ke_gate *gate)
{
	struct kn_pfeed *f;

	list_for_each_entry(f, &src->pfeeds, source_list) {
		if (&f->gate != gate)
			continue;
		kn_psink_fail(f->sink, -EPIPE);
		ungate(f);
		return true;
	}
	return false;
}

/* A source of the kernel has ended: nothing is appended any more. */
void kn_pfeeds_end_source(struct kecho_source *src)
{
	const struct ke_member *m = &src->s.member;
	struct kn_pfeed *f, *next;

	list_for_each_entry_safe(f, next, &src->pfeeds, source_list)
		kn_pfeed_end(f, src->s.log.seq, m->failed, &m->attrs, &src->ch->c->kn->node.attrs);
}
