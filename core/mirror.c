// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The mirror of a log: what its source's node has sent of it, at the same positions. Its
 * bytes come in any pieces; readers see the records that are whole. Where nothing comes, as
 * it was overwritten there or is for nobody here, lie pads, and what says why.
 */
#include "log_impl.h"

void *ke_log_window(struct ke_log *log, u32 len)
{
	if (len > ke_log_to_ring_end(log, log->end) || len > log->size)
		return NULL;
	ke_log_free_to(log, log->end + len);
	return ke_log_at(log, log->end);
}

/* One whole record at log->head, if it is there. 1, 0: not yet, -EPROTO. */
static int accept_one(struct ke_log *log)
{
	u64 have = log->end - log->head, word, len, seq;
	u8 *rec = ke_log_at(log, log->head);

	if (have < 8)
		return 0;
	word = le64_to_cpu(*(__le64 *)rec);
	if (!ke_record_check(word, ke_log_to_ring_end(log, log->head), log->record_max) ||
	    ke_record_word_kind(word) == KECHO_RECORD_FILTERED)
		return -EPROTO;
	len = ke_record_align(ke_record_word_len(word));
	if (have < len)
		return 0;
	if (ke_record_word_kind(word) != KECHO_RECORD_PAD) {
		seq = le64_to_cpu(*(__le64 *)(rec + 8));
		if (seq < log->seq || !seq)
			return -EPROTO;
		log->seq = seq;
	}
	if (ke_record_word_kind(word) == KECHO_RECORD_EVENT && ke_record_word_lives(word) &&
	    log->lives == KE_NO_LIMIT)
		WRITE_ONCE(log->lives, log->head);
	ke_log_set_mark(log, log->head);
	log->head += len;
	return 1;
}

int ke_log_accept(struct ke_log *log, u32 len)
{
	u64 head = log->head;
	int n;

	log->end += len;
	do {
		n = accept_one(log);
	} while (n > 0);

	if (log->head != head)
		ke_log_show_head(log->hdr, log->head, log->seq);
	return n;
}

static void put_pads(struct ke_log *log, u64 pos)
{
	while (log->end < pos) {
		u64 len = min(pos - log->end, ke_log_to_ring_end(log, log->end));

		ke_log_free_to(log, log->end + len);
		ke_log_set_mark(log, log->end);
		ke_log_put_pad(log, log->end, len);
		log->end += len;
	}
}

int ke_log_skip(struct ke_log *log, u64 pos)
{
	if (pos < log->head || pos > KE_POSITION_MAX || !IS_ALIGNED(pos, KECHO_RECORD_ALIGN))
		return -EPROTO;

	log->end = log->head;	/* part of a record, perhaps: its rest won't come */
	if (pos - log->head >= log->size) {
		log->tail = log->head = log->end = pos;
		WRITE_ONCE(log->hdr->tail, cpu_to_le64(pos));
		smp_wmb();
		ke_log_set_mark(log, pos);
		smp_store_release(&log->hdr->head, cpu_to_le64(pos));
		return 0;
	}
	put_pads(log, pos);
	log->head = log->end;
	smp_store_release(&log->hdr->head, cpu_to_le64(log->head));
	return 0;
}

/* Bytes of the record that says what was passed over. */
enum { FILTERED_LEN = sizeof(struct kecho_record) + sizeof(struct kecho_record_filtered) };

/* Where it goes; after a pad, perhaps. */
static u64 filtered_at(const struct ke_log *log)
{
	u64 left = ke_log_to_ring_end(log, log->head);

	return FILTERED_LEN <= left ? log->head : log->head + left;
}

static void put_filtered(struct ke_log *log, u64 seq)
{
	u8 *rec = ke_log_at(log, log->end);
	u32 len = FILTERED_LEN;

	ke_log_free_to(log, log->end + len);
	ke_log_set_mark(log, log->end);
	ke_log_put_word(rec, ke_record_word(len, KECHO_RECORD_FILTERED, 0, 0, 0));
	ke_log_put_word(rec + 8, seq);
	ke_log_put_word(rec + 16, log->pass_before);
	ke_log_put_word(rec + sizeof(struct kecho_record), log->pass_expired);
	log->end += len;
}

/* Is the head right behind what was passed over? */
static bool is_passed(const struct ke_log *log)
{
	return log->pass_end && log->pass_end == log->head;
}

u64 ke_log_passed(const struct ke_log *log)
{
	return is_passed(log) ? log->pass_expired : 0;
}

/* Who is lapped by nothing else has lost nothing: a record tells of all in a row. */
static void count_passed(struct ke_log *log, u64 before, u64 expired)
{
	if (before > log->seq || !is_passed(log)) {
		log->pass_before = before;
		log->pass_expired = 0;
	}
	log->pass_expired += expired;
}

/* The last place before @pos for the record that says so. */
static u64 filtered_before(const struct ke_log *log, u64 pos)
{
	u64 over = pos & (log->size - 1);

	return pos - FILTERED_LEN - (over < FILTERED_LEN ? over : 0);
}

/*
 * Where it goes: at once, or after a jump that takes most of the ring right before @pos, where
 * what comes next does not overwrite it. A jump over more than the ring leaves nothing before it.
 */
static u64 filtered_in(struct ke_log *log, u64 pos)
{
	u64 start;

	if (pos - log->head <= log->size / 4)
		return filtered_at(log);
	start = filtered_before(log, pos);
	if (pos - log->head > log->size) {
		log->tail = log->end = start;
		WRITE_ONCE(log->hdr->tail, cpu_to_le64(start));
		smp_wmb();
	}
	return start;
}

bool ke_log_may_pass(const struct ke_log *log, u64 pos, u64 before, u64 seq, u64 expired)
{
	return pos >= filtered_at(log) + FILTERED_LEN && pos <= KE_POSITION_MAX &&
	       IS_ALIGNED(pos, KECHO_RECORD_ALIGN) && before >= log->seq && seq >= before && seq &&
	       expired <= seq - before;
}

int ke_log_pass(struct ke_log *log, u64 pos, u64 before, u64 seq, u64 expired)
{
	if (!ke_log_may_pass(log, pos, before, seq, expired))
		return -EPROTO;

	count_passed(log, before, expired);
	log->end = log->head;	/* as above */
	put_pads(log, filtered_in(log, pos));
	put_filtered(log, seq);
	put_pads(log, pos);
	log->head = log->pass_end = log->end;
	log->seq = seq;
	ke_log_show_head(log->hdr, log->head, seq);
	return 0;
}
