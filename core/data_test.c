// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Events that are taken where no control call can be made: they are, and nothing else is.
 */
#include "hostile_test.h"

enum { PIECE = 1000, PAD = 16384 };

/* A record that is for nobody, and more. */
static u8 pad[PAD + 8] = { 0x00, 0x40, 0, 0, KECHO_RECORD_PAD };

static u32 fill(struct conn *c, u8 type, u64 pos, const void *body, u32 len)
{
	struct kecho_frame f = {
		.len = cpu_to_le32(len), .type = type, .id = cpu_to_le32(1),
		.pos = cpu_to_le64(pos),
	};

	memcpy(c->in + c->in_len, &f, sizeof(f));
	if (len)
		memcpy(c->in + c->in_len + sizeof(f), body, len);
	c->in_len += sizeof(f) + len;
	return c->in_len;
}

static struct ke_log *mirror(struct conn *c)
{
	return &ke_peer_rstream(c->link.peer, 1)->mirror;
}

/* All of it, up to @step bytes at once. */
static u32 take(struct conn *c, u32 step)
{
	u32 n, all = 0;

	do {
		n = conn_rx_data(c, min(step, c->in_len));
		all += n;
	} while (n);
	return all;
}

/* In pieces of any size what is there is in the mirror. */
TEST(data_is_taken)
{
	static const u32 steps[] = { 1, 7, sizeof(struct kecho_frame), PIECE, 1 << 20 };
	struct world *w;
	struct conn *c;
	u32 i, all;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		w = meet(&c, true);
		must(w, "nodes");
		w->n[0].idle = true;
		fill(c, KECHO_FRAME_DATA, 0, pad, PIECE);
		all = fill(c, KECHO_FRAME_DATA, PIECE, pad + PIECE, PAD - PIECE);
		is_eq(take(c, steps[i]), all, "all is taken");
		is_eq(mirror(c)->head, PAD, "and is there");
		world_end(w);
	}
}

/* Single events, that are there when their frame is whole. */
TEST(picked_are_taken)
{
	/* Behind event 0, passing over nothing: a record of 32 bytes, see core/picks_test.c. */
	static const u8 body[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x51, 0x20, 0x02, 0x03, 0, 0 };
	u32 header = sizeof(struct kecho_frame), cut, all;
	struct world *w;
	struct conn *c;

	for (cut = 1; cut < header + sizeof(body); cut++) {
		w = meet(&c, true);
		must(w, "nodes");
		w->n[0].idle = true;
		all = fill(c, KECHO_FRAME_PICKED, 0, body, sizeof(body));
		is_eq(conn_rx_data(c, cut), cut, "%u bytes of it", cut);
		ok(!ke_link_rx_due(&c->link), "no control call is due");
		is_eq(mirror(c)->head, 0, "nothing is there");
		is_eq(take(c, PIECE), all - cut, "the rest");
		is_eq(mirror(c)->seq, 1, "the event is there");
		is_eq(c->err, 0, "no error");
		world_end(w);
	}
}

/* What a log that we do not read sends goes nowhere. */
TEST(data_is_thrown_away)
{
	struct world *w;
	struct conn *c;
	u32 all;

	w = meet(&c, true);
	must(w, "nodes");
	sink_close(&w->n[0]);
	all = fill(c, KECHO_FRAME_DATA, 0, pad, PAD);
	is_eq(take(c, PIECE), all, "taken");
	ok(!ke_link_rx_due(&c->link), "and nothing is to be done");
	world_end(w);
}

/* It has no body, so after its header nothing comes that would say that it is there. */
TEST(control_is_left)
{
	u32 data, all, header = sizeof(struct kecho_frame);
	struct world *w;
	struct conn *c;

	w = meet(&c, true);
	must(w, "nodes");
	w->n[0].idle = true;
	data = fill(c, KECHO_FRAME_DATA, 0, pad, PAD / 2);
	fill(c, KECHO_FRAME_UNSUBSCRIBE, 0, NULL, 0);
	all = fill(c, KECHO_FRAME_DATA, PAD / 2, pad + PAD / 2, PAD / 2);
	is_eq(take(c, 1 << 20), data + header, "up to a header that is not of data");
	ok(ke_link_rx_due(&c->link), "that is for a control call");
	is_eq(ke_link_rx_done(&c->link, 0), 0, "which is made");
	ok(list_empty(&w->n[0].src.streams), "so it is unsubscribed");
	ok(!ke_link_rx_due(&c->link), "no more is to be done");
	is_eq(take(c, 1 << 20), all - data - header, "the data behind it");
	is_eq(mirror(c)->head, PAD, "all of it");
	world_end(w);
}

/* Either side goes on where the other stopped, in the midst of a header or of data. */
TEST(taken_in_turns)
{
	u32 cut, left;
	struct world *w;
	struct conn *c;

	for (cut = 1; cut < PIECE; cut += 5) {
		w = meet(&c, true);
		must(w, "nodes");
		w->n[0].idle = true;
		c->in_len = 0;
		fill(c, KECHO_FRAME_DATA, 0, pad, PIECE);
		left = fill(c, KECHO_FRAME_DATA, PIECE, pad + PIECE, PAD - PIECE) - cut;
		is_eq(conn_rx_data(c, cut), cut, "some of it");
		w->piece = cut;
		while (c->in_len && !c->closed)
			left -= conn_rx(c);
		is_eq(left, 0, "the rest");
		is_eq(mirror(c)->head, PAD, "it is whole");
		world_end(w);
	}
}

/* What fills half of the mirror is to be acknowledged, and that is a control call. */
TEST(ack_is_due)
{
	struct world *w;
	struct conn *c;
	u64 said;

	w = meet(&c, true);
	must(w, "nodes");
	w->n[0].idle = true;
	said = c->link.control_end;
	fill(c, KECHO_FRAME_DATA, 0, pad, PAD);
	take(c, PIECE);
	is_eq(mirror(c)->size / 4, PAD, "a quarter");
	ok(!ke_link_rx_due(&c->link), "more may follow");
	fill(c, KECHO_FRAME_DATA, PAD, pad, PAD);
	take(c, PIECE);
	ok(ke_link_rx_due(&c->link), "it is due");
	is_eq(c->link.control_end, said, "nothing is said yet");
	is_eq(ke_link_rx_done(&c->link, 0), 0, "a control call");
	ok(c->link.control_end > said && !ke_link_rx_due(&c->link), "says it");
	said = c->link.control_end;
	is_eq(ke_link_rx_done(&c->link, 0), 0, "another");
	is_eq(c->link.control_end, said, "does not say it again");
	world_end(w);
}

static void refused(const char *what, u8 type, u64 pos, const void *body, u32 len)
{
	struct world *w;
	struct conn *c;

	w = meet(&c, true);
	must(w, "nodes");
	w->n[0].idle = true;
	fill(c, type, pos, body, len);
	take(c, 1 << 20);
	is_eq(c->err, -EPROTO, "%s", what);
	is_eq(mirror(c)->head, 0, "%s: no record", what);
	world_end(w);
}

TEST(lies)
{
	static const u8 no_record[8] = { 0xff, 0xff, 0xff, 0xff };

	refused("data elsewhere", KECHO_FRAME_DATA, 64, pad, 8);
	refused("more than a piece", KECHO_FRAME_DATA, 0, pad, PAD + 8);
	refused("no record", KECHO_FRAME_DATA, 0, no_record, sizeof(no_record));
	refused("half a number", KECHO_FRAME_PICKED, 0, no_record, 5);
	refused("a pick of no record", KECHO_FRAME_PICKED, 0, pad, PAD);
}

/* Whose hello has not come, and whose link ends, has nothing that could be taken. */
TEST(links_without_peer)
{
	struct world *w = world_new(1, 1);
	struct conn *c = w ? conn_new(&w->n[0], false) : NULL;

	must(c, "memory");
	c->raw = true;
	fill(c, KECHO_FRAME_DATA, 0, pad, 8);
	is_eq(take(c, PIECE), 0, "before the hello");
	ok(ke_link_rx_due(&c->link), "all is for control");
	world_end(w);
	w = meet(&c, true);
	must(w, "nodes");
	fill(c, KECHO_FRAME_DATA, 0, pad, 8);
	ke_link_break(&c->link);
	is_eq(take(c, PIECE), 0, "nor when it is broken");
	ok(ke_link_rx_due(&c->link), "as control will see");
	world_end(w);
}

TESTS(data, data_is_taken, picked_are_taken, data_is_thrown_away, control_is_left, taken_in_turns,
      ack_is_due, lies, links_without_peer);
