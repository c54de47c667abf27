/* SPDX-License-Identifier: MIT */
/*
 * Processes that work at full speed until they are killed, and what those who stay see
 * of them: what a sink is given of each source, and when members come and go. All of it
 * lies in memory that the processes of a test share; each struct has one writer.
 */
#ifndef KECHO_VICTIM_H
#define KECHO_VICTIM_H

#include "cluster.h"

enum {
	VICTIM_LEN_MAX = 60000, /* of an event, in one record or in pieces */
	JUDGED_MAX = 256, /* sources that have not ended, at a time */
};

/* -------------------------------------------------------- what a sink is given */

/* Of each source all in order, each once, and what does not come is told as lost. The
 * source that came first is [0]; of those that have ended nothing is kept. */
struct judge {
	u64 events, lost, ended; /* of all sources */
	u64 wrong;
	char first_wrong[128];
	struct {
		u64 id, seq;
	} from[JUDGED_MAX];
};

static inline void judge_wrong(struct judge *j, const char *what, const struct kecho_event *ev,
			       u64 expected)
{
	if (!j->wrong++)
		snprintf(j->first_wrong, sizeof(j->first_wrong),
			 "%s: kind %d, source %llx, seq %llu, %zu bytes, expected %llu", what,
			 ev->kind, (unsigned long long)ev->source, (unsigned long long)ev->seq,
			 ev->len, (unsigned long long)expected);
}

/* Its place: an empty one, if it is new. */
static inline unsigned int judge_find(const struct judge *j, u64 id)
{
	unsigned int i, empty = JUDGED_MAX - 1;

	for (i = JUDGED_MAX; i--;) {
		if (j->from[i].id == id)
			return i;
		if (!j->from[i].id)
			empty = i;
	}
	return empty;
}

static inline void judge(struct judge *j, const struct kecho_event *ev)
{
	unsigned int i = judge_find(j, ev->source);
	u64 last = j->from[i].id ? j->from[i].seq : 0;

	if (ev->kind == KECHO_ENDED) {
		if (ev->last_seq != last)
			judge_wrong(j, "another end", ev, last);
		j->from[i].id = 0;
		j->ended++;
		return;
	}
	if (ev->seq != last + 1)
		judge_wrong(j, "out of order", ev, last + 1);
	if (ev->kind == KECHO_EVENT && !stamp_good(ev->data, ev->len))
		judge_wrong(j, "torn", ev, 0);
	else if (ev->kind == KECHO_EVENT && stamp_number(ev) != ev->seq)
		judge_wrong(j, "of another number", ev, stamp_number(ev));
	if (ev->kind == KECHO_LOST)
		j->lost += ev->last_seq - ev->seq + 1;
	else
		j->events++;
	j->from[i].id = ev->source;
	WRITE_ONCE(j->from[i].seq, ev->kind == KECHO_LOST ? ev->last_seq : ev->seq);
}

/*
 * A process that is a sink of @channel, and judges what it is given until it ends. *@stand
 * counts when it is there; it lets @pause_us go by between events while *@slow.
 */
struct judging {
	enum kecho_policy policy;
	struct judge *judge;
	u32 *stand;
	const bool *slow;	/* may be NULL */
	unsigned int pause_us;
};

static inline struct kecho_channel *join(const char *channel);

static inline int judge_all(const char *channel, const struct judging *g)
{
	struct kecho_sink_options opt = { .policy = g->policy };
	struct kecho_channel *ch = join(channel);
	struct kecho_event ev;
	struct kecho_sink *s;

	if (!ch || kecho_sink_open(ch, &opt, &s))
		return 1;
	__atomic_fetch_add(g->stand, 1, __ATOMIC_SEQ_CST);
	while (!kecho_read(s, &ev, -1)) {
		judge(g->judge, &ev);
		if (g->slow && READ_ONCE(*g->slow))
			sleep_us(g->pause_us);
	}
	return 1;
}

/* ------------------------------------------------- when members come and go */

struct sighting {
	u64 id, ns;
	enum kecho_member_state state;
};

struct sightings {
	unsigned int n, max;
	struct sighting at[];
};

static inline struct sightings *sightings(unsigned int max)
{
	struct sightings *s = shared(sizeof(*s) + max * sizeof(s->at[0]));

	if (s)
		s->max = max;
	return s;
}

/* A watcher, see kecho_channel_watch(), of a struct sightings. */
static inline void sight(void *arg, const struct kecho_member *m)
{
	struct sightings *s = arg;
	unsigned int n = s->n;

	if (n == s->max)
		return;
	s->at[n] = (struct sighting){ m->id, now_ns(), m->state };
	smp_store_release(&s->n, n + 1);
}

/* When member @id was seen to have failed; 0: it was not. */
static inline u64 sighted_failed_ns(const struct sightings *s, u64 id)
{
	unsigned int i, n = smp_load_acquire(&s->n);

	for (i = 0; i < n; i++)
		if (s->at[i].id == id && s->at[i].state == KECHO_FAILED)
			return s->at[i].ns;
	return 0;
}

/* ------------------------------------------------------------------ victims */

static inline struct kecho_channel *join(const char *channel)
{
	struct kecho_channel *ch;
	struct kecho *k;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, channel, NULL, &ch))
		return NULL;
	return ch;
}

struct victim {
	const char *channel;
	bool source;
	enum kecho_policy policy; /* of a sink */
	u64 id; /* its member, once it is one */
};

/* In the log itself, in one piece or in several. */
static inline int victim_submit(struct kecho_source *s, u64 *buf, u64 number)
{
	size_t len = sizeof(struct stamp) + number * 7919 % VICTIM_LEN_MAX;
	struct kecho_reservation r;

	if (number % 2 && len <= KECHO_EVENT_WHOLE_MAX) {
		if (kecho_reserve(s, len, 0, &r))
			return -1;
		stamp_write(r.data, len, number);
		return kecho_commit(s, &r, len);
	}
	stamp_write(buf, len, number);
	return kecho_submit(s, buf, len, 0);
}

static inline int victim_source(struct victim *v, struct kecho_channel *ch)
{
	static u64 buf[(VICTIM_LEN_MAX + sizeof(struct stamp)) / sizeof(u64) + 1];
	struct kecho_source *s;
	u64 i;

	if (kecho_source_open(ch, NULL, &s))
		return 1;
	smp_store_release(&v->id, kecho_source_id(s));
	for (i = 1; !victim_submit(s, buf, i); i++)
		;
	return 1;
}

static inline int victim_sink(struct victim *v, struct kecho_channel *ch)
{
	struct kecho_sink_options opt = { .policy = v->policy };
	struct kecho_event ev;
	struct kecho_sink *s;

	if (kecho_sink_open(ch, &opt, &s))
		return 1;
	smp_store_release(&v->id, kecho_sink_id(s));
	while (!kecho_read(s, &ev, -1))
		;
	return 1;
}

/* For spawn(); @arg is a struct victim. It ends by being killed only. */
static inline int victim(void *arg)
{
	struct victim *v = arg;
	struct kecho_channel *ch = join(v->channel);

	if (!ch)
		return 1;
	return v->source ? victim_source(v, ch) : victim_sink(v, ch);
}

/* ---------------------------------------------------------------- percentiles */

static inline int by_size(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* The @permille-th of @n values, which are sorted by it; 1000: the largest. */
static inline u64 percentile(u64 *ns, unsigned int n, unsigned int permille)
{
	qsort(ns, n, sizeof(*ns), by_size);
	return ns[min(n - 1, (unsigned int)((u64)n * permille / 1000))];
}

#endif
