/* SPDX-License-Identifier: MIT */
/* Whatever a name is made of, a string of DOT shows it and ends where it should. */
#include "dot.h"

#include "tap.h"

static void check(const char *name, const char *dot)
{
	struct buf b = { 0 };

	dot_string(&b, name);
	buf_char(&b, '\0');
	is_str(b.p, dot, "%zu bytes", strlen(name));
	buf_free(&b);
}

TEST(strings)
{
	check("", "\"\"");
	check("news", "\"news\"");
	check("a b", "\"a b\"");
	check("\"", "\"\\\"\"");
	check("\\", "\"\\\\\"");
	check("\\\"", "\"\\\\\\\"\"");
	check("\\N\\l", "\"\\\\N\\\\l\"");
	check("one\ntwo", "\"one\\ntwo\"");
	check("&lt;b>", "\"&amp;lt;b>\"");
	check("größe✓", "\"größe✓\"");
	check("\xff\xc3", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	check("\xc3\"", "\"\xef\xbf\xbd\\\"\"");
}

static bool has(const struct buf *b, const char *text)
{
	return memmem(b->p, b->len, text, strlen(text));
}

/* A source that nobody lost anything of, and a sink that did, on two nodes. */
TEST(a_graph)
{
	struct rated m[] = {
		{ .now = { .member = { .id = 1, .node = 10, .role = KECHO_SOURCE },
			   .events = 900, .node_name = "al\"pha" }, .events_per_s = 12300 },
		{ .now = { .member = { .id = 2, .node = 11, .role = KECHO_SINK, .remote = 1 },
			   .events = 800, .lost = 100, .lag_bytes = 2048, .node_name = "beta" },
		  .events_per_s = 450 },
	};
	struct kecho_member_stats now[] = { m[0].now, m[1].now };
	struct sighted c = {
		.name = "a\\b", .ch = (struct kecho_channel *)m, .m = m,
		.now = { .m = now, .n = 2, .silent = 3 },
	};
	struct rated_link l = { .now = { .node = 11, .name = "beta", .up = 1, .rtt_ns = 12000 } };
	struct sight s = { .c = &c, .n = 1, .l = &l, .nlinks = 1 };
	struct buf b = { 0 };

	dot_graph(&b, &s, true);
	ok(has(&b, "label=\"al\\\"pha\\nthis host\""), "the node of this host");
	ok(has(&b, "label=\"beta\""), "the other");
	ok(has(&b, "label=\"a\\\\b\\n3 members do not answer\""), "the channel");
	ok(has(&b, "\"m0000000000000001\" -> \"c0\" [label=\"12.3k/s\"];"), "source to channel");
	ok(has(&b, "\"c0\" -> \"m0000000000000002\" [label=\"450/s\\nlost 100\", color"),
	   "channel to sink");
	ok(has(&b, "sink\\nlatest\\nlag 2.00 KiB"), "the sink's lag");
	ok(has(&b, "\"n000000000000000a\" -> \"n000000000000000b\" [style=dashed, dir=none, "
		   "label=\"12.0 us\"];"), "the link begins at the node that has none");
	buf_reset(&b);
	l.now.up = 0;
	dot_graph(&b, &s, false);
	ok(has(&b, "\"m0000000000000001\" -> \"c0\" [label=\"\"];"), "without rates");
	ok(has(&b, "label=\"down\""), "a link that is down");
	buf_free(&b);
}

TESTS(dot, strings, a_graph);
