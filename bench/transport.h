/* SPDX-License-Identifier: MIT */
/*
 * A transport: one way to bring events from one publisher to sinks in other
 * processes. The rig (rig.h) drives every transport alike.
 *
 * The life of one: prepare() in the publisher makes what the sinks inherit; the
 * rig forks; each sink calls attach() while the publisher calls connect(); then
 * the publisher publishes and the sinks receive; each side calls release() on its
 * own copy of the state.
 *
 * All events of a run have the same length, agreed on in prepare(), so a floor
 * carries nothing but payload. A transport may block for room; it need not
 * bound what is in flight, the rig never has more than its window there (rig.h).
 */
#ifndef KECHO_BENCH_TRANSPORT_H
#define KECHO_BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define TRANSPORT_SINKS_MAX	8
#define TRANSPORT_BATCH_MAX	1024	/* events of one publish() or receive() */
#define TRANSPORT_TIMEOUT_S	5	/* to connect and attach */

struct transport {
	const char *name;
	bool lossy;	/* it may lose events: a hole in their sequence is counted, no error */

	/* 0 or -errno; on an error *@state is not touched. */
	int (*prepare)(void **state, unsigned int nsinks, size_t len);
	int (*attach)(void *state, unsigned int sink);
	int (*connect)(void *state);

	/* Publish @n events to all sinks, waking them as seldom as the transport
	 * can. 0 or -errno. */
	int (*publish)(void *state, const struct iovec *events, size_t n);

	/* Sleep until there is an event; returns how many it gave, at most @max, or
	 * -errno. They stay valid until the next call. */
	ssize_t (*receive)(void *state, struct iovec *events, size_t max);

	/* Bytes that went from the publisher's host to others until now. 0 or -errno;
	 * NULL: it doesn't count them. */
	int (*wire)(void *state, uint64_t *bytes);

	/* CPU time until now of the processes between the publisher and the sinks. 0 or
	 * -errno; NULL: there are none. */
	int (*broker_cpu)(void *state, uint64_t *ns);

	void (*release)(void *state);
};

#endif
