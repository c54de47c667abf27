/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The registry's table, for registry.c, which answers requests from it.
 *
 * Contacts hang on two lists: of their entry and of their client. A client is
 * known while it has contacts, or has lost some and wasn't told: the number of
 * contacts and that of connections bound theirs. Leases all last equally long, so
 * the two lists of what will expire are queues: what is renewed goes to the end,
 * what expires next is in front.
 */
#ifndef KE_REGISTRY_TABLE_H
#define KE_REGISTRY_TABLE_H

#include "registry.h"

enum { KE_REGISTRY_BUCKETS = 4096 };

struct entry {
	struct hlist_node hash;
	struct list_head order;		/* by serial */
	struct list_head repair;	/* IN REPAIR: in the queue */
	struct list_head contacts;
	struct ke_id uuid;
	u64 serial, version;
	u64 deadline;			/* IN REPAIR: when it goes */
	struct ke_id rival;		/* another channel that claims the name */
	u64 rival_until;		/* believed until then; 0: there was none */
	u8 n;				/* contacts */
	bool others;			/* nodes that are no contacts may be in it */
	char name[];
};

struct client {
	struct hlist_node hash;
	struct list_head queue;		/* or, without contacts, r->told_later */
	struct list_head contacts;
	u64 key;
	u64 deadline;			/* with leases */
	bool lost;			/* a contact, of which it wasn't told */
};

struct contact {
	struct list_head of_entry, of_client;
	struct entry *entry;
	struct client *client;
	struct ke_contact who;
};

struct ke_registry {
	bool leases;
	ke_registry_tell_fn tell;	/* NULL: nobody is told */
	void *tell_arg;
	u64 seed;
	u64 grace_end;
	u64 serial;			/* of the newest entry */
	u32 n;				/* entries */
	u32 ended;			/* channels that were destroyed, and the last of them */
	struct ke_id ended_uuid[KE_REGISTRY_ENDED_MAX];
	struct list_head order;
	struct list_head repair;	/* entries by deadline */
	struct list_head queue;		/* clients by deadline */
	struct list_head told_later;	/* clients that lost all they had */
	struct hlist_head entries[KE_REGISTRY_BUCKETS];
	struct hlist_head clients[KE_REGISTRY_BUCKETS];
};

struct entry *ke_entry_find(struct ke_registry *r, const char *name);
/* NULL: no memory. Without a contact it is to be freed, or to be in repair. */
struct entry *ke_entry_new(struct ke_registry *r, const char *name, const struct ke_id *uuid);
void ke_entry_free(struct ke_registry *r, struct entry *e);
/* With all its contacts. */
void ke_entry_end(struct ke_registry *r, struct entry *e);
void ke_entry_repair(struct ke_registry *r, struct entry *e, u64 now);

struct client *ke_client_find(struct ke_registry *r, u64 key);
/* Forgets a client that has nothing here any more and knows it. */
void ke_client_put(struct ke_registry *r, struct client *c);
void ke_client_renew(struct ke_registry *r, struct client *c, u64 now);

struct contact *ke_contact_find(struct entry *e, const struct ke_id *node);
/* Publishes @who in @e, or takes it over from an older connection of that node. -ENOMEM. */
int ke_contact_add(struct ke_registry *r, struct entry *e, u64 key, u64 now,
		   const struct ke_contact *who);
/* Its entry and its client may be without contacts then. */
void ke_contact_free(struct contact *c);

/* Was this channel destroyed? */
bool ke_uuid_ended(const struct ke_registry *r, const struct ke_id *uuid);

#endif
