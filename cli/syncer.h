/* SPDX-License-Identifier: MIT */
/*
 * A file that reaches its disk in the background: a thread makes fdatasync() some time
 * after what was written first since the last one, so the writer never waits for a disk
 * that is slow, and no longer than that is lost with the power.
 */
#ifndef SYNCER_H
#define SYNCER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SYNC_NEVER	UINT64_MAX

struct syncer {
	int fd;
	uint64_t every_ns;	/* 0: syncer_wrote() waits for the disk itself */
	bool runs;		/* there is a thread */
	pthread_t thread;
	pthread_mutex_t lock;	/* of what follows */
	pthread_cond_t changed;
	bool stop;
	uint64_t wrote, synced;	/* bytes of the file */
	int err;		/* the first, for good */
};

/* Returns 0 or -errno. With SYNC_NEVER nothing is synced. */
int syncer_start(struct syncer *s, int fd, uint64_t every_ns);
/* The file has @bytes now. Returns an error of any sync so far, -errno. */
int syncer_wrote(struct syncer *s, uint64_t bytes);
/* Ends the thread, and has all that was written on the disk. Returns 0 or -errno; then
 * what is behind s->synced may be missing. */
int syncer_stop(struct syncer *s);

#endif
