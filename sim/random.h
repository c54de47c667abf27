/* SPDX-License-Identifier: MIT */
/*
 * Random numbers from a seed: xorshift64*, the same everywhere.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include "plat.h"

static inline u64 random_next(u64 *state)
{
	u64 x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

/* A well mixed state from any number; never 0. */
static inline u64 random_seed(u64 seed)
{
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
	return (seed ^ (seed >> 31)) | 1;
}

#endif
