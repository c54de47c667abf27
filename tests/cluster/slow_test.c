/* SPDX-License-Identifier: MIT */
/*
 * A slow sink on another host: under block it slows its own channel only, under
 * latest it learns the exact number that it lost. And events of the largest size
 * arrive whole, here and over there.
 */
#include <pthread.h>

#include "cluster.h"

enum {
	EVENT_LEN = 1024,
	SLOW_BYTES_PER_S = 1 << 20,
	PHASES = 4,
	PHASE_MS = 500,
	RATE_KEPT_PERCENT = 50, /* of what the other channel did alone, on a busy machine */
	EVENTS = 20000,
	BIG = KECHO_EVENT_MAX,
};

static struct hall {
	bool ready, done;
	bool slow_on; /* the slow channel is being used */
	u64 fast, slow, slow_sent; /* events that came; that were submitted */
	u64 came, lost, wrong;
} * hall;

static const struct kecho_options near_host = { .listen = "127.0.0.1", .registry = REGISTRY };
static const struct kecho_options far_host = { .listen = "127.0.0.2", .registry = REGISTRY };

static void wrong_if(bool is)
{
	__atomic_fetch_add(&hall->wrong, is, __ATOMIC_RELAXED);
}

static void *read_slow(void *sink)
{
	struct kecho_event ev;

	while (!READ_ONCE(hall->done)) {
		if (kecho_read(sink, &ev, 100))
			continue;
		wrong_if(ev.seq != hall->slow + 1 || !stamp_good(ev.data, ev.len));
		WRITE_ONCE(hall->slow, ev.seq);
		sleep_us(EVENT_LEN * 1000000ull / SLOW_BYTES_PER_S);
	}
	return NULL;
}

static int far_two(void *arg)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_channel *fast, *slow;
	struct kecho_sink *s[2];
	struct kecho_event ev;
	struct kecho *k;
	pthread_t other;

	(void)arg;
	if (kecho_open(&k, &far_host) || kecho_channel_open(k, "fast", NULL, &fast) ||
	    kecho_channel_open(k, "slow", NULL, &slow) || kecho_sink_open(fast, &opt, &s[0]) ||
	    kecho_sink_open(slow, &opt, &s[1]) || pthread_create(&other, NULL, read_slow, s[1]))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!READ_ONCE(hall->done)) {
		if (kecho_read(s[0], &ev, 100))
			continue;
		wrong_if(ev.seq != hall->fast + 1 || !stamp_good(ev.data, ev.len));
		WRITE_ONCE(hall->fast, ev.seq);
	}
	pthread_join(other, NULL);
	kecho_close(k);
	return 0;
}

static void *submit_slow(void *source)
{
	u64 buf[EVENT_LEN / sizeof(u64)], i;

	for (i = hall->slow_sent + 1; READ_ONCE(hall->slow_on); i++) {
		stamp_write(buf, sizeof(buf), i);
		if (kecho_submit(source, buf, sizeof(buf), 0))
			break;
		WRITE_ONCE(hall->slow_sent, i);
	}
	return NULL;
}

/* Events of the fast channel that come in PHASE_MS. */
static u64 fast_phase(struct kecho_source *s, u64 *number)
{
	u64 buf[EVENT_LEN / sizeof(u64)], begin = hall->fast;
	u64 until = now_ns() + PHASE_MS * 1000000ull;

	while (now_ns() < until) {
		stamp_write(buf, sizeof(buf), ++*number);
		if (!ok(!kecho_submit(s, buf, sizeof(buf), 0), "submit"))
			break;
	}
	return READ_ONCE(hall->fast) - begin;
}

/* The same while the slow channel is in use. */
static u64 beside_phase(struct kecho_source *s, u64 *number, struct kecho_source *slow)
{
	pthread_t other;
	u64 came;

	WRITE_ONCE(hall->slow_on, true);
	if (!ok(!pthread_create(&other, NULL, submit_slow, slow), "a thread"))
		return 0;
	came = fast_phase(s, number);
	WRITE_ONCE(hall->slow_on, false);
	pthread_join(other, NULL);
	return came;
}

/* In turn: what else runs on the machine is no difference between the two. */
static void rates(struct kecho *k)
{
	struct kecho_channel *fast, *slow;
	struct kecho_source *s[2];
	u64 alone = 0, beside = 0, number = 0, bound, begun;
	int i;

	must(!kecho_channel_open(k, "fast", NULL, &fast) &&
		     !kecho_channel_open(k, "slow", NULL, &slow) &&
		     !kecho_source_open(fast, NULL, &s[0]) &&
		     !kecho_source_open(slow, NULL, &s[1]),
	     "%s", kecho_explain());
	begun = now_ns();
	for (i = 0; i < PHASES; i++) {
		alone += fast_phase(s[0], &number);
		beside += beside_phase(s[0], &number, s[1]);
	}
	/* Its rate, and what the log and the mirror hold: alone it is read on. */
	bound = (now_ns() - begun) / 1000 * SLOW_BYTES_PER_S / EVENT_LEN / 1000000 +
		3 * KECHO_LOG_SIZE_DEFAULT / EVENT_LEN;
	ok(comes_true(READ_ONCE(hall->fast) == number), "all of the fast ones came");
	ok(comes_true(READ_ONCE(hall->slow) == hall->slow_sent), "all of the slow ones came");
	ok(hall->slow_sent > 0 && hall->slow_sent < bound, "slow: %llu events, bound %llu",
	   (unsigned long long)hall->slow_sent, (unsigned long long)bound);
#ifndef SANITIZED
	ok(beside * 100 >= alone * RATE_KEPT_PERCENT, "the fast one came to %llu from %llu",
	   (unsigned long long)beside, (unsigned long long)alone);
#endif
	is_eq(hall->wrong, 0, "in order and whole");
	pr_info("# fast alone %llu, beside the slow one %llu; slow %llu events in %d ms\n",
		(unsigned long long)alone, (unsigned long long)beside,
		(unsigned long long)hall->slow_sent, PHASES * PHASE_MS);
}

static struct kecho *with_far(int (*fn)(void *), pid_t *pid)
{
	struct kecho *k = NULL;

	hall = shared(sizeof(*hall));
	if (!hall)
		return NULL;
	*pid = spawn(fn, NULL);
	if (ok(comes_true(READ_ONCE(hall->ready)), "the other host is there"))
		ok(!kecho_open(&k, &near_host), "%s", kecho_explain());
	return k;
}

TEST(block_slows_its_own_channel)
{
	struct kecho *k;
	pid_t pid = 0;

	ARENA();
	k = with_far(far_two, &pid);
	if (k)
		rates(k);
	if (hall)
		WRITE_ONCE(hall->done, true);
	kecho_close(k);
	is_eq(ends(pid), 0, "the other host");
}

static int far_latest(void *arg)
{
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho *k;
	u64 next = 1;

	(void)arg;
	if (kecho_open(&k, &far_host) || kecho_channel_open(k, "latest", NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &s))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!kecho_read(s, &ev, SOON_MS) && (ev.kind != KECHO_ENDED || ev.failed)) {
		if (ev.kind == KECHO_ENDED)	/* until it is heard again */
			continue;
		wrong_if(ev.seq != next);
		if (ev.kind == KECHO_LOST) {
			hall->lost += ev.last_seq - ev.seq + 1;
			next = ev.last_seq + 1;
			continue;
		}
		wrong_if(!stamp_good(ev.data, ev.len) || stamp_number(&ev) != ev.seq);
		next = ev.seq + 1;
		if (hall->came++ < SLOW_BYTES_PER_S / EVENT_LEN / 2)
			sleep_us(EVENT_LEN * 1000000ull / SLOW_BYTES_PER_S);
	}
	WRITE_ONCE(hall->done, true);
	kecho_close(k);
	return 0;
}

TEST(latest_learns_its_losses)
{
	const struct kecho_source_options opt = { .linger_ms = SOON_MS };
	u64 buf[EVENT_LEN / sizeof(u64)], i;
	struct kecho_channel *ch;
	struct kecho_source *s;
	struct kecho *k;
	pid_t pid = 0;

	ARENA();
	k = with_far(far_latest, &pid);
	if (k && ok(!kecho_channel_open(k, "latest", NULL, &ch) &&
			    !kecho_source_open(ch, &opt, &s),
		    "%s", kecho_explain())) {
		for (i = 1; i <= EVENTS; i++) {
			stamp_write(buf, sizeof(buf), i);
			is_eq(kecho_submit(s, buf, sizeof(buf), 0), 0, "event %llu",
			      (unsigned long long)i);
		}
		kecho_source_close(s);
		ok(comes_true(READ_ONCE(hall->done)), "it came to the end");
		is_eq(hall->came + hall->lost, EVENTS, "%llu lost", (unsigned long long)hall->lost);
		ok(hall->lost > 0, "it was lapped");
		is_eq(hall->wrong, 0, "in order and whole");
	}
	kecho_close(k);
	is_eq(ends(pid), 0, "the other host");
}

static int far_big(void *arg)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho *k;

	if (kecho_open(&k, arg ? &near_host : &far_host) ||
	    kecho_channel_open(k, "big", NULL, &ch) || kecho_sink_open(ch, &opt, &s))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!kecho_read(s, &ev, SOON_MS) && ev.kind == KECHO_EVENT) {
		wrong_if(ev.len != BIG || !stamp_good(ev.data, ev.len) ||
			 stamp_number(&ev) != ev.seq);
		hall->came++;
	}
	kecho_close(k);
	return 0;
}

static int here_big(void *arg)
{
	(void)arg;
	return far_big(hall);
}

static void big(int (*fn)(void *))
{
	u64 i, *event = malloc(BIG);
	struct kecho_channel *ch;
	struct kecho_source *s;
	struct kecho *k;
	pid_t pid = 0;

	must(event, "memory");
	k = with_far(fn, &pid);
	if (k && ok(!kecho_channel_open(k, "big", NULL, &ch) && !kecho_source_open(ch, NULL, &s),
		    "%s", kecho_explain())) {
		for (i = 1; i <= 3; i++) {
			stamp_write(event, BIG, i);
			is_eq(kecho_submit(s, event, BIG, 0), 0, "%s", kecho_explain());
		}
		kecho_source_close(s);
		is_eq(ends(pid), 0, "the other node");
		is_eq(hall->came, 3, "events came");
		is_eq(hall->wrong, 0, "whole");
		pid = 0;
	}
	put_down(pid);
	kecho_close(k);
	free(event);
}

TEST(largest_events_here)
{
	ARENA();
	big(here_big);
}

TEST(largest_events_over_tcp)
{
	ARENA();
	big(far_big);
}

TESTS(slow, largest_events_here, largest_events_over_tcp, latest_learns_its_losses,
      block_slows_its_own_channel);
