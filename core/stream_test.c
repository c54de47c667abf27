// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Streams: each is whole or says exactly what is missing, however its bytes come
 * and wherever its connection breaks.
 */
#include "stream_test.h"

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
	w->takes = false;	/* all is acknowledged */
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

/* Laps the sink, with breaks; then both ends know of the same losses. */
static void lose_some(struct world *w, u32 rounds, bool cut)
{
	u64 before = w->n[1].lost;
	u32 i;

	for (i = 0; i < rounds; i++) {
		submit_some(w, 200);
		world_step(w);
		if (cut && i == rounds / 2)
			world_cut(w);
	}
	ok(world_wait(w, 1000), "quiet");
	is_eq(submit(&w->n[0], 1), 0, "one more");
	ok(world_wait(w, KE_HEARTBEAT_MS), "quiet");
	ok(w->n[1].lost > before, "some are lost");
}

TEST(losses_said)
{
	struct world *w = stream(21, false, 0);
	u64 lost;

	must(w, "nodes");
	lose_some(w, 40, false);
	is_eq(w->n[0].src.lost, w->n[1].lost, "the source knows");
	lose_some(w, 40, true);
	is_eq(w->n[0].src.lost, w->n[1].lost, "after a break as well");
	all_counted(w);
	/* A sink takes its own count along. */
	w->n[1].feeds->r.lost = 0;
	ke_channel_count_lost(&w->n[1].ch);
	lose_some(w, 40, false);
	is_eq(w->n[0].src.lost, w->n[1].lost, "the sum never falls");
	/* The source's node has given the stream up meanwhile: nothing counts twice. */
	lost = w->n[1].lost;
	w->n[0].deaf = true;
	world_cut(w);
	ok(world_wait(w, KE_NODE_DEAD_MS + 500), "quiet");
	w->n[0].deaf = false;
	ok(world_wait(w, KE_REDIAL_MAX_MS), "quiet");
	ok(linked(w, 0, 1), "linked again");
	is_eq(w->n[0].src.lost, lost, "as before");
	lose_some(w, 40, false);
	is_eq(w->n[0].src.lost, w->n[1].lost, "new ones are counted");
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].src.lost, w->n[1].lost, "also without the sink");
	world_end(w);
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

/* Asked for while the link is down, or while it is being set up again. */
static void run_retained_down(u64 seed, u32 steps)
{
	struct world *w = two_nodes(seed);
	u32 i;

	must(w, "nodes");
	ok(source_open(&w->n[0], 0), "source");
	w->n[0].src.retain = 5;
	is_eq(submit_some(w, 40), 40, "before the sink");
	ok(world_pump(w), "quiet");
	w->piece = 60;
	world_cut(w);
	for (i = 0; i < steps; i++)
		world_step(w);
	is_eq(sink_open(&w->n[1], true, true), 0, "sink");
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 1), "seed %llu: the link is back", seed);
	is_eq(w->n[1].got, 5, "seed %llu, step %u: the last five", seed, steps);
	is_eq(w->n[1].first, 36, "from there on");
	is_eq(w->n[1].lost, 0, "those before are not lost");
	is_eq(submit_some(w, 3), 3, "events");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 8, "and what follows");
	world_end(w);
}

TEST(retained_down)
{
	u32 i;

	for (i = 0; i < 60; i++)
		run_retained_down(i, i);
}

/* Another sink comes while the stream of the first is about to be resumed. */
static void run_joins_resuming(u64 seed, u32 steps, bool ungates)
{
	struct world *w = stream(seed, true, 0);
	u32 i;

	must(w, "nodes");
	is_eq(submit_some(w, 4), 4, "events");
	w->piece = 60;
	world_step(w);
	world_cut(w);
	for (i = 0; i < steps; i++)
		world_step(w);
	if (ungates) {	/* or the first blocks no longer */
		w->n[1].ch.gated--;
		ke_channel_unsubscribe(&w->n[1].ch);
	} else {
		is_eq(ke_channel_subscribe(&w->n[1].ch, false), 0, "another sink");
	}
	ok(world_pump(w), "quiet");
	w->n[1].ch.gated += ungates;
	is_eq(submit_some(w, 4), 4, "events");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].lost, 0, "seed %llu, step %u: nothing is lost", seed, steps);
	all_counted(w);
	world_end(w);
}

TEST(joins_resuming)
{
	u32 i;

	for (i = 0; i < 60; i++)
		run_joins_resuming(i, i / 2, i & 1);
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

/* The source leaves without waiting for anybody, however much of the stream there is. */
static void run_leaves_early(u64 seed, u32 steps, bool before)
{
	struct world *w = two_nodes(seed);
	u64 seq = 0;
	u32 i;

	must(w, "nodes");
	is_eq(sink_open(&w->n[1], seed & 1, false), 0, "sink");
	ok(world_pump(w), "quiet");
	w->piece = 60;
	ok(source_open(&w->n[0], 0), "source");
	if (before)
		is_eq(submit_some(w, 3), 3, "events");
	for (i = 0; i < steps; i++)
		world_step(w);
	if (!before)
		is_eq(submit_some(w, 3), 3, "events");
	seq = w->n[0].src.log.seq;
	source_close(&w->n[0]);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].left, 1, "it has left");
	is_eq(w->n[1].ends, 1, "its end is told once");
	is_eq(w->n[1].bad + w->n[1].damaged, 0, "in order");
	is_eq(w->n[1].got + w->n[1].lost, seq, "seed %llu, step %u: all is accounted for", seed,
	      steps);
	world_end(w);
}

TEST(leaves_early)
{
	u32 i;

	for (i = 0; i < 80; i++)
		run_leaves_early(i, i / 4, i & 2);
}

/* Nor can it say so while the link is down: nobody knows what it still had. */
TEST(leaves_unseen)
{
	struct world *w = stream(22, true, 0);

	must(w, "nodes");
	is_eq(submit_some(w, 3), 3, "events");
	ok(world_pump(w), "quiet");
	w->n[0].deaf = true;
	world_cut(w);
	is_eq(submit_some(w, 3), 3, "events");
	source_close(&w->n[0]);
	w->n[0].deaf = false;
	ok(world_wait(w, 1000), "quiet");
	ok(linked(w, 0, 1), "linked again");
	is_eq(w->n[1].ends, 1, "the end is told");
	is_eq(w->n[1].failed, 1, "it has failed");
	is_eq(w->n[1].left, 0, "it didn't just leave");
	is_eq(w->n[1].got, 3, "what came");
	world_end(w);
}

/* Killed, in the first moment. */
static void run_dies_early(u64 seed, u32 steps)
{
	struct world *w = two_nodes(seed);
	u32 i;

	must(w, "nodes");
	is_eq(sink_open(&w->n[1], true, false), 0, "sink");
	ok(world_pump(w), "quiet");
	w->piece = 60;
	ok(source_open(&w->n[0], 0), "source");
	is_eq(submit_some(w, 3), 3, "events");
	for (i = 0; i < steps; i++)
		world_step(w);
	w->n[0].deaf = true;
	world_cut(w);
	ok(world_wait(w, KE_NODE_DEAD_MS + 500), "quiet");
	is_eq(w->n[1].failed, w->n[1].joined, "it has failed if it was seen");
	is_eq(w->n[1].ends, w->n[1].joined, "the sink is told then");
	is_eq(!w->n[1].feeds, !w->n[1].joined, "which has something to be told by");
	w->n[0].deaf = false;
	ok(world_wait(w, KE_REDIAL_MAX_MS), "quiet");
	ok(world_pump(w), "quiet");
	is_eq(submit_some(w, 3), 3, "events");
	ok(world_pump(w), "quiet");
	if (w->n[1].failed)
		all_counted(w);
	world_end(w);
}

TEST(dies_early)
{
	u32 i;

	for (i = 0; i < 60; i++)
		run_dies_early(i, i / 3);
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

TESTS(stream, in_order, gate, ungate, gate_later, gate_flips, lapped, losses_said, retained,
      retained_down, joins_resuming, end, leaves_early, leaves_unseen, dies_early, cut, cut_early,
      cut_end, cut_lapped, node_dead);
