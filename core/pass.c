// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Passing over: what no sink at the other end of a stream wants, as its source has judged,
 * is not sent, nor what has expired when its turn comes. A log looks so to its stream:
 *
 *	sent ........... passed ........... judged ........... head
 *	     nobody wants        it is to be       not looked
 *	     it: a PASS          sent              at yet
 *
 * Rules that this file keeps:
 *  - What is for some sinks only is passed over where none of them is, whatever was judged.
 *  - What was not judged is sent. So is all that is in the log when less is wanted than
 *    before, and what comes later of an older generation than what is wanted: it was judged
 *    by older sets of filters. Its process may be behind, if that is another.
 *  - What is wanted and has expired is counted apart: PASS says how many those are. What is
 *    not wanted is no concern of its deadline's. Deadlines are looked at from the log's first
 *    on, right before a frame is made, and again as long as nothing went out: a link that is
 *    stuck, or that waits for credit, sends nothing stale but the rest of an event.
 *  - The other end is told what was passed over (PASS) before anything that it wants, however
 *    much that is, and when somebody waits until its mirror is there. So what nobody wants
 *    costs nothing by itself.
 *  - What was passed over is not needed here any more once all that was sent has arrived: then
 *    a gate counts as moved past it. If the link breaks, and the other end has nothing newer,
 *    it is told again. While something is on its way the other end, which acknowledges in
 *    steps, is told as well when there is a step of it.
 *  - It goes beyond the credit: what follows it is sent when there is some, see rstream.c.
 *  - Little that is wanted among much that is not is picked out of it, see picks.c. Before what
 *    is not picked, as it is much, a few bytes are sent along: that is cheaper. Not what has
 *    expired: the other end may not know our clock yet.
 *  - The pieces of an event go the way of the first. Only whole records are passed over.
 */
#include "link.h"

static u64 stream_head(const struct ke_tstream *ts)
{
	return le64_to_cpu(smp_load_acquire(&ts->view.hdr->head));
}

/* A piece of an event, but not the first? */
static bool goes_on(const u8 *rec, u64 word)
{
	return ke_record_word_flags(word) & KECHO_RECORD_F_FRAGMENT &&
	       (u32)ke_log_word(rec + sizeof(struct kecho_record));
}

/* Is what is in this record for a sink there, whatever the filters say? */
static bool is_for(const struct ke_tstream *ts, const u8 *rec, u64 word)
{
	u32 n = ke_record_nto(rec, word);

	if (!ke_record_word_names(word))
		return true;
	if (ke_record_word_data(word) + n * sizeof(__le64) > ke_record_word_len(word))
		return true;	/* it is damaged: for its readers to see */
	/* Until it is known which ones are there, any may be. */
	return !ts->sinks ||
	       ke_names_meet(ts->sinks, (const __le64 *)(rec + ke_record_word_data(word)), n);
}

/* Does somebody there want the event that begins in this record, which is good as one? */
static bool wants(const struct ke_tstream *ts, const u8 *rec, u64 word)
{
	const u8 *match;

	if (ts->judged < ts->judge_from)
		return true;
	if (!is_for(ts, rec, word))
		return false;
	if (ts->wants_all || !(ke_record_word_flags(word) & KECHO_RECORD_F_MATCH))
		return true;
	match = rec + ke_record_word_match(word);
	return ke_log_word(match) & ts->wants || (u32)ke_log_word(match + 8) < ts->wants_from;
}

/* What time it is, once for a walk. */
static u64 walk_time(struct ke_link *l, struct ke_tstream *ts)
{
	if (!ts->now_ns)
		ts->now_ns = ke_clock_now(l);
	return ts->now_ns;
}

enum fate { WANTED, UNWANTED, EXPIRED };

static enum fate fate_of(struct ke_link *l, struct ke_tstream *ts, const u8 *rec, u64 word)
{
	u64 deadline;

	if (ke_record_word_kind(word) != KECHO_RECORD_EVENT)
		return WANTED;
	if (goes_on(rec, word))
		return ts->wanted ? WANTED : UNWANTED;
	if (!wants(ts, rec, word))
		return UNWANTED;
	deadline = ke_record_deadline(rec, word);
	return deadline && walk_time(l, ts) > deadline ? EXPIRED : WANTED;
}

static void pass_over(struct ke_tstream *ts, const u8 *rec, u64 word, u64 next, bool expired)
{
	u64 seq = ke_log_word(rec + 8);

	if (ts->passed == ts->sent) {
		ts->pass_before = goes_on(rec, word) ? seq : seq - 1;
		ts->pass_expired = 0;
	}
	ts->pass_expired += expired;
	ts->pass_seq = seq;
	ts->wanted = false;
	ts->judged = next;
	WRITE_ONCE(ts->passed, next);
}

/* The record at ts->judged. False: it is the first that is not sent. */
static bool judge(struct ke_link *l, struct ke_tstream *ts, u64 head)
{
	const u8 *rec = ke_view_at(&ts->view, ts->judged);
	u64 word, next;
	bool passing = ts->judged == ts->passed;
	enum fate fate;

	/* Who has asked for the middle of a record gets what is there. */
	if (!ke_view_record(&ts->view, ts->judged, head, &word)) {
		ts->judged = head;
		return true;
	}
	next = ts->judged + ke_record_align(ke_record_word_len(word));
	if (ke_record_word_kind(word) == KECHO_RECORD_PAD) {
		if (passing && ts->passed > ts->sent)
			WRITE_ONCE(ts->passed, next);
		ts->judged = next;
		return true;
	}
	fate = fate_of(l, ts, rec, word);
	if (fate == WANTED) {
		ts->wanted = true;
		ts->judged = next;
		return true;
	}
	if (passing)
		pass_over(ts, rec, word, next, fate == EXPIRED);
	return passing;
}

/* Is the other end to know now what was passed over, though nothing follows? Until it has
 * acknowledged all that was sent the gate stays with what it has: it does when it knows of half a
 * log more. */
static bool pass_is_due(const struct ke_tstream *ts)
{
	u64 size = ts->view.size, acked = READ_ONCE(ts->acked);

	if (ts->due > ts->sent)
		return true;
	return ts->gated && acked < ts->sent && ts->passed - ts->sent >= size / 4 &&
	       ts->passed - acked >= size / 2;
}

/* As it is to be said. */
static struct ke_passed passed(const struct ke_tstream *ts)
{
	return (struct ke_passed){
		.from = ts->sent, .to = ts->passed, .before = ts->pass_before,
		.seq = ts->pass_seq, .expired = ts->pass_expired,
	};
}

void ke_tstream_free(struct ke_tstream *ts)
{
	if (ts->gated)
		return;
	ts->free = passed(ts);
	smp_store_release(&ts->kept, ts->passed);
}

void ke_tstream_move_gate(struct ke_tstream *ts)
{
	u64 pos = READ_ONCE(ts->acked);

	if (pos == ts->sent && ts->passed > pos) {
		ts->free = passed(ts);
		pos = ts->passed;
	}
	if (pos > ts->kept)
		smp_store_release(&ts->kept, pos);
}

/* From the head on it is judged what is wanted. If nobody looked until now, that is also the
 * first boundary that is known: what was sent last may end within a record. */
static void judge_from_head(struct ke_tstream *ts)
{
	ts->judge_from = stream_head(ts);
	if (ke_tstream_walks(ts, ts->judge_from))
		return;
	ts->judged = ts->judge_from;
	ts->wanted = true;
	ts->looked_sent = KE_NO_LIMIT;
}

/* From where on to look. */
static void begin_walk(struct ke_tstream *ts)
{
	u64 lives = READ_ONCE(ts->source->log.lives);

	ts->now_ns = 0;
	ts->passed = max(ts->passed, ts->sent);
	/* Until the first deadline nobody had to. */
	if (ts->judged < ts->sent && lives != KE_NO_LIMIT)
		ts->judged = lives;
	/* Nothing went out since: once more. */
	if (ts->looked_sent == ts->sent && ts->looked >= ts->passed) {
		ts->judged = ts->looked;
		ts->wanted = ts->looked_wanted;
	}
	ts->judged = max(ts->judged, ts->passed);
	ts->looked = ts->judged;
	ts->looked_wanted = ts->wanted;
}

/* What was passed over just now may as well be sent with what follows: nobody overwrites it, and
 * all that was looked at goes out. */
static bool goes_along(const struct ke_tstream *ts, u64 end, u32 most)
{
	u64 frame = min_t(u64, most, ke_view_piece(&ts->view, ts->sent));

	return ts->judged - ts->sent <= frame && ts->passed - ts->sent < KE_PASS_MIN &&
	       ts->passed < end && !ts->pass_expired &&
	       (ts->gated ? ts->kept : ts->pin) <= ts->sent;
}

/* Say what was passed over in front of what is wanted, or send it, too. */
static void end_walk(struct ke_link *l, struct ke_tstream *ts, u64 end, u32 most)
{
	if (goes_along(ts, end, most))
		WRITE_ONCE(ts->passed, ts->sent);
	if (ts->passed > ts->sent) {
		ts->looked = ts->passed;
		ts->looked_wanted = true;
	}
	ke_tstream_pass(l, ts);
	ts->looked_sent = ts->sent;
}

/* Is what is wanted a frame, or all that there is credit or room in the ring for? What comes
 * behind that may expire until it is sent. */
static bool is_enough(const struct ke_tstream *ts, u64 end, u32 most)
{
	u64 frame = min_t(u64, most, ke_view_piece(&ts->view, ts->passed));

	return ts->judged > ts->passed && ts->judged >= min(end, ts->passed + frame);
}

/* Look on, for what is to be sent next. True: there is something, and it begins where it was
 * looked at now: where a record does. */
static bool look(struct ke_link *l, struct ke_tstream *ts, u64 head, u64 end, u32 most)
{
	bool at_first;
	u32 n = 0;

	begin_walk(ts);
	at_first = ts->judged == ts->passed;
	while (ts->judged < head && !is_enough(ts, end, most) && n < KE_PASS_RECORDS_MAX &&
	       judge(l, ts, head))
		n++;
	return at_first && ts->judged > ts->passed;
}

u64 ke_tstream_walk(struct ke_link *l, struct ke_tstream *ts, u64 head, u64 end, u32 most)
{
	struct ke_picks p = { 0 };

	while (look(l, ts, head, end, most) && ke_tstream_pick(l, ts, &p, end))
		;
	ke_picks_send(l, ts, &p);
	if (ts->judged == ts->passed) {
		ke_tstream_move_gate(ts);
		if (pass_is_due(ts))
			ke_tstream_pass(l, ts);
		return ts->sent;
	}
	end_walk(l, ts, end, most);
	WRITE_ONCE(ts->held, ts->sent >= end ? ts->sent : KE_NO_LIMIT);
	return min(ts->judged, end);
}

void ke_tstream_pass(struct ke_link *l, struct ke_tstream *ts)
{
	__le64 body[3] = { cpu_to_le64(ts->pass_seq), cpu_to_le64(ts->pass_before),
			   cpu_to_le64(ts->pass_expired) };

	if (ts->passed <= ts->sent)
		return;
	ke_tstream_free(ts);
	WRITE_ONCE(ts->sent, ts->passed);
	WRITE_ONCE(ts->expired, ts->expired + ts->pass_expired);
	ke_link_send_locked(l, KECHO_FRAME_PASS, ts->source->id, ts->sent, body, sizeof(body));
}

void ke_tstream_lapped(struct ke_link *l, struct ke_tstream *ts)
{
	ke_tstream_pass(l, ts);
	if (le64_to_cpu(READ_ONCE(ts->view.hdr->tail)) <= ts->sent)
		return;
	ke_tstream_begin(ts, ke_view_resync(&ts->view, stream_head(ts)));
	ke_link_send_locked(l, KECHO_FRAME_SKIP, ts->source->id, ts->sent, NULL, 0);
}

/* Of an event that has begun before, the rest is sent. */
void ke_tstream_begin(struct ke_tstream *ts, u64 pos)
{
	WRITE_ONCE(ts->sent, pos);
	WRITE_ONCE(ts->passed, pos);
	WRITE_ONCE(ts->held, KE_NO_LIMIT);
	ts->judged = pos;
	ts->wanted = true;
	ts->looked_sent = KE_NO_LIMIT;
}

u64 ke_tstream_passes(const struct ke_tstream *ts, u64 pos)
{
	if (pos == ts->sent && ts->passed > pos)
		return ts->passed;
	return pos == ts->free.from && ts->kept > pos && ts->kept == ts->free.to ? ts->kept : 0;
}

void ke_tstream_resume(struct ke_tstream *ts, u64 pos)
{
	struct ke_passed again = ts->free;

	if (pos == ts->sent && ts->passed > pos)
		again = passed(ts);
	else if (!ke_tstream_passes(ts, pos))
		again = (struct ke_passed){ 0 };
	else if (ts->sent > pos)	/* it was said, and is again */
		WRITE_ONCE(ts->expired, ts->expired - again.expired);
	ke_tstream_begin(ts, pos);
	ts->free = again;
	smp_store_release(&ts->kept, again.to ?: pos);
	if (!again.to)
		return;
	ts->judged = again.to;
	ts->pass_before = again.before;
	ts->pass_seq = again.seq;
	ts->pass_expired = again.expired;
	ts->wanted = false;
	WRITE_ONCE(ts->passed, again.to);
}

void ke_tstream_want(struct ke_tstream *ts, u64 bits, bool all, u32 from)
{
	/* A late sink of any filter finds its past in the mirror. */
	all = all || ts->source->retain;
	if (all && ts->link)
		ke_tstream_pass(ts->link, ts);
	if (!all && (ts->wants_all || ts->wants & ~bits))
		judge_from_head(ts);
	/* Who submits looks at them, see wake.c. */
	WRITE_ONCE(ts->wants, bits);
	WRITE_ONCE(ts->wants_from, from);
	WRITE_ONCE(ts->wants_all, all);
}

struct ke_names *ke_tstream_name(struct ke_tstream *ts, struct ke_names *names)
{
	struct ke_names *before;

	if (ts->wants_all && !ts->names)
		judge_from_head(ts);
	ts->names = true;
	before = ts->sinks;
	smp_store_release(&ts->sinks, names);
	return before;
}

void ke_source_due(struct ke_source *s, u64 pos)
{
	const struct ke_house *h = s->member.channel->node->house;
	struct ke_tstream *ts;

	list_for_each_entry(ts, &s->streams, source_list) {
		struct ke_link *l = ts->link;

		if (!l)
			continue;
		h->tx_lock(l);
		ts->due = max(ts->due, pos);
		ke_tstream_pass(l, ts);
		h->tx_unlock(l);
		h->kick(l);
	}
}
