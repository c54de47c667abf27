/* SPDX-License-Identifier: MIT */
/*
 * Clocks, order statistics and the comparison of arms; the rules are in
 * measure.h.
 */
#include "measure.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define CONFIDENCE	0.95

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	int err = clock_gettime(id, &ts);

	assert(!err);
	(void)err;
	return (uint64_t)ts.tv_sec * MEASURE_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t measure_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t measure_thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t measure_process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int measure_cpu_of(pid_t pid, uint64_t *ns)
{
	struct timespec ts;
	clockid_t id;
	int err = clock_getcpuclockid(pid, &id);

	if (err)
		return -err;
	if (clock_gettime(id, &ts))
		return -errno;
	*ns = (uint64_t)ts.tv_sec * MEASURE_NS_PER_S + (uint64_t)ts.tv_nsec;
	return 0;
}

uint64_t measure_sleeps(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (uint64_t)ru.ru_nvcsw;
}

/* The CPUs that the process was started with: a pinned thread no longer knows. */
static int allowed_cpus(cpu_set_t *set)
{
	static cpu_set_t first;
	static bool known;

	if (!known) {
		if (sched_getaffinity(0, sizeof(first), &first))
			return -errno;
		known = true;
	}
	*set = first;
	return 0;
}

int measure_pin(unsigned int cpu)
{
	cpu_set_t all, one;
	unsigned int skip;
	int i, err;

	err = allowed_cpus(&all);
	if (err)
		return err;
	skip = cpu % (unsigned int)CPU_COUNT(&all);
	for (i = 0; !CPU_ISSET(i, &all) || skip--; i++)
		;
	CPU_ZERO(&one);
	CPU_SET(i, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
}

int measure_unpin(void)
{
	cpu_set_t all;
	int err = allowed_cpus(&all);

	if (err)
		return err;
	return sched_setaffinity(0, sizeof(all), &all) ? -errno : 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double measure_percentile(double *v, size_t n, double p)
{
	size_t rank;

	assert(n > 0 && p >= 0 && p <= 1);
	qsort(v, n, sizeof(*v), by_value);
	rank = (size_t)ceil(p * (double)n);
	return v[rank ? rank - 1 : 0];
}

/*
 * How many values may be cut off at each end of @n sorted ones so that what is
 * left still covers the median with CONFIDENCE: each value lies below the median
 * with probability 1/2, so their number is binomial.
 */
static size_t median_cut(size_t n)
{
	double tail = 0, term = pow(0.5, (double)n);
	size_t k;

	for (k = 0; k < n / 2; k++) {
		tail += term;
		if (2 * tail > 1 - CONFIDENCE)
			break;
		term *= (double)(n - k) / (double)(k + 1);
	}
	/* @k values below the median are too many: the k-th is the outermost kept. */
	return k ? k - 1 : 0;
}

struct interval measure_median(double *v, size_t n)
{
	struct interval out;
	size_t cut = median_cut(n);

	assert(n > 0);
	qsort(v, n, sizeof(*v), by_value);
	out.median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
	out.low = v[cut];
	out.high = v[n - 1 - cut];
	return out;
}

/* Rounds of all pairs, arm by arm. */
struct rounds {
	double v[ARM_COUNT][MEASURE_PAIRS_MAX];
};

static int take_pair(const struct claim *c, unsigned int pair, struct rounds *r)
{
	static const enum measure_arm order[][ARM_COUNT] = {
		{ ARM_FLOOR, ARM_SUBJECT, ARM_CONTROL },
		{ ARM_SUBJECT, ARM_CONTROL, ARM_FLOOR },
		{ ARM_CONTROL, ARM_FLOOR, ARM_SUBJECT },
		{ ARM_CONTROL, ARM_SUBJECT, ARM_FLOOR },
		{ ARM_FLOOR, ARM_CONTROL, ARM_SUBJECT },
		{ ARM_SUBJECT, ARM_FLOOR, ARM_CONTROL },
	};
	const enum measure_arm *turn = order[pair % (sizeof(order) / sizeof(order[0]))];
	unsigned int i;
	int err;

	for (i = 0; i < ARM_COUNT; i++) {
		if (c->absolute && turn[i] != ARM_SUBJECT)
			continue;
		err = c->measure(c->arg, turn[i], &r->v[turn[i]][pair]);
		if (err)
			return err;
	}
	return 0;
}

static struct interval ratio_of(const double *a, const double *b, size_t n, unsigned int step)
{
	double v[MEASURE_PAIRS_MAX];
	size_t i;

	assert(n && n <= MEASURE_PAIRS_MAX);
	for (i = 0; i < n; i++)
		v[i] = a[i * step] / b[i * step];
	return measure_median(v, n);
}

struct interval measure_ratio(const double *a, const double *b, size_t n)
{
	return ratio_of(a, b, n, 1);
}

static void summarise(const struct claim *c, struct rounds *r, struct comparison *out)
{
	double *subject = r->v[ARM_SUBJECT], *floor = r->v[ARM_FLOOR];
	unsigned int arm;

	*out = (struct comparison){ 0 };
	if (c->absolute) {
		out->control = ratio_of(subject + 1, subject, c->pairs / 2, 2);
	} else {
		out->control = ratio_of(r->v[ARM_CONTROL], floor, c->pairs, 1);
		out->ratio = ratio_of(subject, floor, c->pairs, 1);
	}
	for (arm = 0; arm < ARM_COUNT; arm++)
		out->arm[arm] = measure_median(r->v[arm], c->pairs);
	if (c->absolute)
		out->ratio = out->arm[ARM_SUBJECT];
	out->verdict = measure_judge(out->ratio, c->side, c->bar);
}

int measure_claim(const struct claim *c, struct comparison *out)
{
	struct rounds *r;
	unsigned int i;
	int err = 0;

	if (c->pairs < MEASURE_PAIRS_MIN || c->pairs > MEASURE_PAIRS_MAX || !c->set ||
	    c->pairs % c->set)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	for (i = 0; i < c->pairs && !err; i++) {
		if (i % c->set == 0)
			err = c->renew(c->arg);
		if (!err)
			err = take_pair(c, i, r);
	}
	if (!err)
		summarise(c, r, out);
	free(r);
	return err;
}

enum measure_verdict measure_judge(struct interval v, enum measure_side side, double bar)
{
	double best = side == AT_MOST ? v.low : v.high;
	double worst = side == AT_MOST ? v.high : v.low;

	if (bar <= 0)
		return VERDICT_NONE;
	if (side == AT_MOST ? worst <= bar : worst >= bar)
		return VERDICT_MET;
	if (side == AT_MOST ? best > bar : best < bar)
		return VERDICT_MISSED;
	return VERDICT_NOT_DECIDED;
}

const char *measure_verdict_name(enum measure_verdict v)
{
	static const char *const names[] = { "met", "not decided", "missed", "no bar" };

	return names[v];
}

void measure_print_header(FILE *f)
{
	fprintf(f, "%-44s %9s %9s  %-20s %-20s %-8s %s\n", "claim", "floor", "kecho",
		"ratio [95 %]", "control A/A [95 %]", "bar", "verdict");
}

static void print(FILE *f, const struct claim *c, const struct comparison *r)
{
	char floor[16] = "-", ratio[40], control[40], bar[24] = "-";

	if (!c->absolute)
		snprintf(floor, sizeof(floor), "%.3g", r->arm[ARM_FLOOR].median);
	snprintf(ratio, sizeof(ratio), "%.3f [%.3f %.3f]", r->ratio.median, r->ratio.low,
		 r->ratio.high);
	snprintf(control, sizeof(control), "%.3f [%.3f %.3f]", r->control.median, r->control.low,
		 r->control.high);
	if (c->bar > 0)
		snprintf(bar, sizeof(bar), "%s %.3g", c->side == AT_MOST ? "<=" : ">=", c->bar);
	fprintf(f, "%-44s %9s %9.3g  %-20s %-20s %-8s %s\n", c->name, floor,
		r->arm[ARM_SUBJECT].median, ratio, control, bar,
		measure_verdict_name(r->verdict));
}

static void json_interval(FILE *f, const char *name, struct interval v)
{
	fprintf(f, ",\"%s\":{\"median\":%.6g,\"low\":%.6g,\"high\":%.6g}", name, v.median, v.low,
		v.high);
}

static void print_json(FILE *f, const struct claim *c, const struct comparison *r)
{
	/* Names and units are literals of ours, without characters to escape. */
	fprintf(f, "{\"claim\":\"%s\",\"unit\":\"%s\",\"pairs\":%u", c->name, c->unit, c->pairs);
	if (!c->absolute)
		json_interval(f, "floor", r->arm[ARM_FLOOR]);
	json_interval(f, "subject", r->arm[ARM_SUBJECT]);
	json_interval(f, c->absolute ? "value" : "ratio", r->ratio);
	json_interval(f, "control", r->control);
	fprintf(f, ",\"side\":\"%s\",\"bar\":%.6g,\"verdict\":\"%s\"}\n",
		c->side == AT_MOST ? "at most" : "at least", c->bar,
		measure_verdict_name(r->verdict));
}

int measure_show(const struct claim *c, bool json)
{
	struct comparison r;
	int err = measure_claim(c, &r);

	if (err) {
		fprintf(stderr, "%s: not measured: %s\n", c->name, strerror(-err));
		return 2;
	}
	if (json)
		print_json(stdout, c, &r);
	else
		print(stdout, c, &r);
	fflush(stdout);
	return r.verdict == VERDICT_MISSED;
}
