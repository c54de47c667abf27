/* SPDX-License-Identifier: MIT */
/* The tie to the registry over TCP: addresses, grace, leases, death of servers. */
#include <arpa/inet.h>
#include <sys/mman.h>

#include "reg_rules.h"

#define TCP_ADDRESS "127.0.0.1:7411"

enum {
	GRACE_MS = 500,		/* of a new server */
	PORT = 7411,
};

TEST(joins)
{
	struct node n[2] = {};

	ARENA();
	if (nodes_open(n, 1, TCP_ADDRESS)) {
		is_eq(call(&n[0], JOIN, "x", 0, GRACE_MS / 10), -ETIMEDOUT, "grace");
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		must(node_new(&n[1], 2), "another");
		is_eq(call(&n[1], OPEN, TCP_ADDRESS, 0, LONG_MS), 0, "%s", n[1].r.why);
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		is_eq(n[1].r.n, 1, "the first");
	}
	nodes_end(n, 2);
}

TEST(server_killed)
{
	ARENA();
	survives(TCP_ADDRESS);
}

TEST(ipv6)
{
	struct node n[2] = {};

	ARENA();
	if (nodes_open(n, 2, "[::1]:7412"))
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
	nodes_end(n, 2);
}

TEST(leases)
{
	ARENA();
	rule_leases(TCP_ADDRESS);
}

/* Who publishes again is told who is there. */
TEST(news)
{
	struct node n[3] = {};

	ARENA();
	if (nodes_open(n, 3, TCP_ADDRESS)) {
		join(&n[1], "x");
		join(&n[2], "x");
		is_eq(call(&n[1], NEWS, "", 0, 0), -ETIMEDOUT, "a join's answer is no news");
		call(&n[1], REPAIR, "x", 0, 0);
		is_eq(call(&n[1], NEWS, "", 0, LONG_MS), 0, "a repair's is");
		is_str(n[1].r.news.name, "x", "its name");
		ok(n[1].r.news.named && n[1].r.news.contact, "all is as it was");
		is_eq(n[1].r.news.n, 1, "the other contact");
		is_eq(n[1].r.news.contacts[0].incarnation, 3, "it is");
		is_eq(call(&n[1], NEWS, "", 0, 0), -ETIMEDOUT, "once");
		node_end(&n[0], SIGKILL);
		is_eq(call(&n[1], NEWS, "", 0, LONG_MS), 0, "another server");
		is_eq(call(&n[2], NEWS, "", 0, LONG_MS), 0, "for all");
	}
	nodes_end(n, 3);
}

TEST(two_of_a_name)
{
	ARENA();
	rule_two_of_a_name(TCP_ADDRESS);
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

/* Takes each connection and closes it; how many they were is in @n. */
static void hang_up_all(u32 *n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16))
		_exit(1);
	for (;;) {
		WRITE_ONCE(*n, *n + 1);
		close(accept(fd, NULL, NULL));
	}
}

/* What answers nothing is dialled less and less often. */
TEST(hangs_up)
{
	u32 *calls = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct node n = {};
	pid_t pid;

	ARENA();
	must(calls != MAP_FAILED && node_new(&n, 1), "node");
	pid = fork();
	if (!pid)
		hang_up_all(calls);
	while (!READ_ONCE(*calls) && !waitpid(pid, NULL, WNOHANG))
		sched_yield();
	must(*calls, "it listens");
	call(&n, OPEN, TCP_ADDRESS, 0, LONG_MS);
	is_eq(call(&n, JOIN, "x", 0, 1000), -ETIMEDOUT, "nobody answers");
	ok(*calls > 5 && *calls < 20, "%u dials in a second", *calls);
	node_end(&n, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(calls, sizeof(*calls));
}

TESTS(reg_tcp, joins, server_killed, ipv6, leases, news, two_of_a_name, addresses, hangs_up);
