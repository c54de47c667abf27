/* SPDX-License-Identifier: MIT */
/*
 * The session: two leases, renewed for as long as the tie lives, and what others write for
 * us, which is watched.
 *
 *	DOWN	begins: grants the leases, then writes its key
 *	UP	has them; requests are worked on
 *
 * Contacts are under the first lease; under the second, twice as long, what keeps a name
 * while nobody is a contact of it. When one of them has expired, or its key was deleted, the
 * session is lost, with all that it has published: the tie hears it with its next RENEW, and
 * publishes anew in the next session.
 *
 * A watch that breaks goes on at the next revision, elsewhere. If etcd has forgotten that
 * already, what we were told may be lost: who looks for us tells us again, but that a name
 * was destroyed would never come, so the tie publishes all anew then, too.
 */
#include "bridge.h"

enum {
	RENEW_LATE_MS = KE_RENEW_MS + HEDGE_MS,	/* the tie did not, so it is no contact */
	WATCH_AGAIN_MS = 50,			/* doubles up to */
	WATCH_AGAIN_MAX_MS = 1000,
};

/* ---------------------------------------------------------------------- watch */

static void watch_again(struct ke_etcd *e, bool at_once)
{
	struct session *s = &e->session;

	call_free(s->watch);
	s->watch = NULL;
	s->watch_at = ke_reg_now_ms() + (at_once ? 0 : s->watch_pause_ms);
	s->watch_pause_ms = min_t(u32, 2 * s->watch_pause_ms, WATCH_AGAIN_MAX_MS);
}

static void watched(struct ke_etcd *e, const struct kv *kv)
{
	struct session *s = &e->session;
	const char *what = strrchr(kv->key, '/');
	char name[KE_NAME_MAX + 1];
	struct ke_contact who;
	struct ke_id uuid;

	if (!what)
		return;
	if (!strcmp(what, "/alive") && kv->deleted)
		session_lost(e);
	else if (!strcmp(what, "/lost") && !kv->deleted)
		s->lost = true;
	else if (!strcmp(what, "/mail") && !kv->deleted) {
		if (mail_parse(kv, name, &uuid, &who, e->said, sizeof(e->said)))
			bridge_trouble(e, e->current, e->said);
		else
			bridge_tell(e, name, &uuid, &who);
	}
}

/* -EPROTO: it makes no sense, or the watch has ended. */
static int watch_result(struct ke_etcd *e, const json_t *result)
{
	const json_t *events = json_object_get(result, "events"), *one;
	struct session *s = &e->session;
	u64 revision = bridge_revision(e, result);
	const char *type;
	struct kv kv;
	s64 compacted;
	size_t i;

	if (json_is_true(json_object_get(result, "canceled"))) {
		if (!json_s64(result, "compact_revision", &compacted) && compacted > 0) {
			s->watch_from = max_t(u64, compacted, s->watch_from);
			s->lost = true;
		}
		snprintf(e->said, sizeof(e->said), "it ended the watch");
		return -EPROTO;
	}
	json_array_foreach(events, i, one) {
		if (kv_parse(json_object_get(one, "kv"), &kv, e->said, sizeof(e->said)))
			return -EPROTO;
		type = json_string_value(json_object_get(one, "type"));
		kv.deleted = type && !strcmp(type, "DELETE");
		watched(e, &kv);
		if (!s->up)	/* that was its end */
			return 0;
	}
	if (revision)
		s->watch_from = max_t(u64, s->watch_from, revision + 1);
	s->watch_pause_ms = WATCH_AGAIN_MS;
	return 0;
}

static int watch_line(struct ke_etcd *e, const char *line, size_t len)
{
	json_t *answer = answer_parse(line, len, e->said, sizeof(e->said)), *one;
	int err = answer ? 0 : -EPROTO;
	enum code code;
	size_t i;

	if (!err) {
		code = answer_code(answer, e->said, sizeof(e->said));
		err = code == CODE_OK ? 0 : -EPROTO;
		if (code == CODE_TOKEN)
			auth_refused(e);
	}
	json_array_foreach(answer, i, one)
		if (!err && e->session.up)
			err = watch_result(e, json_object_get(one, "result"));
	json_decref(answer);
	return err;
}

/* Whole lines of it. */
static void watch_run(struct ke_etcd *e)
{
	struct call *c = e->session.watch;
	char *line = c->text, *end;

	while (line && (end = strchr(line, '\n'))) {
		if (watch_line(e, line, end - line)) {
			bridge_trouble(e, c->endpoint, e->said);
			watch_again(e, false);
			return;
		}
		if (e->session.watch != c)	/* the session was lost */
			return;
		line = end + 1;
	}
	if (!line)
		return;
	c->len -= line - c->text;
	memmove(c->text, line, c->len + 1);
}

static void watch_ended(struct call *c, CURLcode result)
{
	struct ke_etcd *e = c->e;

	(void)result;
	e->session.watch_endpoint = (c->endpoint + 1) % e->endpoints;
	watch_again(e, false);
}

static char *watch_text(const struct ke_etcd *e)
{
	struct range r = key_of_session(e->session.contacts, "");
	json_t *key = base64_encode(r.key, strlen(r.key));
	json_t *end = base64_encode(r.end, strlen(r.end));
	json_t *o = json_pack("{s{so so sI}}", "create_request", "key", key, "range_end", end,
			      "start_revision", (json_int_t)e->session.watch_from);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

static void watch_begin(struct ke_etcd *e)
{
	struct session *s = &e->session;

	if (auth_missing(e)) {	/* the next renewal brings one */
		watch_again(e, false);
		return;
	}
	free(s->watch_body);
	s->watch_body = watch_text(e);
	s->watch = s->watch_body ? call_new(e, s->watch_endpoint, "watch", s->watch_body,
					    e->token, 0, true) : NULL;
	if (!s->watch || curl_multi_add_handle(e->multi, s->watch->curl)) {
		bridge_give_up(e, -ENOMEM, "no memory");
		return;
	}
	s->watch->ended = watch_ended;
	s->watch_at = KE_REGISTRY_NEVER;
}

void session_doubts(struct ke_etcd *e, unsigned int endpoint)
{
	struct session *s = &e->session;

	if (!s->up || !s->watch || s->watch->endpoint != endpoint)
		return;
	s->watch_endpoint = (endpoint + 1) % e->endpoints;
	watch_again(e, true);
}

/* --------------------------------------------------------------------- leases */

static void alive(struct ask *a, enum code code, json_t *answer)
{
	struct ke_etcd *e = a->e;
	struct session *s = &e->session;
	u64 revision = bridge_revision(e, json_array_get(answer, 0));

	if (code != CODE_OK || !revision) {
		session_begin(e);
		return;
	}
	s->up = true;
	s->renewed_at = ke_reg_now_ms();
	s->watch_from = revision + 1;
	s->watch_at = 0;
	s->watch_pause_ms = WATCH_AGAIN_MS;
	s->watch_endpoint = e->current;
	bridge_greet(e);
}

static void write_key(struct ke_etcd *e)
{
	struct range key = key_of_session(e->session.contacts, "alive");
	struct txn t;

	txn_init(&t);
	txn_put(&t, key.key, "", e->session.holds);
	ask_json(&e->session.ask, e, "kv/txn", txn_body(&t), alive);
}

/* 0: there is none. */
static s64 granted(struct ke_etcd *e, enum code code, json_t *answer, s64 *ttl_s)
{
	const json_t *one = json_array_get(answer, 0);
	s64 id;

	if (code == CODE_OK && !json_s64(one, "ID", &id) && !json_s64(one, "TTL", ttl_s) &&
	    id > 0 && *ttl_s > 0)
		return id;
	bridge_trouble(e, e->current, "a lease that makes no sense");
	bridge_give_up(e, -EPROTO, NULL);
	return 0;
}

static void holds_granted(struct ask *a, enum code code, json_t *answer)
{
	struct session *s = &a->e->session;
	s64 ttl_s;

	s->holds = granted(a->e, code, answer, &ttl_s);
	if (s->holds)
		write_key(a->e);
}

static void grant(struct ke_etcd *e, s64 ttl_s, void (*done)(struct ask *a, enum code code,
							     json_t *answer))
{
	ask_json(&e->session.ask, e, "lease/grant", json_pack("{sI}", "TTL", (json_int_t)ttl_s),
		 done);
}

/* A cluster with a longer election has longer leases. */
static void contacts_granted(struct ask *a, enum code code, json_t *answer)
{
	struct session *s = &a->e->session;
	s64 ttl_s;

	s->contacts = granted(a->e, code, answer, &ttl_s);
	if (s->contacts)
		grant(a->e, 2 * min_t(s64, ttl_s, LEASE_MAX_S), holds_granted);
}

void session_begin(struct ke_etcd *e)
{
	session_end(e);
	grant(e, LEASE_S, contacts_granted);
}

void session_end(struct ke_etcd *e)
{
	struct session *s = &e->session;

	s->up = false;
	s->watch_at = KE_REGISTRY_NEVER;
	call_free(s->watch);
	s->watch = NULL;
	free(s->watch_body);
	s->watch_body = NULL;
	ask_cancel(&s->ask);
	ask_cancel(&s->renew);
}

void session_lost(struct ke_etcd *e)
{
	e->session.lost = true;
	session_begin(e);
}

/* --------------------------------------------------------------------- renewal */

void session_renew(struct ke_etcd *e, struct ask *a,
		   void (*done)(struct ask *a, enum code code, json_t *answer))
{
	char *text = NULL;

	if (asprintf(&text, "{\"ID\":\"%lld\"}{\"ID\":\"%lld\"}", (long long)e->session.contacts,
		     (long long)e->session.holds) < 0)
		text = NULL;
	ask_text(a, e, "lease/keepalive", text, done);
}

bool session_renewed(struct ke_etcd *e, enum code code, json_t *answer)
{
	struct session *s = &e->session;
	unsigned int alive = 0;
	const json_t *one;
	s64 id, ttl_s;
	size_t i;

	json_array_foreach(answer, i, one) {
		one = json_object_get(one, "result");
		if (!json_s64(one, "ID", &id) && !json_s64(one, "TTL", &ttl_s) && ttl_s > 0)
			alive |= (id == s->contacts) | (id == s->holds) << 1;
	}
	if (code == CODE_OK && alive == 3) {
		s->renewed_at = ke_reg_now_ms();
		return true;
	}
	session_lost(e);
	return false;
}

static void own_renewal(struct ask *a, enum code code, json_t *answer)
{
	session_renewed(a->e, code, answer);
}

u64 session_work(struct ke_etcd *e, u64 now)
{
	struct session *s = &e->session;

	if (!s->up)
		return KE_REGISTRY_NEVER;
	if (s->watch)
		watch_run(e);
	if (s->up && s->watch_at <= now)
		watch_begin(e);
	if (s->up && s->renewed_at + RENEW_LATE_MS <= now) {
		s->renewed_at = now;
		if (!ask_busy(&s->renew))
			session_renew(e, &s->renew, own_renewal);
	}
	return min(s->watch_at, s->renewed_at + RENEW_LATE_MS);
}
