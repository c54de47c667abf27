/* SPDX-License-Identifier: MIT */
/* A round of bench/peers: all probes once, with an effort that is found as the rig starts. */
#include "round.h"
#include "../measure.h"
#include "../probe.h"

#include <errno.h>
#include <stdlib.h>

#define WORK_MS		75	/* for a round, about: of these so many, */
#define WORK_QUICK_MS	40
#define EVENTS_MIN	20
#define EVENTS_MAX	200
#define BURSTS_MIN	1
#define BURSTS_MAX	16
#define CPU_BAR_SINKS	8
#define RATE_PART	5	/* and the rate for this part of it */

struct effort {
	unsigned int events, bursts;
	uint64_t rate_ns;
};

struct round {
	struct rig *rig;
	struct effort effort;
};

static int take_round(struct rig *r, const struct effort *e, double *v)
{
	struct probe_latency latency;
	struct probe_cpu each, all;
	struct probe_rate rate;
	int err;

	err = probe_latency(r, e->events, &latency);
	if (!err)
		err = probe_burst(r, e->bursts, 1, &each);
	if (!err)
		err = probe_burst(r, e->bursts, RIG_BURST, &all);
	if (!err)
		err = probe_rate(r, e->rate_ns, RIG_BURST, &rate);
	if (err)
		return err;
	v[METRIC_P50_US] = latency.p50_ns / 1e3;
	v[METRIC_P99_US] = latency.p99_ns / 1e3;
	v[METRIC_CPU_US] = each.publisher_ns / 1e3;
	v[METRIC_BROKER_US] = each.broker_ns / 1e3;
	v[METRIC_CPU64_US] = all.publisher_ns / 1e3;
	v[METRIC_BROKER64_US] = all.broker_ns / 1e3;
	v[METRIC_RATE_K] = rate.per_s / 1e3;
	v[METRIC_LOST] = rate.lost;
	v[METRIC_ASLEEP] = latency.asleep;
	return 0;
}

static unsigned int scale(unsigned int min, double by, unsigned int max)
{
	double v = min * by;

	return v < min ? min : v > max ? max : (unsigned int)v;
}

/* Fills caches and socket buffers, and sets the effort by how long little work takes. */
static int warm_up(struct rig *r, const struct options *opt, struct effort *e)
{
	double ignored[METRICS], by, work_ms = opt->quick ? WORK_QUICK_MS : WORK_MS;
	struct effort little = { EVENTS_MIN, BURSTS_MIN, 1000000 };
	uint64_t start = 0;
	int i, err = 0;

	for (i = 0; i < 2 && !err; i++) {
		start = measure_now_ns();
		err = take_round(r, &little, ignored);
	}
	by = work_ms * 1e6 / (double)(measure_now_ns() - start);
	e->events = scale(EVENTS_MIN, by, EVENTS_MAX);
	e->bursts = scale(BURSTS_MIN, by, BURSTS_MAX);
	e->rate_ns = (uint64_t)(work_ms * 1e6 / RATE_PART);
	return err;
}

static int start(void **state, const struct peer *peer, unsigned int nsinks,
		 const struct options *opt)
{
	struct round *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	err = rig_start(&r->rig, peer->transport, nsinks, opt);
	if (err)
		goto free_round;
	err = warm_up(r->rig, opt, &r->effort);
	if (err)
		goto stop_rig;
	*state = r;
	return 0;
stop_rig:
	rig_stop(r->rig);
free_round:
	free(r);
	return err;
}

static int take(void *state, double *value)
{
	struct round *r = state;

	return take_round(r->rig, &r->effort, value);
}

static int stop(void *state)
{
	struct round *r = state;
	int err = rig_stop(r->rig);

	free(r);
	return err;
}

const struct task round_task = {
	.start = start,
	.round = take,
	.stop = stop,
	.metrics = METRICS,
	.asleep = METRIC_ASLEEP,
	.metric = {
		[METRIC_P50_US] = { "p50_us", "p50 us [95 %]", .scored = true, .asleep = true,
				    .bar = true },
		[METRIC_P99_US] = { "p99_us", "p99 us", .scored = true, .asleep = true },
		[METRIC_CPU_US] = { "cpu_us", "CPU us", .scored = true, .bar = true,
				    .bar_sinks = CPU_BAR_SINKS },
		[METRIC_BROKER_US] = { "broker_us", "broker", .scored = false },
		[METRIC_CPU64_US] = { "cpu64_us", "64: CPU", .scored = true, .bar = true,
				      .bar_sinks = CPU_BAR_SINKS },
		[METRIC_BROKER64_US] = { "broker64_us", "broker", .scored = false },
		[METRIC_RATE_K] = { "k_events_per_s", "k events/s", .scored = true, .more = true },
		[METRIC_LOST] = { "lost", "lost", .scored = false },
		[METRIC_ASLEEP] = { "asleep", "asleep", .scored = false },
	},
};
