/* SPDX-License-Identifier: MIT */
/*
 * The three hosts of the demo: as network namespaces behind one switch, or,
 * without the privilege for that, as three loopback addresses.
 */
#ifndef DEMO_HOSTS_H
#define DEMO_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire.h"

#define HOSTS_WHY_MAX 200

struct host {
	const char *name;
	char address[24];	/* for kecho_options.listen */
	int ns;			/* its namespace; -1 on loopback */
};

struct hosts {
	bool loopback;
	struct host host[HOSTS];
	char registry[24];	/* for kecho_options.registry */
	int wires;		/* routing netlink of the switch's namespace; -1 on loopback */
};

/*
 * hosts_make - make them. On an error nothing is left and @why has a sentence.
 * -EPERM: namespaces need more privilege than the caller has.
 */
int hosts_make(struct hosts *h, bool loopback, char *why, size_t why_size);
void hosts_unmake(struct hosts *h);

/* The calling process moves into the host @i. 0 or -errno. */
int hosts_enter(const struct hosts *h, int i);

/*
 * hosts_cut - cut the host @i, in which @pid is the node, off the others, or
 * bring it back. 0 or -errno.
 */
int hosts_cut(const struct hosts *h, int i, pid_t pid, bool cut);

#endif
