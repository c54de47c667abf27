// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A copy of a log beside its writer, who goes on meanwhile, is slow, or lies. */
#include "copy.h"
#include "tap.h"

enum {
	SIZE = 64 << 10,
	PAYLOAD = 200,
	MANY = 2000,		/* events: more than the log holds */
};

struct rig {
	struct ke_log log;	/* the writer's */
	struct ke_source s;
	struct ke_copy c;
	struct ke_gate gate;
	u64 read;		/* by who holds the gate */
	void *from, *to;
};

static struct rig *rig_new(void)
{
	struct rig *g = kvmalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return NULL;
	memset(g, 0, sizeof(*g));
	g->from = kvmalloc(KECHO_LOG_HEADER_SIZE + SIZE, GFP_KERNEL);
	g->to = kvmalloc(KECHO_LOG_HEADER_SIZE + SIZE, GFP_KERNEL);
	if (!g->from || !g->to)
		return NULL;
	memset(g->from, 0, KECHO_LOG_HEADER_SIZE + SIZE);
	memset(g->to, 0, KECHO_LOG_HEADER_SIZE + SIZE);
	if (ke_log_init(&g->log, g->from, (u8 *)g->from + KECHO_LOG_HEADER_SIZE, SIZE, 0, 0))
		return NULL;
	INIT_LIST_HEAD(&g->s.gates);
	INIT_LIST_HEAD(&g->s.streams);
	g->s.limit = KE_NO_LIMIT;
	g->c.s = &g->s;
	g->c.from = ke_log_view(&g->log);
	return g;
}

static void rig_free(struct rig *g)
{
	kvfree(g->from);
	kvfree(g->to);
	kvfree(g);
}

static void write_events(struct rig *g, u32 n)
{
	static const struct ke_event_info info;
	static const u8 payload[PAYLOAD];
	u64 seq;

	while (n--) {
		seq = 0;
		ke_log_append(&g->log, &info, payload, PAYLOAD, KE_NO_LIMIT, &seq);
	}
	ke_log_publish(&g->log);
}

static int begin(struct rig *g)
{
	return ke_copy_begin(&g->c, g->to, (u8 *)g->to + KECHO_LOG_HEADER_SIZE);
}

/* All that can be had now; an error. */
static s64 go_on(struct rig *g)
{
	s64 n;

	do
		n = ke_copy_piece(&g->c);
	while (n > 0);
	return n;
}

static void same(const struct rig *g, const char *what)
{
	is_eq(g->s.log.head, g->log.head, "%s: the head", what);
	is_eq(g->s.log.seq, g->log.seq, "%s: the number", what);
	ok(ke_copy_complete(&g->c), "%s: complete", what);
}

TEST(follows)
{
	struct rig *g = rig_new();

	must(g, "a log");
	is_eq(begin(g), 0, "of an empty log");
	same(g, "empty");
	write_events(g, 10);
	is_eq(go_on(g), 0, "it goes on");
	same(g, "some");
	write_events(g, 100);
	ok(!ke_copy_piece(&g->c) || !go_on(g), "it goes on");
	same(g, "more");
	ok(!memcmp((u8 *)g->to + KECHO_LOG_HEADER_SIZE, (u8 *)g->from + KECHO_LOG_HEADER_SIZE,
		   g->log.head), "the same bytes");
	rig_free(g);
}

/* What is there when it begins, of a log that has wrapped. */
TEST(begins_late)
{
	struct rig *g = rig_new();

	must(g, "a log");
	write_events(g, MANY);
	is_eq(begin(g), 0, "it begins");
	same(g, "late");
	ok(!g->c.lapped, "without a gap");
	rig_free(g);
}

/* Nobody waits for it: it has a gap. */
TEST(lapped)
{
	struct rig *g = rig_new();

	must(g, "a log");
	is_eq(begin(g), 0, "it begins");
	write_events(g, MANY);
	is_eq(go_on(g), 0, "it goes on");
	ok(g->c.lapped, "with a gap");
	same(g, "lapped");
	rig_free(g);
}

/* A reader of the copy holds it up, and it goes on where that lets it. */
TEST(held)
{
	struct rig *g = rig_new();

	must(g, "a log");
	is_eq(begin(g), 0, "it begins");
	ke_source_gate(&g->s, &g->gate, &g->read);
	write_events(g, 200);
	is_eq(go_on(g), 0, "it goes on");
	same(g, "less than a log");
	write_events(g, 200);
	is_eq(go_on(g), 0, "as far as it may");
	ok(g->s.log.end <= SIZE && !ke_copy_complete(&g->c), "no further than a log");
	WRITE_ONCE(g->read, g->s.log.head);
	is_eq(go_on(g), 0, "the reader has read");
	same(g, "the rest");
	ok(!g->c.lapped, "nothing is lost");
	rig_free(g);
}

TEST(makes_no_sense)
{
	struct kecho_log_header *hdr;
	struct rig *g = rig_new();
	u64 head;

	must(g, "a log");
	hdr = g->from;
	write_events(g, 10);
	is_eq(begin(g), 0, "it begins");
	hdr->head = cpu_to_le64(g->log.head - 8);
	is_eq(ke_copy_head(&g->c, &head), -EPROTO, "a head that goes back");
	hdr->head = cpu_to_le64(g->log.head + 4);
	is_eq(ke_copy_head(&g->c, &head), -EPROTO, "one that is not aligned");
	hdr->head = cpu_to_le64(g->log.head + SIZE + 8);
	hdr->tail = cpu_to_le64(0);
	is_eq(ke_copy_head(&g->c, &head), -EPROTO, "more than a log");
	hdr->tail = cpu_to_le64(g->log.tail);
	memset((u8 *)g->from + KECHO_LOG_HEADER_SIZE + g->log.head, 0xff, 64);
	hdr->head = cpu_to_le64(g->log.head + 64);
	is_eq(go_on(g), -EPROTO, "what is no record");
	rig_free(g);
}

/* Its writer is gone: what it says now counts no more. */
TEST(over)
{
	struct rig *g = rig_new();
	u64 head, seq;

	must(g, "a log");
	write_events(g, 10);
	is_eq(begin(g), 0, "it begins");
	write_events(g, 10);
	is_eq(ke_copy_now(&g->c, &head, &seq), 0, "its end");
	g->c.seq = seq;
	g->c.over = true;
	write_events(g, 10);
	is_eq(ke_copy_now(&g->c, &head, &seq), 0, "its end again");
	is_eq(seq, 20, "the number");
	is_eq(go_on(g), 0, "it goes on");
	is_eq(g->s.log.seq, 20, "and no further");
	ok(ke_copy_complete(&g->c), "complete");
	rig_free(g);
}

TESTS(copy, follows, begins_late, lapped, held, makes_no_sense, over);
