// SPDX-License-Identifier: MIT
/*
 * What the registry says of the channels that are open here, each time that one was
 * published again: who its contacts are, and whose its name is.
 *
 * Nodes that were apart find each other by it: all contacts are dialled. A node that is
 * no contact itself must be linked to one that is, else nobody would find it; until it
 * is, it asks again. For contacts that died are named until the registry has missed them.
 *
 * It is the same for the node of one process and for kechod.
 */
#include "internal.h"

static struct ke_channel *channel_of(struct kecho *k, const char *name, const struct ke_id *uuid)
{
	struct ke_channel *ch;

	list_for_each_entry(ch, &k->node.channels, list)
		if (!ch->ended && !strcmp(ch->name, name) && !ke_id_cmp(&ch->uuid, uuid))
			return ch;
	return NULL;
}

bool names_linked(const struct ke_channel *ch, const struct ke_contact *contact, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (ke_channel_linked(ch, &contact[i].node))
			return true;
	return false;
}

static void take_news(struct kecho *k, const struct ke_reg_news *news)
{
	struct ke_channel *ch = channel_of(k, news->name, &news->uuid);
	unsigned int i;
	int err = 0;

	/* It is being opened, perhaps: then the contacts are told again. */
	if (!ch) {
		ke_reg_repair_later(k->reg, news->name);
		return;
	}
	if (news->ended) {	/* while nobody was there to tell us */
		ke_channel_destroy(ch);
		return;
	}
	if (!news->named) {
		ke_channel_other(ch, &news->other);
		return;
	}
	for (i = 0; i < news->n; i++)
		err = ke_channel_contact(ch, &news->contacts[i]) ?: err;
	if (err || !(news->contact || names_linked(ch, news->contacts, news->n)))
		ke_reg_repair_later(k->reg, news->name);
}

/* A node that looks for us. That there is no memory for it will be told again. */
static void take_told(struct kecho *k, const struct ke_reg_told *t)
{
	struct ke_channel *ch = channel_of(k, t->name, &t->uuid);

	if (ch && ke_channel_contact(ch, &t->who))
		return;
}

/* The kecho lock is held. */
void names_run(struct kecho *k)
{
	struct ke_reg_news news;
	struct ke_reg_told told;

	while (ke_reg_news(k->reg, &news))
		take_news(k, &news);
	while (ke_reg_told(k->reg, &told))
		take_told(k, &told);
}

/* Is the other channel of this name known to have it, or only met? */
enum kecho_other names_other(struct kecho *k, const struct ke_channel *ch)
{
	if (!ke_channel_has_other(ch))
		return KECHO_OTHER_NONE;
	return ke_reg_named(k->reg, ch->name) ? KECHO_OTHER_MET : KECHO_OTHER_NAMED;
}

int embedded_other(struct kecho_channel *ch, uint8_t uuid[16])
{
	int has;

	pthread_mutex_lock(&ch->k->lock);
	has = names_other(ch->k, &ch->ch);
	if (has != KECHO_OTHER_NONE)
		memcpy(uuid, ch->ch.other.b, sizeof(ch->ch.other.b));
	pthread_mutex_unlock(&ch->k->lock);
	return has;
}
