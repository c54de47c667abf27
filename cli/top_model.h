/* SPDX-License-Identifier: MIT */
/*
 * What `kecho top` shows, without a screen: channels summed up and put in order, members
 * in order, the place of the cursor among rows that come, go and change places.
 */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include "sight.h"

enum top_sort { TOP_NAME, TOP_MEMBERS, TOP_EVENTS, TOP_BYTES, TOP_LAG, TOP_LOST, TOP_SORTS };

/* "name", "members"…; NULL from TOP_SORTS on. */
const char *top_sort_name(enum top_sort sort);

/* A channel as a row. Rates are of what its sources submit. */
struct top_channel {
	const struct sighted *c;
	size_t sources, sinks;
	double events_per_s, bytes_per_s, lost_per_s;
	uint64_t lag_bytes, lost;	/* of its sinks, together */
};

/* Both: rows in order, in an array that the caller frees. Names go up, numbers down. */
size_t top_channels(const struct sight *s, enum top_sort sort, struct top_channel **rows);
size_t top_members(const struct sighted *c, enum top_sort sort, const struct rated ***rows);

/*
 * A list on the screen: the row of the cursor, and the first row that is seen. The cursor
 * stays with what it is on, which has the key of its row: a uuid, or an id in its place.
 */
struct top_list {
	size_t row, first;
	uint8_t key[16];
};

enum top_move { TOP_UP, TOP_DOWN, TOP_PAGE_UP, TOP_PAGE_DOWN, TOP_HOME, TOP_END };

/* With @n rows on @height lines now, whose keys @key gives: go where the cursor's is, or,
 * if it is gone, stay on the line. */
typedef const uint8_t *top_key_fn(const void *rows, size_t i, uint8_t scratch[16]);
void top_follow(struct top_list *l, const void *rows, size_t n, size_t height, top_key_fn *key);
/* Move over @n rows; top_take() the key of where that is. */
void top_move(struct top_list *l, enum top_move move, size_t n, size_t height);
void top_take(struct top_list *l, const void *rows, size_t n, top_key_fn *key);

/* Keys of rows as the functions above made them. */
top_key_fn top_channel_key, top_member_key;

#endif
