// SPDX-License-Identifier: MIT
/*
 * A feed: one sink's reader of one log. A sink has one for each source of its
 * channel and reads them in turns: see take.c.
 *
 * Feeds come and go under the kecho lock and the sink's lock, and its reader moves them
 * about under the sink's. So that is needed to walk the list; with the kecho lock a feed
 * that was found stays. What a `block` sink has read is told to the source, or the
 * other node, in steps of an eighth of the log, and before it sleeps.
 */
#include "alive.h"
#include "feed.h"

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

/* The kecho lock is not held, nor the sink's. */
static void say_released(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	struct feed *f;

	pthread_mutex_lock(&k->lock);
	list_for_each_entry(f, &s->feeds, list) {
		if (!feed_must_say(f, true))
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
	    (f->mine || f->released - f->rung < f->reader.view.size / 2))
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
			due |= s->says && feed_must_say(f, true);
	}
	lib_unlock(&s->lock);
	if (due)
		say_released(s);
}
