// SPDX-License-Identifier: MIT
/*
 * Deadlines. An event that has expired when it is read is left out, and counted. Its deadline
 * is by the clock that its log's header names: for a source of this host our own, else one
 * that the node knows of, which it may find out, or correct, at any time.
 */
#include "deadline.h"
#include "feed.h"
#include "submit.h"

/* Once for all events that are taken at a time, and only if one asks. */
static void look_at_clocks(struct kecho_sink *s)
{
	if (s->real_ns)
		return;
	s->real_ns = lib_clock_ns(CLOCK_REALTIME);
	s->mono_ns = lib_clock_ns(CLOCK_MONOTONIC);
}

/* What time it is at the source; 0: that is not known. */
static u64 source_now(struct kecho_sink *s, const struct feed *f)
{
	u64 clock_ns = le64_to_cpu(READ_ONCE(f->reader.view.hdr->clock_ns));

	look_at_clocks(s);
	if (!clock_ns)
		return s->real_ns;
	return clock_ns == KECHO_CLOCK_UNKNOWN ? 0 : s->mono_ns + clock_ns;
}

bool deadline_is_over(struct kecho_sink *s, const struct feed *f, u64 deadline_ns)
{
	if (source_now(s, f) <= deadline_ns)
		return false;
	s->stats.expired++;
	return true;
}

u64 deadline_here(struct kecho_sink *s, const struct feed *f, u64 deadline_ns)
{
	u64 now = source_now(s, f), left = max(now, deadline_ns) - now;

	if (!now)
		return 0;
	return left < U64_MAX - s->real_ns ? s->real_ns + left : U64_MAX;
}

int kecho_submit_until(struct kecho_source *s, const void *data, size_t len, uint64_t deadline_ns,
		       unsigned int flags)
{
	struct ke_event_info info = { .time_ns = source_stamp(flags), .deadline_ns = deadline_ns,
				      .type = source_type(flags) };

	return source_submit(s, &info, data, len, flags);
}
