/* SPDX-License-Identifier: MIT */
/*
 * What a guest that counts its clock in instructions has executed: one for a nanosecond, less
 * those that its only CPU was idle for.
 */
#ifndef KECHO_BENCH_BUSY_H
#define KECHO_BENCH_BUSY_H

#include <stdint.h>

struct busy {
	uint64_t all;		/* of the guest */
	uint64_t own;		/* of the calling thread, with the interrupts that it met */
};

/* busy_begin, busy_end - between the two, into @b. -errno, after a message on stderr. */
int busy_begin(struct busy *b);
int busy_end(struct busy *b);

#endif
