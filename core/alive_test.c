// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Signs of life between nodes: those of another host see them in time, whatever holds events up,
 * and nothing is said of sources that have promised none.
 */
#include "hostile_test.h"

enum { N = 1000, QUARTER = N / 4 };

static struct ke_peer *peer_at(struct world *w, u32 at)
{
	return ke_peer_find(&w->n[at].node, &w->n[!at].node.self.node);
}

/* A source at node 0 that has promised a sign each @promise_ms; a sink at node 1. */
static struct world *promised(u64 seed, bool gated, u32 promise_ms)
{
	struct world *w = two_nodes(seed);

	if (!w)
		return NULL;
	is_eq(sink_open(&w->n[1], gated, false), 0, "sink");
	ok(world_pump(w), "quiet");
	w->n[0].alive_ms = promise_ms;
	ok(source_open(&w->n[0], 0), "source");
	ok(world_pump(w), "quiet");
	ok(ke_channel_started(&w->n[1].ch), "started");
	return w;
}

/* Time goes by in steps of a millisecond, without heartbeats. */
static void pass(struct world *w, u32 ms)
{
	u32 i, n;

	for (i = 0; i < ms; i++) {
		w->now++;
		for (n = 0; n < 2; n++)
			ke_node_tell(&w->n[n].node);
		ok(world_pump(w), "quiet");
	}
}

static void sign(struct world *w)
{
	struct kecho_log_header *hdr = w->n[0].hdr;

	hdr->alive = cpu_to_le64(le64_to_cpu(hdr->alive) + 1);
}

static struct kecho_log_header *mirror(const struct world *w)
{
	return w->n[1].feeds->hdr;
}

/* As the sink's node has been told. */
static u64 heard(const struct world *w)
{
	return le64_to_cpu(mirror(w)->alive);
}

static u64 given(const struct world *w)
{
	return ke_log_sign(w->n[0].hdr);
}

/* Frames that node 0 has said, if they were all without a body. */
static u64 frames(struct world *w)
{
	return peer_at(w, 0)->link->tx_bytes / sizeof(struct kecho_frame);
}

TEST(member_says_so)
{
	struct world *w = promised(1, false, N);
	struct ke_rstream *rs;

	must(w, "nodes");
	rs = w->n[1].feeds->rs;
	is_eq(rs->remote->alive_ms, N, "its promise is known");
	is_eq(heard(w), given(w), "and what it has given until now");
	world_end(w);
}

/* At each quarter, if there was one; when none was, nothing is said. */
TEST(each_quarter)
{
	struct world *w = promised(2, false, N);
	u64 before, n;
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 40; i++) {
		sign(w);
		pass(w, QUARTER);
		is_eq(heard(w), given(w), "told in a quarter, %u", i);
	}
	before = frames(w);
	for (i = 0; i < 10 * N; i++) {
		sign(w);
		pass(w, 1);
	}
	n = frames(w) - before;
	ok(n >= 38 && n <= 41, "%llu in ten times that", n);
	pass(w, QUARTER);
	before = frames(w);
	pass(w, 10 * N);
	is_eq(frames(w), before, "none");
	world_end(w);
}

TEST(nothing_promised)
{
	struct world *w = promised(3, false, 0);
	u64 before;

	must(w, "nodes");
	is_eq(w->n[0].node.signs_ms, 0, "no clock runs");
	is_eq(w->n[1].feeds->rs->remote->alive_ms, 0, "it is known");
	before = frames(w);
	sign(w);
	pass(w, 2 * N);
	is_eq(frames(w), before, "nothing is said");
	world_end(w);
}

/* The clock runs for who is heard: not without sinks elsewhere. */
TEST(nobody_hears)
{
	struct world *w = promised(4, false, N);

	must(w, "nodes");
	ok(w->n[0].node.signs_ms && ke_node_wait_ms(&w->n[0].node) <= QUARTER, "it runs");
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	pass(w, QUARTER);
	is_eq(w->n[0].node.signs_ms, 0, "nobody is there");
	is_eq(sink_open(&w->n[1], false, false), 0, "another sink");
	ok(world_pump(w), "quiet");
	ok(w->n[0].node.signs_ms, "it runs again");
	ok(w->n[0].sooner, "the house was told to be woken");
	sign(w);
	pass(w, QUARTER);
	is_eq(heard(w), given(w), "told");
	source_close(&w->n[0]);
	pass(w, QUARTER);
	is_eq(w->n[0].node.signs_ms, 0, "nobody promises any more");
	world_end(w);
}

/* A sink that reads nothing holds the events up, not the signs of who tries. */
TEST(held_up)
{
	struct world *w = promised(5, true, N);
	u32 i;

	must(w, "nodes");
	w->n[1].idle = true;
	for (i = 0; i < 100000 && !submit(&w->n[0], 1000); i++)
		ok(world_pump(w), "quiet");
	ok(submit(&w->n[0], 1000) == -EAGAIN, "held up after %u", i);
	for (i = 0; i < 10; i++) {
		sign(w);	/* as the house does for an attempt */
		pass(w, QUARTER);
		is_eq(heard(w), given(w), "told");
	}
	world_end(w);
}

/* What nobody wants is a sign all the same: it is passed over, and that told later. */
TEST(unwanted)
{
	struct world *w = promised(6, false, N);
	struct ke_tstream *ts;
	u32 i;

	must(w, "nodes");
	w->n[0].judges = true;
	w->n[0].bits = 2;
	ts = list_first_entry(&w->n[0].src.streams, struct ke_tstream, source_list);
	h_tx_lock(ts->link);
	ke_tstream_want(ts, 1, false, 1);
	h_tx_unlock(ts->link);
	for (i = 0; i < 10; i++) {
		is_eq(submit(&w->n[0], 1000), 0, "submit");
		pass(w, QUARTER);
		is_eq(heard(w), given(w), "told");
	}
	is_eq(w->n[1].got, 0, "none was wanted");
	world_end(w);
}

/* While the link is down nothing can be heard, and who looks at the mirror sees that. A sign that
 * is given then shows after it; none is no sign. */
TEST(cut)
{
	struct world *w = promised(7, false, N);
	u64 before;
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 6; i++) {
		sign(w);
		pass(w, QUARTER);
		before = heard(w);
		is_eq(mirror(w)->cut, 0, "heard");
		world_cut(w);
		is_eq(le64_to_cpu(mirror(w)->cut), 1, "cut");
		if (i % 2)
			sign(w);
		ok(world_wait(w, 500), "quiet");
		must(linked(w, 0, 1), "linked again");
		is_eq(mirror(w)->cut, 0, "heard again");
		is_eq(heard(w), given(w), "what was given");
		is_eq(heard(w) - before, i % 2, "and no more");
	}
	sign(w);
	pass(w, QUARTER);
	is_eq(heard(w), given(w), "it goes on");
	world_end(w);
}

/* The last frame went into a link that was dead already. */
TEST(swallowed)
{
	struct world *w = promised(8, false, N);
	struct conn *c;

	must(w, "nodes");
	sign(w);
	w->now += QUARTER;
	ke_node_tell(&w->n[0].node);
	list_for_each_entry(c, &w->conns, list)
		if (c->tn == &w->n[0])
			while (conn_tx(c))
				;
	world_cut(w);
	ok(heard(w) != given(w), "it has not come");
	ok(world_wait(w, 500), "quiet");
	is_eq(heard(w), given(w), "it comes then");
	world_end(w);
}

/* One that has never heard of ALIVE gets none. */
TEST(unknown_there)
{
	struct world *w = world_new(2, 9);
	u64 before;

	must(w, "memory");
	w->n[1].node.knows &= ~(1u << (KECHO_FRAME_ALIVE - KECHO_FRAME_OPTIONAL));
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	w->n[0].alive_ms = N;
	ok(source_open(&w->n[0], 0), "source");
	is_eq(sink_open(&w->n[1], false, false), 0, "sink");
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].node.signs_ms, 0, "nobody is there who would hear");
	before = frames(w);
	sign(w);
	pass(w, 2 * N);
	is_eq(frames(w), before, "nothing is said");
	world_end(w);
}

/* Several sources, one clock; each as often as it has promised. */
TEST(many)
{
	enum { SOURCES = 8 };
	struct world *w = promised(10, false, 4 * N);
	struct ke_source *more;
	struct kecho_log_header *hdr;
	u8 *ring;
	u64 before, n;
	u32 i, ms;

	must(w, "nodes");
	more = kvzalloc(SOURCES * sizeof(*more), GFP_KERNEL);
	hdr = kvzalloc(SOURCES * KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	ring = kvzalloc(TEST_LOG, GFP_KERNEL);	/* none writes there */
	must(more && hdr && ring, "memory");
	for (i = 0; i < SOURCES; i++) {
		struct ke_source *s = &more[i];

		ke_log_init(&s->log, (void *)((u8 *)hdr + i * KECHO_LOG_HEADER_SIZE), ring,
			    TEST_LOG, 0, 0);
		s->member.owner = &w->n[0];
		s->member.role = KE_SOURCE;
		s->member.source = s;
		s->member.alive_ms = N;
		ke_source_init(s, &w->n[0].node);
		is_eq(ke_member_join(&s->member, &w->n[0].ch), 0, "joins");
	}
	ok(world_pump(w), "quiet");
	before = frames(w);
	for (ms = 0; ms < 8 * N; ms++) {
		for (i = 0; i < SOURCES; i++)
			more[i].log.hdr->alive = cpu_to_le64(ms + 1);
		sign(w);
		pass(w, 1);
	}
	n = frames(w) - before;
	ok(n >= SOURCES * 31 + 7 && n <= SOURCES * 33 + 9, "%llu frames", n);
	for (i = 0; i < SOURCES; i++) {
		ke_source_fini(&more[i]);
		ke_member_leave(&more[i].member);
	}
	pass(w, 1);
	kvfree(more);
	kvfree(hdr);
	kvfree(ring);
	world_end(w);
}

/* A MEMBER with this promise, of a source that is new. */
static int put_promise(struct conn *c, u64 id, u32 log, u32 promise_ms)
{
	u8 buf[64];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, id);
	ke_put_u8(&o, KE_SOURCE);
	ke_put_u8(&o, 0);
	ke_put_u8(&o, 1);
	ke_put_u32(&o, log);
	ke_put_u64(&o, TEST_LOG);
	ke_put_bytes(&o, NULL, 0);
	ke_put_u8(&o, 0);
	ke_put_u32(&o, promise_ms);
	return put_frame(c, KECHO_FRAME_MEMBER, 1, 0, buf, o.len, o.len);
}

/* Promises that nobody makes end the connection; signs of nothing do nothing. */
TEST(hostile)
{
	static const struct {
		u32 ms;
		int err;
	} said[] = { { 0, 0 }, { KE_PROMISE_MS_MIN, 0 }, { KE_PROMISE_MS_MAX, 0 },
		     { 1, -EPROTO }, { KE_PROMISE_MS_MAX + 1, -EPROTO }, { U32_MAX, -EPROTO } };
	struct world *w;
	struct conn *c;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(said); i++) {
		w = meet(&c, false);
		must(w, "a node and a stranger");
		is_eq(put_frame(c, KECHO_FRAME_ALIVE, 1, 7, NULL, 0, 0), 0, "a sign");
		is_eq(le64_to_cpu(w->n[0].feeds->hdr->alive), 7, "is heard");
		is_eq(put_frame(c, KECHO_FRAME_ALIVE, 2, 8, NULL, 0, 0), 0, "of no log");
		is_eq(put_frame(c, KECHO_FRAME_ALIVE, 1, U64_MAX, NULL, 0, 0), 0, "the most");
		is_eq(put_promise(c, 0x4321, 2, said[i].ms), said[i].err, "%u ms", said[i].ms);
		world_end(w);
	}
}

TESTS(alive, member_says_so, each_quarter, nothing_promised, nobody_hears, held_up, unwanted, cut,
      swallowed, unknown_there, many, hostile);
