// SPDX-License-Identifier: MIT
/*
 * Submitting.
 *
 * A submission is one append under the source's lock, a fence, a look at the
 * doorbells, and, where other hosts read the log, a try to send at once. If the
 * link is being sent on, its sender takes ours along.
 */
#include "alive.h"
#include "feed.h"
#include "filter_impl.h"
#include "submit.h"
#include "probe.h"

/* Others may see what was published; the source's lock is held. */
void source_tell(struct kecho_source *s)
{
	if (s->slot) {
		client_tell(s);
		return;
	}
	ke_log_publish(&s->s.log);
	source_wake(s);
}

/* A frozen channel waits for what had begun: it may be done now. No lock is held, and the
 * source may be gone. */
static void settle(struct kecho_channel *ch)
{
	struct kecho *k = ch->k;

	if (ch->client) {
		client_settle(k);
		return;
	}
	pthread_mutex_lock(&k->lock);
	ke_channel_settle(&ch->ch);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

/* The same, and leave the source. Its unlock is the fence that the doorbells need. */
static void tell_and_unlock(struct kecho_source *s)
{
	struct kecho_channel *ch = s->ch;

	if (unlikely(s->s.frozen || s->s.nremote || s->slot || s->s.decides)) {
		bool frozen = s->s.frozen;

		source_tell(s);
		lib_unlock(&s->lock);
		if (frozen)
			settle(ch);
		return;
	}
	ke_log_publish(&s->s.log);
	lib_unlock(&s->lock);
	doorbell_ring_fenced(ch);
}

/*
 * How far the log may grow, for a record that ends at @end. The answer is in s->s.limit
 * too, for the append: a node can lower it, so it is never an older one.
 */
static inline u64 limit(struct kecho_source *s, u64 end)
{
	return unlikely(s->slot) ? client_limit(s, end) : ke_source_limit(&s->s, end);
}

/* A gate's reader wakes us when it reaches this, half a log on. */
static void set_want(struct kecho_source *s, u64 want)
{
	WRITE_ONCE(s->s.log.hdr->want, cpu_to_le64(want));
	atomic_thread_fence(memory_order_seq_cst);
}

/* It has ended: by its owner, or with the channel. */
int source_over(const struct kecho_source *s)
{
	if (READ_ONCE(s->ch->ch.ended))
		return lib_fail(-ESHUTDOWN, "source of '%s': the channel was destroyed",
				s->ch->ch.name);
	if (s->end_error)
		return lib_fail(s->end_error, "source of '%s': %s", s->ch->ch.name,
				s->end_why[0] ? s->end_why : "kechod has ended it");
	return lib_fail(-EPIPE, "source of '%s': it was closed", s->ch->ch.name);
}

static int refuse_frozen(struct kecho_source *s)
{
	s->stats.refused++;
	return lib_fail(-EAGAIN, "source of '%s': the channel is frozen", s->ch->ch.name);
}

/* Whoever has held us up for too long is ended. Called and left with the source's lock. */
static void end_stalled(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;

	source_wake_all(s);	/* who does not want what is in the way must move on */
	lib_unlock(&s->lock);
	pthread_mutex_lock(&k->lock);
	feeds_move_on(s->ch, s, NULL);
	ke_source_end_stalled(&s->s);
	pthread_mutex_unlock(&k->lock);
	lib_lock(&s->lock);
}

static int no_room(struct kecho_source *s, u64 size)
{
	s->stats.refused++;
	if (s->slot)
		client_refused(s, size);
	else if (ke_source_stalled(&s->s, size) || s->s.decides)
		end_stalled(s);
	return lib_fail(-EAGAIN, "source of '%s': its log is full of what a `block` sink has yet "
			"to read", s->ch->ch.name);
}

static bool must_wait(struct kecho_source *s, u64 size, u64 want)
{
	if (s->s.closed)
		return false;
	return source_held(s) || !ke_log_room(&s->s.log, size, ke_source_limit(&s->s, want));
}

/*
 * Wait until the log may grow. Called and left with the source's lock; the kecho
 * lock, which every change of a gate broadcasts under, comes first.
 */
static int look_for_room(struct kecho_source *s, u64 size)
{
	struct kecho *k = s->ch->k;
	u64 end = s->s.log.end + 2 * size, half = s->s.log.size / 2;

	source_tell(s);
	s->stats.waited++;
	if (s->slot) {
		client_wait_for_room(s, size);
		return s->s.closed ? source_over(s) : 0;
	}
	lib_unlock(&s->lock);
	pthread_mutex_lock(&k->lock);
	feeds_move_on(s->ch, s, NULL);
	lib_lock(&s->lock);
	set_want(s, end > half ? end - half : 1);
	while (must_wait(s, size, end + half)) {
		bool stalled = !source_held(s) && ke_source_stalled(&s->s, size);

		source_sign(s);
		lib_unlock(&s->lock);
		if (stalled)
			ke_source_end_stalled(&s->s);
		else
			lib_wait(k, lib_deadline(source_look_ms(s)));
		lib_lock(&s->lock);
	}
	set_want(s, 0);
	pthread_mutex_unlock(&k->lock);
	return s->s.closed ? source_over(s) : 0;
}

static noinline int wait_for_room(struct kecho_source *s, u64 size)
{
	int err;

	s->inside++;
	err = look_for_room(s, size);
	s->inside--;
	return err;
}

/* Room for a record of @size bytes; the source's lock is held. */
static inline int make_room(struct kecho_source *s, u64 size, unsigned int flags)
{
	u64 end = s->s.log.end + 2 * ke_record_align(size);
	int err;

	while (unlikely(source_held(s)) || !ke_log_room(&s->s.log, size, limit(s, end))) {
		if (flags & KECHO_DONTWAIT)
			return source_held(s) ? refuse_frozen(s) : no_room(s, size);
		err = wait_for_room(s, size);
		if (err)
			return err;
	}
	while (unlikely(s->s.nremote) && !ke_source_unpinned(&s->s, size)) {
		/* A send is reading there: the length of one system call. */
		lib_unlock(&s->lock);
		sched_yield();
		lib_lock(&s->lock);
		if (s->s.closed)
			return source_over(s);
	}
	return 0;
}

/* There is room for all sinks that may be chosen, as long as the lock is held. */
static void offer(struct kecho_source *s, struct ke_event_info *info)
{
	if (!info->named || info->to || !s->s.choice)
		return;
	if (s->choice)
		client_choice_look(s);
	info->nto = ke_choice_most(s->s.choice);
}

/* For which sinks it is, and what their filters say of it. Of one in pieces, @data has all. */
static int decide(struct kecho_source *s, struct ke_event_info *info, const void *data, u32 len)
{
	struct ke_choice *c = s->s.choice;
	u64 seq = s->s.log.seq + 1;

	if (info->named && !info->to) {
		if (!c)
			return source_over(s);
		if (ke_choice_event(c, info, seq, data, len, &filter_ops))
			return lib_fail(-E2BIG, "source of '%s': more sinks are chosen than a "
					"record of its log names: %u", s->ch->ch.name,
					c->names_max);
		if (info->frag_total)
			s->held = ke_roster_hold(c);
	}
	ke_judge_event(s->s.judge, info, seq, data, len, &filter_ops);
	return 0;
}

/*
 * What the sinks' filters say of an event goes with it, and whom its source has chosen. That
 * is found out once, and when there is room: other filters may be in force after waiting for
 * that, and records are in the order of those. All pieces of an event say what the first one
 * does. -ESTALE: there are more sinks meanwhile than it has room for.
 */
static noinline int append_judged(struct kecho_source *s, struct ke_event_info *info,
				  const void *data, u32 len, unsigned int flags, u64 *seq)
{
	u64 size;
	int err;

	do {
		offer(s, info);
		size = ke_record_size(info, len);
		if (size > s->s.log.record_max)
			return -ESTALE;
		err = make_room(s, size, flags);
		if (err)
			return err;
		offer(s, info);
		/* For more than there was room for a send may read in place now. */
	} while (ke_record_size(info, len) > size || !ke_log_room(&s->s.log, size, s->s.limit));
	if (!info->frag_offset)
		err = decide(s, info, data, info->frag_total ?: len);
	err = err ?: ke_log_append(&s->s.log, info, data, len, s->s.limit, seq);
	if (!err)
		source_note(s, info);
	return err;
}

static __always_inline int put_record(struct kecho_source *s, const struct ke_event_info *info,
				      const void *data, u32 len, unsigned int flags, u64 *seq)
{
	int err;

	do {
		err = make_room(s, ke_record_size(info, len), flags);
		if (!err)
			err = ke_log_append(&s->s.log, info, data, len, s->s.limit, seq);
	} while (err == -EAGAIN && !(flags & KECHO_DONTWAIT));
	return err;
}

/*
 * Others begin with an event when a part of the log is full of it, so that `latest` sinks
 * can keep up with one that is larger than the log; they aren't woken for each piece. Who
 * waits for room tells them too, and the caller of the last.
 */
static int put_all_pieces(struct kecho_source *s, struct ke_event_info *info, const u8 *data,
			  size_t len, u32 piece, u64 *seq)
{
	bool judged = info->judged || info->named;

	size_t at, untold = 0;
	u32 n;
	int err = 0;

	info->frag_total = len;
	for (at = 0; at < len && !err; at += n) {
		n = min_t(size_t, piece, len - at);
		info->frag_offset = at;
		err = judged ? append_judged(s, info, data + at, n, 0, seq) :
			       put_record(s, info, data + at, n, 0, seq);
		info->attrs_len = 0;
		untold += n;
		if (untold < s->s.log.size / TELL_PARTS || at + n == len)
			continue;
		source_tell(s);
		untold = 0;
	}
	return err;
}

/* An event that is larger than a record. Nobody else appends between its pieces. */
static int put_pieces(struct kecho_source *s, struct ke_event_info *info, const u8 *data,
		      size_t len, unsigned int flags, u64 *seq)
{
	u32 around = 64 + (info->named ? ke_record_names_size(info->nto) : 0);
	u32 piece = ke_payload_max(s->s.log.size) - around - KE_EVENT_ATTRS_MAX;
	u64 end = ke_log_pieces_end(&s->s.log, info, len, piece);
	int err;

	if ((flags & KECHO_DONTWAIT) && limit(s, end) < end) {
		if (end - s->s.log.end <= s->s.log.size)
			return no_room(s, end - s->s.log.end);
		s->stats.refused++;
		return -EMSGSIZE;
	}
	while (unlikely(source_held(s))) {
		err = flags & KECHO_DONTWAIT ? refuse_frozen(s) : wait_for_room(s, 0);
		if (err)
			return err;
	}
	s->s.in_pieces = true;
	err = put_all_pieces(s, info, data, len, piece, seq);
	s->s.in_pieces = false;
	if (s->s.decides)
		source_note(s, info);
	pthread_cond_broadcast(&s->ch->k->changed);
	return err;
}

void source_count_named(struct kecho_source *s, const struct ke_event_info *info)
{
	s->chosen.sinks += info->nto;
	s->chosen.nobody += !info->nto;
}

static void let_roster_go(struct kecho_source *s)
{
	if (s->held)
		ke_roster_drop(s->held);
	s->held = NULL;
}

static int try_judged(struct kecho_source *s, struct ke_event_info *info, const void *data,
		      size_t len, unsigned int flags, u64 *seq)
{
	int err;

	info->judged = s->s.judge;
	info->frag_total = 0;
	offer(s, info);
	if (ke_record_size(info, len) <= s->s.log.record_max)
		return append_judged(s, info, data, len, flags, seq);
	err = put_pieces(s, info, data, len, flags, seq);
	let_roster_go(s);
	return err;
}

static noinline int put_judged(struct kecho_source *s, struct ke_event_info *info,
			       const void *data, size_t len, unsigned int flags, u64 *seq)
{
	int err;

	info->named = info->to || ke_choice_chooses(s->s.choice);
	do {
		err = try_judged(s, info, data, len, flags, seq);
	} while (err == -ESTALE);
	if (!err && info->named)
		source_count_named(s, info);
	return err;
}

/* Another thread's event is going in piece by piece. */
static void wait_for_pieces(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;

	s->inside++;
	lib_unlock(&s->lock);
	pthread_mutex_lock(&k->lock);
	lib_lock(&s->lock);
	while (s->s.in_pieces && !s->s.closed) {
		lib_unlock(&s->lock);
		lib_wait(k, lib_deadline(ROOM_LOOK_MS));
		lib_lock(&s->lock);
	}
	s->inside--;
	pthread_mutex_unlock(&k->lock);
}

/* Left with the source's lock, which is given back. */
static noinline int refuse_to_begin(struct kecho_source *s, unsigned int flags)
{
	int err;

	if (s->s.closed)
		err = source_over(s);
	else if (s->s.in_pieces)
		err = lib_fail(-EAGAIN, "source of '%s': another event is going in piece by piece",
			       s->ch->ch.name);
	else
		err = lib_fail(-EINVAL, "source of '%s': no type has the number %u",
			       s->ch->ch.name, source_type(flags));
	lib_unlock(&s->lock);
	return err;
}

static inline int begin(struct kecho_source *s, unsigned int flags)
{
	if (unlikely(lib_forked(s->ch->k)))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	/* Also if it is in vain, or behind a reservation that nobody ends. */
	source_sign(s);
	lib_lock(&s->lock);
	while (unlikely(s->s.in_pieces) && !s->s.closed && !(flags & KECHO_DONTWAIT))
		wait_for_pieces(s);
	if (likely(!s->s.in_pieces && !s->s.closed && source_type(flags) <= s->ntypes))
		return 0;
	return refuse_to_begin(s, flags);
}

/* Inline, as what it calls: the note of the probe looks large to compilers. */
static __always_inline int put_event(struct kecho_source *s, struct ke_event_info *info,
				     const void *data, size_t len, unsigned int flags)
{
	u64 seq = 0;
	int err;

	if (unlikely(len > KECHO_EVENT_MAX))
		return lib_fail(-EMSGSIZE, "an event of %zu bytes; the most is %u", len,
				KECHO_EVENT_MAX);
	if (unlikely(s->s.decides))
		err = put_judged(s, info, data, len, flags, &seq);
	else if (likely(ke_record_size(info, len) <= s->s.log.record_max))
		err = put_record(s, info, data, len, flags, &seq);
	else
		err = put_pieces(s, info, data, len, flags, &seq);
	if (!err) {
		s->stats.submitted++;
		s->stats.bytes += len;
		PROBE(submit, s->s.member.id, len, seq);
	}
	return err;
}

ssize_t kecho_submit_vector(struct kecho_source *s, const struct iovec *events, size_t n,
			    unsigned int flags)
{
	const struct ke_event_info now = source_info(s, flags);
	struct ke_event_info info;
	size_t i;
	int err = begin(s, flags);

	if (err)
		return err;
	for (i = 0; i < n && !err; i++) {
		info = (struct ke_event_info){ .time_ns = now.time_ns, .type = now.type,
						.deadline_ns = now.deadline_ns };
		err = put_event(s, &info, events[i].iov_base, events[i].iov_len, flags);
	}
	tell_and_unlock(s);
	return err && i == 1 ? err : err ? (ssize_t)i - 1 : (ssize_t)i;
}

int source_submit(struct kecho_source *s, struct ke_event_info *info, const void *data, size_t len,
		  unsigned int flags)
{
	int err = begin(s, flags);

	if (err)
		return err;
	err = put_event(s, info, data, len, flags);
	tell_and_unlock(s);
	return err;
}

int kecho_submit(struct kecho_source *s, const void *data, size_t len, unsigned int flags)
{
	struct ke_event_info info = source_info(s, flags);

	return source_submit(s, &info, data, len, flags);
}

int kecho_submit_attrs(struct kecho_source *s, const void *data, size_t len,
		       const struct kecho_attr *attrs, size_t nattrs, unsigned int flags)
{
	struct ke_event_info info = source_info(s, flags);
	struct ke_attrs set = { 0 };
	int err = attrs_load(&set, attrs, nattrs);

	if (!err && set.len > KE_EVENT_ATTRS_MAX)
		err = lib_fail(-E2BIG, "an event's attributes of %u bytes; the most is %d", set.len,
			       KE_EVENT_ATTRS_MAX);
	info.attrs = set.buf;
	info.attrs_len = set.len;
	if (!err)
		err = source_submit(s, &info, data, len, flags);
	ke_attrs_free(&set);
	return err;
}

int source_begin(struct kecho_source *s, unsigned int flags)
{
	return begin(s, flags);
}

int source_room(struct kecho_source *s, u64 size, unsigned int flags)
{
	return make_room(s, size, flags);
}

void source_finish(struct kecho_source *s)
{
	source_sign(s);
	tell_and_unlock(s);
}
