// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Live attributes: those of our node, its channels and members, of which other nodes are
 * told, and theirs. The frame:
 *
 *	ATTR	member u64; its live set. 0: the channel's, with versions, or if the frame's
 *		id is 0 the node's
 *
 * Each change has a number. What was changed keeps that of its last one, and a link that up to
 * which its other end was told. So to set an attribute costs the same for one link as for a
 * thousand, and of what is set often each link is told as it is then, once. A change is said
 * at once if none was for KE_ATTR_DELAY_MS; else along with what goes out on a link next, or
 * when that time is over.
 */
#include "link.h"

static u64 now_ms(const struct ke_node *n)
{
	return n->house->now_ms(n->owner);
}

/* -------------------------------------------------------------------- telling */

static void say(struct ke_link *l, u32 index, u64 member, const struct ke_attrs *a)
{
	bool versions = index && !member;
	u32 size = sizeof(u64) + (versions ? ke_attrs_versions_len(a) : ke_attrs_live_len(a));
	struct ke_out o;

	if (!ke_link_body(l, &o, size))
		return;
	ke_put_u64(&o, member);
	if (versions)
		ke_attrs_put_versions(&o, a, now_ms(l->node));
	else
		ke_attrs_put(&o, a, now_ms(l->node));
	ke_link_send_body(l, KECHO_FRAME_ATTR, index, 0, &o);
}

void ke_link_say_node(struct ke_link *l)
{
	say(l, 0, 0, &l->node->attrs);
}

void ke_presence_say_channel(struct ke_presence *pr)
{
	say(pr->peer->link, pr->channel->index, 0, &pr->channel->attrs);
}

/* What has changed in this channel after @told. */
static void tell_presence(struct ke_presence *pr, u64 told)
{
	struct ke_channel *ch = pr->channel;
	struct ke_member *m;

	if (ch->attrs_change > told)
		ke_presence_say_channel(pr);
	list_for_each_entry_reverse(m, &ch->changed, changed) {
		if (m->attrs_change <= told)
			break;
		say(pr->peer->link, ch->index, m->id, &m->attrs);
	}
}

void ke_link_tell(struct ke_link *l)
{
	u64 told = l->told;
	struct ke_presence *pr;

	if (!l->peer || l->peer->link != l)
		return;
	/* First: what is said sends, and who sends asks for this. */
	WRITE_ONCE(l->told, l->node->change);
	if (l->node->attrs_change > told)
		ke_link_say_node(l);
	list_for_each_entry(pr, &l->peer->presences, peer_list)
		if (pr->here)
			tell_presence(pr, told);
}

void ke_node_tell(struct ke_node *n)
{
	struct ke_peer *p;
	u64 now;

	ke_node_tell_signs(n);
	if (!n->tell_ms)
		return;
	now = now_ms(n);
	if (now < n->tell_ms)
		return;
	n->tell_ms = 0;
	n->told_ms = now;
	list_for_each_entry(p, &n->peers, list)
		if (p->link && ke_link_untold(p->link))
			ke_link_tell(p->link);
}

/* -------------------------------------------------------------------- setting */

/* It has its number; when do others hear of it? */
static void changed(struct ke_node *n)
{
	if (n->tell_ms || list_empty(&n->peers))
		return;
	n->tell_ms = max(now_ms(n), n->told_ms + KE_ATTR_DELAY_MS);
	ke_node_tell(n);
	if (n->tell_ms)
		n->house->changed(n->owner);
}

static void tell_house(struct ke_channel *ch, const struct ke_member *own,
		       const struct ke_remote *remote)
{
	if (ch->node->house->live)
		ch->node->house->live(ch, own, remote);
}

static void tell_house_node(struct ke_node *n, const struct ke_peer *p)
{
	if (n->house->live_node)
		n->house->live_node(n, p);
}

static u64 number(struct ke_node *n)
{
	WRITE_ONCE(n->change, n->change + 1);
	return n->change;
}

int ke_node_set(struct ke_node *n, const char *name, const struct ke_value *v)
{
	int err = ke_attrs_set(&n->attrs, name, v, now_ms(n));

	if (err)
		return err;
	n->attrs_change = number(n);
	tell_house_node(n, NULL);
	changed(n);
	ke_node_refilter(n);
	return 0;
}

int ke_channel_set(struct ke_channel *ch, const char *name, const struct ke_value *v)
{
	int err = ke_attrs_set(&ch->attrs, name, v, now_ms(ch->node));

	if (err)
		return err;
	ch->attrs_version++;
	ch->attrs_change = number(ch->node);
	tell_house(ch, NULL, NULL);
	changed(ch->node);
	ke_channel_refilter(ch);
	return 0;
}

int ke_member_set(struct ke_member *m, const char *name, const struct ke_value *v)
{
	struct ke_node *n = m->channel->node;
	int err = ke_attrs_set(&m->attrs, name, v, now_ms(n));

	/* One that isn't in its channel is not heard of. */
	if (err || list_empty(&m->list))
		return err;
	m->attrs_change = number(n);
	list_move_tail(&m->changed, &m->channel->changed);
	tell_house(m->channel, m, NULL);
	changed(n);
	ke_member_refilter(m);
	return 0;
}

void ke_channel_retell(struct ke_channel *ch)
{
	struct ke_node *n = ch->node;

	if (!ch->attrs.n)
		return;
	ch->attrs_change = number(n);
	if (n->tell_ms)
		return;
	n->tell_ms = now_ms(n) + KE_ATTR_DELAY_MS;
	n->house->changed(n->owner);
}

/* ------------------------------------------------------------------ being told */

static int channel_in(struct ke_channel *ch, struct ke_in *in, u64 heard_ms)
{
	int newer = ke_attrs_merge(&ch->attrs, in, heard_ms);

	/* Something may have been taken before memory ran out. */
	if (newer) {
		ch->attrs_version++;
		tell_house(ch, NULL, NULL);
		ke_channel_refilter(ch);
	}
	return min(newer, 0);
}

static int member_in(struct ke_presence *pr, u64 id, struct ke_in *in, u64 heard_ms)
{
	struct ke_remote *m = ke_remote_find(pr, id);
	int err;

	/* It changed before it was named, which it will be. */
	if (!m)
		return 0;
	err = ke_attrs_get(&m->attrs, in, heard_ms);
	if (err)
		return err;
	tell_house(pr->channel, NULL, m);
	if (m->role == KE_SINK)
		ke_sink_refilter(pr->channel, id);
	return 0;
}

static int node_in(struct ke_peer *p, struct ke_in *in, u64 heard_ms)
{
	int err = ke_attrs_get(&p->attrs, in, heard_ms);

	if (err)
		return err;
	tell_house_node(p->node, p);
	ke_peer_refilter(p);
	return 0;
}

int ke_attr_in(struct ke_link *l, u32 index, struct ke_in *in)
{
	u64 member = ke_get_u64(in);
	struct ke_presence *pr = index ? ke_presence_by_index(l->peer, index) : NULL;
	int err;

	if (in->bad || (member && !index))
		return -EPROTO;
	if (!index)
		err = node_in(l->peer, in, l->heard_ms);
	else if (!pr)	/* we have left it */
		err = 0;
	else if (member)
		err = member_in(pr, member, in, l->heard_ms);
	else
		err = channel_in(pr->channel, in, l->heard_ms);
	if (!err)
		l->node->house->changed(l->node->owner);
	return err;
}
