/* SPDX-License-Identifier: MIT */
/* The claims about kecho; see claims.h. */
#include "claims.h"
#include "probe.h"

#include <stdio.h>
#include <string.h>

struct effort {
	unsigned int pairs, set, events, bursts;
	uint64_t rate_ns;
};

static const struct effort quick = { MEASURE_PAIRS_MIN, 6, 100, 30, 10000000 };
static const struct effort thorough = { 4 * MEASURE_PAIRS_MIN, 6, 200, 60, 20000000 };

static const char *const units[] = {
	[PROBE_P50_US] = "us",
	[PROBE_BURST_US] = "us",
	[PROBE_AWAKE_US] = "us",
	[PROBE_RATE_K] = "k/s",
	[PROBE_WIRE_B] = "B",
};

/* The rigs of one claim. */
struct bench {
	const struct bench_claim *claim;
	const struct effort *effort;
	const struct options *opt;
	struct rig *rig[ARM_COUNT];
};

static int measure_arm(void *arg, enum measure_arm arm, double *value)
{
	struct bench *b = arg;
	const struct bench_claim *c = b->claim;
	struct probe_latency latency = { 0 };
	struct probe_rate rate = { 0 };
	struct probe_cpu cpu = { 0 };
	double v = 0;
	int err = 0;

	switch (c->probe) {
	case PROBE_P50_US:
		err = probe_latency(b->rig[arm], b->effort->events, &latency);
		v = latency.p50_ns / 1e3;
		break;
	case PROBE_BURST_US:
		err = probe_burst(b->rig[arm], b->effort->bursts, c->batch, &cpu);
		v = cpu.publisher_ns / 1e3;
		break;
	case PROBE_AWAKE_US:
		err = probe_awake(b->rig[arm], b->effort->bursts, c->batch, &v);
		v /= 1e3;
		break;
	case PROBE_RATE_K:
		err = probe_rate(b->rig[arm], b->effort->rate_ns, c->batch, &rate);
		v = rate.per_s / 1e3;
		break;
	case PROBE_WIRE_B:
		err = probe_wire(b->rig[arm], b->effort->bursts, c->batch, &v);
		break;
	}
	if (!err)
		*value = v;
	return err;
}

static int bench_stop(struct bench *b)
{
	int arm, one, err = 0;

	/* Last started, first stopped: a sink holds copies of older rigs' descriptors. */
	for (arm = ARM_COUNT - 1; arm >= 0; arm--) {
		one = rig_stop(b->rig[arm]);
		b->rig[arm] = NULL;
		err = err ? err : one;
	}
	return err;
}

static int arm_start(struct bench *b, enum measure_arm arm)
{
	const struct bench_claim *c = b->claim;

	if (arm == ARM_SUBJECT)
		return rig_start(&b->rig[arm], c->subject, c->nsinks, b->opt);
	if (!c->floor)
		return 0;
	return rig_start(&b->rig[arm], c->floor, c->floor_sinks ? c->floor_sinks : c->nsinks,
			 b->opt);
}

/* Starts new rigs and takes one measurement of each that doesn't count. */
static int renew(void *arg)
{
	struct bench *b = arg;
	unsigned int arm;
	double ignored;
	int err;

	err = bench_stop(b);
	for (arm = 0; arm < ARM_COUNT && !err; arm++)
		err = arm_start(b, arm);
	for (arm = 0; arm < ARM_COUNT && !err; arm++)
		if (b->rig[arm])
			err = measure_arm(b, arm, &ignored);
	return err;
}

static int run_claim(const struct bench_claim *c, const struct options *opt)
{
	struct bench b = {
		.claim = c,
		.effort = opt->quick ? &quick : &thorough,
		.opt = opt,
	};
	const struct claim claim = {
		.name = c->name,
		.unit = units[c->probe],
		.side = c->side,
		.bar = c->bar,
		.absolute = !c->floor,
		.pairs = b.effort->pairs,
		.set = b.effort->set,
		.renew = renew,
		.measure = measure_arm,
		.arg = &b,
	};
	int status = measure_show(&claim, opt->json), err = bench_stop(&b);

	if (err)
		fprintf(stderr, "%s: it did not end well: %s\n", c->name, strerror(-err));
	return err ? 2 : status;
}

int claims_run(const struct bench_claim *claims, size_t n, const struct options *opt)
{
	int status, worst = 0;
	size_t i;

	if (!opt->json)
		measure_print_header(stdout);
	for (i = 0; i < n; i++) {
		status = run_claim(&claims[i], opt);
		worst = status > worst ? status : worst;
	}
	return worst;
}
