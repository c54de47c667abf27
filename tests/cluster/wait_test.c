/* SPDX-License-Identifier: MIT */
/*
 * Threads that wait for other hosts: who leads, who follows, and who sleeps where little
 * can come from; each is woken by all that it waits for.
 */
#include <pthread.h>

#include "cluster.h"

enum {
	ROUNDS = 3000,
	SLOW_MS = 200,
	PINGS = 10,
	PINGS_MS = 1000,	/* all of them; left to heartbeats each takes 250, on average */
};

static void put(struct kecho_source *s, const char *text)
{
	is_eq(kecho_submit(s, text, strlen(text), 0), 0, "submit \"%s\"", text);
}

struct follower {
	struct kecho_channel *ch;
	struct kecho_sink *sink;
	struct kecho_source *source;
	pthread_t thread;
	u64 got;
};

/* Until the first of its sources has ended. */
static void *follows(void *arg)
{
	struct follower *f = arg;
	struct kecho_event ev;
	u64 first = 0;

	while (!kecho_read(f->sink, &ev, -1)) {
		first = first ?: ev.source;
		if (ev.kind == KECHO_EVENT)
			WRITE_ONCE(f->got, f->got + 1);
		else if (ev.source == first)
			break;
	}
	return NULL;
}

static bool follower_open(struct follower *f, struct kecho *far, struct kecho *near,
			  const char *name)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;

	return ok(!kecho_channel_open(far, name, NULL, &ch) &&
		  !kecho_source_open(ch, NULL, &f->source) &&
		  !kecho_channel_open(near, name, NULL, &f->ch) &&
		  !kecho_sink_open(f->ch, &block, &f->sink), "%s", kecho_explain()) &&
	       !pthread_create(&f->thread, NULL, follows, f);
}

/* Threads of one process wait for another host: one leads, the others are woken. */
TEST(leader_and_followers)
{
	static const char *const names[] = { "lead-a", "lead-b", "lead-c" };
	const struct kecho_options far = { .listen = "127.0.0.1", .registry = "127.0.0.1:7445" };
	const struct kecho_options near = { .listen = "127.0.0.2", .registry = far.registry };
	struct follower f[ARRAY_SIZE(names)] = {};
	struct kecho *k[2] = {};
	unsigned int i, n = 0, slow = 0;

	ARENA();
	ok(!kecho_open(&k[0], &far) && !kecho_open(&k[1], &near), "%s", kecho_explain());
	while (n < ARRAY_SIZE(f) && follower_open(&f[n], k[0], k[1], names[n]))
		n++;
	for (i = 1; n == ARRAY_SIZE(f) && i <= ROUNDS; i++) {
		struct follower *one = &f[i * i % 5 % n];
		u64 due = READ_ONCE(one->got) + 1, begin = now_ns();

		put(one->source, "x");
		if (!ok(comes_true(READ_ONCE(one->got) == due), "round %u", i))
			break;
		slow += now_ns() - begin > SLOW_MS * 1000000ull;
	}
	/* Who was not woken is by the next heartbeat. */
	ok(slow < ROUNDS / 100, "%u of %u had to be woken by chance", slow, ROUNDS);
	kecho_close(k[0]);
	for (i = 0; i < n; i++)
		pthread_join(f[i].thread, NULL);
	kecho_close(k[1]);
}

/* What is submitted to @ch reaches the follower. */
static void reaches(struct follower *f, struct kecho_channel *ch, const char *who)
{
	u64 due = READ_ONCE(f->got) + 1, begin;
	struct kecho_source *s;

	must(!kecho_source_open(ch, NULL, &s), "%s: %s", who, kecho_explain());
	begin = now_ns();
	put(s, "x");
	ok(comes_true(READ_ONCE(f->got) == due), "%s is heard", who);
#ifndef SANITIZED
	ok(now_ns() - begin < SLOW_MS * 1000000ull, "%s: not by chance", who);
#else
	(void)begin;
#endif
	kecho_source_close(s);
}

/* Who sleeps on the only connection hears of others that come. */
TEST(sleeper_is_interrupted)
{
	const struct kecho_options far = { .listen = "127.0.0.1", .registry = "127.0.0.1:7446" };
	const struct kecho_options near = { .listen = "127.0.0.2", .registry = far.registry };
	const struct kecho_options third = { .listen = "127.0.0.3", .registry = far.registry };
	struct kecho_channel *ch[2];
	struct kecho *k[4] = {};
	struct follower f = {};
	unsigned int i;

	ARENA();
	ok(!kecho_open(&k[0], &far) && !kecho_open(&k[1], &near), "%s", kecho_explain());
	if (follower_open(&f, k[0], k[1], "sleeper")) {
		for (i = 1; i <= 10; i++) {
			put(f.source, "x");
			ok(comes_true(READ_ONCE(f.got) == i), "event %u", i);
		}
		ok(!kecho_open(&k[2], &near) && !kecho_open(&k[3], &third), "%s", kecho_explain());
		ok(!kecho_channel_open(k[2], "sleeper", NULL, &ch[0]) &&
		   !kecho_channel_open(k[3], "sleeper", NULL, &ch[1]), "%s", kecho_explain());
		reaches(&f, ch[0], "a node of its host");
		put(f.source, "x");
		ok(comes_true(READ_ONCE(f.got) == 12), "the first again");
		reaches(&f, ch[1], "a node of a third host");
		reaches(&f, f.ch, "its own process");
	}
	kecho_close(k[0]);
	pthread_join(f.thread, NULL);
	for (i = 1; i < ARRAY_SIZE(k); i++)
		kecho_close(k[i]);
}

/* Two sinks of another host block; the one that never reads goes. */
TEST(slowest_sink_goes)
{
	const struct kecho_options far = { .listen = "127.0.0.1", .registry = "127.0.0.1:7447" };
	const struct kecho_options near = { .listen = "127.0.0.2", .registry = far.registry };
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch[2];
	struct kecho_sink *idle, *busy;
	struct kecho *k[2] = {};
	struct kecho_source *s;
	struct kecho_event ev;
	char text[1000] = { 0 };
	int still = 0, err;

	ARENA();
	ok(!kecho_open(&k[0], &far) && !kecho_channel_open(k[0], "slowest", NULL, &ch[0]) &&
	   !kecho_source_open(ch[0], NULL, &s), "%s", kecho_explain());
	ok(!kecho_open(&k[1], &near) && !kecho_channel_open(k[1], "slowest", NULL, &ch[1]) &&
		   !kecho_sink_open(ch[1], &block, &idle) &&
		   !kecho_sink_open(ch[1], &block, &busy),
	   "%s", kecho_explain());
	/* Until both ends are full, and stay so. */
	while (still < 3) {
		err = kecho_submit(s, text, sizeof(text), KECHO_DONTWAIT);
		must(!err || err == -EAGAIN, "it holds all up: %d %s", err, kecho_explain());
		still = err ? still + 1 : 0;
		while (still && !kecho_read(busy, &ev, SLOW_MS / 2))
			still = 0;
	}
	kecho_sink_close(idle);
	ok(comes_true(!kecho_submit(s, text, sizeof(text), KECHO_DONTWAIT)), "it goes on");
	kecho_close(k[0]);
	kecho_close(k[1]);
}

struct submitter {
	struct kecho_source *source;
	int err;
};

static void *submits(void *arg)
{
	struct submitter *s = arg;
	char text[1000] = { 0 };

	while (!s->err)
		s->err = kecho_submit(s->source, text, sizeof(text), 0);
	return NULL;
}

/* A source is closed while threads wait for a sink that does not read. */
TEST(closed_under_submitters)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_source_stats st = { 0 };
	struct submitter s[3] = { { .source = NULL } };
	pthread_t thread[ARRAY_SIZE(s)];
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *idle;
	struct kecho *k = NULL;
	unsigned int i;

	ARENA();
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "closed", NULL, &ch) &&
	     !kecho_sink_open(ch, &block, &idle) && !kecho_source_open(ch, NULL, &src), "%s",
	     kecho_explain());
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i].source = src;
		must(!pthread_create(&thread[i], NULL, submits, &s[i]), "a thread");
	}
	ok(comes_true((kecho_source_stats(src, &st), st.waited >= ARRAY_SIZE(s))), "all wait");
	kecho_source_close(src);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		pthread_join(thread[i], NULL);
		is_eq(s[i].err, -EPIPE, "it is told");
	}
	kecho_close(k);
}

/* Who knows of no other's doorbell makes its own; so each of those that come at the same
 * moment may have one, and has to be woken by it. */
#ifdef SANITIZED
enum { CROWD = 20 };
#else
enum { CROWD = 60 };
#endif

struct crowd {
	unsigned int here, sinks, woken;
	int begin[2];	/* a pipe that ends when all are to begin */
};

static int one_of_the_crowd(void *arg)
{
	struct crowd *c = arg;
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct kecho *k;
	char none;

	close(c->begin[1]);
	if (kecho_open(&k, NULL) || kecho_channel_open(k, "crowd", NULL, &ch))
		return 1;
	__atomic_fetch_add(&c->here, 1, __ATOMIC_SEQ_CST);
	if (read(c->begin[0], &none, 1) || kecho_sink_open(ch, NULL, &s))
		return 2;
	__atomic_fetch_add(&c->sinks, 1, __ATOMIC_SEQ_CST);
	if (kecho_read(s, &ev, -1))
		return 3;
	__atomic_fetch_add(&c->woken, 1, __ATOMIC_SEQ_CST);
	kecho_close(k);
	return 0;
}

TEST(each_of_a_crowd_is_woken)
{
	struct crowd *c = shared(sizeof(*c));
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho *k = NULL;
	pid_t pid[CROWD];
	unsigned int i;

	ARENA();
	must(!pipe(c->begin), "a pipe");
	for (i = 0; i < CROWD; i++)
		pid[i] = spawn(one_of_the_crowd, c);
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "crowd", NULL, &ch) &&
	     !kecho_source_open(ch, NULL, &src), "%s", kecho_explain());
	ok(comes_true(READ_ONCE(c->here) == CROWD), "%u are here", c->here);
	close(c->begin[1]);
	ok(comes_true(READ_ONCE(c->sinks) == CROWD), "%u are sinks", c->sinks);
	put(src, "wake up");
	ok(comes_true(READ_ONCE(c->woken) == CROWD), "%u are woken", c->woken);
	for (i = 0; i < CROWD; i++) {
		if (c->woken == CROWD)
			is_eq(ends(pid[i]), 0, "it has read");
		else
			put_down(pid[i]);
	}
	close(c->begin[0]);
	kecho_close(k);
}

static void on_member(void *arg, const struct kecho_member *m)
{
	__atomic_fetch_add((unsigned int *)arg, m->state == KECHO_JOINED, __ATOMIC_RELAXED);
}

/* Nobody is told of a channel that is no more, however much there was to tell. */
TEST(closed_while_told)
{
	struct kecho *k = NULL, *other = NULL;
	struct kecho_channel *ch;
	struct kecho_source *s;
	unsigned int told = 0;
	int i;

	ARENA();
	must(!kecho_open(&k, NULL) && !kecho_open(&other, NULL) &&
		     !kecho_channel_open(other, "told", NULL, &ch),
	     "%s", kecho_explain());
	for (i = 0; i < 200; i++)
		must(!kecho_source_open(ch, NULL, &s), "%s", kecho_explain());
	for (i = 0; i < 100; i++) {
		must(!kecho_channel_open(k, "told", NULL, &ch) &&
			     !kecho_channel_watch(ch, on_member, &told),
		     "round %d: %s", i, kecho_explain());
		kecho_channel_close(ch);
	}
	kecho_close(k);
	kecho_close(other);
}

/* A node whose only reader has looked in and gone again is run by its helper at once. */
TEST(leader_goes)
{
	const struct kecho_options far = { .listen = "127.0.0.1", .registry = "127.0.0.1:7448" };
	const struct kecho_options near = { .listen = "127.0.0.2", .registry = far.registry };
	struct kecho_link_info link;
	struct kecho_channel *ch[2];
	struct kecho_sink *snk;
	struct kecho *k[2] = {};
	struct kecho_event ev;
	u64 begin, sum = 0;
	int i;

	ARENA();
	if (with_node())
		skip("the node has the links");
	if (ok(!kecho_open(&k[0], &far) && !kecho_open(&k[1], &near) &&
	       !kecho_channel_open(k[0], "goes", NULL, &ch[0]) &&
	       !kecho_channel_open(k[1], "goes", NULL, &ch[1]) &&
	       !kecho_sink_open(ch[1], NULL, &snk), "%s", kecho_explain()) &&
	    is_eq(kecho_links(k[1], &link, 1), 1, "a link")) {
		for (i = 0; i < PINGS; i++) {
			sleep_us(QUIET_MS * 1000);	/* the helper sees that nobody comes */
			is_eq(kecho_read(snk, &ev, 1), -ETIMEDOUT, "nothing");
			begin = now_ns();
			ok(kecho_ping(k[1], link.node, SOON_MS) > 0, "an answer");
			sum += now_ns() - begin;
		}
		ok(sum < PINGS_MS * 1000000ull, "%d answers in %.1f ms", PINGS, sum / 1e6);
	}
	kecho_close(k[0]);
	kecho_close(k[1]);
}

TESTS(wait, leader_and_followers, leader_goes, sleeper_is_interrupted, slowest_sink_goes,
      closed_under_submitters, closed_while_told, each_of_a_crowd_is_woken);
