// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Nodes of which only one can dial the other, and nodes of which neither can. */
#include "stream_test.h"

/* Three nodes of a channel: 0 and 1 know 2, and @unreached[i] are those that i can't dial. */
static struct world *three(u64 seed, u32 unreached0, u32 unreached1)
{
	struct world *w = world_new(3, seed);
	u32 i;

	if (!w)
		return NULL;
	w->n[0].unreached = unreached0;
	w->n[1].unreached = unreached1;
	for (i = 0; i < 3; i++)
		channel_open(&w->n[i]);
	/* 1 first: so it has nobody to hear of 0 from. */
	ke_channel_contact(&w->n[1].ch, &w->n[2].node.self);
	ok(world_pump(w), "quiet");
	ke_channel_contact(&w->n[0].ch, &w->n[2].node.self);
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 2) && linked(w, 1, 2), "the third is linked to both");
	return w;
}

TEST(one_side)
{
	struct world *w = three(1, 1 << 1, 0);

	must(w, "memory");
	ok(!linked(w, 0, 1), "not at once");
	ok(world_wait(w, KE_ASK_FIRST_MS + KE_ASK_MS), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "it has been told, and dialled back");
	ok(w->n[0].repairs > 0, "the registry was asked as well");
	ok(ke_channel_synced(&w->n[0].ch) && ke_channel_synced(&w->n[1].ch), "all is said");
	world_end(w);
}

/* Not silent: they know of each other, for as long as somebody says that the other is there. */
TEST(no_side)
{
	struct world *w = three(2, 1 << 1, 1 << 0);
	struct ke_peer *p;

	must(w, "memory");
	ok(!ke_channel_synced(&w->n[0].ch), "it is waited for");
	ok(world_wait(w, KE_NODE_DEAD_MS + KE_HEARTBEAT_MS), "quiet");
	ok(!linked(w, 0, 1), "they can't meet");
	ok(ke_channel_synced(&w->n[0].ch), "it is not waited for any more");
	ok(world_wait(w, 2 * KE_NODE_FORGET_MS), "quiet");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	ok(p && p->failed, "it is known to be apart");
	w->n[1].unreached = 0;
	ok(world_wait(w, KE_ASK_MAX_MS), "quiet");
	ok(linked(w, 0, 1), "they meet when they can");
	w->n[1].unreached = 1 << 0;
	node_close(&w->n[1]);
	ok(world_wait(w, KE_NODE_FORGET_MS + KE_ASK_MAX_MS), "quiet");
	ok(!ke_peer_find(&w->n[0].node, &w->n[1].node.self.node), "nobody says so any more");
	world_end(w);
}

/* Who says nothing of where it is reached must dial, and is told at once whom. */
TEST(no_address)
{
	struct world *w = three(3, 0, 0);

	must(w, "memory");
	ok(linked(w, 0, 1), "linked");
	world_end(w);

	w = world_new(3, 4);
	must(w, "memory");
	w->n[1].node.self.address[0] = 0;
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	channel_open(&w->n[2]);
	ke_channel_contact(&w->n[1].ch, &w->n[2].node.self);
	ok(world_pump(w), "quiet");
	ke_channel_contact(&w->n[0].ch, &w->n[2].node.self);
	ok(world_pump(w), "quiet");
	ok(!linked(w, 0, 1), "it can't be dialled");
	w->now += KE_REDIAL_MIN_MS;
	ke_node_tick(&w->n[0].node);
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 1), "it has dialled");
	world_end(w);
}

/* Of nodes that are not there nobody is told; half an id is none. */
TEST(bad_meet)
{
	struct world *w = three(5, 0, 0);
	u8 ids[2 * sizeof(struct ke_id)] = { 1 };
	struct ke_peer *p;
	s32 before;

	must(w, "memory");
	p = ke_peer_find(&w->n[0].node, &w->n[2].node.self.node);
	before = w->n[0].dialled;
	must(p && p->link, "linked");
	ke_link_send(p->link, KECHO_FRAME_MEET, w->n[0].ch.index, 0, ids, sizeof(ids));
	ke_link_send(p->link, KECHO_FRAME_MEET, w->n[0].ch.index + 9, 0, ids, sizeof(ids));
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].dialled, before, "nothing happened");
	ke_link_send(p->link, KECHO_FRAME_MEET, w->n[0].ch.index, 0, ids, sizeof(ids) - 1);
	ok(world_pump(w), "quiet");
	ok(w->n[0].dialled > before, "hung up on, and dialled again");
	world_end(w);
}

TESTS(meet, one_side, no_side, no_address, bad_meet);
