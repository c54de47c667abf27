/* SPDX-License-Identifier: MIT */
/*
 * What is known to be true of what sources submitted: each event, and which of the sinks'
 * filters may say what of it. It outlives the sources.
 */
#ifndef SIM_TRUTH_H
#define SIM_TRUTH_H

#include "link.h"
#include "sfilter.h"

struct sfeed;
struct sim;
struct ssink;
struct ssource;

enum truth_state { TRUTH_RESERVED = 1,
		   TRUTH_WHOLE,
		   TRUTH_VOID,
		   TRUTH_PART };

struct truth_event {
	u64 time_ns;
	u32 len;
	u8 state, type;
	bool attrs;
	bool settled;		/* it was judged when all had settled, and lies there */
	u16 nverdicts;
	u64 verdicts;		/* the first */
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
	bool ended, cut_short;	/* closed in order; before all that gates it had all */
	bool early;		/* it did not wait for all to subscribe */
	u32 stall_ms;		/* of its source */
	/* By node that reads it behind a gate: what it may lack until here, since there was
	 * no gate; and whether there is one now. */
	u64 *ungated_to;
	bool *gated;
};

/* truth.c */
struct truth *truth_new(struct sim *w, struct ssource *s, u32 channel);
struct truth *truth_find(struct sim *w, u64 member);
struct truth_event *truth_event(struct truth *t, u64 seq);
void truth_fill(const struct truth *t, u64 seq, u8 *to, u32 from, u32 len);
bool truth_same(const struct truth *t, u64 seq, const u8 *data, u32 len);
u32 truth_attrs(const struct truth *t, u64 seq, u8 *to);
void truth_free(struct truth *t);

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
void verdict_sent(const struct ssource *src, u16 node, u64 pos, u64 end);

#endif
