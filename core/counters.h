/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a node counts of its members, and tells others that ask. STATS answers STAT with the same
 * cookie: u64 cookie, then for each member id u64, role u8, policy u8, events, bytes, lost,
 * expired and lag u64.
 */
#ifndef KE_COUNTERS_H
#define KE_COUNTERS_H

#include "channel.h"
#include "uapi/kecho_node.h"
#include "wire.h"

struct ke_peer;

struct ke_counters {
	u64 member;
	u8 role, policy;
	u64 events, bytes, lost, expired, lag_bytes;
};

/* ke_counters_put - of @m; what does not fit as a whole is not put: a frame has as many as it
 * holds. */
void ke_counters_put(struct ke_out *o, const struct ke_member *m, const struct ke_counters *c);
/* ke_counters_get - the next; false: there is none, or (@in->bad) it makes no sense. */
bool ke_counters_get(struct ke_in *in, struct ke_counters *c);
/* ke_counters_shown - of a member of the node @p, as processes are told. */
struct kecho_ctl_stats ke_counters_shown(const struct ke_counters *c, const struct ke_peer *p);
/* ke_channel_ask_counters - all nodes that are linked and in it; so many are to answer. */
u32 ke_channel_ask_counters(struct ke_channel *ch, u64 cookie);

#endif
