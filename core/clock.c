// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Clocks of other hosts. Deadlines are by the clock of a source's host, so who mirrors its
 * log must know what that clock is here. A PING asks, its PONG says what time it was:
 *
 *	PONG	CLOCK_REALTIME of who answers u64; pos: the PING's, 0: see below
 *
 * Rules that this file keeps:
 *  - An answer is right to half of the time that it took. The one that took least counts, but
 *    clocks drift: one that is older must have been better by as much.
 *  - Of two that can't both be right the newer one is: that clock was set meanwhile.
 *  - Who sends deadlines looks whether its own clock was set, and says so before them by a PONG
 *    of pos 0: what was known of it is void. Else the others would take what is fresh for long
 *    over, until they ask again. So each link begins with a question: while there was none
 *    nobody could say so.
 *  - It is counted from our CLOCK_MONOTONIC, so it is all the same if our own clock is set.
 *  - Nobody asks who need not know, and seldom who has seen no deadline yet.
 */
#include "link.h"

#define MS 1000000ULL

static u64 real_ns(const struct ke_link *l)
{
	return l->node->house->realtime_ns(l->node->owner);
}

static u64 mono_ns(const struct ke_link *l)
{
	return l->node->house->monotonic_ns(l->node->owner);
}

/* How far are they apart, whichever is ahead? */
static u64 apart(u64 a, u64 b)
{
	return (s64)(a - b) < 0 ? b - a : a - b;
}

/* ------------------------------------------------------------------ another's */

void ke_clock_show(const struct ke_rstream *rs)
{
	const struct ke_clock *c = &rs->peer->clock;

	if (rs->attached && !rs->local)
		WRITE_ONCE(rs->mirror.hdr->clock_ns,
			   cpu_to_le64(c->known ? c->ahead_ns : KECHO_CLOCK_UNKNOWN));
}

static void show_all(const struct ke_peer *p)
{
	const struct ke_rstream *rs;

	list_for_each_entry(rs, &p->rstreams, list)
		ke_clock_show(rs);
}

/* Has any of its sources sent a deadline? */
static bool has_deadlines(const struct ke_peer *p)
{
	const struct ke_rstream *rs;

	list_for_each_entry(rs, &p->rstreams, list)
		if (rs->attached && rs->mirror.lives != KE_NO_LIMIT)
			return true;
	return false;
}

bool ke_clock_ask(struct ke_link *l)
{
	const struct ke_clock *c = &l->peer->clock;
	u64 now = mono_ns(l), age = now - c->at_ns;

	if (l->local || l->asked_ns || list_empty(&l->peer->rstreams))
		return false;
	if (c->known && l->clock_heard &&
	    (age < KE_CLOCK_ASK_MS * MS ||
	     (age < KE_CLOCK_IDLE_MS * MS && !has_deadlines(l->peer))))
		return false;
	l->asked_ns = now;
	ke_link_send(l, KECHO_FRAME_PING, 0, now, NULL, 0);
	return true;
}

/* An answer of half a round trip ago; is it the best? */
static void learn(struct ke_clock *c, u64 there_ns, u64 now_ns, u64 rtt_ns)
{
	u64 ahead = there_ns - (now_ns - rtt_ns / 2), drift = (now_ns - c->at_ns) / KE_CLOCK_DRIFT;

	if (!ahead || ahead == KECHO_CLOCK_UNKNOWN)	/* these mean something else */
		ahead++;
	if (c->known && apart(ahead, c->ahead_ns) <= (rtt_ns + c->rtt_ns) / 2 + drift &&
	    rtt_ns > c->rtt_ns + drift)
		return;
	*c = (struct ke_clock){ .known = true, .ahead_ns = ahead, .rtt_ns = rtt_ns,
				.at_ns = now_ns };
}

int ke_clock_in(struct ke_link *l, u64 pos, struct ke_in *in)
{
	struct ke_peer *p = l->peer;
	u64 there = ke_get_u64(in), now = mono_ns(l);

	if (in->bad)
		return -EPROTO;
	if (!pos) {
		p->clock.known = false;
		l->asked_ns = 0;	/* its answer may be one of before */
		show_all(p);
		ke_clock_ask(l);
	} else if (pos == l->asked_ns) {
		l->asked_ns = 0;
		l->clock_heard = true;
		learn(&p->clock, there, now, now - pos);
		show_all(p);
	}
	return 0;
}

/* ----------------------------------------------------------------------- ours */

/* What time it is, to who asks at @pos. The tx lock is held. */
static void say(struct ke_link *l, u64 pos, u64 real)
{
	__le64 body = cpu_to_le64(real);

	ke_link_send_locked(l, KECHO_FRAME_PONG, 0, pos, &body, sizeof(body));
}

void ke_clock_answer(struct ke_link *l, u64 pos)
{
	const struct ke_house *h = l->node->house;
	u64 real;

	h->tx_lock(l);
	real = real_ns(l);
	l->clock_ns = real - mono_ns(l);
	l->clock_said = true;
	say(l, pos, real);
	h->tx_unlock(l);
	h->kick(l);
}

u64 ke_clock_now(struct ke_link *l)
{
	u64 real = real_ns(l);

	if (l->clock_said && apart(real - mono_ns(l), l->clock_ns) > KE_CLOCK_SET_MS * MS) {
		l->clock_said = false;
		say(l, 0, real);
	}
	return real;
}
