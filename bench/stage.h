/* SPDX-License-Identifier: MIT */
/*
 * A stage: a channel with a source in this process, and sinks with filters of this process or
 * of other hosts. A host is a process with an embedded node of its own and an address of
 * loopback, in this process's network namespace: what lo has carried is what went between
 * hosts. All run on one CPU.
 *
 * Events are `struct stage_event`, all the same. Each filter compares four numbers, and the
 * last comparison decides, so one costs what another does.
 *
 * All that may fail returns -errno after a message on stderr.
 */
#ifndef KECHO_BENCH_STAGE_H
#define KECHO_BENCH_STAGE_H

#include "end.h"

#include <kecho/filter.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define STAGE_HOSTS_MAX		8
#define STAGE_SINKS_MAX		1000	/* of one host */
#define STAGE_EVENT_LEN		100

struct stage_event {
	uint32_t cpu;
	int32_t temp;
	uint16_t port;
	uint8_t level;
	char filler[STAGE_EVENT_LEN - 11];
};

enum stage_by {
	BY_SINKS,	/* each has a filter of its own, for events */
	BY_IN,		/* this process's channel, for those here */
	BY_OUT,		/* the source */
};

struct stage_plan {
	unsigned int here;	/* sinks of this process */
	unsigned int hosts;	/* others, */
	unsigned int there;	/* and the sinks of each */
	enum stage_by by;	/* that chooses which sinks get an event */
	/* BY_SINKS: sink i here, and sink i of all others, has filter i % @filters, and the
	 * first @wanting of these say yes. Else there is one filter for all, and it is the
	 * first @wanting sinks that get an event. @filters is 0: there are none. */
	unsigned int filters, wanting;
	size_t log_size;	/* of the source; 0: as it is by default */
	bool handle;		/* sinks of this process handle events in stage_handle() */
	bool light;		/* which is nothing but that they count them */
};

/* What this process and those of other hosts share. */
struct stage_board {
	_Atomic uint64_t came[STAGE_HOSTS_MAX];	/* events, of all sinks of a host */
	_Atomic int state[STAGE_HOSTS_MAX];	/* 1: ready; -errno */
};

struct stage {
	struct stage_plan plan;
	struct end end;
	char registry[32];
	struct stage_board *board;
	pid_t pid[STAGE_HOSTS_MAX];	/* 0: none */
	struct kecho_sink *sink[STAGE_SINKS_MAX];	/* of this process */
	struct stage_event copy;	/* of what a sink handled last */
	int file;			/* where it wrote when that was submitted */
	uint64_t handled;
	uint64_t submitted;
};

int stage_start(struct stage **out, const struct stage_plan *plan);

/* stage_stop - last started, first stopped: a host holds copies of older stages' descriptors.
 * @s may be NULL. */
void stage_stop(struct stage *s);

/* stage_submit - @n events. */
int stage_submit(struct stage *s, unsigned int n);

/* stage_await - until those that want it have all that was submitted. */
int stage_await(struct stage *s);

/* stage_handle - in sinks of this process, all that was submitted: what an event asks of each
 * is a copy of it, and a line in a file that says when it was submitted. */
int stage_handle(struct stage *s);

#endif
