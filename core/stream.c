// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Streams: a log on its way to another node. Their frames' bodies:
 *
 *	SUBSCRIBE	from u8, gated u8, gate's number u32, last event that we have u64
 *	START		last event before it u64, gates taken u64
 *	END		last event u64, it failed u8 (absent: no)
 *	ACK		room up to u64, lost u64; pos: in the mirror up to here
 *	STALL		end u8: see stall.c
 *	PASS		last event passed over u64, last before these u64, how many had expired
 *			u64: see pass.c
 *	PICKED		last event before what follows u64, records: see picks.c
 *	SKIP, DATA, UNSUBSCRIBE	-
 *
 * On one host the reader maps the log itself: SUBSCRIBE and START fix the position
 * and the gate, and no data flows. Between hosts positions in the mirror are those
 * of the log, so to resume is to subscribe from the mirror's head.
 *
 * A stream that gates its source counts as read up to what was acknowledged, or passed over
 * behind that; the mirror's own slowest reader limits the credit. So back-pressure reaches the
 * source when log and mirror are both full.
 */
#include "link.h"

static const struct ke_house *peer_house(const struct ke_peer *p)
{
	return p->node->house;
}

/* ------------------------------------------------------------------- sources */

void ke_source_init(struct ke_source *s, struct ke_node *n)
{
	s->id = ++n->last_log;
	s->limit = KE_NO_LIMIT;
	s->closed = s->frozen = s->in_pieces = false;
	s->nremote = 0;
	s->lost = s->stalls = s->taken = s->expired = 0;
	s->signs = s->log.hdr;
	s->signs_ms = 0;
	INIT_LIST_HEAD(&s->promised);
	s->judge = NULL;
	s->generation = s->judge_seen = s->judges = 0;
	s->judged_later = s->names_sinks = s->wakes_own = false;
	s->woken = s->wakes_late = 0;
	s->own = (struct ke_wants){ .all = true };
	INIT_LIST_HEAD(&s->gates);
	INIT_LIST_HEAD(&s->streams);
}

u64 ke_source_expired(const struct ke_source *s)
{
	const struct ke_tstream *ts;
	u64 sum = s->expired;

	list_for_each_entry(ts, &s->streams, source_list)
		sum += READ_ONCE(ts->expired);
	return sum;
}

/* No sender reads what is behind the tail, which may have moved just now. */
static bool unpinned(struct ke_source *s, bool moved)
{
	struct ke_tstream *ts;

	if (moved)
		smp_mb();	/* see link.c: the sender pins, then looks at the tail */
	list_for_each_entry(ts, &s->streams, source_list)
		if (smp_load_acquire(&ts->pin) < s->log.tail)
			return false;
	return true;
}

bool ke_source_unpinned(struct ke_source *s, u64 size)
{
	return !s->nremote || unpinned(s, ke_log_make_room(&s->log, size));
}

bool ke_source_unpinned_to(struct ke_source *s, u64 end)
{
	return !s->nremote || unpinned(s, ke_log_make_room_to(&s->log, end));
}

static void drop_stream(struct ke_tstream *ts)
{
	struct ke_source *s = ts->source;
	struct ke_link *l = ts->peer->link;
	const struct ke_house *h = peer_house(ts->peer);

	if (!ts->local && l && !list_empty(&ts->link_list)) {
		h->tx_lock(l);
		list_del_init(&ts->link_list);
		h->tx_unlock(l);
	}
	h->source_lock(s);
	list_del(&ts->source_list);
	s->nremote -= !ts->local;
	s->expired += ts->expired;
	if (ts->gated)
		ke_source_ungate(s, &ts->gate);
	h->source_unlock(s);
	if (list_empty(&s->streams) && h->close_log)
		h->close_log(s);
	h->room(s);
	kvfree(ts->sinks);
	kfree(ts);
}

u32 ke_source_end_body(const struct ke_source *s, u8 *buf)
{
	struct ke_out o = { .buf = buf, .size = KE_END_BODY_MAX };

	ke_put_u64(&o, le64_to_cpu(s->log.hdr->seq));
	if (s->member.failed)
		ke_put_u8(&o, true);
	WARN_ON_ONCE(o.bad);
	return o.len;
}

static void say_end(struct ke_link *l, const struct ke_source *s)
{
	u8 body[KE_END_BODY_MAX];

	ke_link_send(l, KECHO_FRAME_END, s->id, s->log.head, body, ke_source_end_body(s, body));
}

void ke_source_end(struct ke_source *s)
{
	struct ke_tstream *ts;

	if (!s->closed)		/* else its node has, under the lock of who submits */
		WRITE_ONCE(s->closed, true);
	list_for_each_entry(ts, &s->streams, source_list) {
		if (!ts->peer->link)
			continue;
		if (ts->local)
			say_end(ts->peer->link, s);
		peer_house(ts->peer)->kick(ts->peer->link);
	}
}

bool ke_source_drained(struct ke_source *s)
{
	struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list)
		if (!ts->local && ts->acked < s->log.head)
			return false;
	return true;
}

void ke_source_fini(struct ke_source *s)
{
	while (!list_empty(&s->streams))
		drop_stream(list_first_entry(&s->streams, struct ke_tstream, source_list));
}

struct ke_source *ke_source_find(struct ke_node *n, u32 log)
{
	struct ke_channel *ch;
	struct ke_member *m;

	list_for_each_entry(ch, &n->channels, list)
		list_for_each_entry(m, &ch->members, list)
			if (m->source && m->source->id == log)
				return m->source;
	return NULL;
}

struct ke_tstream *ke_tstream_find(struct ke_source *s, const struct ke_peer *p)
{
	struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list)
		if (ts->peer == p)
			return ts;
	return NULL;
}

/* Calls @fn, which may drop it, for each log of ours that the peer reads. */
static void peer_streams(struct ke_peer *p, void (*fn)(struct ke_tstream *ts))
{
	struct ke_channel *ch;
	struct ke_tstream *ts;
	struct ke_member *m;

	list_for_each_entry(ch, &p->node->channels, list) {
		list_for_each_entry(m, &ch->members, list) {
			ts = m->source ? ke_tstream_find(m->source, p) : NULL;
			if (ts)
				fn(ts);
		}
	}
}

void ke_peer_drop_streams(struct ke_peer *p)
{
	peer_streams(p, drop_stream);
}

/* Who reads in place may only stand still: it must see that nobody waits for it. */
static void fail_stream(struct ke_tstream *ts)
{
	const struct ke_house *h = peer_house(ts->peer);

	if (ts->local && ts->gated) {
		h->source_lock(ts->source);
		ke_tstream_take_gate(ts);
		h->source_unlock(ts->source);
	}
	drop_stream(ts);
}

void ke_peer_fail_streams(struct ke_peer *p)
{
	peer_streams(p, fail_stream);
}

static void set_stale(struct ke_tstream *ts)
{
	ts->stale = true;
}

/* The link broke: who still reads them asks again, before it answers their MEMBER. */
void ke_peer_stale_streams(struct ke_peer *p)
{
	peer_streams(p, set_stale);
}

void ke_channel_unwanted(struct ke_channel *ch, const struct ke_peer *p, u64 id)
{
	struct ke_tstream *ts;
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list) {
		ts = m->source && m->id == id ? ke_tstream_find(m->source, p) : NULL;
		if (ts && ts->stale)
			drop_stream(ts);
	}
}

void ke_channel_drop_streams(struct ke_channel *ch, const struct ke_peer *p)
{
	struct ke_tstream *ts;
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list) {
		ts = m->source ? ke_tstream_find(m->source, p) : NULL;
		if (ts)
			drop_stream(ts);
	}
}

static void hold_gate(struct ke_tstream *ts)
{
	if (!ts->gated)
		return;
	peer_house(ts->peer)->source_lock(ts->source);
	ke_gate_pos(ts->source, &ts->gate);
	ts->gate.pos = &ts->kept;
	peer_house(ts->peer)->source_unlock(ts->source);
}

/*
 * The gates of a peer of this host are memory that goes with its link, also those of a stream
 * that began over another. Until it subscribes again they stay where they were seen last.
 */
void ke_peer_hold_gates(struct ke_peer *p)
{
	peer_streams(p, hold_gate);
}

struct subscription {
	u8 from;
	bool gated;
	bool goes_on;	/* on one host: who reads goes on by itself, who is new starts now */
	u32 slot;
	u64 pos;
	u64 seq;
};

/*
 * Where the stream starts; *@seq is the last event before. @held: a gate has kept all
 * from sub->pos on, also where the tail has passed it. The source's lock is held.
 */
static u64 start_pos(struct ke_source *s, const struct subscription *sub, bool held, u64 *seq)
{
	u64 pos;

	switch (sub->goes_on ? KE_FROM_NOW : sub->from) {
	case KE_FROM_RETAINED:
		return ke_log_retained(&s->log, s->retain, seq);
	case KE_FROM_START:
	case KE_FROM_POS:
		*seq = sub->seq;
		pos = sub->from == KE_FROM_START ? 0 : sub->pos;
		if (pos > s->log.head)
			break;
		return held || pos >= s->log.tail ? pos : ke_log_boundary(&s->log, pos);
	}
	*seq = le64_to_cpu(s->log.hdr->seq);
	return s->log.head;
}

/*
 * Who comes after a break may want more than a gate has kept, or would keep from now on by what
 * was passed over: who has nothing yet is not who was there before, or never heard of a START;
 * and what was sent before there was a gate may not have come. So it goes back to where the log
 * begins, without being lifted.
 */
static void begin_anew(struct ke_tstream *ts, const struct subscription *sub)
{
	struct ke_source *s = ts->source;

	if (sub->from != KE_FROM_POS)
		ts->lost = 0;
	ts->kept = s->log.tail;
	if (!ts->gated)
		return;
	ts->acked = ts->kept;
	ke_source_ungate(s, &ts->gate);
	ke_source_gate(s, &ts->gate, &ts->kept);
}

/* Who asks has all before sub->pos; of a log that began while it was there that is 0. */
static bool has_before(const struct subscription *sub)
{
	return sub->from == KE_FROM_POS || (sub->from == KE_FROM_START && !sub->pos);
}

/*
 * Is all that it lacks still there, or known not to be wanted? While there is no gate what was
 * passed over may lead to where the log has lapped since. Then that can be skipped; not with one.
 */
static bool is_held(const struct ke_tstream *ts, const struct subscription *sub)
{
	u64 to;

	if (ts->local)
		return false;
	if (ts->gated && sub->pos >= ts->gate.seen)
		return true;
	to = has_before(sub) ? ke_tstream_passes(ts, sub->pos) : 0;
	if (!to || !sub->gated)
		return to;
	return to >= (ts->gated ? ts->gate.seen : ts->source->log.tail);
}

static int gate_stream(struct ke_link *l, struct ke_tstream *ts, const struct subscription *sub)
{
	const u64 *pos = &ts->kept;

	if (ts->gated && !sub->gated) {
		ke_source_ungate(ts->source, &ts->gate);
		ts->gated = false;
		ts->credit = KE_NO_LIMIT;
		l->node->house->room(ts->source);
	}
	if (!sub->gated)
		return 0;
	if (l->local)
		pos = l->node->house->gate(l, sub->slot);
	if (!pos)
		return -EPROTO;
	if (ts->gated) {
		ts->gate.pos = pos;
		ts->gate.step = KE_STALL_NONE;	/* a sink that begins there has its time */
		return 0;
	}
	ke_source_gate(ts->source, &ts->gate, pos);
	ts->gated = true;
	return 0;
}

/* It reads nothing before add_tstream(), under the source's lock. */
static struct ke_tstream *make_tstream(struct ke_source *s, struct ke_peer *p, bool goes_on)
{
	struct ke_tstream *ts = kzalloc(sizeof(*ts), GFP_KERNEL);

	if (!ts)
		return NULL;
	ts->source = s;
	ts->peer = p;
	ts->local = p->link->local;
	ts->view = ke_log_view(&s->log);
	ts->pin = U64_MAX;
	ts->credit = KE_NO_LIMIT;
	ts->gate.stream = ts;
	ts->wants_all = true;
	ts->looked_sent = KE_NO_LIMIT;
	ts->goes_on = goes_on;
	ts->lost = goes_on ? KE_LOST_UNKNOWN : 0;
	/* It has asked because of the MEMBER; the types behind that come before START. */
	ts->types_told = ke_types_count(s->member.types);
	INIT_LIST_HEAD(&ts->link_list);
	INIT_LIST_HEAD(&ts->source_list);
	return ts;
}

static void add_tstream(struct ke_tstream *ts)
{
	struct ke_source *s = ts->source;

	if (!list_empty(&ts->source_list))
		return;
	list_add_tail(&ts->source_list, &s->streams);
	s->nremote += !ts->local;
	ts->woken = s->log.head;
	ke_source_note_all(s);
}

/*
 * A stream that flows is gated from here on. What was lapped until now is skipped, and
 * what was passed over is said, as that can't be done later. Over there part of a record
 * may lie unread before this, so only the ACK of our START says how far it may go.
 */
static void begin_gated(struct ke_link *l, struct ke_tstream *ts)
{
	ke_tstream_lapped(l, ts);
	ts->credit = ts->sent;
}

/* Says START with the tx lock held: behind it comes nothing that is older. */
static void say_start(struct ke_link *l, struct ke_tstream *ts, u64 pos, u64 seq, bool restart)
{
	__le64 body[2] = { cpu_to_le64(seq), cpu_to_le64(ts->source->taken) };

	l->node->house->tx_lock(l);
	if (!ts->local && (restart || list_empty(&ts->link_list))) {
		ke_tstream_resume(ts, pos);
		ts->acked = pos;
		ts->ended = false;
		/* After a break the mirror may be full: its ACK follows our START. */
		ts->credit = !ts->gated ? KE_NO_LIMIT : restart ? pos : pos + ts->view.size;
		if (list_empty(&ts->link_list))
			list_add_tail(&ts->link_list, &l->streams[ke_tstream_rank(ts)]);
	} else if (!ts->local) {
		if (ts->gated && ts->credit == KE_NO_LIMIT)
			begin_gated(l, ts);
		else if (ke_tstream_done(ts) <= ts->credit)
			ke_tstream_pass(l, ts);		/* a sink that is new counts from here */
		pos = ts->sent;
	}
	ke_link_send_locked(l, KECHO_FRAME_START, ts->source->id, pos, body, sizeof(body));
	l->node->house->tx_unlock(l);
}

/* The stream is as it was asked for; *@pos and *@seq are where it starts. */
static int set_up(struct ke_link *l, struct ke_tstream *ts, struct subscription *sub, u64 *pos,
		  u64 *seq)
{
	struct ke_source *s = ts->source;
	bool held;
	int err;

	l->node->house->source_lock(s);
	add_tstream(ts);
	/* What is retained may lie before the gate, where nothing keeps it. */
	if (ts->gated && l->local && sub->from == KE_FROM_RETAINED)
		sub->from = KE_FROM_NOW;
	held = is_held(ts, sub);
	if (ts->stale && !held && !sub->goes_on)
		begin_anew(ts, sub);
	ts->stale = false;
	err = gate_stream(l, ts, sub);
	/* Nor where it has moved on for a sink that has gone. */
	if (ts->gated && l->local && ts->gate.seen > s->log.tail && sub->from == KE_FROM_RETAINED)
		sub->from = KE_FROM_NOW;
	if (!err) {
		*pos = start_pos(s, sub, held, seq);
		if (!ts->local)
			ts->link = l;
	}
	l->node->house->source_unlock(s);
	return err;
}

static int open_log(struct ke_source *s, const struct ke_house *h, u8 from)
{
	return h->open_log && list_empty(&s->streams) ? h->open_log(s, from) : 0;
}

static int subscribe_in(struct ke_link *l, u32 log, u64 pos, struct ke_in *in)
{
	struct ke_source *s = ke_source_find(l->node, log);
	const struct ke_house *h = l->node->house;
	struct subscription sub = { .pos = pos };
	struct ke_tstream *ts;
	u64 seq = 0;
	int err;

	sub.from = ke_get_u8(in);
	sub.gated = ke_get_u8(in);
	sub.slot = ke_get_u32(in);
	sub.seq = ke_get_u64(in);
	sub.goes_on = l->local && sub.from == KE_FROM_POS;
	if (in->bad || !IS_ALIGNED(pos, KECHO_RECORD_ALIGN))
		return -EPROTO;
	/* Its MEMBER_GONE is on its way; or it is of a channel that the peer is not in. */
	if (!s || !ke_channel_linked(s->member.channel, &l->peer->contact.node))
		return 0;
	/* A source that has ended still owes what it published to who was there. */
	if ((s->closed && (sub.from == KE_FROM_NOW || sub.from == KE_FROM_RETAINED) &&
	     !ke_tstream_find(s, l->peer)) || open_log(s, h, sub.from)) {
		say_end(l, s);
		return 0;
	}
	if (l->local)
		h->share_log(l, s);
	ts = ke_tstream_find(s, l->peer) ?: make_tstream(s, l->peer, sub.from == KE_FROM_POS);
	if (!ts)
		return -ENOMEM;
	err = set_up(l, ts, &sub, &pos, &seq);
	if (!err) {
		say_start(l, ts, pos, seq, sub.from == KE_FROM_POS);
		ke_tstream_tell_signs(ts);
		ke_source_want(s, l->peer);
		h->kick(l);
		if (s->closed && ts->local)
			ke_source_end(s);
	}
	return err;
}

static int ack_in(struct ke_link *l, u32 log, u64 pos, struct ke_in *in)
{
	struct ke_source *s = ke_source_find(l->node, log);
	struct ke_tstream *ts = s ? ke_tstream_find(s, l->peer) : NULL;
	u64 credit = ke_get_u64(in), lost = ke_get_u64(in);

	if (in->bad)
		return -EPROTO;
	if (!ts)
		return 0;
	if (ts->lost != KE_LOST_UNKNOWN && lost > ts->lost)
		s->lost += lost - ts->lost;
	ts->lost = lost;
	/* Not beyond the log; ts->sent may lag behind a send that is under way. */
	if (pos > le64_to_cpu(smp_load_acquire(&ts->view.hdr->head)) || pos < ts->acked)
		return ts->local ? 0 : -EPROTO;
	smp_store_release(&ts->acked, pos);
	if (ts->gated) {
		l->node->house->tx_lock(l);
		WRITE_ONCE(ts->credit, max(ts->credit, credit));
		ke_tstream_move_gate(ts);
		l->node->house->tx_unlock(l);
	}
	l->node->house->room(s);
	l->node->house->kick(l);
	l->node->house->changed(l->node->owner);
	return 0;
}

static int unsubscribe_in(struct ke_link *l, u32 log)
{
	struct ke_source *s = ke_source_find(l->node, log);
	struct ke_tstream *ts = s ? ke_tstream_find(s, l->peer) : NULL;

	if (ts)
		drop_stream(ts);
	return 0;
}

int ke_stream_frame(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_in *in)
{
	switch (type) {
	case KECHO_FRAME_SUBSCRIBE:
		return subscribe_in(l, id, pos, in);
	case KECHO_FRAME_START:
		return ke_rstream_start(l, id, pos, in);
	case KECHO_FRAME_UNSUBSCRIBE:
		return unsubscribe_in(l, id);
	case KECHO_FRAME_END:
		return ke_rstream_end(l, id, in);
	case KECHO_FRAME_SKIP:
		return ke_rstream_skip(l, id, pos);
	case KECHO_FRAME_ACK:
		return ack_in(l, id, pos, in);
	case KECHO_FRAME_STALL:
		return ke_rstream_stall(l, id, pos, in);
	case KECHO_FRAME_PASS:
		return ke_rstream_pass(l, id, pos, in);
	case KECHO_FRAME_PICKED:
		return ke_rstream_picked(l, id, pos, in);
	}
	return -EPROTO;
}
