// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The node of a network namespace. It is there from the first kecho_open() to the last
 * kecho_close(); each keeps the namespace alive, so no namespace ends with a node in it.
 */
#include <linux/random.h>
#include <linux/utsname.h>
#include <net/net_namespace.h>

#include "kn.h"

void kn_changed(struct kn *kn)
{
	WRITE_ONCE(kn->changes, kn->changes + 1);
	wake_up_all(&kn->changed);
	if (!kn->stopping && ke_node_sooner(&kn->node))
		mod_delayed_work(kn_wq, &kn->tick, msecs_to_jiffies(kn->node.wait_ms));
}

bool kn_wait(struct kn *kn, unsigned long until)
{
	u32 seen = kn->changes;
	long left = until - jiffies;

	if (left <= 0)
		return false;
	mutex_unlock(&kn->lock);
	wait_event_timeout(kn->changed, READ_ONCE(kn->changes) != seen, left);
	mutex_lock(&kn->lock);
	return true;
}

static void tick(struct work_struct *work)
{
	struct kn *kn = container_of(to_delayed_work(work), struct kn, tick);
	u32 wait_ms;

	mutex_lock(&kn->lock);
	ke_node_tick(&kn->node);
	wait_ms = ke_node_wait_ms(&kn->node);
	if (wait_ms && !kn->stopping)
		mod_delayed_work(kn_wq, &kn->tick, msecs_to_jiffies(wait_ms));
	mutex_unlock(&kn->lock);
}

void kn_init(struct kn *kn, struct net *net)
{
	kn->net = net;
	mutex_init(&kn->attaching);
	mutex_init(&kn->lock);
	init_waitqueue_head(&kn->changed);
	INIT_LIST_HEAD(&kn->channels);
	INIT_DELAYED_WORK(&kn->tick, tick);
}

/* Nobody shares memory with it, so it is a host of its own. */
static void start(struct kn *kn)
{
	struct ke_contact self = { .incarnation = ktime_get_real_ns() };

	get_random_bytes(&self.node, sizeof(self.node));
	get_random_bytes(&self.host, sizeof(self.host));
	kn->stopping = false;
	ke_node_init(&kn->node, &kn_house, kn, &self, init_utsname()->nodename);
}

static void stop(struct kn *kn)
{
	mutex_lock(&kn->lock);
	kn->stopping = true;
	ke_node_fini(&kn->node);
	mutex_unlock(&kn->lock);
	cancel_delayed_work_sync(&kn->tick);
}

static void attach(struct kn *kn)
{
	mutex_lock(&kn->attaching);
	if (!kn->attached++)
		start(kn);
	mutex_unlock(&kn->attaching);
}

static void detach(struct kn *kn)
{
	mutex_lock(&kn->attaching);
	if (!--kn->attached)
		stop(kn);
	mutex_unlock(&kn->attaching);
}

int kecho_open(struct kecho **out, const struct kecho_options *opt)
{
	struct net *net = maybe_get_net(opt && opt->net ? opt->net : &init_net);
	struct kecho *k;

	if (!net)
		return -ENODEV;
	k = kzalloc(sizeof(*k), GFP_KERNEL);
	if (!k) {
		put_net(net);
		return -ENOMEM;
	}
	k->kn = kn_of_net(net);
	INIT_LIST_HEAD(&k->channels);
	attach(k->kn);
	kn_made(KN_ATTACHMENT);
	*out = k;
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_open);

void kecho_close(struct kecho *k)
{
	struct net *net;

	if (!k)
		return;
	while (!list_empty(&k->channels))
		kecho_channel_close(list_first_entry(&k->channels, struct kecho_channel, list));
	net = k->kn->net;
	detach(k->kn);
	put_net(net);
	kfree(k);
	kn_gone(KN_ATTACHMENT);
}
EXPORT_SYMBOL_GPL(kecho_close);
