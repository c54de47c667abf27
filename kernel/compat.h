/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What differs between the kernels that the module is built for, 6.1 and 6.12: here and
 * nowhere else.
 */
#ifndef KECHO_COMPAT_H
#define KECHO_COMPAT_H

#include <linux/sched.h>
#include <linux/version.h>
#include <net/net_namespace.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "kecho is for Linux 6.1 and later"
#endif

/* In a tracepoint: of its string @to, which was declared from @from. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define kn_assign_str(to, from) __assign_str(to, from)
#else
#define kn_assign_str(to, from) __assign_str(to)
#endif

/* What a thread has asked for as its slice; 0: nothing. */
static inline u64 kn_slice_ns(const struct task_struct *task)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return 0;
#else
	return task->se.custom_slice ? task->se.slice : 0;
#endif
}

/* Behind the @n entries of @table lies an empty one. */
static inline struct ctl_table_header *kn_register_sysctl(struct net *net, const char *path,
							  struct ctl_table *table, size_t n)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return register_net_sysctl(net, path, table);
#else
	return register_net_sysctl_sz(net, path, table, n);
#endif
}

#endif
