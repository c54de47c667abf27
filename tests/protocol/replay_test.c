// SPDX-License-Identifier: MIT
/*
 * Nodes of today against the recordings: in each session each of the nodes is one of
 * today once, and the recording speaks for the others. What today's node says must be
 * what was said then, but for what a sender may choose; so a change of a frame's layout
 * fails here unless it is a new version's, for peers that speak that.
 */
#include "session.h"

#include "frames.h"
#include "registry_session.h"
#include "tap.h"

static struct session_nodes nodes;

enum { GROWN = 5 };	/* bytes that a newer node has to say behind a body */

static void put_le32(u8 *p, u32 v)
{
	put_unaligned_le32(v, p);
}

/* As a node of version 2 would say it, which may add what version 1 skips. */
static size_t from_the_future(const struct step *s, u8 *p, size_t len)
{
	struct kecho_frame more = { .len = cpu_to_le32(3), .type = KECHO_FRAME_OPTIONAL + 7,
				    .id = cpu_to_le32(9), .pos = cpu_to_le64(U64_MAX) };

	if (!strcmp(s->text, "HELLO"))
		put_le32(p + KECHO_FRAME_HEADER_SIZE + 4, KECHO_PROTOCOL_VERSION + 1);
	if (step_may_grow(s)) {
		memset(p + len, 0xf0, GROWN);
		len += GROWN;
		put_le32(p, len - KECHO_FRAME_HEADER_SIZE);
	}
	memcpy(p + len, &more, sizeof(more));
	memset(p + len + sizeof(more), 0xf1, 3);
	return len + sizeof(more) + 3;
}

/* The next frame that has a meaning in the recording; 0: there is none. */
static size_t next_frame(unsigned int of, unsigned int to, u8 *p)
{
	size_t len;

	do
		len = session_frame(&nodes, of, to, p);
	while (len && p[4] >= KECHO_FRAME_OPTIONAL && !frame_name(p[4]));
	return len;
}

static bool says_nothing(unsigned int me, const struct step *s, const struct session *in)
{
	static u8 frame[FRAME_MAX];
	unsigned int to;
	bool good = true;

	for (to = 0; to < NODES; to++)
		if (nodes.conn[me][to])
			good &= ok(!next_frame(me, to, frame),
				   "'%s', node %c: a frame of type %u before line %u", in->name,
				   'A' + me, frame[4], s ? s->line : 0);
	return good;
}

static bool says(unsigned int me, const struct step *s, struct values *v,
		 const struct session *in)
{
	static u8 frame[FRAME_MAX];
	size_t len = next_frame(me, node_number(s->to), frame);
	const char *wrong = len ? step_differs(s, v, frame, len) : "it says nothing";

	return ok(!wrong, "'%s', node %c: line %u: %s", in->name, 'A' + me, s->line, wrong);
}

static bool hears(unsigned int me, const struct step *s, struct values *v,
		  const struct session *in, bool future)
{
	static u8 frame[2 * FRAME_MAX];
	size_t len = step_bytes(s, v, frame);

	if (future)
		len = from_the_future(s, frame, len);
	return is_eq(session_give(&nodes, me, node_number(s->from), frame, len), 0,
		     "'%s', node %c, line %u, %s: hears it", in->name, 'A' + me, s->line, s->text);
}

static bool step(unsigned int me, const struct step *s, struct values *v,
		 const struct session *in, bool future)
{
	if (!s->from)
		return says_nothing(me, s, in) &&
		       ok(session_act(&nodes, s->text), "'%s', line %u: %s", in->name, s->line,
			  s->text);
	if (node_number(s->from) == me)
		return says(me, s, v, in);
	return node_number(s->to) != me || hears(me, s, v, in, future);
}

/* Who a node of today is: known, so that its contact's fields can't trade places. */
static void set_self(unsigned int me, struct values *v)
{
	static const char *const names[NODES][5] = {
		{ "A.node", "A.incarnation", "A.host", "A.address", "A.name" },
		{ "B.node", "B.incarnation", "B.host", "B.address", "B.name" },
		{ "C.node", "C.incarnation", "C.host", "C.address", "C.name" },
	};
	const struct ke_node *n = &nodes.w->n[me].node;
	__le64 incarnation = cpu_to_le64(n->self.incarnation);
	u8 buf[128];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	values_set(v, names[me][0], &n->self.node, sizeof(n->self.node));
	values_set(v, names[me][1], &incarnation, sizeof(incarnation));
	values_set(v, names[me][2], &n->self.host, sizeof(n->self.host));
	ke_put_str(&o, n->self.address);
	values_set(v, names[me][3], buf, o.len);
	o.len = 0;
	ke_put_str(&o, n->name);
	values_set(v, names[me][4], buf, o.len);
}

/* Plays node @me of a session. */
static void play(const struct session *in, unsigned int me, bool future)
{
	const char who[2] = { (char)('A' + me) };
	struct values v = { .n = 0 };
	const struct step *s;
	bool good = true;

	session_begin(&nodes, who);
	set_self(me, &v);
	for (s = in->steps; s && good; s = s->next)
		good = step(me, s, &v, in, future);
	if (good)
		says_nothing(me, NULL, in);
	is_eq(nodes.w->lock_faults, 0, "locks in order");
	session_end(&nodes);
	values_free(&v);
}

static void play_all(bool future)
{
	struct script *script = script_read(RECORDING);
	const struct session *s;
	unsigned int me;

	ok(!script->error, "%s", script->error);
	ok(script->sessions, "sessions");
	for (s = script->sessions; s; s = s->next)
		for (me = 0; me < NODES; me++)
			if (!is_registry(s))
				play(s, me, future);
	script_free(script);
}

/* The registry of today, and clients of then. */
static void play_registry(const struct session *in, bool future)
{
	static u8 ask[FRAME_MAX], answer[FRAME_MAX];
	struct ke_registry *r = registry_begin();
	struct values v = { .n = 0 };
	const struct step *s;
	const char *wrong = NULL;
	size_t len = 0;

	for (s = in->steps; s && !wrong; s = s->next) {
		if (s->from && s->to == 'R') {
			len = step_bytes(s, &v, ask);
			if (future) {
				memset(ask + len, 0xf0, GROWN);
				len += GROWN;
			}
			len = registry_answer(r, s->from, ask, len, answer);
		} else if (s->from) {
			wrong = len ? step_differs(s, &v, answer, len) : "no answer";
			ok(!wrong, "'%s', line %u: %s", in->name, s->line, wrong);
		}
	}
	ke_registry_free(r);
	values_free(&v);
}

static void play_registries(bool future)
{
	struct script *script = script_read(RECORDING);
	const struct session *s;

	for (s = script->sessions; s; s = s->next)
		if (is_registry(s))
			play_registry(s, future);
	script_free(script);
}

TEST(old_client)
{
	play_registries(false);
}

TEST(new_client)
{
	play_registries(true);
}

TEST(old_peer)
{
	play_all(false);
}

TEST(new_peer)
{
	play_all(true);
}

/* All that version 1 has is there, so that a change of any frame is seen. */
TEST(all_frames)
{
	struct script *script = script_read(RECORDING);
	const struct session *s;
	const struct step *step;
	unsigned int type;

	for (type = 0; type < 256; type++) {
		const char *name = frame_name((u8)type);
		bool there = !name;

		for (s = script->sessions; s && !there; s = s->next)
			for (step = s->steps; step && !there; step = step->next)
				there = step->from && !strcmp(step->text, name);
		ok(there, "%s is in no session", name);
	}
	script_free(script);
}

/* A node that says what it should not is found out. */
TEST(found_out)
{
	struct script *script = script_read(RECORDING);
	const struct step *s = script->sessions ? script->sessions->steps : NULL;
	struct values v = { .n = 0 };
	u8 frame[512];
	size_t len, i;

	while (s && strcmp(s->text, "SUBSCRIBE"))
		s = s->next;
	must(s && s->n, "a frame");
	len = step_bytes(s, &v, frame);
	ok(!step_differs(s, &v, frame, len), "itself");
	for (i = 4; i < len; i++) {
		frame[i] ^= 1;
		ok(step_differs(s, &v, frame, len), "byte %zu", i);
		frame[i] ^= 1;
		ok(step_differs(s, &v, frame, i), "%zu bytes of it", i);
	}
	values_free(&v);
	script_free(script);
}

TESTS(replay, old_peer, new_peer, old_client, new_client, all_frames, found_out);
