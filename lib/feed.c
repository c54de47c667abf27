// SPDX-License-Identifier: MIT
/*
 * A feed: one sink's reader of one log. A sink has one for each source of its
 * channel and reads them in turns.
 *
 * Feeds come and go under the kecho lock and the sink's lock, and its reader moves them
 * about under the sink's. So that is needed to walk the list; with the kecho lock a feed
 * that was found stays. What a `block` sink has read is told to the source, or the
 * other node, in steps of an eighth of the log, and before it sleeps.
 */
#include "alive.h"
#include "deadline.h"
#include "feed.h"
#include "probe.h"

static bool gated(const struct kecho_sink *s)
{
	return s->m.policy == KECHO_BLOCK;
}

/* @log keeps the log mapped. Nobody sees the feed until show_feed(). */
static struct feed *make_feed(struct kecho_sink *s, struct shared_log *log, uint64_t member)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->sink = s;
	f->log = log;
	f->member = member;
	atomic_fetch_add(&log->refs, 1);
	return f;
}

/* The next event's number is @seq + 1; its source has promised signs of life so often. */
static void start_feed(struct feed *f, struct ke_view v, u64 pos, u64 seq, u32 promise_ms)
{
	f->released = f->said = pos;
	ke_reader_init(&f->reader, v, gated(f->sink), pos, seq, f->sink->copy);
	ke_reader_for(&f->reader, READ_ONCE(f->sink->m.id));
	alive_watch(f, promise_ms);
}

static void show_feed(struct feed *f)
{
	lib_lock(&f->sink->lock);
	list_add_tail(&f->list, &f->sink->feeds);
	lib_unlock(&f->sink->lock);
}

/* The log of any source, of which the node says where to read; the kecho lock is held.
 * -ENOMEM. */
int feed_node(struct kecho_sink *s, struct shared_log *log, const struct kecho_note_feed *n,
	      struct kecho_gate_slot *slot)
{
	struct feed *f = make_feed(s, log, le64_to_cpu(n->member));
	struct ke_view v = { .hdr = log->map, .ring = (u8 *)log->map + KECHO_LOG_HEADER_SIZE,
			     .size = le64_to_cpu(n->size) };

	if (!f)
		return -ENOMEM;
	f->id = le32_to_cpu(n->feed);
	f->mine = n->mine;
	f->slot = slot;
	start_feed(f, v, le64_to_cpu(n->pos), le64_to_cpu(n->seq), le32_to_cpu(n->alive_ms));
	ke_reader_behind(&f->reader, le64_to_cpu(n->expired));
	f->rung = f->released;
	f->may_go = gated(s);
	WRITE_ONCE(slot->given, cpu_to_le64(f->released));
	smp_store_release(&slot->pos, cpu_to_le64(f->released));
	show_feed(f);
	return 0;
}

/* The node is another, and has found the log: what the feed has read stands in @slot from
 * here on. Both locks are held. */
void feed_again(struct feed *f, const struct kecho_note_feed *n, struct kecho_gate_slot *slot)
{
	f->id = le32_to_cpu(n->feed);
	f->mine = n->mine;
	f->orphan = f->ended = f->failed = f->told = false;
	f->slot = slot;
	f->rung = f->said = f->released;
	f->may_go = gated(f->sink);
	ke_reader_for(&f->reader, READ_ONCE(f->sink->m.id));
	WRITE_ONCE(slot->lost, cpu_to_le64(f->reader.lost));
	WRITE_ONCE(slot->given, cpu_to_le64(f->released));
	smp_store_release(&slot->pos, cpu_to_le64(f->released));
}

/* The log of another node; the kecho lock is held. -ENOMEM. */
int feed_stream(struct kecho_sink *s, struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct feed *f = make_feed(s, rs->owner, rs->remote->id);
	__le64 self;

	if (!f)
		return -ENOMEM;
	f->rs = rs;
	start_feed(f, rs->view, pos, seq, rs->remote->alive_ms);
	ke_reader_behind(&f->reader, rs->local ? 0 : ke_log_passed(&rs->mirror));
	seat_take(f);
	if (rs->local && gated(s)) {
		memcpy(&self, s->ch->k->node.self.node.b, sizeof(self));
		ke_reader_gated(&f->reader, le64_to_cpu(self), rs->taken);
		f->may_go = true;
	}
	show_feed(f);
	return 0;
}

/* The log of a source of our own; the kecho lock is held. -ENOMEM. */
int feed_source(struct kecho_sink *s, struct kecho_source *src, bool retained)
{
	struct feed *f = make_feed(s, src->log, src->s.member.id);
	u64 pos, seq;

	if (!f)
		return -ENOMEM;
	WARN_ON_ONCE(!s->m.id);
	f->source = src;
	lib_lock(&src->lock);
	pos = ke_log_retained(&src->s.log, retained ? src->s.retain : 0, &seq);
	start_feed(f, ke_log_view(&src->s.log), pos, seq, src->s.member.alive_ms);
	seat_take(f);
	if (gated(s))
		ke_source_gate(&src->s, &f->gate, &f->released);
	lib_unlock(&src->lock);
	show_feed(f);
	return 0;
}

/* The node need not look there any more, and may use it for another. */
void feed_leave_slot(struct feed *f)
{
	if (!f->slot)
		return;
	smp_store_release(&f->slot->pos, cpu_to_le64(KE_NO_LIMIT));
	f->slot = NULL;
	if (gated(f->sink))
		client_ring(f->sink->ch->k);
}

/* Both locks are held, or nobody else knows the sink any more. */
void feed_free(struct feed *f)
{
	if (f->source && gated(f->sink)) {
		lib_lock(&f->source->lock);
		ke_source_ungate(&f->source->s, &f->gate);
		lib_unlock(&f->source->lock);
		pthread_cond_broadcast(&f->source->ch->k->changed);
	}
	feed_leave_slot(f);
	list_del(&f->list);
	list_del(&f->promised);
	__atomic_fetch_add(&f->sink->filtered, f->reader.filtered, __ATOMIC_RELAXED);
	f->sink->stats.expired += f->reader.expired;
	shared_log_put(f->log);
	ke_attrs_free(&f->attrs);
	ke_attrs_free(&f->node_attrs);
	feed_types_free(f);
	free(f->reader.big);
	free(f);
}

/* The sink is not in its channel any more: others may have waited for it. The kecho lock
 * is held. */
void feeds_end(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	struct ke_rstream *rs;
	struct feed *f;

	while (!list_empty(&s->feeds)) {
		f = list_first_entry(&s->feeds, struct feed, list);
		rs = f->rs;
		lib_lock(&s->lock);
		feed_free(f);
		lib_unlock(&s->lock);
		if (rs && rs->attached)
			feeds_released(k, rs);
	}
}

/* Feeds of sources that are over and said so. The kecho lock is held. */
void feeds_drop_told(struct kecho_sink *s)
{
	struct feed *f, *next;

	lib_lock(&s->lock);
	list_for_each_entry_safe(f, next, &s->feeds, list)
		if (f->told && f->gone)
			feed_free(f);
	lib_unlock(&s->lock);
}

void feeds_of(struct ke_rstream *rs, void (*fn)(struct feed *f, void *arg), void *arg)
{
	struct kecho_channel *ch = rs->remote->presence->channel->owner;
	struct kecho_sink *s;
	struct feed *f;

	list_for_each_entry(s, &ch->sinks, list) {
		lib_lock(&s->lock);
		list_for_each_entry(f, &s->feeds, list)
			if (f->rs == rs)
				fn(f, arg);
		lib_unlock(&s->lock);
	}
}

/* ------------------------------------------------------- what was read */

struct slowest {
	u64 pos;
};

static void take_slowest(struct feed *f, void *arg)
{
	struct slowest *min = arg;
	u64 pos = __atomic_load_n(&f->released, __ATOMIC_ACQUIRE);

	if (gated(f->sink) && pos < min->pos)
		min->pos = pos;
}

/* Does the source wait for a reader to come as far as @pos, which has been stored? */
static bool is_wanted(const struct kecho_log_header *hdr, u64 pos)
{
	u64 want;

	atomic_thread_fence(memory_order_seq_cst);
	want = le64_to_cpu(READ_ONCE(hdr->want));
	return want && pos >= want;
}

/* What the slowest `block` sink has read goes back to the source, or its node. The kecho
 * lock is held. */
void feeds_released(struct kecho *k, struct ke_rstream *rs)
{
	struct slowest min = { U64_MAX };
	struct conn *c = rs->peer->link ? rs->peer->link->owner : NULL;
	u64 one = 1;

	feeds_of(rs, take_slowest, &min);
	if (!rs->local) {
		if (min.pos != U64_MAX)
			ke_rstream_release(rs, min.pos);
		return;
	}
	if (!rs->slot || !ke_rstream_gate_moves(rs))
		return;
	if (min.pos == U64_MAX)		/* the next one may begin before the last one was */
		min.pos = 0;
	smp_store_release(&k->gates[rs->slot * GATE_STRIDE / sizeof(u64)], min.pos);
	if (c && c->bell >= 0 && is_wanted(rs->view.hdr, min.pos) &&
	    write(c->bell, &one, sizeof(one)) < 0)
		return;		/* full: it is awake */
}

static bool must_say(const struct feed *f, bool all)
{
	u64 step = all ? 1 : f->reader.view.size / 8;

	return f->released - f->said >= step;
}

/* The kecho lock is not held, nor the sink's. */
static void say_released(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	struct feed *f;

	pthread_mutex_lock(&k->lock);
	list_for_each_entry(f, &s->feeds, list) {
		if (!must_say(f, true))
			continue;
		f->said = f->released;
		if (f->rs && f->rs->attached)
			feeds_released(k, f->rs);
		else if (f->source)
			pthread_cond_broadcast(&k->changed);
	}
	pthread_mutex_unlock(&k->lock);
}

/* The same of a node's feed, which needs no lock but the sink's, held. A node asks for
 * less: at its word, or in steps. */
void feed_store_released(struct kecho_sink *s, struct feed *f)
{
	WRITE_ONCE(f->slot->lost, cpu_to_le64(f->reader.lost));
	WRITE_ONCE(f->slot->given, cpu_to_le64(f->reader.pos));	/* or left out */
	smp_store_release(&f->slot->pos, cpu_to_le64(f->released));
	f->said = f->released;
	if (!gated(s))
		return;
	if (!is_wanted(f->reader.view.hdr, f->released) &&
	    (f->mine || f->released - f->rung < f->reader.view.size / 8))
		return;
	f->rung = f->released;
	client_ring(s->ch->k);
}

/* Of all feeds, and those that are gone. */
static u64 expired_of(const struct kecho_sink *s)
{
	u64 sum = s->stats.expired;
	const struct feed *f;

	list_for_each_entry(f, &s->feeds, list)
		sum += f->reader.expired;
	return sum;
}

static void store_counters(struct kecho_sink *s)
{
	WRITE_ONCE(s->counters->events, cpu_to_le64(s->stats.received));
	WRITE_ONCE(s->counters->bytes, cpu_to_le64(s->stats.bytes));
	WRITE_ONCE(s->counters->lost, cpu_to_le64(s->stats.lost));
	WRITE_ONCE(s->counters->expired, cpu_to_le64(expired_of(s)));
}

void feeds_release(struct kecho_sink *s)
{
	bool due = false;
	struct feed *f;

	lib_lock(&s->lock);
	if (s->counters)
		store_counters(s);
	list_for_each_entry(f, &s->feeds, list) {
		if (f->slot)
			feed_store_released(s, f);
		else
			due |= s->says && must_say(f, true);
	}
	lib_unlock(&s->lock);
	if (due)
		say_released(s);
}

/* ---------------------------------------------------------------- reading */

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
	*due = s->says && must_say(f, false);
	return n;
}
