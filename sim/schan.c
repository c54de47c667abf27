// SPDX-License-Identifier: MIT
/*
 * Channels that a node has open:
 *
 *	CLOSED -> JOINING (the registry, then until all have said their members)
 *	       -> OPEN -> CLOSING (its sources end, then its sinks) -> CLOSED
 */
#include "sim.h"

static void take_contacts(struct schan *c)
{
	u32 i;
	int err;

	for (i = 0; i < c->ntold; i++) {
		err = ke_channel_contact(&c->ch, &c->told[i]);
		if (err)	/* no memory: the registry knows it later as well */
			sim_set_sooner(c->node, &c->repair, 100000);
	}
}

static void join(struct schan *c)
{
	struct snode *n = c->node;
	struct ke_id uuid;
	char name[32];
	u64 id[2];
	u32 i;

	for (i = 0; i < 2; i++)
		id[i] = random_next(&n->w->rng);
	memcpy(&uuid, id, sizeof(uuid));
	if (names_join(c, KE_REGISTRY_JOIN, &uuid))
		return;
	snprintf(name, sizeof(name), "channel-%u", c->which);
	if (ke_channel_open(&c->ch, &n->node, &uuid, name))
		return;
	c->ch.owner = c;
	c->deadline_us = n->w->now_us + SIM_JOIN_MS * 1000;
	sim_trace(n, TRACE_CHANNEL_OPEN, c->which, c->ntold, 0);
	take_contacts(c);
}

/* Nobody would find us, or those whom we know: the contacts that we were told are dead. */
static void repair_unless_found(struct schan *c)
{
	if (names_found(c))
		return;
	c->node->w->cover.path[PATH_UNFOUND]++;
	sim_set_sooner(c->node, &c->repair, KE_LEASE_MS * 1000 / 2);
}

static void look_joining(struct schan *c)
{
	struct sim *w = c->node->w;

	if (!c->ch.node)
		join(c);
	else if (ke_channel_synced(&c->ch) || w->now_us >= c->deadline_us)
		c->state = CHAN_OPEN;
	if (c->state == CHAN_OPEN) {
		repair_unless_found(c);
		churn_settle_in(c);
	} else {
		sim_set(c->node, &c->look, SIM_LOOK_MS * 1000);
	}
}

static void closed(struct schan *c)
{
	ke_channel_close(&c->ch);
	c->ch.node = NULL;
	c->contact = false;
	c->state = CHAN_CLOSED;
	sim_trace(c->node, TRACE_CHANNEL_CLOSE, c->which, 0, 0);
}

static void look_closing(struct schan *c)
{
	if (!c->ch.node) {
		c->state = CHAN_CLOSED;
		return;
	}
	if (!list_empty(&c->sources)) {
		sim_set(c->node, &c->look, SIM_LOOK_MS * 1000);
		return;
	}
	while (!list_empty(&c->sinks))
		ssink_close(list_first_entry(&c->sinks, struct ssink, list));
	names_drop(c);
	closed(c);
}

static void look_fire(struct timer *t)
{
	struct schan *c = container_of(t, struct schan, look);

	if (c->state == CHAN_JOINING)
		look_joining(c);
	else if (c->state == CHAN_CLOSING)
		look_closing(c);
}

/* Publish it again; who else is in it is news after a long time alone. */
static void repair_fire(struct timer *t)
{
	struct schan *c = container_of(t, struct schan, repair);
	struct ke_id uuid = c->ch.uuid;
	int err;

	if (!c->ch.node || c->state == CHAN_CLOSING)
		return;
	err = names_join(c, KE_REGISTRY_REPAIR, &uuid);
	sim_trace(c->node, TRACE_REPAIR, c->which, -err, c->ntold);
	c->node->w->cover.path[PATH_REPAIR]++;
	if (err == -EAGAIN) {
		sim_set(c->node, t, 200000);
	} else if (err == -EEXIST) {
		/* The name is another channel's: we are told, tell others, and go there. */
		c->node->w->cover.path[PATH_OTHER]++;
		if (!names_look(c, &uuid))
			ke_channel_other(&c->ch, &uuid);
		schan_close(c);
	} else {
		take_contacts(c);
		repair_unless_found(c);
	}
}

static void thaw_fire(struct timer *t)
{
	struct schan *c = container_of(t, struct schan, thaw);

	if (!c->ch.node || !c->ch.freeze)
		return;
	sim_trace(c->node, TRACE_THAW, c->which, ke_channel_unfrozen(&c->ch), 0);
	c->node->w->cover.path[PATH_FROZEN] += !ke_channel_unfrozen(&c->ch);
	ke_channel_thaw(&c->ch);
}

void schan_freeze(struct schan *c, u32 ms)
{
	if (c->ch.freeze)
		return;
	sim_trace(c->node, TRACE_FREEZE, c->which, ms, 0);
	ke_channel_freeze(&c->ch);
	sim_set(c->node, &c->thaw, ms * 1000);
}

void schan_init(struct snode *n, u32 which)
{
	struct schan *c = &n->chan[which];

	c->node = n;
	c->which = which;
	c->look = (struct timer){ .node = n, .fn = look_fire };
	c->repair = (struct timer){ .node = n, .fn = repair_fire };
	c->thaw = (struct timer){ .node = n, .fn = thaw_fire };
	INIT_LIST_HEAD(&c->sources);
	INIT_LIST_HEAD(&c->sinks);
}

void schan_open(struct schan *c)
{
	if (c->state != CHAN_CLOSED || c->node->gone)
		return;
	c->state = CHAN_JOINING;
	sim_set(c->node, &c->look, 1);
}

void schan_close(struct schan *c)
{
	struct ssource *s;

	if (c->state != CHAN_OPEN && c->state != CHAN_JOINING)
		return;
	c->state = CHAN_CLOSING;
	list_for_each_entry(s, &c->sources, list)
		ssource_close(s);
	sim_cancel(c->node, &c->repair);
	sim_set(c->node, &c->look, 1);
}

void schan_drop(struct schan *c)
{
	while (!list_empty(&c->sources))
		ssource_free(list_first_entry(&c->sources, struct ssource, list), false);
	while (!list_empty(&c->sinks))
		ssink_close(list_first_entry(&c->sinks, struct ssink, list));
	if (c->ch.node)
		ke_channel_close(&c->ch);
	c->ch.node = NULL;
	c->contact = false;
	c->state = CHAN_CLOSED;
	sim_cancel(c->node, &c->thaw);
	sim_cancel(c->node, &c->look);
	sim_cancel(c->node, &c->repair);
}

void schan_repair(struct schan *c)
{
	if (!c->node->gone && c->state != CHAN_CLOSING)
		sim_set_sooner(c->node, &c->repair, 1000 + sim_random(c->node->w, 50000));
}
