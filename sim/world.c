// SPDX-License-Identifier: MIT
/*
 * The world: time, chance and the phases of a run.
 *
 *	ACTIVE	events, faults and all comings and goings, until enough was submitted
 *	CALM	no faults any more: within SIM_CONVERGE_MS all nodes know the same
 *	QUIET	the last events: within SIM_DRAIN_MS all sinks have all
 *	CLOSE	everything closes in order, and nothing is left
 */
#include <stdarg.h>

#include "sim.h"

enum {
	PHASE_LOOK_US = 50000,
	LATENCY_MIN_US = 30,
	LATENCY_STEADY_US = 100,
	LATENCY_LOCAL_US = 5,
	LATENCY_MAX_US = 5000,
	LATENCY_FAR_US = 20000,
	LAST_EVENTS = 8,
	STEADY_CHECK = 64,	/* steps, where nothing goes wrong */
	PIPE_BYTES_MIN = 16 << 10,
};

u32 sim_random(struct sim *w, u32 n)
{
	return (random_next(&w->rng) >> 32) * n >> 32;
}

bool sim_one_in(struct sim *w, u32 n)
{
	return !sim_random(w, n);
}

bool sim_fault(struct sim *w, enum sim_fault f)
{
	return w->opt.faults & BIT(f);
}

void sim_broken(struct sim *w, const char *fmt, ...)
{
	va_list ap;

	if (w->broken)
		return;
	w->broken = true;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
}

void sim_trace(const struct snode *n, enum trace_kind kind, u64 a, u64 b, u64 c)
{
	trace_add(&n->w->trace, n->w->now_us, n->w->step, n->index, kind, a, b, c);
}

void sim_trace_world(struct sim *w, enum trace_kind kind, u64 a, u64 b, u64 c)
{
	trace_add(&w->trace, w->now_us, w->step, TRACE_WORLD, kind, a, b, c);
}

void sim_set(struct snode *n, struct timer *t, u64 delay_us)
{
	timer_set(&n->w->timers, t, n->w->now_us + delay_us);
}

void sim_set_sooner(struct snode *n, struct timer *t, u64 delay_us)
{
	if (!timer_is_set(t) || t->at_us > n->w->now_us + delay_us)
		sim_set(n, t, delay_us);
}

void sim_cancel(struct snode *n, struct timer *t)
{
	timer_cancel(&n->w->timers, t);
}

/* -------------------------------------------------------------------- phases */

static void each_source(struct sim *w, void (*fn)(struct ssource *s))
{
	struct ssource *s;
	u32 i, k;

	for (i = 0; i < w->opt.nodes; i++) {
		memory_enter(&w->node[i].mem);
		for (k = 0; k < w->opt.channels; k++)
			list_for_each_entry(s, &w->node[i].chan[k].sources, list)
				fn(s);
		net_reap(&w->node[i]);
	}
	memory_enter(NULL);
}

static void submit_last(struct ssource *s)
{
	u32 i;

	for (i = 0; i < LAST_EVENTS; i++)
		ssource_submit_one(s);
	s->last = true;
	sim_set(s->chan->node, &s->act, 1);
}

static void close_all(struct sim *w)
{
	u32 i, k;

	for (i = 0; i < w->opt.nodes; i++)
		for (k = 0; k < w->opt.channels; k++)
			schan_close(&w->node[i].chan[k]);
}

static bool all_closed(const struct sim *w)
{
	u32 i, k;

	for (i = 0; i < w->opt.nodes; i++)
		for (k = 0; k < w->opt.channels; k++)
			if (w->node[i].chan[k].state != CHAN_CLOSED)
				return false;
	return true;
}

static void enter_phase(struct sim *w, enum sim_phase phase)
{
	w->phase = phase;
	w->phase_us = w->now_us;
	switch (phase) {
	case PHASE_CALM:
		sim_trace_world(w, TRACE_CALM, 0, 0, 0);
		faults_end(w);
		break;
	case PHASE_QUIET:
		sim_trace_world(w, TRACE_QUIET, 0, 0, 0);
		each_source(w, submit_last);
		break;
	case PHASE_CLOSE:
		sim_trace_world(w, TRACE_CLOSE_ALL, 0, 0, 0);
		close_all(w);
		break;
	default:
		break;
	}
}

/* @bad is still so: the next phase, or too late? */
static void await(struct sim *w, const char *bad, u64 limit_ms, const char *what)
{
	if (!bad)
		enter_phase(w, w->phase + 1);
	else if (w->now_us - w->phase_us >= limit_ms * 1000)
		sim_broken(w, "%llu s after the %s: %s", (unsigned long long)limit_ms / 1000, what,
			   bad);
}

static void phase_fire(struct timer *t)
{
	struct sim *w = container_of(t, struct sim, phase_timer);

	switch (w->phase) {
	case PHASE_ACTIVE:
		if (w->submitted >= w->opt.events || w->now_us >= SIM_ACTIVE_MS * 1000ULL)
			enter_phase(w, PHASE_CALM);
		break;
	case PHASE_CALM:
		/* What is on its way in the beginning may yet change it. */
		if (w->now_us - w->phase_us >= 1000000)
			await(w, check_converged(w), SIM_CONVERGE_MS, "faults' end");
		break;
	case PHASE_QUIET:
		await(w, check_drained(w), SIM_DRAIN_MS, "last event");
		break;
	case PHASE_CLOSE:
		await(w, all_closed(w) ? NULL : "a channel is not closed", SIM_DRAIN_MS,
		      "last call");
		break;
	case PHASE_OVER:
		return;
	}
	timer_set(&w->timers, t, w->now_us + PHASE_LOOK_US);
}

/* ----------------------------------------------------------------- the world */

static u32 choose_latency(struct sim *w, u32 from, u32 to, u32 most)
{
	if (w->opt.steady)
		return LATENCY_STEADY_US;
	if (from % w->opt.hosts == to % w->opt.hosts)
		return LATENCY_LOCAL_US;
	return LATENCY_MIN_US + sim_random(w, most);
}

static void make_paths(struct sim *w)
{
	u32 most = sim_one_in(w, 5) ? LATENCY_FAR_US : LATENCY_MAX_US, i, j;

	for (i = 0; i < w->opt.nodes; i++)
		for (j = 0; j < w->opt.nodes; j++)
			net_path(w, i, j)->latency_us = choose_latency(w, i, j, most);
	w->pipe_size = PIPE_BYTES_MIN << (w->opt.steady ? 0 : sim_random(w, 5));
}

struct sim *sim_new(const struct sim_options *opt)
{
	struct sim *w = sim_alloc(sizeof(*w));
	u32 i;

	w->opt = *opt;
	w->rng = random_seed(opt->seed);
	w->trace.print = opt->trace;
	w->scratch = sim_alloc(SIM_LARGE_MAX);
	w->body = sim_alloc(KECHO_FRAME_BODY_MAX);
	w->node = sim_alloc(opt->nodes * sizeof(w->node[0]));
	w->path = sim_alloc(opt->nodes * opt->nodes * sizeof(w->path[0]));
	w->no_registry = sim_alloc(opt->nodes * sizeof(w->no_registry[0]));
	w->phase_timer.fn = phase_fire;
	w->well_us = opt->faults ? U64_MAX : 0;
	make_paths(w);
	w->reg = ke_registry_new(true, random_next(&w->rng), 0, 0);
	for (i = 0; i < opt->nodes; i++) {
		snode_init(w, i);
		if (!opt->steady)
			timer_set(&w->timers, &w->node[i].life, sim_random(w, 200000));
	}
	if (opt->steady)
		return w;
	timer_set(&w->timers, &w->phase_timer, PHASE_LOOK_US);
	faults_start(w);
	return w;
}

void sim_settle(struct snode *n)
{
	net_reap(n);
	if (!n->w->opt.steady || n->w->step % STEADY_CHECK == 0)
		check_node(n);
	n->w->cover.path[PATH_REFUSED] += n->mem.refused;
	n->mem.refused = 0;
	memory_enter(NULL);
}

/* One step; a node that stands still makes it later. */
static void step(struct sim *w, struct timer *t)
{
	struct snode *n = t->node;

	w->now_us = max(w->now_us, t->at_us);
	if (n && n->frozen_us > w->now_us) {
		timer_set(&w->timers, t, n->frozen_us);
		return;
	}
	w->step++;
	memory_enter(n ? &n->mem : NULL);
	t->fn(t);
	if (n)
		sim_settle(n);
	else
		memory_enter(NULL);
}

void sim_run(struct sim *w)
{
	struct timer *t;
	u32 i;

	while (!w->broken && w->phase != PHASE_OVER && w->step < SIM_STEPS_MAX) {
		t = timer_next(&w->timers);
		if (!t)
			break;
		step(w, t);
	}
	if (!w->broken && w->phase != PHASE_OVER)
		sim_broken(w, "it never ends");
	if (w->broken)
		return;
	for (i = 0; i < w->opt.nodes; i++)
		snode_stop(&w->node[i], NODE_CLOSED);
	w->cover.steps = w->step;
}

bool sim_step(struct sim *w, u64 at_us)
{
	struct timer *t = timer_peek(&w->timers);

	if (w->broken || !t || t->at_us > at_us)
		return false;
	step(w, timer_next(&w->timers));
	return true;
}

void sim_run_until(struct sim *w, u64 at_us)
{
	while (sim_step(w, at_us))
		;
	w->now_us = max(w->now_us, at_us);
}

void sim_close(struct sim *w)
{
	enter_phase(w, PHASE_CLOSE);
	timer_set(&w->timers, &w->phase_timer, w->now_us + PHASE_LOOK_US);
	sim_run(w);
}

void sim_free_all(struct sim *w)
{
	u32 i;

	w->broken = true;	/* whatever is found now was found before */
	w->trace.print = false;
	for (i = 0; i < w->opt.nodes; i++) {
		snode_stop(&w->node[i], NODE_CLOSED);
		snode_free(&w->node[i]);
	}
	ke_registry_free(w->reg);
	for (i = 0; i < w->ntruths; i++)
		truth_free(w->truth[i]);
	sim_free(w->truth);
	timers_free(&w->timers);
	sim_free(w->node);
	sim_free(w->path);
	sim_free(w->no_registry);
	sim_free(w->scratch);
	sim_free(w->body);
	sim_free(w);
}
