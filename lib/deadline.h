/* SPDX-License-Identifier: MIT */
/* When events expire, as they are read: see deadline.c. */
#ifndef KECHO_DEADLINE_H
#define KECHO_DEADLINE_H

#include "feed.h"

/* The sink's lock is held. */
bool deadline_is_over(struct kecho_sink *s, const struct feed *f, u64 deadline_ns);
/* By our CLOCK_REALTIME; 0: it is not known what it is here. */
u64 deadline_here(struct kecho_sink *s, const struct feed *f, u64 deadline_ns);

#endif
