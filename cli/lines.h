/* SPDX-License-Identifier: MIT */
/*
 * A stream cut at a separator into pieces of at most KECHO_EVENT_MAX bytes, or
 * taken whole. The last piece needs no separator. Pieces stay where they are
 * until the next lines_fill().
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lines {
	int fd;
	int separator;		/* a byte, or -1: none, the stream is one piece */
	char *p;
	size_t size;
	size_t start, end;	/* what was read and not handed out yet */
	size_t searched;	/* bytes from start that hold no separator */
	bool eof;
	bool ended;		/* with eof: the last piece was handed out */
	uint64_t n;		/* pieces that were handed out */
};

void lines_init(struct lines *l, int fd, int separator);
/* One read(). Returns 0, or -errno; -EAGAIN: nothing there now. */
int lines_fill(struct lines *l);
/* 1: a piece, in @data and @len; 0: fill, or at the end; -EMSGSIZE: too long. */
int lines_next(struct lines *l, const char **data, size_t *len);
void lines_free(struct lines *l);

#endif
