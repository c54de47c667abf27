/* SPDX-License-Identifier: MIT */
/* A source, and sinks with filters; see stage.h. */
#include "stage.h"
#include "measure.h"

#include <kecho/type.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_FIRST	2	/* host i is 127.0.0.(i + 2) */
#define LEVEL		7
#define OTHER_LEVEL	100	/* and so many more are not that of an event */
#define STALL_S		10	/* without progress: a failure, not a slow machine */
#define POLLS_PER_CHECK	4096	/* of the board, between looks at the clock */

static const struct stage_event event = {
	.cpu = 75,
	.temp = 20,
	.port = 7390,
	.level = LEVEL,
};

static int explain(const char *what, int err)
{
	fprintf(stderr, "stage: %s: %s\n", what, kecho_explain());
	return err;
}

/* ----------------------------------------------------------------------- filters */

static bool wants(const struct stage_plan *p, unsigned int i)
{
	if (!p->filters)
		return true;
	return (p->by == BY_SINKS ? i % p->filters : i) < p->wanting;
}

/* Of @n sinks from number @first on. */
static unsigned int wanting(const struct stage_plan *p, unsigned int first, unsigned int n)
{
	unsigned int sum = 0;

	while (n--)
		sum += wants(p, first + n);
	return sum;
}

/* Of sink @i. The last number makes it another than the others. */
static int compile(struct kecho_filter **f, const struct stage_plan *p, unsigned int i)
{
	char text[100];

	snprintf(text, sizeof(text), "cpu < 80 && temp > -10 && port == 7390 && level %s %u",
		 wants(p, i) ? "!=" : "==", OTHER_LEVEL + i % p->filters);
	return kecho_filter_compile(f, KECHO_FOR_EVENT, text, NULL);
}

static int make_type(struct kecho_type **t)
{
	return kecho_type_from_fields(t, KECHO_TYPE(struct stage_event,
						    KECHO_FIELD(struct stage_event, cpu),
						    KECHO_FIELD(struct stage_event, temp),
						    KECHO_FIELD(struct stage_event, port),
						    KECHO_FIELD(struct stage_event, level)));
}

static int set_filter(struct kecho_sink *s, const struct stage_plan *p, unsigned int i)
{
	struct kecho_filter *f = NULL;
	struct kecho_type *t = NULL;
	int err;

	if (!p->filters || p->by != BY_SINKS)
		return 0;
	err = compile(&f, p, i);
	if (!err)
		err = make_type(&t);
	if (!err)
		err = kecho_sink_filter(s, f, t);
	kecho_type_free(t);
	kecho_filter_free(f);
	return err ? explain("set a filter", err) : 0;
}

static int set_in(struct stage *s)
{
	struct kecho_filter *f = NULL;
	struct kecho_type *t = NULL;
	char text[100];
	int err;

	snprintf(text, sizeof(text), "cpu < 80 && temp > -10 && port == 7390 && sink.number < %u",
		 s->plan.wanting);
	err = kecho_filter_compile(&f, KECHO_FOR_IN, text, NULL);
	if (!err)
		err = make_type(&t);
	if (!err)
		err = kecho_channel_filter(s->end.channel, f, t);
	kecho_type_free(t);
	kecho_filter_free(f);
	return err ? explain("set a filter for IN", err) : 0;
}

static int set_out(struct stage *s)
{
	struct kecho_filter *f = NULL;
	char text[100];
	int err;

	snprintf(text, sizeof(text), "all where len < 1000 && len > 10 && seq > 0 && "
		 "sink.number < %u", s->plan.wanting);
	err = kecho_filter_compile(&f, KECHO_FOR_OUT, text, NULL);
	if (!err)
		err = kecho_source_filter(s->end.source, f);
	kecho_filter_free(f);
	return err ? explain("set a filter for OUT", err) : 0;
}

/* What this process's channel, or its source, chooses by. */
static int set_choice(struct stage *s)
{
	if (!s->plan.filters || s->plan.by == BY_SINKS)
		return 0;
	return s->plan.by == BY_IN ? set_in(s) : set_out(s);
}

/* @n of them, from number @first on, which each has as an attribute. */
static int open_sinks(struct stage *s, unsigned int first, unsigned int n,
		      const struct kecho_sink_options *opt)
{
	struct kecho_sink_options with = *opt;
	struct kecho_attr number;
	unsigned int i;
	int err;

	with.attrs = &number;
	with.nattrs = 1;
	for (i = 0; i < n; i++) {
		number = (struct kecho_attr){ "number", kecho_i64(first + i) };
		err = kecho_sink_open(s->end.channel, &with, &s->sink[i]);
		if (err)
			return explain("open a sink", err);
		err = set_filter(s->sink[i], &s->plan, first + i);
		if (err)
			return err;
	}
	return 0;
}

/* ------------------------------------------------------------------- other hosts */

static void came(void *arg, const struct kecho_event *ev)
{
	_Atomic uint64_t *n = arg;

	if (ev->kind == KECHO_EVENT)
		atomic_fetch_add(n, 1);
}

/* In a process of its own. */
static int far_open(struct stage *s, unsigned int host)
{
	struct kecho_sink_options sink = {
		.policy = KECHO_BLOCK,
		.fn = came,
		.arg = &s->board->came[host],
	};
	char address[16];
	struct kecho_options opt = { .listen = address, .registry = s->registry };
	int err;

	snprintf(address, sizeof(address), "127.0.0.%u", host + HOST_FIRST);
	err = end_join(&s->end, &opt);
	return err ? err : open_sinks(s, host * s->plan.there, s->plan.there, &sink);
}

static int far_main(struct stage *s, unsigned int host)
{
	int err = far_open(s, host);
	ssize_t n = err;

	atomic_store(&s->board->state[host], err ? err : 1);
	while (n >= 0)
		n = kecho_run(s->end.kecho, -1);
	return 1;
}

static int far_start(struct stage *s, unsigned int host)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? far_main(s, host) : 1);
	}
	s->pid[host] = pid;
	return 0;
}

/* Polls on this CPU, where others must run; -ETIMEDOUT after STALL_S. */
struct wait {
	uint64_t start_ns;
	unsigned int polls;
};

static int wait_more(struct wait *w, const char *what)
{
	sched_yield();
	if (w->polls++ % POLLS_PER_CHECK)
		return 0;
	if (!w->start_ns)
		w->start_ns = measure_now_ns();
	if (measure_now_ns() - w->start_ns < STALL_S * MEASURE_NS_PER_S)
		return 0;
	fprintf(stderr, "stage: no progress for %u s: %s\n", STALL_S, what);
	return -ETIMEDOUT;
}

static int await_ready(struct stage *s, unsigned int host)
{
	struct wait w = { 0 };
	int err = 0, state = 0;

	while (!err && !(state = atomic_load(&s->board->state[host])))
		err = wait_more(&w, "a host is not ready");
	return err || state > 0 ? err : state;
}

/* One after the other: the first serves the registry. */
static int start_hosts(struct stage *s)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->plan.hosts && !err; i++) {
		err = far_start(s, i);
		if (!err)
			err = await_ready(s, i);
	}
	return err;
}

/* --------------------------------------------------------------------- this one */

/* What the paper has a sink do. */
static void handle(void *arg, const struct kecho_event *ev)
{
	struct stage *s = arg;
	char line[32];
	int n;

	if (ev->kind != KECHO_EVENT)
		return;
	memcpy(&s->copy, ev->data, sizeof(s->copy));
	n = snprintf(line, sizeof(line), "%" PRIu64 "\n", ev->time_ns);
	if (write(s->file, line, (size_t)n) == n)
		s->handled++;
}

static void count(void *arg, const struct kecho_event *ev)
{
	struct stage *s = arg;

	s->handled += ev->kind == KECHO_EVENT;
}

/* All are there, and the source is linked to them. */
static int await_members(struct stage *s)
{
	ssize_t all = 1 + s->plan.here + s->plan.hosts * s->plan.there;
	struct wait w = { 0 };
	int err = 0;

	while (!err && kecho_members(s->end.channel, NULL, 0) < all)
		err = wait_more(&w, "sinks are missing");
	return err;
}

static int open_here(struct stage *s)
{
	struct kecho_options opt = { .listen = "127.0.0.1", .registry = s->registry };
	/* Those that nobody reads are lapped, and cost nothing by that. */
	struct kecho_sink_options sink = {
		.policy = s->plan.handle ? KECHO_BLOCK : KECHO_LATEST,
		.fn = s->plan.light ? count : handle,
		.arg = s,
	};
	int err = end_open_source(&s->end, &opt);

	if (!err)
		err = open_sinks(s, 0, s->plan.here, &sink);
	if (!err)
		err = await_members(s);
	return err ? err : set_choice(s);
}

static void end_hosts(struct stage *s)
{
	unsigned int i;

	for (i = s->plan.hosts; i--;) {
		if (!s->pid[i])
			continue;
		kill(s->pid[i], SIGKILL);
		waitpid(s->pid[i], NULL, 0);
	}
}

int stage_start(struct stage **out, const struct stage_plan *plan)
{
	struct stage *s;
	int err = -ENOMEM, port = end_free_port();

	if (port < 0)
		return port;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err;
	s->plan = *plan;
	end_init(&s->end, sizeof(event));
	if (plan->log_size)
		s->end.log_size = plan->log_size;
	snprintf(s->registry, sizeof(s->registry), "127.0.0.1:%d", port);
	s->file = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	s->board = mmap(NULL, sizeof(*s->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	err = s->file < 0 || s->board == MAP_FAILED ? -errno : 0;
	if (!err)
		err = measure_pin(0);
	if (!err)
		err = start_hosts(s);
	if (!err)
		err = open_here(s);
	if (err)
		stage_stop(s);
	else
		*out = s;
	return err;
}

void stage_stop(struct stage *s)
{
	if (!s)
		return;
	end_hosts(s);
	end_close(&s->end);
	if (s->board != MAP_FAILED)
		munmap(s->board, sizeof(*s->board));
	if (s->file >= 0)
		close(s->file);
	free(s);
}

int stage_submit(struct stage *s, unsigned int n)
{
	/* A handler writes the time down. */
	unsigned int flags = s->plan.handle ? 0 : KECHO_NOTIME;
	int err;

	for (; n; n--) {
		err = kecho_submit(s->end.source, &event, sizeof(event), flags);
		if (err)
			return explain("submit", err);
		s->submitted++;
	}
	return 0;
}

int stage_await(struct stage *s)
{
	const struct stage_plan *p = &s->plan;
	struct wait w = { 0 };
	unsigned int i;
	uint64_t all;
	int err = 0;

	for (i = 0; i < p->hosts && !err; i++) {
		all = s->submitted * wanting(p, i * p->there, p->there);
		while (!err && atomic_load(&s->board->came[i]) < all)
			err = wait_more(&w, "events don't come");
	}
	return err;
}

static uint64_t filtered(const struct stage *s)
{
	unsigned int i;
	uint64_t sum = 0;

	for (i = 0; i < s->plan.here; i++)
		sum += kecho_sink_filtered(s->sink[i]);
	return sum;
}

int stage_handle(struct stage *s)
{
	uint64_t all = s->submitted * s->plan.here;
	struct wait w = { 0 };
	ssize_t n;
	int err = 0;

	/* The file stays as it is, in memory. */
	if (lseek(s->file, 0, SEEK_SET) < 0)
		return -errno;
	while (!err) {
		n = kecho_run(s->end.kecho, 0);
		if (n < 0)
			return explain("run", (int)n);
		if (s->handled + filtered(s) >= all)
			return 0;
		err = wait_more(&w, "events are not handled");
	}
	return err;
}
