// SPDX-License-Identifier: MIT
/*
 * The house: what core asks of the outside, answered by the world. It does what the
 * embedded house of lib/ does, without threads.
 */
#include "sim.h"

enum { LOCK_SOURCE = 1,
       LOCK_TX = 2 };

static struct snode *node_of(const struct ke_rstream *rs)
{
	return rs->peer->node->owner;
}

static struct schan *chan_of(const struct ke_rstream *rs)
{
	return rs->remote->presence->channel->owner;
}

static u64 now_ms(void *house)
{
	return snode_now_us(house) / 1000;
}

static u64 realtime_ns(void *house)
{
	return snode_real_ns(house);
}

static u64 monotonic_ns(void *house)
{
	return snode_now_us(house) * 1000;
}

static u64 random_u64(void *house)
{
	return random_next(&((struct snode *)house)->w->rng) | 1;
}

static void dial(void *house, struct ke_peer *p)
{
	struct snode *n = house;

	if (!n->gone)
		net_dial(n, p);
}

static void kick(struct ke_link *l)
{
	struct conn *c = l->owner;

	if (!c->closing)
		sim_set_sooner(c->node, &c->tx, 1 + sim_random(c->node->w, 30));
}

static void hangup(struct ke_link *l)
{
	struct conn *c = l->owner;

	if (!c->closing)
		sim_trace(c->node, TRACE_CLOSED, c->id, c->peer, 0);
	c->closing = true;
	c->node->reap = true;
}

/* One at a time: a house may have others that it can hold no second one with. */
static void lock(struct snode *n, u32 which, bool take)
{
	if (!!(n->locks & which) == take || (take && n->locks))
		sim_broken(n->w, "node %u: lock %u is %s", n->index, which,
			   take ? "taken out of order" : "not taken");
	n->locks ^= which;
}

static void tx_lock(struct ke_link *l)
{
	lock(l->node->owner, LOCK_TX, true);
}

static void tx_unlock(struct ke_link *l)
{
	lock(l->node->owner, LOCK_TX, false);
}

static void source_lock(struct ke_source *s)
{
	lock(((struct ssource *)s->member.owner)->chan->node, LOCK_SOURCE, true);
}

static void source_unlock(struct ke_source *s)
{
	lock(((struct ssource *)s->member.owner)->chan->node, LOCK_SOURCE, false);
}

/* ---------------------------------------------------------------------- logs */

static int attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	struct slog *log;

	if (rs->local)
		log = share_take(rs->peer->link->owner, rs->remote->log);
	else
		log = slog_new(node_of(rs), rs->remote->log_size, false);
	if (!log)
		return rs->local ? -EPROTO : -ENOMEM;
	rs->owner = log;
	*hdr = log->hdr;
	*ring = log->ring;
	rs->view = (struct ke_view){ .hdr = log->hdr, .ring = log->ring, .size = log->size };
	return 0;
}

static void feed_gone(struct sfeed *f, void *arg)
{
	(void)arg;
	f->gone = f->ended = true;
	f->rs = NULL;
}

static void detach(struct ke_rstream *rs)
{
	struct ssink *s;

	sfeeds_of(rs, feed_gone, NULL);
	list_for_each_entry(s, &chan_of(rs)->sinks, list)
		sfeeds_drop_told(s);
	slog_put(rs->owner);
	rs->owner = NULL;
	if (rs->slot)
		node_of(rs)->gate_used[rs->slot] = false;
	rs->slot = 0;
	ssink_wake(chan_of(rs));
}

static u32 gate_slot(struct ke_rstream *rs)
{
	struct snode *n = node_of(rs);
	u32 i;

	for (i = 1; i < SIM_GATES_MAX && !rs->slot; i++) {
		if (n->gate_used[i])
			continue;
		n->gate_used[i] = true;
		n->gates->word[i] = 0;
		rs->slot = i;
	}
	return rs->slot;
}

static const u64 *gate(struct ke_link *l, u32 slot)
{
	struct conn *c = l->owner;

	return c->gates && slot < SIM_GATES_MAX ? &c->gates->word[slot] : NULL;
}

static void share_channel(struct ke_link *l, struct ke_channel *ch)
{
	(void)l;
	(void)ch;
}

/* --------------------------------------------------------------------- feeds */

static bool has_feed(const struct ssink *s, const struct ke_rstream *rs)
{
	const struct sfeed *f;

	list_for_each_entry(f, &s->feeds, list)
		if (f->rs == rs)
			return true;
	return false;
}

static void feed_goes_on(struct sfeed *f, void *arg)
{
	struct sim *w = f->sink->chan->node->w;

	(void)arg;
	f->ended = f->told = false;
	f->heard_us = w->now_us;
	w->cover.path[PATH_RESUME]++;
	if (f->r.big_seq && f->r.big_have)
		f->cut_seq = f->r.big_seq;
}

/* A `block` sink reads in place, which only a gate makes safe, or a source that is over. */
static bool may_begin(const struct ssink *s, const struct ke_rstream *rs)
{
	return s->m.policy != SINK_BLOCK || ke_rstream_gate_stands(rs) ||
	       rs->remote->state != KE_JOINED;
}

static void started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct snode *n = node_of(rs);
	struct truth *t = truth_find(n->w, rs->remote->id);
	struct ssink *s;

	/* Sinks that were there before a source see all of it, also if it has gone first. */
	if (!t || (rs->remote->state != KE_JOINED && (pos || seq))) {
		sim_broken(n->w, "node %u: a log starts whose source is %s", n->index,
			   t ? "not joined" : "unknown");
		return;
	}
	if (!rs->local)
		((struct slog *)rs->owner)->start = max(pos, rs->skip);
	sfeeds_of(rs, feed_goes_on, NULL);
	list_for_each_entry(s, &chan_of(rs)->sinks, list) {
		if (has_feed(s, rs) || !may_begin(s, rs))
			continue;
		sfeed_add(s, rs, NULL, rs->owner, rs->view, t, pos, seq);
		n->w->cover.path[PATH_LOCAL] += rs->local;
		n->w->cover.path[PATH_RETAINED] += rs->from == KE_FROM_RETAINED && seq < t->n;
		n->w->cover.path[PATH_FROM_START] += rs->from == KE_FROM_START && !seq && t->n;
	}
	/* Who begins here has read all before; the slowest until now may have gone. */
	sfeed_release_stream(rs);
	ssink_wake(chan_of(rs));
}

static void published(struct ke_rstream *rs)
{
	ssink_wake(chan_of(rs));
}

static void feed_ends(struct sfeed *f, void *arg)
{
	const struct ke_rstream *rs = arg;

	f->ended = true;
	f->failed = rs->remote->state == KE_FAILED;
	f->last_seq = rs->last_seq;
}

static void ended(struct ke_rstream *rs)
{
	sfeeds_of(rs, feed_ends, rs);
	ssink_wake(chan_of(rs));
}

static bool judged(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
		   const struct ke_verdict *v)
{
	struct ssink *s = sink->owner;
	u64 id = own ? own->member.id : remote->id;
	struct truth *t = truth_find(s->chan->node->w, id);

	if (t)
		return verdict_told(s, t, v);
	sim_broken(s->chan->node->w, "node %u: sink %llx hears of source %llx, which never was",
		   s->chan->node->index, (unsigned long long)sink->id, (unsigned long long)id);
	return true;
}

static void add_lost(struct sfeed *f, void *sum)
{
	*(u64 *)sum += f->r.lost;
}

static u64 lost(struct ke_rstream *rs)
{
	u64 sum = 0;

	sfeeds_of(rs, add_lost, &sum);
	return sum;
}

static void stalled_own(struct ke_source *s, struct ke_gate *g)
{
	(void)s;
	ssink_stalled(container_of(g, struct sfeed, gate));
}

/* The feed of a sink that holds, or leaves unread, what was there for so long. */
static struct sfeed *stalled_feed(const struct ke_rstream *rs, u64 pos)
{
	struct ssink *s;
	struct sfeed *f;

	list_for_each_entry(s, &chan_of(rs)->sinks, list)
		list_for_each_entry(f, &s->feeds, list)
			if (f->rs == rs && s->m.policy == SINK_BLOCK && f->released <= pos &&
			    f->released != ke_reader_head(&f->r))
				return f;
	return NULL;
}

static void stalled(struct ke_rstream *rs, u64 pos, bool end)
{
	struct cover *c = &node_of(rs)->w->cover;
	struct ke_remote *m = rs->remote;
	struct sfeed *f;
	bool any = false;

	/* The stream goes with its last sink. */
	while (end && m->stream && (f = stalled_feed(m->stream, pos))) {
		ssink_stalled(f);
		any = true;
	}
	c->path[PATH_STALL_ASKED] += !end;
	c->path[PATH_STALL_MOVED] += end && !any;
	if (m->stream)
		sfeed_release_stream(m->stream);
}

/* ------------------------------------------------------------------- members */

static void member(struct ke_remote *m)
{
	struct snode *n = m->presence->peer->node->owner;
	struct snode *of = snode_by_id(n->w, &m->presence->peer->contact.node);

	sim_trace(n, TRACE_MEMBER, m->id, of ? of->index : U16_MAX, m->state);
	check_member(n, m, of);
	n->w->stirred |= n->w->phase == PHASE_QUIET;
}

static void changed(void *house)
{
	snode_changed(house);
}

static void room(struct ke_source *s)
{
	check_gates(s->member.owner);
	ssource_room(s->member.owner);
}

static void repair(struct ke_channel *ch)
{
	schan_repair(ch->owner);
}

static void stats(struct ke_link *l, struct ke_channel *ch, u64 cookie)
{
	(void)l;
	(void)ch;
	(void)cookie;
}

static void stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *peer,
		     struct ke_in *in)
{
	(void)l;
	(void)ch;
	(void)peer;
	(void)in;
}

static void pong(struct ke_link *l, u64 sent_ns)
{
	(void)l;
	(void)sent_ns;
}

/* No filter asks for it. */
static u64 no_clock(void *arg)
{
	(void)arg;
	return 0;
}

const struct ke_filter_ops sim_filter_ops = { .now_ns = no_clock };

const struct ke_house sim_house = {
	.now_ms = now_ms,
	.realtime_ns = realtime_ns,
	.monotonic_ns = monotonic_ns,
	.random = random_u64,
	.dial = dial,
	.kick = kick,
	.hangup = hangup,
	.tx_lock = tx_lock,
	.tx_unlock = tx_unlock,
	.source_lock = source_lock,
	.source_unlock = source_unlock,
	.attach = attach,
	.detach = detach,
	.gate_slot = gate_slot,
	.gate = gate,
	.share_log = share_log,
	.share_channel = share_channel,
	.shared = share_in,
	.member = member,
	.started = started,
	.published = published,
	.ended = ended,
	.judged = judged,
	.lost = lost,
	.stalled_own = stalled_own,
	.stalled = stalled,
	.room = room,
	.changed = changed,
	.repair = repair,
	.stats = stats,
	.stats_in = stats_in,
	.pong = pong,
};
