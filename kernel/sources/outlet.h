/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * An outlet: a channel with the one source by which a module tells what happens. What can't
 * be submitted is counted, and the next event says how many these were.
 */
#ifndef KECHO_OUTLET_H
#define KECHO_OUTLET_H

#include <linux/moduleparam.h>

#include "kecho.h"
#include "kecho/field.h"

struct outlet {
	struct kecho_channel *channel;
	struct kecho_source *source;	/* NULL: it is not open */
	spinlock_t lock;
	u64 missed;		/* since the last event that was submitted */
	u64 all_missed;
};

/* outlet_open - @name may be empty: then it stays shut, and nobody hears it. It is closed
 * with @k. Errors are those of the calls that it makes. */
int outlet_open(struct outlet *o, struct kecho *k, const char *name);
/* A type of its events; its number. 0: it is shut. */
int outlet_announce(struct outlet *o, const struct kecho_type *t);
bool outlet_heard(const struct outlet *o);
/* An event of type number @type. Its struct begins with a u64, which gets how many were
 * missed. Any context of kecho_submit(). */
void outlet_submit(struct outlet *o, int type, void *event, size_t len);

/* A module parameter, to be read: how many events were not submitted, ever. @arg: an outlet. */
extern const struct kernel_param_ops outlet_missed_ops;

#endif
