/* SPDX-License-Identifier: MIT */
/* kecho through kechod as a transport; see kechod_transport.h. */
#include "kechod_transport.h"
#include "end.h"
#include "hosts.h"
#include "kechod.h"
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HOSTS_MAX	2

/* The publisher is on the first host, sinks are on the last. */
struct hosts {
	struct end end;
	struct kechod kechod[HOSTS_MAX];
	unsigned int n;
};

/* Last started, first stopped: the first one serves the registry. */
static void stop_all(struct hosts *h)
{
	while (h->n)
		kechod_stop(&h->kechod[--h->n]);
}

static void host_address(unsigned int host, char *address, size_t size)
{
	if (host)
		hosts_sink_address(0, address, size);
	else
		snprintf(address, size, "%s", hosts_address(HOST_PUBLISHER));
}

/* The first serves the registry, which is the rig's own: no other node is met there. */
static int start_all(struct hosts *h, unsigned int n)
{
	char address[16], listen[32], registry[40];
	const char *options[] = { registry, listen, NULL };
	int err, port = end_free_port();

	if (port < 0)
		return port;
	snprintf(registry, sizeof(registry), "registry=%s:%d", hosts_address(HOST_PUBLISHER),
		 port);
	while (h->n < n) {
		host_address(h->n, address, sizeof(address));
		snprintf(listen, sizeof(listen), "listen=%s", address);
		err = hosts_enter(h->n);
		if (!err)
			err = kechod_start(&h->kechod[h->n], options);
		if (err) {
			stop_all(h);
			return err;
		}
		h->n++;
	}
	return hosts_enter(HOST_PUBLISHER);
}

static int prepare(void **state, unsigned int nhosts, size_t len)
{
	struct hosts *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	end_init(&h->end, len);
	err = start_all(h, nhosts);
	if (err)
		free(h);
	else
		*state = h;
	return err;
}

static int local_prepare(void **state, unsigned int nsinks, size_t len)
{
	(void)nsinks;
	return prepare(state, 1, len);
}

static int remote_prepare(void **state, unsigned int nsinks, size_t len)
{
	(void)nsinks;
	return prepare(state, HOSTS_MAX, len);
}

static int kechod_attach(void *state, unsigned int sink)
{
	struct hosts *h = state;

	(void)sink;
	kechod_use(&h->kechod[h->n - 1]);
	h->n = 0;	/* they are the publisher's to stop */
	return end_open_sink(&h->end, NULL);
}

static int kechod_connect(void *state)
{
	struct hosts *h = state;

	kechod_use(&h->kechod[0]);
	return end_open_source(&h->end, NULL);
}

static int kechod_cpu(void *state, uint64_t *ns)
{
	struct hosts *h = state;
	uint64_t one, sum = 0;
	unsigned int i;
	int err;

	for (i = 0; i < h->n; i++) {
		err = measure_cpu_of(h->kechod[i].pid, &one);
		if (err)
			return err;
		sum += one;
	}
	*ns = sum;
	return 0;
}

static void kechod_release(void *state)
{
	struct hosts *h = state;

	end_close(&h->end);
	stop_all(h);
	free(h);
}

const struct transport kechod_local = {
	.name = "kechod, one host",
	.prepare = local_prepare,
	.attach = kechod_attach,
	.connect = kechod_connect,
	.publish = end_publish,
	.receive = end_receive,
	.broker_cpu = kechod_cpu,
	.release = kechod_release,
};

const struct transport kechod_remote = {
	.name = "kechod, two hosts",
	.prepare = remote_prepare,
	.attach = kechod_attach,
	.connect = kechod_connect,
	.publish = end_publish,
	.receive = end_receive,
	.wire = end_wire,
	.broker_cpu = kechod_cpu,
	.release = kechod_release,
};
