// SPDX-License-Identifier: MIT
/*
 * Two kechods, as of two hosts, are killed or told to end, again and again, under load, and
 * started again: their processes do not notice but by the time that it takes. Nothing is
 * lost for who blocks, nothing is repeated, what `latest` sinks lose is told, no member
 * ends, and all are the members that they were.
 *
 *	on each host	a publisher, a sink that blocks, one that does not; the first has
 *			IPv4, the second IPv6
 */
#include <kecho/filter.h>

#include "../cluster/victim.h"
#include "raw.h"

enum {
	HOSTS = 2,
	DEATHS = 6,
	DEATHS_LONG = 100,
	ASKED = 3,		/* every third is told to end */
	AWAY_MAX_US = 300000,	/* until it is started again */
	THERE_MIN_US = 250000,	/* until the next one ends */
	PACE_US = 200,
	SLOW_US = 1000,
	LEN_MIN = 64,
	LEN_MAX = 448,
	LAPS = 3 * KECHO_LOG_SIZE_DEFAULT / LEN_MIN,	/* events that are no less */
	SIEVES = 5,		/* sinks of a host with a filter, each for one event of so many */
	CHANGE_US = 3000,	/* a filter of one more is replaced */
};

/* What such a sink was given of each source. */
struct sifted {
	u64 events, wrong, lost;
	char first_wrong[96];
	struct {
		u64 id, seq;
	} from[HOSTS];
};

static struct hall {
	bool stop;
	bool slow;	/* the sinks: so that there is always something to read */
	bool fast;	/* the publishers */
	u64 submitted[HOSTS], slowest_ns[HOSTS];
	u64 first_id[HOSTS], last_id[HOSTS];
	bool done[HOSTS];
	struct judge block[HOSTS], latest[HOSTS];
	struct sifted sifted[HOSTS][SIEVES];
	u32 stand;
} *hall;

static struct kechod node[HOSTS];

static const char *const options[HOSTS][4] = {
	{ "listen=127.0.0.1", "registry=" REGISTRY, "name=one" },
	{ "listen=[::1]", "registry=" REGISTRY, "name=two" },
};

static void stands(void)
{
	__atomic_fetch_add(&hall->stand, 1, __ATOMIC_SEQ_CST);
}

static int publisher(void *arg)
{
	unsigned int h = (unsigned int)(uintptr_t)arg;
	struct kecho_channel *ch = join("restart");
	u64 buf[LEN_MAX / sizeof(u64)], begun;
	struct kecho_source *s;
	size_t len;

	if (!ch || kecho_source_open(ch, NULL, &s))
		return 1;
	hall->first_id[h] = kecho_source_id(s);
	stands();
	while (!READ_ONCE(hall->stop)) {
		len = LEN_MIN + rand() % (LEN_MAX - LEN_MIN);
		stamp_write(buf, len, hall->submitted[h] + 1);
		begun = now_ns();
		if (kecho_submit(s, buf, len, 0))
			return 1;
		hall->slowest_ns[h] = max(hall->slowest_ns[h], now_ns() - begun);
		WRITE_ONCE(hall->submitted[h], hall->submitted[h] + 1);
		if (!READ_ONCE(hall->fast))
			sleep_us(PACE_US);
	}
	hall->last_id[h] = kecho_source_id(s);
	smp_store_release(&hall->done[h], true);
	for (;;)
		pause();
}

static int sink(enum kecho_policy policy, struct judge *j)
{
	struct judging g = { .policy = policy, .judge = j, .stand = &hall->stand,
			     .slow = &hall->slow, .pause_us = SLOW_US };

	return judge_all("restart", &g);
}

static int block(void *arg)
{
	return sink(KECHO_BLOCK, &hall->block[(uintptr_t)arg]);
}

static int latest(void *arg)
{
	return sink(KECHO_LATEST, &hall->latest[(uintptr_t)arg]);
}

static bool started(unsigned int h)
{
	return daemon_start(&node[h], options[h]) && comes_true(daemon_answers(&node[h]));
}

static bool begin(pid_t *pid)
{
	uintptr_t h;

	hall = shared(sizeof(*hall));
	if (!hall || !own_network())
		return false;
	setenv("KECHO", "daemon", 1);
	for (h = 0; h < HOSTS; h++) {
		if (!started(h))
			return false;
		setenv("KECHO_SOCKET", node[h].socket, 1);
		*pid++ = spawn(block, (void *)h);
		*pid++ = spawn(latest, (void *)h);
	}
	if (!comes_true(READ_ONCE(hall->stand) == 2 * HOSTS))
		return false;
	for (h = 0; h < HOSTS; h++) {
		setenv("KECHO_SOCKET", node[h].socket, 1);
		*pid++ = spawn(publisher, (void *)h);
	}
	return comes_true(READ_ONCE(hall->stand) == 3 * HOSTS);
}

static void one_death(int i)
{
	struct kechod *d = &node[i % HOSTS];
	int status;

	if (i % ASKED == ASKED - 1) {
		is_eq(daemon_stop(d), 0, "it ends as it is told");
	} else {
		kill(d->pid, SIGKILL);
		is_eq(waitpid(d->pid, &status, 0), d->pid, "it is killed");
	}
	sleep_us(rand() % AWAY_MAX_US);
	must(started(i % HOSTS), "the next one");
	sleep_us(THERE_MIN_US + rand() % AWAY_MAX_US);
}

static u64 seq_of(const struct judge *j, u64 id)
{
	int i;

	for (i = 0; i < JUDGED_MAX; i++)
		if (j->from[i].id == id)
			return READ_ONCE(j->from[i].seq);
	return 0;
}

static bool all_there(const struct judge *j)
{
	unsigned int h;

	for (h = 0; h < HOSTS; h++)
		if (seq_of(j, hall->first_id[h]) != hall->submitted[h])
			return false;
	return true;
}

static void judge_sink(const struct judge *j, const char *policy, unsigned int h)
{
	ok(comes_true(all_there(j)), "%s on host %u: %llu of %llu, %llu of %llu", policy, h,
	   (unsigned long long)seq_of(j, hall->first_id[0]),
	   (unsigned long long)hall->submitted[0],
	   (unsigned long long)seq_of(j, hall->first_id[1]),
	   (unsigned long long)hall->submitted[1]);
	is_eq(j->wrong, 0, "%s on host %u: %s", policy, h, j->first_wrong);
	is_eq(j->ended, 0, "%s on host %u: sources that ended", policy, h);
}

TEST(restart)
{
	int i, n = long_run() ? DEATHS_LONG : DEATHS, seed = getpid();
	pid_t pid[3 * HOSTS];
	unsigned int h;

	ARENA();
	must(begin(pid), "two hosts");
	pr_info("# seed %d\n", seed);
	srand(seed);
	sleep_us(THERE_MIN_US);
	for (i = 0; i < n; i++)
		one_death(i);
	smp_store_release(&hall->stop, true);
	for (h = 0; h < HOSTS; h++) {
		ok(comes_true(smp_load_acquire(&hall->done[h])), "publisher %u ends", h);
		is_eq(hall->last_id[h], hall->first_id[h], "it was the same member throughout");
	}
	for (h = 0; h < HOSTS; h++) {
		judge_sink(&hall->block[h], "block", h);
		is_eq(hall->block[h].lost, 0, "lost under block");
		judge_sink(&hall->latest[h], "latest", h);
		pr_info("# host %u: %llu events, slowest submit %.0f ms, lost under latest %llu\n",
			h, (unsigned long long)hall->submitted[h], hall->slowest_ns[h] / 1e6,
			(unsigned long long)hall->latest[h].lost);
	}
	for (i = 0; i < 3 * HOSTS; i++)
		put_down(pid[i]);
	for (h = 0; h < HOSTS; h++)
		is_eq(daemon_stop(&node[h]), 0, "the end");
}

/* ------------------------------------------------- who does not come back in time */

static bool stands_still(void)
{
	u64 before = READ_ONCE(hall->submitted[0]);

	sleep_us(QUIET_MS * 1000);
	return before && READ_ONCE(hall->submitted[0]) == before;
}

/*
 * A sink that blocks is stopped when its kechod dies. The next one gives it up, so the source
 * goes on; what the sink may be reading in place is overwritten then, and it must see that
 * it has ended, whenever it runs again, and what it has lost.
 */
TEST(stopped)
{
	struct judge *j;
	u64 before;
	pid_t reader, pub;
	int status;

	if (!own_network())
		skip("no network namespace of its own");
	hall = shared(sizeof(*hall));
	memset(&node[0], 0, sizeof(node[0]));
	must(hall && started(0), "a kechod");
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", node[0].socket, 1);
	j = &hall->block[0];
	hall->slow = true;
	reader = spawn(block, (void *)0);
	must(comes_true(READ_ONCE(hall->stand) == 1), "a sink");
	pub = spawn(publisher, (void *)0);
	must(comes_true(READ_ONCE(j->from[0].seq)), "it reads");
	kill(reader, SIGSTOP);
	must(comes_true(stands_still()), "its source waits for it");
	kill(node[0].pid, SIGKILL);
	waitpid(node[0].pid, &status, 0);
	must(started(0), "the next one");
	before = READ_ONCE(hall->submitted[0]);
	WRITE_ONCE(hall->fast, true);
	ok(comes_true(READ_ONCE(hall->submitted[0]) > before + LAPS),
	   "the source goes on, and laps it");
	WRITE_ONCE(hall->fast, false);
	WRITE_ONCE(hall->slow, false);
	kill(reader, SIGCONT);
	is_eq(ends(reader), 1, "the sink ends");
	is_eq(j->wrong, 0, "it was given nothing wrong: %s", j->first_wrong);
	ok(j->lost > 0, "and told what it lost");
	/* With the one that is submitted and not counted yet. */
	ok(READ_ONCE(hall->submitted[0]) + 1 >= j->events + j->lost, "%llu of %llu and %llu lost",
	   (unsigned long long)j->events, (unsigned long long)hall->submitted[0],
	   (unsigned long long)j->lost);
	put_down(pub);
	is_eq(daemon_stop(&node[0]), 0, "the end");
}

/* ------------------------------------------------------------------------- filters */

static bool set_filter(struct kecho_sink *s, u64 every, u64 rest)
{
	char text[64];
	struct kecho_filter *f;
	bool set;

	snprintf(text, sizeof(text), "seq %% %llu == %llu", (unsigned long long)every,
		 (unsigned long long)rest);
	if (kecho_filter_compile(&f, KECHO_FOR_EVENT, text, NULL))
		return false;
	set = !kecho_sink_filter(s, f, NULL);
	kecho_filter_free(f);
	return set;
}

/* Of each source every SIEVES-th, without a gap. */
static void sift(struct sifted *st, const struct kecho_event *ev, u64 rest)
{
	u64 next = rest ?: SIEVES;
	int i = 0;

	while (i < HOSTS - 1 && st->from[i].id && st->from[i].id != ev->source)
		i++;
	if (st->from[i].id)
		next = st->from[i].seq + SIEVES;
	st->lost += ev->kind == KECHO_LOST;
	st->events++;
	if (ev->kind != KECHO_EVENT || ev->seq != next) {
		if (!st->wrong++)
			snprintf(st->first_wrong, sizeof(st->first_wrong),
				 "kind %d, source %llx, seq %llu to %llu, expected %llu", ev->kind,
				 (unsigned long long)ev->source, (unsigned long long)ev->seq,
				 (unsigned long long)ev->last_seq, (unsigned long long)next);
	}
	st->from[i].id = ev->source;
	WRITE_ONCE(st->from[i].seq, ev->seq);
}

/* @arg: host * SIEVES + which events. */
static int sieve(void *arg)
{
	u64 rest = (uintptr_t)arg % SIEVES;
	struct sifted *st = &hall->sifted[(uintptr_t)arg / SIEVES][rest];
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch = join("restart");
	struct kecho_event ev;
	struct kecho_sink *s;

	if (!ch || kecho_sink_open(ch, &opt, &s) || !set_filter(s, SIEVES, rest))
		return 1;
	stands();
	while (!kecho_read(s, &ev, -1))
		sift(st, &ev, rest);
	return 1;
}

/* Bits come and go. */
static int changer(void *arg)
{
	struct kecho_channel *ch = join("restart");
	struct kecho_event ev;
	struct kecho_sink *s;
	u64 i;

	(void)arg;
	if (!ch || kecho_sink_open(ch, NULL, &s))
		return 1;
	stands();
	for (i = 0; set_filter(s, 2 + i % 9, 1); i++) {
		while (!kecho_read(s, &ev, 0))
			;
		sleep_us(CHANGE_US);
	}
	return 1;
}

static bool begin_sieves(pid_t *pid)
{
	uintptr_t h, i;

	hall = shared(sizeof(*hall));
	if (!hall || !own_network())
		return false;
	setenv("KECHO", "daemon", 1);
	for (h = 0; h < HOSTS; h++) {
		memset(&node[h], 0, sizeof(node[h]));
		if (!started(h))
			return false;
		setenv("KECHO_SOCKET", node[h].socket, 1);
		for (i = 0; i < SIEVES; i++)
			*pid++ = spawn(sieve, (void *)(h * SIEVES + i));
		*pid++ = spawn(changer, NULL);
	}
	if (!comes_true(READ_ONCE(hall->stand) == HOSTS * (SIEVES + 1)))
		return false;
	for (h = 0; h < HOSTS; h++) {
		setenv("KECHO_SOCKET", node[h].socket, 1);
		*pid++ = spawn(publisher, (void *)h);
	}
	return comes_true(READ_ONCE(hall->stand) == HOSTS * (SIEVES + 2));
}

/* The last of its events that there is. */
static bool has_all(const struct sifted *st, u64 rest)
{
	u64 last;
	int i, h;

	for (h = 0; h < HOSTS; h++) {
		for (i = 0; i < HOSTS && st->from[i].id != hall->first_id[h]; i++)
			;
		last = hall->submitted[h];
		last -= (last + SIEVES - rest) % SIEVES;
		if (i == HOSTS || READ_ONCE(st->from[i].seq) != last)
			return false;
	}
	return true;
}

/*
 * The same, of sinks with filters: none is given an event that its own filter has not passed,
 * or lacks one that it has, while bits are given to others and kechods forget whose they were.
 */
TEST(filters)
{
	int i, n = long_run() ? DEATHS_LONG : DEATHS, seed = getpid();
	pid_t pid[HOSTS * (SIEVES + 2)];
	const struct sifted *st;
	u64 rest, events = 0;
	unsigned int h;

	if (!own_network())
		skip("no network namespace of its own");
	must(begin_sieves(pid), "two hosts");
	pr_info("# seed %d\n", seed);
	srand(seed);
	sleep_us(THERE_MIN_US);
	for (i = 0; i < n; i++)
		one_death(i);
	smp_store_release(&hall->stop, true);
	for (h = 0; h < HOSTS; h++)
		ok(comes_true(smp_load_acquire(&hall->done[h])), "publisher %u ends", h);
	for (h = 0; h < HOSTS; h++) {
		for (rest = 0; rest < SIEVES; rest++) {
			st = &hall->sifted[h][rest];
			ok(comes_true(has_all(st, rest)), "host %u, %llu: all", h,
			   (unsigned long long)rest);
			is_eq(st->wrong, 0, "host %u, %llu: %s", h, (unsigned long long)rest,
			      st->first_wrong);
			events += st->events;
		}
	}
	pr_info("# %llu and %llu events, %llu given\n", (unsigned long long)hall->submitted[0],
		(unsigned long long)hall->submitted[1], (unsigned long long)events);
	for (i = 0; i < HOSTS * (SIEVES + 2); i++)
		put_down(pid[i]);
	for (h = 0; h < HOSTS; h++)
		is_eq(daemon_stop(&node[h]), 0, "the end");
}

TESTS(restart, restart, stopped, filters);
