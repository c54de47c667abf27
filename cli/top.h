/* SPDX-License-Identifier: MIT */
/*
 * kecho top: what its screen and its verb share.
 */
#ifndef TOP_H
#define TOP_H

#include "sight.h"
#include "top_model.h"

struct top {
	bool json, once;
	uint64_t interval_ns;
	enum top_sort sort;
	struct sight s;
};

/* On the terminal, until stopped or told to end. Returns 0, or -errno after complaining. */
int top_screen(struct top *t);

#endif
