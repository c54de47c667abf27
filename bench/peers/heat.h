/* SPDX-License-Identifier: MIT */
/*
 * A heat: all entrants side by side at one task, one size of events and one number of
 * sinks, measured in turn as measure.h says. The order of a round is that of the last
 * one, turned by one, and every second time backwards; the entrants are made anew after
 * each set of rounds.
 *
 * For each metric that is scored the best of those that can win has won, and with it who
 * can't be told from it: whose ratios to it, round by round, have a median whose 95 %
 * interval holds 1. Floors and controls can't win, nor in latency who was awake.
 */
#ifndef KECHO_BENCH_HEAT_H
#define KECHO_BENCH_HEAT_H

#include "worker.h"
#include "../measure.h"

#define HEAT_ENTRANTS_MAX	24
#define HEAT_ROUNDS		24
#define HEAT_SETS		2	/* in which they are made anew */
#define HEAT_ROUNDS_QUICK	6	/* too few for a verdict */
#define HEAT_ASLEEP_MIN		0.9

struct entrant {
	const struct peer *peer;
	char why[WORKER_WHY_MAX];	/* it has no figures; else empty */
	double value[WORKER_VALUES_MAX][HEAT_ROUNDS];
	struct interval of[WORKER_VALUES_MAX];
	struct interval to_best[WORKER_VALUES_MAX];	/* ratio; of scored metrics */
	bool won[WORKER_VALUES_MAX];
};

struct heat {
	const struct task *task;
	unsigned int hosts, nsinks, rounds;
	struct options opt;
	size_t n;
	struct entrant entrant[HEAT_ENTRANTS_MAX];
};

/* A bar: kecho's best entrant has at most as much of a metric as the best peer. */
struct heat_bar {
	const struct entrant *kecho, *peer;	/* NULL: none has figures */
	struct interval ratio;
	enum measure_verdict verdict;
};

/* heat_enter - one entrant more. -ENOSPC. */
int heat_enter(struct heat *h, const struct peer *peer);

/* heat_run - measure all. What can't be measured has its reason, and is no error. */
void heat_run(struct heat *h);

/* heat_score - what heat_run() does at last: from values to intervals and winners. */
void heat_score(struct heat *h);

/* heat_bar - of @metric; judged only if there are rounds enough. */
void heat_bar(const struct heat *h, unsigned int metric, struct heat_bar *out);

#endif
