/* SPDX-License-Identifier: MIT */
/*
 * An inbox: events that a library hands over in callbacks and takes back when those
 * return, so they are copied, until receive() gives them out.
 */
#ifndef KECHO_BENCH_INBOX_H
#define KECHO_BENCH_INBOX_H

#include "../transport.h"

#define INBOX_EVENTS_MAX	64	/* then it is full */

struct inbox {
	size_t len, n;
	int err;	/* -EMSGSIZE: an event was too long; -ENOBUFS: one too many */
	unsigned char *buf;
};

/* inbox_init - for events of up to @len bytes. -ENOMEM. */
int inbox_init(struct inbox *b, size_t len);
void inbox_put(struct inbox *b, const void *event, size_t len);
bool inbox_full(const struct inbox *b);

/* inbox_take - all events; they stay valid until the next inbox_put(). Returns how many,
 * at most @max, or -errno. */
ssize_t inbox_take(struct inbox *b, struct iovec *events, size_t max);

void inbox_free(struct inbox *b);

#endif
