/* SPDX-License-Identifier: MIT */
/*
 * kecho perf: a publisher sends runs of events, subscribers measure them.
 *
 * A run is of one event size and one kind: first PERF_LATENCY, events so far apart
 * that one is in flight at a time, then PERF_THROUGHPUT, as many as will go. Each
 * event begins with a perf_header; a run begins with a BEGIN and ends with an END,
 * and after the last run comes a DONE. So a subscriber needs no other word from
 * the publisher, on whichever host it is.
 */
#ifndef PERF_H
#define PERF_H

#include <stdbool.h>
#include <stdint.h>

#include <kecho/kecho.h>

#include "samples.h"

#define PERF_MAGIC	0x6b707266u
#define PERF_SIZES_MAX	16
#define PERF_SINKS_MAX	64
/* First events of a latency run that are not measured; at most half of them. */
#define PERF_WARM_UP	20

enum perf_kind { PERF_LATENCY = 1, PERF_THROUGHPUT = 2 };
enum perf_mark { PERF_BEGIN = 1, PERF_DATA = 2, PERF_END = 3, PERF_DONE = 4 };

struct perf_header {
	uint32_t magic;		/* in the publisher's byte order: it must be ours */
	uint16_t run;		/* from 1 */
	uint8_t kind;
	uint8_t mark;
	uint32_t size;		/* of the run's events */
	uint32_t pad;
};

struct perf_options {
	const char *channel;
	uint32_t size[PERF_SIZES_MAX];
	unsigned int nsizes;
	uint64_t duration_ns;	/* of a run */
	double per_s;		/* events in a latency run */
	uint64_t sinks;
	enum kecho_policy policy;
	bool json;
};

/* What one subscriber saw of one run. Small enough for one atomic write to a pipe. */
struct perf_result {
	uint32_t sink;		/* which subscriber, from 1 */
	uint32_t size;
	enum perf_kind kind;
	bool remote;		/* publisher and subscriber have different clocks */
	uint64_t events, lost;
	double seconds;		/* from BEGIN to END */
	struct percentiles late;	/* of a latency run */
};

typedef int (*perf_result_fn)(void *arg, const struct perf_result *r);

/* Both run one side until done or stopped and return an exit code. @fn gets each
 * run's result and returns 0, or -errno to end. */
int perf_publish(const struct perf_options *opt);
int perf_subscribe(const struct perf_options *opt, perf_result_fn fn, void *arg);

/* Both sides in processes of their own, @fn in this one. */
int perf_both(struct perf_options *opt, perf_result_fn fn, void *arg);

#endif
