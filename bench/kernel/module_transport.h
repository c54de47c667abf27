/* SPDX-License-Identifier: MIT */
/* kecho through the module as a transport: all processes are at the nodes of their hosts'
 * kernel. */
#ifndef KECHO_BENCH_MODULE_TRANSPORT_H
#define KECHO_BENCH_MODULE_TRANSPORT_H

#include "../transport.h"

#include <sys/types.h>

extern const struct transport module_transport;
extern const struct transport module_boosted_transport;	/* its sinks are */

/* Of their state: the host of @sink is ready for somebody in the kernel; the channel. */
int module_settle(void *state, unsigned int sink);
const char *module_channel(const void *state);

/* What a host's node is told before somebody attaches: its address, and the registry's, as
 * ADDR:PORT. On that host. -errno, after a message on stderr. */
int module_settings(const char *address, const char *registry);

/* A process that serves the registry, on the caller's host, until it is killed; @registry gets
 * where. Its pid, or -errno. */
pid_t module_keeper(char *registry, size_t size);

#endif
