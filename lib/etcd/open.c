/* SPDX-License-Identifier: MIT */
/*
 * The table of etcd.h: the endpoints, the files and the user that the environment names as
 * for etcdctl, and the thread.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bridge.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_good;

static void curl_begin(void)
{
	curl_good = !curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int part_of(CURLU *url, CURLUPart what, bool wanted)
{
	char *text = NULL;
	bool has = !curl_url_get(url, what, &text, 0) && *text;

	curl_free(text);
	return has == wanted ? 0 : -EINVAL;
}

/* "http://HOST:PORT" or https, and nothing more. */
static int check_url(const char *text)
{
	CURLU *url = curl_url();
	char *path = NULL;
	int err = -EINVAL;

	if (!url)
		return -ENOMEM;
	if (strncmp(text, "http://", 7) && strncmp(text, "https://", 8))
		goto out;
	if (curl_url_set(url, CURLUPART_URL, text, 0) ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0))
		goto out;
	err = strcmp(path, "/") || text[strlen(text) - 1] == '/' ? -EINVAL : 0;
	err = err ?: part_of(url, CURLUPART_HOST, true) ?: part_of(url, CURLUPART_PORT, true);
	err = err ?: part_of(url, CURLUPART_USER, false) ?: part_of(url, CURLUPART_QUERY, false);
	err = err ?: part_of(url, CURLUPART_FRAGMENT, false);
out:
	curl_free(path);
	curl_url_cleanup(url);
	return err;
}

static int take_endpoints(struct ke_etcd *e, const char *from, char *why, size_t size)
{
	size_t len;
	char *to;
	int err;

	for (;; from += len + 1) {
		len = strcspn(from, ",");
		if (e->endpoints == ENDPOINTS_MAX) {
			snprintf(why, size, "more than %d endpoints of etcd", ENDPOINTS_MAX);
			return -EINVAL;
		}
		to = e->endpoint[e->endpoints];
		err = len > ENDPOINT_MAX ? -EINVAL : 0;
		if (!err) {
			memcpy(to, from, len);
			to[len] = 0;
			err = check_url(to);
		}
		if (err) {
			snprintf(why, size, "endpoint of etcd \"%.*s\": not http://HOST:PORT or "
				 "https://HOST:PORT", (int)min_t(size_t, len, 100), from);
			return err;
		}
		e->endpoints++;
		if (!from[len])
			return 0;
	}
}

/* The value of @variable as a copy; NULL: it isn't set, or empty. */
static int take_text(char **to, const char *variable)
{
	const char *value = secure_getenv(variable);

	if (!value || !*value)
		return 0;
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int take_file(char **to, const char *variable, char *why, size_t size)
{
	int err = take_text(to, variable);

	if (!err && *to && access(*to, R_OK)) {
		err = -errno;
		snprintf(why, size, "%s=%s: %s", variable, *to, strerror(-err));
	}
	return err;
}

/* As for etcdctl: ETCDCTL_USER is "NAME:PASSWORD", or ETCDCTL_PASSWORD has that. */
static int take_user(struct ke_etcd *e, char *why, size_t size)
{
	char *colon;
	int err = take_text(&e->user, "ETCDCTL_USER");

	err = err ?: take_text(&e->password, "ETCDCTL_PASSWORD");
	if (err || !e->user)
		return err;
	colon = e->password ? NULL : strchr(e->user, ':');
	if (colon) {
		e->password = strdup(colon + 1);
		memset(colon + 1, 0, strlen(colon + 1));
		*colon = 0;
		return e->password ? 0 : -ENOMEM;
	}
	if (e->password)
		return 0;
	snprintf(why, size, "ETCDCTL_USER=%.64s: without ETCDCTL_PASSWORD", e->user);
	return -EINVAL;
}

static int take_environment(struct ke_etcd *e, char *why, size_t size)
{
	int err = take_file(&e->cacert, "ETCDCTL_CACERT", why, size);

	err = err ?: take_file(&e->cert, "ETCDCTL_CERT", why, size);
	err = err ?: take_file(&e->key, "ETCDCTL_KEY", why, size);
	if (!err && !e->cert != !e->key) {
		snprintf(why, size, "of ETCDCTL_CERT and ETCDCTL_KEY one alone is of no use");
		err = -EINVAL;
	}
	return err ?: take_user(e, why, size);
}

static void etcd_close(struct ke_etcd *e)
{
	if (!e)
		return;
	free(e->cacert);
	free(e->cert);
	free(e->key);
	free(e->user);
	if (e->password)
		memzero_explicit(e->password, strlen(e->password));
	free(e->password);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static int etcd_open(struct ke_etcd **out, const char *endpoints, char *why, size_t size)
{
	struct ke_etcd *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	snprintf(why, size, "no memory");
	if (!e)
		return err;
	pthread_mutex_init(&e->lock, NULL);
	pthread_once(&curl_once, curl_begin);
	if (curl_good)
		err = take_endpoints(e, endpoints, why, size) ?: take_environment(e, why, size);
	if (err) {
		etcd_close(e);
		return err;
	}
	*out = e;
	return 0;
}

static void *thread(void *arg)
{
	bridge_main(arg);
	return NULL;
}

/* Signals are for the program's own threads. */
static int etcd_start(struct ke_etcd *e, int fd)
{
	sigset_t all, old;
	int err;

	e->fd = fd;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&e->thread, NULL, thread, e);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	e->started = !err;
	if (err)
		close(fd);
	else
		pthread_setname_np(e->thread, "kecho-etcd");
	return err;
}

static int etcd_stop(struct ke_etcd *e, char *why, size_t size)
{
	if (!e->started)
		return 0;
	pthread_join(e->thread, NULL);
	e->started = false;
	if (e->err)
		snprintf(why, size, "%s", e->trouble);
	return e->err;
}

static void etcd_trouble(struct ke_etcd *e, char *why, size_t size)
{
	pthread_mutex_lock(&e->lock);
	strscpy(why, e->trouble, size);
	pthread_mutex_unlock(&e->lock);
}

extern const struct ke_etcd_table kecho_etcd;

__attribute__((visibility("default"))) const struct ke_etcd_table kecho_etcd = {
	.version = KE_ETCD_VERSION,
	.size = sizeof(kecho_etcd),
	.open = etcd_open,
	.start = etcd_start,
	.stop = etcd_stop,
	.trouble = etcd_trouble,
	.close = etcd_close,
};
