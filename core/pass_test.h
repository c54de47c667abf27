/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of passing over share: a source that judges, and a sink elsewhere that wants
 * events with bit 0.
 */
#ifndef KE_PASS_TEST_H
#define KE_PASS_TEST_H

#include "hostile_test.h"

static __maybe_unused struct ke_tstream *stream_of(struct world *w)
{
	return list_first_entry_or_null(&w->n[0].src.streams, struct ke_tstream, source_list);
}

static __maybe_unused struct ke_rstream *mirror_of(const struct world *w)
{
	return w->n[1].feeds->rs;
}

static __maybe_unused void want(struct world *w, u64 bits, bool all)
{
	struct ke_tstream *ts = stream_of(w);
	struct ke_link *l = ts->link;

	if (l)
		h_tx_lock(l);
	ke_tstream_want(ts, bits, all, 1);
	if (l)
		h_tx_unlock(l);
}

/* A source that judges, whose sink elsewhere wants events with bit 0. */
static __maybe_unused struct world *judged_stream(u64 seed, bool gated)
{
	struct world *w = two_nodes(seed);

	if (!w)
		return NULL;
	w->n[1].judged = w->n[0].judges = true;
	is_eq(sink_open(&w->n[1], gated, false), 0, "sink");
	ok(world_pump(w), "quiet");
	ok(source_open(&w->n[0], 0), "source");
	ok(world_pump(w), "quiet");
	ok(ke_channel_started(&w->n[1].ch), "started");
	want(w, 1, false);
	return w;
}

/* Up to @n events of @len bytes, with these bits. */
static __maybe_unused u32 submit_bits(struct world *w, u32 n, u64 bits, u32 len)
{
	u32 i;

	w->n[0].bits = bits;
	for (i = 0; i < n && !submit(&w->n[0], len); i++)
		;
	return i;
}

/* Up to @n of any; *@wanted counts those with bit 0, of which one in @rare is. */
static __maybe_unused u32 submit_any(struct world *w, u32 n, u32 rare, u64 *wanted)
{
	u32 i;

	for (i = 0; i < n; i++) {
		bool is = !world_random(w, rare);

		w->n[0].bits = is | 2 * world_random(w, 8);
		if (submit(&w->n[0], world_random(w, 1 << world_random(w, 13))))
			break;
		*wanted += is;
	}
	return i;
}

#endif
