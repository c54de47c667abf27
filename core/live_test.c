// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Live attributes: others see what was set last and how old it is, and hear of it seldom.
 */
#include "stream_test.h"

/* What node @at knows of the other one, of two. */
static struct ke_peer *peer_at(struct world *w, u32 at)
{
	return ke_peer_find(&w->n[at].node, &w->n[!at].node.self.node);
}

static struct ke_remote *member_at(struct world *w, u32 at)
{
	struct ke_presence *pr = list_first_entry_or_null(&w->n[at].ch.presences,
							  struct ke_presence, channel_list);

	return pr ? list_first_entry_or_null(&pr->remotes, struct ke_remote, list) : NULL;
}

static s64 number_of(const struct ke_attrs *a, const char *name)
{
	struct ke_value v;

	return ke_attrs_find(a->buf, a->len, name, &v) ? -1 : v.i64;
}

static struct ke_value number(s64 i64)
{
	return (struct ke_value){ .kind = KE_VALUE_I64, .i64 = i64 };
}

static void set_node(struct world *w, u32 at, s64 i64)
{
	struct ke_value v = number(i64);

	is_eq(ke_node_set(&w->n[at].node, "load", &v), 0, "the node's");
}

static void set_channel(struct world *w, u32 at, const char *name, s64 i64)
{
	struct ke_value v = number(i64);

	is_eq(ke_channel_set(&w->n[at].ch, name, &v), 0, "the channel's %s", name);
}

static void set_sink(struct world *w, u32 at, s64 i64)
{
	struct ke_value v = number(i64);

	is_eq(ke_member_set(&w->n[at].sink, "load", &v), 0, "the sink's");
}

/* Two nodes; a sink at node 1, which node 0 knows. Nothing was said for a while. */
static struct world *with_sink(u64 seed)
{
	struct world *w = two_nodes(seed);

	if (!w)
		return NULL;
	is_eq(sink_open(&w->n[1], false, false), 0, "sink");
	ok(world_wait(w, 1000), "quiet");
	if (ok(member_at(w, 0), "it is known"))
		return w;
	world_end(w);
	return NULL;
}

/* Time goes by in steps of a millisecond, as for a node that is never late. */
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

/* Of the link to node 0. */
static u64 bytes_said(struct world *w)
{
	return peer_at(w, 1)->link->tx_bytes;
}

TEST(at_once_when_idle)
{
	struct world *w = with_sink(1);

	must(w, "two nodes");
	set_sink(w, 1, 5);
	ok(world_pump(w), "quiet");
	set_sink(w, 1, 6);
	set_node(w, 1, 7);
	ok(world_pump(w), "quiet");
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 5, "the first");
	is_eq(ke_node_wait_ms(&w->n[1].node), KE_ATTR_DELAY_MS, "the rest is due");
	pass(w, KE_ATTR_DELAY_MS - 1);
	is_eq(number_of(&peer_at(w, 0)->attrs, "load"), -1, "not yet");
	is_eq(ke_node_wait_ms(&w->n[1].node), 1, "soon");
	pass(w, 1);
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 6, "the member's");
	is_eq(number_of(&peer_at(w, 0)->attrs, "load"), 7, "the node's");
	ok(ke_node_wait_ms(&w->n[1].node) >= KE_REDIAL_MIN_MS, "that was all");
	world_end(w);
}

/* What is not heard from may be as late as can be: it is sooner than a tick. */
TEST(wakes_the_house)
{
	struct world *w = with_sink(2);

	must(w, "two nodes");
	ke_node_wait_ms(&w->n[1].node);
	w->n[1].sooner = false;
	set_sink(w, 1, 1);
	ok(!w->n[1].sooner, "said already");
	set_sink(w, 1, 2);
	ok(w->n[1].sooner, "the house is to wake up for it");
	w->n[1].sooner = false;
	set_sink(w, 1, 3);
	ok(!w->n[1].sooner, "once");
	world_end(w);
}

/* A hundred sets in each millisecond, of all three kinds. */
TEST(burst)
{
	struct world *w = with_sink(3);
	u64 before, said, one;
	u32 i, ms;

	must(w, "two nodes");
	before = bytes_said(w);
	for (ms = 0; ms < 100; ms++) {
		for (i = 0; i < 100; i++)
			set_sink(w, 1, ms * 100 + i);
		pass(w, 1);
	}
	pass(w, KE_ATTR_DELAY_MS);
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 9999, "the last value");
	is_eq(ke_attrs_age_ms(&member_at(w, 0)->attrs, "load", w->now), KE_ATTR_DELAY_MS + 1,
	      "with its age");
	one = sizeof(struct kecho_frame) + sizeof(u64) + ke_attrs_live_len(&w->n[1].sink.attrs);
	said = bytes_said(w) - before;
	is_eq(said % one, 0, "nothing but frames of that");
	ok(said / one >= 10 && said / one <= 12, "%d of them", (int)(said / one));
	world_end(w);
}

/* A frame that goes out anyway takes it along, control or data. */
TEST(piggyback)
{
	struct world *w = with_sink(4);

	must(w, "two nodes");
	must(source_open(&w->n[1], 0), "source");
	is_eq(sink_open(&w->n[0], false, false), 0, "a sink there");
	ok(world_pump(w), "quiet");
	set_sink(w, 1, 1);
	ok(world_pump(w), "quiet");
	set_sink(w, 1, 2);
	ok(world_pump(w), "quiet");
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 1, "it waits");
	ke_link_send(peer_at(w, 1)->link, KECHO_FRAME_PING, 0, 0, NULL, 0);
	ok(world_pump(w), "quiet");
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 2, "with a heartbeat");
	set_sink(w, 1, 3);
	is_eq(submit(&w->n[1], 100), 0, "submit");
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].got, 1, "the event");
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 3, "with its event");
	pass(w, KE_ATTR_DELAY_MS);
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 3, "and that was all");
	world_end(w);
}

TEST(age)
{
	struct world *w = with_sink(5);
	struct ke_remote *m;

	must(w, "two nodes");
	m = member_at(w, 0);
	set_sink(w, 1, 1);
	ok(world_pump(w), "quiet");
	pass(w, 200);
	is_eq(ke_attrs_age_ms(&m->attrs, "load", w->now), 200, "it grows");
	set_sink(w, 1, 1);
	ok(world_pump(w), "quiet");
	is_eq(ke_attrs_age_ms(&m->attrs, "load", w->now), 0, "set to what it was: it is fresh");
	pass(w, 100);
	set_node(w, 1, 9);
	ok(world_pump(w), "quiet");
	pass(w, 50);
	is_eq(ke_attrs_age_ms(&m->attrs, "load", w->now), 150, "no other makes it so");
	is_eq(ke_attrs_age_ms(&peer_at(w, 0)->attrs, "load", w->now), 50, "the node's");
	world_end(w);
}

/* Who comes late, or again, knows how old it is all the same. */
TEST(late)
{
	struct world *w = world_new(2, 6);
	struct ke_remote *m;

	must(w, "memory");
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	sink_open(&w->n[1], false, false);
	set_sink(w, 1, 1);
	set_node(w, 1, 2);
	w->now += 300;
	set_channel(w, 1, "rate", 3);
	w->now += 700;
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	m = member_at(w, 0);
	must(m, "it is known");
	is_eq(ke_attrs_age_ms(&m->attrs, "load", w->now), 1000, "the member's");
	is_eq(ke_attrs_age_ms(&peer_at(w, 0)->attrs, "load", w->now), 1000, "the node's");
	is_eq(ke_attrs_age_ms(&w->n[0].ch.attrs, "rate", w->now), 700, "the channel's");
	world_cut(w);
	set_sink(w, 1, 4);
	w->now += 150;
	ok(world_wait(w, 250), "quiet");
	must(linked(w, 0, 1), "linked again");
	m = member_at(w, 0);
	is_eq(number_of(&m->attrs, "load"), 4, "set while the link was down");
	is_eq(ke_attrs_age_ms(&m->attrs, "load", w->now), 400, "then");
	is_eq(ke_attrs_age_ms(&w->n[0].ch.attrs, "rate", w->now), 1100, "older than the break");
	world_end(w);
}

/* Those that come and go meanwhile: nobody is heard of after he left, nor before he came. */
TEST(join_and_leave)
{
	struct world *w = with_sink(7);
	u64 before;

	must(w, "two nodes");
	set_sink(w, 1, 1);
	set_sink(w, 1, 2);
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	ok(!member_at(w, 0), "it has left");
	before = bytes_said(w);
	pass(w, 2 * KE_ATTR_DELAY_MS);
	set_sink(w, 1, 4);
	pass(w, KE_ATTR_DELAY_MS);
	is_eq(bytes_said(w), before, "nothing is said of it");
	ke_attrs_free(&w->n[1].sink.attrs);
	set_node(w, 1, 1);
	set_node(w, 1, 2);
	is_eq(sink_open(&w->n[1], false, false), 0, "another");
	set_sink(w, 1, 3);
	ok(world_pump(w), "quiet");
	is_eq(number_of(&peer_at(w, 0)->attrs, "load"), 2, "it went with the MEMBER");
	pass(w, KE_ATTR_DELAY_MS);
	is_eq(number_of(&member_at(w, 0)->attrs, "load"), 3, "the member's");
	world_end(w);
}

/* Both set one, and each another: they agree, and each is there. */
TEST(channel_at_once)
{
	struct world *w = with_sink(8);
	u32 i;

	must(w, "two nodes");
	for (i = 0; i < 20; i++) {
		set_channel(w, 0, "both", i);
		set_channel(w, 1, "both", 100 - i);
		set_channel(w, 0, "x", i);
		set_channel(w, 1, "y", i);
		if (i % 3)
			pass(w, i);
	}
	pass(w, KE_ATTR_DELAY_MS);
	for (i = 0; i < 2; i++) {
		is_eq(number_of(&w->n[i].ch.attrs, "x"), 19, "x at %u", i);
		is_eq(number_of(&w->n[i].ch.attrs, "y"), 19, "y at %u", i);
	}
	is_eq(number_of(&w->n[0].ch.attrs, "both"), number_of(&w->n[1].ch.attrs, "both"),
	      "they agree");
	world_cut(w);
	set_channel(w, 0, "x", 30);
	set_channel(w, 1, "y", 31);
	ok(world_wait(w, 500), "quiet");
	must(linked(w, 0, 1), "linked again");
	for (i = 0; i < 2; i++) {
		is_eq(number_of(&w->n[i].ch.attrs, "x"), 30, "x at %u, over a break", i);
		is_eq(number_of(&w->n[i].ch.attrs, "y"), 31, "y at %u, over a break", i);
	}
	world_end(w);
}

/* A node that nobody knows waits for nothing. */
TEST(alone)
{
	struct world *w = world_new(1, 9);

	must(w, "memory");
	channel_open(&w->n[0]);
	set_node(w, 0, 1);
	set_channel(w, 0, "rate", 1);
	is_eq(ke_node_wait_ms(&w->n[0].node), 0, "nothing is due");
	world_end(w);
}

TESTS(live, at_once_when_idle, wakes_the_house, burst, piggyback, age, late, join_and_leave,
      channel_at_once, alone);
