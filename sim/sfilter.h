/* SPDX-License-Identifier: MIT */
/*
 * The filters that simulated sinks have, and those that sources have for OUT: a number of the
 * event, or of whom it goes from and to, of which some bits are looked at, or that is a score.
 * Each is a program for core and, beside it, a few lines of C that say the same.
 */
#ifndef SIM_SFILTER_H
#define SIM_SFILTER_H

#include "attr.h"

struct truth;

enum sfilter_kind {
	SFILTER_NONE,		/* no filter */
	SFILTER_EVERY,
	SFILTER_NOTHING,
	SFILTER_BYTE,		/* of the payload; with less of it: no */
	SFILTER_SEQ,
	SFILTER_LEN,
	SFILTER_EVENT,		/* attributes; without one: no */
	SFILTER_CHANNEL,
	SFILTER_SOURCE,
	SFILTER_SOURCE_NODE,
	SFILTER_SINK,
	SFILTER_SINK_NODE,
	SFILTER_SINK_AGE,	/* since the attribute was set, in ms */
	SFILTER_NODE_AGE,
	SFILTERS,
};

struct sfilter {
	u8 kind;		/* enum sfilter_kind */
	u8 at;			/* the byte */
	u8 mask, is;		/* number & mask == is; of an age it counts 256 ms */
	bool out;		/* it is a source's: */
	bool scores;		/* yes if there is a number, which is the score */
	u8 best;		/* only so many; 0: all */
};

/* Attributes of whom it goes from and to, as one node knows them; -1: not set. */
struct sfilter_from {
	s16 channel, source, node;
};

struct sfilter_to {
	s16 sink, node;
	s32 sink_age, node_age;
};

/* The attributes' names. */
#define SFILTER_EVENT_NAME	"n"
#define SFILTER_CHANNEL_NAME	"epoch"
#define SFILTER_SOURCE_NAME	"rank"
#define SFILTER_SINK_NAME	"zone"
#define SFILTER_NODE_NAME	"load"

struct sfilter sfilter_choose(u64 *rng);
struct sfilter sfilter_choose_out(u64 *rng);
/* sfilter_asks_of_sink - what it says may be another for each sink. */
bool sfilter_asks_of_sink(const struct sfilter *f);
/* sfilter_wire - as it travels, until the next call; no bytes for SFILTER_NONE. */
const void *sfilter_wire(const struct sfilter *f, u32 *len);
/* sfilter_number - of one of these names, which are under 1000; -1: there is none. */
s16 sfilter_number(const struct ke_attrs *attrs, const char *name);
s32 sfilter_age(const struct ke_attrs *attrs, const char *name, u64 now_ms);
/* sfilter_wants - whether event @seq is wanted. */
bool sfilter_wants(const struct sfilter *f, const struct truth *t, u64 seq,
		   const struct sfilter_from *from, const struct sfilter_to *to);
/* sfilter_scores - the same, and how well it suits. */
bool sfilter_scores(const struct sfilter *f, const struct truth *t, u64 seq,
		    const struct sfilter_from *from, const struct sfilter_to *to, u64 *score);

#endif
