// SPDX-License-Identifier: MIT
/*
 * What must be true some time after the faults have ended.
 */
#include "sim.h"

static char why[200];

#define SAY(fmt, ...) (snprintf(why, sizeof(why), fmt, ##__VA_ARGS__), why)

static struct ke_presence *presence_of(struct schan *c, const struct snode *of)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &c->ch.presences, channel_list)
		if (!ke_id_cmp(&pr->peer->contact.node, &of->node.self.node))
			return pr;
	return NULL;
}

static const struct ke_remote *find_remote(const struct ke_presence *pr, u64 id)
{
	const struct ke_remote *m;

	list_for_each_entry(m, &pr->remotes, list)
		if (m->id == id)
			return m;
	return NULL;
}

static bool same_attrs(const struct ke_attrs *a, const struct ke_attrs *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->buf, b->buf, a->len));
}

static bool same_member(const struct ke_remote *r, const struct ke_member *m)
{
	return r && r->role == m->role && r->policy == m->policy &&
	       r->traffic_class == m->traffic_class && r->state == KE_JOINED &&
	       !r->stale && same_attrs(&r->attrs, &m->attrs);
}

/* They may stand in another order. */
static bool agree(const struct ke_attrs *a, const struct ke_attrs *b)
{
	struct ke_value x = { 0 }, y = { 0 };
	u32 i;

	for (i = 0; i < CHURN_ATTRS; i++)
		if (ke_attrs_find(a->buf, a->len, churn_attrs[i], &x) !=
			    ke_attrs_find(b->buf, b->len, churn_attrs[i], &y) ||
		    x.i64 != y.i64)
			return false;
	return true;
}

/* All that @of has in the channel, as @c sees it. */
static const char *members_known(struct schan *c, struct schan *of, const struct ke_presence *pr)
{
	const struct ke_remote *r;
	const struct ke_member *m;
	u32 n = 0, is = 0;

	list_for_each_entry(m, &of->ch.members, list) {
		if (!same_member(find_remote(pr, m->id), m))
			return SAY("node %u doesn't know member %llx of node %u as it is",
				   c->node->index, (unsigned long long)m->id, of->node->index);
		n++;
	}
	list_for_each_entry(r, &pr->remotes, list)
		is++;
	if (is != n)
		return SAY("node %u knows %u members of node %u, which has %u", c->node->index, is,
			   of->node->index, n);
	return NULL;
}

static const char *pair_converged(struct schan *a, struct schan *b)
{
	const struct ke_presence *pr = presence_of(a, b->node);

	if (ke_id_cmp(&a->ch.uuid, &b->ch.uuid))
		return SAY("channel %u is another on node %u than on node %u", a->which,
			   a->node->index, b->node->index);
	if (!pr || !pr->peer->link || !pr->here || !pr->synced)
		return SAY("node %u is not linked to node %u in channel %u", a->node->index,
			   b->node->index, a->which);
	if (pr->peer->contact.incarnation != b->node->incarnation)
		return SAY("node %u knows an old incarnation of node %u", a->node->index,
			   b->node->index);
	if (!same_attrs(&pr->peer->attrs, &b->node->node.attrs))
		return SAY("node %u knows other attributes of node %u", a->node->index,
			   b->node->index);
	if (!agree(&a->ch.attrs, &b->ch.attrs))
		return SAY("nodes %u and %u disagree on attributes of channel %u",
			   a->node->index, b->node->index, a->which);
	return members_known(a, b, pr);
}

/* Nobody answers there as that node: it is dialled until it is forgotten. */
static bool all_failed(const struct ke_presence *pr)
{
	const struct ke_remote *m;

	list_for_each_entry(m, &pr->remotes, list)
		if (m->state != KE_FAILED)
			return false;
	return pr->peer->failed && !pr->peer->link;
}

static const char *nobody_else(struct schan *c)
{
	const struct ke_presence *pr;
	const struct snode *of;

	list_for_each_entry(pr, &c->ch.presences, channel_list) {
		if (all_failed(pr))
			continue;
		of = snode_by_id(c->node->w, &pr->peer->contact.node);
		if (!of || of->chan[c->which].state != CHAN_OPEN)
			return SAY("node %u believes that a node %s is in channel %u",
				   c->node->index, of ? "that has left it" : "that is no more",
				   c->which);
	}
	return NULL;
}

static const char *chan_converged(struct schan *a)
{
	struct sim *w = a->node->w;
	const char *bad = nobody_else(a);
	const struct ssource *src;
	const struct ssink *s;
	struct schan *b;
	u32 i;

	for (i = 0; i < w->opt.nodes && !bad; i++) {
		b = &w->node[i].chan[a->which];
		if (b != a && b->state == CHAN_OPEN)
			bad = pair_converged(a, b);
	}
	if (!bad && ke_channel_frozen(&a->ch))
		bad = SAY("channel %u is frozen at node %u", a->which, a->node->index);
	if (!bad && (!ke_channel_acked(&a->ch) || !ke_channel_started(&a->ch)))
		bad = SAY("node %u waits for an answer in channel %u", a->node->index, a->which);
	list_for_each_entry(src, &a->sources, list)
		if (!bad && src->s.choice && src->s.choice->stale)
			bad = SAY("source %u of node %u has yet to see what has changed",
				  src->t->index, a->node->index);
	list_for_each_entry(s, &a->sinks, list)
		if (!bad && !ke_member_filtered(&s->m))
			bad = SAY("not all sources judge for sink %llx of node %u",
				  (unsigned long long)s->m.id, a->node->index);
	return bad;
}

const char *check_converged(struct sim *w)
{
	const char *bad = NULL;
	struct schan *c;
	u32 i, k;

	for (i = 0; i < w->opt.nodes && !bad; i++) {
		/* It stood still when it was to open its channels, or its process is to come. */
		if (timer_is_set(&w->node[i].life))
			bad = SAY("node %u has yet to open its channels", i);
		for (k = 0; k < w->opt.channels && !bad; k++) {
			c = &w->node[i].chan[k];
			if (c->state == CHAN_OPEN)
				bad = chan_converged(c);
			else if (c->state != CHAN_CLOSED)
				bad = SAY("node %u is still %s channel %u", i,
					  c->state == CHAN_JOINING ? "joining" : "closing", k);
		}
	}
	return bad;
}

/* ------------------------------------------------------------------- drained */

static struct sfeed *feed_of(struct ssink *s, const struct truth *t)
{
	struct sfeed *f;

	list_for_each_entry(f, &s->feeds, list)
		if (f->t == t && !f->gone)
			return f;
	return NULL;
}

/* Not all that it could read is for it. */
static bool is_kept_from_some(const struct sfeed *f)
{
	const struct ssink *s = f->sink;

	return s->version[s->nversions - 1].kind != SFILTER_NONE || f->t->names || f->t->lives;
}

/*
 * Who was overtaken within the pieces of the last event has nothing more to read; that it
 * lost that event it is told with the next one, or the end. Nor need it have heard of what
 * it does not want, or of what it lost before that.
 */
static bool has_all(const struct sfeed *f)
{
	u64 seq = f->seq + 1;

	while (seq <= f->t->n &&
	       (f->t->event[seq].state == TRUTH_VOID || verdict_unwanted(f, seq)))
		seq++;
	if ((seq == f->t->n || is_kept_from_some(f)) &&
	    (f->sink->m.policy != SINK_BLOCK ||
	     seq <= f->t->ungated_to[f->sink->chan->node->index]))
		return ke_reader_head(&f->r) == f->r.pos;
	return seq > f->t->n;
}

static const char *sink_drained(struct ssink *s, struct schan *from)
{
	const struct ke_tstream *ts;
	struct ssource *src;
	struct sfeed *f;

	list_for_each_entry(src, &from->sources, list) {
		f = feed_of(s, src->t);
		if (!f)
			return SAY("sink %llx of node %u doesn't read source %u of node %u",
				   (unsigned long long)s->m.id, s->chan->node->index,
				   src->t->index, from->node->index);
		if (!has_all(f))
			return SAY("sink %llx of node %u has events of source %u to %llu of %llu",
				   (unsigned long long)s->m.id, s->chan->node->index,
				   src->t->index, (unsigned long long)f->seq,
				   (unsigned long long)src->t->n);
		if (!salive_settled(f))
			return SAY("sink %llx of node %u takes source %u for silent",
				   (unsigned long long)s->m.id, s->chan->node->index,
				   src->t->index);
		ts = ssource_stream_to(src, s->chan->node->index);
		if (!slife_same_count(f, ts))
			return SAY("sink %llx of node %u has counted %llu expired events of source "
				   "%u, which has counted %llu", (unsigned long long)s->m.id,
				   s->chan->node->index, (unsigned long long)f->r.expired,
				   src->t->index, (unsigned long long)ts->expired);
		if (src->piece_seq || src->nreserved || !src->ready)
			return SAY("source %u of node %u has not finished", src->t->index,
				   from->node->index);
	}
	return NULL;
}

const char *check_drained(struct sim *w)
{
	const char *bad = NULL;
	struct ssink *s;
	u32 i, j, k;

	for (i = 0; i < w->opt.nodes; i++)
		for (k = 0; k < w->opt.channels; k++)
			list_for_each_entry(s, &w->node[i].chan[k].sinks, list)
				for (j = 0; j < w->opt.nodes && !bad; j++)
					bad = sink_drained(s, &w->node[j].chan[k]);
	return bad;
}
