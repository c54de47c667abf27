/* SPDX-License-Identifier: MIT */
/*
 * What `kecho sub` and `kecho tap` print: events as their bytes, or, if their type is known, as
 * a JSON object; as a line about each, as JSON or as a hex dump; losses, ends and members in
 * their place: in JSON between the events, with @notices as lines between them, otherwise on
 * stderr.
 */
#ifndef SHOW_H
#define SHOW_H

#include <stdbool.h>

#include <kecho/kecho.h>
#include <kecho/type.h>

#include "args.h"
#include "buf.h"

enum show_mode { SHOW_TEXT, SHOW_LINE, SHOW_JSON, SHOW_HEX };

struct show {
	enum show_mode mode;
	char separator;			/* behind an event in SHOW_TEXT */
	bool notices;			/* what is no event is a line of stdout too */
	bool raw;			/* events are bytes, whatever their type */
	struct kecho_channel *ch;
	struct kecho_sink *sink;
	/* What events are to be seen as; NULL: what their source says that they are. */
	const struct kecho_type *type;
	struct buf as;			/* an event as that */
	struct names event_attrs;	/* of each event that are shown */
	struct names source_attrs;	/* of its source */
};

/* Both return 0, or -errno when stdout takes no more. */
int show_event(struct show *s, const struct kecho_event *ev);
int show_member(struct show *s, const struct kecho_member *m);

#endif
