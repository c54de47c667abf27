// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A frozen channel: while any of its nodes holds it, no source of it publishes.
 *
 *	FREEZE	pos: the number by which its sender holds the channel; 0: not any more
 *	FROZEN	pos: that number; the sources of its sender stand still
 *
 * A node holds a channel for itself, as it has members for itself: who closes, fails or
 * dies holds nothing. It says so again after a break of its link, before SYNCED; if it
 * does not, it has let go. So who joins knows of it before it has submitted anything.
 *
 * What a source has begun it finishes before it stands still: an event that goes in piece
 * by piece, reservations. Then nothing of it is in the log but what is published.
 */
#include "link.h"

static const struct ke_house *house(const struct ke_channel *ch)
{
	return ch->node->house;
}

bool ke_channel_frozen(const struct ke_channel *ch)
{
	const struct ke_presence *pr;

	if (ch->freeze)
		return true;
	list_for_each_entry(pr, &ch->presences, channel_list)
		if (pr->held)
			return true;
	return false;
}

/* Who submits looks at it under the source's lock. */
static void tell_sources(struct ke_channel *ch)
{
	bool frozen = ke_channel_frozen(ch);
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list) {
		if (!m->source || m->source->frozen == frozen)
			continue;
		house(ch)->source_lock(m->source);
		m->source->frozen = frozen;
		house(ch)->source_unlock(m->source);
		house(ch)->room(m->source);
	}
}

static bool stands_still(struct ke_channel *ch)
{
	struct ke_member *m;
	bool all = true;

	list_for_each_entry(m, &ch->members, list) {
		if (!m->source)
			continue;
		house(ch)->source_lock(m->source);
		all &= !m->source->in_pieces && m->source->log.head == m->source->log.end;
		house(ch)->source_unlock(m->source);
	}
	return all;
}

static void say(struct ke_presence *pr, u8 type, u64 pos)
{
	if (pr->here && pr->peer->link)
		ke_link_send(pr->peer->link, type, pr->channel->index, pos, NULL, 0);
}

void ke_channel_settle(struct ke_channel *ch)
{
	bool still = stands_still(ch);
	struct ke_presence *pr;

	if (!still)
		return;
	list_for_each_entry(pr, &ch->presences, channel_list) {
		if (!pr->held || pr->held_said || !pr->peer->link)
			continue;
		pr->held_said = true;
		say(pr, KECHO_FRAME_FROZEN, pr->held);
	}
}

/* ------------------------------------------------------------------ by us */

void ke_channel_freeze(struct ke_channel *ch)
{
	struct ke_presence *pr;

	ch->freeze = house(ch)->random(ch->node->owner) | 1;
	tell_sources(ch);
	list_for_each_entry(pr, &ch->presences, channel_list) {
		pr->stands = false;
		ke_presence_say_freeze(pr);
	}
}

void ke_channel_thaw(struct ke_channel *ch)
{
	struct ke_presence *pr;

	if (!ch->freeze)
		return;
	ch->freeze = 0;
	list_for_each_entry(pr, &ch->presences, channel_list)
		say(pr, KECHO_FRAME_FREEZE, 0);
	tell_sources(ch);
}

u32 ke_channel_unfrozen(struct ke_channel *ch)
{
	const struct ke_presence *pr;
	u32 n = !stands_still(ch);

	list_for_each_entry(pr, &ch->presences, channel_list)
		n += !pr->stands && !ke_presence_failed(pr);
	return n;
}

void ke_presence_say_freeze(struct ke_presence *pr)
{
	if (pr->channel->freeze)
		say(pr, KECHO_FRAME_FREEZE, pr->channel->freeze);
}

void ke_frozen_in(struct ke_presence *pr, u64 pos)
{
	if (pos && pos == pr->channel->freeze)
		pr->stands = true;
}

/* -------------------------------------------------------------- by a peer */

void ke_freeze_in(struct ke_presence *pr, u64 pos)
{
	if (!pos) {
		ke_presence_thaw(pr);
		return;
	}
	pr->held = pos;
	pr->held_stale = pr->held_said = false;
	tell_sources(pr->channel);
	ke_channel_settle(pr->channel);
}

void ke_presence_thaw(struct ke_presence *pr)
{
	pr->held_stale = false;
	if (!pr->held)
		return;
	pr->held = 0;
	tell_sources(pr->channel);
}
