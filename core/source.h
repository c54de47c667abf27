/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A source of ours: its log, who holds it up, and where it flows.
 */
#ifndef KE_SOURCE_H
#define KE_SOURCE_H

#include "channel.h"
#include "filters.h"
#include "promise.h"
#include "reader.h"

struct ke_picks;

/* How far a gate has come that holds its source up: see stall.c. */
enum ke_stall_step { KE_STALL_NONE, KE_STALL_SEEN, KE_STALL_ASKED, KE_STALL_AGAIN,
		     KE_STALL_TOLD };

/* A reader that the source must not overrun. */
struct ke_gate {
	struct list_head list;
	const u64 *pos;		/* written by the reader, not trusted */
	u64 seen;
	struct ke_tstream *stream;	/* NULL: of a sink of our own */
	enum ke_stall_step step;
	u64 since_ms, step_ms;	/* in the way, at this step */
	u64 at, credit, end;	/* the gate, its credit and the log's end, since then */
};

struct ke_source {
	struct ke_member member;
	struct ke_log log;
	u32 id;
	u64 retain;
	bool closed;
	bool frozen;		/* publishes nothing new; under its lock, like the next */
	bool in_pieces;		/* an event is going in piece by piece */
	u32 nremote;		/* streams to other hosts */
	const struct kecho_log_header *signs;	/* where its process gives signs of life */
	u64 signs_ms;		/* then they are looked at */
	struct list_head promised;	/* of the node */
	u64 lost;		/* events, by sinks of other nodes, together, as those said */
	u32 stall_ms;		/* so long a gate may hold it up; 0: for ever */
	u64 stalls;		/* that were ended for it; under its lock, like all below */
	u64 expired;		/* events, on streams that are no more */
	u64 taken;		/* gates of nodes of this host that were taken away */
	u64 limit;
	struct ke_judge *judge;	/* NULL: there never was a filter */
	struct ke_choice *choice;	/* NULL: all that it submits is for all sinks */
	bool decides;		/* there is one of these two */
	bool names_sinks;	/* its records do: streams look at whom */
	bool wakes_own;		/* our sinks want what was appended since they were woken */
	u64 woken;		/* its log's head when they were, see wake.c */
	u64 wakes_late;		/* there somebody has slept for long */
	struct ke_wants own;	/* what our sinks want */
	u32 generation;		/* the judge's first is above it */
	u32 judge_seen;		/* the judge's changes that the house knows */
	bool judged_later;	/* by another process: see ke_source_judges() */
	u32 judges;		/* it judges by what is in force up to this generation */
	struct list_head gates;
	struct list_head streams;
	struct ke_seats seats;	/* if there is a judge; control's */
};

/* A stream that went on after its source had given it up: the next ACK tells from where
 * on to count. */
#define KE_LOST_UNKNOWN U64_MAX

/* What was passed over: from @from, where the event @before had ended, to the event
 * @seq; so many had expired. */
struct ke_passed {
	u64 from, to;
	u64 before, seq;
	u64 expired;
};

/* Our side of a log that another node reads. */
struct ke_tstream {
	struct list_head source_list;
	struct list_head link_list;
	struct ke_source *source;
	struct ke_peer *peer;
	struct ke_view view;
	bool gated, local, ended;
	bool stale;		/* not asked for since the link broke */
	bool goes_on;		/* its reader had it already when we first heard of it */
	u8 types_told;		/* of the source: types up to this index; on one host only */
	bool wants_all;		/* nothing is passed over; else see pass.c */
	bool names;		/* its source names sinks, see pass.c */
	bool wanted;		/* the last event there was, whose further pieces so are, too */
	u64 wants;		/* events with one of these bits; of other hosts only */
	u32 wants_from;		/* and all of older generations */
	struct ke_names *sinks;	/* there; NULL: not known. Of other hosts only */
	u64 passed, judged;	/* from sent on: nobody there wants it, then: they do */
	u64 judge_from;		/* what is before it they want, whatever the filters say */
	u64 pass_before, pass_seq;	/* the event before what is passed over, and its last */
	u64 pass_expired;	/* so many of it had expired */
	u64 expired;		/* of all that was, ever */
	/* Where what is wanted began when it was looked at last, and how far it was sent. */
	u64 looked, looked_sent;
	bool looked_wanted;	/* as `wanted` was there */
	u64 now_ns;		/* CLOCK_REALTIME then; 0: nobody has asked */
	u64 due;		/* somebody waits until it is known there to be here */
	u64 sent;
	u64 sign;		/* as ALIVE said last */
	u64 acked;
	u64 kept;		/* what a gate says: acked, or what was passed over behind that: */
	struct ke_passed free;	/* the last that was so; to: 0: none */
	u64 credit;
	u64 held;		/* what is wanted here has no credit */
	u64 lost;		/* as the last ACK said; KE_LOST_UNKNOWN */
	bool wakes;		/* it wants what was appended since it was told, see wake.c */
	u64 woken;		/* the source's head then */
	struct ke_link *link;	/* where it flows now; for submitters: under the source's lock */
	u64 pin;		/* a send reads the log from here on, in place */
	struct ke_gate gate;
};

void ke_source_init(struct ke_source *s, struct ke_node *n);
/* Gates; under the source's lock. */
void ke_source_gate(struct ke_source *s, struct ke_gate *g, const u64 *pos);
void ke_source_ungate(struct ke_source *s, struct ke_gate *g);
/* Events that were not sent to other hosts as they had expired, one for each of these. */
u64 ke_source_expired(const struct ke_source *s);
/* How far the log may grow now; recomputed if less than @want. */
u64 ke_source_limit(struct ke_source *s, u64 want);
/*
 * A record of @size bytes does not fit, and somebody wants to submit it: true if a gate
 * has held the source up for so long that ke_source_end_stalled() has something to do,
 * which is a control call and made without the source's lock.
 */
bool ke_source_stalled(struct ke_source *s, u64 size);
void ke_source_end_stalled(struct ke_source *s);
/* Make room for @size bytes more; false: a send reads there right now. */
bool ke_source_unpinned(struct ke_source *s, u64 size);
/* The same for a log that ends there. */
bool ke_source_unpinned_to(struct ke_source *s, u64 end);
/* No event comes any more: say so behind the last one. */
void ke_source_end(struct ke_source *s);
/* The body of that END, in @buf; gives its length. */
#define KE_END_BODY_MAX 9
u32 ke_source_end_body(const struct ke_source *s, u8 *buf);
/* What was passed over up to @pos is not put off any more: somebody waits for it. */
void ke_source_due(struct ke_source *s, u64 pos);
/* Is all before @pos in the mirrors of the other hosts that we are linked to? Else they
 * are asked. */
bool ke_source_arrived(struct ke_source *s, u64 pos);
/* Every remote sink has it all. */
bool ke_source_drained(struct ke_source *s);
void ke_source_fini(struct ke_source *s);

struct ke_source *ke_source_find(struct ke_node *n, u32 log);
struct ke_tstream *ke_tstream_find(struct ke_source *s, const struct ke_peer *p);
/* A gate's position, never believed beyond what is there or back. */
u64 ke_gate_pos(const struct ke_source *s, struct ke_gate *g);
/* Of a stream on this host; under the source's lock. */
void ke_tstream_take_gate(struct ke_tstream *ts);
/* It begins, or goes on: signs of life of its source are said from here on, see alive.c. */
void ke_tstream_tell_signs(struct ke_tstream *ts);

/*
 * Passing over what nobody wants at the other end, see pass.c. All with the tx lock of
 * ts->link held, if it flows.
 * ke_tstream_want - from what is appended next on, its sinks want events with one of @bits,
 * and of generations before @from, or with @all any. Before this is called so are all.
 * ke_tstream_name - its source names sinks, and those there are @names, which are its from here
 * on; NULL: not known. Gives what were before, for kvfree().
 * ke_tstream_begin - it begins at @pos.
 * ke_tstream_walks - of what lies before @head not all may be wanted there.
 * ke_tstream_walk - where what is wanted from ts->sent on ends, which is before @end, the
 * credit, or there; not behind ts->sent: there is nothing to send now. What lies before @head is
 * pinned or kept by a gate. @most: so many bytes are a frame.
 * ke_tstream_free - what was passed over is said now, which may get lost; without a gate nothing
 * else keeps that it was.
 * ke_tstream_move_gate - something was acknowledged, or passed over.
 * ke_tstream_passes - up to where is it known that what follows @pos is not wanted, though it may
 * be gone? 0: it is not.
 * ke_tstream_resume - the other end goes on at @pos, as it may have before.
 * ke_tstream_lapped - what is next was overwritten, or will be: on from about halfway.
 * ke_tstream_pass - say what was passed over.
 *
 * Picking single events out of what is passed over, see picks.c.
 * ke_tstream_pick - queue what is wanted before @end, and that the rest was passed over; false:
 * it is to go out in place. What is to be looked at next begins behind it. @p is zeroed at first,
 * and after the last ke_picks_send() says all.
 */
void ke_tstream_want(struct ke_tstream *ts, u64 bits, bool all, u32 from);
struct ke_names *ke_tstream_name(struct ke_tstream *ts, struct ke_names *names);
void ke_tstream_begin(struct ke_tstream *ts, u64 pos);
u64 ke_tstream_walk(struct ke_link *l, struct ke_tstream *ts, u64 head, u64 end, u32 most);
void ke_tstream_free(struct ke_tstream *ts);
void ke_tstream_move_gate(struct ke_tstream *ts);
u64 ke_tstream_passes(const struct ke_tstream *ts, u64 pos);
void ke_tstream_resume(struct ke_tstream *ts, u64 pos);
void ke_tstream_lapped(struct ke_link *l, struct ke_tstream *ts);
void ke_tstream_pass(struct ke_link *l, struct ke_tstream *ts);
bool ke_tstream_pick(struct ke_link *l, struct ke_tstream *ts, struct ke_picks *p, u64 end);
void ke_picks_send(struct ke_link *l, const struct ke_tstream *ts, const struct ke_picks *p);
static inline bool ke_tstream_walks(const struct ke_tstream *ts, u64 head)
{
	return !ts->wants_all || ts->names || READ_ONCE(ts->source->log.lives) < head;
}

/* Streams of lower ranks go before it on its link. */
static inline u32 ke_tstream_rank(const struct ke_tstream *ts)
{
	return ke_class_rank(ts->source->member.traffic_class);
}

/* Up to where is it sent, or passed over? */
static inline u64 ke_tstream_done(const struct ke_tstream *ts)
{
	return max(READ_ONCE(ts->sent), READ_ONCE(ts->passed));
}

#endif
