/* SPDX-License-Identifier: MIT */
/*
 * The channels of the registry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "channels.h"
#include "cli.h"

#define CHANNELS_FIRST	256	/* channels that are asked for at first */

int channels_get(struct kecho *k, struct channels *cs)
{
	struct kecho_channel_info *c = NULL;
	size_t max = CHANNELS_FIRST;
	ssize_t n;

	/* More may be made between two calls: ask again with room for all. */
	for (;;) {
		c = grow(c, max, sizeof(*c));
		n = kecho_channels(k, c, max);
		if (n <= (ssize_t)max)
			break;
		max = (size_t)n + CHANNELS_FIRST;
	}
	if (n < 0) {
		complain("cannot list the channels: %s", kecho_explain());
		free(c);
		return (int)n;
	}
	cs->c = c;
	cs->n = n;
	return 0;
}

void channels_free(struct channels *cs)
{
	free(cs->c);
	cs->c = NULL;
	cs->n = 0;
}

int compare_names(const void *a, const void *b)
{
	const struct kecho_channel_info *x = a, *y = b;

	return strcmp(x->name, y->name) ?: x->other - y->other;
}

int compare_uuids(const void *a, const void *b)
{
	const struct kecho_channel_info *x = a, *y = b;

	return memcmp(x->uuid, y->uuid, sizeof(x->uuid));
}

const char *uuid_text(char to[UUID_TEXT], const uint8_t u[16])
{
	snprintf(to, UUID_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
	return to;
}
