// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The set of filters that a source judges its events by: see judge.h.
 */
#include "judge.h"

struct ke_judge *ke_judge_make(const struct ke_judge_ops *ops, void *owner, u64 seed)
{
	struct ke_judge *j = kvzalloc(sizeof(*j), GFP_KERNEL_ACCOUNT);

	if (!j)
		return NULL;
	j->ops = ops;
	j->owner = owner;
	j->seed = seed;
	return j;
}

void ke_judge_free(struct ke_judge *j)
{
	u32 bit;

	if (!j)
		return;
	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++)
		ke_judge_drop(j, bit);
	WARN_ON_ONCE(j->live || j->bytes || j->cost);
	kvfree(j);
}

static u16 unjudged(const struct ke_judge *j)
{
	u16 types = 0;
	u32 bit;

	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++)
		types |= j->filter[bit] ? j->filter[bit]->lacks : 0;
	return types;
}

int ke_judge_put(struct ke_judge *j, u32 bit, u32 generation, struct ke_sieve *s,
		 const struct ke_types *types, const struct ke_value *slots)
{
	struct ke_judge_filter *f;
	int err = ke_judge_filter_make(&f, j, s, types, slots);

	WARN_ON_ONCE(j->live >> bit & 1);
	if (err)
		return err;
	f->changed = ++j->changes;
	j->ops->lock(j->owner);
	j->generation = generation;
	j->filter[bit] = f;
	j->live |= 1ULL << bit;
	j->ops->unlock(j->owner);
	return 0;
}

void ke_judge_share(struct ke_judge *j, u32 bit, u64 whose)
{
	struct ke_judge_filter *f = j->filter[bit];
	struct ke_native *n;
	u32 i;

	for (i = 0; i <= KE_TYPES_MAX && j->ops->compile; i++) {
		if (!f->program[i] || ke_program_is_native(f->program[i]))
			continue;
		n = j->ops->compile(j->owner, whose, f->program[i]);
		if (!n)
			return;
		f->whose = whose;
		j->ops->lock(j->owner);
		ke_program_native(f->program[i], n);
		j->ops->unlock(j->owner);
	}
}

u32 ke_judge_renew(struct ke_judge *j)
{
	if (j->generation == U32_MAX)
		return U32_MAX;
	j->changes++;
	j->ops->lock(j->owner);
	j->generation++;
	j->ops->unlock(j->owner);
	return j->generation;
}

void ke_judge_drop(struct ke_judge *j, u32 bit)
{
	struct ke_judge_filter *f = j->filter[bit];

	if (!f)
		return;
	j->changes++;
	j->ops->lock(j->owner);
	j->live &= ~(1ULL << bit);
	j->stale &= ~(1ULL << bit);
	j->filter[bit] = NULL;
	j->unjudged = unjudged(j);
	j->ops->unlock(j->owner);
	ke_judge_filter_free(j, f);
}

static void set_stale(struct ke_judge *j, u32 bit)
{
	j->changes++;
	j->ops->lock(j->owner);
	j->stale |= 1ULL << bit;
	j->ops->unlock(j->owner);
}

int ke_judge_slots(struct ke_judge *j, u32 bit, const struct ke_value *v)
{
	struct ke_judge_filter *f = j->filter[bit];
	struct ke_slots slots, old;

	if (!f || !f->sieve->f->nslots)
		return 0;
	if (!v || ke_judge_filter_slots(&slots, f, v)) {
		set_stale(j, bit);
		return -ENOMEM;
	}
	old = f->slots;
	f->changed = ++j->changes;
	j->ops->lock(j->owner);
	j->stale &= ~(1ULL << bit);
	f->slots = slots;
	j->ops->unlock(j->owner);
	kvfree(old.value);
	return 0;
}

void ke_judge_lend(struct ke_judge *j, u32 bit, struct ke_filter_state *state)
{
	struct ke_judge_filter *f = j->filter[bit];
	struct ke_filter_state *own = f->shares ? NULL : f->state;

	j->ops->lock(j->owner);
	f->state = state;
	f->shares = true;
	j->ops->unlock(j->owner);
	ke_filter_state_free(own);
}

struct ke_value ke_judge_slot(const struct ke_judge *j, u32 bit, u32 i)
{
	const struct ke_judge_filter *f = j->filter[bit];
	const struct ke_filter_slot *slot = f->sieve->f->slots + i;

	if (slot->scope == KECHO_SCOPE_EVENT || !f->slots.value[i].present)
		return (struct ke_value){};
	if (!f->slots.str[i].data)
		return (struct ke_value){ .kind = KE_VALUE_I64, .len = sizeof(s64),
					  .i64 = slot->flags & KECHO_SLOT_AGE ?
							 f->slots.set_ms[i] :
							 f->slots.value[i].value };
	return (struct ke_value){ .kind = slot->kind ?: KE_VALUE_STRING,
				  .len = f->slots.str[i].len, .data = f->slots.str[i].data };
}

u64 ke_judge_announced(struct ke_judge *j, const struct ke_types *types, u32 index)
{
	struct ke_judge_filter *f;
	struct ke_program *p;
	u64 lack = 0;
	u32 bit;

	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++) {
		f = j->filter[bit];
		if (!f)
			continue;
		p = NULL;
		if (ke_judge_program(&p, j, f, types, index))
			lack |= 1ULL << bit;
		j->changes++;
		j->ops->lock(j->owner);
		f->program[index] = p;
		f->lacks |= p ? 0 : 1 << index;
		j->unjudged |= f->lacks;
		j->ops->unlock(j->owner);
	}
	return lack;
}

void ke_judge_event(struct ke_judge *j, struct ke_event_info *info, u64 seq, const void *payload,
		    u32 len, const struct ke_filter_ops *ops)
{
	struct ke_judged what = {
		.payload = payload, .len = len, .seq = seq, .time_ns = info->time_ns,
	};
	u32 type = info->type <= KE_TYPES_MAX ? info->type : 0;
	struct ke_judge_filter *f;
	u64 left, bit, bits = 0;

	info->judged = j && j->live && !j->stale && !(j->unjudged >> type & 1);
	if (!info->judged)
		return;
	for (left = j->live; left; left &= left - 1) {
		bit = __ffs64(left);
		f = j->filter[bit];
		if (f->sieve->scopes & 1 << KECHO_SCOPE_EVENT)
			ke_judge_look_at(f, info);
		if (f->sieve->f->of_ages)
			ke_judge_count_ages(&f->slots, f->sieve->f, j->ops->now_ms(j->owner));
		what.slots = f->slots.value;
		what.strs = f->slots.str;
		/* Events of a type that was not announced are bytes. */
		if (ke_program_run(f->program[type] ?: f->program[0], f->state, &what, ops, NULL))
			bits |= 1ULL << bit;
	}
	info->bits = bits;
	info->generation = j->generation;
}
