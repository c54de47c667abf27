/* SPDX-License-Identifier: MIT */
/*
 * The node processes of the show, one per host: starting them, talking to them,
 * and their ends, wanted or not. A node dies with the show, however that ends.
 */
#ifndef DEMO_CREW_H
#define DEMO_CREW_H

#include <stdbool.h>
#include <sys/types.h>

#include "hosts.h"
#include "wire.h"

#define CREW_WORDS_MAX 1024

struct mate {
	pid_t pid;		/* 0: none runs */
	int command_fd;
	int words_fd;		/* what it wrote to stderr */
	struct wire_reader report;
	bool doomed;		/* its end is wanted */
	bool ready;
	struct wire_ready told;	/* when it is ready */
};

struct crew {
	const struct hosts *hosts;
	struct mate mate[HOSTS];
};

void crew_init(struct crew *c, const struct hosts *hosts);

/* Starts the node of host @i. 0 or -errno. */
int crew_start(struct crew *c, int i);

/* 0 or -errno; -EPIPE: it is not there any more. */
int crew_command(struct crew *c, int i, enum wire_type type, const void *body, size_t len);
/* SIGKILL: its end is wanted. */
void crew_kill(struct crew *c, int i);

/*
 * crew_reap - after SIGCHLD: takes the next node that ended. Returns its host,
 * or -1: none did. *@status is as of waitpid().
 */
int crew_reap(struct crew *c, int *status);

/* The last that the node of host @i wrote to stderr, on one line. */
void crew_last_words(const struct crew *c, int i, char words[CREW_WORDS_MAX]);

/* Tells all to end by closing their command pipes. */
void crew_dismiss(struct crew *c);
bool crew_is_gone(const struct crew *c);
/* Kills all that still run and waits for them. */
void crew_end(struct crew *c);

#endif
