/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The judge of a source: up to 64 filters, each with a bit, that judge an event before it is
 * appended; its record carries the bits. It knows of filters and what they read; whose they
 * are is seats.h.
 *
 * Its calls are made by who owns it, one at a time, but for ke_judge_event(), which is made
 * under the source's lock. What that uses is changed under this lock, by ops->lock(); memory
 * is got and given outside.
 */
#ifndef KE_JUDGE_H
#define KE_JUDGE_H

#include "announce.h"
#include "filter.h"
#include "log.h"

/*
 * A sieve: a filter as a sink has set it, with the type of events that say none. Counted
 * references.
 *
 * ke_sieve_make - of what travelled; @type_len 0: there is no type. -EPROTO: no event filter,
 * no type, with the reason in @why, of KE_TYPE_WHY_MAX bytes; -ENOMEM.
 */
struct ke_sieve {
	u32 refs;
	u32 len, type_len;	/* in @wire: of the filter, and of the type behind it */
	u64 whose;		/* see ke_member.whose */
	bool of_sink;		/* it asks of the sink or its node */
	u32 scopes;		/* that it asks of, a bit 1 << scope each */
	struct ke_filter *f;
	struct ke_type *type;	/* what events of index 0 are; NULL: bytes */
	u8 wire[];
};

int ke_sieve_make(struct ke_sieve **s, const void *wire, u32 len, const void *type, u32 type_len,
		  char *why);
/* The same, of filters of the kinds IN and OUT. */
int ke_sieve_make_in(struct ke_sieve **s, const void *wire, u32 len, const void *type, u32 type_len,
		     char *why);
int ke_sieve_make_out(struct ke_sieve **s, const void *wire, u32 len, char *why);
/* All take NULL. */
struct ke_sieve *ke_sieve_get(struct ke_sieve *s);
void ke_sieve_put(struct ke_sieve *s);
/* As it travels. */
static inline u32 ke_sieve_bytes(const struct ke_sieve *s)
{
	return s ? s->len + s->type_len : 0;
}
/* ke_sieve_replace - @s, whose reference it takes, in the place of *@held; @bytes counts those
 * of a node. -ENOSPC: over KE_NODE_FILTERS_MAX. */
int ke_sieve_replace(struct ke_sieve **held, struct ke_sieve *s, u32 *bytes);
bool ke_sieve_same(const struct ke_sieve *a, const struct ke_sieve *b);

/* What a filter reads, for each of its slots. One piece of memory, which begins with @value. */
struct ke_slots {
	struct kecho_filter_value *value;
	struct ke_filter_str *str;
	s64 *set_ms;		/* of an age: what it counts from */
};

/* One filter of a judge: see judge_filter.c. */
struct ke_judge_filter {
	struct ke_sieve *sieve;
	u64 whose;		/* for what is made of it: the sieve's, or of who shares it */
	u16 lacks;		/* types that it can't be made for, a bit each */
	u32 cost, bytes;
	char *names;		/* of its slots, KE_NAME_MAX + 1 bytes each */
	/* What an event is judged with; the source's lock's. */
	struct ke_filter_state *state;
	bool shares;		/* that with other judges: see ke_judge_lend() */
	struct ke_slots slots;
	u32 changed;		/* of the judge's changes: the last of these */
	struct ke_program *program[KE_TYPES_MAX + 1];	/* by the type's index */
};

struct ke_judge_ops {
	void (*lock)(void *owner);
	void (*unlock)(void *owner);
	u64 (*now_ms)(void *owner);	/* by the clock that attributes are set by */
	/* Native code of a program of @whose; NULL: it is interpreted. May be NULL. */
	struct ke_native *(*compile)(void *owner, u64 whose, const struct ke_program *p);
};

struct ke_judge {
	const struct ke_judge_ops *ops;
	void *owner;
	u64 seed;
	u32 cost, bytes;	/* of all filters */
	u32 changes;		/* of all that is below, ever */
	/* The source's lock's, from here on. */
	u32 generation;		/* of the set of filters */
	u16 unjudged;		/* types that a filter lacks: events of them are not judged */
	u64 live;		/* the bits that have a filter */
	u64 stale;		/* those whose slots are old: no event is judged */
	struct ke_judge_filter *filter[KE_JUDGE_FILTERS_MAX];
};

/* NULL: no memory. @seed is for random(). */
struct ke_judge *ke_judge_make(const struct ke_judge_ops *ops, void *owner, u64 seed);
/* With all filters that it has; takes NULL. */
void ke_judge_free(struct ke_judge *j);

/* ke_judge_put - bit @bit, which is free, gets a filter, with the attributes @slots; it keeps
 * a reference. It is in force in generation @generation. -EACCES: it can't be made for a type;
 * -E2BIG: over KE_JUDGE_COST_MAX, KE_JUDGE_BYTES_MAX; -ENOMEM. */
int ke_judge_put(struct ke_judge *j, u32 bit, u32 generation, struct ke_sieve *s,
		 const struct ke_types *types, const struct ke_value *slots);
void ke_judge_drop(struct ke_judge *j, u32 bit);
/* ke_judge_share - bit @bit judges for @whose, too: what is interpreted may become native code by
 * his rights. */
void ke_judge_share(struct ke_judge *j, u32 bit, u64 whose);
/* ke_judge_renew - the same filters in a new generation, which it gives. */
u32 ke_judge_renew(struct ke_judge *j);
/* ke_judge_slots - the attributes that a filter reads, one for each slot; of kind 0: absent;
 * of an age: when the attribute was set, in ms. Those of the event are looked up with it. They
 * are copied. -ENOMEM, as if @slots is NULL: nothing is judged until it has them. */
int ke_judge_slots(struct ke_judge *j, u32 bit, const struct ke_value *slots);
/* ke_judge_lend - what the filter of @bit remembers is @state, which others may have, too, whose
 * events are judged under the same lock; it stays its owner's. */
void ke_judge_lend(struct ke_judge *j, u32 bit, struct ke_filter_state *state);
/* What a slot was given; of kind 0: nothing. A string's bytes are the judge's. */
struct ke_value ke_judge_slot(const struct ke_judge *j, u32 bit, u32 slot);
/* ke_judge_announced - a type is new. The bits whose filters can't be made for it: until they
 * are dropped its events are not judged. */
u64 ke_judge_announced(struct ke_judge *j, const struct ke_types *types, u32 index);

/*
 * ke_judge_event - what the filters say of the event with number @seq, into @info, or that it
 * is not judged. Its attributes are a set that was checked; of an event in pieces @payload is
 * all of it. @j may be NULL. Allocates nothing, takes no lock; the source's is held.
 */
void ke_judge_event(struct ke_judge *j, struct ke_event_info *info, u64 seq, const void *payload,
		    u32 len, const struct ke_filter_ops *ops);

/* For judge.c. */
int ke_judge_filter_make(struct ke_judge_filter **f, struct ke_judge *j, struct ke_sieve *s,
			 const struct ke_types *types, const struct ke_value *slots);
void ke_judge_filter_free(struct ke_judge *j, struct ke_judge_filter *f);
/* Memory with such attributes, and for the event's. -ENOMEM. */
int ke_judge_filter_slots(struct ke_slots *slots, const struct ke_judge_filter *f,
			  const struct ke_value *v);
/* The program for a type, which counts from here on; of index 0, for what the sieve says. */
int ke_judge_program(struct ke_program **p, struct ke_judge *j, struct ke_judge_filter *f,
		     const struct ke_types *types, u32 index);
/* Take the event's own attributes. */
void ke_judge_look_at(struct ke_judge_filter *f, const struct ke_event_info *info);
/* Count the ages among what the filter @from reads. */
void ke_judge_count_ages(struct ke_slots *s, const struct ke_filter *from, u64 now_ms);

#endif
