/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Strings and memory, as in <linux/string.h>, where libc hasn't the same. */
#ifndef SHIM_STRING_H
#define SHIM_STRING_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shim/compiler.h"
#include "shim/types.h"

/*
 * Copies @src and its end into @size bytes. Returns the length, or -E2BIG when
 * it was cut or @size is 0.
 */
static inline ssize_t strscpy(char *dst, const char *src, size_t size)
{
	size_t len = strnlen(src, size);

	if (!size)
		return -E2BIG;
	if (len < size) {
		memcpy(dst, src, len + 1);
		return (ssize_t)len;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return -E2BIG;
}

/* The first byte of @p that isn't @c; NULL if there is none. */
static inline void *memchr_inv(const void *p, int c, size_t size)
{
	const u8 *b = p;

	for (; size; b++, size--)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

static inline void memzero_explicit(void *p, size_t size)
{
	memset(p, 0, size);
	__asm__ __volatile__("" ::"r"(p) : "memory");
}

/* The length of @prefix if @s starts with it, else 0. */
static inline size_t str_has_prefix(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) ? 0 : len;
}

/* Like snprintf, but return what was written, without the end. */
static inline __printf(3, 0) int vscnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(buf, size, fmt, ap);

	if (n < 0 || !size)
		return 0;
	return (size_t)n < size ? n : (int)(size - 1);
}

static inline __printf(3, 4) int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vscnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

#endif
