// SPDX-License-Identifier: MIT
/*
 * Filters of sinks and sources: see sfilter.h.
 */
#include "filter_test.h"
#include "sim.h"

struct sfilter sfilter_choose(u64 *rng)
{
	u32 dice = random_next(rng) >> 32;

	return (struct sfilter){
		.kind = dice % SFILTERS,
		.at = dice >> 8 & 7,
		.mask = dice >> 16 & 1 ? 1 : 3,
		.is = dice >> 20 & (dice >> 16 & 1 ? 1 : 3),
	};
}

struct sfilter sfilter_choose_out(u64 *rng)
{
	struct sfilter f = sfilter_choose(rng);
	u32 dice = random_next(rng) >> 32;

	f.out = true;
	if (dice & 1)	/* mostly something that tells sinks apart */
		f.kind = SFILTER_SINK + (dice >> 4) % (SFILTERS - SFILTER_SINK);
	f.scores = dice >> 1 & 1;
	f.best = dice >> 2 & 1 ? 1 + (dice >> 8) % 3 : 0;
	return f;
}

bool sfilter_asks_of_sink(const struct sfilter *f)
{
	return f->kind >= SFILTER_SINK;
}

static bool is_age(const struct sfilter *f)
{
	return f->kind == SFILTER_SINK_AGE || f->kind == SFILTER_NODE_AGE;
}

/* ------------------------------------------------------------------ for core */

enum { NS_PER_MS = 1000000, AGE_SHIFT = 8 };

static const struct {
	u8 scope;		/* enum kecho_filter_scope */
	const char *name;
} slots[SFILTERS] = {
	[SFILTER_EVENT] = { KECHO_SCOPE_EVENT, SFILTER_EVENT_NAME },
	[SFILTER_CHANNEL] = { KECHO_SCOPE_CHANNEL, SFILTER_CHANNEL_NAME },
	[SFILTER_SOURCE] = { KECHO_SCOPE_SOURCE, SFILTER_SOURCE_NAME },
	[SFILTER_SOURCE_NODE] = { KECHO_SCOPE_SOURCE_NODE, SFILTER_NODE_NAME },
	[SFILTER_SINK] = { KECHO_SCOPE_SINK, SFILTER_SINK_NAME },
	[SFILTER_SINK_NODE] = { KECHO_SCOPE_SINK_NODE, SFILTER_NODE_NAME },
	[SFILTER_SINK_AGE] = { KECHO_SCOPE_SINK, SFILTER_SINK_NAME },
	[SFILTER_NODE_AGE] = { KECHO_SCOPE_SINK_NODE, SFILTER_NODE_NAME },
};

/* r0: the number; what is not there has led to an exit with 0. */
static void load(struct parts *p, const struct sfilter *f)
{
	switch (f->kind) {
	case SFILTER_BYTE:
		parts_insn(p, LDX(BPF_DW, 6, 1, CTX(payload)));
		parts_insn(p, LDX(BPF_B, 0, 6, f->at));
		break;
	case SFILTER_SEQ:
		parts_insn(p, LDX(BPF_DW, 0, 1, CTX(seq)));
		break;
	case SFILTER_LEN:
		parts_insn(p, LDX(BPF_DW, 0, 1, CTX(len)));
		break;
	default:
		parts_slot(p, slots[f->kind].scope, is_age(f) ? KECHO_SLOT_AGE : 0, KE_VALUE_I64,
			   slots[f->kind].name);
		parts_insn(p, LDX(BPF_DW, 6, 1, CTX(slots)));
		parts_insn(p, LDX(BPF_DW, 0, 6, offsetof(struct kecho_filter_value, present)));
		parts_insn(p, JMP(BPF_JNE, 0, 0, 1));
		parts_insn(p, EXIT);
		parts_insn(p, LDX(BPF_DW, 0, 6, offsetof(struct kecho_filter_value, value)));
		if (is_age(f))
			parts_insn(p, ALU(BPF_DIV, 0, NS_PER_MS));
		break;
	}
}

static void compare(struct parts *p, const struct sfilter *f)
{
	if (f->scores) {
		parts_insn(p, STX(BPF_DW, 1, CTX(score), 0));
		parts_insn(p, MOV(0, 1));
		return;
	}
	if (is_age(f))
		parts_insn(p, ALU(BPF_RSH, 0, AGE_SHIFT));
	parts_insn(p, ALU(BPF_AND, 0, f->mask));
	parts_insn(p, JMP(BPF_JEQ, 0, f->is, 2));
	parts_insn(p, MOV(0, 0));
	parts_insn(p, EXIT);
	parts_insn(p, MOV(0, 1));
}

const void *sfilter_wire(const struct sfilter *f, u32 *len)
{
	static struct parts p;

	*len = 0;
	if (f->kind == SFILTER_NONE)
		return NULL;
	parts_begin(&p, f->out ? KECHO_FILTER_OUT : KECHO_FILTER_EVENT);
	p.h.best = cpu_to_le32(f->best);
	if (f->kind == SFILTER_EVERY || f->kind == SFILTER_NOTHING) {
		parts_insn(&p, MOV(0, f->kind == SFILTER_EVERY));
	} else {
		load(&p, f);
		compare(&p, f);
	}
	parts_insn(&p, EXIT);
	parts_join(&p);
	*len = p.wire_len;
	return p.wire;
}

/* ---------------------------------------------------------------------- in C */

s16 sfilter_number(const struct ke_attrs *attrs, const char *name)
{
	struct ke_value v;

	return ke_attrs_find(attrs->buf, attrs->len, name, &v) ? -1 : v.i64;
}

s32 sfilter_age(const struct ke_attrs *attrs, const char *name, u64 now_ms)
{
	return max_t(s64, ke_attrs_age_ms(attrs, name, now_ms), -1);
}

static bool in_event(const struct truth *t, u64 seq, u64 *number)
{
	struct ke_value v;
	u8 attrs[32];

	if (!t->event[seq].attrs ||
	    ke_attrs_find(attrs, truth_attrs(t, seq, attrs), SFILTER_EVENT_NAME, &v))
		return false;
	*number = v.i64;
	return true;
}

static bool in_payload(const struct truth *t, u64 seq, u8 at, u64 *number)
{
	u8 byte;

	truth_fill(t, seq, &byte, at, 1);
	*number = byte;
	return at < t->event[seq].len;
}

static bool is_set(s32 attr, u64 *number)
{
	*number = attr;
	return attr >= 0;
}

static bool find(const struct sfilter *f, const struct truth *t, u64 seq,
		 const struct sfilter_from *from, const struct sfilter_to *to, u64 *number)
{
	switch (f->kind) {
	case SFILTER_BYTE:
		return in_payload(t, seq, f->at, number);
	case SFILTER_SEQ:
		*number = seq;
		return true;
	case SFILTER_LEN:
		*number = t->event[seq].len;
		return true;
	case SFILTER_EVENT:
		return in_event(t, seq, number);
	case SFILTER_CHANNEL:
		return is_set(from->channel, number);
	case SFILTER_SOURCE:
		return is_set(from->source, number);
	case SFILTER_SOURCE_NODE:
		return is_set(from->node, number);
	case SFILTER_SINK:
		return is_set(to->sink, number);
	case SFILTER_SINK_AGE:
		return is_set(to->sink_age, number);
	case SFILTER_NODE_AGE:
		return is_set(to->node_age, number);
	default:
		return is_set(to->node, number);
	}
}

bool sfilter_scores(const struct sfilter *f, const struct truth *t, u64 seq,
		    const struct sfilter_from *from, const struct sfilter_to *to, u64 *score)
{
	u64 v;

	*score = 0;
	if (f->kind == SFILTER_NONE || f->kind == SFILTER_EVERY)
		return true;
	if (f->kind == SFILTER_NOTHING || !find(f, t, seq, from, to, &v))
		return false;
	if (f->scores)
		*score = v;
	return f->scores || (v >> (is_age(f) ? AGE_SHIFT : 0) & f->mask) == f->is;
}

bool sfilter_wants(const struct sfilter *f, const struct truth *t, u64 seq,
		   const struct sfilter_from *from, const struct sfilter_to *to)
{
	u64 score;

	return sfilter_scores(f, t, seq, from, to, &score);
}
