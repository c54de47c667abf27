/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * What a process and the node of its host say to each other: messages on kechod's
 * Unix socket (SOCK_SEQPACKET), and the same messages on /dev/kecho, see kecho_dev.h.
 *
 * A request is a struct kecho_msg and the struct that its command names; the answer
 * has the same command and serial, a result (0 or -errno) and the same struct with
 * what the node filled in. An answer with an error has a sentence instead, without a
 * 0 at its end: which thing, and why; it may be empty. The node answers when the thing
 * is done, so answers may come in another order than requests; KECHO_REQUESTS_MAX may
 * wait for theirs, more are not read. What the node says by itself has the serial 0 and
 * a command of KECHO_NOTE_*; a process that does not read is cut off when
 * KECHO_NOTES_MAX messages wait for it, and so is one that sends what is no request.
 * Descriptors come as SCM_RIGHTS with the message.
 *
 * Memory. Each page has one user who may write it:
 *	a source's log		written by its process, mapped before the node seals it;
 *				all others have it read-only
 *	a mirror, the limits,	written by the node; read-only for processes
 *	a channel's attributes
 *	the gates		written by the process, read by the node only
 * A doorbell is of one channel, one user who rings and one who sleeps; both may write
 * it, and nothing but the wake-ups from the one to the other depends on it.
 * The node believes no number that a process wrote: positions are clamped to what was
 * published and never go back.
 *
 * Numbers are little-endian, like all that kecho shares; names end in 0. Live attributes are
 * as in docs/protocol.md: with their ages.
 *
 * Changelog
 *   1  all of it
 *      rings in the gates, rung in the limits
 *      ANNOUNCE, TYPE, NOTE_TYPE
 *      ages of attributes; LIVE
 *      filters: SINK_FILTER, JUDGED, JUDGE and what goes before it; judged in the gates,
 *      generation of a source that comes again
 *      expired: in the gates, the limits, stats and NOTE_FEED
 *      here and there in the limits, NODE of a doorbell, MOVE_ON
 *      classes of sources
 *      signs of life that are promised
 *      ADDRESS, names of a source that comes again; the head of LIVE, roles in its slots
 *      /dev/kecho; doorbells of the kernel's
 *      boost_us of a sink
 */
#ifndef _UAPI_KECHO_NODE_H
#define _UAPI_KECHO_NODE_H

#include <linux/ioctl.h>

#include "kecho.h"

#define KECHO_NODE_ABI		1
#define KECHO_NODE_SOCKET	"/run/kecho/kechod.sock"
#define KECHO_MSG_MAX		65536	/* bytes of a message, whole */
#define KECHO_REQUESTS_MAX	64	/* of one process, without an answer yet */
#define KECHO_NOTES_MAX		4096	/* messages that wait for one process */
#define KECHO_SLOT_SIZE		64	/* of the gates, */
#define KECHO_LIMIT_SIZE	128	/* and of the limits */
#define KECHO_RINGS_MAX		2	/* doorbells of other users that a source rings at once */

enum kecho_cmd {
	KECHO_CMD_ATTACH = 1,
	KECHO_CMD_CHANNEL_OPEN,
	KECHO_CMD_CHANNEL_CLOSE,
	KECHO_CMD_SOURCE_OPEN,
	KECHO_CMD_SOURCE_READY,
	KECHO_CMD_SOURCE_CLOSE,
	KECHO_CMD_SINK_OPEN,
	KECHO_CMD_SINK_CLOSE,
	KECHO_CMD_SET,
	KECHO_CMD_GET,
	KECHO_CMD_MEMBERS,
	KECHO_CMD_WATCH,
	KECHO_CMD_STATS,
	KECHO_CMD_LINKS,
	KECHO_CMD_PING,
	KECHO_CMD_CHANNELS,
	KECHO_CMD_STATUS,
	KECHO_CMD_FREEZE,
	KECHO_CMD_THAW,
	KECHO_CMD_DRAIN,
	KECHO_CMD_DESTROY,
	KECHO_CMD_OTHER,
	KECHO_CMD_STILL,
	KECHO_CMD_ANNOUNCE,
	KECHO_CMD_TYPE,
	KECHO_CMD_LIVE,
	KECHO_CMD_SINK_FILTER,
	KECHO_CMD_ADDRESS,

	KECHO_NOTE_FEED = 64,	/* a sink reads a log from here on */
	KECHO_NOTE_FEED_END,
	KECHO_NOTE_DOORBELL,
	KECHO_NOTE_MEMBER,
	KECHO_NOTE_SOURCE_END,	/* the node has ended this source */
	KECHO_NOTE_SINK_END,	/* the node has ended this sink */
	/* Both of a struct kecho_ctl_still. */
	KECHO_NOTE_FROZEN,	/* its sources are to stand still, or go on */
	KECHO_NOTE_CHANNEL_END,	/* it was destroyed */

	KECHO_NOTE_TYPE,	/* a type of a feed's source */
	KECHO_NOTE_JUDGED,	/* a source judges by a sink's filter */
	/* What a source is to judge by: the last puts in force what the others said. */
	KECHO_NOTE_JUDGE_FILTER,
	KECHO_NOTE_JUDGE_SLOTS,
	KECHO_NOTE_JUDGE,
	KECHO_NOTE_MOVE_ON,	/* a source waits for a sink */
};

struct kecho_msg {
	__le32 cmd;
	__le32 serial;		/* the process's; 0: a note */
	__le32 result;		/* 0 or -errno; in a request 0 */
	__le32 len;		/* bytes that follow */
};

/*
 * The first request. Answer: descriptors of the gates (read and write), the limits
 * (read-only), and an eventfd which rings the node.
 */
struct kecho_attach {
	__le32 abi;		/* in: newest known; out: the one that is spoken */
	__le32 slots;		/* out: of the gates, and of the limits */
	__u8 node[16];		/* out: the node's id */
	char name[64];		/* out: the node's name */
	__le32 number;		/* out: the process's, by which it sleeps: KECHO_WAIT_NUMBER() */
	__le32 pad;
};

/* A slot of the gates. Of a feed: @pos, @given, @lost and @judged; of a sink: its events, their
 * bytes, what it lost and what had expired, of all feeds; of a source: @events and @bytes that it
 * submitted, @rings and @judged. */
struct kecho_gate_slot {
	__le64 pos;		/* read up to here */
	__le64 events, bytes;
	__le64 lost;		/* events */
	__le64 given;		/* all before this was given out, and may still be looked at */
	__le64 rings;		/* times that it left it to the node to ring others */
	__le64 judged;		/* the @number of the last JUDGED or JUDGE that it goes by */
	__le64 expired;		/* events */
};

/*
 * What is wanted of the events that a source judges: those with one of @bits, and of generations
 * before @from any, as of what isn't judged. While @all is set all are; it is set while the others
 * change.
 */
#define KECHO_SLOT_WHO	16

struct kecho_slot_wants {
	__le64 bits;
	__le32 from;
	__le32 all;
};

/*
 * A slot of the limits: how far one source's log may grow, and whom it need not wake. Those of
 * whom nobody wants what was published since are left asleep, until the log has grown by half.
 */
struct kecho_limit_slot {
	__le64 limit;		/* loaded for every record, never remembered; ~0: none */
	__u32 bell;		/* a futex: has changed when the limit has */
	__le32 stalls;		/* times that a sink was ended as it held the source up */
	__le64 rung;		/* the `rings` for which the node looks, or has, who sleeps */
	__le64 expired;		/* events that were not sent as they had expired, to each host */
	struct kecho_slot_wants here;	/* by the sinks of processes of this host */
	struct kecho_slot_wants there;	/* by those of other hosts */
	/* Who wants it here: of those whose sinks' bit is @i modulo KECHO_SLOT_WHO their numbers,
	 * as a doorbell's waiters. As @here says of @all and of generations before @from: all. */
	__le32 who[KECHO_SLOT_WHO];
};

struct kecho_ctl_channel_open {
	__le32 flags;		/* enum kecho_channel_flags */
	__le32 timeout_ms;
	__le32 mode;		/* of a channel that is new, as of chmod; 0: 0666 */
	__le32 channel;		/* out: its handle */
	__u8 uuid[16];		/* out */
	char name[128];
};

struct kecho_ctl_channel {	/* CHANNEL_CLOSE; WATCH: @on */
	__le32 channel;
	__le32 on;
};

/* FREEZE, THAW, DRAIN, DESTROY: as the calls of these names; the answer comes when it is
 * done, or -ETIMEDOUT. */
struct kecho_ctl_channel_wait {
	__le32 channel;
	__le32 timeout_ms;	/* ~0: for ever */
};

/* OTHER: does another channel have its name? */
struct kecho_ctl_other {
	__le32 channel;
	__le32 other;		/* out: enum kecho_other */
	__u8 uuid[16];		/* out */
};

/*
 * NOTE_FROZEN: the process's sources in the channel are to begin nothing, or (@number is
 * 0) may go on; it comes also for a source that is new, before it is READY. When nothing
 * is under way in any of them the process says STILL, and the limits then hold them.
 *
 * NOTE_CHANNEL_END: it was destroyed, its members have left, and the process's sources
 * there begin nothing ever. It says STILL when what they had begun is there, or void, and
 * the ends of their feeds are noted then; or after some time without.
 *
 * STILL, with the number of the note that it answers: an answer to an older one is none.
 */
struct kecho_ctl_still {
	__le32 channel;
	__le32 number;
};

/*
 * Answer: descriptor of the log, to be mapped for writing, once. A process whose node is
 * another now asks @again, with the descriptor of the log that it has, sealed as it is; then
 * none comes. It is the same member if the node knows that it was this process's.
 */
struct kecho_ctl_source_open {
	__le32 channel;
	__le32 source;		/* out: its handle */
	__le64 log_size;
	__le32 retain;
	__le32 slot;		/* out: of the limits */
	__le64 member;		/* in: @again, its id until now; out: its id */
	__le64 limit;		/* in: @again, its limit until now */
	__le32 stall_ms;	/* 0: the default; ~0: never */
	__le32 attrs_len;	/* bytes of live attributes that follow; 0: none */
	__le32 gate;		/* out: its slot of the gates, for its counters */
	__le32 again;
	__le32 generation;	/* in: @again, of its newest judge; 0: it had none */
	__le32 names;		/* in: @again, its records may name sinks */
	__le32 traffic_class;	/* enum kecho_class */
	__le32 alive_ms;	/* it gives a sign of life so often; 0: it promises none */
};

/*
 * ANNOUNCE: an encoded type (kecho_type.h) follows; the answer comes when all who read the
 * source know it. One that is there @again announces all, as they were, before it is READY.
 */
struct kecho_ctl_announce {
	__le32 source;
	__le32 number;		/* out */
	__le32 type_len;	/* bytes of the type */
	__le32 pad;
};

/* TYPE: @type_len bytes of it follow the answer. */
struct kecho_ctl_type {
	__le32 channel;
	__le32 number;
	__le64 member;
	__le32 type_len;	/* out */
	__le32 pad;
};

/* SOURCE_READY: the log is mapped; the source joins, and the answer comes when every
 * sink will see its first event. SOURCE_CLOSE: nothing is published any more; the answer
 * comes when all of it is where remote sinks are, or after @linger_ms. ADDRESS: from here on its
 * records may name the sinks that they are for; what is for none of a host does not go there. */
struct kecho_ctl_source {
	__le32 source;
	__le32 linger_ms;
};

/* Where a sink begins in logs that are there when it comes. REJOIN: it was there before
 * the node; in a log that it has mapped it goes on where it was, whatever the note says. */
enum kecho_from { KECHO_FROM_NOW, KECHO_FROM_RETAINED, KECHO_FROM_REJOIN };

/* The answer comes when every source that is there sends to it; its feeds before. */
struct kecho_ctl_sink_open {
	__le32 channel;
	__le32 sink;		/* out: its handle */
	__le32 policy;		/* enum kecho_policy */
	__le32 retained;	/* enum kecho_from */
	__le64 member;		/* in: REJOIN, its id until now; out: its id */
	__le32 attrs_len;	/* as a source's */
	__le32 gate;		/* out: its slot of the gates, for its counters */
	__le32 slot;		/* out: of the limits: 0 there before a log goes on without it */
	__le32 boost_us;	/* in: of who waits for it at /dev/kecho; others have 0 */
};

struct kecho_ctl_sink {
	__le32 sink;
	__le32 pad;
};

/*
 * LIVE, of a struct kecho_ctl_channel. Answer: a descriptor, read-only, of KECHO_LIVE_SIZE
 * bytes, in which the node shows who is in the channel, with the live attributes of the channel
 * and its members, so that reading one is no request, nor is to see that nothing has changed.
 * A head comes first, then KECHO_LIVE_INDEX entries. A member's is one of
 * KECHO_LIVE_PROBES from number @member modulo KECHO_LIVE_INDEX on, around the end; it names
 * one of the KECHO_LIVE_SLOTS slots behind them. Slot 0 is the channel's.
 *
 * Not all are there: who comes when there is no room is asked about, and so is who has more
 * attributes than fit.
 * The same if a slot is another's by now, or does not keep still: copy it, and see that
 * @version was even before and is the same after.
 */
struct kecho_live_head {
	__le64 changes;		/* goes up behind each change of all the others */
	__le32 slots;		/* those behind have never been anybody's */
	__le32 whole;		/* 0: who was there before the node may be missing yet */
	__u8 pad[48];
};

struct kecho_live_entry {
	__le64 member;		/* 0: none */
	__le32 slot;
	__le32 pad;
};

struct kecho_live_slot {
	__le32 version;		/* odd: it is being written */
	__le16 own, node;	/* bytes of the member's set, and of its node's behind it */
	__le64 member;		/* whose it is; the channel's, or nobody's: 0 */
	__le16 len;		/* of @data */
	__u8 role;		/* enum kecho_role; the channel's, or nobody's: 0 */
	__u8 more;		/* than fits: the sets are not here */
	__u8 pad[4];
	/* The sets; then, from a multiple of 8 on, when each of their attributes was set: __le64
	 * milliseconds of CLOCK_MONOTONIC, perhaps before its beginning. */
	__u8 data[2024];
};

#define KECHO_LIVE_INDEX	8192
#define KECHO_LIVE_PROBES	64
#define KECHO_LIVE_SLOTS	4096
#define KECHO_LIVE_INDEX_AT	64
#define KECHO_LIVE_SLOTS_AT	(KECHO_LIVE_INDEX_AT + KECHO_LIVE_INDEX * 16)
#define KECHO_LIVE_SIZE		(KECHO_LIVE_SLOTS_AT + KECHO_LIVE_SLOTS * 2048)

/*
 * SINK_FILTER: the sink gets what this filter says yes to; its sources are to judge by it. What
 * they have not judged, or not yet, the process judges itself, by the filter that it has then.
 * The filter and the type of events that have none follow. The answer comes when all sources
 * judge by it, or after @timeout_ms. -EBUSY: one before it has no answer yet. An error: it is as
 * it was.
 */
struct kecho_ctl_sink_filter {
	__le32 sink;
	__le32 version;		/* of the filter, from 1: one that is not newer is known already */
	__le32 timeout_ms;
	__le32 len;		/* bytes of both; 0: the sink has no filter */
	__le32 type_len;	/* of them, those of the type; 0: plain bytes have no fields */
	__le32 pad;
};

enum kecho_what { KECHO_OF_NODE = 1, KECHO_OF_CHANNEL, KECHO_OF_MEMBER };

/* SET: one encoded attribute set with one entry follows. GET: @name; the answer is
 * followed by a live one with the value. A member is of this process for SET. */
struct kecho_ctl_attr {
	__le32 what;		/* enum kecho_what */
	__le32 channel;
	__le64 member;
	__le32 attrs_len;
	__le32 pad;
	char name[128];		/* GET: "node.NAME" of a member: its node's */
};

struct kecho_ctl_member {
	__le64 id, node;
	__le32 channel;		/* of a note */
	__u8 role, policy, state, mine, remote;
	__u8 traffic_class;	/* enum kecho_class, of a source */
	__u8 pad[6];
};

/* MEMBERS, STATS, LINKS, CHANNELS: the answer is followed by @n entries; @more: ask
 * again with @from after the last. */
struct kecho_ctl_list {
	__le32 channel;
	__le32 timeout_ms;
	__le64 from;		/* 0: from the first on; else @next of the answer before */
	__le64 next;
	__le32 n, more;
	__le32 entry_size;	/* out: bytes of an entry; newer nodes may have larger ones */
	__le32 pad;
};

struct kecho_ctl_stats {
	struct kecho_ctl_member member;
	__le64 events, bytes, lost, expired, lag_bytes;
	char node_name[64];
};

struct kecho_ctl_link {
	__le64 node, rtt_ns, rx_bytes, tx_bytes, resumed;
	__le32 up;
	__le32 refused;		/* there can be no link: no version in common */
	__le32 version;		/* that is spoken; 0: none is up */
	__le32 oldest, newest;	/* that the other node speaks; 0: not known */
	__le32 error;		/* -errno of the last try to reach it, if it is not up */
	char name[64], address[64];
};

struct kecho_ctl_channel_info {
	__u8 uuid[16];
	__le32 contacts, other;
	char name[128];
};

struct kecho_ctl_ping {
	__le64 node;
	__le64 rtt_ns;		/* out */
	__le32 timeout_ms, pad;
};

/*
 * A sink has a log to read. Its descriptor (read-only) comes too, unless @again. If
 * @gated the log waits for the position in @slot: write it when all before it is read.
 * Ring the node when it passes the log's `want`, and if the source is of another host
 * (@mine is 0) in steps of half the log, too.
 */
struct kecho_note_feed {
	__le32 sink;
	__le32 feed;		/* of the sink; never reused while it is open */
	__le64 size;
	__le64 pos, seq;	/* the first record's position; the event before it */
	__le64 expired;		/* what had of those that were passed over in a row before it */
	__le64 member;		/* the source */
	__le32 slot;		/* of the gates; after FEED_END with @gone the last @pos is ~0 */
	__u8 gated;
	__u8 again;		/* a feed that had ended, not for good, goes on where it was */
	__u8 mine;		/* the source is of this host: its writer sets `want` */
	__u8 pad;
	__le32 alive_ms;	/* as its source has promised */
	__le32 pad2;
};

struct kecho_note_feed_end {
	__le32 sink, feed;
	__le64 last_seq;	/* nothing behind it is the source's, whatever the log says */
	__u8 failed;
	__u8 gone;		/* it never goes on; the source's live attributes follow, then
				   its node's, if there is memory for them */
	__u8 pad[6];
};

/* The log waits for the sink: if it has nothing of that in hand, its place is to move on over what
 * is not for it. */
struct kecho_note_move_on {
	__le32 sink, feed;
};

/* It follows. Said of all types of the source before a FEED_END with @gone: nobody could be
 * asked about them any more. */
struct kecho_note_type {
	__le32 sink, feed;
	__le32 number;
	__le32 pad;
};

/*
 * Two descriptors: memory of a struct kecho_doorbell, and what wakes those who poll: an
 * eventfd, or with TIMER a timerfd, rung by setting it to expire in a nanosecond; for
 * whoever sleeps could fill an eventfd and so block one who is not of his user. Neither
 * is ever read. Who is to ring does so once as soon as all is mapped, for what was
 * published until then. It comes once for each use, and before the feed or answer that
 * makes it needed. GONE: of the whole doorbell, without descriptors. NODE: it is the node that
 * sleeps on it, for other hosts. KERNEL: the channel's only one, see below.
 *
 * If more than KECHO_RINGS_MAX doorbells with TIMER are to be rung for one publication, the
 * source rings none of them: unless `rings` and `rung` of its slots differ (then the node has
 * yet to look) it counts `rings` up and rings the node, which rings them. All of it comes
 * behind what was published, and a full fence behind having seen who sleeps.
 */
enum kecho_doorbell_use {
	KECHO_RING = 1,
	KECHO_SLEEP = 2,
	KECHO_DOORBELL_GONE = 4,
	KECHO_DOORBELL_TIMER = 8,
	KECHO_DOORBELL_NODE = 16,
	KECHO_DOORBELL_KERNEL = 32,
};

struct kecho_note_doorbell {
	__le32 channel;
	__le32 use;		/* enum kecho_doorbell_use; both: the own user's */
	__le64 id;
};

/*
 * JUDGED: what the records of a feed say to its sink. Of several the newest whose @from is no
 * later than a record's generation counts; nothing is to be read by one that is older than
 * @since, and without any the sink judges by itself. Its process writes the note's @number to
 * `judged` of the feed's slot, and rings the node, when it goes by it: what the bit of the filter
 * before means may be another's only then.
 */
struct kecho_note_judged {
	__le32 sink, feed;
	__le32 version;		/* of the sink's filter */
	__le32 number;		/* of the feed's notes of this kind, from 1 */
	__le32 from, since;	/* generations of the source's judge */
	__u8 bit;		/* as in the frame JUDGED */
	__u8 pad[7];
};

/* The filter, and the type of events that have none, follow; each is new to its bit. */
struct kecho_note_judge_filter {
	__le32 source;
	__le32 len, type_len;
	__u8 bit;
	__u8 pad[3];
};

/* What the filter of @bit finds from here on, or when it is in force, follows: for each slot
 * that is not absent a struct kecho_judge_slot and its value: of an age the number of
 * milliseconds, by CLOCK_MONOTONIC, at which the attribute was set. */
struct kecho_note_judge_slots {
	__le32 source;
	__le32 len;		/* bytes that follow */
	__u8 bit;
	__u8 pad[7];
};

struct kecho_judge_slot {
	__u8 slot;		/* of the filter */
	__u8 kind;		/* enum ke_value_kind */
	__le16 len;		/* bytes that follow; of a number 8 */
};

/*
 * From here on the source judges by the filters of @bits, as the notes before said or as it has
 * them, and its records are of @generation. Its process writes @number to `judged` of the source's
 * slot, and rings the node, when it does; there are no such notes until then. What it says
 * yes to goes where its sinks are, and nothing but that depends on it.
 */
struct kecho_note_judge {
	__le32 source;
	__le32 generation;
	__le64 bits;		/* 0: it judges nothing */
	__le32 number;		/* of the source's notes of this kind, from 1 */
	__le32 pad;
};

/* SOURCE_END, SINK_END. A sentence follows: why; it may be empty. */
struct kecho_note_end {
	__le32 handle;
	__le32 error;		/* -errno of all further calls */
};

/* `kecho node status`: what the node has, in all and for the asking user. */
struct kecho_ctl_status {
	__le64 uptime_ms;
	__le32 pid, abi;	/* 0: the kernel */
	__le32 processes, channels, sources, sinks, nodes, links;
	__le64 memory_bytes, user_memory_bytes, user_memory_max;
	char version[32], name[64], listen[64], registry[64];
};

#include "kecho_dev.h"

#endif
