// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A namespace's settings, in /proc/sys/net/kecho: `listen`, where other nodes reach this one,
 * and `registry`, where the registry is, both "ADDR:PORT" or empty; `block`, whose sinks may hold
 * up the sources of others: "all", "owner" or "group NUMBER". They count when the node begins,
 * that is when somebody attaches and nobody was. How many bytes mirrors of other nodes' logs may
 * have, `mirrors_max_bytes`, counts at once.
 */
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "kn.h"

enum { MIRRORS_PART = 8 };	/* of the machine's memory, if nothing is said of mirrors */

static struct ctl_table setting(const char *name, char *value, int size)
{
	return (struct ctl_table){
		.procname = name, .data = value, .maxlen = size, .mode = 0644,
		.proc_handler = proc_dostring,
	};
}

static struct ctl_table number(const char *name, unsigned long *value)
{
	return (struct ctl_table){
		.procname = name, .data = value, .maxlen = sizeof(*value), .mode = 0644,
		.proc_handler = proc_doulongvec_minmax,
	};
}

/* As processes' rights are: see dev_rights.c. */
int kn_settings_take(struct kn *kn)
{
	if (sysfs_streq(kn->block, "all"))
		kn->may_block = KN_BLOCK_ALL;
	else if (sysfs_streq(kn->block, "owner"))
		kn->may_block = KN_BLOCK_OWNER;
	else if (str_has_prefix(kn->block, "group ") &&
		 !kstrtou32(kn->block + strlen("group "), 10, &kn->block_gid))
		kn->may_block = KN_BLOCK_GROUP;
	else
		return -EINVAL;
	return 0;
}

int kn_settings_make(struct kn *kn)
{
	strscpy(kn->block, "all", sizeof(kn->block));
	kn->settings[0] = setting("listen", kn->listen, sizeof(kn->listen));
	kn->settings[1] = setting("registry", kn->registry, sizeof(kn->registry));
	kn->settings[2] = setting("block", kn->block, sizeof(kn->block));
	kn->mirrors_max_bytes = (totalram_pages() << PAGE_SHIFT) / MIRRORS_PART;
	kn->settings[3] = number("mirrors_max_bytes", &kn->mirrors_max_bytes);
	kn->sysctl = kn_register_sysctl(kn->net, "net/kecho", kn->settings, KN_SETTINGS);
	return kn->sysctl ? 0 : -ENOMEM;
}

void kn_settings_free(struct kn *kn)
{
	unregister_net_sysctl_table(kn->sysctl);
}
