// SPDX-License-Identifier: MIT
/*
 * Sources choose for which sinks their events are: by a filter for OUT, or one by its id. The
 * sinks are on two hosts; what is for none of a host does not travel there. And filters for IN,
 * where events are dispatched.
 */
#include <kecho/filter.h>

#include "cluster.h"

enum {
	SINKS = 4,		/* 0 and 1 on one host, 2 and 3 on another */
	SOME = 40,
	EVENT_LEN = 1000,
	LOG_SIZE = 4 << 20,
	QUIET_EVENTS = 2000,
	QUIET_BYTES_MAX = 64 << 10,
	LARGE_LEN = 300000,
	MANY = 1000,
};

static const struct kecho_options host[] = {
	{ .listen = "127.0.0.1", .registry = REGISTRY },
	{ .listen = "127.0.0.2", .registry = REGISTRY },
	{ .listen = "127.0.0.3", .registry = REGISTRY },
};

struct net {
	struct kecho *k[3];
	struct kecho_channel *ch[3];
	struct kecho_source *src;	/* of host 0 */
	struct kecho_sink *snk[SINKS];
};

/* The log has room for all: one thread submits and reads. */
static bool net_open(struct net *n, const char *name)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_source_options src = { .log_size = LOG_SIZE };
	int i;

	memset(n, 0, sizeof(*n));
	for (i = 0; i < 3; i++)
		if (!ok(!kecho_open(&n->k[i], &host[i]), "host %d: %s", i, kecho_explain()) ||
		    !ok(!kecho_channel_open(n->k[i], name, NULL, &n->ch[i]), "channel: %s",
			kecho_explain()))
			return false;
	for (i = 0; i < SINKS; i++)
		if (!ok(!kecho_sink_open(n->ch[1 + i / 2], &opt, &n->snk[i]), "sink %d: %s", i,
			kecho_explain()))
			return false;
	return ok(!kecho_source_open(n->ch[0], &src, &n->src), "source: %s", kecho_explain());
}

static void net_end(struct net *n)
{
	int i;

	for (i = 0; i < 3; i++) {
		kecho_channel_close(n->ch[i]);
		kecho_close(n->k[i]);
	}
}

static int choose(struct net *n, const char *text)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, KECHO_FOR_OUT, text, NULL);

	if (err)
		return err;
	err = kecho_source_filter(n->src, f);
	kecho_filter_free(f);
	return err;
}

static bool chooses(struct net *n, const char *text)
{
	return ok(!choose(n, text), "%s: %s", text, kecho_explain());
}

static bool knows(struct net *n, int sink, const char *name, int64_t v)
{
	struct kecho_value value;

	return comes_true(!kecho_member_get(n->ch[0], kecho_sink_id(n->snk[sink]), name, &value,
					    NULL, 0) && value.i64 == v);
}

/* The source's node has heard of it. */
static void set(struct net *n, int sink, const char *name, int64_t v)
{
	is_eq(kecho_sink_set(n->snk[sink], name, kecho_i64(v)), 0, "%s of %d", name, sink);
	ok(knows(n, sink, name, v), "known");
}

static bool submit(struct net *n, size_t len)
{
	static const char event[EVENT_LEN];

	return ok(!kecho_submit(n->src, event, len, 0), "event: %s", kecho_explain());
}

static u64 stat_of(struct net *n, bool nobody)
{
	struct kecho_chosen c;

	kecho_source_chosen(n->src, &c);
	return nobody ? c.nobody : c.sinks;
}

/* The next that comes to it is event @seq. */
static void comes(struct net *n, int sink, u64 seq)
{
	struct kecho_event ev;

	is_eq(kecho_read(n->snk[sink], &ev, SOON_MS), 0, "%llu comes to %d", seq, sink);
	is_eq(ev.kind, KECHO_EVENT, "an event");
	is_eq(ev.seq, seq, "the one");
}

static void quiet(struct net *n)
{
	struct kecho_event ev;
	int i;

	for (i = 0; i < SINKS; i++)
		is_eq(kecho_read(n->snk[i], &ev, i ? 0 : QUIET_MS), i ? -EAGAIN : -ETIMEDOUT,
		      "no more for %d", i);
}

static u64 sent(struct kecho *k)
{
	struct kecho_link_info l[4];
	ssize_t i, links = kecho_links(k, l, 4);
	u64 bytes = 0;

	for (i = 0; i < links && i < 4; i++)
		bytes += l[i].tx_bytes;
	return bytes;
}

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

/* ---------------------------------------------------------------------- to one sink */

TEST(to_one)
{
	struct net n;

	ARENA();
	if (net_open(&n, "to-one")) {
		is_eq(kecho_submit_to(n.src, "a", 1, kecho_sink_id(n.snk[3]), 0), 0, "%s",
		      kecho_explain());
		comes(&n, 3, 1);
		is_eq(kecho_submit_to(n.src, "a", 1, 1, 0), -ENOENT, "nobody has this id");
		is_eq(kecho_submit_to(n.src, "a", 1, kecho_source_id(n.src), 0), -ENOENT,
		      "a source without replies");
		chooses(&n, "all where false");
		is_eq(kecho_submit_to(n.src, "a", 1, kecho_sink_id(n.snk[0]), 0), 0, "unasked");
		comes(&n, 0, 2);
		quiet(&n);
		is_eq(stat_of(&n, false), 2, "chosen");
	}
	net_end(&n);
}

/* An event's source is all that is known of who asks. */
TEST(reply)
{
	struct kecho_source *asks = NULL;
	struct kecho_value value;
	struct kecho_event ev = {};
	struct net n;

	ARENA();
	if (net_open(&n, "reply") &&
	    ok(!kecho_source_open(n.ch[1], NULL, &asks), "source: %s", kecho_explain())) {
		is_eq(kecho_source_set(asks, "reply", kecho_i64(kecho_sink_id(n.snk[1]))), 0,
		      "replies go there");
		ok(comes_true(!kecho_member_get(n.ch[0], kecho_source_id(asks), "reply", &value,
						NULL, 0)), "known");
		is_eq(kecho_submit(asks, "question", 8, 0), 0, "a question");
		is_eq(kecho_read(n.snk[2], &ev, SOON_MS), 0, "it comes");
		is_eq(kecho_submit_to(n.src, "answer", 6, ev.source, 0), 0, "an answer: %s",
		      kecho_explain());
		is_eq(kecho_read(n.snk[1], &ev, SOON_MS), 0, "what the others get, too");
		is_eq(kecho_read(n.snk[1], &ev, SOON_MS), 0, "the answer");
		is_eq(ev.source, kecho_source_id(n.src), "its source");
		is_eq(kecho_read(n.snk[3], &ev, SOON_MS), 0, "the question");
		is_eq(kecho_read(n.snk[3], &ev, QUIET_MS), -ETIMEDOUT, "not the answer");
	}
	net_end(&n);
}

/* ------------------------------------------------------------------ who comes and goes */

TEST(gone)
{
	struct net n;

	ARENA();
	if (net_open(&n, "gone")) {
		set(&n, 2, "load", 1);
		set(&n, 0, "load", 2);
		chooses(&n, "best by sink.load");
		submit(&n, 8);
		comes(&n, 2, 1);
		kecho_sink_close(n.snk[2]);
		ok(comes_true(kecho_submit_to(n.src, "", 1, 0, 0) == -ENOENT), "no such sink");
		sleep_us(200000);
		submit(&n, 8);
		comes(&n, 0, 2);
		kecho_sink_close(n.snk[0]);
		ok(comes_true(kecho_submit(n.src, "", 1, 0) || stat_of(&n, true)), "nobody left");
	}
	net_end(&n);
}

/* All are named; a log's records name as many as there are. */
TEST(many)
{
	struct kecho_sink_options opt = { .policy = KECHO_LATEST };
	struct kecho_sink **s = calloc(MANY, sizeof(*s));
	struct kecho_event ev;
	unsigned int i, came = 0;
	struct net n;

	ARENA();
	if (net_open(&n, "many")) {
		for (i = 0; i < MANY; i++)
			must(!kecho_sink_open(n.ch[1], &opt, &s[i]), "sink %u: %s", i,
			     kecho_explain());
		for (i = 0; i < MANY; i += 2)
			is_eq(kecho_sink_set(s[i], "even", kecho_i64(1)), 0, "attribute");
		ok(comes_true(chooses(&n, "sink.even == 1") && submit(&n, 8) &&
			      stat_of(&n, false) >= MANY / 2), "half of them");
		for (i = 0; i < MANY; i++) {
			while (!kecho_read(s[i], &ev, 0))
				came += ev.kind == KECHO_EVENT && i % 2;
		}
		is_eq(came, 0, "none for the others");
		is_eq(kecho_submit_to(n.src, "x", 1, kecho_sink_id(s[MANY - 1]), 0), 0, "one: %s",
		      kecho_explain());
		is_eq(kecho_read(s[MANY - 1], &ev, SOON_MS), 0, "it comes");
		is_eq(kecho_read(s[0], &ev, QUIET_MS), -ETIMEDOUT, "to nobody else");
	}
	net_end(&n);
	free(s);
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

TEST(refused)
{
	struct kecho_reservation r;
	struct kecho_filter *f;
	struct net n;

	ARENA();
	if (net_open(&n, "refused") &&
	    ok(!kecho_filter_compile(&f, KECHO_FOR_IN, "len > 5", NULL), "filter")) {
		is_eq(kecho_source_filter(n.src, f), -EINVAL, "not for OUT");
		kecho_filter_free(f);
		is_eq(kecho_reserve(n.src, 8, 0, &r), 0, "before there is a filter");
		chooses(&n, "any");
		is_eq(kecho_commit(n.src, &r, 8), 0, "is for all");
		comes(&n, 0, 1);
		comes(&n, 3, 1);
		is_eq(kecho_reserve(n.src, 8, 0, &r), -EOPNOTSUPP, "with one");
	}
	net_end(&n);
}

TESTS(choose, anycast, two_best, any, nobody, asked_once, large, both, to_one, reply, gone, many,
      in, refused);
