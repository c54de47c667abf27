// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Whose an attachment is. A module closes what it has opened when it exits: an attachment
 * holds no reference to it, else it could never go. What it forgets is closed here, when it has
 * done all it wants to do and its code is still there, so that no callback of it outlives it.
 */
#include "kn.h"

static DEFINE_MUTEX(lock);
static LIST_HEAD(attachments);

void kn_owner_add(struct kecho *k, struct module *owner)
{
	k->owner = owner;
	mutex_lock(&lock);
	list_add_tail(&k->list, &attachments);
	mutex_unlock(&lock);
}

void kn_owner_del(struct kecho *k)
{
	mutex_lock(&lock);
	list_del_init(&k->list);
	mutex_unlock(&lock);
}

/* NULL: there is none. */
static struct kecho *left_by(const struct module *owner)
{
	struct kecho *k, *found = NULL;

	mutex_lock(&lock);
	list_for_each_entry(k, &attachments, list)
		if (k->owner == owner)
			found = k;
	mutex_unlock(&lock);
	return found;
}

static int module_changes(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *owner = data;
	struct kecho *k;

	if (state != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	while ((k = left_by(owner))) {
		pr_warn("kecho: module %s goes and has not closed what it opened\n", owner->name);
		if (WARN_ON_ONCE(kecho_close(k)))
			break;
	}
	return NOTIFY_OK;
}

static struct notifier_block modules = { .notifier_call = module_changes };

int kn_owners_init(void)
{
	return register_module_notifier(&modules);
}

void kn_owners_exit(void)
{
	unregister_module_notifier(&modules);
}
