// SPDX-License-Identifier: MIT
/*
 * Reservations: an event that is written in its source's log in place. What the sinks' filters
 * say of it is known when it is committed; for whom it is must be known before.
 */
#include "filter_impl.h"
#include "internal.h"
#include "submit.h"
#include "probe.h"

int kecho_reserve(struct kecho_source *s, size_t len, unsigned int flags,
		  struct kecho_reservation *r)
{
	/* When it is submitted shows when it is committed. */
	struct ke_event_info info = { .type = source_type(flags),
				      .deadline_ns = s->lifespan_ns ? U64_MAX : 0 };
	u32 most = s->s.log.record_max - ke_record_size(&info, 0);
	u64 cookie;
	void *data;
	int err;

	if (len > most)
		return lib_fail(-EMSGSIZE, "a reservation of %zu bytes; the most is %u", len, most);
	err = source_begin(s, flags);
	if (err)
		return err;
	if (ke_choice_chooses(s->s.choice)) {
		lib_unlock(&s->lock);
		return lib_fail(-EOPNOTSUPP, "source of '%s': its filter chooses by what is in an "
				"event; reserved bytes have nothing in them yet", s->ch->ch.name);
	}
	/* Without room for that it is the sinks that judge it. */
	info.judged = s->s.judge;
	info.judged = info.judged && ke_record_size(&info, len) <= s->s.log.record_max;
	do {
		err = source_room(s, ke_record_size(&info, len), flags);
		if (!err)
			err = ke_log_reserve(&s->s.log, &info, len, s->s.limit, &data, &cookie);
	} while (err == -EAGAIN && !(flags & KECHO_DONTWAIT));
	if (!err)
		*r = (struct kecho_reservation){ .data = data, .len = len, .cookie = cookie,
						  .seq = s->s.log.seq, .flags = flags };
	lib_unlock(&s->lock);
	return err;
}

/* Without room for what the filters say, or if they say nothing, its sinks judge it. */
static noinline void judge_reserved(struct kecho_source *s, const struct kecho_reservation *r,
				    u32 len, u64 time_ns)
{
	struct ke_event_info info = { .time_ns = time_ns, .type = source_type(r->flags) };

	ke_judge_event(s->s.judge, &info, r->seq, r->data, len, &filter_ops);
	info.judged = info.judged &&
		      !ke_log_judged(&s->s.log, r->cookie, info.bits, info.generation);
	source_note(s, &info);
}

static int commit(struct kecho_source *s, const struct kecho_reservation *r, u32 len)
{
	u64 time_ns;

	if (s->s.closed)
		return source_over(s);
	time_ns = source_stamp(r->flags);
	if (unlikely(s->s.decides))
		judge_reserved(s, r, len, time_ns);
	if (unlikely(s->lifespan_ns))
		ke_log_expires(&s->s.log, r->cookie, source_deadline(s, time_ns));
	return ke_log_commit(&s->s.log, r->cookie, len, time_ns);
}

int kecho_commit(struct kecho_source *s, struct kecho_reservation *r, size_t len)
{
	int err;

	if (lib_forked(s->ch->k))
		return -EBADF;
	if (len > r->len)
		return lib_fail(-EMSGSIZE, "a commit of %zu bytes; %zu were reserved", len, r->len);
	lib_lock(&s->lock);
	err = commit(s, r, len);
	if (!err) {
		s->stats.submitted++;
		s->stats.bytes += len;
		PROBE(submit, s->s.member.id, len, (u64)0);
	}
	source_finish(s);
	return err;
}

void kecho_abort(struct kecho_source *s, struct kecho_reservation *r)
{
	if (lib_forked(s->ch->k))
		return;
	lib_lock(&s->lock);
	if (!s->s.closed)
		ke_log_abort(&s->s.log, r->cookie);
	source_finish(s);
}
