/* SPDX-License-Identifier: MIT */
/* What top shows: sums, orders, and a cursor that stays with what it is on. */
#include "top_text.h"

#include "tap.h"

#include <stdlib.h>

static struct kecho_channel *const open_one = (struct kecho_channel *)8;

static struct rated source(uint64_t id, const char *node, double per_s)
{
	struct rated r = { .now.member = { .id = id, .role = KECHO_SOURCE },
			   .events_per_s = per_s, .bytes_per_s = 100 * per_s };

	strscpy(r.now.node_name, node, sizeof(r.now.node_name));
	return r;
}

static struct rated sink(uint64_t id, const char *node, uint64_t lag, uint64_t lost, double lost_s)
{
	struct rated r = { .now = { .member = { .id = id, .role = KECHO_SINK },
				    .lag_bytes = lag, .lost = lost }, .lost_per_s = lost_s };

	strscpy(r.now.node_name, node, sizeof(r.now.node_name));
	return r;
}

/* b is the busiest, c the most behind, a the one that loses now, d is not open. */
static struct rated of_a[3], of_b[2], of_c[1];
static struct sighted channels[4];
static const struct sight all = { .c = channels, .n = 4 };

static void fill(void)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	static struct rated *const members[] = { of_a, of_b, of_c };
	static const size_t n[] = { 3, 2, 1 };
	size_t i;

	of_a[0] = source(1, "x", 10);
	of_a[1] = sink(2, "y", 100, 5, 2);
	of_a[2] = sink(3, "x", 200, 7, 1.5);
	of_b[0] = source(4, "x", 1000);
	of_b[1] = source(5, "z", 500);
	of_c[0] = sink(6, "z", 4096, 900, 0);
	for (i = 0; i < 4; i++) {
		channels[i] = (struct sighted){ .uuid = { i + 1 } };
		strscpy(channels[i].name, names[i], sizeof(channels[i].name));
		if (i == 3)
			continue;
		channels[i].ch = open_one;
		channels[i].m = members[i];
		channels[i].now.n = n[i];
	}
}

TEST(sums)
{
	struct top_channel *c;
	size_t n;

	fill();
	n = top_channels(&all, TOP_NAME, &c);
	is_eq(n, 3, "what is not open is no row");
	is_eq(c[0].sources * 10 + c[0].sinks, 12, "a: one source, two sinks");
	is_eq(c[0].lag_bytes, 300, "a: its sinks' lag");
	is_eq(c[0].lost, 12, "a: their losses");
	ok(c[0].lost_per_s == 3.5 && c[0].events_per_s == 10, "a: rates");
	ok(c[1].events_per_s == 1500 && c[1].bytes_per_s == 150000, "b: its sources' rates");
	free(c);
}

static void check_order(enum top_sort sort, const char *wanted)
{
	struct top_channel *c;
	char got[8] = { 0 };
	size_t i, n = top_channels(&all, sort, &c);

	for (i = 0; i < n; i++)
		got[i] = c[i].c->name[0];
	is_str(got, wanted, "by %s", top_sort_name(sort));
	free(c);
}

TEST(orders)
{
	const struct rated **m;

	fill();
	check_order(TOP_NAME, "abc");
	check_order(TOP_MEMBERS, "abc");
	check_order(TOP_EVENTS, "bac");
	check_order(TOP_BYTES, "bac");
	check_order(TOP_LAG, "cab");
	check_order(TOP_LOST, "acb");
	is_eq(top_members(&channels[0], TOP_NAME, &m), 3, "all members");
	is_eq(m[0]->now.member.id * 100 + m[1]->now.member.id * 10 + m[2]->now.member.id, 132,
	      "by node, then by member");
	free(m);
	top_members(&channels[0], TOP_LAG, &m);
	is_eq(m[0]->now.member.id, 3, "by lag");
	free(m);
}

/* The row of the cursor, of a list as long as it is. */
static size_t follow(struct top_list *l, enum top_sort sort, size_t height)
{
	struct top_channel *c;
	size_t n = top_channels(&all, sort, &c);

	top_follow(l, c, n, height, top_channel_key);
	free(c);
	return l->row;
}

TEST(cursor)
{
	struct top_list l = { 0 };
	struct top_channel *c;
	size_t n;

	fill();
	is_eq(follow(&l, TOP_NAME, 2), 0, "at first the first");
	n = top_channels(&all, TOP_NAME, &c);
	top_move(&l, TOP_UP, n, 2);
	is_eq(l.row, 0, "not above it");
	top_move(&l, TOP_END, n, 2);
	is_eq(l.row * 10 + l.first, 21, "the last, and the list has moved");
	top_move(&l, TOP_DOWN, n, 2);
	is_eq(l.row, 2, "not below it");
	top_move(&l, TOP_PAGE_UP, n, 2);
	is_eq(l.row * 10 + l.first, 11, "a page of two lines goes one up");
	top_take(&l, c, n, top_channel_key);
	free(c);
	is_eq(follow(&l, TOP_EVENTS, 2), 0, "in another order it is where b is");
	channels[1].ch = NULL;
	is_eq(follow(&l, TOP_EVENTS, 2), 0, "b has gone: it stays on the line");
	channels[1].ch = open_one;
	is_eq(follow(&l, TOP_EVENTS, 2), 1, "and is on a now, wherever that goes");
	channels[0].ch = channels[1].ch = channels[2].ch = NULL;
	is_eq(follow(&l, TOP_NAME, 2), 0, "none is left");
	is_eq(l.first, 0, "and nothing is above");
}

TEST(text)
{
	struct buf b = { 0 };
	struct top_channel *c;

	fill();
	channels[0].now.silent = 2;
	top_channels(&all, TOP_NAME, &c);
	top_channel_row(&b, &c[0]);
	buf_char(&b, '\0');
	is_str(b.p, "   1    2        10     1000 B      300 B      12      3.5  a (2 silent)",
	       "a channel");
	buf_reset(&b);
	top_member_row(&b, &of_a[2]);
	buf_char(&b, '\0');
	is_str(b.p, "0000000000000003 latest             0        0 B     200 B       7  x",
	       "a sink");
	ok(strlen(top_channels_head) <= 80 && strlen(top_members_head) <= 80 &&
	   strlen(top_links_head) <= 80, "the heads have room on 80 columns");
	free(c);
	buf_free(&b);
}

TESTS(top, sums, orders, cursor, text);
