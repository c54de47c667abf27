/* SPDX-License-Identifier: MIT */
/* All entrants side by side; see heat.h. */
#include "heat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STARTS_AT_ONCE	3
#define ROLES(role)	(1u << (role))
#define WINNERS		(ROLES(ROLE_KECHO) | ROLES(ROLE_PEER))

int heat_enter(struct heat *h, const struct peer *peer)
{
	if (h->n == HEAT_ENTRANTS_MAX)
		return -ENOSPC;
	h->entrant[h->n++] = (struct entrant){ .peer = peer };
	return 0;
}

static void note(struct entrant *e, const struct worker *w)
{
	if (!e->why[0])
		memcpy(e->why, w->why, sizeof(e->why));
}

/* Some at once: much of a start is waiting. */
static void start_all(struct heat *h, struct worker *w)
{
	size_t i;

	for (i = 0; i < h->n + STARTS_AT_ONCE; i++) {
		if (i < h->n && !h->entrant[i].why[0])
			worker_start(&w[i], h->task, h->entrant[i].peer, h->nsinks, &h->opt);
		if (i >= STARTS_AT_ONCE)
			worker_ready(&w[i - STARTS_AT_ONCE]);
	}
	for (i = 0; i < h->n; i++)
		note(&h->entrant[i], &w[i]);
}

static void take_round(struct heat *h, struct worker *w, unsigned int round)
{
	double value[WORKER_VALUES_MAX];
	struct entrant *e;
	unsigned int m;
	size_t i, at;

	for (i = 0; i < h->n; i++) {
		at = (round + (round % 2 ? h->n - 1 - i : i)) % h->n;
		e = &h->entrant[at];
		if (e->why[0])
			continue;
		if (worker_round(&w[at], value)) {
			note(e, &w[at]);
			continue;
		}
		for (m = 0; m < h->task->metrics; m++)
			e->value[m][round] = value[m];
	}
}

static void stop_all(struct heat *h, struct worker *w)
{
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (h->entrant[i].why[0])
			worker_print_log(&w[i]);
		worker_stop(&w[i]);
		note(&h->entrant[i], &w[i]);
	}
}

void heat_run(struct heat *h)
{
	struct worker w[HEAT_ENTRANTS_MAX];
	unsigned int round, set = h->rounds / HEAT_SETS;
	size_t i;

	for (round = 0; round < h->rounds; round++) {
		if (round % set == 0) {
			for (i = 0; i < h->n; i++)
				w[i] = (struct worker){ .fd = -1, .log = -1 };
			start_all(h, w);
		}
		take_round(h, w, round);
		if (round % set == set - 1)
			stop_all(h, w);
	}
	heat_score(h);
}

/* ------------------------------------------------------------------ the score */

static bool better(const struct heat *h, unsigned int metric, const struct entrant *a,
		   const struct entrant *b)
{
	double x = a->of[metric].median, y = b->of[metric].median;

	return h->task->metric[metric].more ? x > y : x < y;
}

static bool can_win(const struct heat *h, const struct entrant *e, unsigned int metric)
{
	if (e->why[0] || !(ROLES(e->peer->role) & WINNERS))
		return false;
	return !h->task->metric[metric].asleep ||
	       e->of[h->task->asleep].median >= HEAT_ASLEEP_MIN;
}

static const struct entrant *best_of(const struct heat *h, unsigned int metric,
				     unsigned int roles)
{
	const struct entrant *e, *best = NULL;
	size_t i;

	for (i = 0; i < h->n; i++) {
		e = &h->entrant[i];
		if (!(ROLES(e->peer->role) & roles) || !can_win(h, e, metric))
			continue;
		if (!best || better(h, metric, e, best))
			best = e;
	}
	return best;
}

static void summarise(const struct heat *h, struct entrant *e)
{
	double v[HEAT_ROUNDS];
	unsigned int m;

	for (m = 0; m < h->task->metrics; m++) {
		memcpy(v, e->value[m], sizeof(v));
		e->of[m] = measure_median(v, h->rounds);
	}
}

static void score(struct heat *h, unsigned int metric)
{
	const struct entrant *best = best_of(h, metric, WINNERS);
	struct entrant *e;
	size_t i;

	for (i = 0; best && i < h->n; i++) {
		e = &h->entrant[i];
		if (e->why[0])
			continue;
		e->to_best[metric] =
			measure_ratio(e->value[metric], best->value[metric], h->rounds);
		e->won[metric] = can_win(h, e, metric) &&
				 (e == best || (e->to_best[metric].low <= 1 &&
						e->to_best[metric].high >= 1));
	}
}

void heat_score(struct heat *h)
{
	unsigned int m;
	size_t i;

	for (i = 0; i < h->n; i++)
		if (!h->entrant[i].why[0])
			summarise(h, &h->entrant[i]);
	for (m = 0; m < h->task->metrics; m++)
		if (h->task->metric[m].scored)
			score(h, m);
}

void heat_bar(const struct heat *h, unsigned int metric, struct heat_bar *out)
{
	*out = (struct heat_bar){
		.kecho = best_of(h, metric, ROLES(ROLE_KECHO)),
		.peer = best_of(h, metric, ROLES(ROLE_PEER)),
		.verdict = VERDICT_NONE,
	};
	if (!out->kecho || !out->peer)
		return;
	out->ratio = measure_ratio(out->kecho->value[metric], out->peer->value[metric], h->rounds);
	if (h->rounds >= MEASURE_PAIRS_MIN)
		out->verdict = measure_judge(out->ratio, AT_MOST, 1);
}
