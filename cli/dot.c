/* SPDX-License-Identifier: MIT */
/*
 * What is seen, as a graph: nodes are boxes with their members inside, channels stand
 * between sources and sinks, and this node's links are dashed. Ids are made of numbers;
 * what others chose stands in labels only. Colours are such that they are seen on light
 * and dark.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"
#include "escape.h"
#include "format.h"
#include "members.h"

#define INK		"#6b7280"
#define CHANNEL_INK	"#0e7490"
#define TROUBLE_INK	"#dc2626"

/* In a label `&` begins a character of HTML. */
static void label_text(struct buf *b, const char *s)
{
	for (size_t n; *s; s += n) {
		n = strcspn(s, "&");
		escape(b, s, n);
		if (s[n] == '&') {
			buf_str(b, "&amp;");
			n++;
		}
	}
}

void dot_string(struct buf *b, const char *s)
{
	buf_char(b, '"');
	label_text(b, s);
	buf_char(b, '"');
}

static void head(struct buf *b)
{
	buf_str(b, "digraph kecho {\n"
		   "\tgraph [rankdir=LR, bgcolor=transparent, style=rounded,\n"
		   "\t\tfontname=\"sans-serif\", fontsize=12,\n"
		   "\t\tcolor=\"" INK "\", fontcolor=\"" INK "\"];\n"
		   "\tnode [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11,\n"
		   "\t\tcolor=\"" INK "\", fontcolor=\"" INK "\"];\n"
		   "\tedge [fontname=\"sans-serif\", fontsize=10, color=\"" INK "\",\n"
		   "\t\tfontcolor=\"" INK "\"];\n");
}

/* --------------------------------------------------------------------- nodes */

/* A member, and the number of its channel, for the order by nodes. */
struct placed {
	const struct rated *m;
	size_t channel;
};

static int by_node(const void *a, const void *b)
{
	const struct kecho_member_stats *x = &((const struct placed *)a)->m->now;
	const struct kecho_member_stats *y = &((const struct placed *)b)->m->now;

	if (x->member.node != y->member.node)
		return x->member.node < y->member.node ? -1 : 1;
	return (x->member.id > y->member.id) - (x->member.id < y->member.id);
}

static struct placed *place(const struct sight *s, size_t *n)
{
	struct placed *p;

	*n = 0;
	for (size_t i = 0; i < s->n; i++)
		*n += s->c[i].now.n;
	p = grow(NULL, *n, sizeof(*p));
	*n = 0;
	for (size_t i = 0; i < s->n; i++)
		for (size_t j = 0; j < s->c[i].now.n; j++)
			p[(*n)++] = (struct placed){ &s->c[i].m[j], i };
	qsort(p, *n, sizeof(*p), by_node);
	return p;
}

static const struct rated_link *link_to(const struct sight *s, uint64_t node)
{
	for (size_t i = 0; i < s->nlinks; i++)
		if (s->l[i].now.node == node)
			return &s->l[i];
	return NULL;
}

static void begin_node(struct buf *b, uint64_t id, const char *name, const char *where)
{
	buf_format(b, "\tsubgraph \"cluster_%016" PRIx64 "\" {\n\t\tlabel=\"", id);
	label_text(b, name[0] ? name : "?");
	buf_format(b, "%s\";\n", where);
	buf_format(b, "\t\t\"n%016" PRIx64 "\" [shape=point, style=filled, label=\"\"];\n", id);
}

static void member(struct buf *b, const struct rated *r)
{
	const struct kecho_member_stats *m = &r->now;
	char lag[FORMAT_MAX];

	buf_format(b, "\t\t\"m%016" PRIx64 "\" [label=\"%s", m->member.id,
		   role_name(m->member.role));
	if (m->member.role == KECHO_SINK)
		buf_format(b, "\\n%s", policy_name(m->member.policy));
	if (m->member.role == KECHO_SINK && m->lag_bytes)
		buf_format(b, "\\nlag %s", format_bytes(lag, m->lag_bytes));
	buf_str(b, "\"];\n");
}

/* The node without a link among those with members, if there is one, is our own. */
static void nodes(struct buf *b, const struct sight *s, uint64_t *self)
{
	const struct placed *at;
	struct placed *p;
	size_t n;

	p = place(s, &n);
	for (at = p; at < p + n;) {
		const struct kecho_member_stats *m = &at->m->now;
		uint64_t id = m->member.node;

		if (!link_to(s, id))
			*self = id;
		begin_node(b, id, m->node_name, m->member.remote ? "" : "\\nthis host");
		for (; at < p + n && at->m->now.member.node == id; at++)
			member(b, at->m);
		buf_str(b, "\t}\n");
	}
	free(p);
}

static bool has_members(const struct sight *s, uint64_t node)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t j = 0; j < s->c[i].now.n; j++)
			if (s->c[i].now.m[j].member.node == node)
				return true;
	return false;
}

/* A node that stands by itself. */
static void lone_node(struct buf *b, uint64_t id, const char *name)
{
	buf_format(b, "\t\"n%016" PRIx64 "\" [label=", id);
	dot_string(b, name[0] ? name : "?");
	buf_str(b, "];\n");
}

/* Among nodes that have nothing to do with the channels that were asked for, none. */
static void links(struct buf *b, const struct sight *s, uint64_t self)
{
	char rtt[FORMAT_MAX];

	if (!self && s->nlinks)
		lone_node(b, self, "this command");
	for (size_t i = 0; i < s->nlinks; i++) {
		const struct kecho_link_info *l = &s->l[i].now;
		bool members = has_members(s, l->node);

		if (!members && s->nnames)
			continue;
		if (!members)
			lone_node(b, l->node, l->name);
		buf_format(b, "\t\"n%016" PRIx64 "\" -> \"n%016" PRIx64 "\"", self, l->node);
		buf_str(b, " [style=dashed, dir=none");
		if (!l->up)
			buf_format(b, ", color=\"" TROUBLE_INK "\", fontcolor=\"" TROUBLE_INK
				   "\", label=\"%s\"", link_state(l));
		else if (l->rtt_ns)
			buf_format(b, ", label=\"%s\"", format_duration(rtt, l->rtt_ns));
		buf_str(b, "];\n");
	}
}

/* ------------------------------------------------------------------ channels */

static void lost(struct buf *b, uint64_t events)
{
	char count[FORMAT_MAX];

	buf_format(b, "lost %s", format_count(count, events));
}

static void edge(struct buf *b, const struct rated *r, const char *channel, bool rates)
{
	const struct kecho_member_stats *m = &r->now;
	bool sink = m->member.role == KECHO_SINK, lossy = sink && m->lost;
	char rate[FORMAT_MAX];

	if (sink)
		buf_format(b, "\t\"%s\" -> \"m%016" PRIx64 "\" [label=\"", channel, m->member.id);
	else
		buf_format(b, "\t\"m%016" PRIx64 "\" -> \"%s\" [label=\"", m->member.id, channel);
	if (rates)
		buf_format(b, "%s/s", format_count(rate, r->events_per_s));
	if (rates && lossy)
		buf_str(b, "\\n");
	if (lossy)
		lost(b, m->lost);
	buf_char(b, '"');
	if (lossy)
		buf_str(b, ", color=\"" TROUBLE_INK "\", fontcolor=\"" TROUBLE_INK "\"");
	buf_str(b, "];\n");
}

static void channel(struct buf *b, const struct sighted *c, size_t number, bool rates)
{
	char id[32];

	snprintf(id, sizeof(id), "c%zu", number);
	buf_format(b, "\t\"%s\" [shape=cds, style=\"\", color=\"" CHANNEL_INK "\", fontcolor=\""
		   CHANNEL_INK "\", label=\"", id);
	label_text(b, c->name);
	if (c->now.silent)
		buf_format(b, "\\n%zu members do not answer", c->now.silent);
	buf_str(b, "\"];\n");
	for (size_t i = 0; i < c->now.n; i++)
		edge(b, &c->m[i], id, rates);
}

void dot_graph(struct buf *b, const struct sight *s, bool rates)
{
	uint64_t self = 0;

	head(b);
	nodes(b, s, &self);
	for (size_t i = 0; i < s->n; i++)
		if (s->c[i].ch)
			channel(b, &s->c[i], i, rates);
	links(b, s, self);
	buf_str(b, "}\n");
}
