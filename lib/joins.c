// SPDX-License-Identifier: MIT
/*
 * Channels, sources and sinks of an embedded node: coming and going.
 */
#include "feed.h"

/* The kecho lock is held, and let go meanwhile. */
static int channel_wait(struct kecho_channel *ch, bool (*done)(const struct ke_channel *),
			unsigned int timeout_ms)
{
	u64 deadline = lib_deadline(timeout_ms);

	while (!done(&ch->ch))
		if (!lib_wait(ch->k, deadline))
			return -ETIMEDOUT;
	return 0;
}

int embedded_channel_join(struct kecho_channel *ch, const char *name, unsigned int flags)
{
	struct ke_contact contact[KE_CONTACTS_MAX];
	unsigned int n = KE_CONTACTS_MAX, i, reg_flags = 0;
	struct kecho *k = ch->k;
	struct ke_id uuid;
	char why[KE_REG_WHY_MAX];
	int err;

	reg_flags |= flags & KECHO_EXISTING ? KE_REG_EXISTING : 0;
	reg_flags |= flags & KECHO_EXCLUSIVE ? KE_REG_EXCLUSIVE : 0;
	err = ke_reg_join(k->reg, name, reg_flags, ch->timeout_ms, &uuid, contact, &n, why,
			  sizeof(why));
	if (err)
		return lib_fail(err, "channel '%s': %s", name, why);
	pthread_mutex_lock(&k->lock);
	err = ke_channel_open(&ch->ch, &k->node, &uuid, name);
	if (err) {
		pthread_mutex_unlock(&k->lock);
		ke_reg_leave(k->reg, name);
		return lib_fail(err, "channel '%s': %d are open here, the most there can be", name,
				KE_CHANNELS_MAX);
	}
	ch->ch.owner = ch;
	list_add_tail(&ch->list, &k->channels);
	for (i = 0; i < n && !err; i++)
		err = ke_channel_contact(&ch->ch, &contact[i]);
	if (err == -ENOSPC)
		lib_fail(err, "channel '%s': %d nodes are known here, the most there can be", name,
			 KE_NODES_MAX);
	else if (err)
		lib_fail(err, "channel '%s'", name);
	if (!err) {
		channel_wait(ch, ke_channel_synced, ch->timeout_ms);
		err = lib_refused(ch);
	}
	/* None of those answers: the registry will know others soon. */
	if (!err && n && !names_linked(&ch->ch, contact, n))
		ke_reg_repair_later(k->reg, name);
	pthread_mutex_unlock(&k->lock);
	if (err)
		embedded_channel_leave(ch);
	return err;
}

void embedded_channel_leave(struct kecho_channel *ch)
{
	struct kecho *k = ch->k;

	/* Of a destroyed one the name may be another's by now. */
	if (!READ_ONCE(ch->ch.ended))
		ke_reg_leave(k->reg, ch->ch.name);
	pthread_mutex_lock(&k->lock);
	ke_channel_close(&ch->ch);
	list_del(&ch->list);
	doorbells_close(ch);
	pthread_mutex_unlock(&k->lock);
}

/* One of ours is in the channel; who watches that one hears of it too. The kecho lock is
 * held. */
static int join(struct ke_member *m, struct kecho_channel *ch)
{
	int err = ke_member_join(m, &ch->ch);

	if (!err && !ch->ch.ended)
		watch_tell_own(ch, m, KECHO_JOINED);
	return err;
}

/* It may never have come in. That the members of a destroyed channel left was told then. */
static void leave(struct ke_member *m, struct kecho_channel *ch)
{
	if (!list_empty(&m->list) && !ch->ch.ended)
		watch_tell_own(ch, m, KECHO_LEFT);
	ke_member_leave(m);
}

/* ------------------------------------------------------------------- sources */

static int feed_own_sinks(struct kecho_source *s)
{
	struct kecho_sink *sink;
	int err = 0;

	list_for_each_entry(sink, &s->ch->sinks, list)
		if (!sink->stalled)
			err = err ?: feed_source(sink, s, false);
	return err;
}

int embedded_source_join(struct kecho_source *s, size_t size)
{
	struct kecho_channel *ch = s->ch;
	struct kecho *k = ch->k;
	int err;

	s->log = shared_log_make(size);
	if (!s->log)
		return lib_fail(-ENOMEM, "source of '%s'", ch->ch.name);
	pthread_mutex_lock(&k->lock);
	ke_log_init(&s->s.log, s->log->map, (char *)s->log->map + KECHO_LOG_HEADER_SIZE, size,
		    0, 0);
	ke_source_init(&s->s, &k->node);
	err = join(&s->s.member, ch);
	if (err) {
		leave(&s->s.member, ch);
		pthread_mutex_unlock(&k->lock);
		return lib_fail(err, "source of '%s': %d members are here, the most there can be",
				ch->ch.name, KE_MEMBERS_MAX);
	}
	list_add_tail(&s->list, &ch->sources);
	wait_wake(k);	/* a leader must hear of it */
	err = feed_own_sinks(s);
	if (!err)
		channel_wait(ch, ke_channel_acked, JOIN_MS);
	pthread_mutex_unlock(&k->lock);
	if (!err)
		return 0;
	embedded_source_leave(s);
	return lib_fail(err, "source of '%s'", ch->ch.name);
}

/* Our own sinks read on to the end of the log. */
static void end_own_feeds(struct kecho_source *s)
{
	struct kecho_sink *sink;
	struct feed *f;

	list_for_each_entry(sink, &s->ch->sinks, list) {
		lib_lock(&sink->lock);
		list_for_each_entry(f, &sink->feeds, list) {
			if (f->source != s)
				continue;
			if (sink->m.policy == KECHO_BLOCK) {
				/* With its channel: others may be submitting. */
				lib_lock(&s->lock);
				ke_source_ungate(&s->s, &f->gate);
				lib_unlock(&s->lock);
			}
			feed_types_keep(f, s->s.member.types);
			f->source = NULL;
			f->last_seq = s->s.log.seq;
			f->gone = f->ended = true;
		}
		lib_unlock(&sink->lock);
	}
}

/* With its channel: nothing is appended any more; who waits is told. The kecho lock is
 * held. */
void source_end(struct kecho_source *s)
{
	lib_lock(&s->lock);
	WRITE_ONCE(s->s.closed, true);
	ke_log_abort_all(&s->s.log);
	source_tell(s);
	lib_unlock(&s->lock);
	ke_source_end(&s->s);
	end_own_feeds(s);
}

void embedded_source_leave(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;
	u64 deadline = lib_deadline(s->linger_ms < 0 ? 0 : s->linger_ms);

	pthread_mutex_lock(&k->lock);
	ke_source_end(&s->s);
	while (!ke_source_drained(&s->s) && lib_wait(k, deadline))
		;
	end_own_feeds(s);
	ke_source_fini(&s->s);
	leave(&s->s.member, s->ch);
	list_del(&s->list);
	wait_wake(k);
	pthread_mutex_unlock(&k->lock);
}

/* --------------------------------------------------------------------- sinks */

/* The sink reads the logs of our own process too. The kecho lock is held. */
static int feed_own_sources(struct kecho_sink *s)
{
	struct kecho_source *src;
	int err = 0;

	list_for_each_entry(src, &s->ch->sources, list)
		err = err ?: feed_source(s, src, s->retained);
	return err;
}

static bool sink_started(const struct ke_channel *ch)
{
	return ke_channel_acked(ch) && ke_channel_started(ch);
}

/* The kecho lock is held. Our first sink in the channel: who submits needs its doorbell. */
static int give_doorbell(struct kecho_channel *ch)
{
	bool first = !atomic_load(&ch->nbells);
	struct ke_presence *pr;
	int err = doorbell_make(ch);

	if (err || !first)
		return err;
	list_for_each_entry(pr, &ch->ch.presences, channel_list)
		if (pr->here && pr->peer->link && pr->peer->link->local)
			share_doorbell(pr->peer->link->owner, ch);
	return 0;
}

int embedded_sink_join(struct kecho_sink *s)
{
	struct kecho_channel *ch = s->ch;
	struct kecho *k = ch->k;
	int err, fed, joined, refused = 0;

	pthread_mutex_lock(&k->lock);
	err = give_doorbell(ch);
	if (err) {
		pthread_mutex_unlock(&k->lock);
		return lib_fail(err, "sink of '%s': no doorbell", ch->ch.name);
	}
	ch->ch.sinks++;
	ch->ch.gated += s->m.policy == KECHO_BLOCK;
	list_add_tail(&s->list, &ch->sinks);
	ke_member_identify(&s->m, &k->node);
	fed = feed_own_sources(s);
	/* Who sees the member may submit at once: the subscription goes first. */
	err = fed ?: ke_channel_subscribe(&ch->ch, s->retained);
	joined = join(&s->m, ch);
	err = err ?: joined;
	if (!err) {
		channel_wait(ch, sink_started, JOIN_MS);
		refused = lib_refused(ch);
	}
	pthread_mutex_unlock(&k->lock);
	if (!err && !refused)
		return 0;
	embedded_sink_leave(s);
	return refused ?: lib_fail(err, "sink of '%s'", ch->ch.name);
}

void embedded_sink_leave(struct kecho_sink *s)
{
	struct kecho_channel *ch = s->ch;
	struct kecho *k = ch->k;

	pthread_mutex_lock(&k->lock);
	leave(&s->m, ch);
	lib_lock(&s->lock);
	list_del(&s->list);
	if (!s->stalled) {
		ch->ch.sinks--;
		ch->ch.gated -= s->m.policy == KECHO_BLOCK;
	}
	lib_unlock(&s->lock);
	feeds_end(s);
	ke_channel_unsubscribe(&ch->ch);
	pthread_mutex_unlock(&k->lock);
}
