// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Users, and what each has taken: of all network namespaces together, since anybody can make
 * those. A user is charged for what its processes have: their pages and logs, the copies that
 * are made of these, each mirror that one of its sinks reads, and the messages that they have
 * yet to read. Beyond the limits, which are parameters of the module, it is refused -ENOSPC.
 *
 * It comes on top of the memory control group of who asked for something, which says what a
 * container may take, not a user.
 */
#include <linux/moduleparam.h>

#include "user.h"

static unsigned long limit[KN_QUOTAS] = {
	[KN_MEMORY] = 256 << 20,
	[KN_PROCESSES] = 1024,
	[KN_CHANNELS] = KE_CHANNELS_MAX / 2,
	[KN_MEMBERS] = KE_MEMBERS_MAX / 2,
	[KN_TYPES] = KE_NODE_TYPES_MAX / 4,
	[KN_CODE] = 16 << 20,
};

module_param_named(user_memory, limit[KN_MEMORY], ulong, 0644);
MODULE_PARM_DESC(user_memory, "bytes that one user may take");
module_param_named(user_processes, limit[KN_PROCESSES], ulong, 0644);
MODULE_PARM_DESC(user_processes, "processes of one user that are attached");
module_param_named(user_channels, limit[KN_CHANNELS], ulong, 0644);
MODULE_PARM_DESC(user_channels, "channels that one user's processes have open");
module_param_named(user_members, limit[KN_MEMBERS], ulong, 0644);
MODULE_PARM_DESC(user_members, "sources and sinks of one user's processes");
module_param_named(user_code, limit[KN_CODE], ulong, 0644);
MODULE_PARM_DESC(user_code, "bytes of code that one user's filters are compiled to");

static LIST_HEAD(users);
static DEFINE_MUTEX(lock);
static atomic_long_t memory;

static struct kn_user *find(kuid_t uid)
{
	struct kn_user *u;

	list_for_each_entry(u, &users, list)
		if (uid_eq(u->uid, uid))
			return u;
	return NULL;
}

struct kn_user *kn_user_get(kuid_t uid)
{
	struct kn_user *u;

	mutex_lock(&lock);
	u = find(uid);
	if (u) {
		u->refs++;
	} else {
		u = kzalloc(sizeof(*u), GFP_KERNEL_ACCOUNT);
		if (u) {
			u->uid = uid;
			u->refs = 1;
			list_add_tail(&u->list, &users);
			kn_made(KN_USER);
		}
	}
	mutex_unlock(&lock);
	return u;
}

static void check_none(struct kn_user *u)
{
	unsigned int i;

	for (i = 0; i < KN_QUOTAS; i++)
		WARN_ON_ONCE(atomic_long_read(&u->has[i]));
}

void kn_user_put(struct kn_user *u)
{
	mutex_lock(&lock);
	if (!--u->refs) {
		check_none(u);
		list_del(&u->list);
		kfree(u);
		kn_gone(KN_USER);
	}
	mutex_unlock(&lock);
}

int kn_charge(struct kn_user *u, enum kn_quota what, unsigned long n)
{
	unsigned long max = READ_ONCE(limit[what]);

	if (n > max || (unsigned long)atomic_long_add_return(n, &u->has[what]) > max) {
		if (n <= max)
			atomic_long_sub(n, &u->has[what]);
		return -ENOSPC;
	}
	if (what == KN_MEMORY)
		atomic_long_add(n, &memory);
	return 0;
}

void kn_uncharge(struct kn_user *u, enum kn_quota what, unsigned long n)
{
	WARN_ON_ONCE(atomic_long_sub_return(n, &u->has[what]) < 0);
	if (what == KN_MEMORY)
		atomic_long_sub(n, &memory);
}

int kn_charge_member(struct kn_user *u, unsigned long bytes)
{
	int err = kn_charge(u, KN_MEMBERS, 1);

	if (err)
		return err;
	err = kn_charge(u, KN_MEMORY, KN_MEMBER_BYTES + bytes);
	if (err)
		kn_uncharge(u, KN_MEMBERS, 1);
	return err;
}

void kn_uncharge_member(struct kn_user *u, unsigned long bytes)
{
	kn_uncharge(u, KN_MEMORY, KN_MEMBER_BYTES + bytes);
	kn_uncharge(u, KN_MEMBERS, 1);
}

unsigned long kn_user_max(enum kn_quota what)
{
	return READ_ONCE(limit[what]);
}

unsigned long kn_users_memory(void)
{
	return atomic_long_read(&memory);
}
