// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Events between a source and its sinks on one node: by reading, by callbacks in a thread and
 * in softirq, submitted from wherever.
 */
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/timer.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "kernel_test.h"

static int open_source(struct test_channel *t, struct kecho_source **src)
{
	struct kecho_source_options opt = { .log_size = KECHO_LOG_SIZE_MIN };

	return kecho_source_open(t->ch, &opt, src);
}

static int open_sink(struct test_channel *t, enum kecho_policy policy, struct kecho_sink **s)
{
	struct kecho_sink_options opt = { .policy = policy };

	return kecho_sink_open(t->ch, &opt, s);
}

TEST(read)
{
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_LATEST, &s), "members");
	is_eq(kecho_read(s, &ev, 0), -EAGAIN, "nothing there");
	is_eq(kecho_read(s, &ev, 20), -ETIMEDOUT, "nothing comes");
	is_eq(kecho_submit(src, "one", 3, 0), 0, "submit");
	is_eq(kecho_submit(src, NULL, 0, KECHO_NOTIME), 0, "nothing, without a time");
	is_eq(kecho_read(s, &ev, -1), 0, "read");
	is_eq(ev.kind, KECHO_EVENT, "an event");
	is_eq(ev.seq, 1, "the first");
	ok(ev.len == 3 && !memcmp(ev.data, "one", 3), "what was submitted");
	ok(ev.time_ns, "has a time");
	is_eq(ev.source, kecho_source_id(src), "from the source");
	is_eq(kecho_read(s, &ev, -1), 0, "read");
	ok(ev.seq == 2 && !ev.len && !ev.time_ns, "the second");
	kecho_source_close(src);
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	ok(ev.kind == KECHO_ENDED && ev.last_seq == 2 && !ev.failed, "it left");
	is_eq(kecho_read(s, &ev, 0), -EAGAIN, "no source");
	test_close(&t);
}

TEST(vector)
{
	struct kvec v[3] = { { "a", 1 }, { "bb", 2 }, { "ccc", 3 } };
	struct kecho_source_stats st;
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	int i;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_BLOCK, &s), "members");
	is_eq(kecho_submit_vector(src, v, 3, 0), 3, "all");
	for (i = 0; i < 3; i++) {
		is_eq(kecho_read(s, &ev, 0), 0, "read %d", i);
		is_eq(ev.len, i + 1, "length");
	}
	kecho_source_stats(src, &st);
	ok(st.submitted == 3 && st.bytes == 6, "they are counted");
	test_close(&t);
}

TEST(attributes)
{
	struct kecho_attr a[2] = { { "n", kecho_i64(-7) }, { "s", kecho_string("text") } };
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho_value v;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_LATEST, &s), "members");
	is_eq(kecho_submit_attrs(src, "x", 1, a, 2, 0), 0, "submit");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(kecho_event_get(&ev, "n", &v), 0, "has n");
	is_eq(v.i64, -7, "n");
	is_eq(kecho_event_get(&ev, "s", &v), 0, "has s");
	ok(v.len == 4 && !memcmp(v.data, "text", 4), "s");
	is_eq(kecho_event_get(&ev, "t", &v), -ENOENT, "has no t");
	test_close(&t);
}

/* ------------------------------------------------------------------ policies */

TEST(latest_is_lapped)
{
	char payload[1000] = { 0 };
	u64 next = 1, lost = 0;
	struct kecho_sink_stats st;
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	int i, err = 0;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_LATEST, &s), "members");
	for (i = 0; i < 200 && !err; i++)
		err = kecho_submit(src, payload, sizeof(payload), 0);
	is_eq(err, 0, "it is not waited for");
	while (!kecho_read(s, &ev, 0)) {
		is_eq(ev.seq, next, "in order");
		lost += ev.kind == KECHO_LOST ? ev.last_seq - ev.seq + 1 : 0;
		next = ev.kind == KECHO_LOST ? ev.last_seq + 1 : ev.seq + 1;
	}
	is_eq(next, 201, "to the last");
	ok(lost > 100 && lost < 200, "some are lost: %llu", lost);
	kecho_sink_stats(s, &st);
	ok(st.lost == lost && st.received + lost == 200 && !st.lag_bytes, "it is counted");
	test_close(&t);
}

TEST(block_holds_up)
{
	char payload[1000] = { 0 };
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	u64 n = 0, seq = 0;
	int err;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_BLOCK, &s), "members");
	while (!(err = kecho_submit(src, payload, sizeof(payload), 0)))
		n++;
	is_eq(err, -EAGAIN, "full");
	ok(n > 50 && n < 66, "a log of them: %llu", n);
	is_eq(kecho_submit_wait(src, payload, sizeof(payload), 0, 20), -ETIMEDOUT, "nobody reads");
	while (!kecho_read(s, &ev, 0))
		is_eq(ev.seq, ++seq, "nothing is lost");
	is_eq(seq, n, "all");
	is_eq(kecho_submit_wait(src, payload, sizeof(payload), 0, 0), 0, "room");
	test_close(&t);
}

static int read_all(void *arg)
{
	struct kecho_sink *s = arg;
	struct kecho_event ev;
	u64 seq = 0;

	while (!kecho_read(s, &ev, SOON_MS) && ev.kind == KECHO_EVENT)
		if (ev.seq != ++seq)
			return -EINVAL;
	return seq;
}

TEST(submit_waits_for_room)
{
	char payload[1000] = { 0 };
	struct kecho_source_stats st;
	struct task_struct *reader;
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	int i, err = 0;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_BLOCK, &s), "members");
	reader = kthread_create(read_all, s, "kecho-test");
	must(!IS_ERR(reader), "thread");
	get_task_struct(reader);
	wake_up_process(reader);
	for (i = 0; i < 2000 && !err; i++)
		err = kecho_submit_wait(src, payload, sizeof(payload), 0, SOON_MS);
	is_eq(err, 0, "submitted %d", i);
	kecho_source_stats(src, &st);
	is_eq(st.submitted, 2000, "all");
	is_eq(st.refused, 0, "who waits is not refused");
	kecho_source_close(src);
	is_eq(kthread_stop(reader), 2000, "all were read in order");
	put_task_struct(reader);
	test_close(&t);
}

TEST(disconnect_ends)
{
	char payload[1000] = { 0 };
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	int i, err = 0;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_DISCONNECT, &s), "members");
	for (i = 0; i < 200 && !err; i++)
		err = kecho_submit(src, payload, sizeof(payload), 0);
	is_eq(err, 0, "it is not waited for");
	is_eq(kecho_read(s, &ev, 0), 0, "it is told");
	is_eq(ev.kind, KECHO_LOST, "what it lost");
	is_eq(kecho_read(s, &ev, 0), -EPIPE, "and has ended");
	test_close(&t);
}

TEST(stalled_sink_ends)
{
	struct kecho_source_options opt = { .log_size = KECHO_LOG_SIZE_MIN, .stall_ms = 50 };
	char payload[1000] = { 0 };
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	u64 n = 0;

	must(!test_open(&t), "open");
	must(!kecho_source_open(t.ch, &opt, &src) && !open_sink(&t, KECHO_BLOCK, &s), "members");
	while (!kecho_submit(src, payload, sizeof(payload), 0))
		n++;
	is_eq(kecho_submit_wait(src, payload, sizeof(payload), 0, SOON_MS), 0, "it goes on");
	is_eq(kecho_read(s, &ev, 0), 0, "the sink is told");
	ok(ev.kind == KECHO_LOST && ev.seq == 1 && ev.last_seq >= n, "all that it did not read");
	is_eq(kecho_read(s, &ev, 0), -EPIPE, "and has ended");
	test_close(&t);
}

TEST(retained)
{
	struct kecho_channel_options opt = { .retain = 3 };
	struct kecho_sink_options late = { .retained = true };
	struct kecho_options where = { .net = current->nsproxy->net_ns };
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	int i, err = 0;

	must(!kecho_open(&t.k, &where), "open");
	must(!kecho_channel_open(t.k, "test", &opt, &t.ch), "channel");
	must(!open_source(&t, &src), "source");
	for (i = 0; i < 10 && !err; i++)
		err = kecho_submit(src, &i, sizeof(i), 0);
	must(!kecho_sink_open(t.ch, &late, &s), "sink");
	for (i = 8; i <= 10; i++) {
		is_eq(kecho_read(s, &ev, 0), 0, "read");
		is_eq(ev.seq, i, "of the last three");
	}
	is_eq(kecho_read(s, &ev, 0), -EAGAIN, "no more");
	test_close(&t);
}

TEST(deadlines)
{
	u64 now = ktime_get_real_ns(), later = now + 3600 * NSEC_PER_SEC;
	struct kecho_sink_stats st;
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_BLOCK, &s), "members");
	is_eq(kecho_submit_until(src, "over", 4, now - 1, 0), 0, "one that is over");
	is_eq(kecho_submit_until(src, "later", 5, later, 0), 0, "and one that is not");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	ok(ev.seq == 2 && ev.deadline_ns == later, "the other one");
	kecho_sink_stats(s, &st);
	ok(st.received == 1 && st.expired == 1 && !st.lost, "it is counted");
	test_close(&t);
}

/* ----------------------------------------------------------------- callbacks */

struct heard {
	struct completion all;
	u64 want, events, bytes, ends, seq;
	bool softirq, wrong;
	struct kecho_source *answers;
};

static void hear(void *arg, const struct kecho_event *ev)
{
	struct heard *h = arg;

	if (ev->kind == KECHO_ENDED) {
		h->ends++;
	} else {
		h->wrong |= ev->kind != KECHO_EVENT || ev->seq != ++h->seq ||
			    h->softirq != !!in_serving_softirq();
		h->bytes += ev->len;
		h->events++;
		if (h->answers)
			h->wrong |= kecho_submit(h->answers, ev->data, ev->len, 0);
	}
	if (h->events + h->ends == h->want)
		complete(&h->all);
}

static int open_hearer(struct test_channel *t, struct heard *h, enum kecho_context context,
		       struct kecho_sink **s)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = hear, .arg = h,
					  .context = context };

	init_completion(&h->all);
	h->softirq = context == KECHO_SOFTIRQ;
	return kecho_sink_open(t->ch, &opt, s);
}

static bool hears_all(struct heard *h)
{
	return wait_for_completion_timeout(&h->all, msecs_to_jiffies(SOON_MS)) && !h->wrong;
}

static void check_callbacks(enum kecho_context context)
{
	struct heard h = { .want = 501 };
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	int i, err = 0;

	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_hearer(&t, &h, context, &s), "members");
	for (i = 0; i < 500 && !err; i++)
		err = kecho_submit_wait(src, &i, sizeof(i), 0, SOON_MS);
	is_eq(err, 0, "submit");
	kecho_source_close(src);
	ok(hears_all(&h), "all: %llu events, %llu ends", h.events, h.ends);
	is_eq(kecho_read(s, &ev, 0), -EINVAL, "it is not to be read");
	test_close(&t);
}

TEST(thread_callback)
{
	check_callbacks(KECHO_THREAD);
}

TEST(softirq_callback)
{
	check_callbacks(KECHO_SOFTIRQ);
}

/* A callback in softirq answers in another channel, whose sink is in softirq too. */
TEST(callback_submits)
{
	struct heard h = { .want = 100 }, answers = { .want = 100 };
	struct test_channel t;
	struct kecho_channel *other;
	struct kecho_source *src;
	struct kecho_sink *s;
	int i, err = 0;

	must(!test_open(&t), "open");
	must(!kecho_channel_open(t.k, "answers", NULL, &other), "another channel");
	must(!open_source(&t, &src) && !open_hearer(&t, &h, KECHO_SOFTIRQ, &s), "members");
	t.ch = other;
	must(!open_source(&t, &h.answers) && !open_hearer(&t, &answers, KECHO_SOFTIRQ, &s),
	     "members there");
	for (i = 0; i < 100 && !err; i++)
		err = kecho_submit(src, &i, sizeof(i), 0);
	is_eq(err, 0, "submit");
	ok(hears_all(&h) && hears_all(&answers), "all, and their answers");
	test_close(&t);
}

/* ------------------------------------------------------------- from wherever */

struct from {
	struct kecho_source *src;
	struct timer_list timer;
	struct irq_work irq;
	int err;
};

static void in_timer(struct timer_list *timer)
{
	struct from *f = container_of(timer, struct from, timer);

	f->err |= kecho_submit(f->src, "timer", 5, 0);
}

static void in_irq_work(struct irq_work *work)
{
	struct from *f = container_of(work, struct from, irq);

	f->err |= !in_hardirq();
	f->err |= kecho_submit(f->src, "irq", 3, 0);
}

static void submit_from_all(struct from *f)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long flags;

	timer_setup_on_stack(&f->timer, in_timer, 0);
	init_irq_work(&f->irq, in_irq_work);
	mod_timer(&f->timer, jiffies);
	spin_lock_irqsave(&lock, flags);
	f->err |= kecho_submit(f->src, "locked", 6, 0);
	spin_unlock_irqrestore(&lock, flags);
	irq_work_queue(&f->irq);
	irq_work_sync(&f->irq);
	msleep(20);
	del_timer_sync(&f->timer);
	destroy_timer_on_stack(&f->timer);
}

static void check_contexts(enum kecho_context context)
{
	struct heard h = { .want = 3 };
	struct from f = { 0 };
	struct test_channel t;
	struct kecho_sink *s;

	must(!test_open(&t), "open");
	must(!open_source(&t, &f.src) && !open_hearer(&t, &h, context, &s), "members");
	submit_from_all(&f);
	is_eq(f.err, 0, "submitted");
	ok(hears_all(&h), "from a timer, an interrupt and under a lock");
	test_close(&t);
}

TEST(submit_from_anywhere)
{
	check_contexts(KECHO_THREAD);
	check_contexts(KECHO_SOFTIRQ);
}

/* -------------------------------------------------------------------- pieces */

/* Larger than a record of its log; memory for it is a chore where it is heard in softirq. */
TEST(large_events)
{
	enum { LARGE = 40000 };
	struct heard h = { .want = 2 }, soft = { .want = 2 };
	struct kecho_sink *s, *reads;
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_event ev;
	u8 *large = vmalloc(LARGE);

	must(large, "memory");
	memset(large, 0x5a, LARGE);
	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_LATEST, &reads), "members");
	must(!open_hearer(&t, &h, KECHO_THREAD, &s) && !open_hearer(&t, &soft, KECHO_SOFTIRQ, &s),
	     "callbacks");
	is_eq(kecho_submit(src, large, LARGE, 0), 0, "submit");
	is_eq(kecho_read(reads, &ev, 0), 0, "read");
	ok(ev.len == LARGE && !memcmp(ev.data, large, LARGE), "whole, by reading");
	is_eq(kecho_submit_wait(src, large, LARGE, 0, SOON_MS), 0, "another");
	is_eq(kecho_submit(src, large, KECHO_EVENT_MAX + 1, 0), -EMSGSIZE, "too large");
	ok(hears_all(&h) && hears_all(&soft), "heard");
	ok(h.bytes == 2 * LARGE && soft.bytes == 2 * LARGE, "whole");
	test_close(&t);
	vfree(large);
}

/* Wherever the ring's end is: it waits for room for all of it, or goes in whole. */
TEST(large_where_the_ring_ends)
{
	enum { LARGE = 50000, EVENTS = 3000 };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_event ev;
	struct kecho_sink *s;
	u8 *data = vzalloc(LARGE);
	u64 seq = 0;
	int i, err = 0;

	must(data, "memory");
	must(!test_open(&t), "open");
	must(!open_source(&t, &src) && !open_sink(&t, KECHO_BLOCK, &s), "members");
	for (i = 1; i <= EVENTS && !err; i++) {
		u32 len = i * 7919 % LARGE;

		/* To ask for one more than there is gives the last one back. */
		while ((err = kecho_submit(src, data, len, 0)) == -EAGAIN)
			if (!kecho_read(s, &ev, 0))
				must(ev.kind == KECHO_EVENT && ev.seq == ++seq, "%llu", seq);
	}
	is_eq(err, 0, "event %d", i - 1);
	test_close(&t);
	vfree(data);
}

/* -------------------------------------------------------------------- stress */

static int submit_many(void *arg)
{
	int i, err = 0;

	for (i = 0; i < 2000 && !err; i++)
		err = kecho_submit_wait(arg, &i, sizeof(i), 0, SOON_MS);
	return err;
}

/* Two sources go on while sinks of all kinds come and go. */
TEST(coming_and_going)
{
	struct task_struct *thread[2];
	struct heard soft, h;
	struct kecho_source *src[2];
	struct test_channel t;
	struct kecho_sink *s, *other;
	int i, err = 0;

	must(!test_open(&t), "open");
	for (i = 0; i < 2; i++) {
		must(!open_source(&t, &src[i]), "source");
		thread[i] = kthread_create(submit_many, src[i], "kecho-test/%d", i);
		must(!IS_ERR(thread[i]), "thread");
		get_task_struct(thread[i]);
		wake_up_process(thread[i]);
	}
	for (i = 0; i < 30 && !err; i++) {
		memset(&soft, 0, sizeof(soft));
		memset(&h, 0, sizeof(h));
		err = open_hearer(&t, &soft, KECHO_SOFTIRQ, &s);
		err = err ?: open_hearer(&t, &h, KECHO_THREAD, &other);
		msleep(2);
		kecho_sink_close(s);
		kecho_sink_close(other);
	}
	is_eq(err, 0, "sinks open");
	for (i = 0; i < 2; i++) {
		is_eq(kthread_stop(thread[i]), 0, "submitted");
		put_task_struct(thread[i]);
	}
	test_close(&t);
}

TESTS(submit, read, vector, attributes, latest_is_lapped, block_holds_up, submit_waits_for_room,
      disconnect_ends, stalled_sink_ends, retained, deadlines, thread_callback, softirq_callback,
      callback_submits, submit_from_anywhere, large_events, large_where_the_ring_ends,
      coming_and_going);
