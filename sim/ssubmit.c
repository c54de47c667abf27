// SPDX-License-Identifier: MIT
/*
 * Submitting, as lib/submit.c and lib/reserve.c do: events of all sizes, whole, in pieces and in
 * reservations, some of which are given up. The source's lock is held.
 */
#include "sim.h"

enum {
	PIECE_MARGIN = 64 + KE_EVENT_ATTRS_MAX,
	NAMES_MARGIN = 512,	/* whom it is for */
};

static struct snode *node_of(const struct ssource *s)
{
	return s->chan->node;
}

void ssubmit_tell(struct ssource *s)
{
	struct ke_tstream *ts;

	ke_log_publish(&s->s.log);
	salive_gave(s);
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
		return sim_random(w, ke_payload_max(s->log->size) - PIECE_MARGIN - NAMES_MARGIN);
	return sim_random(w, s->size_max);
}

static void describe(struct ssource *s, struct truth_event *e, struct ke_event_info *info, u64 seq,
		     u8 *attrs)
{
	if (!e->time_ns) {	/* else a later piece */
		e->at_us = node_of(s)->w->now_us;
		e->time_ns = snode_real_ns(node_of(s));
		e->deadline_ns = slife_choose(s);
	}
	e->type = seq % 7;
	e->attrs = seq % 19 == 0;
	*info = (struct ke_event_info){ .time_ns = e->time_ns, .deadline_ns = e->deadline_ns,
					.type = e->type };
	if (e->attrs) {
		info->attrs = attrs;
		info->attrs_len = truth_attrs(s->t, seq, attrs);
	}
}

/* For whom it is, and what the filters of the sinks say of it; the source's lock is held. */
static void judge(struct ssource *s, u64 seq, struct ke_event_info *info, const void *payload,
		  u32 len)
{
	schoice_make(s, info, seq, payload, len);
	ke_judge_event(s->s.judge, info, seq, payload, len, &sim_filter_ops);
}

/* It is in the log, in one record of @size bytes. */
static void was_judged(struct ssource *s, u64 seq, const struct ke_event_info *info, u64 size)
{
	struct truth_event *e = truth_event(s->t, seq);

	verdict_take(s, seq);
	schoice_take(s, seq, info);
	e->judged = info->judged;
	e->settled = (info->judged || info->named) && node_of(s)->w->phase == PHASE_QUIET;
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
bool ssubmit_whole(struct ssource *s, u32 len)
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
	info->named = s->piece_match.named;
	info->nto = s->piece_match.nto;
	info->to = s->piece_match.to;
}

/* Whom all are for is known with the first one, and kept until the last. */
static void first_piece(struct ssource *s, const struct ke_event_info *info)
{
	verdict_take(s, s->piece_seq);
	schoice_take(s, s->piece_seq, info);
	if (info->named && info->to != &s->one)
		s->held = ke_roster_hold(s->s.choice);
}

void ssubmit_forget(struct ssource *s)
{
	if (s->held)
		ke_roster_drop(s->held);
	s->held = NULL;
}

/* The next piece of the event that is going in. */
bool ssubmit_piece(struct ssource *s)
{
	struct truth_event *e = truth_event(s->t, s->piece_seq);
	u32 most = ke_payload_max(s->log->size) - PIECE_MARGIN - NAMES_MARGIN;
	u32 len = min_t(u32, e->len - s->piece_at, most);
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
		first_piece(s, &info);
	s->piece_at += len;
	s->s.in_pieces = s->piece_at < e->len;
	ssubmit_tell(s);
	if (s->piece_at < e->len)
		return true;
	e->state = TRUTH_WHOLE;
	s->piece_seq = 0;
	ssubmit_forget(s);
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
	return ssubmit_piece(s);
}

/* ------------------------------------------------------------- reservations */

static bool reserve(struct ssource *s)
{
	struct ke_event_info info = { .type = (s->t->n + 1) % 7, .judged = s->s.judge,
				      .deadline_ns = slife_choose(s) };
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
	r->lives = info.deadline_ns;
	e = truth_event(s->t, r->seq);
	e->len = r->len;
	e->type = info.type;
	e->state = TRUTH_RESERVED;
	s->nreserved++;
	sim_trace(node_of(s), TRACE_RESERVE, s->t->index, r->seq, r->len);
	return true;
}

/* What has room for it says so; else it is not judged after all. */
static int judge_reserved(struct ssource *s, const struct sreserved *r)
{
	const struct truth_event *e = truth_event(s->t, r->seq);
	struct ke_event_info info = { .time_ns = e->time_ns, .type = e->type };

	verdict_take(s, r->seq);
	if (!r->judged)
		return 0;
	/* For whom pieces are that are going in meanwhile stays as it is. */
	ke_judge_event(s->s.judge, &info, r->seq, r->data, e->len, &sim_filter_ops);
	return info.judged ? ke_log_judged(&s->s.log, r->cookie, info.bits, info.generation) : 0;
}

void ssubmit_settle(struct ssource *s, bool abort)
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
		e->at_us = w->now_us;
		e->time_ns = snode_real_ns(node_of(s));
		e->state = TRUTH_WHOLE;
		truth_fill(s->t, r->seq, r->data, 0, e->len);
		err = judge_reserved(s, r);
		if (!err && r->lives) {
			e->deadline_ns = slife_choose(s) ?: e->time_ns;
			err = ke_log_expires(&s->s.log, r->cookie, e->deadline_ns);
		}
		err = err ?: ke_log_commit(&s->s.log, r->cookie, e->len, e->time_ns);
		sim_trace(node_of(s), TRACE_COMMIT, s->t->index, r->seq, e->len);
		submitted(s);
	}
	if (err)
		wrong(s, abort ? "an abort" : "a commit", err);
	*r = s->reserved[--s->nreserved];
}

/* ----------------------------------------------------------------- any of these */

bool ssubmit_any(struct ssource *s)
{
	struct sim *w = node_of(s)->w;
	u32 dice = sim_random(w, 100);

	if (s->piece_seq)
		return ssubmit_piece(s);
	if (s->last && s->nreserved)
		ssubmit_settle(s, false);
	if (s->last)
		return true;
	if (s->nreserved && dice < 12) {
		ssubmit_settle(s, dice < 3);
		return true;
	}
	/* What is reserved is for all. */
	if (s->nreserved < SIM_RESERVED_MAX && dice < 22 && !ke_choice_chooses(s->s.choice))
		return reserve(s);
	if (s->large_one_in && sim_one_in(w, s->large_one_in))
		return begin_pieces(s);
	return ssubmit_whole(s, choose_len(s));
}
