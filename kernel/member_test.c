// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels, members and their attributes, on one node.
 */
#include "kernel_test.h"

TEST(names)
{
	char longest[KECHO_NAME_MAX + 2];
	struct kecho_channel_options existing = { .flags = KECHO_EXISTING };
	struct kecho_channel_options exclusive = { .flags = KECHO_EXCLUSIVE };
	struct kecho_channel *ch;
	struct test_channel t;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	must(!test_open(&t), "open");
	is_str(kecho_channel_name(t.ch), "test", "its name");
	is_eq(kecho_channel_open(t.k, "", NULL, &ch), -EINVAL, "no name");
	is_eq(kecho_channel_open(t.k, "a b", NULL, &ch), -EINVAL, "a blank");
	is_eq(kecho_channel_open(t.k, longest, NULL, &ch), -EINVAL, "too long");
	is_eq(kecho_channel_open(t.k, longest + 1, NULL, &ch), 0, "the longest");
	is_eq(kecho_channel_open(t.k, "test", NULL, &ch), -EBUSY, "it is open");
	is_eq(kecho_channel_open(t.k, "none", &existing, &ch), -ENOENT, "it must exist");
	is_eq(kecho_channel_open(t.k, "none", &exclusive, &ch), 0, "it must not");
	test_close(&t);
}

/* Two who attach to one node have one channel of a name. */
TEST(shared)
{
	struct kecho_channel_options exclusive = { .flags = KECHO_EXCLUSIVE };
	struct kecho_options where = { .net = current->nsproxy->net_ns };
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct test_channel t;
	struct kecho *other;
	u8 uuid[2][16];

	must(!test_open(&t) && !kecho_open(&other, &where), "open");
	is_eq(kecho_channel_open(other, "test", &exclusive, &ch), -EEXIST, "it exists");
	must(!kecho_channel_open(other, "test", NULL, &ch), "the same");
	kecho_channel_uuid(t.ch, uuid[0]);
	kecho_channel_uuid(ch, uuid[1]);
	is_mem(uuid[0], uuid[1], sizeof(uuid[0]), "uuid");
	must(!kecho_source_open(t.ch, NULL, &src) && !kecho_sink_open(ch, NULL, &s), "members");
	is_eq(kecho_submit(src, "x", 1, 0), 0, "submit");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	test_close(&t);
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(ev.kind, KECHO_ENDED, "who closed has left");
	kecho_close(other);
}

TEST(bad_options)
{
	struct kecho_source_options source = { .log_size = 100000 };
	struct kecho_sink_options policy = { .policy = 3 }, context = { .context = 2 };
	struct kecho_attr attr = { "", kecho_i64(1) };
	struct kecho_source *src;
	struct kecho_sink *s;
	struct test_channel t;

	must(!test_open(&t), "open");
	is_eq(kecho_source_open(t.ch, &source, &src), -EINVAL, "no power of two");
	source = (struct kecho_source_options){ .attrs = &attr, .nattrs = 1 };
	is_eq(kecho_source_open(t.ch, &source, &src), -EINVAL, "an attribute without a name");
	is_eq(kecho_sink_open(t.ch, &policy, &s), -EINVAL, "no such policy");
	is_eq(kecho_sink_open(t.ch, &context, &s), -EINVAL, "no such context");
	is_eq(kecho_members(t.ch, NULL, 0), 0, "nobody has joined");
	test_close(&t);
}

TEST(attributes)
{
	struct kecho_attr born = { "zone", kecho_string("west") };
	struct kecho_source_options opt = { .attrs = &born, .nattrs = 1 };
	struct kecho_source *src;
	struct kecho_sink *s;
	struct kecho_value v;
	struct test_channel t;
	char buf[8];

	must(!test_open(&t), "open");
	must(!kecho_source_open(t.ch, &opt, &src) && !kecho_sink_open(t.ch, NULL, &s), "members");
	is_eq(kecho_member_get(t.ch, kecho_source_id(src), "zone", &v, buf, sizeof(buf)), 0,
	      "from its birth");
	ok(v.len == 4 && !memcmp(buf, "west", 4), "its value");
	is_eq(kecho_sink_set(s, "queue", kecho_i64(12)), 0, "of a sink");
	is_eq(kecho_member_get(t.ch, kecho_sink_id(s), "queue", &v, NULL, 0), 0, "found");
	is_eq(v.i64, 12, "its value");
	is_eq(kecho_node_set(t.k, "load", kecho_i64(3)), 0, "of the node");
	is_eq(kecho_member_get(t.ch, kecho_sink_id(s), "node.load", &v, NULL, 0), 0, "found");
	is_eq(v.i64, 3, "its value");
	is_eq(kecho_member_get(t.ch, kecho_sink_id(s), "node.name", &v, buf, sizeof(buf)), 0,
	      "its name");
	is_eq(kecho_channel_set(t.ch, "version", kecho_i64(1)), 0, "of the channel");
	is_eq(kecho_channel_get(t.ch, "version", &v, NULL, 0), 0, "found");
	is_eq(kecho_channel_get(t.ch, "none", &v, NULL, 0), -ENOENT, "not set");
	is_eq(kecho_member_get(t.ch, 1, "queue", &v, NULL, 0), -ENOENT, "no such member");
	test_close(&t);
}

struct watched {
	struct completion left;
	unsigned int joined, gone;
	bool sleeps;
};

static void watch(void *arg, const struct kecho_member *m)
{
	struct watched *w = arg;

	w->sleeps |= !in_task();
	if (m->state == KECHO_JOINED) {
		w->joined++;
		return;
	}
	w->gone++;
	complete(&w->left);
}

TEST(watching)
{
	struct watched w = { 0 };
	struct kecho_member m[4];
	struct kecho_source *src;
	struct kecho_sink *s;
	struct test_channel t;

	init_completion(&w.left);
	must(!test_open(&t), "open");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	kecho_channel_watch(t.ch, watch, &w);
	must(!kecho_sink_open(t.ch, NULL, &s), "sink");
	is_eq(kecho_members(t.ch, m, 4), 2, "two members");
	ok(m[0].id == kecho_source_id(src) && m[0].mine && m[0].role == KECHO_SOURCE, "a source");
	ok(m[1].id == kecho_sink_id(s) && m[1].node == m[0].node && !m[1].remote, "a sink");
	kecho_source_close(src);
	ok(wait_for_completion_timeout(&w.left, msecs_to_jiffies(SOON_MS)), "one leaves");
	kecho_channel_watch(t.ch, NULL, NULL);
	ok(w.joined == 2 && w.gone == 1 && !w.sleeps, "as it was: %u, %u", w.joined, w.gone);
	kecho_sink_close(s);
	is_eq(w.gone, 1, "nobody watches any more");
	test_close(&t);
}

TESTS(member, names, shared, bad_options, attributes, watching);
