/* SPDX-License-Identifier: MIT */
/* Rates from counters: of members that stay, come, go, come back, and were silent. */
#include "snapshot.h"

#include "tap.h"

#include <stdlib.h>

#define SECOND	1000000000u

static struct kecho_member_stats counters(uint64_t id, uint64_t events, uint64_t lost)
{
	return (struct kecho_member_stats){ .member = { .id = id }, .events = events,
					    .bytes = events * 100, .lost = lost };
}

TEST(growth)
{
	is_eq(growth_per_s(300, 100, 2), 100, "a counter that grows");
	is_eq(growth_per_s(100, 100, 2), 0, "one that stands");
	is_eq(growth_per_s(50, 100, 2), 25, "one that began again at 0");
	is_eq(growth_per_s(300, 100, 0), 0, "no time");
	is_eq(growth_per_s(UINT64_MAX, UINT64_MAX - 10, 1), 10, "the largest");
}

TEST(rates)
{
	struct kecho_member_stats before[] = { counters(1, 100, 0), counters(3, 100, 10),
					       counters(5, 1000, 7) };
	struct kecho_member_stats after[] = { counters(1, 300, 0), counters(4, 50, 4),
					      counters(5, 20, 2) };
	struct snapshot was = { .m = before, .n = 3, .taken_ns = SECOND };
	struct snapshot now = { .m = after, .n = 3, .taken_ns = 3ull * SECOND };
	struct rated *r = snapshot_rate(&now, &was);

	is_eq(r[0].events_per_s, 100, "who stayed: events");
	is_eq(r[0].bytes_per_s, 10000, "bytes");
	is_eq(r[0].now.events, 300, "and the counter itself");
	is_eq(r[1].events_per_s, 25, "who joined since then began at 0");
	is_eq(r[1].lost_per_s, 2, "its losses too");
	is_eq(r[2].events_per_s, 10, "who came back began again");
	is_eq(r[2].lost_per_s, 1, "its losses too");
	free(r);
}

TEST(unknown)
{
	struct kecho_member_stats before = counters(1, 100, 0);
	struct kecho_member_stats after[] = { counters(1, 200, 0), counters(2, 1000000, 0) };
	struct snapshot was = { .m = &before, .n = 1, .silent = 1, .taken_ns = SECOND };
	struct snapshot now = { .m = after, .n = 2, .taken_ns = 2ull * SECOND };
	struct snapshot never = { 0 };
	struct rated *r = snapshot_rate(&now, &was);

	is_eq(r[0].events_per_s, 100, "who answered both times");
	is_eq(r[1].events_per_s, 0, "who may have been silent, not new");
	free(r);
	r = snapshot_rate(&now, &never);
	is_eq(r[0].events_per_s + r[1].events_per_s, 0, "nothing was counted before");
	free(r);
	r = snapshot_rate(&never, &was);
	ok(r, "all are gone");
	free(r);
}

TESTS(snapshot, growth, rates, unknown);
