/* SPDX-License-Identifier: MIT */
/*
 * Members of an etcd cluster for tests, in the test's own network namespace: the I-th, from
 * 1, at 127.0.1.I, with its data in memory and a user of its own (ETCD_UID + I), so that a
 * filter can tell its packets from those of others. All of it goes with the test.
 */
#ifndef KECHO_TEST_ETCD_H
#define KECHO_TEST_ETCD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plat.h"

enum {
	ETCD_UID = 20000,
	ETCD_MAX = 3,
	ETCD_ARGS_MAX = 40,
	ETCD_PORT = 2379,
	ETCD_PLAIN_PORT = 2378,
	ETCD_START_MS = 30000,
};

struct etcd {
	unsigned int n;			/* members that the cluster is to have */
	/* NULL, or where ca.pem, server.pem, server.key are: then etcd_http(), which speaks
	 * no TLS, has a port of its own. */
	const char *tls;
	char dir[40];
	pid_t pid[ETCD_MAX + 1];
	char endpoints[200];		/* for KECHO_REGISTRY, of all members */
};

static u16 etcd_plain_port = ETCD_PORT;

/* A request to member @i as it is on the wire; gives the answer's body, or NULL. */
static inline char *etcd_http(unsigned int i, const char *method, const char *path,
			      const char *body)
{
	static char got[1 << 19];	/* metrics are long */
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(etcd_plain_port),
				 .sin_addr.s_addr = htonl(0x7f000100 + i) };
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n = -1;
	char *at;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (void *)&a, sizeof(a)))
		n = dprintf(fd, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", method, path,
			    strlen(body), body);
	while (n > 0 && len < sizeof(got) - 1) {
		n = recv(fd, got + len, sizeof(got) - 1 - len, 0);
		len += n > 0 ? n : 0;
	}
	close(fd);
	got[len] = 0;
	at = n == 0 ? strstr(got, "\r\n\r\n") : NULL;
	return at ? at + 4 : NULL;
}

/* It is one of a quorum. */
static inline bool etcd_healthy(unsigned int i)
{
	const char *answer = etcd_http(i, "GET", "/health", "");

	return answer && strstr(answer, "\"true\"");
}

static inline u64 etcd_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline bool etcd_wait(unsigned int i)
{
	u64 until = etcd_now_ms() + ETCD_START_MS;

	while (!etcd_healthy(i)) {
		if (etcd_now_ms() > until)
			return false;
		poll(NULL, 0, 20);
	}
	return true;
}

static inline const char *etcd_text(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		_exit(126);
	va_end(ap);
	return text;
}

/* Its options; the process ends with them. */
static inline void etcd_arguments(const struct etcd *e, unsigned int i, const char **arg)
{
	const char *s = e->tls ? "https" : "http";
	const char *client = etcd_text("%s://127.0.1.%u:%d", s, i, ETCD_PORT);
	const char *plain = e->tls ? etcd_text(",http://127.0.1.%u:%d", i, ETCD_PLAIN_PORT) : "";
	const char *peer = etcd_text("http://127.0.1.%u:%d", i, ETCD_PORT + 1), *all = "";
	unsigned int k;

	for (k = 1; k <= e->n; k++)
		all = etcd_text("%s%sm%u=http://127.0.1.%u:%d", all, k > 1 ? "," : "", k, k,
				ETCD_PORT + 1);
	*arg++ = "etcd";
	*arg++ = etcd_text("--name=m%u", i);
	*arg++ = etcd_text("--data-dir=%s/m%u", e->dir, i);
	*arg++ = etcd_text("--listen-client-urls=%s%s", client, plain);
	*arg++ = etcd_text("--advertise-client-urls=%s", client);
	*arg++ = etcd_text("--listen-peer-urls=%s", peer);
	*arg++ = etcd_text("--initial-advertise-peer-urls=%s", peer);
	*arg++ = etcd_text("--initial-cluster=%s", all);
	if (e->tls) {
		*arg++ = etcd_text("--cert-file=%s/server.pem", e->tls);
		*arg++ = etcd_text("--key-file=%s/server.key", e->tls);
		*arg++ = etcd_text("--trusted-ca-file=%s/ca.pem", e->tls);
		*arg++ = "--client-cert-auth=true";
	}
	*arg = NULL;
}

/* Again, if it ran before: its data is still there. */
static inline bool etcd_run(struct etcd *e, unsigned int i)
{
	const char *arg[ETCD_ARGS_MAX];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/m%u", e->dir, i);
	if (mkdir(path, 0700) && errno != EEXIST)
		return false;
	if (chown(path, ETCD_UID + i, -1))
		return false;
	snprintf(path, sizeof(path), "%s/log%u", e->dir, i);
	fflush(stdout);
	e->pid[i] = fork();
	if (e->pid[i])
		return e->pid[i] > 0;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	etcd_arguments(e, i, arg);
	if (setuid(ETCD_UID + i))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp("etcd", (char **)arg);
	_exit(127);
}

static inline void etcd_kill(struct etcd *e, unsigned int i)
{
	if (e->pid[i] <= 0)
		return;
	kill(e->pid[i], SIGKILL);
	waitpid(e->pid[i], NULL, 0);
	e->pid[i] = 0;
}

/* The digits behind @name in an answer, which are not "" then. */
static inline u64 etcd_number(const char *answer, const char *name)
{
	const char *at = strstr(answer, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Who leads, of those that run; 0: nobody says so. */
static inline unsigned int etcd_leader(const struct etcd *e)
{
	const char *answer;
	unsigned int i;
	u64 id;

	for (i = 1; i <= e->n; i++) {
		answer = NULL;
		if (e->pid[i] > 0)
			answer = etcd_http(i, "POST", "/v3/maintenance/status", "{}");
		id = answer ? etcd_number(answer, "\"member_id\":\"") : 0;
		if (id && etcd_number(answer, "\"leader\":\"") == id)
			return i;
	}
	return 0;
}

static inline void etcd_end(struct etcd *e)
{
	char command[64];
	unsigned int i;

	for (i = 1; i <= e->n; i++)
		etcd_kill(e, i);
	snprintf(command, sizeof(command), "rm -rf %s", e->dir);
	if (e->dir[0] && system(command))
		return;
}

/* Starts them all; the caller waits for them. */
static inline bool etcd_start(struct etcd *e, unsigned int n, const char *tls)
{
	unsigned int i;

	etcd_plain_port = tls ? ETCD_PLAIN_PORT : ETCD_PORT;
	*e = (struct etcd){ .n = n, .tls = tls, .dir = "/dev/shm/kecho-etcd-XXXXXX" };
	if (!mkdtemp(e->dir) || chmod(e->dir, 0755)) {
		e->dir[0] = 0;
		return false;
	}
	strcpy(e->endpoints, "etcd:");
	for (i = 1; i <= n; i++) {
		snprintf(e->endpoints + strlen(e->endpoints), 40, "%s%s://127.0.1.%u:%d",
			 i > 1 ? "," : "", tls ? "https" : "http", i, ETCD_PORT);
		if (!etcd_run(e, i))
			return false;
	}
	return true;
}

#endif
