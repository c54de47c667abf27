/* SPDX-License-Identifier: MIT */
/*
 * Memory: what core allocates is counted for the node whose step it is, and refused now
 * and then if that is a fault of this run. The simulator's own memory never fails.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include "plat.h"

struct memory {
	u64 bytes;		/* held now */
	u64 refused;
	u64 rng;
	u32 refuse_one_in;	/* 0: none */
};

/* memory_enter - core's allocations are @m's from now on; NULL: nobody's. */
void memory_enter(struct memory *m);

void *sim_alloc(size_t size);
void *sim_grow(void *p, size_t size);
void sim_free(void *p);

#endif
