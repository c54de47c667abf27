// SPDX-License-Identifier: MIT
/*
 * What sources really submitted. An event's bytes follow from its source and number, so
 * only its length is kept.
 */
#include "sim.h"

struct truth *truth_new(struct sim *w, struct ssource *s, u32 channel)
{
	struct truth *t = sim_alloc(sizeof(*t));

	t->index = w->ntruths;
	t->channel = channel;
	t->node = s->chan->node->index;
	t->ungated_to = sim_alloc(w->opt.nodes * sizeof(t->ungated_to[0]));
	t->gated = sim_alloc(w->opt.nodes * sizeof(t->gated[0]));
	t->starts = sim_alloc(w->opt.nodes * sizeof(t->starts[0]));
	if (!(w->ntruths & (w->ntruths - 1)))
		w->truth = sim_grow(w->truth, (2 * w->ntruths + 1) * sizeof(t));
	w->truth[w->ntruths++] = t;
	return t;
}

struct truth *truth_find(struct sim *w, u64 member)
{
	u32 i;

	for (i = w->ntruths; i > 0; i--)
		if (w->truth[i - 1]->member == member)
			return w->truth[i - 1];
	return NULL;
}

/* The next one is made. */
struct truth_event *truth_event(struct truth *t, u64 seq)
{
	if (seq == t->n + 1) {
		if (seq >= t->room) {
			t->room = t->room ? 2 * t->room : 256;
			t->event = sim_grow(t->event, t->room * sizeof(t->event[0]));
		}
		t->event[seq] = (struct truth_event){ 0 };
		t->n = seq;
	}
	return seq && seq <= t->n ? &t->event[seq] : NULL;
}

static u64 word_of(const struct truth *t, u64 seq, u32 i)
{
	return (seq << 20 ^ (u64)t->index << 52 ^ i) * 0x9fb21c651e98df25ULL;
}

void truth_fill(const struct truth *t, u64 seq, u8 *to, u32 from, u32 len)
{
	u64 v;
	u32 i, part;

	for (i = 0; i < len; i += part) {
		u32 at = from + i;

		v = cpu_to_le64(word_of(t, seq, at / 8));
		part = min(len - i, 8 - at % 8);
		memcpy(to + i, (u8 *)&v + at % 8, part);
	}
}

bool truth_same(const struct truth *t, u64 seq, const u8 *data, u32 len)
{
	u64 v, is;
	u32 i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&is, data + i, 8);
		if (le64_to_cpu(is) != word_of(t, seq, i / 8))
			return false;
	}
	v = cpu_to_le64(word_of(t, seq, i / 8));
	return i == len || !memcmp(data + i, &v, len - i);
}

/* The event's attributes, encoded: one number. */
u32 truth_attrs(const struct truth *t, u64 seq, u8 *to)
{
	static const u8 head[] = { KE_VALUE_I64, 1, 8, 0, 'n' };
	u64 v = cpu_to_le64(word_of(t, seq, U32_MAX));

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), &v, sizeof(v));
	return sizeof(head) + sizeof(v);
}

void truth_free(struct truth *t)
{
	sim_free(t->event);
	sim_free(t->verdict);
	sim_free(t->to);
	sim_free(t->ungated_to);
	sim_free(t->gated);
	sim_free(t->starts);
	sim_free(t);
}
