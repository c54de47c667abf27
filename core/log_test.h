/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of logs and of readers share: a log in its own memory, events
 * whose bytes follow from their number, and a check of all that a log promises
 * of its records, marks and tail.
 */
#ifndef KE_LOG_TEST_H
#define KE_LOG_TEST_H

#include "reader.h"
#include "tap.h"

/* What is checked lies in between: a write past the ring breaks these bytes. */
#define FENCE_BYTES 64
#define FENCE 0xa5

struct log_fix {
	struct ke_log log;
	struct kecho_log_header *hdr;
	u8 *memory;		/* fence, ring, fence */
	u64 rng;
};

/* A generator of its own, the same in the kernel: xorshift. */
static __maybe_unused u32 random_below(struct log_fix *f, u32 n)
{
	f->rng ^= f->rng << 13;
	f->rng ^= f->rng >> 7;
	f->rng ^= f->rng << 17;
	return (u32)(f->rng >> 32) % n;
}

static __maybe_unused void fix_free(struct log_fix *f)
{
	u64 i, size = f->log.size;

	for (i = 0; f->memory && size && i < FENCE_BYTES; i++)
		if (!ok(f->memory[i] == FENCE && f->memory[FENCE_BYTES + size + i] == FENCE,
			"nothing is written outside the ring"))
			break;
	kvfree(f->memory);
	kvfree(f->hdr);
	kvfree(f);
}

static __maybe_unused struct log_fix *fix_new(u64 size, u64 pos, u64 seq)
{
	struct log_fix *f = kvzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->rng = 0x9e3779b97f4a7c15ULL;
	f->hdr = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	f->memory = kvzalloc(size + 2 * FENCE_BYTES, GFP_KERNEL);
	if (!f->hdr || !f->memory)
		goto free_fix;
	memset(f->memory, FENCE, FENCE_BYTES);
	memset(f->memory + FENCE_BYTES + size, FENCE, FENCE_BYTES);
	if (ke_log_init(&f->log, f->hdr, f->memory + FENCE_BYTES, size, pos, seq))
		goto free_fix;
	return f;

free_fix:
	fix_free(f);
	return NULL;
}

static __maybe_unused u8 event_byte(u64 seq, u32 i)
{
	return seq * 31 + i * 7 + (i >> 8);
}

static __maybe_unused void fill_event(u8 *to, u64 seq, u32 offset, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		to[i] = event_byte(seq, offset + i);
}

static __maybe_unused bool is_event(const u8 *data, u64 seq, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		if (data[i] != event_byte(seq, i))
			return false;
	return true;
}

static __maybe_unused u64 view_head(const struct log_fix *f)
{
	return le64_to_cpu(f->hdr->head);
}

static __maybe_unused u64 view_seq(const struct log_fix *f)
{
	return le64_to_cpu(f->hdr->seq);
}

static __maybe_unused u8 *log_at(const struct log_fix *f, u64 pos)
{
	return f->log.ring + (pos & (f->log.size - 1));
}

static __maybe_unused u64 log_word(const struct log_fix *f, u64 pos)
{
	return le64_to_cpu(*(__le64 *)log_at(f, pos));
}

static __maybe_unused u64 log_left(const struct log_fix *f)
{
	return f->log.size - (f->log.end & (f->log.size - 1));
}

/* A piece of @len bytes, at @offset, of the next event (or of event @seq), not published. */
static __maybe_unused int append_piece(struct log_fix *f, u32 offset, u32 total, u32 len, u64 limit,
				       u64 *seq)
{
	struct ke_event_info info = { .time_ns = *seq, .frag_offset = offset, .frag_total = total };
	u8 *data = kvzalloc(len + 1, GFP_KERNEL);
	u64 n = *seq ? *seq : f->log.seq + 1;
	int err;

	if (!data)
		return -ENOMEM;
	info.time_ns = n * 1000;
	info.type = n;
	fill_event(data, n, offset, len);
	err = ke_log_append(&f->log, &info, data, len, limit, seq);
	kvfree(data);
	return err;
}

/* The next event, of @len bytes, not published. */
static __maybe_unused int append(struct log_fix *f, u32 len, u64 limit)
{
	u64 seq = 0;

	return append_piece(f, 0, 0, len, limit, &seq);
}

/* Events until @left bytes are left to the ring's end. */
static __maybe_unused bool fill_up_to(struct log_fix *f, u64 left)
{
	while (log_left(f) != left) {
		u64 size = log_left(f) - left;

		if (log_left(f) <= left)
			size = log_left(f);
		size = min_t(u64, size, 4096);
		if (size < sizeof(struct kecho_record) ||
		    append(f, size - sizeof(struct kecho_record), KE_NO_LIMIT))
			return false;
	}
	ke_log_publish(&f->log);
	return true;
}

static __maybe_unused u64 mark_part(const struct ke_log *log, u64 pos)
{
	return pos / (log->size / KECHO_LOG_MARKS);
}

/* Walks all records from the tail to @end; gives whether they and the marks are good. */
static __maybe_unused bool log_sound(const struct log_fix *f, u64 end)
{
	const struct ke_log *log = &f->log;
	u64 pos = log->tail, word, found = 0, i;

	if (!ok(log->end - log->tail <= log->size, "the tail is within a ring of the end") ||
	    !is_eq(le64_to_cpu(f->hdr->tail), log->tail, "the published tail") ||
	    !is_eq(view_head(f), log->head, "the published head"))
		return false;
	while (pos < end) {
		if (!ok(IS_ALIGNED(pos, KECHO_RECORD_ALIGN), "%llu is aligned", pos))
			return false;
		for (i = 0; i < KECHO_LOG_MARKS; i++)
			found |= (u64)(log->mark[i] == pos) << i;
		word = log_word(f, pos);
		if (!ok(ke_record_check(word, min(end - pos, log->size - (pos & (log->size - 1))),
					log->record_max),
			"a record is at %llu", pos))
			return false;
		pos += ke_record_align(ke_record_word_len(word));
	}
	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		if (!is_eq(le64_to_cpu(f->hdr->mark[i]), log->mark[i], "published mark"))
			return false;
		if (log->mark[i] >= log->tail && log->mark[i] < end && !(found & BIT_ULL(i)))
			return ok(false, "mark %llu at %llu is a record boundary", i, log->mark[i]);
	}
	return is_eq(pos, max(end, log->tail), "the records end where they should");
}

#endif
