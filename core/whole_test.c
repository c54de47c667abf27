// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels as a whole, frozen, drained and destroyed, while links break and nodes come
 * and go.
 */
#include "stream_test.h"

static bool publishes(struct world *w)
{
	return !w->n[0].src.frozen;
}

TEST(frozen)
{
	struct world *w = stream(1, false, 0);

	must(w, "nodes");
	ke_channel_freeze(&w->n[1].ch);
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 1, "one has yet to confirm");
	ok(publishes(w), "it does not know");
	ok(world_pump(w), "quiet");
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 0, "confirmed");
	ok(!publishes(w), "it is frozen");
	ke_channel_thaw(&w->n[1].ch);
	ok(world_pump(w), "quiet");
	ok(publishes(w), "thawed");
	world_end(w);
}

/* What had begun is finished first. */
TEST(begun)
{
	struct ke_event_info info = { .time_ns = 1 };
	struct world *w = stream(2, false, 0);
	struct ke_source *s;
	u64 cookie;
	void *data;

	must(w, "nodes");
	s = &w->n[0].src;
	is_eq(ke_log_reserve(&s->log, &info, 1, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
	*(u8 *)data = event_byte(1, 0);
	s->in_pieces = true;
	ke_channel_freeze(&w->n[1].ch);
	ok(world_pump(w), "quiet");
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 1, "a reservation is open");
	is_eq(ke_log_commit(&s->log, cookie, 1, 1), 0, "committed");
	ke_channel_settle(&w->n[0].ch);
	ok(world_pump(w), "quiet");
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 1, "an event is going in");
	s->in_pieces = false;
	ke_channel_settle(&w->n[0].ch);
	ok(world_pump(w), "quiet");
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 0, "now it stands still");
	world_end(w);
}

/* A break lifts nothing; who has let go meanwhile does not say it again. */
TEST(frozen_over_breaks)
{
	struct world *w = stream(3, false, 0);

	must(w, "nodes");
	ke_channel_freeze(&w->n[1].ch);
	ok(world_pump(w), "quiet");
	world_cut(w);
	ok(!publishes(w), "the link is down");
	ok(world_wait(w, 500), "quiet");
	ok(!publishes(w) && linked(w, 0, 1), "it is back");
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 0, "and confirmed anew");
	w->n[0].deaf = true;
	world_cut(w);
	ke_channel_thaw(&w->n[1].ch);
	ok(world_wait(w, 500), "quiet");
	ok(!publishes(w), "nobody could say so");
	w->n[0].deaf = false;
	ok(world_wait(w, 1000), "quiet");
	ok(publishes(w), "it is not said again");
	ke_channel_freeze(&w->n[1].ch);
	ok(world_pump(w), "quiet");
	w->n[0].deaf = true;
	world_cut(w);
	ok(world_wait(w, KE_NODE_DEAD_MS + 500), "quiet");
	ok(publishes(w), "who fails holds nothing");
	is_eq(ke_channel_unfrozen(&w->n[1].ch), 0, "nor is it waited for");
	world_end(w);
}

/* Known before the first event; and for as long as one of them holds it. */
TEST(frozen_by_two)
{
	struct world *w = stream(4, false, 0);

	must(w, "nodes");
	node_make(w, 2);
	channel_open(&w->n[2]);
	ke_channel_freeze(&w->n[1].ch);
	ke_channel_contact(&w->n[2].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ok(ke_channel_synced(&w->n[2].ch) && ke_channel_frozen(&w->n[2].ch), "it came and knows");
	ok(source_open(&w->n[2], 0), "source");
	ok(w->n[2].src.frozen, "frozen from its birth");
	ke_channel_freeze(&w->n[2].ch);
	ok(world_pump(w), "quiet");
	ke_channel_thaw(&w->n[1].ch);
	ok(world_pump(w), "quiet");
	ok(!publishes(w), "the other holds it");
	source_close(&w->n[2]);
	ke_channel_close(&w->n[2].ch);
	w->n[2].open = false;
	ok(world_pump(w), "quiet");
	ok(publishes(w), "it has closed");
	world_end(w);
}

/* Until it is done, or @ms have gone by; the sinks that lag. */
static u32 drain(struct world *w, struct tnode *tn, u32 ms)
{
	u32 lag = 0, silent, at;

	is_eq(ke_drain_begin(&tn->ch), 0, "it begins");
	is_eq(ke_drain_begin(&tn->ch), -EBUSY, "once");
	for (at = 0; at < ms && !ke_drain_step(&tn->ch, &lag, &silent); at += 10) {
		world_wait(w, 10);
		if (at == ms / 2)
			world_cut(w);
	}
	ke_drain_end(&tn->ch);
	return at < ms ? 0 : max(lag, 1U);
}

TEST(drained)
{
	struct world *w = stream(5, true, 0);
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 2; i++) {
		is_eq(drain(w, &w->n[i], 1000), 0, "nothing is there");
		w->n[1].idle = true;
		is_eq(submit(&w->n[0], 100), 0, "an event");
		is_eq(drain(w, &w->n[i], 3000), 1, "it is not read, also over a break");
		w->n[1].idle = false;
		is_eq(drain(w, &w->n[i], 3000), 0, "it is");
	}
	world_end(w);
}

/* It goes round from node to node, and is said where a link comes back. */
TEST(destroyed)
{
	struct world *w = stream(6, true, 0);

	must(w, "nodes");
	node_make(w, 2);
	channel_open(&w->n[2]);
	ke_channel_contact(&w->n[2].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	w->n[1].idle = true;
	is_eq(submit_some(w, 10), 10, "events");
	w->n[0].deaf = true;
	world_cut(w);
	ke_channel_destroy(&w->n[2].ch);
	ok(world_wait(w, 500), "quiet");
	is_eq(w->n[1].destroyed, 1, "the one it is linked to knows");
	is_eq(w->n[1].left, 1, "and all have left, for it");
	is_eq(w->n[0].destroyed, 0, "one is cut off");
	is_eq(ke_channel_undestroyed(&w->n[2].ch), 1, "which is known");
	w->n[0].deaf = false;
	ok(world_wait(w, 1000), "quiet");
	is_eq(w->n[0].destroyed, 1, "it is back");
	is_eq(ke_channel_undestroyed(&w->n[2].ch), 0, "and has said that it knows");
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	ok(w->n[1].ends > 0, "the log has ended");
	all_counted(w);
	is_eq(w->n[1].lost, 0, "and was read to its end");
	is_eq(w->n[1].left, 1, "nobody joins or leaves any more");
	is_eq(w->n[0].destroyed + w->n[1].destroyed + w->n[2].destroyed, 3, "once each");
	world_end(w);
}

TESTS(whole, frozen, begun, frozen_over_breaks, frozen_by_two, drained, destroyed);
