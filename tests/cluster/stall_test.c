/* SPDX-License-Identifier: MIT */
/*
 * A `block` sink that reads nothing holds its source up for the source's limit and no
 * longer, wherever it is: in the same process, in another, on another host, or in a
 * process that is stopped. It is told what it lost, and no other sink notices.
 */
#include <pthread.h>

#include "cluster.h"

enum {
	LIMIT_MS = 400,
	LEN = 2000,
	TICK_MS = 10, /* of the clock that it goes by */
	LATE_MS = 4000, /* on a busy machine, and with what a stopped node is given */
	AFTER = 2000, /* events once the sink has ended: the log goes round some times */
};

static const struct kecho_options host[] = {
	{ .listen = "127.0.0.1", .registry = REGISTRY },
	{ .listen = "127.0.0.2", .registry = REGISTRY },
};

static const struct kecho_source_options source_opt = {
	.log_size = KECHO_LOG_SIZE_MIN, .stall_ms = LIMIT_MS, .linger_ms = -1,
};
static const struct kecho_sink_options block = { .policy = KECHO_BLOCK };

/* A node with the channel @name open. */
static struct kecho_channel *node(const struct kecho_options *opt, const char *name,
				  struct kecho **k)
{
	struct kecho_channel *ch = NULL;

	ok(!kecho_open(k, opt) && !kecho_channel_open(*k, name, NULL, &ch), "node: %s",
	   kecho_explain());
	return ch;
}

static int submit(struct kecho_source *s, u64 number, unsigned int flags)
{
	u64 buf[LEN / sizeof(u64)];

	stamp_write(buf, sizeof(buf), number);
	return kecho_submit(s, buf, sizeof(buf), flags);
}

static u64 stalls_of(struct kecho_source *s)
{
	struct kecho_source_stats st;

	kecho_source_stats(s, &st);
	return st.stalled;
}

/* Submits until a sink had to end; gives the last number. */
static u64 submit_past_stall(struct kecho_source *s, unsigned int flags)
{
	u64 number = 0, begin, ms = 0;
	int err;

	while (!stalls_of(s) && number < AFTER) {
		begin = now_ns();
		number++;
		while ((err = submit(s, number, flags)) == -EAGAIN &&
		       now_ns() - begin < SOON_MS * 1000000ull)
			sleep_us(STEP_US);
		if (!ok(!err, "event %llu: %d", (unsigned long long)number, err))
			return number;
		ms = (now_ns() - begin) / 1000000;
	}
	ok(ms >= LIMIT_MS - TICK_MS && ms < LIMIT_MS + LATE_MS, "it waited for %llu ms",
	   (unsigned long long)ms);
	return number;
}

/* Nothing holds it up any more. */
static void submit_freely(struct kecho_source *s, u64 *number)
{
	u64 begin = now_ns();
	int i;

	for (i = 0; i < AFTER; i++)
		is_eq(submit(s, ++*number, 0), 0, "it goes on");
	ok(now_ns() - begin < LATE_MS * 1000000ull, "and waits for nobody");
}

/* What it has read is good; then it is told its loss, and that it is over. */
static void ends_stalled(struct kecho_sink *s, u64 read)
{
	struct kecho_sink_stats st;
	struct kecho_event ev;
	int i;

	if (!is_eq(kecho_read(s, &ev, SOON_MS), 0, "%s", kecho_explain()))
		return;
	is_eq(ev.kind, KECHO_LOST, "a loss");
	is_eq(ev.seq, read + 1, "of all behind what it has read");
	ok(ev.last_seq > ev.seq, "to %llu", (unsigned long long)ev.last_seq);
	kecho_sink_stats(s, &st);
	is_eq(st.lost, ev.last_seq - read, "which it counts");
	for (i = 0; i < 2; i++) {
		is_eq(kecho_read(s, &ev, SOON_MS), -EPIPE, "then it has ended");
		ok(strstr(kecho_explain(), "stalled its source"), "%s", kecho_explain());
	}
}

/* The loss of a sink of another node, as the source's node tells it. */
static u64 lost_at_source(struct kecho_channel *ch, u64 source)
{
	struct kecho_member_stats st[8];
	ssize_t i, n = kecho_channel_stats(ch, st, 8, SOON_MS);

	for (i = 0; i < n && i < 8; i++)
		if (st[i].member.id == source)
			return st[i].lost;
	return 0;
}

/* Reads one event and no more; the source and the sink are of these nodes. */
static void stall(const struct kecho_options *from, const struct kecho_options *to, bool same,
		  unsigned int flags)
{
	struct kecho_channel *ch[2];
	struct kecho *k[2] = { NULL, NULL };
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho_event ev;
	u64 number, lost;

	ch[0] = ch[1] = node(from, "stall", &k[0]);
	if (!same)
		ch[1] = node(to, "stall", &k[1]);
	must(ch[0] && ch[1] && !kecho_sink_open(ch[1], &block, &snk) &&
		     !kecho_source_open(ch[0], &source_opt, &src),
	     "%s", kecho_explain());
	is_eq(submit(src, 1, 0), 0, "the first");
	is_eq(kecho_read(snk, &ev, SOON_MS), 0, "is read");
	number = submit_past_stall(src, flags);
	is_eq(stalls_of(src), 1, "one was ended");
	submit_freely(src, &number);
	ends_stalled(snk, 1);
	lost = lost_at_source(ch[0], kecho_source_id(src));
	ok(same ? !lost : lost > 0, "the source knows of %llu", (unsigned long long)lost);
	kecho_sink_close(snk);
	/* A new one starts where the source is. */
	is_eq(kecho_sink_open(ch[1], &block, &snk), 0, "%s", kecho_explain());
	is_eq(submit(src, ++number, 0), 0, "one more");
	is_eq(kecho_read(snk, &ev, SOON_MS), 0, "%s", kecho_explain());
	ok(ev.kind == KECHO_EVENT && stamp_good(ev.data, ev.len), "comes");
	kecho_close(k[1]);
	kecho_close(k[0]);
}

TEST(same_process)
{
	ARENA();
	stall(NULL, NULL, true, 0);
}

TEST(other_node)
{
	ARENA();
	stall(NULL, NULL, false, 0);
}

TEST(other_host)
{
	ARENA();
	stall(&host[0], &host[1], false, 0);
}

TEST(refused)
{
	ARENA();
	stall(NULL, NULL, false, KECHO_DONTWAIT);
}

TEST(refused_other_host)
{
	ARENA();
	stall(&host[0], &host[1], false, KECHO_DONTWAIT);
}

/* ------------------------------------------------------------ a stopped process */

static struct hall {
	bool ready;
	u64 got, bad, lost; /* the child's */
	int end;
} * hall;

static int slow_reader(void *arg)
{
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho *k;
	int err;

	(void)arg;
	if (kecho_open(&k, NULL) || kecho_channel_open(k, "stopped", NULL, &ch) ||
	    kecho_sink_open(ch, &block, &s))
		return 1;
	WRITE_ONCE(hall->ready, true);
	while (!(err = kecho_read(s, &ev, SOON_MS))) {
		if (ev.kind == KECHO_LOST) {
			hall->lost += ev.last_seq - ev.seq + 1;
			hall->bad += ev.seq != hall->got + 1;
			continue;
		}
		hall->bad += ev.kind != KECHO_EVENT || ev.seq != hall->got + 1 ||
			     !stamp_good(ev.data, ev.len) || stamp_number(&ev) != ev.seq;
		WRITE_ONCE(hall->got, ev.seq);
		sleep_us(STEP_US);
	}
	WRITE_ONCE(hall->end, err);
	kecho_close(k);
	return 0;
}

static void stopped(struct kecho_channel *ch, pid_t pid)
{
	struct kecho_source *src;
	u64 number, i;

	must(!kecho_source_open(ch, &source_opt, &src), "%s", kecho_explain());
	for (number = 0; number < 20; number++)
		is_eq(submit(src, number + 1, 0), 0, "flows");
	ok(comes_true(READ_ONCE(hall->got) > 2), "it reads");
	kill(pid, SIGSTOP);
	for (i = 0; i < AFTER; i++)
		is_eq(submit(src, ++number, 0), 0, "it goes on");
	is_eq(stalls_of(src), 1, "as the sink was told to end, and then did without");
	kill(pid, SIGCONT);
	ok(comes_true(READ_ONCE(hall->end)), "awake, it ends");
	is_eq(hall->end, -EPIPE, "for what it did");
	is_eq(hall->bad, 0, "nothing wrong was taken for good");
	is_eq(hall->got + hall->lost, number, "all is accounted for");
}

TEST(stopped_process)
{
	struct kecho_channel *ch;
	struct kecho *k;
	pid_t pid;

	ARENA();
	hall = shared(sizeof(*hall));
	must(hall, "memory");
	pid = spawn(slow_reader, NULL);
	if (ok(comes_true(READ_ONCE(hall->ready)), "the other process is there")) {
		ch = node(NULL, "stopped", &k);
		if (ch)
			stopped(ch, pid);
		kecho_close(k);
	}
	kill(pid, SIGCONT);
	is_eq(ends(pid), 0, "the other process");
}

/* ------------------------------------------------------------- who has no part in it */

struct good {
	struct kecho_sink *s;
	u64 got, bad;
	bool done;
};

static void *read_all(void *arg)
{
	struct good *g = arg;
	struct kecho_event ev;

	while (!READ_ONCE(g->done)) {
		if (kecho_read(g->s, &ev, 50))
			continue;
		g->bad += ev.kind != KECHO_EVENT || ev.seq != g->got + 1 ||
			  !stamp_good(ev.data, ev.len);
		WRITE_ONCE(g->got, ev.seq);
	}
	return NULL;
}

/* Two sinks of one node: one reads, one does not. */
static void beside(const struct kecho_options *from, const struct kecho_options *to)
{
	struct kecho_sink *bad;
	struct kecho_channel *ch[2];
	struct kecho *k[2];
	struct kecho_source *src;
	struct good good = { .s = NULL };
	pthread_t reader;
	u64 number;

	ch[0] = node(from, "beside", &k[0]);
	ch[1] = node(to, "beside", &k[1]);
	must(ch[0] && ch[1] && !kecho_sink_open(ch[1], &block, &bad) &&
		     !kecho_sink_open(ch[1], &block, &good.s) &&
		     !kecho_source_open(ch[0], &source_opt, &src) &&
		     !pthread_create(&reader, NULL, read_all, &good),
	     "%s", kecho_explain());
	number = submit_past_stall(src, 0);
	submit_freely(src, &number);
	ok(comes_true(READ_ONCE(good.got) == number), "the other one got all: %llu of %llu",
	   (unsigned long long)good.got, (unsigned long long)number);
	WRITE_ONCE(good.done, true);
	pthread_join(reader, NULL);
	is_eq(good.bad, 0, "in order and whole");
	ends_stalled(bad, 0);
	kecho_close(k[1]);
	kecho_close(k[0]);
}

TEST(beside_another)
{
	ARENA();
	beside(NULL, NULL);
}

TEST(beside_another_far)
{
	ARENA();
	beside(&host[0], &host[1]);
}

/* Callbacks are told the loss too; nothing comes after it. */
static void count_lost(void *arg, const struct kecho_event *ev)
{
	if (ev->kind == KECHO_LOST)
		*(u64 *)arg += ev->last_seq - ev->seq + 1;
}

TEST(callback)
{
	u64 lost = 0;
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = count_lost, .arg = &lost };
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;
	u64 number;

	ARENA();
	ch = node(NULL, "callback", &k);
	must(ch && !kecho_sink_open(ch, &opt, &snk) && !kecho_source_open(ch, &source_opt, &src),
	     "%s", kecho_explain());
	number = submit_past_stall(src, 0);
	is_eq(kecho_run(k, SOON_MS), 1, "one thing is told");
	ok(lost > 0 && lost <= number, "a loss of %llu", (unsigned long long)lost);
	submit_freely(src, &number);
	is_eq(kecho_run(k, 0), 0, "and nothing more");
	kecho_close(k);
}

TESTS(stall, same_process, other_node, other_host, refused, refused_other_host,
      stopped_process, beside_another, beside_another_far, callback);
