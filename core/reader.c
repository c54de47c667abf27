// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Reading a log.
 *
 * A reader behind a gate (a `block` sink) gets records in place: the writer waits
 * until it has released them, and only a mirror that skips goes past it. Any other
 * copies a record's words, and then looks whether the tail has passed it
 * meanwhile; if so, the copy is thrown away and the reader goes on halfway between
 * tail and head, where it is not lapped again at once. What it missed shows by the
 * sequence numbers, exactly.
 *
 * All that the writer's memory says is loaded once and bounded by what the node
 * knows: the ring's size, and by the head, itself bounded. One call reads a bounded
 * number of records, however fast the writer makes them.
 */
#include "reader.h"

static u64 view_tail(const struct ke_view *v)
{
	return le64_to_cpu(READ_ONCE(v->hdr->tail));
}

void ke_reader_init(struct ke_reader *r, struct ke_view view, bool in_place, u64 pos, u64 seq,
		    void *copy)
{
	memset(r, 0, offsetof(struct ke_reader, big_attrs));
	r->view = view;
	r->in_place = in_place;
	r->pos = r->released = pos;
	r->until = KE_NO_LIMIT;
	r->seq = seq;
	r->copy = copy;
}

u64 ke_reader_head(const struct ke_reader *r)
{
	u64 head = le64_to_cpu(smp_load_acquire(&r->view.hdr->head));
	u64 from = min(view_tail(&r->view), head);

	if (head < r->pos || !IS_ALIGNED(head, KECHO_RECORD_ALIGN))
		return KE_HEAD_BAD;
	/* A writer that laps us is fine; one that says more than a ring is readable isn't.
	 * The tail may have moved on since the head was loaded, never back. */
	if (head - from > r->view.size)
		return KE_HEAD_BAD;
	return head;
}

u64 ke_view_resync(const struct ke_view *v, u64 head)
{
	u64 tail = view_tail(v), best = head, middle, mark;
	u32 i;

	if (tail >= head)
		return head;
	/* So little is there only after a mirror's jump. */
	if (head - tail < v->size / KECHO_LOG_MARKS && IS_ALIGNED(tail, KECHO_RECORD_ALIGN))
		return tail;
	middle = tail + (head - tail) / 2;
	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		mark = le64_to_cpu(READ_ONCE(v->hdr->mark[i]));
		if (mark >= middle && mark < best && IS_ALIGNED(mark, KECHO_RECORD_ALIGN))
			best = mark;
	}
	return best;
}

/* @len bytes (a multiple of 8) at @pos into @to, word by word: they may change. */
static void copy_words(const struct ke_view *v, u64 pos, void *to, u32 len)
{
	const __le64 *from = (const __le64 *)ke_view_at(v, pos);
	__le64 *out = to;
	u32 i;

	for (i = 0; i < len / 8; i++)
		out[i] = READ_ONCE(from[i]);
}

/* Was what we read at r->pos still there when we had read it? */
static bool still_there(const struct ke_reader *r)
{
	smp_rmb();
	return view_tail(&r->view) <= r->pos;
}

/*
 * The record at r->pos: *rec in place or in r->copy. 1; 0: it was overwritten;
 * -EPROTO.
 */
static int fetch(struct ke_reader *r, u64 head, const u8 **rec, u64 *word)
{
	const struct ke_view *v = &r->view;
	u64 to_end = ke_view_piece(v, r->pos);
	u64 room = min(head - r->pos, to_end);
	bool good;

	*word = ke_log_word(ke_view_at(v, r->pos));
	good = ke_record_check(*word, room, ke_record_max(v->size));
	if (r->in_place) {
		*rec = ke_view_at(v, r->pos);
		return good ? 1 : -EPROTO;
	}
	if (good && ke_record_word_kind(*word) != KECHO_RECORD_PAD)
		copy_words(v, r->pos, r->copy, ke_record_align(ke_record_word_len(*word)));
	if (!still_there(r))
		return 0;
	*rec = r->copy;
	return good ? 1 : -EPROTO;
}

static void advance(struct ke_reader *r, u64 word)
{
	r->pos += ke_record_align(ke_record_word_len(word));
}

/* ------------------------------------------------------------------ judgements */

enum verdict { NOT_OURS, OURS, UNJUDGED };

void ke_reader_judged(struct ke_reader *r, u8 bit, u32 from, u32 since)
{
	u32 i, n = 0;

	/* What is said again replaces what was said. */
	for (i = 0; i < r->nverdicts; i++)
		if (r->verdict[i].from >= since && r->verdict[i].from < from)
			r->verdict[n++] = r->verdict[i];
	if (n == KE_VERDICTS_MAX) {
		n--;
		memmove(r->verdict, r->verdict + 1, n * sizeof(r->verdict[0]));
	}
	if (n)
		r->verdict[n - 1].end = le64_to_cpu(smp_load_acquire(&r->view.hdr->head));
	r->verdict[n++] = (struct ke_reader_verdict){ .from = from, .bit = bit };
	r->nverdicts = n;
}

bool ke_reader_crowded(const struct ke_reader *r)
{
	return r->nverdicts > KE_VERDICTS_UNREAD_MAX &&
	       r->verdict[r->nverdicts - 1 - KE_VERDICTS_UNREAD_MAX].end > r->pos;
}

/* What the newest verdict of that generation says of these bits. In the first one there are no
 * filters yet: what is of it was to be judged, and then was not. */
static enum verdict look_up(const struct ke_reader *r, u64 bits, u32 generation)
{
	u32 i = r->nverdicts;
	u8 bit;

	while (i && r->verdict[i - 1].from > generation)
		i--;
	if (!i || !generation || (r->verdict[i - 1].from ^ generation) >> KE_GENERATION_SETS)
		return UNJUDGED;
	bit = r->verdict[i - 1].bit;
	if (bit < 64)
		return bits >> bit & 1 ? OURS : NOT_OURS;
	return bit == KE_BIT_ALL ? OURS : UNJUDGED;
}

/* Is the event of the record @rec, good as a record, for us? The @n sinks that it is for are
 * in it. */
static enum verdict judged(const struct ke_reader *r, const u8 *rec, u64 word, u32 n)
{
	const u8 *match = rec + ke_record_word_match(word);
	const __le64 *names = (const __le64 *)(rec + ke_record_word_data(word));

	if (unlikely(ke_record_word_names(word)) && r->sink && !ke_names_have(names, n, r->sink))
		return NOT_OURS;
	if (!r->nverdicts || !(ke_record_word_flags(word) & KECHO_RECORD_F_MATCH))
		return UNJUDGED;
	return look_up(r, ke_log_word(match), (u32)ke_log_word(match + 8));
}

/* ---------------------------------------------------------------------- records */

static int say_lost(struct ke_reader *r, u64 last, struct ke_item *item)
{
	*item = (struct ke_item){ .kind = KE_ITEM_LOST, .seq = r->seq + 1, .last = last };
	r->lost += last - r->seq;
	r->seq = last;
	r->big_seq = 0;
	return 1;
}

/* Attributes of the record at @rec, which end before what follows them. */
static int parse_attrs(const u8 *rec, u64 word, const u8 *p, struct ke_item *item)
{
	const u8 *end = rec + ke_record_word_match(word);
	u16 len;

	if (!(ke_record_word_flags(word) & KECHO_RECORD_F_ATTRS))
		return 0;
	if (!(ke_record_word_flags(word) & KECHO_RECORD_F_MATCH))
		end += sizeof(struct kecho_record_match);
	len = (u16)ke_log_word(p);
	p += sizeof(struct kecho_record_attrs);
	if (len > KE_EVENT_ATTRS_MAX || p + len > end)
		return -EPROTO;
	item->attrs = p;
	item->attrs_len = len;
	return 0;
}

static int first_piece(struct ke_reader *r, const struct ke_item *item, u32 total)
{
	if (r->skip_seq == item->seq)
		return 0;
	r->big_total = total;
	r->big_have = 0;
	if (r->big_size < total)
		return -ENOBUFS;
	r->big_seq = item->seq;
	r->big_time_ns = item->time_ns;
	r->big_deadline_ns = item->deadline_ns;
	r->big_type = item->type;
	r->big_judged = item->judged;
	r->big_attrs_len = item->attrs_len;
	if (item->attrs_len)
		memcpy(r->big_attrs, item->attrs, item->attrs_len);
	return 0;
}

static void whole_big(struct ke_reader *r, struct ke_item *item)
{
	*item = (struct ke_item){
		.kind = KE_ITEM_EVENT, .seq = r->big_seq, .time_ns = r->big_time_ns,
		.deadline_ns = r->big_deadline_ns, .type = r->big_type, .judged = r->big_judged,
		.data = r->big, .len = r->big_total,
		.attrs = r->big_attrs_len ? r->big_attrs : NULL, .attrs_len = r->big_attrs_len,
	};
	r->seq = r->big_seq;
	r->big_seq = 0;
}

/* A piece of an event: 1: it was the last, @item is the event; 0: go on. */
static int take_piece(struct ke_reader *r, u64 word, const u8 *p, struct ke_item *item)
{
	u64 where = ke_log_word(p);
	u32 offset = (u32)where, total = where >> 32;
	int err = 0;

	if (total > KE_EVENT_MAX || !total || !item->len || offset > total ||
	    item->len > total - offset)
		return -EPROTO;
	if (!offset)
		err = first_piece(r, item, total);
	if (err)
		return err;
	/* a mirror's pads may stand for pieces that were overwritten at the source */
	if (offset > r->big_have)
		r->big_seq = 0;
	if (r->big_seq != item->seq) {	/* a part of it is lost, or it had no memory */
		advance(r, word);
		return 0;
	}
	if (offset != r->big_have || total != r->big_total)
		return -EPROTO;
	memcpy(r->big + offset, item->data, item->len);
	r->big_have += item->len;
	advance(r, word);
	if (r->big_have < total)
		return 0;
	whole_big(r, item);
	return 1;
}

/* A record of the event before the next: good only where the reader has begun in
 * that event's middle, for the rest of its pieces. */
static int parse_old(struct ke_reader *r, const u8 *rec, u64 word, u64 seq)
{
	if (seq != r->seq || !(ke_record_word_flags(word) & KECHO_RECORD_F_FRAGMENT) ||
	    !(u32)ke_log_word(rec + sizeof(struct kecho_record)))
		return -EPROTO;
	advance(r, word);
	return 0;
}

/* Events that nobody on this host wants, or that had expired; those before them may be lost. */
static int parse_filtered(struct ke_reader *r, const u8 *rec, u64 word, struct ke_item *item)
{
	u64 seq = ke_log_word(rec + 8), before = ke_log_word(rec + 16);
	u64 all = ke_log_word(rec + 24), expired;

	if (seq < r->seq || before > seq || all > seq - before)
		return -EPROTO;
	if (before > r->seq)
		return say_lost(r, before, item);
	/* It may tell again what was read already of this row. */
	if (before == r->seq)
		r->passed = 0;
	expired = all - r->passed;
	if (all < r->passed || expired > seq - r->seq)
		return -EPROTO;
	if (r->nverdicts || r->sink)
		r->filtered += seq - r->seq - expired;
	r->expired += expired;
	r->passed = all;
	r->seq = seq;
	r->big_seq = 0;
	advance(r, word);
	return 0;
}

/* Of its further pieces parse_old() is told. */
static int leave_out(struct ke_reader *r, u64 word, u64 seq)
{
	r->filtered++;
	r->seq = seq;
	advance(r, word);
	return 0;
}

/* The record @rec, good as a record. 1: @item; 0: nothing to tell, go on. */
static int parse(struct ke_reader *r, const u8 *rec, u64 word, struct ke_item *item)
{
	const u8 *p = rec + sizeof(struct kecho_record);
	u8 flags = ke_record_word_flags(word);
	u32 len = ke_record_word_len(word), data, n;
	enum verdict v;
	u64 seq;
	int err;

	if (ke_record_word_kind(word) == KECHO_RECORD_PAD) {
		advance(r, word);
		return 0;
	}
	if (ke_record_word_kind(word) == KECHO_RECORD_FILTERED)
		return parse_filtered(r, rec, word, item);
	seq = ke_log_word(rec + 8);
	if (!seq)
		return -EPROTO;
	if (seq <= r->seq)
		return parse_old(r, rec, word, seq);
	if (seq != r->seq + 1)
		return say_lost(r, seq - 1, item);
	if (ke_record_word_kind(word) == KECHO_RECORD_VOID) {
		r->seq = seq;
		advance(r, word);
		return 0;
	}
	n = ke_record_nto(rec, word);
	data = ke_record_word_data(word) + n * sizeof(__le64);
	if (data > len)
		return -EPROTO;
	/* A piece goes the way of those before it. */
	v = judged(r, rec, word, n);
	if (v == NOT_OURS && r->big_seq != seq)
		return leave_out(r, word, seq);
	*item = (struct ke_item){
		.kind = KE_ITEM_EVENT, .seq = seq, .time_ns = ke_log_word(rec + 16),
		.deadline_ns = ke_record_deadline(rec, word),
		.type = ke_record_word_type(word), .judged = v == OURS,
		.data = rec + data, .len = len - data,
	};
	if (flags & KECHO_RECORD_F_FRAGMENT)
		p += sizeof(struct kecho_record_fragment);
	err = parse_attrs(rec, word, p, item);
	if (err)
		return err;
	if (flags & KECHO_RECORD_F_FRAGMENT)
		return take_piece(r, word, rec + sizeof(struct kecho_record), item);
	r->seq = seq;
	advance(r, word);
	return 1;
}

/*
 * Is there something else at r->pos by now? In place there isn't until a mirror has
 * skipped a ring, or nearly one: of a gated log the tail runs ahead of the gates by up to a part
 * of the ring, but no byte that they hold is overwritten.
 */
static bool passed(const struct ke_reader *r)
{
	u64 tail = view_tail(&r->view);

	return tail > r->pos && (!r->in_place || tail - r->pos >= r->view.size - KE_JUMP_SLACK);
}

/* What was between here and there is lost; so is an event that was begun. */
static void resync(struct ke_reader *r, u64 head)
{
	r->pos = r->released = max(r->pos, ke_view_resync(&r->view, head));
	r->big_seq = 0;
}

int ke_reader_next(struct ke_reader *r, struct ke_item *item)
{
	int records = 0, resyncs = 0, n;
	const u8 *rec;
	u64 head, word;

	r->released = r->pos;
	while (records++ < KE_SILENT_RECORDS_MAX) {
		head = ke_reader_head(r);
		if (head == KE_HEAD_BAD)
			return -EPROTO;
		if (head == r->pos || r->pos >= r->until)
			return 0;
		n = 0;
		if (!passed(r))
			n = fetch(r, head, &rec, &word);
		if (!n) {
			if (++resyncs > KE_RESYNC_TRIES_MAX)
				return 0;
			resync(r, head);
			continue;
		}
		if (n > 0)
			n = parse(r, rec, word, item);
		if (n)
			return n;
		r->released = r->pos;
	}
	return 0;
}

u64 ke_reader_plain_end(const struct ke_reader *r)
{
	u64 head = ke_reader_head(r);

	if (!r->in_place || head == KE_HEAD_BAD || passed(r))
		return r->pos;
	return max(r->pos, min(head, r->until));
}

bool ke_reader_plain(struct ke_reader *r, u64 end, struct ke_item *item)
{
	const u8 *rec = ke_view_at(&r->view, r->pos);
	enum verdict v;
	u64 word, len, seq, room = min(end - r->pos, r->view.size - (rec - r->view.ring));

	if (room < sizeof(struct kecho_record))
		return false;
	word = ke_log_word(rec);
	len = ke_record_word_len(word);
	seq = ke_log_word(rec + 8);
	if (ke_record_word_kind(word) != KECHO_RECORD_EVENT ||
	    ke_record_word_flags(word) & ~(KECHO_RECORD_F_MATCH | KECHO_RECORD_F_LIFE) ||
	    !ke_record_check(word, room, ke_record_max(r->view.size)) || !seq ||
	    seq != r->seq + 1)
		return false;
	v = judged(r, rec, word, 0);
	if (v == NOT_OURS)
		return false;
	*item = (struct ke_item){
		.kind = KE_ITEM_EVENT, .seq = seq, .time_ns = ke_log_word(rec + 16),
		.deadline_ns = ke_record_deadline(rec, word),
		.type = ke_record_word_type(word), .judged = v == OURS,
		.data = rec + ke_record_word_data(word), .len = len - ke_record_word_data(word),
	};
	r->seq = seq;
	r->pos += ke_record_align(len);
	return true;
}

/* What has anything to tell is left to ke_reader_next(). */
static bool skim_one(struct ke_reader *r)
{
	u64 head = ke_reader_head(r), word, seq;
	const u8 *rec;
	u32 n;

	if (head == KE_HEAD_BAD || head == r->pos || passed(r) || fetch(r, head, &rec, &word) <= 0)
		return false;
	if (ke_record_word_kind(word) == KECHO_RECORD_PAD) {
		advance(r, word);
		return true;
	}
	seq = ke_log_word(rec + 8);
	n = ke_record_nto(rec, word);
	if (ke_record_word_kind(word) != KECHO_RECORD_EVENT || !seq ||
	    ke_record_word_data(word) + n * sizeof(__le64) > ke_record_word_len(word))
		return false;
	if (seq <= r->seq)
		return !parse_old(r, rec, word, seq);
	return seq == r->seq + 1 && r->big_seq != seq && judged(r, rec, word, n) == NOT_OURS &&
	       !leave_out(r, word, seq);
}

void ke_reader_skim(struct ke_reader *r)
{
	u32 n = 0;

	while (n < KE_PASS_RECORDS_MAX && skim_one(r))
		n++;
	r->released = r->pos;
}

void ke_reader_gated(struct ke_reader *r, u64 self, u64 taken)
{
	r->self = self;
	r->taken = taken;
}

bool ke_reader_kept(const struct ke_reader *r)
{
	const struct kecho_log_header *hdr = r->view.hdr;
	u64 n, i;

	if (!r->self)
		return true;
	smp_rmb();	/* what was read lies before this look */
	n = ke_log_word(&hdr->taken);
	if (likely(n == r->taken))
		return true;
	/* So many at once, or a count that goes back: it can't be known any more. */
	if (n - r->taken > KECHO_LOG_TAKEN)
		return false;
	smp_rmb();
	for (i = r->taken; i != n; i++)
		if (ke_log_word(&hdr->taken_of[i % KECHO_LOG_TAKEN]) == r->self)
			return false;
	return true;
}

void ke_reader_give(struct ke_reader *r, void *buf, u32 size)
{
	r->big = buf;
	r->big_size = size;
	r->big_seq = 0;
	if (!buf)
		r->skip_seq = r->seq + 1;	/* its number then shows as a loss */
}

int ke_reader_finish(struct ke_reader *r, u64 last, struct ke_item *item)
{
	if (last <= r->seq)
		return 0;
	return say_lost(r, last, item);
}
