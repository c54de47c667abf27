/* SPDX-License-Identifier: MIT */
/* The measurements; see probe.h. */
#include "probe.h"
#include "measure.h"

#include <errno.h>
#include <stdlib.h>

#define AWAKE_BURSTS	2	/* for one hold: what the smallest socket buffer takes */

static int mark(struct rig *r, uint64_t *sleeps)
{
	unsigned int i;
	int err;

	err = rig_publish(r, EVENT_MARK, 1);
	if (!err)
		err = rig_await(r);
	if (err)
		return err;
	rig_settle();
	*sleeps = 0;
	for (i = 0; i < r->nsinks; i++)
		*sleeps += r->board->sink[i].sleeps;
	return 0;
}

static int gather(struct rig *r, struct probe_latency *out)
{
	double *v;
	size_t n = 0;
	unsigned int i, j;

	v = malloc(sizeof(*v) * r->nsinks * SINK_SAMPLES_MAX);
	if (!v)
		return -ENOMEM;
	for (i = 0; i < r->nsinks; i++)
		for (j = 0; j < r->board->sink[i].nsamples; j++)
			v[n++] = r->board->sink[i].sample_ns[j];
	if (n) {
		out->p50_ns = measure_percentile(v, n, 0.5);
		out->p99_ns = measure_percentile(v, n, 0.99);
	}
	free(v);
	return n ? 0 : -ENODATA;
}

int probe_latency(struct rig *r, unsigned int count, struct probe_latency *out)
{
	uint64_t before, after;
	unsigned int i;
	int err;

	if (!count || count > SINK_SAMPLES_MAX)
		return -EINVAL;
	err = mark(r, &before);
	if (err)
		return err;
	for (i = 0; i < r->nsinks; i++)
		r->board->sink[i].nsamples = 0;
	for (i = 0; i < count; i++) {
		err = rig_publish(r, EVENT_TIMED, 1);
		if (!err)
			err = rig_await(r);
		if (err)
			return err;
		rig_settle();
	}
	err = mark(r, &after);
	if (err)
		return err;
	out->asleep = (double)(after - before) / (double)(count + 1) / r->nsinks;
	return gather(r, out);
}

/* CPU of the process's other threads: what a transport does behind the caller. */
static uint64_t others_cpu_ns(void)
{
	uint64_t mine = measure_thread_cpu_ns(), all = measure_process_cpu_ns();

	return all > mine ? all - mine : 0;
}

static int publish_burst(struct rig *r, unsigned int batch, uint64_t *cpu_ns)
{
	uint64_t start = measure_thread_cpu_ns();
	unsigned int i;
	int err;

	for (i = 0; i < RIG_BURST; i += batch) {
		err = rig_publish(r, EVENT_PLAIN, batch);
		if (err)
			return err;
	}
	*cpu_ns += measure_thread_cpu_ns() - start;
	return 0;
}

static int broker_cpu(struct rig *r, uint64_t *ns)
{
	*ns = 0;
	return r->transport->broker_cpu ? r->transport->broker_cpu(r->state, ns) : 0;
}

int probe_burst(struct rig *r, unsigned int bursts, unsigned int batch, struct probe_cpu *out)
{
	uint64_t others, mine = 0, before, after;
	unsigned int i;
	int err;

	if (!bursts || !batch || RIG_BURST % batch)
		return -EINVAL;
	err = broker_cpu(r, &before);
	if (err)
		return err;
	others = others_cpu_ns();
	for (i = 0; i < bursts; i++) {
		rig_settle();
		err = publish_burst(r, batch, &mine);
		if (!err)
			err = rig_await(r);
		if (err)
			return err;
	}
	others = others_cpu_ns() - others;
	err = broker_cpu(r, &after);
	if (err)
		return err;
	out->publisher_ns = (double)(mine + others) / bursts / RIG_BURST;
	out->broker_ns = (double)(after - before) / bursts / RIG_BURST;
	return 0;
}

int probe_awake(struct rig *r, unsigned int bursts, unsigned int batch, double *cpu_ns)
{
	uint64_t mine = 0;
	unsigned int i, done;
	int err;

	if (!bursts || !batch || RIG_BURST % batch)
		return -EINVAL;
	for (done = 0; done < bursts; done += i) {
		err = rig_publish(r, EVENT_HOLD, 1);
		if (!err)
			err = rig_await(r);
		for (i = 0; !err && i < AWAKE_BURSTS && done + i < bursts; i++)
			err = publish_burst(r, batch, &mine);
		board_lift(r->board);
		if (!err)
			err = rig_await(r);
		if (err)
			return err;
	}
	*cpu_ns = (double)mine / bursts / RIG_BURST;
	return 0;
}

int probe_rate(struct rig *r, uint64_t duration_ns, unsigned int batch, struct probe_rate *out)
{
	uint64_t first = r->sent, start = measure_now_ns(), lost = rig_lost(r);
	double sent, missed;
	unsigned int i;
	int err;

	if (!batch || RIG_BURST % batch)
		return -EINVAL;
	do {
		for (i = 0; i < RIG_BURST; i += batch) {
			err = rig_await_room(r, batch);
			if (!err)
				err = rig_publish(r, EVENT_PLAIN, batch);
			if (err)
				return err;
		}
	} while (measure_now_ns() - start < duration_ns);
	err = rig_await(r);
	if (err)
		return err;
	sent = (double)(r->sent - first);
	missed = (double)(rig_lost(r) - lost) / r->nsinks;
	out->per_s = (sent - missed) * MEASURE_NS_PER_S / (double)(measure_now_ns() - start);
	out->lost = missed / sent;
	return 0;
}

int probe_wire(struct rig *r, unsigned int bursts, unsigned int batch, double *bytes)
{
	uint64_t before, after, ignored = 0;
	unsigned int i;
	int err;

	if (!bursts || !batch || RIG_BURST % batch)
		return -EINVAL;
	if (!r->transport->wire)
		return -EOPNOTSUPP;
	err = r->transport->wire(r->state, &before);
	for (i = 0; i < bursts && !err; i++) {
		err = publish_burst(r, batch, &ignored);
		if (!err)
			err = rig_await(r);
	}
	if (!err)
		err = r->transport->wire(r->state, &after);
	if (err)
		return err;
	*bytes = (double)(after - before) / bursts / RIG_BURST;
	return 0;
}
