// SPDX-License-Identifier: MIT
/*
 * Events for one sink by its id, or to where a source has its replies go; and whom sources
 * choose from as sinks come and go.
 */
#include "choose.h"

enum { MANY = 1000 };

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
	int answers;
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
		is_eq(kecho_read(n.snk[1], &ev, SOON_MS), 0, "what others get, too, or this");
		answers = ev.source == kecho_source_id(n.src);
		is_eq(kecho_read(n.snk[1], &ev, SOON_MS), 0, "the other one of the two");
		answers += ev.source == kecho_source_id(n.src);
		is_eq(answers, 1, "one is the answer, by its source");
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

/* What is said then is not that a sink is missing. */
TEST(destroyed)
{
	struct kecho_source *never;
	u64 id;
	struct net n;

	ARENA();
	if (net_open(&n, "destroyed")) {
		must(!kecho_source_open(n.ch[0], NULL, &never), "%s", kecho_explain());
		id = kecho_sink_id(n.snk[1]);
		is_eq(kecho_submit_to(n.src, "a", 1, id, 0), 0, "%s", kecho_explain());
		chooses(&n, "any");
		is_eq(kecho_channel_destroy(n.ch[0], SOON_MS), 0, "destroyed: %s",
		      kecho_explain());
		is_eq(kecho_submit_to(n.src, "a", 1, id, 0), -ESHUTDOWN, "to one");
		is_eq(kecho_submit_to(never, "a", 1, id, 0), -ESHUTDOWN, "who never did before");
		is_eq(kecho_submit(n.src, "a", 1, 0), -ESHUTDOWN, "to any");
		is_eq(choose(&n, "all"), -ESHUTDOWN, "another filter");
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
		/* An even one may still get what was for the half. */
		is_eq(kecho_read(s[1], &ev, QUIET_MS), -ETIMEDOUT, "to nobody else");
	}
	net_end(&n);
	free(s);
}

TESTS(address, to_one, reply, gone, destroyed, many);
