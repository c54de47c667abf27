/* SPDX-License-Identifier: MIT */
/* DROP, END and RENEW. */
#include "bridge.h"

/* ----------------------------------------------------------------------- DROP */

static void dropped(struct ask *a, enum code code, json_t *answer);

/*
 * What was published up to now goes; by the same write nothing that was sent before it can
 * be published any more.
 */
static void drop(struct request *q)
{
	struct ke_etcd *e = q->e;
	struct range contact = key_of(q->name, KIND_CONTACT, &q->who.node);
	struct range hold = key_of(q->name, KIND_HOLD, &q->who.node);
	struct range rival = key_of(q->name, KIND_RIVAL, &q->who.node);
	struct txn t;

	if (++q->tries > TRIES_MAX) {
		request_refuse(q, "others changed it again and again");
		return;
	}
	txn_init(&t);
	txn_if_unchanged(&t, &contact, e->seen + 1);
	txn_if_unchanged(&t, &hold, e->seen + 1);
	txn_delete(&t, &contact);
	txn_delete(&t, &hold);
	txn_delete(&t, &rival);
	txn_put(&t, key_of_session(e->session.contacts, "alive").key, "", e->session.holds);
	ask_json(&q->ask, e, "kv/txn", txn_body(&t), dropped);
}

/* How many keys the @i-th deletion of a transaction took. */
static s64 deleted(const json_t *answer, size_t i)
{
	const json_t *one = json_array_get(json_object_get(answer, "responses"), i);
	s64 n;

	one = json_object_get(one, "response_delete_range");
	return json_s64(one, "deleted", &n) ? 0 : n;
}

static void dropped(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);
	const json_t *one = json_array_get(answer, 0);

	bridge_revision(q->e, one);
	if (code == CODE_NOT_FOUND) {	/* the session has gone, with all of it */
		request_answer(q, KE_REGISTRY_NONE);
		if (q->e->session.up)
			session_lost(q->e);
	} else if (code != CODE_OK) {
		request_refuse(q, q->e->said);
	} else if (json_is_true(json_object_get(one, "succeeded"))) {
		request_answer(q, deleted(one, 0) ? KE_REGISTRY_OK : KE_REGISTRY_NONE);
	} else {
		drop(q);
	}
}

void drop_run(struct request *q)
{
	drop(q);
}

/* ------------------------------------------------------------------------ END */

static void end_looked(struct request *q);

static void ended(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);

	if (request_acted(q, code, answer, end_looked))
		request_answer(q, q->entry.any ? KE_REGISTRY_OK : KE_REGISTRY_NONE);
}

/* Its contacts are to hear of it: it was they who had published the name. */
static void tell_contacts(struct request *q, struct txn *t)
{
	struct entry *en = &q->entry;
	unsigned int i;

	for (i = 0; i < en->n; i++)
		if (en->lease[i] != q->e->session.contacts)
			txn_put(t, key_of_session(en->lease[i], "lost").key, q->name,
				en->lease[i]);
}

static void end(struct request *q)
{
	struct range all = keys_of_entry(q->name), holds = keys_of_kind(q->name, KIND_HOLD);
	struct range contacts = keys_of_kind(q->name, KIND_CONTACT);
	char uuid[33];
	struct txn t;

	id_print(&q->uuid, uuid);
	txn_init(&t);
	txn_put(&t, key_of_ended(&q->uuid).key, q->name, q->lease);
	if (q->entry.any) {
		txn_if_value(&t, &holds, uuid);
		txn_if_unchanged(&t, &contacts, q->revision + 1);
		txn_delete(&t, &all);
		tell_contacts(q, &t);
	}
	ask_json(&q->ask, q->e, "kv/txn", txn_body(&t), ended);
}

static void lease_granted(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);

	if (code != CODE_OK || json_s64(json_array_get(answer, 0), "ID", &q->lease) ||
	    q->lease <= 0) {
		request_refuse(q, code == CODE_OK ? "a lease that makes no sense" : q->e->said);
		return;
	}
	end(q);
}

static void end_looked(struct request *q)
{
	struct entry *en = &q->entry;

	if (en->any && ke_id_cmp(&en->uuid, &q->uuid))
		*en = (struct entry){ .any = false };
	if (q->lease)
		end(q);
	else
		ask_json(&q->ask, q->e, "lease/grant", json_pack("{si}", "TTL", ENDED_S),
			 lease_granted);
}

void end_run(struct request *q)
{
	request_look(q, end_looked);
}

/* ---------------------------------------------------------------------- RENEW */

static void renewed(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);
	struct session *s = &q->e->session;
	bool alive = s->up && session_renewed(q->e, code, answer) && !s->lost;

	s->lost = false;
	request_answer(q, alive ? KE_REGISTRY_OK : KE_REGISTRY_NONE);
}

void renew_run(struct request *q)
{
	session_renew(q->e, &q->ask, renewed);
}
