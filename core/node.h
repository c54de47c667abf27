/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The node: its channels and members, the other nodes of those channels, and the
 * streams of logs between them.
 *
 *	ke_node ── ke_channel ── ke_member, ke_source      what is ours
 *	   │           │
 *	   │       ke_presence ── ke_remote ── ke_rstream   what another node has there
 *	   │           │
 *	   └────── ke_peer ── ke_link ── ke_tstream         the other node
 *
 * Each node says itself what members it has, over its own link; nobody repeats it
 * for others. What nodes tell of each other is only who is in a channel and where
 * they are reached, so there is nothing that could disagree.
 *
 * Control calls and ke_link_rx*() are serialised by the house (of several links
 * ke_link_rx_data*() may run at once); ke_link_tx*() by the link's tx lock, a
 * source's log by the source's lock. Order: control, source, tx.
 */
#ifndef KE_NODE_H
#define KE_NODE_H

#include "channel.h"
#include "house.h"
#include "peer.h"
#include "source.h"

struct ke_node {
	const struct ke_house *house;
	void *owner;
	struct ke_contact self;
	struct ke_versions speaks;
	u32 knows;		/* see KE_KNOWS */
	char name[KE_LINK_NAME_MAX + 1];
	struct ke_attrs attrs;
	u64 attrs_change;	/* see live.c: of the last one of @attrs */
	u64 change;		/* of the last one of all; other threads look */
	u64 told_ms, tell_ms;	/* changes were said; are to be: 0: there are none */
	struct list_head promised;	/* sources that promise signs of life, see alive.c */
	u64 signs_ms;		/* then these are looked at; 0: not at all */
	struct list_head channels;
	struct list_head peers;
	u32 last_channel, last_log;
	u32 nchannels, npeers, nmembers;
	u32 types_bytes;	/* of our sources */
	u32 filters_bytes;	/* of our sinks */
	u32 deciding;		/* our sources that judge, or choose */
	u32 wait_ms;		/* as ke_node_wait_ms() said last */
	u32 losses;		/* that sinks were told, in any number: the house counts */
};

void ke_node_init(struct ke_node *n, const struct ke_house *house, void *owner,
		  const struct ke_contact *self, const char *name);
void ke_node_fini(struct ke_node *n);
/* Heartbeats, redials, deaths, changed attributes: call it every KE_HEARTBEAT_MS while there are
 * peers on other hosts, and at once after ke_peer_refused(). */
void ke_node_tick(struct ke_node *n);
/* In how many milliseconds; 0: not at all. */
u32 ke_node_wait_ms(struct ke_node *n);
/* The answer has changed, to sooner: whoever sleeps for a tick must ask again. */
bool ke_node_sooner(struct ke_node *n);

/*
 * Live attributes, see live.c; ke_attrs_set() has the errors.
 * ke_node_tell - says what is due, of signs of life, too; call it with each tick, and when
 * ke_node_wait_ms() is over.
 */
int ke_node_set(struct ke_node *n, const char *name, const struct ke_value *v);
void ke_node_tell(struct ke_node *n);
void ke_node_tell_signs(struct ke_node *n);

/* It has a judge or a choice from here on, or neither; under its lock. */
static inline void ke_source_decide(struct ke_source *s, bool decides)
{
	s->member.channel->node->deciding += decides - s->decides;
	s->decides = decides;
	ke_source_note_all(s);
}

#endif
