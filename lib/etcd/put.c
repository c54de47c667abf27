/* SPDX-License-Identifier: MIT */
/*
 * PUT: joining a name, making it, or publishing a joined channel again.
 *
 * LOOK, then decide as core/registry.c does, then write in one transaction that compares
 * what the decision was made from; if that has changed, again from LOOK. Written twice it
 * changes nothing; what comes too late is kept out by the session's key.
 */
#include "bridge.h"

static void decide(struct request *q);

static void written(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);
	struct entry *en = &q->entry;
	int at = entry_find(en, &q->who.node);

	if (!request_acted(q, code, answer, decide))
		return;
	if (at >= 0) {	/* what it was before */
		en->contact[at] = en->contact[--en->n];
		en->lease[at] = en->lease[en->n];
	}
	en->uuid = q->target;
	request_entry(q, q->contact ? &q->who : NULL);
}

/* Who publishes again may look for nodes that don't know of it. */
static void mail_contacts(struct request *q, struct txn *t, const char *mail)
{
	struct entry *en = &q->entry;
	unsigned int i;

	for (i = 0; i < en->n; i++)
		if (ke_id_cmp(&en->contact[i].node, &q->who.node))
			txn_put(t, key_of_session(en->lease[i], "mail").key, mail, en->lease[i]);
}

static void compare_all(struct request *q, struct txn *t, const char *uuid)
{
	struct range entry = keys_of_entry(q->name), holds = keys_of_kind(q->name, KIND_HOLD);
	struct range contacts = keys_of_kind(q->name, KIND_CONTACT);
	struct range session = key_of_session(q->e->session.contacts, "alive");
	struct range ended = key_of_ended(&q->target);

	txn_if_unchanged(t, &session, q->revision + 1);
	txn_if_absent(t, &ended);
	if (!q->entry.any)
		txn_if_absent(t, &entry);
	else
		txn_if_value(t, &holds, uuid);
	/* Contacts may have gone, but none may have come. */
	if (q->contact)
		txn_if_unchanged(t, &contacts, q->revision + 1);
}

static void write_it(struct request *q)
{
	struct session *s = &q->e->session;
	struct range rival = key_of(q->name, KIND_RIVAL, &q->who.node);
	char uuid[33], contact[VALUE_MAX], mail[VALUE_MAX];
	struct txn t;

	id_print(&q->target, uuid);
	if (contact_print(&q->who, contact, sizeof(contact)) ||
	    mail_print(q->name, &q->target, &q->who, mail, sizeof(mail))) {
		request_refuse(q, "this node's own address is no text");
		return;
	}
	txn_init(&t);
	compare_all(q, &t, uuid);
	txn_put(&t, key_of(q->name, KIND_HOLD, &q->who.node).key, uuid, s->holds);
	if (q->contact)
		txn_put(&t, key_of(q->name, KIND_CONTACT, &q->who.node).key, contact, s->contacts);
	if (q->how == KE_REGISTRY_REPAIR) {
		txn_delete(&t, &rival);
		mail_contacts(q, &t, mail);
	}
	ask_json(&q->ask, q->e, "kv/txn", txn_body(&t), written);
}

static void rival_written(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);

	if (request_acted(q, code, answer, decide))
		request_answer(q, KE_REGISTRY_OTHER);
}

/* The name is another channel's: everybody is to see that this one says so. */
static void write_rival(struct request *q)
{
	struct session *s = &q->e->session;
	struct range session = key_of_session(s->contacts, "alive");
	char uuid[33];
	struct txn t;

	id_print(&q->uuid, uuid);
	txn_init(&t);
	txn_if_unchanged(&t, &session, q->revision + 1);
	txn_put(&t, key_of(q->name, KIND_RIVAL, &q->who.node).key, uuid, s->holds);
	ask_json(&q->ask, q->e, "kv/txn", txn_body(&t), rival_written);
}

/* As put_existing() of core/registry.c. */
static u8 existing(const struct request *q)
{
	if (!ke_id_cmp(&q->entry.uuid, &q->uuid))
		return KE_REGISTRY_OK;
	if (q->how == KE_REGISTRY_REPAIR)
		return KE_REGISTRY_OTHER;
	if (!q->entry.n)
		return KE_REGISTRY_IN_REPAIR;
	return q->how == KE_REGISTRY_EXCLUSIVE ? KE_REGISTRY_EXISTS : KE_REGISTRY_OK;
}

static void decide(struct request *q)
{
	u8 status = q->how == KE_REGISTRY_EXISTING ? KE_REGISTRY_NONE : KE_REGISTRY_OK;

	if (q->entry.any)
		status = existing(q);
	if (q->ended)
		status = KE_REGISTRY_ENDED;
	if (!q->e->session.up)
		request_again(q);
	else if (status == KE_REGISTRY_OTHER)
		write_rival(q);
	else if (status != KE_REGISTRY_OK)
		request_answer(q, status);
	else {
		q->target = q->entry.any ? q->entry.uuid : q->uuid;
		q->contact = q->entry.n < KE_CONTACTS_MAX ||
			     entry_find(&q->entry, &q->who.node) >= 0;
		write_it(q);
	}
}

void put_run(struct request *q)
{
	request_look(q, decide);
}
