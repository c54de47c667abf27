/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Users of /dev/kecho, and what each may take: see user.c.
 */
#ifndef KECHO_USER_H
#define KECHO_USER_H

#include <linux/uidgid.h>

#include "kn.h"

enum kn_quota { KN_MEMORY, KN_PROCESSES, KN_CHANNELS, KN_MEMBERS, KN_TYPES, KN_CODE,
		KN_QUOTAS };

/* What a member costs beside its log: attributes, and what others know of it. */
enum { KN_MEMBER_BYTES = 16 << 10 };

struct kn_user {
	struct list_head list;
	kuid_t uid;
	unsigned int refs;
	atomic_long_t has[KN_QUOTAS];
};

/* NULL: no memory. What is charged is uncharged before the put. */
struct kn_user *kn_user_get(kuid_t uid);
void kn_user_put(struct kn_user *u);
/* Any context. -ENOSPC: it would have more than a user may. */
int kn_charge(struct kn_user *u, enum kn_quota what, unsigned long n);
void kn_uncharge(struct kn_user *u, enum kn_quota what, unsigned long n);
/* A source or sink, with so many bytes of a log. */
int kn_charge_member(struct kn_user *u, unsigned long bytes);
void kn_uncharge_member(struct kn_user *u, unsigned long bytes);
unsigned long kn_user_max(enum kn_quota what);
unsigned long kn_users_memory(void);

#endif
