/* SPDX-License-Identifier: MIT */
/*
 * The table of transports: three numbers for each and 1, 2, 4 and 8 sinks, each
 * the median of several rounds, beside the number known from before.
 */
#ifndef KECHO_BENCH_TABLE_H
#define KECHO_BENCH_TABLE_H

#include "options.h"
#include "transport.h"

#define TABLE_COLUMNS	4	/* 1, 2, 4, 8 sinks */
#define TABLE_TOLERANCE	1.5	/* times; within it a difference may be noise */

enum table_metric {
	TABLE_P50_US,		/* one-way, one event in flight, sinks asleep */
	TABLE_CPU_US,		/* of the publisher per event, in bursts of 64 */
	TABLE_RATE_K,		/* thousand events per second and sink */
	TABLE_METRICS,
};

struct table_row {
	const struct transport *transport;
	unsigned int batch;	/* events of one publish() */
	double known[TABLE_METRICS][TABLE_COLUMNS];	/* 0: not known */
};

/* table_run - measure and print. -errno, after a message on stderr. */
int table_run(const struct table_row *rows, size_t n, const struct options *opt);

#endif
