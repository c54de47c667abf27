/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Marked accesses and barriers, as in <asm/rwonce.h>, <asm/barrier.h> and
 * <linux/atomic.h>, for memory shared by threads and by processes.
 *
 * They are made of the compiler's atomics, so the thread sanitizer sees them.
 * It knows no fences: data that only smp_mb, smp_rmb or smp_wmb orders must be
 * read and written by marked accesses.
 */
#ifndef SHIM_BARRIER_H
#define SHIM_BARRIER_H

#include "shim/compiler.h"

#define barrier() __asm__ __volatile__("" ::: "memory")

#define READ_ONCE(x) __atomic_load_n((const volatile typeof(x) *)&(x), __ATOMIC_RELAXED)

#define WRITE_ONCE(x, val)							\
	do {									\
		typeof(x) __wo_val = (val);					\
										\
		__atomic_store((volatile typeof(x) *)&(x), &__wo_val,		\
			       __ATOMIC_RELAXED);				\
	} while (0)

#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)

#define smp_store_release(p, val)						\
	do {									\
		typeof(*(p)) __sr_val = (val);					\
										\
		__atomic_store(p, &__sr_val, __ATOMIC_RELEASE);			\
	} while (0)

/* gcc warns of each fence under the thread sanitizer; the rule above answers it. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wtsan"
#endif

static inline void smp_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void smp_rmb(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void smp_wmb(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/* Both order everything before them and everything after. */
#define xchg(p, val)								\
	({									\
		typeof(*(p)) __xchg_new = (val);				\
		typeof(*(p)) __xchg_old;					\
										\
		__atomic_exchange(p, &__xchg_new, &__xchg_old, __ATOMIC_SEQ_CST); \
		__xchg_old;							\
	})

#define cmpxchg(p, old, new)							\
	({									\
		typeof(*(p)) __cx_old = (old);					\
		typeof(*(p)) __cx_new = (new);					\
										\
		__atomic_compare_exchange(p, &__cx_old, &__cx_new, false,	\
					  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
		__cx_old;							\
	})

#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define cpu_relax() __asm__ __volatile__("yield" ::: "memory")
#else
#define cpu_relax() barrier()
#endif

#endif
