// SPDX-License-Identifier: MIT
/*
 * The calls that are only asked of whoever the process is attached to: members,
 * attributes, counters, links, the registry's channels.
 */
#include "internal.h"

static int check_fork(const struct kecho *k)
{
	return lib_forked(k) ? lib_fail(-EBADF, "a child of fork has no part in its parent's "
					"objects") : 0;
}

/* @of and @which name what it is an attribute of, in the sentence about an error. */
static int set(struct kecho *k, struct kecho_channel *ch, struct ke_member *m, const char *name,
	       struct kecho_value v, const char *of, const char *which)
{
	struct ke_value value;
	int err = check_fork(k) ?: value_check(name, v, &value);

	if (err)
		return err;
	err = k->attach->set(k, ch, m, name, &value);
	return err ? lib_fail(err, "attribute '%s' of %s%s", name, of, which) : 0;
}

int kecho_node_set(struct kecho *k, const char *name, struct kecho_value v)
{
	return set(k, NULL, NULL, name, v, "the node", "");
}

int kecho_channel_set(struct kecho_channel *ch, const char *name, struct kecho_value v)
{
	return set(ch->k, ch, NULL, name, v, "channel ", ch->ch.name);
}

int kecho_source_set(struct kecho_source *s, const char *name, struct kecho_value v)
{
	return set(s->ch->k, s->ch, &s->s.member, name, v, "a source of ", s->ch->ch.name);
}

int kecho_sink_set(struct kecho_sink *s, const char *name, struct kecho_value v)
{
	return set(s->ch->k, s->ch, &s->m, name, v, "a sink of ", s->ch->ch.name);
}

int kecho_channel_get(struct kecho_channel *ch, const char *name, struct kecho_value *v, void *buf,
		      size_t size)
{
	return check_fork(ch->k) ?: ch->k->attach->get(ch, 0, name, v, buf, size);
}

int kecho_member_get(struct kecho_channel *ch, uint64_t member, const char *name,
		     struct kecho_value *v, void *buf, size_t size)
{
	int err = check_fork(ch->k);

	if (err)
		return err;
	return member ? ch->k->attach->get(ch, member, name, v, buf, size) : -ENOENT;
}

ssize_t kecho_members(struct kecho_channel *ch, struct kecho_member *m, size_t max)
{
	return check_fork(ch->k) ?: ch->k->attach->members(ch, m, max);
}

int kecho_channel_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg)
{
	return check_fork(ch->k) ?: ch->k->attach->watch(ch, fn, arg);
}

ssize_t kecho_channel_stats(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
			    int timeout_ms)
{
	return check_fork(ch->k) ?: ch->k->attach->stats(ch, st, max, timeout_ms);
}

ssize_t kecho_links(struct kecho *k, struct kecho_link_info *l, size_t max)
{
	return check_fork(k) ?: k->attach->links(k, l, max);
}

int64_t kecho_ping(struct kecho *k, uint64_t node, int timeout_ms)
{
	return check_fork(k) ?: k->attach->ping(k, node, timeout_ms);
}

ssize_t kecho_channels(struct kecho *k, struct kecho_channel_info *c, size_t max)
{
	return check_fork(k) ?: k->attach->channels(k, c, max);
}

int kecho_channel_freeze(struct kecho_channel *ch, int timeout_ms)
{
	return check_fork(ch->k) ?: ch->k->attach->freeze(ch, timeout_ms);
}

int kecho_channel_thaw(struct kecho_channel *ch)
{
	return check_fork(ch->k) ?: ch->k->attach->thaw(ch);
}

int kecho_channel_drain(struct kecho_channel *ch, int timeout_ms)
{
	return check_fork(ch->k) ?: ch->k->attach->drain(ch, timeout_ms);
}

int kecho_channel_destroy(struct kecho_channel *ch, int timeout_ms)
{
	return check_fork(ch->k) ?: ch->k->attach->destroy(ch, timeout_ms);
}

int kecho_channel_other(struct kecho_channel *ch, uint8_t uuid[16])
{
	return check_fork(ch->k) ?: ch->k->attach->other(ch, uuid);
}
