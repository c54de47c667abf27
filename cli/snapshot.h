/* SPDX-License-Identifier: MIT */
/*
 * The counters of a channel's members at one time, ordered by member.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include <kecho/kecho.h>

struct snapshot {
	struct kecho_member_stats *m;
	size_t n;
	uint64_t taken_ns;	/* 0: never */
};

/* Counters with their growth since an earlier snapshot. */
struct rated {
	struct kecho_member_stats now;
	double events_per_s, bytes_per_s;
};

/* Ask every node of the channel. Returns 0, or -errno after complaining. */
int snapshot_take(struct snapshot *s, struct kecho_channel *ch, int timeout_ms);
/* The same member in @s, or NULL. */
const struct kecho_member_stats *snapshot_find(const struct snapshot *s,
					       const struct kecho_member_stats *m);
void snapshot_free(struct snapshot *s);

#endif
