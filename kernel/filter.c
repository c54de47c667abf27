// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters of kernel code's sinks, as programs. A filter is said to the nodes of the channel's
 * sources, which judge by it what is submitted, see core/filters.c. What a source has not
 * judged, or not yet, is judged here as it is read: each feed has a judge with this one filter,
 * see core/judge.h. So each event is judged once, by one filter.
 *
 * Judges come and go, and learn of types and attributes, under kn.lock; events are judged under
 * the sink's lock.
 */
#include <linux/random.h>

#include "kn.h"

enum {
	SEAT_MS = 2000,		/* a node may take to judge by a new filter */
	LOOK_MS = 1,		/* who waits for who reads looks so often */
};

static void lock(void *owner)
{
	spin_lock_bh(&((struct kn_feed *)owner)->sink->lock);
}

static void unlock(void *owner)
{
	spin_unlock_bh(&((struct kn_feed *)owner)->sink->lock);
}

static u64 now_ms(void *owner)
{
	return kn_now_ms();
}

static struct ke_native *compile(void *owner, u64 whose, const struct ke_program *p)
{
	return kn_compile(((struct kn_feed *)owner)->sink->ch->c->kn, whose, p);
}

static const struct ke_judge_ops judge_ops = {
	.lock = lock, .unlock = unlock, .now_ms = now_ms, .compile = compile,
};

static const struct ke_attrs *attrs_of(void *owner, u8 scope, u64 sink)
{
	const struct kn_feed *f = owner;
	const struct kn_channel *c = f->sink->ch->c;

	switch (scope) {
	case KECHO_SCOPE_CHANNEL:
		return &c->ch.attrs;
	case KECHO_SCOPE_SOURCE:
	case KECHO_SCOPE_SOURCE_NODE:
		return kn_member_attrs(c, f->member, scope == KECHO_SCOPE_SOURCE_NODE);
	case KECHO_SCOPE_SINK:
		return &f->sink->m.attrs;
	default:	/* it is judged where the sink is */
		return &c->kn->node.attrs;
	}
}

static const struct ke_seats_ops seats_ops = { .attrs = attrs_of };

/* ------------------------------------------------------------------ a feed's judge */

static bool knows(const struct ke_judge *j, u32 type)
{
	const struct ke_judge_filter *f = j->filter[0];

	return f->program[type] || f->lacks >> type & 1;
}

static void learn(struct kn_feed *f, struct ke_judge *j)
{
	const struct ke_types *types = ke_channel_types(&f->sink->ch->c->ch, f->member);
	u32 i;

	for (i = 1; i <= ke_types_count(types); i++)
		if (ke_types_at(types, i) && !knows(j, i))
			ke_judge_announced(j, types, i);
}

int kn_judge_make(struct kn_feed *f, struct ke_sieve *s, struct ke_judge **out)
{
	struct ke_judge *j = ke_judge_make(&judge_ops, f, get_random_u64());
	struct ke_value *v = j ? ke_seats_values(&seats_ops, f, s, f->sink->m.id) : NULL;
	int err = v ? ke_judge_put(j, 0, 1, s, NULL, v) : -ENOMEM;

	kvfree(v);
	if (err) {
		ke_judge_free(j);
		return err;
	}
	learn(f, j);
	*out = j;
	return 0;
}

int kn_filter_begin(struct kn_feed *f)
{
	struct ke_member *sink = &f->sink->m;
	struct ke_verdict v;
	int err = sink->sieve ? kn_judge_make(f, sink->sieve, &f->judge) : 0;

	/* What was said before there was this feed. */
	if (!err && sink->filter_version && ke_member_verdict(sink, f->member, &v))
		ke_reader_judged(&f->reader, v.bit, v.from, v.since);
	return err ?: kn_in_begin(f);
}

void kn_filter_end(struct kn_feed *f)
{
	ke_judge_free(f->judge);
	ke_judge_free(f->in);
}

void kn_filter_learn(struct kn_feed *f)
{
	if (f->judge)
		learn(f, f->judge);
	if (f->in)
		learn(f, f->in);
}

/* Attributes have changed. Without memory nothing is judged until they do again. Those of a source
 * that has left stay what they were. */
static void look_by(struct kn_feed *f, struct ke_judge *j)
{
	struct ke_value *v;

	if (!j || f->ended)
		return;
	v = ke_seats_values(&seats_ops, f, j->filter[0]->sieve, f->sink->m.id);
	ke_judge_slots(j, 0, v);
	kvfree(v);
}

static void look(struct kn_feed *f, void *arg)
{
	look_by(f, f->judge);
	look_by(f, f->in);
}

static bool asks(const struct ke_sieve *s)
{
	return s && s->scopes & ~(1u << KECHO_SCOPE_EVENT);
}

void kn_filters_look(struct kn_channel *c)
{
	struct kecho_sink *s;

	list_for_each_entry(s, &c->sinks, list)
		if (asks(s->m.sieve) || asks(s->ch->in))
			kn_feeds_each(s, look, NULL);
}

/* ---------------------------------------------------------------------- judging */

static bool says_yes(struct ke_judge *j, const struct ke_item *item)
{
	struct ke_event_info info = { .time_ns = item->time_ns, .type = item->type };

	if (item->attrs_len && ke_attrs_check(item->attrs, item->attrs_len)) {
		info.attrs = item->attrs;
		info.attrs_len = item->attrs_len;
	}
	ke_judge_event(j, &info, item->seq, item->data, item->len, &kn_filter_ops);
	/* Rather one too many, if there was no memory; none of a type that it can't be for. */
	return info.judged ? info.bits : j->stale;
}

/* The channel's is asked of what the sink's own lets through. */
bool kn_filter_wants(struct kn_feed *f, const struct ke_item *item)
{
	struct ke_judge *own = item->judged ? NULL : f->judge;

	if (likely(!own && !f->in))
		return true;
	if ((!own || says_yes(own, item)) && (!f->in || says_yes(f->in, item)))
		return true;
	f->filtered++;
	return false;
}

bool kn_filter_judged(struct ke_member *sink, u64 source, const struct ke_verdict *v)
{
	const struct kecho_channel *ch = sink->owner;
	struct kecho_sink *s;
	struct kn_feed *f;

	if (ch->process)
		return kn_pfilter_judged(sink, source, v);
	s = container_of(sink, struct kecho_sink, m);
	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		if (f->member == source)
			ke_reader_judged(&f->reader, v->bit, v->from, v->since);
	spin_unlock_bh(&s->lock);
	kn_bell_ring(ch->c->bell);	/* see core/wake.c */
	return true;
}

/* ---------------------------------------------------------------------- setting one */

struct filter {
	const void *wire;
	u32 len;
	void *type;
	u32 type_len;
	struct ke_sieve *sieve;
	int err;
	char why[KE_TYPE_WHY_MAX];
};

static void make_next(struct kn_feed *f, void *arg)
{
	struct filter *new = arg;

	if (!new->err)
		new->err = kn_judge_make(f, new->sieve, &f->next_judge);
}

static void swap_all(struct kecho_sink *s)
{
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		swap(f->judge, f->next_judge);
	spin_unlock_bh(&s->lock);
}

static void drop_next(struct kn_feed *f, void *arg)
{
	ke_judge_free(f->next_judge);
	f->next_judge = NULL;
}

/* The new judges are there before anything has changed; then nothing fails. */
static int replace(struct kecho_sink *s, struct filter *new)
{
	if (new->sieve) {
		new->sieve->whose = s->m.whose;
		kn_feeds_each(s, make_next, new);
	}
	if (!new->err)
		new->err = ke_member_filter(&s->m, new->wire, new->len, new->type, new->type_len,
					    new->why);
	if (!new->err)
		swap_all(s);
	kn_feeds_each(s, drop_next, NULL);
	return new->err;
}

static bool is_crowded(struct kecho_sink *s)
{
	bool crowded = false;
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		crowded |= ke_reader_crowded(&f->reader);
	spin_unlock_bh(&s->lock);
	return crowded;
}

/* Until it has read what was judged by older filters than it can tell apart; nobody says when
 * it has. kn.lock is held, and let go meanwhile. */
static bool wait_for_reader(struct kecho_sink *s, unsigned long until)
{
	struct kn *kn = s->ch->c->kn;

	while (is_crowded(s)) {
		if (kn_dispatch_is_own(s) || time_after(jiffies, until) ||
		    !kn_wait(kn, jiffies + msecs_to_jiffies(LOOK_MS) + 1))
			return false;
	}
	return true;
}

static int gone(const struct kecho_sink *s)
{
	if (s->ch->c->ch.ended)
		return -ESHUTDOWN;
	return s->stalled || READ_ONCE(s->disconnected) ? -EPIPE : 0;
}

/* kn.lock is held. */
static int set(struct kecho_sink *s, struct filter *new)
{
	unsigned long until = jiffies + msecs_to_jiffies(SEAT_MS);
	int err = wait_for_reader(s, until) ? gone(s) : -EAGAIN;

	err = err ?: replace(s, new);
	while (!err && !ke_member_filtered(&s->m)) {
		err = gone(s);
		if (!err && !kn_wait(s->ch->c->kn, until))
			break;
	}
	return err;
}

int kn_sieve_check(const struct ke_sieve *s, char *why)
{
	struct ke_program *p = NULL;
	int err = ke_program_make(&p, s->f, s->type, why);

	ke_program_free(p);
	return err;
}

static int check(struct filter *new)
{
	int err = ke_sieve_make(&new->sieve, new->wire, new->len, new->type, new->type_len,
				new->why);

	return err ?: kn_sieve_check(new->sieve, new->why);
}

int kecho_sink_filter(struct kecho_sink *s, const void *wire, size_t len,
		      const struct kecho_type *type)
{
	struct kn *kn = s->ch->c->kn;
	struct filter *new = kvzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!new)
		return -ENOMEM;
	new->wire = wire;
	new->len = min_t(size_t, len, U32_MAX);
	err = len && type ? kn_type_encode(type, &new->type) : 0;
	if (err > 0)
		new->type_len = err;
	err = err < 0 ? err : len ? check(new) : 0;
	if (!err) {
		kn_lock(kn);
		err = set(s, new);
		kn_unlock(kn);
	}
	if (err == -EPROTO || err == -EACCES || err == -ENOSPC)
		pr_warn("kecho: channel '%s', a sink's filter: %s\n", s->ch->c->ch.name, new->why);
	kn_lock(kn);	/* judges that stay count it, too */
	ke_sieve_put(new->sieve);
	kn_unlock(kn);
	kvfree(new->type);
	kvfree(new);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_sink_filter);
