/* SPDX-License-Identifier: MIT */
/*
 * The tie itself, for its three files: requests and what has been joined
 * (reg_request.c), the thread with its connection (reg_thread.c), and the calls
 * (reg.c).
 *
 * The thread owns the connection; callers leave requests in a list and wait. A
 * request stays in the list until it is answered, over as many servers as that
 * takes: all of them may be made twice. What has been joined is kept as a request
 * too, a repair, that is made again for each new server, and after a while if it was
 * refused. If the name is another channel's, a second request looks which.
 */
#ifndef KECHO_REG_TIE_H
#define KECHO_REG_TIE_H

#include <pthread.h>

#include "reg.h"
#include "reg_impl.h"

enum { KE_REG_NO_ANSWER = -1 };	/* a request's status */

enum ke_reg_state {
	KE_REG_DOWN,		/* no registry; dials at dial_at */
	KE_REG_DIALLING,	/* TCP: waits for the connection */
	KE_REG_CLIENT,		/* has a connection to the server */
	KE_REG_SERVER,		/* is it; its own requests go straight to the table */
};

struct ke_reg_joined;

struct ke_reg_request {
	struct list_head list;	/* empty: it isn't in r->requests */
	u8 type, how;
	bool sent, done;
	bool owned;		/* nobody waits: freed when it is done */
	u32 id;
	u64 sent_at;
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	u64 after;		/* LIST: the serial */
	struct ke_reg_joined *joined;	/* a repair, a look: of it; a join: becomes it */

	int status;		/* enum ke_registry_status */
	struct ke_contact contacts[KE_CONTACTS_MAX];
	unsigned int n;		/* contacts but this node */
	bool contact;		/* this node is one */
	struct ke_reg_info *infos;	/* LIST: the next place, and how many are left */
	size_t room;
	bool more;
};

struct ke_reg_joined {
	struct list_head list;
	bool contact;		/* this node was one when last heard */
	bool again;		/* another repair when this one is done */
	u64 again_at;		/* another repair then; 0: none */
	bool news;		/* nobody has taken */
	bool ended;		/* it was destroyed, the registry says */
	bool named;		/* the name was its when last heard */
	struct ke_id other;	/* whose it was, if not */
	struct ke_reg_request repair, look;
};

struct ke_reg {
	pthread_mutex_t lock;	/* of everything here; the thread lets go to sleep */
	pthread_cond_t changed;
	pthread_t thread;
	int epoll;
	int bell;
	struct ke_reg_watch wake;
	bool stop, stays, aborted;
	enum ke_reg_state state;
	int fatal;		/* why the first dial can't succeed */
	struct ke_reg_place place;
	struct ke_contact self;
	u64 dial_at;
	u32 dial_pause_ms;
	u64 connect_by;
	struct ke_reg_watch connecting;
	struct ke_reg_stream stream;
	struct ke_reg_server *server;
	struct list_head requests, joined;
	u32 last_id;
	u64 renew_at;
	/* Of those joined any may have news, or be due again: a node that is idle wakes up
	 * for its beats, and should not walk through all its channels each time. */
	bool any_news, any_again;
	struct ke_reg_request renew;
	struct ke_reg_told told[KE_REG_TOLD_MAX];	/* that nobody has taken yet */
	unsigned int ntold;
	char why[KE_REG_WHY_MAX];	/* the last trouble with the registry */
};

static inline bool ke_reg_up(const struct ke_reg *r)
{
	return r->state == KE_REG_CLIENT || r->state == KE_REG_SERVER;
}

/* All but the thread itself are called with the lock. */
void ke_reg_kick(struct ke_reg *r);
void *ke_reg_thread(void *arg);

void ke_reg_request_queue(struct ke_reg *r, struct ke_reg_request *q, bool first);
void ke_reg_request_done(struct ke_reg *r, struct ke_reg_request *q);
void ke_reg_request_encode(const struct ke_reg *r, const struct ke_reg_request *q,
			   struct ke_out *o);
/* The answer to @q, from whoever serves. -EPROTO: it is none. */
int ke_reg_reply(struct ke_reg *r, struct ke_reg_request *q, const u8 *body, u32 len);
/* Somebody looks for the nodes of a channel; @arg: the tie. */
void ke_reg_told_in(void *arg, const void *body, u32 len);
/* Queues a request that withdraws this node, if there is a registry. */
void ke_reg_drop(struct ke_reg *r, const char *name);

struct ke_reg_joined *ke_reg_joined_find(struct ke_reg *r, const char *name);
void ke_reg_joined_again(struct ke_reg *r, struct ke_reg_joined *j, const char *name,
			 const struct ke_id *uuid);
void ke_reg_joined_repair(struct ke_reg *r, struct ke_reg_joined *j, bool first);
/* Repairs what was to be repaired by @now; gives when the next is due. */
u64 ke_reg_joined_due(struct ke_reg *r, u64 now);
void ke_reg_joined_free(struct ke_reg_joined *j);

#endif
