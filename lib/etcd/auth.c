/* SPDX-License-Identifier: MIT */
/*
 * The token of a user with a password: asked for when the first question needs it, and
 * again when etcd has forgotten it (it expires, a member restarts, users change).
 */
#include "bridge.h"

enum { TOKEN_MAX = 1024 };	/* bytes; a signed one has some hundred */

bool auth_missing(const struct ke_etcd *e)
{
	return e->user && !e->token && !e->no_auth;
}

static bool good(const char *token)
{
	size_t len = strlen(token);

	return len && len <= TOKEN_MAX && !strpbrk(token, "\r\n");
}

static void answered(struct ask *a, enum code code, json_t *answer)
{
	struct ke_etcd *e = a->e;
	const char *token = json_string_value(json_object_get(json_array_get(answer, 0), "token"));

	if (code == CODE_PRECONDITION) {	/* there are no users */
		e->no_auth = true;
	} else if (code != CODE_OK) {
		bridge_give_up(e, -EACCES, NULL);
		return;
	} else if (!token || !good(token)) {
		bridge_trouble(e, e->current, "authentication: an answer without a token");
		bridge_give_up(e, -EPROTO, NULL);
		return;
	} else {
		e->token = strdup(token);
		if (!e->token)
			bridge_give_up(e, -ENOMEM, "no memory");
	}
	asks_go_on(e);
}

void auth_begin(struct ke_etcd *e)
{
	if (ask_busy(&e->auth))
		return;
	e->auth.bare = true;
	ask_json(&e->auth, e, "auth/authenticate",
		 json_pack("{ss ss}", "name", e->user, "password", e->password), answered);
}

void auth_refused(struct ke_etcd *e)
{
	free(e->token);
	e->token = NULL;
	e->no_auth = false;
}
