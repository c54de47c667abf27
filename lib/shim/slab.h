/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Memory, as in <linux/slab.h>. The allocation flags are accepted and ignored,
 * but for __GFP_ZERO. An allocation of no bytes gives ZERO_SIZE_PTR, which is
 * not NULL, faults when used and may be freed.
 *
 * A program that compiles core with SHIM_ALLOCATOR defined brings the three functions
 * below itself: it may count what is allocated, and refuse.
 */
#ifndef SHIM_SLAB_H
#define SHIM_SLAB_H

#include <stdlib.h>
#include <string.h>

#include "shim/math.h"
#include "shim/types.h"

#define __GFP_ZERO		((gfp_t)0x100)
#define __GFP_NOWARN		((gfp_t)0x2000)
#define __GFP_ACCOUNT		((gfp_t)0x400000)
#define GFP_ATOMIC		((gfp_t)0x20)
#define GFP_NOWAIT		((gfp_t)0x800)
#define GFP_KERNEL		((gfp_t)0xcc0)
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)

#ifdef SHIM_ALLOCATOR
void *shim_alloc(size_t size, int zeroed);
void *shim_realloc(void *p, size_t size);
void shim_free(void *p);
#else
static inline void *shim_alloc(size_t size, int zeroed)
{
	return zeroed ? calloc(1, size) : malloc(size);
}

static inline void *shim_realloc(void *p, size_t size)
{
	return realloc(p, size);
}

static inline void shim_free(void *p)
{
	free(p);
}
#endif

#define ZERO_SIZE_PTR		((void *)16)
#define ZERO_OR_NULL_PTR(x)	((unsigned long)(x) <= (unsigned long)ZERO_SIZE_PTR)

static inline void *__must_check kmalloc(size_t size, gfp_t flags)
{
	if (!size)
		return ZERO_SIZE_PTR;
	return shim_alloc(size, !!(flags & __GFP_ZERO));
}

static inline void *__must_check kzalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags | __GFP_ZERO);
}

static inline void *__must_check kmalloc_array(size_t n, size_t size, gfp_t flags)
{
	size_t bytes;

	if (check_mul_overflow(n, size, &bytes))
		return NULL;
	return kmalloc(bytes, flags);
}

static inline void *__must_check kcalloc(size_t n, size_t size, gfp_t flags)
{
	return kmalloc_array(n, size, flags | __GFP_ZERO);
}

static inline void kfree(const void *p)
{
	if (!ZERO_OR_NULL_PTR(p))
		shim_free((void *)p);
}

/* On failure returns NULL and leaves @p as it is. New bytes are not zeroed. */
static inline void *__must_check krealloc(const void *p, size_t size, gfp_t flags)
{
	if (ZERO_OR_NULL_PTR(p))
		return kmalloc(size, flags);
	if (!size) {
		kfree(p);
		return ZERO_SIZE_PTR;
	}
	return shim_realloc((void *)p, size);
}

static inline void *__must_check krealloc_array(void *p, size_t n, size_t size, gfp_t flags)
{
	size_t bytes;

	if (check_mul_overflow(n, size, &bytes))
		return NULL;
	return krealloc(p, bytes, flags);
}

static inline void *__must_check kmemdup(const void *src, size_t len, gfp_t flags)
{
	void *p = kmalloc(len, flags);

	if (p)
		memcpy(p, src, len);
	return p;
}

static inline char *__must_check kstrdup(const char *s, gfp_t flags)
{
	return s ? kmemdup(s, strlen(s) + 1, flags) : NULL;
}

/* At most @max characters of @s, always with an end. */
static inline char *__must_check kstrndup(const char *s, size_t max, gfp_t flags)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strnlen(s, max);
	p = kmalloc(len + 1, flags);
	if (!p)
		return NULL;
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

#define kvmalloc(size, flags)			kmalloc(size, flags)
#define kvzalloc(size, flags)			kzalloc(size, flags)
#define kvmalloc_array(n, size, flags)		kmalloc_array(n, size, flags)
#define kvcalloc(n, size, flags)		kcalloc(n, size, flags)
#define kvfree(p)				kfree(p)

#endif
