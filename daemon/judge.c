// SPDX-License-Identifier: MIT
/*
 * What the sources of this host judge by. Core has the judge of each, and the seats; a copy of
 * it, which the process fills from notes, judges. A record names the generation that it was
 * judged by, so whoever goes by another judges himself: nothing but the source's own events
 * depends on what its process does.
 *
 * One change is under way at a time, whatever else happens meanwhile; so a process that takes
 * its time has no more than that to read. Sinks whose filters it is about wait for it, but not
 * for long, and not again before it has come after.
 */
#include "daemon.h"

static struct kd_source *source_of(struct kd_judge *kj)
{
	return container_of(kj, struct kd_source, judge);
}

void kd_judge_init(struct kd_source *src)
{
	INIT_LIST_HEAD(&src->judge.list);
}

/* It judges nothing more, or there is nobody to tell. */
void kd_judge_fini(struct kd_source *src)
{
	list_del_init(&src->judge.list);
	if (src->state != KD_MADE)
		ke_source_judges(&src->s, U32_MAX);
}

/* One that is late is told when it has come after, but nobody waits. */
static void tell_soon(struct kd_source *src)
{
	struct kd_judge *kj = &src->judge;

	kj->stale = true;
	if (kj->open && !kj->late)
		return;
	list_move_tail(&kj->list, &src->c->d->judges);
	src->c->d->changed = true;
}

/* It judges by what it was told by the kechod before us. */
void kd_judge_again(struct kd_source *src)
{
	tell_soon(src);
}

void kd_judges(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;

	if (src->state == KD_JOINED && src->o)
		tell_soon(src);
}

/* ----------------------------------------------------------------- whom it wakes */

static void show(struct kecho_slot_wants *to, const struct ke_wants *w)
{
	WRITE_ONCE(to->all, cpu_to_le32(true));
	smp_wmb();
	WRITE_ONCE(to->bits, cpu_to_le64(w->bits));
	WRITE_ONCE(to->from, cpu_to_le32(w->from));
	smp_wmb();
	WRITE_ONCE(to->all, cpu_to_le32(w->all));
}

/* By what the process of @sink sleeps; it may have none just now. */
static u32 number_of(const struct ke_channel *ch, u64 sink)
{
	const struct ke_member *m = ke_channel_own(ch, sink);
	const struct kd_sink *k = m ? m->owner : NULL;

	return k && k->o ? KECHO_WAIT_NUMBER(k->o->s->number) : U32_MAX;
}

/* Which processes want it of whom s->own says what. */
static void show_who(struct kecho_limit_slot *slot, const struct ke_source *s)
{
	u32 who[KECHO_SLOT_WHO] = { 0 }, i, number;
	const struct ke_seat *seat;

	if (!s->judge)
		return;
	list_for_each_entry(seat, &s->seats.seats, list) {
		if (!seat->own)
			continue;
		number = number_of(s->member.channel, seat->sink);
		if (seat->v.bit < KE_BIT_SELF)
			who[seat->v.bit % KECHO_SLOT_WHO] |= number;
		if (seat->before < KE_BIT_SELF)
			who[seat->before % KECHO_SLOT_WHO] |= number;
	}
	for (i = 0; i < KECHO_SLOT_WHO; i++)
		WRITE_ONCE(slot->who[i], cpu_to_le32(who[i]));
}

/* Before its process judges by what is new. */
void kd_wakes(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;
	struct kecho_limit_slot *slot;
	struct ke_wants there = { 0 };
	struct ke_tstream *ts;

	if (!src->o)
		return;
	list_for_each_entry(ts, &s->streams, source_list) {
		there.bits |= ts->wants;
		there.from = max(there.from, ts->wants_from);
		there.all |= ts->wants_all;
	}
	slot = kd_limit_slot(src);
	WRITE_ONCE(slot->here.all, cpu_to_le32(true));
	smp_wmb();
	show_who(slot, s);
	show(&slot->here, &s->own);
	show(&slot->there, &there);
	kd_copy_wanted(src);
}

/* --------------------------------------------------------------------- telling */

static void tell_filter(struct kd_source *src, u8 bit, const struct ke_sieve *s)
{
	struct kecho_note_judge_filter note = {
		.source = cpu_to_le32(src->handle),
		.len = cpu_to_le32(s->len + s->type_len),
		.type_len = cpu_to_le32(s->type_len),
		.bit = bit,
	};

	kd_send(src->o->s, KECHO_NOTE_JUDGE_FILTER, 0, 0, &note, sizeof(note), s->wire,
		s->len + s->type_len, NULL, 0);
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

/* False: they are too many bytes for a message. */
static bool tell_slots(struct kd_source *src, u8 bit)
{
	static u8 buf[KECHO_MSG_MAX - sizeof(struct kecho_msg) -
		      sizeof(struct kecho_note_judge_slots)];
	struct kecho_note_judge_slots note = { .source = cpu_to_le32(src->handle), .bit = bit };
	const struct ke_judge_filter *f = src->s.judge->filter[bit];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct ke_value v;
	u8 i;

	for (i = 0; i < f->sieve->f->nslots; i++) {
		v = ke_judge_slot(src->s.judge, bit, i);
		if (v.kind)
			put_slot(&o, i, &v);
	}
	note.len = cpu_to_le32(o.len);
	if (!o.bad)
		kd_send(src->o->s, KECHO_NOTE_JUDGE_SLOTS, 0, 0, &note, sizeof(note), buf, o.len,
			NULL, 0);
	return !o.bad;
}

static bool tell_bit(struct kd_source *src, u8 bit)
{
	const struct ke_judge_filter *f = src->s.judge->filter[bit];
	u32 from = src->s.seats.from[bit];
	struct kd_judge *kj = &src->judge;

	if (kj->from[bit] != from)
		tell_filter(src, bit, f->sieve);
	if ((kj->from[bit] != from || kj->stamp[bit] != f->changed) && !tell_slots(src, bit))
		return false;
	kj->from[bit] = from;
	kj->stamp[bit] = f->changed;
	return true;
}

/* The bits of the set; none: what can't be told, or isn't known, isn't judged. */
static u64 tell_bits(struct kd_source *src)
{
	const struct ke_judge *j = src->s.judge;
	u8 bit;

	if (j && j->stale)
		return 0;
	for (bit = 0; j && bit < KE_JUDGE_FILTERS_MAX; bit++) {
		if (!(j->live >> bit & 1))
			src->judge.from[bit] = 0;
		else if (!tell_bit(src, bit))
			return 0;
	}
	return j ? j->live : 0;
}

static void tell(struct kd_source *src)
{
	const struct ke_judge *j = src->s.judge;
	struct kd_judge *kj = &src->judge;
	u64 bits = tell_bits(src);
	struct kecho_note_judge note = {
		.source = cpu_to_le32(src->handle),
		.generation = cpu_to_le32(j ? j->generation : src->s.generation),
		.bits = cpu_to_le64(bits),
		.number = cpu_to_le32(++kj->number),
	};

	/* What isn't named has to be told again. */
	if (!bits)
		memset(kj->from, 0, sizeof(kj->from));
	kd_note(src->o->s, KECHO_NOTE_JUDGE, &note, sizeof(note), NULL, 0);
	kj->generation = le32_to_cpu(note.generation);
	kj->stale = false;
	kj->open = true;
	kj->late_ms = lib_deadline(KD_JUDGE_MS);
	list_move_tail(&kj->list, &src->c->d->judging);
}

/* All that it would be told counts as if it had been. */
static void pass_by(struct kd_source *src)
{
	list_del_init(&src->judge.list);
	if (src->s.judge)
		ke_source_judges(&src->s, src->s.judge->generation);
}

void kd_judges_tell(struct kd *d)
{
	struct kd_judge *kj;

	while (!list_empty(&d->judges)) {
		kj = list_first_entry(&d->judges, struct kd_judge, list);
		if (kj->open)
			pass_by(source_of(kj));
		else
			tell(source_of(kj));
	}
}

/* -------------------------------------------------------------------- what it does */

/* Its process has rung. */
void kd_judge_took(struct kd_source *src)
{
	struct kd_judge *kj = &src->judge;

	if (!kj->open ||
	    le64_to_cpu(smp_load_acquire(&kd_gate(src->o->s, src->gate)->judged)) != kj->number)
		return;
	kj->open = kj->late = false;
	list_del_init(&kj->list);
	ke_source_judges(&src->s, kj->generation);
	if (kj->stale)
		tell_soon(src);
}

/* Those that have had their time. */
void kd_judges_late(struct kd *d)
{
	struct kd_judge *kj;
	u64 now = lib_deadline(0);

	while (!list_empty(&d->judging)) {
		kj = list_first_entry(&d->judging, struct kd_judge, list);
		if (kj->late_ms > now)
			break;
		kj->late = true;
		pass_by(source_of(kj));
	}
}
