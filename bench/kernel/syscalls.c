/* SPDX-License-Identifier: MIT */
/* Counting system calls; see syscalls.h. */
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POINT "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id"

static int explain(const char *what, int err)
{
	fprintf(stderr, "system calls: %s: %s\n", what, strerror(-err));
	return err;
}

static int point(uint64_t *id)
{
	FILE *f = fopen(POINT, "re");
	unsigned int n = 0;
	int got = f ? fscanf(f, "%u", &n) : 0;

	if (f)
		fclose(f);
	*id = n;
	return got == 1 ? 0 : explain(POINT, -ENOENT);
}

static int count_thread(struct syscalls *s, pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.disabled = 1,
	};
	uint64_t id;
	int err = s->n < SYSCALLS_THREADS_MAX ? point(&id) : -E2BIG;

	if (err)
		return err;
	attr.config = id;
	s->fd[s->n] = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (s->fd[s->n] < 0)
		return explain("perf_event_open", -errno);
	s->n++;
	return 0;
}

static void close_all(struct syscalls *s)
{
	while (s->n)
		close(s->fd[--s->n]);
}

static int count_others(struct syscalls *s)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	int err = dir ? 0 : explain("/proc/self/task", -errno);
	pid_t tid;

	while (!err && (d = readdir(dir))) {
		tid = atoi(d->d_name);
		if (tid > 0 && tid != gettid())
			err = count_thread(s, tid);
	}
	if (dir)
		closedir(dir);
	return err;
}

int syscalls_begin(struct syscalls *s)
{
	unsigned int i;
	int err;

	s->n = 0;
	err = count_others(s);
	if (!err)
		err = count_thread(s, gettid());
	for (i = 0; i < s->n && !err; i++)
		if (ioctl(s->fd[i], PERF_EVENT_IOC_ENABLE, 0))
			err = explain("to count", -errno);
	if (err)
		close_all(s);
	return err;
}

/* Our first call here ends the counting of ours, and is counted. */
int syscalls_end(struct syscalls *s, uint64_t *calls)
{
	uint64_t n, sum = 0;
	unsigned int i;
	int err = 0;

	for (i = s->n; i--;)
		ioctl(s->fd[i], PERF_EVENT_IOC_DISABLE, 0);
	for (i = 0; i < s->n && !err; i++) {
		if (read(s->fd[i], &n, sizeof(n)) != sizeof(n))
			err = explain("to read", -EIO);
		sum += n;
	}
	*calls = sum - 1;
	close_all(s);
	return err;
}
