/* SPDX-License-Identifier: MIT */
/*
 * Processes that are killed at any instant disturb nobody: not the order, not the
 * content, not the memory and not the descriptors of those who stay.
 *
 * A publisher and a subscriber stand; victims join their channel as sources and
 * sinks, work at full speed and are killed. The subscriber is the watcher too.
 */
#include "victim.h"

#define KECHOS	"memfd:kecho"	/* what a process maps for it */

enum {
	KILLS = 50,
	KILLS_LONG = 1000,
	FAILED_BAR_MS = 50, /* at p99.9 */
	LIFE_MAX_US = 30000, /* of a victim, from its fork; more where joining takes long */
	MEMBER_MAX_US = 10000, /* of one that is left to join first, from then */
	SEEN_MAX = 8192,
	EVENT_LEN = 128,
	PACE_US = 200, /* of the standing publisher */
	LOOKS = 64, /* the subscriber answers every so many events */
};

/* All processes; each field has one writer. */
static struct hall {
	struct victim victim;
	bool stop; /* the publisher: no more */
	bool going; /* the subscriber: the publisher's events come */
	u64 submitted, submit_ns_max; /* the publisher's */
	struct judge judge; /* the subscriber's */
	u32 ask, answered; /* for a count of members */
	long members;
} * hall;

static struct sightings *seen;

/* ------------------------------------------------------------ those who stay */

static int publisher(void *arg)
{
	struct kecho_channel *ch = join("kill");
	struct kecho_source *s;
	u64 buf[EVENT_LEN / sizeof(u64)], begin;

	(void)arg;
	if (!ch || kecho_source_open(ch, NULL, &s))
		return 1;
	while (!READ_ONCE(hall->stop)) {
		stamp_write(buf, sizeof(buf), hall->submitted + 1);
		begin = now_ns();
		if (kecho_submit(s, buf, sizeof(buf), 0))
			return 1;
		hall->submit_ns_max = max(hall->submit_ns_max, now_ns() - begin);
		WRITE_ONCE(hall->submitted, hall->submitted + 1);
		sleep_us(PACE_US);
	}
	/* Until it is killed: what it holds is being counted. */
	for (;;)
		pause();
}

static void answer(struct kecho_channel *ch)
{
	u32 ask = smp_load_acquire(&hall->ask);

	if (ask == hall->answered)
		return;
	hall->members = kecho_members(ch, NULL, 0);
	smp_store_release(&hall->answered, ask);
}

static int subscriber(void *arg)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch = join("kill");
	struct kecho_event ev;
	struct kecho_sink *s;
	unsigned int n;
	int err;

	(void)arg;
	if (!ch || kecho_sink_open(ch, &opt, &s) || kecho_channel_watch(ch, sight, seen))
		return 1;
	WRITE_ONCE(hall->going, true);
	for (n = 0;; n++) {
		err = kecho_read(s, &ev, 10);
		if (!err)
			judge(&hall->judge, &ev);
		else if (err != -ETIMEDOUT)
			return 1;
		if (err || !(n % LOOKS))
			answer(ch);
	}
}

static long members(void)
{
	u32 ask = hall->ask + 1;

	smp_store_release(&hall->ask, ask);
	return comes_true(smp_load_acquire(&hall->answered) == ask) ? hall->members : -1;
}

/* -------------------------------------------------------------- the victims */

static pid_t spawn_victim(unsigned int i)
{
	hall->victim = (struct victim){
		.channel = "kill",
		.source = i % 2 == 0,
		.policy = i % 4 == 1 ? KECHO_BLOCK : KECHO_LATEST,
	};
	return spawn(victim, &hall->victim);
}

/* How long a victim takes, about, until it is a member: at most this. */
static unsigned int life_max_us(void)
{
	u64 begin = now_ns();
	pid_t pid = spawn_victim(0);

	ok(comes_true(smp_load_acquire(&hall->victim.id)), "a victim joins");
	begin = now_ns() - begin;
	kill(pid, SIGKILL);
	waitpid(pid, (int[1]){}, 0);
	return max_t(u64, LIFE_MAX_US, 4 * begin / 1000);
}

/*
 * Kills one within @life_us of its fork; half of them, of each role and policy, once they are
 * members, however long joining takes now. Gives how long the watcher took to see it, from
 * when the process was dead: until then it waits for the CPU like any other. 0: it had no
 * member yet; U64_MAX: the watcher did not see it, or the victim ended by itself.
 */
static u64 kill_one(unsigned int i, unsigned int life_us)
{
	bool joins = i / 4 % 2;
	pid_t pid = spawn_victim(i);
	u64 begin, id, failed = 0;

	if (pid < 0)
		return U64_MAX;
	if (joins)
		ok(comes_true(smp_load_acquire(&hall->victim.id)), "victim %u joins", i);
	sleep_us(rand() % (joins ? MEMBER_MAX_US : life_us));
	kill(pid, SIGKILL);
	waitpid(pid, (int[1]){}, 0);
	begin = now_ns();
	id = smp_load_acquire(&hall->victim.id);
	if (!id)
		return 0;
	if (!comes_true((failed = sighted_failed_ns(seen, id))))
		return U64_MAX;
	return failed > begin ? failed - begin : 1;
}

static void judge_times(u64 *ns, unsigned int n, unsigned int kills)
{
	/* Few kills have no such percentile: theirs would be the worst of all. */
	unsigned int permille = kills < KILLS_LONG ? 900 : 999;
	u64 p50, most;

	/* Otherwise the instants were not spread over what a victim does. */
	must(n > kills / 4, "%u of %u victims had joined", n, kills);
	p50 = percentile(ns, n, 500);
	most = percentile(ns, n, permille);
	pr_info("# %u kills, %u of members; until failed: p50 %.2f, p%.1f %.2f, max %.2f ms\n",
		kills, n, p50 / 1e6, permille / 10., most / 1e6, ns[n - 1] / 1e6);
#ifndef SANITIZED
	if (!emulated())
		ok(most <= FAILED_BAR_MS * 1000000ull, "p%.1f is %.2f ms", permille / 10.,
		   most / 1e6);
#endif
}

static void kill_many(unsigned int kills)
{
	static u64 ns[KILLS_LONG];
	unsigned int i, n = 0, unseen = 0, life_us = life_max_us();
	u64 took;

	srand(1);
	for (i = 0; i < kills; i++) {
		took = kill_one(i, life_us);
		if (took == U64_MAX)
			unseen++;
		else if (took)
			ns[n++] = took;
	}
	is_eq(unseen, 0, "failures that the watcher did not see");
	judge_times(ns, n, kills);
}

static void exchange(pid_t pub, pid_t sub)
{
	int fds[2], maps[2];
	long there;

	must(comes_true(READ_ONCE(hall->judge.from[0].seq) > 10), "the standing two talk");
	fds[0] = fds_of(pub);
	fds[1] = fds_of(sub);
	maps[0] = maps_of(pub, KECHOS);
	maps[1] = maps_of(sub, KECHOS);
	there = members();
	is_eq(there, 2, "members");
	kill_many(long_run() ? KILLS_LONG : KILLS);
	ok(comes_true(members() == there), "%ld members, %ld before", members(), there);
	ok(comes_true(fds_of(pub) == fds[0]), "publisher: %d fds, %d before", fds_of(pub), fds[0]);
	ok(comes_true(fds_of(sub) == fds[1]), "subscriber: %d fds, %d before", fds_of(sub), fds[1]);
	ok(comes_true(maps_of(pub, KECHOS) == maps[0]), "publisher: %d maps, %d before",
	   maps_of(pub, KECHOS), maps[0]);
	ok(comes_true(maps_of(sub, KECHOS) == maps[1]), "subscriber: %d maps, %d before",
	   maps_of(sub, KECHOS), maps[1]);
	WRITE_ONCE(hall->stop, true);
	ok(comes_true(READ_ONCE(hall->judge.from[0].seq) == READ_ONCE(hall->submitted)),
	   "%llu of %llu events came", (unsigned long long)hall->judge.from[0].seq,
	   (unsigned long long)hall->submitted);
	is_eq(hall->judge.wrong, 0, "%s", hall->judge.first_wrong);
	is_eq(hall->judge.lost, 0, "lost under block");
	ok(hall->judge.events > hall->judge.from[0].seq, "events of victims came");
	pr_info("# %llu standing events, slowest submit %.2f ms; %llu events of %llu victims\n",
		(unsigned long long)hall->judge.from[0].seq, hall->submit_ns_max / 1e6,
		(unsigned long long)(hall->judge.events - hall->judge.from[0].seq),
		(unsigned long long)hall->judge.ended);
}

TEST(random_instants)
{
	pid_t pub = 0, sub;

	ARENA();
	hall = shared(sizeof(*hall));
	seen = sightings(SEEN_MAX);
	must(hall && seen, "memory");
	sub = spawn(subscriber, NULL);
	if (ok(comes_true(READ_ONCE(hall->going)), "the subscriber stands")) {
		pub = spawn(publisher, NULL);
		exchange(pub, sub);
	}
	put_down(pub);
	put_down(sub);
}

TESTS(kill, random_instants);
