// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters of sinks in the kernel, as programs and in C, and events as structs of their reader.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "filter_test.h"
#include "kernel_test.h"
#include "sample_test.h"

static int set(struct kecho_sink *s, struct parts *p)
{
	parts_join(p);
	return kecho_sink_filter(s, p->wire, p->wire_len, NULL);
}

/* @refer: to what else it refers; may be NULL. */
static int set_insns(struct kecho_sink *s, const struct bpf_insn *insns, u32 n,
		     void (*refer)(struct parts *p))
{
	struct parts *p = kmalloc(sizeof(*p), GFP_KERNEL);
	int err;

	if (!p)
		return -ENOMEM;
	parts_begin(p, KECHO_FILTER_EVENT);
	parts_insns(p, insns, n);
	if (refer)
		refer(p);
	err = set(s, p);
	kfree(p);
	return err;
}

/* Events whose first byte is @c. */
static int first_is(struct kecho_sink *s, char c)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, CTX(payload)),
		LDX(BPF_B, BPF_REG_3, BPF_REG_2, 0),
		MOV(BPF_REG_0, 0),
		JMP(BPF_JNE, BPF_REG_3, c, 1),
		MOV(BPF_REG_0, 1),
		EXIT,
	};

	return set_insns(s, insns, ARRAY_SIZE(insns), NULL);
}

static void refer_to_min(struct parts *p)
{
	parts_slot(p, KECHO_SCOPE_SINK, 0, KE_VALUE_I64, "min");
}

/* Those whose first byte is not under the sink's attribute "min". */
static int at_least_min(struct kecho_sink *s)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, CTX(payload)),
		LDX(BPF_B, BPF_REG_3, BPF_REG_2, 0),
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, CTX(slots)),
		LDX(BPF_DW, BPF_REG_4, BPF_REG_2, offsetof(struct kecho_filter_value, value)),
		MOV(BPF_REG_0, 0),
		JMPR(BPF_JSLT, BPF_REG_3, BPF_REG_4, 1),
		MOV(BPF_REG_0, 1),
		EXIT,
	};

	return set_insns(s, insns, ARRAY_SIZE(insns), refer_to_min);
}

static void refer_to_cpu(struct parts *p)
{
	parts_ref(p, 1, KECHO_REF_FIELD, 0, "cpu");
}

/* Those whose field "cpu" is 7. */
static int cpu_is_7(struct kecho_sink *s)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, CTX(payload)),
		LDX(BPF_DW, BPF_REG_3, BPF_REG_2, 0),
		MOV(BPF_REG_0, 0),
		JMP(BPF_JNE, BPF_REG_3, 7, 1),
		MOV(BPF_REG_0, 1),
		EXIT,
	};

	return set_insns(s, insns, ARRAY_SIZE(insns), refer_to_cpu);
}

static int submit_text(struct kecho_source *src, const char *text)
{
	int err = 0;

	for (; *text && !err; text++)
		err = kecho_submit(src, text, 1, 0);
	return err;
}

/* The first bytes of what is there to read, in @text. */
static const char *read_text(struct kecho_sink *s, char *text)
{
	struct kecho_event ev;
	char *at = text;

	while (!kecho_read(s, &ev, 0))
		*at++ = ev.kind == KECHO_EVENT ? *(const char *)ev.data : '!';
	*at = 0;
	return text;
}

static int open_members(struct test_channel *t, enum kecho_policy policy,
			struct kecho_source **src, struct kecho_sink **s)
{
	struct kecho_sink_options opt = { .policy = policy };
	int err = test_open(t);

	err = err ?: kecho_source_open(t->ch, NULL, src);
	return err ?: kecho_sink_open(t->ch, &opt, s);
}

static void check_counts(struct kecho_sink *s, u64 received, u64 filtered)
{
	struct kecho_sink_stats st;

	kecho_sink_stats(s, &st);
	ok(st.received == received && st.bytes == received, "%llu were received", st.received);
	is_eq(st.filtered, filtered, "those that were not for it");
	ok(!st.lost && !st.lag_bytes, "none is lost");
}

TEST(at_the_source)
{
	enum kecho_policy policy;
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	char text[16];

	for (policy = KECHO_LATEST; policy <= KECHO_DISCONNECT; policy++) {
		must(!open_members(&t, policy, &src, &s), "open");
		is_eq(first_is(s, 'a'), 0, "a filter");
		is_eq(submit_text(src, "abaab"), 0, "submit");
		is_str(read_text(s, text), "aaa", "what is for it");
		is_eq(first_is(s, 'b'), 0, "another");
		is_eq(submit_text(src, "abaab"), 0, "submit");
		is_str(read_text(s, text), "bb", "by that");
		is_eq(kecho_sink_filter(s, NULL, 0, NULL), 0, "none");
		is_eq(submit_text(src, "ab"), 0, "submit");
		is_str(read_text(s, text), "ab", "all");
		check_counts(s, 7, 5);
		test_close(&t);
	}
}

static int once_by_len(struct kecho_sink *s)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), WIDE(3, 3600 * NSEC_PER_SEC),
		CALL(KECHO_CALL_ONCE), EXIT,
	};

	return set_insns(s, insns, ARRAY_SIZE(insns), NULL);
}

/* What is refused was not seen by any filter. */
TEST(refused_unseen)
{
	struct kecho_source_options small = { .log_size = KECHO_LOG_SIZE_MIN };
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_event ev;
	struct kecho_sink *s;
	int err;

	must(!test_open(&t) && !kecho_source_open(t.ch, &small, &src), "source");
	must(!kecho_sink_open(t.ch, &block, &s), "sink");
	is_eq(once_by_len(s), 0, "the first of each length");
	do
		err = kecho_submit(src, "", 0, 0);
	while (!err);
	is_eq(err, -EAGAIN, "the log is full");
	is_eq(kecho_submit(src, "x", 1, 0), -EAGAIN, "another length");
	is_eq(kecho_read(s, &ev, 0) ?: (int)ev.len, 0, "the first");
	is_eq(kecho_read(s, &ev, 0), -EAGAIN, "and only that");
	is_eq(kecho_submit(src, "x", 1, 0), 0, "now there is room");
	is_eq(kecho_read(s, &ev, 0), 0, "it comes");
	is_eq(ev.len, 1, "as the first of its length");
	test_close(&t);
}

/* What was submitted before there was a filter the source has not judged. */
TEST(at_the_sink)
{
	enum kecho_policy policy;
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	char text[16];

	for (policy = KECHO_LATEST; policy <= KECHO_DISCONNECT; policy++) {
		must(!open_members(&t, policy, &src, &s), "open");
		is_eq(submit_text(src, "abaab"), 0, "submit");
		is_eq(first_is(s, 'b'), 0, "a filter");
		is_eq(submit_text(src, "ab"), 0, "submit more");
		is_str(read_text(s, text), "bbb", "what is for it");
		check_counts(s, 3, 4);
		test_close(&t);
	}
}

/* More than one look leaves out. */
TEST(many_left_out)
{
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	struct kecho_event ev;
	int i, err = 0;

	must(!open_members(&t, KECHO_BLOCK, &src, &s), "open");
	for (i = 0; i < 1000 && !err; i++)
		err = submit_text(src, "a");
	is_eq(err, 0, "submit");
	is_eq(submit_text(src, "b"), 0, "and one more");
	is_eq(first_is(s, 'b'), 0, "a filter");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(ev.seq, 1001, "the last");
	check_counts(s, 1, 1000);
	test_close(&t);
}

/* Live attributes count for both, what was judged by the source and what was not. */
TEST(attributes)
{
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	struct kecho_event ev;
	char text[16];

	must(!open_members(&t, KECHO_LATEST, &src, &s), "open");
	is_eq(kecho_sink_set(s, "min", kecho_i64('3')), 0, "set");
	is_eq(submit_text(src, "123456789"), 0, "submit");
	is_eq(at_least_min(s), 0, "a filter");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(*(const char *)ev.data, '3', "the first that is for it");
	is_eq(kecho_sink_set(s, "min", kecho_i64('7')), 0, "set");
	is_str(read_text(s, text), "789", "the rest");
	is_eq(submit_text(src, "67"), 0, "submit");
	is_str(read_text(s, text), "7", "by the source");
	test_close(&t);
}

static int submit_samples(struct kecho_source *src, int number)
{
	struct sample sample = { .change = -3, .name = "seven" };
	int err = 0;

	for (sample.cpu = 5; sample.cpu < 10 && !err; sample.cpu++)
		err = kecho_submit(src, &sample, sizeof(sample), KECHO_TYPED(number));
	return err;
}

/* By a field, of a type that is announced before the filter is set, and after. */
TEST(fields)
{
	struct kecho_source *src;
	struct kecho_event ev;
	struct test_channel t;
	struct kecho_sink *s;
	int i;

	must(!open_members(&t, KECHO_LATEST, &src, &s), "open");
	is_eq(kecho_source_announce(src, &sample_is), 1, "a type");
	is_eq(submit_samples(src, 1), 0, "before there is a filter");
	is_eq(cpu_is_7(s), 0, "a filter");
	is_eq(submit_samples(src, 1), 0, "and after");
	for (i = 0; i < 2; i++) {
		is_eq(kecho_read(s, &ev, 0), 0, "read");
		is_eq(((const struct sample *)ev.data)->cpu, 7, "it is for it");
	}
	is_eq(kecho_read(s, &ev, 0), -EAGAIN, "no more");
	kecho_source_close(src);
	must(!kecho_source_open(t.ch, NULL, &src), "another source");
	is_eq(kecho_source_announce(src, &sample_is), 1, "its type");
	is_eq(submit_samples(src, 1), 0, "submit");
	is_eq(kecho_read(s, &ev, 0) ?: ev.kind, KECHO_ENDED, "the first has ended");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(((const struct sample *)ev.data)->cpu, 7, "of the other");
	test_close(&t);
}

TEST(refused)
{
	const struct bpf_insn reads_itself = LDX(BPF_DW, BPF_REG_0, BPF_REG_5, 0);
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	struct parts *p = kmalloc(sizeof(*p), GFP_KERNEL);
	char text[16];

	must(p, "memory");
	must(!open_members(&t, KECHO_LATEST, &src, &s), "open");
	is_eq(first_is(s, 'a'), 0, "a good one");
	is_eq(kecho_sink_filter(s, "nonsense", 8, NULL), -EPROTO, "no filter");
	parts_begin(p, KECHO_FILTER_OUT);
	parts_insn(p, EXIT);
	is_eq(set(s, p), -EPROTO, "for a source");
	parts_begin(p, KECHO_FILTER_EVENT);
	parts_insn(p, reads_itself);
	parts_insn(p, EXIT);
	is_eq(set(s, p), -EACCES, "it reads what it must not");
	is_eq(submit_text(src, "ab"), 0, "submit");
	is_str(read_text(s, text), "a", "the good one stays");
	test_close(&t);
	kfree(p);
}

/* ------------------------------------------------------------------ while they flow */

struct flow {
	struct completion done;
	u64 n, wrong, seq;
	bool softirq;
};

static void hear(void *arg, const struct kecho_event *ev)
{
	struct flow *f = arg;

	if (ev->kind == KECHO_ENDED) {
		complete(&f->done);
		return;
	}
	f->n++;
	f->wrong += ev->kind != KECHO_EVENT || ev->seq <= f->seq ||
		    f->softirq != !!in_serving_softirq();
	f->seq = ev->seq;
}

/* Each event is judged by one of two filters that are set in turns, and none is lost. */
static void check_replaced(enum kecho_context context)
{
	struct flow f = { .softirq = context == KECHO_SOFTIRQ };
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .context = context, .fn = hear,
					  .arg = &f };
	struct kecho_sink_stats st;
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	int i, err = 0;

	init_completion(&f.done);
	must(!test_open(&t) && !kecho_sink_open(t.ch, &opt, &s), "sink");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	for (i = 0; i < 2000 && !err; i++) {
		if (i % 40 == 0)
			err = first_is(s, "ab"[i / 40 % 2]);
		err = err ?: kecho_submit_wait(src, &"ab"[i % 2], 1, 0, SOON_MS);
	}
	is_eq(err, 0, "submitted and replaced");
	kecho_source_close(src);
	ok(wait_for_completion_timeout(&f.done, msecs_to_jiffies(SOON_MS)), "it ends");
	is_eq(f.wrong, 0, "in order");
	is_eq(f.n, 1000, "half of them");
	kecho_sink_stats(s, &st);
	ok(st.received == 1000 && st.filtered == 1000 && !st.lost, "as it counts");
	test_close(&t);
}

TEST(replaced)
{
	check_replaced(KECHO_THREAD);
	check_replaced(KECHO_SOFTIRQ);
}

/* ------------------------------------------------------------------------- in C */

static bool is_odd(void *arg, const struct kecho_event *ev)
{
	return ev->seq % 2;
}

static void check_c(enum kecho_context context)
{
	struct flow f = { .softirq = context == KECHO_SOFTIRQ };
	struct kecho_sink_options opt = { .context = context, .fn = hear, .arg = &f,
					  .filter = is_odd };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;

	init_completion(&f.done);
	must(!test_open(&t) && !kecho_sink_open(t.ch, &opt, &s), "sink");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	is_eq(submit_text(src, "abcde"), 0, "submit");
	kecho_source_close(src);
	ok(wait_for_completion_timeout(&f.done, msecs_to_jiffies(SOON_MS)), "it ends");
	ok(f.n == 3 && !f.wrong, "every other one: %llu", f.n);
	check_counts(s, 3, 2);
	test_close(&t);
}

TEST(in_c)
{
	struct kecho_sink_options opt = { .filter = is_odd };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	char text[16];

	check_c(KECHO_THREAD);
	check_c(KECHO_SOFTIRQ);
	must(!test_open(&t) && !kecho_sink_open(t.ch, &opt, &s), "sink");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	is_eq(submit_text(src, "abcde"), 0, "submit");
	is_str(read_text(s, text), "ace", "every other one");
	check_counts(s, 3, 2);
	test_close(&t);
}

static bool takes_long(void *arg, const struct kecho_event *ev)
{
	usleep_range(4000, 5000);	/* by the clock, where a tick may be late */
	return false;
}

TEST(slow_in_c)
{
	struct kecho_sink_options opt = { .filter = takes_long, .budget_ns = NSEC_PER_MSEC };
	struct kecho_sink_stats st;
	struct kecho_source *src;
	struct kecho_event ev;
	struct test_channel t;
	struct kecho_sink *s;

	must(!test_open(&t) && !kecho_sink_open(t.ch, &opt, &s), "sink");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	is_eq(submit_text(src, "abcdefghijklmnopqrstuvwxyz"), 0, "submit");
	is_eq(kecho_read(s, &ev, 0), -ETIME, "it is detached");
	kecho_sink_stats(s, &st);
	ok(st.overruns == 16 && st.filtered == 16 && st.lost == 10 && !st.received, "counted");
	test_close(&t);
}

/* -------------------------------------------------------------- as the reader's struct */

/* A later version of the sample: wider, in another order, with a field more. */
struct wide {
	s64 change;
	u64 cpu, memory;
	char name[16];
};

#define WIDE_FIELD(member) KECHO_FIELD(struct wide, member)

static const struct kecho_type wide_is = {
	KECHO_TYPE(struct wide, WIDE_FIELD(change), WIDE_FIELD(cpu), WIDE_FIELD(memory),
		   WIDE_FIELD(name))
};

TEST(as_the_readers)
{
	struct kecho_sink_options opt = { .type = &wide_is };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct wide wide;
	u64 present = 0;

	must(!test_open(&t) && !kecho_sink_open(t.ch, &opt, &s), "sink");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	is_eq(kecho_submit(src, "plain", 5, 0), 0, "bytes");
	is_eq(kecho_source_announce(src, &sample_is), 1, "a type");
	is_eq(submit_samples(src, 1), 0, "submit");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(kecho_event_as(s, &ev, &wide, NULL), -ENOMSG, "bytes are no struct");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(kecho_event_as(s, &ev, &wide, &present), 0, "as the reader has it");
	ok(wide.change == -3 && wide.cpu == 5 && !wide.memory, "its numbers");
	is_str(wide.name, "seven", "its text");
	is_eq(present, 0xb, "change, cpu and name are there, not memory");
	test_close(&t);
}

TEST(bad_readers)
{
	static const struct kecho_field outside[] = {
		{ .name = "f", .kind = KECHO_FIELD_UNSIGNED, .offset = 2, .size = 4 },
	};
	const struct kecho_type bad = { "struct t", 4, outside, 1 };
	const struct kecho_attr where = { "where", kecho_string("here") };
	struct kecho_sink_options opt = { .type = &bad, .attrs = &where, .nattrs = 1 };
	struct test_channel t;
	struct kecho_sink *s;

	must(!test_open(&t), "open");
	is_eq(kecho_sink_open(t.ch, &opt, &s), -EINVAL, "a field that is not within");
	is_eq(kecho_members(t.ch, NULL, 0), 0, "nobody has joined");
	test_close(&t);
}

TESTS(filter, at_the_source, refused_unseen, at_the_sink, many_left_out, attributes, fields,
      refused, replaced, in_c, slow_in_c, as_the_readers, bad_readers);
