// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pages of slots that a process shares with us: its gates, which it writes, and its limits,
 * which we do.
 */
#include "dev.h"

int kn_slots_make(struct kn_slots *sl, u32 size, const char *name)
{
	BUILD_BUG_ON(sizeof(struct kecho_gate_slot) != KECHO_SLOT_SIZE);
	BUILD_BUG_ON(sizeof(struct kecho_limit_slot) != KECHO_LIMIT_SIZE);
	sl->size = size;
	return kn_pages_make(&sl->pages, name, KN_SLOTS * size);
}

/* Those of logs that are over, and read by now. */
static void take_back(struct kn_slots *sl)
{
	const struct kecho_gate_slot *g = sl->pages.map;
	unsigned int i;

	for_each_set_bit(i, sl->lent, KN_SLOTS) {
		if (READ_ONCE(g[i].pos) != cpu_to_le64(KE_NO_LIMIT))
			continue;
		__clear_bit(i, sl->lent);
		__clear_bit(i, sl->taken);
	}
}

int kn_slot_take(struct kn_slots *sl, u32 *slot)
{
	unsigned long i = find_first_zero_bit(sl->taken, KN_SLOTS);

	if (i == KN_SLOTS) {
		take_back(sl);
		i = find_first_zero_bit(sl->taken, KN_SLOTS);
	}
	if (i == KN_SLOTS)
		return -ENOSPC;
	__set_bit(i, sl->taken);
	memset(sl->pages.map + i * sl->size, 0, sl->size);
	*slot = i;
	return 0;
}

void kn_slot_give_back(struct kn_slots *sl, u32 slot)
{
	__clear_bit(slot, sl->taken);
}

void kn_slot_lend(struct kn_slots *sl, u32 slot)
{
	__set_bit(slot, sl->lent);
}
