/* SPDX-License-Identifier: MIT */
/*
 * kecho perf without operands: subscribers and a publisher in processes of their
 * own over a channel of their own; results come back through a pipe.
 *
 * The parent attaches to nothing. One child that fails ends all.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "perf.h"
#include "stop.h"

#define CHILDREN_MAX	(PERF_SINKS_MAX + 1)

struct child {
	pid_t pid;
	int fd;			/* pidfd; -1: it was waited for */
};

struct family {
	struct perf_options *opt;
	int results[2];		/* pipe: the parent reads */
	struct child child[CHILDREN_MAX];
	unsigned int n, alive;
	bool told;		/* the children were told to end */
	int code;
};

struct writer {
	int fd;
	uint32_t sink;
};

static int write_result(void *arg, const struct perf_result *r)
{
	struct perf_result mine = *r;
	struct writer *w = arg;
	ssize_t n;

	mine.sink = w->sink;
	/* Under PIPE_BUF: whole or not at all. */
	do
		n = write(w->fd, &mine, sizeof(mine));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Child 0 publishes, the others subscribe. */
static int child_main(struct family *f, unsigned int i, pid_t parent)
{
	struct writer w = { .fd = f->results[1], .sink = i };

	close(f->results[0]);
	/* It must not outlive the parent, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || stop_init())
		return EXIT_ERROR;
	return i ? perf_subscribe(f->opt, write_result, &w) : perf_publish(f->opt);
}

static int start_child(struct family *f)
{
	pid_t parent = getpid(), pid = fork();
	struct child *c = &f->child[f->n];

	if (pid == 0)
		_exit(child_main(f, f->n, parent));
	if (pid > 0) {
		*c = (struct child){ pid, pidfd_open(pid, 0) };
		f->n++;
		f->alive++;
		if (c->fd >= 0)
			return 0;
	}
	complain("cannot start a process: %s", strerror(errno));
	return -errno;
}

static void tell_children(struct family *f)
{
	for (unsigned int i = 0; i < f->n && !f->told; i++)
		if (f->child[i].pid > 0)
			kill(f->child[i].pid, SIGTERM);
	f->told = true;
}

static void reap(struct family *f, struct child *c)
{
	int status;

	if (waitpid(c->pid, &status, 0) != c->pid)
		return;
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct child){ 0, -1 };
	f->alive--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK)
		return;
	if (WIFSIGNALED(status) && !f->told)
		complain("a process was ended by signal %d", WTERMSIG(status));
	f->code = EXIT_ERROR;
	tell_children(f);
}

static void take_results(struct family *f, perf_result_fn fn, void *arg)
{
	struct perf_result r;

	while (read(f->results[0], &r, sizeof(r)) == (ssize_t)sizeof(r)) {
		if (!fn(arg, &r))
			continue;
		f->code = EXIT_ERROR;
		tell_children(f);
	}
}

/* Until all children have ended; the pipe is read last, so nothing stays in it. */
static void run_parent(struct family *f, perf_result_fn fn, void *arg)
{
	struct pollfd fds[CHILDREN_MAX + 2];

	while (f->alive) {
		for (unsigned int i = 0; i < f->n; i++)
			fds[i] = (struct pollfd){ f->child[i].fd, POLLIN, 0 };
		fds[f->n] = (struct pollfd){ f->results[0], POLLIN, 0 };
		fds[f->n + 1] = (struct pollfd){ f->told ? -1 : stop_fd(), POLLIN, 0 };
		if (poll(fds, f->n + 2, -1) < 0)
			continue;
		if (stopped())
			tell_children(f);
		for (unsigned int i = 0; i < f->n; i++)
			if (fds[i].revents)
				reap(f, &f->child[i]);
		take_results(f, fn, arg);
	}
}

static const char *private_name(char to[32])
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = now_ns();
	snprintf(to, 32, "perf-%08x%08x", (unsigned int)(random >> 32), (unsigned int)random);
	return to;
}

int perf_both(struct perf_options *opt, perf_result_fn fn, void *arg)
{
	struct family f = { .opt = opt };
	char name[32];
	int err = 0;

	opt->channel = private_name(name);
	/* Only the parent's end: children wait until a result fits. */
	if (pipe2(f.results, O_CLOEXEC) < 0 || fcntl(f.results[0], F_SETFL, O_NONBLOCK) < 0) {
		complain("cannot make a pipe: %s", strerror(errno));
		return EXIT_ERROR;
	}
	for (uint64_t i = 0; i <= opt->sinks && !err; i++)
		err = start_child(&f);
	close(f.results[1]);
	if (!err)
		err = stop_init();
	if (err) {
		f.code = EXIT_ERROR;
		tell_children(&f);
		for (unsigned int i = 0; i < f.n; i++)
			reap(&f, &f.child[i]);
	}
	run_parent(&f, fn, arg);
	close(f.results[0]);
	return f.code;
}
