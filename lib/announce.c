// SPDX-License-Identifier: MIT
/*
 * Types that sources announce: core/announce.c has how other nodes hear of them. What a sink
 * knows of its sources' types is kept by its feeds, feed_type.c.
 */
#include "feed.h"
#include "submit.h"
#include "types.h"

static_assert(KECHO_TYPES_MAX == KE_TYPES_MAX, "a limit of kecho/kecho.h");

int kecho_source_announce(struct kecho_source *s, const struct kecho_type *t)
{
	int number;

	if (lib_forked(s->ch->k))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	number = s->ch->k->attach->announce(s, t);
	if (number < 0)
		return number;
	lib_lock(&s->lock);
	s->ntypes = max(s->ntypes, (unsigned int)number);
	lib_unlock(&s->lock);
	return number;
}

int kecho_member_type(struct kecho_channel *ch, uint64_t member, unsigned int number,
		      struct kecho_type **out)
{
	int err;

	if (lib_forked(ch->k))
		return lib_fail(-EBADF, "channel '%s': a child of fork has no part in it",
				ch->ch.name);
	err = feed_type_load(ch, member, number, out);
	return err == -ENOENT ? ch->k->attach->type(ch, member, number, out) : err;
}

/* ------------------------------------------------------------- of a node of our own */

/* A member that has left can have none. The kecho lock is held. */
static int announce(struct kecho_source *s, const struct ke_type *t, char *why)
{
	struct kecho *k = s->ch->k;

	if (READ_ONCE(s->s.closed))
		return -EPIPE;
	return ke_source_announce(&s->s, &k->node, t->encoded, t->encoded_len, why);
}

int embedded_announce(struct kecho_source *s, const struct kecho_type *t)
{
	struct kecho *k = s->ch->k;
	char why[KE_TYPE_WHY_MAX] = "there is no memory";
	u64 deadline = lib_deadline(JOIN_MS);
	int number;

	pthread_mutex_lock(&k->lock);
	number = announce(s, t->t, why);
	while (number > 0 && !ke_source_told(&s->s) && lib_wait(k, deadline))
		;
	pthread_mutex_unlock(&k->lock);
	if (number == -EPIPE)
		return source_over(s);
	if (number > 0)
		return number;
	return lib_fail(number, "source of '%s', type '%s': %s", s->ch->ch.name, t->name, why);
}

int embedded_type(struct kecho_channel *ch, uint64_t member, unsigned int number,
		  struct kecho_type **out)
{
	const struct ke_type *t;
	int err = -ENOENT;

	pthread_mutex_lock(&ch->k->lock);
	t = ke_types_at(ke_channel_types(&ch->ch, member), number);
	if (t)
		err = kecho_type_load(out, t->encoded, t->encoded_len);
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}
