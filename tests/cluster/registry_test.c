/* SPDX-License-Identifier: MIT */
/*
 * Names outlive those who know them: the registry's process, the contacts, and all of
 * them at once, die at any instant while others join. A name is never two channels then,
 * and a join takes no longer than JOIN_BAR_MS. Where two channels of one name cannot be
 * helped (all who knew the first stood still for too long), both sides are told.
 *
 * A node is a process with one sink in one channel, in a row of seats.
 */
#include <stdlib.h>
#include <sys/un.h>

#include "cluster.h"

enum {
	LEASE_MS = 2000,	/* of a contact */
	CONTACTS = 3,		/* that a name has */
	PLACES = 8,		/* where a registry may be */
	/* A new registry waits for a lease, and a name that lost its contacts too. */
	JOIN_BAR_MS = 2 * LEASE_MS,
	SEATS = 24,
	NODES = 20,		/* that race to be the registry */
	MEMBERS = 10,		/* of the channel whose contacts die */
	KILLS = 6,
	KILLS_LONG = 150,
	CRASHES = 3,
	CRASHES_LONG = 60,
	INSTANT_US = 20000,	/* a kill comes within this of what it hits */
	LOOK_US = 5000,
};

/* The node's process writes what is below @stop, the test what is above. */
struct seat {
	pid_t pid;
	char channel[32], also[32], listen[32];
	bool tcp, go, stop;
	bool attached, joined;
	int err, other;
	long members;
	u64 join_ms;
	u8 uuid[16], other_uuid[16];
	const char *doing;
	char why[200];
};

static struct seat *seats;

/* -------------------------------------------------------------------- a node */

static int give_up(struct seat *s, int err)
{
	snprintf(s->why, sizeof(s->why), "%s", kecho_explain());
	WRITE_ONCE(s->err, err);
	return 1;
}

static int open_it(struct seat *s, struct kecho *k, struct kecho_channel **ch)
{
	const struct kecho_channel_options opt = { .timeout_ms = SOON_MS };
	struct kecho_channel *also;
	struct kecho_sink *snk;
	u64 begin = now_ns();
	int err;

	WRITE_ONCE(s->doing, "opens the channel");
	err = kecho_channel_open(k, s->channel, &opt, ch);
	s->join_ms = (now_ns() - begin) / 1000000;
	WRITE_ONCE(s->doing, "becomes a sink");
	if (!err)
		err = kecho_sink_open(*ch, NULL, &snk);
	WRITE_ONCE(s->doing, "opens the other channel");
	if (!err && s->also[0])
		err = kecho_channel_open(k, s->also, &opt, &also);
	if (!err)
		kecho_channel_uuid(*ch, s->uuid);
	return err;
}

static int node(void *arg)
{
	struct seat *s = arg;
	const struct kecho_options opt = { .listen = s->listen[0] ? s->listen : NULL,
					   .registry = s->tcp ? REGISTRY : NULL,
					   .timeout_ms = SOON_MS };
	struct kecho_channel *ch;
	struct kecho *k;
	int err = kecho_open(&k, &opt);

	if (err)
		return give_up(s, err);
	smp_store_release(&s->attached, true);
	while (!smp_load_acquire(&s->go))
		sleep_us(STEP_US);
	if (s->channel[0]) {
		err = open_it(s, k, &ch);
		if (err)
			return give_up(s, err);
		smp_store_release(&s->joined, true);
	}
	while (!smp_load_acquire(&s->stop)) {
		if (s->joined) {
			WRITE_ONCE(s->members, kecho_members(ch, NULL, 0));
			WRITE_ONCE(s->other, kecho_channel_other(ch, s->other_uuid));
		}
		sleep_us(LOOK_US);
	}
	kecho_close(k);
	return 0;
}

/* Sits @i down; it attaches, and opens @channel (if any) when it is let go. */
static struct seat *sit(unsigned int i, const char *channel, bool tcp, bool go)
{
	struct seat *s = &seats[i];

	memset(s, 0, sizeof(*s));
	s->doing = "attaches";
	snprintf(s->channel, sizeof(s->channel), "%s", channel);
	if (tcp)
		snprintf(s->listen, sizeof(s->listen), "127.0.0.%u", i + 1);
	s->tcp = tcp;
	s->go = go;
	s->pid = spawn(node, s);
	return s;
}

static bool has_joined(struct seat *s)
{
	return ok(comes_true(smp_load_acquire(&s->joined) || READ_ONCE(s->err)) && s->joined,
		  "%s: %d %s: %s", s->channel, s->err, READ_ONCE(s->doing), s->why);
}

/* One after the other, so that the first are the contacts. */
static bool all_join(unsigned int from, unsigned int to, const char *channel, bool tcp)
{
	for (; from < to; from++)
		if (!has_joined(sit(from, channel, tcp, true)))
			return false;
	return true;
}

static void stand_up(struct seat *s, int sig)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, sig);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

static void all_stand_up(void)
{
	unsigned int i;

	for (i = 0; i < SEATS; i++)
		stand_up(&seats[i], SIGKILL);
}

static bool same(const struct seat *a, const struct seat *b)
{
	return !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

/* All nodes from @from on see all members of their channel. */
static void all_see(unsigned int from, unsigned int to, long members)
{
	unsigned int i;

	for (i = from; i < to; i++)
		if (seats[i].pid)
			ok(comes_true(READ_ONCE(seats[i].members) == members),
			   "seat %u sees %ld of %ld members", i, seats[i].members, members);
}

static u64 worst_ms;

static bool in_time(const struct seat *s)
{
	worst_ms = max(worst_ms, s->join_ms);
#ifdef SANITIZED
	return true;
#else
	return ok(s->join_ms <= JOIN_BAR_MS, "%s: joined after %llu ms", s->channel,
		  (unsigned long long)s->join_ms);
#endif
}

static bool prepare(void)
{
	if (!seats)
		seats = shared(SEATS * sizeof(*seats));
	srand(1);
	return ok(seats, "memory");
}

/* Who serves the registry of this user at place @k; 0: nobody. */
static pid_t server_at(unsigned int k)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char suffix[8] = "";
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ucred cred = { 0 };
	socklen_t size = sizeof(cred);

	if (k)
		snprintf(suffix, sizeof(suffix), ".%u", k);
	len = offsetof(struct sockaddr_un, sun_path) + 1 +
	      snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "kecho/%u/registry%s", geteuid(),
		       suffix);
	if (connect(fd, (struct sockaddr *)&un, len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		cred.pid = 0;
	close(fd);
	return cred.pid;
}

/* One serves, no less and no more. */
static pid_t server(void)
{
	unsigned int k, n = 0;
	pid_t pid = 0, found;

	for (k = 0; k < PLACES; k++) {
		found = server_at(k);
		n += !!found;
		pid = found ?: pid;
	}
	return n == 1 ? pid : 0;
}

static struct seat *server_seat(void)
{
	pid_t pid = 0;
	unsigned int i;

	if (!comes_true((pid = server())))
		return NULL;
	for (i = 0; i < SEATS; i++)
		if (seats[i].pid == pid)
			return &seats[i];
	return NULL;
}

/* ------------------------------------------------------------ the server dies */

/*
 * A node joins the old channel, two make one new name: then the registry's process is
 * killed, at any instant between their first request and the last answer.
 */
static void kill_server(unsigned int round, const struct seat *first)
{
	struct seat *was = server_seat(), *came[3];
	unsigned int i, n;
	char name[32];

	if (!ok(was, "the server is one of ours"))
		return;
	snprintf(name, sizeof(name), "new-%u", round);
	for (i = n = 0; i < SEATS && n < 3; i++)
		if (!seats[i].pid) {
			came[n] = sit(i, n ? name : "old", false, false);
			n++;
		}
	for (i = 0; i < n; i++)
		ok(comes_true(smp_load_acquire(&came[i]->attached)), "attached");
	for (i = 0; i < n; i++)
		smp_store_release(&came[i]->go, true);
	sleep_us(rand() % INSTANT_US / (round % 2 ? 1 : 20));
	stand_up(was, SIGKILL);
	for (i = 0; i < n; i++)
		if (has_joined(came[i]))
			in_time(came[i]);
	ok(same(came[0], first), "the old name is the old channel");
	ok(same(came[1], came[2]), "the new name is one");
	stand_up(came[1], SIGKILL);
	stand_up(came[2], SIGKILL);
}

TEST(server_killed)
{
	unsigned int i, kills = long_run() ? KILLS_LONG : KILLS;
	struct seat first;

	ARENA();
	must(prepare(), "seats");
	if (all_join(0, NODES, "old", false)) {
		first = seats[0];
		for (i = 0; i < kills; i++)
			kill_server(i, &first);
		all_see(0, SEATS, NODES);
		pr_info("# %u servers killed; slowest join %llu ms\n", kills,
			(unsigned long long)worst_ms);
	}
	all_stand_up();
}

/* ----------------------------------------------------------- the contacts die */

/* Seat 0 is the registry only; the contacts are the seats behind it. */
static void contacts_end(bool tcp, int sig)
{
	struct seat *late;
	unsigned int i;
	u64 begin;

	must(prepare(), "seats");
	sit(0, "", tcp, true);
	ok(comes_true(smp_load_acquire(&seats[0].attached)), "the registry");
	if (all_join(1, 1 + MEMBERS, "x", tcp)) {
		all_see(1, 1 + MEMBERS, MEMBERS);
		for (i = 1; i <= CONTACTS; i++)
			kill(seats[i].pid, sig);
		begin = now_ns();
		late = sit(1 + MEMBERS, "x", tcp, true);
		if (has_joined(late)) {
			ok(same(late, &seats[1 + MEMBERS - 1]), "the same channel");
			all_see(1 + MEMBERS, 2 + MEMBERS, MEMBERS - CONTACTS + 1);
			late->join_ms = (now_ns() - begin) / 1000000;
			in_time(late);
			pr_info("# a newcomer has found all after %llu ms\n",
				(unsigned long long)late->join_ms);
		}
		all_see(1 + CONTACTS, 2 + MEMBERS, MEMBERS - CONTACTS + 1);
	}
}

TEST(contacts_killed)
{
	ARENA();
	contacts_end(false, SIGKILL);
	all_stand_up();
}

TEST(contacts_killed_tcp)
{
	ARENA();
	contacts_end(true, SIGKILL);
	all_stand_up();
}

/* Nobody hears that they are gone; and then they go on. */
TEST(contacts_stopped_tcp)
{
	unsigned int i;

	ARENA();
	contacts_end(true, SIGSTOP);
	for (i = 1; i <= CONTACTS; i++)
		kill(seats[i].pid, SIGCONT);
	all_see(1, 2 + MEMBERS, MEMBERS + 1);
	for (i = 1; i <= CONTACTS; i++)
		is_eq(READ_ONCE(seats[i].other), KECHO_OTHER_NONE, "one channel");
	all_stand_up();
}

/* ------------------------------------------------------------- everything dies */

/*
 * The registry's process and all contacts die as one who was attached and one who was not
 * open the name. If somebody is @left in the channel it is that, else they agree on one.
 */
static void crash(unsigned int left, bool tcp)
{
	struct seat *came[2];
	unsigned int i;
	u8 was[16];

	if (!all_join(0, CONTACTS + left, "x", tcp))
		return;
	all_see(0, CONTACTS + left, CONTACTS + left);
	memcpy(was, seats[0].uuid, sizeof(was));
	came[0] = sit(CONTACTS + left, "x", tcp, false);
	ok(comes_true(smp_load_acquire(&came[0]->attached)), "attached");
	came[1] = sit(CONTACTS + left + 1, "x", tcp, true);
	smp_store_release(&came[0]->go, true);
	sleep_us(rand() % INSTANT_US);
	for (i = 0; i < CONTACTS; i++)
		kill(seats[i].pid, SIGKILL);
	for (i = 0; i < CONTACTS; i++)
		stand_up(&seats[i], SIGKILL);
	for (i = 0; i < 2; i++)
		if (has_joined(came[i]))
			in_time(came[i]);
	ok(same(came[0], came[1]), "one channel");
	if (left)
		ok(!memcmp(came[0]->uuid, was, sizeof(was)), "that of those who are left");
	all_see(CONTACTS, CONTACTS + left + 2, left + 2);
}

static void crashes(unsigned int left, bool tcp)
{
	unsigned int i, n = long_run() ? CRASHES_LONG : CRASHES;

	must(prepare(), "seats");
	for (i = 0; i < n; i++) {
		crash(left, tcp);
		all_stand_up();
	}
}

TEST(everything_but_one_crashes)
{
	ARENA();
	crashes(1, false);
}

TEST(everything_but_some_crashes_tcp)
{
	ARENA();
	crashes(3, true);
}

TEST(everything_crashes)
{
	ARENA();
	crashes(0, false);
}

/* --------------------------------------------------------------- two of a name */

/* What the registry lists under @name, in order; gives how many. */
static unsigned int listed(const char *name, struct kecho_channel_info out[2])
{
	const struct kecho_options opt = { .registry = REGISTRY };
	struct kecho_channel_info c[8];
	unsigned int found = 0;
	struct kecho *k;
	ssize_t n, i;

	if (kecho_open(&k, &opt))
		return 0;
	n = kecho_channels(k, c, ARRAY_SIZE(c));
	for (i = 0; i < n; i++)
		if (!strcmp(c[i].name, name) && found < 2)
			out[found++] = c[i];
	kecho_close(k);
	return found;
}

/* Both nodes of a channel stand still until its name is given away. */
static void stand_still_too_long(void)
{
	struct kecho_channel_info c[2];
	struct seat *late;

	kill(seats[1].pid, SIGSTOP);
	kill(seats[2].pid, SIGSTOP);
	ok(comes_true(!listed("x", c)), "the name is free");
	late = sit(3, "x", true, true);
	if (!has_joined(late))
		return;
	ok(!same(late, &seats[1]), "another channel");
	kill(seats[1].pid, SIGCONT);
	kill(seats[2].pid, SIGCONT);
	ok(comes_true(READ_ONCE(seats[1].other) == KECHO_OTHER_NAMED), "the first is told");
	ok(comes_true(READ_ONCE(seats[2].other) == KECHO_OTHER_NAMED), "the second is told");
	ok(!memcmp(seats[1].other_uuid, late->uuid, 16), "of the new one");
	ok(comes_true(listed("x", c) == 2), "both are listed");
	ok(!c[0].other && !memcmp(c[0].uuid, late->uuid, 16), "the one that is found");
	ok(c[1].other && !memcmp(c[1].uuid, seats[1].uuid, 16), "the one that is not");
	all_see(1, 3, 2);
	all_see(3, 4, 1);
}

TEST(two_of_a_name)
{
	struct seat *meets;

	ARENA();
	must(prepare(), "seats");
	sit(0, "", true, true);
	ok(comes_true(smp_load_acquire(&seats[0].attached)), "the registry");
	if (all_join(1, 3, "x", true)) {
		stand_still_too_long();
		stand_up(&seats[3], SIGTERM);
		ok(comes_true(READ_ONCE(seats[1].other) == KECHO_OTHER_MET), "its name again");
		meets = sit(4, "x", true, true);
		if (has_joined(meets))
			ok(same(meets, &seats[1]), "who joins now comes there");
		all_see(1, 3, 3);
	}
	all_stand_up();
}

TESTS(registry, server_killed, contacts_killed, contacts_killed_tcp, contacts_stopped_tcp,
      everything_but_one_crashes, everything_but_some_crashes_tcp, everything_crashes,
      two_of_a_name);
