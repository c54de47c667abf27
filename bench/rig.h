/* SPDX-License-Identifier: MIT */
/*
 * The rig: a transport with its sinks in processes of their own.
 *
 * The publisher is the calling process, pinned to the first CPU that it may use.
 * The sinks are on the same one, so that a wake-up is a context switch and not
 * the halt and the interrupt of a virtual CPU, which cost a changing multiple of
 * what is measured; with options.spread sink i is on the CPU i + 1, counted round
 * and round. Sinks report on the board (sink.h), which the publisher polls between
 * events, never while it publishes, so the side channel costs neither side a
 * wake-up. Each sink checks that the events' sequence has no hole, or counts what a
 * lossy transport lost. That one's last events may be the lost ones: when nothing has
 * come for a while it gets an event more, which shows them.
 */
#ifndef KECHO_BENCH_RIG_H
#define KECHO_BENCH_RIG_H

#include "options.h"
#include "sink.h"
#include "transport.h"

#define RIG_WINDOW	1024	/* events in flight to the slowest sink, at most; */
#define RIG_WINDOW_BYTES (4u << 20)	/* and of at most so many bytes */
#define RIG_BURST	64	/* events of one rig_publish() */
#define RIG_STALL_S	10	/* without progress: a failure, not a slow machine */

struct rig {
	const struct transport *transport;
	void *state;
	struct board *board;
	unsigned int nsinks;
	pid_t pid[TRANSPORT_SINKS_MAX];	/* 0: none, or gone */
	uint64_t sent, room_until;	/* events; the window's far end */
	unsigned int window;		/* events */
	size_t len;
	bool spread;
	bool broken;			/* a sink failed or stands still */
	unsigned char *buf;		/* RIG_BURST events */
	struct iovec iov[RIG_BURST];
};

/* rig_start - fork the sinks and connect them. -errno, after a message on
 * stderr that says which sink or step failed. */
int rig_start(struct rig **out, const struct transport *t, unsigned int nsinks,
	      const struct options *opt);

/* rig_stop - end the sinks and release all. @r may be NULL. -EIO: a sink failed. */
int rig_stop(struct rig *r);

/* rig_publish - publish @n events of @kind, at most RIG_BURST. */
int rig_publish(struct rig *r, enum event_kind kind, unsigned int n);

/* rig_await - wait until every sink has what was published. */
int rig_await(struct rig *r);

/* rig_await_room - wait until @n more events are within the window. */
int rig_await_room(struct rig *r, unsigned int n);

/* rig_lost - events that sinks have missed until now, over all sinks. */
uint64_t rig_lost(const struct rig *r);

/* rig_settle - give sinks that have their events the time to fall asleep. */
void rig_settle(void);

#endif
