/* SPDX-License-Identifier: MIT */
/*
 * ZeroMQ: the publisher has an XPUB socket, which is PUB and tells it of subscriptions,
 * so that it can wait for them; each sink a SUB socket. The library has a thread that
 * sends and receives in each process.
 */
#include "../hosts.h"
#include "../transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define HIGH_WATER	0	/* none: with one of four windows it drops events */
#define BATCH		64	/* events of one receive() */
#define LIMIT_MS	(TRANSPORT_TIMEOUT_S * 1000)

struct zmq {
	unsigned int nsinks;
	char address[64];
	void *context, *socket;
	zmq_msg_t msg[BATCH];
	size_t held;	/* of msg */
};

static int explain(const char *what)
{
	int err = zmq_errno() > 0 ? -zmq_errno() : -EIO;

	fprintf(stderr, "zmq: can't %s: %s\n", what, zmq_strerror(-err));
	return err;
}

static int prepare(void **state, unsigned int nsinks, bool tcp)
{
	struct zmq *z = calloc(1, sizeof(*z));

	if (!z)
		return -ENOMEM;
	z->nsinks = nsinks;
	if (tcp)
		snprintf(z->address, sizeof(z->address), "tcp://%s:5555",
			 hosts_address(HOST_PUBLISHER));
	else
		snprintf(z->address, sizeof(z->address), "ipc:///dev/shm/zmq.sock");
	*state = z;
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

static int open_socket(struct zmq *z, int type)
{
	int high_water = HIGH_WATER, no_linger = 0;

	z->context = zmq_ctx_new();
	z->socket = z->context ? zmq_socket(z->context, type) : NULL;
	if (!z->socket || zmq_setsockopt(z->socket, ZMQ_SNDHWM, &high_water, sizeof(int)) ||
	    zmq_setsockopt(z->socket, ZMQ_RCVHWM, &high_water, sizeof(int)) ||
	    zmq_setsockopt(z->socket, ZMQ_LINGER, &no_linger, sizeof(int)))
		return explain("open a socket");
	return 0;
}

/* To what begins with these bytes. */
static int subscribe(struct zmq *z, const void *prefix, size_t len)
{
	int err = open_socket(z, ZMQ_SUB);

	if (err)
		return err;
	if (zmq_setsockopt(z->socket, ZMQ_SUBSCRIBE, prefix, len) ||
	    zmq_connect(z->socket, z->address))
		return explain("subscribe");
	return 0;
}

static int attach(void *state, unsigned int sink)
{
	(void)sink;
	return subscribe(state, "", 0);
}

static int attach_subject(void *state, unsigned int subject)
{
	const uint32_t prefix = subject;

	return subscribe(state, &prefix, sizeof(prefix));
}

/* A sink's subscription is a message; until it is here the sink gets nothing. */
static int connect_all(void *state)
{
	struct zmq *z = state;
	unsigned int i;
	int err, limit_ms = LIMIT_MS, all = 1;
	char message[8];

	err = open_socket(z, ZMQ_XPUB);
	if (err)
		return err;
	/* Each, not only the first of equal ones. */
	if (zmq_setsockopt(z->socket, ZMQ_XPUB_VERBOSE, &all, sizeof(all)) ||
	    zmq_setsockopt(z->socket, ZMQ_RCVTIMEO, &limit_ms, sizeof(limit_ms)) ||
	    zmq_bind(z->socket, z->address))
		return explain("bind");
	for (i = 0; i < z->nsinks; i++)
		if (zmq_recv(z->socket, message, sizeof(message), 0) < 0)
			return explain("get a subscription");
	return 0;
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct zmq *z = state;
	size_t i;

	for (i = 0; i < n; i++)
		if (zmq_send(z->socket, events[i].iov_base, events[i].iov_len, 0) < 0)
			return explain("send");
	return 0;
}

static void let_go(struct zmq *z)
{
	while (z->held)
		zmq_msg_close(&z->msg[--z->held]);
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct zmq *z = state;
	zmq_msg_t *m;
	size_t n;

	let_go(z);
	for (n = 0; n < max && n < BATCH; n++) {
		m = &z->msg[n];
		zmq_msg_init(m);
		if (zmq_msg_recv(m, z->socket, n ? ZMQ_DONTWAIT : 0) < 0) {
			zmq_msg_close(m);
			if (n && zmq_errno() == EAGAIN)
				break;
			return explain("receive");
		}
		z->held = n + 1;
		events[n] = (struct iovec){ zmq_msg_data(m), zmq_msg_size(m) };
	}
	return (ssize_t)n;
}

static void release(void *state)
{
	struct zmq *z = state;

	let_go(z);
	if (z->socket)
		zmq_close(z->socket);
	if (z->context)
		zmq_ctx_term(z->context);
	free(z);
}

const struct transport zmq_ipc = {
	.name = "zmq-ipc",
	.lossy = true,
	.prepare = ipc_prepare,
	.attach = attach,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};

const struct transport zmq_tcp = {
	.name = "zmq-tcp",
	.lossy = true,
	.prepare = tcp_prepare,
	.attach = attach,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};

const struct transport zmq_ipc_subjects = {
	.name = "zmq-ipc, subjects",
	.lossy = true,
	.prepare = ipc_prepare,
	.attach = attach_subject,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};

const struct transport zmq_tcp_subjects = {
	.name = "zmq-tcp, subjects",
	.lossy = true,
	.prepare = tcp_prepare,
	.attach = attach_subject,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};
