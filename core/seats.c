// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Seats: see seats.h.
 */
#include "seats.h"

/* No bit is held. */
enum { NONE = KE_BIT_SELF };

void ke_seats_init(struct ke_seats *t, const struct ke_seats_ops *ops, void *owner,
		   struct ke_judge *judge)
{
	*t = (struct ke_seats){ .ops = ops, .owner = owner, .judge = judge };
	INIT_LIST_HEAD(&t->seats);
}

/* -------------------------------------------------------------------- the filters */

static const struct ke_sieve *sieve_of(const struct ke_seats *t, u32 bit)
{
	return t->judge->filter[bit] ? t->judge->filter[bit]->sieve : NULL;
}

/* When it was set: an age is counted from that. */
static bool find_set(const struct ke_attrs *a, const char *name, struct ke_value *v)
{
	*v = (struct ke_value){ .kind = KE_VALUE_I64 };
	return !ke_attrs_set_ms(a, name, &v->i64);
}

static bool find_value(const struct ke_seats_ops *ops, void *owner, const struct ke_filter *f,
		       u32 i, u64 sink, struct ke_value *v)
{
	const struct ke_filter_slot *s = &f->slots[i];
	const struct ke_attrs *a;
	char name[KE_NAME_MAX + 1];

	if (s->scope == KECHO_SCOPE_EVENT)
		return false;
	a = ops->attrs(owner, s->scope, sink);
	memcpy(name, f->consts + s->name, s->name_len);
	name[s->name_len] = 0;
	if (a && s->flags & KECHO_SLOT_AGE)
		return find_set(a, name, v);
	return a && !ke_attrs_find(a->buf, a->len, name, v);
}

struct ke_value *ke_seats_values(const struct ke_seats_ops *ops, void *owner,
				 const struct ke_sieve *s, u64 sink)
{
	struct ke_value *v = kvzalloc((s->f->nslots + 1) * sizeof(*v), GFP_KERNEL_ACCOUNT);
	u32 i;

	for (i = 0; v && i < s->f->nslots; i++)
		if (!find_value(ops, owner, s->f, i, sink, &v[i]))
			v[i] = (struct ke_value){};
	return v;
}

static u8 find_bit(const struct ke_seats *t, const struct ke_sieve *s, u64 sink)
{
	u32 bit;

	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++)
		if (t->refs[bit] && !t->judge->filter[bit]->lacks &&
		    ke_sieve_same(sieve_of(t, bit), s) && (!s->of_sink || t->sink[bit] == sink))
			return bit;
	return NONE;
}

/* A bit for it, in force from the next generation on; NONE: it can't be judged here. */
static u8 put_bit(struct ke_seats *t, struct ke_sieve *s, u64 sink)
{
	struct ke_judge *j = t->judge;
	struct ke_value *v;
	u32 bit;
	int err;

	if (!~j->live || j->generation == U32_MAX)
		return NONE;
	v = ke_seats_values(t->ops, t->owner, s, sink);
	if (!v)
		return NONE;
	bit = __ffs64(~j->live);
	err = ke_judge_put(j, bit, j->generation + 1, s, t->ops->types(t->owner), v);
	kvfree(v);
	if (err)
		return NONE;
	t->from[bit] = j->generation;
	t->sink[bit] = sink;
	return bit;
}

static u8 get_bit(struct ke_seats *t, struct ke_sieve *s, u64 sink)
{
	u8 bit = find_bit(t, s, sink);

	if (bit == NONE)
		bit = put_bit(t, s, sink);
	else
		ke_judge_share(t->judge, bit, s->whose);
	if (bit != NONE)
		t->refs[bit]++;
	return bit;
}

static void free_bit(struct ke_seats *t, u8 bit)
{
	if (bit < KE_JUDGE_FILTERS_MAX && !--t->refs[bit])
		ke_judge_drop(t->judge, bit);
}

/* ---------------------------------------------------------------------- the seats */

struct ke_seat *ke_seats_find(const struct ke_seats *t, u64 sink)
{
	struct ke_seat *seat;

	list_for_each_entry(seat, &t->seats, list)
		if (seat->sink == sink)
			return seat;
	return NULL;
}

void ke_wants_add(struct ke_wants *w, const struct ke_seat *seat)
{
	if (!seat || seat->v.bit >= KE_JUDGE_FILTERS_MAX) {
		w->all = true;
		return;
	}
	w->bits |= 1ULL << seat->v.bit;
	if (seat->before < KE_JUDGE_FILTERS_MAX)
		w->bits |= 1ULL << seat->before;
	w->from = max(w->from, seat->v.from);
}

static struct ke_seat *make_seat(struct ke_seats *t, u64 sink)
{
	struct ke_seat *seat = kzalloc(sizeof(*seat), GFP_KERNEL_ACCOUNT);

	if (!seat)
		return NULL;
	seat->sink = sink;
	seat->v.bit = KE_BIT_ALL;
	seat->before = NONE;
	list_add_tail(&seat->list, &t->seats);
	return seat;
}

static void free_seat(struct ke_seats *t, struct ke_seat *seat)
{
	list_del(&seat->list);
	free_bit(t, seat->v.bit);
	free_bit(t, seat->before);
	ke_sieve_put(seat->sieve);
	ke_sieve_put(seat->next);
	kfree(seat);
}

void ke_seats_leave(struct ke_seats *t, u64 sink)
{
	struct ke_seat *seat = ke_seats_find(t, sink);

	if (seat)
		free_seat(t, seat);
}

void ke_seats_fini(struct ke_seats *t)
{
	while (!list_empty(&t->seats))
		free_seat(t, list_first_entry(&t->seats, struct ke_seat, list));
}

/* It was put in force just now, for this seat. */
static bool is_new(const struct ke_seats *t, u8 bit)
{
	return bit < KE_JUDGE_FILTERS_MAX && t->refs[bit] == 1;
}

/* The bit that it had is held. One that others have is older, perhaps, than what this sink
 * was told last. */
static void set_bit_of(struct ke_seats *t, struct ke_seat *seat, u8 bit)
{
	u32 from = bit < KE_JUDGE_FILTERS_MAX ? t->from[bit] : t->judge->generation;

	WARN_ON_ONCE(seat->open || seat->before != NONE);
	seat->before = seat->v.bit < KE_JUDGE_FILTERS_MAX ? seat->v.bit : NONE;
	/* What was judged by that is not judged again. */
	if (seat->before != NONE && !is_new(t, bit))
		from = ke_judge_renew(t->judge);
	seat->v.since = seat->v.version ? seat->v.since : from;
	seat->v.from = max3(from, seat->v.since, seat->v.from);
	seat->v.bit = bit;
	seat->open = true;
}

static void change(struct ke_seats *t, struct ke_seat *seat, u32 version, struct ke_sieve *s)
{
	set_bit_of(t, seat, s ? get_bit(t, s, seat->sink) : KE_BIT_ALL);
	seat->v.version = version;
	ke_sieve_get(s);
	ke_sieve_put(seat->sieve);
	seat->sieve = s;
}

static void change_later(struct ke_seat *seat, u32 version, struct ke_sieve *s)
{
	ke_sieve_get(s);
	ke_sieve_put(seat->next);
	seat->next = s;
	seat->next_version = version;
	seat->waits = true;
}

struct ke_seat *ke_seats_set(struct ke_seats *t, u64 sink, u32 version, struct ke_sieve *s,
			     struct ke_verdict *v)
{
	struct ke_seat *seat = ke_seats_find(t, sink) ?: make_seat(t, sink);
	u32 now = t->judge->generation;

	if (!seat) {
		*v = (struct ke_verdict){ .version = version, .from = now, .since = now,
					  .bit = s ? KE_BIT_SELF : KE_BIT_ALL };
		return NULL;
	}
	if (seat->v.version != version || !ke_sieve_same(seat->sieve, s)) {
		if (seat->open)
			change_later(seat, version, s);
		else
			change(t, seat, version, s);
	}
	*v = seat->v;
	return seat;
}

static void change_now(struct ke_seats *t, struct ke_seat *seat)
{
	struct ke_sieve *s = seat->next;

	seat->next = NULL;
	seat->waits = false;
	change(t, seat, seat->next_version, s);
	ke_sieve_put(s);
}

static bool lacks_types(const struct ke_seats *t, const struct ke_seat *seat)
{
	return seat->v.bit < KE_JUDGE_FILTERS_MAX && t->judge->filter[seat->v.bit]->lacks;
}

bool ke_seats_taken(struct ke_seats *t, u64 sink, u32 version, struct ke_verdict *v)
{
	struct ke_seat *seat = ke_seats_find(t, sink);

	if (!seat || !seat->open || seat->v.version != version)
		return false;
	seat->open = false;
	free_bit(t, seat->before);
	seat->before = NONE;
	if (seat->waits)
		change_now(t, seat);
	else if (lacks_types(t, seat))
		set_bit_of(t, seat, KE_BIT_SELF);
	*v = seat->v;
	return seat->open;
}

/* ---------------------------------------------------------- what filters depend on */

/* A filter that can't be made for it is in force until those who have it know that they judge
 * by themselves: the judge leaves out events of that type meanwhile. */
void ke_seats_announced(struct ke_seats *t, u32 index,
			void (*say)(void *owner, u64 sink, const struct ke_verdict *v))
{
	struct ke_seat *seat, *next;

	if (!ke_judge_announced(t->judge, t->ops->types(t->owner), index))
		return;
	list_for_each_entry_safe(seat, next, &t->seats, list) {
		if (seat->open || !lacks_types(t, seat))
			continue;
		set_bit_of(t, seat, KE_BIT_SELF);
		say(t->owner, seat->sink, &seat->v);
	}
}

static bool is_old(const struct ke_seats *t, u32 bit, u32 scopes, u64 sink)
{
	const struct ke_sieve *s = sieve_of(t, bit);

	if (t->judge->stale >> bit & 1)
		return true;
	return s && s->scopes & scopes && (!sink || t->sink[bit] == sink);
}

void ke_seats_refresh(struct ke_seats *t, u32 scopes, u64 sink)
{
	struct ke_value *v;
	u32 bit;

	if (!scopes && !t->judge->stale)
		return;
	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++) {
		if (!is_old(t, bit, scopes, sink))
			continue;
		v = ke_seats_values(t->ops, t->owner, sieve_of(t, bit), t->sink[bit]);
		ke_judge_slots(t->judge, bit, v);
		kvfree(v);
	}
}
