// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Two linked nodes in kernels: what members do with each other. */
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "filter_test.h"
#include "link_test.h"

int link_test_pid;
module_param_named(pid, link_test_pid, int, 0);

static int open_sink(struct kecho_channel *ch, enum kecho_policy policy, struct kecho_sink **s)
{
	struct kecho_sink_options opt = { .policy = policy };

	return kecho_sink_open(ch, &opt, s);
}

TEST(members)
{
	struct kecho_member m[4];
	struct kecho_source *src;
	struct kecho_value v;
	struct kecho_sink *s;
	struct two t;

	must(!open_two(&t, "members"), "open");
	must(!open_source(t.ch[0], &src) && !open_sink(t.ch[1], KECHO_LATEST, &s), "members");
	is_eq(kecho_members(t.ch[1], m, 4), 2, "both are known");
	ok(m[0].id == kecho_sink_id(s) && m[0].mine && !m[0].remote, "ours");
	ok(m[1].id == kecho_source_id(src) && !m[1].mine && m[1].remote, "the other's");
	is_eq(kecho_source_set(src, "load", kecho_i64(7)), 0, "set");
	msleep(200);
	is_eq(kecho_member_get(t.ch[1], m[1].id, "load", &v, NULL, 0), 0, "heard of");
	is_eq(v.i64, 7, "its value");
	kecho_source_close(src);
	msleep(200);
	is_eq(kecho_members(t.ch[1], m, 4), 1, "it has left");
	close_two(&t);
}

/* In order, and none is lost, in whichever direction. */
static void flow(struct two *t, int from)
{
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	u64 seq = 0;
	int i, err = 0;

	must(!open_sink(t->ch[!from], KECHO_BLOCK, &s) && !open_source(t->ch[from], &src), "open");
	for (i = 1; i <= 1000 && !err; i++) {
		err = kecho_submit_wait(src, &i, sizeof(i), 0, SOON_MS);
		while (!err && i - seq > 100 && !kecho_read(s, &ev, SOON_MS))
			err = ev.seq != ++seq || *(int *)ev.data != seq;
	}
	while (!err && seq < 1000)
		err = kecho_read(s, &ev, SOON_MS) ?: ev.seq != ++seq;
	is_eq(err, 0, "all came, to %llu", seq);
	kecho_source_close(src);
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	ok(ev.kind == KECHO_ENDED && ev.last_seq == 1000 && !ev.failed, "its end");
	kecho_sink_close(s);
}

TEST(flows)
{
	struct two t;

	must(!open_two(&t, "flows"), "open");
	flow(&t, 0);
	flow(&t, 1);
	close_two(&t);
}

/* Nobody reads: the source is held up when mirror and log are full. */
TEST(block_holds_up)
{
	char payload[1000] = { 0 };
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct two t;
	u64 n = 0, seq = 0;

	must(!open_two(&t, "block"), "open");
	must(!open_sink(t.ch[1], KECHO_BLOCK, &s) && !open_source(t.ch[0], &src), "members");
	while (n < 1000 && !kecho_submit_wait(src, payload, sizeof(payload), 0, 500))
		n++;
	ok(n > 100 && n < 140, "two logs of them: %llu", n);
	while (seq < n && !kecho_read(s, &ev, SOON_MS))
		is_eq(ev.seq, ++seq, "nothing is lost");
	is_eq(seq, n, "all");
	is_eq(kecho_submit_wait(src, payload, sizeof(payload), 0, SOON_MS), 0, "room");
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	is_eq(ev.seq, n + 1, "it goes on");
	close_two(&t);
}

TEST(large_events)
{
	enum { LARGE = 200000 };
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct two t;
	u8 *large = vmalloc(LARGE);
	int i;

	must(large, "memory");
	for (i = 0; i < LARGE; i++)
		large[i] = i * 31;
	must(!open_two(&t, "large"), "open");
	must(!open_sink(t.ch[1], KECHO_LATEST, &s) && !kecho_source_open(t.ch[0], NULL, &src),
	     "members");
	is_eq(kecho_submit(src, large, LARGE, 0), 0, "submit");
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	ok(ev.kind == KECHO_EVENT && ev.len == LARGE && !memcmp(ev.data, large, LARGE), "whole");
	close_two(&t);
	vfree(large);
}

/* One that expires in the mirror is told as that: the nodes know each other's clocks. */
TEST(deadlines)
{
	struct kecho_source_options opt = { .lifespan_ns = NSEC_PER_SEC };
	struct kecho_sink_stats st;
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct two t;

	must(!open_two(&t, "deadlines"), "open");
	must(!open_sink(t.ch[1], KECHO_LATEST, &s) && !kecho_source_open(t.ch[0], &opt, &src),
	     "members");
	is_eq(kecho_submit(src, "first", 5, 0), 0, "submit");
	msleep(2500);
	is_eq(kecho_submit(src, "second", 6, 0), 0, "submit");
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	is_eq(ev.seq, 2, "the second");
	kecho_sink_stats(s, &st);
	ok(st.received == 1 && st.expired == 1, "the first has expired");
	close_two(&t);
}

struct heard {
	struct completion all;
	unsigned int n;
	bool wrong;
};

static void hear(void *arg, const struct kecho_event *ev)
{
	struct heard *h = arg;

	h->wrong |= ev->kind != KECHO_EVENT || ev->seq != ++h->n || !in_serving_softirq();
	if (h->n == 200)
		complete(&h->all);
}

TEST(softirq_callback)
{
	struct heard h = { .n = 0 };
	struct kecho_sink_options opt = { .fn = hear, .arg = &h, .context = KECHO_SOFTIRQ };
	struct kecho_source *src;
	struct kecho_sink *s;
	struct two t;
	int i, err = 0;

	init_completion(&h.all);
	must(!open_two(&t, "softirq"), "open");
	must(!kecho_sink_open(t.ch[1], &opt, &s) && !open_source(t.ch[0], &src), "members");
	for (i = 0; i < 200 && !err; i++)
		err = kecho_submit(src, &i, sizeof(i), 0);
	is_eq(err, 0, "submit");
	ok(wait_for_completion_timeout(&h.all, msecs_to_jiffies(SOON_MS)) && !h.wrong, "all");
	close_two(&t);
}

/* Judged at the other node: what is not for this one does not come. */
TEST(filter)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, CTX(payload)),
		LDX(BPF_B, BPF_REG_3, BPF_REG_2, 0),
		MOV(BPF_REG_0, 0),
		JMP(BPF_JNE, BPF_REG_3, 0, 1),
		MOV(BPF_REG_0, 1),
		EXIT,
	};
	struct parts *p = kmalloc(sizeof(*p), GFP_KERNEL);
	struct kecho_sink_stats st;
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct two t;
	u64 seq;
	int i;

	must(p, "memory");
	parts_begin(p, KECHO_FILTER_EVENT);
	parts_insns(p, insns, ARRAY_SIZE(insns));
	parts_join(p);
	must(!open_two(&t, "filter"), "open");
	must(!open_sink(t.ch[1], KECHO_BLOCK, &s) && !open_source(t.ch[0], &src), "members");
	is_eq(kecho_sink_filter(s, p->wire, p->wire_len, NULL), 0, "set");
	for (i = 0; i < 1024; i++)
		kecho_submit_wait(src, &i, sizeof(i), 0, SOON_MS);
	for (seq = 1; seq < 1024; seq += 256) {
		is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
		is_eq(ev.seq, seq, "one of 256");
	}
	kecho_source_close(src);
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	ok(ev.kind == KECHO_ENDED && ev.last_seq == 1024, "all was told of");
	kecho_sink_stats(s, &st);
	ok(st.received == 4 && st.filtered == 1020 && !st.lost, "filtered: %llu", st.filtered);
	close_two(&t);
	kfree(p);
}

/* By one node, for sources and sinks of the other. */
TEST(whole_channel)
{
	struct kecho_channel *other;
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	u8 uuid[2][16];
	struct two t;

	must(!open_two(&t, "whole"), "open");
	must(!open_sink(t.ch[1], KECHO_BLOCK, &s) && !open_source(t.ch[0], &src), "members");
	is_eq(kecho_channel_freeze(t.ch[1], SOON_MS), 0, "freeze");
	is_eq(kecho_submit(src, "no", 2, 0), -EAGAIN, "it is frozen");
	is_eq(kecho_channel_thaw(t.ch[1]), 0, "thaw");
	is_eq(kecho_submit_wait(src, "yes", 3, 0, SOON_MS), 0, "it goes on");
	is_eq(kecho_channel_drain(t.ch[0], 300), -ETIMEDOUT, "the other's sink has not read it");
	is_eq(kecho_read(s, &ev, SOON_MS), 0, "read");
	is_eq(kecho_channel_drain(t.ch[0], SOON_MS), 0, "it is drained");
	is_eq(kecho_channel_destroy(t.ch[1], SOON_MS), 0, "destroy");
	is_eq(kecho_submit(src, "no", 2, 0), -ESHUTDOWN, "at the other node, too");
	kecho_channel_uuid(t.ch[0], uuid[0]);
	kecho_channel_close(t.ch[0]);
	must(!kecho_channel_open(t.k[0], "whole", NULL, &other), "open the name again");
	kecho_channel_uuid(other, uuid[1]);
	ok(memcmp(uuid[0], uuid[1], sizeof(uuid[0])), "it is another channel");
	close_two(&t);
}

static void left(void *arg, const struct kecho_member *m)
{
	if (m->state == KECHO_LEFT)
		complete(arg);
}

/* What a node says last is heard, though it is gone by then. */
TEST(node_leaves)
{
	DECLARE_COMPLETION_ONSTACK(leaves);
	struct kecho_source *src;
	struct two t;

	must(!open_two(&t, "leaves"), "open");
	must(!open_source(t.ch[0], &src), "source");
	kecho_channel_watch(t.ch[1], left, &leaves);
	kecho_close(t.k[0]);
	t.k[0] = NULL;
	ok(wait_for_completion_timeout(&leaves, msecs_to_jiffies(1000)), "it has left, not failed");
	close_two(&t);
}

/* Who closes with a sink that never reads doesn't wait for ever. */
TEST(close_with_all_unread)
{
	struct kecho_source *src;
	struct kecho_sink *s;
	struct two t;
	int i, err = 0;

	must(!open_two(&t, "close"), "open");
	must(!open_sink(t.ch[1], KECHO_BLOCK, &s) && !open_source(t.ch[0], &src), "members");
	for (i = 0; i < 1000 && !err; i++)
		err = kecho_submit(src, &t, sizeof(t), 0);
	close_two(&t);
	ok(true, "closed");
}

TESTS(link, members, flows, block_holds_up, large_events, deadlines, softirq_callback, filter,
      whole_channel, node_leaves, close_with_all_unread);
