/* SPDX-License-Identifier: MIT */
/*
 * What our sources submit: judged, for sinks that are chosen, in pieces, with deadlines; and
 * whom they wake by it.
 */
#ifndef FUZZ_SUBMITS_H
#define FUZZ_SUBMITS_H

#include "judges.h"

enum { LEN_MAX = 8000 };	/* of an event */

/* Who wants all is noted, whatever was judged. */
static void note(struct ke_source *s, const struct ke_event_info *info)
{
	const struct ke_tstream *ts;

	ke_source_note(s, info);
	list_for_each_entry(ts, &s->streams, source_list)
		check(ts->wakes || !ts->wants_all || info->named);
}

/* A piece at a time, each where the gates let it. */
static int append_piece(struct ke_source *s, const struct ke_event_info *info, u32 len, u64 *seq)
{
	u64 size = ke_record_align(ke_record_size(info, len));
	int err;

	if (!ke_log_room(&s->log, size, ke_source_limit(s, s->log.end + 2 * size)))
		return -EAGAIN;
	if (!ke_source_unpinned(s, size))
		return -EDEADLK;
	err = ke_log_append(&s->log, info, f.w->event + info->frag_offset, len, s->limit, seq);
	if (!err)
		note(s, info);
	ke_log_publish(&s->log);
	return err;
}

/* Those who want something of it, or all. */
static void wake(struct ke_source *s)
{
	bool all = ke_source_wakes_all(s);
	const struct ke_tstream *ts;

	check(all || s->decides);
	if (!s->decides)
		return;
	ke_source_woke(s);
	list_for_each_entry(ts, &s->streams, source_list)
		check(!ts->wakes || s->log.head != s->log.end);
}

/* A submission that waits holds those whom it names, whatever comes meanwhile. */
static struct {
	struct ke_roster *roster;	/* NULL: none does */
	const __le64 *to;
	u32 n;
} waits;

static void wait_over(void)
{
	if (!waits.roster)
		return;
	touch(waits.to, waits.n * sizeof(*waits.to));
	ke_roster_drop(waits.roster);
	waits.roster = NULL;
}

static void wait_for_room(struct ke_choice *c, const struct ke_event_info *info)
{
	wait_over();
	waits.roster = ke_roster_hold(c);
	waits.to = info->to;
	waits.n = info->nto;
}

/* Whom it is for: some of those that there are. */
static void choose(struct ke_source *s, struct ke_event_info *info, u32 len)
{
	u32 i, most = ke_choice_chooses(s->choice) ? ke_choice_most(s->choice) : 0;

	info->named = ke_choice_chooses(s->choice);
	if (!info->named)
		return;
	check(!ke_choice_event(s->choice, info, s->log.seq + 1, f.w->event, len, &test_ops));
	check(info->nto <= most && most <= ke_choice_room(s->choice));
	for (i = 0; i < info->nto; i++) {
		check(ke_choice_has(s->choice, le64_to_cpu(info->to[i])));
		check(!i || le64_to_cpu(info->to[i - 1]) < le64_to_cpu(info->to[i]));
	}
	if (info->nto)
		wait_for_room(s->choice, info);
}

/* By our clock: none, or over, now, or soon. */
static u64 some_deadline(u32 lives)
{
	return lives ? h_realtime_ns(f.tn) + 50000000 * ((s64)lives - 2) : 0;
}

/* As the library does it: an event of any type, with an attribute or none, whole or in two
 * pieces, is judged by what is in force. */
static int submit_judged(struct ke_source *s, u32 len, u32 lives)
{
	static const u8 set[] = { KE_VALUE_STRING, 1, 2, 0, 'a', 'x', 'y' };
	struct ke_event_info info = {
		.time_ns = 1, .deadline_ns = some_deadline(lives),
		.type = (len >> 2) % (KE_TYPES_MAX + 2),
		.attrs = set, .attrs_len = len & 1 ? sizeof(set) : 0,
	};
	u32 i, part = len & 2 && len > 64 ? len / 2 : len;
	u64 seq = 0;
	int err;

	h_source_lock(s);
	for (i = 0; i < len; i++)
		f.w->event[i] = event_byte(s->log.seq + 1, i);
	ke_judge_event(s->judge, &info, s->log.seq + 1, f.w->event, len, &test_ops);
	check(!info.judged || !(info.bits & ~s->judge->live));
	choose(s, &info, len);
	info.frag_total = part < len ? len : 0;
	err = append_piece(s, &info, part, &seq);
	info.frag_offset = part;
	info.attrs_len = 0;
	if (!err && part < len)
		err = append_piece(s, &info, len - part, &seq);
	wake(s);
	h_source_unlock(s);
	return err;
}

/* Of a source that decides or not; @how: what its length is, and how long it lives. */
static int submit_lives(struct ke_source *s, u16 how)
{
	u32 len = how % LEN_MAX, lives = how / LEN_MAX;

	if (s->decides)
		return submit_judged(s, len, lives);
	f.tn->deadline_ns = some_deadline(lives);
	return submit_to(s, len);
}

#endif
