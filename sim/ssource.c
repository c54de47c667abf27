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
	PIECE_MARGIN = 64 + KE_EVENT_ATTRS_MAX,
};

static struct snode *node_of(const struct ssource *s)
{
	return s->chan->node;
}

static u64 wall_ns(const struct snode *n)
{
	return (snode_now_us(n) + 1700000000000000ULL + n->wall_ms * 1000) * 1000;
}

/* ---------------------------------------------------------------- submitting */

static void tell(struct ssource *s)
{
	struct ke_tstream *ts;

	ke_log_publish(&s->s.log);
	ssink_wake(s->chan);
	share_wake(s->chan);
	list_for_each_entry(ts, &s->s.streams, source_list)
		if (ts->link)
			sim_house.kick(ts->link);
}

static bool waits_local(const struct ssource *s)
{
	const struct ke_tstream *ts;

	list_for_each_entry(ts, &s->s.streams, source_list)
		if (ts->local && ts->gated && ts->gate.seen + s->s.log.size == s->s.limit)
			return true;
	return false;
}

static void wait_for_room(struct ssource *s)
{
	struct sim *w = node_of(s)->w;

	if (!s->waiting) {
		sim_trace(node_of(s), TRACE_WAIT, s->t->index, s->s.log.end, s->s.limit);
		w->cover.path[PATH_BLOCKED]++;
		w->cover.path[PATH_LOCAL_WAIT] += waits_local(s);
	}
	s->waiting = true;
}

/* Room for a record of @size bytes; the source's lock is held. */
static bool make_room(struct ssource *s, u64 size)
{
	u64 end = s->s.log.end + 2 * ke_record_align(size);

	if (s->s.frozen && !s->s.in_pieces) {
		node_of(s)->w->cover.path[PATH_HELD]++;
		s->waiting = true;
		return false;
	}
	if (!ke_log_room(&s->s.log, size, ke_source_limit(&s->s, end))) {
		wait_for_room(s);
		s->held_up |= ke_source_stalled(&s->s, size);
		return false;
	}
	if (!ke_source_unpinned(&s->s, size)) {
		node_of(s)->w->cover.path[PATH_PINNED]++;
		return false;
	}
	return true;
}

static u32 choose_len(struct ssource *s)
{
	struct sim *w = node_of(s)->w;

	if (sim_one_in(w, 50))
		return sim_random(w, ke_payload_max(s->log->size) - PIECE_MARGIN);
	return sim_random(w, s->size_max);
}

static void describe(struct ssource *s, struct truth_event *e, struct ke_event_info *info, u64 seq,
		     u8 *attrs)
{
	if (!e->time_ns)	/* else a later piece */
		e->time_ns = wall_ns(node_of(s));
	e->type = seq % 7;
	e->attrs = seq % 19 == 0;
	*info = (struct ke_event_info){ .time_ns = e->time_ns, .type = e->type };
	if (e->attrs) {
		info->attrs = attrs;
		info->attrs_len = truth_attrs(s->t, seq, attrs);
	}
}

static u64 no_clock(void *arg)
{
	(void)arg;
	return 0;
}

/* What the filters of the sinks say of it; the source's lock is held. */
static void judge(struct ssource *s, u64 seq, struct ke_event_info *info, const void *payload,
		  u32 len)
{
	static const struct ke_filter_ops ops = { .now_ns = no_clock };

	ke_judge_event(s->s.judge, info, seq, payload, len, &ops);
}

/* It is in the log, in one record of @size bytes. */
static void was_judged(struct ssource *s, u64 seq, const struct ke_event_info *info, u64 size)
{
	struct truth_event *e = truth_event(s->t, seq);

	verdict_take(s, seq);
	e->settled = info->judged && node_of(s)->w->phase == PHASE_QUIET;
	e->pos = s->s.log.end - ke_record_align(size);
	e->size = size;
}

static void submitted(struct ssource *s)
{
	struct sim *w = node_of(s)->w;

	s->waiting = false;
	w->submitted++;
	w->cover.events++;
}

static void wrong(struct ssource *s, const char *what, int err)
{
	sim_broken(node_of(s)->w, "source %u: %s gives %d at event %llu", s->t->index, what, err,
		   (unsigned long long)s->t->n);
}

/* One event in one record. */
static bool put_whole(struct ssource *s, u32 len)
{
	struct sim *w = node_of(s)->w;
	struct truth_event described = { .len = len, .state = TRUTH_WHOLE };
	struct ke_event_info info;
	u64 seq = 0, next = s->t->n + 1;
	u8 attrs[32];
	int err;

	describe(s, &described, &info, next, attrs);
	truth_fill(s->t, next, w->scratch, 0, len);
	judge(s, next, &info, w->scratch, len);
	if (!make_room(s, ke_record_size(&info, len)))
		return false;
	err = ke_log_append(&s->s.log, &info, w->scratch, len, s->s.limit, &seq);
	if (err == -ENOBUFS)
		return false;
	if (err || seq != next) {
		wrong(s, "an append", err);
		return false;
	}
	*truth_event(s->t, seq) = described;
	was_judged(s, seq, &info, ke_record_size(&info, len));
	sim_trace(node_of(s), TRACE_SUBMIT, s->t->index, seq, len);
	submitted(s);
	return true;
}

/* All of an event's pieces say the same. */
static void match_piece(struct ssource *s, const struct truth_event *e, struct ke_event_info *info)
{
	u8 *scratch = node_of(s)->w->scratch;

	if (!s->piece_at) {
		truth_fill(s->t, s->piece_seq, scratch, 0, e->len);
		judge(s, s->piece_seq, info, scratch, e->len);
		s->piece_match = *info;
	}
	info->judged = s->piece_match.judged;
	info->bits = s->piece_match.bits;
	info->generation = s->piece_match.generation;
}

/* The next piece of the event that is going in. */
static bool put_piece(struct ssource *s)
{
	struct truth_event *e = truth_event(s->t, s->piece_seq);
	u32 len = min_t(u32, e->len - s->piece_at, ke_payload_max(s->log->size) - PIECE_MARGIN);
	struct sim *w = node_of(s)->w;
	struct ke_event_info info;
	u64 seq = s->piece_at ? s->piece_seq : 0;
	u8 attrs[32];
	int err;

	describe(s, e, &info, s->piece_seq, attrs);
	match_piece(s, e, &info);
	if (s->piece_at)
		info.attrs_len = 0;
	info.frag_total = e->len;
	info.frag_offset = s->piece_at;
	if (!make_room(s, ke_record_size(&info, len)))
		return false;
	truth_fill(s->t, s->piece_seq, w->scratch, s->piece_at, len);
	err = ke_log_append(&s->s.log, &info, w->scratch, len, s->s.limit, &seq);
	if (err == -ENOBUFS)
		return false;
	if (err || seq != s->piece_seq) {
		wrong(s, "an append of a piece", err);
		return false;
	}
	if (!s->piece_at)
		verdict_take(s, s->piece_seq);
	s->piece_at += len;
	s->s.in_pieces = s->piece_at < e->len;
	tell(s);
	if (s->piece_at < e->len)
		return true;
	e->state = TRUTH_WHOLE;
	s->piece_seq = 0;
	submitted(s);
	return true;
}

static bool begin_pieces(struct ssource *s)
{
	struct sim *w = node_of(s)->w;
	u32 least = ke_record_max(s->log->size);
	struct truth_event *e = truth_event(s->t, s->t->n + 1);

	*e = (struct truth_event){ .state = TRUTH_PART };
	e->len = least + sim_random(w, SIM_LARGE_MAX - least);
	s->piece_seq = s->t->n;
	s->piece_at = 0;
	sim_trace(node_of(s), TRACE_SUBMIT, s->t->index, s->piece_seq, e->len);
	return put_piece(s);
}

/* ------------------------------------------------------------- reservations */

static bool reserve(struct ssource *s)
{
	struct ke_event_info info = { .type = (s->t->n + 1) % 7, .judged = s->s.judge };
	struct sreserved *r = &s->reserved[s->nreserved];
	struct truth_event *e;
	void *data;
	int err;

	r->len = choose_len(s);
	r->seq = s->t->n + 1;
	if (!make_room(s, ke_record_size(&info, r->len)))
		return false;
	err = ke_log_reserve(&s->s.log, &info, r->len, s->s.limit, &data, &r->cookie);
	if (err == -ENOBUFS)
		return false;
	if (err) {
		wrong(s, "a reservation", err);
		return false;
	}
	r->data = data;
	r->judged = info.judged;
	e = truth_event(s->t, r->seq);
	e->len = r->len;
	e->type = info.type;
	e->state = TRUTH_RESERVED;
	s->nreserved++;
	sim_trace(node_of(s), TRACE_RESERVE, s->t->index, r->seq, r->len);
	return true;
}

/* What has room for it says so, also that it was not judged after all. */
static int judge_reserved(struct ssource *s, const struct sreserved *r)
{
	const struct truth_event *e = truth_event(s->t, r->seq);
	struct ke_event_info info = { .time_ns = e->time_ns, .type = e->type };

	verdict_take(s, r->seq);
	if (!r->judged)
		return 0;
	judge(s, r->seq, &info, r->data, e->len);
	if (!info.judged)
		info.bits = U64_MAX;
	return ke_log_judged(&s->s.log, r->cookie, info.bits, info.judged ? info.generation : 0);
}

static void settle(struct ssource *s, bool abort)
{
	struct sim *w = node_of(s)->w;
	struct sreserved *r = &s->reserved[sim_random(w, s->nreserved)];
	struct truth_event *e = truth_event(s->t, r->seq);
	int err;

	if (abort) {
		memset(r->data, 0xab, r->len);
		err = ke_log_abort(&s->s.log, r->cookie);
		e->state = TRUTH_VOID;
		w->cover.path[PATH_ABORT]++;
		sim_trace(node_of(s), TRACE_ABORT, s->t->index, r->seq, 0);
	} else {
		e->len = r->len ? sim_random(w, r->len + 1) : 0;
		e->time_ns = wall_ns(node_of(s));
		e->state = TRUTH_WHOLE;
		truth_fill(s->t, r->seq, r->data, 0, e->len);
		err = judge_reserved(s, r);
		err = err ?: ke_log_commit(&s->s.log, r->cookie, e->len, e->time_ns);
		sim_trace(node_of(s), TRACE_COMMIT, s->t->index, r->seq, e->len);
		submitted(s);
	}
	if (err)
		wrong(s, abort ? "an abort" : "a commit", err);
	*r = s->reserved[--s->nreserved];
}

/* ------------------------------------------------------------------ its life */

static bool submit_any(struct ssource *s)
{
	struct sim *w = node_of(s)->w;
	u32 dice = sim_random(w, 100);

	if (s->piece_seq)
		return put_piece(s);
	if (s->last && s->nreserved)
		settle(s, false);
	if (s->last)
		return true;
	if (s->nreserved && dice < 12) {
		settle(s, dice < 3);
		return true;
	}
	if (s->nreserved < SIM_RESERVED_MAX && dice < 22)
		return reserve(s);
	if (s->large_one_in && sim_one_in(w, s->large_one_in))
		return begin_pieces(s);
	return put_whole(s, choose_len(s));
}

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

	if (!s->ready || s->closing || s->s.closed || s->last)
		return false;
	sim_house.source_lock(&s->s);
	done = submit_any(s);
	tell(s);
	sim_house.source_unlock(&s->s);
	after(s);
	check_source(s);
	return done;
}

bool ssource_submit_len(struct ssource *s, u32 len)
{
	bool done;

	sim_house.source_lock(&s->s);
	done = put_whole(s, len);
	tell(s);
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
		done = submit_any(s);
	/* Who waits has nothing open that others might wait for. */
	while (!done && s->nreserved)
		settle(s, false);
	tell(s);
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
	while (s->piece_seq && put_piece(s))
		;
	while (s->nreserved)
		settle(s, sim_one_in(w, 2));
	tell(s);
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
	s->s.member.source = &s->s;
	s->s.retain = sim_one_in(n->w, 2) ? 20 : 0;
	s->log->src = s;
	ke_log_init(&s->s.log, s->log->hdr, s->log->ring, size, 0, 0);
	ke_source_init(&s->s, &n->node);
	list_add_tail(&s->list, &c->sources);
	s->s.member.id = random_next(&n->w->rng) | 1;
	s->t = truth_new(n->w, s, c->which);
	s->t->member = s->s.member.id;
	ke_member_join(&s->s.member, &c->ch);
	s->still_at = U64_MAX;
	s->opened_us = n->w->now_us + SIM_JOIN_MS * 1000;
	profile(s);
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
	ke_source_fini(&s->s);
	ke_member_leave(&s->s.member);
	if (!said && !s->t->ended)
		s->t->cut_short = true;
	list_del(&s->list);
	sim_cancel(node_of(s), &s->act);
	s->log->src = NULL;
	slog_put(s->log);
	sim_free(s);
}

void ssource_room(struct ssource *s)
{
	if (s->waiting)
		sim_set_sooner(node_of(s), &s->act, 1 + sim_random(node_of(s)->w, 100));
}
