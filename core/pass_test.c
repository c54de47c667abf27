// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What nobody wants at the other end isn't sent, whatever happens meanwhile; and each event
 * has come, was left out, or is said to be lost.
 */
#include "pass_test.h"

TEST(unwanted)
{
	struct world *w = judged_stream(1, false);
	u64 moved, head;

	must(w, "nodes");
	is_eq(submit_bits(w, 3, 1, 100), 3, "some");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 3, "are there");
	moved = w->moved;
	head = mirror_of(w)->mirror.head;
	is_eq(submit_bits(w, 50, 2, 100), 50, "others");
	ok(world_pump(w), "quiet");
	is_eq(w->moved, moved, "cost nothing");
	is_eq(mirror_of(w)->mirror.head, head, "nothing is said");
	ok(!ke_link_pending(stream_of(w)->link), "nothing is to be sent");
	is_eq(submit_bits(w, 1, 1, 100), 1, "one more");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 4, "is there");
	is_eq(w->n[1].filtered, 50, "they were left out");
	ok(w->moved - moved < 500, "%llu bytes", w->moved - moved);
	all_counted(w);
	world_end(w);
}

/* A few bytes before what is too much to be picked are not worth a frame. */
TEST(short_gaps)
{
	struct world *w = judged_stream(2, true);
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 100; i++) {
		submit_bits(w, 1, i & 1, i & 1 ? 5000 : 100);
		if (i % 4 == 3)
			ok(world_pump(w), "quiet");
	}
	is_eq(w->n[1].got, 50, "every second");
	is_eq(w->n[1].filtered, 50, "the others");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "all of it is there");
	is_eq(mirror_of(w)->mirror.bytes, 0, "as data");
	world_end(w);
}

/* Nobody over there wants any: that costs nothing, and the source goes on. */
TEST(endless)
{
	struct world *w;
	u64 before;
	u32 i;

	for (i = 0; i < 2; i++) {
		w = judged_stream(3, i);
		must(w, "nodes");
		before = w->moved;
		while (w->n[0].src.log.end < 40 * TEST_LOG) {
			if (!ok(submit_bits(w, 7, 6, 120 + 400 * i) == 7, "room"))
				break;
			ok(world_pump(w), "quiet");
		}
		is_eq(w->moved, before, "no byte");
		ke_source_due(&w->n[0].src, w->n[0].src.log.head);
		ok(world_pump(w), "quiet");
		is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "the mirror has jumped");
		all_counted(w);
		is_eq(w->n[1].got + w->n[1].lost, 0, "none came, none is lost");
		is_eq(submit_bits(w, 3, 1, 100), 3, "wanted");
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].got, 3, "they come");
		world_end(w);
	}
}

/* By any number of bytes around one ring, and around two. */
TEST(jumps)
{
	struct world *w;
	u32 i, len;

	for (i = 0; i < 80; i++) {
		w = judged_stream(30 + i, i & 1);
		must(w, "nodes");
		submit_bits(w, 1 + i / 16, 1, 8 * (i % 16));
		ok(world_pump(w), "quiet");
		for (len = TEST_LOG * (1 + i / 40) - 400; len; len -= min_t(u32, len, 1040)) {
			submit_bits(w, 1, 2, min_t(u32, len, 1040) - 40);
			ok(world_pump(w), "quiet");
		}
		submit_bits(w, 9 + i / 2 % 20, 2, 0);
		ok(world_pump(w), "quiet");
		submit_bits(w, 1, 1, 100);
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].got, 2 + i / 16, "%u: both sides come", i);
		is_eq(w->n[1].lost, 0, "%u: nothing is lost", i);
		all_counted(w);
		world_end(w);
	}
}

/* A sink has yet to read something: nobody is held up by what it does not want; what it does
 * comes when it has read that. */
TEST(unread)
{
	struct world *w = judged_stream(9, true);

	must(w, "nodes");
	w->n[1].idle = true;
	is_eq(submit_bits(w, 1, 1, 100), 1, "wanted");
	ok(world_pump(w), "quiet");
	while (w->n[0].src.log.end < 10 * TEST_LOG) {
		if (!ok(submit_bits(w, 7, 2, 500) == 7, "room"))
			break;
		ok(world_pump(w), "quiet");
	}
	is_eq(submit_bits(w, 2, 1, 100), 2, "wanted");
	ok(world_pump(w), "quiet");
	ok(mirror_of(w)->passes && mirror_of(w)->skip, "there is no room for it yet");
	ok(!ke_link_pending(stream_of(w)->link), "nothing is to be sent");
	is_eq(submit_bits(w, 50, 2, 100), 50, "others");
	ke_source_due(&w->n[0].src, w->n[0].src.log.head);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 0, "it reads nothing");
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 3, "all three");
	is_eq(w->n[1].lost, 0, "nothing is lost");
	all_counted(w);
	world_end(w);
}

static void run_any(u64 seed, u32 rare, bool gated)
{
	struct world *w = judged_stream(seed, gated);
	u64 wanted = 0;
	u32 i;

	must(w, "nodes");
	w->piece = 10 << world_random(w, 14);
	for (i = 0; i < 100; i++) {
		w->n[1].idle = gated && world_random(w, 3);
		submit_any(w, 40, rare, &wanted);
		if (world_random(w, 2))
			world_step(w);
		else
			ok(world_pump(w), "quiet");
	}
	w->n[1].idle = false;
	w->n[0].bits = 1;
	ok(world_pump(w), "quiet");
	wanted += !submit(&w->n[0], 1);
	ok(world_pump(w), "quiet");
	all_counted(w);
	if (gated) {
		is_eq(w->n[1].lost, 0, "seed %llu: nothing is lost", seed);
		is_eq(w->n[1].got, wanted, "seed %llu: those that are wanted", seed);
	}
	is_eq(w->n[0].dialled, 1, "seed %llu: the link stands", seed);
	world_end(w);
}

TEST(any)
{
	u32 i;

	for (i = 0; i < 40; i++)
		run_any(i, 1 << i % 9, i & 1);
}

/* A sink that doesn't read: the source stops when mirror and log are full of what it wants. */
TEST(gate)
{
	struct world *w = judged_stream(4, true);
	u64 wanted = 0;
	u32 i;

	must(w, "nodes");
	w->n[1].idle = true;
	do {
		for (i = 0; submit_any(w, 1, 30, &wanted); i++)
			;
		ok(world_pump(w), "quiet");
	} while (i);
	is_eq(submit(&w->n[0], 4000), -EAGAIN, "the gate holds");
	ok(stream_of(w)->sent >= stream_of(w)->credit, "all that may be is said");
	ok(!ke_link_pending(stream_of(w)->link), "nothing is to be sent");
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	is_eq(submit(&w->n[0], 4000), 0, "there is room again");
	ke_source_due(&w->n[0].src, w->n[0].src.log.head);
	ok(world_pump(w), "quiet");
	all_counted(w);
	is_eq(w->n[1].lost, 0, "nothing is lost");
	world_end(w);
}

static void run_gate_later(u64 seed)
{
	struct world *w = judged_stream(seed, false);
	struct tnode *sink;
	u64 wanted = 0, lost;
	u32 i;

	must(w, "nodes");
	sink = &w->n[1];
	w->piece = 1 + world_random(w, 30000);
	for (i = world_random(w, 60); i; i--) {
		submit_any(w, 30, 40, &wanted);
		world_step(w);
	}
	sink->ch.gated++;
	is_eq(ke_channel_subscribe(&sink->ch, false), 0, "gate");
	for (i = 0; i < 100000 && !ke_channel_started(&sink->ch); i++) {
		submit_any(w, 5, 40, &wanted);
		world_step(w);
	}
	ok(world_pump(w), "quiet");
	is_eq(submit_bits(w, 1, 1, 1), 1, "seed %llu: an event", seed);
	ok(world_pump(w), "quiet");
	lost = sink->lost;
	for (i = 0; i < 30; i++) {
		submit_any(w, 100, 40, &wanted);
		ok(world_pump(w), "quiet");
	}
	is_eq(sink->lost, lost, "seed %llu: nothing is lost", seed);
	is_eq(w->n[0].dialled, 1, "seed %llu: the link never broke", seed);
	submit_bits(w, 1, 1, 1);
	ok(world_pump(w), "quiet");
	all_counted(w);
	sink->ch.gated--;
	world_end(w);
}

TEST(gate_later)
{
	u32 i;

	for (i = 0; i < 20; i++)
		run_gate_later(i);
}

/* It is lapped while it passes over: what it had looked at was judged, the rest is lost. */
TEST(lapped)
{
	struct world *w = judged_stream(5, false);
	u64 lost, filtered;

	must(w, "nodes");
	is_eq(submit_bits(w, 20, 2, 400), 20, "unwanted");
	ok(world_pump(w), "quiet");
	ok(stream_of(w)->passed > stream_of(w)->sent, "passed over");
	is_eq(submit_bits(w, 1000, 1, 200), 1000, "wanted, some laps");
	ok(world_pump(w), "quiet");
	ok(w->n[1].got > 0 && w->n[1].lost > 0, "some are lost");
	all_counted(w);
	/* The tail is past what is sent, but not past what was passed over. */
	is_eq(submit_bits(w, 300, 2, 8), 300, "unwanted");
	ok(world_pump(w), "quiet");
	ok(stream_of(w)->passed - stream_of(w)->sent > TEST_LOG / 8, "passed over");
	while (w->n[0].src.log.tail <= stream_of(w)->sent)
		submit_bits(w, 1, 1, 8);
	ok(w->n[0].src.log.tail < stream_of(w)->passed, "so far");
	lost = w->n[1].lost;
	filtered = w->n[1].filtered;
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].filtered - filtered, 300, "those were left out");
	is_eq(w->n[1].lost, lost, "and no more is lost");
	all_counted(w);
	world_end(w);
}

/* ------------------------------------------------------------------------ waits */

TEST(end)
{
	struct world *w = judged_stream(6, true);

	must(w, "nodes");
	is_eq(submit_bits(w, 5, 1, 10), 5, "events");
	is_eq(submit_bits(w, 9, 2, 1000), 9, "that nobody wants at the end");
	ke_source_end(&w->n[0].src);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].ends, 1, "the end is said once");
	is_eq(w->n[1].end_seq, 14, "after the last");
	is_eq(w->n[1].got, 5, "those that are wanted");
	is_eq(w->n[1].filtered, 9, "and the others");
	is_eq(w->n[1].lost, 0, "nothing is lost");
	ok(ke_source_drained(&w->n[0].src), "it is known to be there");
	world_end(w);
}

TEST(arrived)
{
	struct world *w = judged_stream(7, false);
	struct ke_source *s;

	must(w, "nodes");
	s = &w->n[0].src;
	is_eq(submit_bits(w, 5, 2, 1000), 5, "events");
	ok(world_pump(w), "quiet");
	ok(!ke_source_arrived(s, s->log.head), "nobody has said so");
	ok(world_pump(w), "quiet");
	ok(ke_source_arrived(s, s->log.head), "now they have");
	is_eq(submit_bits(w, 5, 2, 1000), 5, "events");
	ke_source_due(s, s->log.head);
	ok(world_pump(w), "quiet");
	is_eq(mirror_of(w)->mirror.head, s->log.head, "before they were looked at");
	is_eq(submit_bits(w, 5, 2, 1000), 5, "events");
	ok(world_pump(w), "quiet");
	ok(mirror_of(w)->mirror.head < s->log.head, "nobody waits for these");
	world_end(w);
}

TEST(drained)
{
	struct world *w = judged_stream(8, true);
	u32 lag, silent;

	must(w, "nodes");
	is_eq(submit_bits(w, 5, 2, 1000), 5, "events");
	ok(world_pump(w), "quiet");
	is_eq(ke_drain_begin(&w->n[1].ch), 0, "drain");
	ke_drain_step(&w->n[1].ch, &lag, &silent);
	ok(world_pump(w), "quiet");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "its mark is reached");
	ke_drain_end(&w->n[1].ch);
	world_end(w);
}

/* ---------------------------------------------------------------------- changes */

/* Of what is there when less is wanted, all is sent. */
TEST(narrowed)
{
	struct world *w = judged_stream(9, true);

	must(w, "nodes");
	want(w, 3, false);
	is_eq(submit_bits(w, 9, 2, 1000), 9, "that bit is wanted");
	want(w, 1, false);
	ok(world_pump(w), "quiet");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "all of it is there");
	is_eq(submit_bits(w, 9, 2, 1000), 9, "not any more");
	ok(world_pump(w), "quiet");
	ok(mirror_of(w)->mirror.head < w->n[0].src.log.head, "these are not");
	want(w, 0, true);
	ok(world_pump(w), "quiet");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "they were passed over");
	is_eq(submit_bits(w, 9, 0, 1000), 9, "events");
	want(w, 0, false);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].filtered, 27, "left out there");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "all of it is there");
	w->n[0].src.retain = 1;
	want(w, 1, false);
	is_eq(submit_bits(w, 9, 2, 1000), 9, "events");
	ok(world_pump(w), "quiet");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "who comes late wants any");
	all_counted(w);
	world_end(w);
}

/* Another process judges, which is behind: it has not been asked yet what is wanted now. */
TEST(older)
{
	struct world *w = judged_stream(10, true);
	struct ke_tstream *ts;

	must(w, "nodes");
	ts = stream_of(w);
	h_tx_lock(ts->link);
	ke_tstream_want(ts, 1, false, 2);
	h_tx_unlock(ts->link);
	ok(world_pump(w), "quiet");
	is_eq(submit_bits(w, 9, 2, 1000), 9, "by the set of generation 1");
	ok(world_pump(w), "quiet");
	is_eq(mirror_of(w)->mirror.head, w->n[0].src.log.head, "all of it is there");
	want(w, 1, false);
	is_eq(submit_bits(w, 9, 2, 1000), 9, "by the set that is wanted");
	ok(world_pump(w), "quiet");
	ok(mirror_of(w)->mirror.head < w->n[0].src.log.head, "these are not");
	want(w, 0, true);
	ok(world_pump(w), "quiet");
	all_counted(w);
	world_end(w);
}

/* Pieces of events, between which others are wanted than before. */
static u32 submit_pieces(struct world *w, u64 bits, u32 len)
{
	struct ke_source *s = &w->n[0].src;
	struct ke_event_info info = { .judged = true, .bits = bits, .generation = 1,
				      .frag_total = 8 * len };
	u64 seq = 0;
	u32 i;

	for (i = 0; i < 8; i++) {
		info.frag_offset = i * len;
		if (!ke_log_room(&s->log, len + 100, ke_source_limit(s, U64_MAX)) ||
		    !ke_source_unpinned(s, len + 100))
			break;
		ke_log_append(&s->log, &info, w->event, len, s->limit, &seq);
		ke_log_publish(&s->log);
		if (!world_random(w, 4))
			want(w, 1 | world_random(w, 8) << 1, !world_random(w, 4));
		if (world_random(w, 3))
			world_step(w);
	}
	return i;
}

static void run_changes(u64 seed)
{
	struct world *w = judged_stream(seed, seed & 1);
	u64 wanted = 0;
	u32 i;

	must(w, "nodes");
	w->piece = 10 << world_random(w, 14);
	for (i = 0; i < 100; i++) {
		submit_any(w, 20, 8, &wanted);
		want(w, 1 | world_random(w, 8) << 1, !world_random(w, 4));
		world_step(w);
		if (world_random(w, 2) && submit_pieces(w, 6 & world_random(w, 8), 500) < 8)
			ok(world_pump(w), "quiet");
		if (!world_random(w, 3))
			ok(world_pump(w), "quiet");
	}
	ok(world_pump(w), "quiet");
	wanted += submit_bits(w, 1, 1, 1);
	ok(world_pump(w), "quiet");
	all_counted(w);
	if (seed & 1)
		is_eq(w->n[1].got, wanted, "seed %llu: those that are wanted", seed);
	is_eq(w->n[0].dialled, 1, "seed %llu: the link stands", seed);
	world_end(w);
}

TEST(changes)
{
	u32 i;

	for (i = 0; i < 40; i++)
		run_changes(i);
}

/* It goes on after a break; what was passed over unsaid is passed over again, or sent. */
static void run_cut(u64 seed)
{
	struct world *w = judged_stream(seed, true);
	u64 wanted = 0;
	u32 i;

	must(w, "nodes");
	w->piece = 1 + world_random(w, 9000);
	w->cut_at = w->moved + 1 + world_random(w, 30000);
	for (i = 0; i < 60; i++) {
		w->n[1].idle = world_random(w, 2);
		submit_any(w, 40, 4 << seed % 8, &wanted);
		world_step(w);
	}
	w->n[1].idle = false;
	ok(world_wait(w, 1000), "quiet");
	w->cut_at = w->cut_at ? w->moved + 1 : 0;
	wanted += submit_bits(w, 1, 1, 1);
	ok(world_wait(w, 1000), "quiet");
	is_eq(w->cut_at, 0, "it was cut");
	submit_any(w, 100, 16, &wanted);
	ok(world_pump(w), "quiet");
	wanted += submit_bits(w, 1, 1, 1);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].lost, 0, "seed %llu: nothing is lost", seed);
	is_eq(w->n[1].got, wanted, "seed %llu: those that are wanted", seed);
	all_counted(w);
	world_end(w);
}

TEST(cut)
{
	u32 i;

	for (i = 0; i < 40; i++)
		run_cut(i);
}

/* The link breaks before, or just as, several logs of it are said. */
TEST(cut_passed)
{
	struct world *w;
	u64 expected;
	u32 i;

	for (i = 0; i < 80; i++) {
		w = judged_stream(50 + i, i & 1);
		must(w, "nodes");
		expected = submit_bits(w, 1, 1, 100);
		ok(world_pump(w), "quiet");
		while (w->n[0].src.log.end < 5 * TEST_LOG) {
			if (!ok(submit_bits(w, 7, 2, 500) == 7, "room"))
				break;
			ok(world_pump(w), "quiet");
		}
		if (i & 2)
			world_cut(w);
		else
			w->cut_at = w->moved + 1 + 4 * (i / 4);
		expected += submit_bits(w, 2, 1, 100);
		ok(world_wait(w, 1000), "quiet");
		is_eq(w->cut_at, 0, "it was cut");
		is_eq(w->n[1].got, expected, "%u: what is wanted", i);
		is_eq(w->n[1].lost, 0, "%u: nothing is lost", i);
		all_counted(w);
		world_end(w);
	}
}

/* A few bytes that nobody wants are not sent along with what has no credit, which may expire until
 * it has. */
TEST(along_with_nothing)
{
	struct world *w = judged_stream(21, true);
	struct ke_item item;
	struct feed *f;
	u32 i;

	must(w, "nodes");
	w->n[1].idle = true;
	is_eq(submit_bits(w, 128, 1, 472), 128, "a lap");
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].src.log.head, TEST_LOG, "of whole records");
	is_eq(submit_bits(w, 63, 1, 472), 63, "some");
	is_eq(submit_bits(w, 1, 1, 448), 1, "and almost as much as there will be credit for");
	is_eq(submit_bits(w, 1, 2, 24), 1, "one that nobody wants");
	w->n[0].deadline_ns = h_realtime_ns(&w->n[0]) + 1000000000;
	is_eq(submit_bits(w, 1, 1, 100), 1, "one with a deadline");
	f = w->n[1].feeds;
	for (i = 0; i < 65; i++)
		is_eq(ke_reader_next(&f->r, &item), 1, "one is read");
	ke_rstream_release(f->rs, f->r.released);
	ok(world_pump(w), "quiet");
	is_eq(stream_of(w)->credit, TEST_LOG + TEST_LOG / 2, "credit for some");
	ok(world_wait(w, 2000), "quiet");
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	w->n[0].deadline_ns = 0;
	is_eq(submit_bits(w, 1, 1, 100), 1, "one more");
	ok(world_pump(w), "quiet");
	is_eq(ke_source_expired(&w->n[0].src), 1, "that one was over");
	world_end(w);
}

/* What was looked at and not sent is looked at again, also if less is wanted meanwhile. */
TEST(narrowed_unsent)
{
	struct world *w = judged_stream(22, true);

	must(w, "nodes");
	want(w, 3, false);
	w->n[1].idle = true;
	is_eq(submit_bits(w, 128, 1, 472), 128, "a lap");
	ok(world_pump(w), "quiet");
	w->n[0].deadline_ns = h_realtime_ns(&w->n[0]) + 1000000000;
	is_eq(submit_bits(w, 1, 1, 100), 1, "one with a deadline");
	ok(world_pump(w), "quiet");
	is_eq(stream_of(w)->sent, stream_of(w)->credit, "has no credit");
	want(w, 1, false);
	ok(world_wait(w, 2000), "quiet");
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	w->n[0].deadline_ns = 0;
	is_eq(submit_bits(w, 1, 1, 100), 1, "one more");
	ok(world_pump(w), "quiet");
	is_eq(ke_source_expired(&w->n[0].src), 1, "that one was over");
	world_end(w);
}

TESTS(pass, unwanted, short_gaps, endless, jumps, unread, any, gate, gate_later, lapped, end,
      arrived, drained, narrowed, narrowed_unsent, older, changes, cut, cut_passed,
      along_with_nothing);
