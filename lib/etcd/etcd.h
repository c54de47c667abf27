/* SPDX-License-Identifier: MIT */
/*
 * What libkecho and etcd.so agree on. etcd.so has libcurl and jansson in it, so it is
 * loaded by who has an address of etcd only (lib/reg_etcd.c), and exports this one table.
 *
 * A bridge answers at its end of a socket pair what a server of the registry would
 * (core/registry.h), and keeps the entries in etcd. Before that it sends one byte, when etcd
 * has first answered. It has one thread, which ends when the other end hangs up, at once
 * and whatever etcd does; or by itself, when it cannot go on.
 *
 * The table changes only with its version; both sides are of one installation.
 */
#ifndef KE_ETCD_H
#define KE_ETCD_H

#include "id.h"

enum {
	KE_ETCD_VERSION = 1,
	/* A status that only a bridge says: then a string follows, why. */
	KE_ETCD_REFUSED = 128,
};

#define KE_ETCD_TABLE	"kecho_etcd"

struct ke_etcd;

struct ke_etcd_table {
	u32 version;
	u32 size;	/* of this struct */
	/*
	 * Reads the @endpoints, "URL[,URL...]", and how to reach them from the environment.
	 * -EINVAL, or why a file that is named there cannot be read: @why says which.
	 */
	int (*open)(struct ke_etcd **out, const char *endpoints, char *why, size_t size);
	/* Serves @fd, a socket, in a thread of its own; takes it over, on failure too. */
	int (*start)(struct ke_etcd *e, int fd);
	/* Waits for the end of the thread, whose socket has been hung up on, or which did so
	 * itself: then it gives why as an error (-EACCES: etcd does not let us in), and a
	 * sentence. */
	int (*stop)(struct ke_etcd *e, char *why, size_t size);
	/* What keeps it from answering, from any thread; empty: nothing. */
	void (*trouble)(struct ke_etcd *e, char *why, size_t size);
	void (*close)(struct ke_etcd *e);	/* after stop */
};

#endif
