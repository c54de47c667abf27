/* SPDX-License-Identifier: MIT */
/*
 * Devices that come, go and change, from the kernel's own multicast group (not
 * udev's): "ACTION@DEVPATH" and then "KEY=VALUE" strings, each ended by 0.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "cli.h"
#include "from.h"
#include "netlink.h"

#define KERNEL_GROUP	1
#define MESSAGE_MAX	(16u << 10)	/* the kernel's own limit is 2 KiB and a path */

static int uevent_open(struct feed *f, const struct feed_options *opt)
{
	(void)opt;
	f->events = POLLIN;
	return netlink_open(f, NETLINK_KOBJECT_UEVENT, KERNEL_GROUP);
}

static bool is_named_field(const char *key)
{
	return !strcmp(key, "ACTION") || !strcmp(key, "DEVPATH") || !strcmp(key, "SUBSYSTEM") ||
	       !strcmp(key, "SEQNUM");
}

/* The strings behind the first, ended by 0 each; @named chooses which. */
static void fields_json(struct json *j, char *p, char *end, bool named)
{
	char *value, *next;
	char lower[16];

	for (; p < end; p = next) {
		next = p + strlen(p) + 1;
		value = strchr(p, '=');
		if (!value)
			continue;
		*value = '\0';
		if (is_named_field(p) == named) {
			size_t n = strlen(p) < sizeof(lower) ? strlen(p) : sizeof(lower) - 1;

			for (size_t i = 0; i < n; i++)
				lower[i] = p[i] | 0x20;
			lower[n] = '\0';
			if (named && !strcmp(p, "SEQNUM"))
				json_u64(j, lower, strtoull(value + 1, NULL, 10));
			else
				json_str(j, named ? lower : p, value + 1);
		}
		*value = '=';
	}
}

static int uevent_next(struct feed *f, short revents, struct buf *payload)
{
	char message[MESSAGE_MAX + 1], *fields;
	struct json j;
	ssize_t n;

	(void)revents;
	n = netlink_receive(f, message, MESSAGE_MAX);
	if (n == -ENOBUFS)
		return netlink_overrun(f, payload);
	if (n <= 0)
		return n;
	message[n] = '\0';
	fields = message + strlen(message) + 1;
	j = payload_begin(f, payload);
	fields_json(&j, fields, message + n, true);
	json_key(&j, "fields");
	json_object(&j);
	fields_json(&j, fields, message + n, false);
	json_object_end(&j);
	return payload_end(&j);
}

static void uevent_close(struct feed *f)
{
	close(f->fd);
}

const struct feed_kind feed_uevent = {
	.name = "uevent",
	.parts = 1,
	.open = uevent_open,
	.next = uevent_next,
	.close = uevent_close,
};
