// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The stall limit: who holds a source up for too long is ended.
 *
 * A gate is in the way if a record that somebody wants to submit would go past it. The
 * clock runs while it is, and stands where it was; it starts anew when the gate or its
 * credit moves, or the log grows. Its steps:
 *
 *	SEEN	in the way. A node tells its sinks' positions in steps only, so after
 *		KE_STALL_ASK_MS it is asked where they are exactly (STALL); at once if the
 *		source decides, as they may go on over what is not for them.
 *	ASKED	as long before the end of the source's limit it is asked again.
 *	AGAIN	at its end it is told to end those of its sinks that have something to read
 *		where the gate is. One that has moved meanwhile is not ended, and what its
 *		node says then starts the clock anew.
 *	TOLD	the node does nothing, for KE_STALL_REACT_MS: it is stopped, perhaps. On one
 *		host nothing else shows that, so its gate is taken away, and the log's header
 *		says so first: whoever reads there in place sees it before it believes what
 *		it has read. A node of another host has its mirror; its link tells if it
 *		lives, and so it is only told again.
 *
 * A sink of our own is ended at once: its gate is exact.
 */
#include "link.h"

static const struct ke_house *house(const struct ke_source *s)
{
	return s->member.channel->node->house;
}

static u64 now_ms(const struct ke_source *s)
{
	return house(s)->now_ms(s->member.channel->node->owner);
}

static u64 credit(const struct ke_gate *g)
{
	return g->stream && !g->stream->local ? READ_ONCE(g->stream->credit) : 0;
}

static u32 ask_ms(const struct ke_source *s)
{
	return min_t(u32, KE_STALL_ASK_MS, s->stall_ms / 2);
}

static void step(struct ke_gate *g, enum ke_stall_step to, u64 now)
{
	g->step = to;
	g->step_ms = now;
}

static void clock_starts(const struct ke_source *s, struct ke_gate *g, u64 now)
{
	g->at = g->seen;
	g->credit = credit(g);
	g->end = s->log.end;
	g->since_ms = now;
	step(g, KE_STALL_SEEN, now);
}

/* It is in the way: is the next step due? */
static bool due(const struct ke_source *s, const struct ke_gate *g, u64 now)
{
	u64 since = now - g->since_ms, at_step = now - g->step_ms;

	switch (g->step) {
	case KE_STALL_SEEN:
		if (g->stream && s->decides)
			return true;
		return s->stall_ms && since >= (g->stream ? ask_ms(s) : s->stall_ms);
	case KE_STALL_ASKED:
		return s->stall_ms && since >= s->stall_ms - ask_ms(s);
	case KE_STALL_AGAIN:	/* who was away for long itself waits for the answer */
		return since >= s->stall_ms && at_step >= ask_ms(s);
	case KE_STALL_TOLD:
		return at_step >= KE_STALL_REACT_MS;
	default:
		return false;
	}
}

/* Of a mirror that has room it is the link that is slow. */
static bool in_the_way(const struct ke_source *s, const struct ke_gate *g, u64 pos, u64 size)
{
	const struct ke_tstream *ts = g->stream;

	if (ke_log_room(&s->log, size, pos + s->log.size))
		return false;
	return !ts || ts->local || READ_ONCE(ts->sent) >= READ_ONCE(ts->credit);
}

/* Where is it, and for how long? */
static bool look(struct ke_source *s, struct ke_gate *g, u64 size, u64 now)
{
	u64 pos = ke_gate_pos(s, g);

	if (!in_the_way(s, g, pos, size)) {
		g->step = KE_STALL_NONE;
		return false;
	}
	if (g->step == KE_STALL_NONE || g->at != pos || g->credit != credit(g) ||
	    g->end != s->log.end)
		clock_starts(s, g, now);
	return due(s, g, now);
}

bool ke_source_stalled(struct ke_source *s, u64 size)
{
	struct ke_gate *g;
	bool any = false;
	u64 now;

	if (!s->stall_ms && !s->decides)
		return false;
	now = now_ms(s);
	list_for_each_entry(g, &s->gates, list)
		any |= look(s, g, size, now);
	return any;
}

/* The slowest sink over there, as it was told last. */
static u64 slowest(const struct ke_gate *g)
{
	u64 size = g->stream->source->log.size;

	if (g->stream->local)
		return g->at;
	return g->credit > size ? g->credit - size : 0;
}

static void say_stall(const struct ke_tstream *ts, u64 pos, bool end)
{
	u8 body[1] = { end };

	ke_link_send(ts->peer->link, KECHO_FRAME_STALL, ts->source->id, pos, body, sizeof(body));
}

bool ke_source_arrived(struct ke_source *s, u64 pos)
{
	struct ke_tstream *ts;
	bool all = true;

	ke_source_due(s, pos);
	list_for_each_entry(ts, &s->streams, source_list) {
		if (ts->local || !ts->peer->link || ts->acked >= pos)
			continue;
		all = false;
		/* They say so in steps, or if they are asked. */
		if (READ_ONCE(ts->sent) >= pos)
			say_stall(ts, 0, false);
	}
	return all;
}

/* Nobody waits for its reader any more, who sees that before anything is overwritten. */
void ke_tstream_take_gate(struct ke_tstream *ts)
{
	struct ke_source *s = ts->source;
	struct kecho_log_header *hdr = s->log.hdr;
	__le64 of;

	memcpy(&of, ts->peer->contact.node.b, sizeof(of));
	WRITE_ONCE(hdr->taken_of[s->taken++ % KECHO_LOG_TAKEN], of);
	smp_store_release(&hdr->taken, cpu_to_le64(s->taken));
	smp_wmb();	/* before anything is overwritten */
	ts->gated = false;
	ke_source_ungate(s, &ts->gate);
}

enum act { ACT_NONE, ACT_END_OWN, ACT_ASK, ACT_TELL };

/* The source's lock is held: what is to be said is said without it. */
static enum act next_step(struct ke_source *s, struct ke_gate *g, u64 now)
{
	struct ke_tstream *ts = g->stream;

	if (!ts) {
		g->step = KE_STALL_NONE;
		s->stalls++;
		return ACT_END_OWN;
	}
	if (!ts->peer->link || ts->stale) {	/* nobody to ask; back it begins anew */
		clock_starts(s, g, now);
		step(g, KE_STALL_ASKED, now);
	} else if (g->step == KE_STALL_SEEN) {
		step(g, KE_STALL_ASKED, now);
		return ACT_ASK;
	} else if (g->step == KE_STALL_ASKED) {
		step(g, KE_STALL_AGAIN, now);
		return ACT_ASK;
	} else if (g->step == KE_STALL_AGAIN) {
		s->stalls++;
		step(g, KE_STALL_TOLD, now);
		return ACT_TELL;
	} else if (ts->local) {
		ke_tstream_take_gate(ts);
	} else {
		clock_starts(s, g, now);
	}
	return ACT_NONE;
}

/* Does it stand where it stood? Its lock was let go since that was seen. */
static bool stands(const struct ke_source *s, struct ke_gate *g)
{
	return g->at == ke_gate_pos(s, g) && g->credit == credit(g) && g->end == s->log.end;
}

static enum act next_if_due(struct ke_source *s, struct ke_gate *g, u64 now)
{
	enum act act = ACT_NONE;

	house(s)->source_lock(s);
	if (g->step != KE_STALL_NONE && stands(s, g) && due(s, g, now))
		act = next_step(s, g, now);
	house(s)->source_unlock(s);
	return act;
}

/* One of our own that is to end; NULL: there is none left. Others are told. */
static struct ke_gate *stalled_own(struct ke_source *s, u64 now)
{
	struct ke_gate *g, *next;
	enum act act;

	list_for_each_entry_safe(g, next, &s->gates, list) {
		act = next_if_due(s, g, now);
		if (act == ACT_END_OWN)
			return g;
		if (act == ACT_ASK)
			say_stall(g->stream, 0, false);
		else if (act == ACT_TELL)
			say_stall(g->stream, slowest(g), true);
	}
	return NULL;
}

void ke_source_end_stalled(struct ke_source *s)
{
	u64 now = now_ms(s);
	struct ke_gate *own;

	while ((own = stalled_own(s, now)))
		house(s)->stalled_own(s, own);
	house(s)->room(s);
}
