/* SPDX-License-Identifier: MIT */
/*
 * A peer: a way to bring events to other processes that somebody may use instead of
 * kecho, and what is said about it beside its figures; and the other entrants that it is
 * measured beside. Names are unique for each number of hosts.
 */
#ifndef KECHO_BENCH_PEER_H
#define KECHO_BENCH_PEER_H

#include "../transport.h"

enum peer_role {
	ROLE_KECHO,
	ROLE_CONTROL,	/* kecho a second time: what differs is the method's noise */
	ROLE_FLOOR,	/* the kernel alone: can't be won against */
	ROLE_PEER,
};

struct peer {
	const char *name;	/* for the command line */
	const char *title;
	enum peer_role role;
	unsigned int hosts;	/* between processes of 1, or of 2 */
	/* NULL: its library was not there when this was built. */
	const struct transport *transport;
	const char *packages;	/* of Debian: what it needs to be built and to run */
	const char *waits;	/* what a sink sleeps in; with several threads, the reader and
				 * who wakes it */
	const char *promise;	/* what it says about delivery, and what of it is set here */
};

extern const struct peer peers[];
extern const size_t peers_count;

const char *peer_role_name(enum peer_role role);

#endif
