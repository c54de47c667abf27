/* SPDX-License-Identifier: MIT */
/* A kechod of the test's own. One file includes it. */
#ifndef KECHO_DAEMON_TEST_H
#define KECHO_DAEMON_TEST_H

#include "../cluster/cluster.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef KECHOD
#define KECHOD "kechod"		/* Meson says where it is */
#endif

struct kechod {
	pid_t pid;
	uid_t uid;	/* whose it is; 0: the test's */
	char dir[32], socket[64], log[64];
};

/* This process is another user's from here on, for good, and dies with the test. */
static inline bool become(uid_t uid, gid_t gid, size_t ngroups, const gid_t *groups)
{
	pid_t parent = getppid();

	if (setgroups(ngroups, groups) || setgid(gid) || setuid(uid))
		return false;
	prctl(PR_SET_DUMPABLE, 1);	/* as if it had always been */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return getppid() == parent;
}

static inline void daemon_run(const struct kechod *d, const char **argv)
{
	int file = open(KECHOD, O_RDONLY | O_CLOEXEC);	/* where its user may not look */

	dup2(open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!d->uid || become(d->uid, d->uid, 0, NULL))
		fexecve(file, (char **)argv, environ);
}

static inline bool daemon_start(struct kechod *d, const char *const *options)
{
	char run[64], sock[80];
	const char *argv[32] = { KECHOD, "-c", "/dev/null", "-o", run, "-o", sock };
	unsigned int n = 7;
	pid_t parent = getpid();

	if (!d->dir[0]) {
		strcpy(d->dir, "/tmp/kechod-XXXXXX");
		if (!make_dir(d->dir))
			return false;
		if (d->uid && chown(d->dir, d->uid, d->uid))
			return false;
	}
	snprintf(d->socket, sizeof(d->socket), "%s/kechod.sock", d->dir);
	snprintf(d->log, sizeof(d->log), "%s/log", d->dir);
	snprintf(run, sizeof(run), "run=%s", d->dir);
	snprintf(sock, sizeof(sock), "socket=%s", d->socket);
	for (; options && *options; options++) {
		argv[n++] = "-o";
		argv[n++] = *options;
	}
	fflush(stdout);
	d->pid = fork();
	if (!d->pid) {
		if (getppid() == parent)
			daemon_run(d, argv);
		_exit(127);
	}
	return d->pid > 0;
}

static inline int daemon_dial(const struct kechod *d)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, d->socket);
	if (fd >= 0 && !connect(fd, (void *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

static inline bool daemon_answers(const struct kechod *d)
{
	int fd = daemon_dial(d);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static inline void show_log(const struct kechod *d)
{
	FILE *f = fopen(d->log, "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		printf("# %s", line);
	if (f)
		fclose(f);
}

/* Its exit status, as ends(). What it said is shown if that is bad. */
static inline int daemon_ends(struct kechod *d)
{
	int status = ends(d->pid);

	if (status)
		show_log(d);
	unlink(d->log);
	return status;
}

/* It is told to. */
static inline int daemon_stop(struct kechod *d)
{
	kill(d->pid, SIGTERM);
	return daemon_ends(d);
}

/* Descriptors that kechod has open. */
static inline int daemon_fds(const struct kechod *d)
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", d->pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

#endif
