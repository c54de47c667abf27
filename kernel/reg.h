/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A node's tie to the registry: see reg.c. */
#ifndef KECHO_REG_H
#define KECHO_REG_H

#include <linux/workqueue.h>

#include "registry.h"

struct kn;
struct kn_channel;
struct sock;
struct socket;

/* A name that the registry has. */
struct kn_named {
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	u8 contacts;
	bool other;		/* another channel says that it is its own */
};

/* A request to the registry, until it is answered. */
struct kn_request {
	struct list_head list;
	struct kn_channel *repairs;	/* what is published again, or looked for; NULL: nothing */
	const char *name;
	struct ke_id uuid;
	u32 id;
	u8 type, how;
	bool sent, done;
	u8 status;		/* enum ke_registry_status */
	bool contact;		/* this node is one, besides */
	unsigned int n;
	struct ke_contact contacts[KE_CONTACTS_MAX];
	/* A list: who takes what is in it, a part at a time. */
	void (*take)(void *arg, const struct kn_named *named);
	void *arg;
	u64 after;
	bool more;
};

/* The tie to the registry. */
struct kn_reg {
	struct socket *sock;
	bool up;
	u64 setup_ms, renew_ms;	/* until then it is to be up; when they are due */
	u32 pause_ms;		/* before the next dial */
	u32 last_id;
	struct list_head requests;
	struct kn_request renew;
	void (*was_ready)(struct sock *sk);	/* the socket's own callbacks */
	void (*was_changed)(struct sock *sk);
	struct delayed_work work;	/* what came, or the time for a dial */
	u8 *rx;
	u32 rx_len;
};

/* As bytes, see reg_request.c. -EPROTO: that is no answer to it. */
void kn_request_encode(const struct kn *kn, const struct kn_request *q, struct ke_out *o);
int kn_request_take(struct kn *kn, struct kn_request *q, struct ke_in *in);

/* kn.lock is held, but where the node starts and stops */
int kn_reg_start(struct kn *kn);
void kn_reg_stop(struct kn *kn);
int kn_reg_join(struct kn *kn, struct kn_request *q, unsigned long until);
int kn_reg_end(struct kn_channel *c, unsigned long until);	/* its name is free */
/* All names; the node stays meanwhile. */
int kn_reg_list(struct kn *kn, void (*take)(void *arg, const struct kn_named *named), void *arg,
		unsigned long until);
void kn_reg_drop(struct kn *kn, const char *name);	/* this node is not there */
void kn_reg_leave(struct kn_channel *c);
void kn_reg_repair(struct kn_channel *c, u32 in_ms);
u32 kn_reg_run(struct kn *kn);	/* in how many milliseconds again; 0: not at all */

#endif
