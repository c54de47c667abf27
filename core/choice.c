// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * For which sinks an event is: see choice.h.
 */
#include "choice.h"

/* ---------------------------------------------------------------------- the roster */

static struct ke_roster *make_roster(u32 n)
{
	struct ke_roster *r;
	u64 each = sizeof(*r->sink) + sizeof(*r->draw) + sizeof(*r->names) + sizeof(*r->heap);

	r = kvzalloc(sizeof(*r) + n * each, GFP_KERNEL_ACCOUNT);
	if (!r)
		return NULL;
	r->refs = 1;
	r->n = n;
	r->sink = (struct ke_candidate *)(r + 1);
	r->draw = (struct ke_draw *)(r->sink + n);
	r->names = (__le64 *)(r->draw + n);
	r->heap = (u32 *)(r->names + n);
	return r;
}

struct ke_roster *ke_roster_hold(struct ke_choice *c)
{
	c->roster->refs++;
	return c->roster;
}

void ke_roster_drop(struct ke_roster *r)
{
	if (!--r->refs)
		kvfree(r);
}

/* A submission may hold it. */
static void let_go(struct ke_choice *c, struct ke_roster *r)
{
	bool over;

	c->ops->lock(c->owner);
	over = !--r->refs;
	c->ops->unlock(c->owner);
	if (over)
		kvfree(r);
}

static struct ke_candidate *find_sink(const struct ke_roster *r, u64 id)
{
	u32 from = 0, to = r->n, middle;

	while (from < to) {
		middle = from + (to - from) / 2;
		if (r->sink[middle].id == id)
			return &r->sink[middle];
		if (r->sink[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

static struct ke_judge_filter *filter_of(const struct ke_judge *j)
{
	return j ? j->filter[0] : NULL;
}

/* What the filter finds for a sink, into @s; NULL: no memory. */
static void look_at_sink(struct ke_choice *c, const struct ke_judge_filter *f,
			 struct ke_candidate *s)
{
	struct ke_value *v;

	s->slots.value = NULL;
	if (!f || !f->sieve->of_sink)
		return;
	v = ke_seats_values(c->attrs, c->owner, f->sieve, s->id);
	if (!v || ke_judge_filter_slots(&s->slots, f, v)) {
		s->slots.value = NULL;
		c->stale = true;
	}
	kvfree(v);
}

static void forget_sinks(struct ke_roster *r)
{
	u32 i;

	for (i = 0; i < r->n; i++)
		kvfree(r->sink[i].slots.value);
}

/* -------------------------------------------------------------------- what changes */

struct ke_choice *ke_choice_make(const struct ke_judge_ops *ops, const struct ke_seats_ops *attrs,
				 void *owner, u64 seed, u32 names_max)
{
	struct ke_choice *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return NULL;
	*c = (struct ke_choice){
		.ops = ops, .attrs = attrs, .owner = owner, .seed = seed, .random = seed | 1,
		.names_max = min_t(u32, names_max, U16_MAX), .roster = make_roster(0),
	};
	if (c->roster)
		return c;
	kfree(c);
	return NULL;
}

void ke_choice_free(struct ke_choice *c)
{
	if (!c)
		return;
	forget_sinks(c->roster);
	ke_judge_free(c->judge);
	let_go(c, c->roster);
	kfree(c);
}

/* What is known of those sinks that @r hasn't, or has anew. */
static void forget_others(const struct ke_roster *old, const struct ke_roster *r)
{
	const struct ke_candidate *s;
	u32 i;

	for (i = 0; i < old->n; i++) {
		s = find_sink(r, old->sink[i].id);
		if (!s || s->slots.value != old->sink[i].slots.value)
			kvfree(old->sink[i].slots.value);
	}
}

/* The judge that was there is given back. */
static void swap_in(struct ke_choice *c, struct ke_roster *r, struct ke_judge **j)
{
	struct ke_roster *old = c->roster;

	c->ops->lock(c->owner);
	c->roster = r;
	swap(c->judge, *j);
	c->ops->unlock(c->owner);
	forget_others(old, r);
	let_go(c, old);
}

static int make_judge(struct ke_choice *c, struct ke_sieve *s, struct ke_judge **out)
{
	struct ke_value *v = ke_seats_values(c->attrs, c->owner, s, 0);
	struct ke_judge *j = ke_judge_make(c->ops, c->owner, c->seed++);
	int err = -ENOMEM;

	if (v && j)
		err = ke_judge_put(j, 0, 1, s, c->attrs->types(c->owner), v);
	kvfree(v);
	if (err)
		ke_judge_free(j);
	else
		*out = j;
	return err;
}

/* Of the same sinks, for another filter. */
static struct ke_roster *copy_roster(struct ke_choice *c, const struct ke_judge *j)
{
	struct ke_roster *r = make_roster(c->roster->n);
	u32 i;

	if (!r)
		return NULL;
	for (i = 0; i < r->n; i++) {
		r->sink[i].id = c->roster->sink[i].id;
		look_at_sink(c, filter_of(j), &r->sink[i]);
	}
	return r;
}

int ke_choice_filter(struct ke_choice *c, struct ke_sieve *s)
{
	struct ke_judge *j = NULL;
	struct ke_roster *r;
	int err = s ? make_judge(c, s, &j) : 0;

	if (err)
		return err;
	r = copy_roster(c, j);
	if (r)
		swap_in(c, r, &j);
	ke_judge_free(j);
	return r ? 0 : -ENOMEM;
}

/* Those that stay keep what is known of them. */
static void take_sinks(struct ke_choice *c, struct ke_roster *r, const struct ke_names *sinks)
{
	const struct ke_candidate *was;
	u32 i;

	for (i = 0; i < r->n; i++) {
		r->sink[i].id = le64_to_cpu(sinks->id[i]);
		WARN_ON_ONCE(i && r->sink[i].id <= r->sink[i - 1].id);
		was = find_sink(c->roster, r->sink[i].id);
		if (was && was->slots.value)
			r->sink[i] = *was;
		else
			look_at_sink(c, filter_of(c->judge), &r->sink[i]);
	}
}

int ke_choice_sinks(struct ke_choice *c, const struct ke_names *sinks)
{
	struct ke_roster *r = make_roster(sinks->n);
	struct ke_judge *j = c->judge;

	if (!r)
		return -ENOMEM;
	take_sinks(c, r, sinks);
	swap_in(c, r, &j);
	return 0;
}

void ke_choice_announced(struct ke_choice *c, u32 index)
{
	if (c->judge)
		ke_judge_announced(c->judge, c->attrs->types(c->owner), index);
}

static void refresh_sink(struct ke_choice *c, const struct ke_judge_filter *f,
			 struct ke_candidate *s)
{
	struct ke_candidate now = *s;

	look_at_sink(c, f, &now);
	if (!now.slots.value)
		return;
	c->ops->lock(c->owner);
	swap(*s, now);
	c->ops->unlock(c->owner);
	kvfree(now.slots.value);
}

/* What no sink says is the same for all: one that is asked once, or looks at events. */
static void refresh_judge(struct ke_choice *c, const struct ke_judge_filter *f)
{
	struct ke_value *v = ke_seats_values(c->attrs, c->owner, f->sieve, 0);

	if (!v || ke_judge_slots(c->judge, 0, v))
		c->stale = true;
	kvfree(v);
}

void ke_choice_refresh(struct ke_choice *c, u32 scopes, u64 sink)
{
	const struct ke_judge_filter *f = filter_of(c->judge);
	struct ke_candidate *s;
	u32 i;

	if (!f || !(f->sieve->scopes & scopes))
		return;
	refresh_judge(c, f);
	for (i = 0; i < c->roster->n && f->sieve->of_sink; i++) {
		s = &c->roster->sink[i];
		if (!sink || s->id == sink)
			refresh_sink(c, f, s);
	}
}

/* ------------------------------------------------------------------- a submission */

/* Of @n sinks. */
static u32 most_of(const struct ke_choice *c, u32 n)
{
	const struct ke_judge_filter *f = filter_of(c->judge);
	u32 best = f ? f->sieve->f->best : 0;

	if (!f || (!best && !f->sieve->of_sink))
		return 0;
	n = min(n, c->names_max);
	return best ? min(best, n) : n;
}

u32 ke_choice_most(const struct ke_choice *c)
{
	return most_of(c, c->roster->n);
}

u32 ke_choice_room(const struct ke_choice *c)
{
	return most_of(c, c->roster->n + KE_NAMES_SPARE);
}

bool ke_choice_has(const struct ke_choice *c, u64 sink)
{
	return find_sink(c->roster, sink);
}

/* What the filter finds in the event, for one sink after the other. */
static void look_at_event(const struct ke_judge_filter *f, struct ke_candidate *s)
{
	const struct ke_filter *from = f->sieve->f;
	u32 i;

	for (i = 0; i < from->nslots; i++) {
		if (from->slots[i].scope != KECHO_SCOPE_EVENT)
			continue;
		s->slots.value[i] = f->slots.value[i];
		s->slots.str[i] = f->slots.str[i];
	}
}

struct asked {
	struct ke_judge_filter *f;
	u64 now_ms;		/* if it asks of ages */
	const struct ke_program *p;
	const struct ke_filter_ops *ops;
	struct ke_judged what;
};

static bool ask(struct asked *a, struct ke_candidate *s, s64 *score)
{
	bool of_sink = a->f->sieve->of_sink;
	struct ke_slots *slots = of_sink ? &s->slots : &a->f->slots;

	if (of_sink && !s->slots.value)
		return false;
	if (of_sink && a->f->sieve->scopes & 1 << KECHO_SCOPE_EVENT)
		look_at_event(a->f, s);
	if (a->f->sieve->f->of_ages)
		ke_judge_count_ages(slots, a->f->sieve->f, a->now_ms);
	a->what.slots = slots->value;
	a->what.strs = slots->str;
	return ke_program_run(a->p, a->f->state, &a->what, a->ops, score);
}

/* xorshift64*, as random() has it: it draws lots, it keeps no secrets. */
static u64 draw_lot(struct ke_choice *c)
{
	c->random ^= c->random >> 12;
	c->random ^= c->random << 25;
	c->random ^= c->random >> 27;
	return c->random * 0x2545f4914f6cdd1dULL;
}

/* Those that the filter says yes to; how many. */
static u32 ask_all(struct ke_choice *c, struct asked *a)
{
	struct ke_roster *r = c->roster;
	bool best = a->f->sieve->f->best;
	u32 i, n = 0;
	s64 score;

	for (i = 0; i < r->n; i++)
		if (ask(a, &r->sink[i], &score))
			r->draw[n++] = (struct ke_draw){
				.score = score, .lot = best ? draw_lot(c) : 0, .id = r->sink[i].id,
			};
	return n;
}

static bool is_worse(const struct ke_draw *a, const struct ke_draw *b)
{
	if (a->score != b->score)
		return a->score < b->score;
	return a->lot != b->lot ? a->lot < b->lot : a->id < b->id;
}

/* A heap of @k draws: none is better than those below it, but that at @i may be. */
static void sift(const struct ke_roster *r, u32 k, u32 i)
{
	u32 next;

	for (; 2 * i + 1 < k; i = next) {
		next = 2 * i + 1;
		if (next + 1 < k && is_worse(&r->draw[r->heap[next + 1]], &r->draw[r->heap[next]]))
			next++;
		if (!is_worse(&r->draw[r->heap[next]], &r->draw[r->heap[i]]))
			break;
		swap(r->heap[i], r->heap[next]);
	}
}

/* The last of the best @k among @n, more than @k. */
static const struct ke_draw *find_last(const struct ke_roster *r, u32 n, u32 k)
{
	u32 i;

	for (i = 0; i < k; i++)
		r->heap[i] = i;
	for (i = k / 2; i--;)
		sift(r, k, i);
	for (i = k; i < n; i++) {
		if (!is_worse(&r->draw[r->heap[0]], &r->draw[i]))
			continue;
		r->heap[0] = i;
		sift(r, k, 0);
	}
	return &r->draw[r->heap[0]];
}

/* Of @n draws, in the order of their ids. */
static int name(const struct ke_choice *c, struct ke_event_info *info, u32 n, u32 best)
{
	struct ke_roster *r = c->roster;
	const struct ke_draw *last = best && best < n ? find_last(r, n, best) : NULL;
	u32 i, named = 0;

	for (i = 0; i < n; i++)
		if (!last || !is_worse(&r->draw[i], last))
			r->names[named++] = cpu_to_le64(r->draw[i].id);
	if (named > c->names_max)
		return -E2BIG;
	info->to = r->names;
	info->nto = named;
	return 0;
}

int ke_choice_event(struct ke_choice *c, struct ke_event_info *info, u64 seq, const void *payload,
		    u32 len, const struct ke_filter_ops *ops)
{
	u32 type = info->type <= KE_TYPES_MAX ? info->type : 0, best;
	struct ke_judge_filter *f = filter_of(c->judge);
	struct asked a = { .f = f, .ops = ops, .what = {
		.payload = payload, .len = len, .seq = seq, .time_ns = info->time_ns,
	} };

	info->named = f;
	if (!f)		/* not any more */
		return 0;
	if (f->sieve->f->of_ages)
		a.now_ms = c->ops->now_ms(c->owner);
	a.p = f->program[type];
	/* Events of a type that was not announced are bytes. */
	if (!a.p && !(f->lacks >> type & 1))
		a.p = f->program[0];
	if (!a.p)
		return name(c, info, 0, 0);
	if (f->sieve->scopes & 1 << KECHO_SCOPE_EVENT)
		ke_judge_look_at(f, info);
	best = f->sieve->f->best;
	if (best || f->sieve->of_sink)
		return name(c, info, ask_all(c, &a), best);
	info->named = !ask(&a, NULL, NULL);
	return name(c, info, 0, 0);
}
