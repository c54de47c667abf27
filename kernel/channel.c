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
		if (!c->ch.ended && !strcmp(c->ch.name, name))
			return c;
	return NULL;
}

static struct kn_channel *make(struct kn *kn, const char *name, const struct ke_id *uuid)
{
	struct kn_channel *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	int err;

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->bell = kn_bell_make();
	err = c->bell ? ke_channel_open(&c->ch, &kn->node, uuid, name) : -ENOMEM;
	if (err) {
		if (c->bell)
			kn_bell_put(c->bell);
		kfree(c);
		return ERR_PTR(err);
	}
	c->ch.owner = c;
	c->kn = kn;
	INIT_LIST_HEAD(&c->users);
	INIT_LIST_HEAD(&c->sources);
	INIT_LIST_HEAD(&c->sinks);
	INIT_LIST_HEAD(&c->psinks);
	INIT_LIST_HEAD(&c->repair.list);
	INIT_LIST_HEAD(&c->look.list);
	c->look.type = KECHO_FRAME_REG_GET;
	c->look.name = c->ch.name;
	c->look.repairs = c;
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

/* The last user of it has gone; kn.lock is held. */
static void drop(struct kn_channel *c)
{
	if (!list_empty(&c->users))
		return;
	kn_reg_leave(c);
	kn_live_free(c);
	ke_channel_close(&c->ch);
	list_del(&c->list);
	kn_bell_put(c->bell);
	kfree(c);
	kn_gone(KN_CHANNEL);
}

static u8 how(unsigned int flags)
{
	if (flags & KECHO_EXCLUSIVE)
		return KE_REGISTRY_EXCLUSIVE;
	return flags & KECHO_EXISTING ? KE_REGISTRY_EXISTING : KE_REGISTRY_JOIN;
}

/* Its uuid, and who else is there. Without a registry nobody is, and it is new. */
static int look_up(struct kn *kn, struct kn_request *q, unsigned int flags, unsigned long until)
{
	get_random_bytes(&q->uuid, sizeof(q->uuid));
	q->how = how(flags);
	if (kn->registry_used)
		return kn_reg_join(kn, q, until);
	return flags & KECHO_EXISTING ? -ENOENT : 0;
}

/* Until all of its nodes that answer have said who is there. */
static void meet(struct kn_channel *c, const struct kn_request *q, unsigned long until)
{
	unsigned int i;
	int err = 0;

	c->repair.contact = q->contact;
	for (i = 0; i < q->n; i++)
		err = ke_channel_contact(&c->ch, &q->contacts[i]) ?: err;
	while (!ke_channel_synced(&c->ch) && kn_wait(c->kn, until))
		;
	/* None of those answers, or there was no memory for them: it will know others soon. */
	if (err || (q->n && list_empty(&c->ch.presences)))
		kn_reg_repair(c, KE_LEASE_MS / 2);
}

/* kn.opening and kn.lock are held; the latter is let go meanwhile. */
static struct kn_channel *join(struct kecho_channel *ch, const char *name, unsigned int flags,
			       unsigned long until)
{
	struct kn *kn = ch->k->kn;
	struct kn_channel *c = find(kn, name);
	struct kn_request q = { .name = name };
	int err;

	if (c && has_open(ch->k, c))
		return ERR_PTR(-EBUSY);
	if (c && (flags & KECHO_EXCLUSIVE))
		return ERR_PTR(-EEXIST);
	err = c ? 0 : look_up(kn, &q, flags, until);
	if (err)
		return ERR_PTR(err);
	c = c ?: make(kn, name, &q.uuid);
	if (IS_ERR(c)) {
		kn_reg_drop(kn, name);
		return c;
	}
	ch->c = c;
	list_add_tail(&ch->list, &ch->k->channels);
	list_add_tail(&ch->users, &c->users);
	meet(c, &q, until);
	return c;
}

int kecho_channel_open(struct kecho *k, const char *name,
		       const struct kecho_channel_options *opt, struct kecho_channel **out)
{
	unsigned int timeout_ms = opt && opt->timeout_ms ? opt->timeout_ms : KN_OPEN_MS;
	struct kecho_channel *ch;
	struct kn_channel *c;
	int err = check_name(name);

	if (err)
		return err;
	ch = kzalloc(sizeof(*ch), GFP_KERNEL_ACCOUNT);
	if (!ch)
		return -ENOMEM;
	ch->k = k;
	ch->retain = opt ? opt->retain : 0;
	kn_watch_init(ch);
	err = mutex_lock_killable(&k->kn->opening);
	if (err) {
		kfree(ch);
		return err;
	}
	kn_lock(k->kn);
	c = join(ch, name, opt ? opt->flags : 0, jiffies + msecs_to_jiffies(timeout_ms));
	kn_unlock(k->kn);
	mutex_unlock(&k->kn->opening);
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

	kn_lock(ch->c->kn);
	list_for_each_entry(s, &ch->c->sources, list)
		if (s->ch == ch)
			found = s;
	kn_unlock(ch->c->kn);
	return found;
}

static struct kecho_sink *sink_of(struct kecho_channel *ch)
{
	struct kecho_sink *s, *found = NULL;

	kn_lock(ch->c->kn);
	list_for_each_entry(s, &ch->c->sinks, list)
		if (s->ch == ch)
			found = s;
	kn_unlock(ch->c->kn);
	return found;
}

bool kn_channel_is_own(const struct kecho_channel *ch)
{
	bool own = kn_watch_is_own(ch);
	const struct kecho_sink *s;

	list_for_each_entry(s, &ch->c->sinks, list)
		own |= s->ch == ch && kn_dispatch_is_own(s);
	return own;
}

static bool is_own(const struct kecho_channel *ch)
{
	bool own;

	kn_lock(ch->c->kn);
	own = kn_channel_is_own(ch);
	kn_unlock(ch->c->kn);
	return own;
}

void kn_channel_hush(struct kecho_channel *ch)
{
	struct kecho_sink *sink;

	kecho_channel_watch(ch, NULL, NULL);
	while ((sink = sink_of(ch)))
		kecho_sink_close(sink);
}

int kecho_channel_close(struct kecho_channel *ch)
{
	struct kecho_source *source;
	struct kn *kn;

	if (!ch)
		return 0;
	if (!in_task() || is_own(ch))
		return -EDEADLK;
	kn_channel_hush(ch);
	while ((source = source_of(ch)))
		kecho_source_close(source);
	kn = ch->c->kn;
	kn_lock(kn);
	kn_hold_end(ch);
	ke_sieve_put(ch->in);
	list_del(&ch->list);
	list_del(&ch->users);
	drop(ch->c);
	kn_unlock(kn);
	kfree(ch);
	return 0;
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
