// SPDX-License-Identifier: MIT
/*
 * Nodes: processes that start, run core, stand still, and end in several ways.
 *
 * A node that is killed is taken down by core's own calls, but nothing of it reaches
 * anybody: its connections go first. So what it allocated must be free afterwards.
 */
#include "sim.h"

#define BOOT_US 1000000000ULL
#define BOOT_MORE_US 1000000000000ULL

enum { WALL_OFF_MS = 3600000 };

u64 snode_now_us(const struct snode *n)
{
	u64 now = n->stood_at_us ?: n->w->now_us;

	return n->boot_us + now - n->lag_us;
}

u64 snode_real_ns(const struct snode *n)
{
	return (snode_now_us(n) + 1700000000000000ULL + n->wall_ms * 1000) * 1000;
}

u64 snode_runs_from_us(const struct snode *n)
{
	return n->stood_at_us ? U64_MAX : n->runs_from_us;
}

bool snode_has_been(const struct snode *n, u64 real_ns)
{
	return max(snode_real_ns(n), n->real_max_ns) > real_ns;
}

u64 snode_stood_us(const struct snode *n)
{
	u64 now = n->w->now_us, left = n->frozen_us > now ? n->frozen_us - now : 0;

	return n->stood_us - left + n->lag_us + (n->stood_at_us ? now - n->stood_at_us : 0);
}

bool snode_same_host(const struct sim *w, u16 a, u16 b)
{
	return w->node[a].host == w->node[b].host;
}

struct snode *snode_by_id(struct sim *w, const struct ke_id *id)
{
	u32 i;

	for (i = 0; i < w->opt.nodes; i++)
		if (w->node[i].up && !ke_id_cmp(&w->node[i].node.self.node, id))
			return &w->node[i];
	return NULL;
}

u16 snode_index(const struct ke_contact *c)
{
	return c->node.b[14] << 8 | c->node.b[15];
}

static void clock_goes_on(struct snode *n)
{
	if (!n->stood_at_us || n->w->now_us < n->stand_us)
		return;
	n->lag_us += n->w->now_us - n->stood_at_us;
	n->stood_at_us = 0;
	n->runs_from_us = n->w->now_us;
}

static void clock_fire(struct timer *t)
{
	clock_goes_on(container_of(t, struct snode, clock));
}

static void memory_fire(struct timer *t)
{
	struct snode *n = container_of(t, struct snode, memory);

	n->mem.refuse_one_in = 0;
	sim_trace(n, TRACE_ALLOC, 0, 0, 0);
}

static void tick_fire(struct timer *t)
{
	struct snode *n = container_of(t, struct snode, tick);
	u32 wait_ms;

	ke_node_tick(&n->node);
	wait_ms = ke_node_wait_ms(&n->node);
	if (wait_ms && !timer_is_set(t))
		sim_set(n, t, wait_ms * 1000);
}

void snode_changed(struct snode *n)
{
	if (!n->gone && ke_node_sooner(&n->node))
		sim_set_sooner(n, &n->tick, n->node.wait_ms * 1000);
}

static void renew_fire(struct timer *t)
{
	struct snode *n = container_of(t, struct snode, renew);

	names_renew(n);
	sim_set(n, t, KE_RENEW_MS * 1000);
}

/* A process starts, and after a while opens what it wants. */
static void life_fire(struct timer *t)
{
	struct snode *n = container_of(t, struct snode, life);
	u32 i;

	if (!n->up) {
		snode_start(n);
		return;
	}
	for (i = 0; i < n->w->opt.channels; i++)
		if (n->w->opt.nodes <= 2 || !sim_one_in(n->w, 4))
			schan_open(&n->chan[i]);
}

/* Hosts agree on no clock. */
static void init_clock(struct snode *n)
{
	u64 rng = random_seed(n->w->opt.seed * SIM_NODES_MAX + n->host);

	n->boot_us = BOOT_US;
	if (n->w->opt.steady)
		return;
	n->boot_us += random_next(&rng) % BOOT_MORE_US;
	n->wall_ms = (s64)(random_next(&rng) % (2 * WALL_OFF_MS)) - WALL_OFF_MS;
}

void snode_init(struct sim *w, u16 index)
{
	struct snode *n = &w->node[index];
	u32 i;

	n->w = w;
	n->index = index;
	n->host = index % w->opt.hosts;
	init_clock(n);
	n->tick = (struct timer){ .node = n, .fn = tick_fire };
	n->life = (struct timer){ .node = n, .fn = life_fire };
	n->renew = (struct timer){ .node = n, .fn = renew_fire };
	n->clock = (struct timer){ .fn = clock_fire };
	n->memory = (struct timer){ .fn = memory_fire };
	n->mem.rng = random_seed(w->opt.seed * 64 + index);
	INIT_LIST_HEAD(&n->conns);
	INIT_LIST_HEAD(&n->dials);
	n->known = sim_alloc(w->opt.nodes * sizeof(n->known[0]));
	n->chan = sim_alloc(w->opt.channels * sizeof(n->chan[0]));
	for (i = 0; i < w->opt.channels; i++)
		schan_init(n, i);
}

void snode_free(struct snode *n)
{
	sages_free(&n->load);
	sim_free(n->known);
	sim_free(n->chan);
}

/* After its host's address a node's id: mostly kept by what starts there again. */
static void make_contact(struct snode *n, struct ke_contact *self)
{
	static const struct ke_id none;
	u64 id;

	memset(self, 0, sizeof(*self));
	*self = n->node.self;
	if (!ke_id_cmp(&self->node, &none) || sim_one_in(n->w, 4)) {
		id = random_next(&n->w->rng);
		memcpy(self->node.b, &id, sizeof(id));
		self->node.b[14] = n->index >> 8;
		self->node.b[15] = n->index;
	}
	self->host.b[0] = 1;
	self->host.b[14] = n->host >> 8;
	self->host.b[15] = n->host;
	self->incarnation = ++n->incarnation;
	self->address[0] = 0;
	if (!n->shy)
		snprintf(self->address, sizeof(self->address), "10.0.0.%u:1", n->index);
}

void snode_start(struct snode *n)
{
	struct ke_contact self;
	char name[16];
	u32 i;

	make_contact(n, &self);
	snprintf(name, sizeof(name), "node-%u", n->index);
	n->up = true;
	n->gates = sgates_new();
	memset(n->gate_used, 0, sizeof(n->gate_used));
	n->gone = false;
	for (i = 0; i < n->w->opt.nodes; i++)
		if (n->w->node[i].host == n->host)
			n->w->node[i].host_down = false;
	n->locks = 0;
	n->frozen_us = 0;
	names_connect(n);
	ke_node_init(&n->node, &sim_house, n, &self, name);
	n->node.speaks.newest += n->index % 3;	/* an upgrade that is under way */
	sim_trace(n, TRACE_NODE_UP, n->incarnation, 0, 0);
	sim_set(n, &n->renew, KE_RENEW_MS * 1000);
	if (n->w->opt.steady)
		return;
	sim_set(n, &n->life, 1 + sim_random(n->w, 100000));
	churn_start(n);
}

void snode_stop(struct snode *n, enum snode_end how)
{
	u32 i;

	if (!n->up)
		return;
	sim_trace(n, TRACE_NODE_DOWN, how, 0, 0);
	memory_enter(&n->mem);
	n->gone = true;
	n->mem.refuse_one_in = 0;
	n->host_down = how == NODE_CRASHED;
	net_drop_all(n, how != NODE_CRASHED);
	if (how != NODE_CRASHED)
		names_gone(n);
	for (i = 0; i < n->w->opt.channels; i++)
		schan_drop(&n->chan[i]);
	ke_node_fini(&n->node);
	net_drop_all(n, false);
	sgates_put(n->gates);
	n->gates = NULL;
	sim_cancel(n, &n->tick);
	sim_cancel(n, &n->renew);
	sim_cancel(n, &n->life);
	sim_cancel(n, &n->churn);
	sim_cancel(n, &n->memory);
	n->up = n->reap = false;
	if (n->mem.bytes && !n->w->broken)
		sim_broken(n->w, "node %u: %llu bytes of core are not freed", n->index,
			   (unsigned long long)n->mem.bytes);
	memory_enter(NULL);
}
