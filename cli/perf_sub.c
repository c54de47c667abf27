/* SPDX-License-Identifier: MIT */
/*
 * A subscriber of kecho perf. It waits in kecho_read(), as programs that care for
 * latency do, and looks for signals now and then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "members.h"
#include "perf.h"
#include "stop.h"

#define LOOK_MS		200	/* how long one kecho_read() waits */

struct subscriber {
	const struct perf_options *opt;
	perf_result_fn fn;
	void *arg;
	struct kecho_channel *ch;
	struct kecho_sink *sink;

	uint64_t source;		/* the publisher that is measured; 0: none yet */
	bool remote;			/* it is on another host */
	struct perf_header run;		/* the run that is on; mark 0: none */
	uint64_t began_ns, events, lost;
	struct samples late;
	bool done;
};

static bool is_remote(struct subscriber *s, uint64_t source)
{
	bool remote = false;
	struct kecho_member *m;
	ssize_t n = members_now(s->ch, &m);

	if (n < 0)
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (m[i].id == source)
			remote = m[i].remote;
	free(m);
	return remote;
}

static void begin_run(struct subscriber *s, const struct perf_header *h)
{
	s->run = *h;
	s->events = s->lost = 0;
	s->late.n = 0;
	s->late.total = 0;
	s->began_ns = now_ns();
}

static int end_run(struct subscriber *s)
{
	struct perf_result r = {
		.size = s->run.size,
		.kind = s->run.kind,
		.remote = s->remote,
		.events = s->events,
		.lost = s->lost,
		.seconds = (now_ns() - s->began_ns) / 1e9,
	};

	if (!s->run.mark)
		return 0;
	s->run.mark = 0;
	samples_skip(&s->late, s->late.n > 2 * PERF_WARM_UP ? PERF_WARM_UP : s->late.n / 2);
	samples_percentiles(&s->late, &r.late);
	return s->fn(s->arg, &r);
}

static void count_event(struct subscriber *s, const struct kecho_event *ev)
{
	s->events++;
	if (s->run.kind == PERF_LATENCY)
		samples_add(&s->late, (int64_t)(real_ns() - ev->time_ns));
}

static bool is_ours(struct subscriber *s, const struct kecho_event *ev, struct perf_header *h)
{
	if (ev->len < sizeof(*h))
		return false;
	memcpy(h, ev->data, sizeof(*h));
	if (h->magic != PERF_MAGIC || (h->kind != PERF_LATENCY && h->kind != PERF_THROUGHPUT))
		return false;
	if (!s->source && h->mark == PERF_BEGIN) {
		s->source = ev->source;
		s->remote = is_remote(s, ev->source);
	}
	return s->source == ev->source;
}

static int take_event(struct subscriber *s, const struct kecho_event *ev)
{
	struct perf_header h;
	int err = 0;

	if (!is_ours(s, ev, &h))
		return 0;
	/* With `latest` a BEGIN or an END may be among what was lost. */
	if (h.run != s->run.run) {
		err = end_run(s);
		begin_run(s, &h);
	}
	if (h.mark == PERF_DATA)
		count_event(s, ev);
	else if (h.mark == PERF_END && !err)
		err = end_run(s);
	else if (h.mark == PERF_DONE)
		s->done = true;
	return err;
}

static int take_end(struct subscriber *s, const struct kecho_event *ev)
{
	if (ev->source != s->source || s->done)
		return 0;
	complain("the publisher %s before it was done", ev->failed ? "failed" : "left");
	return -EPIPE;
}

static int take(struct subscriber *s, const struct kecho_event *ev)
{
	switch (ev->kind) {
	case KECHO_EVENT:
		return take_event(s, ev);
	case KECHO_LOST:
		if (ev->source == s->source)
			s->lost += ev->last_seq - ev->seq + 1;
		return 0;
	case KECHO_ENDED:
		return take_end(s, ev);
	default:
		return 0;
	}
}

static int run_sink(struct subscriber *s)
{
	struct kecho_event ev;
	int err;

	while (!s->done && !stopped()) {
		err = kecho_read(s->sink, &ev, LOOK_MS);
		if (err == -ETIMEDOUT || err == -EAGAIN)
			continue;
		if (err) {
			complain("cannot read channel '%s': %s", s->opt->channel, kecho_explain());
			return err;
		}
		err = take(s, &ev);
		if (err)
			return err;
	}
	return 0;
}

static int run_channel(struct subscriber *s, struct kecho *k)
{
	struct kecho_sink_options opt = { .policy = s->opt->policy };
	int err = open_channel(k, s->opt->channel, NULL, &s->ch);

	if (err)
		return err;
	err = kecho_sink_open(s->ch, &opt, &s->sink);
	if (err) {
		complain("cannot become a sink of '%s': %s", s->opt->channel, kecho_explain());
	} else {
		err = run_sink(s);
		kecho_sink_close(s->sink);
	}
	kecho_channel_close(s->ch);
	return err;
}

int perf_subscribe(const struct perf_options *opt, perf_result_fn fn, void *arg)
{
	struct subscriber s = { .opt = opt, .fn = fn, .arg = arg };
	struct kecho *k;
	int err = attach(&k);

	if (err)
		return EXIT_ERROR;
	err = run_channel(&s, k);
	kecho_close(k);
	samples_free(&s.late);
	return err ? EXIT_ERROR : EXIT_OK;
}
