/* SPDX-License-Identifier: MIT */
/*
 * What the node of this host says of itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "status.h"

#define ANSWER_MS	5000

struct ask {
	struct kecho_msg msg;
	struct kecho_ctl_status st;
};

/* As kecho_open() would choose: to the kernel's node, if it is not told otherwise. */
static bool kernel_wanted(bool *only)
{
	const char *how = getenv("KECHO");

	*only = how && !strcmp(how, "kernel");
	return !how || !*how || *only;
}

/* ----------------------------------------------------------------- kecho.ko */

static int ask_kernel(int fd, struct ask *m)
{
	union {
		struct ask m;
		char room[KECHO_MSG_MAX];
	} a;
	struct kecho_dev_receive answer = { .buf = (uintptr_t)&a };
	ssize_t n = write(fd, m, sizeof(*m));

	n = n < 0 ? n : ioctl(fd, KECHO_DEV_RECEIVE, &answer);
	if (n != (ssize_t)sizeof(a.m) || a.m.msg.result) {
		complain("%s gives no status", KECHO_DEV);
		return -EPROTO;
	}
	*m = a.m;
	return 0;
}

/* ------------------------------------------------------------------- kechod */

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

static int ask_kechod(int fd, struct ask *m)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = send(fd, m, sizeof(*m), MSG_NOSIGNAL);

	if (n == (ssize_t)sizeof(*m) && poll(&p, 1, ANSWER_MS) == 0) {
		complain("the node on %s does not answer", socket_path());
		return -ETIMEDOUT;
	}
	n = n < 0 ? n : recv(fd, m, sizeof(*m), MSG_DONTWAIT);
	if (n != (ssize_t)sizeof(*m) || m->msg.result) {
		complain("the node on %s gives no status", socket_path());
		return -EPROTO;
	}
	return 0;
}

/* ----------------------------------------------------------------------------- */

/* The first that is there. Returns 0, or -errno after complaining. */
static int ask_node(struct ask *m, bool may_miss)
{
	bool only, kernel = kernel_wanted(&only);
	int fd = kernel ? open(KECHO_DEV, O_RDWR | O_CLOEXEC) : -1;
	int err = -errno;

	if (fd < 0 && kernel && (only || err != -ENOENT)) {
		if (!may_miss || err != -ENOENT)
			complain("%s: %s", KECHO_DEV, strerror(-err));
		return err;
	}
	kernel = fd >= 0;
	if (!kernel)
		fd = dial(may_miss);
	if (fd < 0)
		return fd;
	err = kernel ? ask_kernel(fd, m) : ask_kechod(fd, m);
	close(fd);
	return err;
}

int status_get(struct kecho_ctl_status *st, bool may_miss)
{
	struct ask m = { .msg = { .cmd = KECHO_CMD_STATUS, .serial = 1, .len = sizeof(m.st) } };
	int err = ask_node(&m, may_miss);

	if (err)
		return err;
	*st = m.st;
	st->version[sizeof(st->version) - 1] = st->name[sizeof(st->name) - 1] = 0;
	st->listen[sizeof(st->listen) - 1] = st->registry[sizeof(st->registry) - 1] = 0;
	return 0;
}
