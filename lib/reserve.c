// SPDX-License-Identifier: MIT
/*
 * Reservations: an event that is written in its source's log in place. What the sinks' filters
 * say of it is known when it is committed, and so is for whom it is: there is room for as many
 * as its source may choose then.
 */
#include "filter_impl.h"
#include "internal.h"
#include "submit.h"
#include "probe.h"

/* What its record is to say. Without room for it the sinks judge it; for the names of some
 * there must be room. */
static int decide_what(struct kecho_source *s, struct ke_event_info *info, size_t len)
{
	u32 max = s->s.log.record_max;

	info->named = ke_choice_chooses(s->s.choice);
	info->nto = 0;
	if (info->named && s->choice)
		client_choice_look(s);
	if (info->named)
		info->nto = ke_choice_room(s->s.choice);
	info->judged = s->s.judge;
	info->judged = info->judged && ke_record_size(info, len) <= max;
	if (ke_record_size(info, len) > max)
		return lib_fail(-EMSGSIZE, "a reservation of %zu bytes for up to %u sinks; the "
				"most is %u", len, info->nto,
				(u32)(max - ke_record_size(info, 0)));
	return 0;
}

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
	do {
		err = decide_what(s, &info, len);
		if (!err)
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

/* For whom it is. Without room for that it is for all, as it was before there was a choice. */
static int choose(struct kecho_source *s, const struct kecho_reservation *r,
		  struct ke_event_info *info, u32 len)
{
	int room = ke_log_names_room(&s->s.log, r->cookie), err = 0;

	info->named = room >= 0 && ke_choice_chooses(s->s.choice);
	if (!info->named)
		return 0;
	if (s->choice)
		client_choice_look(s);
	err = ke_choice_event(s->s.choice, info, r->seq, r->data, len, &filter_ops);
	if (err || info->nto > room)
		return lib_fail(-E2BIG, "source of '%s': more sinks are chosen than there was "
				"room for when it was reserved: %d", s->ch->ch.name, room);
	return 0;
}

/* What was found out of it goes into its record. What is not judged its sinks judge. */
static void put_decision(struct kecho_source *s, const struct kecho_reservation *r,
			 struct ke_event_info *info, u32 len)
{
	struct ke_log *log = &s->s.log;

	info->judged = info->judged && !ke_log_judged(log, r->cookie, info->bits, info->generation);
	if (ke_log_names_room(log, r->cookie) >= 0)
		ke_log_named(log, r->cookie, info, len);
}

static noinline int decide(struct kecho_source *s, const struct kecho_reservation *r, u32 len,
			   struct ke_event_info *info)
{
	int err = choose(s, r, info, len);

	if (err)
		return err;
	ke_judge_event(s->s.judge, info, r->seq, r->data, len, &filter_ops);
	put_decision(s, r, info, len);
	source_note(s, info);
	return 0;
}

static int commit(struct kecho_source *s, const struct kecho_reservation *r, u32 len)
{
	struct ke_event_info info = { .type = source_type(r->flags) };
	int err = s->s.closed ? source_over(s) : 0;

	if (err)
		return err;
	info.time_ns = source_stamp(r->flags);
	if (unlikely(s->s.decides))
		err = decide(s, r, len, &info);
	if (!err && unlikely(s->lifespan_ns))
		ke_log_expires(&s->s.log, r->cookie, source_deadline(s, info.time_ns));
	err = err ?: ke_log_commit(&s->s.log, r->cookie, len, info.time_ns);
	if (!err && info.named)
		source_count_named(s, &info);
	return err;
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
