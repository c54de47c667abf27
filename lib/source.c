// SPDX-License-Identifier: MIT
/*
 * Sources: becoming one, and no more. What they submit is in submit.c.
 */
#include "internal.h"
#include "probe.h"

/* As core has it, where 0 is never. */
static u32 stall_limit(int stall_ms)
{
	return stall_ms < 0 ? 0 : stall_ms ?: KECHO_STALL_MS_DEFAULT;
}

static struct kecho_source *make_source(struct kecho_channel *ch,
					const struct kecho_source_options *opt)
{
	struct kecho_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ch = ch;
	s->s.member.owner = s;
	s->s.member.role = KE_SOURCE;
	s->s.member.source = &s->s;
	s->s.retain = ch->retain;
	s->lifespan_ns = opt ? opt->lifespan_ns : 0;
	s->s.member.traffic_class = opt ? opt->traffic_class : KECHO_NORMAL;
	s->linger_ms = opt && opt->linger_ms ? opt->linger_ms : LINGER_MS;
	s->s.stall_ms = stall_limit(opt ? opt->stall_ms : 0);
	s->s.member.alive_ms = opt ? opt->alive_ms : 0;
	return s;
}

void source_free(struct kecho_source *s)
{
	shared_log_put(s->log);
	client_judge_free(s);
	client_choice_free(s);
	client_pages_put(s->pages);
	client_forget_types(s);
	ke_attrs_free(&s->s.member.attrs);
	free(s);
}

int kecho_source_open(struct kecho_channel *ch, const struct kecho_source_options *opt,
		      struct kecho_source **out)
{
	size_t size = opt && opt->log_size ? opt->log_size : KECHO_LOG_SIZE_DEFAULT;
	struct kecho *k = ch->k;
	struct kecho_source *s;
	int err;

	if (lib_forked(k))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				ch->ch.name);
	if (READ_ONCE(ch->ch.ended))
		return lib_fail(-ESHUTDOWN, "source of '%s': the channel was destroyed",
				ch->ch.name);
	if (!is_power_of_2(size) || size < KECHO_LOG_SIZE_MIN || size > KECHO_LOG_SIZE_MAX)
		return lib_fail(-EINVAL, "source of '%s': a log of %zu bytes", ch->ch.name, size);
	if (opt && opt->traffic_class > KECHO_BULK)
		return lib_fail(-EINVAL, "source of '%s': there is no class %u", ch->ch.name,
				opt->traffic_class);
	if (opt && !ke_promise_fits(opt->alive_ms))
		return lib_fail(-EINVAL, "source of '%s': a sign of life each %u ms", ch->ch.name,
				opt->alive_ms);
	s = make_source(ch, opt);
	if (!s)
		return lib_fail(-ENOMEM, "source of '%s'", ch->ch.name);
	err = opt ? attrs_load(&s->s.member.attrs, opt->attrs, opt->nattrs) : 0;
	if (!err)
		err = k->attach->source_join(s, size);
	if (err) {
		source_free(s);
		return err;
	}
	PROBE(join, ch->ch.name, kecho_source_id(s), KECHO_SOURCE);
	*out = s;
	return 0;
}

/* Those that wait in a submission are told -EPIPE; until they are out it stays. */
static void see_out(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;
	bool inside;

	pthread_mutex_lock(&k->lock);
	for (;;) {
		lib_lock(&s->lock);
		inside = s->inside;
		lib_unlock(&s->lock);
		if (!inside)
			break;
		pthread_cond_broadcast(&k->changed);
		lib_wait(k, lib_deadline(ROOM_LOOK_MS));
	}
	pthread_mutex_unlock(&k->lock);
}

void kecho_source_close(struct kecho_source *s)
{
	if (!s || lib_forked(s->ch->k))
		return;
	PROBE(leave, s->ch->ch.name, kecho_source_id(s), KECHO_SOURCE);
	s->ch->k->attach->source_leave(s);
	see_out(s);
	source_free(s);
}

uint64_t kecho_source_id(const struct kecho_source *s)
{
	return READ_ONCE(s->s.member.id);
}

void kecho_source_stats(struct kecho_source *s, struct kecho_source_stats *st)
{
	lib_lock(&s->lock);
	*st = s->stats;
	st->expired = ke_source_expired(&s->s);
	st->stalled = s->s.stalls;
	if (s->slot) {
		st->expired += le64_to_cpu(READ_ONCE(s->slot->expired));
		st->stalled += le32_to_cpu(READ_ONCE(s->slot->stalls));
	}
	lib_unlock(&s->lock);
}
