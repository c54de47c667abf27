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
	case KECHO_FRAME_REG_END:
		ke_put_str(o, q->name);
		ke_put(o, &q->uuid, sizeof(q->uuid));
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
	j->again_at = 0;
	if (list_empty(&j->repair.list))
		ke_reg_request_queue(r, &j->repair, first);
	else
		j->again = j->repair.sent;
}

u64 ke_reg_joined_due(struct ke_reg *r, u64 now)
{
	u64 next = KE_REGISTRY_NEVER;
	struct ke_reg_joined *j;

	if (!r->any_again)
		return next;
	r->any_again = false;
	list_for_each_entry(j, &r->joined, list) {
		if (!j->again_at)
			continue;
		if (j->again_at <= now)
			ke_reg_joined_repair(r, j, false);
		else
			next = min(next, j->again_at);
	}
	r->any_again |= next != KE_REGISTRY_NEVER;
	return next;
}

static struct ke_reg_joined *joined_init(struct ke_reg_joined *j, const char *name)
{
	INIT_LIST_HEAD(&j->repair.list);
	INIT_LIST_HEAD(&j->look.list);
	j->repair.type = KECHO_FRAME_REG_PUT;
	j->repair.how = KE_REGISTRY_REPAIR;
	j->look.type = KECHO_FRAME_REG_GET;
	j->repair.joined = j->look.joined = j;
	strcpy(j->repair.name, name);
	strcpy(j->look.name, name);
	return j;
}

/* A join was granted: from now on the channel is published by itself. */
static void join_done(struct ke_reg *r, struct ke_reg_request *q)
{
	struct ke_reg_joined *j = ke_reg_joined_find(r, q->name);

	if (!j) {
		j = joined_init(q->joined, q->name);
		q->joined = NULL;
		list_add_tail(&j->list, &r->joined);
	}
	j->repair.uuid = q->uuid;
	j->contact = q->contact;
	j->named = true;
	r->renew_at = ke_reg_now_ms() + KE_RENEW_MS;
}

/* @j is the tie's from here on. */
void ke_reg_joined_again(struct ke_reg *r, struct ke_reg_joined *j, const char *name,
			 const struct ke_id *uuid)
{
	joined_init(j, name);
	j->repair.uuid = *uuid;
	j->named = true;
	list_add_tail(&j->list, &r->joined);
	ke_reg_joined_repair(r, j, true);
	r->renew_at = ke_reg_now_ms() + KE_RENEW_MS;
	ke_reg_kick(r);
}

/* It can only fail if it rings already. */
static void ring(const struct ke_reg *r)
{
	u64 one = 1;

	if (r->bell >= 0 && write(r->bell, &one, sizeof(one)) < 0)
		return;
}

static void news(struct ke_reg *r, struct ke_reg_joined *j)
{
	j->news = r->any_news = true;
	ring(r);
}

/* Refused, it is made again: whoever has the name, or the room, may have gone by then. */
static void repair_done(struct ke_reg *r, struct ke_reg_joined *j)
{
	bool again = j->again, granted = j->repair.status == KE_REGISTRY_OK;

	j->again = false;
	j->contact = granted && j->repair.contact;
	list_del_init(&j->repair.list);
	j->ended = j->repair.status == KE_REGISTRY_ENDED;
	if (granted || j->ended) {
		j->named |= granted;
		news(r, j);
	} else {
		j->again_at = ke_reg_now_ms() + KE_LEASE_MS;
		r->any_again = true;
		if (j->repair.status == KE_REGISTRY_OTHER)
			ke_reg_request_queue(r, &j->look, false);
	}
	if (again)
		ke_reg_request_queue(r, &j->repair, false);
	if (again || j->again_at)
		ke_reg_kick(r);
	pthread_cond_broadcast(&r->changed);
}

/* Whose the name is; it may have become free meanwhile, or ours. */
static void look_done(struct ke_reg *r, struct ke_reg_joined *j)
{
	list_del_init(&j->look.list);
	if (j->look.status != KE_REGISTRY_OK || !ke_id_cmp(&j->look.uuid, &j->repair.uuid))
		return;
	j->named = false;
	j->other = j->look.uuid;
	news(r, j);
}

/* Something that was published is gone, or all of it. */
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
	/* A repair is granted for what it asked, or refused. */
	if (q->type == KECHO_FRAME_REG_PUT && q->how == KE_REGISTRY_REPAIR &&
	    ke_id_cmp(&uuid, &q->uuid))
		in->bad = true;
	if (!in->bad)
		q->uuid = uuid;
}

static void add_info(struct ke_reg_request *q, const struct ke_in *in, const struct ke_reg_info *i)
{
	if (in->bad || !q->room)
		return;
	*q->infos++ = *i;
	q->room--;
}

static void take_list(struct ke_reg_request *q, struct ke_in *in)
{
	struct ke_reg_info i = { .other = false };
	u16 n;

	q->more = ke_get_u8(in);
	for (n = ke_get_u16(in); n && !in->bad; n--) {
		q->after = ke_get_u64(in);
		ke_get_str(in, i.name, sizeof(i.name));
		ke_get_copy(in, &i.uuid, sizeof(i.uuid));
		i.contacts = ke_get_u8(in);
		add_info(q, in, &i);
	}
	i = (struct ke_reg_info){ .other = true };
	for (n = in->p < in->end ? ke_get_u16(in) : 0; n && !in->bad; n--) {
		ke_get_str(in, i.name, sizeof(i.name));
		ke_get_copy(in, &i.uuid, sizeof(i.uuid));
		add_info(q, in, &i);
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
	if (status == KE_ETCD_REFUSED)
		ke_get_str(&in, r->why, sizeof(r->why));
	if (in.bad)
		return -EPROTO;
	q->status = status;
	if (type == KECHO_FRAME_REG_PUT && q->how == KE_REGISTRY_REPAIR) {
		repair_done(r, q->joined);
		return 0;
	}
	if (type == KECHO_FRAME_REG_GET && q->joined) {
		look_done(r, q->joined);
		return 0;
	}
	if (type == KECHO_FRAME_REG_PUT && status == KE_REGISTRY_OK)
		join_done(r, q);
	if (type == KECHO_FRAME_REG_RENEW && status == KE_REGISTRY_NONE)
		renew_lost(r);
	ke_reg_request_done(r, q);
	return 0;
}

/* When there is no room they are told again: who looks for us asks until we have met. */
void ke_reg_told_in(void *arg, const void *body, u32 len)
{
	struct ke_in in = { .p = body, .end = (const u8 *)body + len };
	struct ke_reg *r = arg;
	struct ke_reg_told t;
	u8 type = ke_get_u8(&in), status = ke_get_u8(&in);

	ke_get_str(&in, t.name, sizeof(t.name));
	ke_get_copy(&in, &t.uuid, sizeof(t.uuid));
	ke_get_contact(&in, &t.who);
	if (in.bad || type != KECHO_FRAME_REG_PUT || status != KE_REGISTRY_OK ||
	    r->ntold == KE_REG_TOLD_MAX)
		return;
	r->told[r->ntold++] = t;
	ring(r);
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
	list_del(&j->look.list);
	list_del(&j->list);
	free(j);
}
