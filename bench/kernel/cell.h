/* SPDX-License-Identifier: MIT */
/*
 * One cell of the table: who submits to how many sinks on other hosts, and what an event takes,
 * in instructions, from its submission until all sinks have it.
 *
 *	echo		user-level ECho, as the paper has it: a connection and two calls a sink
 *	tcp		one system call a sink
 *	embedded	kecho, processes that are nodes
 *	process		kecho, processes at their hosts' kernels
 *	thread		a kernel thread, and sinks in the kernel, in softirq (thread.c)
 */
#ifndef KECHO_BENCH_CELL_H
#define KECHO_BENCH_CELL_H

#include <stddef.h>

#define CELL_HOSTS_MAX	8

struct cell {
	unsigned int hosts;	/* of the sinks, which are on each in turn */
	unsigned int sinks;
	size_t len;		/* bytes of an event */
	unsigned int each;	/* events at a time: 1, or RIG_BURST */
};

struct cost {
	double all;	/* of everybody */
	double calls;	/* system calls of who submits */
	double own;	/* of who submits: a process's, with the interrupts that it meets;
			 * a kernel thread's, in kecho_submit() */
};

/* After hosts_make(1 + c->hosts). -errno, mostly after a message on stderr. */
int cell_measure(const char *who, const struct cell *c, struct cost *cost);

#endif
