// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * No memory: of all that a call allocates the first fails, then the second alone, until none
 * has. Each time it says -ENOMEM, or has done all the same what it is for, and what it had made
 * until then is gone; that shows when the module is unloaded, and to kmemleak.
 *
 * The kernel is one with fault injection, and failslab and fail_page_alloc are set to fail what
 * may wait, too: see tests/vm/kernel-fault-guest.
 */
#include <linux/slab.h>

#include "filter_test.h"
#include "kecho/field.h"
#include "link_test.h"

enum { FAULTS_MAX = 3000 };	/* that a call may have */

#ifdef CONFIG_FAULT_INJECTION
static void fail_nth(unsigned int n)
{
	current->fail_nth = n;
}

/* How many allocations more there would have had to be. */
static unsigned int fails_not(void)
{
	unsigned int left = current->fail_nth;

	current->fail_nth = 0;
	return left;
}

#define HAS_FAULTS true
#else
static void fail_nth(unsigned int n)
{
}

static unsigned int fails_not(void)
{
	return 0;
}

#define HAS_FAULTS false
#endif

/* Where there is another namespace it is starve_test.c's turn. */
#define CAN_FAIL()							\
	do {								\
		if (!HAS_FAULTS || link_test_pid)			\
			skip("no faults here");				\
	} while (0)

/* How it ended when @n allocations did well and the next did not; 1: there was no next. */
static int try(int (*call)(void *arg), void *arg, unsigned int n)
{
	int err;

	fail_nth(n + 1);
	err = call(arg);
	return fails_not() ? err ?: 1 : err;
}

/* @undo: what it has done, if it has; may be NULL. */
static void each_fails(const char *what, int (*call)(void *arg), void (*undo)(void *arg), void *arg)
{
	unsigned int n, refused = 0;
	int err = 0;

	for (n = 0; n < FAULTS_MAX && !err; n++) {
		err = try(call, arg, n);
		if (err >= 0 && undo)
			undo(arg);
		refused += err == -ENOMEM;
		if (err == -ENOMEM)
			err = 0;
	}
	is_eq(err, 1, "%s: allocation %u", what, n);
	pr_info("# %s: %u allocations, %u refused\n", what, n - 1, refused);
}

#define EACH_FAILS(call, undo, arg) each_fails(#call, call, undo, arg)

/* ----------------------------------------------------------------- attaching */

static int attach(void *arg)
{
	struct kecho_options opt = { .net = current->nsproxy->net_ns };
	struct test_channel *t = arg;

	return kecho_open(&t->k, &opt);
}

static void detach(void *arg)
{
	test_close(arg);
}

static int open_channel(void *arg)
{
	struct test_channel *t = arg;

	return kecho_channel_open(t->k, "test", NULL, &t->ch);
}

static void close_channel(void *arg)
{
	kecho_channel_close(((struct test_channel *)arg)->ch);
}

TEST(attach)
{
	struct test_channel t;

	CAN_FAIL();
	EACH_FAILS(attach, detach, &t);
	must(!attach(&t), "attach");
	EACH_FAILS(open_channel, close_channel, &t);
	test_close(&t);
}

/* ------------------------------------------------------------------- members */

/* A channel with what is tried there. */
struct trial {
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *sink;
	struct kecho_sink_options how;
};

struct sample {
	u32 cpu;
	char name[8];
};

#define SAMPLE(member) KECHO_FIELD(struct sample, member)

static const struct kecho_type sample_is = {
	KECHO_TYPE(struct sample, SAMPLE(cpu), SAMPLE(name))
};

static const struct kecho_attr attrs[] = {
	{ "load", { .kind = KECHO_I64, .i64 = 7 } },
	{ "where", { .kind = KECHO_STRING, .data = "here", .len = 4 } },
};

static int add_source(void *arg)
{
	struct kecho_source_options opt = {
		.log_size = KECHO_LOG_SIZE_MIN, .attrs = attrs, .nattrs = ARRAY_SIZE(attrs),
	};
	struct trial *t = arg;

	return kecho_source_open(t->t.ch, &opt, &t->src);
}

static void drop_source(void *arg)
{
	kecho_source_close(((struct trial *)arg)->src);
}

static int add_sink(void *arg)
{
	struct trial *t = arg;

	t->how.attrs = attrs;
	t->how.nattrs = ARRAY_SIZE(attrs);
	t->how.type = &sample_is;
	return kecho_sink_open(t->t.ch, &t->how, &t->sink);
}

static void drop_sink(void *arg)
{
	kecho_sink_close(((struct trial *)arg)->sink);
}

static void hear(void *arg, const struct kecho_event *ev)
{
}

/* With @how's sink there, whose feed is made too. */
static void source_beside(struct trial *t, const struct kecho_sink_options *how)
{
	t->how = *how;
	must(!add_sink(t), "sink");
	EACH_FAILS(add_source, drop_source, t);
	drop_sink(t);
}

static void sink_beside(struct trial *t, const struct kecho_sink_options *how)
{
	t->how = *how;
	must(!add_source(t), "source");
	must(kecho_source_announce(t->src, &sample_is) == 1, "its type");
	EACH_FAILS(add_sink, drop_sink, t);
	drop_source(t);
}

static void members(struct trial *t)
{
	static const struct kecho_sink_options how[] = {
		{ .policy = KECHO_LATEST },
		{ .policy = KECHO_BLOCK, .fn = hear },
		{ .policy = KECHO_DISCONNECT, .fn = hear, .context = KECHO_SOFTIRQ },
	};
	u32 i;

	EACH_FAILS(add_source, drop_source, t);
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		sink_beside(t, &how[i]);
		source_beside(t, &how[i]);
	}
}

/* -------------------------------------------------------------------- events */

/* Their channel has a source, and a sink that reads it. */
static int announce(void *arg)
{
	struct trial *t = arg;

	return min(kecho_source_announce(t->src, &sample_is), 0);
}

static int submit_attrs(void *arg)
{
	struct trial *t = arg;
	struct kecho_event ev;

	int err = kecho_submit_attrs(t->src, "x", 1, attrs, ARRAY_SIZE(attrs), 0);

	return err ?: kecho_read(t->sink, &ev, SOON_MS);
}

/* Where there is no memory for an event in pieces it is lost. */
static int submit_large(void *arg)
{
	static const char large[KECHO_LOG_SIZE_MIN / 2];
	struct trial *t = arg;
	struct kecho_event ev;

	int err = kecho_submit(t->src, large, sizeof(large), 0);

	return err ?: kecho_read(t->sink, &ev, SOON_MS);
}

/* Those whose first byte is 'x'. */
static int set_filter(void *arg)
{
	static const struct bpf_insn insns[] = {
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, CTX(payload)),
		LDX(BPF_B, BPF_REG_3, BPF_REG_2, 0),
		MOV(BPF_REG_0, 0),
		JMP(BPF_JNE, BPF_REG_3, 'x', 1),
		MOV(BPF_REG_0, 1),
		EXIT,
	};
	struct parts *p = kmalloc(sizeof(*p), GFP_KERNEL);
	struct trial *t = arg;
	int err;

	if (!p)
		return -ENOMEM;
	parts_begin(p, KECHO_FILTER_EVENT);
	parts_insns(p, insns, ARRAY_SIZE(insns));
	parts_join(p);
	err = kecho_sink_filter(t->sink, p->wire, p->wire_len, &sample_is);
	kfree(p);
	return err;
}

static void end_filter(void *arg)
{
	kecho_sink_filter(((struct trial *)arg)->sink, NULL, 0, NULL);
}

static void events(struct trial *t)
{
	t->how = (struct kecho_sink_options){ .policy = KECHO_LATEST };
	must(!add_source(t) && !add_sink(t), "members");
	EACH_FAILS(announce, NULL, t);
	EACH_FAILS(submit_attrs, NULL, t);
	EACH_FAILS(submit_large, NULL, t);
	EACH_FAILS(set_filter, end_filter, t);
	drop_sink(t);
	drop_source(t);
}

/* ------------------------------------------------------ attributes, the whole */

static int set_all(void *arg)
{
	struct trial *t = arg;

	int err = kecho_node_set(t->t.k, "a", kecho_i64(1));

	err = err ?: kecho_channel_set(t->t.ch, "b", kecho_string("two"));
	err = err ?: kecho_source_set(t->src, "c", kecho_bytes("three", 5));
	return err ?: kecho_sink_set(t->sink, "d", kecho_i64(4));
}

static void see(void *arg, const struct kecho_member *m)
{
}

/* What there is no memory to tell is not told. */
static int watch(void *arg)
{
	struct trial *t = arg;

	int err = kecho_channel_watch(t->t.ch, see, NULL);

	return err ?: kecho_channel_watch(t->t.ch, NULL, NULL);
}

static int hold(void *arg)
{
	struct trial *t = arg;

	return kecho_channel_freeze(t->t.ch, SOON_MS) ?: kecho_channel_thaw(t->t.ch);
}

static int drain(void *arg)
{
	return kecho_channel_drain(((struct trial *)arg)->t.ch, SOON_MS);
}

static int destroy(void *arg)
{
	struct trial *t = arg;
	struct test_channel doomed = { .k = t->t.k };
	int err = kecho_channel_open(t->t.k, "doomed", NULL, &doomed.ch);

	if (err)
		return err;
	err = kecho_channel_destroy(doomed.ch, SOON_MS);
	kecho_channel_close(doomed.ch);
	return err;
}

static void whole(struct trial *t)
{
	t->how = (struct kecho_sink_options){ .policy = KECHO_LATEST };
	must(!add_source(t) && !add_sink(t), "members");
	EACH_FAILS(set_all, NULL, t);
	EACH_FAILS(watch, NULL, t);
	EACH_FAILS(hold, NULL, t);
	EACH_FAILS(drain, NULL, t);
	EACH_FAILS(destroy, NULL, t);
	drop_sink(t);
	drop_source(t);
}

static void in_a_channel(void (*what)(struct trial *t))
{
	struct trial t;

	memset(&t, 0, sizeof(t));
	must(!test_open(&t.t), "open");
	what(&t);
	test_close(&t.t);
}

TEST(members)
{
	CAN_FAIL();
	in_a_channel(members);
}

TEST(events)
{
	CAN_FAIL();
	in_a_channel(events);
}

TEST(whole)
{
	CAN_FAIL();
	in_a_channel(whole);
}

TESTS(fault, attach, members, events, whole);
