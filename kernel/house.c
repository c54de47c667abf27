// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What core asks of its house, answered by the kernel's.
 */
#include <linux/random.h>
#include <linux/ktime.h>

#include "kn.h"

u64 kn_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

static u64 now_ms(void *house)
{
	return kn_now_ms();
}

static u64 random_u64(void *house)
{
	return get_random_u64() ?: 1;
}

static struct kecho_source *source_of(struct ke_source *s)
{
	return container_of(s, struct kecho_source, s);
}

/* Control has interrupts on. */
static void source_lock(struct ke_source *s)
{
	spin_lock_irq(&source_of(s)->lock);
}

static void source_unlock(struct ke_source *s)
{
	spin_unlock_irq(&source_of(s)->lock);
}

static void room(struct ke_source *s)
{
	wake_up_all(&source_of(s)->log->room);
}

static void changed(void *house)
{
	kn_changed(house);
}

const struct ke_house kn_house = {
	.now_ms = now_ms,
	.random = random_u64,
	.source_lock = source_lock,
	.source_unlock = source_unlock,
	.stalled_own = kn_stall_own,
	.room = room,
	.changed = changed,
};
