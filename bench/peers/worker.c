/* SPDX-License-Identifier: MIT */
/*
 * A worker; see worker.h. It answers each order with a report: to ORDER_READY when its
 * rig is up, to ORDER_ROUND with figures, to ORDER_STOP when all is gone; then it exits.
 * An error in a report is the last.
 */
#include "worker.h"
#include "../hosts.h"
#include "../measure.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_S	60	/* to an order; a slow machine takes less */
#define LOG_TAIL	4096	/* bytes of a log in which the reason is looked for */

enum order { ORDER_READY, ORDER_ROUND, ORDER_STOP };

struct report {
	int err;
	double value[WORKER_VALUES_MAX];
};

/* ------------------------------------------------------------- in the worker */

static void tell(int fd, int err, const double *value)
{
	struct report report = { .err = err };

	if (value)
		memcpy(report.value, value, sizeof(report.value));
	if (send(fd, &report, sizeof(report), MSG_NOSIGNAL) < 0)
		_exit(1);	/* nobody is interested any more */
}

static int obey(int fd, const struct task *task, void *state)
{
	double value[WORKER_VALUES_MAX];
	enum order order;
	int err = 0;

	while (!err && recv(fd, &order, sizeof(order), 0) == sizeof(order)) {
		if (order == ORDER_STOP)
			return 0;
		if (order == ORDER_ROUND)
			err = task->round(state, value);
		tell(fd, err, order == ORDER_ROUND && !err ? value : NULL);
	}
	return err;
}

static int work(int fd, const struct task *task, const struct peer *peer, unsigned int nsinks,
		const struct options *opt)
{
	int err, stop_err;
	void *state;

	err = hosts_make(peer->hosts);
	if (err)
		return err;
	err = task->start(&state, peer, nsinks, opt);
	if (err)
		return err;
	err = obey(fd, task, state);
	if (err)
		fprintf(stderr, "%s: a round failed: %s\n", peer->name, strerror(-err));
	stop_err = task->stop(state);
	return err ? err : stop_err;
}

static void run(int fd, int log, const struct task *task, const struct peer *peer,
		unsigned int nsinks, const struct options *opt, pid_t parent)
{
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);	/* it died before that */
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = work(fd, task, peer, nsinks, opt);
	tell(fd, err, NULL);
	/* Destructors of libraries whose work is done have nothing to say here. */
	_exit(err ? 1 : 0);
}

/* -------------------------------------------------------------- in its parent */

/* The last two lines that were printed: who gave up, and what that was a part of. */
static void find_reason(struct worker *w)
{
	char text[LOG_TAIL + 1], *last, *before = NULL;
	off_t end = lseek(w->log, 0, SEEK_END);
	ssize_t n;

	n = pread(w->log, text, LOG_TAIL, end > LOG_TAIL ? end - LOG_TAIL : 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = 0;
	last = strrchr(text, '\n');
	if (last) {
		*last = 0;
		before = strrchr(text, '\n');
		before = before ? before + 1 : text;
	}
	snprintf(w->why, sizeof(w->why), "%.*s%s%.*s", WORKER_WHY_MAX / 2, before ? before : "",
		 before ? "; " : "", WORKER_WHY_MAX / 2 - 3, last ? last + 1 : text);
}

/* Why is @what, or if that is NULL what it printed. The first reason stays. */
static int fail(struct worker *w, int err, const char *what)
{
	if (w->why[0])
		return err;
	if (what)
		snprintf(w->why, sizeof(w->why), "%s", what);
	else
		find_reason(w);
	if (!w->why[0])
		snprintf(w->why, sizeof(w->why), "%s", strerror(-err));
	return err;
}

static void bury(struct worker *w)
{
	int status;

	if (waitpid(w->pid, &status, 0) == w->pid && WIFSIGNALED(status) && !w->why[0])
		snprintf(w->why, sizeof(w->why), "its publisher was ended by signal %d",
			 WTERMSIG(status));
	w->pid = 0;
	close(w->fd);
}

static void end(struct worker *w)
{
	kill(w->pid, SIGKILL);
	bury(w);
}

/* Whether there was one. Of a worker that has ended without reading our last order the
 * kernel says that first, and then gives what it had said. */
static bool read_report(const struct worker *w, struct report *report)
{
	ssize_t n;

	do {
		n = recv(w->fd, report, sizeof(*report), 0);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	return n == sizeof(*report);
}

/* The report that comes next. */
static int hear(struct worker *w, struct report *report, const char *what)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	char why[WORKER_WHY_MAX];
	int n;

	do {
		n = poll(&p, 1, ANSWER_S * 1000);
	} while (n < 0 && errno == EINTR);
	if (n == 1 && read_report(w, report)) {
		if (report->err)
			fail(w, report->err, NULL);
		return report->err;
	}
	if (n == 1) {	/* it has ended without a word */
		bury(w);
		snprintf(why, sizeof(why), "%s: its publisher ended", what);
		return fail(w, -EPIPE, why);
	}
	snprintf(why, sizeof(why), "%s: no answer for %d s", what, ANSWER_S);
	fail(w, -ETIMEDOUT, why);
	end(w);
	return -ETIMEDOUT;
}

static int ask(struct worker *w, enum order order, struct report *report, const char *what)
{
	if (!w->pid || w->why[0])
		return -EPIPE;
	if (send(w->fd, &order, sizeof(order), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return fail(w, -errno, what);
	return hear(w, report, what);
}

int worker_start(struct worker *w, const struct task *task, const struct peer *peer,
		 unsigned int nsinks, const struct options *opt)
{
	pid_t parent = getpid();
	int pair[2], err;

	*w = (struct worker){ .peer = peer, .fd = -1, .log = -1 };
	if (!peer->transport) {
		snprintf(w->why, sizeof(w->why), "not built: %s %s not installed",
			 peer->packages ? peer->packages : peer->name,
			 peer->packages && strchr(peer->packages, ' ') ? "were" : "was");
		return -ENOENT;
	}
	w->log = memfd_create("log", MFD_CLOEXEC);
	if (w->log < 0)
		return fail(w, -errno, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fail(w, -errno, NULL);
	fflush(NULL);
	w->pid = fork();
	if (!w->pid)
		run(pair[1], w->log, task, peer, nsinks, opt, parent);
	err = -errno;
	close(pair[1]);
	w->fd = pair[0];
	if (w->pid > 0)
		return 0;
	w->pid = 0;
	close(w->fd);
	return fail(w, err, NULL);
}

int worker_ready(struct worker *w)
{
	struct report report;

	return ask(w, ORDER_READY, &report, "to start");
}

int worker_round(struct worker *w, double value[WORKER_VALUES_MAX])
{
	struct report report;
	int err = ask(w, ORDER_ROUND, &report, "a round");

	if (!err)
		memcpy(value, report.value, sizeof(report.value));
	return err;
}

void worker_stop(struct worker *w)
{
	struct report report;

	if (w->pid && !w->why[0])
		ask(w, ORDER_STOP, &report, "to stop");
	if (w->pid && w->why[0])
		end(w);
	else if (w->pid)
		bury(w);
	if (w->log >= 0)
		close(w->log);
	w->log = -1;
}

void worker_print_log(const struct worker *w)
{
	char text[LOG_TAIL];
	off_t at = 0;
	ssize_t n;

	while (w->log >= 0 && (n = pread(w->log, text, sizeof(text), at)) > 0) {
		fwrite(text, 1, (size_t)n, stderr);
		at += n;
	}
}
