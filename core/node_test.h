/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A small world for the tests of nodes: a few of them in one memory, with a clock
 * that is set by hand and connections that are byte pipes. world_pump() moves what
 * is in them in pieces of any size, from a seed, until all is quiet. Every node has
 * one channel; of its own at most one source and one sink, whose events' bytes
 * follow from their number.
 */
#ifndef KE_NODE_TEST_H
#define KE_NODE_TEST_H

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
	u64 seq;
	struct feed *next;
};

struct tnode {
	struct ke_node node;
	struct world *w;
	struct ke_channel ch;
	bool open;
	bool deaf;		/* who dials it is refused */
	struct ke_source src;
	struct kecho_log_header *hdr;
	u8 *ring;
	bool has_src;
	struct ke_member sink;
	bool has_sink, idle;	/* idle: the sink does not read */
	struct feed *feeds;
	u64 got, lost, bad, damaged;	/* events of the sink */
	u64 first;		/* the first that it got */
	u32 joined, left, failed, ends, repairs;
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

/* Order: source, then tx; none of them twice. */
static void lock(struct world *w, u32 which, bool take)
{
	if (!!(w->locks & which) == take || (take && w->locks >= which))
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
	struct feed *f = kvzalloc(sizeof(*f), GFP_KERNEL);

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

static void take_item(struct tnode *tn, struct feed *f, const struct ke_item *item)
{
	const u8 *data = item->data;
	u32 i;

	if (item->kind == KE_ITEM_LOST) {
		tn->bad += item->seq != f->seq + 1;
		tn->lost += item->last - item->seq + 1;
		f->seq = item->last;
		return;
	}
	tn->bad += item->seq != f->seq + 1;
	f->seq = item->seq;
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
	(void)l;
	(void)slot;
	return NULL;
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

static void h_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct feed *f = rs->owner;

	if (!f)
		return;
	f->ended = false;
	if (f->begun)
		return;
	ke_reader_init(&f->r, rs->view, rs->gated, pos, seq, f->copy);
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

static void h_room(struct ke_source *s)
{
	(void)s;
}

static void h_changed(void *house)
{
	(void)house;
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
	.now_ms = h_now_ms, .random = h_random, .dial = h_dial, .kick = h_kick,
	.hangup = h_hangup, .tx_lock = h_tx_lock, .tx_unlock = h_tx_unlock,
	.source_lock = h_source_lock, .source_unlock = h_source_unlock,
	.attach = h_attach, .detach = h_detach, .gate_slot = h_gate_slot, .gate = h_gate,
	.share_log = h_share_log, .share_channel = h_share_channel, .shared = h_shared,
	.member = h_member, .started = h_started, .published = h_published, .ended = h_ended,
	.room = h_room, .changed = h_changed, .repair = h_repair, .stats = h_stats,
	.stats_in = h_stats_in, .pong = h_pong,
};

/* ---------------------------------------------------------------- connections */

static void conn_free(struct conn *c)
{
	ke_link_fini(&c->link);
	list_del(&c->list);
	kvfree(c->in);
	kvfree(c);
}

static struct conn *conn_new(struct tnode *tn, bool dialled)
{
	struct conn *c = kvzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return NULL;
	c->tn = tn;
	c->in = kvmalloc(PIPE_BYTES, GFP_KERNEL);
	if (!c->in || ke_link_init(&c->link, &tn->node, c, false, dialled)) {
		kvfree(c->in);
		kvfree(c);
		return NULL;
	}
	list_add_tail(&c->list, &tn->w->conns);
	return c;
}

/* Some of what the link has to send, into the other end's pipe. */
static u32 conn_tx(struct conn *c)
{
	struct kvec v[KE_TX_VECS];
	u32 n, i, left, part, moved = 0;

	if (c->lost || c->closed)
		return 0;
	left = c->other ? PIPE_BYTES - c->other->in_len : PIPE_BYTES;
	left = min(left, 1 + world_random(c->tn->w, c->tn->w->piece));
	h_tx_lock(&c->link);
	n = ke_link_tx(&c->link, v);
	for (i = 0; i < n && left; i++) {
		part = min_t(u32, left, v[i].iov_len);
		if (c->other && !c->other->lost) {
			memcpy(c->other->in + c->other->in_len, v[i].iov_base, part);
			c->other->in_len += part;
		}
		left -= part;
		moved += part;
	}
	ke_link_tx_done(&c->link, moved);
	h_tx_unlock(&c->link);
	return moved;
}

/* Some of what is in the pipe, to the link. */
static u32 conn_rx(struct conn *c)
{
	struct kvec v[KE_RX_VECS];
	u32 n, i, left, moved = 0;

	if (c->lost || c->closed || !c->in_len)
		return 0;
	left = min(c->in_len, 1 + world_random(c->tn->w, c->tn->w->piece));
	n = ke_link_rx(&c->link, v);
	for (i = 0; i < n && left; i++) {
		u32 part = min_t(u32, left, v[i].iov_len);

		memcpy(v[i].iov_base, c->in + moved, part);
		moved += part;
		left -= part;
	}
	c->in_len -= moved;
	memmove(c->in, c->in + moved, c->in_len);
	c->err = ke_link_rx_done(&c->link, moved);
	if (c->err)
		c->closed = true;
	return moved;
}

/* Ends that are closed: the node is told, the other end reads what is left. */
static bool close_conns(struct world *w)
{
	struct conn *c, *next;
	bool any = false;

	list_for_each_entry(c, &w->conns, list) {
		if (c->link.broken || (c->eof && !c->in_len))
			c->closed = true;
		if (!c->closed || c->lost)
			continue;
		c->lost = any = true;
		if (c->other)
			c->other->eof = true;
		ke_link_lost(&c->link);
	}
	list_for_each_entry_safe(c, next, &w->conns, list) {
		if (c->raw || !c->lost)
			continue;
		if (c->other)
			c->other->other = NULL;
		conn_free(c);
		any = true;
	}
	return any;
}

static __maybe_unused void world_cut(struct world *w)
{
	struct conn *c;

	list_for_each_entry(c, &w->conns, list) {
		c->in_len = 0;
		c->closed = true;
	}
	close_conns(w);
}

static void answer_dial(struct world *w, const struct dial *d)
{
	struct ke_peer *p = ke_peer_find(&d->from->node, &d->to);
	struct tnode *to = NULL;
	struct conn *a, *b;
	u32 i;

	for (i = 0; i < WORLD_NODES; i++)
		if (w->n[i].node.house && !ke_id_cmp(&w->n[i].node.self.node, &d->to))
			to = &w->n[i];
	if (!p)
		return;
	if (!to || to->deaf || d->from->deaf) {
		ke_peer_refused(p, false);
		return;
	}
	a = conn_new(d->from, true);
	b = conn_new(to, false);
	if (a && b) {
		a->other = b;
		b->other = a;
		return;
	}
	if (a)
		a->closed = true;
	if (b)
		b->closed = true;
	ke_peer_refused(p, false);
}

static bool answer_dials(struct world *w)
{
	struct dial d[WORLD_DIALS];
	u32 i, n = w->ndials;

	memcpy(d, w->dial, sizeof(d));
	w->ndials = 0;
	for (i = 0; i < n; i++)
		answer_dial(w, &d[i]);
	return n;
}

/* One step of everything; has anything happened? */
static bool world_step(struct world *w)
{
	bool any = answer_dials(w);
	struct conn *c;
	u64 moved;
	u32 i;

	for (i = 0; i < WORLD_NODES; i++)
		if (!w->n[i].idle)
			sink_read(&w->n[i]);
	list_for_each_entry(c, &w->conns, list) {
		moved = conn_tx(c) + conn_rx(c);
		any |= moved > 0;
		w->moved += moved;
	}
	if (w->cut_at && w->moved >= w->cut_at) {
		w->cut_at = 0;
		world_cut(w);
		any = true;
	}
	any |= close_conns(w);
	return any;
}

/* Until nothing moves; false: it never ends. */
static __maybe_unused bool world_pump(struct world *w)
{
	u32 i;

	for (i = 0; i < WORLD_ROUNDS_MAX; i++)
		if (!world_step(w))
			return true;
	return false;
}

/* @ms go by, with ticks. */
static __maybe_unused bool world_wait(struct world *w, u32 ms)
{
	u64 end = w->now + ms;
	u32 i;

	while (w->now < end) {
		w->now = min_t(u64, end, w->now + KE_HEARTBEAT_MS / 2);
		for (i = 0; i < WORLD_NODES; i++)
			if (w->n[i].node.house)
				ke_node_tick(&w->n[i].node);
		if (!world_pump(w))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------------- nodes */

static __maybe_unused void node_make(struct world *w, u32 i)
{
	struct ke_contact self = { .incarnation = 1 };
	char name[] = "node-0";

	memset(self.node.b, 0x10 + i, sizeof(self.node.b));
	memset(self.host.b, 0x20 + i, sizeof(self.host.b));
	strscpy(self.address, "10.0.0.1:1", sizeof(self.address));
	name[5] += i;
	w->n[i].w = w;
	ke_node_init(&w->n[i].node, &test_house, &w->n[i], &self, name);
}

static __maybe_unused struct world *world_new(u32 nodes, u64 seed)
{
	struct world *w = kvzalloc(sizeof(*w), GFP_KERNEL);
	u32 i;

	if (!w)
		return NULL;
	w->rng = 0x9e3779b97f4a7c15ULL * (seed + 1);
	w->now = 1000000;
	w->piece = 5000;
	w->event = kvzalloc(KE_RECORD_MAX, GFP_KERNEL);
	INIT_LIST_HEAD(&w->conns);
	if (!w->event) {
		kvfree(w);
		return NULL;
	}
	for (i = 0; i < nodes; i++)
		node_make(w, i);
	return w;
}

static __maybe_unused void channel_open(struct tnode *tn)
{
	static const struct ke_id uuid = { { 1, 2, 3 } };

	ke_channel_open(&tn->ch, &tn->node, &uuid, "test");
	tn->ch.owner = tn;
	tn->open = true;
}

static __maybe_unused bool source_open(struct tnode *tn, u64 pos)
{
	struct ke_source *s = &tn->src;

	tn->hdr = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	tn->ring = kvzalloc(TEST_LOG, GFP_KERNEL);
	memset(s, 0, sizeof(*s));
	if (!tn->hdr || !tn->ring || ke_log_init(&s->log, tn->hdr, tn->ring, TEST_LOG, pos, 0))
		return false;
	s->member.owner = tn;
	s->member.role = KE_SOURCE;
	s->member.source = s;
	ke_source_init(s, &tn->node);
	ke_member_join(&s->member, &tn->ch);
	tn->has_src = true;
	return true;
}

static __maybe_unused void source_close(struct tnode *tn)
{
	if (tn->has_src) {
		ke_source_fini(&tn->src);
		ke_member_leave(&tn->src.member);
	}
	tn->has_src = false;
	kvfree(tn->hdr);
	kvfree(tn->ring);
	tn->hdr = NULL;
	tn->ring = NULL;
}

static __maybe_unused int sink_open(struct tnode *tn, bool gated, bool retained)
{
	memset(&tn->sink, 0, sizeof(tn->sink));
	tn->sink.owner = tn;
	tn->sink.role = KE_SINK;
	tn->sink.policy = gated ? 0 : 1;
	tn->has_sink = true;
	tn->ch.sinks++;
	tn->ch.gated += gated;
	ke_member_join(&tn->sink, &tn->ch);
	return ke_channel_subscribe(&tn->ch, retained);
}

static __maybe_unused void sink_close(struct tnode *tn)
{
	if (!tn->has_sink)
		return;
	tn->has_sink = false;
	tn->ch.sinks--;
	tn->ch.gated -= tn->sink.policy == 0;
	ke_channel_unsubscribe(&tn->ch);
	ke_member_leave(&tn->sink);
}

/* An event of @len bytes. -EAGAIN: a gate; -EDEADLK: a send reads there. */
static __maybe_unused int submit(struct tnode *tn, u32 len)
{
	struct ke_event_info info = { .time_ns = 1 };
	struct ke_source *s = &tn->src;
	u64 seq = 0, size = ke_record_align(ke_record_size(&info, len));
	u32 i;
	int err;

	for (i = 0; i < len; i++)
		tn->w->event[i] = event_byte(s->log.seq + 1, i);
	h_source_lock(s);
	err = -EAGAIN;
	if (!ke_log_room(&s->log, size, ke_source_limit(s, s->log.end + 2 * size)))
		goto unlock;
	err = -EDEADLK;
	if (!ke_source_unpinned(s, size))
		goto unlock;
	err = ke_log_append(&s->log, &info, tn->w->event, len, s->limit, &seq);
	ke_log_publish(&s->log);
unlock:
	h_source_unlock(s);
	return err;
}

static __maybe_unused void node_close(struct tnode *tn)
{
	if (!tn->node.house)
		return;
	sink_close(tn);
	source_close(tn);
	if (tn->open)
		ke_channel_close(&tn->ch);
	tn->open = false;
	ke_node_fini(&tn->node);
	tn->node.house = NULL;
}

static __maybe_unused void world_free(struct world *w)
{
	struct conn *c, *next;
	u32 i;

	for (i = 0; i < WORLD_NODES; i++)
		node_close(&w->n[i]);
	list_for_each_entry_safe(c, next, &w->conns, list) {
		if (!c->lost)
			ke_link_lost(&c->link);
		conn_free(c);
	}
	kvfree(w->event);
	kvfree(w);
}

#endif
