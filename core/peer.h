/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Another node: what it has in our channels, and its logs that we read.
 */
#ifndef KE_PEER_H
#define KE_PEER_H

#include "attr.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "reader.h"
#include "wire.h"

struct ke_channel;
struct ke_in;
struct ke_link;
struct ke_node;
struct ke_presence;
struct ke_remote;
struct ke_sieve;
struct ke_types;

enum ke_remote_state { KE_JOINED = 1, KE_LEFT, KE_FAILED };

/* Versions of the protocol, both included. */
struct ke_versions {
	u32 oldest, newest;
};

/* Why a node can't be talked to, though it can be reached. */
enum ke_refusal {
	KE_REFUSED_VERSION = 1,	/* no version of the protocol in common */
	KE_REFUSED_LAYOUT = 2,	/* its shared memory is laid out in no known way */
};

/* The optional frames that we know, as HELLO says it: bit i is frame KECHO_FRAME_OPTIONAL + i. */
#define KE_KNOWS							\
	(1u << (KECHO_FRAME_TYPE - KECHO_FRAME_OPTIONAL) |		\
	 1u << (KECHO_FRAME_ALIVE - KECHO_FRAME_OPTIONAL))

static inline bool ke_knows(u32 knows, u8 type)
{
	u32 bit = type - KECHO_FRAME_OPTIONAL;

	return bit < 32 && knows >> bit & 1;
}

/* Our side of a log that another node writes. */
struct ke_rstream {
	struct list_head list;	/* of the peer */
	struct ke_remote *remote;
	struct ke_peer *peer;
	void *owner;
	struct ke_view view;
	struct ke_log mirror;	/* unless local */
	bool local, attached, gated, ended;
	u32 slot;		/* of its gate; the house's */
	u8 from;		/* enum ke_subscribe_from, as first asked for */
	u32 starts_due;
	u64 credit, acked, released;
	bool ack_due;	/* data came for which ke_peer_ack() is to say one */
	bool resumes;	/* START will follow a break */
	u64 skip;	/* goes on here once what the mirror is full of was read; 0: no */
	bool passes;	/* what is before that is passed over: */
	u64 pass_before, pass_seq, pass_expired;	/* as PASS said */
	u64 last_seq;
	u64 lost, lost_said;	/* by our sinks, ever; as the source's node knows */
	u64 lost_seen;		/* as the house said last */
	u64 taken;		/* gates that the log's source had taken when it started */
};

/* Does the source wait for our slowest sink that blocks? Until then such a sink must not
 * begin at a START, which may be that of a stream without a gate. */
static inline bool ke_rstream_gate_stands(const struct ke_rstream *rs)
{
	return rs->gated && rs->credit != KE_NO_LIMIT;
}

/* Of a log that is shared: may the gate move on with our sinks? Not while a START is due,
 * where one more of them begins, which is no earlier than the gate is now. */
static inline bool ke_rstream_gate_moves(const struct ke_rstream *rs)
{
	return !rs->starts_due;
}

struct ke_remote {
	struct list_head list;
	struct ke_presence *presence;
	void *owner;
	u64 id;
	u8 role, policy;
	u8 traffic_class;	/* enum ke_class, of a source */
	bool fresh;		/* it joined when we were there already */
	bool stale;		/* not heard of since the link broke */
	bool retained;		/* wanted by a sink that came then */
	enum ke_remote_state state;
	u32 alive_ms;		/* of a source: its promise; 0: none */
	struct ke_attrs attrs;
	struct ke_types *types;	/* NULL: none */
	u32 log;
	u64 log_size;
	struct ke_rstream *stream;
	u32 starts_void;	/* STARTs that are due to streams that we have given up */
	struct ke_sieve *sieve;	/* of a sink; NULL: none */
	u32 filter_version;	/* 0: it never had one */
	struct list_head heard;	/* of a source: what it said of our sinks' filters */
};

struct ke_presence {
	struct list_head channel_list;
	struct list_head peer_list;
	struct ke_channel *channel;
	struct ke_peer *peer;
	u32 index;		/* the channel in the peer's frames */
	bool said, here, synced;
	bool known;		/* it was synced once */
	u32 acks_due;
	/* freeze.c: the peer holds it by this number, which it has yet to say again since a
	 * break, and we have confirmed; it has confirmed ours. */
	u64 held;
	bool held_stale, held_said, stands;
	/* drain.c: as asked and answered last. */
	u64 drain_asked, drain_done;
	u32 lag;
	bool ended;		/* it knows that the channel was destroyed */
	struct list_head remotes;
};

struct ke_peer {
	struct list_head list;
	struct ke_node *node;
	struct ke_contact contact;
	struct ke_versions speaks;	/* as its hello said */
	u32 knows;		/* the same */
	char name[KE_LINK_NAME_MAX + 1];
	struct ke_attrs attrs;
	bool local, dialling, failed;
	bool met;		/* linked at some time */
	u8 refused;		/* enum ke_refusal, or 0; it is not dialled then */
	struct ke_link *link;	/* NULL: none is up */
	u64 up_ms;		/* since when there is one */
	u64 down_ms;		/* since when there is none */
	u64 unused_ms;		/* a tick found it in none of our channels; 0: it is in one */
	u64 ask_ms;		/* not met by then: others shall tell it of us */
	u64 vouched_ms;		/* when others said that it is there */
	u64 redial_ms;
	u32 redial_wait_ms;	/* from the next break on; 0: none */
	s32 error;		/* of the last dial, -errno; the house's */
	u64 resumed;
	u32 nremotes;
	u32 types_bytes;	/* of its sources */
	u32 filters_bytes;	/* of its sinks */
	u32 losses_said;	/* node.losses, when the source's node heard of all of them */
	u64 mirrored;		/* bytes */
	struct ke_clock clock;
	struct list_head presences;
	struct list_head rstreams;
	struct ke_rstream *last;
};

struct ke_peer *ke_peer_find(struct ke_node *n, const struct ke_id *id);
/* The connection failed; @nobody: it was refused. On this host nobody listening there means
 * that the process has died; elsewhere a firewall may say the same. */
void ke_peer_refused(struct ke_peer *p, bool nobody);
/* Its process has died. */
void ke_peer_dead(struct ke_peer *p);
/* What it says can't be understood: its members have failed, and it is not dialled. It
 * stays known for KE_NODE_FORGET_MS, so that this can be told. */
void ke_peer_refuse(struct ke_peer *p, enum ke_refusal why);

/* All of our sinks have read to @pos: credit and acknowledgement. */
void ke_rstream_release(struct ke_rstream *rs, u64 pos);
bool ke_rstream_ack_due(const struct ke_rstream *rs);

/* For link.c. An error: hang up. */
struct ke_peer *ke_peer_hello(struct ke_link *l, const struct ke_contact *c,
			      const struct ke_versions *speaks, const char *name);
void ke_peer_link_lost(struct ke_peer *p);
int ke_node_frame(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_in *in);
int ke_stream_frame(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_in *in);
struct ke_rstream *ke_peer_rstream(struct ke_peer *p, u32 log);
/* What is in the mirror is acknowledged, read or not, in steps: is one due, as something came?
 * Then all that are. */
void ke_rstream_came(struct ke_link *l, struct ke_rstream *rs);
void ke_peer_ack(struct ke_peer *p);
void ke_rstream_add(struct ke_rstream *rs, struct ke_remote *m);
struct ke_presence *ke_presence_make(struct ke_peer *p, struct ke_channel *ch);
void ke_presence_drop(struct ke_presence *pr, enum ke_remote_state state);
void ke_presence_say(struct ke_presence *pr);
void ke_presence_say_all(struct ke_presence *pr);
/* -ENOSPC, -ENOMEM as pointers. */
struct ke_remote *ke_remote_make(struct ke_presence *pr, u64 id);
struct ke_remote *ke_remote_find(struct ke_presence *pr, u64 id);
void ke_remote_drop(struct ke_remote *m, enum ke_remote_state state);
struct ke_peer *ke_peer_make(struct ke_node *n, const struct ke_contact *c);
void ke_peer_dial(struct ke_peer *p);
void ke_peer_ask(struct ke_peer *p, u64 now);
void ke_peer_vouched(struct ke_peer *p, const struct ke_contact *c);
void ke_link_say_node(struct ke_link *l);
void ke_presence_say_channel(struct ke_presence *pr);
struct ke_presence *ke_presence_by_index(const struct ke_peer *p, u32 index);
void ke_peer_forget(struct ke_peer *p, enum ke_remote_state state);
void ke_remote_tell(struct ke_remote *m, enum ke_remote_state state);
void ke_peer_drop_streams(struct ke_peer *p);
/* The same of one that counts as dead, though its process may be alive. */
void ke_peer_fail_streams(struct ke_peer *p);
void ke_peer_stale_streams(struct ke_peer *p);
void ke_peer_hold_gates(struct ke_peer *p);
int ke_remote_subscribe(struct ke_remote *m, u8 from);
/* Its source has left or failed; the end is told once. */
void ke_rstream_stop(struct ke_rstream *rs);
void ke_rstream_drop(struct ke_rstream *rs);
/* Until its next START its source can't be heard. */
void ke_rstream_cut(struct ke_rstream *rs);
void ke_peer_say_lost(struct ke_peer *p);

/* It has failed, as we have seen: what is asked of all nodes is not asked of it. Who could
 * never be reached may well be there for the others. */
static inline bool ke_presence_failed(const struct ke_presence *pr)
{
	return pr->peer->failed && pr->known;
}

static inline bool ke_peer_knows(const struct ke_peer *p, u8 type)
{
	return ke_knows(p->knows, type);
}

void ke_presence_say_freeze(struct ke_presence *pr);
void ke_presence_thaw(struct ke_presence *pr);
void ke_presence_say_destroy(struct ke_presence *pr);

enum ke_subscribe_from { KE_FROM_NOW, KE_FROM_START, KE_FROM_RETAINED, KE_FROM_POS };

#endif
