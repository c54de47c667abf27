/* SPDX-License-Identifier: MIT */
/* A sink of the rig, in its own process; see sink.h. */
#include "sink.h"
#include "hosts.h"
#include "measure.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex(_Atomic uint32_t *word, int op, uint32_t val)
{
	syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

void board_lift(struct board *b)
{
	atomic_fetch_add(&b->holds, 1);
	futex(&b->holds, FUTEX_WAKE, INT_MAX);
}

static void take_sample(struct sink_report *r, uint64_t latency_ns)
{
	if (r->nsamples < SINK_SAMPLES_MAX)
		r->sample_ns[r->nsamples++] =
			latency_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_ns;
}

static void hold(struct sink *s)
{
	uint32_t lifted;

	/* Say that the event is here before waiting: the publisher waits for that. */
	s->received++;
	atomic_store_explicit(&s->report->received, s->received, memory_order_release);
	while ((lifted = atomic_load(&s->board->holds)) == s->holds)
		futex(&s->board->holds, FUTEX_WAIT, lifted);
	s->holds++;
	s->received--;
}

static int check_sequence(struct sink *s, uint64_t seq)
{
	if (seq < s->received || (seq > s->received && !s->transport->lossy))
		return -EPROTO;
	s->report->lost += seq - s->received;
	s->received = seq;
	return 0;
}

/* Returns 1 at the end of all, 0, or -EPROTO. */
static int take_event(struct sink *s, const struct iovec *iov)
{
	struct event ev;
	int err;

	if (iov->iov_len < sizeof(ev))
		return -EPROTO;
	memcpy(&ev, iov->iov_base, sizeof(ev));
	err = check_sequence(s, ev.seq);
	if (err)
		return err;
	switch (ev.kind) {
	case EVENT_TIMED:
		take_sample(s->report, measure_now_ns() - ev.stamp_ns);
		break;
	case EVENT_MARK:
		s->report->sleeps = measure_sleeps();
		break;
	case EVENT_HOLD:
		hold(s);
		break;
	case EVENT_STOP:
		return 1;
	}
	s->received++;
	return 0;
}

static int sink_loop(struct sink *s)
{
	struct iovec iov[TRANSPORT_BATCH_MAX];
	ssize_t n, i;
	int err;

	for (;;) {
		n = s->transport->receive(s->state, iov, TRANSPORT_BATCH_MAX);
		if (n < 0)
			return (int)n;
		for (i = 0; i < n; i++) {
			err = take_event(s, &iov[i]);
			if (err)
				return err < 0 ? err : 0;
		}
		atomic_store_explicit(&s->report->received, s->received, memory_order_release);
	}
}

int sink_main(struct sink *s)
{
	const char *step = "pin itself to a CPU";
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != s->publisher)
		return 1;	/* it died before that */
	err = measure_pin(s->cpu);
	if (err)
		goto fail;
	step = "go to its host";
	err = hosts_enter(hosts_of_sink(s->index));
	if (err)
		goto fail;
	step = "attach";
	err = s->transport->attach(s->state, s->index);
	if (err)
		goto fail;
	atomic_store(&s->report->state, SINK_READY);
	step = "receive";
	err = sink_loop(s);
	if (err)
		goto fail;
	s->transport->release(s->state);
	return 0;
fail:
	fprintf(stderr, "%s: sink %u can't %s after %llu events: %s\n", s->transport->name,
		s->index, step, (unsigned long long)s->received, strerror(-err));
	atomic_store(&s->report->state, SINK_FAILED);
	return 1;
}
