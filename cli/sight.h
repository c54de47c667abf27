/* SPDX-License-Identifier: MIT */
/*
 * What can be seen from here, looked at again and again: channels, the counters of their
 * members, the links of this node, and what each has grown by since the look before.
 *
 * A channel is opened when it is first seen, and kept open while it has members: who
 * looks on does not keep an empty channel alive. One that cannot be opened is left out,
 * and complained of once. The first look opens all that there are; each later one lasts
 * about as long as its timeout, and channels for which that leaves no time are opened at
 * the next.
 */
#ifndef SIGHT_H
#define SIGHT_H

#include <stdbool.h>

#include "links.h"
#include "snapshot.h"

struct sighted {
	char name[KECHO_NAME_MAX + 1];
	uint8_t uuid[16];
	bool other;			/* it claims the name of another, and cannot be opened */
	bool listed;			/* it is there still */
	int error;			/* of the last try to open it */
	struct kecho_channel *ch;	/* NULL: not open */
	struct snapshot was, now;
	struct rated *m;		/* now.n of them */
};

struct rated_link {
	struct kecho_link_info now;
	double rx_per_s, tx_per_s;
};

struct sight {
	struct kecho *k;
	char *const *names;		/* of the channels; nnames is 0: all */
	size_t nnames;
	uint64_t timeout_ns;
	struct sighted *c;		/* sorted by name */
	size_t n;
	struct rated_link *l;
	size_t nlinks;
	uint64_t links_ns;		/* when they were looked at; 0: never */
};

/* The first look: each of the names must be there, as far as there are any. Returns 0, or
 * -errno after complaining. */
int sight_begin(struct sight *s);
/* Look again. Returns 0, or the first -errno after complaining; what could be seen is
 * there all the same. */
int sight_take(struct sight *s);
/* Close channels that have no members; asks nobody. */
void sight_prune(struct sight *s);
void sight_end(struct sight *s);

#endif
