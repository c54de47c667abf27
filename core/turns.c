// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Turns: which pieces of logs a link sends next.
 *
 * Of logs the urgent ones go first, bulk last: something of a class goes out only when
 * nothing is left of those before it, or when so much of these went out since its own last
 * frame that it is due one (KE_NORMAL_TURN, KE_BULK_TURN); so none waits for ever. Logs of one
 * class take turns. A frame that has begun goes to its end, so those of logs that others here go
 * before are short, unless the link is so fast that this is no matter.
 *
 * A link has a list of streams for each class, by its rank; those of rank 0 go first.
 */
#include "link.h"

u32 ke_link_first_rank(const struct ke_link *l)
{
	u32 rank = 0;

	while (rank < KE_CLASSES && list_empty(&l->streams[rank]))
		rank++;
	return rank;
}

bool ke_link_mixed(const struct ke_link *l)
{
	u32 rank = ke_link_first_rank(l) + 1;

	while (rank < KE_CLASSES && list_empty(&l->streams[rank]))
		rank++;
	return rank < KE_CLASSES;
}

static u64 stream_head(const struct ke_tstream *ts)
{
	return le64_to_cpu(smp_load_acquire(&ts->view.hdr->head));
}

static u64 stream_tail(const struct ke_tstream *ts)
{
	return le64_to_cpu(READ_ONCE(ts->view.hdr->tail));
}

/* Of a frame that begins now. */
static u32 piece_max(const struct ke_link *l, const struct ke_tstream *ts)
{
	u32 most = KE_PIECE_MAX;

	if (ke_link_first_rank(l) < ke_tstream_rank(ts))
		most = clamp_t(u32, l->pace, KE_PIECE_SHORT, KE_PIECE_MAX);
	return min_t(u64, most, ts->view.size / 4);
}

static bool pin_at(struct ke_tstream *ts, u64 pos)
{
	WRITE_ONCE(ts->pin, pos);
	smp_mb();
	return stream_tail(ts) <= pos;
}

/* What is next stays as it is; false: it was overwritten. Behind a gate the tail may have
 * passed it, to a mark, but nothing is. */
static bool pin(struct ke_tstream *ts)
{
	if (ts->gated || pin_at(ts, ts->sent) || pin_at(ts, ke_tstream_done(ts)))
		return true;
	smp_store_release(&ts->pin, U64_MAX);
	return false;
}

/* The next bytes of @ts, pinned; 0: none. */
static u32 stream_piece(struct ke_link *l, struct ke_tstream *ts)
{
	u64 head = stream_head(ts), end = min(head, ts->credit);
	u32 most = piece_max(l, ts);
	u64 to_end, len = 0;

	if (!ke_tstream_walks(ts, head)) {
		ke_tstream_pass(l, ts);
		head = end;
	}
	if (head <= ke_tstream_done(ts))
		return 0;
	if (!pin(ts)) {
		ke_tstream_lapped(l, ts);
		return 0;
	}
	if (ke_tstream_walks(ts, head))
		end = ke_tstream_walk(l, ts, head, end, most);
	to_end = ke_view_piece(&ts->view, ts->sent);
	if (end > ts->sent)
		len = min3(end - ts->sent, to_end, (u64)most);
	if (!len)
		smp_store_release(&ts->pin, U64_MAX);
	return len;
}

static bool stream_at_end(const struct ke_tstream *ts)
{
	u64 done = ke_tstream_done(ts);

	/* Beyond the credit the other end may not be told yet where it is. */
	return READ_ONCE(ts->source->closed) && !ts->ended && done == stream_head(ts) &&
	       (done != READ_ONCE(ts->sent) || done <= ts->credit);
}

static void stream_end(struct ke_link *l, struct ke_tstream *ts)
{
	u8 body[KE_END_BODY_MAX];
	u32 len = ke_source_end_body(ts->source, body);

	ke_tstream_pass(l, ts);
	if (ts->sent > ts->credit)
		return;
	ts->ended = true;
	ke_link_send_locked(l, KECHO_FRAME_END, ts->source->id, ts->sent, body, len);
}

static void add_frame(struct ke_link *l, struct ke_tstream *ts, u32 len)
{
	l->frame[l->nframes++] = (struct ke_tx_frame){
		.hdr = {
			.len = cpu_to_le32(len), .type = KECHO_FRAME_DATA,
			.id = cpu_to_le32(ts->source->id), .pos = cpu_to_le64(ts->sent),
		},
		.stream = ts, .len = len,
	};
}

/* A piece of each stream of this rank that has something, up to @most frames in all; and the
 * list turns, so that each has its turn. True: there is more, perhaps. */
static bool gather_rank(struct ke_link *l, u32 rank, u32 most)
{
	struct list_head *streams = &l->streams[rank];
	struct ke_tstream *ts, *next, *first = NULL;
	bool more = false;
	u32 len;

	list_for_each_entry_safe(ts, next, streams, link_list) {
		if (l->nframes == most) {
			more = true;
			break;
		}
		len = stream_piece(l, ts);
		if (stream_at_end(ts))
			stream_end(l, ts);
		if (!len)
			continue;
		add_frame(l, ts, len);
		more |= min(stream_head(ts), ts->credit) > ts->sent + len;
		first = first ?: ts;
	}
	if (first && !list_is_singular(streams))
		list_move_tail(&first->link_list, streams);
	return more;
}

/* A frame of each rank that has waited for long enough; gives the first of these, which has had
 * its turn by that. KE_CLASSES: none was due. */
static u32 gather_due(struct ke_link *l)
{
	static const u32 turn[KE_CLASSES] = { 0, KE_NORMAL_TURN, KE_BULK_TURN };
	u32 rank, had, due = KE_CLASSES;

	for (rank = 1; rank < KE_CLASSES; rank++) {
		if (l->waited[rank] < turn[rank])
			continue;
		had = l->nframes;
		gather_rank(l, rank, had + 1);
		if (l->nframes == had)
			l->waited[rank] = 0;
		else
			due = min(due, rank);
	}
	return due;
}

void ke_link_gather(struct ke_link *l)
{
	u32 rank, due;

	l->nframes = 0;
	due = gather_due(l);
	/* What is left of a rank goes before all behind it. */
	for (rank = 0; rank < due; rank++)
		if (gather_rank(l, rank, KE_TX_FRAMES))
			break;
}

void ke_link_took(struct ke_link *l, u32 rank, u32 len)
{
	l->waited[rank] = 0;
	while (++rank < KE_CLASSES)
		l->waited[rank] += len;
}

/* Beyond the credit there is only what may be passed over, up to what is held for it. */
static bool stream_pending(const struct ke_tstream *ts)
{
	u64 done = ke_tstream_done(ts), head = stream_head(ts);

	if (head <= done)
		return false;
	return done < ts->credit ||
	       (ke_tstream_walks(ts, head) && READ_ONCE(ts->held) != done);
}

bool ke_link_pending(const struct ke_link *l)
{
	const struct ke_tstream *ts;
	u32 rank;

	if (l->rest_len || READ_ONCE(l->control_len))
		return true;
	for (rank = 0; rank < KE_CLASSES; rank++)
		list_for_each_entry(ts, &l->streams[rank], link_list)
			if (stream_pending(ts) || stream_at_end(ts))
				return true;
	return false;
}
