// SPDX-License-Identifier: MIT
/*
 * What applications do: they open channels, sources and sinks, change attributes, and
 * leave again.
 */
#include "sim.h"

enum {
	CHURN_GAP_MS = 300,
	FREEZE_MAX_MS = 1500,	/* that a node holds a channel */
	PER_NODE_MAX = 6,	/* members of a channel that one node has */
};

static u32 list_len(const struct list_head *list)
{
	const struct list_head *p;
	u32 n = 0;

	list_for_each(p, list)
		n++;
	return n;
}

static void open_sink(struct schan *c)
{
	static const u8 policy[] = { SINK_BLOCK, SINK_BLOCK, SINK_BLOCK, SINK_BLOCK, SINK_LATEST,
				     SINK_LATEST, SINK_LATEST, SINK_DISCONNECT };
	u32 dice = sim_random(c->node->w, ARRAY_SIZE(policy));

	/* Two numbers at random in one expression would come in either order. */
	ssink_open(c, policy[dice], sim_one_in(c->node->w, 2));
}

static void open_member(struct schan *c)
{
	if (list_len(&c->sources) + list_len(&c->sinks) >= PER_NODE_MAX)
		return;
	if (sim_one_in(c->node->w, 2))
		ssource_open(c);
	else
		open_sink(c);
}

void churn_settle_in(struct schan *c)
{
	struct sim *w = c->node->w;
	u32 n = w->opt.members / w->opt.nodes, left = w->opt.members % w->opt.nodes;

	if (w->opt.steady)
		return;
	n += sim_random(w, w->opt.nodes) < left;
	while (n--)
		open_member(c);
}

static void close_member(struct schan *c)
{
	struct sim *w = c->node->w;

	if (sim_one_in(w, 2) && !list_empty(&c->sources))
		ssource_close(list_first_entry(&c->sources, struct ssource, list));
	else if (!list_empty(&c->sinks))
		ssink_close(list_first_entry(&c->sinks, struct ssink, list));
}

const char *const churn_attrs[CHURN_ATTRS] = { "rate", "zone", "version" };

/* Without memory an attribute stays as it is. */
static void set_attr(struct schan *c)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .len = 8 };
	struct sim *w = c->node->w;
	struct ssink *s;

	v.i64 = sim_random(w, 1000);
	if (sim_one_in(w, 3)) {
		ke_node_set(&c->node->node, "load", &v);
		return;
	}
	if (sim_one_in(w, 3)) {
		ke_channel_set(&c->ch, churn_attrs[sim_random(w, CHURN_ATTRS)], &v);
		return;
	}
	if (list_empty(&c->sinks))
		return;
	s = list_first_entry(&c->sinks, struct ssink, list);
	ke_member_set(&s->m, "zone", &v);
}

static void act(struct schan *c)
{
	struct sim *w = c->node->w;
	u32 dice = sim_random(w, 100);

	if (c->state == CHAN_CLOSED) {
		if (dice < 40)
			schan_open(c);
		return;
	}
	if (c->state != CHAN_OPEN)
		return;
	if (dice < 40)
		open_member(c);
	else if (dice < 75)
		close_member(c);
	else if (dice < 90)
		set_attr(c);
	else if (dice < 95)
		schan_freeze(c, 1 + sim_random(w, FREEZE_MAX_MS));
	else
		schan_close(c);
	w->cover.fault[FAULT_CHURN]++;
}

static void churn_fire(struct timer *t)
{
	struct snode *n = container_of(t, struct snode, churn);
	struct sim *w = n->w;

	if (w->phase != PHASE_ACTIVE || !n->up)
		return;
	if (sim_one_in(w, w->opt.nodes))
		act(&n->chan[sim_random(w, w->opt.channels)]);
	sim_set(n, t, 1000 * (1 + sim_random(w, CHURN_GAP_MS)));
}

void churn_start(struct snode *n)
{
	n->churn = (struct timer){ .node = n, .fn = churn_fire };
	if (sim_fault(n->w, FAULT_CHURN))
		sim_set(n, &n->churn, 200000);
}
