/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the house does for its node: the time, connections, memory, locks; and what it
 * hears of.
 */
#ifndef KE_HOUSE_H
#define KE_HOUSE_H

#include "wire.h"

struct ke_channel;
struct ke_gate;
struct ke_link;
struct ke_member;
struct ke_native;
struct ke_node;
struct ke_peer;
struct ke_program;
struct ke_remote;
struct ke_rstream;
struct ke_source;
struct ke_verdict;

/* All but the locks and the time run in control calls; published() also where
 * ke_link_rx_data_done() does. */
struct ke_house {
	u64 (*now_ms)(void *house);
	u64 (*realtime_ns)(void *house);	/* CLOCK_REALTIME, CLOCK_MONOTONIC */
	u64 (*monotonic_ns)(void *house);
	u64 (*random)(void *house);
	/* Connect to peer->contact; later ke_link_open() or ke_peer_refused(). */
	void (*dial)(void *house, struct ke_peer *peer);
	/* Call ke_link_tx() soon. */
	void (*kick)(struct ke_link *link);
	/* The connection is to end; the house frees the link when nobody uses it. */
	void (*hangup)(struct ke_link *link);
	void (*tx_lock)(struct ke_link *link);
	void (*tx_unlock)(struct ke_link *link);
	/* It may be a spinlock: core takes no other lock and no memory under it. */
	void (*source_lock)(struct ke_source *s);
	void (*source_unlock)(struct ke_source *s);
	/* Memory for a mirror, or (local) the shared log itself: rs->view, and for a
	 * mirror the memory that ke_log_init() gets. -ECANCELED: there is none, and who was
	 * to read it has been told; nothing comes, and the link goes on. -ENOMEM. */
	int (*attach)(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring);
	void (*detach)(struct ke_rstream *rs);
	/* The number of the gate that the source's node shall watch, on this host. */
	u32 (*gate_slot)(struct ke_rstream *rs);
	/* The gate behind such a number; NULL: there is none. */
	const u64 *(*gate)(struct ke_link *link, u32 slot);
	/* Other hosts begin to read this log, now or from an enum ke_subscribe_from on, and
	 * no more. For a house that keeps s->log only meanwhile; else NULL. -errno: the
	 * source has failed for them. */
	int (*open_log)(struct ke_source *s, u8 from);
	void (*close_log)(struct ke_source *s);
	/* Give this host's node what it needs to read the log, the channel. */
	void (*share_log)(struct ke_link *link, struct ke_source *s);
	void (*share_channel)(struct ke_link *link, struct ke_channel *ch);
	void (*shared)(struct ke_link *link, struct ke_channel *ch, struct ke_in *in);
	/* A member has joined, left, failed, changed. */
	void (*member)(struct ke_remote *m);
	/* Live attributes are others now: of our node or @p; of a member, ours or another's,
	 * or with neither of @ch. May be NULL. */
	void (*live_node)(struct ke_node *n, const struct ke_peer *p);
	void (*live)(struct ke_channel *ch, const struct ke_member *own,
		     const struct ke_remote *remote);
	/* A source has a type more. May be NULL. */
	void (*announced)(struct ke_remote *m, u32 index);
	/* Readers that wait for it start at @pos, after @seq; those that block only if
	 * ke_rstream_gate_stands(), else at a later one. */
	void (*started)(struct ke_rstream *rs, u64 pos, u64 seq);
	void (*published)(struct ke_rstream *rs);
	/*
	 * How the filter of @sink, ours, is judged in a log: of @remote, or of our own source
	 * @own. True: whoever reads that for it knows by now; false: ke_member_took() will say
	 * so. May be NULL.
	 */
	bool (*judged)(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
		       const struct ke_verdict *v);
	/* Native code of a program of a filter of @whose, see ke_member.whose; NULL: it is
	 * interpreted. May be NULL. */
	struct ke_native *(*compile)(void *house, u64 whose, const struct ke_program *p);
	/* What our source judges by, or what its filters read, has changed. May be NULL. */
	void (*judges)(struct ke_source *s);
	/* Whom its events are to wake has changed, in its `own` or its streams to other hosts. May
	 * be NULL. */
	void (*wakes)(struct ke_source *s);
	/* Nothing comes any more, for now (failed) or ever; rs->last_seq was the last. */
	void (*ended)(struct ke_rstream *rs);
	/* Events of it that our sinks of now were told are lost, together. */
	u64 (*lost)(struct ke_rstream *rs);
	/* End our sink behind this gate: it holds the source up for too long. */
	void (*stalled_own)(struct ke_source *s, struct ke_gate *gate);
	/* Say at once where our slowest sink is, by ke_rstream_release() or the gate. With
	 * @end, first end those that have something to read, at @pos or before it. */
	void (*stalled)(struct ke_rstream *rs, u64 pos, bool end);
	/* A gate has moved or gone, or it is frozen, or not any more. */
	void (*room)(struct ke_source *s);
	/* How many of our sinks have not read what ke_drain_mark() gives, mark by mark. */
	u32 (*lagging)(struct ke_channel *ch, const struct ke_in *marks);
	/* The channel has ended for everybody: so have our sources, and the registry's name
	 * is not ours. */
	void (*destroyed)(struct ke_channel *ch);
	/* Something that a caller may wait for has happened. */
	void (*changed)(void *house);
	/* A node of the channel has gone, or knows another channel of its name: publish it
	 * again, and see whose the name is. */
	void (*repair)(struct ke_channel *ch);
	/* Counters for others. */
	void (*stats)(struct ke_link *link, struct ke_channel *ch, u64 cookie);
	void (*stats_in)(struct ke_link *link, struct ke_channel *ch, struct ke_peer *peer,
			 struct ke_in *in);
	void (*pong)(struct ke_link *link, u64 sent_ns);
};

#endif
