// SPDX-License-Identifier: MIT
/*
 * What goes wrong, and when it is over.
 */
#include "sim.h"

enum {
	FAULT_GAP_MS = 1200,	/* between two, at most */
	PARTITION_MS = 6000,
	PARTITION_LONG_MS = 80000,	/* so long that nodes are forgotten */
	FREEZE_MS = 7000,
	STAND_MS = 3000,
	WALL_JUMP_MS = 7200000,
	RESTART_MS = 4000,
	SINK_STOP_MS = 4000,
	REFUSE_ONE_IN = 40,
	REFUSE_MS = 1000,
};

static struct snode *any_node(struct sim *w)
{
	return &w->node[sim_random(w, w->opt.nodes)];
}

static void block_path(struct sim *w, u16 from, u16 to)
{
	net_path(w, from, to)->blocked = true;
	sim_trace_world(w, TRACE_PARTITION, from, to, 0);
}

/* Two sides; the registry is on one of them. */
static bool partition(struct sim *w)
{
	u32 side = 1 + sim_random(w, (1U << w->opt.hosts) - 2), i, j;

	for (i = 0; i < w->opt.nodes; i++) {
		for (j = 0; j < w->opt.nodes; j++)
			if ((side >> w->node[i].host & 1) != (side >> w->node[j].host & 1))
				block_path(w, i, j);
		w->no_registry[i] = side >> w->node[i].host & 1;
	}
	return true;
}

static bool oneway(struct sim *w)
{
	u16 from = sim_random(w, w->opt.nodes), to = sim_random(w, w->opt.nodes);

	if (snode_same_host(w, from, to))
		return false;
	block_path(w, from, to);
	return true;
}

static void heal_fire(struct timer *t)
{
	struct sim *w = container_of(t, struct sim, heal_timer);
	u32 i;

	for (i = 0; i < w->opt.nodes * w->opt.nodes; i++)
		w->path[i].blocked = false;
	memset(w->no_registry, 0, w->opt.nodes * sizeof(w->no_registry[0]));
	sim_trace_world(w, TRACE_HEAL, 0, 0, 0);
	net_healed(w);
}

static bool for_a_while(struct sim *w, bool done)
{
	u64 ms = sim_one_in(w, 30) ? PARTITION_LONG_MS : 1 + sim_random(w, PARTITION_MS);

	if (done && !timer_is_set(&w->heal_timer))
		timer_set(&w->timers, &w->heal_timer, w->now_us + ms * 1000);
	return done;
}

static void stop_one(struct snode *n, enum snode_end how)
{
	u32 ms = 1 + sim_random(n->w, RESTART_MS);

	snode_stop(n, how);
	n->host_down |= how == NODE_CRASHED; /* also if there was no process */
	timer_set(&n->w->timers, &n->life, n->w->now_us + 1000 * ms);
}

/* With a host all of its processes are gone. */
static bool stop_node(struct sim *w, enum snode_end how)
{
	struct snode *n = any_node(w);
	u32 i;

	if (!n->up)
		return false;
	for (i = 0; i < w->opt.nodes; i++)
		if (&w->node[i] == n || (how == NODE_CRASHED && w->node[i].host == n->host))
			stop_one(&w->node[i], how);
	return true;
}

static bool freeze(struct sim *w)
{
	struct snode *n = any_node(w);
	u32 ms = 1 + sim_random(w, FREEZE_MS);

	if (!n->up || n->frozen_us > w->now_us)
		return false;
	n->frozen_us = w->now_us + ms * 1000;
	n->thaw_us = n->frozen_us;
	n->stood_us += ms * 1000;
	sim_trace(n, TRACE_NODE_FROZEN, ms, 0, 0);
	return true;
}

static void disturb_clock(struct snode *n, u32 stand_ms, s64 jump_ms)
{
	struct sim *w = n->w;

	n->real_max_ns = max(n->real_max_ns, snode_real_ns(n));
	n->wall_ms += jump_ms;
	n->set_us = w->now_us;
	sim_trace(n, TRACE_CLOCK, stand_ms, jump_ms, 0);
	if (!stand_ms)
		return;
	n->stood_at_us = w->now_us;
	n->stand_us = w->now_us + stand_ms * 1000;
	timer_set(&w->timers, &n->clock, n->stand_us);
}

/* Those of a host are one. */
static bool clock_stands(struct sim *w)
{
	struct snode *n = any_node(w);
	u32 ms = sim_one_in(w, 2) ? 0 : 1 + sim_random(w, STAND_MS), i;
	u32 most = sim_one_in(w, 4) ? 2 * KE_CLOCK_SET_MS : WALL_JUMP_MS;
	s64 jump = (s64)sim_random(w, 2 * most) - most;

	if (!n->up || n->stood_at_us)
		return false;
	for (i = 0; i < w->opt.nodes; i++)
		if (w->node[i].host == n->host)
			disturb_clock(&w->node[i], ms, jump);
	return true;
}

static bool refuse_memory(struct sim *w)
{
	struct snode *n = any_node(w);

	if (!n->up || n->mem.refuse_one_in)
		return false;
	n->mem.refuse_one_in = 1 + sim_random(w, REFUSE_ONE_IN);
	sim_trace(n, TRACE_ALLOC, n->mem.refuse_one_in, 0, 0);
	timer_set(&w->timers, &n->memory, w->now_us + 1000 * (1 + sim_random(w, REFUSE_MS)));
	return true;
}

static bool stop_sink(struct sim *w)
{
	struct schan *c = &any_node(w)->chan[sim_random(w, w->opt.channels)];
	u32 ms = 1 + sim_random(w, SINK_STOP_MS), n = 0;
	struct ssink *s, *found = NULL;

	list_for_each_entry(s, &c->sinks, list)
		if (!sim_random(w, ++n))
			found = s;
	if (!found)
		return false;
	found->stopped_us = w->now_us + ms * 1000;
	timer_set(&w->timers, &found->read, found->stopped_us);
	sim_trace(c->node, TRACE_SINK_STOP, found->m.id, ms, 0);
	return true;
}

static bool inject(struct sim *w, enum sim_fault f)
{
	switch (f) {
	case FAULT_CUT:
		return net_cut_one(w);
	case FAULT_PARTITION:
		return for_a_while(w, w->opt.hosts > 1 && partition(w));
	case FAULT_ONEWAY:
		return for_a_while(w, oneway(w));
	case FAULT_HALFOPEN:
		return net_halfopen_one(w);
	case FAULT_KILL:
		return stop_node(w, NODE_KILLED);
	case FAULT_CRASH:
		return stop_node(w, NODE_CRASHED);
	case FAULT_FREEZE:
		return freeze(w);
	case FAULT_CLOCK:
		return clock_stands(w);
	case FAULT_ALLOC:
		return refuse_memory(w);
	case FAULT_STOP:
		return stop_sink(w);
	case FAULT_REGISTRY:
		names_lost(w);
		return true;
	default:	/* what sinks are from their beginning, and churn.c */
		return false;
	}
}

static enum sim_fault any_fault(struct sim *w)
{
	enum sim_fault f, found = 0;
	u32 n = 0;

	for (f = 0; f < FAULTS; f++)
		if (sim_fault(w, f) && !sim_random(w, ++n))
			found = f;
	return found;
}

static void fault_fire(struct timer *t)
{
	struct sim *w = container_of(t, struct sim, fault_timer);
	enum sim_fault f = any_fault(w);

	if (inject(w, f))
		w->cover.fault[f]++;
	timer_set(&w->timers, t, w->now_us + 1000 * (1 + sim_random(w, FAULT_GAP_MS)));
}

void faults_start(struct sim *w)
{
	w->fault_timer.fn = fault_fire;
	w->heal_timer.fn = heal_fire;
	if (w->opt.faults)
		timer_set(&w->timers, &w->fault_timer, w->now_us + 500000);
}

/* All goes well from now on; who is down may stay so, or comes back. */
void faults_end(struct sim *w)
{
	struct ssink *s;
	struct snode *n;
	struct conn *c;
	u32 i, k;

	timer_cancel(&w->timers, &w->fault_timer);
	timer_cancel(&w->timers, &w->heal_timer);
	for (i = 0; i < w->opt.nodes; i++) {
		n = &w->node[i];
		n->frozen_us = 0;
		n->host_down = false;
		n->mem.refuse_one_in = 0;
		n->stand_us = 0;
		if (n->stood_at_us)
			timer_set(&w->timers, &n->clock, w->now_us + 1);
		if (!n->up && sim_one_in(w, 2))
			timer_set(&w->timers, &n->life, w->now_us + 1000);
		else if (!n->up)
			timer_cancel(&w->timers, &n->life);
		list_for_each_entry(c, &n->conns, list)
			c->cut_in = U64_MAX;
		for (k = 0; k < w->opt.channels; k++)
			list_for_each_entry(s, &n->chan[k].sinks, list)
				ssink_calm(s);
	}
	heal_fire(&w->heal_timer);
	w->well_us = w->now_us;
}
