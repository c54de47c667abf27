/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A small world for the tests of nodes: its parts, and the house of its nodes.
 */
#ifndef KE_NODE_HOUSE_TEST_H
#define KE_NODE_HOUSE_TEST_H

#include "announce.h"
#include "link.h"

enum {
	WORLD_NODES = 3,
	WORLD_DIALS = 16,
	WORLD_ROUNDS_MAX = 200000,
	PIPE_BYTES = 96 << 10,
	TEST_LOG = KE_LOG_SIZE_MIN,
};

struct world;

/* One end of a connection. */
struct conn {
	struct list_head list;
	struct ke_link link;
	struct tnode *tn;
	struct conn *other;	/* NULL: it has gone */
	u8 *in;
	u32 in_len;
	bool raw;		/* a test is the other end, and looks at this one after */
	bool closed, eof, lost;
	int err;
};

/* The sink's place in one log. */
struct feed {
	struct ke_reader r;
	struct ke_rstream *rs;
	struct kecho_log_header *hdr;
	u8 *ring, *copy;
	bool begun, ended;
	u64 seq, filtered, expired;	/* the last that came; left out before it */
	struct feed *next;
};

struct tnode {
	struct ke_node node;
	struct world *w;
	struct ke_channel ch;
	bool up;		/* the node runs */
	bool open;
	bool deaf;		/* who dials it is refused */
	u32 unreached;		/* nodes that it can't dial, a bit each */
	bool sooner;		/* it wanted an earlier tick */
	struct ke_source src;
	struct kecho_log_header *hdr;
	u8 *ring;
	bool has_src;
	u64 word;		/* the gate of who reads its log on one host */
	u8 traffic_class;	/* of its source, from then on */
	u32 alive_ms;		/* the next source promises a sign of life so often */
	struct ke_member sink;
	bool has_sink, idle;	/* idle: the sink does not read */
	bool judges;		/* its source: the next event has the bits @bits */
	u64 bits;
	u64 deadline_ns;	/* of its source's next event; 0: none */
	s64 ahead_ns;		/* its clock, of the world's */
	bool names;		/* its next events are for the sink @to; 0: for nobody */
	__le64 to;
	bool judged;		/* for its sink, which wants those with bit 0 */
	bool no_mirrors;	/* there is no memory for any */
	struct feed *feeds;
	u64 got, lost, filtered, expired, bad, damaged;	/* events of the sink */
	u64 first;		/* the first that it got */
	u32 joined, left, failed, ends, repairs;
	u32 destroyed;
	u32 announced;		/* types, to it */
	u32 asked, stalled;	/* where its sink is; its sink was ended */
	u64 end_seq;
	s32 dialled;
};

struct dial {
	struct tnode *from;
	struct ke_id to;
};

struct world {
	u64 now, rng;
	u32 piece;		/* bytes that move at once, at most */
	u64 moved;		/* bytes, ever */
	bool takes;		/* data is taken as softirq does, every other time */
	u64 cut_at;		/* of those, then every connection breaks; 0: never */
	u32 locks, lock_faults;
	struct dial dial[WORLD_DIALS];
	u32 ndials;
	struct list_head conns;
	u8 *event;
	struct tnode n[WORLD_NODES];
};

static __maybe_unused u32 world_random(struct world *w, u32 n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (u32)(w->rng >> 32) % n;
}

static u8 event_byte(u64 seq, u32 i)
{
	return seq * 31 + i * 7 + (i >> 8);
}

/* ------------------------------------------------------------------ the house */

static u64 h_now_ms(void *house)
{
	return ((struct tnode *)house)->w->now;
}

static u64 h_monotonic_ns(void *house)
{
	return h_now_ms(house) * 1000000;
}

static u64 h_realtime_ns(void *house)
{
	return h_monotonic_ns(house) + ((struct tnode *)house)->ahead_ns;
}

static u64 h_random(void *house)
{
	struct world *w = ((struct tnode *)house)->w;

	return (u64)world_random(w, U32_MAX) << 32 | world_random(w, U32_MAX);
}

static void h_dial(void *house, struct ke_peer *p)
{
	struct tnode *tn = house;
	struct world *w = tn->w;

	tn->dialled++;
	if (w->ndials < WORLD_DIALS)
		w->dial[w->ndials++] = (struct dial){ tn, p->contact.node };
	else
		p->dialling = false;
}

static void h_kick(struct ke_link *l)
{
	(void)l;	/* the pump looks at every link */
}

static void h_hangup(struct ke_link *l)
{
	((struct conn *)l->owner)->closed = true;
}

/* One at a time: a house may have others that it can hold no second one with. */
static void lock(struct world *w, u32 which, bool take)
{
	if (!!(w->locks & which) == take || (take && w->locks))
		w->lock_faults++;
	w->locks ^= which;
}

static void h_tx_lock(struct ke_link *l)
{
	lock(((struct tnode *)l->node->owner)->w, 2, true);
}

static void h_tx_unlock(struct ke_link *l)
{
	lock(((struct tnode *)l->node->owner)->w, 2, false);
}

static void h_source_lock(struct ke_source *s)
{
	lock(((struct tnode *)s->member.owner)->w, 1, true);
}

static void h_source_unlock(struct ke_source *s)
{
	lock(((struct tnode *)s->member.owner)->w, 1, false);
}

static void feed_free(struct feed *f)
{
	if (!f)
		return;
	kvfree(f->hdr);
	kvfree(f->ring);
	kvfree(f->copy);
	kvfree(f);
}

static struct tnode *node_of(const struct ke_rstream *rs)
{
	return rs->peer->node->owner;
}

static int h_attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	struct tnode *tn = node_of(rs);
	struct feed *f;

	if (tn->no_mirrors)
		return -ECANCELED;
	f = kvzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	f->hdr = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	f->ring = kvzalloc(rs->remote->log_size, GFP_KERNEL);
	f->copy = kvzalloc(KE_RECORD_MAX, GFP_KERNEL);
	if (!f->hdr || !f->ring || !f->copy) {
		feed_free(f);
		return -ENOMEM;
	}
	*hdr = f->hdr;
	*ring = f->ring;
	f->rs = rs;
	rs->owner = f;
	f->next = tn->feeds;
	tn->feeds = f;
	return 0;
}

/* Events that were left out since this was asked last. */
static void take_filtered(struct tnode *tn, struct feed *f)
{
	f->seq += f->r.filtered - f->filtered + f->r.expired - f->expired;
	tn->filtered += f->r.filtered - f->filtered;
	tn->expired += f->r.expired - f->expired;
	f->filtered = f->r.filtered;
	f->expired = f->r.expired;
}

/* As any house would judge. */
static bool is_over(struct tnode *tn, const struct feed *f, const struct ke_item *item)
{
	u64 clock = le64_to_cpu(f->hdr->clock_ns);

	return item->kind == KE_ITEM_EVENT && item->deadline_ns && clock != KECHO_CLOCK_UNKNOWN &&
	       h_monotonic_ns(tn) + clock > item->deadline_ns;
}

static void take_item(struct tnode *tn, struct feed *f, const struct ke_item *item)
{
	const u8 *data = item->data;
	u32 i;

	take_filtered(tn, f);
	if (item->kind == KE_ITEM_LOST) {
		tn->bad += item->seq != f->seq + 1;
		tn->lost += item->last - item->seq + 1;
		tn->node.losses++;
		f->seq = item->last;
		return;
	}
	tn->bad += item->seq != f->seq + 1;
	f->seq = item->seq;
	if (is_over(tn, f, item)) {
		tn->expired++;
		return;
	}
	for (i = 0; i < item->len; i++) {
		if (data[i] != event_byte(item->seq, i)) {
			tn->damaged++;
			break;
		}
	}
	if (!tn->got++)
		tn->first = item->seq;
}

/* All that is there; and its room is the source's again. */
static void feed_read(struct tnode *tn, struct feed *f)
{
	struct ke_item item;
	int n;

	if (!f->begun || !f->rs)
		return;
	for (;;) {
		n = ke_reader_next(&f->r, &item);
		if (n == -ENOBUFS)
			ke_reader_give(&f->r, NULL, 0);
		else if (n > 0)
			take_item(tn, f, &item);
		else if (n < 0 || f->r.pos == ke_reader_head(&f->r))
			break;
	}
	tn->damaged += n < 0;
	take_filtered(tn, f);
	if (f->ended && ke_reader_finish(&f->r, f->rs->last_seq, &item) > 0)
		take_item(tn, f, &item);
	ke_rstream_release(f->rs, f->r.released);
}

static __maybe_unused void sink_read(struct tnode *tn)
{
	struct feed *f;

	for (f = tn->feeds; f; f = f->next)
		feed_read(tn, f);
}

static void h_detach(struct ke_rstream *rs)
{
	struct tnode *tn = node_of(rs);
	struct feed **p, *f = rs->owner;

	if (!f)
		return;
	feed_read(tn, f);
	for (p = &tn->feeds; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			break;
		}
	}
	rs->owner = NULL;
	feed_free(f);
}

static u32 h_gate_slot(struct ke_rstream *rs)
{
	(void)rs;
	return 0;
}

static const u64 *h_gate(struct ke_link *l, u32 slot)
{
	return slot ? &((struct tnode *)l->node->owner)->word : NULL;
}

static void h_share_log(struct ke_link *l, struct ke_source *s)
{
	(void)l;
	(void)s;
}

static void h_share_channel(struct ke_link *l, struct ke_channel *ch)
{
	(void)l;
	(void)ch;
}

static void h_shared(struct ke_link *l, struct ke_channel *ch, struct ke_in *in)
{
	(void)l;
	(void)ch;
	in->bad = true;
}

static void h_member(struct ke_remote *m)
{
	struct tnode *tn = m->presence->peer->node->owner;

	tn->joined += m->state == KE_JOINED;
	tn->left += m->state == KE_LEFT;
	tn->failed += m->state == KE_FAILED;
}

static void h_announced(struct ke_remote *m, u32 index)
{
	struct tnode *tn = m->presence->peer->node->owner;

	tn->announced += !!ke_types_at(m->types, index);
}

/* A `block` sink reads in place what a gate keeps, and what a source that is over has left. */
static void h_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct feed *f = rs->owner;
	bool over = rs->remote->state != KE_JOINED;

	if (!f)
		return;
	f->ended = false;
	if (f->begun)
		return;
	ke_reader_init(&f->r, rs->view, rs->gated || (over && node_of(rs)->sink.policy == 1),
		       pos, seq, f->copy);
	ke_reader_behind(&f->r, ke_log_passed(&rs->mirror));
	if (node_of(rs)->judged)
		ke_reader_judged(&f->r, 0, 1, 1);
	f->seq = seq;
	f->begun = true;
}

static void h_published(struct ke_rstream *rs)
{
	(void)rs;
}

static void h_ended(struct ke_rstream *rs)
{
	struct tnode *tn = node_of(rs);
	struct feed *f = rs->owner;

	tn->ends++;
	tn->end_seq = rs->last_seq;
	if (f)
		f->ended = true;
}

static u64 h_lost(struct ke_rstream *rs)
{
	struct feed *f = rs->owner;

	return f ? f->r.lost : 0;
}

static __maybe_unused void sink_close(struct tnode *tn)
{
	if (!tn->has_sink)
		return;
	tn->has_sink = false;
	tn->ch.sinks--;
	tn->ch.gated -= tn->sink.policy == 1;
	ke_channel_unsubscribe(&tn->ch);
	ke_member_leave(&tn->sink);
}

static void h_stalled_own(struct ke_source *s, struct ke_gate *g)
{
	struct tnode *tn = s->member.owner;

	h_source_lock(s);
	ke_source_ungate(s, g);
	h_source_unlock(s);
	tn->stalled++;
}

/* The sink of a node ends with its feeds, and that drops the stream. */
static void h_stalled(struct ke_rstream *rs, u64 pos, bool end)
{
	struct tnode *tn = node_of(rs);
	struct feed *f = rs->owner;

	tn->asked++;
	if (!f->begun)
		return;
	ke_rstream_release(rs, f->r.released);
	if (!end || f->r.released > pos || f->r.released == ke_reader_head(&f->r))
		return;
	tn->stalled++;
	sink_close(tn);
}

static u32 h_lagging(struct ke_channel *ch, const struct ke_in *marks)
{
	struct tnode *tn = ch->node->owner;
	struct ke_in in = *marks;
	struct ke_drain_mark m;
	struct feed *f;

	while (ke_drain_mark(&in, &m))
		for (f = tn->feeds; f; f = f->next)
			if (f->begun && f->rs && f->rs->remote->id == m.member && f->r.pos < m.pos)
				return 1;
	return 0;
}

static void h_destroyed(struct ke_channel *ch)
{
	struct tnode *tn = ch->node->owner;

	tn->destroyed++;
	if (tn->has_src)
		ke_source_end(&tn->src);
}

static void h_room(struct ke_source *s)
{
	(void)s;
}

static void h_changed(void *house)
{
	struct tnode *tn = house;

	tn->sooner |= ke_node_sooner(&tn->node);
}

static void h_repair(struct ke_channel *ch)
{
	((struct tnode *)ch->node->owner)->repairs++;
}

static void h_stats(struct ke_link *l, struct ke_channel *ch, u64 cookie)
{
	ke_link_send(l, KECHO_FRAME_STATS, ch->index, cookie, NULL, 0);
}

static void h_stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p,
		       struct ke_in *in)
{
	(void)l;
	(void)ch;
	(void)p;
	(void)in;
}

static void h_pong(struct ke_link *l, u64 sent_ns)
{
	(void)l;
	(void)sent_ns;
}

static const struct ke_house test_house = {
	.now_ms = h_now_ms, .realtime_ns = h_realtime_ns, .monotonic_ns = h_monotonic_ns,
	.random = h_random, .dial = h_dial, .kick = h_kick,
	.hangup = h_hangup, .tx_lock = h_tx_lock, .tx_unlock = h_tx_unlock,
	.source_lock = h_source_lock, .source_unlock = h_source_unlock,
	.attach = h_attach, .detach = h_detach, .gate_slot = h_gate_slot, .gate = h_gate,
	.share_log = h_share_log, .share_channel = h_share_channel, .shared = h_shared,
	.member = h_member, .announced = h_announced, .started = h_started,
	.published = h_published, .ended = h_ended,
	.lost = h_lost, .stalled_own = h_stalled_own, .stalled = h_stalled, .room = h_room,
	.lagging = h_lagging, .destroyed = h_destroyed,
	.changed = h_changed, .repair = h_repair,
	.stats = h_stats, .stats_in = h_stats_in, .pong = h_pong,
};

#endif
