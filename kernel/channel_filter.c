// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A channel's filter for IN, of kernel code: each sink of the attachment has it for itself, with
 * what it remembers; each of its feeds has a judge with what it finds of that source, as with a
 * filter of the sink's own, see filter.c.
 */
#include <linux/random.h>

#include "kn.h"

static int make(struct kn_feed *f, struct ke_sieve *in, struct ke_filter_state *state,
		struct ke_judge **out)
{
	int err = kn_judge_make(f, in, out);

	if (!err)
		ke_judge_lend(*out, 0, state);
	return err;
}

int kn_in_begin(struct kn_feed *f)
{
	struct ke_sieve *in = f->sink->ch->in;

	return in ? make(f, in, f->sink->in_state, &f->in) : 0;
}

int kn_in_join(struct kecho_sink *s)
{
	if (!s->ch->in)
		return 0;
	s->in_state = ke_filter_state_make(get_random_u64());
	return s->in_state ? 0 : -ENOMEM;
}

void kn_in_leave(struct kecho_sink *s)
{
	ke_filter_state_free(s->in_state);
}

/* ---------------------------------------------------------------- setting one */

struct next {
	struct ke_sieve *in;	/* NULL: none */
	int err;
};

static void make_next(struct kn_feed *f, void *arg)
{
	struct next *next = arg;

	if (!next->err)
		next->err = make(f, next->in, f->sink->next_in_state, &f->next_in);
}

static void prepare(struct kecho_sink *s, struct next *next)
{
	if (!next->in || next->err)
		return;
	s->next_in_state = ke_filter_state_make(get_random_u64());
	next->err = s->next_in_state ? 0 : -ENOMEM;
	if (!next->err)
		kn_feeds_each(s, make_next, next);
}

static void change(struct kecho_sink *s)
{
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		swap(f->in, f->next_in);
	swap(s->in_state, s->next_in_state);
	spin_unlock_bh(&s->lock);
}

static void drop_next(struct kn_feed *f, void *arg)
{
	ke_judge_free(f->next_in);
	f->next_in = NULL;
}

static void drop(struct kecho_sink *s)
{
	kn_feeds_each(s, drop_next, NULL);
	ke_filter_state_free(s->next_in_state);
	s->next_in_state = NULL;
}

/* All of the attachment's sinks change to it, or none. @in is given back, or that before it. */
static int set(struct kecho_channel *ch, struct ke_sieve **in)
{
	struct next next = { .in = *in };
	struct kecho_sink *s;

	list_for_each_entry(s, &ch->c->sinks, list)
		if (s->ch == ch)
			prepare(s, &next);
	list_for_each_entry(s, &ch->c->sinks, list) {
		if (s->ch != ch)
			continue;
		if (!next.err)
			change(s);
		drop(s);
	}
	if (!next.err)
		swap(ch->in, *in);
	return next.err;
}

static int make_sieve(struct ke_sieve **in, const void *wire, u32 len, const struct kecho_type *t,
		      char *why)
{
	void *type = NULL;
	int n = t ? kn_type_encode(t, &type) : 0, err;

	if (n < 0)
		return n;
	err = ke_sieve_make_in(in, wire, len, type, n, why);
	kvfree(type);
	if (err)
		return err;
	(*in)->whose = KN_OF_KERNEL;
	return kn_sieve_check(*in, why);
}

int kecho_channel_filter(struct kecho_channel *ch, const void *wire, size_t len,
			 const struct kecho_type *type)
{
	struct kn *kn = ch->c->kn;
	struct ke_sieve *in = NULL;
	char why[KE_TYPE_WHY_MAX];
	int err = 0;

	if (len)
		err = make_sieve(&in, wire, min_t(size_t, len, U32_MAX), type, why);
	if (err == -EPROTO || err == -EACCES)
		pr_warn("kecho: channel '%s', its filter: %s\n", ch->c->ch.name, why);
	kn_lock(kn);
	err = err ?: set(ch, &in);
	ke_sieve_put(in);
	kn_unlock(kn);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_channel_filter);
