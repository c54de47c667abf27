/* SPDX-License-Identifier: MIT */
/*
 * Signs of life: of sources of this process, and looking for those of others; see alive.c.
 */
#ifndef KECHO_ALIVE_H
#define KECHO_ALIVE_H

#include "feed.h"

/* A sign, if the source has promised some. From any thread: all that counts is that it moves. */
static inline void source_sign(struct kecho_source *s)
{
	if (unlikely(s->s.member.alive_ms))
		__atomic_fetch_add(&s->s.log.hdr->alive, 1, __ATOMIC_RELAXED);
}

/* Who is held up looks around so often, which is a sign each time. */
static inline int source_look_ms(const struct kecho_source *s)
{
	u32 step = ke_promise_step(s->s.member.alive_ms);

	return step ? min_t(u32, step, ROOM_LOOK_MS) : ROOM_LOOK_MS;
}

/* A feed begins whose source has promised signs so often; 0: none. The kecho lock is held. */
void alive_watch(struct feed *f, u32 promise_ms);
/* A round of the helper, which would sleep for @timeout_ms (-1: for ever), with that lock: for how
 * long it may. */
int alive_run(struct kecho *k, int timeout_ms);

/*
 * alive_news - has its sink something to be told of that at once?
 * alive_tell - as many events of @ev as that takes: none, or one. What is to be told later
 * bounds how far its reader reads.
 * With the sink's lock.
 */
bool alive_news(const struct feed *f);
unsigned int alive_tell(struct feed *f, struct kecho_event *ev);

#endif
