// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Nodes: what they know of each other, and when.
 */
#include "stream_test.h"

/* ----------------------------------------------------------------- membership */

TEST(hello)
{
	struct world *w = two_nodes(1);
	struct ke_peer *p;

	must(w, "nodes");
	ok(linked(w, 0, 1), "one way");
	ok(linked(w, 1, 0), "the other way");
	ok(ke_channel_synced(&w->n[0].ch), "synced");
	ok(ke_channel_synced(&w->n[1].ch), "synced");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	if (ok(p, "peer"))
		is_str(p->name, "node-1", "its name");
	world_end(w);
}

TEST(members)
{
	struct world *w = two_nodes(2);

	must(w, "nodes");
	ok(source_open(&w->n[0], 0), "source");
	is_eq(sink_open(&w->n[1], false, false), 0, "sink");
	ok(!ke_channel_acked(&w->n[0].ch), "not acknowledged yet");
	ok(world_pump(w), "quiet");
	ok(ke_channel_acked(&w->n[0].ch), "acknowledged");
	is_eq(w->n[0].joined, 1, "the sink is seen");
	is_eq(w->n[1].joined, 1, "the source is seen");
	sink_close(&w->n[1]);
	source_close(&w->n[0]);
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].left, 1, "the sink has left");
	is_eq(w->n[1].left, 1, "the source has left");
	is_eq(w->n[0].failed + w->n[1].failed, 0, "none has failed");
	world_end(w);
}

/* Members that were there before the link. */
TEST(members_before)
{
	struct world *w = world_new(2, 3);

	must(w, "memory");
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	ok(source_open(&w->n[0], 0), "source");
	is_eq(sink_open(&w->n[1], true, false), 0, "sink");
	is_eq(submit(&w->n[0], 10), 0, "before anyone is there");
	ke_channel_contact(&w->n[1].ch, &w->n[0].node.self);
	ok(!ke_channel_synced(&w->n[1].ch), "it is not known who is there");
	ok(world_pump(w), "quiet");
	ok(ke_channel_synced(&w->n[1].ch), "now it is");
	is_eq(w->n[0].joined, 1, "the sink is seen");
	is_eq(w->n[1].joined, 1, "the source is seen");
	is_eq(submit(&w->n[0], 10), 0, "after");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 1, "from now on");
	is_eq(w->n[1].first, 2, "the second");
	is_eq(w->n[1].lost, 0, "the first was not for it");
	world_end(w);
}

/* A contact that is old news: the node is linked, but has left the channel. */
TEST(contact_has_left)
{
	struct world *w = two_nodes(19);

	must(w, "nodes");
	ke_channel_close(&w->n[1].ch);
	w->n[1].open = false;
	ok(world_pump(w), "quiet");
	is_eq(ke_channel_contact(&w->n[0].ch, &w->n[1].node.self), 0, "somebody says it is there");
	ok(!ke_channel_synced(&w->n[0].ch), "it is asked");
	ok(world_pump(w), "quiet");
	ok(ke_channel_synced(&w->n[0].ch), "and is not there");
	channel_open(&w->n[1]);
	ok(world_pump(w), "quiet");
	ok(!list_empty(&w->n[0].ch.presences), "until it comes back");
	world_end(w);
}

/* Of two that share no channel any more neither needs the other. */
TEST(nothing_shared)
{
	struct world *w = two_nodes(21);

	must(w, "nodes");
	ok(world_wait(w, KE_LINK_UNUSED_MS + 1000), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "they share a channel");
	ke_channel_close(&w->n[1].ch);
	w->n[1].open = false;
	ok(world_wait(w, KE_LINK_UNUSED_MS / 2), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "it may be opened again");
	channel_open(&w->n[1]);
	ok(world_wait(w, KE_LINK_UNUSED_MS + 1000), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "as it is");
	ke_channel_close(&w->n[1].ch);
	w->n[1].open = false;
	ok(world_wait(w, KE_LINK_UNUSED_MS + 1000), "quiet");
	ok(list_empty(&w->n[0].node.peers) && list_empty(&w->n[1].node.peers), "or not");
	is_eq(open_conns(w), 0, "nothing is left");
	ok(!ke_node_wait_ms(&w->n[0].node), "and nothing to tick for");
	channel_open(&w->n[1]);
	is_eq(ke_channel_contact(&w->n[1].ch, &w->n[0].node.self), 0, "a contact");
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "linked anew");
	world_end(w);
}

static s64 number_of(const struct ke_attrs *a, const char *name)
{
	struct ke_value v;

	return ke_attrs_find(a->buf, a->len, name, &v) ? -1 : v.i64;
}

TEST(attributes)
{
	static const struct ke_value one = { .kind = KE_VALUE_I64, .len = 8, .i64 = 1 };
	static const struct ke_value two = { .kind = KE_VALUE_I64, .len = 8, .i64 = 2 };
	struct world *w = two_nodes(4);
	struct ke_presence *pr;
	struct ke_remote *m;
	struct ke_peer *p;

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	is_eq(ke_member_set(&w->n[1].sink, "zone", &two), 0, "set");
	is_eq(ke_node_set(&w->n[1].node, "load", &one), 0, "node");
	is_eq(ke_channel_set(&w->n[1].ch, "rate", &one), 0, "channel");
	ok(world_wait(w, KE_ATTR_DELAY_MS), "quiet");
	is_eq(ke_channel_set(&w->n[0].ch, "rate", &two), 0, "channel, from here");
	ok(world_pump(w), "quiet");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	pr = list_first_entry(&w->n[0].ch.presences, struct ke_presence, channel_list);
	m = list_first_entry_or_null(&pr->remotes, struct ke_remote, list);
	is_eq(number_of(&p->attrs, "load"), 1, "the node's");
	is_eq(number_of(&w->n[0].ch.attrs, "rate"), 2, "the channel's, here");
	is_eq(number_of(&w->n[1].ch.attrs, "rate"), 2, "and there");
	if (ok(m, "the member"))
		is_eq(number_of(&m->attrs, "zone"), 2, "the member's");
	world_end(w);
}

/* A source whose process has died, on a node that lives: all it had, then failed. */
TEST(failed_source)
{
	struct world *w = two_nodes(21);
	int i;

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	must(source_open(&w->n[0], 0), "source");
	ok(world_pump(w), "quiet");
	for (i = 0; i < 20; i++)
		is_eq(submit(&w->n[0], 100), 0, "submit");
	w->n[0].src.member.failed = true;
	ke_source_end(&w->n[0].src);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got, 20, "all of it");
	is_eq(w->n[1].failed, 1, "its END says that it has failed");
	is_eq(w->n[1].left, 0, "it has not left");
	ok(ke_source_drained(&w->n[0].src), "the END is answered");
	source_close(&w->n[0]);
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].failed, 1, "said once");
	is_eq(w->n[1].left, 0, "it has not left, later either");
	world_end(w);
}

/* The same of a sink. */
TEST(failed_sink)
{
	struct world *w = two_nodes(22);

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	ok(world_pump(w), "quiet");
	w->n[1].sink.failed = true;
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	is_eq(w->n[0].failed, 1, "it has failed");
	is_eq(w->n[0].left, 0, "it has not left");
	world_end(w);
}

/* Who is told of a node by another. */
TEST(third_node)
{
	struct world *w = world_new(3, 5);
	u32 i;

	must(w, "memory");
	for (i = 0; i < 3; i++) {
		channel_open(&w->n[i]);
		sink_open(&w->n[i], false, false);
	}
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ke_channel_contact(&w->n[2].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 2) && linked(w, 2, 0), "linked without having met");
	for (i = 0; i < 3; i++)
		is_eq(w->n[i].joined, 2, "all see all");
	is_eq(open_conns(w), 6, "three links");
	world_end(w);
}

/* Two channels of one name, with a node of each linked: both hear of it, and look into it. */
TEST(another_of_its_name)
{
	static const struct ke_id uuid[2] = { { { 7 } }, { { 8 } } };
	struct world *w = two_nodes(20);
	struct ke_channel ch[2];
	u32 i, repairs[2];

	must(w, "nodes");
	for (i = 0; i < 2; i++) {
		repairs[i] = w->n[i].repairs;
		ke_channel_open(&ch[i], &w->n[i].node, &uuid[i], "split");
		ch[i].owner = &w->n[i];
	}
	ok(world_pump(w), "quiet");
	for (i = 0; i < 2; i++) {
		ok(!ke_id_cmp(&ch[i].other, &uuid[!i]), "node %u knows the other one", i);
		/* Once for the name, once as the other node is not in its own. */
		is_eq(w->n[i].repairs - repairs[i], 2, "and asks whose the name is");
		ok(list_empty(&ch[i].presences) || !ke_channel_linked(&ch[i],
			&w->n[!i].node.self.node), "they are not merged");
		ok(!ke_channel_has_other(&w->n[i].ch), "their common one is one");
	}
	ke_channel_close(&ch[0]);
	ke_channel_close(&ch[1]);
	ok(world_pump(w), "quiet");
	world_end(w);
}

/* What the registry has told one node it tells the others, those that come later too. */
TEST(told_of_another)
{
	static const struct ke_id other = { { 9 } };
	struct world *w = world_new(3, 21);
	u32 i;

	must(w, "memory");
	for (i = 0; i < 3; i++)
		channel_open(&w->n[i]);
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ke_channel_other(&w->n[0].ch, &w->n[0].ch.uuid);
	ok(!ke_channel_has_other(&w->n[0].ch), "its own is no other");
	ke_channel_other(&w->n[0].ch, &other);
	ke_channel_other(&w->n[0].ch, &other);
	ok(world_pump(w), "quiet");
	ok(!ke_id_cmp(&w->n[1].ch.other, &other), "the node that is there");
	is_eq(w->n[1].repairs, 1, "asks once");
	ok(linked(w, 1, 0), "nobody was hung up on");
	ke_channel_contact(&w->n[2].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	ok(!ke_id_cmp(&w->n[2].ch.other, &other), "the node that came later");
	ok(ke_channel_linked(&w->n[2].ch, &w->n[0].node.self.node), "which is in it as before");
	world_end(w);
}

/* Whatever the pieces, one link of the two stays. */
TEST(both_dial)
{
	u32 i;

	for (i = 0; i < 50; i++) {
		struct world *w = world_new(2, i);

		must(w, "memory");
		w->piece = 1 + i * 20;
		channel_open(&w->n[0]);
		channel_open(&w->n[1]);
		sink_open(&w->n[0], false, false);
		sink_open(&w->n[1], false, false);
		ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
		ke_channel_contact(&w->n[1].ch, &w->n[0].node.self);
		ok(world_wait(w, 1000), "quiet");
		ok(linked(w, 0, 1) && linked(w, 1, 0), "seed %u: linked", i);
		is_eq(open_conns(w), 2, "seed %u: one connection", i);
		is_eq(w->n[0].left + w->n[0].failed + w->n[1].left + w->n[1].failed, 0,
		      "seed %u: nobody has gone", i);
		world_end(w);
	}
}

/* A link on which nothing comes any more, though it stands. */
TEST(silence)
{
	struct world *w = two_nodes(13);
	struct conn *c;
	u32 i;

	must(w, "nodes");
	ok(world_wait(w, 5000), "quiet");
	is_eq(w->n[0].dialled, 1, "heartbeats keep it");
	for (i = 0; i < KE_LINK_SILENT_MS / 100; i++) {
		w->now += 100;
		ke_node_tick(&w->n[0].node);
	}
	ok(!linked(w, 0, 1), "no byte for so long");
	list_for_each_entry(c, &w->conns, list)
		ok(c->closed == (c->tn == &w->n[0]), "that end hangs up");
	ok(world_wait(w, 1000), "quiet");
	ok(linked(w, 0, 1) && linked(w, 1, 0), "dialled again");
	world_end(w);
}

/* Ticks as the node wants them: of a node that says nothing any more we hear in time. */
TEST(dead_in_time)
{
	struct world *w;
	u64 heard;
	u32 phase;

	for (phase = 0; phase <= KE_HEARTBEAT_MS; phase += 20) {
		w = two_nodes(17);
		must(w, "nodes");
		sink_open(&w->n[1], true, false);
		ok(world_pump(w), "quiet");
		heard = w->now;
		w->now += phase;
		while (!w->n[0].failed && w->now < heard + 5000) {
			ke_node_tick(&w->n[0].node);
			w->now += ke_node_wait_ms(&w->n[0].node);
		}
		is_eq(w->n[0].failed, 1, "it has failed");
		w->now -= ke_node_wait_ms(&w->n[0].node);
		ok(w->now <= heard + 2000, "after %llu ms", w->now - heard);
		world_end(w);
	}
}

/* A tick is wanted sooner than it was: who sleeps must hear of it. */
TEST(sooner)
{
	struct world *w = world_new(2, 18);
	struct tnode *tn;

	must(w, "memory");
	tn = &w->n[0];
	channel_open(tn);
	channel_open(&w->n[1]);
	is_eq(ke_node_wait_ms(&tn->node), 0, "not at all");
	ok(!tn->sooner, "nothing has changed");
	ke_channel_contact(&tn->ch, &w->n[1].node.self);
	ok(tn->sooner, "there is a node to dial");
	is_eq(ke_node_wait_ms(&tn->node), KE_REDIAL_MIN_MS, "soon");
	ok(world_pump(w), "quiet");
	is_eq(ke_node_wait_ms(&tn->node), KE_HEARTBEAT_MS, "it is linked");
	is_eq(ke_node_wait_ms(&w->n[1].node), KE_HEARTBEAT_MS, "there as well");
	ok(w->n[1].sooner, "where it came by itself");
	tn->sooner = false;
	sink_open(tn, false, false);
	ok(world_pump(w), "quiet");
	ok(!tn->sooner, "not for every change");
	world_cut(w);
	ok(tn->sooner, "but for a break");
	world_end(w);
}

/* Every link breaks as soon as it stands, or (@sync) when all is said. */
static void breaks_always(struct world *w, u32 ms, bool sync)
{
	u32 i;

	for (; ms; ms -= 10) {
		w->now += 10;
		for (i = 0; i < 2; i++)
			ke_node_tick(&w->n[i].node);
		while (world_step(w))
			if (!sync && (linked(w, 0, 1) || linked(w, 1, 0)))
				world_cut(w);
		world_cut(w);
	}
}

/* A link that lived is dialled again at once; one that never does, seldom. */
TEST(redial)
{
	struct world *w = two_nodes(15);
	u32 seconds = 10, i;
	s32 before;

	must(w, "nodes");
	for (i = 0; i < 2; i++) {
		ok(world_wait(w, KE_LINK_LIVED_MS), "quiet");
		before = w->n[0].dialled;
		world_cut(w);
		is_eq(w->n[0].dialled, before + 1, "at once");
		ok(world_pump(w), "quiet");
		ok(linked(w, 0, 1) && linked(w, 1, 0), "linked again");
		before = w->n[0].dialled;
		breaks_always(w, seconds * 1000, true);
		ok(w->n[0].dialled - before >= (s32)seconds, "it does not give up");
		ok(w->n[0].dialled - before <= (s32)(seconds * 1000 / KE_REDIAL_MAX_MS) + 6,
		   "%d dials in %u s", w->n[0].dialled - before, seconds);
		ok(world_wait(w, KE_REDIAL_MAX_MS), "quiet");
		ok(linked(w, 0, 1) && linked(w, 1, 0), "linked when it stands again");
	}
	world_end(w);
}

/* A peer that greets and hangs up, for ever, is not there. */
TEST(only_hello)
{
	struct world *w = two_nodes(16);

	must(w, "nodes");
	sink_open(&w->n[1], true, false);
	ok(world_wait(w, 2000), "quiet");
	breaks_always(w, KE_NODE_DEAD_MS - 100, false);
	is_eq(w->n[0].failed, 0, "not yet");
	breaks_always(w, 1200, false);
	is_eq(w->n[0].failed, 1, "the sink has failed");
	breaks_always(w, KE_NODE_FORGET_MS, false);
	is_eq(w->n[0].failed, 1, "once");
	ok(list_empty(&w->n[0].node.peers), "not known any more");
	world_end(w);
}

/* That nobody listens is a proof of death on this host; elsewhere a firewall says so too. */
TEST(refused)
{
	struct world *w = two_nodes(17);
	struct ke_peer *p;

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	ok(world_pump(w), "quiet");
	w->n[0].deaf = true;
	world_cut(w);
	ok(world_pump(w), "quiet");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	must(p && !p->link, "the link is down");
	ke_peer_refused(p, true);
	is_eq(w->n[0].failed, 0, "another host's is not dead");
	w->n[0].deaf = false;
	ok(world_wait(w, 1000), "quiet");
	ok(linked(w, 0, 1), "linked again");
	is_eq(w->n[0].left + w->n[0].failed, 0, "nobody noticed");
	w->n[0].deaf = true;
	world_cut(w);
	ok(world_pump(w), "quiet");
	p->local = true;
	ke_peer_refused(p, true);
	is_eq(w->n[0].failed, 1, "this host's is");
	ok(list_empty(&w->n[0].node.peers), "and not known any more");
	world_end(w);
}

TEST(forgotten)
{
	struct world *w = two_nodes(14);

	must(w, "nodes");
	sink_open(&w->n[1], false, false);
	ok(world_pump(w), "quiet");
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	node_close(&w->n[1]);
	ok(world_wait(w, KE_NODE_FORGET_MS + 2000), "quiet");
	is_eq(w->n[0].left, 1, "it has left");
	ok(list_empty(&w->n[0].node.peers), "and is not known any more");
	ok(!ke_node_wait_ms(&w->n[0].node), "nothing to tick for");
	world_end(w);
}

/* Somebody who should be dead says hello: a process that stood still, say. */
TEST(old_incarnation)
{
	struct world *w = world_new(3, 20);
	struct ke_peer *p;
	u32 i;

	must(w, "memory");
	w->n[1].node.self.incarnation = 5;
	w->n[2].node.self.node = w->n[1].node.self.node;
	w->n[2].node.self.incarnation = 4;
	for (i = 0; i < 3; i++)
		channel_open(&w->n[i]);
	sink_open(&w->n[1], true, false);
	ke_channel_contact(&w->n[1].ch, &w->n[0].node.self);
	ok(world_pump(w), "quiet");
	ok(linked(w, 0, 1), "linked");
	ke_channel_contact(&w->n[2].ch, &w->n[0].node.self);
	ok(world_wait(w, 1000), "quiet");
	ok(!linked(w, 2, 0), "it is refused");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	if (ok(p && p->link, "the new one is still linked"))
		is_eq(p->contact.incarnation, 5, "known as it is");
	is_eq(w->n[0].joined, 1, "its sink has joined");
	is_eq(w->n[0].left + w->n[0].failed, 0, "and is there");
	world_end(w);
}

TESTS(node, hello, members, members_before, contact_has_left, nothing_shared, attributes,
      failed_source, failed_sink, third_node, another_of_its_name, told_of_another, both_dial,
      silence, dead_in_time, sooner, redial, only_hello, refused, forgotten, old_incarnation);
