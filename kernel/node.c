// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The node of a network namespace. It is there from the first kecho_open() to the last
 * kecho_close(); each keeps the namespace alive, so no namespace ends with a node in it.
 */
#include <linux/random.h>
#include <linux/utsname.h>
#include <net/net_namespace.h>

#include "kn.h"

/*
 * Who takes data sees that somebody is in control, or is seen: then he ends that first. None
 * begins from here on, so those on other CPUs are waited for once and not in turns.
 */
static void keep_out(struct kn_lock *l)
{
	WRITE_ONCE(l->taken, true);
	write_lock_bh(&l->data);
	write_unlock_bh(&l->data);
}

void kn_lock(struct kn *kn)
{
	mutex_lock(&kn->lock.mutex);
	keep_out(&kn->lock);
}

bool kn_trylock(struct kn *kn)
{
	if (!mutex_trylock(&kn->lock.mutex))
		return false;
	keep_out(&kn->lock);
	return true;
}

void kn_unlock(struct kn *kn)
{
	smp_store_release(&kn->lock.taken, false);
	mutex_unlock(&kn->lock.mutex);
}

bool kn_data_begin(struct kn *kn)
{
	if (READ_ONCE(kn->lock.taken))
		return false;
	read_lock_bh(&kn->lock.data);
	if (!smp_load_acquire(&kn->lock.taken))
		return true;
	read_unlock_bh(&kn->lock.data);
	return false;
}

void kn_data_end(struct kn *kn)
{
	read_unlock_bh(&kn->lock.data);
}

/* Softirqs and interrupts that come meanwhile may read, too, and wait for nobody. */
bool kn_look_begin(struct kn *kn)
{
	if (READ_ONCE(kn->lock.taken) || !read_trylock(&kn->lock.data))
		return false;
	if (!smp_load_acquire(&kn->lock.taken))
		return true;
	read_unlock(&kn->lock.data);
	return false;
}

void kn_look_end(struct kn *kn)
{
	read_unlock(&kn->lock.data);
}

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
	kn_unlock(kn);
	left = wait_event_killable_timeout(kn->changed, READ_ONCE(kn->changes) != seen, left);
	kn_lock(kn);
	return left >= 0;
}

/* The sooner of two waits, where 0 is never. */
static u32 sooner(u32 a, u32 b)
{
	return a && b ? min(a, b) : a ?: b;
}

static void tick(struct work_struct *work)
{
	struct kn *kn = container_of(to_delayed_work(work), struct kn, tick);
	u32 wait_ms;

	kn_lock(kn);
	ke_node_tick(&kn->node);
	wait_ms = sooner(ke_node_wait_ms(&kn->node), kn_reg_run(kn));
	if (kn_dials_run(kn))
		wait_ms = sooner(wait_ms, KE_REDIAL_MAX_MS);
	if (wait_ms && !kn->stopping)
		mod_delayed_work(kn_wq, &kn->tick, msecs_to_jiffies(wait_ms));
	kn_unlock(kn);
}

void kn_init(struct kn *kn, struct net *net)
{
	kn->net = net;
	mutex_init(&kn->attaching);
	mutex_init(&kn->opening);
	mutex_init(&kn->lock.mutex);
	rwlock_init(&kn->lock.data);
	init_waitqueue_head(&kn->changed);
	INIT_LIST_HEAD(&kn->channels);
	INIT_LIST_HEAD(&kn->conns);
	INIT_LIST_HEAD(&kn->pings);
	INIT_LIST_HEAD(&kn->counts);
	INIT_DELAYED_WORK(&kn->tick, tick);
	INIT_WORK(&kn->reap, kn_conns_reap);
	kn_listen_init(kn);
}

/* Its name is an attribute, too, by which others know it; without memory it has none. */
static void begin(struct kn *kn, const struct ke_contact *self)
{
	const char *name = init_utsname()->nodename;
	struct ke_value v = { .kind = KE_VALUE_STRING, .data = name, .len = strlen(name) };

	ke_node_init(&kn->node, &kn_house, kn, self, name);
	ke_node_set(&kn->node, "name", &v);
}

/* Nobody shares memory with it, so it is a host of its own. */
static int start(struct kn *kn)
{
	struct ke_contact self = { .incarnation = ktime_get_real_ns() };
	int err;

	get_random_bytes(&self.node, sizeof(self.node));
	get_random_bytes(&self.host, sizeof(self.host));
	kn_lock(kn);
	kn->stopping = false;
	kn->started_ms = kn_now_ms();
	/* The tie first, whose end undoes it whatever fails then. */
	err = kn_reg_start(kn) ?: kn_settings_take(kn);
	if (!err && kn->listen[0])
		err = kn_listen(kn, kn->listen, self.address, sizeof(self.address));
	if (!err)
		begin(kn, &self);
	kn_unlock(kn);
	if (err)
		kn_reg_stop(kn);
	else
		mod_delayed_work(kn_wq, &kn->tick, 0);
	return err;
}

/* A work that has begun may queue another: the sockets first, which begin it all. */
static void stop(struct kn *kn)
{
	struct kn_conn *c;

	kn_unlisten(kn);
	kn_lock(kn);
	kn->stopping = true;
	kn_unlock(kn);
	cancel_delayed_work_sync(&kn->tick);
	kn_reg_stop(kn);
	kn_lock(kn);
	ke_node_fini(&kn->node);
	list_for_each_entry(c, &kn->conns, list)
		kn_conn_close(c);
	kn_unlock(kn);
	flush_work(&kn->reap);
	WARN_ON_ONCE(!list_empty(&kn->conns));
}

static int attach(struct kn *kn)
{
	int err = 0;

	mutex_lock(&kn->attaching);
	if (!kn->attached)
		err = start(kn);
	kn->attached += !err;
	mutex_unlock(&kn->attaching);
	return err;
}

static void detach(struct kn *kn)
{
	mutex_lock(&kn->attaching);
	if (!--kn->attached)
		stop(kn);
	mutex_unlock(&kn->attaching);
}

int kecho_open_for(struct module *owner, struct kecho **out, const struct kecho_options *opt)
{
	struct net *net = maybe_get_net(opt && opt->net ? opt->net : &init_net);
	struct kecho *k;
	int err = -ENOMEM;

	if (!net)
		return -ENODEV;
	k = kzalloc(sizeof(*k), GFP_KERNEL_ACCOUNT);
	if (!k)
		goto put;
	k->kn = kn_of_net(net);
	INIT_LIST_HEAD(&k->channels);
	err = attach(k->kn);
	if (err)
		goto free;
	kn_made(KN_ATTACHMENT);
	kn_owner_add(k, owner);
	*out = k;
	return 0;

free:
	kfree(k);
put:
	put_net(net);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_open_for);

static bool is_own(const struct kecho *k)
{
	const struct kecho_channel *ch;
	bool own = false;

	kn_lock(k->kn);
	list_for_each_entry(ch, &k->channels, list)
		own |= kn_channel_is_own(ch);
	kn_unlock(k->kn);
	return own;
}

int kecho_close(struct kecho *k)
{
	struct kecho_channel *ch;
	struct net *net;

	if (!k)
		return 0;
	if (!in_task() || is_own(k))
		return -EDEADLK;
	kn_owner_del(k);
	/* Callbacks submit to sources, of any channel. */
	list_for_each_entry(ch, &k->channels, list)
		kn_channel_hush(ch);
	while (!list_empty(&k->channels))
		kecho_channel_close(list_first_entry(&k->channels, struct kecho_channel, list));
	net = k->kn->net;
	detach(k->kn);
	put_net(net);
	kfree(k);
	kn_gone(KN_ATTACHMENT);
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_close);
