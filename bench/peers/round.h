/* SPDX-License-Identifier: MIT */
/* A round of bench/peers: what each entrant is put through. */
#ifndef KECHO_BENCH_ROUND_H
#define KECHO_BENCH_ROUND_H

#include "worker.h"

enum round_metric {
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

extern const struct task round_task;

#endif
