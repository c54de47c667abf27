/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of nodes and of streams share: nodes that have met, and the sum
 * that every stream must come to.
 */
#ifndef KE_STREAM_TEST_H
#define KE_STREAM_TEST_H

#include "node_test.h"
#include "tap.h"

/* Two nodes with the channel, linked. */
static __maybe_unused struct world *two_nodes(u64 seed)
{
	struct world *w = world_new(2, seed);

	if (!ok(w, "memory"))
		return NULL;
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	return w;
}

static __maybe_unused bool linked(const struct world *w, u32 from, u32 to)
{
	struct ke_peer *p = ke_peer_find((struct ke_node *)&w->n[from].node,
					 &w->n[to].node.self.node);

	return p && p->link;
}

static __maybe_unused u32 open_conns(const struct world *w)
{
	struct conn *c;
	u32 n = 0;

	list_for_each_entry(c, &w->conns, list)
		n += !c->lost;
	return n;
}

static __maybe_unused void world_end(struct world *w)
{
	is_eq(w->lock_faults, 0, "locks in order");
	world_free(w);
}

/* A source at node 0, a sink at node 1 that was there before. */
static __maybe_unused struct world *stream(u64 seed, bool gated, u64 pos)
{
	struct world *w = two_nodes(seed);

	if (!w)
		return NULL;
	is_eq(sink_open(&w->n[1], gated, false), 0, "sink");
	ok(world_pump(w), "quiet");
	ok(source_open(&w->n[0], pos), "source");
	ok(world_pump(w), "quiet");
	ok(ke_channel_started(&w->n[1].ch), "started");
	return w;
}

/* Up to @n events; with a gate until it holds. */
static __maybe_unused u32 submit_some(struct world *w, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (submit(&w->n[0], world_random(w, 1 << world_random(w, 13))))
			break;
	return i;
}

/* Everything came, or was said to be lost. */
static __maybe_unused void all_counted(const struct world *w)
{
	const struct tnode *sink = &w->n[1];

	is_eq(sink->bad, 0, "in order");
	is_eq(sink->damaged, 0, "as it was submitted");
	is_eq(sink->got + sink->lost + sink->filtered + sink->expired, w->n[0].src.log.seq,
	      "all is accounted for");
}

#endif
