// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * /dev/kecho: a descriptor is a process's session at the node of its network namespace.
 *
 * A session ends when its descriptor is closed, and when the process that has opened it dies,
 * also if a child has the descriptor still. Then its members have failed, gates are lifted,
 * and what it published is read to its end. That is done by a work, as it takes its time.
 * Who has the descriptor still keeps the namespace, as one of a socket does.
 */
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/miscdevice.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>

#include "dev.h"

/* ----------------------------------------------------------------------- ending */

static void uncharge_user(struct kn_user *u)
{
	kn_uncharge(u, KN_MEMORY, KN_SESSION_BYTES);
	kn_uncharge(u, KN_PROCESSES, 1);
	kn_user_put(u);
}

static void free_session(struct kref *refs)
{
	struct kn_session *s = container_of(refs, struct kn_session, refs);
	struct net *net = s->kn->net;

	kn_messages_drop(s);
	kn_slots_free(&s->gates);
	kn_slots_free(&s->limits);
	uncharge_user(s->user);
	mem_cgroup_put(s->memcg);
	put_cred(s->cred);
	kfree(s);
	put_net(net);
	kn_gone(KN_SESSION);
}

static bool all_drained(struct kn_session *s)
{
	struct kn_opening *o;
	struct kn_psource *ps;
	bool all = true;

	list_for_each_entry(o, &s->openings, list)
		list_for_each_entry(ps, &o->sources, list)
			all &= kn_psource_drained(ps);
	return all;
}

/* kn.lock is held, and let go while other nodes' sinks, or the kernel's, lack something. */
static void end_members(struct kn_session *s)
{
	unsigned long until = jiffies + msecs_to_jiffies(KN_LINGER_MS);
	struct kn_psource *ps, *next;
	struct kn_opening *o;

	list_for_each_entry(o, &s->openings, list) {
		kn_thaw(o);
		kn_drain_end(o);
		while (!list_empty(&o->sinks))
			kn_psink_close(list_first_entry(&o->sinks, struct kn_psink, list), true);
		o->ch->process = NULL;
		list_for_each_entry_safe(ps, next, &o->sources, list)
			kn_psource_close(ps, true);
	}
	while (!all_drained(s) && kn_wait(s->kn, until))
		;
	list_for_each_entry(o, &s->openings, list)
		while (!list_empty(&o->sources))
			kn_psource_gone(list_first_entry(&o->sources, struct kn_psource, list));
}

static void end_session(struct work_struct *work)
{
	struct kn_session *s = container_of(work, struct kn_session, end);
	struct kn_opening *o, *next;

	kn_lock(s->kn);
	s->over = true;
	end_members(s);
	kn_unlock(s->kn);
	cancel_work_sync(&s->chores);
	cancel_delayed_work_sync(&s->late);
	cancel_delayed_work_sync(&s->judging);
	kn_psources_bury(s);
	mutex_lock(&s->opening);
	mutex_lock(&s->closing);
	list_for_each_entry_safe(o, next, &s->openings, list)
		kn_opening_free(o);
	mutex_unlock(&s->closing);
	kecho_close(s->k);
	mutex_unlock(&s->opening);
	kn_cut(s);
	kref_put(&s->refs, free_session);
}

/* What failed while others looked at it. */
static void do_chores(struct work_struct *work)
{
	struct kn_session *s = container_of(work, struct kn_session, chores);
	struct kn_psource *ps, *next;
	struct kn_psink *k, *more;
	struct kn_opening *o;

	kn_lock(s->kn);
	list_for_each_entry(o, &s->openings, list) {
		list_for_each_entry_safe(k, more, &o->sinks, list)
			if (k->err && !k->opens)
				kn_psink_fails(k);
		list_for_each_entry_safe(ps, next, &o->sources, list)
			if (ps->why && ps->state == KN_JOINED)
				kn_psource_fails(ps);
	}
	kn_unlock(s->kn);
	kn_psources_bury(s);
}

static void look_late(struct work_struct *work)
{
	struct kn_session *s = container_of(to_delayed_work(work), struct kn_session, late);

	kn_lock(s->kn);
	if (!s->over)
		kn_session_late(s);
	kn_unlock(s->kn);
}

static void end_once(struct kn_session *s)
{
	if (test_and_set_bit(0, &s->ending))
		return;
	kref_get(&s->refs);
	queue_work(kn_callback_wq, &s->end);
}

/* ---------------------------------------------------------------------- opening */

static struct kn_user *charge_user(const struct cred *cred)
{
	struct kn_user *u = kn_user_get(cred->euid);
	int err = u ? kn_charge(u, KN_PROCESSES, 1) : -ENOMEM;

	if (err)
		goto put;
	err = kn_charge(u, KN_MEMORY, KN_SESSION_BYTES);
	if (!err)
		return u;
	kn_uncharge(u, KN_PROCESSES, 1);
put:
	if (u)
		kn_user_put(u);
	return ERR_PTR(err);
}

static struct kn_session *make_session(struct file *file, struct net *net)
{
	struct kn_user *user = charge_user(file->f_cred);
	struct kn_session *s;

	if (IS_ERR(user))
		return ERR_CAST(user);
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s) {
		uncharge_user(user);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&s->refs);
	s->user = user;
	s->memcg = get_mem_cgroup_from_mm(current->mm);
	s->kn = kn_of_net(get_net(net));
	s->cred = get_cred(file->f_cred);
	s->owner = current->files;
	s->root = file_ns_capable(file, net->user_ns, CAP_NET_ADMIN);
	s->whose = kn_whose(file->f_cred, file_ns_capable(file, &init_user_ns, CAP_BPF));
	mutex_init(&s->opening);
	mutex_init(&s->closing);
	INIT_LIST_HEAD(&s->openings);
	INIT_LIST_HEAD(&s->dead);
	spin_lock_init(&s->out_lock);
	INIT_LIST_HEAD(&s->out);
	INIT_LIST_HEAD(&s->calls);
	init_waitqueue_head(&s->readable);
	init_waitqueue_head(&s->room);
	INIT_WORK(&s->end, end_session);
	INIT_WORK(&s->chores, do_chores);
	INIT_DELAYED_WORK(&s->late, look_late);
	kn_judging_init(s);
	kn_made(KN_SESSION);
	return s;
}

static int dev_open(struct inode *inode, struct file *file)
{
	struct net *net = current->nsproxy->net_ns;
	struct kecho_options opt = { .net = net };
	struct kn_session *s = make_session(file, net);
	int err;

	if (IS_ERR(s))
		return PTR_ERR(s);
	err = kn_slots_make(&s->gates, s, KECHO_SLOT_SIZE, "kecho-gates");
	if (!err)
		err = kn_slots_make(&s->limits, s, KECHO_LIMIT_SIZE, "kecho-limits");
	if (!err) {
		kn_pages_seal(&s->limits.part[0]);
		err = kecho_open(&s->k, &opt);
	}
	if (err) {
		kref_put(&s->refs, free_session);
		return err;
	}
	file->private_data = s;
	return nonseekable_open(inode, file);
}

/* Each descriptor of it that is closed. Whoever has opened it and dies takes it along. */
static int dev_flush(struct file *file, fl_owner_t id)
{
	struct kn_session *s = file->private_data;

	if (current->flags & PF_EXITING && id == s->owner)
		end_once(s);
	return 0;
}

static int dev_release(struct inode *inode, struct file *file)
{
	struct kn_session *s = file->private_data;

	end_once(s);
	/* Who closes it by itself may believe that it is gone. */
	if (!(current->flags & PF_EXITING))
		flush_work(&s->end);
	kref_put(&s->refs, free_session);
	return 0;
}

/* -------------------------------------------------------------------------- use */

/* To be given back by kvfree(). */
static void *take_request(struct kn_session *s, const void __user *buf, size_t len)
{
	void *data;

	if (len < sizeof(struct kecho_msg) || len > KECHO_MSG_MAX)
		return ERR_PTR(-EMSGSIZE);
	if (READ_ONCE(s->cut))
		return ERR_PTR(-ECONNRESET);
	data = kvmalloc(len, GFP_KERNEL_ACCOUNT);
	if (!data)
		return ERR_PTR(-ENOMEM);
	if (!copy_from_user(data, buf, len))
		return data;
	kvfree(data);
	return ERR_PTR(-EFAULT);
}

static ssize_t dev_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct kn_session *s = file->private_data;
	void *data = take_request(s, buf, len);
	int err;

	if (IS_ERR(data))
		return PTR_ERR(data);
	err = kn_request_run(s, data, len);
	kvfree(data);
	return err ?: len;
}

static long dev_call(struct kn_session *s, struct kecho_dev_call __user *arg)
{
	struct kecho_dev_call c;
	struct kn_call call;
	void *data;
	long len;
	int err;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	data = take_request(s, u64_to_user_ptr(c.request), c.len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	call.serial = le32_to_cpu(((struct kecho_msg *)data)->serial);
	call.size = c.size;
	kn_call_begin(s, &call);
	err = kn_request_run(s, data, c.len);
	kvfree(data);
	len = kn_call_end(s, &call, &c.answer, &arg->answer);
	return err ?: len;
}

static __poll_t dev_poll(struct file *file, poll_table *table)
{
	struct kn_session *s = file->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &s->readable, table);
	if (!list_empty_careful(&s->out))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(s->cut))
		events |= EPOLLIN | EPOLLHUP;
	return events;
}

static void rang(struct kn_session *s)
{
	kn_lock(s->kn);
	if (!s->over)
		kn_session_rang(s);
	kn_unlock(s->kn);
}

/* Until there may be room, as its limit says, or the process has other plans. */
static long wait_for_room(struct kn_session *s, const void __user *arg)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct kecho_dev_room r;
	long left, err = 0;
	u32 kicked;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (!kn_slot_there(&s->limits, r.slot))
		return -EINVAL;
	left = r.timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(r.timeout_ms);
	add_wait_queue(&s->room, &wait);
	while (READ_ONCE(kn_limit(s, r.slot)->bell) == r.bell) {
		err = get_user(kicked, (u32 __user *)u64_to_user_ptr(r.kick));
		if (err || kicked != r.kicked)
			break;
		err = signal_pending(current) ? -EINTR : left ? 0 : -ETIMEDOUT;
		if (err)
			break;
		left = wait_woken(&wait, TASK_INTERRUPTIBLE, left);
	}
	remove_wait_queue(&s->room, &wait);
	return err;
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kn_session *s = file->private_data;
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case KECHO_DEV_RECEIVE:
		return kn_receive(s, p);
	case KECHO_DEV_RING:
		rang(s);
		return 0;
	case KECHO_DEV_ROOM:
		return wait_for_room(s, p);
	case KECHO_DEV_CALL:
		return dev_call(s, p);
	case KECHO_DEV_KICK:
		wake_up_all(&s->room);
		return 0;
	}
	return -ENOTTY;
}

static const struct file_operations dev_ops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.flush = dev_flush,
	.release = dev_release,
	.write = dev_write,
	.poll = dev_poll,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kecho",
	.fops = &dev_ops,
	.mode = 0666,
};

int kn_dev_init(void)
{
	int err = kn_boost_init();

	if (err)
		return err;
	err = misc_register(&dev);
	if (err)
		kn_boost_exit();
	return err;
}

/* Nobody has it open; sessions may be ending still. */
void kn_dev_exit(void)
{
	misc_deregister(&dev);
	flush_workqueue(kn_callback_wq);
	kn_boost_exit();
}
