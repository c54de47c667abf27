/* SPDX-License-Identifier: MIT */
/*
 * nng: PUB0 and SUB0. Sinks filter for themselves, so one that is connected gets all. The
 * library's threads send and receive.
 */
#include "../hosts.h"
#include "../measure.h"
#include "../transport.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE	4096	/* events: more than are ever in flight */
#define BATCH	64	/* events of one receive() */

struct nng {
	unsigned int nsinks;
	char address[64];
	bool open;
	nng_socket socket;
	_Atomic unsigned int connected;
	nng_msg *msg[BATCH];
	size_t held;	/* of msg */
};

static int explain(const char *what, int rv)
{
	if (!rv)
		return 0;
	fprintf(stderr, "nng: can't %s: %s\n", what, nng_strerror(rv));
	return rv & NNG_ESYSERR ? -(rv & ~NNG_ESYSERR) : -EIO;
}

static int prepare(void **state, unsigned int nsinks, bool tcp)
{
	struct nng *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->nsinks = nsinks;
	if (tcp)
		snprintf(s->address, sizeof(s->address), "tcp://%s:5556",
			 hosts_address(HOST_PUBLISHER));
	else
		snprintf(s->address, sizeof(s->address), "ipc:///dev/shm/nng.sock");
	*state = s;
	return 0;
}

static int ipc_prepare(void **state, unsigned int nsinks, size_t len)
{
	(void)len;
	return prepare(state, nsinks, false);
}

static int tcp_prepare(void **state, unsigned int nsinks, size_t len)
{
	(void)len;
	return prepare(state, nsinks, true);
}

static int attach(void *state, unsigned int sink)
{
	struct nng *s = state;
	int rv = nng_sub0_open(&s->socket);

	(void)sink;
	if (rv)
		return explain("open a socket", rv);
	s->open = true;
	rv = nng_setopt_int(s->socket, NNG_OPT_RECVBUF, QUEUE);
	if (!rv)
		rv = nng_setopt_size(s->socket, NNG_OPT_RECVMAXSZ, 0);
	if (!rv)
		rv = nng_setopt(s->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
	/* The publisher may not listen yet: try until it does. */
	if (!rv)
		rv = nng_setopt_ms(s->socket, NNG_OPT_RECONNMINT, 10);
	if (!rv)
		rv = nng_dial(s->socket, s->address, NULL, NNG_FLAG_NONBLOCK);
	return explain("connect", rv);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *state)
{
	struct nng *s = state;

	(void)pipe;
	(void)event;
	atomic_fetch_add(&s->connected, 1);
}

static int connect_all(void *state)
{
	struct nng *s = state;
	uint64_t until = measure_now_ns() + TRANSPORT_TIMEOUT_S * MEASURE_NS_PER_S;
	int rv = nng_pub0_open(&s->socket);

	if (rv)
		return explain("open a socket", rv);
	s->open = true;
	rv = nng_setopt_int(s->socket, NNG_OPT_SENDBUF, QUEUE);
	if (!rv)
		rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_POST, on_pipe, s);
	if (!rv)
		rv = nng_listen(s->socket, s->address, NULL, 0);
	if (rv)
		return explain("listen", rv);
	while (atomic_load(&s->connected) < s->nsinks) {
		if (measure_now_ns() > until)
			return explain("get a sink's connection", NNG_ETIMEDOUT);
		usleep(1000);
	}
	return 0;
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct nng *s = state;
	size_t i;
	int rv;

	for (i = 0; i < n; i++) {
		rv = nng_send(s->socket, events[i].iov_base, events[i].iov_len, 0);
		if (rv)
			return explain("send", rv);
	}
	return 0;
}

static void let_go(struct nng *s)
{
	while (s->held)
		nng_msg_free(s->msg[--s->held]);
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct nng *s = state;
	size_t n;
	int rv;

	let_go(s);
	for (n = 0; n < max && n < BATCH; n++) {
		rv = nng_recvmsg(s->socket, &s->msg[n], n ? NNG_FLAG_NONBLOCK : 0);
		if (n && rv == NNG_EAGAIN)
			break;
		if (rv)
			return explain("receive", rv);
		s->held = n + 1;
		events[n] = (struct iovec){ nng_msg_body(s->msg[n]), nng_msg_len(s->msg[n]) };
	}
	return (ssize_t)n;
}

static void release(void *state)
{
	struct nng *s = state;

	let_go(s);
	if (s->open)
		nng_close(s->socket);
	free(s);
}

const struct transport nng_ipc = {
	.name = "nng-ipc",
	.lossy = true,
	.prepare = ipc_prepare,
	.attach = attach,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};

const struct transport nng_tcp = {
	.name = "nng-tcp",
	.lossy = true,
	.prepare = tcp_prepare,
	.attach = attach,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};
