// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Processes that are killed as there is no memory: from the tracepoint that each victim
 * passes, under its task's lock, so it keeps its memory meanwhile. Submitting takes none.
 */
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uidgid.h>
#include <trace/events/oom.h>

#include "events.h"
#include "uapi/kecho_sources.h"

static_assert(sizeof(struct kecho_oom) == 64);

static struct outlet ooms;
module_param_cb(oom_missed, &outlet_missed_ops, &ooms, 0444);
MODULE_PARM_DESC(oom_missed, "events that could not be submitted");

static int oom_type;

#define OOM(member) KECHO_FIELD(struct kecho_oom, member)

static const struct kecho_type oom_is = {
	KECHO_TYPE(struct kecho_oom, OOM(missed), OOM(pid), OOM(uid), OOM(mapped_bytes),
		   OOM(anonymous_bytes), OOM(file_bytes), OOM(shared_bytes), OOM(comm))
};

static u64 bytes_of(struct mm_struct *mm, int kind)
{
	return (u64)get_mm_counter(mm, kind) << PAGE_SHIFT;
}

static void marked(void *arg, struct task_struct *p, uid_t uid)
{
	struct kecho_oom e = { 0 };

	if (!outlet_heard(&ooms))
		return;
	e.pid = p->tgid;
	e.uid = uid;
	e.mapped_bytes = (u64)p->mm->total_vm << PAGE_SHIFT;
	e.anonymous_bytes = bytes_of(p->mm, MM_ANONPAGES);
	e.file_bytes = bytes_of(p->mm, MM_FILEPAGES);
	e.shared_bytes = bytes_of(p->mm, MM_SHMEMPAGES);
	strscpy(e.comm, p->comm, sizeof(e.comm));
	outlet_submit(&ooms, oom_type, &e, sizeof(e));
}

static struct probe probes[] = { { .name = "mark_victim", .fn = marked } };

static int begin(struct net *net)
{
	check_trace_callback_type_mark_victim(marked);
	oom_type = outlet_announce(&ooms, &oom_is);
	return oom_type < 0 ? oom_type : probes_begin(probes, ARRAY_SIZE(probes));
}

static void end(struct net *net)
{
	probes_end(probes, ARRAY_SIZE(probes));
}

const struct event_kind oom_kind = { .outlet = &ooms, .begin = begin, .end = end };
