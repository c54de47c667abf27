// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Picks: single events out of a log of which most is passed over, many in one frame, PICKED. Where
 * little is wanted its frame headers and the records' own would be more than what they are
 * around; and each of them a send. The frame's body:
 *
 *	last event before what follows u64, then for each record:
 *	8-byte words that are passed over before it, a number; if not 0:
 *	events that are passed over there, a number
 *	the record's first words, up to KE_PICK_WORDS, but the one of its sequence number:
 *		which bytes are others than in the record before u8, bit by bit; these
 *	all else of it, but for the padding
 *
 * Before the first record's words there were zeros. A number has 7 bits in each byte, the lowest
 * first, and the highest bit in all but the last byte. A record's event is the next one.
 *
 * Only whole events without a deadline are picked, in runs that are small; all else is said by
 * PASS and DATA. They are copied: a frame is queued at once, as control frames are, if not much
 * is, and if nothing that goes before it has been taken to be sent behind it.
 */
#include "link.h"

/* A number takes no more bytes. */
#define NUMBER_BYTES_MAX	10

static void put_number(struct ke_out *o, u64 v)
{
	for (; v >> 7; v >>= 7)
		ke_put_u8(o, v | 0x80);
	ke_put_u8(o, v);
}

static u64 get_number(struct ke_in *in)
{
	u32 i, shift;
	u64 v = 0;
	u8 part;

	for (i = 0, shift = 0; i < NUMBER_BYTES_MAX; i++, shift += 7) {
		part = ke_get_u8(in);
		v |= (u64)(part & 0x7f) << shift;
		if (!(part & 0x80))
			return v;
	}
	in->bad = true;
	return 0;
}

/* Words of a record of @len bytes that are said by what is another in them. */
static u32 words_of(u64 len)
{
	return min_t(u64, ke_record_align(len) / 8, KE_PICK_WORDS);
}

/* ----------------------------------------------------------------------- sending */

static void put_word(struct ke_out *o, u8 *before, const u8 *now)
{
	u8 other[8], mask = 0;
	u32 i, n = 0;

	for (i = 0; i < 8; i++) {
		if (now[i] == before[i])
			continue;
		mask |= 1 << i;
		other[n++] = before[i] = now[i];
	}
	ke_put_u8(o, mask);
	ke_put(o, other, n);
}

/* Its memory may be somebody's who changes it meanwhile: @word was checked. */
static void put_record(struct ke_picks *p, const u8 *rec, u64 word)
{
	u32 i, len = ke_record_word_len(word), words = words_of(len);
	u8 head[8 * KE_PICK_WORDS];
	__le64 first = cpu_to_le64(word);

	memcpy(head, rec, 8 * words);
	memcpy(head, &first, sizeof(first));
	for (i = 0; i < words; i++)
		if (i != KE_PICK_SEQ_WORD)
			put_word(&p->out, p->head + 8 * i, head + 8 * i);
	if (len > 8 * words)
		ke_put(&p->out, rec + 8 * words, len - 8 * words);
}

/* Whole events; and none that may be too old when its turn comes. */
static bool may_go(u64 word)
{
	return ke_record_word_kind(word) == KECHO_RECORD_EVENT && !ke_record_word_lives(word) &&
	       !(ke_record_word_flags(word) & KECHO_RECORD_F_FRAGMENT);
}

/* The run's records from @pos on. False: one is none that can be picked. */
static bool put_run(struct ke_picks *p, const struct ke_tstream *ts, u64 pos)
{
	const u8 *rec;
	u64 word;

	while (pos < ts->judged && !p->out.bad) {
		rec = ke_view_at(&ts->view, pos);
		if (!ke_view_record(&ts->view, pos, ts->judged, &word) ||
		    !may_go(word) || ke_log_word(rec + 8) != p->seq + 1)
			return false;
		if (pos > ts->passed)
			put_number(&p->out, 0);
		put_record(p, rec, word);
		p->seq++;
		pos += ke_record_align(ke_record_word_len(word));
	}
	return pos == ts->judged && !p->out.bad;
}

/* Would this overtake what was gathered of a log that goes before it? */
static bool overtakes(const struct ke_link *l, const struct ke_tstream *ts)
{
	u32 i;

	for (i = 0; i < l->nframes; i++)
		if (ke_tstream_rank(l->frame[i].stream) < ke_tstream_rank(ts))
			return true;
	return false;
}

/* Memory for it, and what is before the run. False: this is no time to pick. */
static bool begin(struct ke_picks *p, struct ke_link *l, const struct ke_tstream *ts, u64 before)
{
	if (p->out.buf)
		return p->seq == before;
	if (l->control_len > KE_PICKS_MAX || overtakes(l, ts))
		return false;
	p->out = (struct ke_out){ .buf = ke_link_reserve(l, KE_PICKS_MAX), .size = KE_PICKS_MAX };
	if (!p->out.buf)
		return false;
	p->pos = ts->sent;
	p->seq = before;
	ke_put_u64(&p->out, before);
	return true;
}

bool ke_tstream_pick(struct ke_link *l, struct ke_tstream *ts, struct ke_picks *p, u64 end)
{
	u64 gap = ts->passed - ts->sent, before;
	struct ke_picks was;

	if (ts->judged > end || ts->judged - ts->passed > KE_PICK_MAX ||
	    (gap && ts->pass_expired))
		return false;
	/* A pad before the ring's end may be all that there is. */
	if (ke_view_piece(&ts->view, ts->passed) < sizeof(struct kecho_record))
		return false;
	before = gap ? ts->pass_before : ke_log_word(ke_view_at(&ts->view, ts->sent) + 8) - 1;
	if (!begin(p, l, ts, before))
		return false;
	was = *p;
	put_number(&p->out, gap / 8);
	if (gap) {
		put_number(&p->out, ts->pass_seq - ts->pass_before);
		p->seq = ts->pass_seq;
	}
	if (!put_run(p, ts, ts->passed)) {
		*p = was;
		return false;
	}
	if (!p->n++ && gap)
		ke_tstream_free(ts);
	WRITE_ONCE(ts->sent, ts->judged);
	WRITE_ONCE(ts->passed, ts->judged);
	return true;
}

void ke_picks_send(struct ke_link *l, const struct ke_tstream *ts, const struct ke_picks *p)
{
	if (!p->n)
		return;
	ke_link_commit(l, KECHO_FRAME_PICKED, ts->source->id, p->pos, p->out.len);
	ke_link_took(l, ke_tstream_rank(ts), p->out.len);
}

/* --------------------------------------------------------------------- receiving */

static void get_word(struct ke_in *in, u8 *word)
{
	u8 mask = ke_get_u8(in);
	u32 i;

	for (i = 0; i < 8; i++)
		if (mask & 1 << i)
			word[i] = ke_get_u8(in);
}

/* The first words; gives how many bytes the record has, or 0: it is none. */
static u32 get_head(struct ke_in *in, struct ke_picks *p, const struct ke_log *mirror, u64 pos)
{
	__le64 seq = cpu_to_le64(p->seq + 1);
	u64 word, to_end = mirror->size - (pos & (mirror->size - 1));
	u32 i, words;

	get_word(in, p->head);
	word = ke_log_word(p->head);
	if (in->bad || !ke_record_check(word, to_end, mirror->record_max) ||
	    ke_record_word_kind(word) != KECHO_RECORD_EVENT)
		return 0;
	words = words_of(ke_record_word_len(word));
	for (i = KE_PICK_SEQ_WORD + 1; i < words; i++)
		get_word(in, p->head + 8 * i);
	memcpy(p->head + 8 * KE_PICK_SEQ_WORD, &seq, sizeof(seq));
	return in->bad ? 0 : ke_record_word_len(word);
}

/* The rest of a record of @len bytes, all of it into the mirror. */
static int get_rest(struct ke_in *in, struct ke_picks *p, struct ke_log *mirror, u32 len)
{
	u32 whole = ke_record_align(len), head = 8 * words_of(len);
	const u8 *rest = len > head ? ke_get(in, len - head) : NULL;
	u8 *to;
	int err;

	if (in->bad)
		return -EPROTO;
	to = ke_log_window(mirror, whole);
	if (!to)
		return -EPROTO;
	memcpy(to, p->head, head);
	if (rest) {
		memcpy(to + head, rest, len - head);
		memset(to + len, 0, whole - len);
	}
	err = ke_log_accept(mirror, whole);
	p->seq++;
	return err;
}

static int get_pick(struct ke_in *in, struct ke_picks *p, struct ke_rstream *rs)
{
	u64 gap = get_number(in), events = gap ? get_number(in) : 0, pos;
	struct ke_log *mirror = &rs->mirror;
	u32 len;
	int err = 0;

	if (in->bad || gap > KE_POSITION_MAX / 8 || events > KE_POSITION_MAX)
		return -EPROTO;
	pos = mirror->head + 8 * gap;
	if (pos > KE_POSITION_MAX || p->seq + events < p->seq)
		return -EPROTO;
	p->seq += events;
	len = get_head(in, p, mirror, pos);
	if (!len || (rs->gated && pos + ke_record_align(len) > rs->credit))
		return -EPROTO;
	if (gap)
		err = ke_log_pass(mirror, pos, p->seq - events, p->seq, 0);
	return err ?: get_rest(in, p, mirror, len);
}

/* Does what this says follow what is there? */
static bool may_pick(const struct ke_rstream *rs, u64 pos, u64 before)
{
	return !rs->local && !rs->skip && pos == rs->mirror.head && pos == rs->mirror.end &&
	       before >= rs->mirror.seq;
}

int ke_rstream_picked(struct ke_link *l, u32 log, u64 pos, struct ke_in *in)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);
	struct ke_picks p = { .seq = ke_get_u64(in) };
	int err = 0;

	if (in->bad)
		return -EPROTO;
	if (!rs || !rs->attached || rs->resumes || rs->ended)
		return 0;
	if (!may_pick(rs, pos, p.seq))
		return -EPROTO;
	while (in->p < in->end && !err)
		err = get_pick(in, &p, rs);
	if (rs->mirror.head != pos)
		l->node->house->published(rs);
	ke_rstream_came(l, rs);
	return err;
}
