/* SPDX-License-Identifier: MIT */
/*
 * A recording, read through once: what is in it, and where it is damaged. kecho replay does
 * so before it submits anything.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include "known.h"
#include "recording.h"
#include "timeline.h"

struct survey_channel {
	char name[KECHO_NAME_MAX + 1];
	uint64_t events, lost, bytes, sources;
	uint64_t selected;	/* events that are to be replayed */
};

struct survey_source {
	uint64_t id;
	size_t channel;
	char *label;		/* NULL: not known */
	uint64_t events, lost, bytes, selected;
	uint64_t first, last;	/* numbers of its events */
	uint64_t missing;	/* events that were in what is damaged */
	uint64_t damages;	/* in the file when it was seen last */
	uint64_t due;		/* number of its next event in this run; 0: any */
};

/* Which events are to be replayed. */
struct selection {
	const char *channel;	/* NULL: of all */
	int64_t from_ns, to_ns;	/* on the time line */
};

struct survey {
	struct survey_channel *channels;
	size_t nchannels;
	struct known sources;	/* struct survey_source */
	size_t of_run[RECORDING_CHANNELS_MAX];	/* the channels of the run that is read */
	uint64_t runs, whole_runs;
	uint64_t events, lost, bytes, missing, selected;
	uint64_t damages, damaged;	/* how many, their bytes */
	uint64_t torn;
	uint64_t began_ns;	/* CLOCK_REALTIME as its first run began */
	uint64_t size;		/* of the file, then */
	struct timeline timeline;
};

/* Reads @fd, called @path. With @patient it goes on behind damage, and tells each. Returns 0,
 * or -errno after complaining; -EBADMSG: it is damaged. */
int survey_read(struct survey *s, int fd, const char *path, const struct selection *sel,
		bool patient);
bool survey_selects(const struct selection *sel, const char *channel, int64_t due_ns);
struct survey_source *survey_source(const struct survey *s, uint64_t id);
/* What is in it, on stdout. */
void survey_print(const struct survey *s, const char *path, bool as_json);
void survey_free(struct survey *s);

#endif
