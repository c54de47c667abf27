/* SPDX-License-Identifier: MIT */
/* TCP connections of the baselines; see stream.h. */
#include "stream.h"
#include "hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int set_nodelay(int fd)
{
	int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ? -errno : 0;
}

int stream_listen(struct stream *s, unsigned int nsinks)
{
	struct timeval limit = { .tv_sec = TRANSPORT_TIMEOUT_S };
	socklen_t size = sizeof(s->addr);
	unsigned int i;
	int fd, err;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	s->addr = (struct sockaddr_in){ .sin_family = AF_INET };
	inet_pton(AF_INET, hosts_address(HOST_PUBLISHER), &s->addr.sin_addr);
	/* accept() takes its time limit from the receive timeout. */
	if (bind(fd, (struct sockaddr *)&s->addr, size) || listen(fd, (int)nsinks) ||
	    getsockname(fd, (struct sockaddr *)&s->addr, &size) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))) {
		err = -errno;
		close(fd);
		return err;
	}
	s->listener = fd;
	s->nsinks = nsinks;
	s->mine = -1;
	for (i = 0; i < TRANSPORT_SINKS_MAX; i++)
		s->fd[i] = -1;
	return 0;
}

int stream_limit_send(int fd)
{
	struct timeval limit = { .tv_sec = TRANSPORT_TIMEOUT_S };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ? -errno : 0;
}

int stream_connect(struct stream *s)
{
	int fd;

	/* A copy of the listener here would keep the port open after its owner. */
	close(s->listener);
	s->listener = -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	s->mine = fd;
	if (connect(fd, (struct sockaddr *)&s->addr, sizeof(s->addr)))
		return -errno;
	return set_nodelay(fd);
}

int stream_accept(struct stream *s)
{
	unsigned int i;
	int err;

	for (i = 0; i < s->nsinks; i++) {
		s->fd[i] = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (s->fd[i] < 0)
			return -errno;
		err = set_nodelay(s->fd[i]);
		if (!err)
			err = stream_limit_send(s->fd[i]);
		if (err)
			return err;
	}
	return 0;
}

void stream_close(struct stream *s)
{
	unsigned int i;

	for (i = 0; i < TRANSPORT_SINKS_MAX; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	if (s->mine >= 0)
		close(s->mine);
	if (s->listener >= 0)
		close(s->listener);
}

int stream_write(int fd, struct iovec *iov, size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t done;

	while (msg.msg_iovlen) {
		done = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		while (msg.msg_iovlen && (size_t)done >= msg.msg_iov->iov_len) {
			done -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + done;
			msg.msg_iov->iov_len -= (size_t)done;
		}
	}
	return 0;
}

ssize_t stream_read(int fd, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, buf, size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? n : -EPIPE;
}
