/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A channel and the members that are ours.
 */
#ifndef KE_CHANNEL_H
#define KE_CHANNEL_H

#include "attr.h"
#include "id.h"
#include "wire.h"

struct ke_in;
struct ke_link;
struct ke_node;
struct ke_peer;
struct ke_rstream;
struct ke_sieve;
struct ke_source;
struct ke_types;

struct ke_channel {
	struct list_head list;
	struct ke_node *node;
	void *owner;
	struct ke_id uuid;
	char name[KE_NAME_MAX + 1];
	u32 index;		/* in our frames */
	struct ke_id other;	/* another channel of this name, met last; 0: none ever */
	bool other_said;	/* by us, to all nodes of the channel */
	u64 freeze;		/* we hold it frozen, by this number; 0: we don't */
	struct ke_drain *drain;	/* one that is under way */
	bool ended;		/* destroyed */
	struct ke_attrs attrs;
	u64 attrs_version;	/* any of them is another since then */
	u64 attrs_change;	/* see live.c */
	struct list_head changed;	/* members, in the order of their changes */
	struct list_head members;
	struct list_head presences;
	u32 sinks, gated;	/* our sinks, those of them that block */
};

enum ke_role { KE_SOURCE = 1, KE_SINK = 2 };

/* Of a source: which logs go before which on a link. */
enum ke_class { KE_NORMAL, KE_URGENT, KE_BULK, KE_CLASSES };

static inline u32 ke_class_rank(u8 class)
{
	return class == KE_URGENT ? 0 : class == KE_NORMAL ? 1 : 2;
}

struct ke_member {
	struct list_head list;
	struct ke_channel *channel;
	void *owner;
	u64 id;
	u8 role, policy;
	u8 traffic_class;	/* enum ke_class, of a source */
	bool failed;		/* it has not left, it is lost */
	u32 alive_ms;		/* of a source: its promise, see promise.h; 0: none */
	struct ke_attrs attrs;
	u64 attrs_change;	/* see live.c */
	struct list_head changed;	/* of the channel */
	struct ke_types *types;	/* NULL: none */
	struct ke_source *source;
	struct ke_sieve *sieve;	/* a sink's filter; NULL: none */
	u64 whose;		/* its filters are: a number of the house's, for what it grants
				 * them; 0: another node's */
	u32 filter_version;	/* 0: it never had one */
};

/* -ENOSPC: KE_CHANNELS_MAX; @ch is as it was. */
int ke_channel_open(struct ke_channel *ch, struct ke_node *n, const struct ke_id *uuid,
		    const char *name);
void ke_channel_close(struct ke_channel *ch);
/* Another node that is in the channel, from the registry. -ENOMEM; -ENOSPC: KE_NODES_MAX. */
int ke_channel_contact(struct ke_channel *ch, const struct ke_contact *c);
/*
 * The registry gives the name to the channel @uuid: all nodes of ours are told. Both go
 * on, each by itself; the house tells its users.
 */
void ke_channel_other(struct ke_channel *ch, const struct ke_id *uuid);
/* Have we heard so, or met a node that has @uuid open under this name? */
static inline bool ke_channel_has_other(const struct ke_channel *ch)
{
	static const struct ke_id none;

	return ke_id_cmp(&ch->other, &none);
}
/* The node has this channel open too, and we are linked to it. */
bool ke_channel_linked(const struct ke_channel *ch, const struct ke_id *node);
/* All that answers knows of us, and of our newest member. */
bool ke_channel_synced(const struct ke_channel *ch);
bool ke_channel_acked(const struct ke_channel *ch);
/* A sink is new (or gone): read all logs of the channel. */
int ke_channel_subscribe(struct ke_channel *ch, bool retained);
void ke_channel_unsubscribe(struct ke_channel *ch);
bool ke_channel_started(const struct ke_channel *ch);

/* Live attributes, see live.c; ke_attrs_set() has the errors. */
int ke_channel_set(struct ke_channel *ch, const char *name, const struct ke_value *v);
int ke_member_set(struct ke_member *m, const char *name, const struct ke_value *v);

/*
 * Freezing. ke_channel_freeze() holds the channel; who still has to confirm that its
 * sources stand still, ours included, ke_channel_unfrozen() counts. Nothing ends this but
 * ke_channel_thaw() or that this node goes.
 * ke_channel_settle - a source of ours that is frozen has finished something.
 */
void ke_channel_freeze(struct ke_channel *ch);
void ke_channel_thaw(struct ke_channel *ch);
u32 ke_channel_unfrozen(struct ke_channel *ch);
void ke_channel_settle(struct ke_channel *ch);

/*
 * Draining: until all sinks of the channel have read what was published when it began.
 * ke_drain_begin - -EBUSY: one is under way; -ENOMEM; -ENOSPC: over KE_DRAIN_SOURCES_MAX.
 * ke_drain_step - call it often; 1: done; 0; -ENOSPC. @lag: sinks that lag, @silent: nodes
 * that have yet to answer.
 */
struct ke_drain_mark {
	u64 member, pos;
};
int ke_drain_begin(struct ke_channel *ch);
int ke_drain_step(struct ke_channel *ch, u32 *lag, u32 *silent);
void ke_drain_end(struct ke_channel *ch);
/* The next mark of what house->lagging() got; false: that was all. */
bool ke_drain_mark(struct ke_in *marks, struct ke_drain_mark *m);

/*
 * Destroying: the channel ends for everybody, also for those that hear of it later.
 * ke_channel_undestroyed - how many nodes have yet to say that they know.
 */
void ke_channel_destroy(struct ke_channel *ch);
u32 ke_channel_undestroyed(const struct ke_channel *ch);

/*
 * Going on as a node that has died, see adopt.c: the same contact is given to ke_node_init(),
 * the same ids to channels, members and sources, and its mirrors to ke_channel_adopt(),
 * before there are links. Who gave up is not told: members are what is joined by then.
 * ke_channel_adopt - a mirror as it was left, whose memory goes back by house->detach();
 * set its owner. NULL: no memory, or it is none.
 */
struct ke_kept {
	struct ke_contact contact;	/* the source's node */
	char name[KE_LINK_NAME_MAX + 1];
	u64 id;			/* the source */
	u32 log;
	u64 log_size;
	u64 lost;		/* rstream->lost, as it was said last */
	struct kecho_log_header *hdr;
	void *ring;
};
struct ke_rstream *ke_channel_adopt(struct ke_channel *ch, const struct ke_kept *kept);

/*
 * ke_member_join - a member without an id gets one; one that the house has chosen must be random.
 * -ENOSPC: KE_MEMBERS_MAX; nobody hears of @m, which may leave all the same.
 * ke_member_identify - it gets one before it joins: what a sink reads first leaves out what is
 * for others.
 */
void ke_member_identify(struct ke_member *m, struct ke_node *n);
int ke_member_join(struct ke_member *m, struct ke_channel *ch);
void ke_member_leave(struct ke_member *m);

/* The peer has answered the MEMBER of @id; or is not in the channel any more. */
void ke_channel_unwanted(struct ke_channel *ch, const struct ke_peer *p, u64 id);
void ke_channel_drop_streams(struct ke_channel *ch, const struct ke_peer *p);
/* What our sinks lost: look, before and after their number falls; tell the source's node. */
void ke_channel_count_lost(struct ke_channel *ch);
void ke_channel_say_lost(struct ke_channel *ch);
/* A node of the channel has gone, which may have told only some of us what it set. */
void ke_channel_retell(struct ke_channel *ch);
bool ke_channel_frozen(const struct ke_channel *ch);

#endif
