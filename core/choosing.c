// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Our sources choose for which sinks their events are: see choice.h. The roster of a source is
 * of all sinks that its node knows of and that have not failed; it is made when the source
 * first chooses, and kept from then on. Streams to other hosts know then which sinks are there,
 * so that events for others are passed over: see pass.c.
 */
#include "link.h"

/* ------------------------------------------------------------------------ the sinks */

static int by_id(const void *a, const void *b)
{
	u64 x = le64_to_cpu(*(const __le64 *)a), y = le64_to_cpu(*(const __le64 *)b);

	return (x > y) - (x < y);
}

static bool is_there(const struct ke_remote *m)
{
	return m->role == KE_SINK && m->state == KE_JOINED;
}

static u32 count_sinks(const struct ke_presence *pr)
{
	const struct ke_remote *m;
	u32 n = 0;

	list_for_each_entry(m, &pr->remotes, list)
		n += is_there(m);
	return n;
}

static void put_sinks(struct ke_names *names, const struct ke_presence *pr)
{
	const struct ke_remote *m;

	list_for_each_entry(m, &pr->remotes, list)
		if (is_there(m))
			names->id[names->n++] = cpu_to_le64(m->id);
}

void ke_names_settle(struct ke_names *names)
{
	u32 i, n = 0;

	sort(names->id, names->n, sizeof(names->id[0]), by_id, NULL);
	for (i = 0; i < names->n; i++)
		if (!n || names->id[i] != names->id[n - 1])
			names->id[n++] = names->id[i];
	names->n = n;
}

static struct ke_names *make_names(u32 n)
{
	return kvzalloc(sizeof(struct ke_names) + n * sizeof(__le64), GFP_KERNEL_ACCOUNT);
}

struct ke_names *ke_presence_names(const struct ke_presence *pr)
{
	struct ke_names *names = make_names(count_sinks(pr));

	if (!names)
		return NULL;
	put_sinks(names, pr);
	ke_names_settle(names);
	return names;
}

static struct ke_names *all_names(const struct ke_channel *ch)
{
	const struct ke_presence *pr;
	const struct ke_member *m;
	struct ke_names *names;
	u32 n = 0;

	list_for_each_entry(m, &ch->members, list)
		n += m->role == KE_SINK;
	list_for_each_entry(pr, &ch->presences, channel_list)
		n += count_sinks(pr);
	names = make_names(n);
	if (!names)
		return NULL;
	list_for_each_entry(m, &ch->members, list)
		if (m->role == KE_SINK)
			names->id[names->n++] = cpu_to_le64(m->id);
	list_for_each_entry(pr, &ch->presences, channel_list)
		put_sinks(names, pr);
	ke_names_settle(names);
	return names;
}

/* -------------------------------------------------------------------------- choices */

static int offer(struct ke_source *s)
{
	struct ke_names *names = all_names(s->member.channel);
	int err = names ? ke_choice_sinks(s->choice, names) : -ENOMEM;

	if (err)
		s->choice->stale = true;
	ke_source_look_again(s);
	kvfree(names);
	return err;
}

static bool chooses(const struct ke_channel *ch)
{
	const struct ke_member *m;

	list_for_each_entry(m, &ch->members, list)
		if (m->source && m->source->choice)
			return true;
	return false;
}

void ke_channel_offer(struct ke_channel *ch)
{
	struct ke_names *names = chooses(ch) ? all_names(ch) : NULL;
	struct ke_choice *c;
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list) {
		c = m->source ? m->source->choice : NULL;
		if (!c)
			continue;
		if (!names || ke_choice_sinks(c, names))
			c->stale = true;
		ke_source_look_again(m->source);
	}
	kvfree(names);
}

static void show(struct ke_source *s, struct ke_choice *c)
{
	const struct ke_house *h = s->member.channel->node->house;

	h->source_lock(s);
	s->choice = c;
	ke_source_decide(s, s->judge || c);
	h->source_unlock(s);
}

void ke_source_names_sinks(struct ke_source *s)
{
	struct ke_presence *pr;

	s->names_sinks = true;
	if (!s->member.channel)
		return;
	list_for_each_entry(pr, &s->member.channel->presences, channel_list)
		ke_source_want(s, pr->peer);
}

int ke_source_address(struct ke_source *s)
{
	struct ke_node *n = s->member.channel->node;
	struct ke_choice *c;
	int err;

	if (s->choice)
		return 0;
	c = ke_choice_make(&ke_source_judge_ops, &ke_source_seats_ops, s,
			   n->house->random(n->owner), ke_names_max(s->log.record_max));
	if (!c)
		return -ENOMEM;
	show(s, c);
	err = offer(s);
	if (err)
		ke_source_forget_choice(s);
	else
		ke_source_names_sinks(s);
	return err;
}

void ke_source_choose_again(struct ke_source *s)
{
	if (!s->choice || !s->choice->stale)
		return;
	s->choice->stale = false;
	if (offer(s))
		return;
	ke_choice_refresh(s->choice, U32_MAX, 0);
	ke_source_names_sinks(s);
}

int ke_source_choose(struct ke_source *s, const void *wire, u32 len, char *why)
{
	struct ke_sieve *sieve = NULL;
	int err;

	if (!len && !s->choice)
		return 0;
	if (len)
		err = ke_sieve_make_out(&sieve, wire, len, why);
	else
		err = 0;
	if (sieve)
		sieve->whose = s->member.whose;
	err = err ?: ke_source_address(s);
	err = err ?: ke_choice_filter(s->choice, sieve);
	ke_source_look_again(s);
	ke_sieve_put(sieve);
	return err;
}

void ke_source_forget_choice(struct ke_source *s)
{
	struct ke_choice *c = s->choice;

	if (!c)
		return;
	show(s, NULL);
	ke_choice_free(c);
}

u64 ke_channel_reply_to(const struct ke_channel *ch, u64 source)
{
	const struct ke_member *own = ke_channel_own(ch, source);
	const struct ke_remote *m = own ? NULL : ke_channel_remote(ch, source);
	const struct ke_attrs *a = own ? &own->attrs : m ? &m->attrs : NULL;
	bool is_source = own ? own->role == KE_SOURCE : m && m->role == KE_SOURCE;
	struct ke_value v;

	if (!is_source || ke_attrs_find(a->buf, a->len, KE_REPLY_ATTR, &v) ||
	    v.kind != KE_VALUE_I64)
		return 0;
	return v.i64;
}
