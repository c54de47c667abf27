/* SPDX-License-Identifier: MIT */
/* The tie to the registry over TCP: addresses, grace, leases, death of servers. */
#include "reg_test.h"

#define TCP_ADDRESS "127.0.0.1:7411"

enum { GRACE_MS = 500 };	/* of a new server */

TEST(joins)
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

/* A contact whose process hangs goes with its lease, and comes back with it. */
TEST(leases)
{
	struct node n[3] = {};

	ARENA();
	if (nodes_open(n, 3, TCP_ADDRESS)) {
		join(&n[0], "x");
		join(&n[1], "x");
		join(&n[2], "x");
		node_stop(&n[2]);
		comes_to(&n[0], "x", 1);
		kill(n[2].pid, SIGCONT);
		comes_to(&n[0], "x", 2);
		comes_to(&n[1], "x", 2);
	}
	nodes_end(n, 3);
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

/* Takes news until there is this. */
static bool is_told(struct node *n, const char *name, bool named)
{
	while (!call(n, NEWS, "", 0, LONG_MS))
		if (!strcmp(n->r.news.name, name) && n->r.news.named == named)
			return true;
	return false;
}

/*
 * A channel's only node stands still for so long that its name is given away. It is told,
 * as is who looks at the list; and has the name again when the other channel is over.
 */
TEST(two_of_a_name)
{
	struct node n[3] = {};
	struct ke_id first;

	ARENA();
	if (nodes_open(n, 3, TCP_ADDRESS)) {
		join(&n[1], "also");
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		first = n[1].r.uuid;
		node_stop(&n[1]);
		comes_to(&n[2], "x", 0);
		is_eq(join(&n[2], "x"), 0, "%s", n[2].r.why);
		ok(ke_id_cmp(&n[2].r.uuid, &first), "another channel");
		is_eq(n[2].r.n, 0, "alone");
		kill(n[1].pid, SIGCONT);
		ok(is_told(&n[1], "x", false), "it is told");
		ok(!ke_id_cmp(&n[1].r.news.uuid, &first), "that its channel");
		ok(!ke_id_cmp(&n[1].r.news.other, &n[2].r.uuid), "is this one now");
		call(&n[0], LIST, "", 0, LONG_MS);
		is_eq(n[0].r.value, 3, "also, and twice x");
		is_str(n[0].r.info[2].name, "x", "the one that nobody finds last");
		ok(!ke_id_cmp(&n[0].r.info[2].uuid, &first), "which is the first's");
		ok(n[0].r.info[2].other && !n[0].r.info[0].other, "and marked");
		call(&n[2], LEAVE, "x", 0, 0);
		ok(is_told(&n[1], "x", true), "it is told");
		ok(n[1].r.news.contact, "that it has it again");
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		ok(!ke_id_cmp(&n[0].r.uuid, &first), "it has");
	}
	nodes_end(n, 3);
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
