// SPDX-License-Identifier: MIT
/*
 * A source's filter for OUT, which chooses the sinks of its events, and the roster of sinks
 * that events can be addressed to. Core has both, see core/choice.h; source.c asks them.
 */
#include "filter_impl.h"
#include "internal.h"

static int refuse(const struct kecho_source *s, int err, const char *why)
{
	return lib_fail(err, "source of '%s': filter: %s", s->ch->ch.name, why);
}

static int cannot(const struct kecho_source *s)
{
	return refuse(s, -EOPNOTSUPP,
		      "attached to kechod, sources choose no sinks yet; with KECHO=embedded they do");
}

static int explain(const struct kecho_source *s, int err, const char *why)
{
	switch (err) {
	case -EACCES:
		return refuse(s, err, "it can't be made for a type that the source has announced");
	case -E2BIG:
		return refuse(s, err, "its programs have too many bytes");
	case -ENOMEM:
		return refuse(s, err, "no memory");
	}
	return refuse(s, err, why);
}

int embedded_choose(struct kecho_source *s, const struct kecho_filter *f)
{
	struct kecho *k = s->ch->k;
	char why[KE_TYPE_WHY_MAX] = "";
	int err = -ESHUTDOWN;

	pthread_mutex_lock(&k->lock);
	if (!s->s.closed)
		err = ke_source_choose(&s->s, f ? f->wire : NULL, f ? f->len : 0, why);
	pthread_mutex_unlock(&k->lock);
	if (err == -ESHUTDOWN)
		return refuse(s, err, "the channel was destroyed");
	return err ? explain(s, err, why) : 0;
}

int embedded_address(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;
	int err = 0;

	pthread_mutex_lock(&k->lock);
	if (!s->s.closed)	/* else the submission says so */
		err = ke_source_address(&s->s);
	pthread_mutex_unlock(&k->lock);
	return err ? explain(s, err, "") : 0;
}

/* Once: it is known from then on. */
int source_address(struct kecho_source *s)
{
	if (lib_forked(s->ch->k))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	if (likely(READ_ONCE(s->s.choice)))
		return 0;
	if (!s->ch->k->attach->address)
		return cannot(s);
	return s->ch->k->attach->address(s);
}

void kecho_source_chosen(struct kecho_source *s, struct kecho_chosen *c)
{
	lib_lock(&s->lock);
	*c = s->chosen;
	lib_unlock(&s->lock);
}

int kecho_source_filter(struct kecho_source *s, const struct kecho_filter *f)
{
	if (lib_forked(s->ch->k))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	if (f && f->f->kind != KECHO_FILTER_OUT)
		return refuse(s, -EINVAL, "it is not one for OUT");
	if (!s->ch->k->attach->choose)
		return cannot(s);
	return s->ch->k->attach->choose(s, f);
}
