/* SPDX-License-Identifier: MIT */
/*
 * A source on one host and sinks with filters on others, which are addresses of loopback: what
 * is submitted, what comes, and how many bytes went between them. One file includes it.
 */
#ifndef CLUSTER_FAR_H
#define CLUSTER_FAR_H

#include <kecho/filter.h>
#include <pthread.h>

#include "pair.h"

enum {
	EVENT_LEN = 1000,
	PACE = 50,			/* events of that length at once */
};

static const struct kecho_options host[] = {
	{ .listen = "127.0.0.1", .registry = REGISTRY },
	{ .listen = "127.0.0.2", .registry = REGISTRY },
	{ .listen = "127.0.0.3", .registry = REGISTRY },
};

static bool far_open(struct pair *p, const char *name, unsigned int retain)
{
	struct kecho_channel_options opt = { .retain = retain };
	int i;

	for (i = 0; i < 2; i++)
		if (!ok(!kecho_open(&p->k[i], &host[i]), "host %d: %s", i, kecho_explain()) ||
		    !ok(!kecho_channel_open(p->k[i], name, &opt, &p->ch[i]), "channel: %s",
			kecho_explain()))
			return false;
	return true;
}

static bool open_source(struct pair *p)
{
	struct kecho_source_options opt = { .linger_ms = SOON_MS };

	return ok(!kecho_source_open(p->ch[0], &opt, &p->src), "source: %s", kecho_explain());
}

static inline bool far_stream(struct pair *p, const char *name, enum kecho_policy policy)
{
	struct kecho_sink_options opt = { .policy = policy };

	return far_open(p, name, 0) && open_source(p) &&
	       ok(!kecho_sink_open(p->ch[1], &opt, &p->snk), "sink: %s", kecho_explain());
}

static int try_set(struct kecho_sink *s, enum kecho_filter_use use, const char *text)
{
	struct kecho_filter *f;
	int err = kecho_filter_compile(&f, use, text, NULL);

	if (err)
		return err;
	err = kecho_sink_filter(s, f, NULL);
	kecho_filter_free(f);
	return err;
}

static bool set(struct kecho_sink *s, const char *text)
{
	return ok(!try_set(s, KECHO_FOR_EVENT, text), "%s: %s", text, kecho_explain());
}

static bool submit(struct kecho_source *s, size_t len)
{
	static const char event[EVENT_LEN];

	return !kecho_submit(s, event, len, 0);
}

static inline bool submit_some(struct kecho_source *s, unsigned int n, size_t len)
{
	while (n && submit(s, len))
		n--;
	return !n;
}

/* Not faster than they are looked at, as nobody waits for who is not a `block` sink. */
static inline bool submit_unwanted(struct kecho_source *s, unsigned int n)
{
	for (; n; n--) {
		if (!submit(s, EVENT_LEN))
			return false;
		if (n % PACE == 0)
			sleep_us(STEP_US);
	}
	return true;
}

static inline void comes(struct kecho_sink *s, u64 seq)
{
	struct kecho_event ev;

	is_eq(kecho_read(s, &ev, SOON_MS), 0, "event %llu comes", seq);
	is_eq(ev.kind, KECHO_EVENT, "an event");
	is_eq(ev.seq, seq, "the one");
}

/* No more comes, and so many were not for it, which is told when somebody asks. */
static inline void quiet(struct pair *p, struct kecho_sink *s, u64 filtered)
{
	struct kecho_event ev;

	kecho_channel_drain(p->ch[0], 0);
	is_eq(kecho_read(s, &ev, QUIET_MS), -ETIMEDOUT, "no more");
	is_eq(kecho_sink_filtered(s), filtered, "filtered");
}

/* ------------------------------------------------------------- a sink that is read */

struct reader {
	struct kecho_sink *sink;
	pthread_t thread;
	u64 every;	/* only multiples are for it; 0: it notes all in @came_at */
	u8 *came_at;
	u64 came, bytes, lost, wrong, last, end;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct kecho_event ev;

	while (!kecho_read(r->sink, &ev, SOON_MS) && ev.kind != KECHO_ENDED) {
		r->wrong += ev.seq <= r->last;
		r->last = ev.seq;
		if (ev.kind == KECHO_LOST) {
			r->lost += ev.last_seq - ev.seq + 1;
			r->last = ev.last_seq;
			continue;
		}
		r->came++;
		r->bytes += ev.len;
		if (r->every)
			r->wrong += ev.seq % r->every != 0;
		else
			r->came_at[ev.seq]++;
	}
	r->end = ev.last_seq;
	return NULL;
}

static inline bool reader_start(struct reader *r)
{
	return ok(!pthread_create(&r->thread, NULL, read_all, r), "a thread");
}

/* All that was submitted was given or was not for it. */
static inline void reader_end(struct reader *r, struct pair *p, u64 events)
{
	kecho_source_close(p->src);
	pthread_join(r->thread, NULL);
	is_eq(r->wrong, 0, "in order, and as its filter says");
	is_eq(r->lost, 0, "none lost");
	is_eq(r->end, events, "to the end");
	is_eq(r->came + kecho_sink_filtered(r->sink), events, "given or not for it");
}

#endif
