/* SPDX-License-Identifier: MIT */
/*
 * What happened in the show, as far as it was seen: who heard whom and when, what
 * was done, what kernels said. The script writes it; the screen and the report
 * read it.
 *
 * Bounded: what does not fit any more is not recorded, which the script's time
 * limit keeps from happening.
 */
#ifndef DEMO_STORY_H
#define DEMO_STORY_H

#include <stdbool.h>
#include <stddef.h>

#include "hosts.h"
#include "wire.h"

#define STORY_SAMPLE_NS		200000000u	/* one sample per report of a node */
#define STORY_SMOOTH		5	/* samples in a second */
#define STORY_MUTE_NS		500000000u	/* two reports and a half */
#define STORY_SAMPLES_MAX	400
#define STORY_LINES_MAX		64
#define STORY_EVENTS_MAX	512
#define STORY_SPANS_MAX		8
#define STORY_TEXT_MAX		240

/* What is going on, for judging latencies. */
enum story_phase { STORY_JOINING, STORY_STEADY, STORY_BURST, STORY_BROKEN, STORY_PHASES };

/* One report of a node about one host. */
struct story_sample {
	bool there;
	uint32_t events;
	uint64_t lost;
	uint64_t p50_ns, p99_ns;	/* 0: no events */
	double per_s;
};

/* Who hears whom. */
struct story_pair {
	struct wire_ear now;		/* last told by the node that hears */
	struct wire_ear before;		/* sums of those that were killed there */
	struct story_sample sample[STORY_SAMPLES_MAX];
	struct story_sample last;	/* smoothed over a second for people */
	uint32_t recent[STORY_SMOOTH];	/* events of the samples of that second */
	unsigned int nrecent;
	struct hist latency[STORY_PHASES];
};

struct story_line {
	uint64_t at_ns;		/* since the beginning, like all of these */
	bool bad;
	char text[STORY_TEXT_MAX];
};

struct story_event {
	uint64_t at_ns, latency_ns;
	uint64_t source, seq;
	int host, hearer;
	char json[WIRE_TEXT_MAX];
	char words[STORY_TEXT_MAX];	/* the same for people */
};

/* A time in which a host was away, or of a burst (host -1), for the plots. */
struct story_span {
	uint64_t from_ns, until_ns;	/* until 0: still */
	int host;
	const char *what;
};

struct story_outage {
	unsigned int cut_ms;		/* how long it was; 0: it did not come to it */
	uint64_t noticed_ns;		/* after the cut, by the last neighbour; 0: never */
	uint64_t resumed_ns;		/* after the healing, until all pairs flowed */
	uint64_t late;			/* events of the gap that came after it */
	uint64_t lost;			/* events that were said to be lost */
};

struct story {
	const struct hosts *hosts;
	uint64_t start_ns;		/* CLOCK_REALTIME */
	uint64_t end_ns;		/* since the beginning; 0: it goes on */
	enum story_phase phase;
	struct story_pair pair[HOSTS][HOSTS];	/* [who hears][whom] */
	uint64_t submitted[HOSTS];	/* by the node that runs there now */
	uint64_t told_ns[HOSTS];	/* its last report, since the beginning */
	bool away[HOSTS];
	char load[HOSTS][16], pressure[HOSTS][16];	/* as last heard of */
	struct story_line line[STORY_LINES_MAX];
	unsigned int nlines;
	struct story_event event[STORY_EVENTS_MAX];
	unsigned int nevents;
	struct story_span span[STORY_SPANS_MAX];
	unsigned int nspans;
	/* The figures of the show. */
	struct story_outage outage[2];
	uint64_t join_ns, death_noticed_ns[HOSTS], rejoin_ns;
	int killed;			/* host; -1: none yet */
	bool exact;			/* all accounts added up */
};

void story_begin(struct story *s, const struct hosts *hosts);
uint64_t story_now_ns(const struct story *s);

/* What a node told. */
void story_stats(struct story *s, int hearer, const struct wire_stats *st);
void story_heard(struct story *s, int hearer, const struct wire_heard *h);

/* The node of @host is a new process that counts from 0. */
void story_restarted(struct story *s, int host);

/* The node of @host has been killed or stopped: what it told last is history. */
bool story_is_mute(const struct story *s, int host);

/* A line of the timeline. */
void story_tell(struct story *s, bool bad, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* From now on @host is away, or for all hosts a burst goes on, as the plots show. */
void story_away(struct story *s, int host, const char *what);
void story_back(struct story *s, int host);
void story_burst(struct story *s, uint64_t duration_ns);

/* Sums over all pairs. */
uint64_t story_received(const struct story *s);
uint64_t story_lost(const struct story *s);
uint64_t story_unexplained(const struct story *s);

/* A duration in two or three digits and its unit: "31 us". */
#define STORY_DURATION_MAX 24
const char *story_duration(char buf[STORY_DURATION_MAX], uint64_t ns);
/* A count with its thousands apart: "12,345". */
#define STORY_COUNT_MAX 32
const char *story_count(char buf[STORY_COUNT_MAX], uint64_t n);

#endif
