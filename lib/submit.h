/* SPDX-License-Identifier: MIT */
/* Submitting, for what submits in other ways than submit.c. */
#ifndef KECHO_SUBMIT_H
#define KECHO_SUBMIT_H

#include "internal.h"

/* With source_begin() the source's lock is held, source_room() lets go of it if it waits,
 * source_finish() tells of what is new and leaves. */
int source_submit(struct kecho_source *s, struct ke_event_info *info, const void *data, size_t len,
		  unsigned int flags);
int source_begin(struct kecho_source *s, unsigned int flags);
int source_room(struct kecho_source *s, u64 size, unsigned int flags);
void source_finish(struct kecho_source *s);
/* wake.c; with the source's lock. */
void source_note(struct kecho_source *s, const struct ke_event_info *info);
void source_wake(struct kecho_source *s);
void source_wake_all(struct kecho_source *s);
/* It decides from here on. */
void source_decides(struct kecho_source *s);
/* Of one that is attached to a node, behind the fence: is something new that they want? */
u32 source_wakes(const struct kecho_source *s, bool there);
/* It has ended: by its owner, or with the channel. */
int source_over(const struct kecho_source *s);
/* An event that says for which sinks it is. */
void source_count_named(struct kecho_source *s, const struct ke_event_info *info);
/* The clock costs about as much as all the rest of a submission. */
static inline u64 source_stamp(unsigned int flags)
{
	return flags & KECHO_NOTIME ? 0 : lib_clock_ns(CLOCK_REALTIME);
}

/* The number of a type. */
static inline unsigned int source_type(unsigned int flags)
{
	return flags / KECHO_TYPED(1);
}

/* Of what is submitted now: @time_ns, or 0 if nobody has looked. */
static inline u64 source_deadline(const struct kecho_source *s, u64 time_ns)
{
	u64 now = time_ns ?: lib_clock_ns(CLOCK_REALTIME);

	return s->lifespan_ns < U64_MAX - now ? now + s->lifespan_ns : U64_MAX;
}

/* What goes with an event that is submitted now. */
static inline struct ke_event_info source_info(const struct kecho_source *s, unsigned int flags)
{
	struct ke_event_info info = { .time_ns = source_stamp(flags), .type = source_type(flags) };

	if (unlikely(s->lifespan_ns))
		info.deadline_ns = source_deadline(s, info.time_ns);
	return info;
}

#endif
