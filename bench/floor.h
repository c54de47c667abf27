/* SPDX-License-Identifier: MIT */
/*
 * The floors: what the kernel alone takes to bring events to other processes,
 * with nothing on top. kecho is measured against them.
 */
#ifndef KECHO_BENCH_FLOOR_H
#define KECHO_BENCH_FLOOR_H

#include "transport.h"

extern const struct transport floor_tcp;	/* one sendmsg per sink and event */
extern const struct transport floor_tcp_batch;	/* one writev per sink and publish() */
extern const struct transport floor_tcp_loop;	/* the first, of an event loop */
extern const struct transport floor_ring;	/* one shared ring and futex */
extern const struct transport floor_seqpacket;	/* Unix socket, one send per sink and event */

#endif
