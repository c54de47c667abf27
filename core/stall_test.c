// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The stall limit: a sink that reads nothing is ended, in time and not before; one that
 * reads anything is not, and neither is one whose link is slow.
 */
#include "stream_test.h"

enum { LIMIT_MS = 30000, LEN = 1000, STEP_MS = 100 };

/* A source that waits, and looks: is there room? Else, is something to be done? */
static bool has_room(struct world *w, bool *due)
{
	struct ke_event_info info = { .time_ns = 1 };
	struct ke_source *s = &w->n[0].src;
	bool room;

	h_source_lock(s);
	room = ke_log_room(&s->log, ke_record_size(&info, LEN),
			   ke_source_limit(s, s->log.end + 2 * LEN));
	*due = !room && ke_source_stalled(s, ke_record_size(&info, LEN));
	h_source_unlock(s);
	return room;
}

/* The same, and it does that. */
static bool wants_room(struct world *w)
{
	bool due, room = has_room(w, &due);

	if (due)
		ke_source_end_stalled(&w->n[0].src);
	return room;
}

/* Waits for room, @ms at most; how long it took, or @ms. */
static u32 wait_room(struct world *w, u32 ms)
{
	u32 at;

	for (at = 0; at < ms && !wants_room(w); at += STEP_MS)
		world_wait(w, STEP_MS);
	return at;
}

/* Submits whatever fits, for @ms; stops when a sink was ended, and says when. */
static u32 keep_full(struct world *w, u32 ms)
{
	u32 at;

	for (at = 0; at < ms && !w->n[0].src.stalls; at += STEP_MS) {
		while (wants_room(w) && !submit(&w->n[0], LEN))
			;
		world_wait(w, STEP_MS);
	}
	return at;
}

static void fill(struct world *w)
{
	u32 i;

	for (i = 0; i < 10; i++) {
		while (!submit(&w->n[0], LEN))
			;
		world_pump(w);
	}
}

/* A sink at node 1 that does not read, and a source that waits for it. */
static struct world *stuck(u64 seed)
{
	struct world *w = stream(seed, true, 0);

	if (!w)
		return NULL;
	w->n[0].src.stall_ms = LIMIT_MS;
	w->n[1].idle = true;
	w->takes = false;	/* all is acknowledged */
	fill(w);
	is_eq(submit(&w->n[0], LEN), -EAGAIN, "log and mirror are full");
	return w;
}

TEST(ended)
{
	struct world *w = stuck(1);
	u32 ms;

	must(w, "nodes");
	ms = wait_room(w, 3 * LIMIT_MS);
	ok(ms >= LIMIT_MS && ms <= LIMIT_MS + KE_STALL_ASK_MS + 1000, "after %u ms", ms);
	is_eq(w->n[1].stalled, 1, "the sink is ended");
	is_eq(w->n[0].src.stalls, 1, "which the source counts");
	is_eq(submit(&w->n[0], LEN), 0, "and it goes on");
	is_eq(open_conns(w), 2, "over the same link");
	world_end(w);
}

TEST(never)
{
	struct world *w = stuck(2);

	must(w, "nodes");
	w->n[0].src.stall_ms = 0;
	is_eq(wait_room(w, 4 * LIMIT_MS), 4 * LIMIT_MS, "it waits for ever");
	is_eq(w->n[1].asked, 0, "and asks nothing");
	world_end(w);
}

/* Nobody wants room: no time runs, however full the log is. */
TEST(nobody_waits)
{
	struct world *w = stuck(3);

	must(w, "nodes");
	ok(world_wait(w, 2 * LIMIT_MS), "quiet");
	is_eq(wait_room(w, LIMIT_MS - STEP_MS), LIMIT_MS - STEP_MS, "from here on");
	is_eq(w->n[1].stalled, 0, "the sink lives");
	world_end(w);
}

/* Too little for its node to say so unasked. */
TEST(reads_a_little)
{
	struct world *w = stuck(4);
	struct ke_item item;
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 10; i++) {
		is_eq(ke_reader_next(&w->n[1].feeds->r, &item), 1, "an event");
		keep_full(w, LIMIT_MS / 2);
	}
	is_eq(w->n[1].stalled, 0, "it is not ended");
	keep_full(w, 2 * LIMIT_MS);
	is_eq(w->n[1].stalled, 1, "before it ceases");
	world_end(w);
}

/* What the sink needs lies in a link that stands still, but lives. */
TEST(slow_link)
{
	struct world *w = stream(5, true, 0);
	struct ke_tstream *ts;
	u32 at;

	must(w, "nodes");
	w->n[0].src.stall_ms = LIMIT_MS;
	while (!submit(&w->n[0], LEN))
		;
	ts = list_first_entry(&w->n[0].src.streams, struct ke_tstream, source_list);
	ok(ts->sent < ts->credit, "nothing was sent yet");
	for (at = 0; at < 2 * LIMIT_MS; at += STEP_MS, w->now += STEP_MS)
		ok(!wants_room(w), "no room");
	is_eq(w->n[0].src.stalls, 0, "nobody is to blame");
	ok(world_pump(w), "quiet");
	ok(wants_room(w), "it has gone through");
	all_counted(w);
	world_end(w);
}

/* Of two readers of one source the other one notices nothing. */
TEST(the_other_goes_on)
{
	struct world *w = stuck(6);
	u64 got;

	must(w, "nodes");
	node_make(w, 2);
	channel_open(&w->n[2]);
	ke_channel_contact(&w->n[2].ch, &w->n[0].node.self);
	ok(world_pump(w), "quiet");
	is_eq(sink_open(&w->n[2], true, false), 0, "another sink");
	ok(world_pump(w), "quiet");
	wait_room(w, 2 * LIMIT_MS);
	is_eq(w->n[1].stalled, 1, "one is ended");
	is_eq(w->n[2].stalled, 0, "the other is not");
	got = w->n[2].got;
	fill(w);
	ok(w->n[2].got > got && !w->n[2].lost && !w->n[2].bad, "and gets all");
	world_end(w);
}

/* A link that breaks while its gate is in the way is no excuse. */
TEST(cut_meanwhile)
{
	struct world *w = stuck(7);

	must(w, "nodes");
	wait_room(w, LIMIT_MS - 1000);
	world_cut(w);
	ok(world_wait(w, 500), "quiet");
	is_eq(open_conns(w), 2, "it is back");
	is_eq(w->n[1].stalled, 0, "not yet");
	keep_full(w, LIMIT_MS + 3000);
	is_eq(w->n[1].stalled, 1, "it is ended");
	is_eq(w->n[1].failed + w->n[0].failed, 0, "nobody has failed");
	world_end(w);
}

/* A source that decides asks at once where a sink is, but whom it can't ask it waits for. */
TEST(decides)
{
	struct world *w = stuck(8);
	struct ke_source *s;
	bool due;

	must(w, "nodes");
	s = &w->n[0].src;
	h_source_lock(s);
	ke_source_decide(s, true);
	h_source_unlock(s);
	s->stall_ms = 0;
	world_cut(w);
	ok(!wants_room(w), "it waits");
	ok(!has_room(w, &due) && !due, "and has nobody to ask");
	ok(world_wait(w, 500), "quiet");
	is_eq(open_conns(w), 2, "it is back");
	wants_room(w);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].asked, 1, "it is asked");
	is_eq(w->n[1].stalled, 0, "and not ended");
	world_end(w);
}

/* A few events are not acknowledged by themselves: who asks is told. */
TEST(arrived)
{
	struct world *w = stream(31, false, 0);
	struct ke_source *s;

	must(w, "nodes");
	s = &w->n[0].src;
	ok(ke_source_arrived(s, 0), "there was nothing");
	submit_some(w, 3);
	ok(!ke_source_arrived(s, s->log.head), "on its way");
	ok(world_pump(w), "quiet");
	ok(!ke_source_arrived(s, s->log.head), "nobody has said so");
	ok(world_pump(w), "quiet");
	ok(ke_source_arrived(s, s->log.head), "now they have");
	is_eq(w->n[1].stalled, 0, "and nobody was ended");
	world_end(w);
}

TESTS(stall, ended, never, nobody_waits, reads_a_little, slow_link, the_other_goes_on,
      cut_meanwhile, decides, arrived);
