// SPDX-License-Identifier: MIT
/*
 * Three users and two hosts:
 *
 *	channel   user B's sources           sinks, which block      user A may
 *	own       near                       B, C near; B far        nothing
 *	mixed     near, far                  B, C near; B far        subscribe and publish
 *	read      near, waits for each event B near; C near, polls   subscribe
 *	held      near, short of patience    -                       block as well
 *
 * User A's processes fuzz all that they can say and write. Nothing of that may show
 * to the others, who are looked at each second: not one event is lost, late for ever or
 * twice. What A's processes had is gone with them, and none ever got hold of what is
 * another's to write or to read.
 *
 * KECHO_SEED=N repeats what A says and writes, but not the instants.
 */
#include "siege.h"

enum {
	USER_NODE = 10010,
	ATTACKS_S = 8, ATTACKS_LONG_S = 600,
	NEAR = 0, FAR = 1,
	WARM_US = 500000,
};

static struct kechod node[2];
static struct raw owner;	/* user B's, who makes the channels */

/* ------------------------------------------------------------------ arrangement */

/* Any group but root's: who may block is told by name. */
static const char *some_group(void)
{
	struct group *g;

	setgrent();
	while ((g = getgrent()) && (!g->gr_gid || g->gr_gid == USER_A))
		;
	endgrent();
	friends = g ? g->gr_gid : 0;
	return g ? g->gr_name : NULL;
}

static bool start_nodes(void)
{
	const char *listen[] = { "listen=127.0.0.1:7391", "listen=127.0.0.2:7391" };
	const char *group = some_group();
	char block[64];
	int i;

	if (!group)
		return false;
	snprintf(block, sizeof(block), "block=group %s", group);
	for (i = 0; i < 2; i++) {
		const char *const options[] = {
			listen[i], "registry=" REGISTRY, i == NEAR ? "name=near" : "name=far",
			block, "user-memory=48M", "user-processes=40", "user-channels=64",
			"user-members=200", NULL,
		};

		node[i].uid = USER_NODE;
		if (!daemon_start(&node[i], options))
			return false;
		if (comes_true(daemon_answers(&node[i])))
			continue;
		printf("# its process %s\n",
		       waitpid(node[i].pid, NULL, WNOHANG) ? "has ended" : "runs");
		show_log(&node[i]);
		return false;
	}
	return true;
}

/* The channels have their rights from their first process, and keep them while it lives. */
static int own_channels(void *ready)
{
	static const struct {
		const char *name;
		u32 mode;
	} channel[] = { { "own", 0660 }, { "mixed", 0666 }, { "read", 0664 }, { "held", 0666 } };
	u32 i;

	if (!become(USER_B, friends, 1, &friends) || !raw_open(&owner, &node[NEAR]) ||
	    raw_attach(&owner))
		return 1;
	for (i = 0; i < ARRAY_SIZE(channel); i++)
		if (raw_channel_mode(&owner, channel[i].name, channel[i].mode) < 0)
			return wrong("channel %s is not made", channel[i].name);
	WRITE_ONCE(*(bool *)ready, true);
	while (!READ_ONCE(tally->stop))
		sleep_us(PACE_US);
	return 0;
}

static void arrange(void)
{
	u32 i;

	siege.node = &node[NEAR];
	siege.patience_s = 1;
	for (i = 0; i < NKINDS; i++)
		siege.spared[i] = i >= DEV_KINDS;
	add_sink("own", &node[NEAR], USER_B, "B's sink of own");
	add_sink("own", &node[NEAR], USER_C, "C's sink of own");
	add_sink("own", &node[FAR], USER_B, "B's far sink of own");
	add_sink("mixed", &node[NEAR], USER_B, "B's sink of mixed");
	add_sink("mixed", &node[NEAR], USER_C, "C's sink of mixed")->polls = true;
	add_sink("mixed", &node[FAR], USER_B, "B's far sink of mixed");
	add_sink("read", &node[NEAR], USER_B, "B's sink of read");
	add_sink("read", &node[NEAR], USER_C, "C's sink of read")->polls = true;
	add_source("own", &node[NEAR]);
	add_source("mixed", &node[NEAR]);
	add_source("mixed", &node[FAR]);
	add_source("read", &node[NEAR])->steps = true;
	add_source("held", &node[NEAR])->stall_ms = 200;
}

/* -------------------------------------------------------------------- what is left */

/* What kechod has: a status, descriptors, mappings of logs and gates. */
struct has {
	struct kecho_ctl_status st;
	int fds, maps;
};

/* Processes that are attached, as it was with so many files and mappings. */
static bool look_at_node(const struct kechod *d, struct has *h)
{
	struct raw r;
	int err;

	memset(h, 0, sizeof(*h));
	if (!raw_open(&r, d))
		return false;
	err = raw_call(&r, KECHO_CMD_STATUS, &h->st, sizeof(h->st));
	h->fds = fds_of(d->pid);
	/* Doorbells are mapped once they are to be rung for others. */
	h->maps = maps_of(d->pid, "memfd:kecho-log") + maps_of(d->pid, "memfd:kecho-gates");
	raw_close(&r);
	return !err;
}

static bool same(const struct kechod *d, const struct has *was, struct has *is)
{
	return look_at_node(d, is) && is->st.processes == was->st.processes &&
	       is->st.channels == was->st.channels && is->st.sources == was->st.sources &&
	       is->st.sinks == was->st.sinks && is->st.memory_bytes == was->st.memory_bytes &&
	       is->st.links == was->st.links && is->fds == was->fds && is->maps == was->maps;
}

/* As it is when all that B and C do has been done once, and stays. */
static bool calm(const struct kechod *d, struct has *h)
{
	struct has is;

	if (!all_get() || !look_at_node(d, h))
		return false;
	sleep_us(WARM_US);
	return same(d, h, &is);
}

/* Whether the link between the hosts has stood since the test began. */
static void link_stood(const struct kechod *d)
{
	struct kecho_ctl_link l = { 0 };
	struct raw r;

	must(raw_open(&r, d) && !raw_attach(&r), "one more process");
	ok(raw_link(&r, &l) && l.up && !l.resumed, "the link has broken %llu times",
	   (unsigned long long)l.resumed);
	raw_close(&r);
}

static void nothing_left(const struct has was[2])
{
	struct has is;
	int i;

	for (i = 0; i < 2; i++)
		ok(comes_true(same(&node[i], &was[i], &is)),
		   "%s has %u processes, %u channels, %u sources, %u sinks, %llu bytes, %d "
		   "descriptors, %d mappings; before: %u, %u, %u, %u, %llu, %d, %d",
		   is.st.name, is.st.processes, is.st.channels, is.st.sources, is.st.sinks,
		   (unsigned long long)is.st.memory_bytes, is.fds, is.maps,
		   was[i].st.processes, was[i].st.channels, was[i].st.sources, was[i].st.sinks,
		   (unsigned long long)was[i].st.memory_bytes, was[i].fds, was[i].maps);
}

/* A kechod whose own checks say nothing. */
static void is_clean(const struct kechod *d)
{
	static const char *const bad[] = { "Sanitizer", "runtime error", "WARN", "assert" };
	FILE *f = fopen(d->log, "re");
	char line[512];
	u32 i;

	must(f, "its log");
	while (fgets(line, sizeof(line), f))
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			ok(!strstr(line, bad[i]), "kechod says: %s", line);
	fclose(f);
}

TEST(three_users)
{
	bool *ready = shared(sizeof(*ready));
	struct has was[2];
	pid_t keeper;
	u64 seed;
	u32 i;

	if (geteuid())
		skip("only root can be three users");
	must(own_network(), "a network");
	tally = shared(sizeof(*tally));
	must(tally && ready && start_nodes(), "two hosts");
	seed = choose_seed();
	keeper = spawn(own_channels, ready);
	must(comes_true(*ready || tally->failed) && !tally->failed, "channels: %s", tally->why);
	arrange();
	must(start_good(), "B and C: %s", tally->why);
	must(comes_true(calm(&node[NEAR], &was[NEAR])) &&
	     comes_true(calm(&node[FAR], &was[FAR])), "kechod answers");
	attack_for(long_run() ? ATTACKS_LONG_S : ATTACKS_S, seed);
	ok(!tally->failed, "%s", tally->why);
	link_stood(&node[NEAR]);
	nothing_left(was);
	WRITE_ONCE(tally->stop, true);
	is_eq(ends(keeper), 0, "who made the channels");
	for (i = 0; i < ngood; i++)
		is_eq(ends(pid[i]), 0, "process %u of B and C: %s", i, tally->why);
	print_tally();
	if (!tally->failed)
		all_was_tried();
	for (i = 0; i < 2; i++)
		is_clean(&node[i]);
	is_eq(daemon_stop(&node[FAR]), 0, "the far kechod stops");
	is_eq(daemon_stop(&node[NEAR]), 0, "the near kechod stops");
}

TESTS(hostile, three_users);
