/* SPDX-License-Identifier: MIT */
/*
 * A mirror of a hostile peer's log: any bytes in any pieces, and skips anywhere.
 * What is published is records, the tail is one's start, and readers of it
 * neither leave the ring nor hang.
 */
#include "input.h"
#include "reader.h"

enum {
	RING = KE_LOG_SIZE_MIN,
	OPS_MAX = 400,
	RECORDS_MAX = RING / 8,
};

static struct {
	struct kecho_log_header *hdr;
	u8 *ring;
	u8 *copy;
	u8 *big;
	struct ke_log log;
	struct ke_reader readers[2];
	bool damaged[2];
	struct input in;
} f;

static void check_log(void)
{
	u64 pos, word;
	u32 n = 0;

	check(f.log.tail <= f.log.head && f.log.head <= f.log.end);
	check(f.log.end - f.log.tail <= RING);
	check(le64_to_cpu(f.hdr->head) == f.log.head && le64_to_cpu(f.hdr->tail) == f.log.tail);
	for (pos = f.log.tail; pos < f.log.head; pos += ke_record_align(ke_record_word_len(word))) {
		check(++n <= RECORDS_MAX);
		word = le64_to_cpu(*(__le64 *)(f.ring + (pos & (RING - 1))));
		check(ke_record_check(word, min(f.log.head - pos, RING - (pos & (RING - 1))),
				      f.log.record_max));
	}
	check(pos == f.log.head);
}

static void read_some(u32 which)
{
	struct ke_reader *r = &f.readers[which];
	struct ke_item item;
	int n = 0, items;

	for (items = 0; items < 64 && !f.damaged[which]; items++) {
		n = ke_reader_next(r, &item);
		if (n == -ENOBUFS) {
			ke_reader_give(r, NULL, 0);
			continue;
		}
		f.damaged[which] = n < 0;
		if (n <= 0)
			break;
		if (item.kind == KE_ITEM_EVENT) {
			touch(item.data, item.len);
			touch(item.attrs, item.attrs_len);
		}
	}
	check(r->pos <= f.log.head && r->released <= r->pos);
}

/* Bytes as they come over a link, up to what the gate of the reader in place allows. */
static int receive(u32 len, bool zeros)
{
	u64 room = f.readers[1].released + RING - f.log.end;
	u8 *to;

	if (f.readers[1].released + RING < f.log.end)
		return 0;
	to = ke_log_window(&f.log, min_t(u64, len, room));
	if (!to)
		return 0;
	len = min_t(u64, len, room);
	if (zeros)
		memset(to, 0, len);
	else
		take_bytes(&f.in, to, len);
	return ke_log_accept(&f.log, len);
}

/* The first words of a good record; its payload comes as bytes. */
static int receive_record(void)
{
	u8 kind = take_u8(&f.in), data = take_u8(&f.in) % 8;
	u64 left = RING - (f.log.end & (RING - 1)), len = take_u16(&f.in);
	u64 words[5] = { 0, f.log.seq + (kind >> 4), 0, 0, 0 };

	if (f.log.end != f.log.head)
		return 0;
	if (kind & 8)
		len = left;
	words[0] = len | (u64)(kind & 3) << 32 | (u64)(kind >> 4 & 7) << 40 | (u64)data << 48;
	words[3] = take_u16(&f.in) | (u64)take_u8(&f.in) << 32;
	len = min_t(u64, min(left, len), sizeof(words)) & ~7ULL;
	if (!len || f.readers[1].released + RING < f.log.end + len)
		return 0;
	memcpy(ke_log_window(&f.log, len), words, len);
	return ke_log_accept(&f.log, len);
}

static int skip_to(u8 how)
{
	u64 to = how & 1 ? take_u64(&f.in) : f.log.head + 8 * (s64)(s16)take_u16(&f.in);
	int err;

	/* what a gate holds isn't skipped over: the peer waits for the gate */
	if (f.readers[1].released != f.log.head && !f.damaged[1])
		return 0;
	err = ke_log_skip(&f.log, to);
	check(err == 0 || err == -EPROTO);
	check(err || (f.log.head == to && f.log.end == to));
	return 0;
}

static int pass_to(u8 how)
{
	u64 to = f.log.head + 8 * (u64)take_u16(&f.in), before = f.log.seq + (how & 3);
	int err;

	if (to > f.readers[1].released + RING)
		return 0;
	err = ke_log_pass(&f.log, to, before, before + (how >> 2) - (how & 1), how >> 3);
	check(err == 0 || err == -EPROTO);
	check(err || (f.log.head == to && f.log.end == to && f.log.seq >= before));
	return 0;
}

static int act(u8 op)
{
	u64 seq, pos;

	switch (op & 7) {
	case 0:
		return receive(op >> 3, false);
	case 1:
		return receive(take_u16(&f.in), op & 8);
	case 2:
	case 3:
		return receive_record();
	case 4:
		return op & 128 ? pass_to(op >> 3 & 15) : skip_to(op >> 3);
	case 5:
		pos = ke_log_retained(&f.log, op >> 3, &seq);
		check(pos >= f.log.tail && pos <= f.log.head && seq <= f.log.seq);
		return 0;
	case 6:
		read_some(0);
		return 0;
	default:
		read_some(1);
		return 0;
	}
}

static void init(u8 how)
{
	u64 pos = how & 1 ? 8 * (u64)take_u16(&f.in) : take_u64(&f.in) & ~7ULL;
	int i;

	if (ke_log_init(&f.log, f.hdr, f.ring, RING, pos, how & 2 ? take_u64(&f.in) : 0))
		check(!ke_log_init(&f.log, f.hdr, f.ring, RING, 0, 0));
	for (i = 0; i < 2; i++) {
		ke_reader_init(&f.readers[i], ke_log_view(&f.log), i, f.log.head, f.log.seq,
			       f.copy);
		ke_reader_behind(&f.readers[i], ke_log_passed(&f.log));
		f.damaged[i] = false;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int ops, err = 0;

	if (!f.ring) {
		f.hdr = malloc(sizeof(*f.hdr));
		f.ring = malloc(RING);
		f.copy = malloc(ke_record_max(RING));
		check(f.hdr && f.ring && f.copy);
	}
	memset(f.hdr, 0, sizeof(*f.hdr));
	memset(f.ring, 0, RING);
	f.in = (struct input){ data, size };
	init(take_u8(&f.in));
	for (ops = 0; f.in.len && !err && ops < OPS_MAX; ops++) {
		err = act(take_u8(&f.in));
		check(err == 0 || err == -EPROTO);
		check_log();
	}
	read_some(0);
	read_some(1);
	return 0;
}
