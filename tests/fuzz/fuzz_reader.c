/* SPDX-License-Identifier: MIT */
/*
 * A reader of a hostile writer's log.
 *
 * Whatever that does: no access outside the ring, the copy and the reader's own
 * memory; calls end; positions and sequence only grow.
 */
#include "hostile.h"
#include "../../core/reader.c"

enum {
	OPS_MAX = 400,
	LOADS_MAX = 200000,	/* of one call: a ring, copied, and the words around it */
};

static struct {
	u8 *copy;
	u8 *big;
	struct ke_reader r;
	struct ke_item item;
	struct input in;
} f;

static void check_item(u64 seq_before)
{
	const struct ke_item *item = &f.item;

	check(item->seq > seq_before);	/* not always the next: numbers may be void */
	if (item->kind == KE_ITEM_LOST) {
		check(item->last >= item->seq && f.r.seq == item->last);
		return;
	}
	check(f.r.seq == item->seq);
	check(item->len <= KE_EVENT_MAX && item->attrs_len <= KE_EVENT_ATTRS_MAX);
	touch(item->data, item->len);
	touch(item->attrs, item->attrs_len);
}

static void give_memory(u8 how)
{
	u32 size = f.r.big_total;

	free(f.big);
	/* exactly so much, to see overruns */
	f.big = how & 1 && size < 1 << 20 ? malloc(size) : NULL;
	ke_reader_give(&f.r, f.big, f.big ? size : 0);
}

/* One call, and what holds after it. */
static void read_one(u8 strikes)
{
	u64 pos = f.r.pos, released = f.r.released, seq = f.r.seq;
	int n;

	hostile_call(strikes);
	n = seq % 2 && ke_reader_plain(&f.r, ke_reader_plain_end(&f.r), &f.item);
	n = n ?: ke_reader_next(&f.r, &f.item);
	check(n == 1 || n == 0 || n == -ENOBUFS || n == -EPROTO);
	check(f.r.pos >= pos && f.r.released >= released && f.r.released <= f.r.pos);
	check(f.r.seq >= seq && f.r.lost <= f.r.seq);
	if (n == 1)
		check_item(seq);
	else if (n == -ENOBUFS)
		give_memory(take_u8(&f.in));
}

/* Who sleeps goes on over what is not for him. */
static void skim(u8 strikes)
{
	u64 pos = f.r.pos, seq = f.r.seq, lost = f.r.lost;

	if (!f.r.in_place)
		return;
	hostile_call(strikes);
	ke_reader_skim(&f.r);
	check(f.r.pos >= pos && f.r.released == f.r.pos);
	check(f.r.seq >= seq && f.r.lost == lost);
}

static void init_reader(u8 how)
{
	u64 pos = how & 2 ? U64_MAX - 7 - 8 * (u64)take_u16(&f.in) : 8 * (u64)take_u16(&f.in);
	struct ke_view view = { .hdr = hostile.hdr, .ring = hostile.ring, .size = RING };

	free(f.big);
	f.big = NULL;
	ke_reader_init(&f.r, view, how & 1, pos, how & 4 ? U64_MAX - 2 : 0, f.copy);
	if (how & 8)
		ke_reader_judged(&f.r, how >> 4, 0, 0);
	ke_reader_for(&f.r, how >> 5);
	ke_reader_behind(&f.r, how >> 6);
	hostile.head = pos;
	hostile.hdr->head = hostile.hdr->tail = cpu_to_le64(pos);
}

/* One act of the writer, or of the reader. */
static void act(u8 op)
{
	u8 arg = op >> 4;

	op &= 15;
	if (op < 8)
		write_any(op, arg, f.r.seq);
	else if (op > 12)
		read_one(arg);
	else if (op == 12)
		skim(arg);
	else if (op > 8)
		write_record(f.r.seq);
	else if (ke_reader_finish(&f.r, f.r.seq + (s8)take_u8(&f.in), &f.item))
		check(f.item.last == f.r.seq);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int ops;

	if (!f.copy) {
		f.copy = malloc(ke_record_max(RING));
		check(f.copy);
	}
	f.in = (struct input){ data, size };
	hostile_init(&f.in, &f.r.pos, LOADS_MAX);
	init_reader(take_u8(&f.in));
	for (ops = 0; f.in.len && ops < OPS_MAX; ops++)
		act(take_u8(&f.in));
	return 0;
}
