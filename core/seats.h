/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The seats of a source: its sinks that have set filters, and which bit of the judge is whose.
 *
 * Sinks that ask for the same share a bit, unless the filter asks of the sink itself. The set
 * of filters has a generation, which goes up when one is put in force. A bit is given to
 * another filter only then, so a generation and a bit name a filter for ever. A seat that
 * changes its filter holds the one before, which goes on being judged, until its sink has
 * taken the change: who reads the log by itself may be behind.
 *
 * What can't be judged at the source is said to be so, and is judged by the sink: beyond the
 * limits, of a filter that a type of the source doesn't allow, without memory.
 */
#ifndef KE_SEATS_H
#define KE_SEATS_H

#include "judge.h"

/* How a sink's filter is judged in a log, from generation @from on. */
struct ke_verdict {
	u32 version;		/* of the sink's filter */
	u8 bit;			/* or KE_BIT_SELF, KE_BIT_ALL */
	u32 from;
	u32 since;		/* at most @from; verdicts from before it are void */
};

struct ke_seat {
	struct list_head list;
	u64 sink;
	struct ke_sieve *sieve;	/* NULL: it has none any more */
	struct ke_verdict v;
	bool open;		/* the sink has yet to take the verdict */
	u8 before;		/* the bit that is held until then, or KE_BIT_SELF */
	bool own;		/* its sink is of the source's node */
	/* Replaced meanwhile: its turn comes then. */
	bool waits;
	struct ke_sieve *next;
	u32 next_version;
};

struct ke_seats_ops {
	/* The attributes of @scope; NULL: there are none. @sink: whose, of a sink's. */
	const struct ke_attrs *(*attrs)(void *owner, u8 scope, u64 sink);
	const struct ke_types *(*types)(void *owner);
};

struct ke_seats {
	const struct ke_seats_ops *ops;
	void *owner;
	struct ke_judge *judge;
	struct list_head seats;
	/* By bit: */
	u32 refs[KE_JUDGE_FILTERS_MAX];
	u32 from[KE_JUDGE_FILTERS_MAX];	/* in force since this generation */
	u64 sink[KE_JUDGE_FILTERS_MAX];	/* of which it asks, if it does */
};

/* @judge has no filters, and goes on from its generation. */
void ke_seats_init(struct ke_seats *t, const struct ke_seats_ops *ops, void *owner,
		   struct ke_judge *judge);
void ke_seats_fini(struct ke_seats *t);

/*
 * ke_seats_set - @sink has set version @version of its filter, or says so again; @s NULL: it
 * has none any more. @v is to be said to it, and ke_seats_taken() follows. It may be what was
 * said before, as another change waits for that. NULL: no memory for a seat; @v says so.
 * ke_seats_taken - @sink has taken what was said of @version. True: another @v is to be said.
 * ke_seats_leave - the sink is over.
 * ke_seats_find - NULL: it has none.
 */
struct ke_seat *ke_seats_set(struct ke_seats *t, u64 sink, u32 version, struct ke_sieve *s,
			     struct ke_verdict *v);
bool ke_seats_taken(struct ke_seats *t, u64 sink, u32 version, struct ke_verdict *v);
void ke_seats_leave(struct ke_seats *t, u64 sink);
struct ke_seat *ke_seats_find(const struct ke_seats *t, u64 sink);

/* What sinks want of a source's events, together. */
struct ke_wants {
	u64 bits;
	u32 from;	/* of older generations all are wanted */
	bool all;
};

/* What events say, together, of who wants them. */
struct ke_noted {
	bool any;		/* there is one */
	bool unjudged;		/* of some it is not known */
	u32 oldest;		/* generation */
	u64 bits;
};

/* ke_wants_add - and what one with this seat wants; NULL: it has none. */
void ke_wants_add(struct ke_wants *w, const struct ke_seat *seat);

/* ke_seats_announced - a type is new. @say is called for each sink whose filter it doesn't
 * allow: that judges by itself from here on. */
void ke_seats_announced(struct ke_seats *t, u32 index,
			void (*say)(void *owner, u64 sink, const struct ke_verdict *v));

/* ke_seats_values - what the slots of a filter have for @sink, one for each; kvfree() it.
 * NULL: no memory. */
struct ke_value *ke_seats_values(const struct ke_seats_ops *ops, void *owner,
				 const struct ke_sieve *s, u64 sink);

/* ke_seats_refresh - attributes of these scopes (a bit 1 << scope each) have changed; @sink:
 * only of this one; 0: of whomever. Without memory nothing is judged until the next
 * call, whatever its scopes, has found some. */
void ke_seats_refresh(struct ke_seats *t, u32 scopes, u64 sink);

#endif
