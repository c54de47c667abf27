// SPDX-License-Identifier: MIT
/*
 * The invariants. At every step, of the node whose step it was:
 *
 *  - No more is sent than the credit allows, and no more is credited than the mirror
 *    holds; a source never grows past a gate; core's memory is bounded.
 *  - A sink gets a source's events in order, each once, as they were submitted; a gap is
 *    told as a loss of exactly that range.
 *  - A `block` sink loses only what was submitted while nothing gated the source for it,
 *    or what a source that closes could not deliver in its time.
 *  - An end that is no failure names the source's last event.
 *
 * When the faults are over all nodes know the same, see check_converged(), and all sinks
 * have all, see check_drained().
 */
#include "sim.h"

enum {
	LINK_BYTES_MAX = 512 << 10,	/* of core, for one connection */
	JUDGE_BYTES_MAX = 256 << 10,	/* for one source that judges, and if it chooses */
	NODE_BYTES_MAX = 256 << 10,	/* and for everything else */
};

/* ------------------------------------------------------------------ each step */

static void check_stream(struct ssource *s, const struct ke_tstream *ts)
{
	struct snode *n = s->chan->node;
	const struct ke_log *log = &s->s.log;

	if (ts->sent > log->head || ts->acked > log->head)
		sim_broken(n->w, "node %u: stream of source %u is at %llu, acknowledged %llu, "
				 "of a log of %llu",
			   n->index, s->t->index,
			   (unsigned long long)ts->sent, (unsigned long long)ts->acked,
			   (unsigned long long)log->head);
	if (!ts->gated)
		return;
	/* What is passed over leads beyond it. */
	if (ts->sent > ts->credit && ts->passed < ts->sent)
		sim_broken(n->w, "node %u: stream of source %u is at %llu with a credit of %llu",
			   n->index, s->t->index, (unsigned long long)ts->sent,
			   (unsigned long long)ts->credit);
}

static void check_gate(const struct ssource *s, const struct ke_gate *g)
{
	struct snode *n = s->chan->node;
	u64 end = s->s.log.end;

	if (end > g->seen + s->s.log.size)
		sim_broken(n->w, "node %u: source %u is at %llu, past a gate at %llu", n->index,
			   s->t->index, (unsigned long long)end, (unsigned long long)g->seen);
}

/* Whoever holds the channel was told that nothing is published any more. */
static void check_still(struct ssource *s)
{
	const struct ke_presence *pr;
	bool said = false;

	list_for_each_entry(pr, &s->chan->ch.presences, channel_list)
		said |= pr->held && pr->held_said;
	if (!said)
		s->still_at = U64_MAX;
	else if (s->still_at == U64_MAX)
		s->still_at = s->s.log.head;
	else if (s->still_at != s->s.log.head)
		sim_broken(s->chan->node->w, "node %u: source %u went from %llu to %llu while it "
			   "was frozen", s->chan->node->index, s->t->index,
			   (unsigned long long)s->still_at, (unsigned long long)s->s.log.head);
}

void check_source(struct ssource *s)
{
	struct ke_tstream *ts;
	struct ke_gate *g;

	check_still(s);
	list_for_each_entry(ts, &s->s.streams, source_list)
		check_stream(s, ts);
	list_for_each_entry(g, &s->s.gates, list)
		check_gate(s, g);
}

static void check_mirror(struct snode *n, const struct ke_rstream *rs)
{
	const struct slog *log = rs->owner;
	u64 room;

	if (!rs->attached || rs->local || !rs->gated || rs->credit == KE_NO_LIMIT)
		return;
	/* Where it has started, again perhaps, and what was passed over may lie beyond. */
	room = max3(rs->credit, log->start, rs->mirror.pass_end);
	if (rs->mirror.end > room || rs->credit > rs->released + rs->mirror.size)
		sim_broken(n->w, "node %u: a mirror of %llu bytes is at %llu, credit %llu, "
				 "released %llu",
			   n->index, (unsigned long long)rs->mirror.size,
			   (unsigned long long)rs->mirror.end, (unsigned long long)rs->credit,
			   (unsigned long long)rs->released);
}

static void check_memory(struct snode *n)
{
	u64 most = NODE_BYTES_MAX + n->log_bytes;
	struct ssource *s;
	struct conn *c;
	u32 i;

	list_for_each_entry(c, &n->conns, list)
		most += LINK_BYTES_MAX;
	for (i = 0; i < n->w->opt.channels; i++)
		list_for_each_entry(s, &n->chan[i].sources, list)
			most += (!!s->s.judge + !!s->s.choice) * JUDGE_BYTES_MAX;
	if (n->mem.bytes > most + n->log_bytes)
		sim_broken(n->w, "node %u: core holds %llu bytes, which should be %llu at most",
			   n->index, (unsigned long long)n->mem.bytes, (unsigned long long)most);
}

void check_node(struct snode *n)
{
	struct ke_rstream *rs;
	struct ke_peer *p;
	struct ssource *s;
	u32 i;

	if (!n->up)
		return;
	for (i = 0; i < n->w->opt.channels; i++)
		list_for_each_entry(s, &n->chan[i].sources, list)
			check_source(s);
	list_for_each_entry(p, &n->node.peers, list)
		list_for_each_entry(rs, &p->rstreams, list)
			check_mirror(n, rs);
	check_memory(n);
	if (n->locks)
		sim_broken(n->w, "node %u: lock %u is kept", n->index, n->locks);
}

/* --------------------------------------------------------------------- gates */

void check_gates(struct ssource *s)
{
	struct ke_tstream *ts;
	u32 i;

	for (i = 0; i < s->chan->node->w->opt.nodes; i++) {
		if (!s->t->gated[i])
			continue;
		ts = ssource_stream_to(s, i);
		if (ts && ts->gated)
			continue;
		s->t->gated[i] = false;
		s->chan->node->w->cover.path[PATH_LIFTED] += s->waiting && !ts;
	}
}

static struct ssource *source_of_log(struct snode *n, u32 log)
{
	struct ssource *s;
	u32 i;

	for (i = 0; i < n->w->opt.channels; i++)
		list_for_each_entry(s, &n->chan[i].sources, list)
			if (s->s.id == log)
				return s;
	return NULL;
}

/* What a node says tells what it now guarantees. */
void check_frame(struct conn *c, u8 type, u32 id, u64 pos)
{
	struct snode *n = c->node;
	struct ke_tstream *ts;
	struct ssource *s;

	(void)pos;
	n->w->cover.path[PATH_SKIP] += type == KECHO_FRAME_SKIP;
	n->w->cover.path[PATH_PASSED] += type == KECHO_FRAME_PASS || type == KECHO_FRAME_PICKED;
	if (type != KECHO_FRAME_START)
		return;
	s = source_of_log(n, id);
	ts = s ? ssource_stream_to(s, c->peer) : NULL;
	if (!ts)
		return;
	s->t->starts[c->peer]++;
	if (ts->gated && !s->t->gated[c->peer])
		s->t->ungated_to[c->peer] = s->t->n;
	s->t->gated[c->peer] = ts->gated;
}

/* ------------------------------------------------------------------- members */

void check_member(struct snode *n, const struct ke_remote *m, struct snode *of)
{
	struct cover *c = &n->w->cover;
	const struct ke_contact *who = &m->presence->peer->contact;
	struct snode_known *known = &n->known[snode_index(who)];
	struct ke_remote *mutable = (struct ke_remote *)m;

	if (m->role == KE_SOURCE && !truth_find(n->w, m->id))
		sim_broken(n->w, "node %u: source %llx joins, which never was", n->index,
			   (unsigned long long)m->id);
	if (m->state == KE_JOINED) {
		c->path[PATH_INCARNATION] += known->incarnation &&
					     known->incarnation < who->incarnation;
		/* What a dead process has said may come late; if its id is used again, never. */
		if (who->incarnation < known->incarnation && !ke_id_cmp(&known->id, &who->node))
			sim_broken(n->w, "node %u: incarnation %llu of node %u joins after %llu",
				   n->index, (unsigned long long)who->incarnation,
				   snode_index(who), (unsigned long long)known->incarnation);
		*known = (struct snode_known){ who->incarnation, who->node };
		c->path[PATH_DEAD_BACK] += m->owner != NULL;
		mutable->owner = NULL;
	} else if (m->state == KE_FAILED) {
		mutable->owner = of;
	} else {
		c->path[PATH_FORGOTTEN] += m->stale;
	}
}

/* -------------------------------------------------------------------- events */

/* The next number that is an event's: aborted ones are not told. */
static u64 next_seq(const struct sfeed *f)
{
	u64 seq = f->seq + 1;

	while (seq <= f->t->n && f->t->event[seq].state == TRUTH_VOID)
		seq++;
	return seq;
}

static void wrong(struct sfeed *f, const struct ke_item *item, const char *what)
{
	struct snode *n = f->sink->chan->node;

	sim_broken(n->w, "node %u, sink %llx: %s %u.%llu to %llu, %s; it has all to %llu",
		   n->index, (unsigned long long)f->sink->m.id,
		   item->kind == KE_ITEM_LOST ? "loss" : "event", f->t->index,
		   (unsigned long long)item->seq,
		   (unsigned long long)(item->kind == KE_ITEM_LOST ? item->last : item->seq), what,
		   (unsigned long long)f->seq);
}

static bool all_parts(const struct truth *t, u64 seq, u64 last)
{
	for (; seq <= last; seq++)
		if (t->event[seq].state != TRUTH_PART && t->event[seq].state != TRUTH_VOID)
			return false;
	return true;
}

static bool may_lose(const struct sfeed *f, const struct ke_item *item)
{
	u16 node = f->sink->chan->node->index;
	const struct truth *t = f->t;

	if (f->sink->m.policy != SINK_BLOCK || item->last <= t->ungated_to[node])
		return true;
	if (all_parts(t, item->seq, item->last))
		return true;
	return t->node != node && (!t->gated[node] || t->cut_short);
}

static void check_lost(struct sfeed *f, const struct ke_item *item)
{
	struct sim *w = f->sink->chan->node->w;

	sim_trace(f->sink->chan->node, TRACE_LOST, f->t->index, item->seq, item->last);
	if (item->seq <= f->seq || item->seq > next_seq(f) || item->last < item->seq)
		wrong(f, item, "not the next ones");
	else if (item->last > f->t->n)
		wrong(f, item, "which were never submitted");
	else if (!may_lose(f, item))
		wrong(f, item, "though the source was gated");
	w->cover.path[PATH_LOSS]++;
	w->cover.path[PATH_LAP] += !f->ended;
	w->cover.lost += item->last - item->seq + 1;
	f->sink->chan->node->node.losses++;
	f->seq = item->last;
}

static bool attrs_same(const struct sfeed *f, const struct truth_event *e,
		       const struct ke_item *item)
{
	u8 attrs[32];
	u32 len = e->attrs ? truth_attrs(f->t, item->seq, attrs) : 0;

	return item->attrs_len == len && (!len || !memcmp(item->attrs, attrs, len));
}

/* Its own filter has said so. */
static bool unwanted(struct sfeed *f, u64 seq)
{
	sim_trace(f->sink->chan->node, TRACE_UNWANTED, f->t->index, seq, 0);
	f->seq = seq;
	return false;
}

bool check_got(struct sfeed *f, const struct ke_item *item)
{
	struct sim *w = f->sink->chan->node->w;
	struct truth_event *e;

	if (item->kind == KE_ITEM_LOST) {
		check_lost(f, item);
		return true;
	}
	sim_trace(f->sink->chan->node, TRACE_GOT, f->t->index, item->seq, item->len);
	e = item->seq <= f->t->n ? truth_event(f->t, item->seq) : NULL;
	if (item->seq != next_seq(f))
		wrong(f, item, item->seq <= f->seq ? "again or out of order" : "after a gap");
	else if (!e || e->state != TRUTH_WHOLE)
		wrong(f, item, "which was not submitted");
	else if (e->len != item->len || e->type != item->type || e->time_ns != item->time_ns ||
		 e->deadline_ns != item->deadline_ns || !attrs_same(f, e, item))
		wrong(f, item, "with another length, type, time, deadline or attributes");
	else if (!truth_same(f->t, item->seq, item->data, item->len))
		wrong(f, item, "with other bytes");
	else if (!verdict_got(f, item))
		return unwanted(f, item->seq);
	w->cover.delivered++;
	w->cover.path[PATH_PIECES] += item->data == f->r.big && item->len;
	w->cover.path[PATH_PIECES_CUT] += item->seq == f->cut_seq;
	f->seq = item->seq;
	return true;
}

/* Nothing that a process of this host had published goes with it. */
static void check_end_of_dead(struct sfeed *f)
{
	u64 last = le64_to_cpu(f->log->hdr->seq);
	struct ke_item none = { .kind = KE_ITEM_LOST, .seq = last, .last = last };

	if (!f->log->shared)
		return;
	f->sink->chan->node->w->cover.path[PATH_DRAINED]++;
	if (f->sink->m.policy == SINK_BLOCK && !all_parts(f->t, f->seq + 1, last))
		wrong(f, &none, "the end, though there was more");
}

void check_end(struct sfeed *f)
{
	struct snode *n = f->sink->chan->node;
	struct ke_item none = { .kind = KE_ITEM_LOST, .seq = f->last_seq, .last = f->last_seq };

	sim_trace(n, TRACE_END, f->t->index, f->seq, f->failed);
	n->w->cover.path[f->failed ? PATH_FAILED : PATH_ENDED]++;
	if (f->failed) {
		check_end_of_dead(f);
		return;
	}
	if (!f->t->ended)
		wrong(f, &none, "the end, of a source that goes on");
	else if (f->last_seq != f->t->n || next_seq(f) <= f->t->n)
		wrong(f, &none, "the end, which is another");
}
