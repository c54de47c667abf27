/* SPDX-License-Identifier: MIT */
/*
 * What a channel takes: to create it, to open one that somebody has on another host, for a
 * sink, and to look for an event where none is; in instructions, of everybody, and in system
 * calls of the process. A registry, or ECho's group server, is on the caller's host.
 *
 *	echo, embedded, process		as for cell.h
 *	thread				a kernel thread at the module (open.c)
 */
#ifndef KECHO_BENCH_CALLS_H
#define KECHO_BENCH_CALLS_H

struct call_cost {
	double all, calls;
};

enum { CALL_CREATE, CALL_OPEN, CALL_POLL, CALL_KINDS };

/* After hosts_make(2). -errno, mostly after a message on stderr. */
int calls_measure(const char *who, struct call_cost cost[CALL_KINDS]);

#endif
