// SPDX-License-Identifier: MIT
/*
 * The network: who reaches whom, dials, and what goes wrong with connections.
 */
#include "sim.h"

struct dial {
	struct list_head list;
	struct snode *from;
	struct timer t;
	struct ke_id target;
	u16 to;
	u32 waited_ms;
};

enum { SYN_AGAIN_MS = 250 };

struct path *net_path(const struct sim *w, u16 from, u16 to)
{
	return &w->path[(u32)from * w->opt.nodes + to];
}

u32 net_latency(struct sim *w, u16 from, u16 to)
{
	u32 base = net_path(w, from, to)->latency_us;

	return base + sim_random(w, base / 4 + 1);
}

bool net_open(const struct sim *w, u16 from, u16 to)
{
	if (w->node[from].host_down || w->node[to].host_down)
		return false;
	return snode_same_host(w, from, to) || !net_path(w, from, to)->blocked;
}

/* --------------------------------------------------------------------- dials */

static void dial_free(struct dial *d)
{
	sim_cancel(d->from, &d->t);
	list_del(&d->list);
	sim_free(d);
}

static void dial_refused(struct dial *d, bool dead)
{
	struct snode *n = d->from;
	struct ke_peer *p = ke_peer_find(&n->node, &d->target);

	sim_trace(n, TRACE_REFUSED, d->to, dead, 0);
	dial_free(d);
	if (!p || !p->dialling)
		return;
	ke_peer_refused(p, dead);
	sim_set(n, &n->tick, 1);
}

static void dial_answered(struct dial *d)
{
	struct sim *w = d->from->w;
	struct snode *n = d->from, *to = &w->node[d->to];
	struct conn *a = conn_new(n, d->to, true), *b = conn_new(to, n->index, false);
	struct dial *back;

	a->target = d->target;
	a->other = b;
	b->other = a;
	list_for_each_entry(back, &to->dials, list)
		if (back->to == n->index) {
			w->cover.path[PATH_BOTH_DIAL]++;
			break;
		}
	dial_free(d);
	sim_set(to, &b->rx, 1);
	if (conn_establish(a))
		net_hangup(a, -ENOMEM);
}

/* At an address there is whoever came there last; a socket of this host is one node's. */
static bool listens(const struct dial *d)
{
	const struct snode *to = &d->from->w->node[d->to];

	return to->up && (!snode_same_host(to->w, d->from->index, d->to) ||
			  !ke_id_cmp(&to->node.self.node, &d->target));
}

static void dial_fire(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, t);
	struct sim *w = d->from->w;
	u16 from = d->from->index;

	if (net_open(w, from, d->to) && net_open(w, d->to, from)) {
		if (listens(d))
			dial_answered(d);
		else
			dial_refused(d, true);
		return;
	}
	d->waited_ms += SYN_AGAIN_MS;
	if (d->waited_ms < SIM_DIAL_MS) {
		sim_set(d->from, t, SYN_AGAIN_MS * 1000);
		return;
	}
	w->cover.path[PATH_DIAL_LOST]++;
	dial_refused(d, false);
}

void net_dial(struct snode *n, struct ke_peer *p)
{
	struct dial *d = sim_alloc(sizeof(*d));
	struct sim *w = n->w;
	u32 there, back;

	d->from = n;
	d->to = snode_index(&p->contact);
	d->target = p->contact.node;
	d->t = (struct timer){ .node = n, .fn = dial_fire };
	list_add_tail(&d->list, &n->dials);
	sim_trace(n, TRACE_DIAL, d->to, 0, 0);
	there = net_latency(w, n->index, d->to);
	back = net_latency(w, d->to, n->index);
	sim_set(n, &d->t, there + back);
}

/* ------------------------------------------------------------------ the end */

void net_hangup(struct conn *c, int err)
{
	struct snode *n = c->node;
	bool greeted = c->open && c->link.peer;
	struct ke_peer *p;

	if (c->closing)
		return;
	c->closing = true;
	n->reap = true;
	sim_trace(n, TRACE_CLOSED, c->id, c->peer, -err);
	if (c->open)
		ke_link_lost(&c->link);
	if (!c->dialled || greeted)
		return;
	p = ke_peer_find(&n->node, &c->target);
	if (p && p->dialling) {
		ke_peer_refused(p, false);
		sim_set(n, &n->tick, 1);
	}
}

void net_reap(struct snode *n)
{
	struct conn *c, *next;

	while (n->reap) {
		n->reap = false;
		list_for_each_entry_safe(c, next, &n->conns, list)
			if (c->closing)
				conn_free(c, true);
	}
}

void net_drop_all(struct snode *n, bool say)
{
	struct conn *c, *next;
	struct dial *d, *next_dial;

	list_for_each_entry_safe(d, next_dial, &n->dials, list)
		dial_free(d);
	list_for_each_entry_safe(c, next, &n->conns, list) {
		c->closing = true;
		conn_free(c, say);
	}
}

/* -------------------------------------------------------------------- faults */

void net_healed(struct sim *w)
{
	struct conn *c;
	u32 i;

	for (i = 0; i < w->opt.nodes; i++)
		list_for_each_entry(c, &w->node[i].conns, list) {
			if (c->open && !c->closing && net_open(w, c->peer, i))
				sim_set_sooner(c->node, &c->rx, 1 + sim_random(w, 200000));
			if (!c->other)
				sim_set_sooner(c->node, &c->tx, 1 + sim_random(w, 200000));
		}
}

static struct conn *any_conn(struct sim *w, bool local)
{
	struct conn *c, *found = NULL;
	u32 i, n = 0;

	for (i = 0; i < w->opt.nodes; i++)
		list_for_each_entry(c, &w->node[i].conns, list)
			if (c->open && !c->closing && c->other && (local || !c->local) &&
			    !sim_random(w, ++n))
				found = c;
	return found;
}

/* The other end gets some of what is on its way to it, and then the same. */
bool net_cut_one(struct sim *w)
{
	struct conn *c = any_conn(w, true);
	u64 after;

	if (!c)
		return false;
	after = sim_one_in(w, 2) ? sim_random(w, 200) : sim_random(w, 100000);
	c->cut_in = after;
	sim_trace_world(w, TRACE_CUT, c->id, after, 0);
	sim_set_sooner(c->node, &c->rx, 1);
	return true;
}

bool net_halfopen_one(struct sim *w)
{
	struct conn *c = any_conn(w, false);

	if (!c)
		return false;
	c->hole = true;
	if (sim_one_in(w, 2))
		c->other->hole = true;
	sim_trace_world(w, TRACE_HALFOPEN, c->id, c->node->index, 0);
	return true;
}
