/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* linux/sort.h. */
#ifndef SHIM_SORT_H
#define SHIM_SORT_H

#include <stdlib.h>

/* @swap_func is NULL: a kernel then picks one by the size. */
static inline void sort(void *base, size_t num, size_t size, int (*cmp)(const void *, const void *),
			void (*swap_func)(void *, void *, int))
{
	(void)swap_func;
	if (num)
		qsort(base, num, size, cmp);
}

#endif
