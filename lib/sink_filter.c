// SPDX-License-Identifier: MIT
/*
 * A sink's filter, judged where the sink reads: of events that their source has not judged by
 * it, see seat.c.
 *
 * What it asks of the members, their nodes and the channel is kept for each source, as a
 * view, and looked up again when that is FILTER_LOOK_MS old: an event costs no lookup, and
 * none of the locks that one takes. What belongs to the event is taken from it each time.
 *
 * Events that were read are judged with the filter's lock held, so one version judges all of
 * them and one thread at a time has its state. It comes before all other locks.
 */
#include <search.h>

#include "feed.h"
#include "filter_impl.h"
#include "sink_filter.h"
#include "types.h"

enum {
	FILTER_LOOK_MS = 10,
	READ_LOOK_MS = 1,	/* of who waits for a reader */
	NS_PER_MS = 1000000,
};

/* What the filter finds of one source's events. */
struct view {
	u64 source;		/* first: the key */
	u64 looked_ms;
	u32 n;
	struct kecho_filter_value slot[KE_FILTER_SLOTS_MAX];
	struct ke_filter_str str[KE_FILTER_SLOTS_MAX];
	s64 set_ms[KE_FILTER_SLOTS_MAX];	/* of an age: what it counts from */
	void *copy[KE_FILTER_SLOTS_MAX];	/* of what was looked up, KE_ATTR_VALUE_MAX bytes */
	struct ke_program *program[KE_TYPES_MAX];	/* for its types, as far as they came */
};

struct sink_filter {
	struct ke_filter *f;
	struct ke_program *program;	/* for events of no announced type */
	struct ke_program *bytes;	/* for those whose type is not known */
	struct ke_filter_state *state;
	char *name[KE_FILTER_SLOTS_MAX];	/* of each slot, as kecho_member_get() calls it */
	void *views;		/* a tree of struct view */
	struct view *last;	/* that events came from */
};

/* ------------------------------------------------------------------------- views */

static int by_source(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static void free_view(void *view)
{
	struct view *v = view;
	u32 i;

	for (i = 0; i < v->n; i++)
		free(v->copy[i]);
	for (i = 0; i < KE_TYPES_MAX; i++)
		ke_program_free(v->program[i]);
	free(v);
}

static struct view *make_view(u64 source, u32 n)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v)
		*v = (struct view){ .source = source, .n = n };
	return v;
}

static struct view *view_of(struct sink_filter *sf, u64 source)
{
	struct view *v = sf->last, **found;

	if (likely(v && v->source == source))
		return v;
	found = tfind(&source, &sf->views, by_source);
	v = found ? *found : make_view(source, sf->f->nslots);
	if (v && !found && !tsearch(v, &sf->views, by_source)) {
		free_view(v);
		return NULL;
	}
	sf->last = v;
	return v;
}

/* The source is over. */
static void drop_view(struct sink_filter *sf, u64 source)
{
	struct view **found = tfind(&source, &sf->views, by_source), *v;

	if (!found)
		return;
	v = *found;
	tdelete(&source, &sf->views, by_source);
	free_view(v);
	sf->last = NULL;
}

/* ------------------------------------------------------------------------- slots */

/* Whose attribute it is, for kecho_member_get(). */
static u64 member_of(const struct kecho_sink *s, u64 source, u8 scope)
{
	switch (scope) {
	case KECHO_SCOPE_SOURCE:
	case KECHO_SCOPE_SOURCE_NODE:
		return source;
	case KECHO_SCOPE_CHANNEL:
		return 0;
	default:
		return READ_ONCE(s->m.id);
	}
}

/* What can't be looked up now stays as it was. */
static void look_up(struct kecho_sink *s, struct sink_filter *sf, struct view *v, u32 i)
{
	const struct ke_filter_slot *slot = &sf->f->slots[i];
	struct kecho_value value;
	int err;

	v->copy[i] = v->copy[i] ?: malloc(KE_ATTR_VALUE_MAX);
	if (!v->copy[i])
		return;
	err = s->ch->k->attach->get(s->ch, member_of(s, v->source, slot->scope), sf->name[i],
				    &value, v->copy[i], KE_ATTR_VALUE_MAX);
	if (err && err != -ENOENT)
		return;
	v->slot[i].present = 0;
	if (err)
		return;
	if (slot->flags & KECHO_SLOT_AGE) {
		v->set_ms[i] = v->looked_ms - value.age_ns / NS_PER_MS;
		value = kecho_i64(0);
	}
	filter_put(&v->slot[i], &v->str[i], slot, &value);
}

static void look_around(struct kecho_sink *s, struct sink_filter *sf, struct view *v, u64 now_ms)
{
	u32 i;

	if (v->looked_ms && now_ms - v->looked_ms < FILTER_LOOK_MS)
		return;
	v->looked_ms = now_ms;
	for (i = 0; i < v->n; i++)
		if (sf->f->slots[i].scope != KECHO_SCOPE_EVENT)
			look_up(s, sf, v, i);
}

/* They grow from when they were looked up. */
static void count_ages(const struct sink_filter *sf, struct view *v, u64 now_ms)
{
	u32 i;

	for (i = 0; sf->f->of_ages && i < v->n; i++)
		if (sf->f->slots[i].flags & KECHO_SLOT_AGE)
			v->slot[i].value = ((s64)now_ms - v->set_ms[i]) * NS_PER_MS;
}

static void take_event(const struct sink_filter *sf, struct view *v, const struct kecho_event *ev)
{
	struct kecho_value value;
	u32 i;

	for (i = 0; i < v->n; i++) {
		const struct ke_filter_slot *s = &sf->f->slots[i];

		if (s->scope != KECHO_SCOPE_EVENT)
			continue;
		v->slot[i].present = 0;
		if (!kecho_event_get(ev, sf->name[i], &value))
			filter_put(&v->slot[i], &v->str[i], s, &value);
	}
}

/* ----------------------------------------------------------------------- judging */

/* The filter for the event's type, as its source has announced it. */
static const struct ke_program *program_for(struct kecho_sink *s, const struct sink_filter *sf,
					    struct view *v, const struct kecho_event *ev)
{
	char why[KE_FILTER_WHY_MAX];
	const struct kecho_type *t;
	struct ke_program **p;

	if (likely(!ev->type))
		return sf->program;
	if (ev->type > KE_TYPES_MAX)
		return sf->bytes;
	p = &v->program[ev->type - 1];
	if (*p)
		return *p;
	t = kecho_event_type(s, ev);
	return t && !ke_program_make(p, sf->f, t->t, why) ? *p : sf->bytes;
}

static bool judge(struct kecho_sink *s, struct sink_filter *sf, const struct kecho_event *ev)
{
	u64 now_ms = lib_clock_ns(CLOCK_MONOTONIC_COARSE) / NS_PER_MS;
	struct view *v = view_of(sf, ev->source);
	struct ke_judged judged = {
		.payload = ev->data, .len = ev->len, .seq = ev->seq, .time_ns = ev->time_ns,
	};

	if (!v)
		return true;	/* no memory: rather one too many than one too few */
	look_around(s, sf, v, now_ms);
	count_ages(sf, v, now_ms);
	take_event(sf, v, ev);
	judged.slots = v->slot;
	judged.strs = v->str;
	return ke_program_run(program_for(s, sf, v, ev), sf->state, &judged, &filter_ops, NULL);
}

/* Is number @i of those that were taken for the sink? What its source has judged is, but for
 * the channel. */
static bool is_for(struct kecho_sink *s, const struct kecho_event *ev, unsigned int i)
{
	if (ev->kind != KECHO_EVENT)
		return true;
	if (s->filter && !(s->judged >> i & 1) && !judge(s, s->filter, ev))
		return false;
	return !s->in || judge(s, s->in, ev);
}

static void source_ended(struct kecho_sink *s, u64 source)
{
	if (s->filter)
		drop_view(s->filter, source);
	if (s->in)
		drop_view(s->in, source);
}

/* So many of those that were taken, after all, are not for it. */
static void leave_out(struct kecho_sink *s, unsigned int n, u64 bytes)
{
	__atomic_fetch_add(&s->filtered, n, __ATOMIC_RELAXED);
	lib_lock(&s->lock);
	s->stats.received -= n;
	s->stats.bytes -= bytes;
	lib_unlock(&s->lock);
}

unsigned int sink_filter_judge(struct kecho_sink *s, struct kecho_event *ev, unsigned int n)
{
	unsigned int i, kept = 0;
	u64 bytes = 0;

	if (s->judged == U64_MAX >> (64 - n) && !READ_ONCE(s->in))
		return n;
	lib_lock(&s->filter_lock);
	for (i = 0; i < n; i++) {
		if (ev[i].kind == KECHO_ENDED)
			source_ended(s, ev[i].source);
		if (!is_for(s, &ev[i], i)) {
			bytes += ev[i].len;
			continue;
		}
		if (kept != i)
			ev[kept] = ev[i];
		kept++;
	}
	if (kept < n)
		leave_out(s, n - kept, bytes);
	lib_unlock(&s->filter_lock);
	return kept;
}

/* ------------------------------------------------------------------ made, changed */

void sink_filter_drop(struct sink_filter *sf)
{
	u32 i;

	if (!sf)
		return;
	for (i = 0; i < KE_FILTER_SLOTS_MAX; i++)
		free(sf->name[i]);
	tdestroy(sf->views, free_view);
	ke_filter_state_free(sf->state);
	ke_program_free(sf->program);
	ke_program_free(sf->bytes);
	ke_filter_free(sf->f);
	free(sf);
}

void sink_filter_free(struct kecho_sink *s)
{
	sink_filter_drop(s->filter);
	sink_filter_drop(s->in);
}

static bool is_nodes(u8 scope)
{
	return scope == KECHO_SCOPE_SOURCE_NODE || scope == KECHO_SCOPE_SINK_NODE ||
	       scope == KECHO_SCOPE_NODE;
}

/* Once: they are asked for with each event. */
static int make_names(struct sink_filter *sf)
{
	const struct ke_filter_slot *s = sf->f->slots;
	u32 i;

	for (i = 0; i < sf->f->nslots; i++, s++) {
		if (asprintf(&sf->name[i], "%s%.*s", is_nodes(s->scope) ? "node." : "",
			     s->name_len, sf->f->consts + s->name) >= 0)
			continue;
		sf->name[i] = NULL;
		return -ENOMEM;
	}
	return 0;
}

int sink_filter_make(struct sink_filter **out, const struct kecho_filter *f,
		     const struct kecho_type *type, char *why)
{
	struct sink_filter *sf = calloc(1, sizeof(*sf));
	int err;

	strscpy(why, "no memory", KE_FILTER_WHY_MAX);
	if (!sf)
		return -ENOMEM;
	err = ke_filter_load(&sf->f, f->wire, f->len, why);
	if (!err)
		err = ke_program_make(&sf->program, sf->f, type ? type->t : NULL, why);
	if (!err)
		err = ke_program_make(&sf->bytes, sf->f, NULL, why);
	if (!err) {
		strscpy(why, "no memory", KE_FILTER_WHY_MAX);
		sf->state = ke_filter_state_make(filter_ops.now_ns(NULL));
		err = sf->state ? make_names(sf) : -ENOMEM;
	}
	if (err)
		sink_filter_drop(sf);
	else
		*out = sf;
	return err;
}

/* The old one goes. The order in which several threads do this is that of all nodes, too. */
static void replace(struct kecho_sink *s, struct sink_filter *new, const struct kecho_filter *f,
		    const struct kecho_type *type)
{
	const struct lib_attach *attach = s->ch->k->attach;
	struct sink_filter *old;

	lib_lock(&s->filter_lock);
	old = s->filter;
	WRITE_ONCE(s->filter, new);
	WRITE_ONCE(s->picky, s->filter || s->in);
	if (attach->seat)
		attach->seat(s, f, type);
	lib_unlock(&s->filter_lock);
	sink_filter_drop(old);
}

struct sink_filter *sink_filter_in(struct kecho_sink *s, struct sink_filter *new)
{
	struct sink_filter *old;

	lib_lock(&s->filter_lock);
	old = s->in;
	WRITE_ONCE(s->in, new);
	WRITE_ONCE(s->picky, s->filter || s->in);
	lib_unlock(&s->filter_lock);
	return old;
}

static bool is_crowded(struct kecho_sink *s)
{
	bool crowded = false;
	struct feed *f;

	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		crowded |= ke_reader_crowded(&f->reader);
	lib_unlock(&s->lock);
	return crowded;
}

/* Until it has read what was judged by older filters than it can tell apart. */
static int wait_for_reader(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	bool helper = pthread_equal(pthread_self(), k->helper), crowded;
	u64 deadline = lib_deadline(SEAT_MS);

	pthread_mutex_lock(&k->lock);
	while ((crowded = is_crowded(s)) && !helper && lib_deadline(0) < deadline)
		lib_wait(k, lib_deadline(READ_LOOK_MS));
	pthread_mutex_unlock(&k->lock);
	if (!crowded)
		return 0;
	return lib_fail(-EAGAIN, "sink of '%s': it has yet to read events of %u filters before it",
			s->ch->ch.name, KE_VERDICTS_UNREAD_MAX);
}

int kecho_sink_filter(struct kecho_sink *s, const struct kecho_filter *f,
		      const struct kecho_type *type)
{
	const struct lib_attach *attach = s->ch->k->attach;
	struct sink_filter *new = NULL;
	char why[KE_FILTER_WHY_MAX];
	int err;

	if (lib_forked(s->ch->k))
		return lib_fail(-EBADF, "sink of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	if (f && f->f->kind == KECHO_FILTER_OUT)
		return lib_fail(-EINVAL, "sink of '%s': the filter is one for sources",
				s->ch->ch.name);
	err = f ? sink_filter_make(&new, f, type, why) : 0;
	if (err)
		return lib_fail(err, "sink of '%s': filter: %s", s->ch->ch.name, why);
	err = wait_for_reader(s);
	if (err) {
		sink_filter_drop(new);
		return err;
	}
	/* One that is asked where events are dispatched does not travel. */
	replace(s, new, f && f->f->kind == KECHO_FILTER_EVENT ? f : NULL, type);
	return attach->seated ? attach->seated(s) : 0;
}

uint64_t kecho_sink_filtered(const struct kecho_sink *sink)
{
	struct kecho_sink *s = (struct kecho_sink *)sink;	/* but for its lock */
	struct feed *f;
	u64 n;

	lib_lock(&s->lock);
	n = __atomic_load_n(&s->filtered, __ATOMIC_RELAXED);
	list_for_each_entry(f, &s->feeds, list)
		n += f->reader.filtered;
	lib_unlock(&s->lock);
	return n;
}
