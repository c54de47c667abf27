/* SPDX-License-Identifier: MIT */
/*
 * Nodes of several hosts whose registry is an etcd of three members, of which some die or
 * are cut off while channels are opened. A name is never two channels then, everybody finds
 * everybody, no join fails, or takes longer than elections do, while two members are left,
 * and without them channels that are open go on.
 *
 *	hosts 127.0.2.1 ... 127.0.2.4	each a process with a node that listens
 *	etcd  127.0.1.1 ... 127.0.1.3	each a process and a user of its own
 *
 * Each scenario has a network namespace and a cluster of its own, and they run beside each
 * other: most of their time is that of etcd's elections.
 */
#include <stdlib.h>

#include "cluster.h"
#include "../etcd.h"

enum {
	HOSTS = 4,
	JOIN_BAR_MS = 3000,	/* an election takes 1 to 2 s */
	BUSY_BAR_MS = 6000,	/* two of them, beside those of other clusters */
	SHORT_MS = 1000,	/* a join that is to fail */
#ifdef SANITIZED
	JOIN_MS = 3 * SOON_MS,	/* a join that is not: a request to who is cut off takes 7 s */
#else
	JOIN_MS = SOON_MS,
#endif
	INSTANT_US = 20000,	/* a member dies within this of the joins */
	CONTACT_GONE_MS = 5000,	/* a lease, and as much for a busy machine and etcd */
	ROUNDS_LONG = 20,
	JOINS_LONG = 1000,
	KILL_EVERY_MS = 10000,
	JOIN_EVERY_MS = 240,	/* of each host: so its joins take six kills */
};

/* The host's process writes what is below @stop, the test what is above. */
struct host {
	pid_t pid;
	const char *registry;
	char name[32];
	unsigned int i;
	bool go, stop;
	bool attached, joined;
	int err;
	long members;
	u64 join_ms, joins;
	u8 uuid[16];
	char why[400];
};

static struct host *hosts;
static struct etcd etcd;

/* -------------------------------------------------------------------- a host */

static int give_up(struct host *h, int err)
{
	snprintf(h->why, sizeof(h->why), "%s", kecho_explain());
	smp_store_release(&h->err, err);
	return 1;
}

static int attach(struct host *h, struct kecho **k)
{
	char listen[24];
	struct kecho_options opt = { .listen = listen, .registry = h->registry,
				     .timeout_ms = SOON_MS };
	int err;

	snprintf(listen, sizeof(listen), "127.0.2.%u", h->i + 1);
	err = kecho_open(k, &opt);
	if (!err)
		smp_store_release(&h->attached, true);
	return err;
}

static int host(void *arg)
{
	struct kecho_channel_options opt = { .timeout_ms = JOIN_MS };
	struct kecho_channel *ch;
	struct host *h = arg;
	struct kecho_sink *s;
	struct kecho *k;
	u64 begin;
	int err = attach(h, &k);

	if (err)
		return give_up(h, err);
	while (!smp_load_acquire(&h->go))
		sleep_us(STEP_US);
	begin = now_ns();
	err = kecho_channel_open(k, h->name, &opt, &ch);
	h->join_ms = (now_ns() - begin) / 1000000;
	err = err ?: kecho_sink_open(ch, NULL, &s);
	if (err)
		return give_up(h, err);
	kecho_channel_uuid(ch, h->uuid);
	smp_store_release(&h->joined, true);
	while (!smp_load_acquire(&h->stop)) {
		WRITE_ONCE(h->members, kecho_members(ch, NULL, 0));
		sleep_us(STEP_US);
	}
	kecho_close(k);
	return 0;
}

static void settle(unsigned int i, const char *name, int (*fn)(void *arg))
{
	struct host *h = &hosts[i];

	memset(h, 0, sizeof(*h));
	snprintf(h->name, sizeof(h->name), "%s", name);
	h->registry = etcd.endpoints;
	h->i = i;
	h->pid = spawn(fn, h);
}

static bool all_attached(const char *name)
{
	unsigned int i;

	for (i = 0; i < HOSTS; i++)
		settle(i, name, host);
	for (i = 0; i < HOSTS; i++)
		if (!ok(comes_true(smp_load_acquire(&hosts[i].attached) ||
				   smp_load_acquire(&hosts[i].err)) && hosts[i].attached,
			"attached: %s", hosts[i].why))
			return false;
	return true;
}

static void let_go(unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		smp_store_release(&hosts[from].go, true);
}

/* Under a sanitizer times mean nothing. */
static void in_time(const char *what, u64 ms, u64 bar_ms)
{
#ifdef SANITIZED
	bar_ms = U64_MAX;
#endif
	ok(ms <= bar_ms, "%s: after %llu ms", what, (unsigned long long)ms);
}

static u64 worst_ms;

static bool joins_or_fails(const struct host *h)
{
	return smp_load_acquire(&h->joined) || smp_load_acquire(&h->err);
}

static void all_join(void)
{
	unsigned int i, n;

	for (i = 0; i < HOSTS; i++) {
		struct host *h = &hosts[i];

		for (n = 0; n < JOIN_MS / SOON_MS && !comes_true(joins_or_fails(h)); n++)
			;
		ok(h->joined, "%s: %d %s", h->name, h->err, h->why);
		worst_ms = max(worst_ms, h->join_ms);
		in_time(h->name, h->join_ms, BUSY_BAR_MS);
		ok(!memcmp(h->uuid, hosts[0].uuid, sizeof(h->uuid)), "%s: one channel", h->name);
	}
	for (i = 0; i < HOSTS; i++)
		ok(comes_true(READ_ONCE(hosts[i].members) == HOSTS), "host %u sees %ld of %d", i,
		   hosts[i].members, HOSTS);
}

/* The last one dies; the others close. */
static void all_leave(void)
{
	unsigned int i;

	put_down(hosts[HOSTS - 1].pid);
	for (i = 0; i < HOSTS - 1; i++)
		smp_store_release(&hosts[i].stop, true);
	for (i = 0; i < HOSTS - 1; i++)
		is_eq(ends(hosts[i].pid), 0, "host %u closes", i);
}

/* ------------------------------------------------------------------- a cluster */

static bool cluster(void)
{
	unsigned int i;

	if (!etcd_start(&etcd, 3, NULL))
		return false;
	for (i = 1; i <= 3; i++)
		if (!etcd_wait(i))
			return false;
	return true;
}

/* Hosts join a new name, some before and some after something is done to member @i, which
 * is mended again. */
static void round_of(const char *name, bool (*harm)(unsigned int i), bool (*mend)(unsigned int i),
		     unsigned int i)
{
	if (!all_attached(name))
		return;
	let_go(0, HOSTS / 2);
	sleep_us(rand() % INSTANT_US);
	ok(harm(i), "harm");
	let_go(HOSTS / 2, HOSTS);
	all_join();
	ok(mend(i) && etcd_wait(i), "mended");
	all_leave();
}

static bool kill_member(unsigned int i)
{
	etcd_kill(&etcd, i);
	return true;
}

static bool run_member(unsigned int i)
{
	return etcd_run(&etcd, i);
}

/* What member @i says to the others, on either side of a connection, does not come. */
static bool cut(unsigned int i)
{
	static const char filter[] =
		"nft 'add table inet cut; "
		"add chain inet cut out { type filter hook output priority 0; }; "
		"add rule inet cut out meta skuid %u tcp dport %d drop; "
		"add rule inet cut out meta skuid %u tcp sport %d drop'";
	char command[sizeof(filter) + 32];

	snprintf(command, sizeof(command), filter, ETCD_UID + i, ETCD_PORT + 1, ETCD_UID + i,
		 ETCD_PORT + 1);
	return !system(command);
}

static bool heal(unsigned int i)
{
	(void)i;
	return !system("nft delete table inet cut");
}

static void say_worst(const char *what)
{
	pr_info("# %s: slowest join %llu ms\n", what, (unsigned long long)worst_ms);
}

/* A leader, then one that follows. */
static void members_killed(void)
{
	unsigned int i, rounds = long_run() ? ROUNDS_LONG : 2, member;
	char name[32];

	if (!ok(cluster(), "a cluster"))
		return;
	for (i = 0; i < rounds; i++) {
		snprintf(name, sizeof(name), "killed-%u", i);
		if (!ok(comes_true((member = etcd_leader(&etcd))), "a leader"))
			return;
		round_of(name, kill_member, run_member, i % 2 ? member % 3 + 1 : member);
	}
	say_worst("members killed");
}

static void leader_cut(void)
{
	unsigned int i, rounds = long_run() ? ROUNDS_LONG : 1, member;
	char name[32];

	if (!ok(cluster(), "a cluster"))
		return;
	for (i = 0; i < rounds; i++) {
		snprintf(name, sizeof(name), "cut-%u", i);
		if (!ok(comes_true((member = etcd_leader(&etcd))), "a leader"))
			return;
		round_of(name, cut, heal, member);
	}
	say_worst("leader cut off");
}

/* ---------------------------------------------------------------- no quorum */

static int publish(struct kecho_source *src, struct kecho_sink *snk, u64 number)
{
	struct kecho_event ev;
	int err = kecho_submit(src, &number, sizeof(number), 0);

	err = err ?: kecho_read(snk, &ev, SOON_MS);
	if (err < 0)
		return err;
	return ev.kind == KECHO_EVENT && !memcmp(ev.data, &number, sizeof(number)) ? 0 : -EBADMSG;
}

/* The contacts that the registry knows; -1: it doesn't know @name. */
static long contacts_of(struct kecho *k, const char *name)
{
	struct kecho_channel_info c[16];
	ssize_t n = kecho_channels(k, c, ARRAY_SIZE(c)), i;

	for (i = 0; i < n; i++)
		if (!strcmp(c[i].name, name))
			return c[i].contacts;
	return n < 0 ? n : -1;
}

/* A host that dies is no contact two leases later, and the channel is the same. */
static void host_dies(struct kecho *k, const u8 uuid[16])
{
	u64 begin;

	ok(comes_true(contacts_of(k, "open") == 2), "it is one");
	begin = now_ns();
	put_down(hosts[0].pid);
	ok(comes_true(contacts_of(k, "open") == 1), "it is gone");
	in_time("gone", (now_ns() - begin) / 1000000, CONTACT_GONE_MS);
	ok(!memcmp(uuid, hosts[0].uuid, 16), "one channel");
}

static void without_quorum(struct kecho *k, struct kecho_source *src, struct kecho_sink *snk)
{
	const struct kecho_channel_options opt = { .timeout_ms = SHORT_MS };
	struct kecho_channel *ch;

	etcd_kill(&etcd, 1);
	etcd_kill(&etcd, 2);
	is_eq(kecho_channel_open(k, "other", &opt, &ch), -ETIMEDOUT, "no join");
	ok(strstr(kecho_explain(), "http://127.0.1."), "%s", kecho_explain());
	is_eq(publish(src, snk, 2), 0, "the open channel goes on");
	ok(etcd_run(&etcd, 1) && etcd_run(&etcd, 2) && etcd_wait(1), "members");
	ok(comes_true(!kecho_channel_open(k, "other", NULL, &ch)), "%s", kecho_explain());
	kecho_channel_close(ch);
	ok(comes_true(contacts_of(k, "open") == 1), "published again");
	is_eq(publish(src, snk, 3), 0, "it goes on");
}

static void quorum_lost(void)
{
	const struct kecho_options opt = { .listen = "127.0.2.9", .registry = etcd.endpoints,
					   .timeout_ms = SOON_MS };
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;
	u8 uuid[16];

	if (!ok(cluster(), "a cluster"))
		return;
	settle(0, "open", host);	/* while this process has one thread */
	if (!is_eq(kecho_open(&k, &opt), 0, "%s", kecho_explain()) ||
	    !is_eq(kecho_channel_open(k, "open", NULL, &ch), 0, "%s", kecho_explain()) ||
	    !is_eq(kecho_source_open(ch, NULL, &src), 0, "%s", kecho_explain()) ||
	    !is_eq(kecho_sink_open(ch, NULL, &snk), 0, "%s", kecho_explain()))
		return;
	kecho_channel_uuid(ch, uuid);
	let_go(0, 1);
	ok(comes_true(smp_load_acquire(&hosts[0].joined)), "another host");
	is_eq(publish(src, snk, 1), 0, "an event");
	host_dies(k, uuid);	/* before an election prolongs its lease */
	without_quorum(k, src, snk);
	kecho_close(k);
}

/* --------------------------------------------------- a thousand joins, if long */

/* Opens and closes names that others hold, and new ones. */
static int joiner(void *arg)
{
	struct kecho_channel_options opt = { .timeout_ms = SOON_MS };
	struct kecho_channel *ch;
	struct host *h = arg;
	char name[48];
	struct kecho *k;
	u64 begin, ms;
	int err = attach(h, &k);

	if (err)
		return give_up(h, err);
	while (!smp_load_acquire(&h->go))
		sleep_us(STEP_US);
	while (h->joins < JOINS_LONG / HOSTS) {
		snprintf(name, sizeof(name), "many-%llu", (unsigned long long)(h->joins / 2));
		begin = now_ns();
		err = kecho_channel_open(k, name, &opt, &ch);
		if (err)
			return give_up(h, err);
		ms = (now_ns() - begin) / 1000000;
		h->join_ms = max(h->join_ms, ms);
		kecho_channel_close(ch);
		WRITE_ONCE(h->joins, h->joins + 1);
		sleep_us(JOIN_EVERY_MS * 1000);
	}
	smp_store_release(&h->joined, true);
	kecho_close(k);
	return 0;
}

static bool all_done(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < HOSTS; i++)
		n += smp_load_acquire(&hosts[i].joined) || smp_load_acquire(&hosts[i].err);
	return n == HOSTS;
}

static void thousand_joins(void)
{
	unsigned int i, kills = 0;

	if (!ok(cluster(), "a cluster"))
		return;
	for (i = 0; i < HOSTS; i++)
		settle(i, "", joiner);
	let_go(0, HOSTS);
	while (!all_done()) {
		i = kills % 2 ? etcd_leader(&etcd) ?: 1 : kills % 3 + 1;
		etcd_kill(&etcd, i);
		sleep_us(KILL_EVERY_MS / 2 * 1000);
		ok(etcd_run(&etcd, i), "member %u", i);
		sleep_us(KILL_EVERY_MS / 2 * 1000);
		kills++;
	}
	for (i = 0; i < HOSTS; i++) {
		struct host *h = &hosts[i];

		is_eq(ends(h->pid), 0, "%d %s", h->err, h->why);
		is_eq(h->joins, JOINS_LONG / HOSTS, "host %u", i);
		worst_ms = max(worst_ms, h->join_ms);
	}
	ok(worst_ms <= JOIN_BAR_MS, "%llu ms", (unsigned long long)worst_ms);
	pr_info("# %d joins, %u members killed; slowest %llu ms\n", JOINS_LONG, kills,
		(unsigned long long)worst_ms);
}

/* ------------------------------------------------------------------- scenarios */

/* In a process, a namespace and a cluster of its own. */
static int scenario(void *arg)
{
	void (*const *fn)(void) = arg;

	hosts = shared(HOSTS * sizeof(*hosts));
	if (ok(hosts && !unshare(CLONE_NEWNET) && up("lo"), "a place of its own"))
		(*fn)();
	etcd_end(&etcd);
	return tap_state.failed || !tap_state.checks;
}

TEST(members)
{
	static void (*fn[])(void) = { members_killed, leader_cut, quorum_lost, thousand_joins };
	unsigned int i, n = ARRAY_SIZE(fn) - !long_run();
	pid_t pid[ARRAY_SIZE(fn)];
	int status;

	ARENA();
	for (i = 0; i < n; i++)
		pid[i] = spawn(scenario, &fn[i]);
	for (i = 0; i < n; i++)
		ok(waitpid(pid[i], &status, 0) == pid[i] && !status, "scenario %u", i);
}

TESTS(etcd, members);
