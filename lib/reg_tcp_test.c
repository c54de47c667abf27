/* SPDX-License-Identifier: MIT */
/* The tie to the registry over TCP: addresses, grace, leases, death of servers. */
#include "reg_rules.h"

#define TCP_ADDRESS "127.0.0.1:7411"

enum { GRACE_MS = 500 };	/* of a new server */

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

TESTS(reg_tcp, joins, server_killed, ipv6, leases, news, two_of_a_name, addresses);
