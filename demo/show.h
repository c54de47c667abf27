/* SPDX-License-Identifier: MIT */
/*
 * The show: the three hosts, their nodes, and the script of what is done to them.
 * It is driven from outside: by what nodes write, by their ends, and by time.
 */
#ifndef DEMO_SHOW_H
#define DEMO_SHOW_H

#include <stdbool.h>

#include "crew.h"
#include "hosts.h"
#include "story.h"

#define SHOW_TICK_MS	100	/* between two calls of show_tick() */

/* A member as one node sees it. */
struct show_view {
	uint64_t id;
	uint32_t state;		/* enum kecho_member_state; 0: never seen */
	uint64_t failed_ns;	/* CLOCK_REALTIME, when it was last declared so */
};

struct show {
	struct hosts *hosts;
	struct crew crew;
	struct story story;
	struct show_view view[HOSTS][HOSTS][3];	/* [who][of whom][enum kecho_role] */
	bool quiet[HOSTS];	/* it publishes no more */
	unsigned int step;
	uint64_t step_ns;	/* when it began, since the beginning of the story */
	uint64_t cut_ns, heal_ns, kill_ns;	/* CLOCK_REALTIME */
	uint64_t late_before, lost_before;
	unsigned int outages;
	bool done;		/* all steps are behind us */
	bool failed;
	char why[1536];		/* it failed */
};

void show_begin(struct show *sh, struct hosts *hosts);
void show_message(struct show *sh, int host, const struct wire_message *m);
/* Reads all that the node of @host has written. */
void show_read(struct show *sh, int host);
/* SIGCHLD came. */
void show_reap(struct show *sh);
/* Goes on in the script if it is time. */
void show_tick(struct show *sh);
const char *show_name(const struct show *sh, int host);
struct story_outage *show_outage(struct show *sh);	/* the one that goes on */
void show_fail(struct show *sh, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
