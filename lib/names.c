// SPDX-License-Identifier: MIT
/*
 * What the registry says of the channels that are open here, each time that one was
 * published again: who its contacts are, and whose its name is.
 *
 * Nodes that were apart find each other by it: all contacts are dialled. A node that is
 * no contact itself must be linked to one that is, else nobody would find it; until it
 * is, it asks again. For contacts that died are named until the registry has missed them.
 */
#include "internal.h"

static struct kecho_channel *channel_by_name(struct kecho *k, const char *name)
{
	struct kecho_channel *ch;

	list_for_each_entry(ch, &k->channels, list)
		if (!strcmp(ch->ch.name, name))
			return ch;
	return NULL;
}

bool names_linked(const struct kecho_channel *ch, const struct ke_contact *contact, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (ke_channel_linked(&ch->ch, &contact[i].node))
			return true;
	return false;
}

static void take_news(struct kecho *k, const struct ke_reg_news *news)
{
	struct kecho_channel *ch = channel_by_name(k, news->name);
	unsigned int i;
	int err = 0;

	/* It is being opened, perhaps: then the contacts are told again. */
	if (!ch || ke_id_cmp(&ch->ch.uuid, &news->uuid)) {
		ke_reg_repair_later(k->reg, news->name);
		return;
	}
	if (news->ended) {	/* while nobody was there to tell us */
		ke_channel_destroy(&ch->ch);
		return;
	}
	ch->unnamed = !news->named;
	if (ch->unnamed) {
		ke_channel_other(&ch->ch, &news->other);
		return;
	}
	for (i = 0; i < news->n; i++)
		err = ke_channel_contact(&ch->ch, &news->contacts[i]) ?: err;
	if (err || !(news->contact || names_linked(ch, news->contacts, news->n)))
		ke_reg_repair_later(k->reg, news->name);
}

/* The kecho lock is held. */
void names_run(struct kecho *k)
{
	struct ke_reg_news news;

	while (ke_reg_news(k->reg, &news))
		take_news(k, &news);
}

int embedded_other(struct kecho_channel *ch, uint8_t uuid[16])
{
	int has = KECHO_OTHER_NONE;

	pthread_mutex_lock(&ch->k->lock);
	if (ke_channel_has_other(&ch->ch)) {
		has = ch->unnamed ? KECHO_OTHER_NAMED : KECHO_OTHER_MET;
		memcpy(uuid, ch->ch.other.b, sizeof(ch->ch.other.b));
	}
	pthread_mutex_unlock(&ch->k->lock);
	return has;
}
