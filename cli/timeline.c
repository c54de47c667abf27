/* SPDX-License-Identifier: MIT */
/*
 * When the events of a recording are due.
 */
#include <stdlib.h>

#include "buf.h"
#include "timeline.h"

/* A source whose first event comes no later than that after it was submitted has the
 * recorder's clock, or one as good as it. */
#define AGREE_NS	1000000000u

struct clock {
	int64_t offset_ns;	/* of the recorder's against it */
	int64_t last_ns;	/* it has shown */
};

static void forget(struct timeline *t)
{
	for (size_t i = 0; i < t->clocks.n; i++)
		free(t->clocks.ids[i].thing);
	known_free(&t->clocks);
}

void timeline_run(struct timeline *t, const struct recording_item *run)
{
	forget(t);
	t->real_ns = run->run.real_ns;
	t->base_ns = t->last_ns;
}

/* Wraps as the clocks may: any numbers can be in a file. */
static int64_t apart(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t sum(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static struct clock *lay(struct timeline *t, uint64_t source, int64_t shown, int64_t came)
{
	struct clock *c = grow(NULL, 1, sizeof(*c));
	bool agree = shown <= came && (uint64_t)came - (uint64_t)shown <= AGREE_NS;

	*c = (struct clock){ .offset_ns = agree ? 0 : apart(came, shown), .last_ns = shown };
	known_add(&t->clocks, source);
	known_find(&t->clocks, source)->thing = c;
	return c;
}

int64_t timeline_due(struct timeline *t, const struct recording_item *it)
{
	int64_t shown = (int64_t)(it->event.time_ns - t->real_ns), came = (int64_t)it->time_ns;
	struct known_id *id = known_find(&t->clocks, it->event.source);
	struct clock *c = id ? id->thing : NULL;
	int64_t due;

	if (!it->event.time_ns) {
		due = came;
	} else {
		if (!c)
			c = lay(t, it->event.source, shown, came);
		due = sum(shown, c->offset_ns);
		if (shown < c->last_ns || due > came) {
			c->offset_ns = apart(came, shown);
			due = came;
		}
		c->last_ns = shown;
	}
	due = sum(due, t->base_ns);
	if (due > t->last_ns)
		t->last_ns = due;
	return t->last_ns;
}

void timeline_free(struct timeline *t)
{
	forget(t);
}
