// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pages of slots that a process shares with us: its gates, which it writes, and its limits,
 * which we do. Most processes need few: memory comes part by part, which its user is charged for,
 * and stays until the session ends.
 */
#include <linux/file.h>
#include <linux/sched/mm.h>

#include "dev.h"

static int add_part(struct kn_slots *sl, struct file *file)
{
	u32 size = KN_SLOTS_PART * sl->size;
	struct kn_session *s = sl->session;
	int err = kn_charge(s->user, KN_MEMORY, size);
	struct mem_cgroup *was;

	if (err)
		return err;
	was = set_active_memcg(s->memcg);
	err = kn_pages_part(&sl->part[sl->nparts], file, sl->nparts * size, size);
	set_active_memcg(was);
	if (err)
		kn_uncharge(s->user, KN_MEMORY, size);
	else
		smp_store_release(&sl->nparts, sl->nparts + 1);
	return err;
}

int kn_slots_make(struct kn_slots *sl, struct kn_session *s, u32 size, const char *name)
{
	struct file *file = kn_pages_file(name, KN_SLOTS * size);
	int err;

	BUILD_BUG_ON(sizeof(struct kecho_gate_slot) != KECHO_SLOT_SIZE);
	BUILD_BUG_ON(sizeof(struct kecho_limit_slot) != KECHO_LIMIT_SIZE);
	BUILD_BUG_ON(KN_SLOTS_PART * KECHO_SLOT_SIZE % PAGE_SIZE);
	if (IS_ERR(file))
		return PTR_ERR(file);
	sl->session = s;
	sl->size = size;
	err = add_part(sl, file);
	fput(file);
	return err;
}

void kn_slots_free(struct kn_slots *sl)
{
	while (sl->nparts) {
		kn_pages_free(&sl->part[--sl->nparts]);
		kn_uncharge(sl->session->user, KN_MEMORY, KN_SLOTS_PART * sl->size);
	}
}

static void *at(const struct kn_slots *sl, u32 slot)
{
	return sl->part[slot / KN_SLOTS_PART].map + slot % KN_SLOTS_PART * sl->size;
}

struct kecho_gate_slot *kn_gate(const struct kn_session *s, u32 slot)
{
	return at(&s->gates, slot);
}

struct kecho_limit_slot *kn_limit(const struct kn_session *s, u32 slot)
{
	return at(&s->limits, slot);
}

/* Those of logs that are over, and read by now. */
static void take_back(struct kn_slots *sl)
{
	const struct kecho_gate_slot *g;
	unsigned int i;

	for_each_set_bit(i, sl->lent, KN_SLOTS) {
		g = at(sl, i);
		if (READ_ONCE(g->pos) != cpu_to_le64(KE_NO_LIMIT))
			continue;
		__clear_bit(i, sl->lent);
		__clear_bit(i, sl->taken);
	}
}

/* The first that is free of those that there are; @n: none is. */
static u32 find_free(struct kn_slots *sl, u32 n)
{
	u32 i = find_first_zero_bit(sl->taken, n);

	if (i == n) {
		take_back(sl);
		i = find_first_zero_bit(sl->taken, n);
	}
	return i;
}

/* -ENOSPC: the process has KN_SLOTS, or its user may have no more memory. -ENOMEM. */
int kn_slot_take(struct kn_slots *sl, u32 *slot)
{
	u32 n = sl->nparts * KN_SLOTS_PART, i = find_free(sl, n);
	int err = 0;

	if (i == KN_SLOTS)
		return -ENOSPC;
	if (i == n)
		err = add_part(sl, sl->part[0].file);
	if (err)
		return err;
	__set_bit(i, sl->taken);
	memset(at(sl, i), 0, sl->size);
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
