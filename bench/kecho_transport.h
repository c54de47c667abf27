/* SPDX-License-Identifier: MIT */
/*
 * kecho as a transport. The publisher and each sink are embedded nodes of their own.
 */
#ifndef KECHO_BENCH_KECHO_TRANSPORT_H
#define KECHO_BENCH_KECHO_TRANSPORT_H

#include "transport.h"

/* All on one host: sinks read the source's log in shared memory. */
extern const struct transport kecho_local;
extern const struct transport kecho_local_timed;	/* events say when they were submitted */

/* Each on a host of its own, 127.0.0.1, 127.0.0.2 …, or on the two of hosts.h: TCP. */
extern const struct transport kecho_remote;

#endif
