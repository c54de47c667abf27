/* SPDX-License-Identifier: MIT */
/*
 * Floor: raw TCP, one connection per sink. The first of the two transports makes
 * one sendmsg per sink and event, the second one writev per sink for all events of
 * a publish(). A sink reads as much as is there and cuts it by the agreed length.
 *
 * The third is the first for a process that could do something else too: it waits in
 * epoll, as who has more than one connection must, and has a second thread, asleep,
 * which makes each system call on a descriptor count its users.
 */
#include "floor.h"
#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_SIZE	(128u << 10)

struct tcp {
	struct stream stream;
	size_t len;
	unsigned char *buf;	/* a sink's; the unread is at [start, end) */
	size_t start, end;
	int epoll;		/* of a loop's sink; -1: none */
	pthread_t idle;
	bool idles;
};

static int tcp_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct tcp *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->len = len;
	t->epoll = -1;
	err = stream_listen(&t->stream, nsinks);
	if (err) {
		free(t);
		return err;
	}
	*state = t;
	return 0;
}

static int tcp_attach(void *state, unsigned int sink)
{
	struct tcp *t = state;

	(void)sink;
	t->buf = malloc(READ_SIZE);
	return t->buf ? stream_connect(&t->stream) : -ENOMEM;
}

static int tcp_connect(void *state)
{
	struct tcp *t = state;

	return stream_accept(&t->stream);
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int add_idle_thread(struct tcp *t)
{
	int err = pthread_create(&t->idle, NULL, idle, NULL);

	t->idles = !err;
	return -err;
}

static int loop_attach(void *state, unsigned int sink)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct tcp *t = state;
	int err = tcp_attach(state, sink);

	if (err)
		return err;
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll < 0 || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->stream.mine, &ev))
		return -errno;
	return add_idle_thread(t);
}

static int loop_connect(void *state)
{
	int err = tcp_connect(state);

	return err ? err : add_idle_thread(state);
}

static int write_to_all(struct tcp *t, const struct iovec *events, size_t n)
{
	struct iovec iov[TRANSPORT_BATCH_MAX];
	unsigned int i;
	int err;

	for (i = 0; i < t->stream.nsinks; i++) {
		memcpy(iov, events, n * sizeof(*iov));
		err = stream_write(t->stream.fd[i], iov, n);
		if (err)
			return err;
	}
	return 0;
}

static int tcp_publish_batch(void *state, const struct iovec *events, size_t n)
{
	return n <= TRANSPORT_BATCH_MAX ? write_to_all(state, events, n) : -EINVAL;
}

static int tcp_publish_each(void *state, const struct iovec *events, size_t n)
{
	size_t i;
	int err;

	for (i = 0; i < n; i++) {
		err = write_to_all(state, &events[i], 1);
		if (err)
			return err;
	}
	return 0;
}

static int fill(struct tcp *t)
{
	ssize_t n;

	memmove(t->buf, t->buf + t->start, t->end - t->start);
	t->end -= t->start;
	t->start = 0;
	while (t->end < t->len) {
		n = stream_read(t->stream.mine, t->buf + t->end, READ_SIZE - t->end);
		if (n < 0)
			return (int)n;
		t->end += (size_t)n;
	}
	return 0;
}

static ssize_t tcp_receive(void *state, struct iovec *events, size_t max)
{
	struct tcp *t = state;
	size_t n;
	int err;

	if (t->end - t->start < t->len) {
		err = fill(t);
		if (err)
			return err;
	}
	for (n = 0; n < max && t->end - t->start >= t->len; n++) {
		events[n] = (struct iovec){ t->buf + t->start, t->len };
		t->start += t->len;
	}
	return (ssize_t)n;
}

static ssize_t loop_receive(void *state, struct iovec *events, size_t max)
{
	struct epoll_event ev;
	struct tcp *t = state;

	if (t->end - t->start < t->len && epoll_wait(t->epoll, &ev, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return tcp_receive(state, events, max);
}

static void tcp_release(void *state)
{
	struct tcp *t = state;

	if (t->idles && !pthread_cancel(t->idle))
		pthread_join(t->idle, NULL);
	if (t->epoll >= 0)
		close(t->epoll);
	stream_close(&t->stream);
	free(t->buf);
	free(t);
}

const struct transport floor_tcp = {
	.name = "TCP, one sendmsg per sink",
	.prepare = tcp_prepare,
	.attach = tcp_attach,
	.connect = tcp_connect,
	.publish = tcp_publish_each,
	.receive = tcp_receive,
	.release = tcp_release,
};

const struct transport floor_tcp_batch = {
	.name = "TCP, writev of 64",
	.prepare = tcp_prepare,
	.attach = tcp_attach,
	.connect = tcp_connect,
	.publish = tcp_publish_batch,
	.receive = tcp_receive,
	.release = tcp_release,
};

const struct transport floor_tcp_loop = {
	.name = "TCP, epoll, a second thread",
	.prepare = tcp_prepare,
	.attach = loop_attach,
	.connect = loop_connect,
	.publish = tcp_publish_each,
	.receive = loop_receive,
	.release = tcp_release,
};
