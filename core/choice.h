/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The choice of a source: for which of its channel's sinks an event is. It has the roster, all
 * sinks that can be chosen, and a filter of kind OUT, which is asked for each of them; what is
 * chosen is named in the event's record by ids, see struct kecho_record_to.
 *
 *	- A filter that asks nothing of sinks and wants no best ones is asked once for an event:
 *	  that is for all sinks, and names none, or for nobody.
 *	- Of sinks with equal scores it is chance which ones are the best.
 *	- An event of a type that the filter can't be made for is for nobody.
 *	- Without memory for what has changed, the roster or an attribute, it stays as it was, and
 *	  is stale: its owner tries again.
 *
 * Its calls are made by who owns it, one at a time, but for those for a submission, which are
 * made under the source's lock, as with a judge.
 */
#ifndef KE_CHOICE_H
#define KE_CHOICE_H

#include "seats.h"

struct ke_candidate {
	u64 id;
	/* What the filter finds for it; NULL: it asks nothing of sinks, or there is no memory. */
	struct ke_slots slots;
};

/* A candidate that the filter says yes to. */
struct ke_draw {
	s64 score;
	u64 lot;
	u64 id;
};

struct ke_roster {
	u32 refs, n;
	struct ke_candidate *sink;	/* by their ids, ascending */
	/* Room for an event's: as many each. */
	struct ke_draw *draw;
	__le64 *names;
	u32 *heap;
};

struct ke_choice {
	const struct ke_judge_ops *ops;
	const struct ke_seats_ops *attrs;
	void *owner;
	u64 seed;
	u32 names_max;		/* of one event */
	bool stale;
	/* The source's lock's, from here on. */
	u64 random;
	struct ke_roster *roster;
	struct ke_judge *judge;	/* has the filter, as its only one; NULL: there is none */
};

/* ke_choice_make - without sinks, without a filter. @seed is for what is left to chance; at
 * most @names_max sinks can be chosen for an event. NULL: no memory. */
struct ke_choice *ke_choice_make(const struct ke_judge_ops *ops, const struct ke_seats_ops *attrs,
				 void *owner, u64 seed, u32 names_max);
/* Takes NULL. */
void ke_choice_free(struct ke_choice *c);

/* ke_choice_filter - @s, of which it keeps a reference; NULL: no filter. -EACCES: it can't be
 * made for a type of the source; -E2BIG: its programs have too many bytes; -ENOMEM. Then it is
 * as it was. */
int ke_choice_filter(struct ke_choice *c, struct ke_sieve *s);
/* ke_choice_sinks - the sinks are these. -ENOMEM. */
int ke_choice_sinks(struct ke_choice *c, const struct ke_names *sinks);
/* As with seats and judges. */
void ke_choice_announced(struct ke_choice *c, u32 index);
void ke_choice_refresh(struct ke_choice *c, u32 scopes, u64 sink);

/*
 * For a submission, under the source's lock; these allocate nothing.
 * ke_choice_most - so many sinks may be named for an event; none: 0.
 * ke_choice_room - the same for one that is yet to come, when more may be there.
 * ke_choice_has - is there such a sink?
 * ke_choice_event - for whom is the event? Into @info; the ids are the roster's, and stay as
 * they are until the next call or until the lock is let go of. -E2BIG: too many are chosen.
 * ke_roster_hold, ke_roster_drop - but with these around it until the second one.
 */
static inline bool ke_choice_chooses(const struct ke_choice *c)
{
	return c && c->judge;
}

u32 ke_choice_most(const struct ke_choice *c);
u32 ke_choice_room(const struct ke_choice *c);
bool ke_choice_has(const struct ke_choice *c, u64 sink);
int ke_choice_event(struct ke_choice *c, struct ke_event_info *info, u64 seq, const void *payload,
		    u32 len, const struct ke_filter_ops *ops);
struct ke_roster *ke_roster_hold(struct ke_choice *c);
void ke_roster_drop(struct ke_roster *r);

#endif
