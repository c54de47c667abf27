// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters between nodes: each source judges by those of all sinks, wherever they are, through
 * breaks of links and the failure of nodes; and a peer that lies gets nowhere.
 */
#include "filter_test.h"
#include "hostile_test.h"

static struct parts parts;
static char why[KE_TYPE_WHY_MAX];

static struct {
	u32 heard;		/* calls of house->judged() */
	bool later;		/* sinks don't take it at once */
	u32 changes;
} seen;

static bool h_judged(struct ke_remote __always_unused *m, struct ke_source __always_unused *own,
		     struct ke_member __always_unused *sink,
		     const struct ke_verdict __always_unused *v)
{
	seen.heard++;
	return !seen.later;
}

static void h_judges(struct ke_source __always_unused *s)
{
	seen.changes++;
}

static struct ke_house house;

static void use_house(struct world *w)
{
	u32 i;

	memset(&seen, 0, sizeof(seen));
	house = test_house;
	house.judged = h_judged;
	house.judges = h_judges;
	for (i = 0; i < WORLD_NODES; i++)
		if (w->n[i].up)
			w->n[i].node.house = &house;
}

/* Events of more than @n bytes; in parts. */
static void longer(u32 n)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, n, 1), MOV(0, 0), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_join(&parts);
}

/* Those whose slot of that scope is set. */
static void has_attr(u8 scope, const char *name)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 0, 2, 0), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_slot(&parts, scope, 0, 0, name);
	parts_join(&parts);
}

static void younger(const char *name, u32 ms)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 0, 2, 0), LDX(BPF_DW, 4, 2, 8),
		JMP(BPF_JLT, 4, ms * 1000000, 1), MOV(0, 0), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_slot(&parts, KECHO_SCOPE_SINK, KECHO_SLOT_AGE, 0, name);
	parts_join(&parts);
}

static int set_filter(struct ke_member *sink)
{
	return ke_member_filter(sink, parts.wire, parts.wire_len, NULL, 0, why);
}

/* What the source at node 0 says of an event. */
static struct ke_event_info judged(struct world *w, u32 len)
{
	struct ke_event_info info = { .time_ns = 1 };

	h_source_lock(&w->n[0].src);
	ke_judge_event(w->n[0].src.judge, &info, 1, w->event, len, &test_ops);
	h_source_unlock(&w->n[0].src);
	return info;
}

static u64 bits(struct world *w, u32 len)
{
	struct ke_event_info info = judged(w, len);

	return info.judged ? info.bits : 0;
}

static struct ke_tstream *stream_to(struct world *w, u32 node)
{
	return ke_tstream_find(&w->n[0].src,
			       ke_peer_find(&w->n[0].node, &w->n[node].node.self.node));
}

static struct ke_verdict verdict(struct world *w, u32 node)
{
	struct ke_verdict v = { 0 };

	ke_member_verdict(&w->n[node].sink, w->n[0].src.member.id, &v);
	return v;
}

TEST(remote)
{
	struct world *w = stream(1, true, 0);

	must(w, "nodes");
	use_house(w);
	ok(ke_member_filtered(&w->n[1].sink), "there is no filter");
	ok(!judged(w, 9).judged && stream_to(w, 1)->wants_all, "all are wanted");
	longer(10);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	ok(!ke_member_filtered(&w->n[1].sink), "not yet");
	ok(world_pump(w), "quiet");
	ok(ke_member_filtered(&w->n[1].sink), "judged at the source");
	ok(verdict(w, 1).bit == 0 && verdict(w, 1).version == 1, "its bit");
	is_eq(bits(w, 20), 1, "yes");
	is_eq(bits(w, 5), 0, "no");
	ok(!stream_to(w, 1)->wants_all && stream_to(w, 1)->wants == 1, "that is what is wanted");
	longer(30);
	is_eq(set_filter(&w->n[1].sink), 0, "another");
	ok(world_pump(w), "quiet");
	ok(verdict(w, 1).bit == 1 && verdict(w, 1).from == 2, "another bit");
	is_eq(stream_to(w, 1)->wants, 2, "which is wanted");
	is_eq(bits(w, 20), 0, "the one before is over");
	is_eq(bits(w, 40), 2, "the other is judged");
	is_eq(ke_member_filter(&w->n[1].sink, NULL, 0, NULL, 0, why), 0, "none");
	ok(world_pump(w), "quiet");
	is_eq(verdict(w, 1).bit, KE_BIT_ALL, "all");
	ok(ke_member_filtered(&w->n[1].sink) && stream_to(w, 1)->wants_all, "all are wanted");
	ok(!judged(w, 40).judged, "nothing is judged");
	is_eq(w->n[1].node.filters_bytes, 0, "no bytes here");
	is_eq(ke_peer_find(&w->n[0].node, &w->n[1].node.self.node)->filters_bytes, 0, "nor there");
	is_eq(ke_member_filter(&w->n[1].sink, "x", 1, NULL, 0, why), -EPROTO, "what is none");
	world_end(w);
}

/* Its bit is judged until the sink has taken another. */
TEST(later)
{
	struct world *w = stream(1, true, 0);
	u64 source;

	must(w, "nodes");
	use_house(w);
	source = w->n[0].src.member.id;
	seen.later = true;
	longer(10);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	ok(world_pump(w), "quiet");
	ok(!ke_member_filtered(&w->n[1].sink) && seen.heard == 1, "said, not taken");
	longer(30);
	is_eq(set_filter(&w->n[1].sink), 0, "another meanwhile");
	ok(world_pump(w), "quiet");
	is_eq(verdict(w, 1).version, 1, "it waits");
	ke_member_took(&w->n[1].sink, source, 7);
	ke_member_took(&w->n[1].sink, source, 1);
	ok(world_pump(w), "quiet");
	is_eq(verdict(w, 1).version, 2, "its turn");
	is_eq(bits(w, 40), 3, "both are judged");
	is_eq(stream_to(w, 1)->wants, 3, "both are wanted");
	ke_member_took(&w->n[1].sink, source, 2);
	ok(world_pump(w), "quiet");
	ok(ke_member_filtered(&w->n[1].sink), "taken");
	is_eq(bits(w, 40), 2, "one is judged");
	is_eq(stream_to(w, 1)->wants, 2, "one is wanted");
	world_end(w);
}

/* Sink and source on one node; a filter that was there first; one that is set before joining. */
TEST(own)
{
	struct world *w = two_nodes(1);
	struct ke_member late = { .role = KE_SINK };

	must(w, "nodes");
	use_house(w);
	is_eq(sink_open(&w->n[0], false, false), 0, "sink");
	longer(10);
	is_eq(set_filter(&w->n[0].sink), 0, "its filter");
	is_eq(sink_open(&w->n[1], false, false), 0, "sink elsewhere");
	is_eq(set_filter(&w->n[1].sink), 0, "the same");
	ok(world_pump(w), "quiet");
	ok(source_open(&w->n[0], 0), "a source that comes later");
	ok(verdict(w, 0).version == 1 && ke_member_filtered(&w->n[0].sink), "knows it at once");
	ok(world_pump(w), "quiet");
	ok(verdict(w, 1).version == 1 && ke_member_filtered(&w->n[1].sink), "says it elsewhere");
	is_eq(verdict(w, 1).bit, verdict(w, 0).bit, "by one bit");
	is_eq(bits(w, 20), 1, "judged once");
	late.owner = &w->n[0];
	longer(30);
	is_eq(set_filter(&late), 0, "before it joins");
	is_eq(ke_member_join(&late, &w->n[0].ch), 0, "it joins");
	is_eq(bits(w, 40), 3, "judged from then on");
	seen.later = true;
	longer(50);
	is_eq(set_filter(&late), 0, "another");
	ok(!ke_member_filtered(&late), "not taken");
	is_eq(bits(w, 60), 7, "both are judged");
	ke_member_took(&late, w->n[0].src.member.id, 2);
	ok(ke_member_filtered(&late), "taken");
	is_eq(bits(w, 60), 5, "one is");
	ke_member_leave(&late);
	is_eq(bits(w, 60), 1, "it has left");
	sink_close(&w->n[0]);
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	ok(!judged(w, 60).judged && seen.changes, "so have all");
	world_end(w);
}

/* Whenever the connection breaks, it is judged in the end, and nothing is lost. */
/* Another process judges: sinks hear of it when it does, or nobody waits for it any more. */
TEST(elsewhere)
{
	struct world *w = stream(1, true, 0);
	struct ke_source *src;

	must(w, "nodes");
	use_house(w);
	src = &w->n[0].src;
	src->judged_later = true;
	longer(10);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	ok(world_pump(w), "quiet");
	is_eq(seen.changes, 1, "the house is to tell that process");
	ok(!seen.heard && !ke_member_filtered(&w->n[1].sink), "the sink hears nothing");
	ok(stream_to(w, 1)->wants_all, "all are wanted");
	ke_source_judges(src, src->judge->generation);
	ok(world_pump(w), "quiet");
	ok(seen.heard == 1 && ke_member_filtered(&w->n[1].sink), "it does");
	is_eq(stream_to(w, 1)->wants, 1, "that is what is wanted");
	longer(30);
	is_eq(set_filter(&w->n[1].sink), 0, "another");
	ke_source_judges(src, 1);
	ok(world_pump(w), "quiet");
	is_eq(seen.heard, 1, "it goes by the first");
	ke_source_judges(src, U32_MAX);
	ok(world_pump(w), "quiet");
	ok(seen.heard == 2 && verdict(w, 1).version == 2, "it has gone");
	is_eq(set_filter(&w->n[1].sink), 0, "once more");
	ok(world_pump(w), "quiet");
	ok(ke_member_filtered(&w->n[1].sink), "at once");
	world_end(w);
}

TEST(breaks)
{
	struct world *w;
	u64 seed;
	u32 i;

	for (seed = 1; seed <= 40; seed++) {
		w = stream(seed, true, 0);
		must(w, "nodes");
		use_house(w);
		w->cut_at = w->moved + 1 + world_random(w, 1500);
		for (i = 1; i <= 5; i++) {
			longer(10 * i);
			is_eq(set_filter(&w->n[1].sink), 0, "a filter");
			submit_some(w, 3);
			if (world_random(w, 2))
				ok(world_pump(w), "quiet");
		}
		ok(world_wait(w, 5000), "quiet");
		ok(ke_member_filtered(&w->n[1].sink), "judged at the source");
		is_eq(verdict(w, 1).version, 5, "by the newest");
		is_eq(bits(w, 55), 1ULL << verdict(w, 1).bit, "and nothing else");
		is_eq(stream_to(w, 1)->wants, 1ULL << verdict(w, 1).bit, "that is wanted");
		all_counted(w);
		world_end(w);
	}
}

/* A node that failed has no seats; when it is back it has others. */
TEST(failed)
{
	struct world *w = stream(1, false, 0);
	struct ke_verdict before;

	must(w, "nodes");
	use_house(w);
	longer(10);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	ok(world_pump(w), "quiet");
	before = verdict(w, 1);
	w->n[1].deaf = true;
	world_cut(w);
	ok(world_wait(w, 3000), "quiet");
	ok(!judged(w, 20).judged, "failed: nobody asks");
	w->n[1].deaf = false;
	ok(world_wait(w, 3000), "quiet");
	ok(ke_member_filtered(&w->n[1].sink), "back");
	ok(verdict(w, 1).since > before.from, "what was said before is void");
	is_eq(bits(w, 20), 1, "judged again");
	world_end(w);
}

/* A node of this host may only stand still: its seats stay until it is known to have died. */
TEST(failed_here)
{
	struct world *w = stream(1, false, 0);
	struct ke_peer *p;

	must(w, "nodes");
	longer(10);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	ok(world_pump(w), "quiet");
	p = ke_peer_find(&w->n[0].node, &w->n[1].node.self.node);
	p->local = true;
	w->n[1].unreached = w->n[0].unreached = 3;
	world_cut(w);
	ok(world_wait(w, 2 * KE_NODE_FORGET_MS), "quiet");
	is_eq(bits(w, 20), 1, "judged");
	ke_peer_dead(p);
	ok(!judged(w, 20).judged, "it has died");
	world_end(w);
}

TEST(attributes)
{
	struct ke_value one = { .kind = KE_VALUE_I64, .i64 = 1 };
	struct world *w = stream(1, false, 0);
	static const u8 scopes[] = {
		KECHO_SCOPE_SINK, KECHO_SCOPE_SINK_NODE, KECHO_SCOPE_SOURCE,
		KECHO_SCOPE_SOURCE_NODE, KECHO_SCOPE_CHANNEL, KECHO_SCOPE_NODE,
	};
	struct tnode *at;
	u32 i;

	must(w, "nodes");
	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		const char name[] = { 'a' + i, 0 };

		has_attr(scopes[i], name);
		is_eq(set_filter(&w->n[1].sink), 0, "a filter");
		ok(world_pump(w), "quiet");
		is_eq(bits(w, 1), 0, "scope %u: not set", scopes[i]);
		at = &w->n[i < 2 || scopes[i] == KECHO_SCOPE_CHANNEL];
		if (scopes[i] == KECHO_SCOPE_CHANNEL) {
			is_eq(ke_channel_set(&at->ch, name, &one), 0, "set");
		} else if (i & 1) {
			is_eq(ke_node_set(&at->node, name, &one), 0, "set");
		} else {
			struct ke_member *m = i ? &at->src.member : &at->sink;

			is_eq(ke_member_set(m, name, &one), 0, "set");
		}
		w->now += KE_ATTR_DELAY_MS;
		ke_node_tell(&at->node);
		ok(world_pump(w), "quiet");
		is_eq(hweight64(bits(w, 1)), 1, "scope %u: set", scopes[i]);
	}
	world_end(w);
}

/* As old as it was where it was set, and older with each event. */
TEST(ages)
{
	struct ke_value one = { .kind = KE_VALUE_I64, .i64 = 1 };
	struct world *w = stream(1, false, 0);

	must(w, "nodes");
	younger("load", 1000);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	is_eq(ke_member_set(&w->n[1].sink, "load", &one), 0, "set");
	ok(world_pump(w), "quiet");
	w->now += 999;
	is_eq(bits(w, 1), 1, "young");
	w->now++;
	is_eq(bits(w, 1), 0, "old");
	world_end(w);
}

/* What is retained is all of it in the mirror. */
TEST(retained)
{
	struct world *w = two_nodes(1);

	must(w, "nodes");
	is_eq(sink_open(&w->n[1], false, false), 0, "sink");
	longer(10);
	is_eq(set_filter(&w->n[1].sink), 0, "a filter");
	ok(source_open(&w->n[0], 0), "source");
	ok(world_pump(w), "quiet");
	ok(!stream_to(w, 1)->wants_all, "filtered");
	w->n[0].src.retain = 10;
	ke_source_want(&w->n[0].src, stream_to(w, 1)->peer);
	ok(stream_to(w, 1)->wants_all, "all are wanted");
	world_end(w);
}

static int put_piece(struct world *w, u32 offset, u32 total, u64 *seq)
{
	struct ke_event_info info = { .judged = true, .generation = 1, .frag_offset = offset,
				      .frag_total = total };
	int err = ke_log_append(&w->n[0].src.log, &info, w->event, 1000, KE_NO_LIMIT, seq);

	ke_log_publish(&w->n[0].src.log);
	return err;
}

/* The first piece was sent as all was; the others are when less is wanted. */
TEST(rest_of_it)
{
	struct world *w = stream(20, true, 0);
	struct ke_tstream *ts;
	u64 seq = 0, next = 0;

	must(w, "nodes");
	ts = stream_to(w, 1);
	ke_tstream_want(ts, 1, false, 1);
	is_eq(put_piece(w, 0, 0, &next), 0, "what nobody wants");
	ok(world_pump(w), "quiet");
	ke_tstream_want(ts, 0, true, 1);
	is_eq(put_piece(w, 0, 2000, &seq), 0, "a piece");
	ok(world_pump(w), "quiet");
	ke_tstream_want(ts, 1, false, 2);
	is_eq(put_piece(w, 1000, 2000, &seq), 0, "the other");
	ok(world_pump(w), "quiet");
	is_eq(ts->sent, w->n[0].src.log.head, "both are sent");
	world_end(w);
}

TEST(limit)
{
	struct world *w = stream(1, false, 0);
	struct ke_member more = { .role = KE_SINK };

	must(w, "nodes");
	longer(10);
	w->n[1].node.filters_bytes = KE_NODE_FILTERS_MAX;
	is_eq(set_filter(&w->n[1].sink), -ENOSPC, "no more");
	ok(strstr(why, "more bytes"), "it says: %s", why);
	is_eq(set_filter(&more), 0, "alone it may");
	is_eq(ke_member_join(&more, &w->n[1].ch), -ENOSPC, "but not join");
	ke_member_leave(&more);
	w->n[1].node.filters_bytes = 0;
	world_end(w);
}

/* ------------------------------------------------------------------- a peer that lies */

enum { SINK = 0x9999, SOURCE = 0x1234 };

static int put_filter(struct conn *c, u64 sink, u64 version, u32 len)
{
	static u8 buf[8192];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, sink);
	ke_put_u32(&o, len);
	ke_put(&o, parts.wire, min(len, parts.wire_len));
	return put_frame(c, KECHO_FRAME_FILTER, 1, version, buf, o.len, o.len);
}

static int put_judged(struct conn *c, u64 sink, u64 from, u32 version, u8 bit, u32 since)
{
	u8 buf[17];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, sink);
	ke_put_u32(&o, version);
	ke_put_u8(&o, bit);
	ke_put_u32(&o, since);
	return put_frame(c, KECHO_FRAME_JUDGED, 1, from, buf, o.len, o.len);
}

static int put_ack(struct conn *c, u64 sink, u64 version)
{
	__le64 body = cpu_to_le64(sink);

	return put_frame(c, KECHO_FRAME_JUDGED_ACK, 1, version, &body, 8, 8);
}

struct lie {
	const char *what;
	u64 sink, version;
	u32 len;
	int err;
};

TEST(lies)
{
	static const struct lie lies[] = {
		{ "of nobody", 7, 1, 64, -EPROTO }, { "of a source", SOURCE, 1, 64, -EPROTO },
		{ "no version", SINK, 0, 64, -EPROTO },
		{ "a version too high", SINK, 1ULL << 32, 64, -EPROTO },
		{ "cut short", SINK, 1, 20, -EPROTO }, { "too long", SINK, 1, 5000, -EPROTO },
		{ "none", SINK, 1, 0, 0 }, { "a filter", SINK, 1, 64, 0 },
	};
	struct world *w;
	struct conn *c;
	u32 i;

	longer(10);
	is_eq(parts.wire_len, 64, "it has so many bytes");
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		w = meet(&c, false);
		must(w, "nodes");
		is_eq(put_member(c, SINK, 0, 0), 0, "a sink");
		is_eq(put_filter(c, lies[i].sink, lies[i].version, lies[i].len), lies[i].err,
		      "%s", lies[i].what);
		if (!lies[i].err)
			is_eq(put_filter(c, SINK, 1, 64), -EPROTO, "the same version twice");
		world_end(w);
	}
}

/* Who goes under the name of another's sink could say what that wants. */
TEST(not_theirs)
{
	struct conn *c;
	struct world *w = meet(&c, false);

	must(w, "nodes");
	longer(10);
	is_eq(set_filter(&w->n[0].sink), 0, "a filter");
	is_eq(put_member(c, w->n[0].sink.id, 0, 0), -EPROTO, "a sink of ours");
	is_eq(bits(w, 20), 1, "it is judged as before");
	world_end(w);
}

TEST(judged_lies)
{
	struct world *w = NULL;
	struct conn *c;
	u32 i;

	for (i = 0; i < 10; i++) {
		w = meet(&c, false);
		must(w, "nodes");
		longer(10);
		is_eq(set_filter(&w->n[0].sink), 0, "a filter");
		is_eq(put_judged(c, 5, 1, 1, 0, 1), 0, "of nobody");
		is_eq(put_judged(c, w->n[0].src.member.id, 1, 1, 0, 1), 0, "of a source");
		is_eq(put_judged(c, w->n[0].sink.id, 1, 99, 0, 1), 0, "of what never was");
		ok(!ke_member_filtered(&w->n[0].sink), "no word of it");
		is_eq(put_member(c, SINK, 0, 0), 0, "a sink");
		is_eq(put_filter(c, SINK, 1, 64), 0, "with a filter");
		is_eq(put_ack(c, SINK, 5), 0, "a wrong version");
		is_eq(put_ack(c, 5, 1), 0, "nobody's");
		is_eq(put_ack(c, SINK, 1), 0, "right");
		is_eq(put_ack(c, SINK, 1), 0, "twice");
		if (i == 0)
			is_eq(put_judged(c, w->n[0].sink.id, 1, 1, 66, 1), -EPROTO, "no bit");
		else if (i == 1)
			is_eq(put_judged(c, w->n[0].sink.id, 1, 1, 1, 2), -EPROTO, "too new");
		else if (i == 2)
			is_eq(put_judged(c, w->n[0].sink.id, 1ULL << 32, 1, 1, 2), -EPROTO, "far");
		else if (i == 3)
			is_eq(put_ack(c, SINK, 1ULL << 32), -EPROTO, "a version too high");
		else
			is_eq(put_judged(c, w->n[0].sink.id, i, 1, i, 1), 0, "good");
		is_eq(ke_member_filtered(&w->n[0].sink), i > 3, "then it is judged");
		world_end(w);
	}
}

TEST(too_much)
{
	struct world *w;
	struct conn *c;
	int err = 0;
	u32 i;

	longer(10);
	w = meet(&c, false);
	must(w, "nodes");
	c->link.peer->filters_bytes = KE_NODE_FILTERS_MAX - 1000;
	for (i = 0; !err && i < 100; i++) {
		is_eq(put_member(c, SINK + i, 0, 0), 0, "a sink");
		err = put_filter(c, SINK + i, 1, 64);
	}
	is_eq(err, -ENOSPC, "no more");
	ok(i < 20 && c->link.peer->filters_bytes <= KE_NODE_FILTERS_MAX, "no more is kept");
	c->link.peer->filters_bytes -= KE_NODE_FILTERS_MAX - 1000;
	world_end(w);
}

TESTS(filters, remote, later, own, elsewhere, breaks, failed, failed_here, attributes, ages,
      retained, rest_of_it, limit, lies, not_theirs, judged_lies, too_much);
