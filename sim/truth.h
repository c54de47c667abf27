/* SPDX-License-Identifier: MIT */
/*
 * What is known to be true of what sources submitted: each event, which of the sinks' filters
 * may say what of it, and for which sinks it is. It outlives the sources.
 */
#ifndef SIM_TRUTH_H
#define SIM_TRUTH_H

#include "link.h"
#include "sfilter.h"

struct schan;
struct sfeed;
struct sim;
struct snode;
struct ssink;
struct ssource;

enum truth_state { TRUTH_RESERVED = 1,
		   TRUTH_WHOLE,
		   TRUTH_VOID,
		   TRUTH_PART };

struct truth_event {
	u64 at_us;		/* when it was submitted */
	u64 time_ns, deadline_ns;	/* by its node's wall clock; 0: none */
	u32 len;
	u8 state, type;
	bool attrs;
	bool judged;
	bool named;		/* it is for some sinks only, see schoice.c */
	bool settled;		/* one of these, when all had settled, and it lies there */
	u16 nverdicts, nto;
	u64 verdicts, to;	/* the first of each */
	struct sfilter_from from;
	u64 pos;
	u32 size;
};

/* What a sink's filter may say of an event: verdict.c. */
struct verdict {
	u32 sink;		/* its number */
	bool known;		/* its source's node knows of it now, not only once, */
	bool settled;		/* and judges by a bit of its newest version */
	u16 oldest, newest;	/* of its filter's versions that may be in force there */
	struct sfilter_to to;
};

/* What a source submitted. It outlives the source. */
struct truth {
	u32 index, channel;
	u16 node;
	u64 member;
	u64 n, room;		/* events */
	struct truth_event *event;
	struct verdict *verdict;
	u64 nverdicts, verdict_room;
	u64 *to;		/* ids of sinks */
	u64 nto, to_room;
	bool names;		/* some events are for some sinks only, or for none */
	bool ended, cut_short;	/* closed in order; before all that gates it had all */
	u32 alive_ms;		/* it promises signs of life so often */
	u64 sign_us;		/* the last one, */
	u64 gap_us, gap_end_us;	/* the last gap of half of that time, or more, between two */
	bool lives;		/* most events have deadlines */
	bool early;		/* it did not wait for all to subscribe */
	u32 stall_ms;		/* of its source */
	/* By node that reads it behind a gate: what it may lack until here, since there was
	 * no gate; and whether there is one now. */
	u64 *ungated_to;
	bool *gated;
	u32 *starts;		/* by node: it was told so often where its stream starts */
};

/* An attribute was set, and when: what others may know of its age. */
struct sage {
	s16 value;
	u64 at_us;
	u64 *stood_us;		/* each node had stood still for so long by then */
};

struct sages {
	struct sage *set;
	u32 n;
};

/* truth.c */
struct truth *truth_new(struct sim *w, struct ssource *s, u32 channel);
struct truth *truth_find(struct sim *w, u64 member);
struct truth_event *truth_event(struct truth *t, u64 seq);
void truth_fill(const struct truth *t, u64 seq, u8 *to, u32 from, u32 len);
bool truth_same(const struct truth *t, u64 seq, const u8 *data, u32 len);
u32 truth_attrs(const struct truth *t, u64 seq, u8 *to);
void truth_free(struct truth *t);

/* sage.c: how old attributes are */
/* sages_set - it was set right now, by @n. */
void sages_set(struct sages *a, const struct snode *n, s16 value);
void sages_free(struct sages *a);
/* sages_check - @n knows this value of @of's with this age; -1: it knows none. */
void sages_check(const struct sages *a, const struct snode *n, const struct snode *of, s16 value,
		 s32 age_ms);

/* salive.c: signs of life */
/* salive_promise - before it joins; salive_begin - it gives signs. */
void salive_promise(struct ssource *s);
void salive_begin(struct ssource *s);
/* salive_gave - it has published something, which is one. */
void salive_gave(struct ssource *s);
bool salive_hangs(const struct ssource *s);
/* salive_watch - a new feed; salive_tell - it is told of a silence, or of its end; salive_item -
 * of anything else; salive_end - of the source's. */
void salive_watch(struct sfeed *f);
bool salive_tell(struct sfeed *f);
void salive_item(const struct sfeed *f);
void salive_end(struct sfeed *f);
/* salive_settled - it was told of no silence that should be over. */
bool salive_settled(const struct sfeed *f);

/* slife.c: how long events live */
/* slife_choose - a deadline; 0: none. */
u64 slife_choose(struct ssource *s);
/* slife_over - it is, as far as the sink can know. */
bool slife_over(struct sfeed *f, const struct ke_item *item);
/* slife_same_count - both ends have counted as many that were not sent. */
bool slife_same_count(const struct sfeed *f, const struct ke_tstream *ts);

/* verdict.c: whom judged events are for */
/* verdict_set - a new version of its filter; false: it stays. */
bool verdict_set(struct ssink *s, struct sfilter f);
/* verdict_told - what house->judged() says. */
bool verdict_told(struct ssink *s, const struct truth *t, const struct ke_verdict *v);
/* verdict_took - it reads, and takes what was said. */
void verdict_took(struct ssink *s);
/* verdict_begin - a new feed's reader. */
void verdict_begin(struct sfeed *f);
/* verdict_take - the source judges the event right now. */
void verdict_take(struct ssource *src, u64 seq);
/* verdict_skip - the reader has gone past events up to @last without a word. */
void verdict_skip(struct sfeed *f, u64 last);
/* verdict_got - false: it is not for the sink, which has judged it itself. */
bool verdict_got(struct sfeed *f, const struct ke_item *item);
bool verdict_unwanted(const struct sfeed *f, u64 seq);
/* verdict_sent - the log's bytes from @pos to @end go to @node. */
void verdict_sent(struct ssource *src, u16 node, u64 pos, u64 end);
/* What a filter finds at @n, or as it is known in the channel. */
struct sfilter_to verdict_to(const struct snode *n, const struct ke_attrs *sink,
			     const struct ke_attrs *node);
struct sfilter_from verdict_from(const struct schan *c, const struct ke_attrs *source,
				 const struct ke_attrs *node);

/* schoice.c: for which sinks a source's events are */
/* schoice_set - another filter for OUT; schoice_address - some go to one sink. Without memory it
 * stays as it was. */
void schoice_set(struct ssource *s, struct sfilter f);
void schoice_address(struct ssource *s);
/* schoice_make - of event @seq, into @info; schoice_take - it is in the log. */
void schoice_make(struct ssource *s, struct ke_event_info *info, u64 seq, const void *payload,
		  u32 len);
void schoice_take(struct ssource *s, u64 seq, const struct ke_event_info *info);
bool schoice_is_for(const struct truth *t, u64 seq, u64 sink);

#endif
