// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Outlets: see outlet.h.
 */
#include <linux/module.h>
#include <linux/spinlock.h>

#include "outlet.h"

int outlet_open(struct outlet *o, struct kecho *k, const char *name)
{
	int err;

	spin_lock_init(&o->lock);
	if (!*name)
		return 0;
	err = kecho_channel_open(k, name, NULL, &o->channel);
	return err ?: kecho_source_open(o->channel, NULL, &o->source);
}

int outlet_announce(struct outlet *o, const struct kecho_type *t)
{
	return o->source ? kecho_source_announce(o->source, t) : 0;
}

bool outlet_heard(const struct outlet *o)
{
	return o->source && kecho_source_heard(o->source);
}

/* With the lock, so that each event that was missed is told once, and in its place. */
void outlet_submit(struct outlet *o, int type, void *event, size_t len)
{
	u64 *missed = event;
	unsigned long flags;

	spin_lock_irqsave(&o->lock, flags);
	*missed = o->missed;
	if (!kecho_submit(o->source, event, len, KECHO_TYPED(type))) {
		o->missed = 0;
	} else {
		o->missed++;
		o->all_missed++;
	}
	spin_unlock_irqrestore(&o->lock, flags);
}

static int get_missed(char *to, const struct kernel_param *param)
{
	struct outlet *o = param->arg;

	return sysfs_emit(to, "%llu\n", READ_ONCE(o->all_missed));
}

const struct kernel_param_ops outlet_missed_ops = { .get = get_missed };
