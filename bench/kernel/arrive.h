/* SPDX-License-Identifier: MIT */
/*
 * From an event's arrival at the socket, as TCP is given its last byte, to its handler: on
 * another host than its source's, and beside hogs, which are processes that always run.
 *
 *	softirq, thread		a callback in the kernel (arrival.c)
 *	process, boosted	a process at the module that sleeps in kecho_read()
 *	embedded		the same of one that is a node
 *	echo			ECho's, in select()
 *
 * Beside hogs a process is a busy one of little priority: it has a nice value of 10 and takes
 * 2 ms for each event, and sleeps before the next comes.
 */
#ifndef KECHO_BENCH_ARRIVE_H
#define KECHO_BENCH_ARRIVE_H

struct took {
	double median_ns, most_ns;
};

/* After hosts_make(2). -errno, mostly after a message on stderr. */
int arrive_measure(const char *who, unsigned int hogs, struct took *took);

#endif
