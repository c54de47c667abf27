// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The registry's requests: see registry.h, which has their bodies.
 */
#include "registry_table.h"

enum {
	/* name with its length, uuid */
	RIVAL_LISTED_MAX = 2 + KE_NAME_MAX + 16,
	/* serial, the same, contacts; and its rival, with the number of those */
	LISTED_MAX = 8 + RIVAL_LISTED_MAX + 1 + 2 + RIVAL_LISTED_MAX,
	RIVAL_MS = 2 * KE_LEASE_MS,	/* from its last claim: it claims once a lease */
};

/* What a PUT says. */
struct put {
	u8 how;
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;
	struct ke_contact who;
};

static bool name_good(const char *name)
{
	const u8 *p = (const u8 *)name;

	for (; *p; p++)
		if (*p < 0x21 || *p == '*')
			return false;
	return p != (const u8 *)name;
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
	e = ke_entry_find(r, p.name);
	if (!name_good(p.name))
		status = KE_REGISTRY_BAD_NAME;
	else if (ke_uuid_ended(r, &p.uuid))
		status = KE_REGISTRY_ENDED;
	else
		status = e ? put_existing(e, &p, now) : put_new(r, &p, now);
	if (status == KE_REGISTRY_OK && !e) {
		e = ke_entry_new(r, p.name, &p.uuid);
		if (e)	/* a repair: it was there before, and so were others */
			e->others = p.how == KE_REGISTRY_REPAIR;
	}
	if (status == KE_REGISTRY_OK && (!e || ke_contact_add(r, e, client, now, &p.who))) {
		/* An entry in repair stays that; a new one without a contact goes. */
		if (e && !e->n && list_empty(&e->repair))
			ke_entry_free(r, e);
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
	e = ke_entry_find(r, name);
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
	e = ke_entry_find(r, name);
	c = e ? ke_contact_find(e, &node) : NULL;
	if (!c || c->client->key != key) {
		ke_put_u8(out, KE_REGISTRY_NONE);
		return 0;
	}
	client = c->client;
	ke_contact_free(c);
	ke_client_put(r, client);
	if (!e->n && e->others)
		ke_entry_repair(r, e, now);
	else if (!e->n)
		ke_entry_free(r, e);
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
	if (!ke_uuid_ended(r, &uuid))
		r->ended_uuid[r->ended++ % KE_REGISTRY_ENDED_MAX] = uuid;
	e = ke_entry_find(r, name);
	if (e && ke_id_cmp(&e->uuid, &uuid))
		e = NULL;
	if (e)
		ke_entry_end(r, e);
	ke_put_u8(out, e ? KE_REGISTRY_OK : KE_REGISTRY_NONE);
	return 0;
}

static void do_renew(struct ke_registry *r, u64 key, u64 now, struct ke_out *out)
{
	struct client *c = ke_client_find(r, key);
	u8 status = c && !c->lost ? KE_REGISTRY_OK : KE_REGISTRY_NONE;

	if (c) {
		c->lost = false;
		ke_client_renew(r, c, now);
		ke_client_put(r, c);
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
