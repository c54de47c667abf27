// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Nodes that go on as one that died, and the logs that they find. */
#include "adopt_test.h"
#include "stream_test.h"

static bool leave(struct tnode *tn, struct left *left, u64 *sink)
{
	*sink = tn->sink.id;
	if (!feed_leave(tn->feeds, left))
		return false;
	node_close(tn);
	tn->left = tn->failed = tn->ends = 0;	/* that was its own end */
	return true;
}

/* The node again, with the channel and its sink, and what it has left of the mirror. */
static bool go_on(struct world *w, struct left *left, u64 sink, bool gated)
{
	struct tnode *tn = &w->n[1];

	node_make(w, 1);
	channel_open(tn);
	memset(&tn->sink, 0, sizeof(tn->sink));
	tn->sink.owner = tn;
	tn->sink.role = KE_SINK;
	tn->sink.policy = gated;
	tn->sink.id = sink;
	tn->has_sink = true;
	tn->ch.sinks++;
	tn->ch.gated += gated;
	return !ke_member_join(&tn->sink, &tn->ch) && feed_adopt(tn, left);
}

/* Everything breaks when @cut bytes more have moved; node 1 dies, and goes on. */
static void sink_node_dies(u64 seed, bool gated, u32 cut)
{
	struct world *w = stream(seed, gated, 0);
	struct left left;
	u64 sink;

	must(w, "nodes");
	submit_some(w, 30);
	ok(world_pump(w), "quiet");
	w->cut_at = w->moved + cut;
	submit_some(w, 40);
	while (w->cut_at && world_step(w))
		;
	world_cut(w);
	must(leave(&w->n[1], &left, &sink), "memory");
	submit_some(w, gated ? 1000 : 5);
	must(go_on(w, &left, sink, gated), "goes on");
	ok(world_wait(w, 1500), "quiet");
	submit_some(w, 30);
	ok(world_wait(w, 500), "quiet");
	ok(linked(w, 0, 1), "linked");
	is_eq(w->n[1].lost, 0, "nothing is lost");
	all_counted(w);
	is_eq(w->n[0].left + w->n[0].failed, 0, "for node 0 the sink was there all the time");
	is_eq(w->n[1].left + w->n[1].failed, 0, "so is the source for node 1");
	world_end(w);
}

TEST(sink_node)
{
	u32 i;

	for (i = 0; i < 40; i++)
		sink_node_dies(i, i & 1, 1 + 337 * i);
}

/* A source that blocks for nobody runs on: what its log does not hold any more is lost, and
 * said to be. */
TEST(sink_node_late)
{
	struct world *w = stream(7, false, 0);
	struct left left;
	u64 sink;

	must(w, "nodes");
	submit_some(w, 30);
	ok(world_pump(w), "quiet");
	world_cut(w);
	must(leave(&w->n[1], &left, &sink), "memory");
	is_eq(submit_some(w, 1000), 1000, "laps");
	must(go_on(w, &left, sink, false), "goes on");
	ok(world_wait(w, 1500), "quiet");
	ok(w->n[1].lost > 0, "some are lost");
	all_counted(w);
	world_end(w);
}

/* Nobody comes back: the source fails as after any break, and its mirror goes. */
TEST(sink_node_alone)
{
	struct world *w = stream(8, true, 0);
	struct left left;
	u64 sink;

	must(w, "nodes");
	submit_some(w, 10);
	ok(world_pump(w), "quiet");
	world_cut(w);
	must(leave(&w->n[1], &left, &sink), "memory");
	node_close(&w->n[0]);
	must(go_on(w, &left, sink, true), "goes on");
	ok(world_wait(w, KE_NODE_DEAD_MS - 500), "quiet");
	is_eq(w->n[1].failed, 0, "it may come back");
	ok(world_wait(w, 1000), "quiet");
	is_eq(w->n[1].failed, 1, "it has failed");
	is_eq(w->n[1].ends, 1, "and that is its end");
	ok(world_wait(w, KE_NODE_FORGET_MS + 1000), "quiet");
	ok(list_empty(&w->n[1].node.peers), "it is forgotten");
	world_end(w);
}

/* The source's node dies; the log is its process's, which goes on with it. */
static void source_node_dies(u64 seed, bool gated)
{
	struct world *w = stream(seed, gated, 0);
	struct ke_source *s;
	u64 id;
	u32 log;

	must(w, "nodes");
	s = &w->n[0].src;
	submit_some(w, 30);
	w->cut_at = w->moved + 1000 * seed;
	while (w->cut_at && world_step(w))
		;
	world_cut(w);
	id = s->member.id;
	log = s->id;
	ke_source_fini(s);
	ke_member_leave(&s->member);
	w->n[0].has_src = false;
	ke_channel_close(&w->n[0].ch);
	ke_node_fini(&w->n[0].node);
	node_make(w, 0);
	channel_open(&w->n[0]);
	ke_source_init(s, &w->n[0].node);
	s->id = log;
	s->member.id = id;
	is_eq(ke_member_join(&s->member, &w->n[0].ch), 0, "joined");
	w->n[0].has_src = true;
	ok(world_wait(w, 1500), "quiet");
	submit_some(w, 30);
	ok(world_wait(w, 500), "quiet");
	is_eq(w->n[1].lost, 0, "nothing is lost");
	all_counted(w);
	is_eq(w->n[1].left + w->n[1].failed, 0, "the source was there all the time");
	world_end(w);
}

TEST(source_node)
{
	u32 i;

	for (i = 0; i < 20; i++)
		source_node_dies(i, i & 1);
}

/* ---------------------------------------------------------------- the log itself */

struct found {
	struct ke_log log;
	struct kecho_log_header *hdr;
	u8 *ring;
	u8 data[6000];
};

static void found_free(struct found *f)
{
	kvfree(f->hdr);
	kvfree(f->ring);
	kvfree(f);
}

static int put(struct found *f, u32 len, u64 *seq)
{
	struct ke_event_info info = { .time_ns = 1 };

	*seq = 0;
	return ke_log_append(&f->log, &info, f->data, len, KE_NO_LIMIT, seq);
}

static struct found *found_log(u32 events)
{
	struct found *f = kvzalloc(sizeof(*f), GFP_KERNEL);
	u64 seq;

	if (!f)
		return NULL;
	f->hdr = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	f->ring = kvzalloc(TEST_LOG, GFP_KERNEL);
	if (!f->hdr || !f->ring || ke_log_init(&f->log, f->hdr, f->ring, TEST_LOG, 0, 0)) {
		found_free(f);
		return NULL;
	}
	for (; events; events--) {
		is_eq(put(f, 500, &seq), 0, "an event");
		ke_log_publish(&f->log);
	}
	return f;
}

static int adopt(struct found *f)
{
	return ke_log_adopt(&f->log, f->hdr, f->ring, TEST_LOG);
}

/* Killed between the stores of a head: both orders of what is seen are told apart. */
TEST(between_stores)
{
	struct found *f;
	u64 head;

	f = found_log(1000);
	must(f, "memory");
	head = f->log.head;
	f->hdr->seq = cpu_to_le64(1001);
	is_eq(adopt(f), 0, "the number is stored, the head not");
	is_eq(f->log.seq, 1000, "the last of what is there");
	is_eq(f->log.head, head, "as far as it was seen");
	f->hdr->head_seq = cpu_to_le64(999);
	is_eq(adopt(f), 0, "the head is stored, its number not");
	is_eq(f->log.seq, 1000, "the last of what is there");
	is_eq(le64_to_cpu(f->hdr->head_seq), 1000, "and it says so");
	found_free(f);
}

/* What was written behind the head is nothing, and its mark not either. */
TEST(behind_the_head)
{
	struct found *f;
	u64 head, seq;
	u32 i;

	f = found_log(1000);
	must(f, "memory");
	head = f->log.head;
	is_eq(put(f, 6000, &seq), 0, "not published");
	is_eq(put(f, 6000, &seq), 0, "nor this");
	is_eq(adopt(f), 0, "adopted");
	is_eq(f->log.end, head, "it ends at its head");
	for (i = 0; i < KECHO_LOG_MARKS; i++)
		ok(f->log.mark[i] <= head && f->log.mark[i] >= f->log.tail, "mark %u", i);
	is_eq(put(f, 8, &seq), 0, "it goes on");
	is_eq(seq, 1001, "with the next number");
	found_free(f);
}

TEST(no_log)
{
	struct found *f;

	f = found_log(100);
	must(f, "memory");
	is_eq(ke_log_adopt(&f->log, f->hdr, f->ring, TEST_LOG + 8), -EINVAL, "its size");
	is_eq(ke_log_adopt(&f->log, f->hdr, f->ring, 2 * TEST_LOG), -EPROTO, "another's size");
	f->hdr->tail = cpu_to_le64(f->log.head + 8);
	is_eq(adopt(f), -EPROTO, "its tail");
	f->hdr->tail = 0;
	f->hdr->head = cpu_to_le64(2 * TEST_LOG);
	is_eq(adopt(f), -EPROTO, "its head");
	f->hdr->head = cpu_to_le64(f->log.head + 4);
	is_eq(adopt(f), -EPROTO, "its head's place");
	f->hdr->magic = 0;
	is_eq(adopt(f), -EPROTO, "its name");
	found_free(f);
}

TESTS(adopt, sink_node, sink_node_late, sink_node_alone, source_node, between_stores,
      behind_the_head, no_log);
