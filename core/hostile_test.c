// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Hostile peers: that one gets no further than an error, and takes no more memory
 * than the limits allow; which our own calls keep as well.
 */
#include "hostile_test.h"

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
	one_hello(9, 1, 0, &stranger, -EPROTONOSUPPORT);
	one_hello(2, 9, 0, NULL, -ECONNABORTED);
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
	{ "an unknown type", 127, 0, 0, { 0 }, 0, 0, -EPROTO },
	{ "a length over the limit", KECHO_FRAME_PING, 0, 0, { 0 }, 0, KECHO_FRAME_BODY_MAX + 1,
	  -EPROTO },
	{ "the channel twice", KECHO_FRAME_CHANNEL, 1, 0, { 1, 2, 3 }, 20, 20, -EPROTO },
	{ "the channel by another number", KECHO_FRAME_CHANNEL, 2, 0, { 1, 2, 3 }, 20, 20,
	  -EPROTO },
	{ "half a channel", KECHO_FRAME_CHANNEL, 2, 0, { 1, 2, 3 }, 17, 17, -EPROTO },
	{ "half a contact", KECHO_FRAME_NODES, 1, 0, { 1 }, 30, 30, -EPROTO },
	{ "half a member", KECHO_FRAME_MEMBER, 1, 0, { 1 }, 8, 8, -EPROTO },
	{ "a member of no role", KECHO_FRAME_MEMBER, 1, 0, { 3, 0, 0, 0, 0, 0, 0, 0, 7 }, 25, 25,
	  -EPROTO },
	{ "a log of no size", KECHO_FRAME_MEMBER, 1, 0,
	  { 3, 0, 0, 0, 0, 0, 0, 0, KE_SOURCE, 0, 0, 2, 0, 0, 0, 1 }, 25, 25, -EPROTO },
	{ "half a member's id", KECHO_FRAME_ATTR, 1, 0, { 9, 9, 9 }, 3, 3, -EPROTO },
	{ "attributes that are none", KECHO_FRAME_ATTR, 1, 0, { [8] = 3, [10] = 9, 9, 9 }, 13, 13,
	  -EPROTO },
	{ "a member of no class", KECHO_FRAME_MEMBER, 1, 0, { 9, [8] = KE_SINK, [25] = KE_CLASSES },
	  26, 26, -EPROTO },
	{ "a member of a class", KECHO_FRAME_MEMBER, 1, 0, { 9, [8] = KE_SINK, [25] = KE_BULK }, 26,
	  26, 0 },
	{ "an attribute without its age", KECHO_FRAME_ATTR, 0, 0,
	  { [8] = 5, [10] = 3, 1, 0, 0, 'a' }, 18, 18, -EPROTO },
	{ "an attribute with its age", KECHO_FRAME_ATTR, 0, 0,
	  { [8] = 5, [10] = 3, 1, 0, 0, 'a' }, 19, 19, 0 },
	{ "one of the channel without its version", KECHO_FRAME_ATTR, 1, 0,
	  { [8] = 5, [10] = 3, 1, 0, 0, 'a' }, 26, 26, -EPROTO },
	{ "more ages than attributes", KECHO_FRAME_ATTR, 1, 0,
	  { 0x34, 0x12, [8] = 5, [10] = 3, 1, 0, 0, 'a' }, 40, 40, 0 },
	{ "attributes of a member of no channel", KECHO_FRAME_ATTR, 0, 0, { 0x34, 0x12 }, 10, 10,
	  -EPROTO },
	{ "of nobody", KECHO_FRAME_ATTR, 1, 0, { 0x35, 0x12 }, 10, 10, 0 },
	{ "a subscription to no log", KECHO_FRAME_SUBSCRIBE, 99, 0, { 0 }, 14, 14, 0 },
	{ "half a subscription", KECHO_FRAME_SUBSCRIBE, 1, 0, { 0 }, 13, 13, -EPROTO },
	{ "an unaligned subscription", KECHO_FRAME_SUBSCRIBE, 1, 3, { 3 }, 14, 14, -EPROTO },
	{ "a start past all", KECHO_FRAME_START, 1, U64_MAX, { 0 }, 16, 16, -EPROTO },
	{ "half a start", KECHO_FRAME_START, 1, 64, { 0 }, 15, 15, -EPROTO },
	{ "a start again", KECHO_FRAME_START, 1, 64, { 0 }, 16, 16, 0 },
	{ "data elsewhere", KECHO_FRAME_DATA, 1, 64, { 0 }, 8, 8, -EPROTO },
	{ "more data than a piece", KECHO_FRAME_DATA, 1, 0, { 0 }, 0, 16385, -EPROTO },
	{ "data of no log", KECHO_FRAME_DATA, 9, 0, { 0 }, 8, 8, 0 },
	{ "data that is no record", KECHO_FRAME_DATA, 1, 0, { 0xff, 0xff, 0xff, 0xff }, 8, 8,
	  -EPROTO },
	{ "a skip unaligned", KECHO_FRAME_SKIP, 1, 12, { 0 }, 0, 0, -EPROTO },
	{ "a skip past all", KECHO_FRAME_SKIP, 1, U64_MAX & ~7ULL, { 0 }, 0, 0, -EPROTO },
	{ "a skip", KECHO_FRAME_SKIP, 1, 1 << 20, { 0 }, 0, 0, 0 },
	{ "half an end", KECHO_FRAME_END, 1, 0, { 0 }, 7, 7, -EPROTO },
	{ "half an acknowledgement", KECHO_FRAME_ACK, 1, 0, { 0 }, 8, 8, -EPROTO },
	{ "of what was never sent", KECHO_FRAME_ACK, 1, 1 << 20, { 0 }, 16, 16, -EPROTO },
	{ "a stall of nothing", KECHO_FRAME_STALL, 1, 0, { 0 }, 0, 0, -EPROTO },
	{ "a stall of no kind", KECHO_FRAME_STALL, 1, 0, { 2 }, 1, 1, -EPROTO },
	{ "a stall", KECHO_FRAME_STALL, 1, 0, { 0 }, 1, 1, 0 },
	{ "a stream frame between", 34, 1, 0, { 0 }, 0, 0, 0 },
};

TEST(frames)
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

/* Another peer in the same channel. */
static struct conn *meet_another(struct world *w)
{
	static const struct ke_contact self = {
		.node = { { 0x79 } }, .host = { { 0x7a } }, .incarnation = 5,
	};
	static const u8 channel[20] = { 1, 2, 3 };
	struct conn *c = conn_new(&w->n[0], false);

	if (!ok(c, "memory"))
		return NULL;
	c->raw = true;
	is_eq(put_hello(c, 1, 1, 0, &self), 0, "hello");
	is_eq(put_frame(c, KECHO_FRAME_CHANNEL, 1, 0, channel, 20, 20), 0, "channel");
	return c;
}

/* An id is the member's that was said first, until that has gone. */
TEST(ids)
{
	u8 gone[16] = { 0x01, 0x50 };
	struct conn *c, *other;
	struct world *w;

	w = meet(&c, false);
	must(w, "nodes");
	is_eq(put_member(c, 0x5001, 0, 0), 0, "a sink");
	other = meet_another(w);
	must(other, "another peer");
	is_eq(put_member(other, 0x5001, 0, 0), -EPROTO, "goes by its id");
	ok(world_pump(w), "quiet");
	ok(other->lost && !c->lost, "that link ends, the other one stands");
	is_eq(put_frame(c, KECHO_FRAME_MEMBER_GONE, 1, 0, gone, 16, 16), 0, "it leaves");
	other = meet_another(w);
	must(other, "another peer");
	is_eq(put_member(other, 0x5001, 0, 0), 0, "nobody has the id");
	is_eq(put_member(c, 0x5001, 0, 0), -EPROTO, "now that one has it");
	world_end(w);
}

/* Who goes on after its node was replaced has its id, also if a stranger was faster. */
TEST(id_is_ours)
{
	struct ke_member back = { .role = KE_SINK, .id = 0x5001 };
	struct conn *c, *other;
	struct world *w;

	w = meet(&c, false);
	must(w, "nodes");
	other = meet_another(w);
	must(other, "another peer");
	is_eq(put_member(other, 0x5001, 0, 0), 0, "a stranger");
	is_eq(ke_member_join(&back, &w->n[0].ch), 0, "it is back");
	is_eq(w->n[0].failed, 1, "the stranger's is no member");
	ok(world_pump(w), "quiet");
	ok(other->lost && !c->lost, "nor is it linked");
	ke_member_leave(&back);
	world_end(w);
}

/* Logs are numbered by their nodes: who isn't in a channel doesn't get one, nor holds it up. */
TEST(not_in_the_channel)
{
	static const u8 channel[20] = { 1, 2, 3 }, other[20] = { 1, 2, 4 };
	static const u8 gated[14] = { KE_FROM_NOW, 1 };
	struct world *w = world_new(1, 1);
	struct conn *c = w ? conn_new(&w->n[0], false) : NULL;
	struct ke_source *s;

	must(c, "memory");
	channel_open(&w->n[0]);
	must(source_open(&w->n[0], 0), "source");
	s = &w->n[0].src;
	c->raw = true;
	is_eq(put_hello(c, 1, 1, 0, &stranger), 0, "hello");
	is_eq(put_frame(c, KECHO_FRAME_CHANNEL, 1, 0, other, 20, 20), 0, "another channel");
	is_eq(put_frame(c, KECHO_FRAME_SUBSCRIBE, s->id, 0, gated, 14, 14), 0, "subscribe");
	ok(list_empty(&s->streams), "nothing is sent there");
	is_eq(put_frame(c, KECHO_FRAME_CHANNEL, 2, 0, channel, 20, 20), 0, "the channel");
	is_eq(put_frame(c, KECHO_FRAME_SUBSCRIBE, s->id, 0, gated, 14, 14), 0, "subscribe");
	ok(!list_empty(&s->streams), "now it is");
	is_eq(put_frame(c, KECHO_FRAME_CHANNEL_GONE, 2, 0, NULL, 0, 0), 0, "it leaves");
	ok(list_empty(&s->streams), "and gets no more");
	world_end(w);
}

/* --------------------------------------------------------------------- limits */

/* A peer that names more and more nodes: the one too many ends its link. */
TEST(endless_nodes)
{
	struct ke_contact contact = { .incarnation = 1, .address = "10.0.0.1:1" };
	u8 buf[64];
	struct world *w;
	struct conn *c;
	u32 i;
	int err = 0;

	w = meet(&c, false);
	must(w, "nodes");
	for (i = 1; !err && i < 2 * KE_NODES_MAX; i++) {
		struct ke_out o = { .buf = buf, .size = sizeof(buf) };

		put_unaligned_le32(i, contact.node.b);
		ke_put_contact(&o, &contact);
		err = put_frame(c, KECHO_FRAME_NODES, 1, 0, buf, o.len, o.len);
	}
	is_eq(err, -ENOSPC, "one too many");
	is_eq(w->n[0].node.npeers, KE_NODES_MAX, "so many are known");
	ok(!ke_peer_find(&w->n[0].node, &contact.node), "not the last");
	close_conns(w);
	c = conn_new(&w->n[0], false);
	must(c, "memory");
	c->raw = true;
	contact.incarnation++;
	is_eq(put_hello(c, 1, 1, 0, &contact), -ENOSPC, "nor is there room for a stranger");
	ok(world_wait(w, KE_NODE_FORGET_MS), "quiet");
	is_eq(w->n[0].node.npeers, 0, "all are forgotten");
	world_end(w);
}

TEST(endless_members)
{
	struct world *w;
	struct conn *c;
	u32 i;
	int err = 0;

	w = meet(&c, false);
	must(w, "nodes");
	for (i = 1; !err && i < 2 * KE_MEMBERS_MAX; i++)
		err = put_member(c, 0x5000 + i, 0, 0);
	is_eq(err, -ENOSPC, "one too many");
	is_eq(w->n[0].joined, KE_MEMBERS_MAX, "so many have joined");
	ok(world_pump(w), "quiet");
	ok(c->lost, "the link is closed");
	ok(world_wait(w, KE_NODE_FORGET_MS), "quiet");
	is_eq(w->n[0].failed, KE_MEMBERS_MAX, "all have failed");
	ok(list_empty(&w->n[0].node.peers), "and are forgotten");
	world_end(w);
}

/* Logs of which we would have to keep mirrors. */
TEST(endless_mirrors)
{
	struct world *w;
	struct ke_peer *p;
	struct conn *c;
	u8 start[16] = { 0 };

	w = meet(&c, false);
	must(w, "nodes");
	p = c->link.peer;
	is_eq(p->mirrored, TEST_LOG, "one mirror");
	p->mirrored += KE_MIRRORS_MAX - 2 * TEST_LOG;
	is_eq(put_member(c, 0x5001, 2, TEST_LOG), 0, "a source");
	is_eq(put_frame(c, KECHO_FRAME_START, 2, 0, start, 16, 16), 0, "its mirror just fits");
	is_eq(put_member(c, 0x5002, 3, TEST_LOG), 0, "another");
	is_eq(put_frame(c, KECHO_FRAME_START, 3, 0, start, 16, 16), -ENOSPC, "that is too much");
	p->mirrored -= KE_MIRRORS_MAX - 2 * TEST_LOG;
	world_end(w);
}

/* One that there is no memory for is nobody's fault: the link goes on. */
TEST(no_mirror)
{
	u8 start[16] = { 0 }, pad[8] = { 8, 0, 0, 0, KECHO_RECORD_PAD };
	struct ke_rstream *rs;
	struct world *w;
	struct conn *c;

	w = meet(&c, false);
	must(w, "nodes");
	w->n[0].no_mirrors = true;
	is_eq(put_member(c, 0x5001, 2, TEST_LOG), 0, "a source");
	is_eq(put_frame(c, KECHO_FRAME_START, 2, 0, start, 16, 16), 0, "it starts");
	rs = ke_peer_rstream(c->link.peer, 2);
	ok(rs && !rs->attached && !rs->starts_due, "nowhere");
	is_eq(put_frame(c, KECHO_FRAME_DATA, 2, 0, pad, 8, 8), 0, "what it sends is ignored");
	is_eq(c->link.peer->mirrored, TEST_LOG, "the other mirror");
	is_eq(put_frame(c, KECHO_FRAME_DATA, 1, 0, pad, 8, 8), 0, "goes on");
	w->n[0].no_mirrors = false;
	ke_remote_subscribe(rs->remote, KE_FROM_NOW);
	is_eq(put_frame(c, KECHO_FRAME_START, 2, 8, start, 16, 16), 0, "once more");
	ok(rs->attached, "with memory");
	ok(!c->lost, "the link has stood");
	world_end(w);
}

/* Our own. */
TEST(own_limits)
{
	struct world *w = world_new(1, 1);
	struct ke_channel *ch = kvzalloc(KE_CHANNELS_MAX * sizeof(*ch), GFP_KERNEL);
	struct ke_member *m = kvzalloc((KE_MEMBERS_MAX + 1) * sizeof(*m), GFP_KERNEL);
	struct ke_id uuid = { { 0 } };
	u32 i;

	must(w && ch && m, "memory");
	for (i = 0; i < KE_CHANNELS_MAX; i++) {
		put_unaligned_le32(i, uuid.b);
		if (!is_eq(ke_channel_open(&ch[i], &w->n[0].node, &uuid, "own"), 0, "room"))
			break;
	}
	is_eq(ke_channel_open(&w->n[0].ch, &w->n[0].node, &uuid, "own"), -ENOSPC, "no more");
	ok(!w->n[0].ch.node, "it is as it was");
	for (i = 0; i < KE_MEMBERS_MAX; i++) {
		m[i].role = KE_SINK;
		if (!is_eq(ke_member_join(&m[i], &ch[i & 1]), 0, "room"))
			break;
	}
	is_eq(ke_member_join(&m[i], &ch[0]), -ENOSPC, "no more");
	ke_member_leave(&m[i]);
	ke_member_leave(&m[0]);
	is_eq(ke_member_join(&m[0], &ch[0]), 0, "another has left");
	for (i = 0; i < KE_MEMBERS_MAX; i++)
		ke_member_leave(&m[i]);
	ke_channel_close(&ch[0]);
	is_eq(ke_channel_open(&ch[0], &w->n[0].node, &uuid, "own"), 0, "one was closed");
	for (i = 0; i < KE_CHANNELS_MAX; i++)
		ke_channel_close(&ch[i]);
	world_end(w);
	kvfree(ch);
	kvfree(m);
}

TESTS(hostile, hello_refused, frames, over_credit, ids, id_is_ours, not_in_the_channel,
      endless_nodes, endless_members, endless_mirrors, no_mirror, own_limits);
