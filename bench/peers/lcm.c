/* SPDX-License-Identifier: MIT */
/*
 * LCM: UDP multicast, no broker. The publisher sends in the calling thread; a sink's
 * library has a thread that reads the socket into a queue.
 */
#include "inbox.h"
#include "../hosts.h"

#include <errno.h>
#include <lcm/lcm.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANNEL	"EVENTS"
#define URL	"udpm://239.255.76.67:7667?ttl=1&recv_buf_size=4194304"
#define QUEUE	4096	/* events: more than are ever in flight */

struct lcm_end {
	lcm_t *lcm;
	struct inbox inbox;
	size_t len;
};

static int prepare(void **state, unsigned int nsinks, size_t len)
{
	struct lcm_end *l = calloc(1, sizeof(*l));

	(void)nsinks;
	if (!l)
		return -ENOMEM;
	l->len = len;
	*state = l;
	return 0;
}

static int explain(const char *what)
{
	fprintf(stderr, "lcm: can't %s\n", what);
	return -EIO;
}

static void on_event(const lcm_recv_buf_t *buf, const char *channel, void *state)
{
	struct lcm_end *l = state;

	(void)channel;
	inbox_put(&l->inbox, buf->data, buf->data_size);
}

static int connect_one(void *state)
{
	struct lcm_end *l = state;

	l->lcm = lcm_create(URL);
	return l->lcm ? 0 : explain("open " URL);
}

static int attach(void *state, unsigned int sink)
{
	struct lcm_end *l = state;
	lcm_subscription_t *subscription;
	int err;

	(void)sink;
	err = inbox_init(&l->inbox, l->len);
	if (!err)
		err = connect_one(l);
	if (err)
		return err;
	subscription = lcm_subscribe(l->lcm, CHANNEL, on_event, l);
	if (!subscription || lcm_subscription_set_queue_capacity(subscription, QUEUE))
		return explain("subscribe");
	return 0;
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct lcm_end *l = state;
	size_t i;

	for (i = 0; i < n; i++)
		if (lcm_publish(l->lcm, CHANNEL, events[i].iov_base,
				(unsigned int)events[i].iov_len))
			return explain("publish");
	return 0;
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct lcm_end *l = state;
	int n;

	if (lcm_handle(l->lcm))
		return explain("receive");
	do {
		n = inbox_full(&l->inbox) ? 0 : lcm_handle_timeout(l->lcm, 0);
	} while (n > 0);
	return n < 0 ? explain("receive") : inbox_take(&l->inbox, events, max);
}

static void release(void *state)
{
	struct lcm_end *l = state;

	if (l->lcm)
		lcm_destroy(l->lcm);
	inbox_free(&l->inbox);
	free(l);
}

const struct transport lcm_udp = {
	.name = "lcm",
	.lossy = true,
	.prepare = prepare,
	.attach = attach,
	.connect = connect_one,
	.publish = publish,
	.receive = receive,
	.release = release,
};
