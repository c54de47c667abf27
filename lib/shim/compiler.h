/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Attributes and compile-time helpers, as in <linux/compiler.h>,
 * <linux/container_of.h>, <linux/build_bug.h> and <linux/export.h>.
 */
#ifndef SHIM_COMPILER_H
#define SHIM_COMPILER_H

#include <assert.h>
#include <stddef.h>
#include <sys/cdefs.h>

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define noinline	__attribute__((__noinline__))
#define __cold		__attribute__((__cold__))
#define __maybe_unused	__attribute__((__unused__))
#define __always_unused	__attribute__((__unused__))
#define __must_check	__attribute__((__warn_unused_result__))
#define __packed	__attribute__((__packed__))
#define __aligned(x)	__attribute__((__aligned__(x)))
#define __printf(f, a)	__attribute__((__format__(printf, f, a)))
#define fallthrough	__attribute__((__fallthrough__))

#define EXPORT_SYMBOL(sym)	struct shim_export_##sym
#define EXPORT_SYMBOL_GPL(sym)	struct shim_export_##sym

/* The message may be left out, unlike that of <assert.h>. */
#undef static_assert
#define static_assert(expr, ...) __shim_static_assert(expr, ##__VA_ARGS__, #expr)
#define __shim_static_assert(expr, msg, ...) _Static_assert(expr, msg)

#define BUILD_BUG_ON_MSG(cond, msg)						\
	do {									\
		_Static_assert(!(cond), msg);					\
	} while (0)
#define BUILD_BUG_ON(cond) BUILD_BUG_ON_MSG(cond, "BUILD_BUG_ON failed: " #cond)

#define __same_type(a, b) __builtin_types_compatible_p(typeof(a), typeof(b))

/* Zero, but a compile error where @e is true. */
#define BUILD_BUG_ON_ZERO(e) ((int)(sizeof(struct { int : (-!!(e)); })))

/* An array decays to a pointer of another type; a pointer does not. */
#define __must_be_array(a) BUILD_BUG_ON_ZERO(__same_type((a), &(a)[0]))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]) + __must_be_array(a))

#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define offsetofend(type, member) (offsetof(type, member) + sizeof_field(type, member))

#define container_of(ptr, type, member)						\
	({									\
		void *__co_ptr = (void *)(ptr);					\
		_Static_assert(__same_type(*(ptr), ((type *)0)->member) ||	\
				       __same_type(*(ptr), void),		\
			       "container_of: the pointer is not to that member"); \
		(type *)((char *)__co_ptr - offsetof(type, member));		\
	})

#endif
