// SPDX-License-Identifier: MIT
/*
 * What a large cluster costs: nodes and channels in which nothing goes wrong, measured in
 * virtual time. Each table is one way to choose the channels, each row a number of nodes:
 *
 *	alike	one channel for ten nodes: each node has one member
 *	fixed	100 channels, whatever the number of nodes
 *	mixed	four channels for ten nodes, so that all hang together: each node has four
 *		members, beside ever other nodes
 *
 * A channel has ten members, each on a node of its own, five of them sources. A row's
 * world lives through
 *
 *	all join, one after the other
 *	two nodes change places, MOVES times or so, and what joins costs is counted
 *	nothing happens for IDLE_S
 *	each source submits EVENTS
 *
 * What a node does must not depend on nodes that it shares no channel with: it is linked
 * to exactly those that it does, and where these are as many the figures are the same.
 */
#include <stdio.h>

#include "sim.h"

enum {
	CHANNEL_MEMBERS = 10,
	FIXED_CHANNELS = 100,
	MIXED_MEMBERS = 4, /* of a node */
	MOVES = 20,
	MOVE_TRIES = 100,
	REST_US = 3000000,
	IDLE_S = 10,
	EVENTS = 200,		/* of each source */
	EVENT_BYTES = 100,
	EVENT_GAP_US = 5000,
	TIMED_EVENTS = 100,
	JOIN_LIMIT_US = 10000000,
	GROWTH_PERCENT_MAX = 10,
};

enum table { ALIKE,
	     FIXED,
	     MIXED,
	     TABLES };

/* A member, for as long as it is one. */
struct place {
	struct snode *n;
	struct schan *c;
	bool source;
	struct ssource *src;
	struct ssink *sink;
};

struct row {
	u32 nodes, channels;
	double links, links_most;	/* of a node */
	double state;			/* bytes of core, besides logs and what a link is */
	double join_us, join_frames, join_bytes, join_asks;
	double beats, beat_bytes, asks, worst_beats;	/* of a node, a second */
	double event_us, event_frames, event_bytes;
};

struct scale {
	struct sim *w;
	struct place *place;
	u32 nplaces;
	struct row row;
};

static struct wire sent(const struct sim *w)
{
	struct wire sum = { 0 };
	u32 i;

	for (i = 0; i < w->opt.nodes; i++) {
		const struct wire *one = &w->node[i].wire;

		sum.beats += one->beats;
		sum.beat_bytes += one->beat_bytes;
		sum.asks += one->asks;
		sum.ask_bytes += one->ask_bytes;
		sum.frames += one->frames;
		sum.bytes += one->bytes;
	}
	return sum;
}

static void rest(struct sim *w, u64 us)
{
	sim_run_until(w, w->now_us + us);
}

/* ------------------------------------------------------------------- members */

static bool synced(const struct place *p)
{
	return p->c->ch.node && ke_channel_synced(&p->c->ch);
}

static bool is_open(const struct place *p)
{
	return p->c->state == CHAN_OPEN;
}

static bool is_closed(const struct place *p)
{
	return p->c->state == CHAN_CLOSED;
}

static bool stands(const struct place *p)
{
	return ke_channel_acked(&p->c->ch) && ke_channel_started(&p->c->ch);
}

/* Steps until @done. */
static void await(struct scale *s, const struct place *p, bool (*done)(const struct place *p))
{
	u64 limit = s->w->now_us + JOIN_LIMIT_US;

	while (!done(p))
		if (!sim_step(s->w, limit)) {
			sim_broken(s->w, "node %u waits for channel %u", p->n->index, p->c->which);
			return;
		}
}

/* As kecho_channel_open() does, and then what opens a source or a sink. */
static void join(struct scale *s, struct place *p)
{
	struct sim *w = s->w;

	/* The registry is as far as everybody else. */
	rest(w, 2 * net_latency(w, p->n->index, p->n->index));
	memory_enter(&p->n->mem);
	schan_open(p->c);
	sim_settle(p->n);
	await(s, p, synced);
	if (w->broken)
		return;
	sim_set_sooner(p->n, &p->c->look, 1);
	await(s, p, is_open);
	memory_enter(&p->n->mem);
	if (p->source)
		p->src = ssource_open(p->c);
	else
		p->sink = ssink_open(p->c, SINK_BLOCK, false);
	if (p->src)
		p->src->last = true;	/* it submits when it is told to */
	sim_settle(p->n);
	await(s, p, stands);
}

static void leave(struct scale *s, struct place *p)
{
	memory_enter(&p->n->mem);
	schan_close(p->c);
	sim_settle(p->n);
	await(s, p, is_closed);
	p->src = NULL;
	p->sink = NULL;
}

static struct place *place_of(struct scale *s, const struct snode *n, u32 which)
{
	u32 i;

	for (i = 0; i < CHANNEL_MEMBERS; i++)
		if (s->place[which * CHANNEL_MEMBERS + i].n == n)
			return &s->place[which * CHANNEL_MEMBERS + i];
	return NULL;
}

static void shuffle(struct sim *w, u32 *v)
{
	u32 i, j, keep;

	for (i = 0; i < w->opt.nodes; i++)
		v[i] = i;
	for (i = w->opt.nodes - 1; i; i--) {
		j = sim_random(w, i + 1);
		keep = v[i];
		v[i] = v[j];
		v[j] = keep;
	}
}

/* Round after round the nodes are dealt to channels, so each has as many members, and
 * those of a channel are on different nodes. */
static void deal(struct scale *s)
{
	struct sim *w = s->w;
	u32 *order = sim_alloc(w->opt.nodes * sizeof(*order)), i, at;
	struct place *p;

	for (i = 0; i < s->nplaces; i++) {
		at = i % w->opt.nodes;
		if (!at)
			shuffle(w, order);
		p = &s->place[i];
		p->n = &w->node[order[at]];
		p->c = &p->n->chan[i / CHANNEL_MEMBERS];
		p->source = i % 2;
	}
	sim_free(order);
}

static void start(struct scale *s)
{
	u32 i;

	for (i = 0; i < s->w->opt.nodes; i++) {
		memory_enter(&s->w->node[i].mem);
		snode_start(&s->w->node[i]);
		sim_settle(&s->w->node[i]);
	}
	for (i = 0; i < s->nplaces && !s->w->broken; i++)
		join(s, &s->place[i]);
}

/* --------------------------------------------------------------------- links */

static bool share(const struct snode *a, const struct snode *b)
{
	u32 k;

	for (k = 0; k < a->w->opt.channels; k++)
		if (a->chan[k].state == CHAN_OPEN && b->chan[k].state == CHAN_OPEN)
			return true;
	return false;
}

/* Exactly to those that it shares a channel with; how many. */
static u32 links_of(struct scale *s, const struct snode *n)
{
	const struct ke_peer *p;
	u32 shared = 0, links = 0, i;

	for (i = 0; i < s->w->opt.nodes; i++)
		shared += i != n->index && share(n, &s->w->node[i]);
	list_for_each_entry(p, &n->node.peers, list)
		links += p->link != NULL;
	if (links != shared || links != n->node.npeers)
		sim_broken(s->w, "node %u knows %u nodes and is linked to %u, but shares a "
				 "channel with %u",
			   n->index, n->node.npeers, links, shared);
	return links;
}

static void count_links(struct scale *s)
{
	struct row *r = &s->row;
	u32 i, links, all = 0;
	u64 state = 0;

	r->links_most = 0;
	for (i = 0; i < s->w->opt.nodes; i++) {
		links = links_of(s, &s->w->node[i]);
		all += links;
		r->links_most = max(r->links_most, (double)links);
		state += s->w->node[i].mem.bytes - s->w->node[i].log_bytes;
	}
	r->links = (double)all / s->w->opt.nodes;
	r->state = (double)state / s->w->opt.nodes;
}

/* -------------------------------------------------------------------- phases */

/* Somebody who could take the place of @p, and @p his. */
static struct place *partner(struct scale *s, const struct place *p)
{
	struct place *q;
	u32 i;

	for (i = 0; i < MOVE_TRIES; i++) {
		q = &s->place[sim_random(s->w, s->nplaces)];
		if (q->n != p->n && !place_of(s, p->n, q->c->which) &&
		    !place_of(s, q->n, p->c->which))
			return q;
	}
	return NULL;
}

static void timed_join(struct scale *s, struct place *p)
{
	struct wire before = sent(s->w), after;
	u64 since = s->w->now_us, asks = p->n->wire.asks;

	join(s, p);
	s->row.join_us += s->w->now_us - since;
	s->row.join_asks += p->n->wire.asks - asks;
	rest(s->w, REST_US / 10);	/* what it still causes */
	after = sent(s->w);
	s->row.join_frames += after.frames - before.frames;
	s->row.join_bytes += after.bytes - before.bytes;
}

static void change_places(struct place *p, struct place *q)
{
	struct snode *n = p->n;

	p->n = q->n;
	q->n = n;
	p->c = &p->n->chan[p->c->which];
	q->c = &q->n->chan[q->c->which];
}

static u32 move(struct scale *s, struct place *p)
{
	struct place *q = partner(s, p);

	leave(s, p);
	if (q) {
		leave(s, q);
		change_places(p, q);
	}
	rest(s->w, REST_US);
	timed_join(s, p);
	if (q)
		timed_join(s, q);
	return q ? 2 : 1;
}

static void moves(struct scale *s)
{
	struct row *r = &s->row;
	u32 joins = 0;

	while (joins < MOVES && !s->w->broken)
		joins += move(s, &s->place[sim_random(s->w, s->nplaces)]);
	r->join_us /= joins;
	r->join_frames /= joins;
	r->join_bytes /= joins;
	r->join_asks /= joins;
}

static u64 most_beats(const struct sim *w, const u64 *before)
{
	u64 most = 0;
	u32 i;

	for (i = 0; i < w->opt.nodes; i++)
		most = max(most, w->node[i].wire.beats - before[i]);
	return most;
}

static void idle(struct scale *s)
{
	struct sim *w = s->w;
	u64 *beats = sim_alloc(w->opt.nodes * sizeof(*beats));
	double node_s = (double)IDLE_S * w->opt.nodes;
	struct wire before, after;
	u32 i;

	rest(w, REST_US);
	before = sent(w);
	for (i = 0; i < w->opt.nodes; i++)
		beats[i] = w->node[i].wire.beats;
	rest(w, IDLE_S * 1000000);
	after = sent(w);
	s->row.beats = (after.beats - before.beats) / node_s;
	s->row.beat_bytes = (after.beat_bytes - before.beat_bytes) / node_s;
	s->row.asks = (after.asks - before.asks) / node_s;
	s->row.worst_beats = most_beats(w, beats) / (double)IDLE_S;
	if (after.frames != before.frames && !w->broken)
		sim_broken(w, "%llu frames without a reason",
			   (unsigned long long)(after.frames - before.frames));
	sim_free(beats);
}

static void submit(struct scale *s, const struct place *p)
{
	memory_enter(&p->n->mem);
	if (!s->w->broken && !ssource_submit_len(p->src, EVENT_BYTES))
		sim_broken(s->w, "source %u has no room", p->src->t->index);
	sim_settle(p->n);
}

/* From a submission to when the last of the channel's sinks has read it. */
static void timed_events(struct scale *s)
{
	struct sim *w = s->w;
	u32 i, n = 0;
	u64 due, since, took = 0;

	for (i = 0; i < s->nplaces && n < TIMED_EVENTS; i++) {
		if (!s->place[i].source)
			continue;
		due = w->cover.delivered + CHANNEL_MEMBERS / 2;
		since = w->now_us;
		submit(s, &s->place[i]);
		while (w->cover.delivered < due && sim_step(w, since + REST_US))
			;
		took += w->now_us - since;
		n++;
	}
	s->row.event_us = (double)took / n;
}

static void events(struct scale *s)
{
	struct sim *w = s->w;
	struct wire before = sent(w), after;
	u64 had = w->cover.events, got = w->cover.delivered, n;
	u32 i, k;

	for (k = 0; k < EVENTS; k++) {
		for (i = 0; i < s->nplaces; i++)
			if (s->place[i].source)
				submit(s, &s->place[i]);
		rest(w, EVENT_GAP_US);
	}
	rest(w, REST_US);
	after = sent(w);
	n = w->cover.events - had;
	s->row.event_frames = (double)(after.frames - before.frames) / n;
	s->row.event_bytes = (double)(after.bytes - before.bytes) / n;
	if (w->cover.delivered - got != n * (CHANNEL_MEMBERS / 2))
		sim_broken(w, "%llu events were delivered %llu times", (unsigned long long)n,
			   (unsigned long long)(w->cover.delivered - got));
}

static void live(struct scale *s)
{
	const char *bad;

	start(s);
	rest(s->w, REST_US);
	count_links(s);
	moves(s);
	rest(s->w, REST_US);
	count_links(s);
	idle(s);
	timed_events(s);
	events(s);
	bad = check_converged(s->w);
	if (bad)
		sim_broken(s->w, "%s", bad);
	if (!s->w->broken)
		sim_close(s->w);
}

/* ---------------------------------------------------------------------- rows */

static bool measure(struct row *r)
{
	struct sim_options opt = {
		.seed = 1,
		.nodes = r->nodes,
		.hosts = r->nodes,
		.channels = r->channels,
		.steady = true,
	};
	struct scale s = { .w = sim_new(&opt), .row = *r };
	bool good;

	s.nplaces = r->channels * CHANNEL_MEMBERS;
	s.place = sim_alloc(s.nplaces * sizeof(s.place[0]));
	deal(&s);
	live(&s);
	good = !s.w->broken;
	if (!good)
		printf("not ok - %u nodes, %u channels, after %llu ms: %s\n", r->nodes,
		       r->channels, (unsigned long long)s.w->now_us / 1000, s.w->why);
	sim_free_all(s.w);
	sim_free(s.place);
	*r = s.row;
	return good;
}

static void print_head(void)
{
	printf("# of a join: us, frames, bytes, requests and answers of the registry; of an idle "
	       "node, a second:\n# frames, bytes, the busiest node's frames, the registry's; of "
	       "an event: us, frames, bytes\n");
	printf("%-6s %6s %8s %7s %5s %8s | %6s %6s %7s %5s | %6s %6s %6s %5s | %5s %6s %6s\n",
	       "table", "nodes", "channels", "links", "most", "state", "us", "frames", "bytes",
	       "reg", "frames", "bytes", "most", "reg", "us", "frames", "bytes");
}

static void print_row(const char *table, const struct row *r)
{
	printf("%-6s %6u %8u %7.2f %5.0f %8.0f | %6.0f %6.1f %7.0f %5.1f | %6.2f %6.0f %6.1f %5.2f"
	       " | %5.0f %6.2f %6.0f\n",
	       table, r->nodes, r->channels, r->links, r->links_most,
	       r->state, r->join_us, r->join_frames, r->join_bytes, r->join_asks, r->beats,
	       r->beat_bytes, r->worst_beats, r->asks, r->event_us, r->event_frames,
	       r->event_bytes);
	fflush(stdout);
}

static bool grew(const char *what, double from, double to, double links_from, double links_to)
{
	bool is = to / links_to > from / links_from * (100 + GROWTH_PERCENT_MAX) / 100;

	if (is)
		printf("not ok - %s grows from %.2f to %.2f\n", what, from, to);
	return is;
}

/* For each node that one is linked to; what an event costs has nothing to do with that. */
static bool grows(enum table t, const struct row *a, const struct row *b)
{
	bool is = false;

	/* Who has links to some of a channel's nodes already needs less for the others. */
	if (t == ALIKE)
		is |= grew("time of a join", a->join_us, b->join_us, 1, 1);
	is |= grew("frames of a join", a->join_frames, b->join_frames, a->links, b->links);
	is |= grew("bytes of a join", a->join_bytes, b->join_bytes, a->links, b->links);
	is |= grew("frames of an idle node", a->beats, b->beats, a->links, b->links);
	is |= grew("core's memory", a->state, b->state, a->links, b->links);
	is |= grew("the registry's frames", a->asks, b->asks, 1, 1);
	is |= grew("time of an event", a->event_us, b->event_us, 1, 1);
	is |= grew("frames of an event", a->event_frames, b->event_frames, 1, 1);
	is |= grew("bytes of an event", a->event_bytes, b->event_bytes, 1, 1);
	return is;
}

static u32 channels_for(enum table t, u32 nodes)
{
	if (t == FIXED)
		return FIXED_CHANNELS;
	return (t == MIXED ? MIXED_MEMBERS : 1) * nodes / CHANNEL_MEMBERS;
}

int scale_run(const u32 *nodes, u32 n)
{
	static const char *const names[TABLES] = { "alike", "fixed", "mixed" };
	struct row row, first = { 0 };
	bool bad = false;
	enum table t;
	u32 i;

	print_head();
	for (t = 0; t < TABLES; t++) {
		for (i = 0; i < n; i++) {
			row = (struct row){ .nodes = nodes[i] };
			row.channels = channels_for(t, nodes[i]);
			if (!measure(&row))
				return 1;
			print_row(names[t], &row);
			if (!i || (t == MIXED && i == 1)) /* ten nodes are linked to all */
				first = row;
			bad |= (t == ALIKE || (t == MIXED && i)) && grows(t, &first, &row);
		}
	}
	if (!bad)
		printf("ok - nothing grows with the cluster\n");
	return bad;
}
