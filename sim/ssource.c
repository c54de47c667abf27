// SPDX-License-Identifier: MIT
/*
 * Sources: bursts of events of all sizes, whole, in pieces and in reservations; they
 * wait where a gate says so, and end like those of the library do.
 */
#include "sim.h"

enum {
	BURST_MAX = 32,
	GAP_SHORT_US = 100,
	GAP_LONG_US = 10000,
	BURSTS = 20,
	REST_US = 6000000,
	ROOM_LOOK_US = 50000,
	SIZE_SMALL = 200,
	SIZE_MIDDLE = 1500,
	STALL_LEAST_MS = 50,
	STALL_MORE_MS = 1000,
	STALL_LONG_MS = 30000,
};

static struct snode *node_of(const struct ssource *s)
{
	return s->chan->node;
}

/* ------------------------------------------------------------------ its life */

/* What it did may be what others wait for: whoever has held it up for too long ends, and
 * of a frozen channel it has finished what had begun. Without its lock. */
static void after(struct ssource *s)
{
	if (s->s.frozen)
		ke_channel_settle(&s->chan->ch);
	if (!s->held_up)
		return;
	s->held_up = false;
	ke_source_end_stalled(&s->s);
}

bool ssource_submit_one(struct ssource *s)
{
	bool done;

	if (!s->ready || s->closing || s->s.closed || s->last || salive_hangs(s))
		return false;
	sim_house.source_lock(&s->s);
	done = ssubmit_any(s);
	ssubmit_tell(s);
	sim_house.source_unlock(&s->s);
	after(s);
	check_source(s);
	return done;
}

bool ssource_submit_len(struct ssource *s, u32 len)
{
	bool done;

	sim_house.source_lock(&s->s);
	done = ssubmit_whole(s, len);
	ssubmit_tell(s);
	sim_house.source_unlock(&s->s);
	return done;
}

/* Some bursts close together, which overtake readers, then a rest; so a run has events
 * for as long as it has faults. Once those are over there is less to do. */
static u32 pause_us(const struct ssource *s)
{
	struct sim *w = node_of(s)->w;

	if (w->phase != PHASE_ACTIVE)
		return 1 + sim_random(w, 100 * GAP_LONG_US);
	return 1 + sim_random(w, sim_one_in(w, BURSTS) ? REST_US : 2 * s->gap_us);
}

static void burst(struct ssource *s, u32 n)
{
	bool done = true;

	sim_house.source_lock(&s->s);
	while (n-- && done)
		done = ssubmit_any(s);
	/* Who waits has nothing open that others might wait for. */
	while (!done && s->nreserved)
		ssubmit_settle(s, false);
	ssubmit_tell(s);
	sim_house.source_unlock(&s->s);
	after(s);
	check_source(s);
	sim_set_sooner(node_of(s), &s->act, s->waiting ? ROOM_LOOK_US : pause_us(s));
}

static void await_all(struct ssource *s)
{
	struct sim *w = node_of(s)->w;
	bool acked = ke_channel_acked(&s->chan->ch);

	if (!acked && w->now_us < s->opened_us) {
		sim_set(node_of(s), &s->act, SIM_LOOK_MS * 1000);
		return;
	}
	s->ready = true;
	s->t->early = !acked;
	burst(s, 1);
}

/* All that has begun is done; the last event is known. */
static void finish(struct ssource *s)
{
	struct sim *w = node_of(s)->w;

	sim_house.source_lock(&s->s);
	while (s->piece_seq && ssubmit_piece(s))
		;
	while (s->nreserved)
		ssubmit_settle(s, sim_one_in(w, 2));
	ssubmit_tell(s);
	sim_house.source_unlock(&s->s);
	after(s);
	if (s->piece_seq && w->now_us < s->close_us) {
		sim_set_sooner(node_of(s), &s->act, ROOM_LOOK_US);
		return;
	}
	if (s->piece_seq && !s->piece_at)
		s->t->n--;	/* nothing of it is in the log */
	s->t->ended = true;
	sim_trace(node_of(s), TRACE_SOURCE_CLOSE, s->t->index, s->t->n, 0);
	ke_source_end(&s->s);
	s->close_us = w->now_us + SIM_LINGER_MS * 1000;
	sim_set(node_of(s), &s->act, 1);
}

static void await_drained(struct ssource *s)
{
	struct sim *w = node_of(s)->w;
	bool drained = ke_source_drained(&s->s);

	if (!drained && w->now_us < s->close_us) {
		sim_set(node_of(s), &s->act, SIM_LOOK_MS * 1000);
		return;
	}
	s->t->cut_short = !drained;
	sim_trace(node_of(s), TRACE_SOURCE_GONE, s->t->index, drained, 0);
	ssource_free(s, true);
}

static void act_fire(struct timer *t)
{
	struct ssource *s = container_of(t, struct ssource, act);
	struct sim *w = node_of(s)->w;

	if (salive_hangs(s)) {
		sim_set(node_of(s), t, s->hangs_us - w->now_us);
		return;
	}
	s->waiting = false;
	if (s->s.closed)
		await_drained(s);
	else if (s->closing)
		finish(s);
	else if (!s->ready)
		await_all(s);
	else if (s->last && !s->piece_seq && !s->nreserved)
		return;
	else
		burst(s, s->last ? 1 : 1 + sim_random(w, BURST_MAX));
}

static void profile(struct ssource *s)
{
	struct sim *w = node_of(s)->w;

	s->gap_us = GAP_SHORT_US + sim_random(w, sim_one_in(w, 2) ? 1000 : GAP_LONG_US);
	s->size_max = sim_one_in(w, 3) ? SIZE_MIDDLE : SIZE_SMALL;
	s->large_one_in = sim_one_in(w, 3) ? 150 : 0;
	s->s.stall_ms = sim_one_in(w, 2) ? STALL_LEAST_MS + sim_random(w, STALL_MORE_MS) :
					   STALL_LONG_MS;
	s->t->stall_ms = s->s.stall_ms;
	s->t->lives = w->opt.filters && sim_one_in(w, 3);
}

struct ssource *ssource_open(struct schan *c)
{
	struct ssource *s = sim_alloc(sizeof(*s));
	struct snode *n = c->node;
	u64 size = KE_LOG_SIZE_MIN << sim_random(n->w, 3) / 2;

	s->chan = c;
	s->act = (struct timer){ .node = n, .fn = act_fire };
	s->log = slog_new(n, size, true);
	if (!s->log) {
		sim_free(s);
		return NULL;
	}
	s->s.member.owner = s;
	s->s.member.role = KE_SOURCE;
	s->s.member.traffic_class = sim_random(n->w, KE_CLASSES);
	s->s.member.source = &s->s;
	s->s.retain = sim_one_in(n->w, 2) ? 20 : 0;
	s->log->src = s;
	ke_log_init(&s->s.log, s->log->hdr, s->log->ring, size, 0, 0);
	salive_promise(s);
	ke_source_init(&s->s, &n->node);
	list_add_tail(&s->list, &c->sources);
	s->s.member.id = random_next(&n->w->rng) | 1;
	s->t = truth_new(n->w, s, c->which);
	s->t->member = s->s.member.id;
	ke_member_join(&s->s.member, &c->ch);
	s->still_at = U64_MAX;
	s->opened_us = n->w->now_us + SIM_JOIN_MS * 1000;
	profile(s);
	salive_begin(s);
	sim_trace(n, TRACE_SOURCE_OPEN, s->t->index, c->which, size);
	ssource_feed_own(s);
	sim_set(n, &s->act, 1);
	return s;
}

/* Our own sinks see all of it. */
void ssource_feed_own(struct ssource *s)
{
	struct ssink *sink;

	list_for_each_entry(sink, &s->chan->sinks, list)
		sfeed_add(sink, NULL, s, s->log, ke_log_view(&s->s.log), s->t, 0, 0);
}

void ssource_close(struct ssource *s)
{
	if (s->closing)
		return;
	s->closing = true;
	s->close_us = node_of(s)->w->now_us + SIM_LINGER_MS * 1000;
	sim_set(node_of(s), &s->act, 1);
}

static void end_own_feeds(struct ssource *s)
{
	struct ssink *sink;
	struct sfeed *f;

	list_for_each_entry(sink, &s->chan->sinks, list) {
		list_for_each_entry(f, &sink->feeds, list) {
			if (f->src != s)
				continue;
			if (f->sink->m.policy == SINK_BLOCK)
				ke_source_ungate(&s->s, &f->gate);
			f->src = NULL;
			f->last_seq = s->s.log.seq;
			f->gone = f->ended = true;
		}
	}
	ssink_wake(s->chan);
}

void ssource_free(struct ssource *s, bool said)
{
	end_own_feeds(s);
	ssubmit_forget(s);
	ke_source_fini(&s->s);
	ke_member_leave(&s->s.member);
	if (!said && !s->t->ended)
		s->t->cut_short = true;
	list_del(&s->list);
	sim_cancel(node_of(s), &s->act);
	sim_cancel(node_of(s), &s->sign);
	s->log->src = NULL;
	slog_put(s->log);
	sim_free(s);
}

struct ke_tstream *ssource_stream_to(struct ssource *s, u16 node)
{
	struct ke_tstream *ts;

	list_for_each_entry(ts, &s->s.streams, source_list)
		if (snode_index(&ts->peer->contact) == node)
			return ts;
	return NULL;
}

void ssource_room(struct ssource *s)
{
	if (s->waiting)
		sim_set_sooner(node_of(s), &s->act, 1 + sim_random(node_of(s)->w, 100));
}
