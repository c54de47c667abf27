/* SPDX-License-Identifier: MIT */
/*
 * What the show and its node processes say to each other through a pipe each
 * way: a struct wire_head, then its body. A message fits PIPE_BUF, so a write
 * takes it whole, also when two threads write.
 *
 * Times are CLOCK_REALTIME in nanoseconds: all processes are on one machine, so
 * a difference of two is a true duration.
 */
#ifndef DEMO_WIRE_H
#define DEMO_WIRE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hist.h"

#define HOSTS		3
#define WIRE_TEXT_MAX	480
#define WIRE_LATE_NS	250000000u
#define WIRE_SILENCE_NS	500000000u

enum wire_type {
	/* from a node */
	WIRE_READY = 1,		/* joined: wire_ready */
	WIRE_STATS,		/* five times a second: wire_stats */
	WIRE_MEMBER,		/* a member's state changed: wire_member */
	WIRE_HEARD,		/* a kernel's event came from another host: wire_heard */
	WIRE_ERROR,		/* it ends, because: wire_error */
	/* to a node */
	WIRE_GO = 32,		/* publish; no body */
	WIRE_BURST,		/* wire_burst */
	WIRE_QUIET,		/* publish no more; no body */
};

struct wire_head {
	uint32_t len;		/* of the body */
	uint32_t type;
};

/* Which views of its kernel a node could open. */
enum wire_feed { WIRE_FEED_NETLINK = 1, WIRE_FEED_LOADAVG = 2, WIRE_FEED_PSI = 4 };

struct wire_ready {
	uint64_t time_ns;
	uint64_t source;	/* member id */
	uint32_t feeds;		/* enum wire_feed: what it publishes */
	uint32_t pad;
};

/* What one node heard of one host. */
struct wire_ear {
	uint64_t source;	/* member id now; 0: never heard of */
	uint64_t last_seq;	/* of that member */
	uint64_t received;	/* events, of all members of that host so far */
	uint64_t lost;		/* events that kecho said were lost */
	uint64_t unexplained;	/* events missing, repeated or out of order without a word */
	uint64_t late;		/* events that came over WIRE_LATE_NS after their submission */
	uint64_t heard_ns;	/* when the last event came; 0: none yet */
	uint64_t revived_ns;	/* when one came after WIRE_SILENCE_NS without; 0: never */
	struct hist latency;	/* since the last wire_stats */
};

struct wire_stats {
	uint64_t time_ns;
	uint64_t submitted;	/* by this node's source */
	uint32_t publishes;	/* 0: @submitted is final */
	uint32_t pad;
	struct wire_ear ear[HOSTS];
};

struct wire_member {
	uint64_t time_ns;
	uint32_t host;
	uint32_t role;		/* enum kecho_role */
	uint32_t state;		/* enum kecho_member_state */
	uint32_t pad;
	uint64_t id;
};

struct wire_heard {
	uint64_t time_ns;	/* submitted */
	uint64_t latency_ns;
	uint64_t source, seq;
	uint32_t host;
	char text[WIRE_TEXT_MAX];	/* the payload, cut if need be */
};

struct wire_error {
	char text[WIRE_TEXT_MAX];
};

struct wire_burst {
	uint32_t events;	/* in one second */
};

union wire_body {
	struct wire_ready ready;
	struct wire_stats stats;
	struct wire_member member;
	struct wire_heard heard;
	struct wire_error error;
	struct wire_burst burst;
};

struct wire_message {
	struct wire_head head;
	union wire_body body;
};

_Static_assert(sizeof(struct wire_message) <= PIPE_BUF, "a message must fit PIPE_BUF");

/* A pipe's reading end and what has come of the next message. */
struct wire_reader {
	int fd;
	size_t have;
	struct wire_message next;
};

/* Waits while the pipe is full. 0 or -errno. */
bool wire_has_room(int fd);	/* for one more message at least */
int wire_write(int fd, enum wire_type type, const void *body, size_t len);

/*
 * wire_read - the next message, in r->next until the next call. 1: there is one;
 * 0: none yet; -EPIPE: the other end is closed; -EPROTO: not a message.
 */
int wire_read(struct wire_reader *r);

uint64_t wire_now_ns(void);

#endif
