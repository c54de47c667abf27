/* SPDX-License-Identifier: MIT */
/*
 * What the show looks like while it runs: on a terminal a page that is drawn
 * anew in place, otherwise plain lines. At the end, a summary on both.
 */
#ifndef DEMO_SCREEN_H
#define DEMO_SCREEN_H

#include <stdbool.h>

#include "story.h"

struct screen {
	bool live;		/* a terminal, large enough */
	bool utf8;
	unsigned int rows;
	unsigned int told;	/* lines of the timeline that were printed */
	uint64_t table_ns;	/* when the plain table was printed last */
};

/* Takes the terminal, if there is one and not @plain. */
void screen_open(struct screen *sc, bool plain);
void screen_draw(struct screen *sc, const struct story *s);
/* Gives the terminal back as it was; the timeline follows on it. May be called
 * again. */
void screen_close(struct screen *sc, const struct story *s);
void screen_summary(const struct story *s);

#endif
