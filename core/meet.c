// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How two nodes meet of which only one can dial the other.
 *
 * Who joins a channel hears of the nodes in it and dials them; they hear of it when it
 * comes. Where a dial does not get through they may never: then whoever dials in vain asks
 * those that it is linked to, and the registry, to tell the other node of it, which dials
 * back. It asks until they have met, and anew if the other node has failed; as long as
 * somebody who is linked to that one answers, it is not forgotten. So nodes that can't meet
 * are seen to be apart, and do meet when they can, however late that is.
 */
#include "link.h"

static u64 now_ms(const struct ke_node *n)
{
	return n->house->now_ms(n->owner);
}

static void ask(struct ke_channel *ch, const struct ke_peer *p)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &ch->presences, channel_list)
		if (pr->synced && pr->peer->link)
			ke_link_send(pr->peer->link, KECHO_FRAME_MEET, ch->index, 0,
				     &p->contact.node, sizeof(p->contact.node));
	ch->node->house->repair(ch);
}

void ke_peer_ask(struct ke_peer *p, u64 now)
{
	struct ke_presence *pr;

	if ((p->met && !p->failed) || p->refused || now < p->ask_ms)
		return;
	p->ask_ms = now + (p->failed ? KE_ASK_MAX_MS : KE_ASK_MS);
	list_for_each_entry(pr, &p->presences, peer_list)
		ask(pr->channel, p);
}

/* A node of the channel that others say is there. */
void ke_peer_vouched(struct ke_peer *p, const struct ke_contact *c)
{
	p->vouched_ms = now_ms(p->node);
	/* It may have moved meanwhile; while it is linked it says so itself. */
	if (!p->link && c->address[0])
		strscpy(p->contact.address, c->address, sizeof(p->contact.address));
}

static void tell(struct ke_presence *to, const struct ke_peer *of)
{
	u8 buf[2 * sizeof(struct ke_contact)];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_contact(&o, &of->contact);
	WARN_ON_ONCE(o.bad);
	ke_link_send(to->peer->link, KECHO_FRAME_NODES, to->channel->index, 0, buf, o.len);
}

/* The node of @pr does not reach these: they hear of it, and it that they are there. */
int ke_meet_in(struct ke_presence *pr, struct ke_in *in)
{
	struct ke_presence *other;
	struct ke_id id;

	while (in->p < in->end) {
		ke_get_copy(in, &id, sizeof(id));
		if (in->bad)
			return -EPROTO;
		list_for_each_entry(other, &pr->channel->presences, channel_list) {
			if (other == pr || ke_id_cmp(&other->peer->contact.node, &id) ||
			    !other->here || !other->peer->link)
				continue;
			tell(other, pr->peer);
			tell(pr, other->peer);
			break;
		}
	}
	return 0;
}
