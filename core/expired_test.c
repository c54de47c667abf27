// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What has expired isn't sent, and who got it nevertheless drops it, whatever the clocks of the
 * two hosts say; each event has come, has expired, was left out, or is said to be lost.
 */
#include "hostile_test.h"

#define MS 1000000LL
#define HOUR_NS (3600 * 1000 * MS)

static struct ke_tstream *stream_of(const struct world *w)
{
	return list_first_entry(&w->n[0].src.streams, struct ke_tstream, source_list);
}

static struct ke_rstream *mirror_of(const struct world *w)
{
	return w->n[1].feeds->rs;
}

/* Events of @len bytes that are of use for @ms yet, by the source's clock; how many went in. */
static u32 submit_for(struct world *w, u32 n, s64 ms, u32 len)
{
	u32 i;

	w->n[0].deadline_ns = h_realtime_ns(&w->n[0]) + ms * MS;
	for (i = 0; i < n && !submit(&w->n[0], len); i++)
		;
	w->n[0].deadline_ns = 0;
	return i;
}

/* Their clocks are wrong by so much. */
static struct world *begin(u64 seed, bool gated, s64 source_ns, s64 sink_ns)
{
	struct world *w = two_nodes(seed);

	if (!w)
		return NULL;
	/* Before 1970 no clock is. */
	w->n[0].ahead_ns = 2 * HOUR_NS + source_ns;
	w->n[1].ahead_ns = 2 * HOUR_NS + sink_ns;
	is_eq(sink_open(&w->n[1], gated, false), 0, "sink");
	ok(world_pump(w), "quiet");
	ok(source_open(&w->n[0], 0), "source");
	return w;
}

/* The same, and its stream has started. */
static struct world *clocks(u64 seed, bool gated, s64 source_ns, s64 sink_ns)
{
	struct world *w = begin(seed, gated, source_ns, sink_ns);

	if (!w)
		return NULL;
	ok(world_pump(w), "quiet");
	ok(ke_channel_started(&w->n[1].ch), "started");
	return w;
}

/* What the sink's readers take the source's clock for. */
static u64 seen_clock(const struct world *w)
{
	return le64_to_cpu(mirror_of(w)->mirror.hdr->clock_ns);
}

TEST(unsent)
{
	struct world *w = clocks(1, false, 0, 0);
	u64 moved;

	must(w, "nodes");
	is_eq(submit_for(w, 3, 1000, 100), 3, "some");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 3, "are there");
	moved = w->moved;
	is_eq(submit_for(w, 50, -1, 100), 50, "that are over");
	ok(world_pump(w), "quiet");
	is_eq(w->moved, moved, "cost nothing");
	is_eq(submit_for(w, 1, 1000, 100), 1, "one more");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 4, "is there");
	is_eq(w->n[1].expired, 50, "they had expired");
	is_eq(ke_source_expired(&w->n[0].src), 50, "as the source knows");
	ok(w->moved - moved < 500, "%llu bytes", w->moved - moved);
	is_eq(submit_for(w, 1, -1, 0), 1, "the least there is");
	is_eq(submit_for(w, 1, 1000, 0), 1, "and one that is not over");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 5, "that comes");
	is_eq(ke_source_expired(&w->n[0].src), 51, "not the other");
	all_counted(w);
	world_end(w);
}

/* However wrong a clock is: an event lives as long as it should, in the mirror too. */
TEST(wrong_clocks)
{
	static const s64 wrong[][2] = {
		{ 0, 0 }, { HOUR_NS, 0 }, { -HOUR_NS, 0 }, { 0, HOUR_NS }, { 0, -HOUR_NS },
		{ HOUR_NS, -HOUR_NS },
	};
	struct world *w;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		w = clocks(2, i & 1, wrong[i][0], wrong[i][1]);
		must(w, "nodes");
		is_eq(submit_for(w, 5, 1000, 10), 5, "case %u: some", i);
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].got, 5, "case %u: come", i);
		w->n[1].idle = true;
		is_eq(submit_for(w, 5, 1000, 10), 5, "case %u: some", i);
		is_eq(submit_for(w, 5, 3000, 10), 5, "case %u: some", i);
		ok(world_wait(w, 2000), "quiet");
		w->n[1].idle = false;
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].got, 10, "case %u: those that live", i);
		is_eq(w->n[1].expired, 5, "case %u: the others", i);
		all_counted(w);
		world_end(w);
	}
}

/* A source's clock is set: what is submitted then lives as long as it should. */
TEST(source_set)
{
	struct world *w;
	u32 i;

	for (i = 0; i < 2; i++) {
		w = clocks(3, true, 0, 0);
		must(w, "nodes");
		is_eq(submit_for(w, 5, 1000, 10), 5, "some");
		ok(world_pump(w), "quiet");
		w->n[0].ahead_ns += i ? HOUR_NS : -HOUR_NS;
		is_eq(submit_for(w, 5, 1000, 10), 5, "some");
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].got, 10, "they come");
		w->n[1].idle = true;
		is_eq(submit_for(w, 5, 1000, 10), 5, "some");
		ok(world_wait(w, 2000), "quiet");
		w->n[1].idle = false;
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].expired, 5, "not read in time");
		all_counted(w);
		world_end(w);
	}
}

/* The same while there is no link to say so on. */
TEST(set_in_a_gap)
{
	struct world *w;
	u32 i;

	for (i = 0; i < 2; i++) {
		w = clocks(12, true, 0, 0);
		must(w, "nodes");
		world_cut(w);
		w->n[0].ahead_ns += i ? HOUR_NS : -HOUR_NS;
		ok(world_wait(w, 1000), "quiet");
		is_eq(submit_for(w, 5, 1000, 10), 5, "some");
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].got, 5, "they come");
		w->n[1].idle = true;
		is_eq(submit_for(w, 5, 1000, 10), 5, "some");
		ok(world_wait(w, 2000), "quiet");
		w->n[1].idle = false;
		ok(world_pump(w), "quiet");
		is_eq(w->n[1].expired, 5, "not read in time");
		all_counted(w);
		world_end(w);
	}
}

/* No deadline is sent meanwhile: it shows with the next question, which is put off until there
 * was one ever. */
TEST(asked_again)
{
	struct world *w = clocks(4, true, 0, 0);
	u64 clock, asked;

	must(w, "nodes");
	clock = seen_clock(w);
	is_eq(clock, 2 * HOUR_NS, "as it is");
	asked = mirror_of(w)->peer->clock.at_ns;
	ok(world_wait(w, KE_CLOCK_IDLE_MS - KE_HEARTBEAT_MS), "quiet");
	is_eq(mirror_of(w)->peer->clock.at_ns, asked, "nobody needs it");
	ok(world_wait(w, 2 * KE_HEARTBEAT_MS), "quiet");
	ok(mirror_of(w)->peer->clock.at_ns > asked, "but seldom");
	is_eq(submit_for(w, 1, 1000, 10), 1, "a deadline");
	ok(world_pump(w), "quiet");
	w->n[0].ahead_ns += HOUR_NS;
	ok(world_wait(w, KE_CLOCK_ASK_MS + KE_HEARTBEAT_MS), "quiet");
	is_eq(seen_clock(w) - clock, HOUR_NS, "as it is now");
	/* A clock that runs a little faster is followed. */
	w->n[0].ahead_ns += MS;
	ok(world_wait(w, KE_CLOCK_ASK_MS + KE_HEARTBEAT_MS), "quiet");
	is_eq(seen_clock(w) - clock, HOUR_NS + MS, "as it is now");
	world_end(w);
}

/* A sink's clock is set: it is all the same. */
TEST(sink_set)
{
	struct world *w = clocks(5, true, 0, 0);

	must(w, "nodes");
	w->n[1].idle = true;
	is_eq(submit_for(w, 5, 1000, 10), 5, "some");
	ok(world_pump(w), "quiet");
	w->n[1].ahead_ns += HOUR_NS;
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 5, "they come");
	world_end(w);
}

/* What waits behind a gate is not sent when it may be, if it is over by then. */
TEST(stuck)
{
	struct world *w = clocks(6, true, 0, 0);
	u64 got, moved;

	must(w, "nodes");
	w->n[1].idle = true;
	while (submit_for(w, 1, 1000, 900))
		ok(world_pump(w), "quiet");
	is_eq(stream_of(w)->sent, stream_of(w)->credit, "no more may be sent");
	got = w->n[0].src.log.seq;
	ok(world_wait(w, 2000), "quiet");
	moved = w->moved;
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].expired, got, "all are over");
	ok(w->moved - moved < TEST_LOG / 8, "%llu bytes", w->moved - moved);
	is_eq(submit_for(w, 1, 1000, 900), 1, "there is room");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 1, "it comes");
	all_counted(w);
	world_end(w);
}

/* What lies behind the credit is looked at when there is some, also behind what was sent up to
 * there. */
TEST(behind_the_credit)
{
	struct ke_event_info lives = { .deadline_ns = 1 };
	struct world *w = clocks(10, true, 0, 0);
	struct ke_tstream *ts;
	struct ke_item item;
	struct feed *f;
	u64 left;
	u32 i;

	must(w, "nodes");
	ts = stream_of(w);
	w->n[1].idle = true;
	while (submit_for(w, 1, 1000, 900))
		ok(world_pump(w), "quiet");
	f = w->n[1].feeds;
	for (i = 0; i < 40; i++)
		is_eq(ke_reader_next(&f->r, &item), 1, "one is read");
	ke_rstream_release(f->rs, f->r.released);
	ok(world_pump(w), "quiet");
	is_eq(ts->sent, ts->credit, "others are sent");
	left = (w->n[0].src.log.head - ts->sent) / ke_record_align(ke_record_size(&lives, 900));
	ok(left > 10, "not all");
	ok(world_wait(w, 2000), "quiet");
	w->n[1].idle = false;
	ke_source_due(&w->n[0].src, w->n[0].src.log.head);
	ok(world_pump(w), "quiet");
	is_eq(ke_source_expired(&w->n[0].src), left, "all of those are over");
	world_end(w);
}

/* What was looked at for a link that took nothing is looked at again. */
TEST(looked_again)
{
	struct world *w = clocks(7, false, 0, 0);
	struct kvec v[KE_TX_VECS];
	struct ke_link *l;
	u32 n;

	must(w, "nodes");
	l = stream_of(w)->link;
	is_eq(submit_for(w, 10, 1000, 100), 10, "some");
	h_tx_lock(l);
	n = ke_link_tx(l, v);
	is_eq(n, 2, "they could be sent");
	ke_link_tx_done(l, 0);
	h_tx_unlock(l);
	w->now += 1001;
	is_eq(submit_for(w, 1, 1000, 100), 1, "one more");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 1, "that one comes");
	is_eq(ke_source_expired(&w->n[0].src), 10, "the others were not sent");
	all_counted(w);
	world_end(w);
}

/* A break: what expired in the gap is not sent again, and not lost. */
TEST(gap)
{
	struct world *w;
	u64 sent;
	u32 i;

	for (i = 0; i < 2; i++) {
		w = clocks(8, i, HOUR_NS, 0);
		must(w, "nodes");
		is_eq(submit_for(w, 5, 10000, 10), 5, "some");
		ok(world_pump(w), "quiet");
		w->n[0].deaf = w->n[1].deaf = true;
		world_cut(w);
		is_eq(submit_for(w, 20, 100, 500), 20, "some, for a moment");
		is_eq(submit_for(w, 5, 10000, 10), 5, "some, for longer");
		ok(world_wait(w, 1000), "quiet");
		w->n[0].deaf = w->n[1].deaf = false;
		sent = w->moved;
		ok(world_wait(w, 1000), "quiet");
		is_eq(w->n[1].got, 10, "those that live");
		is_eq(w->n[1].expired, 20, "the others");
		is_eq(w->n[1].lost, 0, "none is lost");
		ok(w->moved - sent < 20 * 500, "%llu bytes", w->moved - sent);
		all_counted(w);
		world_end(w);
	}
}

/* What has expired first of all is known to have, also by who never heard of the START. */
TEST(unheard_start)
{
	struct world *w = begin(11, true, 0, 0);
	struct conn *c;
	u64 n = 0;

	must(w, "nodes");
	while (list_empty(&w->n[0].src.streams))
		world_step(w);
	is_eq(submit_for(w, 50, -1, 900), 50, "some are over");
	list_for_each_entry(c, &w->conns, list)
		conn_tx(c);
	world_cut(w);
	while (submit_for(w, 1, 60000, 900))
		n++;
	ok(w->n[0].src.log.tail > 0, "they are overwritten");
	ok(world_wait(w, 1000), "quiet");
	is_eq(w->n[1].got, n, "the others come");
	is_eq(w->n[1].expired, 50, "they had expired");
	is_eq(w->n[1].lost, 0, "none is lost");
	all_counted(w);
	world_end(w);
}

/* ---------------------------------------------------------------------- pieces */

static bool put_piece(struct world *w, u32 i, u64 deadline_ns, u64 *seq)
{
	struct ke_source *s = &w->n[0].src;
	struct ke_event_info info = { .deadline_ns = deadline_ns, .frag_total = 4000,
				      .frag_offset = i * 1000 };
	int err = ke_log_append(&s->log, &info, w->event, 1000, KE_NO_LIMIT, seq);

	ke_log_publish(&s->log);
	return is_eq(err, 0, "piece %u", i);
}

/* One in pieces goes whole, or not at all. */
TEST(in_pieces)
{
	struct world *w = clocks(9, true, 0, 0);
	u64 deadline, seq = 0, head;
	u32 i;

	must(w, "nodes");
	deadline = h_realtime_ns(&w->n[0]) + 1000 * MS;
	put_piece(w, 0, deadline, &seq);
	ok(world_pump(w), "quiet");
	w->now += 1001;
	for (i = 1; i < 4; i++)
		put_piece(w, i, deadline, &seq);
	ok(world_pump(w), "quiet");
	head = w->n[0].src.log.head;
	is_eq(mirror_of(w)->mirror.head, head, "what was begun is sent");
	for (i = 0, seq = 0; i < 4; i++) {
		put_piece(w, i, deadline, &seq);
		ok(world_pump(w), "quiet");
	}
	is_eq(mirror_of(w)->mirror.head, head, "what was not isn't");
	ke_source_due(&w->n[0].src, w->n[0].src.log.head);
	ok(world_pump(w), "quiet");
	is_eq(ke_source_expired(&w->n[0].src), 1, "one event");
	all_counted(w);
	world_end(w);
}

/* ------------------------------------------------------------------------- any */

/* Up to @n of any, with and without deadlines, for the sink or not. */
static void submit_any(struct world *w, u32 n)
{
	while (n-- && !READ_ONCE(w->n[0].src.closed)) {
		s64 life = (50 - (s64)world_random(w, 60)) * MS;

		w->n[0].bits = world_random(w, 4);
		w->n[0].deadline_ns = world_random(w, 2) ? h_realtime_ns(&w->n[0]) + life : 0;
		if (submit(&w->n[0], world_random(w, 1 << world_random(w, 13))))
			break;
	}
	w->n[0].deadline_ns = 0;
}

static void set_clocks(struct world *w)
{
	u32 i;

	for (i = 0; i < 2 && !world_random(w, 20); i++)
		w->n[i].ahead_ns += (100 - (s64)world_random(w, 200)) * MS;
}

static void run_any(u64 seed, bool gated, bool cut)
{
	struct world *w = clocks(seed, gated, 0, HOUR_NS);
	u32 i;

	must(w, "nodes");
	w->n[0].judges = seed & 2;
	w->piece = 10 << world_random(w, 14);
	w->cut_at = cut ? w->moved + 1 + world_random(w, 60000) : 0;
	for (i = 0; i < 150; i++) {
		submit_any(w, 30);
		set_clocks(w);
		w->now += world_random(w, 20);
		w->n[1].idle = !world_random(w, 4);
		if (world_random(w, 2))
			world_step(w);
		else
			ok(world_pump(w), "quiet");
	}
	w->n[1].idle = false;
	ok(world_wait(w, 1000), "quiet");
	ke_source_end(&w->n[0].src);
	ok(world_pump(w), "quiet");
	all_counted(w);
	if (gated)
		is_eq(w->n[1].lost, 0, "seed %llu: nothing is lost", seed);
	ok(w->n[1].expired > 0 && w->n[1].got > 0, "seed %llu: some of both", seed);
	is_eq(w->n[0].dialled, 1 + cut, "seed %llu: the link stands", seed);
	world_end(w);
}

TEST(any)
{
	u32 i;

	for (i = 0; i < 40; i++)
		run_any(i, i & 1, i & 4);
}

/* ---------------------------------------------------------------------- hostile */

/* What a PONG may say: anything, if it is all there. */
TEST(lies)
{
	static const u64 said[] = { 0, 1, U64_MAX, 1ULL << 63, 1ULL << 62 };
	struct world *w;
	struct conn *c;
	__le64 body;
	u32 i;

	w = meet(&c, false);
	must(w, "nodes");
	is_eq(put_frame(c, KECHO_FRAME_PONG, 0, 5, NULL, 0, 0), -EPROTO, "nothing");
	world_end(w);
	w = meet(&c, false);
	must(w, "nodes");
	is_eq(le64_to_cpu(w->n[0].feeds->hdr->clock_ns), KECHO_CLOCK_UNKNOWN, "nobody has said");
	for (i = 0; i < ARRAY_SIZE(said); i++) {
		body = cpu_to_le64(said[i]);
		is_eq(put_frame(c, KECHO_FRAME_PONG, 0, 7, &body, 8, 8), 0, "not asked");
		is_eq(put_frame(c, KECHO_FRAME_PONG, 0, 0, &body, 8, 8), 0, "it was set");
		is_eq(le64_to_cpu(w->n[0].feeds->hdr->clock_ns), KECHO_CLOCK_UNKNOWN, "unknown");
		ok(c->link.asked_ns, "it asks");
		is_eq(put_frame(c, KECHO_FRAME_PONG, 0, c->link.asked_ns, &body, 8, 8), 0, "said");
		ok(le64_to_cpu(w->n[0].feeds->hdr->clock_ns) != KECHO_CLOCK_UNKNOWN, "case %u", i);
	}
	world_end(w);
}

/* Its own clock can't be called wrong, and says nothing of that of others. */
TEST(special)
{
	struct world *w;
	struct conn *c;
	__le64 body;
	u64 now;

	w = meet(&c, false);
	must(w, "nodes");
	now = h_monotonic_ns(&w->n[0]);
	body = cpu_to_le64(now);
	is_eq(put_frame(c, KECHO_FRAME_PONG, 0, c->link.asked_ns, &body, 8, 8), 0, "ours");
	is_eq(le64_to_cpu(w->n[0].feeds->hdr->clock_ns), 1, "0 would be another clock");
	is_eq(put_frame(c, KECHO_FRAME_PONG, 0, 0, &body, 8, 8), 0, "it was set");
	body = cpu_to_le64(now + KECHO_CLOCK_UNKNOWN);
	is_eq(put_frame(c, KECHO_FRAME_PONG, 0, c->link.asked_ns, &body, 8, 8), 0, "far away");
	is_eq(le64_to_cpu(w->n[0].feeds->hdr->clock_ns), KECHO_CLOCK_UNKNOWN + 1, "known");
	world_end(w);
}

TESTS(expired, unsent, wrong_clocks, source_set, set_in_a_gap, asked_again, sink_set, stuck,
      behind_the_credit, looked_again, gap, unheard_start, in_pieces, any, lies, special);
