/* SPDX-License-Identifier: MIT */
/*
 * Processes of users B and C, which use the library and trust it: sources that submit, and
 * sinks that block and check that all of it comes, in order, once. What user A publishes
 * beside that is nobody's concern, and may be anything.
 */
#ifndef KECHO_GOOD_H
#define KECHO_GOOD_H

#include <kecho/filter.h>

#include "tally.h"

enum {
	PACE_US = 1000,		/* between two submissions, if nobody is waited for */
	BURST = 8,
	EVENT_MAX = 1000,
	BIG_EVENT = 150000,	/* in pieces */
	BIG_EVERY = 500,
	READ_MS = 3000,		/* longer than anybody may starve */
	LINGER_MS = 20000,
};

/* Who a process is. */
struct good {
	const struct kechod *node;	/* NULL: the kernel's */
	uid_t uid;
	gid_t gid;
	u32 index;		/* of the source or sink in the tally */
	bool steps;		/* a source that waits until its sinks have each event */
	bool polls;		/* a sink that waits in poll() */
	int stall_ms;
};

static inline int failed(const char *what)
{
	return wrong("%s of user %u: %s", what, geteuid(), kecho_explain());
}

static inline int good_open(const struct good *g, const char *channel, struct kecho **k,
			    struct kecho_channel **ch)
{
	struct kecho_options opt = { .timeout_ms = SOON_MS };
	struct kecho_value v;

	if (!become(g->uid, g->gid, 1, &g->gid))
		return wrong("no user %u", g->uid);
	setenv("KECHO", g->node ? "daemon" : "kernel", 1);
	if (g->node)
		setenv("KECHO_SOCKET", g->node->socket, 1);
	if (kecho_open(k, &opt) || kecho_channel_open(*k, channel, NULL, ch))
		return failed(channel);
	/* Its table of attributes is made for who reads one first, who may be an attacker. */
	if (kecho_channel_get(*ch, "none", &v, NULL, 0) != -ENOENT)
		return wrong("%s has an attribute", channel);
	return 0;
}

/* -------------------------------------------------------------------- sources */

static inline bool all_have(const struct source_told *t, u32 source, u64 number)
{
	const struct sink_told *s;
	u32 i;

	for (i = 0; i < tally->nsinks; i++) {
		s = &tally->sink[i];
		if (!strcmp(s->channel, t->channel) && READ_ONCE(s->got[source]) < number)
			return false;
	}
	return true;
}

static inline int submit(struct kecho_source *s, struct source_told *t, void *event)
{
	u64 number = t->published + 1;
	size_t len = sizeof(struct stamp) + number * 31 % EVENT_MAX;

	if (number % BIG_EVERY == 0)
		len = BIG_EVENT;
	stamp_write(event, len, number);
	if (kecho_submit(s, event, len, 0))
		return failed("a submission");
	WRITE_ONCE(t->published, number);
	return 0;
}

static inline int submit_all(const struct good *g, struct kecho_source *s)
{
	static u64 event[BIG_EVENT / 8 + 1];
	struct source_told *t = &tally->source[g->index];
	int i, err = 0;

	while (!READ_ONCE(tally->stop) && !err) {
		for (i = 0; i < (g->steps ? 1 : BURST) && !err; i++)
			err = submit(s, t, event);
		while (g->steps && !all_have(t, g->index, t->published) &&
		       !READ_ONCE(tally->stop))
			sleep_us(PACE_US / 10);
		sleep_us(PACE_US);
	}
	WRITE_ONCE(t->final, t->published);
	return err;
}

static inline int good_source(void *arg)
{
	const struct good *g = arg;
	struct source_told *t = &tally->source[g->index];
	struct kecho_source_options opt = { .linger_ms = LINGER_MS, .stall_ms = g->stall_ms };
	struct kecho_source *s;
	struct kecho_channel *ch;
	struct kecho *k;
	int err;

	if (good_open(g, t->channel, &k, &ch))
		return 1;
	if (kecho_source_open(ch, &opt, &s))
		return failed("a source");
	WRITE_ONCE(t->member, kecho_source_id(s));
	err = submit_all(g, s);
	kecho_source_close(s);
	kecho_close(k);
	return err;
}

/* ---------------------------------------------------------------------- sinks */

static inline int source_of(const char *channel, u64 member)
{
	u32 i;

	for (i = 0; i < tally->nsources; i++)
		if (READ_ONCE(tally->source[i].member) == member &&
		    !strcmp(tally->source[i].channel, channel))
			return i;
	return -1;
}

static inline bool has_all(const struct sink_told *t)
{
	u64 final;
	u32 i;

	for (i = 0; i < tally->nsources; i++) {
		if (strcmp(tally->source[i].channel, t->channel))
			continue;
		final = READ_ONCE(tally->source[i].final);
		if (!final || t->got[i] < final)
			return false;
	}
	return true;
}

static inline int take_end(const struct sink_told *t, int i, bool failed)
{
	u64 final = READ_ONCE(tally->source[i].final);

	if (final && t->got[i] == final && !failed)
		return 0;
	return wrong("%s: source %d has %s after %llu events", t->name, i,
		     failed ? "failed" : "left", (unsigned long long)t->got[i]);
}

static inline int take_event(struct sink_told *t, const struct kecho_event *ev)
{
	int i = source_of(t->channel, ev->source);
	u64 late_ns;

	if (i < 0)
		return 0;
	if (ev->kind == KECHO_LOST)
		return wrong("%s has lost %llu to %llu of source %d", t->name,
			     (unsigned long long)ev->seq, (unsigned long long)ev->last_seq, i);
	if (ev->kind == KECHO_ENDED)
		return take_end(t, i, ev->failed);
	if (ev->seq != t->got[i] + 1)
		return wrong("%s: %llu of source %d after %llu", t->name,
			     (unsigned long long)ev->seq, i, (unsigned long long)t->got[i]);
	if (!stamp_good(ev->data, ev->len) || stamp_number(ev) != ev->seq)
		return wrong("%s: %llu of source %d is damaged", t->name,
			     (unsigned long long)ev->seq, i);
	late_ns = clock_ns(CLOCK_REALTIME) - ev->time_ns;
	if (late_ns > t->worst_ns && late_ns < U64_MAX / 2)
		t->worst_ns = late_ns;
	WRITE_ONCE(t->got[i], ev->seq);
	return 0;
}

static inline int read_some(const struct good *g, struct kecho_sink *s, struct kecho_event *ev)
{
	struct pollfd p = { .fd = g->polls ? kecho_sink_fd(s) : -1, .events = POLLIN };
	int n = kecho_read_vector(s, ev, BURST, g->polls ? 0 : READ_MS);

	if (n != -EAGAIN)
		return n;
	return poll(&p, 1, READ_MS) ? 0 : -ETIMEDOUT;
}

/* A filter that all events pass, wherever it is judged, and whatever others judge there. */
static inline int filter_none(struct kecho_sink *s)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, KECHO_FOR_EVENT, "seq > 0 && !has(event.nx)", NULL);

	if (err)
		return err;
	err = kecho_sink_filter(s, f, NULL);
	kecho_filter_free(f);
	return err;
}

static inline int good_sink(void *arg)
{
	const struct good *g = arg;
	struct sink_told *t = &tally->sink[g->index];
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_event ev[BURST];
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho *k;
	int n = 0, i, err = 0;

	if (good_open(g, t->channel, &k, &ch))
		return 1;
	if (kecho_sink_open(ch, &opt, &s) || (g->index % 2 && filter_none(s)))
		return failed("a sink");
	WRITE_ONCE(t->ready, true);
	while (!err && !has_all(t)) {
		n = read_some(g, s, ev);
		for (i = 0; i < n && !err; i++)
			err = take_event(t, &ev[i]);
		if (n < 0 && n != -ETIMEDOUT)
			err = failed(t->name);
	}
	WRITE_ONCE(t->over, true);
	kecho_sink_close(s);
	kecho_close(k);
	return err;
}

#endif
