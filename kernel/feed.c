// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A feed: one sink's reader of one log. A sink has one for each source of its channel, and
 * reads them in turns.
 *
 * Feeds come and go under kn.lock and the sink's lock; who reads the sink moves them about
 * under the sink's alone. What one has given out stays as it was until the next look: a feed
 * is freed only when its end was told. What may sleep, memory for an event in pieces and
 * freeing what has ended, is a chore of the sink, see dispatch.c; so is telling another node
 * what was read, in steps.
 */
#include <linux/sched/mm.h>

#include "kn.h"
#include "trace.h"
#include "user.h"

enum {
	SAY_PARTS = 8,		/* of a mirror: its node hears when so much was read */
	LEFT_OUT_MAX = 64,	/* events at one look, as each may cost a filter */
};

static bool gated(const struct kecho_sink *s)
{
	return s->m.policy == KECHO_BLOCK;
}

/* Nobody sees it until show_feed(). */
static struct kn_feed *make_feed(struct kecho_sink *s, struct kn_log *log, u64 member)
{
	struct kn_feed *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return NULL;
	f->sink = s;
	f->log = kn_log_get(log);
	f->member = member;
	kn_made(KN_FEED);
	return f;
}

/* The next event's number is @seq + 1. */
static void start_feed(struct kn_feed *f, struct ke_view v, u64 pos, u64 seq)
{
	f->released = f->said = pos;
	ke_reader_init(&f->reader, v, gated(f->sink), pos, seq, f->sink->copy);
	ke_reader_for(&f->reader, f->sink->m.id);
}

/* Memory for an event in pieces, whose size its source has said: a process's user pays for that,
 * and its control group. NULL: there is none, or they have no more. */
static void *make_big(const struct kn_feed *f, u32 size, struct kn_user **payer)
{
	struct kn_user *u = f->source ? kn_source_user(f->source) : NULL;
	struct mem_cgroup *was = set_active_memcg(u ? kn_source_memcg(f->source) : NULL);
	bool pays = !u || !kn_charge(u, KN_MEMORY, size);
	void *big = pays ? kvmalloc(size, KN_GFP_LARGE) : NULL;

	set_active_memcg(was);
	*payer = big ? u : NULL;
	if (big || !u)
		return big;
	if (pays)
		kn_uncharge(u, KN_MEMORY, size);
	kn_user_put(u);
	return NULL;
}

static void free_big(void *big, u32 size, struct kn_user *payer)
{
	kvfree(big);
	if (!payer)
		return;
	kn_uncharge(payer, KN_MEMORY, size);
	kn_user_put(payer);
}

static void free_feed(struct kn_feed *f)
{
	struct kecho_source *src = f->source;

	if (src && gated(f->sink)) {
		spin_lock_irq(&src->lock);
		ke_source_ungate(&src->s, &f->gate);
		spin_unlock_irq(&src->lock);
		wake_up_all(&f->log->room);
		kn_copy_moved(src);
	}
	if (src)
		kn_copy_release(src);
	spin_lock_bh(&f->sink->lock);
	f->sink->stats.expired += f->reader.expired;
	f->sink->stats.filtered += f->reader.filtered + f->filtered;
	spin_unlock_bh(&f->sink->lock);
	kn_filter_end(f);
	kn_typed_end(f);
	kn_log_put(f->log);
	free_big(f->reader.big, f->reader.big_size, f->payer);
	kfree(f);
	kn_gone(KN_FEED);
}

static int show_feed(struct kn_feed *f)
{
	int err = kn_filter_begin(f) ?: kn_typed_learn(f);

	if (err) {
		free_feed(f);
		return err;
	}
	spin_lock_bh(&f->sink->lock);
	list_add_tail(&f->list, &f->sink->feeds);
	spin_unlock_bh(&f->sink->lock);
	return 0;
}

/* The log of a source of our own; kn.lock is held. -ENOMEM. One that makes no sense is no error
 * of the sink's: its source is over soon. */
int kn_feed_source(struct kecho_sink *s, struct kecho_source *src, bool retained)
{
	struct kn_feed *f;
	u64 pos, seq;
	int err = kn_copy_hold(src);

	if (err)
		return err == -EPROTO ? 0 : err;
	f = make_feed(s, src->log, src->s.member.id);
	if (!f) {
		kn_copy_release(src);
		return -ENOMEM;
	}
	f->source = src;
	spin_lock_irq(&src->lock);
	pos = ke_log_retained(&src->s.log, retained ? src->s.retain : 0, &seq);
	start_feed(f, ke_log_view(&src->s.log), pos, seq);
	if (gated(s))
		ke_source_gate(&src->s, &f->gate, &f->released);
	spin_unlock_irq(&src->lock);
	return show_feed(f);
}

/* The mirror of another node's; kn.lock is held. -ENOMEM. */
int kn_feed_stream(struct kecho_sink *s, struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct kn_feed *f = make_feed(s, rs->owner, rs->remote->id);

	if (!f)
		return -ENOMEM;
	f->rs = rs;
	start_feed(f, rs->view, pos, seq);
	ke_reader_behind(&f->reader, ke_log_passed(&rs->mirror));
	return show_feed(f);
}

/* Nobody reads the sink any more; kn.lock is held. */
void kn_feeds_free(struct kecho_sink *s)
{
	struct kn_feed *f, *next;
	struct ke_rstream *rs;
	LIST_HEAD(gone);

	spin_lock_bh(&s->lock);
	s->held = NULL;
	list_splice_init(&s->feeds, &gone);
	spin_unlock_bh(&s->lock);
	list_for_each_entry_safe(f, next, &gone, list) {
		rs = f->rs;
		free_feed(f);
		/* Others may have waited for it. */
		if (rs)
			kn_stream_released(rs);
	}
}

static struct kn_feed *next_due(struct kecho_sink *s)
{
	struct kn_feed *f, *due = NULL;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		due = f->due ? f : due;
	if (due)
		due->due = false;
	spin_unlock_bh(&s->lock);
	return due;
}

/* Who reads moves them about meanwhile. */
void kn_feeds_each(struct kecho_sink *s, void (*fn)(struct kn_feed *f, void *arg), void *arg)
{
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		f->due = true;
	spin_unlock_bh(&s->lock);
	while ((f = next_due(s)))
		fn(f, arg);
}

/* Without memory its events come as bytes. */
static void learn(struct kn_feed *f, void *member)
{
	if (f->member != *(u64 *)member)
		return;
	kn_filter_learn(f);
	kn_typed_learn(f);
}

void kn_feeds_learn(struct kn_channel *c, u64 member)
{
	struct kecho_sink *s;

	list_for_each_entry(s, &c->sinks, list)
		kn_feeds_each(s, learn, &member);
}

/* Those that have told their end; kn.lock is held. */
void kn_feeds_drop_told(struct kecho_sink *s)
{
	struct kn_feed *f, *next;
	LIST_HEAD(gone);

	spin_lock_bh(&s->lock);
	list_for_each_entry_safe(f, next, &s->feeds, list) {
		if (!f->told || f->source || f->rs || f == s->held)
			continue;
		list_move(&f->list, &gone);
	}
	spin_unlock_bh(&s->lock);
	list_for_each_entry_safe(f, next, &gone, list)
		free_feed(f);
}

/* Our own sinks read on to the end of its log; kn.lock is held. */
static void end_source(struct kecho_sink *s, struct kecho_source *src)
{
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list) {
		if (f->source != src)
			continue;
		if (gated(s)) {
			spin_lock_irq(&src->lock);
			ke_source_ungate(&src->s, &f->gate);
			spin_unlock_irq(&src->lock);
		}
		f->source = NULL;
		f->last_seq = kn_source_last(src);
		f->ended = true;
	}
	spin_unlock_bh(&s->lock);
}

void kn_feeds_end_source(struct kecho_source *src)
{
	struct kecho_sink *s;

	list_for_each_entry(s, &src->ch->c->sinks, list)
		end_source(s, src);
}

/* ------------------------------------------------------------------- chores */

static struct kn_feed *hungry(struct kecho_sink *s)
{
	struct kn_feed *f;

	list_for_each_entry(f, &s->feeds, list)
		if (f->hungry)
			return f;
	return NULL;
}

/* With kn.lock no feed goes meanwhile, and who reads leaves a hungry one alone. */
static void feed_memory(struct kecho_sink *s)
{
	struct kn_user *payer;
	struct kn_feed *f;
	void *big, *old;
	u32 old_size;

	for (;;) {
		spin_lock_bh(&s->lock);
		f = hungry(s);
		spin_unlock_bh(&s->lock);
		if (!f)
			return;
		big = make_big(f, f->reader.big_total, &payer);
		spin_lock_bh(&s->lock);
		old = f->reader.big;
		old_size = f->reader.big_size;
		ke_reader_give(&f->reader, big, big ? f->reader.big_total : 0);
		swap(payer, f->payer);
		f->hungry = false;
		spin_unlock_bh(&s->lock);
		free_big(old, old_size, payer);
	}
}

/* Of the mirrors: the stream of one whose node is to hear what was read; NULL: none. */
static struct ke_rstream *to_say(struct kecho_sink *s)
{
	struct ke_rstream *rs = NULL;
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list) {
		if (!f->rs || f->said == f->released)
			continue;
		f->said = f->released;
		rs = f->rs;
		break;
	}
	spin_unlock_bh(&s->lock);
	return rs;
}

static void say_released(struct kecho_sink *s)
{
	struct ke_rstream *rs;

	if (!gated(s))
		return;
	while ((rs = to_say(s)))
		kn_stream_released(rs);
}

void kn_feeds_chores(struct kecho_sink *s)
{
	struct kn *kn = s->ch->c->kn;

	kn_lock(kn);
	WRITE_ONCE(s->chores_due, false);
	feed_memory(s);
	if (READ_ONCE(s->overran))
		kn_budget_detach(s);
	if (s->refused)
		kn_stall_end(s);
	say_released(s);
	kn_feeds_drop_told(s);
	kn_unlock(kn);
}

/* ------------------------------------------------------- what was read */

/* What was given out is read: its source may have it back. The sink's lock is held. */
static void release(struct kn_feed *f)
{
	if (f->released == f->reader.pos)
		return;
	smp_store_release(&f->released, f->reader.pos);
	if (!gated(f->sink))
		return;
	if (wq_has_sleeper(&f->log->room))
		wake_up_all(&f->log->room);
	if (f->source)
		kn_copy_moved(f->source);
	if (f->rs && f->released - f->said >= f->reader.view.size / SAY_PARTS)
		WRITE_ONCE(f->sink->chores_due, true);
}

static void release_held(struct kecho_sink *s)
{
	if (s->held)
		release(s->held);
	s->held = NULL;
}

void kn_feeds_release(struct kecho_sink *s)
{
	spin_lock_bh(&s->lock);
	release_held(s);
	spin_unlock_bh(&s->lock);
}

/* ------------------------------------------------------------------- reading */

static bool feed_ready(const struct kn_feed *f)
{
	if (f->told || f->hungry)
		return false;
	return f->ended || READ_ONCE(f->reader.view.hdr->head) != cpu_to_le64(f->reader.pos);
}

bool kn_feeds_ready(struct kecho_sink *s)
{
	struct kn_feed *f;
	bool ready = false;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		ready |= feed_ready(f);
	spin_unlock_bh(&s->lock);
	return ready;
}

/* Its channel was destroyed, and it has read all to its end. */
bool kn_feeds_shut(struct kecho_sink *s)
{
	bool shut = READ_ONCE(s->ch->c->ch.ended);
	struct kn_feed *f;

	if (likely(!shut))
		return false;
	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		shut &= f->told;
	spin_unlock_bh(&s->lock);
	return shut;
}

static unsigned int tell_end(struct kn_feed *f, struct kecho_event *ev)
{
	f->told = true;
	WRITE_ONCE(f->sink->chores_due, true);
	*ev = (struct kecho_event){
		.kind = KECHO_ENDED, .source = f->member, .last_seq = f->reader.seq,
		.failed = f->failed,
	};
	return 1;
}

static unsigned int tell_lost(struct kn_feed *f, u64 seq, u64 last, struct kecho_event *ev)
{
	struct kecho_sink *s = f->sink;

	*ev = (struct kecho_event){ .kind = KECHO_LOST, .source = f->member, .seq = seq,
				    .last_seq = last };
	s->stats.lost += last - seq + 1;
	trace_kecho_drop(s->ch->c->ch.name, s->m.id, f->member, seq, last);
	kn_count_loss(s->ch->c->kn);
	if (s->m.policy == KECHO_DISCONNECT)
		WRITE_ONCE(s->disconnected, true);
	return 1;
}

static unsigned int tell_event(struct kn_feed *f, const struct ke_item *item,
			       struct kecho_event *ev)
{
	*ev = (struct kecho_event){
		.kind = KECHO_EVENT, .type = item->type, .source = f->member, .seq = item->seq,
		.time_ns = item->time_ns, .deadline_ns = kn_deadline_here(f, item),
		.data = item->data, .len = item->len,
		.attrs = item->attrs, .attrs_len = item->attrs_len,
	};
	f->sink->stats.received++;
	f->sink->stats.bytes += item->len;
	trace_kecho_receive(f->sink->ch->c->ch.name, f->sink->m.id, f->member, item->seq,
			    item->len);
	return 1;
}

/* It has expired, or is not for this sink. */
static bool is_left_out(struct kn_feed *f, const struct ke_item *item)
{
	return kn_deadline_is_over(f, item) || !kn_filter_wants(f, item);
}

/* Most events are whole and lie where they can be read in place. */
static unsigned int plain_events(struct kn_feed *f, struct kecho_event *ev, unsigned int max)
{
	u64 end = ke_reader_plain_end(&f->reader);
	unsigned int n = 0, left_out = 0;
	struct ke_item item;

	while (n < max && left_out < LEFT_OUT_MAX && ke_reader_plain(&f->reader, end, &item)) {
		if (unlikely(is_left_out(f, &item)))
			left_out++;
		else
			n += tell_event(f, &item, &ev[n]);
	}
	return n;
}

/* The next that is to be told: as ke_reader_next() says, which looks at no more, too. */
static int next_item(struct kn_feed *f, struct ke_item *item)
{
	unsigned int left_out = 0;
	int n;

	do {
		n = ke_reader_next(&f->reader, item);
		if (n <= 0 || item->kind != KE_ITEM_EVENT || !is_left_out(f, item))
			return n;
	} while (++left_out < LEFT_OUT_MAX);
	return 0;
}

static unsigned int feed_damaged(struct kn_feed *f, struct kecho_event *ev)
{
	f->ended = f->failed = true;
	return tell_end(f, ev);
}

/* Nothing is there, at least in as many records as one call reads: is it over? */
static unsigned int feed_empty(struct kn_feed *f, struct kecho_event *ev)
{
	struct ke_item item;

	if (!f->ended || ke_reader_head(&f->reader) != f->reader.pos)
		return 0;
	if (!f->failed && ke_reader_finish(&f->reader, f->last_seq, &item))
		return tell_lost(f, item.seq, item.last, ev);
	return tell_end(f, ev);
}

/* How many of @max there are now, in @ev. What is no event is alone. */
static unsigned int feed_take(struct kn_feed *f, struct kecho_event *ev, unsigned int max)
{
	struct ke_item item;
	unsigned int n = plain_events(f, ev, max);
	int err;

	if (likely(n))
		return n;
	err = next_item(f, &item);
	if (err == -ENOBUFS) {
		f->hungry = true;
		WRITE_ONCE(f->sink->chores_due, true);
		return 0;
	}
	if (err < 0)
		return feed_damaged(f, ev);
	if (!err)
		return feed_empty(f, ev);
	if (item.kind == KE_ITEM_LOST)
		return tell_lost(f, item.seq, item.last, ev);
	return tell_event(f, &item, ev);
}

/* The sink has stalled: what it lacks, once, and no end. */
static unsigned int feed_cut(struct kn_feed *f, struct kecho_event *ev)
{
	struct kecho_sink *s = f->sink;
	struct kn_feed *other;
	bool more = false;
	u64 seq = f->reader.seq;

	f->told = true;
	list_for_each_entry(other, &s->feeds, list)
		more |= !other->told;
	WRITE_ONCE(s->disconnected, !more);
	if (f->last_seq <= seq)
		return 0;
	f->reader.seq = f->last_seq;
	return tell_lost(f, seq + 1, f->last_seq, ev);
}

/*
 * Up to @max events of one feed; what is no event comes alone. What was given out before is
 * given back by this.
 */
unsigned int kn_feeds_next(struct kecho_sink *s, struct kecho_event *ev, unsigned int max)
{
	struct kn_feed *f, *next;
	unsigned int n = 0;

	spin_lock_bh(&s->lock);
	release_held(s);
	list_for_each_entry_safe(f, next, &s->feeds, list) {
		if (s->disconnected)
			break;
		if (!feed_ready(f))
			continue;
		n = unlikely(f->cut) ? feed_cut(f, ev) : feed_take(f, ev, max);
		if (!n) {	/* it has read records that are nothing to tell */
			release(f);
			continue;
		}
		s->held = f;
		list_move_tail(&f->list, &s->feeds);
		break;
	}
	spin_unlock_bh(&s->lock);
	return n;
}

static u64 lag(const struct kn_feed *f)
{
	u64 head = f->cut ? f->reader.pos : ke_reader_head(&f->reader);

	return head == KE_HEAD_BAD ? 0 : head - f->reader.pos;
}

void kn_feeds_count(struct kecho_sink *s, struct kecho_sink_stats *st)
{
	const struct kn_feed *f;

	*st = s->stats;
	list_for_each_entry(f, &s->feeds, list) {
		st->expired += f->reader.expired;
		st->filtered += f->reader.filtered + f->filtered;
		st->lag_bytes += lag(f);
	}
}
