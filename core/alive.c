// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Signs of life of sources that have promised some, on their way to nodes of other hosts. The
 * frame:
 *
 *	ALIVE	-; pos: what ke_log_sign() says of the log
 *
 * It is said behind START, and then, at each quarter of the promised time, if there was a sign;
 * also beside DATA, which may wait for others, or for credit. The mirror's header has what was
 * said last, so a sign that a break has swallowed shows after it, and none is seen twice. While
 * the link is down nothing is heard, whatever the source does: `cut` says so to who looks there.
 *
 * One clock runs for all sources of a node, if there are any to be looked at.
 */
#include "link.h"

static u64 now_ms(const struct ke_node *n)
{
	return n->house->now_ms(n->owner);
}

/* Who calls this kicks the link, once for all that is said. */
static void say(struct ke_tstream *ts, u64 sign)
{
	const struct ke_house *h = ts->peer->node->house;

	ts->sign = sign;
	h->tx_lock(ts->link);
	ke_link_send_locked(ts->link, KECHO_FRAME_ALIVE, ts->source->id, sign, NULL, 0);
	h->tx_unlock(ts->link);
}

static bool hears(const struct ke_tstream *ts)
{
	return ts->link && ke_peer_knows(ts->peer, KECHO_FRAME_ALIVE);
}

/* Is anybody there to be told? */
static bool is_heard(const struct ke_source *s)
{
	const struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list)
		if (hears(ts))
			return true;
	return false;
}

static void tell(struct ke_source *s)
{
	u64 sign = ke_log_sign(s->signs);
	struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list)
		if (hears(ts) && ts->sign != sign)
			say(ts, sign);
}

static void kick_all(struct ke_node *n)
{
	struct ke_peer *p;

	list_for_each_entry(p, &n->peers, list)
		if (p->link && READ_ONCE(p->link->control_len))
			n->house->kick(p->link);
}

void ke_node_tell_signs(struct ke_node *n)
{
	struct ke_source *s;
	u64 now, next = 0;

	if (!n->signs_ms)
		return;
	now = now_ms(n);
	if (now < n->signs_ms)
		return;
	list_for_each_entry(s, &n->promised, promised) {
		if (!is_heard(s))
			continue;
		if (now >= s->signs_ms) {
			s->signs_ms = ke_promise_next_ms(s->member.alive_ms, now);
			tell(s);
		}
		next = next ? min(next, s->signs_ms) : s->signs_ms;
	}
	n->signs_ms = next;
	kick_all(n);
}

void ke_tstream_tell_signs(struct ke_tstream *ts)
{
	struct ke_source *s = ts->source;
	struct ke_node *n = ts->peer->node;

	if (!s->member.alive_ms || !hears(ts))
		return;
	say(ts, ke_log_sign(s->signs));
	s->signs_ms = s->signs_ms ?: ke_promise_next_ms(s->member.alive_ms, now_ms(n));
	if (n->signs_ms && n->signs_ms <= s->signs_ms)
		return;
	n->signs_ms = s->signs_ms;
	n->house->changed(n->owner);
}

void ke_rstream_cut(struct ke_rstream *rs)
{
	if (rs->attached && !rs->local)
		WRITE_ONCE(rs->mirror.hdr->cut, cpu_to_le64(1));
}

int ke_alive_in(struct ke_link *l, u32 log, u64 sign)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);

	/* Before its START, or behind its end, it means nothing. */
	if (rs && rs->attached && !rs->local && !rs->resumes && !rs->ended)
		WRITE_ONCE(rs->mirror.hdr->alive, cpu_to_le64(sign));
	return 0;
}
