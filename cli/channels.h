/* SPDX-License-Identifier: MIT */
/*
 * The channels of the registry.
 */
#ifndef CHANNELS_H
#define CHANNELS_H

#include <stddef.h>
#include <stdint.h>

#include <kecho/kecho.h>

#define UUID_TEXT	37	/* bytes of a uuid in text, with the ending 0 */

struct channels {
	struct kecho_channel_info *c;
	size_t n;
};

/* All of them. Returns 0, or -errno after complaining. */
int channels_get(struct kecho *k, struct channels *cs);
void channels_free(struct channels *cs);

/* For qsort(). */
int compare_names(const void *a, const void *b);
int compare_uuids(const void *a, const void *b);

const char *uuid_text(char to[UUID_TEXT], const uint8_t uuid[16]);

#endif
