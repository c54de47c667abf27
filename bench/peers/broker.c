/* SPDX-License-Identifier: MIT */
/* A broker; see broker.h. */
#include "broker.h"
#include "../hosts.h"
#include "../measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_S	20

static void nap(void)
{
	const struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
}

bool broker_listens(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(BROKER_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool does;

	inet_pton(AF_INET, hosts_address(HOST_PUBLISHER), &addr.sin_addr);
	does = fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	if (fd >= 0)
		close(fd);
	return does;
}

int broker_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	int err = 0;

	if (!f || fputs(text, f) < 0)
		err = -errno;
	if (f && fclose(f))
		err = -errno;
	if (err)
		fprintf(stderr, "can't write %s: %s\n", path, strerror(-err));
	return err;
}

static int await_ready(struct broker *b, bool (*ready)(void))
{
	uint64_t until = measure_now_ns() + START_S * MEASURE_NS_PER_S;

	while (!ready()) {
		if (waitpid(b->pid, NULL, WNOHANG)) {
			b->pid = 0;
			return -ESRCH;
		}
		if (measure_now_ns() > until)
			return -ETIMEDOUT;
		nap();
	}
	return 0;
}

static void run(const char *const *argv, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)	/* else it died before that */
		execvp(argv[0], (char *const *)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int broker_start(struct broker *b, const char *const *argv, bool (*ready)(void))
{
	pid_t parent = getpid();
	int err;

	b->pid = fork();
	if (!b->pid)
		run(argv, parent);
	if (b->pid < 0) {
		err = -errno;
		b->pid = 0;
	} else {
		err = await_ready(b, ready);
	}
	if (!err)
		return 0;
	fprintf(stderr, "%s did not start: %s\n", argv[0],
		err == -ESRCH ? "it ended" : strerror(-err));
	broker_stop(b);
	return err;
}

int broker_cpu(const struct broker *b, uint64_t *ns)
{
	return measure_cpu_of(b->pid, ns);
}

void broker_stop(struct broker *b)
{
	if (!b->pid)
		return;
	kill(b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
	b->pid = 0;
}
