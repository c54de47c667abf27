// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Looking at a log from outside, without reading its events: where it ends now, and
 * where its last events begin. The log may be another process's, which may write
 * anything while we look: each word is loaded once, and bounded.
 */
#include "log.h"

static u64 view_word(const void *p)
{
	return le64_to_cpu(READ_ONCE(*(const __le64 *)p));
}

static const u8 *view_at(const struct ke_view *v, u64 pos)
{
	return v->ring + (pos & (v->size - 1));
}

/* The record at @pos, if what is there is one. */
static bool record_at(const struct ke_view *v, u64 pos, u64 head, u64 *word)
{
	u64 room = min(head - pos, v->size - (pos & (v->size - 1)));

	*word = view_word(view_at(v, pos));
	return ke_record_check(*word, room, ke_record_max(v->size));
}

/* The event that has a record at @pos: its number; 0: none has. */
static u64 event_at(const struct ke_view *v, u64 pos, u64 word)
{
	return ke_record_word_kind(word) == KECHO_RECORD_PAD ? 0 : view_word(view_at(v, pos) + 8);
}

/* The same, only if it begins there. */
static u64 event_begins(const struct ke_view *v, u64 pos, u64 word)
{
	if (ke_record_word_kind(word) == KECHO_RECORD_PAD) /* its flags mean nothing */
		return 0;
	if ((ke_record_word_flags(word) & KECHO_RECORD_F_FRAGMENT) &&
	    (u32)view_word(view_at(v, pos) + sizeof(struct kecho_record)))
		return 0;
	return event_at(v, pos, word);
}

/* The last event in front of @head, by its records; 0: they don't tell. */
static u64 walk_to(const struct ke_view *v, u64 head)
{
	u64 tail = view_word(&v->hdr->tail), from = 0, pos, mark, word, seq = 0;
	u32 i;

	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		mark = view_word(&v->hdr->mark[i]);
		if (mark >= from && mark < head && IS_ALIGNED(mark, KECHO_RECORD_ALIGN))
			from = mark;
	}
	if (from < tail || head - from > v->size)
		return 0;
	for (pos = from; pos < head; pos += ke_record_align(ke_record_word_len(word))) {
		if (!record_at(v, pos, head, &word))
			return 0;
		seq = event_at(v, pos, word) ?: seq;
	}
	smp_rmb();
	return view_word(&v->hdr->tail) <= from ? seq : 0;
}

/*
 * A writer stores seq, head, head_seq. Who loads them the other way round and finds
 * the two numbers equal has that of the head. One that is stopped between its stores
 * can be read at leisure.
 */
int ke_view_now(const struct ke_view *v, u64 *head, u64 *seq)
{
	u64 first, h = 0, s;
	u32 i;

	for (i = 0; i < KE_NOW_TRIES_MAX; i++) {
		first = le64_to_cpu(smp_load_acquire(&v->hdr->head_seq));
		h = le64_to_cpu(smp_load_acquire(&v->hdr->head));
		s = view_word(&v->hdr->seq);
		if (s == first) {
			*head = h;
			*seq = s;
			return 0;
		}
	}
	if (!IS_ALIGNED(h, KECHO_RECORD_ALIGN))
		return -EAGAIN;
	s = walk_to(v, h);
	if (!s)
		return -EAGAIN;
	*head = h;
	*seq = s;
	return 0;
}

u64 ke_view_boundary(const struct ke_view *v, u64 pos, u64 head)
{
	u64 tail = view_word(&v->hdr->tail), best = head, mark;
	u32 i;

	if (pos <= tail)
		return IS_ALIGNED(tail, KECHO_RECORD_ALIGN) ? min(tail, head) : head;
	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		mark = view_word(&v->hdr->mark[i]);
		if (mark >= pos && mark < best && IS_ALIGNED(mark, KECHO_RECORD_ALIGN))
			best = mark;
	}
	return best;
}

u64 ke_view_retained(const struct ke_view *v, u64 from, u64 head, u64 last, u64 n, u64 *seq)
{
	u64 pos, word, s;

	for (pos = from; pos < head; pos += ke_record_align(ke_record_word_len(word))) {
		if (!record_at(v, pos, head, &word))
			break;
		s = event_begins(v, pos, word);
		if (s && s <= last && last - s < n) {
			*seq = s - 1;
			return pos;
		}
	}
	*seq = last;
	return head;
}
