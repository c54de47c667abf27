/* SPDX-License-Identifier: MIT */
/*
 * An audience: a publisher, and sinks in processes of their own of which each wants the events
 * of one subject, a hundredth of all, whatever order chance gives them. Each sink has another,
 * or all have the same one.
 *
 * All processes run on one CPU. A sink checks that it has got all events of its subject, in
 * order, and no other; the publisher knows how many those are, and waits for them.
 */
#ifndef KECHO_BENCH_AUDIENCE_H
#define KECHO_BENCH_AUDIENCE_H

#include "../peers/worker.h"

enum audience_metric {
	AUDIENCE_CPU_US,	/* of all processes per event, which are published one by one */
	AUDIENCE_PUBLISHER_US,
	AUDIENCE_BROKER_US,
	AUDIENCE_CPU64_US,	/* the first two with 64 events at a call */
	AUDIENCE_PUBLISHER64_US,
	AUDIENCE_WIRE_B,	/* between hosts, both ways, per event: one by one */
	AUDIENCE_WIRE64_B,
	AUDIENCE_METRICS,
	AUDIENCE_METRICS_HERE = AUDIENCE_WIRE_B,	/* without a wire */
};

/* By the number of hosts. */
extern const struct task audience_own[2], audience_same[2];

#endif
