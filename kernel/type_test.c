// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Types that sources in the kernel announce. That others read events by them is for those who
 * read: tests/vm/sources-guest has processes do it.
 */
#include "kernel_test.h"
#include "sample_test.h"

static const struct kecho_type other_is = { KECHO_TYPE(struct sample, SAMPLE(cpu)) };

TEST(announce)
{
	struct sample sample = { 1, -1, "one" };
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;
	struct kecho_event ev;

	must(!test_open(&t), "open");
	must(!kecho_source_open(t.ch, NULL, &src) && !kecho_sink_open(t.ch, NULL, &s), "members");
	is_eq(kecho_submit(src, &sample, sizeof(sample), KECHO_TYPED(1)), -EINVAL,
	      "there is no type yet");
	is_eq(kecho_source_announce(src, &sample_is), 1, "the first");
	is_eq(kecho_source_announce(src, &sample_is), 1, "the same");
	is_eq(kecho_source_announce(src, &other_is), 2, "the second");
	is_eq(kecho_submit(src, &sample, sizeof(sample), KECHO_TYPED(3)), -EINVAL, "no third");
	is_eq(kecho_submit(src, &sample, sizeof(sample), KECHO_TYPED(2)), 0, "submit");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	ok(ev.type == 2 && ev.len == sizeof(sample), "of the second");
	is_eq(kecho_submit(src, "plain", 5, 0), 0, "submit bytes");
	is_eq(kecho_read(s, &ev, 0), 0, "read");
	is_eq(ev.type, 0, "plain bytes");
	test_close(&t);
}

TEST(bad_tables)
{
	static const struct kecho_field outside[] = {
		{ .name = "f", .kind = KECHO_FIELD_UNSIGNED, .offset = 2, .size = 4 },
	};
	static const struct kecho_field twice[] = {
		{ .name = "f", .kind = KECHO_FIELD_UNSIGNED, .offset = 0, .size = 4 },
		{ .name = "f", .kind = KECHO_FIELD_UNSIGNED, .offset = 0, .size = 4 },
	};
	const struct kecho_type bad[] = {
		{ "struct t", 4, outside, 1 },
		{ "struct t", 4, twice, 2 },
		{ "", 4, outside, 0 },
	};
	const struct kecho_type large = { "struct t", 65537, outside, 0 };
	struct kecho_source *src;
	struct test_channel t;
	int i;

	must(!test_open(&t), "open");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		is_eq(kecho_source_announce(src, &bad[i]), -EINVAL, "table %d", i);
	is_eq(kecho_source_announce(src, &large), -E2BIG, "too large a struct");
	is_eq(kecho_source_announce(src, &sample_is), 1, "a good one");
	test_close(&t);
}

TEST(heard)
{
	struct kecho_source *src;
	struct test_channel t;
	struct kecho_sink *s;

	must(!test_open(&t), "open");
	must(!kecho_source_open(t.ch, NULL, &src), "source");
	ok(!kecho_source_heard(src), "nobody");
	must(!kecho_sink_open(t.ch, NULL, &s), "sink");
	ok(kecho_source_heard(src), "a sink");
	kecho_sink_close(s);
	ok(!kecho_source_heard(src), "it went");
	test_close(&t);
}

TESTS(type, announce, bad_tables, heard);
