/* SPDX-License-Identifier: MIT */
/* A histogram of latencies; see hist.h. */
#include <assert.h>

#include "hist.h"

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int octave, sub, i;

	if (ns < 1u << HIST_OCTAVE_MIN)
		return 0;
	octave = 63 - __builtin_clzll(ns);
	sub = (ns >> (octave - 3)) & (HIST_PER_OCTAVE - 1);
	i = (octave - HIST_OCTAVE_MIN) * HIST_PER_OCTAVE + sub;
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

static uint64_t middle_ns(unsigned int bucket)
{
	unsigned int octave = HIST_OCTAVE_MIN + bucket / HIST_PER_OCTAVE;
	uint64_t step = 1ull << (octave - 3);

	assert(bucket < HIST_BUCKETS);
	return (1ull << octave) + bucket % HIST_PER_OCTAVE * step + step / 2;
}

void hist_count(struct hist *h, int64_t ns)
{
	h->count[bucket_of(ns > 0 ? (uint64_t)ns : 0)]++;
}

void hist_add(struct hist *to, const struct hist *from)
{
	for (unsigned int i = 0; i < HIST_BUCKETS; i++)
		to->count[i] += from->count[i];
}

uint64_t hist_total(const struct hist *h)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HIST_BUCKETS; i++)
		sum += h->count[i];
	return sum;
}

uint64_t hist_quantile_ns(const struct hist *h, double q)
{
	uint64_t total = hist_total(h), below = 0;
	double wanted = q * (double)total;

	assert(q >= 0 && q <= 1);
	if (!total)
		return 0;
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		below += h->count[i];
		if (h->count[i] && (double)below >= wanted)
			return middle_ns(i);
	}
	return middle_ns(HIST_BUCKETS - 1);
}
