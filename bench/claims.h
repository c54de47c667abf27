/* SPDX-License-Identifier: MIT */
/*
 * The claims about kecho: which measurement, against which floor, with which bar.
 * Floor, control and subject run side by side and are measured in turn.
 */
#ifndef KECHO_BENCH_CLAIMS_H
#define KECHO_BENCH_CLAIMS_H

#include "measure.h"
#include "options.h"
#include "transport.h"

enum probe_kind {
	PROBE_P50_US,	/* one-way, one event in flight, sinks asleep */
	PROBE_BURST_US,	/* publisher's CPU per event, sinks asleep when a burst begins */
	PROBE_AWAKE_US,	/* publisher's CPU per event, nobody asleep */
	PROBE_RATE_K,	/* thousand events per second and sink */
	PROBE_WIRE_B,	/* bytes per event that leave the publisher's host */
};

struct bench_claim {
	const char *name;
	enum probe_kind probe;
	unsigned int nsinks;
	unsigned int batch;	/* events of one publish() */
	const struct transport *floor;	/* NULL: the bar is for the value itself */
	const struct transport *subject;
	enum measure_side side;
	double bar;		/* 0: none, for information */
	unsigned int floor_sinks;	/* of the floor; 0: as many */
};

/* claims_run - measure and print all; returns the exit status: 0, 1 if a bar was
 * missed, 2 if a claim could not be measured. */
int claims_run(const struct bench_claim *claims, size_t n, const struct options *opt);

#endif
