// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Waking: an event that no sink of a host wants wakes nobody there.
 *
 * A source that decides notes with each event who wants it: its own sinks, and the other nodes
 * that read it, by their streams. Who tells of it wakes those of its host, and sends to those
 * of others. Rules:
 *  - What one process wants is known before its sinks hear by what they are judged. Who hears
 *    that looks around: what was appended before it may be for him, and he was not woken.
 *  - Who was not woken for half of the log is, so that he moves on with it: a gate would hold the
 *    source up, and without one he would be lapped by what he never wanted.
 *  - What another host wants changes under the link's lock. Who submits may see that late: so
 *    all that was appended until it surely is seen is sent, if it is wanted.
 *  - What is noted stays until all that was appended is published. If it changes who is to be
 *    woken, all are for what is not: it was noted for others, or nobody.
 *  - Who waits until all was read (drain.c) wakes by himself.
 */
#include "link.h"

static const struct ke_house *house(const struct ke_source *s)
{
	return s->member.channel->node->house;
}

bool ke_wants(const struct ke_wants *w, const struct ke_event_info *info)
{
	return w->all || !info->judged || info->bits & w->bits || info->generation < w->from;
}

void ke_note(struct ke_noted *n, const struct ke_event_info *info)
{
	n->unjudged |= !info->judged;
	n->bits |= info->bits;
	n->oldest = n->any ? min(n->oldest, info->generation) : info->generation;
	n->any = true;
}

bool ke_wants_noted(const struct ke_wants *w, const struct ke_noted *n)
{
	return n->any && (w->all || n->unjudged || n->bits & w->bits || n->oldest < w->from);
}

static struct ke_event_info match_of(const u8 *rec, u64 word)
{
	struct ke_event_info info = { .judged = ke_record_word_flags(word) & KECHO_RECORD_F_MATCH };

	if (info.judged) {
		info.bits = ke_log_word(rec + ke_record_word_match(word));
		info.generation = (u32)ke_log_word(rec + ke_record_word_match(word) + 8);
	}
	return info;
}

void ke_note_view(struct ke_noted *n, const struct ke_view *v, u64 pos, u64 head)
{
	struct ke_event_info info = { 0 };
	u64 word;

	for (; pos < head && !n->unjudged; pos += ke_record_align(ke_record_word_len(word))) {
		if (!ke_view_record(v, pos, head, &word)) {
			ke_note(n, &info);
			return;
		}
		if (ke_record_word_kind(word) != KECHO_RECORD_EVENT)
			continue;
		info = match_of(ke_view_at(v, pos), word);
		ke_note(n, &info);
	}
}

static bool wanted_there(const struct ke_tstream *ts, const struct ke_event_info *info)
{
	const struct ke_wants w = { READ_ONCE(ts->wants), READ_ONCE(ts->wants_from),
				    READ_ONCE(ts->wants_all) };
	const struct ke_names *sinks = smp_load_acquire(&ts->sinks);

	if (info->named && sinks && !ke_names_meet(sinks, info->to, info->nto))
		return false;
	return ke_wants(&w, info);
}

void ke_source_note(struct ke_source *s, const struct ke_event_info *info)
{
	struct ke_tstream *ts;

	if (info->named && !info->nto)
		return;
	s->wakes_own |= ke_wants(&s->own, info);
	list_for_each_entry(ts, &s->streams, source_list)
		ts->wakes = ts->wakes || wanted_there(ts, info);
}

void ke_source_note_all(struct ke_source *s)
{
	struct ke_tstream *ts;

	if (s->log.head == s->log.end)
		return;
	s->wakes_own = true;
	list_for_each_entry(ts, &s->streams, source_list)
		ts->wakes = true;
}

/* Those who slept through a part of the log; and when the next of them will have. */
static void note_late(struct ke_source *s)
{
	u64 head = s->log.head, part = s->log.size / KE_WAKE_PARTS, first;
	struct ke_tstream *ts;

	s->wakes_own |= head - s->woken >= part;
	first = s->wakes_own ? head : s->woken;
	list_for_each_entry(ts, &s->streams, source_list) {
		ts->wakes = ts->wakes || head - ts->woken >= part;
		first = min(first, ts->wakes ? head : ts->woken);
	}
	s->wakes_late = first + part;
}

bool ke_source_wakes_all(struct ke_source *s)
{
	if (!s->decides || s->in_pieces)
		return true;
	if (s->log.head >= s->wakes_late)
		note_late(s);
	return false;
}

void ke_source_woke(struct ke_source *s)
{
	bool all = s->log.head == s->log.end;
	struct ke_tstream *ts;

	if (s->wakes_own)
		s->woken = s->log.head;
	s->wakes_own &= !all;
	list_for_each_entry(ts, &s->streams, source_list) {
		if (ts->wakes)
			ts->woken = s->log.head;
		ts->wakes = ts->wakes && !all;
	}
}

/* ------------------------------------------------------------- what our own sinks want */

static u32 own_sinks(const struct ke_channel *ch)
{
	const struct ke_member *m;
	u32 n = 0;

	list_for_each_entry(m, &ch->members, list)
		n += m->role == KE_SINK;
	return n;
}

void ke_source_want_own(struct ke_source *s)
{
	u32 unseated = own_sinks(s->member.channel);
	struct ke_wants w = { 0 };
	const struct ke_seat *seat;

	if (s->judge) {
		list_for_each_entry(seat, &s->seats.seats, list) {
			if (!seat->own)
				continue;
			ke_wants_add(&w, seat);
			unseated--;
		}
	}
	w.all |= unseated;
	house(s)->source_lock(s);
	s->own = w;
	ke_source_note_all(s);
	house(s)->source_unlock(s);
	if (house(s)->wakes)
		house(s)->wakes(s);
}

void ke_channel_want_own(struct ke_channel *ch)
{
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list)
		if (m->source)
			ke_source_want_own(m->source);
}
