/* SPDX-License-Identifier: MIT */
/*
 * bench/filter: the KECho paper's experiment with filters, and what this design promises
 * about them. As there: what handling an event costs that all sinks, one or none get, and
 * submitting one; and what a filter itself takes, however many it keeps the event from.
 *
 * In a network namespace of its own; all processes run on one CPU.
 */
#include "hosts.h"
#include "measure.h"
#include "options.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BURST		64	/* events at once */
#define WIRE_MS		2250	/* of each look at the wire: as many heartbeats in each */
#define WIRE_STEP_MS	1
#define WIRE_QUIET_MS	20	/* no heartbeat is just due */

static const char about[] = "what filters save, and what they cost";

enum what {
	SUBMIT_US,	/* publisher's CPU per event, in bursts */
	ADDED_US,	/* the same above a source without sinks, per filter */
	JUDGEMENTS,	/* an event's, by what they add, as many filters having as many sinks */
	HANDLE_US,	/* CPU per event of the process whose sinks handle it */
	IN_US,		/* the same, what a filter for IN adds to it for each sink */
	WIRE_B,		/* bytes between hosts in WIRE_MS, of @events in it, and idle */
};

static const char *const units[] = {
	[SUBMIT_US] = "us",
	[ADDED_US] = "us",
	[JUDGEMENTS] = "",
	[HANDLE_US] = "us",
	[IN_US] = "us",
	[WIRE_B] = "B",
};

struct filter_claim {
	const char *name;
	enum what what;
	struct stage_plan subject, floor;
	double bar;
	unsigned int events;
};

/* clang-format off */
#define ALL_HERE(n) { .here = (n), .handle = true }
#define IN_HERE(n, who) \
	{ .here = (n), .by = BY_IN, .filters = 1, .wanting = (who), .handle = true }
#define HERE(n) { .here = (n), .filters = (n) }
#define THERE(n) { .hosts = 1, .there = (n), .filters = (n) }
#define LOG(size) { .hosts = 1, .there = 1, .filters = 1, .log_size = (size) }
#define TO_ALL(n) { .hosts = (n), .there = 1 }
#define HOSTS(n, who) { .hosts = (n), .there = 1, .filters = (n), .wanting = (who) }
#define OUT(n, who) { .hosts = (n), .there = 1, .by = BY_OUT, .filters = 1, .wanting = (who) }
#define LIGHT { .here = 8, .handle = true, .light = true }
#define IN_LIGHT(who) \
	{ .here = 8, .by = BY_IN, .filters = 1, .wanting = (who), .handle = true, .light = true }
#define OUT_HERE(who) { .here = 8, .by = BY_OUT, .filters = 1, .wanting = (who) }

static const struct filter_claim claims[] = {
	{ "handle, us: 1 sink; none by IN", HANDLE_US, IN_HERE(1, 0), .floor = ALL_HERE(1) },
	{ "handle, us: 2 sinks; one by IN", HANDLE_US, IN_HERE(2, 1), .floor = ALL_HERE(2) },
	{ "handle, us: 2 sinks; none by IN", HANDLE_US, IN_HERE(2, 0), .floor = ALL_HERE(2) },
	{ "handle, us: 4 sinks; one by IN", HANDLE_US, IN_HERE(4, 1), .floor = ALL_HERE(4) },
	{ "handle, us: 4 sinks; none by IN", HANDLE_US, IN_HERE(4, 0), .floor = ALL_HERE(4) },
	{ "handle, us: 8 sinks; one by IN", HANDLE_US, IN_HERE(8, 1), .floor = ALL_HERE(8) },
	{ "handle, us: 8 sinks; none by IN", HANDLE_US, IN_HERE(8, 0), .floor = ALL_HERE(8) },
	{ "submit, us: 1 host; none by OUT", SUBMIT_US, OUT(1, 0), .floor = TO_ALL(1) },
	{ "submit, us: 2 hosts; one by OUT", SUBMIT_US, OUT(2, 1), .floor = TO_ALL(2) },
	{ "submit, us: 2 hosts; none by OUT", SUBMIT_US, OUT(2, 0), .floor = TO_ALL(2) },
	{ "submit, us: 4 hosts; one by OUT", SUBMIT_US, OUT(4, 1), .floor = TO_ALL(4) },
	{ "submit, us: 4 hosts; none by OUT", SUBMIT_US, OUT(4, 0), .floor = TO_ALL(4) },
	{ "submit, us: 8 hosts; one by OUT", SUBMIT_US, OUT(8, 1), .floor = TO_ALL(8) },
	{ "submit, us: 8 hosts; none by OUT", SUBMIT_US, OUT(8, 0), .floor = TO_ALL(8) },
	{ "submit, us: 8 hosts; one wants it", SUBMIT_US, HOSTS(8, 1), .floor = TO_ALL(8) },
	{ "submit, us: 8 hosts; none wants it", SUBMIT_US, HOSTS(8, 0), .floor = TO_ALL(8) },
	{ "IN itself, us: 8 sinks; blocks 0", IN_US, IN_LIGHT(8), .floor = LIGHT },
	{ "IN itself, us: 8 sinks; blocks 4", IN_US, IN_LIGHT(4), .floor = LIGHT },
	{ "IN itself, us: 8 sinks; blocks 8", IN_US, IN_LIGHT(0), .floor = LIGHT },
	{ "OUT itself, us: 8 sinks; blocks 0", ADDED_US, OUT_HERE(8), .floor = { 0 } },
	{ "OUT itself, us: 8 sinks; blocks 4", ADDED_US, OUT_HERE(4), .floor = { 0 } },
	{ "OUT itself, us: 8 sinks; blocks 8", ADDED_US, OUT_HERE(0), .floor = { 0 } },
	{ "a filter adds, us: 1 here", ADDED_US, HERE(1), .bar = .2 },
	{ "a filter adds, us: 2 here", ADDED_US, HERE(2), .bar = .2 },
	{ "a filter adds, us: 4 here", ADDED_US, HERE(4), .bar = .2 },
	{ "a filter adds, us: 8 here", ADDED_US, HERE(8), .bar = .2 },
	{ "a filter adds, us: 16 here", ADDED_US, HERE(16), .bar = .2 },
	{ "a filter adds, us: 1 there", ADDED_US, THERE(1), .bar = .2 },
	{ "a filter adds, us: 2 there", ADDED_US, THERE(2), .bar = .2 },
	{ "a filter adds, us: 4 there", ADDED_US, THERE(4), .bar = .2 },
	{ "a filter adds, us: 8 there", ADDED_US, THERE(8), .bar = .2 },
	{ "a filter adds, us: 16 there", ADDED_US, THERE(16), .bar = .2 },
	{ "a filter adds, us: 8 here, 4 say yes", ADDED_US,
	  { .here = 8, .filters = 8, .wanting = 4 }, .bar = .2 },
	{ "a filter adds, us: 8 here, all say yes", ADDED_US,
	  { .here = 8, .filters = 8, .wanting = 8 }, .bar = .2 },
	{ "judgements: 1,000 sinks, 10 filters", JUDGEMENTS,
	  { .here = 1000, .filters = 10 }, { .here = 10, .filters = 10 }, .bar = 10.5 },
	{ "wire, B in 2.25 s: 2,250 unwanted", WIRE_B, LOG(0), .bar = 1.05, .events = 2250 },
	{ "wire, B in 2.25 s: 225,000 unwanted", WIRE_B, LOG(0), .bar = 1.05, .events = 225000 },
};
/* clang-format on */

struct effort {
	unsigned int pairs, set, wire_pairs, bursts;
};

static const struct effort quick = { MEASURE_PAIRS_MIN, 12, MEASURE_PAIRS_MIN, 20 };
static const struct effort thorough = { 4 * MEASURE_PAIRS_MIN, 24, 2 * MEASURE_PAIRS_MIN, 60 };

#define ALONE	ARM_COUNT	/* a stage beside those of a claim's arms: a source alone */
#define STAGES	(ARM_COUNT + 1)

struct bench {
	const struct filter_claim *claim;
	const struct effort *effort;
	struct stage *stage[STAGES];
};

/* ----------------------------------------------------------------- measurements */

/* CPU of this process's other threads: what the node does behind the caller. */
static uint64_t others_ns(void)
{
	uint64_t mine = measure_thread_cpu_ns(), all = measure_process_cpu_ns();

	return all > mine ? all - mine : 0;
}

static int submit_us(struct bench *b, struct stage *s, double *us)
{
	uint64_t mine = 0, others = others_ns(), start;
	unsigned int i;
	int err = 0;

	for (i = 0; i < b->effort->bursts && !err; i++) {
		start = measure_thread_cpu_ns();
		err = stage_submit(s, BURST);
		mine += measure_thread_cpu_ns() - start;
		if (!err)
			err = stage_await(s);
	}
	others = others_ns() - others;
	*us = (double)(mine + others) / 1e3 / b->effort->bursts / BURST;
	return err;
}

static int handle_us(struct bench *b, struct stage *s, double *us)
{
	uint64_t start, sum = 0;
	unsigned int i;
	int err = 0;

	for (i = 0; i < b->effort->bursts && !err; i++) {
		err = stage_submit(s, BURST);
		start = measure_thread_cpu_ns();
		if (!err)
			err = stage_handle(s);
		sum += measure_thread_cpu_ns() - start;
	}
	*us = (double)sum / 1e3 / b->effort->bursts / BURST;
	return err;
}

/* What all filters of @s cost together: the source alone is measured at the same time. */
static int added_us(struct bench *b, struct stage *s, double *us)
{
	double with, without;
	int err = submit_us(b, b->stage[ALONE], &without);

	if (!err)
		err = submit_us(b, s, &with);
	if (!err)
		*us = with - without;
	return err;
}

static int judgements(struct bench *b, double *n)
{
	double few, many;
	int err = added_us(b, b->stage[ARM_FLOOR], &few);

	if (!err)
		err = added_us(b, b->stage[ARM_SUBJECT], &many);
	if (!err)
		*n = many / few * b->claim->floor.filters;
	return err;
}

static int in_us(struct bench *b, double *us)
{
	double with, without;
	int err = handle_us(b, b->stage[ARM_FLOOR], &without);

	if (!err)
		err = handle_us(b, b->stage[ARM_SUBJECT], &with);
	if (!err)
		*us = (with - without) / b->claim->subject.here;
	return err;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / MEASURE_NS_PER_S), (long)(ns % MEASURE_NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void sleep_ms(unsigned int ms)
{
	sleep_until(measure_now_ns() + ms * 1000000ULL);
}

/* Until something has just gone over the wire, and nothing more follows at once. */
static int await_heartbeat(uint64_t *bytes)
{
	uint64_t before, after;
	int err = hosts_wire(&after);

	do {
		for (before = after; !err && after == before;) {
			sleep_ms(WIRE_STEP_MS);
			err = hosts_wire(&after);
		}
		before = after;
		sleep_ms(WIRE_QUIET_MS);
		err = err ? err : hosts_wire(&after);
	} while (!err && after != before);
	*bytes = after;
	return err;
}

static int wire_b(struct stage *s, unsigned int events, double *bytes)
{
	uint64_t before, after, start;
	unsigned int step, steps = WIRE_MS / WIRE_STEP_MS;
	int err = await_heartbeat(&before);

	start = measure_now_ns();
	for (step = 1; step <= steps && !err; step++) {
		err = stage_submit(s, events / steps);
		sleep_until(start + step * WIRE_STEP_MS * 1000000ULL);
	}
	if (!err)
		err = hosts_wire(&after);
	if (!err)
		*bytes = (double)(after - before);
	return err;
}

static int measure(void *arg, enum measure_arm arm, double *value)
{
	struct bench *b = arg;
	const struct filter_claim *c = b->claim;

	int err;

	switch (c->what) {
	case SUBMIT_US:
		return submit_us(b, b->stage[arm], value);
	case ADDED_US:
		err = added_us(b, b->stage[arm], value);
		if (!err)
			*value /= c->subject.filters;
		return err;
	case JUDGEMENTS:
		return judgements(b, value);
	case HANDLE_US:
		return handle_us(b, b->stage[arm], value);
	case IN_US:
		return in_us(b, value);
	case WIRE_B:
		return wire_b(b->stage[ARM_SUBJECT], arm == ARM_SUBJECT ? c->events : 0, value);
	}
	return -EINVAL;
}

/* ----------------------------------------------------------------------- claims */

static void bench_stop(struct bench *b)
{
	unsigned int i;

	for (i = STAGES; i--;) {
		stage_stop(b->stage[i]);
		b->stage[i] = NULL;
	}
}

static bool is_absolute(enum what what)
{
	return what == ADDED_US || what == JUDGEMENTS || what == IN_US;
}

/* Is this stage part of the claim? On the wire one is all: others would be heard there. */
static bool takes_part(const struct filter_claim *c, unsigned int i)
{
	if (i == ARM_SUBJECT)
		return true;
	if (i == ALONE)
		return is_absolute(c->what) && c->what != IN_US;
	if (c->what == JUDGEMENTS || c->what == IN_US)
		return i == ARM_FLOOR;
	return !is_absolute(c->what) && c->what != WIRE_B;
}

static int renew(void *arg)
{
	struct bench *b = arg;
	const struct filter_claim *c = b->claim;
	const struct stage_plan plan[STAGES] = {
		[ARM_FLOOR] = c->floor,
		[ARM_CONTROL] = c->floor,
		[ARM_SUBJECT] = c->subject,
	};
	double ignored;
	unsigned int i;
	int err = 0;

	bench_stop(b);
	for (i = 0; i < STAGES && !err; i++)
		if (takes_part(c, i))
			err = stage_start(&b->stage[i], &plan[i]);
	/* One that doesn't count. */
	for (i = 0; i < ARM_COUNT && !err; i++)
		if (b->stage[i])
			err = measure(b, i, &ignored);
	return err;
}

static int run_claim(const struct filter_claim *fc, const struct options *opt)
{
	struct bench b = { .claim = fc, .effort = opt->quick ? &quick : &thorough };
	bool wire = fc->what == WIRE_B;
	struct claim c = {
		.name = fc->name,
		.unit = units[fc->what],
		.side = AT_MOST,
		.bar = fc->bar,
		.absolute = is_absolute(fc->what),
		.pairs = wire ? b.effort->wire_pairs : b.effort->pairs,
		.set = wire ? b.effort->wire_pairs : b.effort->set,
		.renew = renew,
		.measure = measure,
		.arg = &b,
	};
	int status = measure_show(&c, opt->json);

	bench_stop(&b);
	return status;
}

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv, about), worst = 0;
	size_t i;

	if (status >= 0)
		return status;
	if (hosts_make(1))
		return 2;
	if (!opt.json)
		measure_print_header(stdout);
	for (i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		status = run_claim(&claims[i], &opt);
		worst = status > worst ? status : worst;
	}
	return worst;
}
