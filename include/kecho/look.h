/* SPDX-License-Identifier: MIT */
/*
 * What a process can look at: counters, links, round trips, and the registry's channels.
 * Included by kecho.h, whose conventions are these.
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_LOOK_H
#define KECHO_LOOK_H

#include "kecho.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Since it was opened; neither call below blocks. */
struct kecho_source_stats {
	uint64_t submitted, bytes;
	uint64_t waited;	/* submissions that had to wait, for a `block` sink or a thaw */
	uint64_t refused;	/* -EAGAIN */
	uint64_t stalled;	/* times that `block` sinks were to end as they held it up */
	uint64_t expired;	/* events that were not sent as they had expired, to each host */
};
struct kecho_sink_stats {
	uint64_t received, bytes;
	uint64_t lost;		/* events that came as KECHO_LOST */
	uint64_t expired;	/* that were over before they were read: kecho_submit_until() */
	uint64_t lag_bytes;	/* published by its sources, not yet read */
};
void kecho_source_stats(struct kecho_source *s, struct kecho_source_stats *st);
void kecho_sink_stats(struct kecho_sink *s, struct kecho_sink_stats *st);

/* A member's counters as its own node tells them. */
struct kecho_member_stats {
	struct kecho_member member;
	uint64_t events, bytes;	/* submitted or received */
	uint64_t lost;		/* by a sink; of a source: by sinks of other processes, as
				 * far as those have said */
	uint64_t expired;	/* before a sink read them; of a source: before they were sent */
	uint64_t lag_bytes;	/* of a sink: waiting for it */
	char node_name[64];
};
/*
 * kecho_channel_stats - ask every node of the channel for its members' counters.
 * Waits up to @timeout_ms (-1: 5 s) for the answers; who gives none is missing. Returns how
 * many members answered (all, also past @max). -EBUSY: another thread asks.
 */
ssize_t kecho_channel_stats(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
			    int timeout_ms);

/* A link of this node to another. */
struct kecho_link_info {
	uint64_t node;
	char name[64];		/* the other node's "name"; "" until it was linked once */
	char address[64];	/* "unix" or "ADDR:PORT"; "": it listens nowhere */
	int up;
	int error;		/* if it is not up: of the last try to reach it, -errno;
				 * -EDESTADDRREQ: it can only be waited for */
	uint64_t rtt_ns;	/* of the last ping; 0: none yet */
	uint64_t rx_bytes, tx_bytes;
	uint64_t resumed;	/* times that it went on after a break */
	/* The version of the protocol that is spoken; 0: none is up. And those that the
	 * other node speaks; 0: not known yet. */
	uint32_t version, oldest, newest;
	/* No link can be: there is no version that both speak, or the other node shares
	 * memory in an unknown layout. Told for a minute after it was last tried. */
	int refused;
};
/* kecho_links - up to @max links, also those that are down; returns how many there are. */
ssize_t kecho_links(struct kecho *k, struct kecho_link_info *l, size_t max);

/*
 * kecho_ping - one round trip to the node @node (kecho_link_info.node), in
 * nanoseconds. Waits up to @timeout_ms (-1: 5 s). -ENOTCONN: no such link; -ETIMEDOUT.
 */
int64_t kecho_ping(struct kecho *k, uint64_t node, int timeout_ms);

/* A channel as the registry knows it. */
struct kecho_channel_info {
	char name[KECHO_NAME_MAX + 1];
	uint8_t uuid[16];
	unsigned int contacts;	/* nodes that it names to newcomers, 3 at most */
	int other;		/* not found by its name, which a channel before it in the
				 * list has: see kecho_channel_other() */
};
/* kecho_channels - up to @max channels of the registry, with those that claim the name of
 * another; returns how many there are. Waits for its answer, as kecho_open(): -ETIMEDOUT. */
ssize_t kecho_channels(struct kecho *k, struct kecho_channel_info *c, size_t max);

#ifdef __cplusplus
}
#endif

#endif
