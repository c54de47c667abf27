// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels: the node has one of each name, for as long as an attachment has it open.
 */
#include <linux/random.h>

#include "kn.h"

static int check_name(const char *name)
{
	const unsigned char *p;

	if (!name || !*name || strlen(name) > KECHO_NAME_MAX)
		return -EINVAL;
	for (p = name; *p; p++)
		if (*p < 0x21 || *p == '*' || *p == 0x7f)
			return -EINVAL;
	return 0;
}

static struct kn_channel *find(struct kn *kn, const char *name)
{
	struct kn_channel *c;

	list_for_each_entry(c, &kn->channels, list)
		if (!strcmp(c->ch.name, name))
			return c;
	return NULL;
}

static struct kn_channel *make(struct kn *kn, const char *name)
{
	struct kn_channel *c = kzalloc(sizeof(*c), GFP_KERNEL);
	struct ke_id uuid;
	int err;

	if (!c)
		return ERR_PTR(-ENOMEM);
	get_random_bytes(&uuid, sizeof(uuid));
	err = ke_channel_open(&c->ch, &kn->node, &uuid, name);
	if (err) {
		kfree(c);
		return ERR_PTR(err);
	}
	c->ch.owner = c;
	c->kn = kn;
	kn_bell_init(&c->bell);
	INIT_LIST_HEAD(&c->users);
	INIT_LIST_HEAD(&c->sources);
	INIT_LIST_HEAD(&c->sinks);
	list_add_tail(&c->list, &kn->channels);
	kn_made(KN_CHANNEL);
	return c;
}

static bool has_open(struct kecho *k, const struct kn_channel *c)
{
	struct kecho_channel *ch;

	list_for_each_entry(ch, &k->channels, list)
		if (ch->c == c)
			return true;
	return false;
}

/* kn.lock is held. */
static struct kn_channel *join(struct kecho *k, const char *name, unsigned int flags)
{
	struct kn_channel *c = find(k->kn, name);

	if (c && has_open(k, c))
		return ERR_PTR(-EBUSY);
	if (c && (flags & KECHO_EXCLUSIVE))
		return ERR_PTR(-EEXIST);
	if (!c && (flags & KECHO_EXISTING))
		return ERR_PTR(-ENOENT);
	return c ?: make(k->kn, name);
}

/* The last user of it has gone; kn.lock is held. */
static void drop(struct kn_channel *c)
{
	if (!list_empty(&c->users))
		return;
	ke_channel_close(&c->ch);
	list_del(&c->list);
	kfree(c);
	kn_gone(KN_CHANNEL);
}

int kecho_channel_open(struct kecho *k, const char *name,
		       const struct kecho_channel_options *opt, struct kecho_channel **out)
{
	struct kecho_channel *ch;
	struct kn_channel *c;
	int err = check_name(name);

	if (err)
		return err;
	ch = kzalloc(sizeof(*ch), GFP_KERNEL);
	if (!ch)
		return -ENOMEM;
	ch->k = k;
	ch->retain = opt ? opt->retain : 0;
	kn_watch_init(ch);
	mutex_lock(&k->kn->lock);
	c = join(k, name, opt ? opt->flags : 0);
	if (!IS_ERR(c)) {
		ch->c = c;
		list_add_tail(&ch->list, &k->channels);
		list_add_tail(&ch->users, &c->users);
	}
	mutex_unlock(&k->kn->lock);
	if (IS_ERR(c)) {
		kfree(ch);
		return PTR_ERR(c);
	}
	*out = ch;
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_channel_open);

/* One that was opened by @ch; NULL: none is left. */
static struct kecho_source *source_of(struct kecho_channel *ch)
{
	struct kecho_source *s, *found = NULL;

	mutex_lock(&ch->c->kn->lock);
	list_for_each_entry(s, &ch->c->sources, list)
		if (s->ch == ch)
			found = s;
	mutex_unlock(&ch->c->kn->lock);
	return found;
}

static struct kecho_sink *sink_of(struct kecho_channel *ch)
{
	struct kecho_sink *s, *found = NULL;

	mutex_lock(&ch->c->kn->lock);
	list_for_each_entry(s, &ch->c->sinks, list)
		if (s->ch == ch)
			found = s;
	mutex_unlock(&ch->c->kn->lock);
	return found;
}

void kecho_channel_close(struct kecho_channel *ch)
{
	struct kecho_source *source;
	struct kecho_sink *sink;
	struct kn *kn;

	if (!ch)
		return;
	kecho_channel_watch(ch, NULL, NULL);
	while ((source = source_of(ch)))
		kecho_source_close(source);
	while ((sink = sink_of(ch)))
		kecho_sink_close(sink);
	kn = ch->c->kn;
	mutex_lock(&kn->lock);
	list_del(&ch->list);
	list_del(&ch->users);
	drop(ch->c);
	mutex_unlock(&kn->lock);
	kfree(ch);
}
EXPORT_SYMBOL_GPL(kecho_channel_close);

const char *kecho_channel_name(const struct kecho_channel *ch)
{
	return ch->c->ch.name;
}
EXPORT_SYMBOL_GPL(kecho_channel_name);

void kecho_channel_uuid(const struct kecho_channel *ch, u8 uuid[16])
{
	memcpy(uuid, ch->c->ch.uuid.b, sizeof(ch->c->ch.uuid.b));
}
EXPORT_SYMBOL_GPL(kecho_channel_uuid);
