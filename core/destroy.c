// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Destroying a channel: it ends for everybody.
 *
 *	DESTROY	this channel has ended
 *
 * Who hears of it says it to all others once, so that it goes round also if who began it
 * is gone, and that he knows who has heard of it; and says it first where a link comes
 * back. Members count as left from there on. Their logs end, and are read to their ends
 * over the links that stand until the channel is closed here or there.
 */
#include "link.h"

void ke_presence_say_destroy(struct ke_presence *pr)
{
	if (pr->channel->ended && pr->here && pr->peer->link)
		ke_link_send(pr->peer->link, KECHO_FRAME_DESTROY, pr->channel->index, 0, NULL, 0);
}

void ke_channel_destroy(struct ke_channel *ch)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	if (ch->ended)
		return;
	list_for_each_entry(pr, &ch->presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->state == KE_JOINED)
				ke_remote_tell(m, KE_LEFT);
	WRITE_ONCE(ch->ended, true);
	ke_channel_thaw(ch);
	list_for_each_entry(pr, &ch->presences, channel_list)
		ke_presence_say_destroy(pr);
	ch->node->house->destroyed(ch);
}

u32 ke_channel_undestroyed(const struct ke_channel *ch)
{
	const struct ke_presence *pr;
	u32 n = 0;

	list_for_each_entry(pr, &ch->presences, channel_list)
		n += !pr->ended && !ke_presence_failed(pr);
	return n;
}

void ke_destroy_in(struct ke_presence *pr)
{
	pr->ended = true;
	ke_channel_destroy(pr->channel);
}
