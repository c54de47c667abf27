/* SPDX-License-Identifier: MIT */
/*
 * Heats with entrants that lose events, fail and die, each in its own way, and the score
 * of values that are known. Needs no peer.
 */
#include "heat.h"
#include "round.h"
#include "../floor.h"

#include "tap.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define LOST_ONE_OF	10
#define DIES_AT		5	/* events of one call, the first that a warm-up makes at once */

/* ------------------------------------------------------------- entrants to run */

static unsigned int published;

static int lose_some(void *state, const struct iovec *events, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		if (++published % LOST_ONE_OF)
			err = floor_seqpacket.publish(state, &events[i], 1);
	return err;
}

static int lose_one(void *state, const struct iovec *events, size_t n)
{
	return floor_seqpacket.publish(state, events + (n > 1), n - (n > 1));
}

static int refuse(void **state, unsigned int nsinks, size_t len)
{
	(void)state;
	(void)nsinks;
	(void)len;
	fprintf(stderr, "refuser: no licence\n");
	return -EACCES;
}

static int die(void *state, const struct iovec *events, size_t n)
{
	if (n >= DIES_AT)
		raise(SIGKILL);
	return floor_seqpacket.publish(state, events, n);
}

static ssize_t go_deaf(void *state, struct iovec *events, size_t max)
{
	(void)state;
	(void)events;
	(void)max;
	return -ECONNRESET;
}

static int no_broker(void *state, uint64_t *ns)
{
	(void)state;
	(void)ns;
	return -ESRCH;
}

static struct transport changed(const char *name)
{
	struct transport t = floor_seqpacket;

	t.name = name;
	return t;
}

static const struct entrant *run_all(struct heat *h, const struct peer *peers, size_t n)
{
	size_t i;

	*h = (struct heat){
		.task = &round_task,
		.hosts = peers[0].hosts,
		.nsinks = 2,
		.rounds = HEAT_ROUNDS_QUICK,
		.opt = { .quick = true, .len = 100 },
	};
	for (i = 0; i < n; i++)
		heat_enter(h, &peers[i]);
	heat_run(h);
	return h->entrant;
}

TEST(each_failure_has_its_reason_and_is_its_own)
{
	struct transport lossy = changed("lossy"), strict = changed("strict");
	struct transport refuser = changed("refuser"), dier = changed("dier");
	struct transport deaf = changed("deaf"), broken = changed("broken");
	const struct peer peers[] = {
		{ .name = "good", .role = ROLE_PEER, .hosts = 1, .transport = &floor_seqpacket },
		{ .name = "lossy", .role = ROLE_PEER, .hosts = 1, .transport = &lossy },
		{ .name = "strict", .role = ROLE_PEER, .hosts = 1, .transport = &strict },
		{ .name = "refuser", .role = ROLE_PEER, .hosts = 1, .transport = &refuser },
		{ .name = "dier", .role = ROLE_PEER, .hosts = 1, .transport = &dier },
		{ .name = "deaf", .role = ROLE_PEER, .hosts = 1, .transport = &deaf },
		{ .name = "broken", .role = ROLE_PEER, .hosts = 1, .transport = &broken },
		{ .name = "absent", .role = ROLE_PEER, .hosts = 1, .packages = "absent-dev" },
	};
	struct heat *h = malloc(sizeof(*h));
	const struct entrant *e;

	must(h, "memory");
	lossy.lossy = true;
	lossy.publish = lose_some;
	strict.publish = lose_one;
	refuser.prepare = refuse;
	dier.publish = die;
	deaf.receive = go_deaf;
	broken.broker_cpu = no_broker;
	e = run_all(h, peers, ARRAY_SIZE(peers));
	ok(!e[0].why[0], "good is measured: %s", e[0].why);
	is_eq(e[0].of[METRIC_LOST].median, 0, "good has lost nothing");
	ok(e[0].of[METRIC_P50_US].median > 0 && e[0].of[METRIC_RATE_K].median > 0, "figures");
	ok(!e[1].why[0], "lossy is measured: %s", e[1].why);
	ok(fabs(e[1].of[METRIC_LOST].median - 1. / LOST_ONE_OF) < 0.02, "lossy has lost %f",
	   e[1].of[METRIC_LOST].median);
	ok(strstr(e[2].why, "Protocol error"), "strict: %s", e[2].why);
	ok(strstr(e[3].why, "refuser: no licence; refuser with 2 sinks"), "refuser: %s", e[3].why);
	ok(strstr(e[4].why, "ended by signal 9"), "dier: %s", e[4].why);
	ok(strstr(e[5].why, "Connection reset"), "deaf: %s", e[5].why);
	ok(strstr(e[6].why, "No such process"), "broken: %s", e[6].why);
	ok(strstr(e[7].why, "absent-dev"), "absent: %s", e[7].why);
	free(h);
}

TEST(two_hosts)
{
	const struct peer tcp = {
		.name = "tcp", .role = ROLE_FLOOR, .hosts = 2, .transport = &floor_tcp_batch,
	};
	struct heat *h = malloc(sizeof(*h));
	const struct entrant *e;

	must(h, "memory");
	e = run_all(h, &tcp, 1);
	ok(!e->why[0], "measured: %s", e->why);
	ok(e->of[METRIC_P50_US].median > 0, "p50");
	is_eq(e->won[METRIC_P50_US], false, "a floor wins nothing");
	free(h);
}

/* ------------------------------------------------------------------- the score */

static void set(struct entrant *e, unsigned int m, double value, double spread)
{
	unsigned int i;

	/* Up and down by turns: ratios of two such have a known interval. */
	for (i = 0; i < HEAT_ROUNDS; i++)
		e->value[m][i] = value * (i % 2 ? 1 + spread : 1 - spread);
}

/* Everybody alike but for one metric. */
static void fill(struct heat *h, const struct peer *peers, size_t n)
{
	unsigned int m;
	size_t i;

	*h = (struct heat){
		.task = &round_task, .hosts = 1, .nsinks = 8, .rounds = HEAT_ROUNDS,
	};
	for (i = 0; i < n; i++) {
		heat_enter(h, &peers[i]);
		for (m = 0; m < METRICS; m++)
			set(&h->entrant[i], m, 1, 0);
	}
}

static const struct peer known[] = {
	{ .name = "kecho", .role = ROLE_KECHO },   { .name = "kechod", .role = ROLE_KECHO },
	{ .name = "again", .role = ROLE_CONTROL }, { .name = "floor", .role = ROLE_FLOOR },
	{ .name = "a", .role = ROLE_PEER },	   { .name = "b", .role = ROLE_PEER },
};

TEST(winners)
{
	struct heat *h = malloc(sizeof(*h));
	struct entrant *e = h->entrant;

	must(h, "memory");
	fill(h, known, ARRAY_SIZE(known));
	set(&e[0], METRIC_P50_US, 2, 0);
	set(&e[1], METRIC_P50_US, 2.02, 0.1);
	set(&e[2], METRIC_P50_US, 0.5, 0);
	set(&e[3], METRIC_P50_US, 0.1, 0);
	set(&e[4], METRIC_P50_US, 3, 0);
	set(&e[5], METRIC_P50_US, 1, 0);
	set(&e[5], METRIC_ASLEEP, HEAT_ASLEEP_MIN - 0.1, 0);
	set(&e[4], METRIC_RATE_K, 5, 0);
	heat_score(h);
	is_eq(e[0].won[METRIC_P50_US], true, "the least");
	is_eq(e[1].won[METRIC_P50_US], true, "what can't be told from it");
	is_eq(e[2].won[METRIC_P50_US], false, "a control");
	is_eq(e[3].won[METRIC_P50_US], false, "a floor");
	is_eq(e[4].won[METRIC_P50_US], false, "one that is slower");
	is_eq(e[5].won[METRIC_P50_US], false, "one whose sinks were awake");
	is_eq(e[5].won[METRIC_CPU_US], true, "as which it may save CPU");
	is_eq(e[4].won[METRIC_RATE_K], true, "the highest rate");
	is_eq(e[0].won[METRIC_RATE_K], false, "a lower rate");
	free(h);
}

TEST(bars)
{
	struct heat *h = malloc(sizeof(*h));
	struct entrant *e = h->entrant;
	struct heat_bar bar;

	must(h, "memory");
	fill(h, known, ARRAY_SIZE(known));
	set(&e[0], METRIC_P50_US, 3, 0);
	set(&e[4], METRIC_P50_US, 1.5, 0);
	set(&e[5], METRIC_P50_US, 1.4, 0);
	set(&e[4], METRIC_CPU_US, 0.5, 0);
	set(&e[5], METRIC_CPU64_US, 0.99, 0.1);
	heat_score(h);
	heat_bar(h, METRIC_P50_US, &bar);
	ok(bar.kecho == &e[1] && bar.peer == &e[5], "the best of both");
	is_eq(bar.verdict, VERDICT_MET, "kecho is the best");
	heat_bar(h, METRIC_CPU_US, &bar);
	is_eq(bar.verdict, VERDICT_MISSED, "a peer is");
	is_eq(bar.ratio.median, 2, "twice as good");
	heat_bar(h, METRIC_CPU64_US, &bar);
	is_eq(bar.verdict, VERDICT_NOT_DECIDED, "who can tell?");
	h->rounds = HEAT_ROUNDS_QUICK;
	heat_bar(h, METRIC_P50_US, &bar);
	is_eq(bar.verdict, VERDICT_NONE, "too few rounds");
	strcpy(e[4].why, "gone");
	strcpy(e[5].why, "gone");
	heat_bar(h, METRIC_P50_US, &bar);
	ok(!bar.peer, "nobody to be better than");
	free(h);
}

TESTS(heat, each_failure_has_its_reason_and_is_its_own, two_hosts, winners, bars);
