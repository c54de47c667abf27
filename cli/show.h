/* SPDX-License-Identifier: MIT */
/*
 * What `kecho sub` prints: events as their bytes, as JSON or as a hex dump; losses,
 * ends and members in JSON between them, otherwise on stderr in their place.
 */
#ifndef SHOW_H
#define SHOW_H

#include <kecho/kecho.h>

#include "args.h"

enum show_mode { SHOW_TEXT, SHOW_JSON, SHOW_HEX };

struct show {
	enum show_mode mode;
	char separator;			/* behind an event in SHOW_TEXT */
	struct kecho_channel *ch;
	struct names event_attrs;	/* of each event that are shown */
	struct names source_attrs;	/* of its source */
};

/* Both return 0, or -errno when stdout takes no more. */
int show_event(struct show *s, const struct kecho_event *ev);
int show_member(struct show *s, const struct kecho_member *m);

#endif
