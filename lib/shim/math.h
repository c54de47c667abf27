/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Small arithmetic, as in <linux/minmax.h>, <linux/align.h>, <linux/log2.h>,
 * <linux/bitops.h>, <linux/math64.h> and <linux/overflow.h>. min, max and
 * clamp refuse operands of different types, as the kernel's do.
 */
#ifndef SHIM_MATH_H
#define SHIM_MATH_H

#include <stdint.h>

#include "shim/compiler.h"
#include "shim/types.h"

#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))

/* Comparing pointers to different types is a warning, so an error here. */
#define __shim_same(a, b) ((void)sizeof((typeof(a) *)1 == (typeof(b) *)1))

#define min(a, b)								\
	({									\
		typeof(a) __min_a = (a);					\
		typeof(b) __min_b = (b);					\
		__shim_same(a, b);						\
		__min_a < __min_b ? __min_a : __min_b;				\
	})
#define max(a, b)								\
	({									\
		typeof(a) __max_a = (a);					\
		typeof(b) __max_b = (b);					\
		__shim_same(a, b);						\
		__max_a > __max_b ? __max_a : __max_b;				\
	})
#define min_t(type, a, b)							\
	({									\
		type __mint_a = (a);						\
		type __mint_b = (b);						\
		__mint_a < __mint_b ? __mint_a : __mint_b;			\
	})
#define max_t(type, a, b)							\
	({									\
		type __maxt_a = (a);						\
		type __maxt_b = (b);						\
		__maxt_a > __maxt_b ? __maxt_a : __maxt_b;			\
	})
#define min3(a, b, c)		min((typeof(a))min(a, b), c)
#define max3(a, b, c)		max((typeof(a))max(a, b), c)
#define clamp(v, lo, hi)	min((typeof(v))max(v, lo), hi)
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)
#define swap(a, b)								\
	do {									\
		typeof(a) __swap = (a);						\
										\
		(a) = (b);							\
		(b) = __swap;							\
	} while (0)

/* @a is a power of two. */
#define __ALIGN_MASK(x, mask)	(((x) + (mask)) & ~(mask))
#define ALIGN(x, a)		__ALIGN_MASK(x, (typeof(x))(a) - 1)
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)
#define PTR_ALIGN(p, a)		((typeof(p))ALIGN((unsigned long)(p), (a)))
#define round_up(x, y)		((((x) - 1) | ((typeof(x))((y) - 1))) + 1)
#define round_down(x, y)	((x) & ~((typeof(x))((y) - 1)))

/* Any @y. */
#define DIV_ROUND_UP(x, y)	(((x) + (y) - 1) / (y))
#define roundup(x, y)							\
	({								\
		typeof(y) __roundup_y = (y);				\
		(((x) + (__roundup_y - 1)) / __roundup_y) * __roundup_y; \
	})
#define rounddown(x, y)							\
	({								\
		typeof(x) __rounddown_x = (x);				\
		__rounddown_x - (__rounddown_x % (y));			\
	})
#define DIV_ROUND_CLOSEST_ULL(x, d) (((u64)(x) + ((d) / 2)) / (d))

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

/* Where the highest set bit is, from 1; 0 if none is. */
static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

/* Where the lowest set bit is, from 0; @x isn't 0. */
static inline unsigned long __ffs(unsigned long x)
{
	return (unsigned long)__builtin_ctzl(x);
}

static inline unsigned long __ffs64(u64 x)
{
	return (unsigned long)__builtin_ctzll(x);
}

static inline unsigned int hweight32(u32 x)
{
	return (unsigned int)__builtin_popcount(x);
}

static inline unsigned long hweight64(u64 x)
{
	return (unsigned long)__builtin_popcountll(x);
}

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

/* @n isn't 0; a constant expression where @n is one. */
#define ilog2(n) (63 - __builtin_clzll(n))

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n > 1 ? 1UL << fls64(n - 1) : 1UL;
}

static inline unsigned long rounddown_pow_of_two(unsigned long n)
{
	return 1UL << (fls64(n) - 1);
}

/* The kernel's also holds where a processor guesses; user space has only itself to see. */
#define array_index_nospec(index, size)	((index) < (size) ? (index) : 0)

#define check_add_overflow(a, b, sum)	__builtin_add_overflow(a, b, sum)
#define check_sub_overflow(a, b, diff)	__builtin_sub_overflow(a, b, diff)
#define check_mul_overflow(a, b, prod)	__builtin_mul_overflow(a, b, prod)

static inline size_t __must_check size_add(size_t a, size_t b)
{
	size_t sum;

	return check_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static inline size_t __must_check size_mul(size_t a, size_t b)
{
	size_t prod;

	return check_mul_overflow(a, b, &prod) ? SIZE_MAX : prod;
}

#define array_size(a, b) size_mul(a, b)

/* Bytes of *@p with @n elements in its last, flexible member; SIZE_MAX if too many. */
#define struct_size(p, member, n) \
	size_add(sizeof(*(p)), size_mul(n, sizeof(*(p)->member)))

#endif
