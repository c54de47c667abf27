/* SPDX-License-Identifier: MIT */
/*
 * A lock of one word for the data plane: taken and released inline, a system call
 * only where two threads meet. 0: free; 1: taken; 2: taken, and somebody may sleep.
 */
#ifndef KECHO_LOCK_H
#define KECHO_LOCK_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct lib_lock {
	uint32_t word;
};

static inline void lib_lock_wait(struct lib_lock *l)
{
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static inline bool lib_trylock(struct lib_lock *l)
{
	uint32_t free = 0;

	return __atomic_compare_exchange_n(&l->word, &free, 1, 0, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static inline void lib_lock(struct lib_lock *l)
{
	if (__builtin_expect(!lib_trylock(l), 0))
		lib_lock_wait(l);
}

/* A full fence too. */
static inline void lib_unlock(struct lib_lock *l)
{
	if (__builtin_expect(__atomic_exchange_n(&l->word, 0, __ATOMIC_SEQ_CST) == 2, 0))
		syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
