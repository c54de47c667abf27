// SPDX-License-Identifier: MIT
/*
 * Sources choose for which sinks their events are, by a filter for OUT; what is for none of a
 * host does not travel there. And filters for IN, where events are dispatched.
 */
#include <kecho/type.h>

#include "choose.h"

enum {
	SOME = 40,
	QUIET_EVENTS = 2000,
	QUIET_BYTES_MAX = 64 << 10,
	LARGE_LEN = 300000,
	MORE = 8,		/* that join meanwhile */
	WHOLE_MAX = (66 << 10) - 24,	/* that can be reserved in a log of LOG_SIZE */
};

/* ----------------------------------------------------------------- a filter for OUT */

/* To the one with the least load, which changes meanwhile. */
TEST(anycast)
{
	struct net n;
	int i;

	ARENA();
	if (net_open(&n, "anycast")) {
		for (i = 0; i < SINKS; i++)
			set(&n, i, "load", 50 + i);
		chooses(&n, "best by sink.load");
		submit(&n, 8);
		comes(&n, 0, 1);
		set(&n, 2, "load", 10);
		submit(&n, 8);
		comes(&n, 2, 2);
		set(&n, 2, "load", 90);
		set(&n, 3, "load", 20);
		submit(&n, 8);
		comes(&n, 3, 3);
		quiet(&n);
		is_eq(stat_of(&n, false), 3, "chosen");
		is_eq(stat_of(&n, true), 0, "nobody");
		is_eq(kecho_sink_filtered(n.snk[3]), 2, "the others were not for it");
	}
	net_end(&n);
}

TEST(two_best)
{
	struct net n;
	int i;

	ARENA();
	if (net_open(&n, "two-best")) {
		for (i = 0; i < SINKS; i++)
			set(&n, i, "load", 10 * i);
		chooses(&n, "best 2 by most sink.load where sink.load < 25");
		submit(&n, 8);
		comes(&n, 1, 1);
		comes(&n, 2, 1);
		quiet(&n);
		is_eq(stat_of(&n, false), 2, "chosen");
	}
	net_end(&n);
}

/* By chance, and each of them sometimes. */
TEST(any)
{
	struct kecho_event ev;
	u64 got[SINKS] = {}, all = 0;
	struct net n;
	int i;

	ARENA();
	if (net_open(&n, "any")) {
		chooses(&n, "any");
		for (i = 0; i < SOME; i++)
			submit(&n, 8);
		for (i = 0; i < SINKS; i++) {
			while (!kecho_read(n.snk[i], &ev, QUIET_MS))
				got[i]++;
			ok(got[i], "%llu for %d", got[i], i);
			all += got[i];
		}
		is_eq(all, SOME, "each for one");
	}
	net_end(&n);
}

/* What is for nobody was submitted all the same, and does not travel. */
TEST(nobody)
{
	struct net n;
	u64 before;
	int i;

	ARENA();
	if (net_open(&n, "nobody")) {
		chooses(&n, "all where sink.zone == \"eu\"");
		before = sent(n.k[0]);
		for (i = 0; i < QUIET_EVENTS; i++)
			kecho_submit(n.src, host, sizeof(host), 0);
		ok(sent(n.k[0]) - before < QUIET_BYTES_MAX, "%llu bytes went out",
		   sent(n.k[0]) - before);
		is_eq(stat_of(&n, true), QUIET_EVENTS, "counted");
		is_eq(stat_of(&n, false), 0, "chosen");
		is_eq(kecho_sink_set(n.snk[1], "zone", kecho_string("eu")), 0, "one is there");
		ok(comes_true(kecho_submit(n.src, "", 1, 0) || stat_of(&n, false)), "chosen");
		comes(&n, 1, stat_of(&n, true) + 1);
		is_eq(kecho_source_filter(n.src, NULL), 0, "no filter any more");
		submit(&n, 8);
		for (i = 0; i < SINKS; i++)
			comes(&n, i, stat_of(&n, true) + 2);
		quiet(&n);
		is_eq(kecho_sink_filtered(n.snk[1]), stat_of(&n, true), "not for it");
		is_eq(kecho_sink_filtered(n.snk[2]), stat_of(&n, true) + 1, "nor for this one");
	}
	net_end(&n);
}

/* By what is in the event; who asks nothing of sinks is asked once. */
TEST(asked_once)
{
	struct net n;
	int i, seq;

	ARENA();
	if (net_open(&n, "asked-once")) {
		chooses(&n, "len > 5 && once(len, 1h)");
		for (i = 4; i <= 7; i++) {
			submit(&n, i);
			submit(&n, i);
		}
		for (i = 0; i < SINKS; i++)
			for (seq = 5; seq <= 7; seq += 2)
				comes(&n, i, seq);
		quiet(&n);
		is_eq(stat_of(&n, true), 6, "for nobody");
	}
	net_end(&n);
}

/* One in pieces goes whole to who is chosen. */
TEST(large)
{
	char *event = calloc(1, LARGE_LEN);
	struct kecho_event ev;
	struct net n;
	u64 before;
	int i;

	ARENA();
	if (net_open(&n, "large")) {
		set(&n, 1, "load", 1);
		set(&n, 2, "load", 2);
		chooses(&n, "best by sink.load");
		before = sent(n.k[0]);
		for (i = 1; i <= 3; i++) {
			is_eq(kecho_submit(n.src, event, LARGE_LEN, 0), 0, "event %d: %s", i,
			      kecho_explain());
			is_eq(kecho_read(n.snk[1], &ev, SOON_MS), 0, "it comes");
			is_eq(ev.len, LARGE_LEN, "whole");
		}
		ok(sent(n.k[0]) - before < 4 * LARGE_LEN, "to one host: %llu bytes",
		   sent(n.k[0]) - before);
		is_eq(kecho_source_filter(n.src, NULL), 0, "no filter");
		submit(&n, 8);
		for (i = 0; i < SINKS; i++)
			comes(&n, i, 4);
		quiet(&n);
		is_eq(kecho_sink_filtered(n.snk[0]), 3, "counted as events");
	}
	net_end(&n);
	free(event);
}

/* Of who is chosen the sink's own filter decides as well. */
TEST(both)
{
	struct kecho_filter *f;
	struct net n;

	ARENA();
	if (net_open(&n, "both") &&
	    ok(!kecho_filter_compile(&f, KECHO_FOR_EVENT, "len > 5", NULL), "filter")) {
		set(&n, 0, "load", 1);
		is_eq(kecho_sink_filter(n.snk[0], f, NULL), 0, "its own");
		kecho_filter_free(f);
		chooses(&n, "has(sink.load)");
		submit(&n, 5);
		submit(&n, 6);
		comes(&n, 0, 2);
		quiet(&n);
		is_eq(kecho_sink_filtered(n.snk[0]), 1, "filtered");
	}
	net_end(&n);
}

/* What others than sinks say changes as well. */
TEST(scopes)
{
	struct net n;

	ARENA();
	if (net_open(&n, "scopes")) {
		set(&n, 0, "zone", 1);
		set(&n, 2, "zone", 2);
		chooses(&n, "sink.zone == source.zone && channel.open == 1");
		submit(&n, 8);
		is_eq(kecho_source_set(n.src, "zone", kecho_i64(2)), 0, "the source's");
		submit(&n, 8);
		is_eq(kecho_channel_set(n.ch[0], "open", kecho_i64(1)), 0, "the channel's");
		submit(&n, 8);
		comes(&n, 2, 3);
		is_eq(kecho_source_set(n.src, "zone", kecho_i64(1)), 0, "another one");
		submit(&n, 8);
		comes(&n, 0, 4);
		quiet(&n);
		is_eq(stat_of(&n, true), 2, "for nobody");
	}
	net_end(&n);
}

struct load {
	int32_t cpu;
	char host[12];
};

/* By fields of a type that is announced before the filter is there, and of one behind it. */
TEST(fields)
{
	static const struct kecho_field field[] = {
		{ .name = "cpu", .kind = KECHO_FIELD_SIGNED, .size = 4 },
		{ .name = "host", .kind = KECHO_FIELD_STRING, .offset = 4, .size = 12 },
	};
	struct load l = { 90, "a" };
	struct kecho_type *type[2];
	struct net n;
	int i, number[2];

	ARENA();
	must(!kecho_type_from_fields(&type[0], "load", sizeof(l), field, 2) &&
	     !kecho_type_from_fields(&type[1], "less", sizeof(l), field, 1), "types: %s",
	     kecho_explain());
	if (net_open(&n, "fields")) {
		set(&n, 1, "least", 80);
		set(&n, 3, "least", 20);
		number[0] = kecho_source_announce(n.src, type[0]);
		is_eq(number[0], 1, "a type: %s", kecho_explain());
		chooses(&n, "all where cpu >= sink.least && !(host == \"b\")");
		number[1] = kecho_source_announce(n.src, type[1]);
		is_eq(number[1], 2, "another: %s", kecho_explain());
		for (i = 0; i < 2; i++) {
			strcpy(l.host, "a");
			is_eq(kecho_submit(n.src, &l, sizeof(l), KECHO_TYPED(number[i])), 0,
			      "of type %d", number[i]);
			strcpy(l.host, "b");
			is_eq(kecho_submit(n.src, &l, sizeof(l), KECHO_TYPED(number[i])), 0,
			      "of host b");
		}
		is_eq(kecho_submit(n.src, &l, sizeof(l), 0), 0, "plain bytes");
		comes(&n, 1, 1);
		comes(&n, 1, 3);
		comes(&n, 1, 4);
		comes(&n, 3, 1);
		comes(&n, 3, 3);
		comes(&n, 3, 4);
		quiet(&n);
		is_eq(stat_of(&n, true), 2, "for nobody");
	}
	net_end(&n);
	for (i = 0; i < 2; i++)
		kecho_type_free(type[i]);
}

/* ------------------------------------------------------------------------ filters for IN */

static int dispatch(struct kecho_channel *ch, enum kecho_filter_use use, const char *text)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, use, text, NULL);

	if (err)
		return err;
	err = kecho_channel_filter(ch, f, NULL);
	kecho_filter_free(f);
	return err;
}

/* It chooses among the sinks of one process, and drops what is for none of them. */
TEST(in)
{
	struct kecho_sink *late = NULL;
	struct net n;
	int i;

	ARENA();
	if (net_open(&n, "in")) {
		is_eq(dispatch(n.ch[1], KECHO_FOR_EVENT, "len > 5"), -EINVAL, "not for IN");
		set(&n, 0, "least", 4);
		set(&n, 1, "least", 6);
		is_eq(dispatch(n.ch[1], KECHO_FOR_IN, "len >= sink.least"), 0, "%s",
		      kecho_explain());
		for (i = 3; i <= 6; i++)
			submit(&n, i);
		for (i = 1; i <= 4; i++)
			comes(&n, 2, i);
		comes(&n, 0, 2);
		comes(&n, 0, 3);
		comes(&n, 0, 4);
		comes(&n, 1, 4);
		is_eq(kecho_sink_filtered(n.snk[0]), 1, "filtered");
		is_eq(kecho_sink_filtered(n.snk[1]), 3, "filtered");
		is_eq(dispatch(n.ch[1], KECHO_FOR_IN, "len == 7"), 0, "another");
		is_eq(kecho_sink_open(n.ch[1], NULL, &late), 0, "a late sink");
		submit(&n, 6);
		submit(&n, 7);
		comes(&n, 0, 6);
		comes(&n, 1, 6);
		is_eq(kecho_channel_filter(n.ch[1], NULL, NULL), 0, "none any more");
		submit(&n, 6);
		comes(&n, 0, 7);
	}
	net_end(&n);
}

/* -------------------------------------------------------------------------- in place */

static int reserve(struct net *n, size_t len, struct kecho_reservation *r)
{
	int err = kecho_reserve(n->src, len, 0, r);

	if (!err)
		memset(r->data, (int)r->seq, len);
	return err;
}

/* All of it is of its number. */
static void comes_whole(struct net *n, int sink, u64 seq, size_t len)
{
	struct kecho_event ev;
	const u8 *data;
	size_t i;

	must(!kecho_read(n->snk[sink], &ev, SOON_MS), "%llu comes to %d", seq, sink);
	is_eq(ev.seq, seq, "the one");
	is_eq(ev.len, len, "so much of it");
	data = ev.data;
	for (i = 0; i < ev.len && data[i] == (u8)seq; i++)
		;
	is_eq(i, ev.len, "as it was written");
}

/* Who is chosen is found out when it is committed, by what is in it then. */
TEST(reserved)
{
	struct kecho_reservation r[3];
	struct net n;
	int i;

	ARENA();
	if (net_open(&n, "reserved")) {
		is_eq(reserve(&n, 8, &r[0]), 0, "before there is a filter");
		for (i = 0; i < SINKS; i++)
			set(&n, i, "load", 10 * i);
		chooses(&n, "all where sink.load < len");
		is_eq(reserve(&n, 100, &r[1]), 0, "with one: %s", kecho_explain());
		is_eq(reserve(&n, 100, &r[2]), 0, "and another");
		is_eq(kecho_commit(n.src, &r[2], 1), 0, "3, for one");
		is_eq(kecho_commit(n.src, &r[1], 15), 0, "2, for two");
		is_eq(kecho_commit(n.src, &r[0], 8), 0, "1, for all");
		for (i = 0; i < SINKS; i++)
			comes_whole(&n, i, 1, 8);
		comes_whole(&n, 0, 2, 15);
		comes_whole(&n, 1, 2, 15);
		comes_whole(&n, 0, 3, 1);
		is_eq(reserve(&n, 100, &r[0]), 0, "for nobody");
		is_eq(kecho_commit(n.src, &r[0], 0), 0, "4");
		is_eq(reserve(&n, 100, &r[0]), 0, "with a filter");
		is_eq(kecho_source_filter(n.src, NULL), 0, "that is gone");
		is_eq(kecho_commit(n.src, &r[0], 100), 0, "5");
		for (i = 0; i < SINKS; i++)
			comes_whole(&n, i, 5, 100);
		quiet(&n);
		is_eq(stat_of(&n, false), 3, "chosen");
		is_eq(stat_of(&n, true), 1, "nobody");
	}
	net_end(&n);
}

/* There is room for those that were there, and some more. */
TEST(crowded)
{
	struct kecho_sink *more[MORE] = {};
	struct kecho_reservation r;
	struct net n;
	int i;

	ARENA();
	if (net_open(&n, "crowded")) {
		chooses(&n, "best 1 by seq");
		is_eq(reserve(&n, 100, &r), 0, "for one");
		chooses(&n, "!has(sink.load)");
		is_eq(kecho_commit(n.src, &r, 100), -E2BIG, "of four");
		chooses(&n, "best 1 by sink.load");
		set(&n, 2, "load", 1);
		is_eq(kecho_commit(n.src, &r, 100), 0, "it was reserved still");
		comes_whole(&n, 2, 1, 100);
		chooses(&n, "sink.load < 99 || !has(sink.load)");
		is_eq(reserve(&n, 100, &r), 0, "for all");
		for (i = 0; i < MORE; i++)
			must(!kecho_sink_open(n.ch[1], NULL, &more[i]), "another sink");
		is_eq(kecho_commit(n.src, &r, 100), 0, "of whom there are more: %s",
		      kecho_explain());
		for (i = 0; i < SINKS; i++)
			comes_whole(&n, i, 2, 100);
		is_eq(reserve(&n, WHOLE_MAX - 64, &r), -EMSGSIZE, "no room for names");
		ok(strstr(kecho_explain(), "sinks"), "it says so: %s", kecho_explain());
	}
	net_end(&n);
}

TEST(refused)
{
	struct kecho_filter *f;
	struct net n;

	ARENA();
	if (net_open(&n, "refused") &&
	    ok(!kecho_filter_compile(&f, KECHO_FOR_IN, "len > 5", NULL), "filter")) {
		is_eq(kecho_source_filter(n.src, f), -EINVAL, "not for OUT");
		kecho_filter_free(f);
	}
	net_end(&n);
}

/* Sinks of its own process that come after it are among those that it chooses from. */
TEST(late)
{
	struct kecho_event ev;
	struct kecho_sink *snk[2];
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho *k;
	int i;

	ARENA();
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "late", NULL, &ch) &&
	     !kecho_source_open(ch, NULL, &src) && !kecho_sink_open(ch, NULL, &snk[0]) &&
	     !kecho_sink_open(ch, NULL, &snk[1]), "open: %s", kecho_explain());
	for (i = 0; i < 2; i++)
		is_eq(kecho_submit_to(src, "one", 3, kecho_sink_id(snk[i]), 0), 0, "to %d", i);
	for (i = 0; i < 2; i++) {
		is_eq(kecho_read(snk[i], &ev, SOON_MS), 0, "it comes");
		is_eq(ev.seq, i + 1, "its own");
		is_eq(kecho_read(snk[i], &ev, QUIET_MS), -ETIMEDOUT, "no other");
	}
	kecho_close(k);
}

TESTS(choose, anycast, two_best, any, nobody, asked_once, large, both, scopes, fields, in, reserved,
      crowded, late, refused);
