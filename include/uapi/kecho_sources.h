/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * The events of kecho_load.ko and kecho_events.ko: docs/sources.md.
 *
 * Each struct is a type that its source announces, so who reads an event needs this header
 * only to have the struct itself; another version of it matches by its fields' names. Numbers
 * are of the host's byte order. Strings end in a zero, and are cut if need be. Process ids,
 * and users, are the host's: of its first namespaces.
 *
 * Changelog
 *   1  all of it
 */
#ifndef _UAPI_KECHO_SOURCES_H
#define _UAPI_KECHO_SOURCES_H

#include <linux/types.h>

#define KECHO_COMM_SIZE		16
#define KECHO_PATH_SIZE		128
#define KECHO_DEVICE_SIZE	16
#define KECHO_HAPPENED_SIZE	16

/*
 * How loaded a host is. Times, bytes and packets are those of the interval, and all CPUs'
 * together; what the kernel does not tell is 0.
 */
struct kecho_load {
	__u64 missed;		/* samples that could not be submitted since the last that was */
	__u64 interval_ns;	/* since the last sample */

	__u64 user_ns, system_ns, irq_ns, steal_ns, iowait_ns, idle_ns;
	__u32 cpus;		/* that are online */
	__u32 cpu_percent;	/* of their time: all but iowait and idle */

	__u32 running, threads;	/* runnable now, and all there are */
	__u32 load1_centi, load5_centi, load15_centi;	/* averages of the run queue, times 100 */

	__u32 pressure;		/* 1: the kernel tells how long it stalled for want of: */
	__u64 cpu_some_us, memory_some_us, memory_full_us, io_some_us, io_full_us;

	__u64 memory_total_bytes, memory_free_bytes, memory_available_bytes;

	/* Of the network namespace's devices but loopback. */
	__u64 rx_bytes, rx_packets, rx_dropped, tx_bytes, tx_packets, tx_dropped;
};

/* A thread was made. Of a process's first one, pid and tgid are equal. */
struct kecho_fork {
	__u64 missed;		/* events of this channel, of any type, since the last */
	__s32 pid, tgid;
	__s32 parent;		/* the process that made it */
	__u32 uid;
	char comm[KECHO_COMM_SIZE];
};

/* A process runs another program. */
struct kecho_exec {
	__u64 missed;
	__s32 pid;
	__s32 parent;
	__u32 uid;
	__u32 pad;
	char comm[KECHO_COMM_SIZE];
	char path[KECHO_PATH_SIZE];	/* as the process named it */
};

/* A thread ends. */
struct kecho_exit {
	__u64 missed;
	__s32 pid, tgid;
	__u32 uid;
	__u16 status;		/* as exit() had it */
	__u16 signal;		/* that killed it; 0: none */
	__u64 user_ns, system_ns;	/* CPU time that it took */
	__u64 lived_ns;
	char comm[KECHO_COMM_SIZE];
};

/* A process is killed as there is no memory. */
struct kecho_oom {
	__u64 missed;
	__s32 pid;
	__u32 uid;
	__u64 mapped_bytes;	/* addresses; then what is in memory of them */
	__u64 anonymous_bytes, file_bytes, shared_bytes;
	char comm[KECHO_COMM_SIZE];
};

/* A network device changes. */
struct kecho_netdev {
	__u64 missed;
	/* register, unregister, up, down, carrier, no-carrier, rename, mtu, address */
	char happened[KECHO_HAPPENED_SIZE];
	char name[KECHO_DEVICE_SIZE];	/* by now */
	__s32 ifindex;
	__u32 flags;		/* IFF_UP and so on */
	__u32 mtu;
	__u32 pad;
};

#endif
