// SPDX-License-Identifier: MIT
/*
 * Two kechods, as of two hosts, whose registry is an etcd: they find each other's channels
 * there, go on without it, open new ones when it is back, and take their names along.
 */
#include "daemon_test.h"
#include "../etcd.h"

enum { JOIN_MS = 2000 };

static struct etcd etcd;
static struct kechod node[2];
static struct kecho *one, *two;		/* a process of each */

/* A kechod whose registry is @registry, and a process that is attached to it. */
static struct kecho *begin(struct kechod *d, const char *listen, const char *registry)
{
	struct kecho_options opt = { .timeout_ms = JOIN_MS };
	char where[80], names[240];
	struct kecho *k;

	snprintf(where, sizeof(where), "listen=%s:7391", listen);
	snprintf(names, sizeof(names), "registry=%s", registry);
	if (!daemon_start(d, (const char *const[]){ where, names, NULL }) ||
	    !comes_true(daemon_answers(d)))
		return NULL;
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", d->socket, 1);
	return kecho_open(&k, &opt) ? NULL : k;
}

/* How many keys of ours etcd has; -1: it does not say. */
static int keys(void)
{
	/* from "/kecho/" to what is behind it, "/kecho0" */
	const char *answer = etcd_http(1, "POST", "/v3/kv/range",
				       "{\"key\":\"L2tlY2hvLw==\",\"range_end\":\"L2tlY2hvMA==\","
				       "\"count_only\":true}");

	if (!answer || !strstr(answer, "\"header\""))
		return -1;
	return (int)etcd_number(answer, "\"count\":\"");
}

/* An event of the first host's comes to the second. */
static void send_one(struct kecho_channel *from, struct kecho_channel *to)
{
	struct kecho_source *source;
	struct kecho_event ev = { 0 };
	struct kecho_sink *sink;

	must(!kecho_sink_open(to, NULL, &sink), "a sink: %s", kecho_explain());
	must(!kecho_source_open(from, NULL, &source), "a source: %s", kecho_explain());
	is_eq(kecho_submit(source, "x", 1, 0), 0, "submitted");
	is_eq(kecho_read(sink, &ev, SOON_MS), 0, "something comes");
	is_eq(ev.kind, KECHO_EVENT, "the event");
	kecho_source_close(source);
	kecho_sink_close(sink);
}

TEST(two_hosts)
{
	struct kecho_channel *first[2], *second[2];

	if (geteuid())
		skip("needs root, to run etcd as another user");
	must(own_network() && etcd_start(&etcd, 1, NULL) && etcd_wait(1), "an etcd");
	one = begin(&node[0], "127.0.0.1", etcd.endpoints);
	two = begin(&node[1], "127.0.0.2", etcd.endpoints);
	must(one && two, "two kechods");
	must(comes_true(!kecho_channel_open(one, "first", NULL, &first[0])) &&
	     comes_true(!kecho_channel_open(two, "first", NULL, &first[1])), "a channel: %s",
	     kecho_explain());
	send_one(first[0], first[1]);
	ok(keys() > 0, "etcd has its name");

	etcd_kill(&etcd, 1);
	send_one(first[0], first[1]);
	ok(kecho_channel_open(one, "second", NULL, &second[0]) < 0, "no name without etcd");
	ok(strstr(kecho_explain(), "127.0.1.1:2379"), "it says whom it asked: %s",
	   kecho_explain());

	must(etcd_run(&etcd, 1) && etcd_wait(1), "etcd again");
	must(comes_true(!kecho_channel_open(one, "second", NULL, &second[0])) &&
	     comes_true(!kecho_channel_open(two, "second", NULL, &second[1])), "then it is: %s",
	     kecho_explain());
	send_one(second[0], second[1]);
	kecho_close(one);
	kecho_close(two);
	is_eq(daemon_stop(&node[0]), 0, "one stops");
	is_eq(daemon_stop(&node[1]), 0, "so does the other");
	ok(comes_true(!keys()), "and their names are gone");
}

static void __attribute__((destructor)) end_etcd(void)
{
	etcd_end(&etcd);
}

TESTS(etcd, two_hosts);
