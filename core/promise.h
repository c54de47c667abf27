/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A source's promise to give a sign of life so often, as who reads its log sees it kept.
 *
 * A sign is what moves in the log's header: its head, or the word `alive`. Somebody looks there
 * at each quarter of the time that was promised, and the promise is broken when all of that time
 * went by without a sign. Only time in which somebody looked counts: who was stopped himself,
 * or cannot hear the source, begins anew, since what he has not seen he can't judge.
 *
 *	KEPT ── broken, at the log's head of then ──> DUE ── read up to there, told ──> SILENT
 *	  ^──────────────────── a sign, told before what was written since ───────────────┘
 *
 * So a reader is told of the silence behind all that came before it, and of its end before all
 * that came after. One that is late is told later, of the first of several in a row.
 */
#ifndef KE_PROMISE_H
#define KE_PROMISE_H

#include "log.h"

enum ke_promise_state { KE_PROMISE_KEPT, KE_PROMISE_DUE, KE_PROMISE_SILENT };

/* What a reader is to be told. */
enum ke_promise_news { KE_NO_NEWS, KE_NEWS_SILENT, KE_NEWS_BACK };

struct ke_promise {
	u32 ms;			/* 0: its source has promised nothing */
	u32 quiet_ms;		/* without a sign, as far as somebody looked */
	bool broken;		/* now */
	enum ke_promise_state state;	/* of what the reader was told */
	u64 at;			/* DUE: behind all that is before this */
	u64 sign, looked_ms;	/* as seen last, then */
	u64 look_ms;		/* there is the next look */
};

/* Between two looks. */
static inline u32 ke_promise_step(u32 promise_ms)
{
	return promise_ms / 4;
}

/* When the next look is: at multiples of that time, so that those at many logs are one. */
static inline u64 ke_promise_next_ms(u32 promise_ms, u64 now_ms)
{
	u32 step = ke_promise_step(promise_ms);

	return (div64_u64(now_ms, step) + 1) * step;
}

/* Is it a promise that can be kept, and looked after? 0, none, is. */
static inline bool ke_promise_fits(u32 ms)
{
	return !ms || (ms >= KE_PROMISE_MS_MIN && ms <= KE_PROMISE_MS_MAX);
}

/* Has moved if there was a sign. Anything may stand there. */
u64 ke_log_sign(const struct kecho_log_header *hdr);

/* ke_promise_begin - from now on, of the log @hdr. @ms 0: there is none. */
void ke_promise_begin(struct ke_promise *p, const struct kecho_log_header *hdr, u32 ms,
		      u64 now_ms);

/*
 * ke_promise_look - a look at the log, if it is time for one; @deaf: no sign could be heard.
 * True: the reader may have something to be told.
 * ke_promise_glance - the same where that is enough: there was a sign, as ever, or it is no time
 * yet. False: look. All but this excludes what is below; an end may come meanwhile.
 */
bool ke_promise_look(struct ke_promise *p, const struct kecho_log_header *hdr, bool deaf,
		     u64 now_ms);
bool ke_promise_glance(struct ke_promise *p, const struct kecho_log_header *hdr, u64 now_ms);

/*
 * ke_promise_news - what a reader at @pos of the log is to be told before it reads on.
 * ke_promise_told - it was told that.
 */
enum ke_promise_news ke_promise_news(const struct ke_promise *p,
				     const struct kecho_log_header *hdr, u64 pos);
void ke_promise_told(struct ke_promise *p, const struct kecho_log_header *hdr,
		     enum ke_promise_news news);

/* A silence is to be told before what lies behind this is read. */
static inline u64 ke_promise_until(const struct ke_promise *p)
{
	return p->state == KE_PROMISE_DUE ? p->at : KE_NO_LIMIT;
}

/* The source has ended, which says all: if it goes on the promise begins anew. */
void ke_promise_end(struct ke_promise *p);

#endif
