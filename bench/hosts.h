/* SPDX-License-Identifier: MIT */
/*
 * The hosts of a run: the publisher's and the sinks'. Without hosts_make() both are this
 * one, over loopback, whose addresses stand for hosts. After it the process is on a host
 * of its own:
 *
 *	publisher's, 10.98.0.1 [eth0]---veth---[eth0] 10.98.0.2, the sinks'
 *
 * or, for one host, the first without the wire. With several for the sinks, 10.98.0.2 to .9,
 * the publisher's eth0 is a switch, into which theirs are plugged. A host is a network
 * namespace, alone with whatever listens there, and multicast works in it. /dev/shm is the
 * process's own too. All of it goes with the processes.
 */
#ifndef KECHO_BENCH_HOSTS_H
#define KECHO_BENCH_HOSTS_H

#include <stddef.h>
#include <stdint.h>

enum { HOST_PUBLISHER, HOST_SINKS };

/* hosts_make - for the calling process, which must have one thread, and once in its life:
 * @n is 1 to 9. -errno, after a message on stderr. */
int hosts_make(unsigned int n);

/* hosts_own_folder - after hosts_make(): an empty folder of the process's own at @path, where
 * a program uses fixed names. -errno, after a message on stderr. */
int hosts_own_folder(const char *path);

/* hosts_enter - be on @host, with what the calling thread does and starts from now on. */
int hosts_enter(unsigned int host);

/* hosts_limit - after hosts_make(2): from now on the publisher's host sends @bytes_per_s at
 * most. */
int hosts_limit(unsigned int bytes_per_s);

/* hosts_wire - bytes that the wire carried both ways until now, of frames of Ethernet; with one
 * host, what its loopback did. On the publisher's host. -errno. */
int hosts_wire(uint64_t *bytes);

/* hosts_address - of @host. */
const char *hosts_address(unsigned int host);

/* hosts_of_sink - the host of sink @i: there is one for each, or as many as there are. */
unsigned int hosts_of_sink(unsigned int i);

/* hosts_sink_address - of the host of sink @i: on loopback each is one of its own. */
void hosts_sink_address(unsigned int i, char *address, size_t size);

#endif
