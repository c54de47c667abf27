/* SPDX-License-Identifier: MIT */
/*
 * One question to etcd, asked until somebody answers it.
 *
 * It goes to the endpoint that answered last. One that cannot be reached, or says that it
 * cannot tell, is followed by the next one at once, until each had its turn; one that is
 * silent by the next one beside it, for it may only be slow: the first answer counts. After
 * that it goes on at a slower pace. A question ends with an answer, or with the bridge.
 */
#include "bridge.h"

static unsigned int calls_of(const struct ask *a)
{
	unsigned int i, n = 0;

	for (i = 0; i < CALLS_MAX; i++)
		n += a->call[i] != NULL;
	return n;
}

static void calls_end(struct ask *a)
{
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		call_free(a->call[i]);
		a->call[i] = NULL;
	}
}

bool ask_busy(const struct ask *a)
{
	return a->list.next && !list_empty(&a->list);
}

void ask_cancel(struct ask *a)
{
	if (!ask_busy(a))
		return;
	calls_end(a);
	list_del_init(&a->list);
	free(a->body);
	a->body = NULL;
}

static void ask_end(struct ask *a, enum code code, json_t *answer)
{
	ask_cancel(a);
	a->done(a, code, answer);
}

json_t *answer_parse(const char *text, size_t len, char *why, size_t size)
{
	json_t *all = json_array(), *one;
	json_error_t err;
	size_t at = 0;

	while (all && at < len) {
		if (strchr(" \t\r\n", text[at])) {
			at++;
			continue;
		}
		one = json_loadb(text + at, len - at,
				 JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &err);
		if (!json_is_object(one) || json_array_append_new(all, one)) {
			json_decref(one);
			json_decref(all);
			snprintf(why, size, "its answer is no JSON object");
			return NULL;
		}
		at += err.position;
	}
	if (all && json_array_size(all))
		return all;
	snprintf(why, size, all ? "an empty answer" : "no memory for its answer");
	json_decref(all);
	return NULL;
}

/* What it is about is in the words only. */
static bool token_wanted(enum code code, const char *said)
{
	return code == CODE_UNAUTHENTICATED ||
	       (code == CODE_INVALID && (strstr(said, "revision of auth store is old") ||
					 strstr(said, "user name is empty")));
}

static enum code code_of(int code, const char *said)
{
	if (token_wanted(code, said))
		return CODE_TOKEN;
	switch (code) {
	case CODE_EXHAUSTED:	/* of too many requests too */
		return strstr(said, "database space exceeded") ? CODE_EXHAUSTED : CODE_ELSEWHERE;
	case CODE_INVALID:
	case CODE_NOT_FOUND:
	case CODE_DENIED:
	case CODE_PRECONDITION:
	case CODE_RANGE:
	case CODE_UNIMPLEMENTED:
		return code;
	}
	return CODE_ELSEWHERE;
}

/* A stream's error has another shape than others. */
enum code answer_code(json_t *answer, char *said, size_t size)
{
	const json_t *one, *error, *code = NULL;
	const char *message = NULL;
	size_t i;

	json_array_foreach(answer, i, one) {
		error = json_object_get(one, "error");
		if (!error)
			continue;
		code = json_object_get(json_is_object(error) ? error : one,
				       json_is_object(error) ? "grpc_code" : "code");
		message = json_string_value(json_is_object(error) ?
					    json_object_get(error, "message") : error);
		snprintf(said, size, "%s", message ?: "an error without words");
		return code_of(json_is_integer(code) ? json_integer_value(code) : -1, said);
	}
	return CODE_OK;
}

/* An answer that is none of the gateway's: its first words, if they can be shown. */
static void say_status(const struct call *c, long status, char *said, size_t size)
{
	int n = 0;

	while (n < (int)size && c->text && c->text[n] >= ' ' && c->text[n] < 0x7f)
		n++;
	snprintf(said, size, "HTTP status %ld%s%.*s", status, n ? ": " : "", n, c->text ?: "");
}

/* What has come of a call; @answer is the caller's if that is CODE_OK. */
static enum code judge(struct call *c, CURLcode result, json_t **answer, char *said, size_t size)
{
	enum code code;
	long status = 0;

	*answer = NULL;
	said[0] = 0;
	if (result) {
		if (c->too_long)
			snprintf(said, size, "an answer of more than %d bytes", ANSWER_MAX);
		else
			strscpy(said, c->error[0] ? c->error : curl_easy_strerror(result), size);
		return CODE_ELSEWHERE;
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	*answer = answer_parse(c->text ?: "", c->len, said, size);
	code = *answer ? answer_code(*answer, said, size) : CODE_ELSEWHERE;
	if (code == CODE_OK && status != 200)
		code = CODE_ELSEWHERE;
	if (status != 200 && (!*answer || !said[0]))
		say_status(c, status, said, size);
	if (code != CODE_OK) {
		json_decref(*answer);
		*answer = NULL;
	}
	return code;
}

static void attempt(struct ask *a, u64 now);

/* One endpoint's answer says nothing of what keeps another question waiting. */
static void well(struct ask *a)
{
	struct ke_etcd *e = a->e;

	a->troubled = false;
	list_for_each_entry(a, &e->asks, list)
		if (a->troubled)
			return;
	bridge_well(e);
}

static void failed(struct ask *a, unsigned int endpoint)
{
	struct ke_etcd *e = a->e;

	a->troubled = true;
	bridge_trouble(e, endpoint, e->said);
	session_doubts(e, endpoint);
	if (e->current == endpoint)
		e->current = (endpoint + 1) % e->endpoints;
	if (a->spare) {
		a->spare--;
		attempt(a, ke_reg_now_ms());
	}
}

static void refused(struct ask *a, struct call *c)
{
	struct ke_etcd *e = a->e;

	bridge_trouble(e, c->endpoint, e->said);
	if (!e->user) {
		bridge_give_up(e, -EACCES, NULL);
		return;
	}
	auth_refused(e);
	calls_end(a);
	/* A token that has expired is replaced at once; one that is new is not to blame. */
	a->next_at = a->refused ? ke_reg_now_ms() + a->gap_ms : 0;
	a->refused = true;
}

static void call_ended(struct call *c, CURLcode result)
{
	struct ask *a = c->arg;
	struct ke_etcd *e = c->e;
	unsigned int i, endpoint = c->endpoint;
	json_t *answer;
	enum code code = judge(c, result, &answer, e->said, sizeof(e->said));

	if (code == CODE_TOKEN && !a->bare) {
		refused(a, c);
		return;
	}
	for (i = 0; i < CALLS_MAX; i++)
		if (a->call[i] == c)
			a->call[i] = NULL;
	call_free(c);
	if (code == CODE_ELSEWHERE) {
		failed(a, endpoint);
		return;
	}
	if (code == CODE_DENIED) {
		bridge_trouble(e, endpoint, e->said);
		bridge_give_up(e, -EACCES, NULL);
		return;
	}
	e->current = endpoint;
	if (code == CODE_OK)
		well(a);
	else
		bridge_trouble(e, endpoint, e->said);
	ask_end(a, code, answer);
	json_decref(answer);
}

static void attempt(struct ask *a, u64 now)
{
	struct ke_etcd *e = a->e;
	struct call *c;
	unsigned int i;

	if (!a->bare && auth_missing(e)) {
		a->next_at = KE_REGISTRY_NEVER;
		auth_begin(e);
		return;
	}
	a->next_at = now + a->gap_ms;
	a->gap_ms = min_t(u32, a->gap_ms + HEDGE_MS, HEDGE_MAX_MS);
	for (i = 0; i < CALLS_MAX && a->call[i]; i++)
		;
	if (i == CALLS_MAX)
		return;
	c = call_new(e, a->endpoint, a->path, a->body, a->bare ? NULL : e->token, CALL_MS,
		     false);
	if (!c || curl_multi_add_handle(e->multi, c->curl)) {
		call_free(c);
		bridge_give_up(e, -ENOMEM, "no memory");
		return;
	}
	c->ended = call_ended;
	c->arg = a;
	a->call[i] = c;
	a->endpoint = (a->endpoint + 1) % e->endpoints;
}

void ask_text(struct ask *a, struct ke_etcd *e, const char *path, char *body,
	      void (*done)(struct ask *a, enum code code, json_t *answer))
{
	if (!body) {
		bridge_give_up(e, -ENOMEM, "no memory");
		return;
	}
	a->e = e;
	a->path = path;
	a->body = body;
	a->done = done;
	a->endpoint = e->current;
	a->spare = e->endpoints - 1;
	a->gap_ms = HEDGE_MS;
	a->refused = a->troubled = false;
	list_add_tail(&a->list, &e->asks);
	attempt(a, ke_reg_now_ms());
}

void ask_json(struct ask *a, struct ke_etcd *e, const char *path, json_t *body,
	      void (*done)(struct ask *a, enum code code, json_t *answer))
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	ask_text(a, e, path, text, done);
}

void asks_go_on(struct ke_etcd *e)
{
	struct ask *a;

	list_for_each_entry(a, &e->asks, list)
		if (a->next_at == KE_REGISTRY_NEVER)
			a->next_at = 0;
}

u64 asks_work(struct ke_etcd *e, u64 now)
{
	u64 next = KE_REGISTRY_NEVER;
	struct ask *a;

	list_for_each_entry(a, &e->asks, list) {
		if (e->over)
			break;
		if (a->next_at <= now) {
			/* All that are asked are silent: that is said as well. */
			if (calls_of(a)) {
				a->troubled = true;
				bridge_trouble(e, (a->endpoint + e->endpoints - 1) % e->endpoints,
					       "no answer yet");
			}
			a->spare = e->endpoints - 1;
			attempt(a, now);
		}
		next = min(next, a->next_at);
	}
	return next;
}
