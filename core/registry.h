/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The registry's table: a channel's name to its uuid and to the nodes that accept
 * joins, its contacts. Requests and time in, replies out; no I/O.
 *
 * A contact belongs to the client (a connection) that published it and goes with
 * it, or when a lease of KE_LEASE_MS was not renewed, or to a newer client that
 * publishes the same node. An entry is
 *
 *	LIVE		has contacts.
 *	IN REPAIR	has lost its last contact, but nodes that were none may
 *			still use the channel: they have one lease to publish
 *			the same uuid again, and the name is not given to
 *			anybody else meanwhile.
 *	(gone)		one lease later; or at once, if its last contact took
 *			leave and nobody else can be in it: no node was ever
 *			turned away as one too many, lost its lease, or brought
 *			the entry from an older registry.
 *
 * A name is of one channel. Another that says it is its own (after a partition, or
 * a registry that lost its memory) is told that it is not, and is listed as the
 * entry's rival while it says so: nobody finds it, everybody sees it.
 *
 * A table that follows one that was lost starts in GRACE: for the time given it
 * creates nothing, so that those who know the old entries bring them first.
 *
 * Requests and their bodies ("name" and "str" as of core/wire.h):
 *
 *	REG_GET		name
 *	REG_PUT		u8 how, name, uuid, contact
 *	REG_DROP	name, node id
 *	REG_RENEW	(empty: all that this client has published)
 *	REG_LIST	u64 serial: entries after it
 *	REG_END		name, uuid: the channel was destroyed
 *
 * The one reply is REG_ENTRY: u8 type of the request, u8 status, and if that is
 * KE_REGISTRY_OK
 *
 *	to GET, PUT	uuid, u64 version, u8 contacts, each contact; none: in repair
 *	to LIST		u8 more, u16 entries, each: u64 serial, name, uuid, u8 contacts;
 *			and if these have any: u16 rivals, each: name, uuid
 *	to the others	nothing
 *
 * END frees the name at once, and no repair brings that uuid back: the last
 * KE_REGISTRY_ENDED_MAX are remembered, as long as this table lives.
 *
 * RENEW says KE_REGISTRY_NONE if anything that this client had published is not
 * its any more and it wasn't told yet: it publishes all anew. So a client that
 * hears OK is the contact that it believes to be. A body that is none is -EPROTO,
 * and its sender should be cut off; what a newer client says behind it is ignored,
 * and so should be what follows a reply.
 */
#ifndef KE_REGISTRY_H
#define KE_REGISTRY_H

#include "wire.h"

enum ke_registry_how {
	KE_REGISTRY_JOIN = 0,		/* the entry that is there, or a new one */
	KE_REGISTRY_EXISTING = 1,	/* the entry that is there */
	KE_REGISTRY_EXCLUSIVE = 2,	/* a new one */
	KE_REGISTRY_REPAIR = 3,		/* a joined channel again, of this uuid */
};

enum ke_registry_status {
	KE_REGISTRY_OK = 0,
	KE_REGISTRY_NONE = 1,		/* no such entry */
	KE_REGISTRY_EXISTS = 2,
	KE_REGISTRY_IN_REPAIR = 3,	/* try again */
	KE_REGISTRY_IN_GRACE = 4,	/* try again */
	KE_REGISTRY_OTHER = 5,		/* the name is of another channel by now */
	KE_REGISTRY_FULL = 6,
	KE_REGISTRY_BAD_NAME = 7,
	KE_REGISTRY_NO_MEMORY = 8,
	KE_REGISTRY_UNKNOWN = 9,	/* not a request that this registry knows */
	KE_REGISTRY_ENDED = 10,		/* the channel was destroyed */
};

#define KE_REGISTRY_NEVER U64_MAX

struct ke_registry;

/*
 * @leases: contacts expire unless renewed; otherwise they live as long as their
 * client. @seed is random and against chosen collisions of names. NULL: no memory.
 */
struct ke_registry *ke_registry_new(bool leases, u64 seed, u64 now_ms, u32 grace_ms);
void ke_registry_free(struct ke_registry *r);

/*
 * One request of @client; the reply's body goes to @out, which should have room
 * for KECHO_FRAME_BODY_MAX bytes. -EPROTO: it is malformed, nothing was done;
 * -ENOSPC: no room for the reply.
 */
int ke_registry_request(struct ke_registry *r, u64 client, u64 now_ms, u8 type,
			const void *body, u32 len, struct ke_out *out);

/*
 * Who publishes a joined channel again may look for nodes that don't know of it: it is told
 * to the clients that are contacts of it. The body of such a REG_ENTRY, which answers no
 * request and has the id 0: u8 REG_PUT, u8 KE_REGISTRY_OK, name, uuid, contact. Called
 * within ke_registry_request(); what can't be sent at once need not be.
 */
typedef void (*ke_registry_tell_fn)(void *arg, u64 client, const void *body, u32 len);
void ke_registry_tells(struct ke_registry *r, ke_registry_tell_fn fn, void *arg);

/* The connection of @client has ended. Due for each, also if nothing is left of it. */
void ke_registry_gone(struct ke_registry *r, u64 client, u64 now_ms);

/* Removes what has expired; gives when to call again, or KE_REGISTRY_NEVER. */
u64 ke_registry_tick(struct ke_registry *r, u64 now_ms);

u32 ke_registry_entries(const struct ke_registry *r);

#endif
