// SPDX-License-Identifier: MIT
/*
 * The state of the world when an invariant broke, to be read beside the trace.
 */
#include <stdio.h>

#include "sim.h"

static void show_gate(const struct ke_gate *g)
{
	printf("#     gate at %llu\n", (unsigned long long)g->seen);
}

static void show_stream(const struct ke_tstream *ts)
{
	printf("#     to node %u: sent %llu, acknowledged %llu, credit %lld%s%s%s\n",
	       snode_index(&ts->peer->contact), (unsigned long long)ts->sent,
	       (unsigned long long)ts->acked, (long long)ts->credit, ts->gated ? ", gated" : "",
	       ts->link ? ", flows" : "", ts->ended ? ", ended" : "");
}

static void show_source(const struct ssource *s)
{
	const struct ke_tstream *ts;
	const struct ke_gate *g;

	printf("#   source %u, log %u: events %llu, tail %llu, head %llu, end %llu, size %llu, "
	       "limit %lld, %u reserved%s%s%s\n",
	       s->t->index, s->s.id, (unsigned long long)s->t->n,
	       (unsigned long long)s->s.log.tail, (unsigned long long)s->s.log.head,
	       (unsigned long long)s->s.log.end, (unsigned long long)s->s.log.size,
	       (long long)s->s.limit, s->nreserved, s->waiting ? ", waits" : "",
	       s->piece_seq ? ", in pieces" : "", s->closing ? ", closing" : "");
	list_for_each_entry(ts, &s->s.streams, source_list)
		show_stream(ts);
	list_for_each_entry(g, &s->s.gates, list)
		show_gate(g);
}

static void show_feed(const struct sfeed *f)
{
	printf("#     source %u: has %llu, reads at %llu, released %llu, "
	       "log %llu to %llu%s%s%s%s\n",
	       f->t->index, (unsigned long long)f->seq, (unsigned long long)f->r.pos,
	       (unsigned long long)f->released, (unsigned long long)f->r.view.hdr->tail,
	       (unsigned long long)f->r.view.hdr->head, f->src ? ", own" : "",
	       f->ended ? ", ended" : "", f->gone ? ", gone" : "", f->told ? ", told" : "");
	if (f->rs)
		printf("#       mirror to %llu, credit %lld, released %llu, starts due %u%s%s%s\n",
		       (unsigned long long)f->rs->mirror.end, (long long)f->rs->credit,
		       (unsigned long long)f->rs->released, f->rs->starts_due,
		       f->rs->gated ? ", gated" : "", f->rs->ended ? ", ended" : "",
		       f->rs->resumes ? ", resumes" : "");
}

static void show_chan(const struct schan *c)
{
	const struct ke_presence *pr;
	const struct ssource *s;
	const struct ssink *k;
	const struct sfeed *f;

	printf("#  channel %u: %s, %u sinks, %u gated\n", c->which,
	       c->state == CHAN_OPEN ? "open" : c->state == CHAN_JOINING ? "joining" :
									   "closing",
	       c->ch.sinks, c->ch.gated);
	if (!c->ch.node)
		return;
	list_for_each_entry(pr, &c->ch.presences, channel_list)
		printf("#   with node %u:%s%s%s%s\n", snode_index(&pr->peer->contact),
		       pr->said ? " said" : "", pr->here ? " here" : "",
		       pr->synced ? " synced" : "", pr->peer->failed ? " failed" : "");
	list_for_each_entry(s, &c->sources, list)
		show_source(s);
	list_for_each_entry(k, &c->sinks, list) {
		printf("#   sink %llx, policy %u%s\n", (unsigned long long)k->m.id, k->m.policy,
		       timer_is_set(&k->read) ? ", will read" : "");
		list_for_each_entry(f, &k->feeds, list)
			show_feed(f);
	}
}

static void show_node(const struct snode *n)
{
	const struct conn *c;
	u32 i;

	printf("# node %u: %s\n", n->index, n->up ? "up" : n->host_down ? "crashed" :
									  "down");
	if (!n->up)
		return;
	list_for_each_entry(c, &n->conns, list)
		printf("#  connection %u to node %u:%s%s%s%s%s\n", c->id, c->peer,
		       c->open ? " open" : "", c->link.peer ? " greeted" : "",
		       c->other ? "" : " alone", c->hole ? " hears nothing" : "",
		       c->full ? " full" : "");
	for (i = 0; i < n->w->opt.channels; i++)
		if (n->chan[i].state != CHAN_CLOSED)
			show_chan(&n->chan[i]);
}

void show_world(const struct sim *w)
{
	u32 i;

	for (i = 0; i < w->opt.nodes; i++)
		show_node(&w->node[i]);
}
