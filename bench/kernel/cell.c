/* SPDX-License-Identifier: MIT */
/* What an event takes; see cell.h. */
#include "cell.h"
#include "busy.h"
#include "load.h"
#include "module_transport.h"
#include "syscalls.h"
#include "../echo.h"
#include "../floor.h"
#include "../hosts.h"
#include "../kecho_transport.h"
#include "../rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EVENTS		200		/* of a run, or so */
#define PACE_NS		1000000		/* for each: all is quiet again by then */
#define MODULE		"kecho_bench"

/* -------------------------------------------------------------------- of processes */

static unsigned int rounds(const struct cell *c)
{
	return (EVENTS + c->each - 1) / c->each;
}

static int run(struct rig *r, const struct cell *c, bool submits, struct busy *b)
{
	const struct timespec pace = { .tv_nsec = (long)c->each * PACE_NS };
	unsigned int i;
	int err = busy_begin(b), end_err;

	for (i = 0; i < rounds(c) && !err; i++) {
		if (submits)
			err = rig_publish(r, EVENT_PLAIN, c->each);
		nanosleep(&pace, NULL);
	}
	end_err = busy_end(b);
	return err ? err : end_err;
}

/* One for each round is the waiting's. */
static int count_calls(struct rig *r, const struct cell *c, double *calls)
{
	const struct timespec pace = { .tv_nsec = (long)c->each * PACE_NS };
	struct syscalls counted;
	unsigned int i;
	uint64_t n;
	int err = syscalls_begin(&counted), end_err;

	if (err)
		return err;
	for (i = 0; i < rounds(c) && !err; i++) {
		err = rig_publish(r, EVENT_PLAIN, c->each);
		nanosleep(&pace, NULL);
	}
	end_err = syscalls_end(&counted, &n);
	*calls = (double)(n - rounds(c)) / (rounds(c) * c->each);
	return err ? err : end_err;
}

/* The first run warms up; the one without events is what waiting costs. */
static int measure_rig(struct rig *r, const struct cell *c, struct cost *cost)
{
	struct busy pace, b;
	int err = run(r, c, true, &b);

	if (!err)
		err = rig_await(r);
	if (!err)
		err = run(r, c, false, &pace);
	if (!err)
		err = run(r, c, true, &b);
	if (err)
		return err;
	err = count_calls(r, c, &cost->calls);
	if (err)
		return err;
	cost->all = (double)(int64_t)(b.all - pace.all) / (rounds(c) * c->each);
	cost->own = (double)(int64_t)(b.own - pace.own) / (rounds(c) * c->each);
	return rig_await(r);
}

static int measure_processes(const struct transport *t, const struct cell *c, struct cost *cost)
{
	struct options opt = { .len = c->len };
	struct rig *r;
	int err = rig_start(&r, t, c->sinks, &opt), stop_err;

	if (err)
		return err;
	err = measure_rig(r, c, cost);
	stop_err = rig_stop(r);
	return err ? err : stop_err;
}

/* --------------------------------------------------------------- of a kernel thread */

/* Somebody who is on @host, whose node has been told where it is. */
static pid_t settle(unsigned int host, const char *registry)
{
	int told[2], err = 0;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		err = hosts_enter(host);
		if (!err)
			err = module_settings(hosts_address(host), registry);
		if (write(told[1], &err, sizeof(err)) != sizeof(err))
			_exit(1);
		pause();
		_exit(0);
	}
	close(told[1]);
	if (pid < 0 || read(told[0], &err, sizeof(err)) != sizeof(err))
		err = -EIO;
	close(told[0]);
	return err ? err : pid;
}

/* Loading it is the measuring. */
static int measure_loaded(const struct cell *c, const pid_t *pid, struct cost *cost)
{
	char words[256];
	unsigned int i;
	int err, n, end_err;

	n = snprintf(words, sizeof(words), "sinks=%u len=%zu rounds=%u each=%u pids=", c->sinks,
		     c->len, rounds(c), c->each);
	for (i = 0; i < c->hosts; i++)
		n += snprintf(words + n, sizeof(words) - (size_t)n, "%s%d", i ? "," : "", pid[i]);
	err = load(MODULE, words);
	if (err)
		return err;
	cost->calls = 0;
	err = load_result(MODULE, "all", &cost->all);
	if (!err)
		err = load_result(MODULE, "own", &cost->own);
	cost->all /= rounds(c) * c->each;
	cost->own /= rounds(c) * c->each;
	end_err = load_end(MODULE);
	return err ? err : end_err;
}

static int measure_thread(const struct cell *c, struct cost *cost)
{
	pid_t pid[CELL_HOSTS_MAX] = { 0 }, keeper;
	char registry[32];
	unsigned int i;
	int err;

	keeper = module_keeper(registry, sizeof(registry));
	if (keeper < 0)
		return keeper;
	err = module_settings(hosts_address(HOST_PUBLISHER), registry);
	for (i = 0; i < c->hosts && !err; i++) {
		pid[i] = settle(HOST_SINKS + i, registry);
		err = pid[i] < 0 ? pid[i] : 0;
	}
	if (!err)
		err = measure_loaded(c, pid, cost);
	for (i = 0; i < c->hosts && pid[i] > 0; i++)
		kill(pid[i], SIGKILL);
	kill(keeper, SIGKILL);
	while (wait(NULL) > 0)
		;
	return err;
}

int cell_measure(const char *who, const struct cell *c, struct cost *cost)
{
	if (!strcmp(who, "echo"))
		return measure_processes(&echo_transport, c, cost);
	if (!strcmp(who, "tcp"))
		return measure_processes(&floor_tcp, c, cost);
	if (!strcmp(who, "embedded"))
		return measure_processes(&kecho_remote, c, cost);
	if (!strcmp(who, "process"))
		return measure_processes(&module_transport, c, cost);
	if (!strcmp(who, "thread"))
		return measure_thread(c, cost);
	return -EINVAL;
}
