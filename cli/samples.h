/* SPDX-License-Identifier: MIT */
/*
 * Durations that were measured, and their percentiles (nearest rank: the smallest
 * sample that at least the given share does not exceed).
 */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLES_MAX	(4u << 20)	/* later ones are counted, not kept */

struct samples {
	int64_t *ns;
	size_t n, size;
	uint64_t total;		/* also those that were not kept */
	int sorted;
};

struct percentiles {
	int64_t min_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
	double mean_ns;
};

void samples_add(struct samples *s, int64_t ns);
/* Without the first @n, before anything was asked. */
void samples_skip(struct samples *s, size_t n);
/* @share in (0, 1]; 0 without samples. Sorts. */
int64_t samples_percentile(struct samples *s, double share);
void samples_percentiles(struct samples *s, struct percentiles *p);
void samples_free(struct samples *s);

#endif
