/* SPDX-License-Identifier: MIT */
/*
 * What the node of this host says of itself.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "status.h"

#define ANSWER_MS	5000

static const char *socket_path(void)
{
	const char *path = getenv("KECHO_SOCKET");

	return path && *path ? path : KECHO_NODE_SOCKET;
}

static int dial(bool may_miss)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = socket_path();
	int fd, err;

	if (strlen(path) >= sizeof(a.sun_path)) {
		complain("KECHO_SOCKET: '%.40s…' is too long a name", path);
		return -ENAMETOOLONG;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	err = -errno;
	if (!may_miss || (err != -ENOENT && err != -ECONNREFUSED))
		complain("no node answers on %s: %s", path, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

/* Returns 0, or -errno after complaining. */
static int ask(int fd, struct kecho_ctl_status *st)
{
	struct {
		struct kecho_msg msg;
		struct kecho_ctl_status st;
	} m = { .msg = { .cmd = KECHO_CMD_STATUS, .serial = 1, .len = sizeof(m.st) } };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = send(fd, &m, sizeof(m), MSG_NOSIGNAL);

	if (n == (ssize_t)sizeof(m) && poll(&p, 1, ANSWER_MS) == 0) {
		complain("the node on %s does not answer", socket_path());
		return -ETIMEDOUT;
	}
	n = n < 0 ? n : recv(fd, &m, sizeof(m), MSG_DONTWAIT);
	if (n != (ssize_t)sizeof(m) || m.msg.result) {
		complain("the node on %s gives no status", socket_path());
		return -EPROTO;
	}
	*st = m.st;
	return 0;
}

int status_get(struct kecho_ctl_status *st, bool may_miss)
{
	int fd = dial(may_miss), err;

	if (fd < 0)
		return fd;
	err = ask(fd, st);
	close(fd);
	if (err)
		return err;
	st->version[sizeof(st->version) - 1] = st->name[sizeof(st->name) - 1] = 0;
	st->listen[sizeof(st->listen) - 1] = st->registry[sizeof(st->registry) - 1] = 0;
	return 0;
}
