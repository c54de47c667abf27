// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The registry's table: entries, contacts, clients, and when they go. See
 * registry_table.h.
 */
#include "registry_table.h"

static u64 mix(u64 h)
{
	h = (h ^ (h >> 32)) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

static struct hlist_head *entry_bucket(struct ke_registry *r, const char *name)
{
	u64 h = r->seed;

	for (; *name; name++)
		h = mix(h ^ (u8)*name);
	return &r->entries[h % KE_REGISTRY_BUCKETS];
}

static struct hlist_head *client_bucket(struct ke_registry *r, u64 key)
{
	return &r->clients[mix(key ^ r->seed) % KE_REGISTRY_BUCKETS];
}

struct entry *ke_entry_find(struct ke_registry *r, const char *name)
{
	struct entry *e;

	hlist_for_each_entry(e, entry_bucket(r, name), hash)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

struct client *ke_client_find(struct ke_registry *r, u64 key)
{
	struct client *c;

	hlist_for_each_entry(c, client_bucket(r, key), hash)
		if (c->key == key)
			return c;
	return NULL;
}

struct contact *ke_contact_find(struct entry *e, const struct ke_id *node)
{
	struct contact *c;

	list_for_each_entry(c, &e->contacts, of_entry)
		if (!ke_id_cmp(&c->who.node, node))
			return c;
	return NULL;
}

struct entry *ke_entry_new(struct ke_registry *r, const char *name, const struct ke_id *uuid)
{
	struct entry *e = kzalloc(sizeof(*e) + strlen(name) + 1, GFP_KERNEL);

	if (!e)
		return NULL;
	strcpy(e->name, name);
	e->uuid = *uuid;
	e->serial = ++r->serial;
	INIT_LIST_HEAD(&e->contacts);
	INIT_LIST_HEAD(&e->repair);
	list_add_tail(&e->order, &r->order);
	hlist_add_head(&e->hash, entry_bucket(r, name));
	r->n++;
	return e;
}

void ke_entry_free(struct ke_registry *r, struct entry *e)
{
	WARN_ON_ONCE(e->n);
	list_del(&e->repair);
	list_del(&e->order);
	hlist_del(&e->hash);
	kfree(e);
	r->n--;
}

static struct client *client_get(struct ke_registry *r, u64 key)
{
	struct client *c = ke_client_find(r, key);

	if (c)
		return c;
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return NULL;
	c->key = key;
	INIT_LIST_HEAD(&c->contacts);
	list_add_tail(&c->queue, &r->queue);
	hlist_add_head(&c->hash, client_bucket(r, key));
	return c;
}

void ke_client_put(struct ke_registry *r, struct client *c)
{
	if (!list_empty(&c->contacts))
		return;
	if (c->lost) {
		list_move(&c->queue, &r->told_later);
		return;
	}
	list_del(&c->queue);
	hlist_del(&c->hash);
	kfree(c);
}

void ke_client_renew(struct ke_registry *r, struct client *c, u64 now)
{
	c->deadline = now + KE_LEASE_MS;
	list_move_tail(&c->queue, &r->queue);
}

void ke_contact_free(struct contact *c)
{
	c->entry->n--;
	c->entry->version++;
	list_del(&c->of_entry);
	list_del(&c->of_client);
	kfree(c);
}

void ke_entry_end(struct ke_registry *r, struct entry *e)
{
	struct contact *c, *next;
	struct client *client;

	list_for_each_entry_safe(c, next, &e->contacts, of_entry) {
		client = c->client;
		ke_contact_free(c);
		client->lost = true;
		ke_client_put(r, client);
	}
	ke_entry_free(r, e);
}

void ke_entry_repair(struct ke_registry *r, struct entry *e, u64 now)
{
	e->deadline = now + KE_LEASE_MS;
	list_move_tail(&e->repair, &r->repair);
}

/* Its contacts go; with leases their nodes may live all the same. */
static void client_strip(struct ke_registry *r, struct client *client, u64 now)
{
	struct contact *c, *next;
	struct entry *e;

	list_for_each_entry_safe(c, next, &client->contacts, of_client) {
		e = c->entry;
		e->others |= r->leases;
		ke_contact_free(c);
		if (!e->n)
			ke_entry_repair(r, e, now);
	}
}

static void client_expired(struct ke_registry *r, struct client *c, u64 now)
{
	c->lost = true;
	client_strip(r, c, now);
	ke_client_put(r, c);
}

static void client_gone(struct ke_registry *r, struct client *c, u64 now)
{
	c->lost = false;
	client_strip(r, c, now);
	ke_client_put(r, c);
}

int ke_contact_add(struct ke_registry *r, struct entry *e, u64 key, u64 now,
		   const struct ke_contact *who)
{
	struct contact *c = ke_contact_find(e, &who->node);
	struct client *client, *old = NULL;

	if (!c && e->n >= KE_CONTACTS_MAX) {
		e->others = true;
		return 0;
	}
	client = client_get(r, key);
	if (!client)
		return -ENOMEM;
	if (c) {
		old = c->client;
		list_move_tail(&c->of_client, &client->contacts);
	} else {
		c = kzalloc(sizeof(*c), GFP_KERNEL);
		if (!c) {
			ke_client_put(r, client);
			return -ENOMEM;
		}
		c->entry = e;
		e->n++;
		list_add_tail(&c->of_entry, &e->contacts);
		list_add_tail(&c->of_client, &client->contacts);
	}
	c->client = client;
	c->who = *who;
	e->version++;
	list_del_init(&e->repair);
	ke_client_renew(r, client, now);
	if (old && old != client) {
		old->lost = true;
		ke_client_put(r, old);
	}
	return 0;
}

bool ke_uuid_ended(const struct ke_registry *r, const struct ke_id *uuid)
{
	u32 i;

	for (i = 0; i < min_t(u32, r->ended, KE_REGISTRY_ENDED_MAX); i++)
		if (!ke_id_cmp(&r->ended_uuid[i], uuid))
			return true;
	return false;
}

void ke_registry_gone(struct ke_registry *r, u64 client, u64 now_ms)
{
	struct client *c = ke_client_find(r, client);

	if (c)
		client_gone(r, c, now_ms);
}

u64 ke_registry_tick(struct ke_registry *r, u64 now_ms)
{
	u64 next = KE_REGISTRY_NEVER;
	struct client *c, *c_next;
	struct entry *e, *e_next;

	if (r->leases)
		list_for_each_entry_safe(c, c_next, &r->queue, queue) {
			if (c->deadline > now_ms) {
				next = c->deadline;
				break;
			}
			client_expired(r, c, now_ms);
		}
	list_for_each_entry_safe(e, e_next, &r->repair, repair) {
		if (e->deadline > now_ms)
			return min(next, e->deadline);
		ke_entry_free(r, e);
	}
	return next;
}

void ke_registry_tells(struct ke_registry *r, ke_registry_tell_fn fn, void *arg)
{
	r->tell = fn;
	r->tell_arg = arg;
}

u32 ke_registry_entries(const struct ke_registry *r)
{
	return r->n;
}

struct ke_registry *ke_registry_new(bool leases, u64 seed, u64 now_ms, u32 grace_ms)
{
	struct ke_registry *r = kvzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return NULL;
	r->leases = leases;
	r->seed = seed;
	r->grace_end = now_ms + grace_ms;
	INIT_LIST_HEAD(&r->order);
	INIT_LIST_HEAD(&r->repair);
	INIT_LIST_HEAD(&r->queue);
	INIT_LIST_HEAD(&r->told_later);
	return r;
}

void ke_registry_free(struct ke_registry *r)
{
	struct client *c, *c_next;
	struct entry *e, *e_next;

	if (!r)
		return;
	list_splice(&r->told_later, &r->queue);
	list_for_each_entry_safe(c, c_next, &r->queue, queue)
		client_gone(r, c, 0);
	list_for_each_entry_safe(e, e_next, &r->order, order)
		ke_entry_free(r, e);
	kvfree(r);
}
