/* SPDX-License-Identifier: MIT */
/*
 * The counters of a channel's members at one time, ordered by member, and what they
 * have grown by between two times.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include <kecho/kecho.h>

struct snapshot {
	struct kecho_member_stats *m;
	size_t n;
	size_t silent;		/* members whose node did not answer */
	uint64_t taken_ns;	/* 0: never */
};

/* Counters with their growth since an earlier snapshot. */
struct rated {
	struct kecho_member_stats now;
	double events_per_s, bytes_per_s, lost_per_s;
};

/* Ask every node of the channel. Returns 0, or -errno after complaining. */
int snapshot_take(struct snapshot *s, struct kecho_channel *ch, int timeout_ms);
/* The same member in @s, or NULL. */
const struct kecho_member_stats *snapshot_find(const struct snapshot *s,
					       const struct kecho_member_stats *m);
void snapshot_free(struct snapshot *s);

/* The growth of a counter in @seconds; one that went back has begun again at 0. */
double growth_per_s(uint64_t now, uint64_t was, double seconds);
/*
 * The members of @now with their growth since @was, in an array that the caller frees.
 * Who is not in @was has joined since, and began at 0; if somebody was silent then, it
 * may be that one, and its growth is not known: 0, as of all if @was was never taken.
 */
struct rated *snapshot_rate(const struct snapshot *now, const struct snapshot *was);

#endif
