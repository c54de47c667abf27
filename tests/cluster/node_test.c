/* SPDX-License-Identifier: MIT */
/*
 * The node of the host dies and comes back under the processes that are attached to it:
 * they go on without it, and join the next by themselves. Nothing of this host is lost
 * or comes twice.
 */
#include <pthread.h>

#include "cluster.h"

enum {
	PART = 300,	/* events with the first node; without; with each node that follows */
	PACE_US = 500,
	EVENT_LEN = 256,
	DEATHS = 3,
	DEATHS_LONG = 30,
};

struct stage {
	struct kecho *k[2];
	struct kecho_channel *ch[2];
	struct kecho_source *src;
	struct kecho_sink *snk;
	pthread_t reader;
	u64 last;	/* the number that the reader ends with; U64_MAX: not known yet */
	u64 next;	/* the reader's */
	unsigned int wrong, lost, ended;
};

static void *reads_all(void *arg)
{
	struct stage *s = arg;
	struct kecho_event ev;

	while (s->next - 1 != smp_load_acquire(&s->last)) {
		if (kecho_read(s->snk, &ev, QUIET_MS))
			continue;
		s->ended += ev.kind == KECHO_ENDED;
		s->lost += ev.kind == KECHO_LOST;
		if (ev.kind != KECHO_EVENT)
			continue;
		s->wrong += !stamp_good(ev.data, ev.len) || stamp_number(&ev) != s->next;
		WRITE_ONCE(s->next, s->next + 1);
	}
	return NULL;
}

static bool stage_open(struct stage *s, enum kecho_policy policy)
{
	struct kecho_sink_options snk = { .policy = policy };
	int i;

	*s = (struct stage){ .last = U64_MAX, .next = 1 };
	for (i = 0; i < 2; i++)
		if (!ok(!kecho_open(&s->k[i], NULL) &&
			!kecho_channel_open(s->k[i], "stage", NULL, &s->ch[i]), "%s",
			kecho_explain()))
			return false;
	return ok(!kecho_sink_open(s->ch[1], &snk, &s->snk) &&
		  !kecho_source_open(s->ch[0], NULL, &s->src), "%s", kecho_explain()) &&
	       !pthread_create(&s->reader, NULL, reads_all, s);
}

static void submit_part(struct stage *s, u64 *number)
{
	static u64 event[EVENT_LEN / sizeof(u64)];
	int i;

	for (i = 0; i < PART; i++) {
		stamp_write(event, EVENT_LEN, ++*number);
		is_eq(kecho_submit(s->src, event, EVENT_LEN, 0), 0, "event %llu",
		      (unsigned long long)*number);
		sleep_us(PACE_US);
	}
}

static bool attached(struct kecho_channel *ch, ssize_t members)
{
	return kecho_members(ch, NULL, 0) == members;
}

static void one_death(struct stage *s, u64 *number)
{
	uint64_t id = kecho_source_id(s->src);

	submit_part(s, number);
	put_down(daemon_pid);
	submit_part(s, number);
	ok(comes_true(READ_ONCE(s->next) == *number + 1), "without a node: %llu of %llu",
	   (unsigned long long)READ_ONCE(s->next) - 1, (unsigned long long)*number);
	must(start_daemon(), "the next kechod");
	submit_part(s, number);
	ok(comes_true(attached(s->ch[0], 2) && attached(s->ch[1], 2)), "both are in again");
	is_eq(kecho_source_id(s->src), id, "the same member");
	submit_part(s, number);
}

static void deaths(enum kecho_policy policy)
{
	int i, n = long_run() ? DEATHS_LONG : DEATHS;
	struct stage s;
	u64 number = 0;

	if (!stage_open(&s, policy))
		return;
	for (i = 0; i < n; i++)
		one_death(&s, &number);
	smp_store_release(&s.last, number);
	ok(comes_true(READ_ONCE(s.next) == number + 1), "%llu of %llu came",
	   (unsigned long long)READ_ONCE(s.next) - 1, (unsigned long long)number);
	smp_store_release(&s.last, READ_ONCE(s.next) - 1);
	pthread_join(s.reader, NULL);
	is_eq(s.wrong, 0, "each once, in order");
	is_eq(s.lost, 0, "nothing was lost");
	is_eq(s.ended, 0, "its source was there all the time");
	kecho_close(s.k[0]);
	kecho_close(s.k[1]);
}

TEST(latest_goes_on)
{
	ARENA();
	deaths(KECHO_LATEST);
}

TEST(block_goes_on)
{
	ARENA();
	deaths(KECHO_BLOCK);
}

static void *submits(void *arg)
{
	static u64 event[EVENT_LEN / sizeof(u64)];
	struct stage *s = arg;
	u64 i, n = 4 * KECHO_LOG_SIZE_DEFAULT / EVENT_LEN;

	for (i = 1; i <= n; i++) {
		stamp_write(event, EVENT_LEN, i);
		if (kecho_submit(s->src, event, EVENT_LEN, 0))
			return (void *)1L;
	}
	smp_store_release(&s->last, n);
	return NULL;
}

/* Without a node a source that somebody waits for stops at its last limit. */
TEST(block_waits_for_the_next)
{
	struct kecho_source_stats st;
	static u64 event[EVENT_LEN / sizeof(u64)];
	struct stage s;
	pthread_t writer;
	void *err;

	ARENA();
	if (!stage_open(&s, KECHO_BLOCK))
		return;
	put_down(daemon_pid);
	must(!pthread_create(&writer, NULL, submits, &s), "a thread");
	ok(comes_true((kecho_source_stats(s.src, &st), st.waited)), "it waits behind %llu",
	   (unsigned long long)st.submitted);
	is_eq(kecho_submit(s.src, event, EVENT_LEN, KECHO_DONTWAIT), -EAGAIN, "full");
	must(start_daemon(), "the next kechod");
	pthread_join(writer, &err);
	is_eq((long)err, 0, "it went on");
	pthread_join(s.reader, NULL);
	is_eq(s.wrong, 0, "each once, in order");
	is_eq(s.lost, 0, "nothing was lost");
	kecho_close(s.k[0]);
	kecho_close(s.k[1]);
}

static unsigned int changes[KECHO_FAILED + 1];

static void on_member(void *arg, const struct kecho_member *m)
{
	(void)arg;
	__atomic_fetch_add(&changes[m->state], 1, __ATOMIC_SEQ_CST);
}

TEST(members_fail_with_it)
{
	struct stage s;

	ARENA();
	if (!stage_open(&s, KECHO_LATEST))
		return;
	is_eq(kecho_channel_watch(s.ch[0], on_member, NULL), 0, "watch");
	ok(comes_true(READ_ONCE(changes[KECHO_JOINED]) == 2), "both");
	put_down(daemon_pid);
	ok(comes_true(READ_ONCE(changes[KECHO_FAILED]) == 2), "both have failed");
	is_eq(kecho_submit(s.src, "x", 1, 0), 0, "a source goes on");
	must(start_daemon(), "the next kechod");
	ok(comes_true(READ_ONCE(changes[KECHO_JOINED]) == 4), "both are in again");
	is_eq(READ_ONCE(changes[KECHO_FAILED]), 2, "no more have");
	smp_store_release(&s.last, 1);
	pthread_join(s.reader, NULL);
	kecho_close(s.k[0]);
	kecho_close(s.k[1]);
}

/* While there is none, what asks it says so, after its time. */
TEST(calls_say_so)
{
	const struct kecho_options opt = { .timeout_ms = QUIET_MS };
	struct kecho_channel *ch, *other;
	struct kecho *k;

	ARENA();
	must(!kecho_open(&k, &opt) && comes_true(!kecho_channel_open(k, "calls", NULL, &ch)), "%s",
	     kecho_explain());
	put_down(daemon_pid);
	is_eq(kecho_channel_open(k, "other", NULL, &other), -ENOTCONN, "open");
	ok(strstr(kecho_explain(), "kechod"), "%s", kecho_explain());
	is_eq(kecho_members(ch, NULL, 0), -ENOTCONN, "members");
	is_eq(kecho_channel_set(ch, "x", kecho_i64(1)), -ENOTCONN, "set");
	must(start_daemon(), "the next kechod");
	ok(comes_true(!kecho_channel_open(k, "other", NULL, &other)), "%s", kecho_explain());
	kecho_close(k);
}

/* ------------------------------------------------------------ several users */

enum {
	USERS_MAX = 20, /* more than a thread can sleep on at once */
	USER_FIRST = 20000,
	USER_ROUNDS = 5,
};

static struct turns {
	unsigned int turn;	/* whose it is, from 1; 0: nobody's */
	unsigned int there;
	bool begin, stop;
} *turns;

static int user(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg;
	struct kecho_source *s;
	struct kecho_channel *ch;
	struct kecho *k;

	if (!comes_true(READ_ONCE(turns->begin)) || setgid(USER_FIRST + me) ||
	    setuid(USER_FIRST + me) || kecho_open(&k, NULL) ||
	    kecho_channel_open(k, "users", NULL, &ch) || kecho_source_open(ch, NULL, &s)) {
		fprintf(stderr, "# user %u: %s\n", me, kecho_explain());
		return 3;
	}
	__atomic_fetch_add(&turns->there, 1, __ATOMIC_SEQ_CST);
	while (!READ_ONCE(turns->stop)) {
		if (READ_ONCE(turns->turn) == me) {
			WRITE_ONCE(turns->turn, 0);
			if (kecho_submit(s, &me, sizeof(me), 0))
				return 4;
		}
		sleep_us(STEP_US);
	}
	kecho_close(k);
	return 0;
}

/* Each of @n users wakes a sink that sleeps on all of them; @fd: that is polled. */
static void each_wakes(struct kecho_sink *snk, unsigned int n, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct kecho_event ev;
	unsigned int i;
	int err;

	for (i = 0; i < USER_ROUNDS * n; i++) {
		WRITE_ONCE(turns->turn, i % n + 1);
		do {
			if (fd >= 0 && poll(&p, 1, SOON_MS) != 1)
				break;
			err = kecho_read(snk, &ev, fd < 0 ? SOON_MS : 0);
		} while (err == -EAGAIN);
		must(!err && ev.kind == KECHO_EVENT && ev.len == sizeof(i), "user %u of %u: %d",
		     i % n + 1, n, err);
		is_eq(*(const unsigned int *)ev.data, i % n + 1, "who was asked");
	}
}

static void users(unsigned int n)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;
	struct kecho_sink *snk;
	pid_t pid[USERS_MAX];
	struct kecho *k;
	unsigned int i;

	turns = shared(sizeof(*turns));
	for (i = 0; i < n; i++)
		pid[i] = spawn(user, (void *)(uintptr_t)(i + 1));
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "users", NULL, &ch) &&
	     !kecho_sink_open(ch, &opt, &snk), "%s", kecho_explain());
	WRITE_ONCE(turns->begin, true);
	if (ok(comes_true(READ_ONCE(turns->there) == n), "%u of %u users", turns->there, n)) {
		each_wakes(snk, n, -1);
		each_wakes(snk, n, kecho_sink_fd(snk));
	}
	WRITE_ONCE(turns->stop, true);
	for (i = 0; i < n; i++)
		is_eq(ends(pid[i]), 0, "user %u", i + 1);
	munmap(turns, sizeof(*turns));
	kecho_close(k);
}

TEST(woken_by_each_user)
{
	if (geteuid())
		skip("needs root, to be several users");
	ARENA();
	users(1);
	users(3);
	users(USERS_MAX);
}

TESTS(node, woken_by_each_user, latest_goes_on, block_goes_on, block_waits_for_the_next,
      members_fail_with_it, calls_say_so);
