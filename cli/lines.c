/* SPDX-License-Identifier: MIT */
/*
 * A stream cut at a separator.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kecho/kecho.h>

#include "buf.h"
#include "lines.h"

#define LINES_READ	(64u << 10)	/* least room of a read */

void lines_init(struct lines *l, int fd, int separator)
{
	memset(l, 0, sizeof(*l));
	l->fd = fd;
	l->separator = separator;
}

static void make_room(struct lines *l)
{
	if (l->start) {
		memmove(l->p, l->p + l->start, l->end - l->start);
		l->end -= l->start;
		l->start = 0;
	}
	if (l->size - l->end < LINES_READ) {
		l->size = l->size ? l->size * 2 : 2 * LINES_READ;
		l->p = grow(l->p, l->size, 1);
	}
}

int lines_fill(struct lines *l)
{
	ssize_t n;

	make_room(l);
	n = read(l->fd, l->p + l->end, l->size - l->end);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		l->eof = true;
	l->end += n;
	return 0;
}

static int hand_out(struct lines *l, size_t len, size_t skip, const char **data, size_t *out_len)
{
	if (len > KECHO_EVENT_MAX)
		return -EMSGSIZE;
	*data = l->p + l->start;
	*out_len = len;
	l->start += len + skip;
	l->searched = 0;
	l->n++;
	return 1;
}

int lines_next(struct lines *l, const char **data, size_t *len)
{
	size_t there = l->end - l->start;
	const char *at = NULL;

	if (l->separator >= 0 && there > l->searched)
		at = memchr(l->p + l->start + l->searched, l->separator, there - l->searched);
	if (at)
		return hand_out(l, at - (l->p + l->start), 1, data, len);
	l->searched = there;
	if (there > KECHO_EVENT_MAX)
		return -EMSGSIZE;
	if (!l->eof || l->ended)
		return 0;
	l->ended = true;
	/* A stream that is taken whole is an event even when it is empty. */
	if (!there && l->separator >= 0)
		return 0;
	return hand_out(l, there, 0, data, len);
}

void lines_free(struct lines *l)
{
	free(l->p);
	l->p = NULL;
}
