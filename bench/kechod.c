/* SPDX-License-Identifier: MIT */
/* A kechod of the program's own; see kechod.h. */
#include "kechod.h"
#include "measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_S	60	/* a slow machine takes less */

static bool answers(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool there;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	there = fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (fd >= 0)
		close(fd);
	return there;
}

/* In its own process. */
static void run(const struct kechod *k, const char *const *options, pid_t parent)
{
	char dir[64], sock[80];
	const char *argv[7 + 2 * KECHOD_OPTIONS_MAX + 1] = {
		KECHOD, "-c", "/dev/null", "-o", dir, "-o", sock,
	};
	unsigned int n = 7, i;
	int log = open(k->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return;	/* it died before that */
	if (log >= 0)
		dup2(log, STDERR_FILENO);
	unsetenv("KECHO_REGISTRY");
	snprintf(dir, sizeof(dir), "run=%s", k->dir);
	snprintf(sock, sizeof(sock), "socket=%s", k->socket);
	for (i = 0; options[i] && i < KECHOD_OPTIONS_MAX; i++) {
		argv[n++] = "-o";
		argv[n++] = options[i];
	}
	execv(KECHOD, (char **)argv);
	fprintf(stderr, "%s: %s\n", KECHOD, strerror(errno));
}

static void show_log(const struct kechod *k)
{
	char line[512];
	FILE *f = fopen(k->log, "re");

	while (f && fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (f)
		fclose(f);
}

/* With all that lies in it: one that was killed leaves its files. */
static void remove_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	if (rmdir(path))
		fprintf(stderr, "can't remove %s: %s\n", path, strerror(errno));
}

static int await_socket(struct kechod *k)
{
	const struct timespec ms = { 0, 1000000 };
	uint64_t until = measure_now_ns() + START_S * MEASURE_NS_PER_S;

	while (!answers(k->socket)) {
		if (waitpid(k->pid, NULL, WNOHANG)) {
			k->pid = 0;
			return -ESRCH;
		}
		if (measure_now_ns() > until)
			return -ETIMEDOUT;
		nanosleep(&ms, NULL);
	}
	return 0;
}

int kechod_start(struct kechod *k, const char *const *options)
{
	struct kechod made = { .dir = "/dev/shm/kecho-bench-XXXXXX" };
	pid_t parent = getpid();
	int err;

	if (!mkdtemp(made.dir)) {
		err = -errno;
		fprintf(stderr, "kechod: can't make %s: %s\n", made.dir, strerror(-err));
		return err;
	}
	snprintf(made.socket, sizeof(made.socket), "%s/kechod.sock", made.dir);
	snprintf(made.log, sizeof(made.log), "%s/log", made.dir);
	made.pid = fork();
	if (!made.pid) {
		run(&made, options, parent);
		_exit(127);
	}
	err = made.pid < 0 ? -errno : await_socket(&made);
	if (err) {
		show_log(&made);
		fprintf(stderr, "kechod did not start: %s\n",
			err == -ESRCH ? "it ended" : strerror(-err));
		if (made.pid > 0) {
			kill(made.pid, SIGKILL);
			waitpid(made.pid, NULL, 0);
		}
		remove_dir(made.dir);
		return err;
	}
	*k = made;
	return 0;
}

int kechod_stop(struct kechod *k)
{
	int status = -1, err;

	if (!k->pid)
		return 0;
	kill(k->pid, SIGTERM);
	if (waitpid(k->pid, &status, 0) != k->pid)
		status = -1;
	err = status ? -EIO : 0;
	if (err) {
		show_log(k);
		fprintf(stderr, "kechod failed: wait status 0x%x\n", (unsigned int)status);
	}
	remove_dir(k->dir);
	k->pid = 0;
	return err;
}

void kechod_use(const struct kechod *k)
{
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", k->socket, 1);
}
