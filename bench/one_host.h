/* SPDX-License-Identifier: MIT */
/*
 * The claims about one host, whichever way its processes attach: @name begins the name of
 * each, RING is floor and subject side by side, ALONE the subject.
 */
#ifndef KECHO_BENCH_ONE_HOST_H
#define KECHO_BENCH_ONE_HOST_H

#include "claims.h"

/* clang-format off */
#define ONE_HOST_CLAIMS(name, RING, ALONE)							\
	{ name "p50, us, 1 sink", PROBE_P50_US, 1, 1, RING, AT_MOST, 1.25 },			\
	{ name "CPU us, nobody asleep, 1 sink", PROBE_AWAKE_US, 1, 64, ALONE, AT_MOST, .2 },	\
	{ name "CPU us, nobody asleep, 8 sinks", PROBE_AWAKE_US, 8, 64, ALONE, AT_MOST, .2 },	\
	{ name "CPU us, wake-ups, 8 sinks", PROBE_BURST_US, 8, 1, RING, AT_MOST, 1.1 },		\
	{ name "k events/s, 8 sinks", PROBE_RATE_K, 8, 1, RING, AT_LEAST, .8 },			\
	{ name "k events/s, 1 sink", PROBE_RATE_K, 1, 1, RING, AT_LEAST, .8 },			\
	{ name "p50, us, 8 sinks", PROBE_P50_US, 8, 1, RING, AT_MOST, 0 }
/* clang-format on */

#endif
