/* SPDX-License-Identifier: MIT */
/*
 * iceoryx, by its C binding: events are written into a pool in shared memory, from which
 * RouDi gave a chunk, and read there. A sink sleeps in a WaitSet. Full queues hold the
 * publisher up, so nothing is lost.
 */
#include "broker.h"
#include "../hosts.h"
#include "../measure.h"
#include "../transport.h"

#include <errno.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/wait_set.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG		"/dev/shm/roudi.toml"
#define QUEUE		256	/* chunks: the most that a subscriber's queue holds */
#define POOL		1024	/* chunks of an event's size */
#define CHUNK_ALIGN	32	/* RouDi's of a pool's chunks */
#define BATCH		64	/* events of one receive(); below 256 held at once */
#define SERVICE		"kecho", "bench", "events"

struct iceoryx {
	struct broker roudi;
	bool publishes, subscribes, waits;
	iox_pub_storage_t pub_storage;
	iox_sub_storage_t sub_storage;
	iox_ws_storage_t ws_storage;
	iox_pub_t pub;
	iox_sub_t sub;
	iox_ws_t ws;
	const void *chunk[BATCH];
	size_t held;	/* of chunk */
	size_t len;
};

static int fail(const char *what, int err)
{
	fprintf(stderr, "iceoryx: can't %s\n", what);
	return err;
}

/* Programs find it by a socket there. */
static bool roudi_listens(void)
{
	struct stat st;

	return !stat("/tmp/roudi", &st);
}

static int prepare(void **state, unsigned int nsinks, size_t len)
{
	const char *argv[] = { "iox-roudi", "-c", CONFIG, "-m", "off", "-l", "error", NULL };
	struct iceoryx *x = calloc(1, sizeof(*x));
	char config[256];
	int err;

	(void)nsinks;
	if (!x)
		return -ENOMEM;
	x->len = len;
	snprintf(config, sizeof(config),
		 "[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = %zu\n"
		 "count = %d\n",
		 (len + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN, POOL);
	/* Its sockets and locks have fixed names there. */
	err = hosts_own_folder("/tmp");
	if (!err)
		err = broker_write(CONFIG, config);
	if (!err)
		err = broker_start(&x->roudi, argv, roudi_listens);
	if (err)
		free(x);
	else
		*state = x;
	return err;
}

static int await_subscribed(struct iceoryx *x)
{
	uint64_t until = measure_now_ns() + TRANSPORT_TIMEOUT_S * MEASURE_NS_PER_S;

	while (iox_sub_get_subscription_state(x->sub) != SubscribeState_SUBSCRIBED) {
		if (measure_now_ns() > until)
			return fail("subscribe: no publisher", -ETIMEDOUT);
		usleep(1000);
	}
	return 0;
}

static int attach(void *state, unsigned int sink)
{
	struct iceoryx *x = state;
	iox_sub_options_t o;
	char name[16];

	x->roudi.pid = 0;	/* it is the publisher's to stop */
	snprintf(name, sizeof(name), "sink-%u", sink);
	iox_runtime_init(name);
	iox_sub_options_init(&o);
	o.queueCapacity = QUEUE;
	o.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
	x->sub = iox_sub_init(&x->sub_storage, SERVICE, &o);
	if (!x->sub)
		return fail("subscribe", -EIO);
	x->subscribes = true;
	x->ws = iox_ws_init(&x->ws_storage);
	x->waits = true;
	if (iox_ws_attach_subscriber_state(x->ws, x->sub, SubscriberState_HAS_DATA, 0, NULL) !=
	    WaitSetResult_SUCCESS)
		return fail("attach a WaitSet", -EIO);
	return await_subscribed(x);
}

static int connect_one(void *state)
{
	struct iceoryx *x = state;
	iox_pub_options_t o;

	iox_runtime_init("source");
	iox_pub_options_init(&o);
	o.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	x->pub = iox_pub_init(&x->pub_storage, SERVICE, &o);
	x->publishes = x->pub;
	return x->pub ? 0 : fail("publish", -EIO);
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct iceoryx *x = state;
	void *chunk;
	size_t i;

	for (i = 0; i < n; i++) {
		if (iox_pub_loan_chunk(x->pub, &chunk, (uint32_t)events[i].iov_len) !=
		    AllocationResult_SUCCESS)
			return fail("get a chunk", -ENOBUFS);
		memcpy(chunk, events[i].iov_base, events[i].iov_len);
		iox_pub_publish_chunk(x->pub, chunk);
	}
	return 0;
}

static void let_go(struct iceoryx *x)
{
	while (x->held)
		iox_sub_release_chunk(x->sub, x->chunk[--x->held]);
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct iceoryx *x = state;
	enum iox_ChunkReceiveResult rc;
	iox_notification_info_t info;
	const void *chunk;
	uint64_t missed;

	let_go(x);
	while (!x->held) {
		while (x->held < BATCH && x->held < max) {
			rc = iox_sub_take_chunk(x->sub, &chunk);
			if (rc == ChunkReceiveResult_NO_CHUNK_AVAILABLE)
				break;
			if (rc != ChunkReceiveResult_SUCCESS)
				return fail("take a chunk", -EIO);
			events[x->held] = (struct iovec){ (void *)chunk, x->len };
			x->chunk[x->held++] = chunk;
		}
		if (!x->held)
			iox_ws_wait(x->ws, &info, 1, &missed);
	}
	return (ssize_t)x->held;
}

static int cpu(void *state, uint64_t *ns)
{
	struct iceoryx *x = state;

	return broker_cpu(&x->roudi, ns);
}

static void release(void *state)
{
	struct iceoryx *x = state;

	if (x->subscribes)
		let_go(x);
	if (x->waits) {
		iox_ws_detach_subscriber_state(x->ws, x->sub, SubscriberState_HAS_DATA);
		iox_ws_deinit(x->ws);
	}
	if (x->subscribes)
		iox_sub_deinit(x->sub);
	if (x->publishes)
		iox_pub_deinit(x->pub);
	broker_stop(&x->roudi);
	free(x);
}

const struct transport iceoryx_shm = {
	.name = "iceoryx",
	.prepare = prepare,
	.attach = attach,
	.connect = connect_one,
	.publish = publish,
	.receive = receive,
	.broker_cpu = cpu,
	.release = release,
};
