/* SPDX-License-Identifier: MIT */
/*
 * A channel as a whole: frozen, drained, destroyed, by one node and felt by all, on one
 * host and on several.
 */
#include <pthread.h>

#include "cluster.h"

enum { SHORT_MS = 300, EVENTS = 100, NODES = 3 };

static const struct kecho_options host[NODES] = {
	{ .listen = "127.0.0.1", .registry = REGISTRY },
	{ .listen = "127.0.0.2", .registry = REGISTRY },
	{ .listen = "127.0.0.3", .registry = REGISTRY },
};
static const struct kecho_options late_host = { .listen = "127.0.0.4", .registry = REGISTRY };

/* Node 0 has a source, node 1 a `block` sink; node 2 only looks on. */
struct trio {
	bool far;
	struct kecho *k[NODES];
	struct kecho_channel *ch[NODES];
	struct kecho_source *src;
	struct kecho_sink *snk;
};

static const struct kecho_sink_options block = { .policy = KECHO_BLOCK };

static bool node_open(struct trio *t, int i)
{
	return ok(!kecho_open(&t->k[i], t->far ? &host[i] : NULL) &&
		  !kecho_channel_open(t->k[i], "life", NULL, &t->ch[i]), "node %d: %s", i,
		  kecho_explain());
}

static bool trio_open(struct trio *t, bool far)
{
	int i;

	*t = (struct trio){ .far = far };
	for (i = 0; i < NODES; i++)
		if (!node_open(t, i))
			return false;
	return ok(!kecho_sink_open(t->ch[1], &block, &t->snk) &&
		  !kecho_source_open(t->ch[0], NULL, &t->src), "members: %s", kecho_explain());
}

static void trio_end(struct trio *t)
{
	int i;

	for (i = 0; i < NODES; i++)
		kecho_close(t->k[i]);
}

static void says(const char *what)
{
	ok(strstr(kecho_explain(), what), "it says '%s': %s", what, kecho_explain());
}

static int put(struct kecho_source *s, unsigned int flags)
{
	return kecho_submit(s, "x", 1, flags);
}

static void put_some(struct kecho_source *s, int n)
{
	while (n--)
		is_eq(put(s, 0), 0, "submit: %s", kecho_explain());
}

/* The number of the @n-th event from here; sources may end meanwhile. */
static u64 read_some(struct kecho_sink *s, int n)
{
	struct kecho_event ev = { .seq = 0 };

	while (n && is_eq(kecho_read(s, &ev, SOON_MS), 0, "%s", kecho_explain()))
		n -= ev.kind == KECHO_EVENT;
	return ev.seq;
}

/* -------------------------------------------------------------------- frozen */

struct waiter {
	struct kecho_source *s;
	int err;
	bool done;
};

static void *submit_one(void *arg)
{
	struct waiter *w = arg;

	w->err = put(w->s, 0);
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_done(struct waiter *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
}

static void frozen(bool far)
{
	struct kecho_event ev;
	struct waiter w = { .done = false };
	struct kecho_source *late, *later;
	struct kecho_channel *ch;
	pthread_t thread;
	struct kecho *k;
	struct trio t;

	ARENA();
	must(trio_open(&t, far), "nodes");
	put_some(t.src, 3);
	must(!kecho_channel_freeze(t.ch[2], SOON_MS), "%s", kecho_explain());
	is_eq(kecho_channel_freeze(t.ch[2], SOON_MS), -EALREADY, "once is enough");
	is_eq(put(t.src, KECHO_DONTWAIT), -EAGAIN, "refused");
	says("frozen");
	w.s = t.src;
	must(!pthread_create(&thread, NULL, submit_one, &w), "thread");
	/* What was submitted before comes, and no more. */
	is_eq(read_some(t.snk, 3), 3, "what was there");
	is_eq(kecho_read(t.snk, &ev, SHORT_MS), -ETIMEDOUT, "and nothing more");
	ok(!is_done(&w), "it waits");
	/* Who comes now knows at once; and may hold it too. */
	is_eq(kecho_source_open(t.ch[1], NULL, &late), 0, "%s", kecho_explain());
	is_eq(put(late, KECHO_DONTWAIT), -EAGAIN, "a new source is refused");
	must(!kecho_open(&k, far ? &late_host : NULL) &&
		     !kecho_channel_open(k, "life", NULL, &ch) &&
		     !kecho_source_open(ch, NULL, &later),
	     "%s", kecho_explain());
	is_eq(put(later, KECHO_DONTWAIT), -EAGAIN, "so is that of a node that has just come");
	kecho_close(k);
	is_eq(kecho_channel_freeze(t.ch[1], SOON_MS), 0, "%s", kecho_explain());
	is_eq(kecho_channel_thaw(t.ch[2]), 0, "%s", kecho_explain());
	is_eq(kecho_channel_thaw(t.ch[2]), -EINVAL, "it holds nothing any more");
	sleep_us(QUIET_MS * 1000);
	is_eq(put(t.src, KECHO_DONTWAIT), -EAGAIN, "but another does");
	is_eq(kecho_channel_thaw(t.ch[1]), 0, "%s", kecho_explain());
	ok(comes_true(!put(t.src, KECHO_DONTWAIT)), "nobody does");
	pthread_join(thread, NULL);
	is_eq(w.err, 0, "who waited has submitted");
	is_eq(read_some(t.snk, 2), 5, "which comes");
	is_eq(kecho_channel_freeze(t.ch[2], SOON_MS), 0, "%s", kecho_explain());
	kecho_channel_close(t.ch[2]);
	ok(comes_true(!put(t.src, KECHO_DONTWAIT)), "who closes holds nothing");
	trio_end(&t);
}

TEST(frozen_here)
{
	frozen(false);
}

TEST(frozen_far)
{
	frozen(true);
}

/* A reservation was begun before, so it is finished first. */
static void reserved(bool far)
{
	struct kecho_reservation r;
	struct trio t;

	ARENA();
	must(trio_open(&t, far), "nodes");
	is_eq(kecho_reserve(t.src, 1, 0, &r), 0, "%s", kecho_explain());
	is_eq(kecho_channel_freeze(t.ch[2], SHORT_MS), -ETIMEDOUT, "it stands in the way");
	says("do not stand still");
	ok(comes_true(!put(t.src, KECHO_DONTWAIT)), "and nothing is frozen");
	is_eq(kecho_commit(t.src, &r, 1), 0, "%s", kecho_explain());
	is_eq(kecho_channel_freeze(t.ch[2], SOON_MS), 0, "%s", kecho_explain());
	is_eq(kecho_reserve(t.src, 1, KECHO_DONTWAIT, &r), -EAGAIN, "no new one");
	is_eq(read_some(t.snk, 2), 2, "all that was submitted");
	trio_end(&t);
}

TEST(reserved_here)
{
	reserved(false);
}

TEST(reserved_far)
{
	reserved(true);
}

static struct {
	bool go, held;
} * hold;

static int holder(void *arg)
{
	struct trio t = { .far = arg };

	if (!comes_true(READ_ONCE(hold->go)) || !node_open(&t, 2) ||
	    kecho_channel_freeze(t.ch[2], SOON_MS))
		return 1;
	WRITE_ONCE(hold->held, true);
	for (;;)
		pause();
}

static void holder_dies(bool far)
{
	struct trio t = { .far = far };
	pid_t pid;

	ARENA();
	hold = shared(sizeof(*hold));
	must(hold, "memory");
	pid = spawn(holder, far ? hold : NULL);
	if (ok(node_open(&t, 0) && !kecho_source_open(t.ch[0], NULL, &t.src), "node"))
		WRITE_ONCE(hold->go, true);
	ok(comes_true(READ_ONCE(hold->held)), "it is held");
	is_eq(put(t.src, KECHO_DONTWAIT), -EAGAIN, "frozen");
	put_down(pid);
	ok(comes_true(!put(t.src, KECHO_DONTWAIT)), "who dies holds nothing");
	trio_end(&t);
}

TEST(holder_dies_here)
{
	holder_dies(false);
}

TEST(holder_dies_far)
{
	holder_dies(true);
}

/* ------------------------------------------------------------------- drained */

/* All sinks are waited for, and those that lag are counted once their nodes have answered. */
static void undrained(struct kecho_channel *ch, const char *what)
{
	u64 end = now_ns() + SOON_MS * 1000000ull;

	do {
		is_eq(kecho_channel_drain(ch, SHORT_MS), -ETIMEDOUT, "%s: drained", what);
	} while (strstr(kecho_explain(), "have not said") && now_ns() < end);
	says(what);
}

static void drained(bool far)
{
	struct kecho_sink *slow;
	struct trio t;

	ARENA();
	must(trio_open(&t, far), "nodes");
	is_eq(kecho_channel_drain(t.ch[2], SOON_MS), 0, "nothing is there: %s", kecho_explain());
	put_some(t.src, EVENTS);
	undrained(t.ch[2], "1 sinks have not read all");
	must(!kecho_sink_open(t.ch[0], NULL, &slow), "%s", kecho_explain());
	is_eq(read_some(t.snk, EVENTS), EVENTS, "it reads");
	is_eq(kecho_channel_drain(t.ch[2], SOON_MS), 0, "%s", kecho_explain());
	put_some(t.src, EVENTS);
	undrained(t.ch[0], "2 sinks have not read all");
	kecho_sink_close(slow);
	read_some(t.snk, EVENTS - 1);
	is_eq(kecho_channel_drain(t.ch[1], SHORT_MS), -ETIMEDOUT, "one lacks one event");
	read_some(t.snk, 1);
	is_eq(kecho_channel_drain(t.ch[1], SOON_MS), 0, "%s", kecho_explain());
	trio_end(&t);
}

TEST(drained_here)
{
	drained(false);
}

TEST(drained_far)
{
	drained(true);
}

/* ----------------------------------------------------------------- destroyed */

static void count_left(void *arg, const struct kecho_member *m)
{
	if (m->state != KECHO_JOINED)
		__atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void destroyed(bool far)
{
	struct kecho_channel_options anew = { .flags = KECHO_EXCLUSIVE };
	struct kecho_channel *next;
	struct kecho_member m;
	struct kecho_event ev;
	struct kecho_reservation r;
	struct trio t;
	int left = 0;

	ARENA();
	must(trio_open(&t, far), "nodes");
	is_eq(kecho_channel_watch(t.ch[2], count_left, &left), 0, "%s", kecho_explain());
	put_some(t.src, EVENTS);
	is_eq(kecho_reserve(t.src, 1, 0, &r), 0, "%s", kecho_explain());
	put_some(t.src, 1);
	is_eq(kecho_channel_destroy(t.ch[2], SOON_MS), 0, "%s", kecho_explain());
	/* The name is free, also for those who have the old one open. */
	is_eq(kecho_channel_open(t.k[2], "life", &anew, &next), 0, "%s", kecho_explain());
	is_eq(put(t.src, 0), -ESHUTDOWN, "the source has ended");
	says("destroyed");
	is_eq(kecho_commit(t.src, &r, 1), -ESHUTDOWN, "with what was reserved");
	is_eq(read_some(t.snk, EVENTS), EVENTS, "what was submitted is read");
	is_eq(kecho_read(t.snk, &ev, SOON_MS), 0, "%s", kecho_explain());
	is_eq(ev.kind, KECHO_EVENT, "also behind the reservation");
	is_eq(ev.seq, EVENTS + 2, "which has a number");
	is_eq(kecho_read(t.snk, &ev, SOON_MS), 0, "%s", kecho_explain());
	ok(ev.kind == KECHO_ENDED && !ev.failed, "to its end");
	is_eq(kecho_read(t.snk, &ev, SOON_MS), -ESHUTDOWN, "then there is no more");
	says("destroyed");
	ok(comes_true(__atomic_load_n(&left, __ATOMIC_SEQ_CST) == 2), "the members have left");
	is_eq(kecho_members(t.ch[2], &m, 1), 0, "none is there");
	is_eq(kecho_sink_open(t.ch[1], NULL, &t.snk), -ESHUTDOWN, "none can come");
	is_eq(kecho_channel_freeze(t.ch[1], SOON_MS), -ESHUTDOWN, "nothing to freeze");
	is_eq(kecho_channel_destroy(t.ch[1], SOON_MS), -ESHUTDOWN, "nor to destroy");
	kecho_channel_close(t.ch[0]);
	kecho_channel_close(t.ch[1]);
	kecho_channel_close(t.ch[2]);
	/* Closing the old one takes nothing from the new one. */
	is_eq(kecho_channel_open(t.k[0], "life", NULL, &t.ch[0]), 0, "%s", kecho_explain());
	must(!kecho_sink_open(next, &block, &t.snk) && !kecho_source_open(t.ch[0], NULL, &t.src),
	     "%s", kecho_explain());
	put_some(t.src, 1);
	is_eq(read_some(t.snk, 1), 1, "the new one works");
	trio_end(&t);
}

TEST(destroyed_here)
{
	destroyed(false);
}

TEST(destroyed_far)
{
	destroyed(true);
}

/* The source's thread: submits until it may not. */
struct submitter {
	struct kecho_source *src;
	u64 submitted;		/* atomic */
	int err;
};

static void *submit_to_the_end(void *arg)
{
	struct submitter *b = arg;
	int err;

	while (!(err = put(b->src, KECHO_DONTWAIT)) || err == -EAGAIN)
		if (!err)
			__atomic_fetch_add(&b->submitted, 1, __ATOMIC_RELAXED);
	b->err = err;
	return NULL;
}

/* A thread is at it: its events are those before the end, and all of them. */
static void destroyed_in_use(bool far)
{
	struct submitter b = { 0 };
	struct kecho_event ev;
	pthread_t thread;
	struct trio t;
	u64 got = 0;
	int err;

	ARENA();
	must(trio_open(&t, far), "nodes");
	b.src = t.src;
	must(!pthread_create(&thread, NULL, submit_to_the_end, &b), "thread");
	ok(comes_true(__atomic_load_n(&b.submitted, __ATOMIC_RELAXED) > EVENTS), "it submits");
	is_eq(kecho_channel_destroy(t.ch[2], SOON_MS), 0, "%s", kecho_explain());
	pthread_join(thread, NULL);
	is_eq(b.err, -ESHUTDOWN, "the source has ended");
	while (!(err = kecho_read(t.snk, &ev, SOON_MS)) && ev.kind == KECHO_EVENT)
		got++;
	ok(!err && ev.kind == KECHO_ENDED && !ev.failed, "read to its end");
	is_eq(got, b.submitted, "all that was submitted is read");
	trio_end(&t);
}

TEST(destroyed_in_use_here)
{
	destroyed_in_use(false);
}

TEST(destroyed_in_use_far)
{
	destroyed_in_use(true);
}

TESTS(life, frozen_here, frozen_far, reserved_here, reserved_far, holder_dies_here,
      holder_dies_far, drained_here, drained_far, destroyed_here, destroyed_far,
      destroyed_in_use_here, destroyed_in_use_far);
