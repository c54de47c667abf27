/* SPDX-License-Identifier: MIT */
/*
 * A histogram of latencies: eight buckets per power of two, from 256 ns to
 * 17 s, so a quantile is right within 6 %. What is outside counts in the first
 * or the last bucket. Histograms add.
 */
#ifndef DEMO_HIST_H
#define DEMO_HIST_H

#include <stdint.h>

#define HIST_OCTAVE_MIN		8	/* 2^8 ns */
#define HIST_OCTAVES		26
#define HIST_PER_OCTAVE		8
#define HIST_BUCKETS		(HIST_OCTAVES * HIST_PER_OCTAVE)

struct hist {
	uint32_t count[HIST_BUCKETS];
};

void hist_count(struct hist *h, int64_t ns);
void hist_add(struct hist *to, const struct hist *from);
uint64_t hist_total(const struct hist *h);
/* The value below which the share @q (0 to 1) of all lies; 0 if there are none. */
uint64_t hist_quantile_ns(const struct hist *h, double q);

#endif
