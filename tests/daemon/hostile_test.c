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
#include "attack.h"
#include "good.h"

enum {
	USER_A = 10001, USER_B, USER_C, USER_NODE,
	ATTACKERS = 4,
	ATTACKS_S = 8, ATTACKS_LONG_S = 600,
	NEAR = 0, FAR = 1,
	WARM_US = 500000,
};

static struct kechod node[2];
static struct raw owner;	/* user B's, who makes the channels */
static gid_t friends;		/* the group of B and C */
static struct good good[SOURCES_MAX + SINKS_MAX];
static pid_t pid[SOURCES_MAX + SINKS_MAX];
static u32 ngood;

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

static struct good *one_good(int at, uid_t uid, u32 index)
{
	good[ngood] = (struct good){ .node = &node[at], .uid = uid, .gid = friends,
				     .index = index };
	return &good[ngood++];
}

static struct good *add_source(const char *channel, int at)
{
	strcpy(tally->source[tally->nsources].channel, channel);
	return one_good(at, USER_B, tally->nsources++);
}

static struct good *add_sink(const char *channel, int at, uid_t uid, const char *name)
{
	strcpy(tally->sink[tally->nsinks].channel, channel);
	tally->sink[tally->nsinks].name = name;
	return one_good(at, uid, tally->nsinks++);
}

static void arrange(void)
{
	add_sink("own", NEAR, USER_B, "B's sink of own");
	add_sink("own", NEAR, USER_C, "C's sink of own");
	add_sink("own", FAR, USER_B, "B's far sink of own");
	add_sink("mixed", NEAR, USER_B, "B's sink of mixed");
	add_sink("mixed", NEAR, USER_C, "C's sink of mixed")->polls = true;
	add_sink("mixed", FAR, USER_B, "B's far sink of mixed");
	add_sink("read", NEAR, USER_B, "B's sink of read");
	add_sink("read", NEAR, USER_C, "C's sink of read")->polls = true;
	add_source("own", NEAR);
	add_source("mixed", NEAR);
	add_source("mixed", FAR);
	add_source("read", NEAR)->steps = true;
	add_source("held", NEAR)->stall_ms = 200;
}

static bool all_ready(void)
{
	u32 i;

	for (i = 0; i < tally->nsinks; i++)
		if (!READ_ONCE(tally->sink[i].ready))
			return false;
	for (i = 0; i < tally->nsources; i++)
		if (!READ_ONCE(tally->source[i].member) && READ_ONCE(tally->source[0].member))
			return false;
	return true;
}

/* Sinks first: they are to see all. */
static bool start_good(void)
{
	u32 i;

	arrange();
	for (i = 0; i < tally->nsinks; i++)
		pid[i] = spawn(good_sink, &good[i]);
	if (!comes_true(all_ready() || tally->failed) || tally->failed)
		return false;
	for (; i < ngood; i++)
		pid[i] = spawn(good_source, &good[i]);
	return comes_true((tally->source[0].member && all_ready()) || tally->failed) &&
	       !tally->failed;
}

/* ---------------------------------------------------------------------- attacks */

struct attack_told {
	u64 seed;
	enum role role;
};

static int one_attack(void *arg)
{
	const struct attack_told *t = arg;
	gid_t own = USER_A;

	if (!become(USER_A, USER_A, 1, t->role == HOLD ? &friends : &own))
		return wrong("no user A");
	return attack(&node[NEAR], t->seed, t->role);
}

static pid_t start_attack(u64 *rng)
{
	static u32 n;
	struct attack_told t = { .seed = next_random(rng), .role = n++ % ROLES };

	return spawn(one_attack, &t);
}

/* Whether all have come on since the last look: there @was. */
static bool none_starves(struct tally *was)
{
	u32 i, j;

	for (i = 0; i < tally->nsources; i++)
		if (READ_ONCE(tally->source[i].published) == was->source[i].published)
			wrong("source %u in %s has not come on for a second", i,
			      tally->source[i].channel);
	for (i = 0; i < tally->nsinks; i++)
		for (j = 0; j < tally->nsources; j++)
			if (!strcmp(tally->sink[i].channel, tally->source[j].channel) &&
			    READ_ONCE(tally->sink[i].got[j]) == was->sink[i].got[j])
				wrong("%s has got nothing of source %u for a second",
				      tally->sink[i].name, j);
	*was = *tally;
	return !tally->failed;
}

/* Those that have ended are followed by others; now and then one is killed. */
static void go_round(pid_t *attacker, u64 *rng)
{
	int i, status;

	for (i = 0; i < ATTACKERS; i++) {
		if (attacker[i] && next_random(rng) % 400 == 0) {
			kill(attacker[i], SIGKILL);
			count(KILLED);
		}
		if (attacker[i] && waitpid(attacker[i], &status, WNOHANG) != attacker[i])
			continue;
		if (attacker[i] && !WIFSIGNALED(status) && WEXITSTATUS(status))
			wrong("an attacker ended with %d", WEXITSTATUS(status));
		if (attacker[i] && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
			wrong("an attacker ended by signal %d", WTERMSIG(status));
		attacker[i] = start_attack(rng);
	}
}

static bool all_tried(void)
{
	u32 i;

	for (i = 1; i < COMMANDS; i++)
		if (!READ_ONCE(tally->message[i]))
			return false;
	for (i = 0; i < NKINDS; i++)
		if (!READ_ONCE(tally->kind[i]))
			return false;
	return true;
}

/* A busy machine comes to the rarest only later. */
static void attack_for(unsigned int seconds, u64 seed)
{
	u64 until = now_ns() + seconds * 1000000000ull, look = now_ns() + 1000000000;
	u64 at_most = until + SOON_MS * 1000000ull;
	static struct tally was;
	pid_t attacker[ATTACKERS] = { 0 };
	u64 rng = seed;
	int i;

	was = *tally;
	while (now_ns() < (all_tried() ? until : at_most) && !READ_ONCE(tally->failed)) {
		go_round(attacker, &rng);
		sleep_us(PACE_US);
		if (now_ns() < look)
			continue;
		look = now_ns() + 1000000000;
		none_starves(&was);
	}
	for (i = 0; i < ATTACKERS; i++)
		put_down(attacker[i]);
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

static bool all_get(void)
{
	u32 i, j;

	for (i = 0; i < tally->nsinks; i++)
		for (j = 0; j < tally->nsources; j++)
			if (!strcmp(tally->sink[i].channel, tally->source[j].channel) &&
			    !READ_ONCE(tally->sink[i].got[j]))
				return false;
	return true;
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

static void print_tally(void)
{
	u64 worst = 0, got = 0;
	u32 i, j;

	printf("# messages:");
	for (i = 1; i < COMMANDS; i++)
		printf(" %u: %llu", i, (unsigned long long)tally->message[i]);
	printf("\n# done:");
	for (i = 0; i < NKINDS; i++)
		printf(" %s %llu", kind_text[i], (unsigned long long)tally->kind[i]);
	for (i = 0; i < tally->nsinks; i++) {
		worst = max(worst, tally->sink[i].worst_ns);
		for (j = 0; j < tally->nsources; j++)
			got += tally->sink[i].got[j];
	}
	printf("\n# %llu events of B's came to B and C, the latest after %llu ms\n",
	       (unsigned long long)got, (unsigned long long)worst / 1000000);
}

static void all_was_tried(void)
{
	u32 i;

	for (i = 1; i < COMMANDS; i++)
		ok(tally->message[i], "command %u was never said", i);
	for (i = 0; i < NKINDS; i++)
		ok(tally->kind[i], "%s was never done", kind_text[i]);
}

static u64 choose_seed(void)
{
	const char *s = getenv("KECHO_SEED");
	u64 seed = s ? strtoull(s, NULL, 0) : now_ns();

	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
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
