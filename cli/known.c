/* SPDX-License-Identifier: MIT */
/*
 * A set of ids: a sorted array, since most sets are small and looked at for each event.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "known.h"

/* Where it is, or belongs. */
static size_t place(const struct known *k, uint64_t id)
{
	size_t low = 0, high = k->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (k->ids[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct known_id *known_find(const struct known *k, uint64_t id)
{
	size_t at = place(k, id);

	return at < k->n && k->ids[at].id == id ? &k->ids[at] : NULL;
}

bool known_add(struct known *k, uint64_t id)
{
	size_t at = place(k, id);

	if (at < k->n && k->ids[at].id == id)
		return false;
	if (k->n == k->size) {
		k->size = k->size ? k->size * 2 : 16;
		k->ids = grow(k->ids, k->size, sizeof(*k->ids));
	}
	memmove(k->ids + at + 1, k->ids + at, (k->n++ - at) * sizeof(*k->ids));
	k->ids[at] = (struct known_id){ .id = id };
	return true;
}

void known_drop(struct known *k, uint64_t id)
{
	struct known_id *at = known_find(k, id);

	if (at)
		memmove(at, at + 1, (size_t)(k->ids + --k->n - at) * sizeof(*at));
}

void known_free(struct known *k)
{
	free(k->ids);
	*k = (struct known){ 0 };
}
