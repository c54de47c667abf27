// SPDX-License-Identifier: MIT
/*
 * For which sinks the events of a source are that is attached to a node. This process asks the
 * source's filter itself, as an embedded node does, of the sinks and attributes that the node
 * shows in the channel's table. A submission loads one word there to see whether anything has
 * changed; what has is copied, and core's choice told. So it makes no request, and what a
 * record names is this process's word alone.
 *
 * A node that comes after another one shows who was there when they are back. Until it has all
 * of them whom the one before showed last is taken to be there, as he was then.
 *
 * Without memory for what is new the choice stays as it was, and the next submission tries again.
 */
#include "client.h"
#include "filter_impl.h"
#include "submit.h"

/* Of what stands in a slot of the table. */
struct known {
	u64 member;
	u32 version;		/* of the slot */
	u8 role;
	struct ke_attrs own, node;
};

/* All of it is the source's lock's. */
struct client_choice {
	struct client_live *live;
	u64 changes;		/* of the table, which are known */
	struct known *known;	/* by slot */
	u32 nknown;
	struct known *before;	/* members that the node before knew, this one not yet */
	u32 nbefore;
	bool offer;		/* others are there than core knows of */
	struct client_live_look look;
};

/* Attributes that are new in the table. */
struct news {
	u32 scopes;		/* of these, a bit 1 << scope each */
	u32 nsinks;
	u64 sink;		/* of this one, if it is the only one */
};

static void forget(struct known *k)
{
	ke_attrs_free(&k->own);
	ke_attrs_free(&k->node);
	*k = (struct known){ 0 };
}

static void forget_all(struct known *k, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		forget(&k[i]);
	free(k);
}

static void free_choice(struct client_choice *cc)
{
	if (!cc)
		return;
	forget_all(cc->known, cc->nknown);
	forget_all(cc->before, cc->nbefore);
	client_live_put(cc->live);
	free(cc);
}

/* Nobody is in a call of the source any more. */
void client_choice_free(struct kecho_source *s)
{
	if (!s->choice)
		return;
	ke_choice_free(s->s.choice);
	free_choice(s->choice);
}

/* -------------------------------------------------------------- what a filter reads */

static const struct known *find(const struct client_choice *cc, u64 member)
{
	u32 i = client_live_slot(cc->live, member);

	if (!member)
		return NULL;
	if (i < cc->nknown && cc->known[i].member == member)
		return &cc->known[i];
	/* The table may have changed since. */
	for (i = 0; i < cc->nknown; i++)
		if (cc->known[i].member == member)
			return &cc->known[i];
	for (i = 0; i < cc->nbefore; i++)
		if (cc->before[i].member == member)
			return &cc->before[i];
	return NULL;
}

static const struct ke_attrs *attrs_of(void *owner, u8 scope, u64 sink)
{
	const struct kecho_source *s = owner;
	const struct client_choice *cc = s->choice;
	const struct known *k;

	if (scope == KECHO_SCOPE_CHANNEL)
		return cc->nknown ? &cc->known[0].own : NULL;
	if (scope == KECHO_SCOPE_SINK || scope == KECHO_SCOPE_SINK_NODE)
		k = find(cc, sink);
	else
		k = find(cc, s->s.member.id);
	if (!k)
		return NULL;
	return scope == KECHO_SCOPE_SINK || scope == KECHO_SCOPE_SOURCE ? &k->own : &k->node;
}

static const struct ke_types *types_of(void *owner)
{
	return ((struct kecho_source *)owner)->s.member.types;
}

static const struct ke_seats_ops seats_ops = { .attrs = attrs_of, .types = types_of };

/* ----------------------------------------------------------- what the table has new */

static bool is_sink(const struct known *k)
{
	return k->role == KE_SINK && k->member;
}

static void add_news(const struct kecho_source *s, struct news *n, u32 slot, const struct known *k)
{
	if (!slot)
		n->scopes |= 1 << KECHO_SCOPE_CHANNEL;
	if (k->member == s->s.member.id)
		n->scopes |= 1 << KECHO_SCOPE_SOURCE | 1 << KECHO_SCOPE_SOURCE_NODE |
			     1 << KECHO_SCOPE_NODE;
	if (!is_sink(k))
		return;
	n->scopes |= 1 << KECHO_SCOPE_SINK | 1 << KECHO_SCOPE_SINK_NODE;
	n->sink = k->member;
	n->nsinks++;
}

/* The node of now knows it: when it goes it is gone. */
static void not_before(struct client_choice *cc, u64 member)
{
	u32 i;

	for (i = 0; i < cc->nbefore && cc->before[i].member != member; i++)
		;
	if (i == cc->nbefore)
		return;
	forget(&cc->before[i]);
	cc->before[i] = cc->before[--cc->nbefore];
}

/* What was read of a slot. False: there is no memory for it. */
static bool take(struct client_choice *cc, struct known *k)
{
	const struct client_live_look *look = &cc->look;
	struct known now = {
		.member = le64_to_cpu(look->slot.member),
		.version = le32_to_cpu(look->slot.version), .role = look->slot.role,
	};

	if (ke_attrs_copy(&now.own, &look->own) || ke_attrs_copy(&now.node, &look->node)) {
		forget(&now);
		return false;
	}
	cc->offer |= is_sink(k) != is_sink(&now) || (is_sink(k) && k->member != now.member);
	forget(k);
	*k = now;
	not_before(cc, k->member);
	return true;
}

/* False: it has to be looked at again. */
static bool look_at(struct kecho_source *s, u32 slot, struct news *n)
{
	struct client_choice *cc = s->choice;

	if (client_live_version(cc->live, slot) == cc->known[slot].version)
		return true;
	if (!client_live_read(cc->live, slot, &cc->look) || !take(cc, &cc->known[slot]))
		return false;
	add_news(s, n, slot, &cc->known[slot]);
	return true;
}

static bool make_room(struct client_choice *cc, u32 n)
{
	struct known *k;

	if (n <= cc->nknown)
		return true;
	k = realloc(cc->known, n * sizeof(*k));
	if (!k)
		return false;
	memset(k + cc->nknown, 0, (n - cc->nknown) * sizeof(*k));
	cc->known = k;
	cc->nknown = n;
	return true;
}

/* Who was there before the node is back by now, or has gone. */
static void forget_before(struct client_choice *cc)
{
	cc->offer |= cc->nbefore;
	forget_all(cc->before, cc->nbefore);
	cc->before = NULL;
	cc->nbefore = 0;
}

static void name_sinks(struct ke_names *names, const struct known *k, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (is_sink(&k[i]))
			names->id[names->n++] = cpu_to_le64(k[i].member);
}

static bool offer(struct kecho_source *s)
{
	struct client_choice *cc = s->choice;
	struct ke_names *names = malloc(sizeof(*names) +
					(cc->nknown + cc->nbefore) * sizeof(__le64));
	int err;

	if (!names)
		return false;
	names->n = 0;
	name_sinks(names, cc->known, cc->nknown);
	name_sinks(names, cc->before, cc->nbefore);
	ke_names_settle(names);
	err = ke_choice_sinks(s->s.choice, names);
	free(names);
	cc->offer = err;
	return !err;
}

static bool look_at_all(struct kecho_source *s, struct news *n)
{
	struct client_choice *cc = s->choice;
	const struct kecho_live_head *h = client_live_head(cc->live);
	bool whole = smp_load_acquire(&h->whole);
	u32 i, slots = min_t(u32, le32_to_cpu(READ_ONCE(h->slots)), KECHO_LIVE_SLOTS);
	bool all = make_room(cc, slots);

	for (i = 0; i < cc->nknown; i++)
		all &= look_at(s, i, n);
	if (whole)
		forget_before(cc);
	return all;
}

static noinline void take_news(struct kecho_source *s, u64 changes)
{
	struct client_choice *cc = s->choice;
	struct news n = { 0 };
	bool all = look_at_all(s, &n);

	if (cc->offer)
		all &= offer(s);
	ke_choice_refresh(s->s.choice, n.scopes, n.nsinks == 1 ? n.sink : 0);
	if (all)
		cc->changes = changes;
}

/* The source's lock is held. */
void client_choice_look(struct kecho_source *s)
{
	const struct client_choice *cc = s->choice;
	u64 changes = le64_to_cpu(smp_load_acquire(&client_live_head(cc->live)->changes));

	if (unlikely(changes != cc->changes))
		take_news(s, changes);
}

/* --------------------------------------------------------------- beginning to choose */

/* Nothing is known yet. Both or none. */
static bool make(struct kecho_source *s, struct client_choice **cc, struct ke_choice **c)
{
	*cc = calloc(1, sizeof(**cc));
	*c = ke_choice_make(&client_judge_ops, &seats_ops, s, lib_clock_ns(CLOCK_MONOTONIC),
			    ke_names_max(s->s.log.record_max));
	if (*cc && *c) {
		(*cc)->changes = U64_MAX;
		return true;
	}
	free(*cc);
	ke_choice_free(*c);
	return false;
}

/* The source's lock is held: another thread may have been first. */
static void begin(struct kecho_source *s, struct client_choice *cc, struct ke_choice *c)
{
	if (s->choice) {
		ke_choice_free(c);
		free(cc);
		return;
	}
	cc->live = client_live_hold(s->ch->client->live);
	s->choice = cc;
	WRITE_ONCE(s->s.choice, c);
	source_decides(s);
}

/* The table of the node of now; the kecho lock is held. */
static bool open_table(struct kecho_channel *ch)
{
	do {
		if (!client_live_open(ch))
			return false;
	} while (ch->client->live_generation != ch->k->client->generation);
	return true;
}

static int make_choice(struct kecho_source *s)
{
	struct client_choice *cc;
	struct ke_choice *c;
	bool opened;

	if (!make(s, &cc, &c))
		return choose_explain(s, -ENOMEM, "");
	pthread_mutex_lock(&s->ch->k->lock);
	opened = open_table(s->ch);
	if (opened) {
		lib_lock(&s->lock);
		begin(s, cc, c);
		lib_unlock(&s->lock);
	}
	pthread_mutex_unlock(&s->ch->k->lock);
	if (opened)
		return 0;
	ke_choice_free(c);
	free(cc);
	return choose_explain(s, -ENOMEM, "");
}

int client_address(struct kecho_source *s)
{
	struct kecho_ctl_source arg = { 0 };
	int err;

	if (READ_ONCE(s->s.closed))	/* the submission says so */
		return 0;
	/* The next node hears of it as the source comes. */
	WRITE_ONCE(s->names, true);
	err = client_ask(s->ch->k->client, KECHO_CMD_ADDRESS, &s->handle, &arg, sizeof(arg), 0,
			 "source of ", s->ch->ch.name);
	return err ?: make_choice(s);
}

static int set_filter(struct kecho_source *s, struct ke_sieve *sieve)
{
	int err = source_address(s);

	if (err)
		return err;
	lib_lock(&s->lock);
	if (s->s.closed) {
		lib_unlock(&s->lock);
		return source_over(s);
	}
	client_choice_look(s);
	err = ke_choice_filter(s->s.choice, sieve);
	lib_unlock(&s->lock);
	return err ? choose_explain(s, err, "") : 0;
}

int client_choose(struct kecho_source *s, const struct kecho_filter *f)
{
	struct ke_sieve *sieve = NULL;
	char why[KE_TYPE_WHY_MAX] = "";
	int err;

	if (!f && !READ_ONCE(s->s.choice))
		return 0;
	err = f ? ke_sieve_make_out(&sieve, f->wire, f->len, why) : 0;
	if (err)
		return choose_explain(s, err, why);
	err = set_filter(s, sieve);
	ke_sieve_put(sieve);
	return err;
}

/* -------------------------------------------------------------------- the next node */

/* Who was known until now. */
static void keep_known(struct client_choice *cc)
{
	struct known *all = realloc(cc->before, (cc->nbefore + cc->nknown) * sizeof(*all) + 1);
	u32 i;

	cc->before = all ?: cc->before;
	for (i = 0; i < cc->nknown; i++)
		if (all && cc->known[i].member)
			all[cc->nbefore++] = cc->known[i];
		else
			forget(&cc->known[i]);
	cc->nknown = 0;
}

/* The helper; the source has joined the node. */
int client_choice_again(struct kecho_source *s)
{
	struct client_choice *cc = s->choice;
	int err = 0;

	pthread_mutex_lock(&s->ch->k->lock);
	if (cc && !client_live_open(s->ch)) {
		err = -ENOMEM;
	} else if (cc) {
		lib_lock(&s->lock);
		keep_known(cc);
		client_live_put(cc->live);
		cc->live = client_live_hold(s->ch->client->live);
		cc->changes = U64_MAX;
		lib_unlock(&s->lock);
	}
	pthread_mutex_unlock(&s->ch->k->lock);
	return err;
}

/* ------------------------------------------------------------------------- replies */

u64 client_reply_to(struct kecho_source *s, u64 source)
{
	const struct known *k;
	struct ke_value v = { 0 };

	lib_lock(&s->lock);
	if (s->choice)	/* it has none if it had ended before it asked */
		client_choice_look(s);
	k = s->choice ? find(s->choice, source) : NULL;
	if (!k || k->role != KE_SOURCE || ke_attrs_find(k->own.buf, k->own.len, KE_REPLY_ATTR, &v))
		v.kind = 0;
	lib_unlock(&s->lock);
	return v.kind == KE_VALUE_I64 ? v.i64 : 0;
}
