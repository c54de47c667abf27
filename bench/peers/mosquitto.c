/* SPDX-License-Identifier: MIT */
/*
 * MQTT, QoS 0, through mosquitto. Neither side has a thread for it: a sink waits in the
 * library's loop, the publisher writes when it publishes, and drives the loop only to
 * connect.
 */
#include "broker.h"
#include "inbox.h"
#include "../hosts.h"
#include "../measure.h"

#include <errno.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC		"events"
#define CONFIG		"/dev/shm/mosquitto.conf"
#define KEEPALIVE_S	3600	/* nothing is said between two measurements */
#define LOOP_MS		1000
#define LIMIT_MS	(TRANSPORT_TIMEOUT_S * 1000)

struct mqtt {
	struct broker broker;
	struct mosquitto *m;
	size_t len;
	bool ready;	/* connected; a sink: subscribed */
	struct inbox inbox;
};

static int explain(const char *what, int rc)
{
	if (rc == MOSQ_ERR_SUCCESS)
		return 0;
	fprintf(stderr, "mosquitto: can't %s: %s\n", what, mosquitto_strerror(rc));
	return rc == MOSQ_ERR_ERRNO && errno ? -errno : -EIO;
}

static int prepare(void **state, unsigned int nsinks, size_t len)
{
	const char *argv[] = { "mosquitto", "-c", CONFIG, NULL };
	struct mqtt *q = calloc(1, sizeof(*q));
	char config[256];
	int err;

	(void)nsinks;
	if (!q)
		return -ENOMEM;
	q->len = len;
	snprintf(config, sizeof(config),
		 "listener %d %s\nallow_anonymous true\npersistence false\nuser root\n"
		 "set_tcp_nodelay true\nlog_type error\n",
		 BROKER_PORT, hosts_address(HOST_PUBLISHER));
	err = broker_write(CONFIG, config);
	if (!err)
		err = broker_start(&q->broker, argv, broker_listens);
	if (err)
		free(q);
	else
		*state = q;
	return err;
}

static void on_connect(struct mosquitto *m, void *state, int rc)
{
	struct mqtt *q = state;

	(void)m;
	q->ready = !rc;
}

static void on_subscribe(struct mosquitto *m, void *state, int mid, int n, const int *granted)
{
	struct mqtt *q = state;

	(void)m;
	(void)mid;
	(void)n;
	(void)granted;
	q->ready = true;
}

static void on_message(struct mosquitto *m, void *state, const struct mosquitto_message *msg)
{
	struct mqtt *q = state;

	(void)m;
	inbox_put(&q->inbox, msg->payload, (size_t)msg->payloadlen);
}

/* Drives the library until a callback says that it is so. */
static int await_ready(struct mqtt *q, const char *what)
{
	uint64_t until = measure_now_ns() + TRANSPORT_TIMEOUT_S * MEASURE_NS_PER_S;
	int rc = MOSQ_ERR_SUCCESS;

	while (!q->ready && rc == MOSQ_ERR_SUCCESS && measure_now_ns() < until)
		rc = mosquitto_loop(q->m, LOOP_MS, 1);
	if (rc == MOSQ_ERR_SUCCESS && !q->ready)
		rc = MOSQ_ERR_TIMEOUT;
	return explain(what, rc);
}

static int open_connection(struct mqtt *q)
{
	int rc;

	mosquitto_lib_init();
	q->m = mosquitto_new(NULL, true, q);
	if (!q->m)
		return -errno;
	mosquitto_connect_callback_set(q->m, on_connect);
	mosquitto_subscribe_callback_set(q->m, on_subscribe);
	mosquitto_message_callback_set(q->m, on_message);
	rc = mosquitto_int_option(q->m, MOSQ_OPT_TCP_NODELAY, 1);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_connect(q->m, hosts_address(HOST_PUBLISHER), BROKER_PORT,
				       KEEPALIVE_S);
	return rc == MOSQ_ERR_SUCCESS ? await_ready(q, "connect") : explain("connect", rc);
}

static int attach(void *state, unsigned int sink)
{
	struct mqtt *q = state;
	int rc, err;

	(void)sink;
	q->broker.pid = 0;	/* it is the publisher's to stop */
	err = inbox_init(&q->inbox, q->len);
	if (!err)
		err = open_connection(q);
	if (err)
		return err;
	q->ready = false;
	rc = mosquitto_subscribe(q->m, NULL, TOPIC, 0);
	return rc == MOSQ_ERR_SUCCESS ? await_ready(q, "subscribe") : explain("subscribe", rc);
}

static int connect_one(void *state)
{
	return open_connection(state);
}

/* What the socket had no room for is the caller's to write. */
static int write_rest(struct mqtt *q)
{
	struct pollfd p = { .fd = mosquitto_socket(q->m), .events = POLLOUT };
	int rc = MOSQ_ERR_SUCCESS;

	while (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(q->m)) {
		if (poll(&p, 1, LIMIT_MS) < 1)
			return explain("publish", MOSQ_ERR_TIMEOUT);
		rc = mosquitto_loop_write(q->m, 1);
	}
	return explain("publish", rc);
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct mqtt *q = state;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		rc = mosquitto_publish(q->m, NULL, TOPIC, (int)events[i].iov_len,
				       events[i].iov_base, 0, false);
		if (rc != MOSQ_ERR_SUCCESS)
			return explain("publish", rc);
	}
	return write_rest(q);
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct mqtt *q = state;
	ssize_t n = 0;
	int rc;

	while (!n) {
		rc = mosquitto_loop(q->m, LOOP_MS, 1);
		if (rc != MOSQ_ERR_SUCCESS)
			return explain("receive", rc);
		n = inbox_take(&q->inbox, events, max);
	}
	return n;
}

static int cpu(void *state, uint64_t *ns)
{
	struct mqtt *q = state;

	return broker_cpu(&q->broker, ns);
}

static void release(void *state)
{
	struct mqtt *q = state;

	if (q->m)
		mosquitto_destroy(q->m);
	inbox_free(&q->inbox);
	broker_stop(&q->broker);
	free(q);
}

const struct transport mosquitto_tcp = {
	.name = "mosquitto",
	.lossy = true,
	.prepare = prepare,
	.attach = attach,
	.connect = connect_one,
	.publish = publish,
	.receive = receive,
	.broker_cpu = cpu,
	.release = release,
};
