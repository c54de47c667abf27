// SPDX-License-Identifier: MIT
/*
 * What the registry says of the channels that are open here: who else is in one, whose
 * its name is, that it was destroyed; see lib/names.c for the rules.
 */
#include "daemon.h"

static struct kd_channel *channel_of(struct kd *d, const char *name, const struct ke_id *uuid)
{
	struct kd_channel *c = kd_channel_find(d, name);

	return c && !ke_id_cmp(&c->ch.uuid, uuid) ? c : NULL;
}

static bool linked(const struct kd_channel *c, const struct ke_reg_news *news)
{
	unsigned int i;

	for (i = 0; i < news->n; i++)
		if (ke_channel_linked(&c->ch, &news->contacts[i].node))
			return true;
	return false;
}

static void take_news(struct kd *d, const struct ke_reg_news *news)
{
	struct kd_channel *c = channel_of(d, news->name, &news->uuid);
	unsigned int i;
	int err = 0;

	/* It is being opened, perhaps: then the contacts are told again. */
	if (!c) {
		ke_reg_repair_later(d->k.reg, news->name);
		return;
	}
	if (news->ended) {
		ke_channel_destroy(&c->ch);
		return;
	}
	c->unnamed = !news->named;
	if (c->unnamed) {
		ke_channel_other(&c->ch, &news->other);
		return;
	}
	for (i = 0; i < news->n; i++)
		err = ke_channel_contact(&c->ch, &news->contacts[i]) ?: err;
	if (err || !(news->contact || linked(c, news)))
		ke_reg_repair_later(d->k.reg, news->name);
}

/* Nodes that look for us. That there is no memory for one will be told again. */
static void take_told(struct kd *d)
{
	struct ke_reg_told t[TOLD_BATCH];
	struct kd_channel *c;
	unsigned int n, i;

	do {
		n = ke_reg_told(d->k.reg, t, TOLD_BATCH);
		for (i = 0; i < n; i++) {
			c = channel_of(d, t[i].name, &t[i].uuid);
			if (c && ke_channel_contact(&c->ch, &t[i].who))
				continue;
		}
	} while (n == TOLD_BATCH);
}

void kd_names_run(struct kd *d)
{
	struct ke_reg_news news;

	while (ke_reg_news(d->k.reg, &news))
		take_news(d, &news);
	if (atomic_exchange(&d->k.told, false))
		take_told(d);
}
