// SPDX-License-Identifier: MIT
/*
 * Feeds: a sink's reader of one log. What was read is told to the source, or to the
 * other node, in steps of an eighth of the log and before the sink sleeps.
 */
#include "sim.h"

static bool gated(const struct ssink *s)
{
	return s->m.policy == SINK_BLOCK;
}

void sfeed_add(struct ssink *s, struct ke_rstream *rs, struct ssource *src, struct slog *log,
	       struct ke_view view, struct truth *t, u64 pos, u64 seq)
{
	struct sfeed *f = sim_alloc(sizeof(*f));
	struct snode *n = s->chan->node;
	__le64 self;

	f->sink = s;
	f->rs = rs;
	f->src = src;
	f->log = log;
	f->t = t;
	f->seq = seq;
	f->whole = gated(s) && !pos;
	f->released = f->said = pos;
	f->moved_us = rs ? 0 : n->w->now_us;	/* START may have been on its way for long */
	log->refs++;
	ke_reader_init(&f->r, view, gated(s), pos, seq, s->copy);
	ke_reader_for(&f->r, s->m.id);
	if (rs && !rs->local)
		ke_reader_behind(&f->r, ke_log_passed(&rs->mirror));
	verdict_begin(f);
	if (rs && rs->local && gated(s)) {
		memcpy(&self, n->node.self.node.b, sizeof(self));
		ke_reader_gated(&f->r, le64_to_cpu(self), rs->taken);
	}
	if (src && gated(s)) {
		ke_source_gate(&src->s, &f->gate, &f->released);
		t->ungated_to[n->index] = max(t->ungated_to[n->index], src->s.log.seq);
	}
	salive_watch(f);
	list_add_tail(&f->list, &s->feeds);
	sim_trace(n, TRACE_FEED, t->index, pos, seq);
}

void sfeed_free(struct sfeed *f)
{
	if (f->src && gated(f->sink)) {
		ke_source_ungate(&f->src->s, &f->gate);
		ssource_room(f->src);
	}
	list_del(&f->list);
	sim_cancel(f->sink->chan->node, &f->look);
	slog_put(f->log);
	sim_free(f->r.big);
	sim_free(f);
}

void sfeeds_drop_told(struct ssink *s)
{
	struct sfeed *f, *next;

	list_for_each_entry_safe(f, next, &s->feeds, list)
		if (f->told && f->gone)
			sfeed_free(f);
}

void sfeeds_of(struct ke_rstream *rs, void (*fn)(struct sfeed *f, void *arg), void *arg)
{
	struct schan *c = rs->remote->presence->channel->owner;
	struct ssink *s;
	struct sfeed *f;

	list_for_each_entry(s, &c->sinks, list)
		list_for_each_entry(f, &s->feeds, list)
			if (f->rs == rs)
				fn(f, arg);
}

/* ------------------------------------------------------------- what was read */

static void take_slowest(struct sfeed *f, void *arg)
{
	u64 *least = arg;

	if (gated(f->sink))
		*least = min(*least, f->released);
}

void sfeed_release_stream(struct ke_rstream *rs)
{
	struct snode *n = rs->peer->node->owner;
	u64 least = U64_MAX;
	struct slog *log;

	sfeeds_of(rs, take_slowest, &least);
	if (!rs->attached)
		return;
	if (!rs->local) {
		if (least != U64_MAX)
			ke_rstream_release(rs, least);
		return;
	}
	if (!rs->slot || !ke_rstream_gate_moves(rs))
		return;
	if (least == U64_MAX)		/* the next one may begin before the last one was */
		least = 0;
	log = rs->owner;
	n->gates->word[rs->slot] = least;
	if (log->src)
		ssource_room(log->src);
}

void sfeed_release(struct sfeed *f, bool all)
{
	if (!gated(f->sink) || f->released - f->said < (all ? 1 : f->r.view.size / 8))
		return;
	f->said = f->released;
	if (f->rs)
		sfeed_release_stream(f->rs);
	else if (f->src)
		ssource_room(f->src);
}

/* ------------------------------------------------------------------- reading */

static void give_memory(struct sfeed *f)
{
	u8 *old = f->r.big;

	ke_reader_give(&f->r, sim_alloc(f->r.big_total), f->r.big_total);
	sim_free(old);
}

/* What was given out in place is still what it was. */
static void let_go(struct sfeed *f)
{
	if (f->held && !truth_same(f->t, f->held_seq, f->held, f->held_len))
		sim_broken(f->sink->chan->node->w,
			   "node %u: event %u.%llu was overwritten while it was read",
			   f->sink->chan->node->index, f->t->index,
			   (unsigned long long)f->held_seq);
	f->held = NULL;
}

static void tell(struct sfeed *f, const struct ke_item *item)
{
	bool wanted;

	salive_item(f);
	verdict_skip(f, item->seq - 1);
	wanted = check_got(f, item);
	if (item->kind == KE_ITEM_LOST) {
		f->sink->disconnected |= f->sink->m.policy == SINK_DISCONNECT;
		return;
	}
	if (slife_over(f, item) || !gated(f->sink) || !wanted)
		return;
	f->held = item->data;
	f->held_len = item->len;
	f->held_seq = item->seq;
}

static void tell_end(struct sfeed *f)
{
	f->told = true;
	salive_end(f);
	check_end(f);
}

static int next_item(struct sfeed *f, struct ke_item *item)
{
	int n;

	do {
		n = ke_reader_next(&f->r, item);
		if (n == -ENOBUFS)
			give_memory(f);
	} while (n == -ENOBUFS);
	return n;
}

static void released(struct sfeed *f, u64 pos)
{
	if (f->released != pos)
		f->moved_us = f->sink->chan->node->w->now_us;
	f->released = pos;
}

/* Its source waits for it no more: what it holds may be overwritten. */
bool sfeed_kept(const struct sfeed *f)
{
	return ke_reader_kept(&f->r);
}

bool sfeed_next(struct sfeed *f)
{
	struct sim *w = f->sink->chan->node->w;
	struct ke_item item;
	int n;

	if (f->told)
		return false;
	let_go(f);
	released(f, f->r.pos);
	if (salive_tell(f))
		return true;
	if (sim_one_in(w, 2) && ke_reader_plain(&f->r, ke_reader_plain_end(&f->r), &item)) {
		tell(f, &item);
		return true;
	}
	n = next_item(f, &item);
	released(f, f->r.released);
	if (n < 0) {
		sim_broken(w, "node %u: the log of source %u is damaged (%d) behind event %llu",
			   f->sink->chan->node->index, f->t->index, n,
			   (unsigned long long)f->seq);
		return false;
	}
	if (n > 0) {
		tell(f, &item);
		return true;
	}
	verdict_skip(f, f->r.seq);
	if (!f->ended || ke_reader_head(&f->r) != f->r.pos)
		return salive_tell(f);
	if (!f->failed && ke_reader_finish(&f->r, f->last_seq, &item)) {
		tell(f, &item);
		return true;
	}
	tell_end(f);
	return true;
}
