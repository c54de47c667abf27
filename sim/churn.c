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
	REFILTERS_MAX = 6,
};

static u32 list_len(const struct list_head *list)
{
	const struct list_head *p;
	u32 n = 0;

	list_for_each(p, list)
		n++;
	return n;
}

/* Without memory it keeps the one that it has. */
static void set_filter(struct ssink *s)
{
	verdict_set(s, sfilter_choose(&s->chan->node->w->rng));
}

static void rechoose(struct ssource *s)
{
	struct sim *w = s->chan->node->w;

	if (s->closing)
		return;
	schoice_set(s, sfilter_choose_out(&w->rng));
	if (sim_one_in(w, 2))
		schoice_address(s);
}

static void open_sink(struct schan *c)
{
	static const u8 policy[] = { SINK_BLOCK, SINK_BLOCK, SINK_BLOCK, SINK_BLOCK, SINK_LATEST,
				     SINK_LATEST, SINK_LATEST, SINK_DISCONNECT };
	u32 dice = sim_random(c->node->w, ARRAY_SIZE(policy));
	struct ssink *s;

	/* Two numbers at random in one expression would come in either order. */
	s = ssink_open(c, policy[dice], sim_one_in(c->node->w, 2));
	if (s && c->node->w->opt.filters && sim_one_in(c->node->w, 2))
		set_filter(s);
}

static void open_source(struct schan *c)
{
	struct sim *w = c->node->w;
	struct ssource *s = ssource_open(c);

	if (s && w->opt.filters && sim_one_in(w, 3))
		rechoose(s);
}

static void open_member(struct schan *c)
{
	if (list_len(&c->sources) + list_len(&c->sinks) >= PER_NODE_MAX)
		return;
	if (sim_one_in(c->node->w, 2))
		open_source(c);
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
static void set_load(struct snode *n, const struct ke_value *v)
{
	if (!ke_node_set(&n->node, SFILTER_NODE_NAME, v))
		sages_set(&n->load, n, v->i64);
}

static void set_zone(struct ssink *s, const struct ke_value *v)
{
	if (!ke_member_set(&s->m, SFILTER_SINK_NAME, v))
		sages_set(&s->zone, s->chan->node, v->i64);
}

static void set_attr(struct schan *c)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .len = 8 };
	struct sim *w = c->node->w;

	v.i64 = sim_random(w, 1000);
	if (sim_one_in(w, 3))
		set_load(c->node, &v);
	else if (sim_one_in(w, 3))
		ke_channel_set(&c->ch, churn_attrs[sim_random(w, CHURN_ATTRS)], &v);
	else if (!list_empty(&c->sinks))
		set_zone(list_first_entry(&c->sinks, struct ssink, list), &v);
}

/* The others that filters read. */
static void set_other_attr(struct schan *c)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .len = 8 };
	struct sim *w = c->node->w;

	v.i64 = sim_random(w, 1000);
	if (sim_one_in(w, 2))
		ke_channel_set(&c->ch, SFILTER_CHANNEL_NAME, &v);
	else if (!list_empty(&c->sources))
		ke_member_set(&list_first_entry(&c->sources, struct ssource, list)->s.member,
			      SFILTER_SOURCE_NAME, &v);
}

static struct ssink *any_sink(struct schan *c)
{
	struct ssink *s, *found = NULL;
	u32 n = 0;

	list_for_each_entry(s, &c->sinks, list)
		if (!sim_random(c->node->w, ++n))
			found = s;
	return found;
}

/* One filter after the other, perhaps, before anybody could answer. */
static void refilter(struct schan *c)
{
	struct sim *w = c->node->w;
	struct ssink *s = any_sink(c);
	u32 n = sim_one_in(w, 4) ? 1 + sim_random(w, REFILTERS_MAX) : 1;

	for (; s && n; n--)
		set_filter(s);
}

static struct ssource *any_source(struct schan *c)
{
	struct ssource *s, *found = NULL;
	u32 n = 0;

	list_for_each_entry(s, &c->sources, list)
		if (!sim_random(c->node->w, ++n))
			found = s;
	return found;
}

static void act_on_filters(struct schan *c)
{
	u32 dice = sim_random(c->node->w, 12);
	struct ssource *s;

	if (c->state != CHAN_OPEN)
		return;
	if (dice >= 10) {
		s = any_source(c);
		if (s)
			rechoose(s);
		return;
	}
	if (dice < 6)
		refilter(c);
	else if (dice < 8)
		set_attr(c);
	else
		set_other_attr(c);
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
	if (w->opt.filters)
		act_on_filters(&n->chan[sim_random(w, w->opt.channels)]);
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
