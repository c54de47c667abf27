// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The registry's table: see registry.h.
 *
 * Contacts hang on two lists: of their entry and of their client. A client is
 * known while it has contacts, or has lost some and wasn't told: the number of
 * contacts and that of connections bound theirs. Leases all last equally long, so
 * the two lists of what will expire are queues: what is renewed goes to the end,
 * what expires next is in front.
 */
#include "registry.h"

enum {
	BUCKETS = 4096,
	/* name with its length, uuid */
	RIVAL_LISTED_MAX = 2 + KE_NAME_MAX + 16,
	/* serial, the same, contacts; and its rival, with the number of those */
	LISTED_MAX = 8 + RIVAL_LISTED_MAX + 1 + 2 + RIVAL_LISTED_MAX,
	RIVAL_MS = 2 * KE_LEASE_MS,	/* from its last claim: it claims once a lease */
};

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
	struct hlist_head entries[BUCKETS];
	struct hlist_head clients[BUCKETS];
};

/* What a PUT says. */
struct put {
	u8 how;
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	struct ke_contact who;
};

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
	return &r->entries[h % BUCKETS];
}

static struct hlist_head *client_bucket(struct ke_registry *r, u64 key)
{
	return &r->clients[mix(key ^ r->seed) % BUCKETS];
}

static struct entry *entry_find(struct ke_registry *r, const char *name)
{
	struct entry *e;

	hlist_for_each_entry(e, entry_bucket(r, name), hash)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

static struct client *client_find(struct ke_registry *r, u64 key)
{
	struct client *c;

	hlist_for_each_entry(c, client_bucket(r, key), hash)
		if (c->key == key)
			return c;
	return NULL;
}

static struct contact *contact_find(struct entry *e, const struct ke_id *node)
{
	struct contact *c;

	list_for_each_entry(c, &e->contacts, of_entry)
		if (!ke_id_cmp(&c->who.node, node))
			return c;
	return NULL;
}

static bool name_good(const char *name)
{
	const u8 *p = (const u8 *)name;

	for (; *p; p++)
		if (*p < 0x21 || *p == '*')
			return false;
	return p != (const u8 *)name;
}

static struct entry *entry_new(struct ke_registry *r, const char *name, const struct ke_id *uuid)
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

static void entry_free(struct ke_registry *r, struct entry *e)
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
	struct client *c = client_find(r, key);

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

/* Forgets a client that has nothing here any more and knows it. */
static void client_put(struct ke_registry *r, struct client *c)
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

static void client_renew(struct ke_registry *r, struct client *c, u64 now)
{
	c->deadline = now + KE_LEASE_MS;
	list_move_tail(&c->queue, &r->queue);
}

/* Its entry and its client may be without contacts now. */
static void contact_free(struct contact *c)
{
	c->entry->n--;
	c->entry->version++;
	list_del(&c->of_entry);
	list_del(&c->of_client);
	kfree(c);
}

static void entry_end(struct ke_registry *r, struct entry *e)
{
	struct contact *c, *next;
	struct client *client;

	list_for_each_entry_safe(c, next, &e->contacts, of_entry) {
		client = c->client;
		contact_free(c);
		client->lost = true;
		client_put(r, client);
	}
	entry_free(r, e);
}

static void entry_repair(struct ke_registry *r, struct entry *e, u64 now)
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
		contact_free(c);
		if (!e->n)
			entry_repair(r, e, now);
	}
}

static void client_expired(struct ke_registry *r, struct client *c, u64 now)
{
	c->lost = true;
	client_strip(r, c, now);
	client_put(r, c);
}

static void client_gone(struct ke_registry *r, struct client *c, u64 now)
{
	c->lost = false;
	client_strip(r, c, now);
	client_put(r, c);
}

/* Publishes @who in @e, or takes it over from an older connection of that node. */
static int contact_add(struct ke_registry *r, struct entry *e, u64 key, u64 now,
		       const struct ke_contact *who)
{
	struct contact *c = contact_find(e, &who->node);
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
			client_put(r, client);
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
	client_renew(r, client, now);
	if (old && old != client) {
		old->lost = true;
		client_put(r, old);
	}
	return 0;
}

static bool has_ended(const struct ke_registry *r, const struct ke_id *uuid)
{
	u32 i;

	for (i = 0; i < min_t(u32, r->ended, KE_REGISTRY_ENDED_MAX); i++)
		if (!ke_id_cmp(&r->ended_uuid[i], uuid))
			return true;
	return false;
}

static u8 put_existing(struct entry *e, const struct put *p, u64 now)
{
	/* Its own: a request made again after its reply was lost, or a repair. */
	if (!ke_id_cmp(&e->uuid, &p->uuid))
		return KE_REGISTRY_OK;
	if (p->how == KE_REGISTRY_REPAIR) {
		e->rival = p->uuid;
		e->rival_until = now + RIVAL_MS;
		return KE_REGISTRY_OTHER;
	}
	if (!e->n)
		return KE_REGISTRY_IN_REPAIR;
	return p->how == KE_REGISTRY_EXCLUSIVE ? KE_REGISTRY_EXISTS : KE_REGISTRY_OK;
}

static u8 put_new(const struct ke_registry *r, const struct put *p, u64 now)
{
	if (p->how != KE_REGISTRY_REPAIR && now < r->grace_end)
		return KE_REGISTRY_IN_GRACE;
	if (p->how == KE_REGISTRY_EXISTING)
		return KE_REGISTRY_NONE;
	return r->n < KE_REGISTRY_ENTRIES_MAX ? KE_REGISTRY_OK : KE_REGISTRY_FULL;
}

static void reply_entry(struct ke_out *out, const struct entry *e)
{
	struct contact *c;

	ke_put_u8(out, KE_REGISTRY_OK);
	ke_put(out, &e->uuid, sizeof(e->uuid));
	ke_put_u64(out, e->version);
	ke_put_u8(out, e->n);
	list_for_each_entry(c, &e->contacts, of_entry)
		ke_put_contact(out, &c->who);
}

static void tell_contacts(struct ke_registry *r, struct entry *e, const struct put *p)
{
	u8 buf[KE_NAME_MAX + sizeof(p->uuid) + sizeof(p->who) + 16];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct contact *c;

	ke_put_u8(&o, KECHO_FRAME_REG_PUT);
	ke_put_u8(&o, KE_REGISTRY_OK);
	ke_put_str(&o, e->name);
	ke_put(&o, &e->uuid, sizeof(e->uuid));
	ke_put_contact(&o, &p->who);
	WARN_ON_ONCE(o.bad);
	list_for_each_entry(c, &e->contacts, of_entry)
		if (ke_id_cmp(&c->who.node, &p->who.node))
			r->tell(r->tell_arg, c->client->key, buf, o.len);
}

static int do_put(struct ke_registry *r, u64 client, u64 now, struct ke_in *in, struct ke_out *out)
{
	struct put p;
	struct entry *e;
	u8 status;

	p.how = ke_get_u8(in);
	ke_get_str(in, p.name, sizeof(p.name));
	ke_get_copy(in, &p.uuid, sizeof(p.uuid));
	ke_get_contact(in, &p.who);
	if (in->bad || p.how > KE_REGISTRY_REPAIR)
		return -EPROTO;
	e = entry_find(r, p.name);
	if (!name_good(p.name))
		status = KE_REGISTRY_BAD_NAME;
	else if (has_ended(r, &p.uuid))
		status = KE_REGISTRY_ENDED;
	else
		status = e ? put_existing(e, &p, now) : put_new(r, &p, now);
	if (status == KE_REGISTRY_OK && !e) {
		e = entry_new(r, p.name, &p.uuid);
		if (e)	/* a repair: it was there before, and so were others */
			e->others = p.how == KE_REGISTRY_REPAIR;
	}
	if (status == KE_REGISTRY_OK && (!e || contact_add(r, e, client, now, &p.who))) {
		/* An entry in repair stays that; a new one without a contact goes. */
		if (e && !e->n && list_empty(&e->repair))
			entry_free(r, e);
		status = KE_REGISTRY_NO_MEMORY;
	}
	if (status == KE_REGISTRY_OK && p.how == KE_REGISTRY_REPAIR && r->tell)
		tell_contacts(r, e, &p);
	if (status == KE_REGISTRY_OK)
		reply_entry(out, e);
	else
		ke_put_u8(out, status);
	return 0;
}

static int do_get(struct ke_registry *r, u64 now, struct ke_in *in, struct ke_out *out)
{
	char name[KE_NAME_MAX + 1];
	struct entry *e;

	ke_get_str(in, name, sizeof(name));
	if (in->bad)
		return -EPROTO;
	e = entry_find(r, name);
	if (e)
		reply_entry(out, e);
	else
		ke_put_u8(out, now < r->grace_end ? KE_REGISTRY_IN_GRACE : KE_REGISTRY_NONE);
	return 0;
}

/* Only the client that published a contact withdraws it. */
static int do_drop(struct ke_registry *r, u64 key, u64 now, struct ke_in *in, struct ke_out *out)
{
	char name[KE_NAME_MAX + 1];
	struct client *client;
	struct contact *c;
	struct entry *e;
	struct ke_id node;

	ke_get_str(in, name, sizeof(name));
	ke_get_copy(in, &node, sizeof(node));
	if (in->bad)
		return -EPROTO;
	e = entry_find(r, name);
	c = e ? contact_find(e, &node) : NULL;
	if (!c || c->client->key != key) {
		ke_put_u8(out, KE_REGISTRY_NONE);
		return 0;
	}
	client = c->client;
	contact_free(c);
	client_put(r, client);
	if (!e->n && e->others)
		entry_repair(r, e, now);
	else if (!e->n)
		entry_free(r, e);
	ke_put_u8(out, KE_REGISTRY_OK);
	return 0;
}

/* A destroyed channel: whoever still is a contact of it is none any more. */
static int do_end(struct ke_registry *r, struct ke_in *in, struct ke_out *out)
{
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	struct entry *e;

	ke_get_str(in, name, sizeof(name));
	ke_get_copy(in, &uuid, sizeof(uuid));
	if (in->bad)
		return -EPROTO;
	if (!has_ended(r, &uuid))
		r->ended_uuid[r->ended++ % KE_REGISTRY_ENDED_MAX] = uuid;
	e = entry_find(r, name);
	if (e && ke_id_cmp(&e->uuid, &uuid))
		e = NULL;
	if (e)
		entry_end(r, e);
	ke_put_u8(out, e ? KE_REGISTRY_OK : KE_REGISTRY_NONE);
	return 0;
}

static void do_renew(struct ke_registry *r, u64 key, u64 now, struct ke_out *out)
{
	struct client *c = client_find(r, key);
	u8 status = c && !c->lost ? KE_REGISTRY_OK : KE_REGISTRY_NONE;

	if (c) {
		c->lost = false;
		client_renew(r, c, now);
		client_put(r, c);
	}
	ke_put_u8(out, status);
}

/* Rivals of the entries after @after, up to @last; nothing at all if there are none. */
static void list_rivals(struct ke_registry *r, u64 now, u64 after, u64 last, struct ke_out *out)
{
	u32 count = out->len;
	struct entry *e;
	u16 n = 0;

	list_for_each_entry(e, &r->order, order) {
		if (e->serial <= after || e->serial > last || e->rival_until <= now)
			continue;
		if (!n++)
			ke_put_u16(out, 0);
		ke_put_str(out, e->name);
		ke_put(out, &e->rival, sizeof(e->rival));
	}
	if (n && !out->bad)
		put_unaligned_le16(n, out->buf + count);
}

static int do_list(struct ke_registry *r, u64 now, struct ke_in *in, struct ke_out *out)
{
	u64 after = ke_get_u64(in), last = after;
	struct entry *e;
	u32 counts, rivals = 0;
	u16 n = 0;
	u8 more = 0;

	if (in->bad)
		return -EPROTO;
	ke_put_u8(out, KE_REGISTRY_OK);
	counts = out->len;
	ke_put_u8(out, more);
	ke_put_u16(out, n);
	list_for_each_entry(e, &r->order, order) {
		if (e->serial <= after)
			continue;
		more = out->bad || out->size - out->len < LISTED_MAX + rivals * RIVAL_LISTED_MAX ||
		       n == U16_MAX;
		if (more)
			break;
		ke_put_u64(out, e->serial);
		ke_put_str(out, e->name);
		ke_put(out, &e->uuid, sizeof(e->uuid));
		ke_put_u8(out, e->n);
		rivals += e->rival_until > now;
		last = e->serial;
		n++;
	}
	if (!out->bad) {
		out->buf[counts] = more;
		put_unaligned_le16(n, out->buf + counts + 1);
	}
	list_rivals(r, now, after, last, out);
	return 0;
}

int ke_registry_request(struct ke_registry *r, u64 client, u64 now_ms, u8 type,
			const void *body, u32 len, struct ke_out *out)
{
	struct ke_in in = { .p = body, .end = (const u8 *)body + len };
	int err = 0;

	ke_registry_tick(r, now_ms);
	ke_put_u8(out, type);
	switch (type) {
	case KECHO_FRAME_REG_GET:
		err = do_get(r, now_ms, &in, out);
		break;
	case KECHO_FRAME_REG_PUT:
		err = do_put(r, client, now_ms, &in, out);
		break;
	case KECHO_FRAME_REG_DROP:
		err = do_drop(r, client, now_ms, &in, out);
		break;
	case KECHO_FRAME_REG_RENEW:
		do_renew(r, client, now_ms, out);
		break;
	case KECHO_FRAME_REG_LIST:
		err = do_list(r, now_ms, &in, out);
		break;
	case KECHO_FRAME_REG_END:
		err = do_end(r, &in, out);
		break;
	default:
		if (type <= KECHO_FRAME_REG_ENTRY)
			return -EPROTO;
		ke_put_u8(out, KE_REGISTRY_UNKNOWN);	/* of a newer client */
	}
	if (!err && out->bad)
		err = -ENOSPC;
	return err;
}

void ke_registry_gone(struct ke_registry *r, u64 client, u64 now_ms)
{
	struct client *c = client_find(r, client);

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
		entry_free(r, e);
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
		entry_free(r, e);
	kvfree(r);
}
