/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of the registry's table share: a table with a clock that is set by
 * hand, and requests of clients that are nodes.
 */
#ifndef KE_REGISTRY_TEST_H
#define KE_REGISTRY_TEST_H

#include "registry.h"
#include "tap.h"

struct rig {
	struct ke_registry *r;
	u64 now;
	u8 request[512];
	u8 *reply;		/* KECHO_FRAME_BODY_MAX bytes */
	struct ke_in in;	/* of the reply, behind type and status */
	u8 n;			/* of the last entry told: contacts */
	u64 version;
	struct ke_id uuid;
	struct ke_contact contacts[KE_CONTACTS_MAX];
};

static __maybe_unused bool rig_new(struct rig *g, bool leases, u32 grace_ms)
{
	memset(g, 0, sizeof(*g));
	g->now = 1000000;
	g->reply = kmalloc(KECHO_FRAME_BODY_MAX, GFP_KERNEL);
	g->r = ke_registry_new(leases, 42, g->now, grace_ms);
	return ok(g->reply && g->r, "memory");
}

static __maybe_unused void rig_free(struct rig *g)
{
	ke_registry_free(g->r);
	kfree(g->reply);
}

static __maybe_unused struct ke_id id_of(u8 b)
{
	struct ke_id id;

	memset(&id, b, sizeof(id));
	return id;
}

/* Makes a request of @client; gives the status, or an error. */
static __maybe_unused int ask(struct rig *g, u64 client, u8 type, const struct ke_out *body)
{
	struct ke_out out = { .buf = g->reply, .size = KECHO_FRAME_BODY_MAX };
	int err;

	err = ke_registry_request(g->r, client, g->now, type, body->buf, body->len, &out);
	if (err)
		return err;
	g->in = (struct ke_in){ .p = out.buf, .end = out.buf + out.len };
	is_eq(ke_get_u8(&g->in), type, "the answer is to this");
	return ke_get_u8(&g->in);
}

static __maybe_unused int ask_entry(struct rig *g, u64 client, u8 type, const struct ke_out *body)
{
	int status = ask(g, client, type, body);
	u8 i;

	if (status)
		return status;
	ke_get_copy(&g->in, &g->uuid, sizeof(g->uuid));
	g->version = ke_get_u64(&g->in);
	g->n = ke_get_u8(&g->in);
	for (i = 0; i < g->n && i < KE_CONTACTS_MAX; i++)
		ke_get_contact(&g->in, &g->contacts[i]);
	ok(!g->in.bad && g->in.p == g->in.end && g->n <= KE_CONTACTS_MAX, "an entry");
	return status;
}

static __maybe_unused int end(struct rig *g, u64 client, const char *name, u8 uuid)
{
	struct ke_out body = { .buf = g->request, .size = sizeof(g->request) };
	struct ke_id id = id_of(uuid);

	ke_put_str(&body, name);
	ke_put(&body, &id, sizeof(id));
	return ask(g, client, KECHO_FRAME_REG_END, &body);
}

/* Each client is a node: client 3 of node 3333... */
static __maybe_unused int put(struct rig *g, u64 client, u8 how, const char *name, u8 uuid)
{
	struct ke_out o = { .buf = g->request, .size = sizeof(g->request) };
	struct ke_contact who = { .node = id_of(client), .incarnation = client };
	struct ke_id id = id_of(uuid);

	strcpy(who.address, "192.0.2.1:7");
	ke_put_u8(&o, how);
	ke_put_str(&o, name);
	ke_put(&o, &id, sizeof(id));
	ke_put_contact(&o, &who);
	return ask_entry(g, client, KECHO_FRAME_REG_PUT, &o);
}

static __maybe_unused int get(struct rig *g, const char *name)
{
	struct ke_out o = { .buf = g->request, .size = sizeof(g->request) };

	ke_put_str(&o, name);
	return ask_entry(g, 0, KECHO_FRAME_REG_GET, &o);
}

static __maybe_unused int drop(struct rig *g, u64 client, const char *name, u8 node)
{
	struct ke_out o = { .buf = g->request, .size = sizeof(g->request) };
	struct ke_id id = id_of(node);

	ke_put_str(&o, name);
	ke_put(&o, &id, sizeof(id));
	return ask(g, client, KECHO_FRAME_REG_DROP, &o);
}

static __maybe_unused int renew(struct rig *g, u64 client)
{
	struct ke_out o = { .buf = g->request, .size = sizeof(g->request) };

	return ask(g, client, KECHO_FRAME_REG_RENEW, &o);
}

static __maybe_unused bool is_uuid(const struct rig *g, u8 b)
{
	struct ke_id id = id_of(b);

	return !ke_id_cmp(&g->uuid, &id);
}

/* Publishes node @node's contact in channel @uuid as @client, which needn't be the node's. */
static __maybe_unused int repair_as(struct rig *g, u64 client, u8 node, const char *name, u8 uuid)
{
	struct ke_out o = { .buf = g->request, .size = sizeof(g->request) };
	struct ke_contact who = { .node = id_of(node) };
	struct ke_id id = id_of(uuid);

	ke_put_u8(&o, KE_REGISTRY_REPAIR);
	ke_put_str(&o, name);
	ke_put(&o, &id, sizeof(id));
	ke_put_contact(&o, &who);
	return ask_entry(g, client, KECHO_FRAME_REG_PUT, &o);
}

static __maybe_unused int list(struct rig *g, u64 after, u32 size, struct ke_out *out)
{
	__le64 le = cpu_to_le64(after);

	*out = (struct ke_out){ .buf = g->reply, .size = size };
	return ke_registry_request(g->r, 0, g->now, KECHO_FRAME_REG_LIST, &le, sizeof(le), out);
}

#endif
