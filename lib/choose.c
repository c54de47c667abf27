// SPDX-License-Identifier: MIT
/*
 * A source's filter for OUT, which chooses the sinks of its events, and the roster of sinks
 * that events can be addressed to. Core has both, see core/choice.h; submit.c asks them. Of a
 * source that is attached to a node they are this process's, too, see client_choice.c.
 */
#include "filter_impl.h"
#include "internal.h"
#include "submit.h"

static int refuse(const struct kecho_source *s, int err, const char *why)
{
	return lib_fail(err, "source of '%s': filter: %s", s->ch->ch.name, why);
}

int choose_explain(const struct kecho_source *s, int err, const char *why)
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
	return err ? choose_explain(s, err, why) : 0;
}

int embedded_address(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;
	int err = 0;

	pthread_mutex_lock(&k->lock);
	if (!s->s.closed)	/* else the submission says so */
		err = ke_source_address(&s->s);
	pthread_mutex_unlock(&k->lock);
	return err ? choose_explain(s, err, "") : 0;
}

u64 embedded_reply_to(struct kecho_source *s, u64 source)
{
	struct kecho *k = s->ch->k;
	u64 to;

	pthread_mutex_lock(&k->lock);
	to = ke_channel_reply_to(&s->ch->ch, source);
	pthread_mutex_unlock(&k->lock);
	return to;
}

/* Once: it is known from then on. */
int source_address(struct kecho_source *s)
{
	if (lib_forked(s->ch->k))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	if (likely(READ_ONCE(s->s.choice)))
		return 0;
	return s->ch->k->attach->address(s);
}

static bool is_there(struct kecho_source *s, u64 sink)
{
	bool there;

	lib_lock(&s->lock);
	if (s->choice)
		client_choice_look(s);
	there = s->s.choice && ke_choice_has(s->s.choice, sink);
	lib_unlock(&s->lock);
	return there;
}

/* A sink, or where a source has its replies go to: that sink. 0: there is none. */
static u64 find_sink(struct kecho_source *s, u64 to)
{
	if (is_there(s, to))
		return to;
	to = s->ch->k->attach->reply_to(s, to);
	return is_there(s, to) ? to : 0;
}

int kecho_submit_to(struct kecho_source *s, const void *data, size_t len, uint64_t to,
		    unsigned int flags)
{
	struct ke_event_info info = source_info(s, flags);
	int err = source_address(s);
	__le64 id;

	if (err)
		return err;
	id = cpu_to_le64(find_sink(s, to));
	if (!id && READ_ONCE(s->s.closed))
		return source_over(s);
	if (!id)
		return lib_fail(-ENOENT, "source of '%s': there is no sink %016llx, and no source "
				"that has said where replies go", s->ch->ch.name,
				(unsigned long long)to);
	info.to = &id;
	info.nto = 1;
	return source_submit(s, &info, data, len, flags);
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
	return s->ch->k->attach->choose(s, f);
}
