/* SPDX-License-Identifier: MIT */
/*
 * The measurements that every transport is put through. All return 0 or -errno
 * and touch no output on failure.
 */
#ifndef KECHO_BENCH_PROBE_H
#define KECHO_BENCH_PROBE_H

#include "rig.h"

/* One-way latency over all sinks, one event in flight, sinks asleep. */
struct probe_latency {
	double p50_ns, p99_ns;
	double asleep;	/* part of the events that found their sink asleep */
};
int probe_latency(struct rig *r, unsigned int count, struct probe_latency *out);

/*
 * probe_burst - CPU per event: of the publisher's process, the publishing of @bursts
 * bursts of RIG_BURST events to sleeping sinks, @batch at a call, and whatever its other
 * threads do for them; and of the processes between it and the sinks.
 */
struct probe_cpu {
	double publisher_ns, broker_ns;
};
int probe_burst(struct rig *r, unsigned int bursts, unsigned int batch, struct probe_cpu *out);

/* probe_awake - CPU of the publishing thread per event while every sink is busy
 * elsewhere: nobody to be woken. */
int probe_awake(struct rig *r, unsigned int bursts, unsigned int batch, double *cpu_ns);

/* probe_rate - events per second that reach a sink, the window in flight; and the part
 * of those sent that sinks have missed. */
struct probe_rate {
	double per_s, lost;
};
int probe_rate(struct rig *r, uint64_t duration_ns, unsigned int batch, struct probe_rate *out);

/* probe_wire - bytes per event that leave the publisher's host, in bursts as those of
 * probe_burst(). -EOPNOTSUPP: the transport doesn't count them. */
int probe_wire(struct rig *r, unsigned int bursts, unsigned int batch, double *bytes);

#endif
