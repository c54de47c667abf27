/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What is sampled, as the kernel counts it from its beginning on, or as it is now.
 */
#ifndef KECHO_SAMPLE_H
#define KECHO_SAMPLE_H

#include <linux/types.h>

#include "uapi/kecho_sources.h"

struct net;

/* sample_take - all of it, now: in the times, bytes and packets since the beginning. */
void sample_take(struct kecho_load *now, struct net *net);
/* sample_since - of those what is the interval's, from @from to @now. */
void sample_since(struct kecho_load *out, const struct kecho_load *from,
		  const struct kecho_load *now);

/* pressure.c. Open first. */
void shows_open(void);
void shows_close(void);
void pressure_take(struct kecho_load *now);
void run_queue_take(struct kecho_load *now);

/* shown.c: a file of /proc, as a process reads it. */
struct shown {
	const char *path;
	struct file *file;	/* NULL: it isn't there */
};
void shown_open(struct shown *s);
void shown_close(struct shown *s);
/* Its text, which ends in a zero; empty if there is none, or it has over @size bytes. */
void shown_read(struct shown *s, char *text, size_t size);

#endif
