/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The table in which a node shows its processes who is in a channel, with the live attributes,
 * so that they read those without asking: LIVE of uapi/kecho_node.h. One writer; readers see by a
 * slot's version that it did not keep still.
 */
#ifndef KE_SHOWN_H
#define KE_SHOWN_H

#include "channel.h"
#include "uapi/kecho_node.h"

struct ke_peer;
struct ke_remote;

struct ke_shown {
	u8 *map;		/* KECHO_LIVE_SIZE bytes, zeroed, of which these */
	u32 backed;		/* slots have memory */
	/* So has the next one, when this gives true; @map may be another then. NULL: all have. */
	bool (*back)(struct ke_shown *t);
	u64 changes;		/* as its head says */
	bool used[KECHO_LIVE_SLOTS];
};

/* ke_shown_init - of memory that @t names; with all that is in @ch. */
void ke_shown_init(struct ke_shown *t, const struct ke_channel *ch);
/* ke_shown_channel - the channel's own attributes have changed. */
void ke_shown_channel(struct ke_shown *t, const struct ke_channel *ch);
/*
 * ke_shown_own - a member of ours has come, or changed, or (@there is false) gone.
 * ke_shown_remote - the same of another node's.
 * ke_shown_node - attributes of the node @p, NULL: ours, which its members have, too.
 * What has no place in the table is not there.
 */
void ke_shown_own(struct ke_shown *t, const struct ke_member *m, bool there);
void ke_shown_remote(struct ke_shown *t, const struct ke_remote *m);
void ke_shown_node(struct ke_shown *t, const struct ke_channel *ch, const struct ke_peer *p);
/* ke_shown_whole - nobody who was there before the node may be missing. */
void ke_shown_whole(struct ke_shown *t, bool whole);

#endif
