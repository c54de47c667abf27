/* SPDX-License-Identifier: MIT */
/* When events expire, as they are read: see deadline.c. */
#ifndef KECHO_DEADLINE_H
#define KECHO_DEADLINE_H

#include "feed.h"

/* The sink's lock is held. */
bool deadline_is_over(struct kecho_sink *s, const struct feed *f, const struct ke_item *item);
/* By this host's CLOCK_REALTIME; 0: there is none, or it is not known what it is here. */
u64 deadline_here(struct kecho_sink *s, const struct feed *f, const struct ke_item *item);

#endif
