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

/* Single events in one frame, as they are written or read, see picks.c. */
enum {
	KE_PICK_WORDS = 5,	/* so a record begins: its header, and what the filters said */
	KE_PICK_SEQ_WORD = 1,
};

struct ke_picks {
	struct ke_out out;
	u32 n;			/* runs in it */
	u64 pos;		/* it begins here */
	u64 seq;		/* the last event until now */
	u8 head[8 * KE_PICK_WORDS];	/* of the record before */
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
	u64 asked_ns;		/* the PING that waits for its PONG, see clock.c; 0: none */
	bool clock_heard;	/* one has come */
	u64 clock_ns;		/* what our clock was ahead of CLOCK_MONOTONIC, as they know it */
	bool clock_said;	/* they do; under the tx lock, as clock_ns */
	u64 told;		/* of node->change; control's, others look */
	u64 rx_bytes, tx_bytes;
	/* Sending; the tx lock's. */
	u8 *control;
	u32 control_len, control_size;
	u64 control_end;	/* control bytes queued, ever */
	u8 *rest;		/* what is left of a frame that went out in part */
	u32 rest_at, rest_len;
	struct list_head streams[KE_CLASSES];	/* by rank */
	/* Bytes of streams of lower ranks that went out since a frame of this one, or since it
	 * had nothing when it was due one. */
	u32 waited[KE_CLASSES];
	u32 pace;		/* see ke_link_pace(); 0: not known */
	struct ke_tx_frame frame[KE_TX_FRAMES];
	u32 nframes, vec_rest, vec_control;
	/* Receiving; control's. */
	u32 data_left;		/* of a DATA frame */
	struct ke_rstream *data_to;	/* NULL: thrown away */
	bool acks_due;		/* of streams of the peer */
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
 * The same of events alone, in DATA and PICKED frames, for a house that hears of bytes where no
 * control call can be made, in an interrupt: nothing is allocated, and no lock is taken but what
 * published() takes. The house keeps control calls out meanwhile, and ke_link_rx*() of this link;
 * the same of other links, submitters, ke_link_tx*() and readers of the mirrors may run.
 * ke_link_rx_data - where the next bytes go; none: they are for ke_link_rx().
 * ke_link_rx_data_done - so many came, not 0. -EPROTO: hang up.
 * ke_link_rx_due - is it time for ke_link_rx_done(l, 0)? A header of another frame is there, or
 * ACKs are to be said.
 */
struct kvec ke_link_rx_data(struct ke_link *l);
int ke_link_rx_data_done(struct ke_link *l, size_t n);
bool ke_link_rx_due(const struct ke_link *l);

/*
 * ke_link_tx - what to send now, as up to KE_TX_VECS pieces: how many. Logs are read
 * in place until ke_link_tx_done(), which must follow, with the bytes that went out.
 */
u32 ke_link_tx(struct ke_link *l, struct kvec *v);
void ke_link_tx_done(struct ke_link *l, size_t n);
/* Is there something to send? Under the tx lock. */
bool ke_link_pending(const struct ke_link *l);
/* Are there streams that go before others? Then what the house has taken should soon be gone.
 * Under the tx lock. */
bool ke_link_mixed(const struct ke_link *l);
/* So many bytes are gone before it matters to what goes before them. Under the tx lock. */
static inline void ke_link_pace(struct ke_link *l, u32 bytes)
{
	l->pace = bytes;
}

/*
 * Which pieces are next, see turns.c.
 * ke_link_gather - up to KE_TX_FRAMES of them, pinned.
 * ke_link_took - one of @len bytes went out, of a stream of @rank.
 * ke_link_first_rank - the first that has a stream; KE_CLASSES: none has.
 */
void ke_link_gather(struct ke_link *l);
void ke_link_took(struct ke_link *l, u32 rank, u32 len);
u32 ke_link_first_rank(const struct ke_link *l);

/* Queue a control frame. Never fails: without memory the link breaks. */
void ke_link_send(struct ke_link *l, u8 type, u32 id, u64 pos, const void *body, u32 len);
/* The same with the tx lock held. */
void ke_link_send_locked(struct ke_link *l, u8 type, u32 id, u64 pos, const void *body, u32 len);
/*
 * The same of a body that is too long for a stack.
 * ke_link_body - memory for @size bytes of it; false: there is none, and the link breaks.
 * ke_link_send_body - what was put into it; frees it.
 */
bool ke_link_body(struct ke_link *l, struct ke_out *o, u32 size);
void ke_link_send_body(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_out *o);
void ke_link_break(struct ke_link *l);
/*
 * The same in place, with the tx lock held.
 * ke_link_reserve - memory for @size bytes of a body; NULL: there is none. It stays until
 * anything is queued.
 * ke_link_commit - @len bytes were put there: queue them.
 */
u8 *ke_link_reserve(struct ke_link *l, u32 size);
void ke_link_commit(struct ke_link *l, u8 type, u32 id, u64 pos, u32 len);

/* Something goes out on this link, and changes of attributes could go along: call
 * ke_link_tell(), which is a control call. */
static inline bool ke_link_untold(const struct ke_link *l)
{
	return READ_ONCE(l->told) != READ_ONCE(l->node->change);
}
void ke_link_tell(struct ke_link *l);

/* What has come, of frames that have a file of their own. */
int ke_meet_in(struct ke_presence *pr, struct ke_in *in);
int ke_attr_in(struct ke_link *l, u32 index, struct ke_in *in);
void ke_freeze_in(struct ke_presence *pr, u64 pos);
void ke_frozen_in(struct ke_presence *pr, u64 pos);
int ke_drain_in(struct ke_presence *pr, u64 pos, struct ke_in *in);
int ke_drained_in(struct ke_presence *pr, u64 pos, struct ke_in *in);
void ke_destroy_in(struct ke_presence *pr);
int ke_rstream_start(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
int ke_rstream_end(struct ke_link *l, u32 log, struct ke_in *in);
int ke_rstream_skip(struct ke_link *l, u32 log, u64 pos);
int ke_rstream_pass(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
int ke_rstream_picked(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
int ke_rstream_stall(struct ke_link *l, u32 log, u64 pos, struct ke_in *in);
int ke_alive_in(struct ke_link *l, u32 log, u64 sign);

#endif
