// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Processes that are made, run a program, and end: from the scheduler's tracepoints for that,
 * which are passed by the process itself without any lock of the scheduler.
 */
#include <linux/module.h>
#include <linux/binfmts.h>
#include <linux/cred.h>
#include <linux/sched/task.h>
#include <linux/timekeeping.h>
#include <linux/uidgid.h>
#include <trace/events/sched.h>

#include "events.h"
#include "uapi/kecho_sources.h"

static_assert(sizeof(struct kecho_fork) == 40);
static_assert(sizeof(struct kecho_exec) == 168);
static_assert(sizeof(struct kecho_exit) == 64);

static struct outlet processes;
module_param_cb(process_missed, &outlet_missed_ops, &processes, 0444);
MODULE_PARM_DESC(process_missed, "events that could not be submitted");

static int fork_type, exec_type, exit_type;

#define FORK(member) KECHO_FIELD(struct kecho_fork, member)
#define EXEC(member) KECHO_FIELD(struct kecho_exec, member)
#define EXIT(member) KECHO_FIELD(struct kecho_exit, member)

static const struct kecho_type fork_is = {
	KECHO_TYPE(struct kecho_fork, FORK(missed), FORK(pid), FORK(tgid), FORK(parent),
		   FORK(uid), FORK(comm))
};

static const struct kecho_type exec_is = {
	KECHO_TYPE(struct kecho_exec, EXEC(missed), EXEC(pid), EXEC(parent), EXEC(uid),
		   EXEC(comm), EXEC(path))
};

static const struct kecho_type exit_is = {
	KECHO_TYPE(struct kecho_exit, EXIT(missed), EXIT(pid), EXIT(tgid), EXIT(uid),
		   EXIT(status), EXIT(signal), EXIT(user_ns), EXIT(system_ns), EXIT(lived_ns),
		   EXIT(comm))
};

static u32 uid_of(struct task_struct *p)
{
	return from_kuid(&init_user_ns, task_uid(p));
}

static void forked(void *arg, struct task_struct *parent, struct task_struct *child)
{
	struct kecho_fork e = { 0 };

	if (!outlet_heard(&processes))
		return;
	e.pid = child->pid;
	e.tgid = child->tgid;
	e.parent = parent->tgid;
	e.uid = uid_of(child);
	strscpy(e.comm, child->comm, sizeof(e.comm));
	outlet_submit(&processes, fork_type, &e, sizeof(e));
}

/* Its parent may end meanwhile: its struct doesn't go before we are through. */
static s32 parent_of(struct task_struct *p)
{
	s32 parent;

	rcu_read_lock();
	parent = rcu_dereference(p->real_parent)->tgid;
	rcu_read_unlock();
	return parent;
}

static void executed(void *arg, struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
{
	struct kecho_exec e = { 0 };

	if (!outlet_heard(&processes))
		return;
	e.pid = p->pid;
	e.parent = parent_of(p);
	e.uid = uid_of(p);
	strscpy(e.comm, p->comm, sizeof(e.comm));
	strscpy(e.path, bprm->filename, sizeof(e.path));
	outlet_submit(&processes, exec_type, &e, sizeof(e));
}

static void exited(void *arg, struct task_struct *p)
{
	struct kecho_exit e = { 0 };

	if (!outlet_heard(&processes))
		return;
	e.pid = p->pid;
	e.tgid = p->tgid;
	e.uid = uid_of(p);
	e.status = p->exit_code >> 8 & 0xff;
	e.signal = p->exit_code & 0x7f;
	e.user_ns = p->utime;
	e.system_ns = p->stime;
	e.lived_ns = ktime_get_ns() - p->start_time;
	strscpy(e.comm, p->comm, sizeof(e.comm));
	outlet_submit(&processes, exit_type, &e, sizeof(e));
}

static struct probe probes[] = {
	{ .name = "sched_process_fork", .fn = forked },
	{ .name = "sched_process_exec", .fn = executed },
	{ .name = "sched_process_exit", .fn = exited },
};

static int begin(struct net *net)
{
	int err;

	check_trace_callback_type_sched_process_fork(forked);
	check_trace_callback_type_sched_process_exec(executed);
	check_trace_callback_type_sched_process_exit(exited);
	fork_type = outlet_announce(&processes, &fork_is);
	exec_type = outlet_announce(&processes, &exec_is);
	exit_type = outlet_announce(&processes, &exit_is);
	err = min3(fork_type, exec_type, exit_type);
	return err < 0 ? err : probes_begin(probes, ARRAY_SIZE(probes));
}

static void end(struct net *net)
{
	probes_end(probes, ARRAY_SIZE(probes));
}

const struct event_kind process_kind = { .outlet = &processes, .begin = begin, .end = end };
