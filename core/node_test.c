// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Nodes, links and streams: what nodes know of each other, that a stream is whole
 * or says exactly what is missing, however its bytes come and wherever its
 * connection breaks, and that a hostile peer gets no further than -EPROTO.
 */
#include "node_test.h"
#include "tap.h"

/* Two nodes with the channel, linked. */
static struct world *two_nodes(u64 seed)
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

static bool linked(const struct world *w, u32 from, u32 to)
{
	struct ke_peer *p = ke_peer_find((struct ke_node *)&w->n[from].node,
					 &w->n[to].node.self.node);

	return p && p->link;
}

static u32 open_conns(const struct world *w)
{
	struct conn *c;
	u32 n = 0;

	list_for_each_entry(c, &w->conns, list)
		n += !c->lost;
	return n;
}

static void world_end(struct world *w)
{
	is_eq(w->lock_faults, 0, "locks in order");
	world_free(w);
}

/* A source at node 0, a sink at node 1 that was there before. */
static struct world *stream(u64 seed, bool gated, u64 pos)
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
static u32 submit_some(struct world *w, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (submit(&w->n[0], world_random(w, 1 << world_random(w, 13))))
			break;
	return i;
}

/* Everything came, or was said to be lost. */
static void all_counted(const struct world *w)
{
	const struct tnode *sink = &w->n[1];

	is_eq(sink->bad, 0, "in order");
	is_eq(sink->damaged, 0, "as it was submitted");
	is_eq(sink->got + sink->lost, w->n[0].src.log.seq, "all is accounted for");
}

/* ----------------------------------------------------------------- membership */

TEST(hello)
{
	struct world *w = two_nodes(1);
	struct ke_peer *p;

	must(w, "nodes");
	ok(linked(w, 0, 1), "one way");
	ok(linked(w, 1, 0), "the other way");
	ok(ke_channel_synced(&w->n[0].ch), "synced");
	ok(ke_channel_synced(&w->n[1].ch), "synced");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	if (ok(p, "peer"))
		is_str(p->name, "node-1", "its name");
	world_end(w);
}

TEST(members)
{
	struct world *w = two_nodes(2);

	must(w, "nodes");
	ok(source_open(&w->n[0], 0), "source");
	is_eq(sink_open(&w->n[1], false, false), 0, "sink");
	ok(!ke_channel_acked(&w->n[0].ch), "not acknowledged yet");
	ok(world_pump(w), "quiet");
	ok(ke_channel_acked(&w->n[0].ch), "acknowledged");
	is_eq(w->n[0].joined, 1, "the sink is seen");
	is_eq(w->n[1].joined, 1, "the source is seen");
	sink_close(&w->n[1]);
	source_close(&w->n[0]);
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].left, 1, "the sink has left");
	is_eq(w->n[1].left, 1, "the source has left");
	is_eq(w->n[0].failed + w->n[1].failed, 0, "none has failed");
	world_end(w);
}

/* Members that were there before the link. */
TEST(members_before)
{
	struct world *w = world_new(2, 3);

	must(w, "memory");
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	ok(source_open(&w->n[0], 0), "source");
	is_eq(sink_open(&w->n[1], true, false), 0, "sink");
	is_eq(submit(&w->n[0], 10), 0, "before anyone is there");
	ke_channel_contact(&w->n[1].ch, &w->n[0].node.self);
	ok(!ke_channel_synced(&w->n[1].ch), "it is not known who is there");
	ok(world_pump(w), "quiet");
	ok(ke_channel_synced(&w->n[1].ch), "now it is");
	is_eq(w->n[0].joined, 1, "the sink is seen");
	is_eq(w->n[1].joined, 1, "the source is seen");
	is_eq(submit(&w->n[0], 10), 0, "after");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 1, "from now on");
	is_eq(w->n[1].first, 2, "the second");
	is_eq(w->n[1].lost, 0, "the first was not for it");
	world_end(w);
}

static s64 number_of(const struct ke_attrs *a, const char *name)
{
	struct ke_value v;

	return ke_attrs_find(a->buf, a->len, name, &v) ? -1 : v.i64;
}

TEST(attributes)
{
	static const struct ke_value one = { .kind = KE_VALUE_I64, .len = 8, .i64 = 1 };
	static const struct ke_value two = { .kind = KE_VALUE_I64, .len = 8, .i64 = 2 };
	struct world *w = two_nodes(4);
	struct ke_presence *pr;
	struct ke_remote *m;
	struct ke_peer *p;

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	is_eq(ke_attrs_set(&w->n[1].sink.attrs, "zone", &two), 0, "set");
	ke_member_changed(&w->n[1].sink);
	is_eq(ke_node_set(&w->n[1].node, "load", &one), 0, "node");
	is_eq(ke_channel_set(&w->n[1].ch, "rate", &one), 0, "channel");
	ok(world_pump(w), "quiet");
	is_eq(ke_channel_set(&w->n[0].ch, "rate", &two), 0, "channel, from here");
	ok(world_pump(w), "quiet");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	pr = list_first_entry(&w->n[0].ch.presences, struct ke_presence, channel_list);
	m = list_first_entry_or_null(&pr->remotes, struct ke_remote, list);
	is_eq(number_of(&p->attrs, "load"), 1, "the node's");
	is_eq(number_of(&w->n[0].ch.attrs, "rate"), 2, "the channel's, here");
	is_eq(number_of(&w->n[1].ch.attrs, "rate"), 2, "and there");
	if (ok(m, "the member"))
		is_eq(number_of(&m->attrs, "zone"), 2, "the member's");
	world_end(w);
}

/* Who is told of a node by another. */
TEST(third_node)
{
	struct world *w = world_new(3, 5);
	u32 i;

	must(w, "memory");
	for (i = 0; i < 3; i++) {
		channel_open(&w->n[i]);
		sink_open(&w->n[i], false, false);
	}
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ke_channel_contact(&w->n[2].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 2) && linked(w, 2, 0), "linked without having met");
	for (i = 0; i < 3; i++)
		is_eq(w->n[i].joined, 2, "all see all");
	is_eq(open_conns(w), 6, "three links");
	world_end(w);
}

/* Whatever the pieces, one link of the two stays. */
TEST(both_dial)
{
	u32 i;

	for (i = 0; i < 50; i++) {
		struct world *w = world_new(2, i);

		must(w, "memory");
		w->piece = 1 + i * 20;
		channel_open(&w->n[0]);
		channel_open(&w->n[1]);
		sink_open(&w->n[0], false, false);
		sink_open(&w->n[1], false, false);
		ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
		ke_channel_contact(&w->n[1].ch, &w->n[0].node.self);
		ok(world_wait(w, 1000), "quiet");
		ok(linked(w, 0, 1) && linked(w, 1, 0), "seed %u: linked", i);
		is_eq(open_conns(w), 2, "seed %u: one connection", i);
		is_eq(w->n[0].left + w->n[0].failed + w->n[1].left + w->n[1].failed, 0,
		      "seed %u: nobody has gone", i);
		world_end(w);
	}
}

/* -------------------------------------------------------------------- streams */

static void run_stream(u64 seed, u32 piece)
{
	struct world *w = stream(seed, true, 0);
	u32 i;

	must(w, "nodes");
	w->piece = piece;
	for (i = 0; i < 60; i++) {
		submit_some(w, 20);
		if (world_random(w, 2))
			world_step(w);
		else
			ok(world_pump(w), "quiet");
	}
	ok(world_pump(w), "quiet");
	ok(w->n[0].src.log.end > 3 * TEST_LOG, "some laps");
	is_eq(w->n[1].lost, 0, "pieces of %u: nothing is lost", piece);
	all_counted(w);
	world_end(w);
}

TEST(in_order)
{
	static const u32 pieces[] = { 7, 100, 1500, 20000, 90000 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++)
		run_stream(i, pieces[i]);
}

/* A sink that doesn't read stops the source when mirror and log are full. */
TEST(gate)
{
	struct world *w = stream(6, true, 0);
	u64 n = 0;
	u32 more;

	must(w, "nodes");
	w->n[1].idle = true;
	do {
		for (more = 0; !submit(&w->n[0], 1000); more++)
			;
		n += more;
		ok(world_pump(w), "quiet");
	} while (more);
	is_eq(submit(&w->n[0], 1000), -EAGAIN, "the gate holds");
	ok(w->n[0].src.log.end > 2 * TEST_LOG - 8192, "both are full");
	ok(w->n[0].src.log.end <= 2 * TEST_LOG, "no more than both");
	is_eq(w->n[1].got, 0, "nothing was read");
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, n, "all is there");
	is_eq(submit(&w->n[0], 1000), 0, "there is room again");
	ok(world_pump(w), "quiet");
	all_counted(w);
	is_eq(w->n[1].lost, 0, "nothing is lost");
	world_end(w);
}

/* The last sink that blocks goes: the source runs on. */
TEST(ungate)
{
	struct world *w = stream(7, true, 0);

	must(w, "nodes");
	w->n[1].idle = true;
	while (submit_some(w, 100))
		ok(world_pump(w), "quiet");
	is_eq(submit(&w->n[0], 4000), -EAGAIN, "the gate holds");
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	is_eq(submit_some(w, 1000), 1000, "no gate");
	world_end(w);
}

/* Without a gate the sender is lapped: what is missing is said exactly. */
TEST(lapped)
{
	struct world *w;
	u32 seed, i;

	for (seed = 0; seed < 8; seed++) {
		w = stream(seed, false, 0);
		must(w, "nodes");
		w->piece = 300 + 5000 * seed;
		for (i = 0; i < 40; i++) {
			is_eq(submit_some(w, 200), 200, "nobody stops the source");
			world_step(w);
		}
		is_eq(submit(&w->n[0], 1), 0, "the last");
		ok(world_pump(w), "quiet");
		ok(w->n[1].lost > 0, "some are lost");
		ok(w->n[1].got > 0, "some are not");
		all_counted(w);
		world_end(w);
	}
}

/* A gate that comes later, in the middle of a record: from its START on all is kept. */
static void run_gate_later(u64 seed)
{
	struct world *w = stream(seed, false, 0);
	struct tnode *sink;
	u64 lost;
	u32 i;

	must(w, "nodes");
	sink = &w->n[1];
	w->piece = 1 + world_random(w, 30000);
	for (i = world_random(w, 60); i; i--) {
		submit_some(w, 30);
		world_step(w);
	}
	sink->ch.gated++;
	is_eq(ke_channel_subscribe(&sink->ch, false), 0, "gate");
	for (i = 0; i < 100000 && !ke_channel_started(&sink->ch); i++) {
		submit_some(w, 5);
		world_step(w);
	}
	ok(ke_channel_started(&sink->ch), "seed %llu: started", seed);
	/* What was skipped before START shows when the next event comes. */
	ok(world_pump(w), "quiet");
	is_eq(submit(&w->n[0], 1), 0, "seed %llu: an event", seed);
	ok(world_pump(w), "quiet");
	lost = sink->lost;
	sink->idle = true;
	if (sink->feeds)
		sink->feeds->r.in_place = true;
	do {
		for (i = 0; !submit(&w->n[0], 500); i++)
			;
		ok(world_pump(w), "quiet");
	} while (i);
	is_eq(submit(&w->n[0], 4000), -EAGAIN, "seed %llu: it holds", seed);
	sink->idle = false;
	ok(world_pump(w), "quiet");
	is_eq(sink->lost, lost, "seed %llu: nothing is lost", seed);
	ok(linked(w, 0, 1), "seed %llu: the link stands", seed);
	is_eq(w->n[0].dialled, 1, "seed %llu: it never broke", seed);
	all_counted(w);
	sink->ch.gated--;
	world_end(w);
}

TEST(gate_later)
{
	u32 i;

	for (i = 0; i < 30; i++)
		run_gate_later(i);
}

/* A gate goes, and another comes at once. */
TEST(gate_flips)
{
	struct world *w;
	u32 seed, i;

	for (seed = 0; seed < 20; seed++) {
		w = stream(seed, false, 0);
		must(w, "nodes");
		w->piece = 3000;
		for (i = 0; i < 40; i++) {
			w->n[1].ch.gated = i & 1;
			ke_channel_subscribe(&w->n[1].ch, false);
			submit_some(w, 60);
			world_step(w);
		}
		ok(world_pump(w), "quiet");
		ok(ke_channel_started(&w->n[1].ch), "seed %u: started", seed);
		is_eq(w->n[0].dialled, 1, "seed %u: the link never broke", seed);
		all_counted(w);
		world_end(w);
	}
}

TEST(retained)
{
	struct world *w = two_nodes(8);

	must(w, "nodes");
	ok(source_open(&w->n[0], 0), "source");
	w->n[0].src.retain = 5;
	is_eq(submit_some(w, 300), 300, "before the sink");
	ok(world_pump(w), "quiet");
	is_eq(sink_open(&w->n[1], false, true), 0, "sink");
	ok(!ke_channel_started(&w->n[1].ch), "not started yet");
	ok(world_pump(w), "quiet");
	ok(ke_channel_started(&w->n[1].ch), "started");
	is_eq(w->n[1].got, 5, "the last five");
	is_eq(w->n[1].first, 296, "from there on");
	is_eq(w->n[1].lost, 0, "those before are not lost");
	world_end(w);
}

TEST(end)
{
	struct world *w = stream(9, true, 0);

	must(w, "nodes");
	is_eq(submit_some(w, 5), 5, "events");
	ke_source_end(&w->n[0].src);
	ok(!ke_source_drained(&w->n[0].src), "not there yet");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].ends, 1, "the end is said once");
	is_eq(w->n[1].end_seq, 5, "after the last");
	is_eq(w->n[1].got, 5, "all came");
	ok(ke_source_drained(&w->n[0].src), "and is known to be there");
	world_end(w);
}

/* -------------------------------------------------------------------- breaks */

static void run_cut(u64 seed)
{
	struct world *w = stream(seed, true, 0);
	u32 i;

	must(w, "nodes");
	w->piece = 1 + world_random(w, 9000);
	w->cut_at = w->moved + 1 + world_random(w, 100000);
	for (i = 0; i < 40; i++) {
		submit_some(w, 10);
		world_step(w);
	}
	ok(world_wait(w, 1000), "quiet");
	is_eq(w->cut_at, 0, "it was cut");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "seed %llu: linked again", seed);
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].lost, 0, "seed %llu: nothing is lost", seed);
	is_eq(w->n[1].failed + w->n[0].failed, 0, "nobody has failed");
	all_counted(w);
	world_end(w);
}

TEST(cut)
{
	u32 i;

	for (i = 0; i < 60; i++)
		run_cut(i);
}

/* Also while the stream begins: a source is new, its first events are on their way. */
static void run_cut_early(u64 seed)
{
	struct world *w = two_nodes(seed);

	must(w, "nodes");
	w->piece = 1 + world_random(w, 100);
	is_eq(sink_open(&w->n[1], true, false), 0, "sink");
	ok(world_pump(w), "quiet");
	w->cut_at = w->moved + 1 + world_random(w, 400);
	ok(source_open(&w->n[0], 0), "source");
	is_eq(submit_some(w, 3), 3, "events");
	ok(world_wait(w, 1000), "quiet");
	is_eq(submit_some(w, 3), 3, "events");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].lost, 0, "seed %llu: nothing is lost", seed);
	all_counted(w);
	world_end(w);
}

TEST(cut_early)
{
	u32 i;

	for (i = 0; i < 60; i++)
		run_cut_early(i);
}

/* The source has ended and lingers; the break comes before all is there. */
static void run_cut_end(u64 seed, bool late)
{
	struct world *w = stream(seed, true, 0);

	must(w, "nodes");
	w->piece = 200;
	is_eq(submit_some(w, 12), 12, "events");
	w->cut_at = w->moved + 1 + world_random(w, 3000);
	ke_source_end(&w->n[0].src);
	if (late)	/* another sink comes, and asks for the log too */
		ke_channel_subscribe(&w->n[1].ch, false);
	ok(world_wait(w, 1000), "quiet");
	ok(ke_source_drained(&w->n[0].src), "seed %llu: all is there", seed);
	is_eq(w->n[1].end_seq, 12, "seed %llu: the last number", seed);
	is_eq(w->n[1].lost, 0, "seed %llu: nothing is lost", seed);
	all_counted(w);
	world_end(w);
}

TEST(cut_end)
{
	u32 i;

	for (i = 0; i < 30; i++)
		run_cut_end(i, i & 1);
}

/* While the link is down a log without gates goes on: an exact loss. */
TEST(cut_lapped)
{
	struct world *w = stream(11, false, 0);

	must(w, "nodes");
	submit_some(w, 50);
	world_step(w);
	w->n[0].deaf = true;
	world_cut(w);
	is_eq(submit_some(w, 2000), 2000, "some laps");
	w->n[0].deaf = false;
	ok(world_wait(w, 1500), "quiet");
	is_eq(w->n[1].failed, 0, "nobody has failed");
	is_eq(submit(&w->n[0], 1), 0, "one more");
	ok(world_pump(w), "quiet");
	ok(w->n[1].lost > 0, "some are lost");
	all_counted(w);
	world_end(w);
}

TEST(node_dead)
{
	struct world *w = stream(12, true, 0);

	must(w, "nodes");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	w->n[1].idle = w->n[0].deaf = true;
	world_cut(w);
	while (submit_some(w, 100))
		ok(world_pump(w), "quiet");
	ok(world_wait(w, KE_NODE_DEAD_MS - 250), "quiet");
	is_eq(w->n[0].failed, 0, "not yet");
	is_eq(submit(&w->n[0], 4000), -EAGAIN, "the gate holds");
	ok(world_wait(w, 500), "quiet");
	is_eq(w->n[0].failed, 1, "the sink has failed");
	is_eq(w->n[1].failed, 1, "the source has, seen from there");
	is_eq(w->n[1].ends, 1, "the stream ends there");
	is_eq(submit_some(w, 2000), 2000, "the gate is gone");
	w->n[1].idle = w->n[0].deaf = false;
	ok(world_wait(w, 3000), "quiet");
	ok(linked(w, 0, 1), "linked again");
	is_eq(w->n[0].joined, 2, "the sink is back");
	is_eq(w->n[1].joined, 2, "the source is back");
	is_eq(submit_some(w, 10), 10, "events");
	ok(world_pump(w), "quiet");
	ok(w->n[1].lost > 0, "some are lost");
	all_counted(w);
	world_end(w);
}

/* A link on which nothing comes any more, though it stands. */
TEST(silence)
{
	struct world *w = two_nodes(13);
	struct conn *c;
	u32 i;

	must(w, "nodes");
	ok(world_wait(w, 5000), "quiet");
	is_eq(w->n[0].dialled, 1, "heartbeats keep it");
	for (i = 0; i < KE_LINK_SILENT_MS / 100; i++) {
		w->now += 100;
		ke_node_tick(&w->n[0].node);
	}
	ok(!linked(w, 0, 1), "no byte for so long");
	list_for_each_entry(c, &w->conns, list)
		ok(c->closed == (c->tn == &w->n[0]), "that end hangs up");
	ok(world_wait(w, 1000), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "dialled again");
	world_end(w);
}

TEST(forgotten)
{
	struct world *w = two_nodes(14);

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	ok(world_pump(w), "quiet");
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	node_close(&w->n[1]);
	ok(world_wait(w, KE_NODE_FORGET_MS + 2000), "quiet");
	is_eq(w->n[0].left, 1, "it has left");
	ok(list_empty(&w->n[0].node.peers), "and is not known any more");
	ok(!ke_node_ticks(&w->n[0].node), "nothing to tick for");
	world_end(w);
}

/* ------------------------------------------------------------- hostile peers */

static int put_frame(struct conn *c, u8 type, u32 id, u64 pos, const void *body, u32 len, u32 said)
{
	struct kecho_frame f = {
		.len = cpu_to_le32(said), .type = type, .id = cpu_to_le32(id), .pos = cpu_to_le64(pos),
	};

	memcpy(c->in, &f, sizeof(f));
	if (len)
		memcpy(c->in + sizeof(f), body, len);
	c->in_len = sizeof(f) + len;
	while (c->in_len && !c->closed)
		conn_rx(c);
	return c->err;
}

static int put_hello(struct conn *c, u32 least, u32 most, u16 auth, const struct ke_contact *self)
{
	u8 buf[256];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u32(&o, least);
	ke_put_u32(&o, most);
	ke_put_contact(&o, self);
	ke_put_str(&o, "stranger");
	ke_put_u16(&o, auth);
	ke_put_bytes(&o, NULL, 0);
	return put_frame(c, KECHO_FRAME_HELLO, 0, 0, buf, o.len, o.len);
}

static const struct ke_contact stranger = {
	.node = { { 0x77 } }, .host = { { 0x78 } }, .incarnation = 5,
};

static void one_hello(u32 least, u32 most, u16 auth, const struct ke_contact *self, int err)
{
	struct world *w = world_new(1, 1);
	struct conn *c = w ? conn_new(&w->n[0], false) : NULL;

	must(c, "memory");
	c->raw = true;
	is_eq(put_hello(c, least, most, auth, self ?: &w->n[0].node.self), err, "hello");
	is_eq(!c->link.peer, err != 0, "a peer or none");
	world_end(w);
}

TEST(hello_refused)
{
	one_hello(1, 1, 0, &stranger, 0);
	one_hello(1, 9, 0, &stranger, 0);
	one_hello(2, 9, 0, &stranger, -EPROTONOSUPPORT);
	one_hello(0, 0, 0, &stranger, -EPROTONOSUPPORT);
	one_hello(1, 1, 1, &stranger, -EACCES);
	one_hello(1, 1, 0, NULL, -ECONNABORTED);
}

struct bad_frame {
	const char *what;
	u8 type;
	u32 id;
	u64 pos;
	u8 body[48];
	u32 len, said;
	int err;
};

/* Of a peer that is in the channel (its number 1) with a source (log 1, 64 KiB) at 0. */
static const struct bad_frame bad_frames[] = {
	{ "a hello again", KECHO_FRAME_HELLO, 0, 0, { 0 }, 0, 0, 0 },
	{ "an unknown type", 200, 0, 0, { 0 }, 0, 0, -EPROTO },
	{ "a length over the limit", KECHO_FRAME_PING, 0, 0, { 0 }, 0, KECHO_FRAME_BODY_MAX + 1,
	  -EPROTO },
	{ "the channel twice", KECHO_FRAME_CHANNEL, 1, 0, { 1, 2, 3 }, 20, 20, -EPROTO },
	{ "half a channel", KECHO_FRAME_CHANNEL, 2, 0, { 1, 2, 3 }, 17, 17, -EPROTO },
	{ "half a contact", KECHO_FRAME_NODES, 1, 0, { 1 }, 30, 30, -EPROTO },
	{ "half a member", KECHO_FRAME_MEMBER, 1, 0, { 1 }, 8, 8, -EPROTO },
	{ "a member of no role", KECHO_FRAME_MEMBER, 1, 0, { 3, 0, 0, 0, 0, 0, 0, 0, 7 }, 25, 25,
	  -EPROTO },
	{ "a log of no size", KECHO_FRAME_MEMBER, 1, 0,
	  { 3, 0, 0, 0, 0, 0, 0, 0, KE_SOURCE, 0, 0, 2, 0, 0, 0, 1 }, 25, 25, -EPROTO },
	{ "attributes that are none", KECHO_FRAME_ATTR, 1, 9, { 9, 9, 9 }, 3, 3, -EPROTO },
	{ "a subscription to no log", KECHO_FRAME_SUBSCRIBE, 99, 0, { 0 }, 14, 14, 0 },
	{ "half a subscription", KECHO_FRAME_SUBSCRIBE, 1, 0, { 0 }, 13, 13, -EPROTO },
	{ "an unaligned subscription", KECHO_FRAME_SUBSCRIBE, 1, 3, { 3 }, 14, 14, -EPROTO },
	{ "a start past all", KECHO_FRAME_START, 1, U64_MAX, { 0 }, 8, 8, -EPROTO },
	{ "a start again", KECHO_FRAME_START, 1, 64, { 0 }, 8, 8, 0 },
	{ "data elsewhere", KECHO_FRAME_DATA, 1, 64, { 0 }, 8, 8, -EPROTO },
	{ "more data than a piece", KECHO_FRAME_DATA, 1, 0, { 0 }, 0, 16385, -EPROTO },
	{ "data of no log", KECHO_FRAME_DATA, 9, 0, { 0 }, 8, 8, 0 },
	{ "data that is no record", KECHO_FRAME_DATA, 1, 0, { 0xff, 0xff, 0xff, 0xff }, 8, 8, -EPROTO },
	{ "a skip unaligned", KECHO_FRAME_SKIP, 1, 12, { 0 }, 0, 0, -EPROTO },
	{ "a skip past all", KECHO_FRAME_SKIP, 1, U64_MAX & ~7ULL, { 0 }, 0, 0, -EPROTO },
	{ "a skip", KECHO_FRAME_SKIP, 1, 1 << 20, { 0 }, 0, 0, 0 },
	{ "half an end", KECHO_FRAME_END, 1, 0, { 0 }, 7, 7, -EPROTO },
	{ "half an acknowledgement", KECHO_FRAME_ACK, 1, 0, { 0 }, 8, 8, -EPROTO },
	{ "of what was never sent", KECHO_FRAME_ACK, 1, 1 << 20, { 0 }, 16, 16, -EPROTO },
	{ "a stream frame between", 34, 1, 0, { 0 }, 0, 0, 0 },
};

static int put_member(struct conn *c, u64 size)
{
	u8 buf[64];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, 0x1234);
	ke_put_u8(&o, KE_SOURCE);
	ke_put_u8(&o, 0);
	ke_put_u8(&o, 1);
	ke_put_u32(&o, 1);
	ke_put_u64(&o, size);
	ke_put_bytes(&o, NULL, 0);
	return put_frame(c, KECHO_FRAME_MEMBER, 1, 0, buf, o.len, o.len);
}

/* A node with a source and a sink, whose peer is a test's. */
static struct world *meet(struct conn **c, bool gated)
{
	static const u8 channel[20] = { 1, 2, 3 };
	static const u8 subscribe[14] = { KE_FROM_NOW };
	struct world *w = world_new(1, 1);

	*c = NULL;
	if (!w)
		return NULL;
	channel_open(&w->n[0]);
	sink_open(&w->n[0], gated, false);
	if (source_open(&w->n[0], 0))
		*c = conn_new(&w->n[0], false);
	if (!ok(*c, "memory")) {
		world_free(w);
		return NULL;
	}
	(*c)->raw = true;
	is_eq(put_hello(*c, 1, 1, 0, &stranger), 0, "hello");
	is_eq(put_frame(*c, KECHO_FRAME_CHANNEL, 1, 0, channel, 20, 20), 0, "channel");
	is_eq(put_member(*c, TEST_LOG), 0, "member");
	is_eq(put_frame(*c, KECHO_FRAME_SYNCED, 1, 0, NULL, 0, 0), 0, "synced");
	is_eq(put_frame(*c, KECHO_FRAME_START, 1, 0, channel + 4, 8, 8), 0, "start");
	is_eq(put_frame(*c, KECHO_FRAME_SUBSCRIBE, 1, 0, subscribe, 14, 14), 0, "subscribe");
	return w;
}

TEST(hostile)
{
	struct world *w;
	struct conn *c;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad_frames); i++) {
		const struct bad_frame *f = &bad_frames[i];

		w = meet(&c, false);
		must(w, "nodes");
		is_eq(put_frame(c, f->type, f->id, f->pos, f->body, f->len, f->said), f->err, "%s",
		      f->what);
		ok(world_pump(w), "quiet");
		is_eq(c->lost, f->err != 0, "%s: the link", f->what);
		is_eq(w->n[0].damaged + w->n[0].got, 0, "%s: no event", f->what);
		world_end(w);
	}
}

/* A peer may not send more than there is room for. */
TEST(over_credit)
{
	static u8 pad[16384] = { 0x00, 0x40, 0, 0, KECHO_RECORD_PAD };
	struct world *w;
	struct conn *c;
	u32 i;

	w = meet(&c, true);
	must(w, "nodes");
	w->n[0].idle = true;
	for (i = 0; i < 4; i++)
		is_eq(put_frame(c, KECHO_FRAME_DATA, 1, i * 16384, pad, 16384, 16384), 0, "room");
	is_eq(put_frame(c, KECHO_FRAME_SKIP, 1, 4 << 20, NULL, 0, 0), -EPROTO, "no skip either");
	world_end(w);
	w = meet(&c, true);
	must(w, "nodes");
	w->n[0].idle = true;
	for (i = 0; i < 4; i++)
		is_eq(put_frame(c, KECHO_FRAME_DATA, 1, i * 16384, pad, 16384, 16384), 0, "room");
	is_eq(put_frame(c, KECHO_FRAME_DATA, 1, i * 16384, pad, 8, 8), -EPROTO, "no room");
	world_end(w);
}

TESTS(node, hello, members, members_before, attributes, third_node, both_dial, in_order, gate,
      ungate, gate_later, gate_flips,
      lapped, retained, end, cut, cut_early, cut_end, cut_lapped, node_dead, silence,
      forgotten, hello_refused, hostile, over_credit);
