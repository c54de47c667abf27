/* SPDX-License-Identifier: MIT */
/*
 * Serving metrics by HTTP, with libmicrohttpd, in one thread: while it looks, other
 * clients wait, and each look has its time limit. Nothing here can hold up a node: that
 * is other threads' work, or another process's.
 *
 * A connection is for one request, and is ended when it has lasted for CONNECTION_S: who
 * sends or reads slowly does not keep the place of others.
 */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "cli.h"
#include "metrics.h"
#include "openmetrics.h"
#include "stop.h"

#define CONNECTIONS_MAX	32	/* more wait to be accepted */
#define CONNECTION_S	5
#define MEMORY_MAX	16384	/* bytes of a request, and what it needs */
#define BACKLOG		128
#define FRESH_NS	100000000u	/* who asks again within this gets the same */
#define PRUNE_NS	2000000000u	/* how often empty channels are looked for */

struct connection {
	int fd;			/* -1: none */
	uint64_t since_ns;
};

struct server {
	struct sight *s;
	struct buf text;
	uint64_t text_ns;	/* when it was looked; 0: never */
	struct connection c[CONNECTIONS_MAX];
};

/* ------------------------------------------------------------------ requests */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned int code, const char *type,
			      const char *text, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text,
								 MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(c, code, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned int code, const char *text)
{
	return answer(c, code, "text/plain; charset=utf-8", text, strlen(text));
}

/* Returns 0, or -errno after complaining. */
static int refresh(struct server *sv)
{
	uint64_t now = now_ns();
	int err;

	if (sv->text_ns && now - sv->text_ns < FRESH_NS)
		return 0;
	buf_reset(&sv->text);
	sv->text_ns = 0;
	err = metrics_look(&sv->text, sv->s);
	if (!err)
		sv->text_ns = now_ns();
	return err;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_len, void **request)
{
	static int seen;	/* that it is there is all that it says */
	struct server *sv = arg;

	(void)version;
	(void)body;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "there is GET and HEAD\n");
	/* The first call is for the head, and more may come. */
	if (!*request) {
		*request = &seen;
		return MHD_YES;
	}
	if (*body_len) {
		*body_len = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/metrics"))
		return refuse(c, MHD_HTTP_NOT_FOUND, "there is /metrics\n");
	if (refresh(sv))
		return refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			      "not all could be seen: the log of kecho metrics says why\n");
	return answer(c, MHD_HTTP_OK, OPENMETRICS_TYPE, sv->text.p, sv->text.len);
}

/* --------------------------------------------------------------- connections */

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info;
	struct server *sv = arg;
	struct connection *own = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (own)
			own->fd = -1;
		return;
	}
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (own = sv->c; info && own < sv->c + CONNECTIONS_MAX; own++) {
		if (own->fd >= 0)
			continue;
		own->fd = info->connect_fd;
		own->since_ns = now_ns();
		*context = own;
		return;
	}
}

/* libmicrohttpd sees that they are shut, and closes them. Returns when the next is due. */
static uint64_t end_old(struct server *sv)
{
	uint64_t now = now_ns(), next = FOREVER_NS;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		uint64_t due = sv->c[i].since_ns + CONNECTION_S * 1000000000ull;

		if (sv->c[i].fd < 0)
			continue;
		if (due <= now)
			shutdown(sv->c[i].fd, SHUT_RDWR);
		else if (due < next)
			next = due;
	}
	return next;
}

/* -------------------------------------------------------------------- serving */

static int bind_at(const struct sockaddr_storage *a, socklen_t len)
{
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	const int on = 1;
	char text[64];

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, (const struct sockaddr *)a, len) && !listen(fd, BACKLOG))
		return fd;
	err = -errno;
	address_print(a, text, sizeof(text));
	complain("cannot listen on %s: %s", text, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

/* With the port that it was given, if the caller left that to the system. */
static void tell(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char text[64];

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		return;
	address_print(&a, text, sizeof(text));
	complain("serves http://%s/metrics", text);
}

/* What it would log is of clients, who are told. */
static struct MHD_Daemon *start(struct server *sv, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, sv,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)CONNECTION_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, sv, MHD_OPTION_END);
}

/* When libmicrohttpd wants to run, or we have something to do. */
static int wait_ms(struct MHD_Daemon *d, uint64_t due_ns)
{
	int ours = poll_ms(due_ns);
	MHD_UNSIGNED_LONG_LONG its;

	if (MHD_get_timeout(d, &its) != MHD_YES || its >= (unsigned int)ours)
		return ours;
	return (int)its;
}

static void run(struct server *sv, struct MHD_Daemon *d)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd p[] = {
		{ .fd = info->epoll_fd, .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};
	uint64_t prune = now_ns() + PRUNE_NS, old;

	while (!stopped()) {
		old = end_old(sv);
		poll(p, 2, wait_ms(d, old < prune ? old : prune));
		MHD_run(d);
		if (now_ns() < prune)
			continue;
		sight_prune(sv->s);
		prune = now_ns() + PRUNE_NS;
	}
}

int metrics_serve(struct sight *s, const struct sockaddr_storage *a, socklen_t len)
{
	struct server sv = { .s = s };
	struct MHD_Daemon *d;
	int fd = bind_at(a, len);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		sv.c[i].fd = -1;
	d = start(&sv, fd);
	if (!d) {
		complain("libmicrohttpd does not start");
		close(fd);
		return -EIO;
	}
	tell(fd);
	run(&sv, d);
	MHD_stop_daemon(d);	/* closes fd */
	buf_free(&sv.text);
	return 0;
}
