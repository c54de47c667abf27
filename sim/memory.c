// SPDX-License-Identifier: MIT
/*
 * The allocator that core is compiled with here: each block says whose it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "random.h"

struct block {
	struct memory *owner;
	u64 size;
};

static struct memory *current;

void memory_enter(struct memory *m)
{
	current = m;
}

static void *sure(void *p)
{
	if (p)
		return p;
	fputs("kecho-sim: no memory\n", stderr);
	exit(3);
}

static bool refused(void)
{
	if (!current || !current->refuse_one_in)
		return false;
	if (random_next(&current->rng) % current->refuse_one_in)
		return false;
	current->refused++;
	return true;
}

void *shim_alloc(size_t size, int zeroed)
{
	struct block *b;

	if (refused())
		return NULL;
	b = sure(zeroed ? calloc(1, sizeof(*b) + size) : malloc(sizeof(*b) + size));
	b->owner = current;
	b->size = size;
	if (current)
		current->bytes += size;
	return b + 1;
}

void shim_free(void *p)
{
	struct block *b = (struct block *)p - 1;

	if (b->owner)
		b->owner->bytes -= b->size;
	free(b);
}

void *shim_realloc(void *p, size_t size)
{
	struct block *old = (struct block *)p - 1;
	void *to = shim_alloc(size, 0);

	if (!to)
		return NULL;
	memcpy(to, p, min_t(size_t, size, old->size));
	shim_free(p);
	return to;
}

void *sim_alloc(size_t size)
{
	return sure(calloc(1, size));
}

void *sim_grow(void *p, size_t size)
{
	return sure(realloc(p, size));
}

void sim_free(void *p)
{
	free(p);
}
