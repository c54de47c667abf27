/* SPDX-License-Identifier: MIT */
/*
 * The counters of a channel's members, and their growth.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "links.h"
#include "members.h"
#include "snapshot.h"
#include "stop.h"

#define MEMBERS_FIRST	64	/* members that are asked for at first */

static int compare(const void *a, const void *b)
{
	const struct kecho_member_stats *x = a, *y = b;

	return (x->member.id > y->member.id) - (x->member.id < y->member.id);
}

static ssize_t complain_of(struct kecho_channel *ch, ssize_t err)
{
	complain("cannot ask the members of '%s': %s", kecho_channel_name(ch), kecho_explain());
	return err;
}

/* How many of @m are joined, and not in the snapshot. */
static size_t count_silent(const struct snapshot *s, const struct kecho_member *m, size_t n)
{
	size_t silent = 0;

	for (size_t i = 0; i < n; i++) {
		struct kecho_member_stats st = { .member = m[i] };

		silent += m[i].state == KECHO_JOINED && !snapshot_find(s, &st);
	}
	return silent;
}

/* Counters of all who answer. Returns how many, or -errno after complaining. */
static ssize_t ask(struct kecho_channel *ch, struct kecho_member_stats **out, int timeout_ms)
{
	struct kecho_member_stats *m = NULL;
	size_t max = MEMBERS_FIRST;
	ssize_t n;

	for (;;) {
		m = grow(m, max, sizeof(*m));
		n = kecho_channel_stats(ch, m, max, timeout_ms);
		if (n <= (ssize_t)max)
			break;
		max = (size_t)n + MEMBERS_FIRST;
	}
	if (n < 0) {
		complain_of(ch, n);
		free(m);
		return n;
	}
	*out = m;
	return n;
}

int snapshot_take(struct snapshot *s, struct kecho_channel *ch, int timeout_ms)
{
	struct kecho_member *here;
	ssize_t members = members_now(ch, &here), n;

	if (members < 0)
		return (int)complain_of(ch, members);
	n = ask(ch, &s->m, timeout_ms);
	if (n >= 0) {
		for (ssize_t i = 0; i < n; i++)
			printable(s->m[i].node_name);
		qsort(s->m, n, sizeof(*s->m), compare);
		s->n = n;
		s->silent = count_silent(s, here, members);
		s->taken_ns = now_ns();
	}
	free(here);
	return n < 0 ? (int)n : 0;
}

const struct kecho_member_stats *snapshot_find(const struct snapshot *s,
					       const struct kecho_member_stats *m)
{
	return s->n ? bsearch(m, s->m, s->n, sizeof(*m), compare) : NULL;
}

void snapshot_free(struct snapshot *s)
{
	free(s->m);
	memset(s, 0, sizeof(*s));
}

double growth_per_s(uint64_t now, uint64_t was, double seconds)
{
	return seconds > 0 ? (now < was ? now : now - was) / seconds : 0;
}

static void rate(struct rated *r, const struct snapshot *was, double seconds)
{
	static const struct kecho_member_stats none;
	const struct kecho_member_stats *then = snapshot_find(was, &r->now);

	if (!was->taken_ns || (!then && was->silent))
		return;
	if (!then)
		then = &none;
	r->events_per_s = growth_per_s(r->now.events, then->events, seconds);
	r->bytes_per_s = growth_per_s(r->now.bytes, then->bytes, seconds);
	r->lost_per_s = growth_per_s(r->now.lost, then->lost, seconds);
}

struct rated *snapshot_rate(const struct snapshot *now, const struct snapshot *was)
{
	struct rated *r = grow(NULL, now->n, sizeof(*r));
	double seconds = (now->taken_ns - was->taken_ns) / 1e9;

	for (size_t i = 0; i < now->n; i++) {
		r[i] = (struct rated){ .now = now->m[i] };
		rate(&r[i], was, seconds);
	}
	return r;
}
