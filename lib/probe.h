/* SPDX-License-Identifier: MIT */
/*
 * Static tracepoints of user space, for perf, bpftrace and SystemTap: provider `kecho`, in
 * libkecho and kechod. One is a nop and a note in the file that says where it is and where
 * its arguments are; they should be at hand, for nobody looks most of the time.
 *
 *	submit		source, bytes, number of the event; that is 0 if it was written in place
 *	read		sink, source, number of the event, bytes
 *	lost		sink, source, first and last number
 *	join, leave	channel's name, member, role (enum kecho_role): of this process; of kechod:
 *			of its processes
 *	member_gone	channel's name, member, state (enum kecho_member_state): of another
 *			node; of kechod: also of a process that died
 *	link_up		node, its name
 *	link_down	node
 *	ring		doorbell, who sleeps (1: in a read, 2: in poll, 3: both)
 */
#ifndef KECHO_PROBE_H
#define KECHO_PROBE_H

#define SDT_USE_VARIADIC
#include <sys/sdt.h>

#define PROBE(name, ...) STAP_PROBEV(kecho, name, ##__VA_ARGS__)

#endif
