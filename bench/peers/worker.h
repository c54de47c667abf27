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

#define WORKER_WHY_MAX	240

enum worker_metric {
	METRIC_P50_US,
	METRIC_P99_US,
	METRIC_CPU_US,		/* the publisher's per event, in bursts, one by one */
	METRIC_BROKER_US,
	METRIC_CPU64_US,	/* the same with a burst in one call */
	METRIC_BROKER64_US,
	METRIC_RATE_K,		/* thousand events per second and sink, bursts in one call */
	METRIC_LOST,		/* the part of those that a sink missed */
	METRIC_ASLEEP,		/* the part of the first that found their sink asleep */
	METRICS,
};

struct worker {
	const struct peer *peer;
	pid_t pid;		/* 0: there is none */
	int fd, log;		/* what is said to it; what it and its children print */
	char why[WORKER_WHY_MAX];	/* it failed; else empty */
};

/* worker_start - start one for @peer with @nsinks; it doesn't wait until that is done.
 * -errno, with w->why set; worker_stop() is then not needed, but allowed. */
int worker_start(struct worker *w, const struct peer *peer, unsigned int nsinks,
		 const struct options *opt);

/* worker_ready - wait until events can be published. -errno, with w->why set. */
int worker_ready(struct worker *w);

/* worker_round - take all probes once. -errno, with w->why set. */
int worker_round(struct worker *w, double value[METRICS]);

/* worker_stop - end it. A failure at the end is w->why too, if there was none. */
void worker_stop(struct worker *w);

/* worker_print_log - all that it and its children printed. */
void worker_print_log(const struct worker *w);

#endif
