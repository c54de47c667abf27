/* SPDX-License-Identifier: MIT */
/*
 * A sink of the rig: what its process does with events, and the board on which
 * it reports. Nobody sleeps on the board but in a hold.
 */
#ifndef KECHO_BENCH_SINK_H
#define KECHO_BENCH_SINK_H

#include "transport.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define SINK_SAMPLES_MAX	16384	/* latencies of one measurement */

enum event_kind {
	EVENT_PLAIN = 1,
	EVENT_TIMED,	/* take the latency */
	EVENT_MARK,	/* note how often you slept */
	EVENT_HOLD,	/* be busy elsewhere until the hold is lifted */
	EVENT_NUDGE,	/* see what you lost */
	EVENT_STOP,
};

/* The start of every event; the rest of its length is filler. */
struct event {
	uint64_t stamp_ns;
	uint64_t seq;
	uint32_t kind;
	uint32_t pad;
};

enum sink_state { SINK_STARTING, SINK_READY, SINK_FAILED };

struct sink_report {
	_Alignas(64) _Atomic uint64_t received;	/* and lost: up to where it is */
	_Atomic uint32_t state;
	uint64_t sleeps, lost;
	uint32_t nsamples;
	uint32_t sample_ns[SINK_SAMPLES_MAX];
};

/* What the publisher and the sinks share. */
struct board {
	_Alignas(64) _Atomic uint32_t holds;	/* how many holds were lifted; a futex */
	struct sink_report sink[TRANSPORT_SINKS_MAX];
};

struct sink {
	const struct transport *transport;
	void *state;
	struct board *board;
	struct sink_report *report;
	unsigned int index, cpu;
	pid_t publisher;
	uint64_t received;
	uint32_t holds;
};

/* sink_main - all that the sink's process does; returns its exit status, after
 * a message on stderr if it failed. */
int sink_main(struct sink *s);

/* board_lift - end the hold that the sinks are in, or will be. */
void board_lift(struct board *b);

#endif
