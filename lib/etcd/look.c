/* SPDX-License-Identifier: MIT */
/*
 * Looking at a name, which GET, PUT and END begin with: its contacts and holds, whether the
 * uuid in question was destroyed, and our own session's key, all of one revision. What is
 * then written is compared with that.
 */
#include "bridge.h"

/* The contacts come first; then one hold is enough, for all are the same. */
enum { LOOK_MAX = KE_CONTACTS_MAX + 1 };

/* The keys that the @i-th read of a transaction gave. */
static const json_t *kvs_of(const json_t *answer, size_t i)
{
	const json_t *one = json_array_get(json_object_get(answer, "responses"), i);

	return json_object_get(json_object_get(one, "response_range"), "kvs");
}

/* Is the session's key what we know it as? -EPROTO: the answer makes no sense. */
static int session_there(struct ke_etcd *e, const json_t *kvs, char *why, size_t size)
{
	struct kv kv;
	int err;

	if (!json_array_size(kvs))
		return 0;
	err = kv_parse(json_array_get(kvs, 0), &kv, why, size);
	return err ?: kv.lease == e->session.holds;
}

static void looked(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);
	struct ke_etcd *e = q->e;
	const json_t *one = json_array_get(answer, 0);
	int there;

	if (code != CODE_OK) {
		request_refuse(q, e->said);
		return;
	}
	q->revision = bridge_revision(e, one);
	there = session_there(e, kvs_of(one, 1), e->said, sizeof(e->said));
	if (!q->revision)
		snprintf(e->said, sizeof(e->said), "an answer without a revision");
	if (!q->revision || there < 0 ||
	    entry_parse(kvs_of(one, 0), q->name, &q->entry, e->said, sizeof(e->said))) {
		request_refuse(q, e->said);
		return;
	}
	if (!there) {
		request_again(q);
		session_lost(e);
		return;
	}
	q->ended = json_array_size(kvs_of(one, 2));
	q->looked(q);
}

void request_look(struct request *q, void (*fn)(struct request *q))
{
	struct range entry = keys_of_entry(q->name), ended = key_of_ended(&q->uuid);
	struct range session = key_of_session(q->e->session.contacts, "alive");
	struct txn t;

	if (!q->e->session.up) {
		request_again(q);
		return;
	}
	if (++q->tries > TRIES_MAX) {
		request_refuse(q, "others changed it again and again");
		return;
	}
	q->looked = fn;
	txn_init(&t);
	txn_get(&t, &entry, LOOK_MAX);
	txn_get(&t, &session, 1);
	txn_get(&t, &ended, 1);
	ask_json(&q->ask, q->e, "kv/txn", txn_body(&t), looked);
}

/* A lease that is not found may be ours or a contact's: the next look tells. */
bool request_acted(struct request *q, enum code code, const json_t *answer,
		   void (*fn)(struct request *q))
{
	const json_t *one = json_array_get(answer, 0);

	bridge_revision(q->e, one);
	if (code == CODE_OK && json_is_true(json_object_get(one, "succeeded")))
		return true;
	if (code == CODE_OK || code == CODE_NOT_FOUND)
		request_look(q, fn);
	else if (code == CODE_EXHAUSTED)
		request_answer(q, KE_REGISTRY_FULL);
	else
		request_refuse(q, q->e->said);
	return false;
}

void request_entry(struct request *q, const struct ke_contact *self)
{
	struct entry *en = &q->entry;
	struct ke_out out;
	unsigned int i;

	if (!request_reply(q, &out, KE_REG_REQUEST_MAX, KE_REGISTRY_OK))
		return;
	ke_put(&out, &en->uuid, sizeof(en->uuid));
	ke_put_u64(&out, q->revision);
	ke_put_u8(&out, en->n + (self != NULL));
	for (i = 0; i < en->n; i++)
		ke_put_contact(&out, &en->contact[i]);
	if (self)
		ke_put_contact(&out, self);
	request_done(q, &out);
}

static void got(struct request *q)
{
	if (q->entry.any)
		request_entry(q, NULL);
	else
		request_answer(q, KE_REGISTRY_NONE);
}

void get_run(struct request *q)
{
	request_look(q, got);
}
