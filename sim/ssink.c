// SPDX-License-Identifier: MIT
/*
 * Sinks: they read when there is something, in turns, at their own pace.
 */
#include "sim.h"

enum {
	BATCH_MAX = 64,
	GAP_FAST_US = 20,
	GAP_SLOW_US = 20000,
};

static struct snode *node_of(const struct ssink *s)
{
	return s->chan->node;
}

static void sink_wake(struct ssink *s)
{
	struct sim *w = node_of(s)->w;
	u64 delay = 1 + sim_random(w, s->gap_us);

	if (timer_is_set(&s->read))
		return;
	if (s->stopped_us > w->now_us)
		delay = max(delay, s->stopped_us - w->now_us);
	sim_set(node_of(s), &s->read, delay);
}

void ssink_wake(struct schan *c)
{
	struct ssink *s;

	list_for_each_entry(s, &c->sinks, list)
		sink_wake(s);
}

/* Up to so many from each feed; is there more? */
static bool read_some(struct ssink *s)
{
	struct sfeed *f, *next;
	bool more = false;
	u32 n;

	list_for_each_entry_safe(f, next, &s->feeds, list) {
		for (n = 0; n < s->batch && sfeed_next(f); n++)
			sfeed_release(f, false);
		more |= n == s->batch;
	}
	if (!more)
		list_for_each_entry(f, &s->feeds, list)
			sfeed_release(f, true);
	sfeeds_drop_told(s);
	return more;
}

/* Its process stood still for too long. What it has read just now it may not have said. */
static bool taken(const struct ssink *s)
{
	struct sfeed *f;

	list_for_each_entry(f, &s->feeds, list)
		if (!sfeed_kept(f))
			return true;
	return false;
}

static void read_fire(struct timer *t)
{
	struct ssink *s = container_of(t, struct ssink, read);
	bool more;

	if (taken(s)) {
		node_of(s)->w->cover.path[PATH_TAKEN]++;
		ssink_close(s);
		return;
	}
	verdict_took(s);
	more = read_some(s);
	if (s->disconnected) {
		node_of(s)->w->cover.path[PATH_DISCONNECT]++;
		ssink_close(s);
		return;
	}
	if (more)
		sink_wake(s);
}

void ssink_calm(struct ssink *s)
{
	s->gap_us = GAP_FAST_US;
	s->batch = BATCH_MAX;
	s->stopped_us = 0;
	sim_cancel(node_of(s), &s->read);
	sink_wake(s);
}

static void profile(struct ssink *s)
{
	struct sim *w = node_of(s)->w;

	s->gap_us = GAP_FAST_US;
	s->batch = 1 + sim_random(w, BATCH_MAX);
	if (w->phase == PHASE_ACTIVE && sim_fault(w, FAULT_SLOW) && sim_one_in(w, 4)) {
		s->gap_us = 1 + sim_random(w, GAP_SLOW_US);
		s->batch = 1 + sim_random(w, 8);
		w->cover.fault[FAULT_SLOW]++;
	}
}

/* It reads the logs of our own node too. */
static void add_own(struct ssink *s, struct ssource *src)
{
	u64 pos, seq;

	pos = ke_log_retained(&src->s.log, s->retained ? src->s.retain : 0, &seq);
	sfeed_add(s, NULL, src, src->log, ke_log_view(&src->s.log), src->t, pos, seq);
}

struct ssink *ssink_open(struct schan *c, u8 policy, bool retained)
{
	struct ssink *s = sim_alloc(sizeof(*s));
	struct snode *n = c->node;
	struct ssource *src;
	int err;

	s->chan = c;
	s->m.owner = s;
	s->m.role = KE_SINK;
	s->m.policy = policy;
	s->retained = retained;
	s->read = (struct timer){ .node = n, .fn = read_fire };
	INIT_LIST_HEAD(&s->feeds);
	s->copy = policy == SINK_BLOCK ? NULL : sim_alloc(KE_RECORD_MAX);
	s->number = ++n->w->last_sink;
	s->version = sim_alloc(SIM_VERSIONS_MAX * sizeof(s->version[0]));
	s->nversions = 1;
	s->by_itself = n->w->opt.filters && sim_one_in(n->w, 2);
	profile(s);
	c->ch.sinks++;
	c->ch.gated += policy == SINK_BLOCK;
	list_add_tail(&s->list, &c->sinks);
	/* Before it gets anything its sources know of it. */
	ke_member_join(&s->m, &c->ch);
	list_for_each_entry(src, &c->sources, list)
		if (!src->s.closed)
			add_own(s, src);
	err = ke_channel_subscribe(&c->ch, retained);
	sim_trace(n, TRACE_SINK_OPEN, s->m.id, c->which, policy);
	if (!err)
		return s;
	ssink_close(s);
	return NULL;
}

void ssink_stalled(struct sfeed *f)
{
	struct ssink *s = f->sink;
	struct sim *w = node_of(s)->w;
	u64 ms = (w->now_us - f->moved_us) / 1000;

	sim_trace(node_of(s), TRACE_STALLED, s->m.id, f->t->index, ms);
	/* Its source's clock counts whole milliseconds. */
	if (!f->t->stall_ms || ms + 1 < f->t->stall_ms)
		sim_broken(w, "node %u: sink %llx is ended for holding up source %u, but it "
			   "moved %llu ms ago", node_of(s)->index, (unsigned long long)s->m.id,
			   f->t->index, (unsigned long long)ms);
	w->cover.path[PATH_STALLED]++;
	ssink_close(s);
}

/* Who was the slowest of a mirror's readers may have gone. */
static void release_all(struct schan *c)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	list_for_each_entry(pr, &c->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->stream)
				sfeed_release_stream(m->stream);
}

void ssink_close(struct ssink *s)
{
	struct schan *c = s->chan;

	sim_trace(c->node, TRACE_SINK_CLOSE, s->m.id, s->disconnected, 0);
	c->node->w->stirred |= c->node->w->phase >= PHASE_QUIET;
	ke_member_leave(&s->m);
	list_del(&s->list);
	c->ch.sinks--;
	c->ch.gated -= s->m.policy == SINK_BLOCK;
	while (!list_empty(&s->feeds))
		sfeed_free(list_first_entry(&s->feeds, struct sfeed, list));
	ke_channel_unsubscribe(&c->ch);
	release_all(c);
	sim_cancel(c->node, &s->read);
	sim_free(s->copy);
	sim_free(s->version);
	sim_free(s->told);
	sages_free(&s->zone);
	sim_free(s);
}
