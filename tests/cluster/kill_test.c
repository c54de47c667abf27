/* SPDX-License-Identifier: MIT */
/*
 * Processes that are killed at any instant disturb nobody: not the order, not the
 * content, not the memory and not the descriptors of those who stay.
 *
 * A publisher and a subscriber stand; victims join their channel as sources and
 * sinks, work at full speed and are killed. The subscriber is the watcher too.
 */
#include "cluster.h"

enum {
	KILLS = 50,
	KILLS_LONG = 1000,
	FAILED_BAR_MS = 50, /* at p99.9 */
	LIFE_MAX_US = 30000, /* of a victim, from its fork; more where joining takes long */
	SEEN_MAX = 8192,
	EVENT_LEN = 128,
	PACE_US = 200, /* of the standing publisher */
	VICTIM_LEN_MAX = 60000, /* in one record, and in pieces */
	SOURCES_MAX = 2048,
	LOOKS = 64, /* the subscriber answers every so many events */
};

struct seen {
	u64 id, ns;
	enum kecho_member_state state;
};

/* All processes; each field has one writer. */
static struct hall {
	u64 victim; /* the victim's member, once it is in the channel */
	bool stop; /* the publisher: no more */
	bool going; /* the subscriber: the publisher's events come */
	u64 submitted, submit_ns_max; /* the publisher's */
	u64 received, victims, victim_events, wrong, lost; /* the subscriber's */
	char first_wrong[128];
	u32 ask, answered; /* for a count of members */
	long members;
	unsigned int nseen;
	struct seen seen[SEEN_MAX];
} * hall;

static void on_member(void *arg, const struct kecho_member *m)
{
	unsigned int n = hall->nseen;

	(void)arg;
	if (n == SEEN_MAX)
		return;
	hall->seen[n] = (struct seen){ m->id, now_ns(), m->state };
	smp_store_release(&hall->nseen, n + 1);
}

/* When member @id was seen to have failed; 0: it was not. */
static u64 failed_ns(u64 id)
{
	unsigned int i, n = smp_load_acquire(&hall->nseen);

	for (i = 0; i < n; i++)
		if (hall->seen[i].id == id && hall->seen[i].state == KECHO_FAILED)
			return hall->seen[i].ns;
	return 0;
}

static struct kecho_channel *join(void)
{
	struct kecho_channel *ch;
	struct kecho *k;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, "kill", NULL, &ch))
		return NULL;
	return ch;
}

/* ------------------------------------------------------------ those who stay */

static int publisher(void *arg)
{
	struct kecho_channel *ch = join();
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

static void wrong(const char *what, const struct kecho_event *ev, u64 expected)
{
	if (!hall->wrong++)
		snprintf(hall->first_wrong, sizeof(hall->first_wrong),
			 "%s: kind %d, source %llx, seq %llu, %zu bytes, expected %llu", what,
			 ev->kind, (unsigned long long)ev->source, (unsigned long long)ev->seq,
			 ev->len, (unsigned long long)expected);
}

/* What came from each source; the standing one is [0]. */
static struct {
	u64 id, seq;
	bool ended;
} from[SOURCES_MAX];

static unsigned int source_of(u64 id)
{
	unsigned int i;

	for (i = 0; i < SOURCES_MAX - 1 && from[i].id && from[i].id != id; i++)
		;
	from[i].id = id;
	return i;
}

static void judge(const struct kecho_event *ev)
{
	unsigned int i = source_of(ev->source);

	if (ev->kind == KECHO_LOST)
		hall->lost += ev->last_seq - ev->seq + 1;
	if (from[i].ended)
		wrong("after the end", ev, 0);
	if (ev->kind == KECHO_ENDED && ev->last_seq != from[i].seq)
		wrong("another end", ev, from[i].seq);
	from[i].ended = ev->kind == KECHO_ENDED;
	if (ev->kind != KECHO_EVENT)
		return;
	if (!stamp_good(ev->data, ev->len))
		wrong("torn", ev, 0);
	else if (ev->seq != from[i].seq + 1 || stamp_number(ev) != ev->seq)
		wrong("out of order", ev, from[i].seq + 1);
	hall->victims += i && !from[i].seq;
	from[i].seq = ev->seq;
	if (i)
		hall->victim_events++;
	else
		WRITE_ONCE(hall->received, ev->seq);
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
	struct kecho_channel *ch = join();
	struct kecho_event ev;
	struct kecho_sink *s;
	unsigned int n;
	int err;

	(void)arg;
	if (!ch || kecho_sink_open(ch, &opt, &s) || kecho_channel_watch(ch, on_member, NULL))
		return 1;
	WRITE_ONCE(hall->going, true);
	for (n = 0;; n++) {
		err = kecho_read(s, &ev, 10);
		if (!err)
			judge(&ev);
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

/* In the log itself, in one piece or in several. */
static int submit_one(struct kecho_source *s, u64 *buf, u64 number)
{
	size_t len = sizeof(struct stamp) + number * 7919 % VICTIM_LEN_MAX;
	struct kecho_reservation r;

	if (number % 2 && len <= KECHO_EVENT_WHOLE_MAX) {
		if (kecho_reserve(s, len, 0, &r))
			return -1;
		stamp_write(r.data, len, number);
		return kecho_commit(s, &r, len);
	}
	stamp_write(buf, len, number);
	return kecho_submit(s, buf, len, 0);
}

static int victim_source(void *arg)
{
	static u64 buf[(VICTIM_LEN_MAX + sizeof(struct stamp)) / sizeof(u64) + 1];
	struct kecho_channel *ch = join();
	struct kecho_source *s;
	u64 i;

	(void)arg;
	if (!ch || kecho_source_open(ch, NULL, &s))
		return 1;
	smp_store_release(&hall->victim, kecho_source_id(s));
	for (i = 1; !submit_one(s, buf, i); i++)
		;
	return 1;
}

static int victim_sink(void *arg)
{
	struct kecho_sink_options opt = { .policy = *(enum kecho_policy *)arg };
	struct kecho_channel *ch = join();
	struct kecho_event ev;
	struct kecho_sink *s;

	if (!ch || kecho_sink_open(ch, &opt, &s))
		return 1;
	smp_store_release(&hall->victim, kecho_sink_id(s));
	while (!kecho_read(s, &ev, -1))
		;
	return 1;
}

static pid_t spawn_victim(unsigned int i)
{
	enum kecho_policy policy = i % 4 == 1 ? KECHO_BLOCK : KECHO_LATEST;

	hall->victim = 0;
	return spawn(i % 2 ? victim_sink : victim_source, &policy);
}

/* How long a victim takes, about, until it is a member: at most this. */
static unsigned int life_max_us(void)
{
	u64 begin = now_ns();
	pid_t pid = spawn_victim(0);

	ok(comes_true(smp_load_acquire(&hall->victim)), "a victim joins");
	begin = now_ns() - begin;
	kill(pid, SIGKILL);
	waitpid(pid, (int[1]){}, 0);
	return max_t(u64, LIFE_MAX_US, 4 * begin / 1000);
}

/*
 * Kills one after @life_us. Gives how long the watcher took to see it, from when the
 * process was dead: until then it waits for the CPU like any other. 0: it had no member
 * yet; U64_MAX: the watcher did not see it, or the victim ended by itself.
 */
static u64 kill_one(unsigned int i, unsigned int life_us)
{
	pid_t pid = spawn_victim(i);
	u64 begin, id, seen = 0;

	if (pid < 0)
		return U64_MAX;
	sleep_us(life_us);
	kill(pid, SIGKILL);
	waitpid(pid, (int[1]){}, 0);
	begin = now_ns();
	id = smp_load_acquire(&hall->victim);
	if (!id)
		return 0;
	if (!comes_true((seen = failed_ns(id))))
		return U64_MAX;
	return seen > begin ? seen - begin : 1;
}

static int by_size(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void judge_times(u64 *ns, unsigned int n, unsigned int kills)
{
	/* Few kills have no such percentile: theirs would be the worst of all. */
	unsigned int permille = kills < KILLS_LONG ? 900 : 999;
	u64 p50, most;

	/* Otherwise the instants were not spread over what a victim does. */
	must(n > kills / 4, "%u of %u victims had joined", n, kills);
	qsort(ns, n, sizeof(*ns), by_size);
	p50 = ns[n / 2];
	most = ns[min(n - 1, n * permille / 1000)];
	pr_info("# %u kills, %u of members; until failed: p50 %.2f, p%.1f %.2f, max %.2f ms\n",
		kills, n, p50 / 1e6, permille / 10., most / 1e6, ns[n - 1] / 1e6);
#ifndef SANITIZED
	ok(most <= FAILED_BAR_MS * 1000000ull, "p%.1f is %.2f ms", permille / 10., most / 1e6);
#endif
}

static void kill_many(unsigned int kills)
{
	static u64 ns[KILLS_LONG];
	unsigned int i, n = 0, unseen = 0, life_us = life_max_us();
	u64 took;

	srand(1);
	for (i = 0; i < kills; i++) {
		took = kill_one(i, rand() % life_us);
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

	must(comes_true(READ_ONCE(hall->received) > 10), "the standing two exchange events");
	fds[0] = fds_of(pub);
	fds[1] = fds_of(sub);
	maps[0] = maps_of(pub);
	maps[1] = maps_of(sub);
	there = members();
	is_eq(there, 2, "members");
	kill_many(long_run() ? KILLS_LONG : KILLS);
	ok(comes_true(members() == there), "%ld members, %ld before", members(), there);
	ok(comes_true(fds_of(pub) == fds[0]), "publisher: %d fds, %d before", fds_of(pub), fds[0]);
	ok(comes_true(fds_of(sub) == fds[1]), "subscriber: %d fds, %d before", fds_of(sub), fds[1]);
	ok(comes_true(maps_of(pub) == maps[0]), "publisher: %d maps, %d before", maps_of(pub),
	   maps[0]);
	ok(comes_true(maps_of(sub) == maps[1]), "subscriber: %d maps, %d before", maps_of(sub),
	   maps[1]);
	WRITE_ONCE(hall->stop, true);
	ok(comes_true(READ_ONCE(hall->received) == READ_ONCE(hall->submitted)),
	   "%llu of %llu events came", (unsigned long long)hall->received,
	   (unsigned long long)hall->submitted);
	is_eq(hall->wrong, 0, "%s", hall->first_wrong);
	is_eq(hall->lost, 0, "lost under block");
	ok(hall->victim_events > 0, "events of victims came");
	pr_info("# %llu standing events, slowest submit %.2f ms; %llu events of %llu victims\n",
		(unsigned long long)hall->received, hall->submit_ns_max / 1e6,
		(unsigned long long)hall->victim_events, (unsigned long long)hall->victims);
}

TEST(random_instants)
{
	pid_t pub = 0, sub;

	ARENA();
	hall = shared(sizeof(*hall));
	must(hall, "memory");
	sub = spawn(subscriber, NULL);
	if (ok(comes_true(READ_ONCE(hall->going)), "the subscriber stands")) {
		pub = spawn(publisher, NULL);
		exchange(pub, sub);
	}
	put_down(pub);
	put_down(sub);
}

TESTS(kill, random_instants);
