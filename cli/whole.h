/* SPDX-License-Identifier: MIT */
/*
 * What the verbs share that do something to a channel as a whole: freeze, drain and
 * destroy. They open a channel that exists, say what they have done, and tell time that
 * is up from other errors.
 */
#ifndef WHOLE_H
#define WHOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"

struct whole {
	const char *channel;
	bool json;
	uint64_t timeout_ns;
	uint64_t for_ns;	/* FOREVER_NS: until stopped */
	struct kecho *k;
	struct kecho_channel *ch;
};

/* With @has_for there is --for. Returns an exit code, or 0. */
int whole_parse(struct whole *w, int argc, char **argv, bool has_for);
/* 0, or -errno after complaining. */
int whole_open(struct whole *w);
/* Returns the exit code of a verb whose call gave @err; complains. */
int whole_close(struct whole *w, int err);
/* One line: what has happened to the channel. */
int whole_tell(const struct whole *w, const char *what);

/* All of a verb that is one call, after which the channel is @done. Returns its exit code. */
typedef int whole_call(struct kecho_channel *ch, int timeout_ms);
int whole_run(int argc, char **argv, whole_call *call, const char *done);

#endif
