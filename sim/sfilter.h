/* SPDX-License-Identifier: MIT */
/*
 * The filters that simulated sinks have: a number of the event, or of whom it goes from and
 * to, of which some bits are looked at. Each is a program for core and, beside it, a few
 * lines of C that say the same.
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
	SFILTERS,
};

struct sfilter {
	u8 kind;		/* enum sfilter_kind */
	u8 at;			/* the byte */
	u8 mask, is;		/* number & mask == is */
};

/* Attributes of whom it goes from and to, as one node knows them; -1: not set. */
struct sfilter_from {
	s16 channel, source, node;
};

struct sfilter_to {
	s16 sink, node;
};

/* The attributes' names. */
#define SFILTER_EVENT_NAME	"n"
#define SFILTER_CHANNEL_NAME	"epoch"
#define SFILTER_SOURCE_NAME	"rank"
#define SFILTER_SINK_NAME	"zone"
#define SFILTER_NODE_NAME	"load"

struct sfilter sfilter_choose(u64 *rng);
/* sfilter_wire - as it travels, until the next call; no bytes for SFILTER_NONE. */
const void *sfilter_wire(const struct sfilter *f, u32 *len);
/* sfilter_number - of one of these names, which are under 1000; -1: there is none. */
s16 sfilter_number(const struct ke_attrs *attrs, const char *name);
/* sfilter_wants - whether event @seq is wanted. */
bool sfilter_wants(const struct sfilter *f, const struct truth *t, u64 seq,
		   const struct sfilter_from *from, const struct sfilter_to *to);

#endif
