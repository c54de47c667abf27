// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Single events out of many, in one frame; and what a peer may say so.
 */
#include "pass_test.h"

/* One in @every of @n is wanted. */
static void submit_mixed(struct world *w, u32 n, u32 every, u32 len)
{
	u32 i;

	for (i = 0; i < n; i++)
		is_eq(submit_bits(w, 1, i % every ? 2 : 1, len), 1, "room");
}

TEST(one_frame)
{
	struct world *w = judged_stream(1, true);
	u64 moved, head, seq;

	must(w, "nodes");
	submit_mixed(w, 1, 1, 100);
	ok(world_pump(w), "quiet");
	moved = w->moved;
	submit_mixed(w, 100, 10, 100);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 11, "those that are wanted");
	is_eq(w->n[1].filtered, 81, "the others before the last one");
	ok(w->moved - moved < 2 * (24 + 8 + 10 * (100 + 12)), "%llu bytes, both ends",
	   w->moved - moved);
	is_eq(stream_of(w)->sent, mirror_of(w)->mirror.head, "they have arrived");
	head = stream_of(w)->sent;
	seq = mirror_of(w)->mirror.seq;
	ok(head < w->n[0].src.log.head && seq == 92, "the rest is passed over");
	is_eq(submit_bits(w, 1, 1, 1), 1, "one more");
	ok(world_pump(w), "quiet");
	all_counted(w);
	world_end(w);
}

/* What a mirror holds is what its log does, but for what was passed over. */
TEST(the_same_bytes)
{
	struct world *w = judged_stream(2, true);
	const struct ke_log *log, *mirror;
	u32 i, from = 0;

	must(w, "nodes");
	for (i = 0; i < 40; i++) {
		w->n[0].bits = 1 | (u64)i << 40;
		is_eq(submit(&w->n[0], i), 0, "all sizes");
		is_eq(submit_bits(w, 1, 2, 300), 1, "and others");
	}
	ok(world_pump(w), "quiet");
	log = &w->n[0].src.log;
	mirror = &mirror_of(w)->mirror;
	for (i = 0; i < 40; i++) {
		u64 word = le64_to_cpu(*(__le64 *)(log->ring + from));
		u32 len = ke_record_align(ke_record_word_len(word));

		ok(!memcmp(log->ring + from, mirror->ring + from, len), "record %u", i);
		from += len;
		word = le64_to_cpu(*(__le64 *)(log->ring + from));
		from += ke_record_align(ke_record_word_len(word));
	}
	world_end(w);
}

/* Much goes out in place. */
TEST(not_picked)
{
	struct world *w = judged_stream(3, true);
	u64 moved;

	must(w, "nodes");
	moved = w->moved;
	submit_mixed(w, 10, 2, KE_PICK_MAX);
	ok(world_pump(w), "quiet");
	ok(w->moved - moved > 10 * KE_PICK_MAX, "%llu bytes, both ends", w->moved - moved);
	is_eq(w->n[1].got, 5, "those that are wanted");
	is_eq(stream_of(w)->sent, mirror_of(w)->mirror.head, "they have arrived");
	is_eq(submit_bits(w, 1, 1, 1), 1, "one more");
	ok(world_pump(w), "quiet");
	all_counted(w);
	world_end(w);
}

/* More than one frame holds: the rest goes out in place, or with the next. */
TEST(full)
{
	struct world *w = judged_stream(4, true);

	must(w, "nodes");
	w->n[1].idle = true;
	submit_mixed(w, 60, 2, 900);
	w->n[1].idle = false;
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 30, "those that are wanted");
	is_eq(w->n[1].lost, 0, "nothing is lost");
	world_end(w);
}

static void say(struct ke_out *o, u64 before, const char *bytes, u32 len)
{
	ke_put_u64(o, before);
	ke_put(o, bytes, len);
}

/* As a record of 32 bytes is said: header, no time, the word behind it. */
#define GOOD	"\x51\x20\x02\x03\0\0"

TEST(lies)
{
	static const struct {
		const char *what;
		u64 pos, before;
		const char *bytes;
		u32 len;
		int err;
	} cases[] = {
		{ "a record", 0, 0, "\0" GOOD, 7, 0 },
		{ "nothing", 0, 0, "", 0, 0 },
		{ "two", 0, 0, "\0" GOOD "\0\0\0\0", 11, 0 },
		{ "behind what was passed over", 0, 0, "\x08\x02" GOOD, 8, 0 },
		{ "of which some is lost", 0, 7, "\x08\x02" GOOD, 8, 0 },
		{ "elsewhere", 32, 0, "\0" GOOD, 7, -EPROTO },
		{ "half a number", 0, 0, "\x80", 1, -EPROTO },
		{ "a number that never ends", 0, 0,
		  "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, -EPROTO },
		{ "half a record", 0, 0, "\0" GOOD, 6, -EPROTO },
		{ "without its payload", 0, 0, "\0\x51\x31\x02\x03\0\0\0abcdefgh", 16, -EPROTO },
		{ "over too little", 0, 0, "\x01\x01" GOOD, 8, -EPROTO },
		{ "of no event", 0, 0, "\x08\0" GOOD, 8, -EPROTO },
		{ "over more than there is", 0, 0,
		  "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\1" GOOD, 16, -EPROTO },
		{ "over all numbers", 0, U64_MAX, "\x08\x02" GOOD, 8, -EPROTO },
		{ "a pad", 0, 0, "\0\x11\x20\x01\0\0", 6, -EPROTO },
		{ "too short", 0, 0, "\0\x51\x10\x02\x03\0\0", 7, -EPROTO },
	};
	struct world *w;
	struct conn *c;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 body[40];
		struct ke_out o = { .buf = body, .size = sizeof(body) };

		w = meet(&c, i & 1);
		must(w, "nodes");
		say(&o, cases[i].before, cases[i].bytes, cases[i].len);
		is_eq(put_frame(c, KECHO_FRAME_PICKED, 1, cases[i].pos, body, o.len, o.len),
		      cases[i].err, "%s", cases[i].what);
		ok(world_pump(w), "quiet");
		is_eq(c->lost, cases[i].err != 0, "%s: the link", cases[i].what);
		world_end(w);
	}
}

/* No credit covers it. */
TEST(too_far)
{
	u8 body[40];
	struct ke_out o = { .buf = body, .size = sizeof(body) };
	struct world *w;
	struct conn *c;
	u32 i;

	/* 16,384 words are 128 KiB. */
	say(&o, 0, "\x80\x80\x01\x01" GOOD, 10);
	for (i = 0; i < 2; i++) {
		w = meet(&c, i);
		must(w, "nodes");
		w->n[0].idle = true;
		is_eq(put_frame(c, KECHO_FRAME_PICKED, 1, 0, body, o.len, o.len),
		      i ? -EPROTO : 0, "gated: %u", i);
		world_end(w);
	}
}

/* The link ends as there was no memory for something else. */
TEST(no_memory)
{
	struct world *w = judged_stream(1, true);
	struct ke_link *l;

	must(w, "nodes");
	submit_mixed(w, 10, 5, 100);
	l = stream_of(w)->link;
	WRITE_ONCE(l->broken, true);
	ke_link_gather(l);
	is_eq(l->control_len, 0, "nothing is queued");
	world_end(w);
}

TESTS(picks, one_frame, the_same_bytes, not_picked, full, lies, too_far, no_memory);
