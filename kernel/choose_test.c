// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * For which sinks the events of a source in the kernel are, and a channel's filter for IN.
 */
#include <linux/slab.h>

#include "filter_test.h"
#include "kernel_test.h"

enum { SINKS = 3, LARGE_LEN = 100000 };

struct group {
	struct test_channel t;
	struct kecho_source *src;
	struct kecho_sink *s[SINKS];
};

static int open_group(struct group *g, bool addresses)
{
	struct kecho_source_options source = { .addresses = addresses };
	struct kecho_sink_options sink = { .policy = KECHO_BLOCK };
	int i, err = test_open(&g->t);

	err = err ?: kecho_source_open(g->t.ch, &source, &g->src);
	for (i = 0; i < SINKS && !err; i++)
		err = kecho_sink_open(g->t.ch, &sink, &g->s[i]);
	return err;
}

/* A filter of @kind by instructions; if it @asks the sink's attribute "n" is its slot. */
static int with_filter(u8 kind, u32 best, bool asks, const struct bpf_insn *insns, u32 n,
		       int (*set)(void *to, const void *wire, size_t len), void *to)
{
	struct parts *p = kmalloc(sizeof(*p), GFP_KERNEL);
	int err;

	if (!p)
		return -ENOMEM;
	parts_begin(p, kind);
	p->h.best = cpu_to_le32(best);
	parts_insns(p, insns, n);
	if (asks)
		parts_slot(p, KECHO_SCOPE_SINK, 0, KE_VALUE_I64, "n");
	parts_join(p);
	err = set(to, p->wire, p->wire_len);
	kfree(p);
	return err;
}

static int set_out(void *to, const void *wire, size_t len)
{
	return kecho_source_filter(to, wire, len);
}

static int set_in(void *to, const void *wire, size_t len)
{
	return kecho_channel_filter(to, wire, len, NULL);
}

/* The sink with the highest "n". */
static int choose_best(struct kecho_source *src)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 0, 2, 0), LDX(BPF_DW, 4, 2, 8),
		STX(BPF_DW, 1, CTX(score), 4), EXIT,
	};

	return with_filter(KECHO_FILTER_OUT, 1, true, insns, ARRAY_SIZE(insns), set_out, src);
}

/* Events of more than 8 bytes, for all. */
static int choose_long(struct kecho_source *src)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 0), JMP(BPF_JLE, 2, 8, 1), MOV(0, 1), EXIT,
	};

	return with_filter(KECHO_FILTER_OUT, 0, false, insns, ARRAY_SIZE(insns), set_out, src);
}

/* How many events a sink has to read; the length of the last is checked. */
static unsigned int came(struct kecho_sink *s, size_t len)
{
	struct kecho_event ev;
	unsigned int n = 0;

	while (!kecho_read(s, &ev, 0))
		n += ev.kind == KECHO_EVENT && ev.len == len;
	return n;
}

static void come(struct group *g, size_t len, unsigned int a, unsigned int b, unsigned int c)
{
	is_eq(came(g->s[0], len), a, "for the first");
	is_eq(came(g->s[1], len), b, "for the second");
	is_eq(came(g->s[2], len), c, "for the third");
}

static int put(struct group *g, size_t len)
{
	static const char text[16];

	return kecho_submit(g->src, text, len, 0);
}

static void chosen_are(struct group *g, u64 sinks, u64 nobody)
{
	struct kecho_chosen c;

	kecho_source_chosen(g->src, &c);
	is_eq(c.sinks, sinks, "so many sinks were chosen");
	is_eq(c.nobody, nobody, "and for so many events none");
}

TEST(best)
{
	struct group g;

	must(!open_group(&g, false), "open");
	is_eq(choose_best(g.src), 0, "a filter");
	is_eq(put(&g, 1), 0, "nobody has the attribute");
	come(&g, 1, 0, 0, 0);
	is_eq(kecho_sink_set(g.s[0], "n", kecho_i64(1)), 0, "one has");
	is_eq(kecho_sink_set(g.s[1], "n", kecho_i64(2)), 0, "another has more");
	is_eq(put(&g, 1), 0, "submit");
	come(&g, 1, 0, 1, 0);
	is_eq(kecho_sink_set(g.s[2], "n", kecho_i64(3)), 0, "the third has most");
	is_eq(put(&g, 1), 0, "submit");
	come(&g, 1, 0, 0, 1);
	chosen_are(&g, 2, 1);
	is_eq(kecho_sink_close(g.s[2]), 0, "it leaves");
	is_eq(put(&g, 1), 0, "submit");
	is_eq(came(g.s[1], 1), 1, "the second again");
	is_eq(kecho_source_filter(g.src, NULL, 0), 0, "no filter");
	is_eq(put(&g, 1), 0, "submit");
	is_eq(came(g.s[0], 1) + came(g.s[1], 1), 2, "for all");
	chosen_are(&g, 3, 1);
	test_close(&g.t);
}

TEST(all_or_nobody)
{
	struct group g;

	must(!open_group(&g, false), "open");
	is_eq(choose_long(g.src), 0, "a filter");
	is_eq(put(&g, 9), 0, "submit");
	come(&g, 9, 1, 1, 1);
	is_eq(put(&g, 8), 0, "submit");
	come(&g, 8, 0, 0, 0);
	chosen_are(&g, 0, 1);
	test_close(&g.t);
}

/* All its pieces are for whom the first is. */
TEST(in_pieces)
{
	void *large = kvzalloc(LARGE_LEN, GFP_KERNEL);
	struct group g;

	must(large && !open_group(&g, true), "open");
	is_eq(kecho_sink_set(g.s[0], "n", kecho_i64(1)), 0, "one has the attribute");
	is_eq(choose_best(g.src), 0, "a filter");
	is_eq(kecho_submit(g.src, large, LARGE_LEN, 0), 0, "submit");
	come(&g, LARGE_LEN, 1, 0, 0);
	is_eq(kecho_submit_to(g.src, large, LARGE_LEN, kecho_sink_id(g.s[2]), 0), 0, "to one");
	come(&g, LARGE_LEN, 0, 0, 1);
	chosen_are(&g, 2, 0);
	test_close(&g.t);
	kvfree(large);
}

/* Who is meant may not be seen while somebody is in control. */
static int send_to(struct kecho_source *src, u64 id)
{
	int err;

	while ((err = kecho_submit_to(src, "x", 1, id, 0)) == -EAGAIN)
		usleep_range(100, 200);
	return err;
}

TEST(to_one)
{
	struct kecho_source *asks;
	struct group g;
	u64 second;

	must(!open_group(&g, true), "open");
	second = kecho_sink_id(g.s[1]);
	is_eq(send_to(g.src, second), 0, "to a sink");
	come(&g, 1, 0, 1, 0);
	must(!kecho_source_open(g.t.ch, NULL, &asks), "who asks");
	is_eq(send_to(g.src, kecho_source_id(asks)), -ENOENT,
	      "it has not said where replies go");
	is_eq(kecho_source_set(asks, "reply", kecho_i64(second)), 0, "it says");
	is_eq(send_to(g.src, kecho_source_id(asks)), 0, "a reply");
	come(&g, 1, 0, 1, 0);
	is_eq(kecho_submit_to(asks, "x", 1, second, 0), -EINVAL, "it was not opened for that");
	is_eq(kecho_sink_close(g.s[1]), 0, "the sink leaves");
	is_eq(send_to(g.src, second), -ENOENT, "nobody is there");
	chosen_are(&g, 2, 0);
	test_close(&g.t);
}

/* ------------------------------------------------------------------------- replies */

struct service {
	struct kecho_source *replies;
	unsigned int refused;	/* as somebody was in control */
	int err;
};

enum { ASKED_MAX = 50, A_WHILE_MS = 100 };

/* In softirq. */
static void serve(void *arg, const struct kecho_event *ev)
{
	struct service *s = arg;

	if (ev->kind != KECHO_EVENT || ev->len != 1)
		return;
	s->err = kecho_submit_to(s->replies, "reply", 5, ev->source, 0);
	s->refused += s->err == -EAGAIN;
}

TEST(replies)
{
	struct service service = { .err = 1 };
	struct kecho_sink_options serves = { .context = KECHO_SOFTIRQ, .fn = serve,
					     .arg = &service };
	struct kecho_event ev;
	unsigned int i, n = 0;
	struct kecho_sink *s;
	struct group g;

	must(!open_group(&g, true), "open");
	service.replies = g.src;
	must(!kecho_sink_open(g.t.ch, &serves, &s), "a service");
	must(!kecho_source_open(g.t.ch, NULL, &g.src), "who asks");
	is_eq(kecho_source_set(g.src, "reply", kecho_i64(kecho_sink_id(g.s[2]))), 0, "where");
	for (i = 0; i < ASKED_MAX && !n; i++) {
		is_eq(put(&g, 1), 0, "a request");
		while (!kecho_read(g.s[2], &ev, A_WHILE_MS))
			n += ev.len == 5 && !memcmp(ev.data, "reply", 5);
	}
	is_eq(service.err, 0, "from softirq");
	ok(n && n <= i - service.refused, "one reply each");
	is_eq(came(g.s[0], 5), 0, "and for nobody else");
	test_close(&g.t);
}

/* ----------------------------------------------------------------------------- IN */

/* Events of at least "n" of the sink's bytes. */
static int in_at_least(struct kecho_channel *ch)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), LDX(BPF_DW, 3, 1, CTX(slots)),
		LDX(BPF_DW, 4, 3, offsetof(struct kecho_filter_value, value)),
		MOV(0, 0), JMPR(BPF_JLT, 2, 4, 1), MOV(0, 1), EXIT,
	};

	return with_filter(KECHO_FILTER_IN, 0, true, insns, ARRAY_SIZE(insns), set_in, ch);
}

/* The first of each length. */
static int in_once(struct kecho_channel *ch)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), WIDE(3, 3600 * NSEC_PER_SEC),
		CALL(KECHO_CALL_ONCE), EXIT,
	};

	return with_filter(KECHO_FILTER_IN, 0, false, insns, ARRAY_SIZE(insns), set_in, ch);
}

TEST(in)
{
	struct kecho_sink_stats st;
	struct kecho_sink *late;
	struct group g;

	must(!open_group(&g, false), "open");
	is_eq(kecho_sink_set(g.s[1], "n", kecho_i64(5)), 0, "one wants more");
	is_eq(put(&g, 4), 0, "before there is a filter");
	is_eq(in_at_least(g.t.ch), 0, "a filter");
	come(&g, 4, 1, 0, 1);
	must(!kecho_sink_open(g.t.ch, NULL, &late), "who comes later");
	is_eq(kecho_sink_set(late, "n", kecho_i64(5)), 0, "wants more, too");
	is_eq(put(&g, 4), 0, "submit");
	come(&g, 4, 1, 0, 1);
	is_eq(came(late, 4), 0, "not for it");
	is_eq(put(&g, 5), 0, "submit");
	come(&g, 5, 1, 1, 1);
	is_eq(came(late, 5), 1, "for it");
	kecho_sink_stats(g.s[1], &st);
	ok(st.filtered == 2 && st.received == 1 && !st.lost, "what was left out is counted");
	is_eq(kecho_channel_filter(g.t.ch, NULL, 0, NULL), 0, "no filter");
	is_eq(put(&g, 1), 0, "submit");
	come(&g, 1, 1, 1, 1);
	test_close(&g.t);
}

/* What it remembers is the sink's, of all sources. */
TEST(in_remembers)
{
	struct kecho_source *other;
	struct group g;

	must(!open_group(&g, false), "open");
	must(!kecho_source_open(g.t.ch, NULL, &other), "another source");
	is_eq(in_once(g.t.ch), 0, "a filter");
	is_eq(put(&g, 1), 0, "submit");
	is_eq(kecho_submit(other, "x", 1, 0), 0, "the same by another");
	is_eq(put(&g, 2), 0, "submit");
	is_eq(came(g.s[0], 1), 1, "the first");
	is_eq(in_once(g.t.ch), 0, "another filter");
	is_eq(put(&g, 1), 0, "submit");
	come(&g, 1, 1, 1, 1);
	test_close(&g.t);
}

TEST(refused)
{
	const struct bpf_insn yes[] = { MOV(0, 1), EXIT };
	struct group g;

	must(!open_group(&g, false), "open");
	is_eq(kecho_source_filter(g.src, "nonsense", 8), -EPROTO, "no filter");
	is_eq(kecho_channel_filter(g.t.ch, "nonsense", 8, NULL), -EPROTO, "nor this");
	is_eq(in_at_least(g.t.ch), 0, "one for IN");
	is_eq(choose_long(g.src), 0, "one for OUT");
	is_eq(with_filter(KECHO_FILTER_OUT, 0, false, yes, ARRAY_SIZE(yes), set_in, g.t.ch),
	      -EPROTO, "for OUT is not for IN");
	is_eq(with_filter(KECHO_FILTER_IN, 0, false, yes, ARRAY_SIZE(yes), set_out, g.src),
	      -EPROTO, "nor the other way round");
	is_eq(put(&g, 9), 0, "submit");
	come(&g, 9, 1, 1, 1);
	test_close(&g.t);
}

TESTS(choose, best, all_or_nobody, in_pieces, to_one, replies, in, in_remembers, refused);
