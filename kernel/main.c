// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The module: comes, goes, and has a place for a node in each network namespace.
 */
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "kn.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct workqueue_struct *kn_wq, *kn_callback_wq;
static unsigned int kn_net_id;

struct kn *kn_of_net(struct net *net)
{
	return net_generic(net, kn_net_id);
}

static int __net_init net_begins(struct net *net)
{
	struct kn *kn = kn_of_net(net);
	int err;

	kn_init(kn, net);
	err = kn_settings_make(kn);
	if (err)
		return err;
	err = kn_proc_make(net);
	if (err)
		kn_settings_free(kn);
	return err;
}

/* Who is attached keeps his namespace. */
static void __net_exit net_ends(struct net *net)
{
	WARN_ON_ONCE(kn_of_net(net)->attached);
	kn_proc_free(net);
	kn_settings_free(kn_of_net(net));
}

static struct pernet_operations kn_net_ops = {
	.init = net_begins,
	.exit = net_ends,
	.id = &kn_net_id,
	.size = sizeof(struct kn),
};

static int __init kecho_init(void)
{
	int err;

	kn_wq = alloc_workqueue("kecho", WQ_UNBOUND, 0);
	if (!kn_wq)
		return -ENOMEM;
	/* Callbacks may last: the node doesn't wait for them. */
	kn_callback_wq = alloc_workqueue("kecho-callback", WQ_UNBOUND, WQ_UNBOUND_MAX_ACTIVE);
	err = kn_callback_wq ? register_pernet_subsys(&kn_net_ops) : -ENOMEM;
	if (err)
		goto destroy;
	err = kn_owners_init();
	if (err)
		goto unregister;
	err = kn_dev_init();
	if (!err)
		return 0;
	kn_owners_exit();
unregister:
	unregister_pernet_subsys(&kn_net_ops);
destroy:
	if (kn_callback_wq)
		destroy_workqueue(kn_callback_wq);
	destroy_workqueue(kn_wq);
	return err;
}

/* Those who are attached hold the module, by its symbols. */
static void __exit kecho_exit(void)
{
	kn_dev_exit();
	kn_owners_exit();
	unregister_pernet_subsys(&kn_net_ops);
	destroy_workqueue(kn_callback_wq);
	destroy_workqueue(kn_wq);
	kn_balance();
}

module_init(kecho_init);
module_exit(kecho_exit);
MODULE_DESCRIPTION("kecho: event channels between kernels, processes and hosts");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("Dual MIT/GPL");
