/* SPDX-License-Identifier: MIT */
/*
 * Measuring on a noisy machine: clocks, order statistics, and the comparison of
 * two arms.
 *
 * The rules of a comparison
 *   - Arms are measured in turn, never one after all of the other: a pair is one
 *     short measurement of each, their order rotates from pair to pair.
 *   - The arms are made anew after each set of pairs: an instance may be lucky in how
 *     the kernel placed its pages or schedules its processes, and stay so.
 *   - What is reported is the median of the pairwise ratios with its 95 %
 *     interval from order statistics; nothing is assumed about the noise.
 *   - A third arm, a second instance of the floor, goes through the same mill. Its
 *     ratio to the floor should be 1: the control says what the method can see.
 *   - A bar is met when the whole interval is on its good side, missed when the
 *     whole interval is past it, and otherwise not decided.
 */
#ifndef KECHO_BENCH_MEASURE_H
#define KECHO_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define MEASURE_PAIRS_MIN	24
#define MEASURE_PAIRS_MAX	480
#define MEASURE_NS_PER_S	1000000000ULL

/* CLOCK_MONOTONIC; CPU time of the calling thread; CPU time of the process. */
uint64_t measure_now_ns(void);
uint64_t measure_thread_cpu_ns(void);
uint64_t measure_process_cpu_ns(void);

/* CPU time of another process. -errno. */
int measure_cpu_of(pid_t pid, uint64_t *ns);

/* How often the calling process gave up its CPU to wait. */
uint64_t measure_sleeps(void);

/* Pin the calling thread to the CPU @cpu of those that it may use, counted round
 * and round. -errno. */
int measure_pin(unsigned int cpu);

/* Let the calling thread run on all of those again. -errno. */
int measure_unpin(void);

/* The p-th part (0 to 1) of @v, nearest rank; sorts @v. @n must not be 0. */
double measure_percentile(double *v, size_t n, double p);

struct interval {
	double median, low, high;
};

/* The median of @v with its 95 % interval; sorts @v. @n must not be 0; below 6
 * values the interval is the range. */
struct interval measure_median(double *v, size_t n);

enum measure_arm { ARM_FLOOR, ARM_CONTROL, ARM_SUBJECT, ARM_COUNT };
enum measure_side { AT_MOST, AT_LEAST };
enum measure_verdict { VERDICT_MET, VERDICT_NOT_DECIDED, VERDICT_MISSED, VERDICT_NONE };

/* The median of the pairwise ratios of @a to @b with its interval; @n is at most
 * MEASURE_PAIRS_MAX and not 0. */
struct interval measure_ratio(const double *a, const double *b, size_t n);

/* What is claimed, and how to take one measurement of an arm. */
struct claim {
	const char *name;
	const char *unit;	/* of one measurement */
	enum measure_side side;
	double bar;		/* of the ratio; without a floor, of the value itself; 0: none */
	bool absolute;		/* there is no floor: only ARM_SUBJECT is measured */
	unsigned int pairs;
	unsigned int set;	/* pairs before the arms are made anew; divides pairs */
	int (*renew)(void *arg);
	int (*measure)(void *arg, enum measure_arm arm, double *value);
	void *arg;
};

struct comparison {
	struct interval arm[ARM_COUNT];
	struct interval ratio;		/* subject to floor; absolute: the value */
	struct interval control;	/* control to floor; absolute: odd to even rounds */
	enum measure_verdict verdict;
};

/* measure_claim - take all pairs. -EINVAL: number of pairs or size of a set; else
 * what claim->renew or claim->measure said. */
int measure_claim(const struct claim *c, struct comparison *out);

enum measure_verdict measure_judge(struct interval v, enum measure_side side, double bar);
const char *measure_verdict_name(enum measure_verdict v);

void measure_print_header(FILE *f);

/* measure_show - the same, and print what came of it, or why nothing did. Returns the exit
 * status: 0, 1 if the bar was missed, 2 if the claim could not be measured. */
int measure_show(const struct claim *c, bool json);

#endif
