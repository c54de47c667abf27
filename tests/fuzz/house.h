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

/* A sink that opens while the log flows already gets a reader of its own. */
static void f_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct feed *feed = rs->owner;

	check(feed && rs->attached);
	check(pos <= KE_POSITION_MAX && IS_ALIGNED(pos, KECHO_RECORD_ALIGN));
	if (f.anew)
		feed->begun = false;
	h_started(rs, pos, seq);
	ke_reader_gated(&feed->r, 1, rs->taken);
	ke_reader_kept(&feed->r);
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
