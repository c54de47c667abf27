/* SPDX-License-Identifier: MIT */
/*
 * kecho through kechod as a transport: the publisher and the sinks are processes attached
 * to kechods of the rig's own, which run where the publisher does; sinks have the policy
 * `block`.
 */
#ifndef KECHO_BENCH_KECHOD_TRANSPORT_H
#define KECHO_BENCH_KECHOD_TRANSPORT_H

#include "transport.h"

/* All attached to one kechod: kechod is not on the way of an event. */
extern const struct transport kechod_local;

/* The publisher attached to the kechod of 127.0.0.1, all sinks to that of 127.0.0.2; or
 * of the hosts of hosts.h. */
extern const struct transport kechod_remote;

#endif
