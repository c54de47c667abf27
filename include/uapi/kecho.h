/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * Layouts shared by the kernel, processes and the wire.
 *
 * Everything here is little-endian and has the same size on every machine; a
 * record lies in a log exactly as it travels, so a run of records is one iovec.
 *
 * Changelog
 *   1  records, log header, doorbell, frames, hello with a range of versions
 *      head_seq in the log header; END and MEMBER_GONE may say that a member has failed;
 *      a record and a frame's body have up to 66 KiB
 *      TYPE, and the optional frames that are known in the hello
 *      filters at the source: records say which of them match, FILTERED; FILTER, JUDGED,
 *      JUDGED_ACK, PASS
 *      records say which sinks they are for
 *      records have deadlines, log headers clock_ns, FILTERED and PASS how many had expired;
 *      PONG says what time it is
 *      signs of life: ALIVE, alive and cut in the log header
 *      PICKED
 */
#ifndef _UAPI_KECHO_H
#define _UAPI_KECHO_H

#include <linux/types.h>

/* The versions that this tree speaks; what may change within one is in docs/protocol.md. */
#define KECHO_PROTOCOL_OLDEST	1
#define KECHO_PROTOCOL_VERSION	1

/*
 * A record. It starts at a multiple of KECHO_RECORD_ALIGN, never wraps around
 * the end of its log, and is laid out as
 *
 *	struct kecho_record | sections | ids | payload | zero to seven bytes of padding
 *
 * The sections are present as @flags says, in the order of the flags' bits; ids only behind
 * struct kecho_record_to.
 */
#define KECHO_RECORD_ALIGN	8

enum kecho_record_kind {
	KECHO_RECORD_PAD = 1,	/* nothing; only the first 8 bytes are there */
	KECHO_RECORD_EVENT = 2,	/* an event, or with KECHO_RECORD_F_FRAGMENT a piece */
	KECHO_RECORD_VOID = 3,	/* a sequence number that no event ever had (an abort) */
	/* In mirrors only, a header and struct kecho_record_filtered: the events up to @seq, and
	 * from behind that whose number is in place of @time_ns. They were judged, and nobody
	 * on this host wants them, or they have expired. */
	KECHO_RECORD_FILTERED = 4,
};

enum kecho_record_flags {
	KECHO_RECORD_F_FRAGMENT = 1 << 0,	/* struct kecho_record_fragment */
	KECHO_RECORD_F_ATTRS = 1 << 1,		/* struct kecho_record_attrs */
	KECHO_RECORD_F_MATCH = 1 << 2,		/* struct kecho_record_match */
	KECHO_RECORD_F_TO = 1 << 3,		/* struct kecho_record_to */
	KECHO_RECORD_F_LIFE = 1 << 4,		/* struct kecho_record_life */
};

struct kecho_record {
	__le32 len;		/* all of the record but the final padding */
	__u8 kind;		/* enum kecho_record_kind */
	__u8 flags;		/* enum kecho_record_flags */
	__u8 data_words;	/* where the sections end, in units of 8 bytes */
	__u8 type;		/* index of the event's type at its source; 0: plain bytes */
	__le64 seq;		/* per source, from 1, without gaps */
	__le64 time_ns;		/* when it was submitted: nanoseconds since 1970 at the source */
};

struct kecho_record_fragment {
	__le32 offset;		/* of this piece in the event's payload */
	__le32 total;		/* bytes of the event's payload */
};

struct kecho_record_attrs {
	__le16 len;		/* bytes of encoded attributes that follow */
	__u8 pad[6];
};

/*
 * What the sinks' filters said, as the source has judged them: bit by bit, and which of
 * its sets of filters these bits are of. All pieces of an event say the same. Nothing but
 * struct kecho_record_to and struct kecho_record_life lies between it and where the sections
 * end.
 */
struct kecho_record_match {
	__le64 bits;
	__le32 generation;	/* 0: it was not judged after all */
	__le32 pad;
};

/*
 * The event is for some sinks only, whatever their filters say: for those whose ids lie
 * where the sections end, ascending, a __le64 each. Ids that are 0 are nobody's. All pieces
 * of an event name the same sinks.
 */
struct kecho_record_to {
	__le16 n;		/* ids; 0: it is for nobody */
	__u8 pad[6];
};

/* Of no use any more after this, and dropped where it is: nanoseconds since 1970 by the clock
 * of the source's host. All pieces of an event say the same. */
struct kecho_record_life {
	__le64 deadline_ns;
};

/* Behind the header of a FILTERED. */
struct kecho_record_filtered {
	__le64 expired;		/* so many of them would have been wanted */
};

/*
 * The first page of a log; the ring follows at KECHO_LOG_HEADER_SIZE. Written
 * by the log's one writer only. Positions are bytes since the log was made and
 * never wrap; position p lies at p & (ring size - 1).
 */
#define KECHO_LOG_MAGIC		0x3167636f6863656bULL	/* "kechocg1" */
#define KECHO_LOG_HEADER_SIZE	4096
#define KECHO_LOG_MARKS		16
#define KECHO_LOG_TAKEN		16
#define KECHO_CLOCK_UNKNOWN	(1ULL << 63)

struct kecho_log_header {
	__le64 magic;
	__le64 size;		/* of the ring; for people: the true size comes from the node */
	/* By which clock its deadlines are. 0: this host's CLOCK_REALTIME. Of a mirror, which its
	 * node writes: what the source's is ahead of this host's CLOCK_MONOTONIC; then nobody
	 * minds if this host's clock is set. KECHO_CLOCK_UNKNOWN: not known, nothing expires. */
	__le64 clock_ns;
	__u8 pad0[40];
	__le64 head;		/* end of what is published */
	__le64 seq;		/* sequence number of the last published event */
	__le64 head_seq;	/* the same, stored after head: equal to @seq it is that of head */
	/* A sign of life is that head moves, or this: its source counts. A mirror: the sum of both,
	 * as the source's node said last. */
	__le64 alive;
	__le64 cut;		/* a mirror: 1: its source can't be heard now, whatever it does */
	__u8 pad1[24];
	__le64 tail;		/* nothing before it may be read any more */
	__le64 want;		/* a blocked submitter: ring when a gate reaches it; 0: nobody */
	__u8 pad2[48];
	__le64 mark[KECHO_LOG_MARKS];	/* the first record boundary in each part of the ring */
	/* Gates of nodes of this host that the source did not wait for any more: how many,
	 * and of the last of them the first 8 bytes of the node's id, number n at n modulo
	 * KECHO_LOG_TAKEN. What such a node reads in place may be overwritten. */
	__le64 taken;
	__le64 taken_of[KECHO_LOG_TAKEN];
};

/*
 * A doorbell: what the sinks of one channel and user sleep on. Who publishes takes of @waiters
 * whom it concerns, KECHO_WAIT_FUTEX and KECHO_WAIT_POLL in any case, counts @futex up, and wakes
 * those: who sleeps on it with bits that it took (FUTEX_WAKE_BITSET).
 */
enum kecho_doorbell_waiters {
	KECHO_WAIT_FUTEX = 1,	/* somebody sleeps on @futex */
	KECHO_WAIT_POLL = 2,	/* somebody polls the doorbell's eventfd */
};

/* Of those who share one: somebody sleeps who has the number @n: of a node the first byte of its
 * id, of a process what kechod told it. */
#define KECHO_WAIT_NUMBER(n)	(4u << (n) % 30)

struct kecho_doorbell {
	__u32 futex;
	__u32 waiters;		/* enum kecho_doorbell_waiters */
	__u8 pad[56];
};

/*
 * Frames. A link is a stream of them; the first one each way is a hello. Their
 * bodies are described in docs/protocol.md.
 */
enum kecho_frame_type {
	KECHO_FRAME_HELLO = 1,
	KECHO_FRAME_PING = 3,
	KECHO_FRAME_PONG = 4,

	KECHO_FRAME_CHANNEL = 16,	/* I have this channel open */
	KECHO_FRAME_CHANNEL_GONE = 17,
	KECHO_FRAME_NODES = 18,		/* nodes of the channel that I am linked to */
	KECHO_FRAME_SYNCED = 19,	/* that was all that I have in the channel */
	KECHO_FRAME_MEMBER = 20,	/* a member of mine, whole */
	KECHO_FRAME_MEMBER_GONE = 21,
	KECHO_FRAME_MEMBER_ACK = 22,
	KECHO_FRAME_ATTR = 23,		/* all attributes of my node or channel */
	KECHO_FRAME_SHARE = 24,		/* descriptors for a node of the same host */
	KECHO_FRAME_STAT = 25,		/* tell me your members' counters */
	KECHO_FRAME_STATS = 26,
	KECHO_FRAME_MEET = 27,		/* tell these nodes of me: I don't reach them */
	KECHO_FRAME_FILTER = 28,	/* of a sink of mine: judge by it */
	KECHO_FRAME_JUDGED = 29,	/* so your sink's filter is judged in this log */
	KECHO_FRAME_JUDGED_ACK = 30,

	KECHO_FRAME_SUBSCRIBE = 32,	/* send me this log */
	KECHO_FRAME_START = 33,		/* it starts here */
	KECHO_FRAME_UNSUBSCRIBE = 34,
	KECHO_FRAME_END = 35,		/* the log has ended here */
	KECHO_FRAME_DATA = 36,		/* a run of records */
	KECHO_FRAME_SKIP = 37,		/* nothing from here to there: it was overwritten */
	KECHO_FRAME_ACK = 38,		/* in the mirror up to here, and room up to there */
	KECHO_FRAME_STALL = 39,		/* where are your sinks; those that are here are to end */

	KECHO_FRAME_FREEZE = 40,	/* I hold this channel frozen, or not any more */
	KECHO_FRAME_FROZEN = 41,	/* my sources stand still */
	KECHO_FRAME_DRAIN = 42,		/* how far are your sources, or do your sinks lag */
	KECHO_FRAME_DRAINED = 43,
	KECHO_FRAME_DESTROY = 44,	/* this channel has ended for everybody */

	KECHO_FRAME_PASS = 45,		/* nothing from here to there: nobody there wants it */
	KECHO_FRAME_PICKED = 46,	/* records between which there is what nobody wants */

	KECHO_FRAME_REG_GET = 48,
	KECHO_FRAME_REG_PUT = 49,
	KECHO_FRAME_REG_DROP = 50,
	KECHO_FRAME_REG_RENEW = 51,
	KECHO_FRAME_REG_LIST = 52,
	KECHO_FRAME_REG_ENTRY = 53,
	KECHO_FRAME_REG_END = 54,

	KECHO_FRAME_OPTIONAL = 128,	/* from here on: who doesn't know it skips it */
	KECHO_FRAME_TYPE = 128,		/* a type of a source of mine */
	KECHO_FRAME_ALIVE = 129,	/* it has given a sign of life */
};

struct kecho_frame {
	__le32 len;		/* bytes after this header */
	__u8 type;		/* enum kecho_frame_type */
	__u8 pad[3];
	__le32 id;		/* streams: the source's log; else the channel's index */
	__le32 pad2;
	__le64 pos;		/* streams: a position in the log; else see the frame */
};

#define KECHO_FRAME_HEADER_SIZE	24
#define KECHO_FRAME_BODY_MAX	67584

#endif
