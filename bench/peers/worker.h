/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process, on hosts of its own (hosts.h), in which one entrant has its rig.
 * So entrants can be measured in turn without a part in each other: the threads, the
 * memory and the ports of one are not the others', and one whose library aborts, hangs
 * or lets its sinks die takes nothing with it but its figures.
 *
 * A worker and all that it started dies with the process that started it.
 */
#ifndef KECHO_BENCH_WORKER_H
#define KECHO_BENCH_WORKER_H

#include "peer.h"
#include "../options.h"

#include <stdbool.h>

#define WORKER_WHY_MAX		240
#define WORKER_VALUES_MAX	9	/* of a round */

/* A value that a round gives. */
struct metric {
	const char *name, *head;	/* for programs, for people */
	bool scored;	/* it has a winner: who has least, */
	bool more;	/* or most */
	bool asleep;	/* who was awake can't win; see struct task */
	bool bar;	/* kecho is to have least */
	unsigned int bar_sinks, bar_hosts;	/* with so many; 0: with any */
};

/* What a worker does with its entrant. @start and @stop as the worker starts and ends, and
 * @round in between: 0 or -errno, after a message on stderr. */
struct task {
	const char *name;	/* NULL: the program has one only */
	int (*start)(void **state, const struct peer *peer, unsigned int nsinks,
		     const struct options *opt);
	int (*round)(void *state, double *value);
	int (*stop)(void *state);
	unsigned int metrics;
	unsigned int asleep;	/* of these the one that says which part of the sinks slept */
	struct metric metric[WORKER_VALUES_MAX];
};

struct worker {
	const struct peer *peer;
	pid_t pid;		/* 0: there is none */
	int fd, log;		/* what is said to it; what it and its children print */
	char why[WORKER_WHY_MAX];	/* it failed; else empty */
};

/* worker_start - start one for @peer with @nsinks; it doesn't wait until that is done.
 * -errno, with w->why set; worker_stop() is then not needed, but allowed. */
int worker_start(struct worker *w, const struct task *task, const struct peer *peer,
		 unsigned int nsinks, const struct options *opt);

/* worker_ready - wait until events can be published. -errno, with w->why set. */
int worker_ready(struct worker *w);

/* worker_round - -errno, with w->why set. */
int worker_round(struct worker *w, double value[WORKER_VALUES_MAX]);

/* worker_stop - end it. A failure at the end is w->why too, if there was none. */
void worker_stop(struct worker *w);

/* worker_print_log - all that it and its children printed. */
void worker_print_log(const struct worker *w);

#endif
