/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The node: its channels and members, the other nodes of those channels, and the
 * streams of logs between them.
 *
 *	ke_node ── ke_channel ── ke_member, ke_source      what is ours
 *	   │           │
 *	   │       ke_presence ── ke_remote ── ke_rstream   what another node has there
 *	   │           │
 *	   └────── ke_peer ── ke_link ── ke_tstream         the other node
 *
 * Each node says itself what members it has, over its own link; nobody repeats it
 * for others. What nodes tell of each other is only who is in a channel and where
 * they are reached, so there is nothing that could disagree.
 *
 * Control calls and ke_link_rx*() are serialised by the house; ke_link_tx*() by
 * the link's tx lock, a source's log by the source's lock. Order: control, source,
 * tx.
 */
#ifndef KE_NODE_H
#define KE_NODE_H

#include "announce.h"
#include "attr.h"
#include "filters.h"
#include "id.h"
#include "reader.h"
#include "wire.h"

struct ke_node;
struct ke_channel;
struct ke_gate;
struct ke_link;
struct ke_peer;
struct ke_remote;
struct ke_rstream;
struct ke_source;
struct ke_tstream;

/* The optional frames that we know, as HELLO says it: bit i is frame KECHO_FRAME_OPTIONAL + i. */
#define KE_KNOWS	(1u << (KECHO_FRAME_TYPE - KECHO_FRAME_OPTIONAL))

static inline bool ke_knows(u32 knows, u8 type)
{
	u32 bit = type - KECHO_FRAME_OPTIONAL;

	return bit < 32 && knows >> bit & 1;
}

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

/* What the house does for its node. All but the locks and the time run in control
 * calls. */
struct ke_house {
	u64 (*now_ms)(void *house);
	u64 (*random)(void *house);
	/* Connect to peer->contact; later ke_link_open() or ke_peer_refused(). */
	void (*dial)(void *house, struct ke_peer *peer);
	/* Call ke_link_tx() soon. */
	void (*kick)(struct ke_link *link);
	/* The connection is to end; the house frees the link when nobody uses it. */
	void (*hangup)(struct ke_link *link);
	void (*tx_lock)(struct ke_link *link);
	void (*tx_unlock)(struct ke_link *link);
	void (*source_lock)(struct ke_source *s);
	void (*source_unlock)(struct ke_source *s);
	/* Memory for a mirror, or (local) the shared log itself: rs->view, and for a
	 * mirror the memory that ke_log_init() gets. -ECANCELED: there is none, and who was
	 * to read it has been told; nothing comes, and the link goes on. -ENOMEM. */
	int (*attach)(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring);
	void (*detach)(struct ke_rstream *rs);
	/* The number of the gate that the source's node shall watch, on this host. */
	u32 (*gate_slot)(struct ke_rstream *rs);
	/* The gate behind such a number; NULL: there is none. */
	const u64 *(*gate)(struct ke_link *link, u32 slot);
	/* Other hosts begin to read this log, now or from an enum ke_subscribe_from on, and
	 * no more. For a house that keeps s->log only meanwhile; else NULL. -errno: the
	 * source has failed for them. */
	int (*open_log)(struct ke_source *s, u8 from);
	void (*close_log)(struct ke_source *s);
	/* Give this host's node what it needs to read the log, the channel. */
	void (*share_log)(struct ke_link *link, struct ke_source *s);
	void (*share_channel)(struct ke_link *link, struct ke_channel *ch);
	void (*shared)(struct ke_link *link, struct ke_channel *ch, struct ke_in *in);
	/* A member has joined, left, failed, changed. */
	void (*member)(struct ke_remote *m);
	/* Live attributes are others now: of our node or @p; of a member, ours or another's,
	 * or with neither of @ch. May be NULL. */
	void (*live_node)(struct ke_node *n, const struct ke_peer *p);
	void (*live)(struct ke_channel *ch, const struct ke_member *own,
		     const struct ke_remote *remote);
	/* A source has a type more. May be NULL. */
	void (*announced)(struct ke_remote *m, u32 index);
	/* Readers that wait for it start at @pos, after @seq; those that block only if
	 * ke_rstream_gate_stands(), else at a later one. */
	void (*started)(struct ke_rstream *rs, u64 pos, u64 seq);
	void (*published)(struct ke_rstream *rs);
	/*
	 * How the filter of @sink, ours, is judged in a log: of @remote, or of our own source
	 * @own. True: whoever reads that for it knows by now; false: ke_member_took() will say
	 * so. May be NULL.
	 */
	bool (*judged)(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
		       const struct ke_verdict *v);
	/* What our source judges by, or what its filters read, has changed. May be NULL. */
	void (*judges)(struct ke_source *s);
	/* Nothing comes any more, for now (failed) or ever; rs->last_seq was the last. */
	void (*ended)(struct ke_rstream *rs);
	/* Events of it that our sinks of now were told are lost, together. */
	u64 (*lost)(struct ke_rstream *rs);
	/* End our sink behind this gate: it holds the source up for too long. */
	void (*stalled_own)(struct ke_source *s, struct ke_gate *gate);
	/* Say at once where our slowest sink is, by ke_rstream_release() or the gate. With
	 * @end, first end those that have something to read, at @pos or before it. */
	void (*stalled)(struct ke_rstream *rs, u64 pos, bool end);
	/* A gate has moved or gone. */
	void (*room)(struct ke_source *s);
	/* How many of our sinks have not read what ke_drain_mark() gives, mark by mark. */
	u32 (*lagging)(struct ke_channel *ch, const struct ke_in *marks);
	/* The channel has ended for everybody: so have our sources, and the registry's name
	 * is not ours. */
	void (*destroyed)(struct ke_channel *ch);
	/* Something that a caller may wait for has happened. */
	void (*changed)(void *house);
	/* A node of the channel has gone, or knows another channel of its name: publish it
	 * again, and see whose the name is. */
	void (*repair)(struct ke_channel *ch);
	/* Counters for others. */
	void (*stats)(struct ke_link *link, struct ke_channel *ch, u64 cookie);
	void (*stats_in)(struct ke_link *link, struct ke_channel *ch, struct ke_peer *peer,
			 struct ke_in *in);
	void (*pong)(struct ke_link *link, u64 sent_ns);
};

struct ke_node {
	const struct ke_house *house;
	void *owner;
	struct ke_contact self;
	struct ke_versions speaks;
	u32 knows;		/* see KE_KNOWS */
	char name[KE_LINK_NAME_MAX + 1];
	struct ke_attrs attrs;
	u64 attrs_change;	/* see live.c: of the last one of @attrs */
	u64 change;		/* of the last one of all; other threads look */
	u64 told_ms, tell_ms;	/* changes were said; are to be: 0: there are none */
	struct list_head channels;
	struct list_head peers;
	u32 last_channel, last_log;
	u32 nchannels, npeers, nmembers;
	u32 types_bytes;	/* of our sources */
	u32 filters_bytes;	/* of our sinks */
	u32 wait_ms;		/* as ke_node_wait_ms() said last */
	u32 losses;		/* that sinks were told, in any number: the house counts */
};

struct ke_channel {
	struct list_head list;
	struct ke_node *node;
	void *owner;
	struct ke_id uuid;
	char name[KE_NAME_MAX + 1];
	u32 index;		/* in our frames */
	struct ke_id other;	/* another channel of this name, met last; 0: none ever */
	bool other_said;	/* by us, to all nodes of the channel */
	u64 freeze;		/* we hold it frozen, by this number; 0: we don't */
	struct ke_drain *drain;	/* one that is under way */
	bool ended;		/* destroyed */
	struct ke_attrs attrs;
	u64 attrs_version;	/* any of them is another since then */
	u64 attrs_change;	/* see live.c */
	struct list_head changed;	/* members, in the order of their changes */
	struct list_head members;
	struct list_head presences;
	u32 sinks, gated;	/* our sinks, those of them that block */
};

enum ke_role { KE_SOURCE = 1, KE_SINK = 2 };

struct ke_member {
	struct list_head list;
	struct ke_channel *channel;
	void *owner;
	u64 id;
	u8 role, policy;
	bool failed;		/* it has not left, it is lost */
	struct ke_attrs attrs;
	u64 attrs_change;	/* see live.c */
	struct list_head changed;	/* of the channel */
	struct ke_types *types;	/* NULL: none */
	struct ke_source *source;
	struct ke_sieve *sieve;	/* a sink's filter; NULL: none */
	u32 filter_version;	/* 0: it never had one */
};

/* How far a gate has come that holds its source up: see stall.c. */
enum ke_stall_step { KE_STALL_NONE, KE_STALL_SEEN, KE_STALL_ASKED, KE_STALL_AGAIN,
		     KE_STALL_TOLD };

/* A reader that the source must not overrun. */
struct ke_gate {
	struct list_head list;
	const u64 *pos;		/* written by the reader, not trusted */
	u64 seen;
	struct ke_tstream *stream;	/* NULL: of a sink of our own */
	enum ke_stall_step step;
	u64 since_ms, step_ms;	/* in the way, at this step */
	u64 at, credit, end;	/* the gate, its credit and the log's end, since then */
};

struct ke_source {
	struct ke_member member;
	struct ke_log log;
	u32 id;
	u64 retain;
	bool closed;
	bool frozen;		/* publishes nothing new; under its lock, like the next */
	bool in_pieces;		/* an event is going in piece by piece */
	u32 nremote;		/* streams to other hosts */
	u64 lost;		/* events, by sinks of other nodes, together, as those said */
	u32 stall_ms;		/* so long a gate may hold it up; 0: for ever */
	u64 stalls;		/* that were ended for it; under its lock, like all below */
	u64 taken;		/* gates of nodes of this host that were taken away */
	u64 limit;
	struct ke_judge *judge;	/* NULL: there never was a filter */
	struct ke_choice *choice;	/* NULL: all that it submits is for all sinks */
	bool decides;		/* there is one of these two */
	u32 generation;		/* the judge's first is above it */
	u32 judge_seen;		/* the judge's changes that the house knows */
	bool judged_later;	/* by another process: see ke_source_judges() */
	u32 judges;		/* it judges by what is in force up to this generation */
	struct list_head gates;
	struct list_head streams;
	struct ke_seats seats;	/* if there is a judge; control's */
};

/* A stream that went on after its source had given it up: the next ACK tells from where
 * on to count. */
#define KE_LOST_UNKNOWN U64_MAX

/* Our side of a log that another node reads. */
struct ke_tstream {
	struct list_head source_list;
	struct list_head link_list;
	struct ke_source *source;
	struct ke_peer *peer;
	struct ke_view view;
	bool gated, local, ended;
	bool stale;		/* not asked for since the link broke */
	bool goes_on;		/* its reader had it already when we first heard of it */
	u8 types_told;		/* of the source: types up to this index; on one host only */
	bool wants_all;		/* nothing is passed over; else see pass.c */
	bool names;		/* its source names sinks, see pass.c */
	bool wanted;		/* the last event there was, whose further pieces so are, too */
	u64 wants;		/* events with one of these bits; of other hosts only */
	u32 wants_from;		/* and all of older generations */
	struct ke_names *sinks;	/* there; NULL: not known. Of other hosts only */
	u64 passed, judged;	/* from sent on: nobody there wants it, then: they do */
	u64 pass_before, pass_seq;	/* the event before what is passed over, and its last */
	u64 due;		/* somebody waits until it is known there to be here */
	u64 sent;
	u64 acked;
	u64 credit;
	u64 lost;		/* as the last ACK said; KE_LOST_UNKNOWN */
	struct ke_link *link;	/* where it flows now; for submitters: under the source's lock */
	u64 pin;		/* a send reads the log from here on, in place */
	struct ke_gate gate;
};

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
	bool resumes;	/* START will follow a break */
	u64 skip;	/* goes on here once what the mirror is full of was read; 0: no */
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
	bool fresh;		/* it joined when we were there already */
	bool stale;		/* not heard of since the link broke */
	bool retained;		/* wanted by a sink that came then */
	enum ke_remote_state state;
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
	struct list_head presences;
	struct list_head rstreams;
	struct ke_rstream *last;
};

void ke_node_init(struct ke_node *n, const struct ke_house *house, void *owner,
		  const struct ke_contact *self, const char *name);
void ke_node_fini(struct ke_node *n);
/* Heartbeats, redials, deaths, changed attributes: call it every KE_HEARTBEAT_MS while there are
 * peers on other hosts, and at once after ke_peer_refused(). */
void ke_node_tick(struct ke_node *n);
/* In how many milliseconds; 0: not at all. */
u32 ke_node_wait_ms(struct ke_node *n);
/* The answer has changed, to sooner: whoever sleeps for a tick must ask again. */
bool ke_node_sooner(struct ke_node *n);

/* -ENOSPC: KE_CHANNELS_MAX; @ch is as it was. */
int ke_channel_open(struct ke_channel *ch, struct ke_node *n, const struct ke_id *uuid,
		    const char *name);
void ke_channel_close(struct ke_channel *ch);
/* Another node that is in the channel, from the registry. -ENOMEM; -ENOSPC: KE_NODES_MAX. */
int ke_channel_contact(struct ke_channel *ch, const struct ke_contact *c);
/*
 * The registry gives the name to the channel @uuid: all nodes of ours are told. Both go
 * on, each by itself; the house tells its users.
 */
void ke_channel_other(struct ke_channel *ch, const struct ke_id *uuid);
/* Have we heard so, or met a node that has @uuid open under this name? */
static inline bool ke_channel_has_other(const struct ke_channel *ch)
{
	static const struct ke_id none;

	return ke_id_cmp(&ch->other, &none);
}
/* The node has this channel open too, and we are linked to it. */
bool ke_channel_linked(const struct ke_channel *ch, const struct ke_id *node);
/* All that answers knows of us, and of our newest member. */
bool ke_channel_synced(const struct ke_channel *ch);
bool ke_channel_acked(const struct ke_channel *ch);
/* A sink is new (or gone): read all logs of the channel. */
int ke_channel_subscribe(struct ke_channel *ch, bool retained);
void ke_channel_unsubscribe(struct ke_channel *ch);
bool ke_channel_started(const struct ke_channel *ch);

/*
 * Live attributes, see live.c; ke_attrs_set() has the errors.
 * ke_node_tell - says what is due; call it with each tick, and when ke_node_wait_ms() is over.
 * ke_link_untold - something goes out on this link, and changes could go along: call
 * ke_link_tell(), which is a control call.
 */
int ke_node_set(struct ke_node *n, const char *name, const struct ke_value *v);
int ke_channel_set(struct ke_channel *ch, const char *name, const struct ke_value *v);
int ke_member_set(struct ke_member *m, const char *name, const struct ke_value *v);
void ke_node_tell(struct ke_node *n);

/*
 * Freezing. ke_channel_freeze() holds the channel; who still has to confirm that its
 * sources stand still, ours included, ke_channel_unfrozen() counts. Nothing ends this but
 * ke_channel_thaw() or that this node goes.
 * ke_channel_settle - a source of ours that is frozen has finished something.
 */
void ke_channel_freeze(struct ke_channel *ch);
void ke_channel_thaw(struct ke_channel *ch);
u32 ke_channel_unfrozen(struct ke_channel *ch);
void ke_channel_settle(struct ke_channel *ch);

/*
 * Draining: until all sinks of the channel have read what was published when it began.
 * ke_drain_begin - -EBUSY: one is under way; -ENOMEM; -ENOSPC: over KE_DRAIN_SOURCES_MAX.
 * ke_drain_step - call it often; 1: done; 0; -ENOSPC. @lag: sinks that lag, @silent: nodes
 * that have yet to answer.
 */
struct ke_drain_mark {
	u64 member, pos;
};
int ke_drain_begin(struct ke_channel *ch);
int ke_drain_step(struct ke_channel *ch, u32 *lag, u32 *silent);
void ke_drain_end(struct ke_channel *ch);
/* The next mark of what house->lagging() got; false: that was all. */
bool ke_drain_mark(struct ke_in *marks, struct ke_drain_mark *m);

/*
 * Destroying: the channel ends for everybody, also for those that hear of it later.
 * ke_channel_undestroyed - how many nodes have yet to say that they know.
 */
void ke_channel_destroy(struct ke_channel *ch);
u32 ke_channel_undestroyed(const struct ke_channel *ch);

/*
 * Going on as a node that has died, see adopt.c: the same contact is given to ke_node_init(),
 * the same ids to channels, members and sources, and its mirrors to ke_channel_adopt(),
 * before there are links. Who gave up is not told: members are what is joined by then.
 * ke_channel_adopt - a mirror as it was left, whose memory goes back by house->detach();
 * set its owner. NULL: no memory, or it is none.
 */
struct ke_kept {
	struct ke_contact contact;	/* the source's node */
	char name[KE_LINK_NAME_MAX + 1];
	u64 id;			/* the source */
	u32 log;
	u64 log_size;
	u64 lost;		/* rstream->lost, as it was said last */
	struct kecho_log_header *hdr;
	void *ring;
};
struct ke_rstream *ke_channel_adopt(struct ke_channel *ch, const struct ke_kept *kept);

/* A member without an id gets one; one that the house has chosen must be random.
 * -ENOSPC: KE_MEMBERS_MAX; nobody hears of @m, which may leave all the same. */
int ke_member_join(struct ke_member *m, struct ke_channel *ch);
void ke_member_leave(struct ke_member *m);

void ke_source_init(struct ke_source *s, struct ke_node *n);
/* Gates; under the source's lock. */
void ke_source_gate(struct ke_source *s, struct ke_gate *g, const u64 *pos);
void ke_source_ungate(struct ke_source *s, struct ke_gate *g);
/* How far the log may grow now; recomputed if less than @want. */
u64 ke_source_limit(struct ke_source *s, u64 want);
/*
 * A record of @size bytes does not fit, and somebody wants to submit it: true if a gate
 * has held the source up for so long that ke_source_end_stalled() has something to do,
 * which is a control call and made without the source's lock.
 */
bool ke_source_stalled(struct ke_source *s, u64 size);
void ke_source_end_stalled(struct ke_source *s);
/* Make room for @size bytes more; false: a send reads there right now. */
bool ke_source_unpinned(struct ke_source *s, u64 size);
/* No event comes any more: say so behind the last one. */
void ke_source_end(struct ke_source *s);
/* The body of that END, in @buf; gives its length. */
#define KE_END_BODY_MAX 9
u32 ke_source_end_body(const struct ke_source *s, u8 *buf);
/* What was passed over up to @pos is not put off any more: somebody waits for it. */
void ke_source_due(struct ke_source *s, u64 pos);
/* Is all before @pos in the mirrors of the other hosts that we are linked to? Else they
 * are asked. */
bool ke_source_arrived(struct ke_source *s, u64 pos);
/* Every remote sink has it all. */
bool ke_source_drained(struct ke_source *s);
void ke_source_fini(struct ke_source *s);

/* All of our sinks have read to @pos: credit and acknowledgement. */
void ke_rstream_release(struct ke_rstream *rs, u64 pos);

struct ke_peer *ke_peer_find(struct ke_node *n, const struct ke_id *id);
/* The connection failed; @nobody: it was refused. On this host nobody listening there means
 * that the process has died; elsewhere a firewall may say the same. */
void ke_peer_refused(struct ke_peer *p, bool nobody);
/* Its process has died. */
void ke_peer_dead(struct ke_peer *p);
/* What it says can't be understood: its members have failed, and it is not dialled. It
 * stays known for KE_NODE_FORGET_MS, so that this can be told. */
void ke_peer_refuse(struct ke_peer *p, enum ke_refusal why);

/* For link.c. An error: hang up. */
struct ke_peer *ke_peer_hello(struct ke_link *l, const struct ke_contact *c,
			      const struct ke_versions *speaks, const char *name);
void ke_peer_link_lost(struct ke_peer *p);
int ke_node_frame(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_in *in);
int ke_stream_frame(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_in *in);
struct ke_rstream *ke_peer_rstream(struct ke_peer *p, u32 log);
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
/* Of a stream on this host; under the source's lock. */
void ke_tstream_take_gate(struct ke_tstream *ts);
void ke_peer_stale_streams(struct ke_peer *p);
/* The peer has answered the MEMBER of @id; or is not in the channel any more. */
void ke_channel_unwanted(struct ke_channel *ch, const struct ke_peer *p, u64 id);
void ke_channel_drop_streams(struct ke_channel *ch, const struct ke_peer *p);
void ke_peer_hold_gates(struct ke_peer *p);
int ke_remote_subscribe(struct ke_remote *m, u8 from);
/* Its source has left or failed; the end is told once. */
void ke_rstream_stop(struct ke_rstream *rs);
void ke_rstream_drop(struct ke_rstream *rs);
/* What our sinks lost: look, before and after their number falls; tell the source's node. */
void ke_channel_count_lost(struct ke_channel *ch);
void ke_peer_say_lost(struct ke_peer *p);
void ke_channel_say_lost(struct ke_channel *ch);

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
bool ke_channel_frozen(const struct ke_channel *ch);
void ke_presence_say_destroy(struct ke_presence *pr);

enum ke_subscribe_from { KE_FROM_NOW, KE_FROM_START, KE_FROM_RETAINED, KE_FROM_POS };

#endif
