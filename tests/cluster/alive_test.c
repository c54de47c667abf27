/* SPDX-License-Identifier: MIT */
/*
 * Sources that have promised signs of life: sinks are told when they give none, and when they do
 * again, once, in time, in the order of the events; and nobody is told so who was stopped himself,
 * or of one that is held up.
 */
#include <pthread.h>

#include "beating.h"

enum {
	LONG_N = 3000,		/* for longer than it takes a dead link to be seen */
	DEAD_MS = 4000,		/* until that is told, on a busy machine */
	ROUNDS = 12,
	LATE = 5,		/* the first round that a late reader reads in */
};

/* Milliseconds; a guest may stand still for as long as others need. */
#define N (emulated() ? 600u : 300u)

static const struct kecho_options host[] = {
	{ .listen = "127.0.0.1", .registry = REGISTRY },
	{ .listen = "127.0.0.2", .registry = REGISTRY },
};

/* Where source and sink are: on one host, or on two. */
static const struct place {
	const char *name;
	const struct kecho_options *source, *sink;
} places[] = {
	{ "near", NULL, NULL },
	{ "far", &host[0], &host[1] },
};

/* With kechod both are on its host. */
static unsigned int nplaces(void)
{
	return with_node() ? 1 : ARRAY_SIZE(places);
}

struct listener {
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_sink *s;
};

static bool listen_to(struct listener *l, const char *channel, const struct kecho_options *opt,
		      enum kecho_policy policy)
{
	struct kecho_sink_options snk = { .policy = policy };

	memset(l, 0, sizeof(*l));
	return ok(!kecho_open(&l->k, opt) && !kecho_channel_open(l->k, channel, NULL, &l->ch) &&
			  !kecho_sink_open(l->ch, &snk, &l->s), "a sink: %s", kecho_explain());
}

static void submit_one(struct beating *b)
{
	WRITE_ONCE(b->submits, b->submits + 1);
}

/* A sink of @policy is told of a silence that a sign ends, and of one that an event does. */
static void silent_and_back(const struct place *p, enum kecho_policy policy)
{
	struct kecho_event ev = { 0 };
	struct listener l;
	struct beating *b;
	char name[32];

	snprintf(name, sizeof(name), "%s.%d", p->name, policy);
	b = beating_make(name, p->source, N);
	must(b && listen_to(&l, name, p->sink, policy) && beating_begin(b), "%s", name);
	is_eq(untold(l.s, 3 * N), 0, "%s: it keeps its promise", name);
	WRITE_ONCE(b->beats, false);
	told_silent(l.s, b);
	is_eq(untold(l.s, 3 * N), 0, "%s: that is told once", name);
	WRITE_ONCE(b->beats, true);
	told(l.s, b, KECHO_BACK, "it gives a sign");
	is_eq(untold(l.s, 2 * N), 0, "%s: once", name);
	WRITE_ONCE(b->beats, false);
	told_silent(l.s, b);
	submit_one(b);
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "it comes");
	is_eq(ev.kind, KECHO_BACK, "first that it is back");
	is_eq(ev.last_seq, 0, "after nothing");
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "it comes");
	is_eq(ev.kind, KECHO_EVENT, "then the event");
	told_silent(l.s, b);
	beating_end(b);
	told(l.s, b, KECHO_ENDED, "it leaves");
	kecho_close(l.k);
}

TEST(in_turns)
{
	unsigned int i;

	ARENA();
	for (i = 0; i < nplaces(); i++) {
		silent_and_back(&places[i], KECHO_LATEST);
		silent_and_back(&places[i], KECHO_BLOCK);
	}
}

/* Long pauses and short ones: each long one is told, between the events that it is between, also
 * to who reads them much later. */
static void rhythm(const struct place *p, bool late)
{
	struct kecho_event ev = { 0 };
	u32 i, pauses = 0, silent = 0, back = 0, events = 0;
	struct listener l;
	struct beating *b;
	bool was_long;

	b = beating_make("rhythm", p->source, N);
	must(b && listen_to(&l, "rhythm", p->sink, KECHO_BLOCK) && beating_begin(b), "%s",
	     p->name);
	WRITE_ONCE(b->beats, false);
	for (i = 1; i <= ROUNDS; i++) {
		was_long = i % 4 == 2;
		WRITE_ONCE(b->pause_ms, was_long ? 3 * N : 10);
		submit_one(b);
		ok(comes_true(READ_ONCE(b->submitted) == i), "event %u", i);
		pauses += was_long;
		if (late && i < LATE)
			continue;
		while (events < i && !kecho_read(l.s, &ev, SOON_MS)) {
			silent += ev.kind == KECHO_SILENT;
			back += ev.kind == KECHO_BACK;
			events += ev.kind == KECHO_EVENT;
			if (ev.kind == KECHO_SILENT)
				ok(ev.last_seq % 4 == 1, "%s: behind event %llu", p->name,
				   (unsigned long long)ev.last_seq);
		}
	}
	is_eq(events, ROUNDS, "%s: all events", p->name);
	is_eq(silent, pauses, "%s: each long pause", p->name);
	is_eq(back, pauses, "%s: and its end", p->name);
	beating_end(b);
	kecho_close(l.k);
}

TEST(between_events)
{
	unsigned int i;

	ARENA();
	for (i = 0; i < 2 * nplaces(); i++)
		rhythm(&places[i / 2], i % 2);
}

/* Its process is stopped. On one host that is all there is to see. */
TEST(stopped)
{
	struct listener l;
	struct beating *b;
	int i;

	ARENA();
	b = beating_make("stopped", NULL, N);
	must(b && listen_to(&l, "stopped", NULL, KECHO_LATEST) && beating_begin(b), "both");
	for (i = 0; i < 3; i++) {
		is_eq(untold(l.s, N), 0, "it keeps its promise");
		kill(b->pid, SIGSTOP);
		told_silent(l.s, b);
		is_eq(untold(l.s, 2 * N), 0, "that is told once");
		kill(b->pid, SIGCONT);
		told(l.s, b, KECHO_BACK, "it goes on");
	}
	kill(b->pid, SIGSTOP);
	told_silent(l.s, b);
	put_down(b->pid);
	told(l.s, b, KECHO_ENDED, "it dies");
	kecho_close(l.k);
}

/* A node of another host is stopped, whole: its link is dead, and it has failed, as ever. If its
 * source has promised signs sooner than that shows, that is told first; else only that. When
 * it goes on it was not silent: it had ended. */
static void node_stopped(unsigned int alive_ms)
{
	struct kecho_event ev = { 0 };
	struct listener l;
	struct beating *b;

	b = beating_make("node", &host[0], alive_ms);
	must(b && listen_to(&l, "node", &host[1], KECHO_LATEST) && beating_begin(b), "both");
	is_eq(untold(l.s, alive_ms / 2), 0, "it keeps its promise");
	kill(b->pid, SIGSTOP);
	if (alive_ms < 1000)
		told_silent(l.s, b);
	is_eq(kecho_read(l.s, &ev, DEAD_MS), 0, "told");
	is_eq(ev.kind, KECHO_ENDED, "that it has ended");
	ok(ev.failed, "failed");
	is_eq(untold(l.s, 2 * N), 0, "which is all");
	WRITE_ONCE(b->beats, false);
	submit_one(b);
	kill(b->pid, SIGCONT);
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "it goes on");
	is_eq(ev.kind, KECHO_EVENT, "with what it submits");
	if (alive_ms < 1000)
		told(l.s, b, KECHO_SILENT, "and falls silent again");
	beating_end(b);
	kecho_close(l.k);
}

TEST(node_is_stopped)
{
	ARENA();
	if (with_node())
		skip("its node has the links");
	node_stopped(N);
	node_stopped(LONG_N);
}

/* Held up by a sink that reads nothing it tries on, and by a channel that is frozen: it lives.
 * One that is stopped meanwhile tries nothing. */
static void held_up(const struct place *p)
{
	struct listener idle, l;
	struct beating *b;

	b = beating_make("held", p->source, N);
	must(b && listen_to(&idle, "held", p->sink, KECHO_BLOCK) &&
		     listen_to(&l, "held", p->sink, KECHO_LATEST) && beating_begin(b),
	     "%s", p->name);
	WRITE_ONCE(b->beats, false);
	WRITE_ONCE(b->submits, 100000);
	while (untold(l.s, N) && !tap_state.failed)
		;
	ok(b->submitted < 1000, "%s: held up after %u events", p->name, b->submitted);
	is_eq(untold(l.s, 4 * N), 0, "%s: but alive", p->name);
	kill(b->pid, SIGSTOP);
	told(l.s, b, KECHO_SILENT, "it is stopped");
	kill(b->pid, SIGCONT);
	told(l.s, b, KECHO_BACK, "it tries again");
	WRITE_ONCE(b->submits, 0);
	kecho_sink_close(idle.s);
	ok(untold(l.s, N / 4), "%s: it goes on", p->name);
	is_eq(kecho_channel_freeze(l.ch, SOON_MS), 0, "%s: frozen: %s", p->name, kecho_explain());
	WRITE_ONCE(b->submits, b->submitted + 1);
	is_eq(untold(l.s, 4 * N), 0, "%s: it waits, and lives", p->name);
	is_eq(kecho_channel_thaw(l.ch), 0, "thawed");
	is_eq(untold(l.s, N / 2), 1, "%s: what has waited", p->name);
	told_silent(l.s, b);
	beating_end(b);
	kecho_close(idle.k);
	kecho_close(l.k);
}

TEST(who_is_held_up)
{
	unsigned int i;

	ARENA();
	for (i = 0; i < nplaces(); i++)
		held_up(&places[i]);
}

/* Behind a reservation that nobody ends nothing is seen of what is submitted, but that it is. */
TEST(behind_a_reservation)
{
	struct kecho_source_options opt = { .alive_ms = N };
	struct kecho_reservation r;
	struct kecho_source *src;
	struct kecho_event ev;
	struct listener l;
	int i;

	ARENA();
	must(listen_to(&l, "reserved", NULL, KECHO_LATEST), "a sink");
	must(!kecho_source_open(l.ch, &opt, &src), "a source: %s", kecho_explain());
	must(!kecho_reserve(src, 100, 0, &r), "a reservation: %s", kecho_explain());
	for (i = 0; i < 30; i++) {
		is_eq(kecho_submit(src, "x", 1, 0), 0, "behind it");
		is_eq(kecho_read(l.s, &ev, N / 10), -ETIMEDOUT, "nothing is to be seen or told");
	}
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "it does nothing");
	is_eq(ev.kind, KECHO_SILENT, "now");
	kecho_abort(src, &r);
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "there they are");
	is_eq(ev.kind, KECHO_BACK, "first of all");
	is_eq(untold(l.s, N / 4), 30, "all of them");
	kecho_close(l.k);
}

static int ready_within(int fd, unsigned int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)ms);
}

/* Who polls, and who gets callbacks, is woken too, each time. */
TEST(who_polls)
{
	struct kecho_event ev;
	struct listener l;
	struct beating *b;
	int fd, err, i;

	ARENA();
	b = beating_make("polls", NULL, N);
	must(b && listen_to(&l, "polls", NULL, KECHO_LATEST) && beating_begin(b), "both");
	fd = kecho_sink_fd(l.s);
	must(fd >= 0, "a descriptor");
	is_eq(untold(l.s, N), 0, "nothing is told");
	for (i = 0; i < 3; i++) {
		WRITE_ONCE(b->beats, false);
		while ((err = kecho_read(l.s, &ev, 0)) == -EAGAIN &&
		       ready_within(fd, 2 * N + LATE_MS))
			;
		is_eq(err, 0, "woken");
		is_eq(ev.kind, KECHO_SILENT, "as it is silent");
		is_eq(kecho_read(l.s, &ev, 0), -EAGAIN, "that was all");
		WRITE_ONCE(b->beats, true);
		is_eq(ready_within(fd, N / 2 + LATE_MS), 1, "woken");
		is_eq(kecho_read(l.s, &ev, 0), 0, "for this");
		is_eq(ev.kind, KECHO_BACK, "that it is back");
	}
	beating_end(b);
	kecho_close(l.k);
}

static void count_kind(void *arg, const struct kecho_event *ev)
{
	((u32 *)arg)[ev->kind]++;
}

TEST(callbacks)
{
	u32 came[KECHO_BACK + 1] = { 0 };
	struct kecho_sink_options opt = { .fn = count_kind, .arg = came };
	struct listener l = { 0 };
	struct beating *b;
	u64 until;
	int fd;

	ARENA();
	b = beating_make("calls", NULL, N);
	must(b && !kecho_open(&l.k, NULL) && !kecho_channel_open(l.k, "calls", NULL, &l.ch) &&
		     !kecho_sink_open(l.ch, &opt, &l.s), "a sink: %s", kecho_explain());
	must(beating_begin(b), "a source");
	WRITE_ONCE(b->beats, false);
	is_eq(kecho_run(l.k, SOON_MS), 1, "called");
	is_eq(came[KECHO_SILENT], 1, "for its silence");
	fd = kecho_run_fd(l.k);
	WRITE_ONCE(b->beats, true);
	for (until = now_ns() + SOON_MS * 1000000ull; !came[KECHO_BACK] && now_ns() < until;) {
		ready_within(fd, SOON_MS);
		kecho_run(l.k, 0);
	}
	is_eq(came[KECHO_BACK], 1, "and its end");
	beating_end(b);
	kecho_close(l.k);
}

/* ----------------------------------------------------------- a sink that is stopped */

struct stopped_sink {
	const char *channel;
	bool stands;
	u32 kinds[KECHO_BACK + 1];
};

static int read_on(void *arg)
{
	struct stopped_sink *t = arg;
	struct kecho_event ev;
	struct listener l;

	if (!listen_to(&l, t->channel, NULL, KECHO_LATEST))
		return 1;
	smp_store_release(&t->stands, true);
	while (!kecho_read(l.s, &ev, -1))
		__atomic_fetch_add(&t->kinds[ev.kind], 1, __ATOMIC_SEQ_CST);
	return 1;
}

/* Who wakes up again knows nothing of what was meanwhile; also if both were stopped. */
TEST(sink_is_stopped)
{
	struct stopped_sink *t = shared(sizeof(*t));
	struct beating *b;
	pid_t pid;
	int i;

	ARENA();
	t->channel = "sleeps";
	pid = spawn(read_on, t);
	must(comes_true(smp_load_acquire(&t->stands)), "a sink");
	b = beating_make("sleeps", NULL, N);
	must(b && beating_begin(b), "a source");
	for (i = 0; i < 4; i++) {
		sleep_us(N * 1000);
		kill(pid, SIGSTOP);
		if (i % 2)
			kill(b->pid, SIGSTOP);
		sleep_us(3 * N * 1000);
		kill(pid, SIGCONT);
		sleep_us(N / 4 * 1000);	/* the source is the last to wake up */
		kill(b->pid, SIGCONT);
	}
	sleep_us(2 * N * 1000);
	is_eq(READ_ONCE(t->kinds[KECHO_SILENT]), 0, "it was never silent");
	kill(b->pid, SIGSTOP);
	ok(comes_true(READ_ONCE(t->kinds[KECHO_SILENT]) == 1), "now it is");
	put_down(pid);
	beating_end(b);
	munmap(t, sizeof(*t));
}

/* A sink that comes when the source has been silent for long gives it its time, then is told. */
TEST(joins_late)
{
	unsigned int i, ms;
	struct listener l;
	struct beating *b;
	u64 begun;

	ARENA();
	for (i = 0; i < nplaces(); i++) {
		b = beating_make("late", places[i].source, N);
		must(b && beating_begin(b), "a source");
		submit_one(b);
		ok(comes_true(READ_ONCE(b->submitted) == 1), "an event");
		WRITE_ONCE(b->beats, false);
		sleep_us(3 * N * 1000);
		begun = now_ns();
		must(listen_to(&l, "late", places[i].sink, KECHO_LATEST), "a sink");
		told(l.s, b, KECHO_SILENT, "it is silent");
		ms = (now_ns() - begun) / 1000000;
		ok(ms >= N && ms <= 2 * N + LATE_MS, "%s: told after %u ms", places[i].name, ms);
		WRITE_ONCE(b->beats, true);
		told(l.s, b, KECHO_BACK, "it gives a sign");
		beating_end(b);
		kecho_close(l.k);
	}
}

/* A thread of a process that hangs is silent for its own sinks, too. */
TEST(own_source)
{
	struct kecho_source_options opt = { .alive_ms = N };
	struct kecho_event ev = { 0 };
	struct kecho_source *src;
	struct listener l;

	ARENA();
	must(listen_to(&l, "own", NULL, KECHO_BLOCK), "a sink");
	must(!kecho_source_open(l.ch, &opt, &src), "a source: %s", kecho_explain());
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "told");
	is_eq(ev.kind, KECHO_SILENT, "of its silence");
	is_eq(kecho_source_alive(src), 0, "a sign");
	is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "told");
	is_eq(ev.kind, KECHO_BACK, "of its end");
	kecho_close(l.k);
}

/* What a late sink finds before a silence is not for it, or has expired; what is behind it is. */
TEST(between_what_is_left_out)
{
	struct kecho_source_options opt = { .alive_ms = N };
	enum kecho_event_kind kinds[] = { KECHO_SILENT, KECHO_BACK, KECHO_EVENT };
	struct kecho_event ev = { 0 };
	struct kecho_sink *other;
	struct kecho_source *src;
	struct listener l;
	unsigned int i, round;

	ARENA();
	must(listen_to(&l, "left-out", NULL, KECHO_LATEST), "a sink");
	must(!kecho_sink_open(l.ch, NULL, &other), "another: %s", kecho_explain());
	must(!kecho_source_open(l.ch, &opt, &src), "a source: %s", kecho_explain());
	for (round = 0; round < 4; round++) {
		if (round % 2)
			is_eq(kecho_submit_to(src, "a", 1, kecho_sink_id(other), 0), 0, "to it");
		else
			is_eq(kecho_submit_until(src, "a", 1, 1, 0), 0, "of no use");
		sleep_us(3 * N * 1000);
		is_eq(kecho_submit(src, "b", 1, 0), 0, "for all");
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			is_eq(kecho_read(l.s, &ev, SOON_MS), 0, "told");
			is_eq(ev.kind, kinds[i], "round %u: %u", round, i);
		}
	}
	kecho_close(l.k);
}

/* Two sinks, one of which comes later: each has its own account. */
TEST(two_sinks)
{
	struct kecho_sink *second;
	struct listener l;
	struct beating *b;

	ARENA();
	b = beating_make("two", NULL, N);
	must(b && listen_to(&l, "two", NULL, KECHO_LATEST) && beating_begin(b), "both");
	WRITE_ONCE(b->beats, false);
	told_silent(l.s, b);
	must(!kecho_sink_open(l.ch, NULL, &second), "another: %s", kecho_explain());
	told(second, b, KECHO_SILENT, "for it, too");
	WRITE_ONCE(b->beats, true);
	told(l.s, b, KECHO_BACK, "back");
	told(second, b, KECHO_BACK, "for both");
	beating_end(b);
	kecho_close(l.k);
}

TEST(refused)
{
	static const unsigned int bad[] = { 1, KECHO_ALIVE_MS_MIN - 1, KECHO_ALIVE_MS_MAX + 1 };
	struct kecho_source_options opt = { 0 };
	struct kecho_source *src;
	struct listener l;
	unsigned int i;

	ARENA();
	must(listen_to(&l, "refused", NULL, KECHO_LATEST), "a sink");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		opt.alive_ms = bad[i];
		is_eq(kecho_source_open(l.ch, &opt, &src), -EINVAL, "%u ms", bad[i]);
	}
	must(!kecho_source_open(l.ch, NULL, &src), "a source: %s", kecho_explain());
	is_eq(kecho_source_alive(src), -EINVAL, "nothing was promised");
	kecho_close(l.k);
}

/* Signs from several threads while others submit: none is lost on who looks. */
struct crowd {
	struct kecho_source *src;
	bool stop;
};

static void *sign_on(void *arg)
{
	struct crowd *c = arg;
	u64 n = 0;

	while (!READ_ONCE(c->stop)) {
		if (n++ % 2)
			kecho_source_alive(c->src);
		else
			kecho_submit(c->src, &n, sizeof(n), KECHO_DONTWAIT);
		sleep_us(1000);
	}
	return NULL;
}

TEST(from_any_thread)
{
	struct kecho_source_options opt = { .alive_ms = N };
	struct crowd c = { NULL, false };
	pthread_t thread[4];
	struct listener l;
	unsigned int i;

	ARENA();
	must(listen_to(&l, "threads", NULL, KECHO_BLOCK), "a sink");
	must(!kecho_source_open(l.ch, &opt, &c.src), "a source: %s", kecho_explain());
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		must(!pthread_create(&thread[i], NULL, sign_on, &c), "a thread");
	ok(untold(l.s, 3 * N) > 0, "events, and nothing else");
	WRITE_ONCE(c.stop, true);
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	kecho_close(l.k);
}

TESTS(alive, in_turns, between_events, stopped, node_is_stopped, who_is_held_up,
      behind_a_reservation, who_polls, callbacks, sink_is_stopped, joins_late, own_source,
      between_what_is_left_out, two_sinks, refused, from_any_thread);
