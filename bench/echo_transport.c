/* SPDX-License-Identifier: MIT */
/*
 * The baseline that the KECho paper measured its kernel against: user-level
 * ECho. One TCP connection per sink; for each sink and event two system calls, the
 * event's header and then its body; the receiving side waits in select() and
 * reads header and body by a system call each.
 */
#include "echo.h"
#include "stream.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/select.h>

#define ECHO_MAGIC	0x6f686365u

struct header {
	uint32_t magic;
	uint32_t channel;
	uint32_t len;
	uint32_t format;
};

struct echo {
	struct stream stream;
	size_t len;
	unsigned char *buf;
};

static void echo_release(void *state)
{
	struct echo *e = state;

	stream_close(&e->stream);
	free(e->buf);
	free(e);
}

static int echo_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct echo *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	if (!e)
		return err;
	e->len = len;
	e->buf = malloc(len);
	if (!e->buf)
		goto free_echo;
	err = stream_listen(&e->stream, nsinks);
	if (err)
		goto free_buf;
	*state = e;
	return 0;
free_buf:
	free(e->buf);
free_echo:
	free(e);
	return err;
}

static int echo_attach(void *state, unsigned int sink)
{
	struct echo *e = state;
	int err;

	(void)sink;
	err = stream_connect(&e->stream);
	if (err)
		return err;
	return e->stream.mine < FD_SETSIZE ? 0 : -EMFILE;
}

static int echo_connect(void *state)
{
	struct echo *e = state;

	return stream_accept(&e->stream);
}

static int send_event(int fd, const struct iovec *event)
{
	struct header h = { .magic = ECHO_MAGIC, .len = (uint32_t)event->iov_len };
	struct iovec head = { &h, sizeof(h) }, body = *event;
	int err;

	err = stream_write(fd, &head, 1);
	return err ? err : stream_write(fd, &body, 1);
}

static int echo_publish(void *state, const struct iovec *events, size_t n)
{
	struct echo *e = state;
	unsigned int i;
	size_t k;
	int err;

	for (k = 0; k < n; k++) {
		for (i = 0; i < e->stream.nsinks; i++) {
			err = send_event(e->stream.fd[i], &events[k]);
			if (err)
				return err;
		}
	}
	return 0;
}

static int read_all(int fd, void *buf, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = stream_read(fd, (char *)buf + got, len - got);
		if (n < 0)
			return (int)n;
		got += (size_t)n;
	}
	return 0;
}

static int await_readable(int fd)
{
	fd_set set;
	int n;

	do {
		FD_ZERO(&set);
		FD_SET(fd, &set);
		n = select(fd + 1, &set, NULL, NULL, NULL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static ssize_t echo_receive(void *state, struct iovec *events, size_t max)
{
	struct echo *e = state;
	struct header h;
	int err;

	(void)max;
	err = await_readable(e->stream.mine);
	if (!err)
		err = read_all(e->stream.mine, &h, sizeof(h));
	if (!err && (h.magic != ECHO_MAGIC || h.len > e->len))
		err = -EPROTO;
	if (!err)
		err = read_all(e->stream.mine, e->buf, h.len);
	if (err)
		return err;
	events[0] = (struct iovec){ e->buf, h.len };
	return 1;
}

const struct transport echo_transport = {
	.name = "ECho, two writes per sink",
	.prepare = echo_prepare,
	.attach = echo_attach,
	.connect = echo_connect,
	.publish = echo_publish,
	.receive = echo_receive,
	.release = echo_release,
};
