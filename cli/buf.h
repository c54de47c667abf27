/* SPDX-License-Identifier: MIT */
/*
 * A growing run of bytes. Zero-initialised it is empty. Out of memory ends the
 * command: there is nothing that it could do without.
 */
#ifndef BUF_H
#define BUF_H

#include <stddef.h>

struct buf {
	char *p;
	size_t len, size;
};

/* Room for @more bytes behind b->len; returns where they begin. */
char *buf_room(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_format(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);

/* An array of @n elements of @size bytes, grown from @p; never NULL. */
void *grow(void *p, size_t n, size_t size);

static inline void buf_reset(struct buf *b)
{
	b->len = 0;
}

#endif
