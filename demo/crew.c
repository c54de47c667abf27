/* SPDX-License-Identifier: MIT */
/* The node processes of the show; see crew.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "node.h"

#define CREW_CHANNEL	"demo"
#define CREW_COMMAND_FD	3	/* in the child */
#define CREW_REPORT_FD	4

struct pipes {
	int command[2], report[2], words;
};

void crew_init(struct crew *c, const struct hosts *hosts)
{
	memset(c, 0, sizeof(*c));
	c->hosts = hosts;
	for (int i = 0; i < HOSTS; i++)
		c->mate[i] = (struct mate){ .command_fd = -1, .words_fd = -1, .report.fd = -1 };
}

static void forget(struct mate *m)
{
	int fds[] = { m->command_fd, m->words_fd, m->report.fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*m = (struct mate){ .command_fd = -1, .words_fd = -1, .report.fd = -1 };
}

/* Nothing of the show stays in the node: no descriptor, no blocked signal. */
static int take_descriptors(const struct pipes *p)
{
	int command = fcntl(p->command[0], F_DUPFD, 16), report = fcntl(p->report[1], F_DUPFD, 16);

	if (command < 0 || report < 0 || dup2(p->words, STDERR_FILENO) < 0 ||
	    dup2(p->words, STDOUT_FILENO) < 0 || dup2(command, CREW_COMMAND_FD) < 0 ||
	    dup2(report, CREW_REPORT_FD) < 0)
		return -errno;
	return close_range(CREW_REPORT_FD + 1, ~0u, 0) ? -errno : 0;
}

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);	/* an orphan sees EPIPE, and its end is near anyway */
}

__attribute__((noreturn))
static void be_node(const struct hosts *hosts, int i, const struct pipes *p, pid_t parent)
{
	struct node_config config = {
		.host = i, .name = hosts->host[i].name, .listen = hosts->host[i].address,
		.registry = hosts->registry, .channel = CREW_CHANNEL,
		.command_fd = CREW_COMMAND_FD, .report_fd = CREW_REPORT_FD,
	};
	int ret = prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;

	if (getppid() != parent)	/* it died before it could take this one along */
		_exit(1);
	/* Out of the foreground: ^C is for the show, which then ends its nodes. */
	setpgid(0, 0);
	prctl(PR_SET_NAME, config.name);
	unblock_signals();
	if (!ret)
		ret = hosts_enter(hosts, i);
	if (!ret)
		ret = take_descriptors(p);
	if (ret) {
		dprintf(p->words, "entering host %s: %s\n", config.name, strerror(-ret));
		_exit(1);
	}
	_exit(node_run(&config));
}

static void close_pair(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static int open_pipes(struct pipes *p)
{
	int err;

	if (pipe2(p->command, O_CLOEXEC))
		return -errno;
	if (pipe2(p->report, O_CLOEXEC)) {
		err = -errno;
		goto close_command;
	}
	p->words = memfd_create("words", MFD_CLOEXEC);
	if (p->words >= 0 && !fcntl(p->report[0], F_SETFL, O_NONBLOCK) &&
	    !fcntl(p->words, F_SETFL, O_APPEND))
		return 0;
	err = -errno;
	if (p->words >= 0)
		close(p->words);
	close_pair(p->report);
close_command:
	close_pair(p->command);
	return err;
}

int crew_start(struct crew *c, int i)
{
	struct mate *m = &c->mate[i];
	pid_t self = getpid(), pid;
	struct pipes p;
	int err;

	assert(!m->pid);
	forget(m);
	err = open_pipes(&p);
	if (err)
		return err;
	pid = fork();
	if (pid == 0)
		be_node(c->hosts, i, &p, self);
	err = pid < 0 ? -errno : 0;
	close(p.command[0]);
	close(p.report[1]);
	if (err) {
		close(p.command[1]);
		close(p.report[0]);
		close(p.words);
		return err;
	}
	*m = (struct mate){ .pid = pid, .command_fd = p.command[1], .words_fd = p.words,
			    .report.fd = p.report[0] };
	return 0;
}

int crew_command(struct crew *c, int i, enum wire_type type, const void *body, size_t len)
{
	return c->mate[i].command_fd < 0 ? -EPIPE
					 : wire_write(c->mate[i].command_fd, type, body, len);
}

void crew_kill(struct crew *c, int i)
{
	struct mate *m = &c->mate[i];

	m->doomed = true;
	m->ready = false;
	if (m->pid)
		kill(m->pid, SIGKILL);
}

int crew_reap(struct crew *c, int *status)
{
	for (int i = 0; i < HOSTS; i++) {
		struct mate *m = &c->mate[i];

		if (!m->pid || waitpid(m->pid, status, WNOHANG) != m->pid)
			continue;
		m->pid = 0;
		m->ready = false;
		return i;
	}
	return -1;
}

void crew_last_words(const struct crew *c, int i, char words[CREW_WORDS_MAX])
{
	int fd = c->mate[i].words_fd;
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), from;
	ssize_t n;

	from = end > CREW_WORDS_MAX - 1 ? end - (CREW_WORDS_MAX - 1) : 0;
	n = end > 0 ? pread(fd, words, CREW_WORDS_MAX - 1, from) : 0;
	if (n < 0)
		n = 0;
	while (n && words[n - 1] == '\n')
		n--;
	words[n] = '\0';
	for (char *at = words; (at = strchr(at, '\n'));)
		*at = ' ';
}

void crew_dismiss(struct crew *c)
{
	for (int i = 0; i < HOSTS; i++) {
		c->mate[i].doomed = true;
		if (c->mate[i].command_fd >= 0)
			close(c->mate[i].command_fd);
		c->mate[i].command_fd = -1;
	}
}

bool crew_is_gone(const struct crew *c)
{
	for (int i = 0; i < HOSTS; i++)
		if (c->mate[i].pid)
			return false;
	return true;
}

void crew_end(struct crew *c)
{
	for (int i = 0; i < HOSTS; i++) {
		struct mate *m = &c->mate[i];

		if (m->pid) {
			kill(m->pid, SIGKILL);
			while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
		forget(m);
	}
}
