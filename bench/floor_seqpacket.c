/* SPDX-License-Identifier: MIT */
/*
 * Floor: one Unix SOCK_SEQPACKET pair per sink, one send per sink and event, one
 * recv per event.
 */
#include "floor.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct seqpacket {
	unsigned int nsinks;
	int out[TRANSPORT_SINKS_MAX], in[TRANSPORT_SINKS_MAX];	/* -1: closed */
	int mine;
	size_t len;
	unsigned char *buf;
};

static void close_all(int *fd, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

static void seqpacket_release(void *state)
{
	struct seqpacket *s = state;

	close_all(s->out, s->nsinks);
	close_all(s->in, s->nsinks);
	free(s->buf);
	free(s);
}

static int seqpacket_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct seqpacket *s = calloc(1, sizeof(*s));
	int pair[2], err;

	if (!s)
		return -ENOMEM;
	s->len = len;
	s->buf = malloc(len);
	if (!s->buf) {
		err = -ENOMEM;
		goto release;
	}
	for (; s->nsinks < nsinks; s->nsinks++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
			err = -errno;
			goto release;
		}
		s->out[s->nsinks] = pair[0];
		s->in[s->nsinks] = pair[1];
		err = stream_limit_send(pair[0]);
		if (err) {
			s->nsinks++;
			goto release;
		}
	}
	*state = s;
	return 0;
release:
	seqpacket_release(s);
	return err;
}

static int seqpacket_attach(void *state, unsigned int sink)
{
	struct seqpacket *s = state;

	/* Only with the copies of the other ends closed does a peer's death show. */
	s->mine = s->in[sink];
	close_all(s->out, s->nsinks);
	close_all(s->in, sink);
	close_all(s->in + sink + 1, s->nsinks - sink - 1);
	return 0;
}

static int seqpacket_connect(void *state)
{
	struct seqpacket *s = state;

	close_all(s->in, s->nsinks);
	return 0;
}

static int seqpacket_publish(void *state, const struct iovec *events, size_t n)
{
	struct seqpacket *s = state;
	struct iovec one;
	unsigned int i;
	size_t k;
	int err;

	for (k = 0; k < n; k++) {
		for (i = 0; i < s->nsinks; i++) {
			one = events[k];
			err = stream_write(s->out[i], &one, 1);
			if (err)
				return err;
		}
	}
	return 0;
}

static ssize_t seqpacket_receive(void *state, struct iovec *events, size_t max)
{
	struct seqpacket *s = state;
	ssize_t n;

	(void)max;
	n = stream_read(s->mine, s->buf, s->len);
	if (n < 0)
		return n;
	events[0] = (struct iovec){ s->buf, (size_t)n };
	return 1;
}

const struct transport floor_seqpacket = {
	.name = "Unix SEQPACKET",
	.prepare = seqpacket_prepare,
	.attach = seqpacket_attach,
	.connect = seqpacket_connect,
	.publish = seqpacket_publish,
	.receive = seqpacket_receive,
	.release = seqpacket_release,
};
