/* SPDX-License-Identifier: MIT */
/*
 * A set of ids, each with a thing of its owner's. Zero-initialised it is empty.
 */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct known_id {
	uint64_t id;
	void *thing;
};

struct known {
	struct known_id *ids;	/* in order */
	size_t n, size;
};

/* The id's, or NULL: it is not there. Lives until the set changes. */
struct known_id *known_find(const struct known *k, uint64_t id);
/* False: it was there before. */
bool known_add(struct known *k, uint64_t id);
void known_drop(struct known *k, uint64_t id);
void known_free(struct known *k);

static inline bool known_has(const struct known *k, uint64_t id)
{
	return known_find(k, id);
}

#endif
