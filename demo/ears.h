/* SPDX-License-Identifier: MIT */
/*
 * What a node's sink hears, counted per host that says it.
 *
 * Events of one source are numbered without gaps, so each one must be the
 * successor of what came before, or of what kecho said was lost. Whatever is
 * neither counts as unexplained; the show fails if there is any.
 *
 * The functions may be called from different threads.
 */
#ifndef DEMO_EARS_H
#define DEMO_EARS_H

#include <pthread.h>

#include <kecho/kecho.h>

#include "wire.h"

#define EARS_MEMBERS_MAX 64	/* ids whose host is remembered */

/* The attribute by which a member says which of the demo's hosts it lives on. */
#define EARS_HOST_ATTR "host"

struct ears {
	struct kecho_channel *ch;
	pthread_mutex_t lock;		/* of all that follows; held over no call of kecho */
	struct wire_ear ear[HOSTS];
	struct {
		uint64_t id;
		int host;
	} known[EARS_MEMBERS_MAX];
	unsigned int nknown;
};

void ears_init(struct ears *e, struct kecho_channel *ch);

/* The host of the member @id; -1 if it never said. */
int ears_host_of(struct ears *e, uint64_t id);

/* Counts what kecho_read() gave. Returns the host that it came from, or -1. */
int ears_hear(struct ears *e, const struct kecho_event *ev);

/* Copies what was counted and begins new histograms. */
void ears_take(struct ears *e, struct wire_ear ear[HOSTS]);

#endif
