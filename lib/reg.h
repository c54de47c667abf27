/* SPDX-License-Identifier: MIT */
/*
 * A process's tie to the registry: always a client of it, and its server too if
 * this process was elected. With etcd the server is a thread beside it, which keeps
 * the table in etcd for all.
 *
 * One thread per tie does all of the work; it sleeps when there is none. On the
 * Unix transport nothing wakes it but requests, on TCP and with etcd it renews the leases of
 * what this process has published. Whoever binds the registry's address is its
 * server; when the server dies, the ties see the hang-up, race to bind, and
 * publish anew what they have joined. What the registry answers then is news for
 * the caller: who else is in the channel, and whether the name is still its.
 * While it isn't, the tie asks again once a lease. All calls are thread-safe.
 *
 * A server that replaces a lost one must not create a name that still lives, so
 * it waits for those who know if there may be any: for a lease, if it sees the
 * abstract socket "kecho/UID/node/..." of another node of this host; on TCP, where
 * nodes of other hosts may be left, always, for a moment. A node should therefore
 * bind its own only after ke_reg_open(), and name it with its id in lower-case hex.
 */
#ifndef KECHO_REG_H
#define KECHO_REG_H

#include <stddef.h>
#include <sys/types.h>

#include "id.h"

struct ke_reg;

enum { KE_REG_WHY_MAX = 384 };	/* bytes of a sentence, with its end */

enum ke_reg_join_flags {
	KE_REG_EXISTING = 1 << 0,	/* never create: -ENOENT */
	KE_REG_EXCLUSIVE = 1 << 1,	/* only create: -EEXIST */
};

struct ke_reg_info {
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	unsigned int contacts;
	bool other;	/* it claims the name of one before it */
};

/* What the registry said last of a joined channel that was published again. */
struct ke_reg_news {
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;		/* of the channel that was joined */
	bool ended;			/* it was destroyed */
	bool named;			/* it has the name; if not: */
	struct ke_id other;		/* the channel that has it */
	bool contact;			/* this node is one, and the others are */
	struct ke_contact contacts[KE_CONTACTS_MAX];
	unsigned int n;
};

/*
 * Finds or becomes the registry. @bell is an eventfd that rings when there is news,
 * or -1. @address is NULL for the one of this user in
 * this network namespace, "ADDR:PORT" ("[ADDR]:PORT") for TCP, or
 * "etcd:URL[,URL...]". On an error @why gets a sentence: -EINVAL an address that
 * is none, -EACCES other users hold all the places, or etcd refuses this one,
 * -ELIBACC, -ELIBBAD what is needed for etcd, -ETIMEDOUT, or what the system said.
 */
int ke_reg_open(struct ke_reg **out, const char *address, const struct ke_contact *self,
		int bell, unsigned int timeout_ms, char *why, size_t why_size);

/* ke_reg_place_of - the @i-th "HOST:PORT" of an address; false: there are no more of them. */
bool ke_reg_place_of(const char *address, unsigned int i, char *to, size_t size);

/* Calls that are under way, and all further ones, end at once, as if their time were up. */
void ke_reg_abort(struct ke_reg *r);

/* Withdraws what was joined, unless it @stays for a node that goes on as this one, and ends
 * the thread. No other call may be under way. */
void ke_reg_close(struct ke_reg *r, bool stays);

/*
 * Looks the channel @name up, or creates it with a new uuid; this node becomes a
 * contact of it if there is room. Gives the uuid and the @n other contacts, for
 * which @contacts has KE_CONTACTS_MAX places. Outlasts a change of the server.
 * -ENOENT and -EEXIST as the flags say, -EINVAL a bad name, -ENOSPC a full
 * registry, -ETIMEDOUT with the reason in @why.
 */
int ke_reg_join(struct ke_reg *r, const char *name, unsigned int flags, unsigned int timeout_ms,
		struct ke_id *uuid, struct ke_contact *contacts, unsigned int *n,
		char *why, size_t why_size);

/* A channel that a node before this one had joined, as the same node: published again,
 * without waiting. -ENOMEM. */
int ke_reg_rejoin(struct ke_reg *r, const char *name, const struct ke_id *uuid);

/* The same without any change. -ENOENT. */
int ke_reg_lookup(struct ke_reg *r, const char *name, unsigned int timeout_ms,
		  struct ke_id *uuid, struct ke_contact *contacts, unsigned int *n);

/* Withdraws this node as a contact, however often it joined; doesn't wait. */
void ke_reg_leave(struct ke_reg *r, const char *name);

/* The joined channel @name was destroyed: its name is free when this returns 0.
 * -ETIMEDOUT: no answer; -EPROTO: a registry that can't. */
int ke_reg_end(struct ke_reg *r, const char *name, const struct ke_id *uuid,
	       unsigned int timeout_ms);

/*
 * A node of the joined channel @name has gone: offers this one as a contact
 * again, at once or in half a lease. The answer is news. Neither waits, and both
 * may be called with the caller's locks held.
 */
void ke_reg_repair(struct ke_reg *r, const char *name);
void ke_reg_repair_later(struct ke_reg *r, const char *name);

/* The next news, the newest of its channel; false: there is none. Never waits. */
bool ke_reg_news(struct ke_reg *r, struct ke_reg_news *news);

/* A node that is in a channel too and looks for us. */
struct ke_reg_told {
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	struct ke_contact who;
};

/* ke_reg_told - takes one of them; false: there is none. The bell rings for it too. */
bool ke_reg_told(struct ke_reg *r, struct ke_reg_told *t);

/* ke_reg_named - does the channel that is joined under @name have it, as was heard last? */
bool ke_reg_named(struct ke_reg *r, const char *name);

/* Others reach this node at @address from now on. As ke_reg_repair(). */
void ke_reg_moved(struct ke_reg *r, const char *address);

/* Fills @i with up to @max of the channels; gives how many, or -ETIMEDOUT. */
ssize_t ke_reg_list(struct ke_reg *r, struct ke_reg_info *i, size_t max,
		    unsigned int timeout_ms);

#endif
