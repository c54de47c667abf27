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

#include "node_house_test.h"

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
	if (ke_link_untold(&c->link) && ke_link_pending(&c->link))
		ke_link_tell(&c->link);
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

/* As softirq does in the kernel: events, as far as they come first. */
static u32 conn_rx_data(struct conn *c, u32 left)
{
	u32 part, moved = 0;
	struct kvec v;

	while (left && !c->err) {
		v = ke_link_rx_data(&c->link);
		part = min_t(u32, left, v.iov_len);
		if (!part)
			break;
		memcpy(v.iov_base, c->in + moved, part);
		c->err = ke_link_rx_data_done(&c->link, part);
		moved += part;
		left -= part;
	}
	c->in_len -= moved;
	memmove(c->in, c->in + moved, c->in_len);
	c->closed |= !!c->err;
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
	if (c->tn->w->takes && c->link.rx_bytes & 8)
		moved = conn_rx_data(c, left);
	if (moved && !c->err && ke_link_rx_due(&c->link)) {
		c->err = ke_link_rx_done(&c->link, 0);
		c->closed |= !!c->err;
	}
	if (moved)
		return moved;
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
		if (w->n[i].up && !ke_id_cmp(&w->n[i].node.self.node, &d->to))
			to = &w->n[i];
	if (!p)
		return;
	if (!to || to->deaf || d->from->deaf || d->from->unreached & 1 << (to - w->n)) {
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
			if (w->n[i].up)
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
	w->n[i].up = true;
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
	w->takes = true;
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
	s->member.traffic_class = tn->traffic_class;
	s->member.alive_ms = tn->alive_ms;
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
	tn->sink.policy = gated;
	tn->has_sink = true;
	tn->ch.sinks++;
	tn->ch.gated += gated;
	ke_member_join(&tn->sink, &tn->ch);
	return ke_channel_subscribe(&tn->ch, retained);
}

/* An event of @len bytes. -EAGAIN: a gate; -EDEADLK: a send reads there. */
static __maybe_unused int submit_to(struct ke_source *s, u32 len)
{
	struct tnode *tn = s->member.owner;
	struct ke_event_info info = { .time_ns = 1, .judged = tn->judges, .bits = tn->bits,
				      .generation = 1, .deadline_ns = tn->deadline_ns };
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

/* The same, of the node's own source. */
static __maybe_unused int submit(struct tnode *tn, u32 len)
{
	return submit_to(&tn->src, len);
}

static __maybe_unused void node_close(struct tnode *tn)
{
	if (!tn->up)
		return;
	sink_close(tn);
	source_close(tn);
	if (tn->open)
		ke_channel_close(&tn->ch);
	tn->open = false;
	ke_node_fini(&tn->node);
	tn->up = false;
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
