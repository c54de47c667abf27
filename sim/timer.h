/* SPDX-License-Identifier: MIT */
/*
 * Timers in virtual time: what happens when, in one heap. Of those that are due at the
 * same microsecond the one that was set first goes first, so a run has one order only.
 */
#ifndef SIM_TIMER_H
#define SIM_TIMER_H

#include "plat.h"

struct snode;

struct timer {
	u64 at_us;
	u64 order;
	u32 slot;		/* in the heap, from 1 on; 0: not set */
	struct snode *node;	/* whose step it is; NULL: the world's */
	void (*fn)(struct timer *t);
};

struct timers {
	struct timer **heap;
	u32 n, size;
	u64 order;
};

static inline bool timer_is_set(const struct timer *t)
{
	return t->slot;
}

/* timer_set - fire at @at_us; one that is set already is moved. */
void timer_set(struct timers *ts, struct timer *t, u64 at_us);
void timer_cancel(struct timers *ts, struct timer *t);
/* timer_peek - the next one, which stays; NULL: there is none. */
static inline struct timer *timer_peek(const struct timers *ts)
{
	return ts->n ? ts->heap[1] : NULL;
}
/* timer_next - takes out the next one; NULL: there is none. */
struct timer *timer_next(struct timers *ts);
void timers_free(struct timers *ts);

#endif
