// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A boost: a thread that sleeps on a bell and runs next when it is woken.
 *
 *	plain ── sleeps ──> raised, asleep ── rung ──> raised, awake ── its time is over ──> plain
 *				└────────── sleeps again ──────┘
 *
 * Nobody's scheduling can be changed in softirq, where events come. So a thread raises itself to
 * SCHED_FIFO before it falls asleep, where that costs nobody anything, and who rings does what he
 * always does. Awake it stays that for the time that it has asked for; a timer sees to that, and
 * a thread of ours that goes before all those.
 *
 * What is kept:
 *	- It needs the right: CAP_SYS_NICE, or a limit of RLIMIT_RTPRIO.
 *	- After each ring it is at most `boost_max_us`, and over time `boost_percent` of a CPU. Who
 *	  has used that up sleeps as a plain thread.
 *	- It ends with its time, with a wait that nobody has rung, when a signal comes, and when the
 *	  bell's descriptor is closed, as by exit; then the thread is as it was. Its nice value is
 *	  what it was set to meanwhile. If somebody has given it another policy, that stays.
 *	- Children are not boosted. Nor is a thread that is real-time without us.
 */
#include <linux/capability.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <uapi/linux/sched/types.h>

#include "dev.h"

enum {
	BOOST_PRIORITY = 1,	/* the lowest real-time one */
	BOOSTS_MAX = 64,	/* threads at one descriptor */
};

static unsigned int boost_max_us = 1000;
module_param(boost_max_us, uint, 0644);
MODULE_PARM_DESC(boost_max_us, "how long an event may boost who sleeps for it");
static unsigned int boost_percent = 20;
module_param(boost_percent, uint, 0644);
MODULE_PARM_DESC(boost_percent, "of a CPU that a thread may be boosted for, over time");

static struct kthread_worker *worker;

struct kn_boost {
	struct list_head list;
	struct task_struct *task;
	struct mutex lock;
	bool raised;
	unsigned int policy;	/* what it was, */
	u64 slice_ns;
	bool resets;		/* its flag for children, too */
	u64 left_ns;		/* of its share of the CPU, as of @filled_ns */
	u64 filled_ns, rung_ns;	/* rung_ns 0: it sleeps, or is plain */
	struct hrtimer timer;
	struct kthread_work over;
};

bool kn_may_boost(void)
{
	return rlimit(RLIMIT_RTPRIO) >= BOOST_PRIORITY || capable(CAP_SYS_NICE);
}

/* ----------------------------------------------------------------- up, and down again */

static void raise(struct kn_boost *b)
{
	struct sched_attr fifo = {
		.size = sizeof(fifo),
		.sched_policy = SCHED_FIFO,
		.sched_priority = BOOST_PRIORITY,
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
	};

	b->policy = current->policy;
	b->resets = current->sched_reset_on_fork;
	b->slice_ns = kn_slice_ns(current);
	b->raised = !sched_setattr_nocheck(current, &fifo);
}

static bool is_plain(const struct task_struct *task)
{
	return task->policy == SCHED_NORMAL || task->policy == SCHED_BATCH ||
	       task->policy == SCHED_IDLE;
}

static bool is_as_we_left_it(const struct task_struct *task)
{
	return task->policy == SCHED_FIFO && task->rt_priority == BOOST_PRIORITY;
}

static void lower(struct kn_boost *b)
{
	struct sched_attr was = {
		.size = sizeof(was),
		.sched_policy = b->policy,
		.sched_nice = task_nice(b->task),
		.sched_flags = b->resets ? SCHED_FLAG_RESET_ON_FORK : 0,
		.sched_runtime = b->slice_ns,
	};

	if (b->raised && is_as_we_left_it(b->task))
		WARN_ON_ONCE(sched_setattr_nocheck(b->task, &was));
	b->raised = false;
}

/* ------------------------------------------------------------------- what it may have */

static u64 share_ns(void)
{
	return min(READ_ONCE(boost_percent), 100u) * (u64)(NSEC_PER_SEC / 100);
}

static u64 most_ns(u32 us)
{
	return min(us, READ_ONCE(boost_max_us)) * (u64)NSEC_PER_USEC;
}

/* What it has had since it was rung is taken from its share, which grows with time. */
static void settle(struct kn_boost *b)
{
	u64 now = ktime_get_ns(), grown = min(now - b->filled_ns, (u64)NSEC_PER_SEC);

	b->left_ns = min(b->left_ns + div_u64(grown * share_ns(), NSEC_PER_SEC), share_ns());
	b->filled_ns = now;
	if (b->rung_ns)
		b->left_ns -= min(b->left_ns, now - b->rung_ns);
	b->rung_ns = 0;
}

static enum hrtimer_restart time_over(struct hrtimer *timer)
{
	struct kn_boost *b = container_of(timer, struct kn_boost, timer);

	kthread_queue_work(worker, &b->over);
	return HRTIMER_NORESTART;
}

/* Unless it sleeps, or was rung, once more by now. */
static void end_time(struct kthread_work *work)
{
	struct kn_boost *b = container_of(work, struct kn_boost, over);

	mutex_lock(&b->lock);
	if (b->rung_ns && !hrtimer_active(&b->timer)) {
		settle(b);
		lower(b);
	}
	mutex_unlock(&b->lock);
}

/* --------------------------------------------------------------------------- its life */

static void free_boost(struct kn_boost *b)
{
	hrtimer_cancel(&b->timer);
	kthread_cancel_work_sync(&b->over);
	lower(b);
	list_del(&b->list);
	put_task_struct(b->task);
	kfree(b);
}

void kn_boosts_init(struct kn_boosts *all)
{
	mutex_init(&all->lock);
	INIT_LIST_HEAD(&all->list);
}

void kn_boosts_end(struct kn_boosts *all)
{
	struct kn_boost *b, *next;

	list_for_each_entry_safe(b, next, &all->list, list)
		free_boost(b);
}

static struct kn_boost *make_boost(void)
{
	struct kn_boost *b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);

	if (!b)
		return NULL;
	b->task = get_task_struct(current);
	mutex_init(&b->lock);
	b->left_ns = share_ns();
	b->filled_ns = ktime_get_ns();
	hrtimer_init(&b->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	b->timer.function = time_over;
	kthread_init_work(&b->over, end_time);
	return b;
}

/* The calling thread's; those of threads that have ended go on the way. */
static struct kn_boost *find(struct kn_boosts *all)
{
	struct kn_boost *b, *next, *found = NULL;
	unsigned int n = 0;

	mutex_lock(&all->lock);
	list_for_each_entry_safe(b, next, &all->list, list) {
		if (b->task == current)
			found = b;
		else if (READ_ONCE(b->task->exit_state))
			free_boost(b);
		else
			n++;
	}
	if (!found && n < BOOSTS_MAX) {
		found = make_boost();
		if (found)
			list_add(&found->list, &all->list);
	}
	mutex_unlock(&all->lock);
	return found;
}

/* ------------------------------------------------------------------------------ to use */

int kn_boost_sleep(struct kn_boosts *all, u32 us, struct kn_boost **out)
{
	struct kn_boost *b;

	*out = NULL;
	if (!us)
		return 0;
	if (!kn_may_boost())
		return -EPERM;
	b = find(all);
	if (!b)
		return -ENOMEM;
	mutex_lock(&b->lock);
	hrtimer_cancel(&b->timer);
	settle(b);
	if (b->raised && (b->left_ns < most_ns(us) || !is_as_we_left_it(current)))
		lower(b);
	if (!b->raised && is_plain(current) && b->left_ns >= most_ns(us))
		raise(b);
	mutex_unlock(&b->lock);
	*out = b;
	return 0;
}

void kn_boost_wakes(struct kn_boost *b, u32 us, bool rung)
{
	if (!b)
		return;
	mutex_lock(&b->lock);
	if (b->raised && rung) {
		b->rung_ns = ktime_get_ns();
		hrtimer_start(&b->timer, ns_to_ktime(most_ns(us)), HRTIMER_MODE_REL);
	} else {
		lower(b);
	}
	mutex_unlock(&b->lock);
}

int kn_boost_init(void)
{
	worker = kthread_create_worker(0, "kecho-boost");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	sched_set_fifo(worker->task);
	return 0;
}

void kn_boost_exit(void)
{
	kthread_destroy_worker(worker);
}
