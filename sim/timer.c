// SPDX-License-Identifier: MIT
/*
 * The heap of timers: see timer.h.
 */
#include "timer.h"
#include "memory.h"

static bool before(const struct timer *a, const struct timer *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(struct timers *ts, u32 slot, struct timer *t)
{
	ts->heap[slot] = t;
	t->slot = slot;
}

static void sift_up(struct timers *ts, struct timer *t)
{
	u32 i = t->slot;

	for (; i > 1 && before(t, ts->heap[i / 2]); i /= 2)
		put(ts, i, ts->heap[i / 2]);
	put(ts, i, t);
}

static void sift_down(struct timers *ts, struct timer *t)
{
	u32 i = t->slot, child;

	for (; (child = 2 * i) <= ts->n; i = child) {
		if (child < ts->n && before(ts->heap[child + 1], ts->heap[child]))
			child++;
		if (!before(ts->heap[child], t))
			break;
		put(ts, i, ts->heap[child]);
	}
	put(ts, i, t);
}

void timer_set(struct timers *ts, struct timer *t, u64 at_us)
{
	timer_cancel(ts, t);
	if (ts->n + 2 > ts->size) {
		ts->size = ts->size ? 2 * ts->size : 256;
		ts->heap = sim_grow(ts->heap, ts->size * sizeof(ts->heap[0]));
	}
	t->at_us = at_us;
	t->order = ++ts->order;
	t->slot = ++ts->n;
	sift_up(ts, t);
}

void timer_cancel(struct timers *ts, struct timer *t)
{
	struct timer *last;
	u32 slot = t->slot;

	if (!slot)
		return;
	t->slot = 0;
	last = ts->heap[ts->n--];
	if (last == t)
		return;
	last->slot = slot;
	sift_up(ts, last);
	sift_down(ts, last);
}

struct timer *timer_next(struct timers *ts)
{
	struct timer *t = ts->n ? ts->heap[1] : NULL;

	if (t)
		timer_cancel(ts, t);
	return t;
}

void timers_free(struct timers *ts)
{
	sim_free(ts->heap);
	memset(ts, 0, sizeof(*ts));
}
