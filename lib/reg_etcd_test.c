/* SPDX-License-Identifier: MIT */
/*
 * The tie to a registry that is kept in etcd, of one member: the rules of every registry,
 * and what only this one does.
 */
#include "reg_rules.h"
#include "../tests/etcd.h"

enum {
	MANY = 300,		/* names: more keys than are listed at once */
	CLOSE_MS = 1000,	/* a close, whatever etcd does, with room for a busy machine */
};

#define THREE		"http://a:1,http://b:1,http://c:1"
#define NINE_OF_THEM	"etcd:" THREE "," THREE "," THREE

static struct etcd etcd;

static void etcd_gone(void)
{
	etcd_end(&etcd);
}

/* One for all tests, empty again for each. */
static bool fresh(void)
{
	/* "/kecho/" up to "/kecho0" */
	static const char all[] = "{\"key\":\"L2tlY2hvLw==\",\"range_end\":\"L2tlY2hvMA==\"}";

	if (!etcd.n) {
		atexit(etcd_gone);
		if (!etcd_start(&etcd, 1, NULL) || !etcd_wait(1))
			return false;
	}
	return etcd_http(1, "POST", "/v3/kv/deleterange", all);
}

#define WITH_ETCD()								\
	do {									\
		ARENA();							\
		must(fresh(), "etcd runs");					\
	} while (0)

TEST(joins)
{
	WITH_ETCD();
	rule_joins(etcd.endpoints);
}

TEST(flags)
{
	WITH_ETCD();
	rule_flags(etcd.endpoints);
}

TEST(room_for_another_contact)
{
	WITH_ETCD();
	rule_room(etcd.endpoints);
}

/* The contacts die; who was none still holds the name, and is found as one. */
static void held_by_another(const char *address)
{
	struct node n[4] = {}, late = {};
	struct ke_id uuid;
	unsigned int i;

	if (nodes_open(n, 4, address)) {
		for (i = 0; i < 4; i++)
			is_eq(join(&n[i], "x"), 0, "%s", n[i].r.why);
		uuid = n[3].r.uuid;
		for (i = 0; i < 3; i++)
			node_end(&n[i], SIGKILL);
		comes_to(&n[3], "x", 0);
		must(node_new(&late, 9), "node");
		is_eq(call(&late, OPEN, address, 0, LONG_MS), 0, "%s", late.r.why);
		tell(&late, JOIN, "x", 0, LONG_MS);
		/* Those of the dead have ended by then. */
		poll(NULL, 0, 2 * KE_LEASE_MS);
		call(&n[3], REPAIR, "x", 0, 0);
		is_eq(hear(&late), 0, "%s", late.r.why);
		ok(!ke_id_cmp(&late.r.uuid, &uuid), "the same channel");
		is_eq(late.r.n, 1, "by the one that was left");
	}
	node_end(&late, 0);
	nodes_end(n, 4);
}

/* In a process, a namespace and an etcd of its own; gives its process. */
static pid_t begin(void (*rule)(const char *address))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(&etcd, 0, sizeof(etcd));
	if (ok(enter() && etcd_start(&etcd, 1, NULL) && etcd_wait(1), "etcd runs"))
		rule(etcd.endpoints);
	etcd_end(&etcd);
	_exit(tap_state.failed || !tap_state.checks);
}

/* Those that wait for leases to end, all at once. */
TEST(leases)
{
	void (*const rules[])(const char *address) = { rule_repair, rule_leases,
						       rule_two_of_a_name, held_by_another };
	pid_t pid[ARRAY_SIZE(rules)];
	unsigned int i;
	int status;

	ARENA();
	for (i = 0; i < ARRAY_SIZE(rules); i++)
		pid[i] = begin(rules[i]);
	for (i = 0; i < ARRAY_SIZE(rules); i++)
		ok(waitpid(pid[i], &status, 0) == pid[i] && !status, "rule %u", i);
}

TEST(news_and_told)
{
	struct node n[2] = {};

	WITH_ETCD();
	if (nodes_open(n, 2, etcd.endpoints)) {
		join(&n[0], "a/b%c");
		join(&n[1], "a/b%c");
		call(&n[1], REPAIR, "a/b%c", 0, 0);
		is_eq(call(&n[1], NEWS, "", 0, LONG_MS), 0, "a repair's answer is news");
		is_str(n[1].r.news.name, "a/b%c", "its name");
		ok(n[1].r.news.named && n[1].r.news.contact, "all is as it was");
		is_eq(n[1].r.news.n, 1, "the other contact");
		is_eq(n[1].r.news.contacts[0].incarnation, 1, "it is");
		is_eq(call(&n[0], TOLD, "", 0, LONG_MS), 0, "the other is told");
		is_eq(n[0].r.contacts[0].incarnation, 2, "by whom");
		is_str(n[0].r.contacts[0].address, "192.0.2.2:1", "and where it is");
		ok(!ke_id_cmp(&n[0].r.uuid, &n[1].r.news.uuid), "of which channel");
		is_eq(call(&n[0], TOLD, "", 0, SETTLE_MS), -ETIMEDOUT, "once");
	}
	nodes_end(n, 2);
}

/* The other contact hears of it by itself: what it had published is gone. */
TEST(ended)
{
	struct node n[3] = {};
	struct ke_id uuid;

	WITH_ETCD();
	if (nodes_open(n, 3, etcd.endpoints)) {
		join(&n[0], "x");
		join(&n[1], "x");
		uuid = n[1].r.uuid;
		is_eq(call(&n[0], END, "x", 0, LONG_MS), 0, "ended");
		is_eq(call(&n[2], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), 0, "%s", n[2].r.why);
		ok(ke_id_cmp(&n[2].r.uuid, &uuid), "the name is free for another");
		is_eq(call(&n[1], NEWS, "", 0, LONG_MS), 0, "news");
		ok(n[1].r.news.ended, "it does not come back");
	}
	nodes_end(n, 3);
}

TEST(lists)
{
	static const char odd[] = "\xc3\xa4/%\\\"\x7f";
	struct node n[2] = {};
	char name[KE_NAME_MAX + 1];
	unsigned int i, bad = 0;

	WITH_ETCD();
	if (nodes_open(n, 2, etcd.endpoints)) {
		for (i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "%0*u", KE_NAME_MAX, i);
			bad += join(&n[1], name) != 0;
		}
		is_eq(bad, 0, "joined");
		call(&n[0], LIST, "", 0, LONG_MS);
		is_eq(n[0].r.value, MANY, "all are listed");
		snprintf(name, sizeof(name), "%0*u", KE_NAME_MAX, 3);
		is_str(n[0].r.info[3].name, name, "in order");
		is_eq(n[0].r.info[3].contacts, 1, "with contacts");
		join(&n[0], odd);
		call(&n[0], LIST, "", 0, LONG_MS);
		is_eq(n[0].r.value, MANY + 1, "one more");
		is_str(n[0].r.info[0].name, odd, "of all bytes that a name may have");
	}
	nodes_end(n, 2);
}

/* What somebody has deleted is published again, as the same channel. */
TEST(deleted)
{
	struct node n[2] = {};
	struct ke_id uuid;

	WITH_ETCD();
	if (nodes_open(n, 2, etcd.endpoints)) {
		join(&n[0], "x");
		uuid = n[0].r.uuid;
		must(fresh(), "deleted");
		comes_to(&n[1], "x", 1);
		ok(!ke_id_cmp(&n[1].r.uuid, &uuid), "the same channel");
	}
	nodes_end(n, 2);
}

/* etcd hangs: calls end in time and name it, a close at once; then it all goes on. */
TEST(hangs)
{
	struct node n[2] = {};
	u64 begin;

	WITH_ETCD();
	if (nodes_open(n, 2, etcd.endpoints)) {
		join(&n[0], "x");
		kill(etcd.pid[1], SIGSTOP);
		is_eq(call(&n[0], JOIN, "y", 0, LONG_MS / 10), -ETIMEDOUT, "no answer");
		ok(strstr(n[0].r.why, "http://127.0.1.1:2379: "), "%s", n[0].r.why);
		begin = now_ms();
		call(&n[1], CLOSE, "", 0, 0);
#ifndef SANITIZED
		ok(now_ms() - begin < CLOSE_MS, "closed after %llu ms",
		   (unsigned long long)(now_ms() - begin));
#else
		(void)begin;
#endif
		is_eq(call(&n[1], OPEN, etcd.endpoints, 0, LONG_MS / 20), -ETIMEDOUT, "nor here");
		ok(strstr(n[1].r.why, "http://127.0.1.1:2379: "), "%s", n[1].r.why);
		kill(etcd.pid[1], SIGCONT);
		is_eq(join(&n[0], "y"), 0, "%s", n[0].r.why);
		is_eq(call(&n[1], OPEN, etcd.endpoints, 0, LONG_MS), 0, "%s", n[1].r.why);
		comes_to(&n[1], "x", 1);
		/* What nobody waited for was withdrawn, and joined again since. */
		comes_to(&n[1], "y", 1);
	}
	nodes_end(n, 2);
}

TEST(addresses)
{
	static const char *const bad[] = {
		"etcd:", "etcd:127.0.0.1:2379", "etcd:http://127.0.0.1", "etcd:ftp://127.0.0.1:1",
		"etcd:http://127.0.0.1:2379/", "etcd:http://127.0.0.1:2379,",
		"etcd:http://user@127.0.0.1:2379", "etcd:http://127.0.0.1:99999",
		"etcd:http://[::1:2379", NINE_OF_THEM,
	};
	struct node n = {};
	unsigned int i;

	ARENA();
	must(node_new(&n, 1), "node");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		is_eq(call(&n, OPEN, bad[i], 0, 100), -EINVAL, "%s: %s", bad[i], n.r.why);
	is_eq(call(&n, OPEN, "etcd:http://[::1]:2,https://localhost:2,http://[2001:db8::1]:2", 0,
		   100), -ETIMEDOUT, "three that are good");
	ok(strstr(n.r.why, "etcd at http"), "%s", n.r.why);
	node_end(&n, 0);
}

/* In the node's process only. */
TEST(environment)
{
	static const struct {
		const char *variable, *value;
		int err;
		const char *why;
	} bad[] = {
		{ "KECHO_ETCD_SO", "/nowhere/etcd.so", -ELIBACC, "/nowhere/etcd.so: cannot open" },
		{ "ETCDCTL_CACERT", "/nowhere/ca", -ENOENT, "ETCDCTL_CACERT=/nowhere/ca: No such" },
		{ "ETCDCTL_CERT", "/dev/null", -EINVAL, "ETCDCTL_KEY one alone" },
		{ "ETCDCTL_USER", "root", -EINVAL, "without ETCDCTL_PASSWORD" },
	};
	struct node n;
	unsigned int i;
	char *was;

	ARENA();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		was = getenv(bad[i].variable);
		setenv(bad[i].variable, bad[i].value, 1);
		n = (struct node){};
		if (node_new(&n, 1)) {
			is_eq(call(&n, OPEN, "etcd:http://127.0.0.1:1", 0, 100), bad[i].err, "%s",
			      n.r.why);
			ok(strstr(n.r.why, bad[i].why), "%s", n.r.why);
		}
		node_end(&n, 0);
		if (was)
			setenv(bad[i].variable, was, 1);
		else
			unsetenv(bad[i].variable);
	}
}

TESTS(reg_etcd, joins, flags, room_for_another_contact, leases, news_and_told, ended, lists,
      deleted, hangs, addresses, environment);
