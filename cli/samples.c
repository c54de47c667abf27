/* SPDX-License-Identifier: MIT */
/*
 * Durations that were measured.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "samples.h"

void samples_add(struct samples *s, int64_t ns)
{
	s->total++;
	if (s->n == SAMPLES_MAX)
		return;
	if (s->n == s->size) {
		s->size = s->size ? s->size * 2 : 1024;
		s->ns = grow(s->ns, s->size, sizeof(*s->ns));
	}
	s->ns[s->n++] = ns;
	s->sorted = 0;
}

void samples_skip(struct samples *s, size_t n)
{
	if (!n)
		return;
	s->n -= n;
	s->total -= n;
	memmove(s->ns, s->ns + n, s->n * sizeof(*s->ns));
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t samples_percentile(struct samples *s, double share)
{
	size_t rank;

	if (!s->n)
		return 0;
	if (!s->sorted)
		qsort(s->ns, s->n, sizeof(*s->ns), compare);
	s->sorted = 1;
	rank = (size_t)ceil(share * s->n);
	if (rank < 1)
		rank = 1;
	return s->ns[rank > s->n ? s->n - 1 : rank - 1];
}

void samples_percentiles(struct samples *s, struct percentiles *p)
{
	double sum = 0;

	memset(p, 0, sizeof(*p));
	if (!s->n)
		return;
	p->p50_ns = samples_percentile(s, .5);
	p->p90_ns = samples_percentile(s, .9);
	p->p99_ns = samples_percentile(s, .99);
	p->p999_ns = samples_percentile(s, .999);
	p->min_ns = s->ns[0];
	p->max_ns = s->ns[s->n - 1];
	for (size_t i = 0; i < s->n; i++)
		sum += s->ns[i];
	p->mean_ns = sum / s->n;
}

void samples_free(struct samples *s)
{
	free(s->ns);
	memset(s, 0, sizeof(*s));
}
