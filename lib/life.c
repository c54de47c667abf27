// SPDX-License-Identifier: MIT
/*
 * What an embedded node does to a channel as a whole: freezing it, waiting until it is
 * empty, ending it.
 */
#include "feed.h"

enum { LOOK_MS = 5, LONG_MS = 1 << 30 };	/* the latter is as good as for ever */

static u64 deadline_of(int timeout_ms)
{
	return lib_deadline(timeout_ms < 0 ? LONG_MS : timeout_ms);
}

static int gone(const struct kecho_channel *ch)
{
	return lib_fail(-ESHUTDOWN, "channel '%s' was destroyed", ch->ch.name);
}

/* ------------------------------------------------------------------ freezing */

static int freeze(struct kecho_channel *ch, u64 deadline)
{
	u32 n;

	if (ch->ch.ended)
		return gone(ch);
	if (ch->ch.freeze)
		return lib_fail(-EALREADY, "channel '%s' is held by this node", ch->ch.name);
	ke_channel_freeze(&ch->ch);
	while ((n = ke_channel_unfrozen(&ch->ch)) && !ch->ch.ended && lib_wait(ch->k, deadline))
		;
	if (ch->ch.ended)
		return gone(ch);
	if (!n)
		return 0;
	ke_channel_thaw(&ch->ch);
	return lib_fail(-ETIMEDOUT, "channel '%s': of %u nodes the sources do not stand still",
			ch->ch.name, n);
}

int embedded_freeze(struct kecho_channel *ch, int timeout_ms)
{
	int err;

	pthread_mutex_lock(&ch->k->lock);
	err = freeze(ch, deadline_of(timeout_ms));
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}

int embedded_thaw(struct kecho_channel *ch)
{
	bool held;

	pthread_mutex_lock(&ch->k->lock);
	held = ch->ch.freeze;
	ke_channel_thaw(&ch->ch);
	pthread_mutex_unlock(&ch->k->lock);
	return held ? 0 : lib_fail(-EINVAL, "channel '%s' is not held by this node", ch->ch.name);
}

/* ------------------------------------------------------------------ draining */

static bool lags(struct kecho_sink *s, struct ke_in marks)
{
	struct ke_drain_mark m;
	struct feed *f;
	bool is = false;

	lib_lock(&s->lock);
	while (!is && !s->disconnected && !s->stalled && ke_drain_mark(&marks, &m))
		list_for_each_entry(f, &s->feeds, list)
			is |= f->member == m.member && !f->told && f->reader.pos < m.pos;
	lib_unlock(&s->lock);
	return is;
}

u32 life_lagging(struct ke_channel *c, const struct ke_in *marks)
{
	struct kecho_channel *ch = c->owner;
	struct kecho_sink *s;
	u32 n = 0;

	list_for_each_entry(s, &ch->sinks, list)
		n += lags(s, *marks);
	/* What is not for them they may sleep on. */
	if (n)
		wait_wake(ch->k);
	return n;
}

static int drain(struct kecho_channel *ch, u64 deadline)
{
	u32 lag = 0, silent = 0;
	u64 now;
	int n;

	for (;;) {
		n = ke_drain_step(&ch->ch, &lag, &silent);
		now = lib_deadline(0);
		if (n > 0)
			return 0;
		if (n < 0)
			return lib_fail(n, "channel '%s': it has over %d sources", ch->ch.name,
					KE_DRAIN_SOURCES_MAX);
		if (now >= deadline)
			break;
		lib_wait(ch->k, min_t(u64, deadline, now + LOOK_MS));
	}
	if (silent)
		return lib_fail(-ETIMEDOUT, "channel '%s': %u nodes have not said what their sinks "
				"have read", ch->ch.name, silent);
	return lib_fail(-ETIMEDOUT, "channel '%s': %u sinks have not read all", ch->ch.name, lag);
}

int embedded_drain(struct kecho_channel *ch, int timeout_ms)
{
	int err;

	pthread_mutex_lock(&ch->k->lock);
	err = ke_drain_begin(&ch->ch);
	if (err == -EBUSY) {
		lib_fail(err, "channel '%s': another thread drains it", ch->ch.name);
	} else if (err == -ENOMEM) {
		lib_fail(err, "channel '%s'", ch->ch.name);
	} else {
		err = drain(ch, deadline_of(timeout_ms));
		ke_drain_end(&ch->ch);
	}
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}

/* ---------------------------------------------------------------- destroying */

void life_destroyed(struct ke_channel *c)
{
	struct kecho_channel *ch = c->owner;
	struct kecho_source *s;
	struct ke_member *m;

	list_for_each_entry(m, &c->members, list)
		watch_tell_own(ch, m, KECHO_LEFT);
	list_for_each_entry(s, &ch->sources, list)
		source_end(s);
	if (ch->k->reg)
		ke_reg_leave(ch->k->reg, c->name);
	pthread_cond_broadcast(&ch->k->changed);
	wait_wake(ch->k);
}

/* The name first: who opens it from then on is in another channel. */
int embedded_destroy(struct kecho_channel *ch, int timeout_ms)
{
	u64 deadline = deadline_of(timeout_ms);
	struct kecho *k = ch->k;
	u32 n;
	int err;

	if (READ_ONCE(ch->ch.ended))
		return gone(ch);
	err = ke_reg_end(k->reg, ch->ch.name, &ch->ch.uuid,
			 timeout_ms < 0 ? LONG_MS : timeout_ms);
	if (err)
		return lib_fail(err, "channel '%s' is not destroyed: the registry does not answer",
				ch->ch.name);
	pthread_mutex_lock(&k->lock);
	ke_channel_destroy(&ch->ch);
	while ((n = ke_channel_undestroyed(&ch->ch)) && lib_wait(k, deadline))
		;
	pthread_mutex_unlock(&k->lock);
	if (!n)
		return 0;
	return lib_fail(-ETIMEDOUT, "channel '%s' is destroyed, but %u nodes do not confirm it",
			ch->ch.name, n);
}
