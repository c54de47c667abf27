// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Streams that go on after a break of their link, where the log or the mirror is in an
 * unusual state.
 */
#include "pass_test.h"

/* Appends behind an open reservation, as much as there is room for. */
static void fill_behind(struct world *w)
{
	struct ke_event_info info = { .time_ns = 1 };
	struct ke_log *log = &w->n[0].src.log;
	u64 seq;
	u32 i;

	do {
		for (i = 0; i < 2000; i++)
			w->event[i] = event_byte(log->seq + 1, i);
		seq = 0;
	} while (!ke_log_append(log, &info, w->event, 2000, KE_NO_LIMIT, &seq));
	ke_log_publish(log);
}

/* A reservation holds the head: a stream that was lapped starts no later than there. */
TEST(tail_at_head)
{
	struct world *w = stream(21, false, 0);
	struct ke_event_info info = { .time_ns = 1 };
	struct ke_log *log;
	void *data;
	u64 cookie;
	u32 i;

	must(w, "nodes");
	log = &w->n[0].src.log;
	submit_some(w, 50);
	ok(world_pump(w), "quiet");
	w->n[0].deaf = true;
	world_cut(w);
	is_eq(submit_some(w, 200), 200, "while it is down");
	/* Not at a mark, which each sixteenth of the log has at its beginning. */
	while (log->end % (TEST_LOG / 16) < TEST_LOG / 20)
		submit(&w->n[0], 100);
	is_eq(ke_log_reserve(log, &info, 7, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
	for (i = 0; i < 7; i++)
		((u8 *)data)[i] = event_byte(log->seq, i);
	fill_behind(w);
	is_eq(log->tail, log->head, "the tail is at the head");
	w->n[0].deaf = false;
	ok(world_wait(w, 1500), "quiet");
	is_eq(open_conns(w), 2, "the link stands");
	is_eq(w->n[0].failed + w->n[1].failed, 0, "nobody has failed");
	is_eq(ke_log_commit(log, cookie, 7, 1), 0, "committed");
	is_eq(submit(&w->n[0], 1), 0, "one more");
	ok(world_wait(w, 500), "quiet");
	is_eq(open_conns(w), 2, "the link stands");
	ok(w->n[1].lost > 0, "some are lost");
	all_counted(w);
	world_end(w);
}

/* The channel is closed over there while the link is down: who cares must not take that
 * for an end that was said. */
TEST(closed_while_down)
{
	struct world *w = stream(22, true, 0);

	must(w, "nodes");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	w->n[0].deaf = true;
	world_cut(w);
	is_eq(submit_some(w, 5), 5, "while it is down");
	source_close(&w->n[0]);
	ke_channel_close(&w->n[0].ch);
	w->n[0].open = w->n[0].deaf = false;
	ok(world_wait(w, 1500), "quiet");
	is_eq(w->n[1].failed, 1, "the source has failed");
	is_eq(w->n[1].left, 0, "it has not left");
	ok(list_empty(&w->n[1].ch.presences), "nobody is there");
	world_end(w);
}

/* The sink, or all of the channel, is closed while the link is down: nobody can say so
 * then, and when it is back nothing may hold the source any more. */
static void leaves_while_down(bool channel)
{
	struct world *w = stream(23, true, 0);

	must(w, "nodes");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	w->n[0].deaf = true;
	world_cut(w);
	submit_some(w, 5);
	sink_close(&w->n[1]);
	if (channel)
		ke_channel_close(&w->n[1].ch);
	w->n[1].open = !channel;
	w->n[0].deaf = false;
	ok(world_wait(w, 1500), "quiet");
	is_eq(w->n[0].left, 1, "the sink has left");
	is_eq(w->n[0].failed, 0, "nobody has failed");
	ok(list_empty(&w->n[0].src.gates), "its gate is gone");
	is_eq(submit_some(w, 2000), 2000, "laps");
	world_end(w);
}

TEST(sink_leaves_while_down)
{
	leaves_while_down(false);
}

TEST(node_leaves_while_down)
{
	leaves_while_down(true);
}

static struct conn *conn_of(struct world *w, u32 n)
{
	struct conn *c;

	list_for_each_entry(c, &w->conns, list)
		if (c->tn == &w->n[n] && !c->lost)
			return c;
	return NULL;
}

/* Its sink blocks from now on, as if it was another one. */
static void block(struct tnode *tn)
{
	tn->ch.gated++;
	tn->sink.policy = 1;
	is_eq(ke_channel_subscribe(&tn->ch, false), 0, "a gate");
}

/* Steps until there is (@gate) a gate, of whose START little comes to node 1. */
static void steps_unheard(struct world *w, bool gate)
{
	struct ke_source *s = &w->n[0].src;
	u32 i;

	for (i = 0; i < 1000 && list_empty(gate ? &s->gates : &s->streams); i++)
		world_step(w);
	conn_of(w, 0)->other = NULL;
	for (i = 0; i < 10; i++)
		world_step(w);
}

/*
 * From the log's start, but START is lost and the log laps; then a gate, and its START is
 * lost as well. What the gate keeps is not what is asked for on the next link.
 */
TEST(gate_unheard)
{
	struct world *w = two_nodes(24);
	struct tnode *tn;

	must(w, "nodes");
	tn = &w->n[1];
	is_eq(sink_open(tn, false, false), 0, "sink");
	ok(world_pump(w), "quiet");
	w->piece = 8;
	ok(source_open(&w->n[0], 0), "source");
	steps_unheard(w, false);
	is_eq(submit_some(w, 500), 500, "laps");
	block(tn);
	steps_unheard(w, true);
	ok(!list_empty(&w->n[0].src.gates), "it stands");
	ok(!ke_channel_started(&tn->ch), "nobody knows");
	conn_of(w, 0)->other = conn_of(w, 1);
	world_cut(w);
	w->piece = 5000;
	ok(world_wait(w, 1500), "quiet");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	is_eq(open_conns(w), 2, "the link stands");
	ok(tn->got && tn->lost, "the rest");
	all_counted(w);
	world_end(w);
}

/*
 * The node of a `block` sink that reads nothing is given up, and the log overtakes it by
 * less than a lap. What the mirror is full of stays as it is until it is read.
 */
TEST(full_mirror_skips)
{
	struct world *w = stream(25, true, 0);
	u64 before;
	u32 i;

	must(w, "nodes");
	for (i = 0; i < 20; i++) {
		w->n[1].idle = true;
		while (submit_some(w, 100))
			ok(world_pump(w), "quiet");
		w->n[0].deaf = true;
		world_cut(w);
		ok(world_wait(w, KE_NODE_DEAD_MS + 250), "quiet");
		is_eq(w->n[0].failed, i + 1, "the sink has failed");
		is_eq(submit_some(w, 40), 40, "the gate is gone");
		before = w->n[1].got + w->n[1].lost;
		w->n[0].deaf = false;
		ok(world_wait(w, 3000), "quiet");
		is_eq(open_conns(w), 2, "the link stands");
		is_eq(w->n[1].got + w->n[1].lost, before, "nothing is read");
		w->n[1].idle = false;
		ok(world_wait(w, 500), "quiet");
		is_eq(submit_some(w, 10), 10, "it flows again");
		ok(world_wait(w, 500), "quiet");
		all_counted(w);
	}
	world_end(w);
}

/* A sink that blocks comes while START for one that doesn't is on its way. */
TEST(gate_stands)
{
	struct world *w = two_nodes(26);
	struct ke_rstream *rs = NULL;
	struct ke_peer *p;
	struct tnode *tn;
	u32 i;

	must(w, "nodes");
	tn = &w->n[1];
	is_eq(sink_open(tn, false, false), 0, "sink");
	ok(world_pump(w), "quiet");
	ok(source_open(&w->n[0], 0), "source");
	p = ke_peer_find(&tn->node, &w->n[0].node.self.node);
	must(p, "peer");
	for (i = 0; i < 1000 && list_empty(&p->rstreams); i++)
		world_step(w);
	rs = list_first_entry_or_null(&p->rstreams, struct ke_rstream, list);
	must(rs, "stream");
	block(tn);
	w->piece = 8;
	for (i = 0; i < 1000 && !rs->attached; i++)
		world_step(w);
	ok(rs->starts_due, "it has started without it");
	ok(!ke_rstream_gate_stands(rs), "the gate does not stand yet");
	ok(world_pump(w), "quiet");
	ok(ke_rstream_gate_stands(rs), "now it does");
	world_end(w);
}

/*
 * A sink that blocks comes while the source's node counts as dead, of which not even the
 * first START had come: it begins at the log's start, and holds the mirror from there on once
 * the node is back.
 */
TEST(gate_begins_late)
{
	struct world *w = two_nodes(29);
	struct tnode *tn;

	must(w, "nodes");
	tn = &w->n[1];
	is_eq(sink_open(tn, false, false), 0, "sink");
	ok(world_pump(w), "quiet");
	w->piece = 8;
	ok(source_open(&w->n[0], 0), "source");
	steps_unheard(w, false);
	conn_of(w, 0)->other = conn_of(w, 1);
	w->n[0].deaf = true;
	world_cut(w);
	w->piece = 5000;
	block(tn);
	ok(world_wait(w, KE_NODE_DEAD_MS + 250), "quiet");
	is_eq(tn->failed, 1, "the source has failed");
	while (!w->n[0].src.log.tail)
		submit_some(w, 4);
	tn->idle = true;
	w->n[0].deaf = false;
	ok(world_wait(w, 1500), "quiet");
	is_eq(open_conns(w), 2, "the link stands");
	is_eq(tn->got + tn->lost, 0, "nothing is read");
	tn->idle = false;
	ok(world_wait(w, 500), "quiet");
	ok(tn->got && tn->lost, "the rest");
	all_counted(w);
	world_end(w);
}

/* The link is back, and with it a gate, which was looked at; NULL: it was not asked for. */
static struct ke_tstream *asked_again(struct world *w)
{
	struct ke_tstream *ts;

	w->now += KE_REDIAL_MAX_MS;
	ke_node_tick(&w->n[0].node);
	ke_node_tick(&w->n[1].node);
	while ((ts = stream_of(w)) && ts->stale && world_step(w))
		;
	if (!ok(ts && !ts->stale && ts->gated, "it is asked for"))
		return NULL;
	ke_source_limit(&w->n[0].src, KE_NO_LIMIT - 1);
	return ts;
}

/*
 * The sink goes while the link is down, and another comes that wants what is retained:
 * the source's node knows of neither. What it keeps for the one is too late for the other.
 */
TEST(another_while_down)
{
	struct world *w = stream(27, true, 0);
	struct ke_tstream *ts;

	must(w, "nodes");
	w->n[0].src.retain = 1000;
	while (stream_of(w)->acked < w->n[0].src.log.size) {
		submit_some(w, 4);
		ok(world_pump(w), "quiet");
	}
	w->n[0].deaf = true;
	world_cut(w);
	sink_close(&w->n[1]);
	sink_open(&w->n[1], true, true);
	w->n[0].deaf = false;
	w->n[1].idle = true;
	ts = asked_again(w);
	if (ts) {
		ok(ts->gate.seen <= ts->sent, "kept from %llu on, sent from %llu",
		   (unsigned long long)ts->gate.seen, (unsigned long long)ts->sent);
		is_eq(ts->lost, 0, "nothing is lost yet");
	}
	w->n[1].idle = false;
	ok(world_wait(w, 1500), "quiet");
	is_eq(w->n[1].damaged, 0, "as it was submitted");
	world_end(w);
}

/* What is not wanted is passed over, which nobody hears, nor what follows. */
static void pass_unheard(struct world *w)
{
	struct ke_tstream *ts = stream_of(w);

	conn_of(w, 0)->other = NULL;
	is_eq(submit_bits(w, 50, 2, 100), 50, "some that are not wanted");
	is_eq(submit_bits(w, 1, 1, 5000), 1, "and one that is");
	ok(world_pump(w), "quiet");
	is_eq(ts->sent, w->n[0].src.log.head, "all is said");
	ok(ts->free.to > mirror_of(w)->mirror.head, "that they are passed over, too");
}

/* The link breaks, and is back with a gate. From where it goes on nothing may be overwritten. */
static void break_and_go_on(struct world *w, bool gate_later)
{
	struct ke_tstream *ts;

	conn_of(w, 0)->other = conn_of(w, 1);
	world_cut(w);
	if (gate_later)
		block(&w->n[1]);
	ts = asked_again(w);
	if (ts) {
		ok(ts->gate.seen <= ts->passed, "kept from %llu on, sent from %llu",
		   (unsigned long long)ts->gate.seen, (unsigned long long)ts->passed);
	}
	ok(world_wait(w, 1500), "quiet");
	is_eq(submit_bits(w, 10, 1, 100), 10, "some more");
	ok(world_pump(w), "quiet");
	is_eq(open_conns(w), 2, "the link stands");
	is_eq(w->n[1].failed, 0, "nobody has failed");
	all_counted(w);
}

/* What it was said to be passed over to, without a gate, the log has lapped since. */
static void lap_passed(u64 seed, bool gate_later)
{
	struct world *w = judged_stream(seed, false);

	must(w, "nodes");
	is_eq(submit_bits(w, 1, 1, 100), 1, "one that comes");
	ok(world_pump(w), "quiet");
	pass_unheard(w);
	is_eq(submit_bits(w, 1000, 1, 400), 1000, "laps");
	ok(world_pump(w), "quiet");
	if (!gate_later)
		block(&w->n[1]);
	ok(world_pump(w), "quiet");
	is_eq(list_empty(&w->n[0].src.gates), gate_later, "a gate");
	break_and_go_on(w, gate_later);
	ok(w->n[1].lost > 0, "some are lost");
	world_end(w);
}

TEST(passed_and_lapped)
{
	lap_passed(32, true);
	lap_passed(33, false);
}

/* A gate that begins behind what was passed over does not keep what was sent before that. */
TEST(sent_and_passed)
{
	struct world *w = judged_stream(34, false);

	must(w, "nodes");
	is_eq(submit_bits(w, 1, 1, 100), 1, "one that comes");
	ok(world_pump(w), "quiet");
	conn_of(w, 0)->other = NULL;
	is_eq(submit_bits(w, 1, 1, 5000), 1, "one that does not");
	ok(world_pump(w), "quiet");
	pass_unheard(w);
	break_and_go_on(w, true);
	is_eq(w->n[1].lost, 0, "nothing is lost");
	world_end(w);
}

/* A sink goes before the START of its stream has come, and another comes: that START is not
 * for the other's stream. */
TEST(start_of_another)
{
	struct world *w = two_nodes(28);
	s32 dialled;
	u64 had;

	must(w, "nodes");
	ok(source_open(&w->n[0], 0), "source");
	ok(world_pump(w), "quiet");
	submit_some(w, 10);
	dialled = w->n[0].dialled + w->n[1].dialled;
	w->piece = 8;
	sink_open(&w->n[1], true, false);
	while (list_empty(&w->n[0].src.streams) && world_step(w))
		;
	ok(!ke_channel_started(&w->n[1].ch), "it is on its way");
	submit_some(w, 5);
	sink_close(&w->n[1]);
	sink_open(&w->n[1], true, false);
	w->piece = 5000;
	ok(world_pump(w), "quiet");
	ok(ke_channel_started(&w->n[1].ch), "started");
	is_eq(w->n[0].dialled + w->n[1].dialled, dialled, "over the same link");
	had = w->n[1].got;
	is_eq(submit_some(w, 5), 5, "more");
	ok(world_pump(w), "quiet");
	is_eq(w->n[1].got - had, 5, "which come");
	is_eq(w->n[1].bad + w->n[1].damaged + w->n[1].lost, 0, "as they were");
	world_end(w);
}

/* A process of this host that only stands still must see that nobody waits for it any more. */
TEST(frozen)
{
	struct world *w = stream(31, true, 0);
	const struct kecho_log_header *hdr;
	struct ke_source *s;
	__le64 id;

	must(w, "nodes");
	s = &w->n[0].src;
	hdr = s->log.hdr;
	w->n[1].idle = w->n[0].deaf = true;
	world_cut(w);
	list_first_entry(&s->streams, struct ke_tstream, source_list)->local = true;
	ok(world_wait(w, KE_NODE_DEAD_MS - 250), "quiet");
	is_eq(le64_to_cpu(hdr->taken), 0, "its gate holds");
	ok(world_wait(w, 500), "quiet");
	is_eq(w->n[0].failed, 1, "it has failed");
	is_eq(le64_to_cpu(hdr->taken), 1, "its gate was taken");
	memcpy(&id, w->n[1].node.self.node.b, sizeof(id));
	is_eq(hdr->taken_of[0], id, "and it is said whose");
	world_end(w);
}

TESTS(resume, tail_at_head, closed_while_down, sink_leaves_while_down, node_leaves_while_down,
      gate_unheard, full_mirror_skips, gate_stands, gate_begins_late, another_while_down,
      passed_and_lapped, sent_and_passed, start_of_another, frozen);
