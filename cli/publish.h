/* SPDX-License-Identifier: MIT */
/*
 * Submitting for `kecho pub`: pace, limit, and what is done with an event that
 * does not fit.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <kecho/kecho.h>

#include "args.h"

#define PUBLISH_BATCH	64	/* events that are submitted in one go */

struct publisher {
	struct kecho_source *source;
	unsigned int flags;		/* of all submissions */
	const struct attrs *attrs;	/* of each event */
	uint64_t to;			/* a member's id; 0: for all */
	double per_s;			/* 0: as they come */
	uint64_t left;			/* events until --count is reached */
	uint64_t next_ns;		/* with per_s: when the next one is due */
	uint64_t refused;		/* events that did not fit, with KECHO_DONTWAIT */
};

/* Enough was submitted, or it was stopped. */
bool publisher_done(const struct publisher *p);
/* Submit up to @n events, one per iovec. Returns 0, or -errno after complaining. */
int publish(struct publisher *p, const struct iovec *events, size_t n);

#endif
