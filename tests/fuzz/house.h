/* SPDX-License-Identifier: MIT */
/*
 * The house of a node among hostile ones. It is that of core's tests, but some of
 * the peers are of this host: they write the logs that we map and the gates that we
 * wait for, as long as their connection lasts. And memory for mirrors is bounded.
 */
#ifndef FUZZ_HOUSE_H
#define FUZZ_HOUSE_H

#include "input.h"
#include "node_test.h"
#include "shown.h"

enum {
	PEERS = 3,
	GATES = 4,		/* of a peer of this host */
	MIRRORS_MAX = 1 << 20,	/* bytes */
	SHARES = 3,		/* kinds of SHARE */
};

/* A connection to a hostile node, and what goes with it. */
struct hostile {
	struct conn *c;		/* NULL: none */
	u64 *gates;
	struct ke_id dialled;	/* whom we meant to reach */
};

static struct {
	struct input in;
	struct world *w;
	struct tnode *tn;
	struct hostile peer[PEERS];
	u64 mirrors;		/* bytes of them */
	bool anew;		/* whoever waits for a START begins with it */
	bool late;		/* our sinks read by what is judged only later */
	u8 starve;		/* of our own side: see fail_alloc */
	u8 many;		/* times that there were so many sinks */
} f;

static struct hostile *hostile_of(const struct ke_link *l)
{
	int i;

	for (i = 0; i < PEERS; i++)
		if (f.peer[i].c && &f.peer[i].c->link == l)
			return &f.peer[i];
	return NULL;
}

static int f_attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	u64 size = rs->remote->log_size;
	int err;

	if (f.mirrors + size > MIRRORS_MAX)
		return -ENOMEM;
	err = h_attach(rs, hdr, ring);
	if (err)
		return err;
	f.mirrors += size;
	if (rs->local)
		rs->view = (struct ke_view){ .hdr = *hdr, .ring = *ring, .size = size };
	return 0;
}

static void f_detach(struct ke_rstream *rs)
{
	if (rs->owner)
		f.mirrors -= rs->remote->log_size;
	h_detach(rs);
}

/* Our first sink's reader hears it, if it reads there. */
static void hear(struct ke_rstream *rs, const struct ke_verdict *v)
{
	struct feed *feed = rs ? rs->owner : NULL;

	if (feed && feed->begun)
		ke_reader_judged(&feed->r, v->bit, v->from, v->since);
}

/* A sink that opens while the log flows already gets a reader of its own. */
static void f_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct feed *feed = rs->owner;
	struct ke_verdict v;

	check(feed && rs->attached);
	check(pos <= KE_POSITION_MAX && IS_ALIGNED(pos, KECHO_RECORD_ALIGN));
	if (f.anew)
		feed->begun = false;
	h_started(rs, pos, seq);
	ke_reader_gated(&feed->r, 1, rs->taken);
	ke_reader_kept(&feed->r);
	if (f.tn->has_sink && ke_member_verdict(&f.tn->sink, rs->remote->id, &v))
		hear(rs, &v);
}

static bool f_judged(struct ke_remote *m, struct ke_source *own, struct ke_member *sink,
		     const struct ke_verdict *v)
{
	check(!m != !own && sink->role == KE_SINK);
	check(v->version <= sink->filter_version && v->since <= v->from &&
	      v->bit <= KE_BIT_ALL);
	if (m && sink == &f.tn->sink)
		hear(m->stream, v);
	return !f.late;
}

/* As kechod does, which gives it to another process. */
static void f_judges(struct ke_source *s)
{
	const struct ke_judge *j = s->judge;
	struct ke_value v;
	u32 bit, i;

	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++) {
		check(!j->filter[bit] == !(j->live >> bit & 1));
		for (i = 0; j->filter[bit] && i < j->filter[bit]->sieve->f->nslots; i++) {
			v = ke_judge_slot(j, bit, i);
			touch(v.data, v.data ? v.len : 0);
		}
	}
}

/* The table of our channel that processes would read: of a few slots, which are soon taken. */
enum { SHOWN_SLOTS = 8 };

static struct {
	struct ke_shown table;
	u8 map[KECHO_LIVE_SIZE] __attribute__((aligned(8)));
} shown;

static bool show_more(struct ke_shown *t)
{
	t->backed += t->backed < SHOWN_SLOTS;
	return t->backed < SHOWN_SLOTS;
}

static void show_nothing(void)
{
	memset(shown.map, 0, KECHO_LIVE_SLOTS_AT +
			     SHOWN_SLOTS * sizeof(struct kecho_live_slot));
	memset(&shown.table, 0, sizeof(shown.table));
	shown.table.map = shown.map;
	shown.table.back = show_more;
}

static void show_channel(const struct ke_channel *ch)
{
	ke_shown_init(&shown.table, ch);
	ke_shown_whole(&shown.table, true);
}

static void f_member(struct ke_remote *m)
{
	h_member(m);
	ke_shown_remote(&shown.table, m);
}

static void check_attrs(const struct ke_attrs *a)
{
	check(ke_attrs_check(a->buf, a->len) && ke_attrs_count(a->buf, a->len) == a->n);
}

static void f_live(struct ke_channel *ch, const struct ke_member *own,
		   const struct ke_remote *remote)
{
	check(!own || !remote);
	check_attrs(own ? &own->attrs : remote ? &remote->attrs : &ch->attrs);
	if (remote)
		ke_shown_remote(&shown.table, remote);
	else if (own)
		ke_shown_own(&shown.table, own, true);
	else
		ke_shown_channel(&shown.table, ch);
}

static void f_live_node(struct ke_node *n, const struct ke_peer *p)
{
	check_attrs(p ? &p->attrs : &n->attrs);
	if (f.tn->open)
		ke_shown_node(&shown.table, &f.tn->ch, p);
}

static u32 f_gate_slot(struct ke_rstream *rs)
{
	check(rs->local && rs->gated);
	return 1;
}

static const u64 *f_gate(struct ke_link *l, u32 slot)
{
	struct hostile *h = hostile_of(l);

	check(h && l->local);
	return h->gates && slot < GATES ? &h->gates[slot] : NULL;
}

static void f_shared(struct ke_link *l, struct ke_channel *ch, struct ke_in *in)
{
	u8 kind = ke_get_u8(in);
	struct hostile *h = hostile_of(l);

	check(h && (!ch || ch == &f.tn->ch));
	if (!kind && l->local && !h->gates) {
		h->gates = calloc(GATES, sizeof(*h->gates));
		in->bad |= !h->gates;
	}
	in->bad |= kind >= SHARES || !l->local;
}

static void f_stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p,
		       struct ke_in *in)
{
	check(l->peer == p && ch == &f.tn->ch);
	ke_get_u64(in);
}

static struct ke_house fuzz_house;

static void house_init(void)
{
	fuzz_house = test_house;
	fuzz_house.attach = f_attach;
	fuzz_house.detach = f_detach;
	fuzz_house.started = f_started;
	fuzz_house.gate_slot = f_gate_slot;
	fuzz_house.gate = f_gate;
	fuzz_house.shared = f_shared;
	fuzz_house.stats_in = f_stats_in;
	fuzz_house.judged = f_judged;
	fuzz_house.judges = f_judges;
	fuzz_house.member = f_member;
	fuzz_house.live = f_live;
	fuzz_house.live_node = f_live_node;
}

/* ---------------------------------------------------------------- connections */

static struct conn *hostile_open(struct hostile *h, bool local, bool dialled)
{
	struct conn *c = conn_new(f.tn, dialled);

	check(c);
	c->raw = true;
	c->link.local = local;
	h->c = c;
	memset(&h->dialled, 0, sizeof(h->dialled));
	return c;
}

/* As the library does it: who was dialled and said no hello is to be dialled again. */
static void hostile_lost(struct hostile *h)
{
	struct conn *c = h->c;
	bool greeted = c->link.peer;
	struct ke_peer *p;

	c->lost = c->closed = true;
	ke_link_lost(&c->link);
	p = c->link.dialled && !greeted ? ke_peer_find(&f.tn->node, &h->dialled) : NULL;
	if (p && p->dialling)
		ke_peer_refused(p, false);
}

/* Connections that are over end, with all that their node had shared. */
static void reap(void)
{
	struct hostile *h;

	for (h = f.peer; h < f.peer + PEERS; h++) {
		if (!h->c)
			continue;
		if ((h->c->closed || h->c->link.broken) && !h->c->lost)
			hostile_lost(h);
		if (!h->c->lost)
			continue;
		conn_free(h->c);
		free(h->gates);
		*h = (struct hostile){ 0 };
	}
}

static struct hostile *hostile_free_slot(void)
{
	struct hostile *h;

	for (h = f.peer; h < f.peer + PEERS; h++)
		if (!h->c)
			return h;
	return NULL;
}

/* Somebody answers there, or nobody does, or its process is known to have died. */
static void dial_answered(const struct ke_id *to, u8 how)
{
	struct ke_peer *p = ke_peer_find(&f.tn->node, to);
	struct hostile *h = hostile_free_slot();

	if (!p || !p->dialling)
		return;
	if (!(how & 1) || !h) {
		ke_peer_refused(p, how & 2);
		return;
	}
	hostile_open(h, p->local, true);
	h->dialled = *to;
}

static void dials_answered(void)
{
	struct dial d[WORLD_DIALS];
	u32 i, n = f.w->ndials;

	memcpy(d, f.w->dial, sizeof(d));
	f.w->ndials = 0;
	for (i = 0; i < n; i++)
		dial_answered(&d[i].to, take_u8(&f.in));
}

#endif
