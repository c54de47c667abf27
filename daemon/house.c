// SPDX-License-Identifier: MIT
/*
 * What core asks of its house, answered by kechod. Connections and clocks are the
 * library's; nodes of this host are never linked to us as such, so nothing is shared
 * with them.
 */
#include "daemon.h"

static struct kd *kd_of(const struct ke_node *n)
{
	return container_of((struct kecho *)n->owner, struct kd, k);
}

static void no_lock(struct ke_source *s)
{
	(void)s; /* one thread */
}

/* What core has changed under it shows now. */
static void unlocked(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;

	if (src->frozen != s->frozen)
		kd_frozen(src);
}

/* The gates of a source are those of other hosts: who is here has a page. */
static void stalled_own(struct ke_source *s, struct ke_gate *gate)
{
	(void)s;
	WARN_ON_ONCE(gate);
}

/* There are no nodes that share memory with us: who says so lies. */
static u32 gate_slot(struct ke_rstream *rs)
{
	(void)rs;
	return 0;
}

static const u64 *gate(struct ke_link *l, u32 slot)
{
	(void)l;
	(void)slot;
	return NULL;
}

static void no_log(struct ke_link *l, struct ke_source *s)
{
	(void)s;
	ke_link_break(l);
}

static void no_channel(struct ke_link *l, struct ke_channel *ch)
{
	(void)ch;
	ke_link_break(l);
}

static void shared(struct ke_link *l, struct ke_channel *ch, struct ke_in *in)
{
	(void)l;
	(void)ch;
	in->bad = true;
}

static int attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	return rs->local ? -EPROTO : kd_mirror_attach(rs, hdr, ring);
}

static void room(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;

	kd_source_room(src);
	kd_copy_wanted(src);
	src->c->d->changed = true;
}

static void announced(struct ke_remote *m, u32 index)
{
	(void)index;
	kd_of(m->presence->peer->node)->changed = true;
}

static void changed(void *house)
{
	struct kd *d = container_of((struct kecho *)house, struct kd, k);

	d->changed = true;
}

static void repair(struct ke_channel *ch)
{
	struct kd *d = kd_of(ch->node);

	if (d->k.reg && !ch->ended)
		ke_reg_repair(d->k.reg, ch->name);
}

static void live_node(struct ke_node *n, const struct ke_peer *p)
{
	kd_live_node(kd_of(n), p);
}

static void live(struct ke_channel *ch, const struct ke_member *own,
		 const struct ke_remote *remote)
{
	if (remote)
		kd_live_remote(remote);
	else if (own)
		kd_live_own(ch->owner, own, true);
	else
		kd_live_channel(ch->owner);
}

static void pong(struct ke_link *l, u64 sent)
{
	struct conn *c = l->owner;

	c->rtt_ns = lib_clock_ns(CLOCK_MONOTONIC) - sent;
	kd_pong(kd_of(l->node), sent, c->rtt_ns);
}

void kd_house_init(struct kd *d)
{
	struct ke_house *h = &d->house;

	*h = lib_house;
	h->source_lock = no_lock;
	h->source_unlock = unlocked;
	h->stalled_own = stalled_own;
	h->stalled = kd_mirror_stalled;
	h->lagging = kd_lagging;
	h->destroyed = kd_destroyed;
	h->attach = attach;
	h->detach = kd_mirror_detach;
	h->gate_slot = gate_slot;
	h->gate = gate;
	h->open_log = kd_copy_open;
	h->close_log = kd_copy_close;
	h->share_log = no_log;
	h->share_channel = no_channel;
	h->shared = shared;
	h->member = kd_tell_remote;
	h->live_node = live_node;
	h->live = live;
	h->announced = announced;
	h->judged = kd_judged;
	h->judges = kd_judges;
	h->wakes = kd_wakes;
	h->started = kd_mirror_started;
	h->published = kd_mirror_published;
	h->ended = kd_mirror_ended;
	h->lost = kd_mirror_lost;
	h->room = room;
	h->changed = changed;
	h->repair = repair;
	h->stats = kd_stats_out;
	h->stats_in = kd_stats_in;
	h->pong = pong;
}
