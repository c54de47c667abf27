/* SPDX-License-Identifier: MIT */
/*
 * What `kecho top` shows, without a screen.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "top_model.h"

const char *top_sort_name(enum top_sort sort)
{
	static const char *const names[] = { "name", "members", "events", "bytes", "lag", "lost" };

	return sort < TOP_SORTS ? names[sort] : NULL;
}

static struct top_channel sum(const struct sighted *c)
{
	struct top_channel t = { .c = c };

	for (size_t i = 0; i < c->now.n; i++) {
		const struct rated *r = &c->m[i];

		if (r->now.member.role == KECHO_SOURCE) {
			t.sources++;
			t.events_per_s += r->events_per_s;
			t.bytes_per_s += r->bytes_per_s;
		} else {
			t.sinks++;
			t.lost_per_s += r->lost_per_s;
			t.lag_bytes += r->now.lag_bytes;
			t.lost += r->now.lost;
		}
	}
	return t;
}

/* What a row is ordered by, and among equals of a kind: the losses ever. */
struct figures {
	double by[TOP_SORTS];
	double lost;
};

static struct figures of_channel(const struct top_channel *c)
{
	return (struct figures){
		.by = { [TOP_MEMBERS] = c->sources + c->sinks, [TOP_EVENTS] = c->events_per_s,
			[TOP_BYTES] = c->bytes_per_s, [TOP_LAG] = c->lag_bytes,
			[TOP_LOST] = c->lost_per_s },
		.lost = c->lost,
	};
}

/* Sources come first if it is by members. */
static struct figures of_member(const struct rated *r)
{
	return (struct figures){
		.by = { [TOP_MEMBERS] = r->now.member.role == KECHO_SOURCE,
			[TOP_EVENTS] = r->events_per_s, [TOP_BYTES] = r->bytes_per_s,
			[TOP_LAG] = r->now.lag_bytes, [TOP_LOST] = r->lost_per_s },
		.lost = r->now.lost,
	};
}

/* The larger number is first. */
static int down(double a, double b)
{
	return (a < b) - (a > b);
}

static int compare(struct figures a, struct figures b, enum top_sort sort)
{
	int order = down(a.by[sort], b.by[sort]);

	return order || sort != TOP_LOST ? order : down(a.lost, b.lost);
}

static int compare_channels(const void *a, const void *b, void *sort)
{
	const struct top_channel *x = a, *y = b;
	int order = compare(of_channel(x), of_channel(y), *(enum top_sort *)sort);

	order = order ?: strcmp(x->c->name, y->c->name);
	return order ?: memcmp(x->c->uuid, y->c->uuid, sizeof(x->c->uuid));
}

size_t top_channels(const struct sight *s, enum top_sort sort, struct top_channel **rows)
{
	struct top_channel *r = grow(NULL, s->n, sizeof(*r));
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->c[i].ch)
			r[n++] = sum(&s->c[i]);
	qsort_r(r, n, sizeof(*r), compare_channels, &sort);
	*rows = r;
	return n;
}

static int compare_members(const void *a, const void *b, void *sort)
{
	const struct rated *x = *(const struct rated *const *)a;
	const struct rated *y = *(const struct rated *const *)b;
	int order = compare(of_member(x), of_member(y), *(enum top_sort *)sort);

	order = order ?: strcmp(x->now.node_name, y->now.node_name);
	return order ?: (x->now.member.id > y->now.member.id) -
			(x->now.member.id < y->now.member.id);
}

size_t top_members(const struct sighted *c, enum top_sort sort, const struct rated ***rows)
{
	const struct rated **r = grow(NULL, c->now.n, sizeof(*r));

	for (size_t i = 0; i < c->now.n; i++)
		r[i] = &c->m[i];
	qsort_r(r, c->now.n, sizeof(*r), compare_members, &sort);
	*rows = r;
	return c->now.n;
}

/* ----------------------------------------------------------------- the cursor */

const uint8_t *top_channel_key(const void *rows, size_t i, uint8_t scratch[16])
{
	(void)scratch;
	return ((const struct top_channel *)rows)[i].c->uuid;
}

const uint8_t *top_member_key(const void *rows, size_t i, uint8_t scratch[16])
{
	const struct rated *const *r = rows;

	memset(scratch, 0, 16);
	memcpy(scratch, &r[i]->now.member.id, sizeof(r[i]->now.member.id));
	return scratch;
}

/* The cursor on a row that is, and on the screen. */
static void keep_inside(struct top_list *l, size_t n, size_t height)
{
	if (l->row >= n)
		l->row = n ? n - 1 : 0;
	if (height && l->row >= l->first + height)
		l->first = l->row - height + 1;
	if (l->row < l->first)
		l->first = l->row;
	if (l->first + height > n)
		l->first = n > height ? n - height : 0;
}

void top_follow(struct top_list *l, const void *rows, size_t n, size_t height, top_key_fn *key)
{
	uint8_t scratch[16];

	for (size_t i = 0; i < n; i++) {
		if (!memcmp(key(rows, i, scratch), l->key, sizeof(l->key))) {
			l->row = i;
			break;
		}
	}
	keep_inside(l, n, height);
	top_take(l, rows, n, key);
}

void top_take(struct top_list *l, const void *rows, size_t n, top_key_fn *key)
{
	uint8_t scratch[16];

	if (l->row < n)
		memcpy(l->key, key(rows, l->row, scratch), sizeof(l->key));
}

void top_move(struct top_list *l, enum top_move move, size_t n, size_t height)
{
	size_t page = height > 1 ? height - 1 : 1;

	switch (move) {
	case TOP_UP:
		l->row -= l->row > 0;
		break;
	case TOP_DOWN:
		l->row++;
		break;
	case TOP_PAGE_UP:
		l->row -= l->row < page ? l->row : page;
		break;
	case TOP_PAGE_DOWN:
		l->row += page;
		break;
	case TOP_HOME:
		l->row = 0;
		break;
	case TOP_END:
		l->row = n;
		break;
	}
	keep_inside(l, n, height);
}
