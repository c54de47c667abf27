// SPDX-License-Identifier: MIT
/*
 * Filters of sinks: what they see, that they are replaced while events flow, and that what
 * they leave out is no loss and keeps nobody waiting.
 */
#include <kecho/filter.h>
#include <kecho/type.h>

#include "pair.h"

enum {
	REPLACED = 500,
	REPLACED_LONG = 10000,
	PER_FILTER = 20,	/* events that are judged by each */
	AGE_US = 1100000,	/* more than the filter's */
	YOUNG_NS = 500000000,
};

static bool set_typed(struct kecho_sink *s, const char *text, const struct kecho_type *type)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, KECHO_FOR_EVENT, text, NULL);

	if (!ok(!err, "%s: %s", text, err ? kecho_explain() : "compiled"))
		return false;
	err = kecho_sink_filter(s, f, type);
	kecho_filter_free(f);
	return ok(!err, "%s: %s", text, err ? kecho_explain() : "set");
}

static bool set(struct kecho_sink *s, const char *text)
{
	return set_typed(s, text, NULL);
}

/* Submits @text with the attribute level. */
static void put(struct pair *p, const char *text, int64_t level)
{
	struct kecho_attr a = { "level", kecho_i64(level) };

	is_eq(kecho_submit_attrs(p->src, text, strlen(text), &a, 1, 0), 0, "submit %s", text);
}

static void comes(struct pair *p, const char *text)
{
	struct kecho_event ev;

	is_eq(kecho_read(p->snk, &ev, SOON_MS), 0, "%s comes", text);
	ok(ev.kind == KECHO_EVENT && ev.len == strlen(text) && !memcmp(ev.data, text, ev.len),
	   "it is %s", text);
}

/* What the sink's node has heard of the source, it judges by within 10 ms. */
static bool heard(struct pair *p, const char *name, const char *value)
{
	struct kecho_value v;
	char buf[16];

	return comes_true(!kecho_member_get(p->ch[1], kecho_source_id(p->src), name, &v, buf,
					    sizeof(buf)) &&
			  v.len == strlen(value) && !memcmp(buf, value, v.len));
}

TEST(attributes)
{
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "attributes", KECHO_BLOCK)) {
		is_eq(kecho_source_set(p.src, "zone", kecho_string("eu")), 0, "zone");
		is_eq(kecho_sink_set(p.snk, "least", kecho_i64(3)), 0, "least");
		is_eq(kecho_channel_set(p.ch[1], "open", kecho_i64(1)), 0, "open");
		is_eq(kecho_node_set(p.k[0], "name", kecho_string("x")), 0, "the node's name");
		ok(heard(&p, "zone", "eu") && heard(&p, "node.name", "x"), "heard");
		if (set(p.snk, "event.level >= sink.least && source.zone == \"eu\" && "
			       "channel.open == 1 && source.node.name == \"x\" && len < 4")) {
			put(&p, "low", 2);
			put(&p, "a", 3);
			put(&p, "long", 9);
			put(&p, "b", 4);
			comes(&p, "a");
			comes(&p, "b");
		}
		is_eq(kecho_sink_filter(p.snk, NULL, NULL), 0, "no filter");
		put(&p, "c", 1);
		comes(&p, "c");
		is_eq(kecho_sink_filtered(p.snk), 2, "were not for it");
	}
	pair_end(&p);
}

/* An attribute that changes counts for events that are read from 10 ms later on. */
TEST(live)
{
	struct kecho_event ev;
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "live", KECHO_LATEST) && set(p.snk, "source.on == \"y\"")) {
		put(&p, "a", 0);
		is_eq(kecho_read(p.snk, &ev, QUIET_MS), -ETIMEDOUT, "not there: no");
		is_eq(kecho_source_set(p.src, "on", kecho_string("y")), 0, "on");
		ok(heard(&p, "on", "y"), "heard");
		sleep_us(20000);
		put(&p, "b", 0);
		comes(&p, "b");
	}
	pair_end(&p);
}

static void none_comes(struct pair *p, const char *why)
{
	struct kecho_event ev;

	is_eq(kecho_read(p->snk, &ev, QUIET_MS), -ETIMEDOUT, "%s: no", why);
}

/* The source says what it did before, and whoever judges goes by it. */
static bool young(struct pair *p)
{
	struct kecho_value v;
	char buf[16];
	bool came;

	is_eq(kecho_source_set(p->src, "on", kecho_string("y")), 0, "on");
	came = comes_true(!kecho_member_get(p->ch[1], kecho_source_id(p->src), "on", &v, buf,
					    sizeof(buf)) && v.age_ns < YOUNG_NS);
	sleep_us(20000);
	return came;
}

static void ages(enum kecho_filter_use use)
{
	struct kecho_filter *f = NULL;
	struct pair p = {};

	if (pair_stream(&p, "age", KECHO_LATEST) &&
	    ok(!kecho_filter_compile(&f, use, "source.on.age < 1s", NULL) &&
	       !kecho_sink_filter(p.snk, f, NULL), "a filter: %s", kecho_explain())) {
		put(&p, "a", 0);
		none_comes(&p, "not there");
		ok(young(&p), "set");
		put(&p, "b", 0);
		comes(&p, "b");
		sleep_us(AGE_US);
		put(&p, "c", 0);
		none_comes(&p, "old");
		ok(young(&p), "set again");
		put(&p, "d", 0);
		comes(&p, "d");
		is_eq(kecho_sink_filtered(p.snk), 2, "were not for it");
	}
	kecho_filter_free(f);
	pair_end(&p);
}

/* That of an attribute grows until it is set, whoever judges. */
TEST(age)
{
	ARENA();
	ages(KECHO_FOR_EVENT);
	ages(KECHO_FOR_IN);
}

static bool submit_some(struct pair *p, unsigned int n)
{
	while (n && !kecho_submit(p->src, "x", 1, 0))
		n--;
	return !n;
}

/* Each event is judged by the filter that is set when it is read, and by no other. */
TEST(replaced)
{
	unsigned int rounds = long_run() ? REPLACED_LONG : REPLACED, i;
	u64 last = 0, got = 0, wrong = 0;
	struct kecho_filter *f[2];
	struct kecho_event ev;
	struct pair p = {};

	ARENA();
	must(!kecho_filter_compile(&f[0], KECHO_FOR_EVENT, "seq % 2 == 0", NULL) &&
	     !kecho_filter_compile(&f[1], KECHO_FOR_IN, "seq % 2 == 1", NULL), "two filters");
	if (pair_stream(&p, "replaced", KECHO_BLOCK)) {
		for (i = 0; i < rounds; i++) {
			must(!kecho_sink_filter(p.snk, f[i % 2], NULL), "filter %u", i);
			must(submit_some(&p, PER_FILTER), "events, round %u", i);
			/* On one host what was submitted is there. */
			for (; !kecho_read(p.snk, &ev, 0); got++, last = ev.seq)
				wrong += ev.kind != KECHO_EVENT || ev.seq % 2 != i % 2 ||
					 ev.seq <= last;
		}
		is_eq(wrong, 0, "all as the filter of their time says");
		is_eq(got, rounds * PER_FILTER / 2, "half of all");
		is_eq(kecho_sink_filtered(p.snk), rounds * PER_FILTER / 2, "not the others");
	}
	kecho_filter_free(f[0]);
	kecho_filter_free(f[1]);
	pair_end(&p);
}

/* Nothing is for it: who waits is back in time, and the source is never held up. */
TEST(nothing)
{
	u64 before, n = 0;
	struct kecho_event ev;
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "nothing", KECHO_BLOCK) && set(p.snk, "seq == 0")) {
		for (before = now_ns(); now_ns() - before < 300000000ull;) {
			n += !kecho_submit(p.src, "x", 1, KECHO_DONTWAIT);
			if (n % 100 == 0)
				is_eq(kecho_read(p.snk, &ev, 0), -EAGAIN, "nothing");
		}
		before = now_ns();
		is_eq(kecho_read(p.snk, &ev, QUIET_MS), -ETIMEDOUT, "nothing in time");
		ok(now_ns() - before < SOON_MS * 1000000ull, "and not much later");
		is_eq(kecho_sink_filtered(p.snk), n, "all were looked at");
		is_eq(kecho_source_set(p.src, "x", kecho_i64(1)), 0, "the source goes on");
		kecho_source_close(p.src);
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "its end comes");
		is_eq(ev.kind, KECHO_ENDED, "whatever the filter says");
		is_eq(ev.last_seq, n, "with the last number");
	}
	pair_end(&p);
}

struct load {
	int32_t cpu;
	char host[12];
};

TEST(fields)
{
	static const struct kecho_field field[] = {
		{ .name = "cpu", .kind = KECHO_FIELD_SIGNED, .size = 4 },
		{ .name = "host", .kind = KECHO_FIELD_STRING, .offset = 4, .size = 12 },
	};
	struct load l = { 90, "a" };
	struct kecho_type *type;
	struct kecho_event ev;
	struct pair p = {};

	ARENA();
	must(!kecho_type_from_fields(&type, "load", sizeof(l), field, 2), "a type: %s",
	     kecho_explain());
	if (pair_stream(&p, "fields", KECHO_BLOCK) &&
	    set_typed(p.snk, "type == \"load\" && cpu < 80 && prefix(host, \"b\")", type)) {
		is_eq(kecho_submit(p.src, &l, sizeof(l), 0), 0, "busy");
		l.cpu = -5;
		is_eq(kecho_submit(p.src, &l, sizeof(l), 0), 0, "of host a");
		strcpy(l.host, "beta");
		is_eq(kecho_submit(p.src, &l, 3, 0), 0, "cut off");
		is_eq(kecho_submit(p.src, &l, sizeof(l), 0), 0, "of host beta");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "one comes");
		is_eq(ev.seq, 4, "the last");
		is_eq(kecho_sink_filtered(p.snk), 3, "not the others");
	}
	kecho_type_free(type);
	pair_end(&p);
}

/* By a type that the source says its events have, before and after there is the filter. */
TEST(typed)
{
	static const struct kecho_field field[] = {
		{ .name = "cpu", .kind = KECHO_FIELD_SIGNED, .size = 4 },
	};
	struct kecho_reservation r;
	struct kecho_type *type[2];
	struct load l = { 90, "a" };
	struct kecho_event ev;
	struct pair p = {};
	int i, number;

	ARENA();
	must(!kecho_type_from_fields(&type[0], "load", sizeof(l), field, 1) &&
	     !kecho_type_from_fields(&type[1], "less", sizeof(l), field, 1), "types: %s",
	     kecho_explain());
	if (pair_stream(&p, "typed", KECHO_BLOCK) &&
	    ok(kecho_source_announce(p.src, type[0]) == 1, "%s", kecho_explain()) &&
	    set(p.snk, "cpu < 80")) {
		number = kecho_source_announce(p.src, type[1]);
		is_eq(number, 2, "another type: %s", kecho_explain());
		for (i = 1; i <= number; i++) {
			l.cpu = 90;
			is_eq(kecho_submit(p.src, &l, sizeof(l), KECHO_TYPED(i)), 0, "busy");
			l.cpu = 70;
			is_eq(kecho_submit(p.src, &l, sizeof(l), KECHO_TYPED(i)), 0, "less so");
			is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "one comes");
			is_eq(ev.seq, 2 * i, "that");
		}
		is_eq(kecho_sink_filtered(p.snk), 2, "not the others");
		is_eq(kecho_reserve(p.src, sizeof(l), KECHO_TYPED(1), &r), 0, "one in place");
		memcpy(r.data, &l, sizeof(l));
		is_eq(kecho_commit(p.src, &r, sizeof(l)), 0, "of the first type");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "it comes, too");
		is_eq(ev.seq, 5, "that");
	}
	for (i = 0; i < 2; i++)
		kecho_type_free(type[i]);
	pair_end(&p);
}

TEST(refused)
{
	struct kecho_filter *f;
	struct pair p = {};

	ARENA();
	must(!kecho_filter_compile(&f, KECHO_FOR_OUT, "best 1 by sink.load", NULL), "for sources");
	if (pair_stream(&p, "refused", KECHO_LATEST)) {
		is_eq(kecho_sink_filter(p.snk, f, NULL), -EINVAL, "not for a sink");
		ok(strstr(kecho_explain(), "refused"), "it says of which channel: %s",
		   kecho_explain());
	}
	kecho_filter_free(f);
	pair_end(&p);
}

/* A sink that does not read can't have filters without end: it would forget the first. */
TEST(crowded)
{
	struct pair p = {};
	struct kecho_filter *f = NULL;
	struct kecho_event ev;
	unsigned int i, n = 0;

	ARENA();
	if (pair_stream(&p, "crowded", KECHO_BLOCK) &&
	    ok(!kecho_filter_compile(&f, KECHO_FOR_EVENT, "seq % 2 == 0", NULL), "a filter")) {
		while (n < 100 && !kecho_sink_filter(p.snk, f, NULL) &&
		       !kecho_submit(p.src, "x", 1, 0))
			n++;
		ok(n > 16 && n < 32, "%u filters", n);
		is_eq(kecho_sink_filter(p.snk, f, NULL), -EAGAIN, "one more: %s", kecho_explain());
		for (i = 2; i <= n; i += 2) {
			is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "an event");
			is_eq(ev.seq, i, "its number");
		}
		is_eq(kecho_sink_filter(p.snk, f, NULL), 0, "now there is room");
	}
	kecho_filter_free(f);
	pair_end(&p);
}

TESTS(filter, attributes, live, age, replaced, crowded, nothing, fields, typed, refused);
