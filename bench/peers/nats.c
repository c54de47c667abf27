/* SPDX-License-Identifier: MIT */
/*
 * NATS core, through a nats-server, with the C client.
 *
 * The client either sends each event at once, or leaves a buffer to a thread of its own;
 * that is a choice of a connection. So the publisher has one of each: for one event the
 * first, for more at a call the second. Before it changes from one to the other it waits
 * until the broker has had all of the old one: events keep their order.
 */
#include "broker.h"
#include "../hosts.h"
#include "../subject.h"
#include "../transport.h"

#include <errno.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>

#define SUBJECT		"events"
#define BATCH		64	/* events of one receive() */
#define LIMIT_MS	(TRANSPORT_TIMEOUT_S * 1000)
#define FOR_EVER_MS	3600000	/* of a wait for an event */

enum { AT_ONCE, BUFFERED, CONNECTIONS };

struct nats {
	struct broker broker;
	natsConnection *connection[CONNECTIONS];	/* a sink has the first */
	natsConnection *last;				/* that was used */
	natsSubscription *subscription;
	natsMsg *msg[BATCH];
	size_t held;	/* of msg */
	char subject[SUBJECTS][16];	/* their names */
};

static int explain(const char *what, natsStatus s)
{
	if (s == NATS_OK)
		return 0;
	fprintf(stderr, "nats: can't %s: %s\n", what, natsStatus_GetText(s));
	return -EIO;
}

static int prepare(void **state, unsigned int nsinks, size_t len)
{
	struct nats *n = calloc(1, sizeof(*n));
	char port[16];
	const char *argv[] = {
		"nats-server", "-a", hosts_address(HOST_PUBLISHER), "-p", port,
		"-l", "/dev/shm/nats.log", NULL,
	};
	int err;

	(void)nsinks;
	(void)len;
	if (!n)
		return -ENOMEM;
	snprintf(port, sizeof(port), "%d", BROKER_PORT);
	err = broker_start(&n->broker, argv, broker_listens);
	if (err)
		free(n);
	else
		*state = n;
	return err;
}

static int open_connection(natsConnection **c, bool at_once)
{
	natsOptions *o = NULL;
	char url[48];
	natsStatus s;

	snprintf(url, sizeof(url), "nats://%s:%d", hosts_address(HOST_PUBLISHER), BROKER_PORT);
	s = natsOptions_Create(&o);
	if (s == NATS_OK)
		s = natsOptions_SetURL(o, url);
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(o, at_once);
	if (s == NATS_OK)
		s = natsConnection_Connect(c, o);
	natsOptions_Destroy(o);
	return explain("connect", s);
}

static int subscribe(struct nats *n, const char *subject)
{
	natsStatus s;
	int err;

	n->broker.pid = 0;	/* it is the publisher's to stop */
	err = open_connection(&n->connection[0], true);
	if (err)
		return err;
	s = natsConnection_SubscribeSync(&n->subscription, n->connection[0], subject);
	/* A round trip: the broker knows of it. */
	if (s == NATS_OK)
		s = natsConnection_FlushTimeout(n->connection[0], LIMIT_MS);
	return explain("subscribe", s);
}

static int attach(void *state, unsigned int sink)
{
	(void)sink;
	return subscribe(state, SUBJECT);
}

static void name_subjects(struct nats *n)
{
	unsigned int i;

	for (i = 0; i < SUBJECTS; i++)
		snprintf(n->subject[i], sizeof(n->subject[i]), "%s.%u", SUBJECT, i);
}

static int attach_subject(void *state, unsigned int subject)
{
	struct nats *n = state;

	name_subjects(n);
	return subscribe(n, n->subject[subject]);
}

static int connect_both(void *state)
{
	struct nats *n = state;
	int i, err = 0;

	for (i = 0; i < CONNECTIONS && !err; i++)
		err = open_connection(&n->connection[i], i == AT_ONCE);
	return err;
}

/* To the subjects that they begin with, or all to one. */
static int publish_to(struct nats *s, const struct iovec *events, size_t n, bool by_subject)
{
	natsConnection *c = s->connection[n == 1 ? AT_ONCE : BUFFERED];
	natsStatus status = NATS_OK;
	const char *subject = SUBJECT;
	size_t i;

	if (s->last && s->last != c)
		status = natsConnection_FlushTimeout(s->last, LIMIT_MS);
	s->last = c;
	for (i = 0; i < n && status == NATS_OK; i++) {
		if (by_subject)
			subject = s->subject[subject_of(events[i].iov_base)];
		status = natsConnection_Publish(c, subject, events[i].iov_base,
						(int)events[i].iov_len);
	}
	return explain("publish", status);
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	return publish_to(state, events, n, false);
}

static int publish_by_subject(void *state, const struct iovec *events, size_t n)
{
	return publish_to(state, events, n, true);
}

static int connect_by_subject(void *state)
{
	name_subjects(state);
	return connect_both(state);
}

static void let_go(struct nats *n)
{
	while (n->held)
		natsMsg_Destroy(n->msg[--n->held]);
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct nats *s = state;
	natsStatus status;
	natsMsg *m;
	size_t n;

	let_go(s);
	for (n = 0; n < max && n < BATCH; n++) {
		status = natsSubscription_NextMsg(&m, s->subscription, n ? 0 : FOR_EVER_MS);
		if (n && status == NATS_TIMEOUT)
			break;
		if (status != NATS_OK)
			return explain("receive", status);
		s->msg[s->held++] = m;
		events[n] = (struct iovec){ (void *)natsMsg_GetData(m),
					    (size_t)natsMsg_GetDataLength(m) };
	}
	return (ssize_t)n;
}

static int cpu(void *state, uint64_t *ns)
{
	struct nats *n = state;

	return broker_cpu(&n->broker, ns);
}

static void release(void *state)
{
	struct nats *n = state;
	int i;

	let_go(n);
	natsSubscription_Destroy(n->subscription);
	for (i = 0; i < CONNECTIONS; i++)
		natsConnection_Destroy(n->connection[i]);
	broker_stop(&n->broker);
	free(n);
}

const struct transport nats_tcp = {
	.name = "nats",
	.lossy = true,
	.prepare = prepare,
	.attach = attach,
	.connect = connect_both,
	.publish = publish,
	.receive = receive,
	.broker_cpu = cpu,
	.release = release,
};

const struct transport nats_tcp_subjects = {
	.name = "nats, subjects",
	.lossy = true,
	.prepare = prepare,
	.attach = attach_subject,
	.connect = connect_by_subject,
	.publish = publish_by_subject,
	.receive = receive,
	.broker_cpu = cpu,
	.release = release,
};
