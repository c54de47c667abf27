/* SPDX-License-Identifier: MIT */
/* An audience; see audience.h. */
#include "audience.h"
#include "../hosts.h"
#include "../measure.h"
#include "../subject.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURST		64	/* events between two looks at the sinks */
#define BURSTS		50	/* of a round: as many events of each subject */
#define BURSTS_QUICK	25
#define WARM_UPS	3	/* rounds that don't count */
#define SETTLE_NS	20000	/* for a sink that has its event to fall asleep */
#define QUIET_MS	60	/* then what was put off has gone over the wire: TCP waits 40 ms */
#define STALL_S		10	/* without progress: a failure, not a slow machine */
#define POLLS_PER_CHECK	4096	/* of the board, between looks at the clock */

enum { STATE_STARTING, STATE_READY, STATE_FAILED };
enum { KIND_PLAIN = 1, KIND_STOP };

/* The start of every event; the rest of its length is filler. */
struct event {
	uint32_t subject;
	uint32_t kind;
	uint64_t number;	/* of this subject's, from 0 on */
};

struct seat {
	_Alignas(64) _Atomic uint64_t received;
	_Atomic uint32_t state;
};

struct audience {
	const struct transport *transport;
	void *state;
	struct seat *seat;
	unsigned int nsinks, bursts;
	size_t len;
	bool same;
	pid_t pid[TRANSPORT_SINKS_MAX];	/* 0: none, or gone */
	uint64_t chance;
	uint32_t deck[SUBJECTS];	/* the first ones were dealt */
	unsigned int dealt;
	uint64_t count[SUBJECTS];	/* published of each */
	unsigned char *buf;
	struct iovec iov[BURST];
};

static uint32_t subject_wanted(const struct audience *a, unsigned int sink)
{
	return a->same ? 0 : sink;
}

/* ------------------------------------------------------------------- the sinks */

/* Returns 1 at the end of all, 0, or -EPROTO. */
static int take_event(const struct iovec *iov, uint32_t subject, uint64_t received)
{
	struct event ev;

	if (iov->iov_len < sizeof(ev))
		return -EPROTO;
	memcpy(&ev, iov->iov_base, sizeof(ev));
	if (ev.subject != subject || ev.number != received)
		return -EPROTO;
	return ev.kind == KIND_STOP;
}

static int receive_all(struct audience *a, unsigned int sink)
{
	uint32_t subject = subject_wanted(a, sink);
	struct iovec iov[TRANSPORT_BATCH_MAX];
	uint64_t received = 0;
	ssize_t n, i;
	int last = 0;

	while (!last) {
		n = a->transport->receive(a->state, iov, TRANSPORT_BATCH_MAX);
		if (n < 0)
			return (int)n;
		for (i = 0; i < n && !last; i++)
			last = take_event(&iov[i], subject, received++);
		if (last >= 0)
			atomic_store_explicit(&a->seat[sink].received, received,
					      memory_order_release);
	}
	return last < 0 ? last : 0;
}

static int sink_main(struct audience *a, unsigned int sink, pid_t publisher)
{
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != publisher)
		return 1;	/* it died before that */
	err = hosts_enter(HOST_SINKS);
	if (!err)
		err = a->transport->attach(a->state, subject_wanted(a, sink));
	if (!err) {
		atomic_store(&a->seat[sink].state, STATE_READY);
		err = receive_all(a, sink);
	}
	if (err) {
		fprintf(stderr, "%s: sink %u failed: %s\n", a->transport->name, sink,
			strerror(-err));
		atomic_store(&a->seat[sink].state, STATE_FAILED);
		return 1;
	}
	a->transport->release(a->state);
	return 0;
}

static int fork_sinks(struct audience *a)
{
	pid_t publisher = getpid();
	unsigned int i;

	for (i = 0; i < a->nsinks; i++) {
		a->pid[i] = fork();
		if (!a->pid[i])
			_exit(sink_main(a, i, publisher));
		if (a->pid[i] < 0) {
			a->pid[i] = 0;
			return -errno;
		}
	}
	return 0;
}

static void end_sinks(struct audience *a)
{
	unsigned int i;

	for (i = 0; i < a->nsinks; i++) {
		if (!a->pid[i])
			continue;
		kill(a->pid[i], SIGKILL);
		waitpid(a->pid[i], NULL, 0);
		a->pid[i] = 0;
	}
}

/* Polls on this CPU, where others must run. */
struct wait {
	uint64_t start_ns;
	unsigned int polls;
};

static int wait_more(struct audience *a, struct wait *w, const char *what)
{
	unsigned int i;

	sched_yield();
	if (w->polls++ % POLLS_PER_CHECK)
		return 0;
	for (i = 0; i < a->nsinks; i++)
		if (atomic_load(&a->seat[i].state) == STATE_FAILED)
			return -EIO;
	if (!w->start_ns)
		w->start_ns = measure_now_ns();
	if (measure_now_ns() - w->start_ns < STALL_S * MEASURE_NS_PER_S)
		return 0;
	fprintf(stderr, "%s: no progress for %u s: %s\n", a->transport->name, STALL_S, what);
	return -ETIMEDOUT;
}

static int await_ready(struct audience *a)
{
	struct wait w = { 0 };
	unsigned int i;
	int err = 0;

	for (i = 0; i < a->nsinks; i++)
		while (!err && atomic_load(&a->seat[i].state) != STATE_READY)
			err = wait_more(a, &w, "a sink is not ready");
	return err;
}

/* Until every sink has what is for it, and no more. */
static int await_all(struct audience *a)
{
	struct wait w = { 0 };
	uint64_t all, has;
	unsigned int i;
	int err = 0;

	for (i = 0; i < a->nsinks && !err; i++) {
		all = a->count[subject_wanted(a, i)];
		while (!err && (has = atomic_load(&a->seat[i].received)) != all)
			err = has > all ? -EPROTO : wait_more(a, &w, "events are missing");
	}
	return err;
}

/* --------------------------------------------------------------- the publisher */

/* The same numbers in each run: splitmix64. */
static uint64_t next_number(struct audience *a)
{
	uint64_t z = a->chance += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Each once in a hundred events, in an order of chance. */
static uint32_t next_subject(struct audience *a)
{
	unsigned int at = a->dealt, i = at + (unsigned int)(next_number(a) % (SUBJECTS - at));
	uint32_t subject = a->deck[i];

	a->deck[i] = a->deck[at];
	a->deck[at] = subject;
	a->dealt = (at + 1) % SUBJECTS;
	return subject;
}

static void make_event(struct audience *a, unsigned int i, uint32_t subject, uint32_t kind)
{
	struct event ev = { .subject = subject, .kind = kind, .number = a->count[subject]++ };

	memcpy(a->iov[i].iov_base, &ev, sizeof(ev));
}

static int publish(struct audience *a, unsigned int batch)
{
	unsigned int i, j;
	int err = 0;

	for (i = 0; i < BURST && !err; i += batch) {
		for (j = 0; j < batch; j++)
			make_event(a, j, next_subject(a), KIND_PLAIN);
		err = a->transport->publish(a->state, a->iov, batch);
	}
	return err;
}

/* The last event of each subject that is wanted. */
static int publish_stop(struct audience *a)
{
	unsigned int i, n = a->same ? 1 : a->nsinks;
	int err = await_all(a);

	for (i = 0; i < n && !err; i++) {
		make_event(a, 0, subject_wanted(a, i), KIND_STOP);
		err = a->transport->publish(a->state, a->iov, 1);
	}
	/* A source that goes away must not take the last event with it. */
	return err ? err : await_all(a);
}

static void settle(void)
{
	uint64_t until = measure_now_ns() + SETTLE_NS;

	while (measure_now_ns() < until)
		sched_yield();
}

/* CPU until now of those that are not this thread. */
struct cpu {
	uint64_t others, broker, sinks;
};

static int read_cpu(const struct audience *a, struct cpu *c)
{
	uint64_t mine = measure_thread_cpu_ns(), all = measure_process_cpu_ns(), one;
	unsigned int i;
	int err = 0;

	*c = (struct cpu){ .others = all > mine ? all - mine : 0 };
	if (a->transport->broker_cpu)
		err = a->transport->broker_cpu(a->state, &c->broker);
	for (i = 0; i < a->nsinks && !err; i++) {
		err = measure_cpu_of(a->pid[i], &one);
		c->sinks += err ? 0 : one;
	}
	return err;
}

/* What a round of events costs, @batch at a call. */
struct cost {
	double all_us, publisher_us, broker_us, wire_b;
};

static int publish_all(struct audience *a, unsigned int batch, uint64_t *mine)
{
	uint64_t start;
	unsigned int i;
	int err = 0;

	for (i = 0; i < a->bursts && !err; i++) {
		settle();
		start = measure_thread_cpu_ns();
		err = publish(a, batch);
		*mine += measure_thread_cpu_ns() - start;
		if (!err)
			err = await_all(a);
	}
	return err;
}

static int take_cost(struct audience *a, unsigned int batch, struct cost *cost)
{
	const struct timespec quiet = { 0, QUIET_MS * 1000000L };
	double events = a->bursts * BURST;
	uint64_t mine = 0, before_b = 0, after_b = 0;
	struct cpu before, after;
	int err = read_cpu(a, &before);

	if (!err)
		err = hosts_wire(&before_b);
	if (!err)
		err = publish_all(a, batch, &mine);
	if (!err)
		err = read_cpu(a, &after);
	nanosleep(&quiet, NULL);
	if (!err)
		err = hosts_wire(&after_b);
	if (err)
		return err;
	mine += after.others - before.others;
	*cost = (struct cost){
		.all_us = (double)(mine + after.broker - before.broker + after.sinks -
				   before.sinks) / 1e3 / events,
		.publisher_us = (double)mine / 1e3 / events,
		.broker_us = (double)(after.broker - before.broker) / 1e3 / events,
		.wire_b = (double)(after_b - before_b) / events,
	};
	return 0;
}

static int take_round(void *state, double *v)
{
	struct audience *a = state;
	struct cost each, all;
	int err = take_cost(a, 1, &each);

	if (!err)
		err = take_cost(a, BURST, &all);
	if (err)
		return err;
	v[AUDIENCE_CPU_US] = each.all_us;
	v[AUDIENCE_PUBLISHER_US] = each.publisher_us;
	v[AUDIENCE_BROKER_US] = each.broker_us;
	v[AUDIENCE_CPU64_US] = all.all_us;
	v[AUDIENCE_PUBLISHER64_US] = all.publisher_us;
	v[AUDIENCE_WIRE_B] = each.wire_b;
	v[AUDIENCE_WIRE64_B] = all.wire_b;
	return 0;
}

/* ---------------------------------------------------------------- start and stop */

static int alloc(struct audience *a)
{
	unsigned int i;

	a->buf = malloc(BURST * a->len);
	a->seat = mmap(NULL, sizeof(*a->seat) * a->nsinks, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!a->buf || a->seat == MAP_FAILED)
		return -ENOMEM;
	memset(a->buf, 'k', BURST * a->len);
	for (i = 0; i < SUBJECTS; i++)
		a->deck[i] = i;
	for (i = 0; i < BURST; i++)
		a->iov[i] = (struct iovec){ a->buf + i * a->len, a->len };
	return 0;
}

static int launch(struct audience *a)
{
	double ignored[WORKER_VALUES_MAX];
	unsigned int i;
	int err;

	err = fork_sinks(a);
	if (!err)
		err = a->transport->connect(a->state);
	if (!err)
		err = await_ready(a);
	for (i = 0; i < WARM_UPS && !err; i++)
		err = take_round(a, ignored);
	return err;
}

static int start(void **state, const struct peer *peer, unsigned int nsinks,
		 const struct options *opt, bool same)
{
	struct audience *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	assert(nsinks && nsinks <= TRANSPORT_SINKS_MAX && opt->len >= sizeof(struct event));
	a->transport = peer->transport;
	a->nsinks = nsinks;
	a->len = opt->len;
	a->same = same;
	a->bursts = opt->quick ? BURSTS_QUICK : BURSTS;
	err = alloc(a);
	if (!err)
		err = measure_pin(0);
	if (!err)
		err = a->transport->prepare(&a->state, nsinks, a->len);
	if (!err)
		err = launch(a);
	if (err) {
		fprintf(stderr, "%s did not start: %s\n", a->transport->name, strerror(-err));
		end_sinks(a);
		return err;	/* the process ends, and all of it with it */
	}
	*state = a;
	return 0;
}

static int start_own(void **state, const struct peer *peer, unsigned int nsinks,
		     const struct options *opt)
{
	return start(state, peer, nsinks, opt, false);
}

static int start_same(void **state, const struct peer *peer, unsigned int nsinks,
		      const struct options *opt)
{
	return start(state, peer, nsinks, opt, true);
}

static int stop(void *state)
{
	struct audience *a = state;
	int err = publish_stop(a), status;
	unsigned int i;

	if (err)
		end_sinks(a);
	for (i = 0; i < a->nsinks; i++) {
		if (!a->pid[i])
			continue;
		if (waitpid(a->pid[i], &status, 0) != a->pid[i] || !WIFEXITED(status) ||
		    WEXITSTATUS(status))
			err = -EIO;
	}
	a->transport->release(a->state);
	munmap(a->seat, sizeof(*a->seat) * a->nsinks);
	free(a->buf);
	free(a);
	return err;
}

/* clang-format off */
#define TASK(title, begin, n)							\
	{									\
		.name = (title), .start = (begin), .round = take_round, .stop = stop,	\
		.metrics = (n),							\
		.metric = {							\
			[AUDIENCE_CPU_US] = { "cpu_us", "CPU us [95 %]",	\
					      .scored = true, .bar = true },	\
			[AUDIENCE_PUBLISHER_US] = { "publisher_us", "publisher",	\
						    .scored = false },	\
			[AUDIENCE_BROKER_US] = { "broker_us", "broker",		\
						 .scored = false },	\
			[AUDIENCE_CPU64_US] = { "cpu64_us", "64: CPU",	\
						.scored = true, .bar = true },	\
			[AUDIENCE_PUBLISHER64_US] = { "publisher64_us", "publisher",	\
						      .scored = false },	\
			[AUDIENCE_WIRE_B] = { "wire_b", "wire B", .scored = true,	\
					      .bar = true },	\
			[AUDIENCE_WIRE64_B] = { "wire64_b", "64: wire B",	\
						.scored = true, .bar = true },	\
		},								\
	}

const struct task audience_own[2] = {
	TASK("own", start_own, AUDIENCE_METRICS_HERE), TASK("own", start_own, AUDIENCE_METRICS),
};

const struct task audience_same[2] = {
	TASK("same", start_same, AUDIENCE_METRICS_HERE), TASK("same", start_same, AUDIENCE_METRICS),
};
/* clang-format on */
