/* SPDX-License-Identifier: MIT */
/*
 * One end of a transport that is kecho: an attached process, the channel, and the source
 * or the sink that it has there. The state of such a transport begins with one, so
 * end_publish(), end_publish_timed() and end_receive() are its operations as they are.
 * Sinks have the policy `block`: nothing is ever lost.
 *
 * All that may fail returns -errno after a message on stderr.
 */
#ifndef KECHO_BENCH_END_H
#define KECHO_BENCH_END_H

#include "transport.h"

#include <stdint.h>

struct kecho_options;

struct end {
	char channel_name[64];
	size_t log_size;
	unsigned int boost_us;	/* of the sink; 0: it isn't boosted */
	struct kecho *kecho;
	struct kecho_channel *channel;
	struct kecho_source *source;
	struct kecho_sink *sink;
};

/* end_init - what sinks inherit: the name of a channel that nobody else has. What is
 * measured doesn't depend on the caller's environment from here on. The log is large enough
 * for events of @len bytes to be one piece. */
void end_init(struct end *e, size_t len);

/* @opt as for kecho_open(). end_join() leaves source and sink to the caller. */
int end_join(struct end *e, const struct kecho_options *opt);
int end_open_source(struct end *e, const struct kecho_options *opt);
int end_open_sink(struct end *e, const struct kecho_options *opt);

int end_publish(void *state, const struct iovec *events, size_t n);
int end_publish_timed(void *state, const struct iovec *events, size_t n);
ssize_t end_receive(void *state, struct iovec *events, size_t max);

/* end_wire - bytes that the node has sent to other nodes, over the links that are up. */
int end_wire(void *state, uint64_t *bytes);

/* end_close - detach; @e may be used no more. */
void end_close(struct end *e);

/* A TCP port of loopback that nobody has now, or -errno: the first node that binds it
 * serves the registry. */
int end_free_port(void);

#endif
