// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Our sources judge by the filters of all sinks of their channel: see filters.c for how those
 * come, seats.h for who has which bit.
 *
 * The sinks of another host together say what its stream needs, see want(); that is narrowed
 * behind the JUDGED.
 *
 * The seats of a node that has failed are given up, but not those of one of this host: its
 * process may only stand still, and reads the log in place when it goes on. It is known when
 * it has died; until then it is not forgotten, see ke_peer_seated().
 */
#include "link.h"

static const struct ke_house *house(const struct ke_channel *ch)
{
	return ch->node->house;
}

static struct ke_channel *channel(const struct ke_source *s)
{
	return s->member.channel;
}

/* ------------------------------------------------------------------- a source's judge */

static void judge_lock(void *owner)
{
	house(channel(owner))->source_lock(owner);
}

static void judge_unlock(void *owner)
{
	house(channel(owner))->source_unlock(owner);
}

static u64 judge_now_ms(void *owner)
{
	const struct ke_node *n = channel(owner)->node;

	return n->house->now_ms(n->owner);
}

/* Programs that another process runs need no code here. */
static struct ke_native *judge_compile(void *owner, u64 whose, const struct ke_program *p)
{
	const struct ke_node *n = channel(owner)->node;

	if (!n->house->compile || ((const struct ke_source *)owner)->judged_later)
		return NULL;
	return n->house->compile(n->owner, whose, p);
}

const struct ke_judge_ops ke_source_judge_ops = {
	.lock = judge_lock, .unlock = judge_unlock, .now_ms = judge_now_ms,
	.compile = judge_compile,
};

static const struct ke_attrs *sinks_attrs(const struct ke_channel *ch, u8 scope, u64 sink)
{
	const struct ke_member *own = ke_channel_own(ch, sink);
	const struct ke_remote *m = own ? NULL : ke_channel_remote(ch, sink);

	if (own)
		return scope == KECHO_SCOPE_SINK ? &own->attrs : &ch->node->attrs;
	if (!m)
		return NULL;
	return scope == KECHO_SCOPE_SINK ? &m->attrs : &m->presence->peer->attrs;
}

static const struct ke_attrs *attrs_of(void *owner, u8 scope, u64 sink)
{
	const struct ke_source *s = owner;

	switch (scope) {
	case KECHO_SCOPE_CHANNEL:
		return &channel(s)->attrs;
	case KECHO_SCOPE_SOURCE:
		return &s->member.attrs;
	case KECHO_SCOPE_SINK:
	case KECHO_SCOPE_SINK_NODE:
		return sinks_attrs(channel(s), scope, sink);
	default:	/* it is judged where the source is */
		return &channel(s)->node->attrs;
	}
}

static const struct ke_types *types_of(void *owner)
{
	return ((struct ke_source *)owner)->member.types;
}

const struct ke_seats_ops ke_source_seats_ops = { .attrs = attrs_of, .types = types_of };

static bool make_judge(struct ke_source *s)
{
	struct ke_node *n = channel(s)->node;
	struct ke_judge *j = ke_judge_make(&ke_source_judge_ops, s, n->house->random(n->owner));

	if (!j)
		return false;
	j->generation = s->generation;
	ke_seats_init(&s->seats, &ke_source_seats_ops, s, j);
	judge_lock(s);
	s->judge = j;
	ke_source_decide(s, true);
	judge_unlock(s);
	return true;
}

void ke_source_forget_judge(struct ke_source *s)
{
	struct ke_judge *j = s->judge;

	if (!j)
		return;
	ke_seats_fini(&s->seats);
	judge_lock(s);
	s->judge = NULL;
	ke_source_decide(s, s->choice);
	judge_unlock(s);
	ke_judge_free(j);
}

/* NULL: it gets none. */
static struct ke_seat *seat(struct ke_source *s, u64 sink, u32 version, struct ke_sieve *sieve,
			    struct ke_verdict *v)
{
	if (s->judge || (sieve && make_judge(s)))
		return ke_seats_set(&s->seats, sink, version, sieve, v);
	*v = (struct ke_verdict){ .version = version, .bit = sieve ? KE_BIT_SELF : KE_BIT_ALL };
	return NULL;
}

struct ke_seat *ke_source_seat_of(const struct ke_source *s, u64 sink)
{
	return s->judge ? ke_seats_find(&s->seats, sink) : NULL;
}

/* The house hears of what has changed. */
static void settle(struct ke_source *s)
{
	const struct ke_house *h = house(channel(s));

	if (!s->judge || s->judge_seen == s->judge->changes)
		return;
	s->judge_seen = s->judge->changes;
	if (h->judges)
		h->judges(s);
}

/* -------------------------------------------------------------- what streams need */

static void add_sinks(struct ke_wants *w, const struct ke_source *s, const struct ke_presence *pr)
{
	const struct ke_remote *m;

	list_for_each_entry(m, &pr->remotes, list)
		if (m->role == KE_SINK && m->state == KE_JOINED)
			ke_wants_add(w, ke_source_seat_of(s, m->id));
	w->all |= !w->bits;
}

/* Of a node of this host: when it is to be woken. */
static void set_near(struct ke_tstream *ts, const struct ke_wants *w, struct ke_names **names)
{
	judge_lock(ts->source);
	ts->wants = w->bits;
	ts->wants_from = w->from;
	ts->wants_all = w->all;
	swap(ts->sinks, *names);
	ke_source_note_all(ts->source);
	judge_unlock(ts->source);
}

static void set_far(struct ke_tstream *ts, const struct ke_wants *w, struct ke_names **names)
{
	const struct ke_house *h = house(channel(ts->source));
	struct ke_link *l = ts->peer->link;

	if (l)
		h->tx_lock(l);
	ke_tstream_want(ts, w->bits, w->all, w->from);
	if (ts->source->names_sinks)
		*names = ke_tstream_name(ts, *names);
	if (l)
		h->tx_unlock(l);
	/* Who submits from here on sees it, and has none of the old names any more. */
	judge_lock(ts->source);
	ke_source_note_all(ts->source);
	judge_unlock(ts->source);
	if (l)
		h->kick(l);
}

/* With @before also what was wanted until now. A sink that comes late finds in the mirror what
 * is retained, so all of that is sent. */
static void set_wants(struct ke_source *s, const struct ke_presence *pr, bool before)
{
	struct ke_tstream *ts = ke_tstream_find(s, pr->peer);
	struct ke_wants w = { 0 };
	struct ke_names *names;

	if (!ts)
		return;
	if (before)
		w = (struct ke_wants){ .bits = ts->wants, .all = ts->wants_all };
	names = s->names_sinks ? ke_presence_names(pr) : NULL;
	add_sinks(&w, s, pr);
	if (ts->local)
		set_near(ts, &w, &names);
	else
		set_far(ts, &w, &names);
	kvfree(names);
	if (s->choice && !ts->sinks) {
		s->choice->stale = true;
		ke_source_look_again(s);
	}
	if (house(channel(s))->wakes)
		house(channel(s))->wakes(s);
}

static void want(struct ke_source *s, const struct ke_presence *pr)
{
	set_wants(s, pr, false);
}

void ke_source_want(struct ke_source *s, const struct ke_peer *p)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &channel(s)->presences, channel_list)
		if (pr->peer == p)
			want(s, pr);
}

void ke_presence_want(const struct ke_presence *pr)
{
	struct ke_member *m;

	list_for_each_entry(m, &pr->channel->members, list)
		if (m->source)
			want(m->source, pr);
}

/* ---------------------------------------------------------------------- verdicts */

/* What another process judges by is said when it does. */
static bool is_early(const struct ke_source *s, const struct ke_verdict *v)
{
	return s->judged_later && v->from > s->judges;
}

static void say_judged(struct ke_source *s, const struct ke_presence *pr, u64 sink,
		       const struct ke_verdict *v)
{
	u8 buf[17];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	if (is_early(s, v))
		return;
	ke_put_u64(&o, sink);
	ke_put_u32(&o, v->version);
	ke_put_u8(&o, v->bit);
	ke_put_u32(&o, v->since);
	WARN_ON_ONCE(o.bad);
	/* Who hears it may submit at once: what more is wanted by it is so before that. */
	set_wants(s, pr, true);
	if (pr->here && pr->peer->link)
		ke_link_send(pr->peer->link, KECHO_FRAME_JUDGED, s->id, v->from, buf, o.len);
	want(s, pr);
}

/* Our own sink takes it at once, or the house says when. */
static void tell_own(struct ke_source *s, struct ke_member *sink, struct ke_verdict v)
{
	const struct ke_house *h = house(channel(s));

	do {
		ke_source_want_own(s);
		if (is_early(s, &v) || (h->judged && !h->judged(NULL, s, sink, &v)))
			return;
	} while (s->judge && ke_seats_taken(&s->seats, sink->id, v.version, &v));
	ke_source_want_own(s);
}

void ke_source_taken(struct ke_source *s, struct ke_member *sink, u32 version)
{
	struct ke_verdict v;

	if (!s->judge)
		return;
	if (ke_seats_taken(&s->seats, sink->id, version, &v))
		tell_own(s, sink, v);
	else
		ke_source_want_own(s);
	settle(s);
}

static void say_any(void *owner, u64 sink, const struct ke_verdict *v)
{
	struct ke_member *own = ke_channel_own(channel(owner), sink);
	struct ke_remote *m = own ? NULL : ke_channel_remote(channel(owner), sink);

	if (own)
		tell_own(owner, own, *v);
	else if (m)
		say_judged(owner, m->presence, sink, v);
}

void ke_source_judges(struct ke_source *s, u32 generation)
{
	struct ke_seat *seat, *next;
	u32 before = s->judges;

	s->judges = generation;
	if (!s->judge || generation <= before)
		return;
	list_for_each_entry_safe(seat, next, &s->seats.seats, list)
		if (seat->open && seat->v.from > before && seat->v.from <= generation)
			say_any(s, seat->sink, &seat->v);
	settle(s);
	house(channel(s))->changed(channel(s)->node->owner);
}

void ke_source_seat(struct ke_source *s, struct ke_member *sink)
{
	struct ke_seat *own;
	struct ke_verdict v;

	if (sink->role != KE_SINK || !sink->filter_version)
		return;
	own = seat(s, sink->id, sink->filter_version, sink->sieve, &v);
	if (own)
		own->own = true;
	tell_own(s, sink, v);
	settle(s);
}

static void seat_remote(struct ke_source *s, struct ke_remote *sink)
{
	struct ke_verdict v;

	if (sink->role != KE_SINK || !sink->filter_version)
		return;
	seat(s, sink->id, sink->filter_version, sink->sieve, &v);
	say_judged(s, sink->presence, sink->id, &v);
	settle(s);
}

/* ------------------------------------------------------------------ who comes and goes */

int ke_filter_in(struct ke_presence *pr, u64 version, struct ke_in *in)
{
	u64 id = ke_get_u64(in);
	u32 len = ke_get_u32(in);
	const void *wire = ke_get(in, len);
	struct ke_remote *m = ke_remote_find(pr, id);
	struct ke_sieve *s = NULL;
	char why[KE_TYPE_WHY_MAX];
	struct ke_member *own;
	int err = 0;

	if (in->bad || !version || version > U32_MAX || !m || m->role != KE_SINK)
		return -EPROTO;
	/* After a break it may be another's that goes on under its id, and counts anew. */
	if (pr->synced && version <= m->filter_version)
		return -EPROTO;
	if (len)
		err = ke_sieve_make(&s, wire, len, in->p, in->end - in->p, why);
	err = err ?: ke_sieve_replace(&m->sieve, s, &pr->peer->filters_bytes);
	if (err) {
		ke_sieve_put(s);
		return err;
	}
	m->filter_version = version;
	list_for_each_entry(own, &pr->channel->members, list)
		if (own->source)
			seat_remote(own->source, m);
	return 0;
}

int ke_judged_ack_in(struct ke_link *l, u32 log, u64 version, struct ke_in *in)
{
	struct ke_source *s = ke_source_find(l->node, log);
	u64 id = ke_get_u64(in);
	struct ke_remote *m;
	struct ke_verdict v;

	if (in->bad || version > U32_MAX)
		return -EPROTO;
	m = s && s->judge ? ke_channel_remote(channel(s), id) : NULL;
	if (!m || m->presence->peer != l->peer)
		return 0;
	if (ke_seats_taken(&s->seats, id, version, &v))
		say_judged(s, m->presence, id, &v);
	else
		want(s, m->presence);
	settle(s);
	return 0;
}

void ke_member_seat(struct ke_member *m)
{
	struct ke_channel *ch = m->channel;
	struct ke_presence *pr;
	struct ke_member *own;
	struct ke_remote *sink;

	ch->node->filters_bytes += ke_sieve_bytes(m->sieve);
	list_for_each_entry(own, &ch->members, list) {
		if (m->source)
			ke_source_seat(m->source, own);
		else if (own->source)
			ke_source_seat(own->source, m);
	}
	list_for_each_entry(pr, &ch->presences, channel_list)
		list_for_each_entry(sink, &pr->remotes, list)
			if (m->source && pr->here && pr->peer->link && !sink->stale)
				seat_remote(m->source, sink);
	if (m->role == KE_SINK)
		ke_channel_offer(ch);
	ke_channel_want_own(ch);
}

void ke_channel_unseat(struct ke_channel *ch, u64 sink)
{
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list) {
		if (!m->source || !m->source->judge)
			continue;
		ke_seats_leave(&m->source->seats, sink);
		settle(m->source);
	}
}

bool ke_source_has_seated(const struct ke_source *s, const struct ke_member *sink)
{
	const struct ke_seat *seat = ke_source_seat_of(s, sink->id);

	return !seat || (seat->v.version == sink->filter_version && !seat->open);
}

void ke_remote_unseat(struct ke_remote *m)
{
	if (m->role != KE_SINK)
		return;
	if (m->filter_version)
		ke_channel_unseat(m->presence->channel, m->id);
	ke_presence_want(m->presence);
	ke_channel_offer(m->presence->channel);
}

static bool is_seated(const struct ke_presence *pr)
{
	const struct ke_member *own;
	const struct ke_remote *m;

	list_for_each_entry(own, &pr->channel->members, list)
		list_for_each_entry(m, &pr->remotes, list)
			if (own->source && ke_source_seat_of(own->source, m->id))
				return true;
	return false;
}

bool ke_peer_seated(const struct ke_peer *p)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &p->presences, peer_list)
		if (is_seated(pr))
			return true;
	return false;
}

/* ------------------------------------------------------------- what filters read */

static bool is_stale(const struct ke_source *s)
{
	return (s->judge && s->judge->stale) || (s->choice && s->choice->stale);
}

/* The house may tick no more, or not as soon. */
void ke_source_look_again(const struct ke_source *s)
{
	const struct ke_node *n = channel(s)->node;

	if (is_stale(s))
		n->house->changed(n->owner);
}

void ke_source_judge_type(struct ke_source *s, u32 index)
{
	if (s->choice)
		ke_choice_announced(s->choice, index);
	if (!s->judge)
		return;
	ke_seats_announced(&s->seats, index, say_any);
	settle(s);
}

static void refresh_source(struct ke_source *s, u32 scopes, u64 sink)
{
	if (s->choice)
		ke_choice_refresh(s->choice, scopes, sink);
	if (s->judge)
		ke_seats_refresh(&s->seats, scopes, sink);
	settle(s);
	ke_source_look_again(s);
}

static void refresh(struct ke_channel *ch, u32 scopes, u64 sink)
{
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list)
		if (m->source)
			refresh_source(m->source, scopes, sink);
}

void ke_node_refilter(struct ke_node *n)
{
	struct ke_channel *ch;

	list_for_each_entry(ch, &n->channels, list)
		refresh(ch, 1 << KECHO_SCOPE_NODE | 1 << KECHO_SCOPE_SOURCE_NODE |
				1 << KECHO_SCOPE_SINK_NODE, 0);
}

/* For what there was no memory. */
void ke_node_refilter_stale(struct ke_node *n)
{
	struct ke_channel *ch;
	struct ke_member *m;

	if (!n->deciding)
		return;
	list_for_each_entry(ch, &n->channels, list) {
		refresh(ch, 0, 0);
		list_for_each_entry(m, &ch->members, list)
			if (m->source)
				ke_source_choose_again(m->source);
	}
}

bool ke_node_is_stale(const struct ke_node *n)
{
	const struct ke_channel *ch;
	const struct ke_member *m;

	if (!n->deciding)
		return false;
	list_for_each_entry(ch, &n->channels, list)
		list_for_each_entry(m, &ch->members, list)
			if (m->source && is_stale(m->source))
				return true;
	return false;
}

void ke_peer_refilter(struct ke_peer *p)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &p->presences, peer_list)
		refresh(pr->channel, 1 << KECHO_SCOPE_SINK_NODE, 0);
}

void ke_channel_refilter(struct ke_channel *ch)
{
	refresh(ch, 1 << KECHO_SCOPE_CHANNEL, 0);
}

void ke_sink_refilter(struct ke_channel *ch, u64 sink)
{
	refresh(ch, 1 << KECHO_SCOPE_SINK, sink);
}

void ke_member_refilter(struct ke_member *m)
{
	if (m->source)
		refresh_source(m->source, 1 << KECHO_SCOPE_SOURCE, 0);
	else
		ke_sink_refilter(m->channel, m->id);
}
