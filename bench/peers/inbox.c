/* SPDX-License-Identifier: MIT */
/* An inbox; see inbox.h. */
#include "inbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int inbox_init(struct inbox *b, size_t len)
{
	*b = (struct inbox){ .len = len, .buf = malloc(INBOX_EVENTS_MAX * len) };
	return b->buf ? 0 : -ENOMEM;
}

bool inbox_full(const struct inbox *b)
{
	return b->n == INBOX_EVENTS_MAX;
}

void inbox_put(struct inbox *b, const void *event, size_t len)
{
	if (inbox_full(b))
		b->err = -ENOBUFS;
	else if (len != b->len)
		b->err = -EMSGSIZE;
	else
		memcpy(b->buf + b->n++ * b->len, event, len);
}

ssize_t inbox_take(struct inbox *b, struct iovec *events, size_t max)
{
	size_t i, n = b->n;

	assert(max >= INBOX_EVENTS_MAX);
	if (b->err)
		return b->err;
	for (i = 0; i < n; i++)
		events[i] = (struct iovec){ b->buf + i * b->len, b->len };
	b->n = 0;
	return (ssize_t)n;
}

void inbox_free(struct inbox *b)
{
	free(b->buf);
}
