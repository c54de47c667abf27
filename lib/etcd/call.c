/* SPDX-License-Identifier: MIT */
/*
 * One HTTP request to one endpoint: POST of a JSON text. What comes is bounded; what was
 * not asked for (redirections, proxies, other protocols) is not followed.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "bridge.h"

enum {
	PATH_MAX_ = 32,		/* "/v3/auth/authenticate" */
	KEEPALIVE_S = 5,
	DEAD_MS = 5000,		/* what was sent was not acknowledged for so long */
};

static size_t take(char *data, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	size_t room = c->room;
	char *text;

	(void)one;
	if (n > ANSWER_MAX - c->len) {
		c->too_long = true;
		return 0;
	}
	while (room < c->len + n + 1)
		room = room ? 2 * room : 1024;
	text = realloc(c->text, room);
	if (!text)
		return 0;
	memcpy(text + c->len, data, n);
	c->text = text;
	c->room = room;
	c->len += n;
	text[c->len] = 0;
	return n;
}

/* A member that is cut off while we only listen is noticed by this. */
static int socket_options(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned int dead_ms = DEAD_MS;

	(void)arg;
	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
	return CURL_SOCKOPT_OK;
}

static bool add_header(struct call *c, const char *line)
{
	struct curl_slist *all = curl_slist_append(c->headers, line);

	if (all)
		c->headers = all;
	return all;
}

static bool set_headers(struct call *c, const char *token)
{
	char line[1100];

	if (!add_header(c, "Content-Type: application/json") || !add_header(c, "Expect:"))
		return false;
	/* A watch ends when its member loses the others, and would only be silent then. */
	if (c->watch && !add_header(c, "Grpc-Metadata-hasleader: true"))
		return false;
	if (token) {
		snprintf(line, sizeof(line), "Authorization: %s", token);
		if (!add_header(c, line))
			return false;
	}
	return !curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
}

static bool set_options(struct call *c, const char *path, const char *body, long limit_ms)
{
	char url[ENDPOINT_MAX + PATH_MAX_];
	CURL *h = c->curl;
	CURLcode err = 0;

	snprintf(url, sizeof(url), "%s/v3/%s", c->e->endpoint[c->endpoint], path);
	err |= curl_easy_setopt(h, CURLOPT_URL, url);
	err |= curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	err |= curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	err |= curl_easy_setopt(h, CURLOPT_PROXY, "");
	err |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	/* A name that is being resolved is not waited for at the end. */
	err |= curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
	err |= curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	err |= curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, limit_ms);
	err |= curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CALL_MS);
	err |= curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	err |= curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	err |= curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	err |= curl_easy_setopt(h, CURLOPT_SOCKOPTFUNCTION, socket_options);
	err |= curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
	err |= curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	err |= curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->error);
	err |= curl_easy_setopt(h, CURLOPT_PRIVATE, c);
	if (c->e->cacert)
		err |= curl_easy_setopt(h, CURLOPT_CAINFO, c->e->cacert);
	if (c->e->cert)
		err |= curl_easy_setopt(h, CURLOPT_SSLCERT, c->e->cert);
	if (c->e->key)
		err |= curl_easy_setopt(h, CURLOPT_SSLKEY, c->e->key);
	return !err;
}

struct call *call_new(struct ke_etcd *e, unsigned int endpoint, const char *path,
		      const char *body, const char *token, long limit_ms, bool watch)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->e = e;
	c->endpoint = endpoint;
	c->watch = watch;
	c->curl = curl_easy_init();
	if (!c->curl || !set_options(c, path, body, limit_ms) || !set_headers(c, token)) {
		call_free(c);
		return NULL;
	}
	return c;
}

void call_free(struct call *c)
{
	if (!c)
		return;
	if (c->curl) {
		curl_multi_remove_handle(c->e->multi, c->curl);
		curl_easy_cleanup(c->curl);
	}
	curl_slist_free_all(c->headers);
	free(c->text);
	free(c);
}

void calls_run(struct ke_etcd *e)
{
	CURLMsg *m;
	struct call *c;
	int n;

	curl_multi_perform(e->multi, &n);
	while (!e->over && (m = curl_multi_info_read(e->multi, &n))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		c->ended(c, m->data.result);
	}
}
