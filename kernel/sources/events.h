/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kinds of events of kecho_events.ko, each with a file and an outlet of its own.
 */
#ifndef KECHO_EVENTS_H
#define KECHO_EVENTS_H

#include "outlet.h"

struct net;
struct tracepoint;

struct event_kind {
	struct outlet *outlet;
	/* begin is called with an open outlet: what happens is told from then on. Until end
	 * returns it may be. */
	int (*begin)(struct net *net);
	void (*end)(struct net *net);
};

extern const struct event_kind process_kind, oom_kind, netdev_kind;

/* A function that is called where the kernel passes a tracepoint. */
struct probe {
	const char *name;
	void *fn;
	struct tracepoint *point;	/* NULL: it is not there yet, or no more */
};

/* probes_begin - all of them or none. -ENOENT: this kernel has no such tracepoint; -ENOMEM. */
int probes_begin(struct probe *p, size_t n);
/* On return none of them runs. */
void probes_end(struct probe *p, size_t n);

#endif
