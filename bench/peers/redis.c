/* SPDX-License-Identifier: MIT */
/*
 * redis: PUBLISH and SUBSCRIBE through a redis-server that keeps nothing on disk. The
 * publisher sends the commands of one publish() in one go, and waits for their replies.
 */
#include "broker.h"
#include "../hosts.h"
#include "../transport.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH	64	/* events of one receive() */

struct redis {
	struct broker broker;
	redisContext *c;
	redisReply *reply[BATCH];
	size_t held;	/* of reply */
};

static const struct timeval limit = { .tv_sec = TRANSPORT_TIMEOUT_S };

static int explain(const struct redis *r, const char *what, const redisReply *reply)
{
	fprintf(stderr, "redis: can't %s: %s\n", what,
		reply && reply->type == REDIS_REPLY_ERROR ? reply->str :
		r->c && r->c->err ? r->c->errstr : "a reply that was not expected");
	return -EIO;
}

static int prepare(void **state, unsigned int nsinks, size_t len)
{
	struct redis *r = calloc(1, sizeof(*r));
	char port[16];
	const char *argv[] = {
		"redis-server", "--port", port, "--bind", hosts_address(HOST_PUBLISHER),
		"--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", "/dev/shm",
		"--loglevel", "warning", NULL,
	};
	int err;

	(void)nsinks;
	(void)len;
	if (!r)
		return -ENOMEM;
	snprintf(port, sizeof(port), "%d", BROKER_PORT);
	err = broker_start(&r->broker, argv, broker_listens);
	if (err)
		free(r);
	else
		*state = r;
	return err;
}

static int open_connection(struct redis *r)
{
	r->c = redisConnectWithTimeout(hosts_address(HOST_PUBLISHER), BROKER_PORT, limit);
	return r->c && !r->c->err ? 0 : explain(r, "connect", NULL);
}

static int attach(void *state, unsigned int sink)
{
	struct redis *r = state;
	redisReply *reply;
	int err;

	(void)sink;
	r->broker.pid = 0;	/* it is the publisher's to stop */
	err = open_connection(r);
	if (err)
		return err;
	reply = redisCommand(r->c, "SUBSCRIBE events");
	if (!reply || reply->type != REDIS_REPLY_ARRAY)
		err = explain(r, "subscribe", reply);
	if (reply)
		freeReplyObject(reply);
	return err;
}

static int connect_one(void *state)
{
	struct redis *r = state;
	int err = open_connection(r);

	if (!err && redisSetTimeout(r->c, limit) != REDIS_OK)
		err = explain(r, "set a time limit", NULL);
	return err;
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct redis *r = state;
	redisReply *reply;
	size_t i;
	int err = 0;

	for (i = 0; i < n; i++)
		if (redisAppendCommand(r->c, "PUBLISH events %b", events[i].iov_base,
				       events[i].iov_len) != REDIS_OK)
			return explain(r, "publish", NULL);
	for (i = 0; i < n && !err; i++) {
		if (redisGetReply(r->c, (void **)&reply) != REDIS_OK)
			return explain(r, "publish", NULL);
		if (reply->type != REDIS_REPLY_INTEGER)
			err = explain(r, "publish", reply);
		freeReplyObject(reply);
	}
	return err;
}

static void let_go(struct redis *r)
{
	while (r->held)
		freeReplyObject(r->reply[--r->held]);
}

/* The first is waited for, the others are what came with it. */
static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct redis *r = state;
	redisReply *reply = NULL;
	size_t n;
	int ret;

	let_go(r);
	for (n = 0; n < max && n < BATCH; n++) {
		ret = n ? redisGetReplyFromReader(r->c, (void **)&reply) :
			  redisGetReply(r->c, (void **)&reply);
		if (ret != REDIS_OK)
			return explain(r, "receive", NULL);
		if (!reply)
			break;
		r->reply[r->held++] = reply;
		if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
			return explain(r, "receive", reply);
		events[n] = (struct iovec){ reply->element[2]->str, reply->element[2]->len };
	}
	return (ssize_t)n;
}

static int cpu(void *state, uint64_t *ns)
{
	struct redis *r = state;

	return broker_cpu(&r->broker, ns);
}

static void release(void *state)
{
	struct redis *r = state;

	let_go(r);
	if (r->c)
		redisFree(r->c);
	broker_stop(&r->broker);
	free(r);
}

const struct transport redis_tcp = {
	.name = "redis",
	.lossy = true,
	.prepare = prepare,
	.attach = attach,
	.connect = connect_one,
	.publish = publish,
	.receive = receive,
	.broker_cpu = cpu,
	.release = release,
};
