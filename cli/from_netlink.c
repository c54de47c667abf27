/* SPDX-License-Identifier: MIT */
/*
 * What changes in this network namespace: links, addresses, routes, neighbours,
 * from the kernel's rtnetlink groups. Reads a datagram, gives its messages one by
 * one; how a message looks in JSON is in rtnetlink.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "cli.h"
#include "from.h"
#include "netlink.h"
#include "rtnetlink.h"

#define DATAGRAM_MAX	(64u << 10)

static const uint32_t groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			       RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_NEIGH;

struct datagram {
	size_t at, len;		/* messages in [at, len) were not given yet */
	_Alignas(struct nlmsghdr) char data[DATAGRAM_MAX];
};

static int netlink_feed_open(struct feed *f, const struct feed_options *opt)
{
	struct datagram *d;
	int err;

	(void)opt;
	err = netlink_open(f, NETLINK_ROUTE, groups);
	if (err)
		return err;
	d = grow(NULL, 1, sizeof(*d));
	d->at = d->len = 0;
	f->state = d;
	f->events = POLLIN;
	return 0;
}

/* The next whole message of the datagram, or NULL. */
static const struct nlmsghdr *next_message(struct datagram *d)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(d->data + d->at);
	size_t left = d->len - d->at;

	if (left < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left) {
		d->at = d->len;
		return NULL;
	}
	d->at += NLMSG_ALIGN(h->nlmsg_len) < left ? NLMSG_ALIGN(h->nlmsg_len) : left;
	return h;
}

static int netlink_feed_next(struct feed *f, short revents, struct buf *payload)
{
	struct datagram *d = f->state;
	const struct nlmsghdr *h;
	ssize_t n;

	(void)revents;
	for (;;) {
		while (d->at < d->len) {
			h = next_message(d);
			if (h && rtnetlink_known(h)) {
				struct json j = payload_begin(f, payload);

				rtnetlink_json(&j, h);
				return payload_end(&j);
			}
		}
		n = netlink_receive(f, d->data, sizeof(d->data));
		if (n == -ENOBUFS)
			return netlink_overrun(f, payload);
		if (n <= 0)
			return n;
		d->at = 0;
		d->len = n;
	}
}

static void netlink_feed_close(struct feed *f)
{
	close(f->fd);
	free(f->state);
}

const struct feed_kind feed_netlink = {
	.name = "netlink",
	.parts = 1,
	.open = netlink_feed_open,
	.next = netlink_feed_next,
	.close = netlink_feed_close,
};
