// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A filter of a judge: its programs, one for each type of the source, and the slots that they
 * read. Attributes are copied into the slots when they change, so that an event costs no
 * lookup but of its own.
 */
#include "filter_program.h"
#include "judge.h"

static const char *slot_name(const struct ke_judge_filter *f, u32 i)
{
	return f->names + i * (KE_NAME_MAX + 1);
}

/* ---------------------------------------------------------------------------- slots */

/* Ages are absent: nobody says yet when an attribute was heard of. */
static bool fits(const struct ke_filter_slot *s, const struct ke_value *v)
{
	return v->kind && (!s->kind || s->kind == v->kind) && v->len <= KE_ATTR_VALUE_MAX &&
	       !(s->flags & KECHO_SLOT_AGE);
}

static u32 str_len(const struct ke_value *v)
{
	return v->kind == KE_VALUE_I64 ? 0 : v->len;
}

static void put(struct kecho_filter_value *slot, struct ke_filter_str *str,
		const struct ke_value *v)
{
	slot->present = 1;
	slot->value = v->kind == KE_VALUE_I64 ? v->i64 : v->len;
	*str = (struct ke_filter_str){
		.data = v->kind == KE_VALUE_I64 ? NULL : v->data ?: "", .len = str_len(v)
	};
}

static void fill(const struct ke_filter *f, const struct ke_value *v,
		 struct kecho_filter_value *slots, struct ke_filter_str *strs, u8 *copy)
{
	u32 i;

	for (i = 0; i < f->nslots; i++) {
		if (f->slots[i].scope == KECHO_SCOPE_EVENT || !fits(&f->slots[i], &v[i]))
			continue;
		put(&slots[i], &strs[i], &v[i]);
		if (!strs[i].len)
			continue;
		memcpy(copy, v[i].data, strs[i].len);
		strs[i].data = copy;
		copy += strs[i].len;
	}
}

struct kecho_filter_value *ke_judge_filter_slots(const struct ke_judge_filter *f,
						 const struct ke_value *v,
						 struct ke_filter_str **strs)
{
	u32 i, n = f->sieve->f->nslots, bytes = 0;
	struct kecho_filter_value *slots;

	for (i = 0; i < n; i++)
		bytes += str_len(&v[i]);
	slots = kvzalloc(n * (sizeof(*slots) + sizeof(**strs)) + bytes, GFP_KERNEL);
	if (!slots)
		return NULL;
	*strs = (struct ke_filter_str *)(slots + n);
	fill(f->sieve->f, v, slots, *strs, (u8 *)(*strs + n));
	return slots;
}

void ke_judge_look_at(struct ke_judge_filter *f, const struct ke_event_info *info)
{
	const struct ke_filter *from = f->sieve->f;
	struct ke_value v;
	u32 i;

	for (i = 0; i < from->nslots; i++) {
		if (from->slots[i].scope != KECHO_SCOPE_EVENT)
			continue;
		f->slots[i].present = 0;
		if (info->attrs_len &&
		    !ke_attrs_find(info->attrs, info->attrs_len, slot_name(f, i), &v) &&
		    fits(&from->slots[i], &v))
			put(&f->slots[i], &f->strs[i], &v);
	}
}

/* ------------------------------------------------------------------------- programs */

int ke_judge_program(struct ke_program **out, struct ke_judge *j, struct ke_judge_filter *f,
		     const struct ke_types *types, u32 index)
{
	const struct ke_type *t = index ? ke_types_at(types, index) : f->sieve->type;
	char why[KE_FILTER_WHY_MAX];
	struct ke_program *p;
	u32 bytes, more;
	int err = ke_program_make(&p, f->sieve->f, t, why);

	if (err)
		return err;
	bytes = sizeof(*p) + p->n * sizeof(*p->insns) + p->consts_len;
	more = p->cost > f->cost ? p->cost - f->cost : 0;
	if (bytes > KE_JUDGE_BYTES_MAX - j->bytes || more > KE_JUDGE_COST_MAX - j->cost) {
		ke_program_free(p);
		return -E2BIG;
	}
	j->bytes += bytes;
	f->bytes += bytes;
	j->cost += more;
	f->cost += more;
	*out = p;
	return 0;
}

static int make_programs(struct ke_judge *j, struct ke_judge_filter *f,
			 const struct ke_types *types)
{
	u32 i, n = ke_types_count(types);
	int err = 0;

	for (i = 0; i <= n && !err; i++)
		err = ke_judge_program(&f->program[i], j, f, types, i);
	return err;
}

/* Attributes are found by names that end in a zero. */
static int make_slots(struct ke_judge_filter *f, const struct ke_value *v)
{
	const struct ke_filter *from = f->sieve->f;
	u32 i;

	if (!from->nslots)
		return 0;
	f->names = kvzalloc(from->nslots * (KE_NAME_MAX + 1), GFP_KERNEL);
	f->slots = ke_judge_filter_slots(f, v, &f->strs);
	if (!f->names || !f->slots)
		return -ENOMEM;
	for (i = 0; i < from->nslots; i++)
		memcpy(f->names + i * (KE_NAME_MAX + 1), from->consts + from->slots[i].name,
		       from->slots[i].name_len);
	return 0;
}

int ke_judge_filter_make(struct ke_judge_filter **out, struct ke_judge *j, struct ke_sieve *s,
			 const struct ke_types *types, const struct ke_value *slots)
{
	struct ke_judge_filter *f = kvzalloc(sizeof(*f), GFP_KERNEL);
	int err;

	if (!f)
		return -ENOMEM;
	f->sieve = ke_sieve_get(s);
	f->state = ke_filter_state_make(j->seed + j->changes);
	err = f->state ? make_slots(f, slots) : -ENOMEM;
	err = err ?: make_programs(j, f, types);
	if (err)
		ke_judge_filter_free(j, f);
	else
		*out = f;
	return err;
}

void ke_judge_filter_free(struct ke_judge *j, struct ke_judge_filter *f)
{
	u32 i;

	j->bytes -= f->bytes;
	j->cost -= f->cost;
	for (i = 0; i <= KE_TYPES_MAX; i++)
		ke_program_free(f->program[i]);
	ke_filter_state_free(f->state);
	kvfree(f->slots);
	kvfree(f->names);
	ke_sieve_put(f->sieve);
	kvfree(f);
}
