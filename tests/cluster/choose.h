/* SPDX-License-Identifier: MIT */
/*
 * A source that chooses for which sinks its events are; these are on two hosts. What is
 * submitted, what comes, and how many bytes went out. One file includes it.
 */
#ifndef CLUSTER_CHOOSE_H
#define CLUSTER_CHOOSE_H

#include <kecho/filter.h>

#include "cluster.h"

enum {
	SINKS = 4,		/* 0 and 1 on one host, 2 and 3 on another */
	EVENT_LEN = 1000,
	LOG_SIZE = 4 << 20,
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
static inline bool net_open(struct net *n, const char *name)
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

static inline void net_end(struct net *n)
{
	int i;

	for (i = 0; i < 3; i++) {
		kecho_channel_close(n->ch[i]);
		kecho_close(n->k[i]);
	}
}

static inline int choose(struct net *n, const char *text)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, KECHO_FOR_OUT, text, NULL);

	if (err)
		return err;
	err = kecho_source_filter(n->src, f);
	kecho_filter_free(f);
	return err;
}

static inline bool chooses(struct net *n, const char *text)
{
	return ok(!choose(n, text), "%s: %s", text, kecho_explain());
}

static inline bool knows(struct net *n, int sink, const char *name, int64_t v)
{
	struct kecho_value value;

	return comes_true(!kecho_member_get(n->ch[0], kecho_sink_id(n->snk[sink]), name, &value,
					    NULL, 0) && value.i64 == v);
}

/* The source's node has heard of it. */
static inline void set(struct net *n, int sink, const char *name, int64_t v)
{
	is_eq(kecho_sink_set(n->snk[sink], name, kecho_i64(v)), 0, "%s of %d", name, sink);
	ok(knows(n, sink, name, v), "known");
}

static inline bool submit(struct net *n, size_t len)
{
	static const char event[EVENT_LEN];

	return ok(!kecho_submit(n->src, event, len, 0), "event: %s", kecho_explain());
}

static inline u64 stat_of(struct net *n, bool nobody)
{
	struct kecho_chosen c;

	kecho_source_chosen(n->src, &c);
	return nobody ? c.nobody : c.sinks;
}

/* The next that comes to it is event @seq. */
static inline void comes(struct net *n, int sink, u64 seq)
{
	struct kecho_event ev;

	is_eq(kecho_read(n->snk[sink], &ev, SOON_MS), 0, "%llu comes to %d", seq, sink);
	is_eq(ev.kind, KECHO_EVENT, "an event");
	is_eq(ev.seq, seq, "the one");
}

static inline void quiet(struct net *n)
{
	struct kecho_event ev;
	int i;

	for (i = 0; i < SINKS; i++)
		is_eq(kecho_read(n->snk[i], &ev, i ? 0 : QUIET_MS), i ? -EAGAIN : -ETIMEDOUT,
		      "no more for %d", i);
}

#endif
