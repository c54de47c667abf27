/* SPDX-License-Identifier: MIT */
/*
 * The tie to the registry between processes: election, joins, death of servers
 * and clients, other users, TCP. Each node is a child that carries out commands,
 * so that it can be killed; all is in a network namespace of its own.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reg.h"
#include "tap.h"
#include "uapi/kecho.h"

#define TCP_ADDRESS "127.0.0.1:7411"

enum {
	LONG_MS = 10000,	/* longer than anything takes that works */
	GRACE_MS = 500,		/* of a TCP server */
	NODES_MAX = 16,
	MANY = 1000,
	OTHER_UID = 65534,
	PLACES = 8,
};

enum op { OPEN, JOIN, LOOKUP, LEAVE, REPAIR, LIST, FORK, SWITCHES, CLOSE };

struct command {
	enum op op;
	unsigned int flags, timeout_ms;
	char name[200];
};

struct result {
	int err;
	struct ke_id uuid;
	struct ke_contact contacts[KE_CONTACTS_MAX];
	unsigned int n;
	struct ke_reg_info info[4];
	long value;
	char why[256];
};

struct node {
	pid_t pid;
	int fd;
	struct result r;
};

/* ------------------------------------------------------------- inside a node */

static struct ke_reg_info all[MANY + 1];

static long switches(void)
{
	char path[64], line[128];
	long sum = 0, n;
	FILE *f;
	int tid;

	/* The tie's thread is the only one but the main thread, and younger. */
	for (tid = getpid() + 1; tid < getpid() + 1000; tid++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
		f = fopen(path, "r");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		fclose(f);
		return sum;
	}
	return -1;
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

static void carry_out(struct ke_reg **reg, struct ke_contact *self, const struct command *c,
		      struct result *r)
{
	switch (c->op) {
	case OPEN:
		r->err = ke_reg_open(reg, c->name[0] ? c->name : NULL, self, c->timeout_ms, r->why,
				     sizeof(r->why));
		break;
	case JOIN:
		r->err = ke_reg_join(*reg, c->name, c->flags, c->timeout_ms, &r->uuid, r->contacts,
				     &r->n, r->why, sizeof(r->why));
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
		ke_reg_close(*reg);
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
	memset(&self.node, id, sizeof(self.node));
	snprintf(self.address, sizeof(self.address), "192.0.2.%u:1", id);
	while (read(fd, &c, sizeof(c)) == sizeof(c)) {
		struct result r = {};

		carry_out(&reg, &self, &c, &r);
		if (write(fd, &r, sizeof(r)) != sizeof(r))
			break;
	}
	ke_reg_close(reg);
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

	n->r.err = -EPIPE;
	if (poll(&p, 1, 3 * LONG_MS) != 1 || read(n->fd, &n->r, sizeof(n->r)) != sizeof(n->r))
		ok(false, "a node answers");
	return n->r.err;
}

static int call(struct node *n, enum op op, const char *name, unsigned int flags,
		unsigned int timeout_ms)
{
	tell(n, op, name, flags, timeout_ms);
	return hear(n);
}

static int join(struct node *n, const char *name)
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

static bool nodes_open(struct node *nodes, unsigned int n, const char *address)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!node_new(&nodes[i], i + 1) ||
		    !is_eq(call(&nodes[i], OPEN, address, 0, LONG_MS), 0, "%s", nodes[i].r.why))
			return false;
	return true;
}

static void nodes_end(struct node *nodes, unsigned int n)
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
static bool comes_to(struct node *n, const char *name, unsigned int contacts)
{
	u64 until = now_ms() + LONG_MS;

	do {
		if (!call(n, LOOKUP, name, 0, LONG_MS) && n->r.n == contacts)
			return ok(true, "%u contacts", contacts);
		poll(NULL, 0, 5);
	} while (now_ms() < until);
	return is_eq(n->r.n, contacts, "%s: contacts", name);
}

/* Once: a namespace of our own, with loopback. */
static bool arena(void)
{
	static bool entered;
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (entered)
		return true;
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	entered = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &req);
	close(fd);
	return entered;
}

#define ARENA()									\
	do {									\
		if (!arena())							\
			skip("no network namespace of our own");		\
	} while (0)

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

/* ---------------------------------------------------------------------- tests */

TEST(joins)
{
	struct node n[3] = {};
	struct ke_id uuid;

	ARENA();
	if (nodes_open(n, 3, "")) {
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		is_eq(n[0].r.n, 0, "alone");
		uuid = n[0].r.uuid;
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		is_eq(n[1].r.n, 1, "the first");
		is_eq(n[1].r.contacts[0].incarnation, 1, "it is");
		is_str(n[1].r.contacts[0].address, "192.0.2.1:1", "where it is");
		ok(!ke_id_cmp(&n[1].r.uuid, &uuid), "the same channel");
		is_eq(join(&n[2], "x"), 0, "%s", n[2].r.why);
		is_eq(n[2].r.n, 2, "both");
		is_eq(join(&n[2], "y"), 0, "%s", n[2].r.why);
		ok(ke_id_cmp(&n[2].r.uuid, &uuid), "another channel");
	}
	nodes_end(n, 3);
}

TEST(flags)
{
	struct node n[2] = {};
	char name[KE_NAME_MAX + 2];

	ARENA();
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	if (nodes_open(n, 2, "")) {
		is_eq(call(&n[1], JOIN, "x", KE_REG_EXISTING, LONG_MS), -ENOENT, "none");
		is_str(n[1].r.why, "channel x: it does not exist", "why");
		is_eq(call(&n[1], LOOKUP, "x", 0, LONG_MS), -ENOENT, "none");
		is_eq(call(&n[1], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), 0, "new");
		is_eq(call(&n[0], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), -EEXIST, "not new");
		is_str(n[0].r.why, "channel x: it exists already", "why");
		is_eq(call(&n[0], JOIN, "x", KE_REG_EXISTING, LONG_MS), 0, "there");
		is_eq(call(&n[0], JOIN, name, 0, LONG_MS), -EINVAL, "too long");
		is_eq(call(&n[0], JOIN, "", 0, LONG_MS), -EINVAL, "empty");
		is_eq(call(&n[0], JOIN, "a b", 0, LONG_MS), -EINVAL, "a space");
		/* Who leaves as the last one leaves nothing to repair. */
		call(&n[0], LEAVE, "x", 0, 0);
		call(&n[1], LEAVE, "x", 0, 0);
		is_eq(call(&n[1], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), 0, "new again");
	}
	nodes_end(n, 2);
}

TEST(room_for_another_contact)
{
	struct node n[4] = {};
	unsigned int i;

	ARENA();
	if (nodes_open(n, 4, "")) {
		for (i = 0; i < 4; i++)
			is_eq(join(&n[i], "x"), 0, "%s", n[i].r.why);
		is_eq(n[3].r.n, 3, "the fourth is none");
		call(&n[1], LEAVE, "x", 0, 0);
		comes_to(&n[3], "x", 2);
		call(&n[3], REPAIR, "x", 0, 0);
		comes_to(&n[1], "x", 3);
		call(&n[3], REPAIR, "nowhere", 0, 0);
	}
	nodes_end(n, 4);
}

static void survives(const char *address)
{
	struct node n[4] = {};
	struct ke_id uuid;

	if (nodes_open(n, 4, address)) {
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		uuid = n[0].r.uuid;
		join(&n[1], "x");
		join(&n[2], "x");
		node_end(&n[0], SIGKILL);
		comes_to(&n[1], "x", 1);
		ok(!ke_id_cmp(&n[1].r.uuid, &uuid), "the same channel");
		is_eq(call(&n[3], JOIN, "x", KE_REG_EXISTING, LONG_MS), 0, "%s", n[3].r.why);
		ok(!ke_id_cmp(&n[3].r.uuid, &uuid), "for others too");
		node_end(&n[1], SIGKILL);
		node_end(&n[2], SIGKILL);
		comes_to(&n[3], "x", 0);
		ok(!ke_id_cmp(&n[3].r.uuid, &uuid), "to the last");
	}
	nodes_end(n, 4);
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
	struct node n[2] = {};
	struct ke_id uuid;

	ARENA();
	if (nodes_open(n, 2, "")) {
		join(&n[1], "x");
		uuid = n[1].r.uuid;
		node_end(&n[1], SIGKILL);
		comes_to(&n[0], "x", 0);
		is_eq(call(&n[0], JOIN, "x", 0, 100), -ETIMEDOUT, "others may be there");
		ok(strstr(n[0].r.why, "last contact"), "%s", n[0].r.why);
		is_eq(join(&n[0], "x"), 0, "after the lease");
		ok(ke_id_cmp(&n[0].r.uuid, &uuid), "another channel");
	}
	nodes_end(n, 2);
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
			call(&n[i], SWITCHES, "", 0, 0);
			before[i] = n[i].r.value;
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

TEST(tcp)
{
	struct node n[2] = {};

	ARENA();
	if (nodes_open(n, 2, TCP_ADDRESS)) {
		is_eq(call(&n[0], JOIN, "x", 0, GRACE_MS / 10), -ETIMEDOUT, "grace");
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		is_eq(n[1].r.n, 1, "the first");
	}
	nodes_end(n, 2);
}

TEST(tcp_server_killed)
{
	ARENA();
	survives(TCP_ADDRESS);
}

TEST(tcp_v6)
{
	struct node n[2] = {};

	ARENA();
	if (nodes_open(n, 2, "[::1]:7412"))
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
	nodes_end(n, 2);
}

/* A contact whose process hangs goes with its lease, and comes back with it. */
TEST(leases)
{
	struct node n[3] = {};

	ARENA();
	if (nodes_open(n, 3, TCP_ADDRESS)) {
		join(&n[0], "x");
		join(&n[1], "x");
		join(&n[2], "x");
		kill(n[2].pid, SIGSTOP);
		comes_to(&n[0], "x", 1);
		kill(n[2].pid, SIGCONT);
		comes_to(&n[0], "x", 2);
		comes_to(&n[1], "x", 2);
	}
	nodes_end(n, 3);
}

/* The server hangs: calls end in time and say so. */
TEST(server_hangs)
{
	struct node n[2] = {};

	ARENA();
	if (nodes_open(n, 2, "")) {
		kill(n[0].pid, SIGSTOP);
		is_eq(call(&n[1], JOIN, "x", 0, 100), -ETIMEDOUT, "no answer");
		ok(strstr(n[1].r.why, "no answer within 100 ms"), "%s", n[1].r.why);
		kill(n[0].pid, SIGCONT);
		/* What nobody waited for is withdrawn. */
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		is_eq(n[0].r.n, 0, "no contact is left of it");
	}
	nodes_end(n, 2);
}

TEST(addresses)
{
	static const char *const bad[] = { "host:1", "127.0.0.1", "127.0.0.1:", ":1", "[::1:1",
					   "1.2.3.4:x", "127.0.0.1:99999" };
	struct node n = {};
	unsigned int i;

	ARENA();
	must(node_new(&n, 1), "node");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		is_eq(call(&n, OPEN, bad[i], 0, 100), -EINVAL, "%s", bad[i]);
		ok(strstr(n.r.why, bad[i]), "%s", n.r.why);
	}
	is_eq(call(&n, OPEN, "192.0.2.1:7411", 0, 100), -ETIMEDOUT, "another network's");
	ok(strstr(n.r.why, "192.0.2.1:7411: connect: Network is unreachable"), "%s", n.r.why);
	node_end(&n, 0);
}

TESTS(reg, joins, flags, room_for_another_contact, server_killed, server_closed,
      server_killed_child_lives, race, repair, grace, no_grace_alone, places_of_others,
      all_places_of_others, clients_of_others, misbehaved, greedy, lists, idle, tcp,
      tcp_server_killed, tcp_v6, leases, server_hangs, addresses);
