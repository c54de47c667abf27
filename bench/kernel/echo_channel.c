/* SPDX-License-Identifier: MIT */
/* Channels of ECho; see echo_channel.h. */
#include "echo_channel.h"
#include "../hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <unistd.h>

#define CHANNELS_MAX	128
#define NAME_SIZE	32

enum what { CREATE = 1, LOOK_UP, JOIN, ANSWER };

struct header {
	uint32_t what, len;
};

struct body {
	char name[NAME_SIZE];
	struct sockaddr_in contact;
};

/* -------------------------------------------------------------------------- messages */

static int read_whole(int fd, void *to, size_t len)
{
	ssize_t n = recv(fd, to, len, MSG_WAITALL);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EPIPE;
}

static int put(int fd, enum what what, const struct body *b)
{
	struct header h = { what, sizeof(*b) };

	if (send(fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h) ||
	    send(fd, b, sizeof(*b), MSG_NOSIGNAL) != sizeof(*b))
		return -EPIPE;
	return 0;
}

static int get(int fd, struct body *b)
{
	struct header h;
	int err = read_whole(fd, &h, sizeof(h));

	if (err)
		return err;
	err = h.len == sizeof(*b) ? read_whole(fd, b, sizeof(*b)) : -EPROTO;
	return err ? err : (int)h.what;
}

/* As ECho waits for anything. */
static int await(int fd, struct timeval *limit)
{
	fd_set set;
	int n;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	n = select(fd + 1, &set, NULL, NULL, limit);
	return n < 0 ? -errno : n;
}

int echo_poll(int fd)
{
	struct timeval now = { 0 };

	return await(fd, &now);
}

static int dial(const struct sockaddr_in *to)
{
	int on = 1, err, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)) &&
	    !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* The connection on which the answer came. */
static int ask(const struct sockaddr_in *whom, enum what what, struct body *b)
{
	int fd = dial(whom), err;

	if (fd < 0)
		return fd;
	err = put(fd, what, b);
	if (!err)
		err = await(fd, NULL);
	if (err >= 0)
		err = get(fd, b);
	if (err == ANSWER)
		return fd;
	close(fd);
	return err < 0 ? err : -EPROTO;
}

static int listen_at(const char *address, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int err, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	*at = (struct sockaddr_in){ .sin_family = AF_INET };
	inet_pton(AF_INET, address, &at->sin_addr);
	if (!bind(fd, (struct sockaddr *)at, size) && !listen(fd, SOMAXCONN) &&
	    !getsockname(fd, (struct sockaddr *)at, &size))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* ------------------------------------------------------------------------ the server */

static int serve_one(int fd, struct body *known, unsigned int *n)
{
	unsigned int i;
	struct body b;
	int what = get(fd, &b);

	if (what < 0)
		return what;
	for (i = 0; i < *n && strcmp(known[i].name, b.name); i++)
		;
	if (i == CHANNELS_MAX)
		return -ENOSPC;
	if (what == CREATE) {
		known[i] = b;
		*n += i == *n;
	} else if (i < *n) {
		b = known[i];
	}
	return put(fd, ANSWER, &b);
}

static int serve(int listener)
{
	static struct body known[CHANNELS_MAX];
	unsigned int n = 0;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve_one(fd, known, &n);
		close(fd);
	}
	return 1;
}

pid_t echo_server(struct sockaddr_in *at)
{
	int fd = listen_at(hosts_address(HOST_PUBLISHER), at);
	pid_t pid;

	if (fd < 0)
		return fd;
	pid = fork();
	if (!pid)
		_exit(serve(fd));
	close(fd);
	return pid < 0 ? -errno : pid;
}

/* -------------------------------------------------------------------------- channels */

int echo_create(const struct sockaddr_in *server, const char *address, const char *name)
{
	struct body b = { 0 };
	int fd, listener;

	strncpy(b.name, name, sizeof(b.name) - 1);
	listener = listen_at(address, &b.contact);
	if (listener < 0)
		return listener;
	fd = ask(server, CREATE, &b);
	if (fd < 0) {
		close(listener);
		return fd;
	}
	close(fd);
	return listener;
}

int echo_open(const struct sockaddr_in *server, const char *name)
{
	struct body b = { 0 };
	int fd;

	strncpy(b.name, name, sizeof(b.name) - 1);
	fd = ask(server, LOOK_UP, &b);
	if (fd < 0)
		return fd;
	close(fd);
	return ask(&b.contact, JOIN, &b);
}

int echo_serve(const int *listener, unsigned int n)
{
	struct pollfd p[CHANNELS_MAX];
	struct body b;
	unsigned int i;
	int fd;

	for (i = 0; i < n && i < CHANNELS_MAX; i++)
		p[i] = (struct pollfd){ .fd = listener[i], .events = POLLIN };
	n = i;
	while (poll(p, n, -1) > 0) {
		for (i = 0; i < n; i++) {
			if (!p[i].revents)
				continue;
			fd = accept4(p[i].fd, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0 && get(fd, &b) == JOIN)
				put(fd, ANSWER, &b);
		}
	}
	return -errno;
}
