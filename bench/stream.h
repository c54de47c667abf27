/* SPDX-License-Identifier: MIT */
/*
 * TCP connections from one publisher to its sinks, over loopback or between hosts, as the TCP
 * floor and the ECho baseline use them: the publisher accepts, each sink
 * connects, Nagle's algorithm is off.
 */
#ifndef KECHO_BENCH_STREAM_H
#define KECHO_BENCH_STREAM_H

#include "transport.h"

#include <netinet/in.h>

struct stream {
	int listener;
	struct sockaddr_in addr;
	unsigned int nsinks;
	int fd[TRANSPORT_SINKS_MAX];	/* the publisher's; -1: none */
	int mine;			/* a sink's own; -1: none */
};

/* All return 0 or -errno. stream_listen() leaves nothing behind when it fails;
 * after it stream_close() ends everything. */
int stream_listen(struct stream *s, unsigned int nsinks);
int stream_connect(struct stream *s);	/* in a sink */
int stream_accept(struct stream *s);	/* in the publisher: all sinks */
void stream_close(struct stream *s);

/* A send on @fd that stands still for TRANSPORT_TIMEOUT_S fails instead of hanging. */
int stream_limit_send(int fd);

/* Write all of @iov, in one system call unless the kernel cuts it; uses @iov up.
 * -ETIMEDOUT: the other side does not read. */
int stream_write(int fd, struct iovec *iov, size_t n);

/* Read at least one byte. -EPIPE: the other side closed. */
ssize_t stream_read(int fd, void *buf, size_t size);

#endif
