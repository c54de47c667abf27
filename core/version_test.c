// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Nodes of other versions: the newest that both speak is spoken; without one each
 * end knows why, and lets the other be; what a newer node may add is no harm.
 */
#include "stream_test.h"

/* Two nodes that speak these; the first has the channel and hears of the other. */
static struct world *meet(struct ke_versions a, struct ke_versions b)
{
	struct world *w = world_new(2, 1);

	if (!ok(w, "memory"))
		return NULL;
	w->n[0].node.speaks = a;
	w->n[1].node.speaks = b;
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	return w;
}

static struct ke_peer *peer(struct world *w, u32 of, u32 other)
{
	return ke_peer_find(&w->n[of].node, &w->n[other].node.self.node);
}

static void agree(struct ke_versions a, struct ke_versions b, u32 version)
{
	struct world *w = meet(a, b);
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 2; i++) {
		struct ke_peer *p = peer(w, i, !i);

		must(p, "a peer");
		is_eq(p->link ? p->link->version : 0, version, "version");
		is_eq(p->refused, version ? 0 : KE_REFUSED_VERSION, "refused");
		is_eq(p->failed, !version, "or fine");
		is_eq(p->speaks.oldest, i ? a.oldest : b.oldest, "what it speaks");
		is_eq(p->speaks.newest, i ? a.newest : b.newest, "what it speaks");
		ok(ke_channel_synced(&w->n[i].ch), "nobody is waited for");
	}
	world_end(w);
}

TEST(newest_in_common)
{
	agree((struct ke_versions){ 1, 1 }, (struct ke_versions){ 1, 1 }, 1);
	agree((struct ke_versions){ 1, 1 }, (struct ke_versions){ 1, 4 }, 1);
	agree((struct ke_versions){ 1, 3 }, (struct ke_versions){ 2, 4 }, 3);
	agree((struct ke_versions){ 2, U32_MAX }, (struct ke_versions){ 1, 2 }, 2);
}

TEST(none_in_common)
{
	agree((struct ke_versions){ 1, 1 }, (struct ke_versions){ 2, 3 }, 0);
	agree((struct ke_versions){ 4, 5 }, (struct ke_versions){ 2, 3 }, 0);
}

/* Neither end tries again by itself; that it can't be talked to is known for a while. */
TEST(let_be)
{
	struct world *w = meet((struct ke_versions){ 1, 1 }, (struct ke_versions){ 2, 3 });

	must(w, "nodes");
	ok(world_wait(w, KE_NODE_FORGET_MS / 2), "quiet");
	is_eq(w->n[0].dialled + w->n[1].dialled, 1, "dialled once");
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	is_eq(w->n[0].dialled, 1, "not if somebody names it either");
	is_eq(open_conns(w), 0, "connections");
	ok(peer(w, 0, 1) && peer(w, 1, 0), "known");
	ok(world_wait(w, KE_NODE_FORGET_MS), "quiet");
	ok(!peer(w, 0, 1) && !peer(w, 1, 0), "forgotten");
	world_end(w);
}

/* The process of the old version ended, its successor speaks ours. */
TEST(upgraded)
{
	struct world *w = meet((struct ke_versions){ 1, 2 }, (struct ke_versions){ 3, 3 });

	must(w, "nodes");
	ok(!linked(w, 0, 1), "no link");
	node_close(&w->n[0]);
	node_make(w, 0);
	w->n[0].node.self.incarnation = 2;
	w->n[0].node.speaks = (struct ke_versions){ 2, 3 };
	channel_open(&w->n[0]);
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "a link");
	ok(!peer(w, 1, 0)->refused && !peer(w, 1, 0)->failed, "it is fine now");
	world_end(w);
}

/* Its shared memory was not understood: nor is it if it comes itself. */
TEST(unknown_layout)
{
	struct world *w = two_nodes(1);
	struct ke_peer *p;

	must(w, "nodes");
	is_eq(sink_open(&w->n[0], false, false), 0, "sink");
	ok(source_open(&w->n[1], 0), "source");
	ok(world_pump(w), "quiet");
	p = peer(w, 0, 1);
	ke_peer_refuse(p, KE_REFUSED_LAYOUT);
	is_eq(w->n[0].failed, 1, "its source has failed");
	world_cut(w);
	ok(world_wait(w, 10000), "quiet");
	p = peer(w, 0, 1);
	must(p, "known");
	is_eq(p->refused, KE_REFUSED_LAYOUT, "still");
	ok(!p->link, "no link");
	is_eq(w->n[0].dialled, 1, "not dialled again");
	ok(w->n[1].dialled <= 16, "nor in a tight loop: %d", w->n[1].dialled);
	world_end(w);
}

/* ------------------------------------------------------------ what may be added */

static void say(struct world *w, u8 type, u32 id, u64 pos, const void *body, u32 len)
{
	ke_link_send(peer(w, 1, 0)->link, type, id, pos, body, len);
	ok(world_pump(w), "quiet");
}

/* Frames that a newer node may say to who may not know them. */
TEST(optional_frames)
{
	static const u8 body[300] = { 1 };
	struct world *w = stream(1, true, 0);

	must(w, "nodes");
	say(w, KECHO_FRAME_OPTIONAL + 31, 0, 0, NULL, 0);
	say(w, 255, U32_MAX, U64_MAX, body, sizeof(body));
	ok(linked(w, 0, 1), "skipped");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	all_counted(w);
	is_eq(w->n[0].dialled + w->n[1].dialled, 1, "over the same link");
	say(w, KECHO_FRAME_OPTIONAL - 1, 0, 0, NULL, 0);
	ok(w->n[0].dialled + w->n[1].dialled > 1, "but not what must be understood");
	world_end(w);
}

/* A hello is first, whatever else may be skipped. */
TEST(optional_first)
{
	struct world *w = world_new(1, 1);
	struct conn *c = w ? conn_new(&w->n[0], false) : NULL;
	struct kecho_frame f = { .type = KECHO_FRAME_OPTIONAL };

	must(c, "memory");
	c->raw = true;
	memcpy(c->in, &f, sizeof(f));
	c->in_len = sizeof(f);
	while (c->in_len && !c->closed)
		conn_rx(c);
	is_eq(c->err, -EPROTO, "no hello");
	world_end(w);
}

TESTS(version, newest_in_common, none_in_common, let_be, upgraded, unknown_layout,
      optional_frames, optional_first);
