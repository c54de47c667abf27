// SPDX-License-Identifier: MIT
/*
 * Whose turn it is on a link: of each batch of frames it is seen that
 *
 *  - nothing of a class goes out while a log of one before it has something left, but one frame
 *    of a class that is due;
 *  - a class that has had something to send, while so much of those before it went out as makes
 *    it due, has a frame in the batch.
 *
 * Of logs of which something may be passed over, or which may lap their stream, it is not known
 * what they have left to send.
 */
#include "sim.h"

static const u32 turn_bytes[KE_CLASSES] = { 0, KE_NORMAL_TURN, KE_BULK_TURN };

/* In this batch, of @ts or, NULL, of all streams of @rank. */
static u32 bytes_in(const struct ke_link *l, u32 rank, const struct ke_tstream *ts)
{
	u32 i, bytes = 0;

	for (i = 0; i < l->nframes; i++)
		if (ts ? l->frame[i].stream == ts : ke_tstream_rank(l->frame[i].stream) == rank)
			bytes += l->frame[i].len;
	return bytes;
}

/* It has something that can be sent now, behind what is in the batch. */
static bool has_more(const struct ke_link *l, const struct ke_tstream *ts)
{
	const struct ke_log *log = &ts->source->log;
	u64 sent = ts->sent + bytes_in(l, 0, ts);

	return ts->gated && !ke_tstream_walks(ts, log->head) &&
	       min(log->head, ts->credit) > sent;
}

static bool rank_has_more(const struct ke_link *l, u32 rank)
{
	const struct ke_tstream *ts;

	list_for_each_entry(ts, &l->streams[rank], link_list)
		if (has_more(l, ts))
			return true;
	return false;
}

static void wrong(const struct conn *c, u32 rank, const char *what, u32 bytes)
{
	sim_broken(c->node->w, "node %u, connection %u: %s a log of rank %u, after %u bytes of "
		   "others", c->node->index, c->id, what, rank, bytes);
}

static void check_rank(struct conn *c, u32 rank, bool more_before)
{
	struct cover *cover = &c->node->w->cover;
	u32 i, n = 0;

	for (i = 0; i < c->link.nframes; i++)
		n += ke_tstream_rank(c->link.frame[i].stream) == rank;
	if (n && more_before) {
		cover->path[PATH_DUE]++;
		if (n > 1 || c->since[rank] < turn_bytes[rank])
			wrong(c, rank, "before its turn goes", c->since[rank]);
	}
	if (!n && rank_has_more(&c->link, rank) && c->waited[rank] >= turn_bytes[rank])
		wrong(c, rank, "nothing goes of", c->waited[rank]);
	cover->path[PATH_WAITS] += !n && more_before && rank_has_more(&c->link, rank);
}

/* So many bytes of ranks before this one. */
static void others_sent(struct conn *c, u32 rank, u32 len)
{
	c->since[rank] += len;
	c->waited[rank] = rank_has_more(&c->link, rank) ? c->waited[rank] + len : 0;
}

void sturn_check(struct conn *c)
{
	bool more = false;
	u32 rank;

	for (rank = 0; rank < KE_CLASSES; rank++) {
		if (rank && c->link.nframes)
			check_rank(c, rank, more);
		more |= rank_has_more(&c->link, rank);
	}
	for (rank = 0; rank < KE_CLASSES; rank++) {
		if (c->had_turn[rank])
			c->since[rank] = 0;
		if (c->picked[rank])
			others_sent(c, rank, c->picked[rank]);
		c->picked[rank] = 0;
		c->had_turn[rank] = false;
	}
}

void sturn_picked(struct conn *c, u32 log, u32 len)
{
	struct ke_source *s = ke_source_find(c->link.node, log);
	const struct ke_tstream *ts = s ? ke_tstream_find(s, c->link.peer) : NULL;
	u32 rank = ts ? ke_tstream_rank(ts) : 0;

	c->waited[rank] = 0;	/* a frame may go along */
	c->had_turn[rank] = true;
	while (++rank < KE_CLASSES)
		c->picked[rank] += len;
}

void sturn_sent(struct conn *c, u32 rank, u32 len)
{
	c->waited[rank] = c->since[rank] = 0;
	while (++rank < KE_CLASSES)
		others_sent(c, rank, len);
}
