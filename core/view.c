// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Looking at a log from outside, without reading its events: what a record is, where the
 * log ends now, and where its last events begin. The log may be another process's, which may write
 * anything while we look: each word is loaded once, and bounded.
 */
#include "log.h"

bool ke_record_check(u64 word, u64 room, u32 record_max)
{
	u64 len = ke_record_word_len(word), data = ke_record_word_data(word);
	u8 flags = ke_record_word_flags(word);
	u64 least = sizeof(struct kecho_record);

	if (ke_record_align(len) > room)
		return false;
	switch (ke_record_word_kind(word)) {
	case KECHO_RECORD_PAD:
		return len >= 8 && IS_ALIGNED(len, KECHO_RECORD_ALIGN);
	case KECHO_RECORD_VOID:
		return !flags && len >= least && len <= record_max;
	case KECHO_RECORD_FILTERED:
		return !flags && len == least + sizeof(struct kecho_record_filtered);
	case KECHO_RECORD_EVENT:
		if (flags & ~(KECHO_RECORD_F_FRAGMENT | KECHO_RECORD_F_ATTRS |
			      KECHO_RECORD_F_MATCH | KECHO_RECORD_F_TO | KECHO_RECORD_F_LIFE))
			return false;
		if (flags & KECHO_RECORD_F_FRAGMENT)
			least += sizeof(struct kecho_record_fragment);
		if (flags & KECHO_RECORD_F_ATTRS)
			least += sizeof(struct kecho_record_attrs);
		if (flags & KECHO_RECORD_F_MATCH)
			least += sizeof(struct kecho_record_match);
		if (flags & KECHO_RECORD_F_TO)
			least += sizeof(struct kecho_record_to);
		if (flags & KECHO_RECORD_F_LIFE)
			least += sizeof(struct kecho_record_life);
		return data >= least && data <= len && len <= record_max;
	}
	return false;
}

bool ke_names_have(const __le64 *names, u32 n, u64 id)
{
	u32 from = 0, to = n, middle;
	u64 name;

	while (from < to) {
		middle = from + (to - from) / 2;
		name = ke_log_word(&names[middle]);
		if (name == id)
			return true;
		if (name < id)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

/* The fewer ones are looked for. */
bool ke_names_meet(const struct ke_names *there, const __le64 *names, u32 n)
{
	u32 i;

	if (n < there->n) {
		for (i = 0; i < n; i++)
			if (ke_names_have(there->id, there->n, ke_log_word(&names[i])))
				return true;
		return false;
	}
	for (i = 0; i < there->n; i++)
		if (ke_names_have(names, n, le64_to_cpu(there->id[i])))
			return true;
	return false;
}

bool ke_view_record(const struct ke_view *v, u64 pos, u64 head, u64 *word)
{
	u64 room = min(head - pos, ke_view_piece(v, pos));

	*word = ke_log_word(ke_view_at(v, pos));
	return ke_record_check(*word, room, ke_record_max(v->size));
}

/* The event that has a record at @pos: its number; 0: none has. */
static u64 event_at(const struct ke_view *v, u64 pos, u64 word)
{
	if (ke_record_word_kind(word) == KECHO_RECORD_PAD)
		return 0;
	return ke_log_word(ke_view_at(v, pos) + 8);
}

/* The same, only if it begins there. */
static u64 event_begins(const struct ke_view *v, u64 pos, u64 word)
{
	if (ke_record_word_kind(word) == KECHO_RECORD_PAD) /* its flags mean nothing */
		return 0;
	if ((ke_record_word_flags(word) & KECHO_RECORD_F_FRAGMENT) &&
	    (u32)ke_log_word(ke_view_at(v, pos) + sizeof(struct kecho_record)))
		return 0;
	return event_at(v, pos, word);
}

/* The records from @from to @to, both boundaries: *@seq, the number of the last event that
 * has one there; as it was if none has. False: they are no records. */
static bool walk(const struct ke_view *v, u64 from, u64 to, u64 *seq)
{
	u64 pos, word;

	for (pos = from; pos < to; pos += ke_record_align(ke_record_word_len(word))) {
		if (!ke_view_record(v, pos, to, &word))
			return false;
		*seq = event_at(v, pos, word) ?: *seq;
	}
	return true;
}

/* The last boundary that the log names between @tail and @head. */
static u64 last_mark(const struct ke_view *v, u64 tail, u64 head)
{
	u64 last = tail, mark;
	u32 i;

	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		mark = ke_log_word(&v->hdr->mark[i]);
		if (mark > last && mark < head && IS_ALIGNED(mark, KECHO_RECORD_ALIGN))
			last = mark;
	}
	return last;
}

/*
 * The last event in front of @head, by its records: those from the last mark on, and if
 * these are pads only, all. A head that is stored has a new event before it; so if there is
 * none at all, this one is the old head, and *@seq, head_seq, still belongs to it.
 */
static int walk_to(const struct ke_view *v, u64 head, u64 *seq)
{
	u64 tail = ke_log_word(&v->hdr->tail), from, s = 0;

	if (tail > head || head - tail > v->size ||
	    !IS_ALIGNED(tail | head, KECHO_RECORD_ALIGN))
		return -EAGAIN;
	from = last_mark(v, tail, head);
	if (!walk(v, from, head, &s))
		return -EAGAIN;
	if (!s) {
		if (!walk(v, tail, from, &s))
			return -EAGAIN;
		from = tail;
	}
	smp_rmb();
	if (ke_log_word(&v->hdr->tail) > from || (!s && ke_log_word(&v->hdr->head_seq) != *seq))
		return -EAGAIN;
	*seq = s ?: *seq;
	return 0;
}

/*
 * A writer stores seq, head, head_seq. Who loads them the other way round and finds
 * the two numbers equal has that of the head. One that is stopped between its stores
 * can be read at leisure.
 */
int ke_view_now(const struct ke_view *v, u64 *head, u64 *seq)
{
	u64 first = 0, h = 0;
	u32 i;

	for (i = 0; i < KE_NOW_TRIES_MAX; i++) {
		first = le64_to_cpu(smp_load_acquire(&v->hdr->head_seq));
		h = le64_to_cpu(smp_load_acquire(&v->hdr->head));
		if (ke_log_word(&v->hdr->seq) == first)
			break;
	}
	if (!IS_ALIGNED(h, KECHO_RECORD_ALIGN))
		return -EAGAIN;
	if (i == KE_NOW_TRIES_MAX && walk_to(v, h, &first))
		return -EAGAIN;
	*head = h;
	*seq = first;
	return 0;
}

u64 ke_view_boundary(const struct ke_view *v, u64 pos, u64 head)
{
	u64 tail = ke_log_word(&v->hdr->tail), best = head, mark;
	u32 i;

	if (pos <= tail)
		return IS_ALIGNED(tail, KECHO_RECORD_ALIGN) ? min(tail, head) : head;
	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		mark = ke_log_word(&v->hdr->mark[i]);
		if (mark >= pos && mark < best && IS_ALIGNED(mark, KECHO_RECORD_ALIGN))
			best = mark;
	}
	return best;
}

u64 ke_view_retained(const struct ke_view *v, u64 from, u64 head, u64 last, u64 n, u64 *seq)
{
	u64 pos, word, s, end = head - from > v->size ? from : head;

	for (pos = from; pos < end; pos += ke_record_align(ke_record_word_len(word))) {
		if (!ke_view_record(v, pos, head, &word))
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

u64 ke_view_unread(const struct ke_view *v, u64 pos, u64 given, u64 head, u64 last)
{
	u64 before;

	if (pos > head || head - pos > v->size)
		return 0;
	given = clamp_t(u64, given, pos, head);
	if (!IS_ALIGNED(given, KECHO_RECORD_ALIGN))
		return 0;
	ke_view_retained(v, given, head, last, U64_MAX, &before);
	return last - before;
}

u64 ke_log_retained(const struct ke_log *log, u64 n, u64 *seq)
{
	u64 half = log->head > log->size / 2 ? log->head - log->size / 2 : 0;
	u64 last = le64_to_cpu(READ_ONCE(log->hdr->seq));
	struct ke_view v = ke_log_view(log);

	return ke_view_retained(&v, ke_log_boundary(log, half), log->head, last, n, seq);
}
