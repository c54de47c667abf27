// SPDX-License-Identifier: MIT
/*
 * For which sinks a source's events are: its filter for OUT chooses them, or it names one.
 *
 * Of each event it is kept whom its record names. That these are the right ones is seen as it
 * is submitted: from all sinks that its node knows of then, with what it knows of them, the
 * filter's few lines of C choose, too. Which ones of equal score are the best is left to core.
 */
#include "sim.h"

enum { ADDRESSED_ONE_IN = 8 };

/* A sink that the source's node knows of. */
struct candidate {
	u64 id, score;
	bool yes, named;
};

struct roster {
	u32 n;
	struct candidate sink[SIM_NODES_MAX * SIM_MEMBERS_MAX];
};

static struct snode *node_of(const struct ssource *s)
{
	return s->chan->node;
}

/* -------------------------------------------------------------------- changes */

void schoice_set(struct ssource *s, struct sfilter f)
{
	struct snode *n = node_of(s);
	char why[KE_TYPE_WHY_MAX];
	const void *wire;
	u32 len;
	int err;

	wire = sfilter_wire(&f, &len);
	err = ke_source_choose(&s->s, wire, len, why);
	if (err && err != -ENOMEM)
		sim_broken(n->w, "node %u: a filter of source %u is refused (%d): %s", n->index,
			   s->t->index, err, why);
	if (err)
		return;
	s->out = f;
	sim_trace(n, TRACE_CHOOSES, s->t->index, f.kind, f.best);
}

void schoice_address(struct ssource *s)
{
	s->addresses = !ke_source_address(&s->s);
}

/* ----------------------------------------------------------- those that there are */

static struct candidate *add(struct roster *r, u64 id)
{
	r->sink[r->n] = (struct candidate){ .id = id };
	return &r->sink[r->n++];
}

static void look_at(const struct ssource *s, u64 seq, struct candidate *c, struct sfilter_to to)
{
	const struct sfilter_from *from = &s->t->event[seq].from;

	c->yes = sfilter_scores(&s->out, s->t, seq, from, &to, &c->score);
}

static void look_at_all(const struct ssource *s, u64 seq, struct roster *r)
{
	const struct snode *n = node_of(s);
	const struct ke_presence *pr;
	const struct ke_remote *m;
	const struct ssink *own;

	r->n = 0;
	list_for_each_entry(own, &s->chan->sinks, list)
		look_at(s, seq, add(r, own->m.id), verdict_to(n, &own->m.attrs, &n->node.attrs));
	list_for_each_entry(pr, &s->chan->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->role == KE_SINK && m->state == KE_JOINED)
				look_at(s, seq, add(r, m->id),
					verdict_to(n, &m->attrs, &pr->peer->attrs));
}

/* ------------------------------------------------------------------ submissions */

/* 0: there is none. */
static u64 any_sink(const struct ssource *s)
{
	struct sim *w = node_of(s)->w;
	const struct ke_presence *pr;
	const struct ke_remote *m;
	const struct ssink *own;
	u64 found = 0;
	u32 n = 0;

	list_for_each_entry(own, &s->chan->sinks, list)
		if (!sim_random(w, ++n))
			found = own->m.id;
	list_for_each_entry(pr, &s->chan->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->role == KE_SINK && m->state == KE_JOINED && !sim_random(w, ++n))
				found = m->id;
	return found;
}

static bool address(struct ssource *s, struct ke_event_info *info)
{
	struct snode *n = node_of(s);
	u64 id;

	if (!s->addresses || !sim_one_in(n->w, ADDRESSED_ONE_IN))
		return false;
	id = any_sink(s);
	if (id && !ke_choice_has(s->s.choice, id) && !s->s.choice->stale)
		sim_broken(n->w, "node %u: source %u can't name sink %llx, which there is",
			   n->index, s->t->index, (unsigned long long)id);
	if (!id)
		return false;
	s->one = cpu_to_le64(id);
	info->named = true;
	info->to = &s->one;
	info->nto = 1;
	n->w->cover.path[PATH_ADDRESSED]++;
	return true;
}

/* As lib/submit.c does; the source's lock is held. */
void schoice_make(struct ssource *s, struct ke_event_info *info, u64 seq, const void *payload,
		  u32 len)
{
	int err;

	info->named = false;
	if (address(s, info) || !ke_choice_chooses(s->s.choice))
		return;
	err = ke_choice_event(s->s.choice, info, seq, payload, len, &sim_filter_ops);
	if (err)
		sim_broken(node_of(s)->w, "source %u: a choice gives %d at event %llu",
			   s->t->index, err, (unsigned long long)seq);
}

/* ---------------------------------------------------------- are these the right ones */

static void wrong(const struct ssource *s, u64 seq, u64 sink, const char *what)
{
	sim_broken(node_of(s)->w, "node %u: event %u.%llu is %s sink %llx", node_of(s)->index,
		   s->t->index, (unsigned long long)seq, what, (unsigned long long)sink);
}

static void mark_named(const struct ssource *s, u64 seq, const struct ke_event_info *info,
		       struct roster *r)
{
	u32 i, k;

	for (i = 0; i < info->nto; i++) {
		for (k = 0; k < r->n && r->sink[k].id != le64_to_cpu(info->to[i]); k++)
			;
		if (k == r->n)
			wrong(s, seq, le64_to_cpu(info->to[i]), "for one that is not there,");
		else
			r->sink[k].named = true;
	}
}

/* Of those that it is not for none is better than any that it is for. */
static void check_each(const struct ssource *s, u64 seq, const struct roster *r)
{
	const struct candidate *c;
	u64 worst = U64_MAX;

	for (c = r->sink; c < r->sink + r->n; c++)
		if (c->named)
			worst = min(worst, c->score);
	for (c = r->sink; c < r->sink + r->n; c++) {
		if (c->named && !c->yes)
			wrong(s, seq, c->id, "by mistake for");
		if (!c->named && c->yes && (!s->out.best || c->score > worst))
			wrong(s, seq, c->id, "not for");
	}
}

static void check_choice(const struct ssource *s, u64 seq, const struct ke_event_info *info)
{
	static struct roster r;
	u32 i, yes = 0, most = s->out.best;

	look_at_all(s, seq, &r);
	mark_named(s, seq, info, &r);
	check_each(s, seq, &r);
	for (i = 0; i < r.n; i++)
		yes += r.sink[i].yes;
	if (info->nto != (most ? min(most, yes) : yes))
		sim_broken(node_of(s)->w, "node %u: event %u.%llu is for %u sinks of %u",
			   node_of(s)->index, s->t->index, (unsigned long long)seq, info->nto,
			   yes);
}

/* It is asked once: for all, or for nobody. */
static void check_once(const struct ssource *s, u64 seq, const struct ke_event_info *info)
{
	static const struct sfilter_to nobody = { -1, -1, -1, -1 };

	if (info->nto || info->named == sfilter_wants(&s->out, s->t, seq, &s->t->event[seq].from,
						      &nobody))
		sim_broken(node_of(s)->w, "node %u: event %u.%llu is for %s", node_of(s)->index,
			   s->t->index, (unsigned long long)seq, info->named ? "nobody" : "all");
}

static void check(const struct ssource *s, u64 seq, const struct ke_event_info *info)
{
	if (s->out.kind == SFILTER_NONE || s->s.choice->stale || info->to == &s->one)
		return;
	if (s->out.best || sfilter_asks_of_sink(&s->out))
		check_choice(s, seq, info);
	else
		check_once(s, seq, info);
}

/* ------------------------------------------------------------------- what is kept */

static void keep(struct truth *t, u64 id)
{
	if (t->nto == t->to_room) {
		t->to_room = 2 * t->to_room + 256;
		t->to = sim_grow(t->to, t->to_room * sizeof(t->to[0]));
	}
	t->to[t->nto++] = id;
}

void schoice_take(struct ssource *s, u64 seq, const struct ke_event_info *info)
{
	struct truth_event *e = truth_event(s->t, seq);
	struct cover *c = &node_of(s)->w->cover;
	u32 i;

	if (!node_of(s)->w->opt.filters)
		return;
	check(s, seq, info);
	e->named = info->named;
	if (!info->named)
		return;
	s->t->names = true;
	e->to = s->t->nto;
	e->nto = info->nto;
	for (i = 0; i < info->nto; i++)
		keep(s->t, le64_to_cpu(info->to[i]));
	c->path[PATH_CHOSEN] += info->nto && info->to != &s->one;
	c->path[PATH_NOBODY] += !info->nto;
}

bool schoice_is_for(const struct truth *t, u64 seq, u64 sink)
{
	const struct truth_event *e = &t->event[seq];
	u32 i;

	for (i = 0; i < e->nto; i++)
		if (t->to[e->to + i] == sink)
			return true;
	return !e->named;
}
