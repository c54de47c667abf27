// SPDX-License-Identifier: MIT
/*
 * Sources that are attached to kechod choose for which sinks their events are: what is for
 * nobody on another host does not go there, and a kechod that dies and comes again leaves
 * nobody out.
 */
#include <kecho/filter.h>

#include "daemon_test.h"

enum {
	HOSTS = 2,
	SINKS = 3,		/* 0 and 1 on one host, 2 on the other */
	EVENT_LEN = 1000,
	FAR_EVENTS = 200,
	FAR_BYTES_MAX = 20000,	/* of 200 KB */
	LOOK_MS = 5,
	DEATHS = 6,
	PACE_US = 2000,
	AWAY_US = 50000,
	BACK_US = 300000,	/* processes and links are, but some may be missing still */
};

static const char *const options[HOSTS][4] = {
	{ "listen=127.0.0.1:7391", "registry=" REGISTRY, "name=one" },
	{ "listen=127.0.0.2:7391", "registry=" REGISTRY, "name=two" },
};

static struct kechod host[HOSTS];
static struct kecho *k;
static struct kecho_channel *ch;
static struct kecho_source *src;
static struct kecho_sink *near[SINKS - 1];

/* The sink on the other host is another process's. */
static struct far {
	u64 id, events, others;
	u64 before;		/* events that were looked at */
	s64 load;		/* that it is to say */
} *far;
static pid_t far_pid;

static bool start(int i)
{
	return daemon_start(&host[i], options[i]) && comes_true(daemon_answers(&host[i]));
}

static bool attach_to(int i)
{
	struct kecho_options opt = { .timeout_ms = SOON_MS };

	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", host[i].socket, 1);
	return !kecho_open(&k, &opt) && !kecho_channel_open(k, "choose", NULL, &ch);
}

static int far_sink(void __always_unused *arg)
{
	struct kecho_event ev;
	struct kecho_sink *s;
	s64 load = 0;

	if (!attach_to(1) || kecho_sink_open(ch, NULL, &s))
		return 1;
	smp_store_release(&far->id, kecho_sink_id(s));
	for (;;) {
		if (load != READ_ONCE(far->load)) {
			load = READ_ONCE(far->load);
			if (kecho_sink_set(s, "load", kecho_i64(load)))
				return 1;
		}
		if (kecho_read(s, &ev, LOOK_MS))
			continue;
		if (ev.kind == KECHO_EVENT)
			WRITE_ONCE(far->events, far->events + 1);
		else
			WRITE_ONCE(far->others, far->others + 1);
	}
}

static bool begin(void)
{
	struct kecho_source_options opt = { .log_size = 1 << 20 };
	int i;

	for (i = 0; i < HOSTS; i++)
		if (!start(i))
			return false;
	far = shared(sizeof(*far));
	far_pid = spawn(far_sink, NULL);
	if (!comes_true(smp_load_acquire(&far->id)) || !attach_to(0))
		return false;
	for (i = 0; i < SINKS - 1; i++)
		if (kecho_sink_open(ch, NULL, &near[i]))
			return false;
	return !kecho_source_open(ch, &opt, &src);
}

static void end(void)
{
	int i;

	kecho_channel_close(ch);
	kecho_close(k);
	put_down(far_pid);
	for (i = 0; i < HOSTS; i++)
		is_eq(daemon_stop(&host[i]), 0, "the end");
	munmap(far, sizeof(*far));
}

static int choose(const char *text)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, KECHO_FOR_OUT, text, NULL);

	if (err)
		return err;
	err = kecho_source_filter(src, f);
	kecho_filter_free(f);
	return err;
}

static u64 id_of(int sink)
{
	return sink == SINKS - 1 ? far->id : kecho_sink_id(near[sink]);
}

/* The source's host has heard of it. */
static void set(int sink, s64 load)
{
	struct kecho_value v;

	if (sink == SINKS - 1)
		WRITE_ONCE(far->load, load);
	else
		is_eq(kecho_sink_set(near[sink], "load", kecho_i64(load)), 0, "load of %d: %s",
		      sink, kecho_explain());
	ok(comes_true(!kecho_member_get(ch, id_of(sink), "load", &v, NULL, 0) && v.i64 == load),
	   "known");
}

static bool submit(void)
{
	static const char event[EVENT_LEN];

	return ok(!kecho_submit(src, event, EVENT_LEN, 0), "event: %s", kecho_explain());
}

static struct kecho_chosen chosen(void)
{
	struct kecho_chosen c;

	kecho_source_chosen(src, &c);
	return c;
}

/* How many have come to it meanwhile; of losses and ends there are none. */
static u64 events_of(int sink)
{
	struct kecho_event ev;
	u64 n = 0;

	if (sink == SINKS - 1) {
		n = READ_ONCE(far->events) - far->before;
		far->before += n;
		return n;
	}
	for (; !kecho_read(near[sink], &ev, 0); n++)
		is_eq(ev.kind, KECHO_EVENT, "an event for %d", sink);
	return n;
}

/* So many come to it since the last time, and nothing else. */
static void come(int sink, u64 events)
{
	u64 came = 0;

	comes_true((came += events_of(sink)) >= events);
	sleep_us(QUIET_MS * 1000);
	came += events_of(sink);
	is_eq(came, events, "events for %d", sink);
}

TEST(distant)
{
	u64 before;
	int i;

	if (!own_network())
		skip("no network namespace of its own");
	must(begin(), "two hosts: %s", kecho_explain());
	is_eq(choose("best by sink.load"), 0, "a filter: %s", kecho_explain());
	set(0, 10);
	set(1, 20);
	set(2, 30);
	before = sent(k);
	for (i = 0; i < FAR_EVENTS; i++)
		submit();
	come(0, FAR_EVENTS);
	ok(sent(k) - before < FAR_BYTES_MAX, "%llu bytes went out",
	   (unsigned long long)(sent(k) - before));
	set(2, 5);
	submit();
	is_eq(kecho_submit_to(src, "x", 1, id_of(2), 0), 0, "to it: %s", kecho_explain());
	come(2, 2);
	come(0, 0);
	come(1, 0);
	is_eq(chosen().sinks, FAR_EVENTS + 2, "chosen");
	end();
}

/* ----------------------------------------------------------------------- restarts */

static void submit_for(u64 us)
{
	u64 until = now_ns() + us * 1000;

	while (now_ns() < until) {
		submit();
		sleep_us(PACE_US);
	}
}

/* One of them, or both: then the first that comes again does not find the other. */
static void restart(int which)
{
	int i, status;

	for (i = 0; i < HOSTS; i++) {
		if (!(which & 1 << i))
			continue;
		kill(host[i].pid, SIGKILL);
		is_eq(waitpid(host[i].pid, &status, 0), host[i].pid, "host %d is killed", i);
	}
	submit_for(AWAY_US);
	for (i = 0; i < HOSTS; i++) {
		if (!(which & 1 << i))
			continue;
		must(start(i), "the next one of host %d", i);
		submit_for(BACK_US);
	}
}

/* Each is for two of the three, and always for the same: whoever has forgotten who was there
 * names others, or fewer. Replies find their way meanwhile. */
TEST(restarts)
{
	struct kecho_chosen before;
	u64 events;
	int i;

	if (!own_network())
		skip("no network namespace of its own");
	must(begin(), "two hosts: %s", kecho_explain());
	for (i = 0; i < SINKS; i++)
		set(i, 1 + i);
	is_eq(kecho_source_set(src, "reply", kecho_i64(id_of(1))), 0, "replies go to 1");
	is_eq(choose("best 2 by most sink.load"), 0, "a filter: %s", kecho_explain());
	for (i = 0; i < DEATHS; i++) {
		before = chosen();
		restart(1 + i % 3);
		events = chosen().sinks - before.sinks;
		is_eq(chosen().nobody, before.nobody, "each for somebody");
		is_eq(kecho_submit_to(src, "x", 1, kecho_source_id(src), 0), 0, "a reply: %s",
		      kecho_explain());
		come(1, events / 2 + 1);
		come(2, events / 2);
		come(0, 0);
	}
	is_eq(far->others, 0, "no losses, no ends");
	set(0, 9);
	submit();
	come(0, 1);
	kecho_sink_close(near[0]);
	submit();
	come(1, 1);
	end();
}

TESTS(choose, distant, restarts);
