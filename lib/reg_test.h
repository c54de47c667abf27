/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the tie to the registry share: nodes in processes of their
 * own that carry out commands, so that they can be killed, in a network namespace
 * of the test's own. One file includes it.
 */
#ifndef KECHO_REG_TEST_H
#define KECHO_REG_TEST_H

#include <dirent.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reg.h"
#include "tap.h"

enum {
	LONG_MS = 10000,	/* longer than anything takes that works */
	SETTLE_MS = 100,	/* a thread that slept through it has nothing to do */
	LISTED_MAX = 1001,
};

enum op { OPEN, JOIN, LOOKUP, LEAVE, REPAIR, NEWS, TOLD, END, LIST, FORK, SWITCHES, CLOSE };

struct command {
	enum op op;
	unsigned int flags, timeout_ms;
	char name[400];
};

struct result {
	int err;
	struct ke_id uuid;
	struct ke_contact contacts[KE_CONTACTS_MAX];
	unsigned int n;
	struct ke_reg_info info[4];
	struct ke_reg_news news;
	long value;
	char why[KE_REG_WHY_MAX];
};

struct node {
	pid_t pid;
	int fd;
	struct result r;
};

/* ------------------------------------------------------------- inside a node */

static struct ke_reg_info all[LISTED_MAX];

/* How often the tie's thread went to sleep. */
static long switches(void)
{
	DIR *tasks = opendir("/proc/self/task");
	char path[320], line[128];
	struct dirent *task;
	bool tie = false;
	long n = -1;
	FILE *f;

	while (tasks && !tie && (task = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			tie = tie || !strcmp(line, "Name:\tkecho-registry\n");
			sscanf(line, "voluntary_ctxt_switches: %ld", &n);
		}
		if (f)
			fclose(f);
	}
	closedir(tasks);
	return tie ? n : -1;
}

static pid_t fork_idle(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, 0);
	alarm(60);
	for (;;)
		pause();
}

static int bell = -1;

/* The bell rings once for any number of news. */
static int next_news(struct ke_reg *reg, unsigned int timeout_ms, struct ke_reg_news *news)
{
	struct pollfd p = { .fd = bell, .events = POLLIN };
	u64 n;

	while (!ke_reg_news(reg, news))
		if (poll(&p, 1, timeout_ms) != 1 || read(bell, &n, sizeof(n)) != sizeof(n))
			return -ETIMEDOUT;
	return 0;
}

/* In the first contact. */
static int next_told(struct ke_reg *reg, unsigned int timeout_ms, struct result *r)
{
	struct pollfd p = { .fd = bell, .events = POLLIN };
	struct ke_reg_told told;
	u64 n;

	while (!ke_reg_told(reg, &told))
		if (poll(&p, 1, timeout_ms) != 1 || read(bell, &n, sizeof(n)) != sizeof(n))
			return -ETIMEDOUT;
	r->uuid = told.uuid;
	r->contacts[0] = told.who;
	return 0;
}

static struct ke_id joined;	/* last */

static void carry_out(struct ke_reg **reg, struct ke_contact *self, const struct command *c,
		      struct result *r)
{
	switch (c->op) {
	case OPEN:
		r->err = ke_reg_open(reg, c->name[0] ? c->name : NULL, self, bell, c->timeout_ms,
				     r->why, sizeof(r->why));
		break;
	case JOIN:
		r->err = ke_reg_join(*reg, c->name, c->flags, c->timeout_ms, &r->uuid, r->contacts,
				     &r->n, r->why, sizeof(r->why));
		if (!r->err)
			joined = r->uuid;
		break;
	case LOOKUP:
		r->err = ke_reg_lookup(*reg, c->name, c->timeout_ms, &r->uuid, r->contacts, &r->n);
		break;
	case LEAVE:
		ke_reg_leave(*reg, c->name);
		break;
	case REPAIR:
		ke_reg_repair(*reg, c->name);
		break;
	case NEWS:
		r->err = next_news(*reg, c->timeout_ms, &r->news);
		break;
	case TOLD:
		r->err = next_told(*reg, c->timeout_ms, r);
		break;
	case END:
		r->err = ke_reg_end(*reg, c->name, &joined, c->timeout_ms);
		break;
	case LIST:
		r->value = ke_reg_list(*reg, all, ARRAY_SIZE(all), c->timeout_ms);
		memcpy(r->info, all, sizeof(r->info));
		break;
	case FORK:
		r->value = fork_idle();
		break;
	case SWITCHES:
		r->value = switches();
		break;
	case CLOSE:
		ke_reg_close(*reg, false);
		*reg = NULL;
		break;
	}
}

static void __attribute__((__noreturn__)) node_main(int fd, u8 id)
{
	struct ke_contact self = { .incarnation = id };
	struct ke_reg *reg = NULL;
	struct command c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	memset(&self.node, id, sizeof(self.node));
	snprintf(self.address, sizeof(self.address), "192.0.2.%u:1", id);
	while (read(fd, &c, sizeof(c)) == sizeof(c)) {
		struct result r = {};

		carry_out(&reg, &self, &c, &r);
		if (write(fd, &r, sizeof(r)) != sizeof(r))
			break;
	}
	ke_reg_close(reg, false);
	_exit(0);
}

/* -------------------------------------------------------------- nodes, from outside */

static bool node_new(struct node *n, u8 id)
{
	int fds[2];

	if (!ok(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), "pair"))
		return false;
	fflush(stdout);
	n->pid = fork();
	if (!n->pid) {
		close(fds[0]);
		node_main(fds[1], id);
	}
	close(fds[1]);
	n->fd = fds[0];
	return ok(n->pid > 0, "fork");
}

static void tell(struct node *n, enum op op, const char *name, unsigned int flags,
		 unsigned int timeout_ms)
{
	struct command c = { .op = op, .flags = flags, .timeout_ms = timeout_ms };

	snprintf(c.name, sizeof(c.name), "%s", name);
	if (send(n->fd, &c, sizeof(c), MSG_NOSIGNAL) != sizeof(c))
		ok(false, "a node is told");
}

static int hear(struct node *n)
{
	struct pollfd p = { .fd = n->fd, .events = POLLIN };
	struct result r = { .err = -EPIPE };

	if (poll(&p, 1, 3 * LONG_MS) != 1 || read(n->fd, &r, sizeof(r)) != sizeof(r))
		ok(false, "a node answers");
	n->r = r;
	return r.err;
}

static int call(struct node *n, enum op op, const char *name, unsigned int flags,
		unsigned int timeout_ms)
{
	tell(n, op, name, flags, timeout_ms);
	return hear(n);
}

static __maybe_unused int join(struct node *n, const char *name)
{
	return call(n, JOIN, name, 0, LONG_MS);
}

static void node_end(struct node *n, int sig)
{
	if (!n->pid)
		return;
	if (sig)
		kill(n->pid, sig);
	shutdown(n->fd, SHUT_RDWR); /* the nodes forked later have copies */
	close(n->fd);
	waitpid(n->pid, NULL, 0);
	n->pid = 0;
}

/* It runs no further when this returns. */
static __maybe_unused void node_stop(struct node *n)
{
	int status;

	kill(n->pid, SIGSTOP);
	ok(waitpid(n->pid, &status, WUNTRACED) == n->pid && WIFSTOPPED(status), "stopped");
}

static __maybe_unused bool nodes_open(struct node *nodes, unsigned int n, const char *address)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!node_new(&nodes[i], i + 1) ||
		    !is_eq(call(&nodes[i], OPEN, address, 0, LONG_MS), 0, "%s", nodes[i].r.why))
			return false;
	return true;
}

static __maybe_unused void nodes_end(struct node *nodes, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		node_end(&nodes[i], 0);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Looks @name up until it has @contacts others for @n. */
static __maybe_unused bool comes_to(struct node *n, const char *name, unsigned int contacts)
{
	u64 until = now_ms() + LONG_MS;

	do {
		if (!call(n, LOOKUP, name, 0, LONG_MS) && n->r.n == contacts)
			return ok(true, "%u contacts", contacts);
		poll(NULL, 0, 5);
	} while (now_ms() < until);
	return is_eq(n->r.n, contacts, "%s: contacts", name);
}

/* A namespace of our own, with loopback. */
static bool enter(void)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	bool up;
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &req);
	close(fd);
	return up;
}

/* Once. */
static bool arena(void)
{
	static bool entered;

	entered = entered || enter();
	return entered;
}

#define ARENA()									\
	do {									\
		if (!arena())							\
			skip("no network namespace of our own");		\
	} while (0)

#endif
