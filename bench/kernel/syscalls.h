/* SPDX-License-Identifier: MIT */
/* The system calls of this process, counted by the kernel's tracepoint. -errno, after a message
 * on stderr. While they are counted each takes longer. */
#ifndef KECHO_BENCH_SYSCALLS_H
#define KECHO_BENCH_SYSCALLS_H

#include <stdint.h>

#define SYSCALLS_THREADS_MAX 16

struct syscalls {
	int fd[SYSCALLS_THREADS_MAX];	/* the caller's is the last */
	unsigned int n;
};

/* Those of all threads that there are, until syscalls_end(). */
int syscalls_begin(struct syscalls *s);
int syscalls_end(struct syscalls *s, uint64_t *calls);

#endif
