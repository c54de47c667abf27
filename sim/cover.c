// SPDX-License-Identifier: MIT
/*
 * Counting what was exercised: see cover.h.
 */
#include <stdio.h>

#include "cover.h"

struct named {
	const char *word, *what;
};

#define COVER_FAULT(name, word, what) [FAULT_##name] = { word, what },
#define COVER_PATH(name, word, what) [PATH_##name] = { word, what },
static const struct named faults[FAULTS] = { SIM_FAULTS(COVER_FAULT) };
static const struct named paths[PATHS] = { SIM_PATHS(COVER_PATH) };

int cover_fault(const char *word)
{
	unsigned int i;

	for (i = 0; i < FAULTS; i++)
		if (!strcmp(word, faults[i].word))
			return i;
	return -EINVAL;
}

void cover_add(struct cover *to, const struct cover *c)
{
	const u64 *from = (const u64 *)c;
	unsigned int i;

	for (i = 0; i < sizeof(*c) / sizeof(u64); i++)
		((u64 *)to)[i] += from[i];
}

static bool print_one(const struct named *n, u64 count, bool due)
{
	printf("# %12llu  %s: %s%s\n", (unsigned long long)count, n->word, n->what,
	       due && !count ? "  <- never" : "");
	return due && !count;
}

unsigned int cover_print(const struct cover *c, u32 enabled)
{
	bool all = enabled == BIT(FAULTS) - 1;
	unsigned int i, never = 0;

	printf("# faults\n");
	for (i = 0; i < FAULTS; i++)
		never += print_one(&faults[i], c->fault[i], enabled & BIT(i));
	printf("# paths\n");
	for (i = 0; i < PATHS; i++)
		never += print_one(&paths[i], c->path[i], all);
	return never;
}

void cover_list(void)
{
	unsigned int i;

	for (i = 0; i < FAULTS; i++)
		printf("  %-11s %s\n", faults[i].word, faults[i].what);
}
