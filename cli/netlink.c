/* SPDX-License-Identifier: MIT */
/*
 * A multicast netlink socket as a feed.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "cli.h"
#include "netlink.h"

#define RECEIVE_BUFFER	(1 << 20)	/* bytes in the socket before the kernel drops */

int netlink_open(struct feed *f, int protocol, uint32_t groups)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
	const int size = RECEIVE_BUFFER;
	int err;

	f->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (f->fd < 0) {
		err = -errno;
		complain("cannot open a netlink socket for %s: %s", f->kind->name,
			 strerror(errno));
		return err;
	}
	/* A smaller buffer only overruns sooner, and that is told. */
	setsockopt(f->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(f->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return 0;
	err = -errno;
	complain("cannot listen to the kernel's %s events: %s", f->kind->name, strerror(errno));
	close(f->fd);
	f->fd = -1;
	return err;
}

ssize_t netlink_receive(struct feed *f, void *to, size_t size)
{
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t n;

	for (;;) {
		from_len = sizeof(from);
		n = recvfrom(f->fd, to, size, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno == ENOBUFS)
			return -ENOBUFS;
		if (n < 0) {
			n = -errno;
			complain("cannot read the kernel's %s events: %s", f->kind->name,
				 strerror(errno));
			return n;
		}
		if (from_len != sizeof(from) || from.nl_pid != 0 || n == 0)
			continue;
		/* Cut off: as good as dropped. */
		return (size_t)n > size ? -ENOBUFS : n;
	}
}

int netlink_overrun(struct feed *f, struct buf *payload)
{
	struct json j = payload_begin(f, payload);

	json_bool(&j, "overrun", true);
	return payload_end(&j);
}
