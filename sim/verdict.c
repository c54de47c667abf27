// SPDX-License-Identifier: MIT
/*
 * Which sinks a judged event is for.
 *
 * With each event it is kept, for each sink that its source's node knows, what the versions
 * of its filter say that may be in force there: none older than the sink was told that the
 * source judges by, none newer than the one it has, all with the attributes that the source's
 * node knows just then. So
 *
 *  - a sink gets by its bit, and is kept from, only what one of those says;
 *  - what was not judged for it, it judges itself, by the version and the attributes that it
 *    has;
 *  - once all have settled there is one version, and only what it wants is sent.
 *
 * What its source has chosen comes before all that: what is not for it, see schoice.c, a sink
 * never gets.
 *
 * Of a sink that its source's node has yet to hear of nothing is known: while others of its
 * host are known it may miss what those don't want, as if it began later.
 */
#include "sim.h"

enum { LAST_LOOKED = 64 }; /* events, of those that were submitted last */

/* -------------------------------------------------------------------- versions */

static const struct sfilter *newest(const struct ssink *s)
{
	return &s->version[s->nversions - 1];
}

bool verdict_set(struct ssink *s, struct sfilter f)
{
	struct snode *n = s->chan->node;
	char why[KE_TYPE_WHY_MAX];
	const void *wire;
	u32 len;
	int err;

	if (s->nversions == SIM_VERSIONS_MAX)
		return false;
	wire = sfilter_wire(&f, &len);
	s->version[s->nversions++] = f;
	err = ke_member_filter(&s->m, wire, len, NULL, 0, why);
	if (err && err != -ENOMEM)
		sim_broken(n->w, "node %u: a filter of sink %llx is refused (%d): %s", n->index,
			   (unsigned long long)s->m.id, err, why);
	if (err) {
		s->nversions--;
		return false;
	}
	sim_trace(n, TRACE_FILTER, s->m.id, s->nversions - 1, f.kind);
	n->w->cover.path[PATH_REPLACED] += s->nversions > 2;
	return true;
}

static struct stold *told_of(struct ssink *s, u32 truth)
{
	if (truth >= s->ntold) {
		s->told = sim_grow(s->told, (truth + 1) * sizeof(s->told[0]));
		memset(s->told + s->ntold, 0, (truth + 1 - s->ntold) * sizeof(s->told[0]));
		s->ntold = truth + 1;
	}
	return &s->told[truth];
}

static void take(struct ssink *s, struct stold *told, u32 truth)
{
	const struct ke_verdict *v = &told->v;
	struct sfeed *f;

	sim_trace(s->chan->node, TRACE_JUDGED, truth, v->version, v->bit);
	if (v->version >= s->nversions || v->version < told->version)
		sim_broken(s->chan->node->w, "node %u: sink %llx is told of version %u of %u, "
			   "after %u", s->chan->node->index, (unsigned long long)s->m.id,
			   v->version, s->nversions - 1, told->version);
	told->version = v->version;
	told->bit = v->bit;
	told->due = false;
	list_for_each_entry(f, &s->feeds, list)
		if (f->t->index == truth)
			ke_reader_judged(&f->r, v->bit, v->from, v->since);
}

bool verdict_told(struct ssink *s, const struct truth *t, const struct ke_verdict *v)
{
	struct stold *told = told_of(s, t->index);

	told->v = *v;
	told->due = true;
	/* Of a sink in another process it is known once that runs. */
	if (s->by_itself) {
		ssink_wake(s->chan);
		return false;
	}
	take(s, told, t->index);
	return true;
}

void verdict_took(struct ssink *s)
{
	u32 i;

	for (i = 0; i < s->ntold; i++) {
		if (!s->told[i].due)
			continue;
		take(s, &s->told[i], i);
		ke_member_took(&s->m, s->chan->node->w->truth[i]->member, s->told[i].version);
	}
}

void verdict_begin(struct sfeed *f)
{
	struct ke_verdict v;

	if (ke_member_verdict(&f->sink->m, f->t->member, &v))
		ke_reader_judged(&f->r, v.bit, v.from, v.since);
}

/* ------------------------------------------------------------ when it is judged */

/* On one host it is judged for also while its node counts as failed. */
static const struct ke_remote *known_at(const struct schan *c, const struct ssink *s)
{
	const struct ke_presence *pr;
	const struct ke_remote *m;

	list_for_each_entry(pr, &c->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->id == s->m.id && (m->state == KE_JOINED || pr->peer->local))
				return m;
	return NULL;
}

struct sfilter_to verdict_to(const struct snode *n, const struct ke_attrs *sink,
			     const struct ke_attrs *node)
{
	u64 now_ms = snode_now_us(n) / 1000;

	return (struct sfilter_to){
		.sink = sfilter_number(sink, SFILTER_SINK_NAME),
		.node = sfilter_number(node, SFILTER_NODE_NAME),
		.sink_age = sfilter_age(sink, SFILTER_SINK_NAME, now_ms),
		.node_age = sfilter_age(node, SFILTER_NODE_NAME, now_ms),
	};
}

struct sfilter_from verdict_from(const struct schan *c, const struct ke_attrs *source,
				 const struct ke_attrs *node)
{
	return (struct sfilter_from){
		.channel = sfilter_number(&c->ch.attrs, SFILTER_CHANNEL_NAME),
		.source = sfilter_number(source, SFILTER_SOURCE_NAME),
		.node = sfilter_number(node, SFILTER_NODE_NAME),
	};
}

static void add(struct truth *t, struct truth_event *e, const struct verdict *v)
{
	if (t->nverdicts == t->verdict_room) {
		t->verdict_room = 2 * t->verdict_room + 256;
		t->verdict = sim_grow(t->verdict, t->verdict_room * sizeof(t->verdict[0]));
	}
	t->verdict[t->nverdicts++] = *v;
	e->nverdicts++;
}

static void judge_for(struct ssource *src, struct truth_event *e, struct ssink *s)
{
	struct snode *n = src->chan->node;
	struct stold *told = told_of(s, src->t->index);
	const struct ke_remote *m = known_at(src->chan, s);
	struct verdict v = {
		.sink = s->number, .oldest = told->version, .newest = s->nversions - 1,
	};

	v.known = m || s->chan == src->chan;
	if (m)
		v.to = verdict_to(n, &m->attrs, &m->presence->peer->attrs);
	else if (v.known)
		v.to = verdict_to(n, &s->m.attrs, &n->node.attrs);
	if (v.known) {
		sages_check(&s->zone, n, s->chan->node, v.to.sink, v.to.sink_age);
		sages_check(&s->chan->node->load, n, s->chan->node, v.to.node, v.to.node_age);
	}
	told->known |= v.known;
	v.settled = v.oldest && v.oldest == v.newest && told->bit < KE_BIT_SELF;
	if (n->w->phase == PHASE_QUIET && v.known && v.oldest != v.newest && !n->w->stirred)
		sim_broken(n->w, "node %u: source %u may judge for sink %llx by version %u of %u, "
			   "though all has settled", n->index, src->t->index,
			   (unsigned long long)s->m.id, v.oldest, v.newest);
	if (told->known)
		add(src->t, e, &v);
}

void verdict_take(struct ssource *src, u64 seq)
{
	struct sim *w = src->chan->node->w;
	struct truth_event *e = truth_event(src->t, seq);
	struct ssink *s;
	u32 i;

	if (!w->opt.filters)
		return;
	e->verdicts = src->t->nverdicts;
	e->nverdicts = 0;
	e->from = verdict_from(src->chan, &src->s.member.attrs, &src->chan->node->node.attrs);
	for (i = 0; i < w->opt.nodes; i++)
		list_for_each_entry(s, &w->node[i].chan[src->chan->which].sinks, list)
			judge_for(src, e, s);
}

static const struct verdict *verdict_of(const struct truth *t, u64 seq, const struct ssink *s)
{
	const struct truth_event *e = &t->event[seq];
	u64 i;

	for (i = e->verdicts; i < e->verdicts + e->nverdicts; i++)
		if (t->verdict[i].sink == s->number)
			return &t->verdict[i];
	return NULL;
}

/*
 * Has one of the versions said so? A newer one, which the sink was told of meanwhile, may
 * have: where others had that filter already its bit is in older records, too, also in those
 * from before the source knew of the sink.
 */
static bool has_said(const struct sfeed *f, u64 seq, bool yes)
{
	static const struct verdict nothing = { .to = { -1, -1, -1, -1 } };
	const struct verdict *v = verdict_of(f->t, seq, f->sink) ?: &nothing;
	const struct sfilter *version = f->sink->version;
	u32 newest = max_t(u32, v->newest, told_of(f->sink, f->t->index)->v.version), i;

	for (i = v->oldest; i <= newest; i++)
		if ((v->known || !sfilter_asks_of_sink(&version[i])) &&
		    sfilter_wants(&version[i], f->t, seq, &f->t->event[seq].from, &v->to) == yes)
			return true;
	return false;
}

/* ------------------------------------------------------------- when it is read */

static void wrong(struct sfeed *f, u64 seq, const char *what)
{
	struct snode *n = f->sink->chan->node;

	sim_broken(n->w, "node %u, sink %llx: event %u.%llu %s; it has all to %llu", n->index,
		   (unsigned long long)f->sink->m.id, f->t->index, (unsigned long long)seq, what,
		   (unsigned long long)f->seq);
}

/* It may have been, at its source. */
static bool has_expired(const struct sfeed *f, u64 seq)
{
	const struct snode *n = &f->sink->chan->node->w->node[f->t->node];
	u64 deadline_ns = f->t->event[seq].deadline_ns;

	return deadline_ns && snode_has_been(n, deadline_ns);
}

/* Nobody has told it of this one: it was not for it, or had expired. Which of both its host was
 * told goes by what all sinks there want. */
static void skip_one(struct sfeed *f, u64 seq)
{
	struct cover *c = &f->sink->chan->node->w->cover;
	bool others = !schoice_is_for(f->t, seq, f->sink->m.id), expired = has_expired(f, seq);

	if (f->t->event[seq].state == TRUTH_VOID) {
		f->voids++;
	} else if (!others && !verdict_of(f->t, seq, f->sink)) {
		f->unknown++;
	} else if (others || has_said(f, seq, false)) {
		c->path[PATH_OTHERS] += others;
		*(expired ? &f->either : &f->skipped) += 1;
	} else {
		if (!expired)
			wrong(f, seq, "is kept from it, which it wants");
		c->path[PATH_EXPIRED]++;
		f->expired++;
	}
}

static void miscounted(struct sfeed *f, u64 n, const char *what, u64 were)
{
	sim_broken(f->sink->chan->node->w, "node %u, sink %llx: of source %u %llu events are "
		   "counted as %s, but %llu were", f->sink->chan->node->index,
		   (unsigned long long)f->sink->m.id, f->t->index, (unsigned long long)n, what,
		   (unsigned long long)were);
}

static void check_count(struct sfeed *f)
{
	u64 filtered = f->r.filtered, expired = f->r.expired, more = f->unknown + f->voids;
	u64 all = f->skipped + f->expired + f->either;

	if (filtered < f->skipped || filtered > f->skipped + f->either + more)
		miscounted(f, filtered, "filtered", f->skipped);
	if (expired < f->expired || expired > f->expired + f->either + f->unknown)
		miscounted(f, expired, "expired", f->expired);
	if (filtered + expired < all || filtered + expired > all + more)
		miscounted(f, filtered + expired, "filtered or expired", all);
}

void verdict_skip(struct sfeed *f, u64 last)
{
	struct snode *n = f->sink->chan->node;
	u64 seq = f->seq, skipped = f->skipped, unknown = f->unknown;

	if (last > f->t->n) {
		wrong(f, last, "is kept from it, which was never submitted");
		return;
	}
	if (!n->w->opt.filters || last <= f->seq)
		return;
	sim_trace(n, TRACE_SKIPPED, f->t->index, f->seq + 1, last);
	while (seq < last)
		skip_one(f, ++seq);
	n->w->cover.path[PATH_FILTERED] += f->skipped - skipped;
	n->w->cover.path[PATH_UNKNOWN] += f->unknown - unknown;
	f->seq = last;
}

/* By what its own node knows. */
static bool judge_here(const struct sfeed *f, u64 seq)
{
	static const struct ke_attrs none;
	const struct schan *c = f->sink->chan;
	const struct ke_attrs *self = &c->node->node.attrs;
	struct sfilter_to to = verdict_to(c->node, &f->sink->m.attrs, self);
	struct sfilter_from from;

	if (f->src)
		from = verdict_from(c, &f->src->s.member.attrs, self);
	else if (f->rs)
		from = verdict_from(c, &f->rs->remote->attrs, &f->rs->peer->attrs);
	else
		from = verdict_from(c, &none, &none);
	return sfilter_wants(newest(f->sink), f->t, seq, &from, &to);
}

bool verdict_got(struct sfeed *f, const struct ke_item *item)
{
	struct sim *w = f->sink->chan->node->w;
	const struct verdict *v = w->opt.filters ? verdict_of(f->t, item->seq, f->sink) : NULL;
	const struct truth_event *e = &f->t->event[item->seq];
	bool wanted = true;

	if (!w->opt.filters)
		return true;
	check_count(f);
	if (!schoice_is_for(f->t, item->seq, f->sink->m.id)) {
		wrong(f, item->seq, "comes, which is for others");
	} else if (item->judged && !has_said(f, item->seq, true)) {
		wrong(f, item->seq, "comes, which it does not want");
	} else if (!item->judged) {
		if (v && v->settled && e->settled && e->judged && !w->stirred)
			wrong(f, item->seq, "comes unjudged, though all has settled");
		wanted = judge_here(f, item->seq);
		w->cover.path[PATH_SELF]++;
	}
	w->cover.path[PATH_JUDGED] += item->judged;
	return wanted;
}

/* ------------------------------------------------------------------- at the end */

bool verdict_unwanted(const struct sfeed *f, u64 seq)
{
	return f->sink->chan->node->w->opt.filters &&
	       (has_said(f, seq, false) || !schoice_is_for(f->t, seq, f->sink->m.id) ||
		has_expired(f, seq));
}

/* Its source's node doesn't know whose bits are whose: it looks whether one of the sinks there
 * is named, and whether one of them wants it, or may. */
static bool wanted_at(const struct ssource *src, struct schan *c, u64 seq)
{
	const struct truth *t = src->t;
	const struct truth_event *e = &t->event[seq];
	bool named = false, wanted = src->s.retain || !e->judged;
	const struct verdict *v;
	struct ssink *s;

	list_for_each_entry(s, &c->sinks, list) {
		v = verdict_of(t, seq, s);
		named |= schoice_is_for(t, seq, s->m.id);
		wanted |= !v || !v->settled ||
			  sfilter_wants(&s->version[v->newest], t, seq, &e->from, &v->to);
	}
	return named && wanted;
}

/* What was in the log when its node heard that less is wanted than before is sent. */
static bool is_judged(struct ssource *src, u16 node, const struct truth_event *e)
{
	const struct ke_tstream *ts = ssource_stream_to(src, node);

	return e->settled && ts && e->pos >= ts->judge_from;
}

static void sent_one(struct ssource *src, u16 node, u64 seq)
{
	struct sim *w = src->chan->node->w;
	const struct truth_event *e = &src->t->event[seq];

	/* A few bytes that nobody wants are sent along with others, whatever their deadline: a
	 * word would cost more. */
	if (e->size < KE_PASS_MIN && (e->judged || e->named))
		return;
	if (e->deadline_ns && snode_real_ns(src->chan->node) > e->deadline_ns)
		sim_broken(w, "node %u: event %u.%llu is sent to node %u, but it has expired",
			   src->chan->node->index, src->t->index, (unsigned long long)seq, node);
	/* Who goes may be sent what it wanted. */
	if (w->stirred || w->phase >= PHASE_CLOSE || !is_judged(src, node, e) ||
	    (src->s.retain && !e->named))
		return;
	w->cover.path[PATH_WANTED]++;
	if (!wanted_at(src, &w->node[node].chan[src->chan->which], seq))
		sim_broken(w, "node %u: event %u.%llu is sent to node %u, where nobody wants it",
			   src->chan->node->index, src->t->index, (unsigned long long)seq, node);
}

/* What the credit ends in is sent. */
void verdict_sent(struct ssource *src, u16 node, u64 pos, u64 end)
{
	const struct truth *t = src->t;
	const struct truth_event *e;
	u64 seq;

	for (seq = t->n; seq && t->n - seq < LAST_LOOKED; seq--) {
		e = &t->event[seq];
		if (e->size && e->pos >= pos && e->pos + e->size <= end)
			sent_one(src, node, seq);
	}
}
