// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Control frames as they come in. Their bodies, after the frame's header:
 *
 *	CHANNEL		uuid, name; id 0: a channel that the sender has not, but one of its name
 *	CHANNEL_GONE	-; id 0: the channel @pos of yours is none of mine
 *	NODES		contacts
 *	MEMBER		id u64, role u8, policy u8, fresh u8, log u32, log's size u64, live
 *			attributes, class u8 (absent: normal), milliseconds between its signs
 *			of life u32 (absent: 0)
 *	MEMBER_GONE	id u64, its last event u64 (a sink: 0), it failed u8
 *			(absent: no)
 *	MEMBER_ACK	id u64; the frame's id is the channel's in the MEMBER; pos: of which
 *			TYPE of it, if it isn't the MEMBER's
 *	TYPE		see announce.c
 *	FILTER, JUDGED, JUDGED_ACK	see filters.c
 *	ATTR		see live.c
 *	SHARE, STATS	the house's
 *	MEET		node ids
 *	FREEZE to DESTROY	see freeze.c, drain.c, destroy.c
 */
#include "link.h"

struct ke_presence *ke_presence_by_index(const struct ke_peer *p, u32 index)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &p->presences, peer_list)
		if (pr->here && pr->index == index)
			return pr;
	return NULL;
}

/*
 * A channel that isn't ours. If one of ours has its name there are two: whose the name is
 * only the registry can say.
 */
static void meet_other(struct ke_link *l, const struct ke_id *uuid, const char *name)
{
	struct ke_channel *ch;

	list_for_each_entry(ch, &l->node->channels, list) {
		if (strcmp(ch->name, name) || !ke_id_cmp(&ch->uuid, uuid) ||
		    !ke_id_cmp(&ch->other, uuid))
			continue;
		ch->other = *uuid;
		ch->other_said = false;
		l->node->house->repair(ch);
		l->node->house->changed(l->node->owner);
	}
}

static int channel_in(struct ke_link *l, u32 index, struct ke_in *in)
{
	struct ke_channel *ch;
	struct ke_presence *pr;
	char name[KE_NAME_MAX + 1];
	struct ke_id uuid;

	ke_get_copy(in, &uuid, sizeof(uuid));
	ke_get_str(in, name, sizeof(name));
	if (in->bad || ke_presence_by_index(l->peer, index))
		return -EPROTO;
	meet_other(l, &uuid, name);
	if (!index)
		return 0;
	list_for_each_entry(ch, &l->node->channels, list) {
		if (ke_id_cmp(&ch->uuid, &uuid))
			continue;
		pr = ke_presence_make(l->peer, ch);
		if (!pr)
			return -ENOMEM;
		if (pr->here)
			return -EPROTO;
		pr->index = index;
		pr->here = true;
		ke_presence_say(pr);
		ke_presence_say_all(pr);
		return 0;
	}
	/* Not ours. Its sender must not wait for us. */
	ke_link_send(l, KECHO_FRAME_CHANNEL_GONE, 0, index, NULL, 0);
	return 0;
}

/*
 * Who was not named has left while there was no link. Of a source that still had
 * something to say nobody knows what that was: it has failed.
 */
static void drop_stale(struct ke_presence *pr)
{
	struct ke_remote *m, *next;

	list_for_each_entry_safe(m, next, &pr->remotes, list)
		if (m->stale)
			ke_remote_drop(m, m->stream && !m->stream->ended ? KE_FAILED : KE_LEFT);
}

/* A channel of the peer's (@index), or ours that it hasn't (@pos). */
static int channel_gone(struct ke_link *l, u32 index, u64 pos)
{
	struct ke_presence *pr, *next;
	struct ke_channel *ch;

	list_for_each_entry_safe(pr, next, &l->peer->presences, peer_list) {
		if (index ? pr->here && pr->index == index :
			    !pr->here && pr->channel->index == pos) {
			ch = pr->channel;
			drop_stale(pr);
			ke_presence_drop(pr, KE_LEFT);
			ke_channel_retell(ch);
			l->node->house->repair(ch);
			l->node->house->changed(l->node->owner);
			return 0;
		}
	}
	return 0;
}

static int nodes_in(struct ke_presence *pr, struct ke_in *in)
{
	struct ke_contact c;
	int err = 0;

	while (!err && in->p < in->end) {
		ke_get_contact(in, &c);
		err = in->bad ? -EPROTO : ke_channel_contact(pr->channel, &c);
	}
	return err;
}

struct ke_remote *ke_remote_find(struct ke_presence *pr, u64 id)
{
	struct ke_remote *m;

	list_for_each_entry(m, &pr->remotes, list)
		if (m->id == id)
			return m;
	return NULL;
}

struct ke_remote *ke_remote_make(struct ke_presence *pr, u64 id)
{
	struct ke_remote *m;

	if (pr->peer->nremotes == KE_MEMBERS_MAX)
		return ERR_PTR(-ENOSPC);
	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return ERR_PTR(-ENOMEM);
	pr->peer->nremotes++;
	m->presence = pr;
	m->id = id;
	INIT_LIST_HEAD(&m->heard);
	list_add_tail(&m->list, &pr->remotes);
	return m;
}

static bool bad_member(const struct ke_remote *m)
{
	if (m->traffic_class > KE_BULK || !ke_promise_fits(m->alive_ms))
		return true;
	if (m->role == KE_SOURCE)
		return !ke_log_size_fits(m->log_size) || !m->log;
	return m->role != KE_SINK || m->policy > 2;
}

/* Read it: from its beginning if we were there before it, from where we were. */
static int member_stream(struct ke_remote *m)
{
	u8 from = m->fresh ? KE_FROM_START : KE_FROM_NOW;

	if (m->role != KE_SOURCE)
		return 0;
	if (m->stream && m->stream->attached) {
		m->retained = false;
		return ke_remote_subscribe(m, KE_FROM_POS);
	}
	if (!m->presence->channel->sinks)
		return 0;
	if (m->stream)	/* the link broke before it started */
		from = m->stream->from;
	if (m->retained && from == KE_FROM_NOW)
		from = KE_FROM_RETAINED;
	return ke_remote_subscribe(m, from);
}

/* What a MEMBER says, into @said, with attributes that are the caller's then. */
static int get_member(struct ke_in *in, struct ke_remote *said, u64 now_ms)
{
	int err;

	said->id = ke_get_u64(in);
	said->role = ke_get_u8(in);
	said->policy = ke_get_u8(in);
	said->fresh = ke_get_u8(in);
	said->log = ke_get_u32(in);
	said->log_size = ke_get_u64(in);
	if (in->bad)
		return -EPROTO;
	err = ke_attrs_get(&said->attrs, in, now_ms);
	if (err)
		return err;
	said->traffic_class = ke_get_u8_or(in, KE_NORMAL);
	said->alive_ms = ke_get_u32_or(in, 0);
	if (!in->bad && !bad_member(said))
		return 0;
	ke_attrs_free(&said->attrs);
	return -EPROTO;
}

/* By the id of another member, ours or a third node's, it could say what that one wants. */
static bool is_taken(const struct ke_presence *pr, u64 id)
{
	const struct ke_remote *m = ke_channel_remote(pr->channel, id);

	return ke_channel_own(pr->channel, id) || (m && m->presence != pr);
}

/* Known already, or new; nothing can fail any more once it is there. */
static struct ke_remote *take_member(struct ke_presence *pr, struct ke_remote *said)
{
	struct ke_remote *m = ke_remote_find(pr, said->id);

	if (!m && is_taken(pr, said->id))
		return ERR_PTR(-EPROTO);
	if (m && (m->role != said->role || m->log != said->log || m->log_size != said->log_size))
		return ERR_PTR(-EPROTO);
	/* Of those that joined while the link was down nobody could tell us. */
	said->fresh = !m && (said->fresh || pr->known);
	m = m ?: ke_remote_make(pr, said->id);
	if (IS_ERR(m))
		return m;
	ke_attrs_free(&m->attrs);
	m->attrs = said->attrs;
	m->stale = false;
	m->role = said->role;
	m->policy = said->policy;
	m->traffic_class = said->traffic_class;
	m->fresh = said->fresh;
	m->alive_ms = said->alive_ms;
	m->log = said->log;
	m->log_size = said->log_size;
	return m;
}

static int member_in(struct ke_presence *pr, struct ke_in *in)
{
	struct ke_remote said = { 0 }, *m;
	enum ke_remote_state before;
	int err = get_member(in, &said, pr->peer->link->heard_ms);
	__le64 id = cpu_to_le64(said.id);

	if (err)
		return err;
	m = take_member(pr, &said);
	if (IS_ERR(m)) {
		ke_attrs_free(&said.attrs);
		return PTR_ERR(m);
	}
	before = m->state;
	ke_remote_tell(m, KE_JOINED);
	ke_sink_refilter(pr->channel, m->id);
	if (before != KE_JOINED || !pr->synced) {
		ke_presence_want(pr);
		if (m->role == KE_SINK)
			ke_channel_offer(pr->channel);
		err = member_stream(m);
	}
	ke_link_send(pr->peer->link, KECHO_FRAME_MEMBER_ACK, pr->index, 0, &id, sizeof(id));
	return err;
}

/* A source may have left before its end was said. */
static int member_gone(struct ke_presence *pr, struct ke_in *in)
{
	struct ke_remote *m = ke_remote_find(pr, ke_get_u64(in));
	u64 last = ke_get_u64(in);
	bool failed = ke_get_u8_or(in, false);

	if (in->bad)
		return -EPROTO;
	if (!m)
		return 0;
	if (m->stream && !m->stream->ended)
		m->stream->last_seq = last;
	ke_remote_drop(m, failed || m->state == KE_FAILED ? KE_FAILED : KE_LEFT);
	return 0;
}

/* That was all. */
static void synced(struct ke_presence *pr)
{
	drop_stale(pr);
	pr->synced = pr->known = true;
	/* It has let go of the channel while there was no link. */
	if (pr->held_stale)
		ke_presence_thaw(pr);
}

static int presence_frame(struct ke_presence *pr, u8 type, u64 pos, struct ke_in *in)
{
	struct ke_link *l = pr->peer->link;

	switch (type) {
	case KECHO_FRAME_NODES:
		return nodes_in(pr, in);
	case KECHO_FRAME_MEET:
		return ke_meet_in(pr, in);
	case KECHO_FRAME_SYNCED:
		synced(pr);
		break;
	case KECHO_FRAME_MEMBER:
		return member_in(pr, in);
	case KECHO_FRAME_TYPE:
		return ke_type_in(pr, pos, in);
	case KECHO_FRAME_FILTER:
		return ke_filter_in(pr, pos, in);
	case KECHO_FRAME_MEMBER_GONE:
		if (member_gone(pr, in))
			return -EPROTO;
		break;
	case KECHO_FRAME_SHARE:
		l->node->house->shared(l, pr->channel, in);
		return in->bad ? -EPROTO : 0;
	case KECHO_FRAME_STAT:
		/* Who asks for counters may ask the sources too. */
		ke_channel_say_lost(pr->channel);
		l->node->house->stats(l, pr->channel, pos);
		break;
	case KECHO_FRAME_FREEZE:
		ke_freeze_in(pr, pos);
		break;
	case KECHO_FRAME_FROZEN:
		ke_frozen_in(pr, pos);
		break;
	case KECHO_FRAME_DRAIN:
		return ke_drain_in(pr, pos, in);
	case KECHO_FRAME_DRAINED:
		if (ke_drained_in(pr, pos, in))
			return -EPROTO;
		break;
	case KECHO_FRAME_DESTROY:
		ke_destroy_in(pr);
		break;
	case KECHO_FRAME_STATS:
		l->node->house->stats_in(l, pr->channel, pr->peer, in);
		return in->bad ? -EPROTO : 0;
	default:
		return -EPROTO;
	}
	l->node->house->changed(l->node->owner);
	return 0;
}

/* Of a MEMBER, or of the TYPE of this number. */
static int member_ack(struct ke_link *l, u32 index, u64 type, struct ke_in *in)
{
	u64 id = ke_get_u64(in);
	struct ke_presence *pr;

	if (in->bad)
		return -EPROTO;
	/* An answer carries our own index. */
	list_for_each_entry(pr, &l->peer->presences, peer_list) {
		if (pr->channel->index == index && type)
			ke_type_ack(pr->channel, l->peer, id, type);
		if (pr->channel->index != index || type || !pr->acks_due)
			continue;
		pr->acks_due--;
		ke_channel_unwanted(pr->channel, l->peer, id);
	}
	l->node->house->changed(l->node->owner);
	return 0;
}

int ke_node_frame(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_in *in)
{
	struct ke_presence *pr;

	switch (type) {
	case KECHO_FRAME_PING:
		/* A heartbeat needs no answer: the other end beats too. */
		if (pos)
			ke_clock_answer(l, pos);
		return 0;
	case KECHO_FRAME_PONG:
		if (pos)
			l->node->house->pong(l, pos);
		return ke_clock_in(l, pos, in);
	case KECHO_FRAME_CHANNEL:
		return channel_in(l, id, in);
	case KECHO_FRAME_CHANNEL_GONE:
		return channel_gone(l, id, pos);
	case KECHO_FRAME_MEMBER_ACK:
		return member_ack(l, id, pos, in);
	case KECHO_FRAME_ATTR:
		return ke_attr_in(l, id, in);
	case KECHO_FRAME_ALIVE:
		return ke_alive_in(l, id, pos);
	case KECHO_FRAME_JUDGED:
		return ke_judged_in(l, id, pos, in);
	case KECHO_FRAME_JUDGED_ACK:
		return ke_judged_ack_in(l, id, pos, in);
	}
	pr = ke_presence_by_index(l->peer, id);
	if (!pr) {
		/* It was of a channel that we have left meanwhile. The house still has to
		 * see what came with it. */
		if (type == KECHO_FRAME_SHARE)
			l->node->house->shared(l, NULL, in);
		return type <= KECHO_FRAME_DESTROY || type >= KECHO_FRAME_OPTIONAL ? 0 : -EPROTO;
	}
	return presence_frame(pr, type, pos, in);
}
