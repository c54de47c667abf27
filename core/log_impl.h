/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * For log.c and mirror.c: where a log's bytes lie, its marks and tail, and how records are
 * written. The rules are those of log.c.
 */
#ifndef KE_LOG_IMPL_H
#define KE_LOG_IMPL_H

#include "log.h"

static inline u64 ke_log_part(const struct ke_log *log, u64 pos)
{
	return pos >> (ilog2(log->size) - ilog2(KECHO_LOG_MARKS));
}

static inline u8 *ke_log_at(const struct ke_log *log, u64 pos)
{
	return log->ring + (pos & (log->size - 1));
}

static inline u64 ke_log_to_ring_end(const struct ke_log *log, u64 pos)
{
	return log->size - (pos & (log->size - 1));
}

/* Readers see all up to @head, whose last event is @seq. See ke_view_now(). */
static inline void ke_log_show_head(struct kecho_log_header *hdr, u64 head, u64 seq)
{
	WRITE_ONCE(hdr->seq, cpu_to_le64(seq));
	smp_store_release(&hdr->head, cpu_to_le64(head));
	smp_store_release(&hdr->head_seq, cpu_to_le64(seq));
}

/* A record starts at @pos, the end of what was there until now. */
static inline void ke_log_set_mark(struct ke_log *log, u64 pos)
{
	u64 part = ke_log_part(log, pos);
	u32 i = part % KECHO_LOG_MARKS;

	if (ke_log_part(log, log->mark[i]) == part && log->mark[i] <= pos)
		return;
	log->mark[i] = pos;
	WRITE_ONCE(log->hdr->mark[i], cpu_to_le64(pos));
}

/* Nothing before @end - size may be read after this. */
static inline void ke_log_free_to(struct ke_log *log, u64 end)
{
	u64 first = end - log->size, tail;

	if (end - log->tail <= log->size)
		return;
	tail = ke_log_boundary(log, first);
	/* Who has read all that is published isn't lapped by what is still reserved. */
	if (tail > log->head && log->head >= first)
		tail = log->head;
	log->tail = tail;
	WRITE_ONCE(log->hdr->tail, cpu_to_le64(log->tail));
	smp_wmb();
}

static inline u64 ke_record_word(u32 len, u8 kind, u8 flags, u32 data, u8 type)
{
	return len | (u64)kind << 32 | (u64)flags << 40 | (u64)(data / 8) << 48 | (u64)type << 56;
}

/* Readers that are being lapped may load these words while they are written. */
static inline void ke_log_put_word(u8 *p, u64 word)
{
	WRITE_ONCE(*(__le64 *)p, cpu_to_le64(word));
}

static inline void ke_log_put_pad(struct ke_log *log, u64 pos, u64 len)
{
	ke_log_put_word(ke_log_at(log, pos), ke_record_word(len, KECHO_RECORD_PAD, 0, 0, 0));
}

#endif
