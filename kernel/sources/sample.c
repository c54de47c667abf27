// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sampling how loaded the host is. Nothing here takes a lock for long, but it may sleep.
 */
#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/sched/loadavg.h>
#include <linux/tick.h>
#include <linux/timekeeping.h>

#include "sample.h"

static_assert(sizeof(struct kecho_load) == 208);

enum { LOAD_SCALE = 100 };

/* A CPU that sleeps counts its idle time when it wakes up; the tick's code knows it now. */
static u64 idle_ns(int cpu, u64 counted_ns, u64 (*now_us)(int cpu, u64 *at))
{
	u64 us = cpu_online(cpu) ? now_us(cpu, NULL) : -1ULL;

	return us == -1ULL ? counted_ns : us * NSEC_PER_USEC;
}

static void take_cpu(struct kecho_load *now, int cpu)
{
	struct kernel_cpustat k;
	u64 *stat = k.cpustat;

	kcpustat_cpu_fetch(&k, cpu);
	now->user_ns += stat[CPUTIME_USER] + stat[CPUTIME_NICE];
	now->system_ns += stat[CPUTIME_SYSTEM];
	now->irq_ns += stat[CPUTIME_IRQ] + stat[CPUTIME_SOFTIRQ];
	now->steal_ns += stat[CPUTIME_STEAL];
	now->iowait_ns += idle_ns(cpu, stat[CPUTIME_IOWAIT], get_cpu_iowait_time_us);
	now->idle_ns += idle_ns(cpu, stat[CPUTIME_IDLE], get_cpu_idle_time_us);
}

static u32 load_centi(unsigned long load)
{
	return (load * LOAD_SCALE + FIXED_1 / 2) / FIXED_1;
}

static void take_run_queue(struct kecho_load *now)
{
	run_queue_take(now);
	now->load1_centi = load_centi(avenrun[0]);
	now->load5_centi = load_centi(avenrun[1]);
	now->load15_centi = load_centi(avenrun[2]);
}

static void take_memory(struct kecho_load *now)
{
	struct sysinfo info;

	si_meminfo(&info);
	now->memory_total_bytes = (u64)info.totalram * info.mem_unit;
	now->memory_free_bytes = (u64)info.freeram * info.mem_unit;
	now->memory_available_bytes = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;
}

static void take_device(struct kecho_load *now, struct net_device *dev)
{
	struct rtnl_link_stats64 s;

	dev_get_stats(dev, &s);
	now->rx_bytes += s.rx_bytes;
	now->rx_packets += s.rx_packets;
	now->rx_dropped += s.rx_dropped;
	now->tx_bytes += s.tx_bytes;
	now->tx_packets += s.tx_packets;
	now->tx_dropped += s.tx_dropped;
}

static void take_network(struct kecho_load *now, struct net *net)
{
	struct net_device *dev;

	rcu_read_lock();
	for_each_netdev_rcu(net, dev)
		if (!(dev->flags & IFF_LOOPBACK))
			take_device(now, dev);
	rcu_read_unlock();
}

void sample_take(struct kecho_load *now, struct net *net)
{
	int cpu;

	*now = (struct kecho_load){ .interval_ns = ktime_get_ns(), .cpus = num_online_cpus() };
	for_each_possible_cpu(cpu)
		take_cpu(now, cpu);
	take_run_queue(now);
	pressure_take(now);
	take_memory(now);
	take_network(now, net);
}

/* Some of these may go back a little, or a device goes with all that it has counted. */
static u64 grown(u64 from, u64 to)
{
	return to > from ? to - from : 0;
}

static u32 percent(const struct kecho_load *l)
{
	u64 busy = l->user_ns + l->system_ns + l->irq_ns + l->steal_ns;
	u64 all = busy + l->iowait_ns + l->idle_ns;

	return all ? div64_u64(busy * 100 + all / 2, all) : 0;
}

#define GROW(member) out->member = grown(from->member, now->member)

void sample_since(struct kecho_load *out, const struct kecho_load *from,
		  const struct kecho_load *now)
{
	*out = *now;
	GROW(interval_ns);
	GROW(user_ns);
	GROW(system_ns);
	GROW(irq_ns);
	GROW(steal_ns);
	GROW(iowait_ns);
	GROW(idle_ns);
	GROW(cpu_some_us);
	GROW(memory_some_us);
	GROW(memory_full_us);
	GROW(io_some_us);
	GROW(io_full_us);
	GROW(rx_bytes);
	GROW(rx_packets);
	GROW(rx_dropped);
	GROW(tx_bytes);
	GROW(tx_packets);
	GROW(tx_dropped);
	out->cpu_percent = percent(out);
}
