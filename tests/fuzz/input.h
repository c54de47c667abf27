/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: the input, a check that aborts, and memory that runs out on
 * demand.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "decisions.h"

#define check(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__,	\
				__LINE__, #cond);				\
			abort();						\
		}								\
	} while (0)

/* Loads each byte, so that the sanitizer sees whether it may be. */
static inline void touch(const void *p, size_t len)
{
	static volatile u8 sink;
	const u8 *byte = p;
	u8 sum = 0;

	while (len--)
		sum += *byte++;
	sink = sum;
	(void)sink;
}

/*
 * The linker sends every allocation through these. Of those from now on the one
 * with this number fails, once; 0: none does.
 */
static u32 fail_alloc;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static inline bool alloc_fails(void)
{
	return fail_alloc && !--fail_alloc;
}

void *__wrap_malloc(size_t size)
{
	return alloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return alloc_fails() ? NULL : __real_realloc(p, size);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
