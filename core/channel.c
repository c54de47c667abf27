// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels: what we tell the other nodes of one, and what they tell us.
 *
 * Two nodes that are linked tell each other which channels they have open. For
 * one that both have, each then says all of its members, and later each change.
 * After a break of the link it is all said again; who is not named has left.
 */
#include "link.h"

static u64 now_ms(const struct ke_node *n)
{
	return n->house->now_ms(n->owner);
}

static struct ke_presence *presence(const struct ke_peer *p, const struct ke_channel *ch)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &p->presences, peer_list)
		if (pr->channel == ch)
			return pr;
	return NULL;
}

struct ke_presence *ke_presence_make(struct ke_peer *p, struct ke_channel *ch)
{
	struct ke_presence *pr = presence(p, ch);

	if (pr)
		return pr;
	pr = kzalloc(sizeof(*pr), GFP_KERNEL_ACCOUNT);
	if (!pr)
		return NULL;
	pr->peer = p;
	pr->channel = ch;
	INIT_LIST_HEAD(&pr->remotes);
	p->unused_ms = 0;
	list_add_tail(&pr->peer_list, &p->presences);
	list_add_tail(&pr->channel_list, &ch->presences);
	return pr;
}

void ke_remote_tell(struct ke_remote *m, enum ke_remote_state state)
{
	if (m->state == state && state != KE_JOINED)
		return;
	/* All members of a channel that was destroyed have left, whatever is still read. */
	if (m->presence->channel->ended) {
		m->state = state == KE_JOINED ? KE_LEFT : state;
		return;
	}
	m->state = state;
	m->presence->peer->node->house->member(m);
}

void ke_remote_drop(struct ke_remote *m, enum ke_remote_state state)
{
	ke_remote_tell(m, state);
	if (m->stream)
		ke_rstream_drop(m->stream);
	m->presence->peer->nremotes--;
	list_del(&m->list);
	ke_remote_unseat(m);
	ke_remote_forget_filter(m);
	ke_attrs_free(&m->attrs);
	ke_remote_forget_types(m);
	kfree(m);
}

void ke_presence_drop(struct ke_presence *pr, enum ke_remote_state state)
{
	struct ke_remote *m, *next;

	ke_channel_drop_streams(pr->channel, pr->peer);
	list_for_each_entry_safe(m, next, &pr->remotes, list)
		ke_remote_drop(m, state);
	ke_presence_thaw(pr);
	list_del(&pr->peer_list);
	list_del(&pr->channel_list);
	kfree(pr);
}

/* ----------------------------------------------------------------- channels */

int ke_channel_open(struct ke_channel *ch, struct ke_node *n, const struct ke_id *uuid,
		    const char *name)
{
	struct ke_peer *p;

	if (n->nchannels == KE_CHANNELS_MAX)
		return -ENOSPC;
	n->nchannels++;
	memset(ch, 0, offsetof(struct ke_channel, attrs));
	memset(&ch->attrs, 0, sizeof(ch->attrs));
	ch->attrs_version = ch->attrs_change = ch->sinks = ch->gated = 0;
	ch->node = n;
	ch->uuid = *uuid;
	ch->index = ++n->last_channel;
	strscpy(ch->name, name, sizeof(ch->name));
	INIT_LIST_HEAD(&ch->members);
	INIT_LIST_HEAD(&ch->changed);
	INIT_LIST_HEAD(&ch->presences);
	list_add_tail(&ch->list, &n->channels);
	/* Who is linked to us already may be in it too. */
	list_for_each_entry(p, &n->peers, list) {
		struct ke_presence *pr = p->link ? ke_presence_make(p, ch) : NULL;

		if (pr)
			ke_presence_say(pr);
	}
	return 0;
}

static void leave_peer(struct ke_presence *pr)
{
	struct ke_peer *p = pr->peer;

	if (pr->said && p->link)
		ke_link_send(p->link, KECHO_FRAME_CHANNEL_GONE, pr->channel->index, 0, NULL, 0);
	ke_presence_drop(pr, KE_LEFT);
	if (list_empty(&p->presences) && !p->link)
		ke_peer_forget(p, KE_LEFT);
}

void ke_channel_close(struct ke_channel *ch)
{
	struct ke_presence *pr, *next;

	WARN_ON_ONCE(!list_empty(&ch->members));
	list_for_each_entry_safe(pr, next, &ch->presences, channel_list)
		leave_peer(pr);
	ke_drain_end(ch);
	ch->node->nchannels--;
	list_del(&ch->list);
	ke_attrs_free(&ch->attrs);
	ch->node->house->changed(ch->node->owner);
}

int ke_channel_contact(struct ke_channel *ch, const struct ke_contact *c)
{
	struct ke_presence *pr;
	struct ke_peer *p;

	if (!ke_id_cmp(&c->node, &ch->node->self.node))
		return 0;
	p = ke_peer_make(ch->node, c);
	if (IS_ERR(p))
		return PTR_ERR(p);
	pr = ke_presence_make(p, ch);
	if (!pr)
		return -ENOMEM;
	ke_peer_vouched(p, c);
	if (p->link) {
		/* It may have left the channel by now: then it says so. */
		ke_presence_say(pr);
		return 0;
	}
	ke_peer_dial(p);
	ch->node->house->changed(ch->node->owner);
	return 0;
}

bool ke_channel_synced(const struct ke_channel *ch)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &ch->presences, channel_list)
		if (!pr->synced && !pr->peer->failed)
			return false;
	return true;
}

bool ke_channel_acked(const struct ke_channel *ch)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &ch->presences, channel_list)
		if (pr->acks_due && !pr->peer->failed)
			return false;
	return true;
}

/* ------------------------------------------------------------------ members */

static void say_member(struct ke_presence *pr, const struct ke_member *m, bool fresh)
{
	struct ke_link *l = pr->peer->link;
	struct ke_out o;

	if (!ke_link_body(l, &o, 32 + ke_attrs_live_len(&m->attrs)))
		return;
	ke_put_u64(&o, m->id);
	ke_put_u8(&o, m->role);
	ke_put_u8(&o, m->policy);
	ke_put_u8(&o, fresh);
	ke_put_u32(&o, m->source ? m->source->id : 0);
	ke_put_u64(&o, m->source ? m->source->log.size : 0);
	ke_attrs_put(&o, &m->attrs, now_ms(m->channel->node));
	ke_put_u8(&o, m->traffic_class);
	ke_put_u32(&o, m->alive_ms);
	ke_link_send_body(l, KECHO_FRAME_MEMBER, pr->channel->index, 0, &o);
	pr->acks_due++;
}

/* We have this channel open; if the peer has it too it answers with the same. */
void ke_presence_say(struct ke_presence *pr)
{
	u8 buf[sizeof(struct ke_id) + 2 + KE_NAME_MAX];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	if (pr->said)
		return;
	pr->said = true;
	ke_put(&o, &pr->channel->uuid, sizeof(pr->channel->uuid));
	ke_put_str(&o, pr->channel->name);
	ke_link_send(pr->peer->link, KECHO_FRAME_CHANNEL, pr->channel->index, 0, buf, o.len);
}

/* The same of index 0: not ours, but of the same name. */
static void say_other(struct ke_presence *pr)
{
	u8 buf[sizeof(struct ke_id) + 2 + KE_NAME_MAX];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put(&o, &pr->channel->other, sizeof(pr->channel->other));
	ke_put_str(&o, pr->channel->name);
	ke_link_send(pr->peer->link, KECHO_FRAME_CHANNEL, 0, 0, buf, o.len);
}

/* All nodes of the channel that we are linked to: we vouch for no others. */
static void say_nodes(struct ke_presence *pr)
{
	u8 *buf = kvmalloc(KECHO_FRAME_BODY_MAX, GFP_KERNEL);
	struct ke_out o = { .buf = buf, .size = KECHO_FRAME_BODY_MAX };
	struct ke_presence *other;

	list_for_each_entry(other, &pr->channel->presences, channel_list)
		if (buf && other != pr && other->here && o.size - o.len >= 256)
			ke_put_contact(&o, &other->peer->contact);
	if (o.len)
		ke_link_send(pr->peer->link, KECHO_FRAME_NODES, pr->channel->index, 0, buf, o.len);
	kvfree(buf);
}

/* Everything of ours in the channel, for a node that is in it too. */
void ke_presence_say_all(struct ke_presence *pr)
{
	struct ke_channel *ch = pr->channel;
	struct ke_link *l = pr->peer->link;
	struct ke_member *m;

	if (l->local)
		ch->node->house->share_channel(l, ch);
	if (ch->attrs.len)
		ke_presence_say_channel(pr);
	say_nodes(pr);
	if (ch->other_said)
		say_other(pr);
	ke_presence_say_destroy(pr);
	ke_presence_say_freeze(pr);
	list_for_each_entry(m, &ch->members, list) {
		say_member(pr, m, false);
		ke_presence_say_types(pr, m);
		ke_presence_say_filter(pr, m);
	}
	ke_link_send(l, KECHO_FRAME_SYNCED, ch->index, 0, NULL, 0);
}

void ke_channel_other(struct ke_channel *ch, const struct ke_id *uuid)
{
	struct ke_presence *pr;

	if (!ke_id_cmp(uuid, &ch->uuid) || (ch->other_said && !ke_id_cmp(uuid, &ch->other)))
		return;
	ch->other = *uuid;
	ch->other_said = true;
	list_for_each_entry(pr, &ch->presences, channel_list)
		if (pr->here && pr->peer->link)
			say_other(pr);
	ch->node->house->changed(ch->node->owner);
}

bool ke_channel_linked(const struct ke_channel *ch, const struct ke_id *node)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &ch->presences, channel_list)
		if (!ke_id_cmp(&pr->peer->contact.node, node))
			return pr->here && pr->peer->link;
	return false;
}

/* One of ours that comes back has its id, whoever goes by that meanwhile. */
static void claim_id(struct ke_channel *ch, u64 id)
{
	struct ke_remote *m = ke_channel_remote(ch, id);
	struct ke_link *l = m ? m->presence->peer->link : NULL;

	if (m)
		ke_remote_drop(m, KE_FAILED);
	if (l)
		ke_link_break(l);
}

void ke_member_identify(struct ke_member *m, struct ke_node *n)
{
	if (!m->id)
		m->id = n->house->random(n->owner);
}

int ke_member_join(struct ke_member *m, struct ke_channel *ch)
{
	struct ke_presence *pr;
	bool chosen = m->id;

	m->channel = ch;
	ke_member_identify(m, ch->node);
	INIT_LIST_HEAD(&m->list);
	INIT_LIST_HEAD(&m->changed);
	if (ch->node->nmembers == KE_MEMBERS_MAX || !ke_member_fits(m, ch->node))
		return -ENOSPC;
	if (chosen)
		claim_id(ch, m->id);
	ch->node->nmembers++;
	list_add_tail(&m->list, &ch->members);
	if (m->source)
		m->source->frozen = ke_channel_frozen(ch);
	if (m->source && m->alive_ms)
		list_add_tail(&m->source->promised, &ch->node->promised);
	list_for_each_entry(pr, &ch->presences, channel_list) {
		if (!pr->here || !pr->peer->link)
			continue;
		say_member(pr, m, true);
		ke_presence_say_types(pr, m);
		ke_presence_say_filter(pr, m);
	}
	ke_member_seat(m);
	return 0;
}

void ke_member_leave(struct ke_member *m)
{
	struct ke_presence *pr;
	u8 gone[17];
	struct ke_out o = { .buf = gone, .size = sizeof(gone) };

	if (list_empty(&m->list))	/* it was one too many */
		goto free_attrs;
	ke_put_u64(&o, m->id);
	ke_put_u64(&o, m->source ? le64_to_cpu(m->source->log.hdr->seq) : 0);
	if (m->failed)
		ke_put_u8(&o, true);
	if (m->role == KE_SINK)
		ke_channel_count_lost(m->channel);
	list_for_each_entry(pr, &m->channel->presences, channel_list)
		if (pr->here && pr->peer->link)
			ke_link_send(pr->peer->link, KECHO_FRAME_MEMBER_GONE, m->channel->index, 0,
				     gone, o.len);
	m->channel->node->nmembers--;
	list_del_init(&m->list);
	list_del_init(&m->changed);
	if (m->source)
		list_del_init(&m->source->promised);
	ke_member_unseat(m);
free_attrs:
	ke_attrs_free(&m->attrs);
	ke_sieve_put(m->sieve);
	m->sieve = NULL;
	if (m->source)
		ke_source_forget_types(m->source, m->channel->node);
}

/* After a break a stream must be resumed before it is asked for anything else: that
 * is done when the source is named again. */
static int subscribe(struct ke_remote *m, bool retained)
{
	if (m->role != KE_SOURCE)
		return 0;
	if (m->stale) {
		m->retained |= retained;
		return 0;
	}
	if (m->state != KE_JOINED)
		return 0;
	return ke_remote_subscribe(m, retained ? KE_FROM_RETAINED : KE_FROM_NOW);
}

int ke_channel_subscribe(struct ke_channel *ch, bool retained)
{
	struct ke_presence *pr;
	struct ke_remote *m;
	int err = 0;

	list_for_each_entry(pr, &ch->presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			err = err ?: subscribe(m, retained);
	return err;
}

/* Without sinks of ours the logs need not come any more. */
void ke_channel_unsubscribe(struct ke_channel *ch)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	ke_channel_count_lost(ch);
	list_for_each_entry(pr, &ch->presences, channel_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			m->retained &= ch->sinks > 0;
			if (!m->stream)
				continue;
			if (ch->sinks) {
				/* The gate, perhaps: the last sink that blocks has gone. */
				if (m->stream->gated && !ch->gated && !m->stale)
					ke_remote_subscribe(m, KE_FROM_NOW);
				continue;
			}
			m->starts_void += m->stream->starts_due;
			if (pr->peer->link)
				ke_link_send(pr->peer->link, KECHO_FRAME_UNSUBSCRIBE, m->log, 0,
					     NULL, 0);
			ke_rstream_drop(m->stream);
		}
	}
}

static bool started(const struct ke_remote *m)
{
	if (m->stale)	/* its link is being set up again, or down */
		return m->role != KE_SOURCE || !m->presence->peer->link;
	return !m->stream || !m->stream->starts_due;
}

bool ke_channel_started(const struct ke_channel *ch)
{
	const struct ke_presence *pr;
	const struct ke_remote *m;

	list_for_each_entry(pr, &ch->presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (!started(m) && !pr->peer->failed)
				return false;
	return true;
}
