/* SPDX-License-Identifier: MIT */
/* The script of the show, as a list of steps. */
#ifndef DEMO_SCRIPT_H
#define DEMO_SCRIPT_H

#include <stdbool.h>

#include "show.h"

enum { ALDER, BIRCH, CEDAR };

struct step {
	int (*enter)(struct show *sh);	/* 0, or -errno after show_fail(); may be NULL */
	bool (*reached)(const struct show *sh);
	void (*leave)(struct show *sh);	/* may be NULL */
	unsigned int min_ms, max_ms;
	const char *missing;	/* what had not come after max_ms; NULL: nothing can miss */
};

extern const struct step script[];
extern const unsigned int script_len;

#endif
