// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters of our sinks on their way to the sources, and what those say of them:
 *
 *	FILTER	sink u64, the filter's bytes u32, the filter, a type, to the end; pos: its
 *		version; no filter: not any more
 *	JUDGED	sink u64, version u32, bit u8, since u32; id: the log; pos: from
 *	JUDGED_ACK	sink u64; id: the log; pos: the version
 *
 * A FILTER is said behind the MEMBER of its sink, and when it changes. Each source of the
 * channel seats the sink then, see judging.c, and its node says JUDGED, also of a source that
 * joins later, behind its MEMBER. Until the sink's node has answered, the filter before goes
 * on being judged. Sinks and sources of one node do the same by calls. After a break FILTER is
 * said again, and answered as if it were new.
 */
#include "link.h"

/* What a source of another node has said of a sink of ours. */
struct heard {
	struct list_head list;
	u64 sink;
	struct ke_verdict v;
	bool taken;		/* by the sink */
};

static const struct ke_house *house(const struct ke_channel *ch)
{
	return ch->node->house;
}

struct ke_member *ke_channel_own(const struct ke_channel *ch, u64 id)
{
	struct ke_member *m;

	list_for_each_entry(m, &ch->members, list)
		if (m->id == id)
			return m;
	return NULL;
}

struct ke_remote *ke_channel_remote(const struct ke_channel *ch, u64 id)
{
	struct ke_presence *pr;
	struct ke_remote *m = NULL;

	list_for_each_entry(pr, &ch->presences, channel_list) {
		m = ke_remote_find(pr, id);
		if (m)
			break;
	}
	return m;
}

static struct heard *find_heard(const struct ke_remote *m, u64 sink)
{
	struct heard *h;

	list_for_each_entry(h, &m->heard, list)
		if (h->sink == sink)
			return h;
	return NULL;
}

static void forget_heard(struct heard *h)
{
	if (!h)
		return;
	list_del(&h->list);
	kfree(h);
}

/* ------------------------------------------------------------------------ what we say */

static void say_filter(struct ke_presence *pr, const struct ke_member *m)
{
	const struct ke_sieve *s = m->sieve;
	struct ke_link *l = pr->peer->link;
	u32 len = ke_sieve_bytes(s);
	struct ke_out o;

	if (!ke_link_body(l, &o, sizeof(u64) + sizeof(u32) + len))
		return;
	ke_put_u64(&o, m->id);
	ke_put_u32(&o, s ? s->len : 0);
	if (s)
		ke_put(&o, s->wire, len);
	ke_link_send_body(l, KECHO_FRAME_FILTER, pr->channel->index, m->filter_version, &o);
}

void ke_presence_say_filter(struct ke_presence *pr, const struct ke_member *m)
{
	if (m->filter_version)
		say_filter(pr, m);
}

static bool is_joined(const struct ke_member *m)
{
	return m->channel && !list_empty(&m->list);
}

static void say_to_all(struct ke_member *sink)
{
	struct ke_presence *pr;
	struct ke_member *m;

	list_for_each_entry(pr, &sink->channel->presences, channel_list)
		if (pr->here && pr->peer->link)
			say_filter(pr, sink);
	list_for_each_entry(m, &sink->channel->members, list)
		if (m->source)
			ke_source_seat(m->source, sink);
	house(sink->channel)->changed(sink->channel->node->owner);
}

int ke_member_filter(struct ke_member *sink, const void *wire, u32 len, const void *type,
		     u32 type_len, char *why)
{
	struct ke_node *n = is_joined(sink) ? sink->channel->node : NULL;
	struct ke_sieve *s = NULL;
	u32 alone = ke_sieve_bytes(sink->sieve);
	int err = len ? ke_sieve_make(&s, wire, len, type, type_len, why) : 0;

	if (err)
		return err;
	if (s)
		s->whose = sink->whose;
	if (ke_sieve_replace(&sink->sieve, s, n ? &n->filters_bytes : &alone)) {
		strscpy(why, "its node's filters have more bytes than a node may say",
			KE_TYPE_WHY_MAX);
		ke_sieve_put(s);
		return -ENOSPC;
	}
	sink->filter_version++;
	if (n)
		say_to_all(sink);
	return 0;
}

bool ke_member_fits(const struct ke_member *m, const struct ke_node *n)
{
	return ke_sieve_bytes(m->sieve) <= KE_NODE_FILTERS_MAX - n->filters_bytes;
}

void ke_member_unseat(struct ke_member *m)
{
	struct ke_presence *pr;
	struct ke_remote *r;

	m->channel->node->filters_bytes -= ke_sieve_bytes(m->sieve);
	if (m->source)
		ke_source_forget_judge(m->source);
	if (m->source)
		ke_source_forget_choice(m->source);
	else
		ke_channel_offer(m->channel);
	if (m->filter_version) {
		ke_channel_unseat(m->channel, m->id);
		list_for_each_entry(pr, &m->channel->presences, channel_list)
			list_for_each_entry(r, &pr->remotes, list)
				forget_heard(find_heard(r, m->id));
	}
	ke_channel_want_own(m->channel);
}

/* ------------------------------------------------------------------------ what we hear */

static void acknowledge(const struct ke_remote *m, u64 sink, u32 version)
{
	struct ke_link *l = m->presence->peer->link;
	__le64 body = cpu_to_le64(sink);

	if (l)
		ke_link_send(l, KECHO_FRAME_JUDGED_ACK, m->log, version, &body, sizeof(body));
}

static void took(struct ke_remote *m, struct heard *h)
{
	h->taken = true;
	acknowledge(m, h->sink, h->v.version);
}

void ke_member_took(struct ke_member *sink, u64 source, u32 version)
{
	struct ke_member *own = ke_channel_own(sink->channel, source);
	struct ke_remote *m = own ? NULL : ke_channel_remote(sink->channel, source);
	struct heard *h = m ? find_heard(m, sink->id) : NULL;

	if (h && h->v.version == version)
		took(m, h);
	if (own && own->source)
		ke_source_taken(own->source, sink, version);
	house(sink->channel)->changed(sink->channel->node->owner);
}

static struct ke_remote *source_of(const struct ke_peer *p, u32 log)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	list_for_each_entry(pr, &p->presences, peer_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->role == KE_SOURCE && m->log == log)
				return m;
	return NULL;
}

static struct heard *make_heard(struct ke_remote *m, u64 sink)
{
	struct heard *h = kzalloc(sizeof(*h), GFP_KERNEL_ACCOUNT);

	if (!h)
		return NULL;
	h->sink = sink;
	list_add_tail(&h->list, &m->heard);
	return h;
}

static bool is_same(const struct ke_verdict *a, const struct ke_verdict *b)
{
	return a->version == b->version && a->bit == b->bit && a->from == b->from &&
	       a->since == b->since;
}

static int hear(struct ke_remote *m, struct ke_member *sink, const struct ke_verdict *v)
{
	const struct ke_house *h = house(sink->channel);
	struct heard *heard = find_heard(m, sink->id);
	bool again = heard && is_same(&heard->v, v);

	heard = heard ?: make_heard(m, sink->id);
	if (!heard)
		return -ENOMEM;
	heard->v = *v;
	if (!again) {
		heard->taken = false;
		if (!h->judged || h->judged(m, NULL, sink, v))
			took(m, heard);
	} else if (heard->taken) {
		took(m, heard);
	}
	h->changed(sink->channel->node->owner);
	return 0;
}

int ke_judged_in(struct ke_link *l, u32 log, u64 from, struct ke_in *in)
{
	struct ke_remote *m = source_of(l->peer, log);
	u64 id = ke_get_u64(in);
	struct ke_member *sink = m ? ke_channel_own(m->presence->channel, id) : NULL;
	struct ke_verdict v = { .from = from };

	v.version = ke_get_u32(in);
	v.bit = ke_get_u8(in);
	v.since = ke_get_u32(in);
	if (in->bad || from > U32_MAX || v.since > from || v.bit > KE_BIT_ALL)
		return -EPROTO;
	if (!sink || sink->role != KE_SINK)	/* it has left */
		return 0;
	if (v.version <= sink->filter_version)
		return hear(m, sink, &v);
	/* Of one that went under this id before: nobody here has such a filter any more. */
	acknowledge(m, id, v.version);
	return 0;
}

static bool heard_filtered(const struct ke_remote *m, const struct ke_member *sink)
{
	const struct heard *h = find_heard(m, sink->id);

	return h && h->v.version == sink->filter_version && h->taken;
}

bool ke_member_filtered(const struct ke_member *sink)
{
	const struct ke_presence *pr;
	const struct ke_member *own;
	const struct ke_remote *m;

	if (!sink->filter_version || !is_joined(sink))
		return true;
	list_for_each_entry(own, &sink->channel->members, list)
		if (own->source && !ke_source_has_seated(own->source, sink))
			return false;
	list_for_each_entry(pr, &sink->channel->presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (pr->peer->link && m->role == KE_SOURCE && m->state == KE_JOINED &&
			    !heard_filtered(m, sink))
				return false;
	return true;
}

bool ke_member_verdict(const struct ke_member *sink, u64 source, struct ke_verdict *v)
{
	const struct ke_member *own = ke_channel_own(sink->channel, source);
	const struct ke_remote *m = own ? NULL : ke_channel_remote(sink->channel, source);
	const struct ke_seat *seat;
	const struct heard *h = m ? find_heard(m, sink->id) : NULL;

	seat = own && own->source ? ke_source_seat_of(own->source, sink->id) : NULL;
	if (seat)
		*v = seat->v;
	else if (h)
		*v = h->v;
	return seat || h;
}

void ke_remote_forget_filter(struct ke_remote *m)
{
	struct heard *h, *next;

	m->presence->peer->filters_bytes -= ke_sieve_bytes(m->sieve);
	ke_sieve_put(m->sieve);
	list_for_each_entry_safe(h, next, &m->heard, list)
		forget_heard(h);
}
