/* SPDX-License-Identifier: MIT */
/*
 * The counters of a channel's members at one time.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "links.h"
#include "snapshot.h"
#include "stop.h"

#define MEMBERS_FIRST	64	/* members that are asked for at first */

static int compare(const void *a, const void *b)
{
	const struct kecho_member_stats *x = a, *y = b;

	return (x->member.id > y->member.id) - (x->member.id < y->member.id);
}

int snapshot_take(struct snapshot *s, struct kecho_channel *ch, int timeout_ms)
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
		complain("cannot ask the members of '%s': %s", kecho_channel_name(ch),
			 kecho_explain());
		free(m);
		return (int)n;
	}
	for (ssize_t i = 0; i < n; i++)
		printable(m[i].node_name);
	qsort(m, n, sizeof(*m), compare);
	s->m = m;
	s->n = n;
	s->taken_ns = now_ns();
	return 0;
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
