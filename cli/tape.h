/* SPDX-License-Identifier: MIT */
/*
 * The file that kecho record writes: opened with a lock and whatever it has already,
 * written in large pieces, synced, and what is not in it named.
 */
#ifndef TAPE_H
#define TAPE_H

#include "recording.h"
#include "syncer.h"

struct tape {
	const char *path;
	const char *channel[RECORDING_CHANNELS_MAX];	/* names, for complaints */
	int fd;
	int err;		/* the first; then nothing is written any more */
	struct recording_writer w;
	struct recording_total total;	/* what was put, but for what is missing */
	struct syncer syncer;
};

/* All return 0, or -errno after complaining. @append: go on in a file that has something. */
int tape_open(struct tape *t, bool append, uint64_t sync_ns);
/* Adds a record; it is in the file after tape_write() at the latest. */
int tape_put(struct tape *t, const struct recording_item *it);
int tape_write(struct tape *t);
int tape_close(struct tape *t);

#endif
