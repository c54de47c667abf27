// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the source of a process judges by. The node has the judge of each, and the seats; a copy
 * of it, which the process fills from notes, judges. A record names the generation that it was
 * judged by, so whoever goes by another judges himself: nothing but the source's own events
 * depends on what its process does.
 *
 * One change is under way at a time, whatever else happens meanwhile; so a process that takes
 * its time has no more than that to read. Sinks whose filters it is about wait for it, but not
 * for long, and not again before it has come after.
 */
#include "told.h"

enum {
	TAKE_MS = 500,		/* for a source to judge by what it was told */
	SLOTS_MAX = KECHO_MSG_MAX - sizeof(struct kecho_msg) -
		    sizeof(struct kecho_note_judge_slots),
};

/* --------------------------------------------------------------------- telling */

static void tell_filter(struct ke_told *t, u8 bit, const struct ke_sieve *s)
{
	struct kecho_note_judge_filter note = {
		.source = cpu_to_le32(t->handle),
		.len = cpu_to_le32(ke_sieve_bytes(s)),
		.type_len = cpu_to_le32(s->type_len),
		.bit = bit,
	};

	t->send(t, KECHO_NOTE_JUDGE_FILTER, &note, sizeof(note), s->wire, ke_sieve_bytes(s));
}

static void put_slot(struct ke_out *o, u8 i, const struct ke_value *v)
{
	ke_put_u8(o, i);
	ke_put_u8(o, v->kind);
	ke_put_u16(o, v->len);
	if (v->kind == KE_VALUE_I64)
		ke_put_u64(o, v->i64);
	else
		ke_put(o, v->data, v->len);
}

/* False: they are too many bytes for a message, or there is no memory. */
static bool tell_slots(struct ke_told *t, u8 bit)
{
	struct kecho_note_judge_slots note = { .source = cpu_to_le32(t->handle), .bit = bit };
	const struct ke_judge *j = t->s->judge;
	u32 i, n = j->filter[bit]->sieve->f->nslots;
	struct ke_out o = { .size = min_t(u32, n * (4 + KE_ATTR_VALUE_MAX), SLOTS_MAX) };
	struct ke_value v;

	o.buf = n ? kvmalloc(o.size, GFP_KERNEL) : NULL;
	if (n && !o.buf)
		return false;
	for (i = 0; i < n; i++) {
		v = ke_judge_slot(j, bit, i);
		if (v.kind)
			put_slot(&o, i, &v);
	}
	note.len = cpu_to_le32(o.len);
	if (!o.bad)
		t->send(t, KECHO_NOTE_JUDGE_SLOTS, &note, sizeof(note), o.buf, o.len);
	kvfree(o.buf);
	return !o.bad;
}

static bool tell_bit(struct ke_told *t, u8 bit)
{
	const struct ke_judge_filter *f = t->s->judge->filter[bit];
	u32 from = t->s->seats.from[bit];

	if (t->from[bit] != from)
		tell_filter(t, bit, f->sieve);
	if ((t->from[bit] != from || t->stamp[bit] != f->changed) && !tell_slots(t, bit))
		return false;
	t->from[bit] = from;
	t->stamp[bit] = f->changed;
	return true;
}

/* The bits of the set; none: what can't be told, or isn't known, isn't judged. */
static u64 tell_bits(struct ke_told *t)
{
	const struct ke_judge *j = t->s->judge;
	u8 bit;

	if (j && j->stale)
		return 0;
	for (bit = 0; j && bit < KE_JUDGE_FILTERS_MAX; bit++) {
		if (!(j->live >> bit & 1))
			t->from[bit] = 0;
		else if (!tell_bit(t, bit))
			return 0;
	}
	return j ? j->live : 0;
}

static void tell(struct ke_told *t, u64 now_ms)
{
	const struct ke_judge *j = t->s->judge;
	u64 bits = tell_bits(t);
	struct kecho_note_judge note = {
		.source = cpu_to_le32(t->handle),
		.generation = cpu_to_le32(j ? j->generation : t->s->generation),
		.bits = cpu_to_le64(bits),
		.number = cpu_to_le32(++t->number),
	};

	/* What isn't named has to be told again. */
	if (!bits)
		memset(t->from, 0, sizeof(t->from));
	t->send(t, KECHO_NOTE_JUDGE, &note, sizeof(note), NULL, 0);
	t->generation = le32_to_cpu(note.generation);
	t->stale = false;
	t->open = true;
	t->late_ms = now_ms + TAKE_MS;
	list_add_tail(&t->list, &t->tells->open);
}

/* All that it would be told counts as if it had been. */
static void pass_by(struct ke_told *t)
{
	if (t->s->judge)
		ke_source_judges(t->s, t->s->judge->generation);
}

static void end_late(struct ke_tells *all, u64 now_ms)
{
	struct ke_told *t, *next;

	list_for_each_entry_safe(t, next, &all->open, list) {
		if (t->late_ms > now_ms)
			break;
		list_del_init(&t->list);
		t->late = true;
		pass_by(t);
	}
}

u64 ke_tells_run(struct ke_tells *all, u64 now_ms)
{
	struct ke_told *t;

	end_late(all, now_ms);
	while (!list_empty(&all->due)) {
		t = list_first_entry(&all->due, struct ke_told, list);
		list_del_init(&t->list);
		if (t->open)
			pass_by(t);
		else
			tell(t, now_ms);
	}
	t = list_first_entry_or_null(&all->open, struct ke_told, list);
	return t ? t->late_ms : 0;
}

/* ------------------------------------------------------------------ what it does */

/* One that is late is told when it has come after, but nobody waits. */
bool ke_told_changed(struct ke_told *t)
{
	t->stale = true;
	if (t->open && !t->late)
		return false;
	list_move_tail(&t->list, &t->tells->due);
	return true;
}

bool ke_told_took(struct ke_told *t, __le64 judged)
{
	if (!t->open || le64_to_cpu(judged) != t->number)
		return false;
	t->open = t->late = false;
	list_del_init(&t->list);
	ke_source_judges(t->s, t->generation);
	return t->stale && ke_told_changed(t);
}

void ke_told_end(struct ke_told *t)
{
	list_del_init(&t->list);
	ke_source_judges(t->s, U32_MAX);
}

/* ------------------------------------------------------------- filters of its sinks */

int ke_told_filter(struct ke_member *sink, const struct kecho_ctl_sink_filter *in, char *why)
{
	u32 type_len = le32_to_cpu(in->type_len), len = le32_to_cpu(in->len) - type_len;
	const u8 *wire = (const u8 *)(in + 1);
	u32 was = sink->filter_version;
	int err;

	sink->filter_version = le32_to_cpu(in->version) - 1;
	err = ke_member_filter(sink, wire, len, wire + len, type_len, why);
	if (err)
		sink->filter_version = was;
	return err;
}

/* ----------------------------------------------------------------- whom it wakes */

void ke_show_wants(struct kecho_slot_wants *to, const struct ke_wants *w)
{
	WRITE_ONCE(to->all, cpu_to_le32(true));
	smp_wmb();
	WRITE_ONCE(to->bits, cpu_to_le64(w->bits));
	WRITE_ONCE(to->from, cpu_to_le32(w->from));
	smp_wmb();
	WRITE_ONCE(to->all, cpu_to_le32(w->all));
}

struct ke_wants ke_wants_there(const struct ke_source *s)
{
	const struct ke_tstream *ts;
	struct ke_wants w = { 0 };

	list_for_each_entry(ts, &s->streams, source_list) {
		w.bits |= ts->wants;
		w.from = max(w.from, ts->wants_from);
		w.all |= ts->wants_all;
	}
	return w;
}
