/* SPDX-License-Identifier: MIT */
/*
 * Live events of this kernel. A feed is one descriptor of one kind and turns what
 * comes out of it into payloads: each a JSON object on one line, with the kind's
 * name as "from" and otherwise the kernel's own fields.
 *
 * What the kernel says that it dropped is a payload too: "overrun": true.
 */
#ifndef FROM_H
#define FROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "json.h"

#define FEEDS_MAX	16	/* feeds of one command */

struct feed;

struct feed_options {
	uint64_t interval_ns;	/* of what is sampled */
	bool history;		/* first what the kernel kept: kmsg */
};

struct feed_kind {
	const char *name;
	unsigned int parts;	/* feeds that this kind consists of */
	/* Sets fd, events and state. Returns 0, or -errno after complaining. */
	int (*open)(struct feed *f, const struct feed_options *opt);
	/* Adds one payload: 1; nothing more for now: 0; -errno after complaining.
	 * @revents is what poll() said, 0 on the calls that follow. */
	int (*next)(struct feed *f, short revents, struct buf *payload);
	void (*close)(struct feed *f);
};

struct feed {
	const struct feed_kind *kind;
	unsigned int part;
	int fd;
	short events;		/* to poll for */
	void *state;		/* the kind's own */
};

extern const struct feed_kind feed_loadavg, feed_psi, feed_netlink, feed_kmsg, feed_uevent;

struct feeds {
	struct feed feed[FEEDS_MAX];
	size_t n;
};

/* Open the kinds in the comma-separated @list. Returns 0 or an exit code, after
 * complaining. */
int feeds_open(struct feeds *fs, const char *list, const struct feed_options *opt);
void feeds_close(struct feeds *fs);

/* For the kinds: begin and end a payload that names its kind. */
struct json payload_begin(struct feed *f, struct buf *payload);
int payload_end(struct json *j);

/* A timer that fires at once and then each interval: a descriptor, or -errno after
 * complaining. feed_timer_expired() takes the expiry; false: there was none. */
int feed_timer(const struct feed_options *opt);
bool feed_timer_expired(int fd);

/* A small file of /proc, ended by 0: its length, or -errno after complaining. */
int feed_read_file(const char *path, char *to, size_t size);

#endif
