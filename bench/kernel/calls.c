/* SPDX-License-Identifier: MIT */
/* What a channel takes; see calls.h. */
#include "calls.h"
#include "busy.h"
#include "echo_channel.h"
#include "load.h"
#include "module_transport.h"
#include "syscalls.h"
#include "../hosts.h"

#include <kecho/kecho.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE		"kecho_open"
#define TIMES		20	/* each is done so often to be measured, and again to be counted; */
#define POLLS		500	/* looking for an event, so often */
#define NAMES		(2 * TIMES)

struct scene {
	const struct way *way;
	char registry[32];
	struct sockaddr_in server;
	pid_t helper;		/* the registry, or the server */
	struct kecho *kecho;
	struct kecho_sink *sink;	/* of the channel that was opened last */
	int fd;				/* the same of ECho */
	int listener[NAMES];
};

struct way {
	const char *name;
	int (*prepare)(struct scene *s);	/* before there is anybody else */
	int (*far)(struct scene *s);		/* on the other host: its channels */
	void (*rest)(struct scene *s);		/* there, from then on */
	int (*begin)(struct scene *s);		/* here, the same process until the end */
	int (*create)(struct scene *s, unsigned int i);
	int (*open)(struct scene *s, unsigned int i);
	int (*poll)(struct scene *s, unsigned int i);
};

static void name_one(char *name, size_t size, const char *whose, unsigned int i)
{
	snprintf(name, size, "%s-%u", whose, i);
}

/* ------------------------------------------------------------------------------ kecho */

static int keep_names(struct scene *s)
{
	s->helper = module_keeper(s->registry, sizeof(s->registry));
	return s->helper < 0 ? s->helper : 0;
}

static int attach_embedded(struct scene *s, unsigned int host)
{
	struct kecho_options opt = { .listen = hosts_address(host), .registry = s->registry };

	return kecho_open(&s->kecho, &opt);
}

static int attach_process(struct scene *s, unsigned int host)
{
	int err = module_settings(hosts_address(host), s->registry);

	setenv("KECHO", "kernel", 1);
	return err ? err : kecho_open(&s->kecho, NULL);
}

/* A source in each. */
static int have_channels(struct scene *s)
{
	struct kecho_channel *ch;
	struct kecho_source *src;
	unsigned int i;
	char name[32];
	int err = 0;

	for (i = 0; i < NAMES && !err; i++) {
		name_one(name, sizeof(name), "far", i);
		err = kecho_channel_open(s->kecho, name, NULL, &ch);
		if (!err)
			err = kecho_source_open(ch, NULL, &src);
	}
	return err;
}

static int far_embedded(struct scene *s)
{
	int err = attach_embedded(s, HOST_SINKS);

	return err ? err : have_channels(s);
}

static int far_process(struct scene *s)
{
	int err = attach_process(s, HOST_SINKS);

	return err ? err : have_channels(s);
}

static void rest_kecho(struct scene *s)
{
	(void)s;
	pause();
}

static int begin_embedded(struct scene *s)
{
	return attach_embedded(s, HOST_PUBLISHER);
}

static int begin_process(struct scene *s)
{
	return attach_process(s, HOST_PUBLISHER);
}

static int create_kecho(struct scene *s, unsigned int i)
{
	struct kecho_channel *ch;
	char name[32];

	name_one(name, sizeof(name), "new", i);
	return kecho_channel_open(s->kecho, name, NULL, &ch);
}

static int open_kecho(struct scene *s, unsigned int i)
{
	struct kecho_channel *ch;
	char name[32];
	int err;

	name_one(name, sizeof(name), "far", i);
	err = kecho_channel_open(s->kecho, name, NULL, &ch);
	return err ? err : kecho_sink_open(ch, NULL, &s->sink);
}

static int poll_kecho(struct scene *s, unsigned int i)
{
	struct kecho_event ev;
	int err = kecho_read(s->sink, &ev, 0);

	(void)i;
	return err == -EAGAIN ? 0 : err ? err : -EPROTO;
}

/* ------------------------------------------------------------------------------- ECho */

static int start_server(struct scene *s)
{
	s->helper = echo_server(&s->server);
	return s->helper < 0 ? s->helper : 0;
}

static int far_echo(struct scene *s)
{
	unsigned int i;
	char name[32];

	for (i = 0; i < NAMES; i++) {
		name_one(name, sizeof(name), "far", i);
		s->listener[i] = echo_create(&s->server, hosts_address(HOST_SINKS), name);
		if (s->listener[i] < 0)
			return s->listener[i];
	}
	return 0;
}

static void rest_echo(struct scene *s)
{
	echo_serve(s->listener, NAMES);
}

static int begin_echo(struct scene *s)
{
	(void)s;
	return 0;
}

static int create_echo(struct scene *s, unsigned int i)
{
	char name[32];
	int fd;

	name_one(name, sizeof(name), "new", i);
	fd = echo_create(&s->server, hosts_address(HOST_PUBLISHER), name);
	return fd < 0 ? fd : 0;
}

static int open_echo(struct scene *s, unsigned int i)
{
	char name[32];

	name_one(name, sizeof(name), "far", i);
	s->fd = echo_open(&s->server, name);
	return s->fd < 0 ? s->fd : 0;
}

static int poll_echo(struct scene *s, unsigned int i)
{
	(void)i;
	return echo_poll(s->fd);
}

/* ------------------------------------------------------------------------- to measure */

typedef int op_fn(struct scene *s, unsigned int i);

static int some(struct scene *s, op_fn *op, unsigned int from, unsigned int n)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = op(s, from + i);
	return err;
}

static int measure(struct scene *s, op_fn *op, unsigned int n, struct call_cost *cost)
{
	struct syscalls counted;
	struct busy b;
	uint64_t calls;
	int err, end_err;

	err = busy_begin(&b);
	if (!err)
		err = some(s, op, 0, n);
	end_err = busy_end(&b);
	if (!err)
		err = end_err;
	if (!err)
		err = syscalls_begin(&counted);
	if (err)
		return err;
	err = some(s, op, n, n);
	end_err = syscalls_end(&counted, &calls);
	cost->all = (double)b.all / n;
	cost->calls = (double)calls / n;
	return err ? err : end_err;
}

static int measure_here(struct scene *s, struct call_cost cost[CALL_KINDS])
{
	const struct way *w = s->way;
	int err = w->begin(s);

	if (!err)
		err = measure(s, w->create, TIMES, &cost[CALL_CREATE]);
	if (!err)
		err = measure(s, w->open, TIMES, &cost[CALL_OPEN]);
	return err ? err : measure(s, w->poll, POLLS, &cost[CALL_POLL]);
}

/* The module's kernel thread has names of its own, and makes no system calls. */
static int measure_thread(struct scene *s, struct call_cost cost[CALL_KINDS])
{
	static const char *const name[] = { "create_ns", "open_ns", "poll_ns" };
	unsigned int i;
	int err = module_settings(hosts_address(HOST_PUBLISHER), s->registry), end_err;

	if (!err)
		err = load(MODULE, "");
	if (err)
		return err;
	for (i = 0; i < CALL_KINDS && !err; i++) {
		cost[i].calls = 0;
		err = load_result(MODULE, name[i], &cost[i].all);
	}
	end_err = load_end(MODULE);
	return err ? err : end_err;
}

static const struct way ways[] = {
	{ "echo", start_server, far_echo, rest_echo, begin_echo, create_echo, open_echo,
	  poll_echo },
	{ "embedded", keep_names, far_embedded, rest_kecho, begin_embedded, create_kecho,
	  open_kecho, poll_kecho },
	{ "process", keep_names, far_process, rest_kecho, begin_process, create_kecho, open_kecho,
	  poll_kecho },
	{ "thread", keep_names, far_process, rest_kecho, NULL, NULL, NULL, NULL },
};

static int far_main(struct scene *s, int told)
{
	int err = hosts_enter(HOST_SINKS);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!err)
		err = s->way->far(s);
	if (write(told, &err, sizeof(err)) == sizeof(err) && !err)
		s->way->rest(s);
	return 1;
}

/* The other host is there. */
static pid_t start_far(struct scene *s)
{
	int told[2], err;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		_exit(far_main(s, told[1]));
	close(told[1]);
	if (pid < 0 || read(told[0], &err, sizeof(err)) != sizeof(err))
		err = -EIO;
	close(told[0]);
	return err ? err : pid;
}

int calls_measure(const char *who, struct call_cost cost[CALL_KINDS])
{
	struct scene s = { .helper = 0 };
	pid_t far = 0;
	size_t i;
	int err;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(who, ways[i].name))
			s.way = &ways[i];
	if (!s.way)
		return -EINVAL;
	err = s.way->prepare(&s);
	if (!err) {
		far = start_far(&s);
		err = far < 0 ? far : 0;
	}
	if (!err)
		err = s.way->begin ? measure_here(&s, cost) : measure_thread(&s, cost);
	kecho_close(s.kecho);
	if (far > 0)
		kill(far, SIGKILL);
	if (s.helper > 0)
		kill(s.helper, SIGKILL);
	while (wait(NULL) > 0)
		;
	return err;
}
