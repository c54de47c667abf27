// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A filter of a judge: its programs, one for each type of the source, and the slots that they
 * read. Attributes are copied into the slots when they change, so that an event costs no
 * lookup but of its own. An age grows: what is copied is when the attribute was set.
 */
#include "filter_program.h"
#include "judge.h"

enum { NS_PER_MS = 1000000 };

static const char *slot_name(const struct ke_judge_filter *f, u32 i)
{
	return f->names + i * (KE_NAME_MAX + 1);
}

/* ---------------------------------------------------------------------------- slots */

static bool fits(const struct ke_filter_slot *s, const struct ke_value *v)
{
	return v->kind && (!s->kind || s->kind == v->kind) && v->len <= KE_ATTR_VALUE_MAX;
}

static u32 str_len(const struct ke_value *v)
{
	return v->kind == KE_VALUE_I64 ? 0 : v->len;
}

static void put(struct ke_slots *to, u32 i, const struct ke_value *v)
{
	to->value[i].present = 1;
	to->value[i].value = v->kind == KE_VALUE_I64 ? v->i64 : v->len;
	to->str[i] = (struct ke_filter_str){
		.data = v->kind == KE_VALUE_I64 ? NULL : v->data ?: "", .len = str_len(v)
	};
}

static void fill(struct ke_slots *to, const struct ke_filter *f, const struct ke_value *v, u8 *copy)
{
	u32 i;

	for (i = 0; i < f->nslots; i++) {
		if (f->slots[i].scope == KECHO_SCOPE_EVENT || !fits(&f->slots[i], &v[i]))
			continue;
		put(to, i, &v[i]);
		to->set_ms[i] = v[i].i64;
		if (!to->str[i].len)
			continue;
		memcpy(copy, v[i].data, to->str[i].len);
		to->str[i].data = copy;
		copy += to->str[i].len;
	}
}

int ke_judge_filter_slots(struct ke_slots *slots, const struct ke_judge_filter *f,
			  const struct ke_value *v)
{
	u32 i, n = f->sieve->f->nslots, bytes = 0;
	struct ke_slots s;

	for (i = 0; i < n; i++)
		bytes += str_len(&v[i]);
	s.value = kvzalloc(n * (sizeof(*s.value) + sizeof(*s.str) + sizeof(*s.set_ms)) + bytes,
			   GFP_KERNEL_ACCOUNT);
	if (!s.value)
		return -ENOMEM;
	s.str = (struct ke_filter_str *)(s.value + n);
	s.set_ms = (s64 *)(s.str + n);
	fill(&s, f->sieve->f, v, (u8 *)(s.set_ms + n));
	*slots = s;
	return 0;
}

void ke_judge_look_at(struct ke_judge_filter *f, const struct ke_event_info *info)
{
	const struct ke_filter *from = f->sieve->f;
	struct ke_value v;
	u32 i;

	for (i = 0; i < from->nslots; i++) {
		if (from->slots[i].scope != KECHO_SCOPE_EVENT)
			continue;
		f->slots.value[i].present = 0;
		if (info->attrs_len &&
		    !ke_attrs_find(info->attrs, info->attrs_len, slot_name(f, i), &v) &&
		    fits(&from->slots[i], &v))
			put(&f->slots, i, &v);
	}
}

/* Never less than nothing, whatever another process says of when it was set. */
void ke_judge_count_ages(struct ke_slots *s, const struct ke_filter *from, u64 now_ms)
{
	s64 age_ms;
	u32 i;

	for (i = 0; i < from->nslots; i++) {
		if (!(from->slots[i].flags & KECHO_SLOT_AGE))
			continue;
		age_ms = now_ms - (u64)s->set_ms[i];
		s->value[i].value = (u64)max_t(s64, age_ms, 0) * NS_PER_MS;
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
	if (j->ops->compile)
		ke_program_native(p, j->ops->compile(j->owner, f->whose, p));
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
	f->names = kvzalloc(from->nslots * (KE_NAME_MAX + 1), GFP_KERNEL_ACCOUNT);
	if (!f->names || ke_judge_filter_slots(&f->slots, f, v))
		return -ENOMEM;
	for (i = 0; i < from->nslots; i++)
		memcpy(f->names + i * (KE_NAME_MAX + 1), from->consts + from->slots[i].name,
		       from->slots[i].name_len);
	return 0;
}

int ke_judge_filter_make(struct ke_judge_filter **out, struct ke_judge *j, struct ke_sieve *s,
			 const struct ke_types *types, const struct ke_value *slots)
{
	struct ke_judge_filter *f = kvzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int err;

	if (!f)
		return -ENOMEM;
	f->sieve = ke_sieve_get(s);
	f->whose = s->whose;
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
	if (!f->shares)
		ke_filter_state_free(f->state);
	kvfree(f->slots.value);
	kvfree(f->names);
	ke_sieve_put(f->sieve);
	kvfree(f);
}
