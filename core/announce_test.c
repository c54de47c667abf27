// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types that sources announce: every node that reads has them, through breaks of links and
 * beyond the member's end; what is no type, or too many, gets nowhere.
 */
#include "hostile_test.h"
#include "type_test.h"

enum { BIG_FIELDS = KE_TYPE_FIELDS_MAX, BIG_NAME = 32 };

static struct draft draft;
static char why[KE_TYPE_WHY_MAX];

/* A small type of this name; its encoded form is in the draft. */
static u32 small_type(const char *name)
{
	draft_begin(&draft, name, 16, false);
	draft_number(&draft, "seq", KE_FIELD_UNSIGNED, 0, 8);
	draft_number(&draft, "cpu", KE_FIELD_SIGNED, 8, 4);
	return ke_type_encode(&draft.type, draft.encoded, sizeof(draft.encoded));
}

static u32 numbered_type(u32 i)
{
	char name[] = "type-00";

	name[5] += i / 10;
	name[6] += i % 10;
	return small_type(name);
}

/* About 26 KB of it, in @wire. */
static u32 big_type(u8 *wire, u32 i)
{
	char *names = kvzalloc(BIG_FIELDS * BIG_NAME + 2, GFP_KERNEL);
	struct ke_field *f = kvzalloc(BIG_FIELDS * sizeof(*f), GFP_KERNEL);
	struct ke_type t = { .names = names, .size = 8, .fields = f, .nfields = BIG_FIELDS,
			     .name = BIG_FIELDS * BIG_NAME, .name_len = 2 };
	int len = -ENOMEM;
	u32 n;

	for (n = 0; names && f && n < BIG_FIELDS; n++) {
		memset(names + n * BIG_NAME, 'x', BIG_NAME);
		names[n * BIG_NAME] = 'a' + n / 26;
		names[n * BIG_NAME + 1] = 'a' + n % 26;
		f[n] = (struct ke_field){ .name = n * BIG_NAME, .name_len = BIG_NAME, .size = 8,
					  .kind = KE_FIELD_UNSIGNED };
	}
	if (names && f) {
		names[t.name] = 'a' + i / 26;
		names[t.name + 1] = 'a' + i % 26;
		len = ke_type_encode(&t, wire, KE_TYPE_ENCODED_MAX);
	}
	kvfree(names);
	kvfree(f);
	WARN_ON(len < 0);
	return len;
}

static int announce(struct tnode *tn, u32 i)
{
	u32 len = numbered_type(i);

	return ke_source_announce(&tn->src, &tn->node, draft.encoded, len, why);
}

/* Type number @i of the one source that @tn knows of, as it was announced? */
static bool knows(const struct tnode *tn, u32 index, u32 i)
{
	const struct ke_presence *pr;
	const struct ke_remote *m;
	const struct ke_type *t;
	u32 len = numbered_type(i);

	list_for_each_entry(pr, &tn->ch.presences, channel_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			t = m->role == KE_SOURCE ? ke_types_at(m->types, index) : NULL;
			if (t)
				return t->encoded_len == len &&
				       !memcmp(t->encoded, draft.encoded, len);
		}
	}
	return false;
}

TEST(learn)
{
	struct world *w = stream(1, true, 0);

	must(w, "nodes");
	is_eq(announce(&w->n[0], 0), 1, "the first");
	ok(ke_types_at(w->n[0].src.member.types, 1) && !ke_types_at(w->n[0].src.member.types, 2) &&
	   !ke_types_at(w->n[0].src.member.types, 0), "its own");
	ok(world_pump(w), "quiet");
	ok(knows(&w->n[1], 1, 0), "it is known");
	is_eq(announce(&w->n[0], 1), 2, "the second");
	is_eq(announce(&w->n[0], 0), 1, "the first has its number");
	ok(world_pump(w), "quiet");
	ok(knows(&w->n[1], 1, 0) && knows(&w->n[1], 2, 1), "both are known");
	node_make(w, 2);
	channel_open(&w->n[2]);
	ke_channel_contact(&w->n[2].ch, &w->n[0].node.self);
	ok(world_pump(w), "quiet");
	ok(knows(&w->n[2], 1, 0) && knows(&w->n[2], 2, 1), "who comes later knows them");
	ok(ke_channel_acked(&w->n[0].ch), "nobody is waited for");
	world_end(w);
}

/* Announced before the source joins: it is named with them. */
TEST(born_with)
{
	struct world *w = two_nodes(1);
	struct tnode *tn;

	must(w, "nodes");
	tn = &w->n[0];
	memset(&tn->src, 0, sizeof(tn->src));
	is_eq(announce(tn, 3), 1, "before it is a member");
	ke_source_forget_types(&tn->src, &tn->node);
	is_eq(tn->node.types_bytes, 0, "nothing is left of it");
	ok(source_open(tn, 0), "source");
	is_eq(announce(tn, 3), 1, "again");
	ke_member_leave(&tn->src.member);
	is_eq(tn->node.types_bytes, 0, "nor of one that has left");
	is_eq(announce(tn, 4), 1, "once more");
	is_eq(ke_member_join(&tn->src.member, &tn->ch), 0, "it joins");
	ok(world_pump(w), "quiet");
	ok(knows(&w->n[1], 1, 4), "with its type");
	world_end(w);
}

/* Whenever the connection breaks, all are known in the end, once. */
TEST(breaks)
{
	struct world *w;
	u64 seed;
	u32 i;

	for (seed = 1; seed <= 40; seed++) {
		w = stream(seed, false, 0);
		must(w, "nodes");
		w->cut_at = w->moved + 1 + world_random(w, 1500);
		for (i = 0; i < 8; i++) {
			is_eq(announce(&w->n[0], i), i + 1, "announced");
			submit_some(w, 3);
			if (world_random(w, 2))
				ok(world_pump(w), "quiet");
		}
		ok(world_wait(w, 5000), "quiet");
		for (i = 0; i < 8; i++)
			ok(knows(&w->n[1], i + 1, i), "type %u is known", i + 1);
		is_eq(w->n[1].announced, 8, "each was announced once");
		is_eq(ke_peer_find(&w->n[1].node, &w->n[0].node.self.node)->types_bytes,
		      w->n[0].node.types_bytes, "no byte twice");
		all_counted(w);
		world_end(w);
	}
}

/* Who reads on what a source has left, keeps its types. */
TEST(outlive)
{
	struct world *w = stream(1, false, 0);
	const struct ke_presence *pr;
	struct ke_types *t;

	must(w, "nodes");
	announce(&w->n[0], 0);
	ok(world_pump(w), "quiet");
	pr = list_first_entry(&w->n[1].ch.presences, struct ke_presence, channel_list);
	t = ke_types_get(list_first_entry(&pr->remotes, struct ke_remote, list)->types);
	must(t, "a table");
	source_close(&w->n[0]);
	ok(world_pump(w), "quiet");
	ok(!knows(&w->n[1], 1, 0), "the member has gone");
	is_eq(pr->peer->types_bytes, 0, "and counts no more");
	is_eq(t->refs, 1, "its types are ours alone");
	ok(ke_types_at(t, 1), "and are there");
	ke_types_put(t);
	ke_types_put(NULL);
	world_end(w);
}

TEST(limits)
{
	u8 *wire = kvzalloc(KE_TYPE_ENCODED_MAX, GFP_KERNEL);
	struct world *w = stream(1, false, 0);
	struct tnode *tn;
	u32 i, len;

	must(w && wire, "memory");
	tn = &w->n[0];
	for (i = 0; i < KE_TYPES_MAX; i++)
		is_eq(announce(tn, i), i + 1, "so many");
	is_eq(announce(tn, i), -ENOSPC, "no more");
	ok(strstr(why, "as many types"), "it says: %s", why);
	source_close(tn);
	ok(source_open(tn, 0), "another source");
	for (i = 0; i < 9; i++) {
		len = big_type(wire, i);
		is_eq(ke_source_announce(&tn->src, &tn->node, wire, len, why), i + 1, "large ones");
	}
	len = big_type(wire, i);
	is_eq(ke_source_announce(&tn->src, &tn->node, wire, len, why), -ENOSPC, "too large");
	ok(strstr(why, "source may"), "it says: %s", why);
	ok(world_pump(w), "quiet");
	ok(linked(w, 1, 0), "all of that may be said");
	tn->node.types_bytes += KE_NODE_TYPES_MAX - 9 * len - 20;
	is_eq(announce(tn, 0), -ENOSPC, "nor of one node");
	ok(strstr(why, "node may"), "it says: %s", why);
	tn->node.types_bytes -= KE_NODE_TYPES_MAX - 9 * len - 20;
	is_eq(announce(tn, 0), 10, "a small one");
	memset(wire, 0, 40);
	is_eq(ke_source_announce(&tn->src, &tn->node, wire, 40, why), -EPROTO, "none");
	ok(strstr(why, "no type"), "it says: %s", why);
	world_end(w);
	kvfree(wire);
}

/* A node that knows no types gets none, and isn't waited for. */
TEST(older_node)
{
	struct world *w = world_new(2, 1);
	u64 moved;

	must(w, "nodes");
	w->n[1].node.knows = 0;
	channel_open(&w->n[0]);
	channel_open(&w->n[1]);
	ke_channel_contact(&w->n[0].ch, &w->n[1].node.self);
	ok(world_pump(w), "quiet");
	is_eq(sink_open(&w->n[1], false, false), 0, "sink");
	ok(source_open(&w->n[0], 0), "source");
	ok(world_pump(w), "quiet");
	moved = w->moved;
	is_eq(announce(&w->n[0], 0), 1, "announced");
	ok(world_pump(w), "quiet");
	is_eq(w->moved, moved, "without a word");
	ok(ke_source_told(&w->n[0].src), "told");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	all_counted(w);
	world_end(w);
}

/* ------------------------------------------------------------- a peer of this host */

/* A node with a source that its peer, a test's and of this host, reads. */
static struct world *neighbour(struct conn **c)
{
	static const u8 channel[20] = { 1, 2, 3 }, subscribe[14] = { KE_FROM_NOW };
	struct world *w = world_new(1, 1);

	*c = w ? conn_new(&w->n[0], false) : NULL;
	if (!ok(*c, "memory"))
		return w;
	channel_open(&w->n[0]);
	ok(source_open(&w->n[0], 0), "source");
	(*c)->raw = (*c)->link.local = true;
	is_eq(put_hello(*c, 1, 1, 0, &stranger), 0, "hello");
	is_eq(put_frame(*c, KECHO_FRAME_CHANNEL, 1, 0, channel, 20, 20), 0, "channel");
	is_eq(announce(&w->n[0], 0), 1, "a type");
	is_eq(put_frame(*c, KECHO_FRAME_SUBSCRIBE, 1, 0, subscribe, 14, 14), 0, "subscribe");
	return w;
}

static void ack(struct world *w, struct conn *c, u64 member, u64 index)
{
	__le64 body = cpu_to_le64(member);

	is_eq(put_frame(c, KECHO_FRAME_MEMBER_ACK, w->n[0].ch.index, index, &body, 8, 8), 0, "ack");
}

TEST(told)
{
	struct conn *c;
	struct world *w = neighbour(&c);
	struct ke_source *s;

	must(w && c, "nodes");
	s = &w->n[0].src;
	ok(ke_source_told(s), "what came before START is known");
	is_eq(announce(&w->n[0], 1), 2, "another");
	ok(!ke_source_told(s), "which the reader has yet to know");
	ok(!ke_channel_acked(&w->n[0].ch), "nor has it answered the MEMBER");
	ack(w, c, s->member.id, 0);
	ok(ke_channel_acked(&w->n[0].ch) && !ke_source_told(s), "the one is not the other");
	ack(w, c, s->member.id, 1);
	ack(w, c, s->member.id + 1, 2);
	ack(w, c, s->member.id, 3);
	ack(w, c, s->member.id, U64_MAX);
	ok(!ke_source_told(s), "nor is any other answer it");
	ack(w, c, s->member.id, 2);
	ok(ke_source_told(s), "this is");
	announce(&w->n[0], 2);
	c->closed = true;
	close_conns(w);
	ok(!ke_source_told(s), "a broken link is no answer");
	w->now += KE_NODE_DEAD_MS;
	ke_node_tick(&w->n[0].node);
	ok(ke_source_told(s), "who has failed is not waited for");
	world_end(w);
}

/* -------------------------------------------------------------------- what is none */

struct bad_type {
	const char *what;
	u64 member, index;
	u32 len;	/* of a body that is no type; 0: the type is good */
	int err;
};

/* Of a peer with a source 0x1234, whose type 1 is known, and a sink 0x77. */
static const struct bad_type bad_types[] = {
	{ "the same again", 0x1234, 1, 0, 0 },
	{ "another", 0x1234, 15, 0, 0 },
	{ "without a number", 0x1234, 0, 0, -EPROTO },
	{ "one type too many", 0x1234, 16, 0, -EPROTO },
	{ "a number beyond all", 0x1234, U64_MAX, 0, -EPROTO },
	{ "of nobody", 0x1235, 1, 0, -EPROTO },
	{ "of a sink", 0x77, 1, 0, -EPROTO },
	{ "no type", 0x1234, 2, 40, -EPROTO },
	{ "another type for the number", 0x1234, 1, 40, -EPROTO },
	{ "no member", 0x1234, 2, 7, -EPROTO },
};

static int put_type(struct conn *c, u64 member, u64 index, const void *wire, u32 len)
{
	u8 *buf = kvzalloc(8 + KE_TYPE_ENCODED_MAX, GFP_KERNEL);
	int err = -ENOMEM;

	if (buf) {
		put_unaligned_le64(member, buf);
		memcpy(buf + 8, wire, len);
		err = put_frame(c, KECHO_FRAME_TYPE, 1, index, buf, 8 + len, 8 + len);
	}
	kvfree(buf);
	return err;
}

TEST(no_types)
{
	static const u8 nothing[40];
	struct world *w;
	struct conn *c;
	u32 i, len;

	for (i = 0; i < ARRAY_SIZE(bad_types); i++) {
		const struct bad_type *b = &bad_types[i];

		w = meet(&c, false);
		must(w, "nodes");
		is_eq(put_member(c, 0x77, 0, 0), 0, "a sink");
		len = numbered_type(0);
		is_eq(put_type(c, 0x1234, 1, draft.encoded, len), 0, "type 1");
		ok(knows(&w->n[0], 1, 0), "is known");
		if (b->len > 8)
			is_eq(put_type(c, b->member, b->index, nothing, b->len), b->err, "%s",
			      b->what);
		else if (b->len)
			is_eq(put_frame(c, KECHO_FRAME_TYPE, 1, b->index, nothing, b->len, b->len),
			      b->err, "%s", b->what);
		else
			is_eq(put_type(c, b->member, b->index, draft.encoded, len), b->err, "%s",
			      b->what);
		ok(world_pump(w), "quiet");
		is_eq(c->lost, b->err != 0, "%s: the link", b->what);
		ok(knows(&w->n[0], 1, 0), "%s: what was known", b->what);
		world_end(w);
	}
}

/* As many bytes as one source may have; then those of a node. */
TEST(endless_types)
{
	u8 *wire = kvzalloc(KE_TYPE_ENCODED_MAX, GFP_KERNEL);
	struct world *w;
	struct conn *c;
	u32 i, n;
	int err = 0;

	must(wire, "memory");
	w = meet(&c, false);
	must(w, "nodes");
	for (i = 0; !err && i < KE_TYPES_MAX; i++)
		err = put_type(c, 0x1234, i + 1, wire, big_type(wire, i));
	is_eq(err, -ENOSPC, "one source");
	ok(c->link.peer->types_bytes <= KE_TYPES_BYTES_MAX, "no more is kept");
	world_end(w);
	w = meet(&c, false);
	must(w, "nodes");
	for (n = 0, err = 0; !err && n < 20; n++) {
		is_eq(put_member(c, 0x5000 + n, 10 + n, TEST_LOG), 0, "a source");
		for (i = 0; !err && i < 9; i++)
			err = put_type(c, 0x5000 + n, i + 1, wire, big_type(wire, i));
	}
	is_eq(err, -ENOSPC, "one node");
	ok(n < 12 && c->link.peer->types_bytes <= KE_NODE_TYPES_MAX, "no more is kept");
	world_end(w);
	kvfree(wire);
}

/* A gate that has moved on for a sink that has gone since keeps nothing for who begins with what is
 * retained: it begins behind that. */
TEST(retained_behind_a_gate)
{
	static const u8 subscribe[14] = { KE_FROM_RETAINED, 1, 1 };
	struct kecho_frame start;
	struct ke_source *s;
	struct world *w;
	struct conn *c;
	u32 i;

	for (i = 0; i < 2; i++) {
		w = neighbour(&c);
		must(w && c, "nodes");
		s = &w->n[0].src;
		s->retain = 20;
		submit_some(w, 30);
		w->n[0].word = i ? s->log.head : 0;
		is_eq(put_frame(c, KECHO_FRAME_SUBSCRIBE, 1, 0, subscribe, 14, 14), 0, "subscribe");
		memcpy(&start, c->link.control + c->link.control_len - sizeof(start) - 16,
		       sizeof(start));
		is_eq(start.type, KECHO_FRAME_START, "is answered");
		ok(le64_to_cpu(start.pos) >=
		   list_first_entry(&s->gates, struct ke_gate, list)->seen, "behind its gate");
		is_eq(le64_to_cpu(start.pos) == s->log.head, i, "what is retained comes, or not");
		world_end(w);
	}
}

TESTS(announce, learn, born_with, breaks, outlive, limits, older_node, told, no_types,
      endless_types, retained_behind_a_gate);
