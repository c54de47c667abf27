/* SPDX-License-Identifier: MIT */
/*
 * The few requests to the kernel's routing netlink that the topology needs, so
 * that the demo depends on no tool. A socket acts in the network namespace in
 * which it was opened, wherever the process goes later. All return 0 or -errno
 * as the kernel says it.
 */
#ifndef DEMO_RTNL_H
#define DEMO_RTNL_H

#include <netinet/in.h>
#include <stdbool.h>

int rtnl_open(void);	/* a descriptor, or -errno */
int rtnl_add_bridge(int fd, const char *name, int index);
/* A veth pair: @name with the interface index @index here, a port of the bridge
 * @master; @peer with @peer_index in the namespace @peer_ns. */
int rtnl_add_veth(int fd, const char *name, int index, int master, const char *peer,
		  int peer_index, int peer_ns);
int rtnl_set_up(int fd, const char *name, bool up);
int rtnl_add_address(int fd, int index, struct in_addr addr, unsigned char prefix_len);
/* The interface sends @bytes_per_s at most, from a queue of its own that drops what would have
 * to wait for longer than 50 ms. */
int rtnl_limit(int fd, int index, unsigned int bytes_per_s);

#endif
