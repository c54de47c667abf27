/* SPDX-License-Identifier: MIT */
/*
 * The publisher of kecho perf.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "members.h"
#include "perf.h"
#include "stop.h"

#define BATCH		64		/* events that are submitted in one go */
#define BATCH_BYTES	(256u << 10)	/* at most, so large ones do not burst */

struct publisher {
	const struct perf_options *opt;
	struct kecho_source *source;
	struct perf_header header;
	char *event;			/* as large as the largest size */
};

static int check(int err)
{
	if (err < 0)
		complain("cannot submit: %s", kecho_explain());
	return err;
}

static int submit_mark(struct publisher *p, enum perf_mark mark)
{
	p->header.mark = mark;
	return check(kecho_submit(p->source, &p->header, sizeof(p->header), 0));
}

static int run_latency(struct publisher *p)
{
	uint64_t period_ns = (uint64_t)(1e9 / p->opt->per_s);
	uint64_t next = now_ns(), end = next + p->opt->duration_ns;
	int err = 0;

	while (!err && next < end && !stop_wait_until(next)) {
		err = check(kecho_submit(p->source, p->event, p->header.size, 0));
		next += period_ns;
		/* Held up: the next one in its own time, not in a burst. */
		if (next < now_ns())
			next = now_ns();
	}
	return err;
}

static int run_throughput(struct publisher *p)
{
	uint64_t end = now_ns() + p->opt->duration_ns;
	size_t n = BATCH_BYTES / p->header.size;
	struct iovec events[BATCH];
	ssize_t done = 0;

	if (n > BATCH)
		n = BATCH;
	if (n < 1)
		n = 1;
	for (size_t i = 0; i < n; i++)
		events[i] = (struct iovec){ p->event, p->header.size };
	while (done >= 0 && !stopped() && now_ns() < end)
		done = kecho_submit_vector(p->source, events, n, 0);
	return check(done < 0 ? (int)done : 0);
}

static int run(struct publisher *p, enum perf_kind kind, uint32_t size)
{
	int err;

	p->header.run++;
	p->header.kind = kind;
	p->header.size = size;
	err = submit_mark(p, PERF_BEGIN);
	if (err)
		return err;
	p->header.mark = PERF_DATA;
	memcpy(p->event, &p->header, sizeof(p->header));
	err = kind == PERF_LATENCY ? run_latency(p) : run_throughput(p);
	return err ? err : submit_mark(p, PERF_END);
}

static int run_all(struct publisher *p)
{
	int err = 0;

	for (unsigned int i = 0; i < p->opt->nsizes && !err && !stopped(); i++) {
		err = run(p, PERF_LATENCY, p->opt->size[i]);
		if (!err && !stopped())
			err = run(p, PERF_THROUGHPUT, p->opt->size[i]);
	}
	return err ? err : submit_mark(p, PERF_DONE);
}

static int run_channel(struct publisher *p, struct kecho *k)
{
	struct kecho_channel *ch;
	int err = open_channel(k, p->opt->channel, NULL, &ch);

	if (err)
		return err;
	err = members_wait(ch, KECHO_SINK, p->opt->sinks);
	if (err)
		goto close;
	err = kecho_source_open(ch, NULL, &p->source);
	if (err) {
		complain("cannot become a source of '%s': %s", p->opt->channel, kecho_explain());
		goto close;
	}
	err = run_all(p);
	kecho_source_close(p->source);
close:
	kecho_channel_close(ch);
	return err;
}

int perf_publish(const struct perf_options *opt)
{
	struct publisher p = { .opt = opt, .header.magic = PERF_MAGIC };
	uint32_t largest = 0;
	struct kecho *k;
	int err = attach(&k);

	if (err)
		return EXIT_ERROR;
	for (unsigned int i = 0; i < opt->nsizes; i++)
		if (opt->size[i] > largest)
			largest = opt->size[i];
	p.event = grow(NULL, largest, 1);
	memset(p.event, 'k', largest);
	err = run_channel(&p, k);
	kecho_close(k);
	free(p.event);
	return err && !stopped() ? EXIT_ERROR : EXIT_OK;
}
