/* SPDX-License-Identifier: MIT */
/* What lies in the run directory: written by keep.c, read by takeover.c. */
#ifndef KECHO_KEEP_H
#define KECHO_KEEP_H

#include "daemon.h"

#define KEEP_MAGIC 0x7065656b6863656bULL /* "kechkeep" */
#define KEPT_AT    2048			 /* in the page of a mirror's header */

enum keep_state { KEEP_FREE, KEEP_USED, KEEP_EXPECTED };

struct kd_kept {
	u32 state;
	u32 uid;
	s32 pid;
	u32 role;
	u64 id;
	u32 log;
	u32 gates; /* of other hosts, that hold up this source */
	struct ke_id channel;
	u32 slot; /* of its process's limits */
	char limits[20];
};

struct kd_keep {
	u64 magic, size;
	struct ke_contact self;
	u32 last_log;
	u32 port;    /* where it listens; 0: it does not */
	u32 used_to; /* no slot from here on is used */
	u32 free_from; /* none before is free */
	struct kd_kept member[KE_MEMBERS_MAX];
};

struct kept_channel {
	u64 magic;
	u64 attrs_ms; /* now, for the ages of @attrs */
	struct ke_id uuid;
	char name[KE_NAME_MAX + 1];
	u32 attrs_len, pad;
	u8 attrs[KE_ATTRS_LIVE_MAX]; /* with versions */
};

struct kept_mirror {
	u64 magic;
	struct ke_id channel;
	struct ke_contact contact;
	char name[KE_LINK_NAME_MAX + 1];
	u64 id, log_size, lost;
	u32 log, pad;
};

static inline struct kept_mirror *kept_mirror(const struct kd_log *l)
{
	BUILD_BUG_ON(sizeof(struct kecho_log_header) > KEPT_AT);
	BUILD_BUG_ON(KEPT_AT + sizeof(struct kept_mirror) > KECHO_LOG_HEADER_SIZE);
	return (struct kept_mirror *)((u8 *)l->map + KEPT_AT);
}

#endif
