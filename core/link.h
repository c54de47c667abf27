/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The link: frames in and out of one connection to another node.
 */
#ifndef KE_LINK_H
#define KE_LINK_H

#include "node.h"

enum ke_link_bounds {
	KE_TX_FRAMES = 4,	/* DATA frames in one go */
	KE_TX_VECS = 2 + 2 * KE_TX_FRAMES,
	KE_RX_AHEAD = 4096,	/* bytes that one receive reads past the known */
	KE_RX_VECS = 2,
};

#define KE_RX_SIZE	((u32)KECHO_FRAME_HEADER_SIZE + KECHO_FRAME_BODY_MAX + KE_RX_AHEAD)

struct ke_tx_frame {
	struct kecho_frame hdr;
	struct ke_tstream *stream;
	u32 len;
};

struct ke_link {
	struct ke_node *node;
	struct ke_peer *peer;	/* from its hello on */
	void *owner;
	bool local, dialled;
	bool broken;		/* set by any thread, by READ_ONCE() and WRITE_ONCE() */
	u32 version;		/* of the protocol, as agreed on; 0: not yet */
	u64 heard_ms, said_ms;
	u64 told;		/* of node->change; control's, others look */
	u64 rx_bytes, tx_bytes;
	/* Sending; the tx lock's. */
	u8 *control;
	u32 control_len, control_size;
	u64 control_end;	/* control bytes queued, ever */
	u8 *rest;		/* what is left of a frame that went out in part */
	u32 rest_at, rest_len;
	struct list_head streams;
	struct ke_tx_frame frame[KE_TX_FRAMES];
	u32 nframes, vec_rest, vec_control;
	/* Receiving; control's. */
	u32 data_left;		/* of a DATA frame */
	struct ke_rstream *data_to;	/* NULL: thrown away */
	u32 rx_len;
	u8 *rx;
};

/* ke_link_init - over a new connection; queues our hello. -ENOMEM. */
int ke_link_init(struct ke_link *l, struct ke_node *n, void *owner, bool local, bool dialled);
/* ke_link_lost - the connection has ended. */
void ke_link_lost(struct ke_link *l);
void ke_link_fini(struct ke_link *l);

/*
 * Where the next bytes go; then how many came. An error: hang up. -EPROTO: a frame that is
 * none; -ENOSPC: it would exceed a limit of bounds.h; -EPROTONOSUPPORT, -EACCES: the
 * hello's version, authentication; -ECONNABORTED: a hello of no use; -ECONNRESET: the link
 * was broken from here; -ENOMEM.
 */
u32 ke_link_rx(struct ke_link *l, struct kvec *v);
int ke_link_rx_done(struct ke_link *l, size_t n);

/*
 * ke_link_tx - what to send now, as up to KE_TX_VECS pieces: how many. Logs are read
 * in place until ke_link_tx_done(), which must follow, with the bytes that went out.
 */
u32 ke_link_tx(struct ke_link *l, struct kvec *v);
void ke_link_tx_done(struct ke_link *l, size_t n);
/* Is there something to send? Under the tx lock. */
bool ke_link_pending(const struct ke_link *l);

/* Queue a control frame. Never fails: without memory the link breaks. */
void ke_link_send(struct ke_link *l, u8 type, u32 id, u64 pos, const void *body, u32 len);
/* The same with the tx lock held. */
void ke_link_send_locked(struct ke_link *l, u8 type, u32 id, u64 pos, const void *body, u32 len);
void ke_link_break(struct ke_link *l);

/* See node.h. */
static inline bool ke_link_untold(const struct ke_link *l)
{
	return READ_ONCE(l->told) != READ_ONCE(l->node->change);
}
void ke_link_tell(struct ke_link *l);

/*
 * Passing over what nobody wants at the other end, see pass.c. All with the tx lock of
 * ts->link held, if it flows.
 * ke_tstream_want - from what is appended next on, its sinks want events with one of @bits,
 * and of generations before @from, or with @all any. Before this is called so are all.
 * ke_tstream_name - its source names sinks, and those there are @names, which are its from here
 * on; NULL: not known. Gives what were before, for kvfree().
 * ke_tstream_begin - it begins at @pos.
 * ke_tstream_walk - where what is wanted from ts->sent on ends, which is before @head or
 * there; ts->sent: there is nothing to send now. What lies there is pinned or kept by a gate.
 * ke_tstream_lapped - what is next was overwritten, or will be: on from about halfway.
 * ke_tstream_pass - say what was passed over.
 */
void ke_tstream_want(struct ke_tstream *ts, u64 bits, bool all, u32 from);
struct ke_names *ke_tstream_name(struct ke_tstream *ts, struct ke_names *names);
void ke_tstream_begin(struct ke_tstream *ts, u64 pos);
u64 ke_tstream_walk(struct ke_link *l, struct ke_tstream *ts, u64 head);
void ke_tstream_lapped(struct ke_link *l, struct ke_tstream *ts);
void ke_tstream_pass(struct ke_link *l, struct ke_tstream *ts);
/* Up to where is it sent, or passed over? */
static inline u64 ke_tstream_done(const struct ke_tstream *ts)
{
	return max(READ_ONCE(ts->sent), READ_ONCE(ts->passed));
}

int ke_meet_in(struct ke_presence *pr, struct ke_in *in);
int ke_attr_in(struct ke_link *l, u32 index, struct ke_in *in);
void ke_freeze_in(struct ke_presence *pr, u64 pos);
void ke_frozen_in(struct ke_presence *pr, u64 pos);
int ke_drain_in(struct ke_presence *pr, u64 pos, struct ke_in *in);
int ke_drained_in(struct ke_presence *pr, u64 pos, struct ke_in *in);
void ke_destroy_in(struct ke_presence *pr);
/* A node of the channel has gone, which may have told only some of us what it set. */
void ke_channel_retell(struct ke_channel *ch);

/* Streams, for each other. */
int ke_rstream_start(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
int ke_rstream_end(struct ke_link *l, u32 log, struct ke_in *in);
int ke_rstream_skip(struct ke_link *l, u32 log, u64 pos);
int ke_rstream_pass(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
int ke_rstream_stall(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
struct ke_source *ke_source_find(struct ke_node *n, u32 log);
struct ke_tstream *ke_tstream_find(struct ke_source *s, const struct ke_peer *p);
/* A gate's position, never believed beyond what is there or back. */
u64 ke_gate_pos(const struct ke_source *s, struct ke_gate *g);

#endif
