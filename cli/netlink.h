/* SPDX-License-Identifier: MIT */
/*
 * A multicast netlink socket as a feed: what from_netlink.c and from_uevent.c
 * share. Only the kernel is believed; other senders are ignored.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <stdint.h>
#include <sys/types.h>

#include "from.h"

/* Sets f->fd. @groups is a mask. Returns 0, or -errno after complaining. */
int netlink_open(struct feed *f, int protocol, uint32_t groups);
/* One datagram of the kernel: its length; 0: none now; -ENOBUFS: the kernel
 * dropped some; other -errno after complaining. */
ssize_t netlink_receive(struct feed *f, void *to, size_t size);
/* The payload that says so. Returns 1. */
int netlink_overrun(struct feed *f, struct buf *payload);

#endif
