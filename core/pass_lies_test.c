// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A peer that says of what it passes over, or asks for, what can't be.
 */
#include "pass_test.h"

static int put_pass(struct conn *c, u64 pos, u64 before, u64 seq, u32 len)
{
	__le64 body[3] = { cpu_to_le64(seq), cpu_to_le64(before) };

	return put_frame(c, KECHO_FRAME_PASS, 1, pos, body, len, len);
}

TEST(lies)
{
	static const struct {
		const char *what;
		u64 pos, before, seq;
		u32 len;
		int err;
	} cases[] = {
		{ "half a pass", 64, 0, 1, 23, -EPROTO },
		{ "to where it is", 0, 0, 1, 24, -EPROTO },
		{ "over too little", 24, 0, 1, 24, -EPROTO },
		{ "to no boundary", 65, 0, 1, 24, -EPROTO },
		{ "further than half a ring", TEST_LOG / 2 + 8, 0, 1, 24, 0 },
		{ "over a ring", TEST_LOG + 8, 0, 1, 24, 0 },
		{ "over many", 77 * TEST_LOG + 16, 0, 1, 24, 0 },
		{ "past all", U64_MAX & ~7ULL, 0, 1, 24, -EPROTO },
		{ "of no event", 64, 0, 0, 24, -EPROTO },
		{ "backwards", 64, 2, 1, 24, -EPROTO },
		{ "all there are", TEST_LOG / 2, 0, U64_MAX, 24, 0 },
		{ "a pass", 64, 0, 1, 24, 0 },
	};
	struct world *w;
	struct conn *c;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		w = meet(&c, i & 1);
		must(w, "nodes");
		is_eq(put_pass(c, cases[i].pos, cases[i].before, cases[i].seq, cases[i].len),
		      cases[i].err, "%s", cases[i].what);
		ok(world_pump(w), "quiet");
		is_eq(c->lost, cases[i].err != 0, "%s: the link", cases[i].what);
		world_end(w);
	}
}

/* Of log 1 passes fill the mirror, and its sink has read nothing. */
static void fill(struct world *w, struct conn *c)
{
	u32 i;

	w->n[0].idle = true;
	for (i = 1; i <= 4; i++)
		is_eq(put_pass(c, i * 16384, i - 1, i, 24), 0, "room");
}

TEST(lies_later)
{
	static const u8 half[8] = { 64, 0, 0, 0, KECHO_RECORD_EVENT, 0, 3 };
	struct world *w;
	struct conn *c;

	w = meet(&c, true);
	must(w, "nodes");
	fill(w, c);
	is_eq(put_pass(c, 4 * 16384 + 24, 4, 5, 24), -EPROTO, "too little over the credit");
	world_end(w);
	w = meet(&c, true);
	must(w, "nodes");
	fill(w, c);
	is_eq(put_pass(c, 5 * 16384, 4, 5, 24), 0, "over the credit");
	is_eq(put_pass(c, 5 * 16384 + 64, 5, 6, 24), 0, "and on");
	is_eq(put_pass(c, 5 * 16384 + 128, 5, 6, 24), -EPROTO, "what was said");
	world_end(w);
	w = meet(&c, false);
	must(w, "nodes");
	is_eq(put_frame(c, KECHO_FRAME_DATA, 1, 0, half, 8, 8), 0, "half a record");
	is_eq(put_pass(c, 64, 0, 7, 24), 0, "its rest won't come");
	is_eq(put_pass(c, 128, 6, 8, 24), -EPROTO, "numbers that go back");
	world_end(w);
	w = meet(&c, false);
	must(w, "nodes");
	is_eq(put_frame(c, KECHO_FRAME_END, 1, 0, half, 8, 8), 0, "the end");
	is_eq(put_pass(c, 64, 0, 7, 24), 0, "nobody listens");
	world_end(w);
}

/* Who asks for the middle of a record gets what is there, and no more than there is. */
TEST(no_boundary)
{
	static const u8 subscribe[14] = { KE_FROM_POS };
	struct world *w;
	struct conn *c;
	u32 i;

	for (i = 0; i < 400; i += 8) {
		w = meet(&c, false);
		must(w, "nodes");
		w->n[0].judges = true;
		submit_any(w, 600, 4, &(u64){ 0 });
		is_eq(put_frame(c, KECHO_FRAME_SUBSCRIBE, 1, w->n[0].src.log.tail + i, subscribe,
				14, 14), 0, "from %u on", i);
		want(w, 1, false);
		submit_any(w, 30, 4, &(u64){ 0 });
		ok(world_pump(w), "quiet");
		is_eq(ke_tstream_done(stream_of(w)), w->n[0].src.log.head, "to the end");
		world_end(w);
	}
}

TESTS(pass_lies, lies, lies_later, no_boundary);
