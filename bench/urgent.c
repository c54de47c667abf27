/* SPDX-License-Identifier: MIT */
/*
 * bench/urgent: an urgent source beside one of bulk on the same link, with classes and
 * without: how long what is urgent takes, and what that costs the bulk.
 *
 *	10.98.0.1: two sources [eth0]---100 Mbit/s---[eth0] 10.98.0.2: their sinks
 *
 * Each arm has a node at either end of the one wire. They are measured in turn, so that each
 * has it alone.
 */
#include "end.h"
#include "hosts.h"
#include "measure.h"
#include "options.h"

#include <kecho/kecho.h>

#include <errno.h>
#include <pthread.h>
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

#define WIRE_BYTES_PER_S	12500000	/* 100 Mbit/s */
#define BULK_LEN		65536
#define BULK_LOG		(1u << 20)
#define SAMPLES_MAX		200
#define EVERY_NS		5000000		/* an urgent event, about */
#define FILL_NS			500000000	/* until the queues are as they stay */
#define RATE_NS			500000000	/* a look at the bulk alone */
#define LOOK_NS			200000		/* at the board */
#define STALL_S			20

static const char about[] = "an urgent source beside one of bulk";

enum what {
	P50_MS,		/* of urgent events */
	P99_MS,
	BULK_MBIT,	/* per second */
};

static const char *const units[] = { [P50_MS] = "ms", [P99_MS] = "ms", [BULK_MBIT] = "Mb/s" };

struct plan {
	bool classes;	/* the two sources are of the classes that they should be */
	bool alone;	/* there is no bulk */
};

struct urgent_claim {
	const char *name;	/* of what, and of the floor */
	enum what what;
	enum measure_side side;
	double bar;
	struct plan subject, floor;
	unsigned int wire;	/* bytes per second; 0: as it is */
};

#define EQUAL	.subject = { .classes = true }
#define ALONE	.subject = { .classes = true }, .floor = { .alone = true }
#define SLOW	.wire = WIRE_BYTES_PER_S

/* The wire is as it is until it is limited. */
static const struct urgent_claim claims[] = {
	{ "bulk, Mb/s, no limit: no classes", BULK_MBIT, AT_LEAST, .9, EQUAL },
	{ "bulk, Mb/s: no classes", BULK_MBIT, AT_LEAST, .95, EQUAL, SLOW },
	{ "urgent, p50, ms: no classes", P50_MS, AT_MOST, .2, EQUAL, SLOW },
	{ "urgent, p99, ms: no classes", P99_MS, AT_MOST, .2, EQUAL, SLOW },
	{ "urgent, p50, ms: no bulk", P50_MS, AT_MOST, 0, ALONE, SLOW },
};

/* What the two hosts share. */
struct board {
	_Atomic uint64_t urgent, bulk;	/* events that came */
	_Atomic int state;		/* 1: ready; -errno */
	uint64_t took_ns[SAMPLES_MAX];	/* of the urgent event of this number, from 0 */
};

struct side {
	struct end urgent, bulk;
};

struct arm {
	struct plan plan;
	char registry[32];
	struct side here;
	struct board *board;
	pid_t pid;	/* of the sinks; 0: none */
	uint64_t bulk_submitted;
	atomic_bool stop;
	int err;	/* of the thread of the bulk */
};

struct effort {
	unsigned int pairs, set, samples;
};

static const struct effort quick = { MEASURE_PAIRS_MIN, 12, 50 };
static const struct effort thorough = { 2 * MEASURE_PAIRS_MIN, 12, SAMPLES_MAX };

struct bench {
	const struct urgent_claim *claim;
	const struct effort *effort;
	struct arm *arm[ARM_COUNT];
};

static int explain(const char *what, int err)
{
	fprintf(stderr, "urgent: %s: %s\n", what, kecho_explain());
	return err;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / MEASURE_NS_PER_S), (long)(ns % MEASURE_NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Until it is @n; -ETIMEDOUT after STALL_S. */
static int await(_Atomic uint64_t *count, uint64_t n, const char *what)
{
	uint64_t end = measure_now_ns() + STALL_S * MEASURE_NS_PER_S, now = 0;

	while (atomic_load(count) < n && now < end) {
		now = measure_now_ns();
		sleep_until(now + LOOK_NS);
	}
	if (atomic_load(count) >= n)
		return 0;
	fprintf(stderr, "urgent: no progress for %d s: %s\n", STALL_S, what);
	return -ETIMEDOUT;
}

/* ------------------------------------------------------------------ the sinks' host */

static void urgent_came(void *arg, const struct kecho_event *ev)
{
	struct board *b = arg;
	uint64_t sent_ns;

	if (ev->kind != KECHO_EVENT)
		return;
	memcpy(&sent_ns, ev->data, sizeof(sent_ns));
	b->took_ns[atomic_load(&b->urgent) % SAMPLES_MAX] = measure_now_ns() - sent_ns;
	atomic_fetch_add(&b->urgent, 1);
}

static void bulk_came(void *arg, const struct kecho_event *ev)
{
	struct board *b = arg;

	if (ev->kind == KECHO_EVENT)
		atomic_fetch_add(&b->bulk, 1);
}

static int open_sink(struct kecho_channel *ch, kecho_event_fn fn, struct board *b)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = fn, .arg = b };
	struct kecho_sink *s;
	int err = kecho_sink_open(ch, &opt, &s);

	return err ? explain("open a sink", err) : 0;
}

/* Two channels, and one node; the second end only borrows that. */
static int join_both(struct arm *a, unsigned int host)
{
	struct kecho_options opt = { .listen = hosts_address(host), .registry = a->registry };
	int err = end_join(&a->here.urgent, &opt);

	if (err)
		return err;
	err = kecho_channel_open(a->here.urgent.kecho, a->here.bulk.channel_name, NULL,
				 &a->here.bulk.channel);
	return err ? explain("open a channel", err) : 0;
}

static int sinks_main(struct arm *a)
{
	struct board *b = a->board;
	ssize_t n;
	int err = hosts_enter(HOST_SINKS);

	if (!err)
		err = join_both(a, HOST_SINKS);
	if (!err)
		err = open_sink(a->here.urgent.channel, urgent_came, b);
	if (!err)
		err = open_sink(a->here.bulk.channel, bulk_came, b);
	atomic_store(&b->state, err ? err : 1);
	n = err;
	while (n >= 0)
		n = kecho_run(a->here.urgent.kecho, -1);
	return 1;
}

static int sinks_start(struct arm *a)
{
	uint64_t end = measure_now_ns() + STALL_S * MEASURE_NS_PER_S;
	pid_t parent = getpid();
	int state;

	a->pid = fork();
	if (a->pid < 0)
		return -errno;
	if (!a->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? sinks_main(a) : 1);
	}
	while (!(state = atomic_load(&a->board->state)) && measure_now_ns() < end)
		sleep_until(measure_now_ns() + LOOK_NS);
	return state > 0 ? 0 : state ? state : -ETIMEDOUT;
}

/* -------------------------------------------------------------------- the sources */

static int open_source(struct end *e, enum kecho_class class, size_t log_size)
{
	struct kecho_source_options opt = { .log_size = log_size, .traffic_class = class };
	int err = kecho_source_open(e->channel, &opt, &e->source);

	return err ? explain("open a source", err) : 0;
}

static int open_sources(struct arm *a)
{
	const struct plan *p = &a->plan;
	int err = join_both(a, HOST_PUBLISHER);

	if (!err)
		err = open_source(&a->here.urgent, p->classes ? KECHO_URGENT : KECHO_NORMAL, 0);
	if (!err)
		err = open_source(&a->here.bulk, p->classes ? KECHO_BULK : KECHO_NORMAL, BULK_LOG);
	return err;
}

/* All that the link takes, until it is to stop. */
static void *fill(void *arg)
{
	static const char event[BULK_LEN];
	struct arm *a = arg;

	while (!atomic_load(&a->stop) && !a->err) {
		a->err = kecho_submit(a->here.bulk.source, event, sizeof(event), KECHO_NOTIME);
		a->bulk_submitted += !a->err;
	}
	return NULL;
}

static int submit_urgent(struct arm *a, unsigned int n)
{
	uint64_t next = measure_now_ns(), event[2] = { 0 };
	int err = 0;

	for (; n && !err; n--) {
		/* Not in step with what else happens regularly. */
		next += EVERY_NS / 2 + (uint64_t)rand() % EVERY_NS;
		sleep_until(next);
		event[0] = measure_now_ns();
		err = kecho_submit(a->here.urgent.source, event, sizeof(event), KECHO_NOTIME);
	}
	return err ? explain("submit", err) : 0;
}

/* -------------------------------------------------------------------- measurements */

/* @samples urgent events, or only time, while the wire is full. */
static int look(struct arm *a, unsigned int samples, double *mbit)
{
	struct board *b = a->board;
	uint64_t began, came;
	int err = 0;

	sleep_until(measure_now_ns() + FILL_NS);
	atomic_store(&b->urgent, 0);
	began = measure_now_ns();
	came = atomic_load(&b->bulk);
	if (samples)
		err = submit_urgent(a, samples);
	else
		sleep_until(began + RATE_NS);
	if (!err && samples)
		err = await(&b->urgent, samples, "urgent events don't come");
	came = atomic_load(&b->bulk) - came;
	*mbit = (double)(came * BULK_LEN * 8) * 1e3 / (double)(measure_now_ns() - began);
	return err;
}

static int look_beside_bulk(struct arm *a, unsigned int samples, double *mbit)
{
	pthread_t filler;
	int err;

	atomic_store(&a->stop, false);
	err = -pthread_create(&filler, NULL, fill, a);
	if (err)
		return err;
	err = look(a, samples, mbit);
	atomic_store(&a->stop, true);
	pthread_join(filler, NULL);
	if (!err && a->err)
		err = explain("submit", a->err);
	return err ? err : await(&a->board->bulk, a->bulk_submitted, "bulk does not come");
}

static int measure(void *arg, enum measure_arm arm, double *value)
{
	struct bench *b = arg;
	struct arm *a = b->arm[arm];
	enum what what = b->claim->what;
	unsigned int i, n = what == BULK_MBIT ? 0 : b->effort->samples;
	double ms[SAMPLES_MAX], mbit = 0;
	int err = a->plan.alone ? look(a, n, &mbit) : look_beside_bulk(a, n, &mbit);

	if (err)
		return err;
	for (i = 0; i < n; i++)
		ms[i] = (double)a->board->took_ns[i] / 1e6;
	*value = n ? measure_percentile(ms, n, what == P99_MS ? .99 : .5) : mbit;
	return 0;
}

/* ---------------------------------------------------------------------------- arms */

static void arm_stop(struct arm *a)
{
	if (!a)
		return;
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		waitpid(a->pid, NULL, 0);
	}
	end_close(&a->here.urgent);
	if (a->board != MAP_FAILED)
		munmap(a->board, sizeof(*a->board));
	free(a);
}

static int arm_start(struct arm **out, const struct plan *plan)
{
	int err, port = end_free_port();
	struct arm *a;

	if (port < 0)
		return port;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->plan = *plan;
	end_init(&a->here.urgent, 0);
	end_init(&a->here.bulk, 0);
	snprintf(a->registry, sizeof(a->registry), "%s:%d", hosts_address(HOST_PUBLISHER), port);
	a->board = mmap(NULL, sizeof(*a->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	err = a->board == MAP_FAILED ? -errno : hosts_enter(HOST_PUBLISHER);
	if (!err)
		err = open_sources(a);
	if (!err)
		err = sinks_start(a);
	if (err)
		arm_stop(a);
	else
		*out = a;
	return err;
}

static void bench_stop(struct bench *b)
{
	unsigned int i;

	for (i = ARM_COUNT; i--;) {
		arm_stop(b->arm[i]);
		b->arm[i] = NULL;
	}
}

static int renew(void *arg)
{
	struct bench *b = arg;
	unsigned int i;
	int err = 0;

	bench_stop(b);
	for (i = 0; i < ARM_COUNT && !err; i++)
		err = arm_start(&b->arm[i],
				i == ARM_SUBJECT ? &b->claim->subject : &b->claim->floor);
	return err;
}

static int run_claim(const struct urgent_claim *uc, const struct options *opt)
{
	struct bench b = { .claim = uc, .effort = opt->quick ? &quick : &thorough };
	struct claim c = {
		.name = uc->name,
		.unit = units[uc->what],
		.side = uc->side,
		.bar = uc->bar,
		.pairs = b.effort->pairs,
		.set = b.effort->set,
		.renew = renew,
		.measure = measure,
		.arg = &b,
	};
	int status = 2, err = uc->wire ? hosts_limit(uc->wire) : 0;

	if (err)
		fprintf(stderr, "%s: no such wire: %s\n", uc->name, strerror(-err));
	else
		status = measure_show(&c, opt->json);
	bench_stop(&b);
	return status;
}

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv, about), worst = 0;
	size_t i;

	if (status >= 0)
		return status;
	if (hosts_make(2))
		return 2;
	if (!opt.json)
		measure_print_header(stdout);
	for (i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		status = run_claim(&claims[i], &opt);
		worst = status > worst ? status : worst;
	}
	return worst;
}
