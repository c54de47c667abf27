/* SPDX-License-Identifier: MIT */
/* From the socket to the handler; see arrive.h. */
#include "arrive.h"
#include "load.h"
#include "module_transport.h"
#include "../echo.h"
#include "../hosts.h"
#include "../kecho_transport.h"
#include "../measure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MODULE		"kecho_arrival"
#define EVENTS		40
#define BYTES		100
#define HOGS_MAX	8
#define NICE		10
#define BURN_NS		2000000
#define REST_NS		10000000	/* who has handled one event sleeps when the next comes */
#define LOOK_NS		1000000
#define LOOKS_MAX	5000

/* What the sink's process shows the publisher's. */
struct board {
	_Atomic unsigned int done;
	_Atomic int state;	/* 1: ready; -errno */
	double took_ns[EVENTS];
};

struct play {
	const struct transport *transport;
	const char *context;	/* of the sink, which is in the kernel; NULL: it is a process's */
	unsigned int hogs;
	struct board *board;
	void *state;
	pid_t sink, hog[HOGS_MAX];
};

static void rest(uint64_t ns)
{
	const struct timespec t = { .tv_nsec = (long)ns };

	nanosleep(&t, NULL);
}

/* ----------------------------------------------------------------------- the handler */

static void burn(uint64_t ns)
{
	uint64_t until = measure_thread_cpu_ns() + ns;

	while (measure_thread_cpu_ns() < until)
		;
}

static int handle(struct play *p)
{
	struct board *b = p->board;
	struct iovec iov;
	double arrived, now;
	unsigned int i;
	ssize_t n;
	int err;

	for (i = 0; i < EVENTS; i++) {
		n = p->transport->receive(p->state, &iov, 1);
		now = (double)measure_now_ns();
		if (n != 1)
			return n < 0 ? (int)n : -EIO;
		err = load_result(MODULE, "arrived_ns", &arrived);
		if (err)
			return err;
		b->took_ns[i] = now - arrived;
		if (p->hogs)
			burn(BURN_NS);
		atomic_store(&b->done, i + 1);
	}
	return 0;
}

static int sink_main(struct play *p)
{
	int err = hosts_enter(HOST_SINKS);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (p->hogs)
		setpriority(PRIO_PROCESS, 0, NICE);
	if (!err)
		err = p->context ? module_settle(p->state, 0) : p->transport->attach(p->state, 0);
	atomic_store(&p->board->state, err ? err : 1);
	if (!err && !p->context)
		err = handle(p);
	if (err)
		atomic_store(&p->board->state, err);
	while (!err)
		pause();
	return 1;
}

/* -------------------------------------------------------------------------- the play */

static pid_t start(int (*main)(struct play *p), struct play *p)
{
	pid_t pid = fork();

	if (!pid)
		_exit(main(p));
	return pid < 0 ? -errno : pid;
}

static int hog_main(struct play *p)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (atomic_load(&p->board->state) >= 0)
		;
	return 1;
}

static int start_hogs(struct play *p)
{
	unsigned int i;

	/* Who publishes has his turn all the same. */
	if (p->hogs && setpriority(PRIO_PROCESS, 0, -20))
		return -errno;
	for (i = 0; i < p->hogs; i++) {
		p->hog[i] = start(hog_main, p);
		if (p->hog[i] < 0)
			return p->hog[i];
		if (setpriority(PRIO_PROCESS, (id_t)p->hog[i], 0))
			return -errno;
	}
	return 0;
}

static int await_ready(struct play *p)
{
	unsigned int looks;
	int state = 0;

	for (looks = 0; looks < LOOKS_MAX && !state; looks++) {
		rest(LOOK_NS);
		state = atomic_load(&p->board->state);
	}
	return state > 0 ? 0 : state ? state : -ETIMEDOUT;
}

/* The first @n events were handled. */
static int await_done(struct play *p, unsigned int n)
{
	unsigned int looks, done = 0;
	int err = 0;

	for (looks = 0; looks < LOOKS_MAX; looks++) {
		rest(LOOK_NS);
		if (p->context)
			err = load_results(MODULE, "took_ns", p->board->took_ns, EVENTS, &done);
		else
			done = atomic_load(&p->board->done);
		if (err || atomic_load(&p->board->state) < 0)
			return err ? err : atomic_load(&p->board->state);
		if (done >= n)
			return 0;
	}
	return -ETIMEDOUT;
}

static int publish_all(struct play *p)
{
	static char payload[BYTES];
	struct iovec event = { payload, sizeof(payload) };
	unsigned int i;
	int err = 0;

	for (i = 0; i < EVENTS && !err; i++) {
		rest(REST_NS);
		err = p->transport->publish(p->state, &event, 1);
		if (!err)
			err = await_done(p, i + 1);
	}
	return err;
}

/* The sink in the kernel comes with the module, and finds the channel of our source. */
static int load_module(struct play *p)
{
	char words[128];

	if (p->context)
		snprintf(words, sizeof(words), "pid=%d channel=%s context=%s", p->sink,
			 module_channel(p->state), p->context);
	else
		snprintf(words, sizeof(words), "pid=%d", p->sink);
	return load(MODULE, words);
}

static int run(struct play *p)
{
	int err;

	p->sink = start(sink_main, p);
	if (p->sink < 0)
		return p->sink;
	err = p->transport->connect(p->state);
	if (!err)
		err = await_ready(p);
	if (!err)
		err = load_module(p);
	if (err)
		return err;
	err = start_hogs(p);
	if (!err)
		err = publish_all(p);
	load_end(MODULE);
	return err;
}

static void stop(struct play *p)
{
	unsigned int i;

	for (i = 0; i < p->hogs; i++)
		if (p->hog[i] > 0)
			kill(p->hog[i], SIGKILL);
	if (p->sink > 0)
		kill(p->sink, SIGKILL);
}

static int play(struct play *p)
{
	int err = p->transport->prepare(&p->state, 1, BYTES);

	if (err)
		return err;
	err = run(p);
	stop(p);
	p->transport->release(p->state);
	while (wait(NULL) > 0)
		;
	return err;
}

static const struct who {
	const char *name;
	const struct transport *transport;
	const char *context;
} whos[] = {
	{ "softirq", &module_transport, "softirq" },
	{ "thread", &module_transport, "thread" },
	{ "process", &module_transport, NULL },
	{ "boosted", &module_boosted_transport, NULL },
	{ "embedded", &kecho_remote, NULL },
	{ "echo", &echo_transport, NULL },
};

static int measure(const struct who *w, unsigned int hogs, struct took *took)
{
	struct play p = { .transport = w->transport, .context = w->context, .hogs = hogs };
	int err;

	p.board = mmap(NULL, sizeof(*p.board), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p.board == MAP_FAILED)
		return -errno;
	err = play(&p);
	if (!err) {
		took->median_ns = measure_percentile(p.board->took_ns, EVENTS, .5);
		took->most_ns = measure_percentile(p.board->took_ns, EVENTS, 1);
	}
	munmap(p.board, sizeof(*p.board));
	return err;
}

int arrive_measure(const char *who, unsigned int hogs, struct took *took)
{
	size_t i;

	for (i = 0; i < sizeof(whos) / sizeof(whos[0]) && hogs <= HOGS_MAX; i++)
		if (!strcmp(who, whos[i].name))
			return measure(&whos[i], hogs, took);
	return -EINVAL;
}
