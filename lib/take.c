// SPDX-License-Identifier: MIT
/*
 * Taking: what a sink is given next, of its feeds in turns.
 *
 * Of most logs what is taken lies there, in place, and is read until the sink is back for
 * more. It is given as it comes, but for what has expired, and what belongs between events:
 * that some are lost, that a source has fallen silent, is back, or has ended.
 */
#include "alive.h"
#include "deadline.h"
#include "feed.h"
#include "probe.h"

static bool feed_ready(const struct feed *f)
{
	if (f->told)
		return false;
	return f->ended || READ_ONCE(f->reader.view.hdr->head) != cpu_to_le64(f->reader.pos) ||
	       alive_news(f);
}

/* Its channel was destroyed, and it has read all to its end. */
bool feeds_shut(struct kecho_sink *s)
{
	bool shut = READ_ONCE(s->ch->ch.ended);
	struct feed *f;

	if (likely(!shut))
		return false;
	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		shut &= f->told;
	lib_unlock(&s->lock);
	return shut;
}

bool feeds_ready(void *sink)
{
	struct kecho_sink *s = sink;
	bool ready = READ_ONCE(s->disconnected) || READ_ONCE(s->taken) || feeds_shut(s);
	struct feed *f;

	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		ready |= feed_ready(f);
	lib_unlock(&s->lock);
	return ready;
}

static void give_memory(struct feed *f)
{
	void *big = malloc(f->reader.big_total), *old = f->reader.big;

	ke_reader_give(&f->reader, big, big ? f->reader.big_total : 0);
	free(old);
}

static unsigned int tell_end(struct feed *f, struct kecho_event *ev)
{
	f->told = true;
	ke_promise_end(&f->promise);
	*ev = (struct kecho_event){
		.kind = KECHO_ENDED, .source = f->member, .last_seq = f->reader.seq,
		.failed = f->failed,
	};
	return 1;
}

/* @ev is number @i of those taken now. What is 0 is named, too: so nothing is cleared first. */
static unsigned int tell_item(struct kecho_sink *s, struct feed *f, const struct ke_item *item,
			      struct kecho_event *ev, unsigned int i)
{
	ev += i;
	if (unlikely(item->kind == KE_ITEM_LOST)) {
		*ev = (struct kecho_event){ .kind = KECHO_LOST, .source = f->member,
					    .seq = item->seq, .last_seq = item->last };
		s->stats.lost += item->last - item->seq + 1;
		__atomic_fetch_add(&s->ch->k->node.losses, 1, __ATOMIC_RELAXED);
		if (s->m.policy == KECHO_DISCONNECT)
			WRITE_ONCE(s->disconnected, true);
		PROBE(lost, s->m.id, f->member, item->seq, item->last);
		return 1;
	}
	*ev = (struct kecho_event){
		.kind = KECHO_EVENT, .type = item->type, .source = f->member, .seq = item->seq,
		.last_seq = 0, .time_ns = item->time_ns, .data = item->data, .len = item->len,
		.failed = 0, .attrs = item->attrs, .attrs_len = item->attrs_len,
		.deadline_ns = item->deadline_ns,
	};
	s->judged |= (u64)item->judged << i;
	s->stats.received++;
	s->stats.bytes += item->len;
	PROBE(read, s->m.id, f->member, item->seq, item->len);
	if (unlikely(ev->deadline_ns))
		ev->deadline_ns = deadline_here(s, f, ev->deadline_ns);
	return 1;
}

/* Most events are whole and lie where they can be read in place. */
static unsigned int plain_events(struct kecho_sink *s, struct feed *f, struct kecho_event *ev,
				 unsigned int max)
{
	u64 end = ke_reader_plain_end(&f->reader);
	struct ke_item item;
	unsigned int n = 0;

	while (n < max && ke_reader_plain(&f->reader, end, &item))
		if (likely(!item.deadline_ns) || !deadline_is_over(s, f, item.deadline_ns))
			tell_item(s, f, &item, ev, n++);
	return n;
}

/* The next that has not expired: as ke_reader_next() says, which looks at no more, too. */
static int next_item(struct kecho_sink *s, struct feed *f, struct ke_item *item)
{
	int n, expired = 0;

	for (;;) {
		n = ke_reader_next(&f->reader, item);
		if (n == -ENOBUFS)
			give_memory(f);
		else if (n <= 0 || !item->deadline_ns || !deadline_is_over(s, f, item->deadline_ns))
			return n;
		else if (++expired == KE_SILENT_RECORDS_MAX)
			return 0;
	}
}

/* How many of @max there are now, in @ev. What is no event is alone. */
static unsigned int feed_take(struct kecho_sink *s, struct feed *f, struct kecho_event *ev,
			      unsigned int max)
{
	struct ke_item item;
	int n;

	/* What was given out before is read now. */
	__atomic_store_n(&f->released, f->reader.pos, __ATOMIC_RELEASE);
	n = plain_events(s, f, ev, max);
	if (likely(n))
		return n;
	n = next_item(s, f, &item);
	__atomic_store_n(&f->released, f->reader.released, __ATOMIC_RELEASE);
	if (n > 0)
		return tell_item(s, f, &item, ev, 0);
	if (n < 0) {	/* the log is damaged: this source is over */
		f->ended = f->gone = f->failed = true;
		return tell_end(f, ev);
	}
	if (!f->ended || ke_reader_head(&f->reader) != f->reader.pos)
		return 0;
	if (!f->failed && ke_reader_finish(&f->reader, f->last_seq, &item))
		return tell_item(s, f, &item, ev, 0);
	return tell_end(f, ev);
}

/* Is what was read in place until now still what it was? */
bool feed_is_kept(const struct kecho_sink *s, const struct feed *f)
{
	if (f->reader.self)
		return ke_reader_kept(&f->reader);
	smp_rmb();
	return !s->kept || READ_ONCE(s->kept->limit);
}

/* In place from a log whose source may have ceased to wait for us: what was taken then is
 * not told. */
static unsigned int feed_take_kept(struct kecho_sink *s, struct feed *f, struct kecho_event *ev,
				   unsigned int max)
{
	bool ended = f->ended, gone = f->gone, failed = f->failed;
	struct kecho_sink_stats stats = s->stats;
	u64 seq = f->reader.seq, lost = f->reader.lost, filtered = f->reader.filtered;
	u64 expired = f->reader.expired;
	unsigned int n = feed_take(s, f, ev, max);

	if (likely(feed_is_kept(s, f)))
		return n;
	s->stats = stats;
	f->reader.seq = seq;
	f->reader.lost = lost;
	f->reader.filtered = filtered;
	f->reader.expired = expired;
	f->ended = ended;
	f->gone = gone;
	f->failed = failed;
	f->told = false;
	WRITE_ONCE(s->taken, true);
	return 0;
}

/* The sink has stalled. Once it was told all that it lost it has ended. */
static unsigned int tell_cut(struct kecho_sink *s, struct feed *f, struct kecho_event *ev)
{
	struct feed *other;
	bool more = false;

	f->told = true;
	list_for_each_entry(other, &s->feeds, list)
		more |= !other->told;
	WRITE_ONCE(s->disconnected, !more);
	if (f->last_seq <= f->reader.seq)
		return 0;
	*ev = (struct kecho_event){ .kind = KECHO_LOST, .source = f->member,
				    .seq = f->reader.seq + 1, .last_seq = f->last_seq };
	PROBE(lost, s->m.id, f->member, ev->seq, ev->last_seq);
	f->reader.seq = f->last_seq;
	return 1;
}

static unsigned int take(struct kecho_sink *s, struct feed *f, struct kecho_event *ev,
			 unsigned int max)
{
	return f->may_go ? feed_take_kept(s, f, ev, max) : feed_take(s, f, ev, max);
}

/* Its source has promised signs of life: that it has none, or has some again, is told where that
 * belongs among its events. */
static noinline unsigned int take_promised(struct kecho_sink *s, struct feed *f,
					   struct kecho_event *ev, unsigned int max)
{
	unsigned int n = alive_tell(f, ev);

	n = n ?: take(s, f, ev, max);
	return n ?: alive_tell(f, ev);
}

static unsigned int feed_next(struct kecho_sink *s, struct feed *f, struct kecho_event *ev,
			      unsigned int max)
{
	if (f->told)
		return 0;
	if (unlikely(f->cut))
		return tell_cut(s, f, ev);
	if (unlikely(f->bounded) && f->reader.seq >= f->last_seq)
		return tell_end(f, ev);
	return unlikely(f->promise.ms) ? take_promised(s, f, ev, max) : take(s, f, ev, max);
}

/*
 * The sink's lock is held. Feeds take turns, FEED_BUDGET events each. *@due: much was
 * read since the source heard of it.
 */
unsigned int feeds_next(struct kecho_sink *s, struct kecho_event *ev, unsigned int max, bool *due)
{
	struct feed *f, *next, *first = list_first_entry(&s->feeds, struct feed, list);
	unsigned int n = 0;

	*due = false;
	s->judged = s->real_ns = 0;
	if (unlikely(!s->budget) && !list_empty(&s->feeds)) {
		list_move_tail(&first->list, &s->feeds);
		first = list_first_entry(&s->feeds, struct feed, list);
		s->budget = FEED_BUDGET;
	}
	list_for_each_entry_safe(f, next, &s->feeds, list) {
		if (f != first)
			s->budget = FEED_BUDGET;
		n = feed_next(s, f, ev, min(max, s->budget));
		if (likely(n))
			break;
	}
	if (!n)
		return 0;
	if (f != first)
		list_move(&f->list, &s->feeds);
	s->budget -= n;
	if (f->slot)
		WRITE_ONCE(f->slot->given, cpu_to_le64(f->reader.pos));
	*due = s->says && feed_must_say(f, false);
	return n;
}
