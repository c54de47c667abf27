// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Deadlines. An event that has expired when it is read is left out, and counted. Its deadline
 * is by the clock that its log's header names: for a source of this node our own, else one
 * that core finds out, or corrects, at any time. The sink's lock is held.
 */
#include <linux/ktime.h>

#include "kn.h"

/* What time it is at the source, while it is @here here; 0: that is not known. */
static u64 source_now(const struct kn_feed *f, u64 here)
{
	u64 clock_ns = le64_to_cpu(READ_ONCE(f->reader.view.hdr->clock_ns));

	if (!clock_ns)
		return here;
	return clock_ns == KECHO_CLOCK_UNKNOWN ? 0 : ktime_get_ns() + clock_ns;
}

bool kn_deadline_is_over(struct kn_feed *f, const struct ke_item *item)
{
	if (likely(!item->deadline_ns) ||
	    source_now(f, ktime_get_real_ns()) <= item->deadline_ns)
		return false;
	f->sink->stats.expired++;
	return true;
}

u64 kn_deadline_here(const struct kn_feed *f, const struct ke_item *item)
{
	u64 here, now, left;

	if (likely(!item->deadline_ns))
		return 0;
	here = ktime_get_real_ns();
	now = source_now(f, here);
	if (!now)
		return 0;
	left = item->deadline_ns - now;
	return left < U64_MAX - here ? here + left : U64_MAX;
}
