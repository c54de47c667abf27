/* SPDX-License-Identifier: MIT */
/*
 * What the words behind `kecho filter` share: what they were given, and the filter that was
 * made of it.
 */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include <kecho/filter.h>

#include "args.h"

struct filter_args {
	enum kecho_filter_use use;
	const char *in, *object, *out;	/* files; NULL: an expression, standard output */
	uint64_t duration_ns;
	bool json;
	/* of the event: each NAME=VALUE behind the expression */
	struct attrs given;
	bool used[NAMES_MAX];
};

/* filter_trial.c: what the filter says of the event, and how long that takes. Exit codes. */
int filter_test(struct filter_args *a, const struct kecho_filter *f);
int filter_bench(struct filter_args *a, const struct kecho_filter *f);

#endif
