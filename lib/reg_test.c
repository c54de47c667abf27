/* SPDX-License-Identifier: MIT */
/*
 * The tie to the registry on the Unix transport: election, joins, death of servers
 * and clients, other users, and clients that misbehave.
 */
#include <sys/un.h>

#include "reg_rules.h"
#include "uapi/kecho.h"

enum {
	NODES_MAX = 16,
	MANY = LISTED_MAX - 1,
	OTHER_UID = 65534,
	PLACES = 8,		/* that the registry may have */
};

static int abstract(const char *name, struct sockaddr_un *un, socklen_t *len)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*len = offsetof(struct sockaddr_un, sun_path) + 1 +
	       snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "kecho/%u/%s", geteuid(), name);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int bound(const char *name)
{
	struct sockaddr_un un;
	socklen_t len;
	int fd = abstract(name, &un, &len);

	if (!ok(!bind(fd, (struct sockaddr *)&un, len) && !listen(fd, 1), "%s is bound", name)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connected(const char *name)
{
	struct sockaddr_un un;
	socklen_t len;
	int fd = abstract(name, &un, &len);

	if (!connect(fd, (struct sockaddr *)&un, len))
		return fd;
	close(fd);
	return -1;
}

/* The end of a connection comes within LONG_MS. */
static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, LONG_MS) == 1 && read(fd, &byte, 1) <= 0;
}

TEST(joins)
{
	ARENA();
	rule_joins("");
}

TEST(flags)
{
	ARENA();
	rule_flags("");
}

TEST(room_for_another_contact)
{
	ARENA();
	rule_room("");
}

TEST(server_killed)
{
	ARENA();
	survives("");
}

TEST(server_closed)
{
	struct node n[3] = {};
	struct ke_id uuid;

	ARENA();
	if (nodes_open(n, 3, "")) {
		join(&n[1], "x");
		uuid = n[1].r.uuid;
		call(&n[0], CLOSE, "", 0, 0);
		comes_to(&n[2], "x", 1);
		ok(!ke_id_cmp(&n[2].r.uuid, &uuid), "the same channel");
	}
	nodes_end(n, 3);
}

/* A child that the server forked keeps its sockets open. */
TEST(server_killed_child_lives)
{
	struct node n[3] = {};
	struct ke_id uuid;
	pid_t child = 0;

	ARENA();
	if (nodes_open(n, 3, "")) {
		join(&n[1], "x");
		uuid = n[1].r.uuid;
		call(&n[0], FORK, "", 0, 0);
		child = n[0].r.value;
		ok(child > 0, "a child");
		node_end(&n[0], SIGKILL);
		comes_to(&n[2], "x", 1);
		ok(!ke_id_cmp(&n[2].r.uuid, &uuid), "the same channel");
	}
	if (child > 0)
		kill(child, SIGKILL);
	nodes_end(n, 3);
}

TEST(race)
{
	struct node n[NODES_MAX] = {};
	unsigned int i, round;

	ARENA();
	for (i = 0; i < NODES_MAX; i++)
		if (!node_new(&n[i], i + 1))
			goto end;
	for (round = 0; round < 5; round++) {
		for (i = 0; i < NODES_MAX; i++)
			tell(&n[i], OPEN, "", 0, LONG_MS);
		for (i = 0; i < NODES_MAX; i++)
			is_eq(hear(&n[i]), 0, "%s", n[i].r.why);
		for (i = 0; i < NODES_MAX; i++)
			tell(&n[i], JOIN, "x", 0, LONG_MS);
		for (i = 0; i < NODES_MAX; i++)
			is_eq(hear(&n[i]), 0, "%s", n[i].r.why);
		for (i = 1; i < NODES_MAX; i++)
			ok(!ke_id_cmp(&n[i].r.uuid, &n[0].r.uuid), "one channel");
		for (i = 0; i < NODES_MAX; i++)
			tell(&n[i], CLOSE, "", 0, 0);
		for (i = 0; i < NODES_MAX; i++)
			hear(&n[i]);
	}
end:
	nodes_end(n, NODES_MAX);
}

TEST(repair)
{
	ARENA();
	rule_repair("");
}

TEST(grace)
{
	struct node n[3] = {};
	int fd;

	ARENA();
	fd = bound("node/other");
	if (nodes_open(n, 3, "")) {
		is_eq(join(&n[2], "x"), 0, "after the grace of the first");
		node_end(&n[0], SIGKILL);
		comes_to(&n[1], "x", 1);
		is_eq(call(&n[1], JOIN, "y", 0, 100), -ETIMEDOUT, "it may exist");
		ok(strstr(n[1].r.why, "restarted"), "%s", n[1].r.why);
		is_eq(join(&n[1], "y"), 0, "later");
	}
	nodes_end(n, 3);
	close(fd);
}

/* The name of a node itself is no sign of another. */
TEST(no_grace_alone)
{
	struct node n[1] = {};
	int fd;

	ARENA();
	fd = bound("node/01010101010101010101010101010101");
	if (nodes_open(n, 1, ""))
		is_eq(call(&n[0], JOIN, "x", 0, 1000), 0, "%s", n[0].r.why);
	nodes_end(n, 1);
	close(fd);
}

/* Holds @n of root's places as another user until killed. */
static pid_t squat(unsigned int n)
{
	char name[32];
	struct sockaddr_un un;
	int fds[PLACES], ready[2];
	unsigned int i;
	socklen_t len;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (pid) {
		close(ready[1]);
		if (read(ready[0], name, 1) != 1)
			pid = -1;
		close(ready[0]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), i ? "registry.%u" : "registry", i);
		fds[i] = abstract(name, &un, &len);
		if (bind(fds[i], (struct sockaddr *)&un, len))
			_exit(1);
	}
	if (setuid(OTHER_UID))
		_exit(1);
	for (i = 0; i < n; i++) /* whose they are is settled here */
		listen(fds[i], 16);
	if (write(ready[1], "r", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

TEST(places_of_others)
{
	struct node n[2] = {}, late = {};
	pid_t pid;
	int fd;

	ARENA();
	if (geteuid())
		skip("not root");
	pid = squat(2);
	if (ok(pid > 0, "squatter") && nodes_open(n, 2, "")) {
		fd = connected("registry.2");
		ok(fd >= 0, "it serves at the third place");
		close(fd);
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* The first place is free now, but the registry isn't there. */
		if (node_new(&late, 9) && !call(&late, OPEN, "", 0, LONG_MS))
			is_eq(call(&late, JOIN, "x", KE_REG_EXISTING, LONG_MS), 0, "%s",
			      late.r.why);
	}
	node_end(&late, 0);
	nodes_end(n, 2);
}

TEST(all_places_of_others)
{
	struct node n = {};
	pid_t pid;

	ARENA();
	if (geteuid())
		skip("not root");
	pid = squat(PLACES);
	if (ok(pid > 0, "squatter") && node_new(&n, 1)) {
		is_eq(call(&n, OPEN, "", 0, LONG_MS), -EACCES, "no place");
		ok(strstr(n.r.why, "held by other users"), "%s", n.r.why);
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	node_end(&n, 0);
}

TEST(clients_of_others)
{
	struct node n[1] = {};
	int status = -1, fd;
	pid_t pid;

	ARENA();
	if (geteuid())
		skip("not root");
	if (nodes_open(n, 1, "")) {
		pid = fork();
		if (!pid) {
			struct sockaddr_un un;
			socklen_t len;

			fd = abstract("registry", &un, &len);
			if (setuid(OTHER_UID) || connect(fd, (struct sockaddr *)&un, len))
				_exit(1);
			_exit(hung_up(fd) ? 0 : 2);
		}
		waitpid(pid, &status, 0);
		is_eq(status, 0, "it is hung up on");
	}
	nodes_end(n, 1);
}

/* Sends @len bytes; the server hangs up, and serves on. */
static void misbehaves(struct node *n, const void *bytes, size_t len)
{
	int fd = connected("registry");

	must(fd >= 0, "connected");
	is_eq(send(fd, bytes, len, MSG_NOSIGNAL), len, "sent");
	ok(hung_up(fd), "it is cut off");
	close(fd);
	is_eq(call(n, LOOKUP, "x", 0, LONG_MS), 0, "the others are served");
}

TEST(misbehaved)
{
	struct kecho_frame big = { .len = cpu_to_le32(KECHO_FRAME_BODY_MAX),
				   .type = KECHO_FRAME_REG_PUT };
	struct kecho_frame unknown = { .type = KECHO_FRAME_HELLO };
	struct kecho_frame empty = { .type = KECHO_FRAME_REG_PUT };
	struct node n[2] = {};

	ARENA();
	if (nodes_open(n, 2, "")) {
		join(&n[1], "x");
		misbehaves(&n[1], &big, sizeof(big));
		misbehaves(&n[1], &unknown, sizeof(unknown));
		misbehaves(&n[1], &empty, sizeof(empty));
	}
	nodes_end(n, 2);
}

/* Asks and asks without taking an answer: only its own connection fills. */
TEST(greedy)
{
	struct { struct kecho_frame f; __le64 after; } list = {
		.f = { .len = cpu_to_le32(8), .type = KECHO_FRAME_REG_LIST },
	};
	struct node n[2] = {};
	unsigned int sent = 0;
	int fd;

	ARENA();
	if (nodes_open(n, 2, "")) {
		join(&n[1], "x");
		fd = connected("registry");
		must(fd >= 0, "connected");
		while (sent < 1000000 && send(fd, &list, sizeof(list), MSG_DONTWAIT) > 0)
			sent++;
		ok(sent < 1000000, "it is made to wait");
		is_eq(call(&n[1], LOOKUP, "x", 0, LONG_MS), 0, "the others are served");
		close(fd);
	}
	nodes_end(n, 2);
}

TEST(lists)
{
	struct node n[2] = {};
	char name[KE_NAME_MAX + 1];
	unsigned int i, bad = 0;

	ARENA();
	if (nodes_open(n, 2, "")) {
		for (i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "%0*u", KE_NAME_MAX, i);
			bad += join(&n[1], name) != 0;
		}
		is_eq(bad, 0, "joined");
		call(&n[0], LIST, "", 0, LONG_MS);
		is_eq(n[0].r.value, MANY, "the server lists them");
		call(&n[1], LIST, "", 0, LONG_MS);
		is_eq(n[1].r.value, MANY, "a client lists them");
		snprintf(name, sizeof(name), "%0*u", KE_NAME_MAX, 3);
		is_str(n[1].r.info[3].name, name, "in order");
		is_eq(n[1].r.info[3].contacts, 1, "with contacts");
		node_end(&n[0], SIGKILL);
		comes_to(&n[1], name, 0);
		call(&n[1], LIST, "", 0, LONG_MS);
		is_eq(n[1].r.value, MANY, "all are published again");
	}
	nodes_end(n, 2);
}

/* How often the node's thread has gone to sleep, once it stays there. */
static long settled(struct node *n)
{
	int tries = LONG_MS / SETTLE_MS;
	long was;

	do {
		was = n->r.value;
		poll(NULL, 0, SETTLE_MS);
		call(n, SWITCHES, "", 0, 0);
	} while ((n->r.value <= 0 || n->r.value != was) && --tries);
	return n->r.value;
}

/* A second in which nothing happens wakes nobody. */
TEST(idle)
{
	struct node n[2] = {};
	long before[2];
	int i;

	ARENA();
	if (nodes_open(n, 2, "")) {
		join(&n[0], "x");
		join(&n[1], "x");
		for (i = 0; i < 2; i++) {
			before[i] = settled(&n[i]);
			ok(before[i] > 0, "its thread is found");
		}
		poll(NULL, 0, 1000);
		for (i = 0; i < 2; i++) {
			call(&n[i], SWITCHES, "", 0, 0);
			is_eq(n[i].r.value, before[i], "node %d slept", i);
		}
	}
	nodes_end(n, 2);
}

/* The server hangs: calls end in time and say so. */
TEST(server_hangs)
{
	struct node n[2] = {};
	char process[32];

	ARENA();
	if (nodes_open(n, 2, "")) {
		node_stop(&n[0]);
		is_eq(call(&n[1], JOIN, "x", 0, 100), -ETIMEDOUT, "no answer");
		ok(strstr(n[1].r.why, "no answer within 100 ms"), "%s", n[1].r.why);
		snprintf(process, sizeof(process), "process %d (stopped?)", n[0].pid);
		ok(strstr(n[1].r.why, process), "%s", n[1].r.why);
		kill(n[0].pid, SIGCONT);
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		/* What nobody waited for is withdrawn. */
		comes_to(&n[0], "x", 0);
	}
	nodes_end(n, 2);
}

TESTS(reg, joins, flags, room_for_another_contact, server_killed, server_closed,
      server_killed_child_lives, race, repair, grace, no_grace_alone, places_of_others,
      all_places_of_others, clients_of_others, misbehaved, greedy, lists, idle,
      server_hangs);
