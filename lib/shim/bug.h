/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Warnings about our own mistakes, as in <linux/bug.h>. A warning goes to
 * stderr and the program carries on, as the kernel does; with the environment
 * variable KECHO_PANIC_ON_WARN set it aborts, as the kernel does under
 * panic_on_warn. All tests run that way.
 */
#ifndef SHIM_BUG_H
#define SHIM_BUG_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim/compiler.h"

#define SHIM_PANIC_ON_WARN "KECHO_PANIC_ON_WARN"

/* The kernel's console; only tests print. */
#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define pr_info(fmt, ...) printf(pr_fmt(fmt), ##__VA_ARGS__)

static inline __cold void shim_warn(const char *file, int line, const char *what)
{
	fprintf(stderr, "WARNING: %s:%d: %s\n", file, line, what);
	if (getenv(SHIM_PANIC_ON_WARN))
		abort();
}

#define WARN_ON(cond)								\
	({									\
		bool __warn_on = !!(cond);					\
										\
		if (unlikely(__warn_on))					\
			shim_warn(__FILE__, __LINE__, #cond);			\
		unlikely(__warn_on);						\
	})

#define WARN_ON_ONCE(cond)							\
	({									\
		static bool __warned;						\
		bool __warn_on = !!(cond);					\
										\
		if (unlikely(__warn_on) &&					\
		    !__atomic_exchange_n(&__warned, true, __ATOMIC_RELAXED))	\
			shim_warn(__FILE__, __LINE__, #cond);			\
		unlikely(__warn_on);						\
	})

#endif
