/* SPDX-License-Identifier: MIT */
/*
 * Filters of sinks, theirs and ours, and our sources that judge by them: as hostile nodes say
 * them, and as the houses of nodes call core for their own.
 */
#ifndef FUZZ_JUDGES_H
#define FUZZ_JUDGES_H

#include "filter_test.h"
#include "says.h"

enum {
	MANY = KE_JUDGE_FILTERS_MAX + 2,	/* sinks: more than a source has bits for */
	MANY_FROM = 1000,			/* their ids */
	MANY_TIMES = 2,				/* in one input */
};

static struct parts parts;

/* One of few, so that some are the same: events that are short, or have a field, or of which
 * an attribute is set, or is that old. @best: so many sinks, of a filter for OUT. */
static void make_filter_of(u8 kind, u8 how, u32 best)
{
	bool typed = how % 3, scores = kind == KECHO_FILTER_OUT;
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_DW, 7, 1, CTX(slots)),
		LDX(BPF_DW, 2, 1, CTX(len)), LDX(BPF_DW, 0, 7, 0),
		typed ? LDX(BPF_DW, 3, 6, 0) : MOV(3, 0), ALUR(BPF_OR, 0, 3),
		scores ? STX(BPF_DW, 1, CTX(score), 0) : MOV(4, 0),
		JMP(BPF_JGT, 2, (how >> 3) * 64, 1), MOV(0, 1), EXIT,
	};
	static const char *const names[] = { "a", "b" };

	parts_begin(&parts, kind);
	parts.h.best = cpu_to_le32(best);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	if (typed)
		parts_ref(&parts, 4, KECHO_REF_FIELD, 0, how & 1 ? "f" : "g");
	parts_slot(&parts, KECHO_SCOPE_EVENT + (how >> 1) % 7, how & 32 ? KECHO_SLOT_AGE : 0, 0,
		   names[how >> 7]);
	if (how & 64)
		parts_slot(&parts, KECHO_SCOPE_EVENT, 0, 0, "a");
	parts_join(&parts);
}

static void make_filter(u8 how)
{
	make_filter_of(how == 255 ? KECHO_FILTER_IN : KECHO_FILTER_EVENT, how, 0);
}

/* ---------------------------------------------------------------- what they say */

static void say_sink(struct conn *c, u64 id)
{
	u8 buf[64];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, id);
	ke_put_u8(&o, KE_SINK);
	ke_put_u8(&o, 0);
	ke_put_u8(&o, 0);
	ke_put_u32(&o, 0);
	ke_put_u64(&o, 0);
	ke_put_bytes(&o, NULL, 0);
	send_out(c, KECHO_FRAME_MEMBER, 1, 0, &o);
}

/* Of a sink of theirs; none, if @how says so; perhaps with a byte that is wrong. */
static void say_filter_of(struct conn *c, u64 sink, u64 version, u8 how, u8 wrong)
{
	u8 buf[sizeof(u64) + sizeof(u32) + sizeof(parts.wire) + SMALL_TYPE];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u8 type[SMALL_TYPE];
	bool any = how & 7;

	make_filter(how);
	small_type(type, how ^ 64);	/* its field can be read if it travels */
	ke_put_u64(&o, sink);
	ke_put_u32(&o, any ? parts.wire_len : 0);
	ke_put(&o, parts.wire, any ? parts.wire_len : 0);
	ke_put(&o, type, any && how & 64 ? sizeof(type) : 0);
	if (wrong & 128)
		buf[take_u8(&f.in) % o.len] ^= wrong;
	send_out(c, KECHO_FRAME_FILTER, 1, version, &o);
}

static void say_filter(struct conn *c, u8 how)
{
	u64 sink = 1 + take_u8(&f.in) % 8, version = take_u8(&f.in);

	say_filter_of(c, sink, version, how, take_u8(&f.in));
}

/* More of them than can be judged here. */
static void say_many(struct conn *c)
{
	u32 i;

	if (f.many == MANY_TIMES)
		return;
	f.many++;
	for (i = 0; i < MANY; i++) {
		say_sink(c, MANY_FROM + i);
		say_filter_of(c, MANY_FROM + i, f.many, i * 4 + 1, 0);
	}
}

/* The sink of theirs has taken what we said, of this source or another, now or before. */
static void say_taken(struct conn *c, u8 how)
{
	u32 log = our_log(how & 8 ? take_u8(&f.in) : EXTRAS);
	struct ke_source *s = ke_source_find(&f.tn->node, log);
	u64 sink = 1 + (how & 7), version = take_u8(&f.in);
	const struct ke_seat *seat = s ? ke_source_seat_of(s, sink) : NULL;
	__le64 body = cpu_to_le64(sink);

	if (seat && version < 192)
		version = seat->v.version;
	frame(c, KECHO_FRAME_JUDGED_ACK, log, version, &body, sizeof(body));
}

/* A sink of theirs with a filter, which it has taken: so not all is wanted there. */
static void join_judged(struct conn *c, u8 how)
{
	say_sink(c, 1);
	say_filter_of(c, 1, 1, how, 0);
	say_taken(c, 0);
}

/* What they say of a filter of ours. */
static void say_judged(struct conn *c, u8 how)
{
	const struct ke_member *sink = how & 1 && more.has_sink ? &more.sink : &f.tn->sink;
	u8 buf[17], bit = take_u8(&f.in), from = take_u8(&f.in);
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, sink->id);
	ke_put_u32(&o, sink->filter_version + 1 - (how >> 1 & 3));
	ke_put_u8(&o, bit % (KE_BIT_ALL + 2));
	ke_put_u32(&o, from >> (how >> 3 & 3));
	send_out(c, KECHO_FRAME_JUDGED, 1 + bit % LOGS, from, &o);
}

/* ---------------------------------------------------------------- what our side does */

/* A filter of a sink of ours; if it is refused all is as it was. */
static void filter_ours(u8 how)
{
	bool second = how & 1;
	struct ke_member *sink = second ? &more.sink : &f.tn->sink;
	const struct ke_sieve *before = sink->sieve;
	u32 version = sink->filter_version;
	char why[KE_TYPE_WHY_MAX];
	u8 type[SMALL_TYPE];
	int err;

	if (!(second ? more.has_sink : f.tn->has_sink))
		return;
	make_filter(take_u8(&f.in));
	small_type(type, how);
	fail_alloc = f.starve;
	err = ke_member_filter(sink, parts.wire, how & 2 ? 0 : parts.wire_len, type,
			       how & 4 ? sizeof(type) : 0, why);
	fail_alloc = 0;
	check(sink->filter_version == version + !err);
	check(!err || sink->sieve == before);
}

/* It reads by what every source has said. */
static void took_all(struct ke_member *sink, bool newest)
{
	u32 version = newest ? sink->filter_version : take_u8(&f.in);
	struct ke_presence *pr;
	struct ke_member *m;
	struct ke_remote *r;

	list_for_each_entry(m, &f.tn->ch.members, list)
		ke_member_took(sink, m->id, version);
	list_for_each_entry(pr, &f.tn->ch.presences, channel_list)
		list_for_each_entry(r, &pr->remotes, list)
			ke_member_took(sink, r->id, version);
	ke_member_took(sink, take_u8(&f.in), version);
}

/* The process of such a source says how far it is. */
static void judged_elsewhere(u8 how)
{
	struct ke_source *s = &more.src[how % EXTRAS];

	if (!more.open || !s->judged_later)
		return;
	if (how & 8)
		ke_source_judges(s, U32_MAX);
	else if (s->judge)
		ke_source_judges(s, s->judge->generation - (how & 4));
}

static void ask_filtered(void)
{
	struct ke_verdict v;
	struct ke_presence *pr;
	struct ke_remote *m;

	if (!f.tn->has_sink)
		return;
	ke_member_filtered(&f.tn->sink);
	if (f.tn->has_src && ke_member_verdict(&f.tn->sink, f.tn->src.member.id, &v))
		check(v.since <= v.from && v.bit <= KE_BIT_ALL);
	list_for_each_entry(pr, &f.tn->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (ke_member_verdict(&f.tn->sink, m->id, &v))
				check(v.since <= v.from && v.bit <= KE_BIT_ALL);
}

/* For whom the events of a source of ours are; if it is refused that stays as it was. */
static void choose_ours(u8 how)
{
	struct ke_source *s = how & 1 && more.open ? &more.src[0] : &f.tn->src;
	const struct ke_judge *before;
	char why[KE_TYPE_WHY_MAX];
	int err;

	if (s == &f.tn->src && (!f.tn->has_src || s->closed))
		return;
	make_filter_of(KECHO_FILTER_OUT, take_u8(&f.in), how >> 2 & 3);
	before = s->choice ? s->choice->judge : NULL;
	fail_alloc = f.starve;
	err = ke_source_choose(s, parts.wire, how & 2 ? 0 : parts.wire_len, why);
	fail_alloc = 0;
	check(!err || (s->choice ? s->choice->judge : NULL) == before);
}

static void act_filters(u8 op, u8 how)
{
	switch (op & 7) {
	case 1:
		if (how & 2)
			choose_ours(take_u8(&f.in));
		else
			f.late = how & 1;
		break;
	case 2:
		f.starve = how;
		break;
	case 3:
		if (f.tn->has_sink)
			took_all(&f.tn->sink, how & 1);
		break;
	case 4:
		if (more.has_sink)
			took_all(&more.sink, how & 1);
		break;
	case 5:
		judged_elsewhere(how);
		break;
	case 6:
	case 7:
		filter_ours(how);
		break;
	}
}

#endif
