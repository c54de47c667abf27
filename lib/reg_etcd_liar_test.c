/* SPDX-License-Identifier: MIT */
/*
 * The tie to an etcd that is none: it cuts, stalls, never ends, or lies. Calls end in time
 * and say what is wrong; beside one that is honest nobody notices; memory stays bounded.
 */
#include "reg_test.h"
#include "../tests/etcd.h"

enum {
	LIAR_PORT = 4000,	/* of 127.0.0.1; each lie has its own */
#ifdef SANITIZED
	WAIT_MS = 3000,
#else
	WAIT_MS = 1200,
#endif
	RSS_MAX_KB = 200 << 10,
};

enum lie {
	SILENCE, CUT, ENDLESS, ENDLESS_HEADERS, GARBAGE, STATUS, DEEP, MANY, NO_ID, WEIRD, KEYS,
};

static const char *const words[] = {
	[SILENCE] = "no answer yet", [CUT] = "closed with", [ENDLESS] = "more than 1048576 bytes",
	[ENDLESS_HEADERS] = "header", [GARBAGE] = "no JSON", [STATUS] = "HTTP status 500",
	[DEEP] = "no JSON", [MANY] = "a lease", [NO_ID] = "a lease", [WEIRD] = "a lease",
};

static void say_bytes(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	for (; len; bytes += n, len -= n) {
		n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0)
			_exit(0);
	}
}

static void say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

/* Much at a time: so it is all there in time where each call takes long, too. */
static void say_often(int fd, const char *text, unsigned int n)
{
	static char many[1 << 16];
	size_t len = strlen(text), most = sizeof(many) / len, i;

	for (i = 0; i < most; i++)
		memcpy(many + i * len, text, len);
	for (; n; n -= i) {
		i = min_t(size_t, n, most);
		say_bytes(fd, many, i * len);
	}
}

static void begin_answer(int fd)
{
	say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

/* Of a session that is well, and a name whose contact is none. */
static void lie_with_keys(int fd, const char *request)
{
	begin_answer(fd);
	if (strstr(request, "/lease/"))
		say(fd, "{\"ID\":\"7\",\"TTL\":\"60\",\"header\":{\"revision\":\"5\"}}");
	else if (strstr(request, "/watch"))
		pause();
	else	/* "/kecho/name/x/hold/0": "x"; then the session's key, under its lease */
		say(fd, "{\"header\":{\"revision\":\"6\"},\"succeeded\":true,\"responses\":["
			"{\"response_range\":{\"kvs\":[{\"key\":\"L2tlY2hvL25hbWUveC9ob2xkLzA=\","
			"\"value\":\"eA==\"}]}},{\"response_range\":{\"kvs\":[{\"key\":\"eA==\","
			"\"lease\":\"7\"}]}},{}]}");
}

static void tell_lie(int fd, enum lie lie, const char *request)
{
	switch (lie) {
	case SILENCE:
		pause();
		break;
	case CUT:
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"ID\":");
		break;
	case ENDLESS:
		begin_answer(fd);
		say_often(fd, "                                                  ", ~0u);
		break;
	case ENDLESS_HEADERS:
		say(fd, "HTTP/1.1 200 OK\r\n");
		say_often(fd, "X-Lie: 012345678901234567890123456789\r\n", ~0u);
		break;
	case GARBAGE:
		begin_answer(fd);
		say(fd, "<html>It works!</html>");
		break;
	case STATUS:
		say(fd, "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}");
		break;
	case DEEP:
		begin_answer(fd);
		say(fd, "{\"a\":");
		say_often(fd, "[[[[[[[[[[", 100000);
		break;
	case MANY:
		begin_answer(fd);
		say(fd, "{\"a\":[1");
		say_often(fd, ",1,1,1,1,1", 100000);
		say(fd, "]}");
		break;
	case NO_ID:
		begin_answer(fd);
		say(fd, "{}");
		break;
	case WEIRD:
		begin_answer(fd);
		say(fd, "{\"ID\":[],\"TTL\":\"-9999999999999999999\",\"header\":7}");
		break;
	case KEYS:
		lie_with_keys(fd, request);
	}
}

/* One request, in a process of its own. */
static void __attribute__((__noreturn__)) answer(int fd, enum lie lie)
{
	char request[4096];
	size_t len = 0;
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60);
	do {
		n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
		if (n <= 0)
			_exit(0);
		len += n;
		request[len] = 0;
	} while (!strstr(request, "\r\n\r\n") && len < sizeof(request) - 1);
	tell_lie(fd, lie, request);
	shutdown(fd, SHUT_WR);
	while (recv(fd, request, sizeof(request), 0) > 0)
		;
	_exit(0);
}

static pid_t liar(enum lie lie)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(LIAR_PORT + lie),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, one;
	pid_t pid;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!ok(!bind(fd, (void *)&a, sizeof(a)) && !listen(fd, 64), "liar"))
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		while ((one = accept(fd, NULL, NULL)) >= 0) {
			if (!fork()) {
				close(fd);	/* the next liar's place */
				answer(one, lie);
			}
			close(one);
		}
		_exit(0);
	}
	close(fd);
	return pid;
}

static void liar_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void is_small(const struct node *n)
{
#ifndef SANITIZED
	char path[32], line[128];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", n->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmHWM: %ld", &kb);
	if (f)
		fclose(f);
	ok(kb > 0 && kb < RSS_MAX_KB, "it has %ld KiB", kb);
#else
	(void)n;
#endif
}

static void url(char to[32], enum lie lie)
{
	snprintf(to, 32, "http://127.0.0.1:%u", LIAR_PORT + lie);
}

/* Alone: the call ends, and says what is wrong. */
TEST(alone)
{
	struct node n[KEYS] = {};
	char at[32], address[40];
	pid_t pid[KEYS];
	unsigned int i;

	ARENA();
	for (i = 0; i < KEYS; i++) {
		pid[i] = liar(i);
		url(at, i);
		snprintf(address, sizeof(address), "etcd:%s", at);
		if (node_new(&n[i], i + 1))
			tell(&n[i], OPEN, address, 0, WAIT_MS);
	}
	for (i = 0; i < KEYS; i++) {
		url(at, i);
		is_eq(hear(&n[i]), -ETIMEDOUT, "lie %u: %s", i, n[i].r.why);
		ok(strstr(n[i].r.why, at) && strstr(n[i].r.why, words[i]), "lie %u: %s", i,
		   n[i].r.why);
		is_small(&n[i]);
	}
	nodes_end(n, KEYS);
	for (i = 0; i < KEYS; i++)
		liar_end(pid[i]);
}

/* A key that makes no sense is named, and nothing is joined. */
TEST(keys)
{
	char at[32], address[40];
	struct node n = {};
	pid_t pid;

	ARENA();
	pid = liar(KEYS);
	url(at, KEYS);
	snprintf(address, sizeof(address), "etcd:%s", at);
	if (pid > 0 && node_new(&n, 1) &&
	    is_eq(call(&n, OPEN, address, 0, LONG_MS), 0, "%s", n.r.why)) {
		is_eq(join(&n, "x"), -EPROTO, "refused");
		ok(strstr(n.r.why, "key /kecho/name/x/hold/0: no contact"), "%s", n.r.why);
		is_eq(call(&n, LOOKUP, "x", 0, LONG_MS), -EPROTO, "nor found");
	}
	node_end(&n, 0);
	liar_end(pid);
}

/* Beside one that is honest, which is asked second. */
TEST(beside_another)
{
	static struct etcd etcd;
	char at[32], address[240], name[8];
	struct node n[MANY] = {};
	pid_t pid[MANY];
	unsigned int i;

	ARENA();
	must(etcd_start(&etcd, 1, NULL) && etcd_wait(1), "etcd runs");
	for (i = 0; i < MANY; i++) {
		pid[i] = liar(i);
		url(at, i);
		snprintf(address, sizeof(address), "etcd:%s,%s", at, strchr(etcd.endpoints, 'h'));
		if (node_new(&n[i], i + 1))
			tell(&n[i], OPEN, address, 0, LONG_MS);
	}
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%u", i);
		if (is_eq(hear(&n[i]), 0, "lie %u: %s", i, n[i].r.why))
			is_eq(join(&n[i], name), 0, "lie %u: %s", i, n[i].r.why);
	}
	nodes_end(n, MANY);
	for (i = 0; i < MANY; i++)
		liar_end(pid[i]);
	etcd_end(&etcd);
}

TESTS(reg_etcd_liar, alone, keys, beside_another);
