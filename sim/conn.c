// SPDX-License-Identifier: MIT
/*
 * The bytes of one connection: pipes of bounded size, whose bytes arrive later and in
 * other pieces than they were sent in.
 *
 * What is sent while nothing passes waits in the pipe and arrives when the path is open
 * again. An end whose other end has gone hears of it when it sends, if the path is open.
 */
#include "sim.h"

enum {
	PIECE_SMALL = 24,	/* so that frame headers come in pieces */
	PIECE_SEGMENT = 1448,
	PIECE_LARGE = 64 << 10,
	RX_BUDGET = 128 << 10,	/* bytes of one step */
	TX_PASSES = 16,
};

static u32 choose_piece(struct sim *w)
{
	u32 dice = sim_random(w, 10);

	return dice < 1 ? PIECE_SMALL : dice < 5 ? PIECE_SEGMENT :
						   PIECE_LARGE;
}

/* --------------------------------------------------------------------- pipes */

static u32 pipe_room(const struct conn *c)
{
	return c->node->w->pipe_size - c->in.len;
}

static void pipe_put(struct conn *c, const u8 *data, u32 len)
{
	u32 size = c->node->w->pipe_size, at = (c->in.at + c->in.len) % size;
	u32 part = min(len, size - at);

	memcpy(c->in.buf + at, data, part);
	memcpy(c->in.buf, data + part, len - part);
	c->in.len += len;
}

static void pipe_take(struct conn *c, u8 *to, u32 len)
{
	u32 size = c->node->w->pipe_size, part = min(len, size - c->in.at);

	memcpy(to, c->in.buf + c->in.at, part);
	memcpy(to + part, c->in.buf, len - part);
	c->in.at = (c->in.at + len) % size;
	c->in.len -= len;
}

/* @len bytes were put in: when they arrive. */
static void pipe_segment(struct conn *c, u32 len)
{
	struct sim *w = c->node->w;
	u64 at = w->now_us + net_latency(w, c->peer, c->node->index);

	at = max(at, c->in.last_us);
	c->in.last_us = at;
	if (c->in.n == SIM_SEGMENTS_MAX)	/* it comes together with what was sent before */
		c->in.segment[(c->in.first + c->in.n - 1) % SIM_SEGMENTS_MAX].len += len;
	else
		c->in.segment[(c->in.first + c->in.n++) % SIM_SEGMENTS_MAX] =
			(struct segment){ at, len };
	if (!timer_is_set(&c->rx))
		sim_set(c->node, &c->rx, at - w->now_us);
}

/* Bytes that have arrived, at most @max of them. */
static u32 pipe_ready(struct conn *c, u32 most)
{
	u32 i, len = 0;

	for (i = 0; i < c->in.n && len < most; i++) {
		struct segment *s = &c->in.segment[(c->in.first + i) % SIM_SEGMENTS_MAX];

		if (s->at_us > c->node->w->now_us)
			break;
		len += s->len;
	}
	return min(len, most);
}

static void pipe_used(struct conn *c, u32 len)
{
	while (len) {
		struct segment *s = &c->in.segment[c->in.first];
		u32 part = min(len, s->len);

		s->len -= part;
		len -= part;
		if (s->len)
			break;
		c->in.first = (c->in.first + 1) % SIM_SEGMENTS_MAX;
		c->in.n--;
	}
}

/* ------------------------------------------------------------------- sending */

static void count_frame(struct snode *n, u8 type, u32 bytes)
{
	bool beat = type == KECHO_FRAME_PING || type == KECHO_FRAME_PONG;

	*(beat ? &n->wire.beats : &n->wire.frames) += 1;
	*(beat ? &n->wire.beat_bytes : &n->wire.bytes) += bytes;
}

/* Those of the DATA frames that go out at least in part with the first @bytes. */
static void count_data(struct conn *c, u32 bytes)
{
	const struct ke_link *l = &c->link;
	u32 at = l->vec_rest + l->vec_control, whole, i;

	for (i = 0; i < l->nframes && at < bytes; i++) {
		whole = sizeof(struct kecho_frame) + l->frame[i].len;
		count_frame(c->node, KECHO_FRAME_DATA, whole);
		verdict_sent(l->frame[i].stream->source->member.owner, c->peer,
			     le64_to_cpu(l->frame[i].hdr.pos),
			     le64_to_cpu(l->frame[i].hdr.pos) + l->frame[i].len);
		sturn_sent(c, ke_tstream_rank(l->frame[i].stream), l->frame[i].len);
		at += whole;
	}
}

/* Traces the control frames that were queued since. */
static void look_at_control(struct conn *c)
{
	struct ke_link *l = &c->link;
	u64 begin = l->control_end - l->control_len;

	c->looked = max(c->looked, begin);
	while (c->looked < l->control_end) {
		struct kecho_frame f;

		memcpy(&f, l->control + (c->looked - begin), sizeof(f));
		c->looked += sizeof(f) + f.len;
		count_frame(c->node, f.type, sizeof(f) + f.len);
		if (f.type == KECHO_FRAME_PING)
			continue;
		if (f.type == KECHO_FRAME_PICKED)
			sturn_picked(c, f.id, f.len);
		sim_trace(c->node, TRACE_FRAME, c->id, (u64)f.type << 32 | f.id, f.pos);
		check_frame(c, f.type, f.id, f.pos);
	}
}

/* Nobody is at the other end any more: that is known once something is sent. */
static void sent_to_nobody(struct conn *c)
{
	struct sim *w = c->node->w;

	if (c->eof || !net_open(w, c->node->index, c->peer))
		return;
	c->eof = true;
	c->eof_us = w->now_us + net_latency(w, c->peer, c->node->index);
	sim_set_sooner(c->node, &c->rx, c->eof_us - w->now_us);
}

static u32 room_to_send(struct conn *c)
{
	if (!c->other)
		return c->node->w->pipe_size - c->vanished;
	if (c->other->hole)
		return c->node->w->pipe_size - c->other->vanished;
	return pipe_room(c->other);
}

static void put_away(struct conn *c, const struct kvec *v, u32 n, u32 bytes)
{
	u32 i, part, left = bytes;

	if (!c->other) {
		c->vanished += bytes;
		sent_to_nobody(c);
		return;
	}
	if (c->other->hole) {
		c->other->vanished += bytes;
		return;
	}
	for (i = 0; i < n && left; i++) {
		part = min_t(u32, left, v[i].iov_len);
		pipe_put(c->other, v[i].iov_base, part);
		left -= part;
	}
	pipe_segment(c->other, bytes);
}

/* Another thread submits while this one is in the system call that sends. */
static void submit_meanwhile(struct snode *n)
{
	struct schan *ch = &n->chan[sim_random(n->w, n->w->opt.channels)];
	u32 locks = n->locks;

	if (ch->state != CHAN_OPEN || list_empty(&ch->sources))
		return;
	n->locks = 0;
	ssource_submit_one(list_first_entry(&ch->sources, struct ssource, list));
	n->locks = locks;
}

static u32 send_some(struct conn *c)
{
	struct sim *w = c->node->w;
	u32 n, i, bytes = 0, most = min(room_to_send(c), 1 + sim_random(w, c->piece));
	struct kvec v[KE_TX_VECS];

	if (!most) {
		c->full = true;
		return 0;
	}
	sim_house.tx_lock(&c->link);
	look_at_control(c);
	n = ke_link_tx(&c->link, v);
	look_at_control(c);
	sturn_check(c);
	if (n > 1 && sim_one_in(w, 16))
		submit_meanwhile(c->node);
	for (i = 0; i < n; i++)
		bytes += min_t(u32, most - bytes, v[i].iov_len);
	if (bytes)	/* else all was passed over */
		put_away(c, v, n, bytes);
	count_data(c, bytes);
	ke_link_tx_done(&c->link, bytes);
	sim_house.tx_unlock(&c->link);
	if (bytes)
		sim_trace(c->node, TRACE_BYTES, c->id, bytes, 0);
	w->cover.bytes += bytes;
	return bytes;
}

static void tx_fire(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, tx);
	u32 i, moved = 1;

	if (!c->open || c->closing)
		return;
	if (ke_link_untold(&c->link) && ke_link_pending(&c->link))
		ke_link_tell(&c->link);
	for (i = 0; i < TX_PASSES && moved && !c->link.broken; i++)
		moved = ke_link_pending(&c->link) ? send_some(c) : 0;
	if (c->link.broken)
		net_hangup(c, -ECONNRESET);
	else if (moved && ke_link_pending(&c->link))
		sim_set(c->node, &c->tx, 1);
}

/* ----------------------------------------------------------------- receiving */

static int receive_some(struct conn *c, u32 most)
{
	struct kvec v[KE_RX_VECS];
	u32 n = ke_link_rx(&c->link, v), i, part, moved = 0;

	for (i = 0; i < n && moved < most; i++) {
		part = min_t(u32, most - moved, v[i].iov_len);
		pipe_take(c, v[i].iov_base, part);
		moved += part;
	}
	pipe_used(c, moved);
	if (c->cut_in != U64_MAX)
		c->cut_in -= moved;
	sim_trace(c->node, TRACE_ARRIVE, c->id, moved, 0);
	return ke_link_rx_done(&c->link, moved) ?: (int)moved;
}

/* What came; an error: it is over. */
static int receive(struct conn *c)
{
	struct sim *w = c->node->w;
	u32 budget = RX_BUDGET, ready;
	int n;

	while (budget && !c->closing && !c->link.broken) {
		ready = pipe_ready(c, 1 + sim_random(w, c->piece));
		if (!c->cut_in)
			return -ECONNRESET;
		ready = min_t(u64, min(ready, budget), c->cut_in);
		if (!ready)
			return 0;
		n = receive_some(c, ready);
		if (n < 0)
			return n;
		budget -= n;
	}
	return c->link.broken ? -ECONNRESET : 0;
}

static void rx_again(struct conn *c)
{
	u64 now = c->node->w->now_us;

	if (c->in.n)
		sim_set(c->node, &c->rx,
			c->in.segment[c->in.first].at_us > now ?
				c->in.segment[c->in.first].at_us - now :
				1);
	else if (c->eof)
		sim_set(c->node, &c->rx, c->eof_us > now ? c->eof_us - now : 1);
}

static void rx_fire(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, rx);
	struct sim *w = c->node->w;
	u32 before = c->in.len;
	int err = 0;

	if (c->closing)
		return;
	if (!c->open) {
		if (conn_establish(c))
			net_hangup(c, -ENOMEM);
		return;
	}
	if (net_open(w, c->peer, c->node->index))
		err = receive(c);
	else if (!c->eof || c->in.n)
		return;		/* net_healed() goes on */
	if (!err && c->eof && !c->in.n && c->eof_us <= w->now_us)
		err = -ECONNRESET;
	if (err) {
		if (c->local && c->died && c->link.peer && sim_one_in(w, 2))
			ke_peer_dead(c->link.peer); /* its pidfd was first */
		net_hangup(c, err);
		return;
	}
	if (c->other && c->other->full && c->in.len < before) {
		c->other->full = false;
		sim_set_sooner(c->other->node, &c->other->tx,
			       net_latency(w, c->node->index, c->peer));
	}
	if (!c->closing)
		rx_again(c);
}

/* ------------------------------------------------------------------- the ends */

/* Connected, but no hello: core knows of nothing that it could find silent. */
static void greet_fire(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, greet);

	if (!c->link.peer)
		net_hangup(c, -ETIMEDOUT);
}

struct conn *conn_new(struct snode *n, u16 peer, bool dialled)
{
	struct conn *c = sim_alloc(sizeof(*c));

	c->node = n;
	c->peer = peer;
	c->id = ++n->w->last_conn;
	c->dialled = dialled;
	c->local = snode_same_host(n->w, n->index, peer);
	INIT_LIST_HEAD(&c->coming);
	INIT_LIST_HEAD(&c->logs);
	c->cut_in = U64_MAX;
	c->piece = choose_piece(n->w);
	c->in.buf = sim_alloc(n->w->pipe_size);
	c->rx = (struct timer){ .node = n, .fn = rx_fire };
	c->tx = (struct timer){ .node = n, .fn = tx_fire };
	c->greet = (struct timer){ .node = n, .fn = greet_fire };
	list_add_tail(&c->list, &n->conns);
	return c;
}

int conn_establish(struct conn *c)
{
	int err = ke_link_init(&c->link, &c->node->node, c, c->local, c->dialled);

	if (err)
		return err;
	c->open = true;
	if (sim_one_in(c->node->w, 2))
		ke_link_pace(&c->link, sim_random(c->node->w, 2 * KE_PIECE_MAX));
	if (c->local)
		share_gates(c);
	sim_trace(c->node, TRACE_LINK, c->id, c->peer, c->dialled);
	sim_set_sooner(c->node, &c->tx, 1);
	sim_set(c->node, &c->greet, KE_LINK_SILENT_MS * 1000);
	if (!timer_is_set(&c->rx))
		rx_again(c);
	return 0;
}

void conn_reset(struct conn *c, u32 keep)
{
	struct sim *w = c->node->w;
	u32 left = 0, i;

	for (i = 0; i < c->in.n; i++) {
		struct segment *s = &c->in.segment[(c->in.first + i) % SIM_SEGMENTS_MAX];

		s->len = min(s->len, keep - left);
		left += s->len;
		if (!s->len)
			break;
	}
	c->in.n = i;
	c->in.len = left;
	c->eof = true;
	c->eof_us = max(c->in.last_us, w->now_us + net_latency(w, c->peer, c->node->index));
	sim_set_sooner(c->node, &c->rx, c->eof_us - w->now_us);
}

void conn_free(struct conn *c, bool say)
{
	struct conn *other = c->other;
	struct sim *w = c->node->w;

	if (other) {
		other->other = NULL;
		other->died = c->node->gone;
		other->full = false;
		/* An end that closes with bytes unread resets, else it ends in order. */
		if (say && net_open(w, c->node->index, c->peer) && !other->hole && !other->eof)
			conn_reset(other, c->in.len ? sim_random(w, other->in.len + 1) : U32_MAX);
		else
			sim_set_sooner(other->node, &other->tx, 1000);
	}
	if (c->open) {
		ke_link_lost(&c->link);
		ke_link_fini(&c->link);
	}
	share_forget(c);
	sim_cancel(c->node, &c->rx);
	sim_cancel(c->node, &c->tx);
	sim_cancel(c->node, &c->greet);
	list_del(&c->list);
	sim_free(c->in.buf);
	sim_free(c);
}
