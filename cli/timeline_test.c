/* SPDX-License-Identifier: MIT */
/*
 * When recorded events are due, with clocks that differ, that are set, and that say nothing.
 */
#include "tap.h"

#include "cli.h"
#include "timeline.h"

#define MS	INT64_C(1000000)
#define REAL	(UINT64_C(1700000000) * 1000000000)

static struct timeline t;

void complain(const char *fmt, ...)
{
	(void)fmt;
	abort();	/* buf.c, when there is no memory */
}

static void begin(void)
{
	const struct recording_item run = { .kind = RECORDING_RUN, .run.real_ns = REAL };

	timeline_run(&t, &run);
}

/* An event of @source, which came @came_ms into the run; its clock said @said_ms then or
 * before. In milliseconds. */
static long long due(uint64_t source, long long came_ms, long long said_ms)
{
	const struct recording_item it = {
		.kind = RECORDING_EVENT, .time_ns = came_ms * MS,
		.event = { .source = source, .time_ns = REAL + said_ms * MS },
	};

	return timeline_due(&t, &it) / MS;
}

static void end(void)
{
	timeline_free(&t);
	t = (struct timeline){ 0 };
}

TEST(same_clock)
{
	begin();
	is_eq(due(1, 15, 10), 10, "when it was submitted");
	is_eq(due(1, 25, 12), 12, "however late it came");
	is_eq(due(1, 26, 26), 26, "or early");
	is_eq(due(2, 40, 20), 26, "but not before the one before it");
	end();
}

TEST(other_clock)
{
	begin();
	is_eq(due(1, 100, 90000), 100, "ahead: laid where it came");
	is_eq(due(1, 140, 90030), 130, "and from there on its own");
	is_eq(due(2, 150, -90000), 150, "behind");
	is_eq(due(2, 190, -89980), 170, "and from there on its own");
	end();
}

TEST(clock_is_set)
{
	begin();
	is_eq(due(1, 10, 9), 9, "before");
	is_eq(due(1, 20, -5000), 20, "back");
	is_eq(due(1, 35, -4990), 30, "and on");
	is_eq(due(1, 40, 7000), 40, "forward");
	is_eq(due(1, 60, 7010), 50, "and on");
	end();
}

TEST(no_time)
{
	struct recording_item it = { .kind = RECORDING_EVENT, .time_ns = 30 * MS,
				     .event.source = 1 };

	begin();
	is_eq(timeline_due(&t, &it), 30 * MS, "when it came");
	it.time_ns = 31 * MS;
	is_eq(timeline_due(&t, &it), 31 * MS, "when it came");
	end();
}

TEST(next_run)
{
	begin();
	is_eq(due(1, 100, 100), 100, "the first");
	begin();
	is_eq(due(1, 7, 5), 105, "the second is behind it");
	end();
}

TEST(any_numbers)
{
	static const uint64_t some[] = { 0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };
	struct recording_item it = { .kind = RECORDING_EVENT };
	int64_t last = INT64_MIN, now;
	unsigned int i;

	for (i = 0; i < 5 * 5 * 5; i++) {
		it.event.source = i % 2;
		it.time_ns = some[i % 5];
		it.event.time_ns = some[i / 5 % 5];
		if (!(i % 25)) {
			const struct recording_item run = { .run.real_ns = some[i / 25] };

			timeline_run(&t, &run);
		}
		now = timeline_due(&t, &it);
		ok(now >= last, "it never goes back");
		last = now;
	}
	end();
}

TESTS(timeline, same_clock, other_clock, clock_is_set, no_time, next_run, any_numbers);
