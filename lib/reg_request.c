/* SPDX-License-Identifier: MIT */
/* Requests to the registry, and what has been joined: see reg_tie.h. */
#include <unistd.h>

#include "reg_tie.h"

void ke_reg_kick(struct ke_reg *r)
{
	u64 one = 1;

	/* It can only fail if it is set already. */
	if (write(r->wake.fd, &one, sizeof(one)) < 0)
		return;
}

void ke_reg_request_queue(struct ke_reg *r, struct ke_reg_request *q, bool first)
{
	if (!list_empty(&q->list))
		return;
	q->sent = q->done = false;
	q->status = KE_REG_NO_ANSWER;
	q->id = ++r->last_id;
	if (first)
		list_add(&q->list, &r->requests);
	else
		list_add_tail(&q->list, &r->requests);
}

void ke_reg_request_done(struct ke_reg *r, struct ke_reg_request *q)
{
	list_del_init(&q->list);
	q->done = true;
	if (q->owned)
		free(q);
	pthread_cond_broadcast(&r->changed);
}

void ke_reg_request_encode(const struct ke_reg *r, const struct ke_reg_request *q, struct ke_out *o)
{
	switch (q->type) {
	case KECHO_FRAME_REG_PUT:
		ke_put_u8(o, q->how);
		ke_put_str(o, q->name);
		ke_put(o, &q->uuid, sizeof(q->uuid));
		ke_put_contact(o, &r->self);
		break;
	case KECHO_FRAME_REG_GET:
		ke_put_str(o, q->name);
		break;
	case KECHO_FRAME_REG_DROP:
		ke_put_str(o, q->name);
		ke_put(o, &r->self.node, sizeof(r->self.node));
		break;
	case KECHO_FRAME_REG_LIST:
		ke_put_u64(o, q->after);
		break;
	}
	WARN_ON_ONCE(o->bad);
}

struct ke_reg_joined *ke_reg_joined_find(struct ke_reg *r, const char *name)
{
	struct ke_reg_joined *j;

	list_for_each_entry(j, &r->joined, list)
		if (!strcmp(j->repair.name, name))
			return j;
	return NULL;
}

void ke_reg_joined_repair(struct ke_reg *r, struct ke_reg_joined *j, bool first)
{
	if (list_empty(&j->repair.list))
		ke_reg_request_queue(r, &j->repair, first);
	else
		j->again = j->repair.sent;
}

/* A join was granted: from now on the channel is published by itself. */
static void join_done(struct ke_reg *r, struct ke_reg_request *q)
{
	struct ke_reg_joined *j = ke_reg_joined_find(r, q->name);

	if (!j) {
		j = q->joined;
		q->joined = NULL;
		INIT_LIST_HEAD(&j->repair.list);
		j->repair.type = KECHO_FRAME_REG_PUT;
		j->repair.how = KE_REGISTRY_REPAIR;
		j->repair.joined = j;
		strcpy(j->repair.name, q->name);
		list_add_tail(&j->list, &r->joined);
	}
	j->repair.uuid = q->uuid;
	j->contact = q->contact;
	r->renew_at = ke_reg_now_ms() + KE_LEASE_MS / 2;
}

static void repair_done(struct ke_reg *r, struct ke_reg_joined *j)
{
	bool again = j->again;

	j->again = false;
	j->contact = j->repair.status == KE_REGISTRY_OK && j->repair.contact;
	list_del_init(&j->repair.list);
	if (again) {
		ke_reg_request_queue(r, &j->repair, false);
		ke_reg_kick(r);
	}
	pthread_cond_broadcast(&r->changed);
}

/* The lease has run out meanwhile: all that was published is gone. */
static void renew_lost(struct ke_reg *r)
{
	struct ke_reg_joined *j;

	list_for_each_entry(j, &r->joined, list)
		if (j->contact)
			ke_reg_joined_repair(r, j, false);
	ke_reg_kick(r);
}

static void take_contacts(struct ke_reg *r, struct ke_reg_request *q, struct ke_in *in)
{
	struct ke_contact c;
	struct ke_id uuid;
	u8 n;

	ke_get_copy(in, &uuid, sizeof(uuid));
	ke_get_u64(in);
	n = ke_get_u8(in);
	if (n > KE_CONTACTS_MAX)
		in->bad = true;
	q->n = 0;
	q->contact = false;
	while (n-- && !in->bad) {
		ke_get_contact(in, &c);
		if (!ke_id_cmp(&c.node, &r->self.node))
			q->contact = true;
		else
			q->contacts[q->n++] = c;
	}
	if (!in->bad)
		q->uuid = uuid;
}

static void take_list(struct ke_reg_request *q, struct ke_in *in)
{
	struct ke_reg_info i;
	u16 n;

	q->more = ke_get_u8(in);
	for (n = ke_get_u16(in); n && !in->bad; n--) {
		q->after = ke_get_u64(in);
		ke_get_str(in, i.name, sizeof(i.name));
		ke_get_copy(in, &i.uuid, sizeof(i.uuid));
		i.contacts = ke_get_u8(in);
		if (in->bad || !q->room)
			continue;
		*q->infos++ = i;
		q->room--;
	}
}

/* The body of REG_ENTRY, from whoever serves. */
int ke_reg_reply(struct ke_reg *r, struct ke_reg_request *q, const u8 *body, u32 len)
{
	struct ke_in in = { .p = body, .end = body + len };
	u8 type = ke_get_u8(&in), status = ke_get_u8(&in);

	if (in.bad || type != q->type)
		return -EPROTO;
	if (status == KE_REGISTRY_OK) {
		if (type == KECHO_FRAME_REG_GET || type == KECHO_FRAME_REG_PUT)
			take_contacts(r, q, &in);
		else if (type == KECHO_FRAME_REG_LIST)
			take_list(q, &in);
	}
	if (in.bad)
		return -EPROTO;
	q->status = status;
	if (type == KECHO_FRAME_REG_PUT && q->how == KE_REGISTRY_REPAIR) {
		repair_done(r, q->joined);
		return 0;
	}
	if (type == KECHO_FRAME_REG_PUT && status == KE_REGISTRY_OK)
		join_done(r, q);
	if (type == KECHO_FRAME_REG_RENEW && status == KE_REGISTRY_NONE)
		renew_lost(r);
	ke_reg_request_done(r, q);
	return 0;
}

/* Without memory for the request the contact goes with the connection. */
void ke_reg_drop(struct ke_reg *r, const char *name)
{
	struct ke_reg_request *q;

	if (!ke_reg_up(r))
		return;
	q = calloc(1, sizeof(*q));
	if (!q)
		return;
	INIT_LIST_HEAD(&q->list);
	q->type = KECHO_FRAME_REG_DROP;
	q->owned = true;
	strcpy(q->name, name);
	ke_reg_request_queue(r, q, false);
}

void ke_reg_joined_free(struct ke_reg_joined *j)
{
	list_del(&j->repair.list);
	list_del(&j->list);
	free(j);
}
