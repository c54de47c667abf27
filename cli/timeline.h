/* SPDX-License-Identifier: MIT */
/*
 * When the events of a recording are due: on one time line, in nanoseconds from its first
 * run's begin.
 *
 * An event says when it was submitted by its source's clock, which is exact, and the record
 * when it came by the recorder's, which is later by whatever kept the recorder busy. So of
 * each source the distances are those of its own clock, laid on the recorder's where its
 * first event came (or where the two agree, if they do). It is laid anew when the source's
 * clock was set: when an event would lie before the one before it, or after it came. An event
 * without a time is due when it came. The time between two runs is left out.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include "known.h"
#include "recording.h"

struct timeline {
	uint64_t real_ns;	/* CLOCK_REALTIME as the run began */
	int64_t base_ns;	/* where that lies */
	int64_t last_ns;	/* of the last event that was asked for */
	struct known clocks;	/* of this run's sources */
};

void timeline_run(struct timeline *t, const struct recording_item *run);
/* When @event, the next one in the file, is due: never before the last one. */
int64_t timeline_due(struct timeline *t, const struct recording_item *event);
void timeline_free(struct timeline *t);

#endif
