// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Submitting: one append under the source's lock, then a look at the channel's bell. Nothing
 * here sleeps or allocates, but for the two calls that say so.
 *
 * An event that is larger than a record goes in piece by piece, and the lock is let go
 * between two of them, so that interrupts are not off for long. Who comes meanwhile is told
 * -EAGAIN: nothing else may lie between the pieces.
 */
#include <linux/ktime.h>
#include <linux/uio.h>

#include "kn.h"
#include "trace.h"

enum {
	PIECE_EXTRA = 64,	/* bytes around a piece */
	TELL_PARTS = 4,		/* of a log: a part of an event that is told of at once */
	ROOM_LOOK_MS = 100,	/* who waits for room looks at the gates himself, too */
};

struct ke_event_info kn_event_info(const struct kecho_source *s, unsigned int flags)
{
	u64 now = flags & KECHO_NOTIME && !s->lifespan_ns ? 0 : ktime_get_real_ns();
	struct ke_event_info info = {
		.time_ns = flags & KECHO_NOTIME ? 0 : now,
		.type = flags / KECHO_TYPED(1),
	};

	if (unlikely(s->lifespan_ns))
		info.deadline_ns = s->lifespan_ns < U64_MAX - now ? now + s->lifespan_ns : U64_MAX;
	return info;
}

/* May something begin now? */
static int may_begin(const struct kecho_source *s)
{
	if (s->s.closed)
		return -ESHUTDOWN;
	return s->s.frozen || s->s.in_pieces ? -EAGAIN : 0;
}

/* Is there room for @size bytes more? */
static bool has_room(struct kecho_source *s, u64 size)
{
	u64 end = s->s.log.end + 2 * ke_record_align(size);

	return ke_log_room(&s->s.log, size, ke_source_limit(&s->s, end));
}

static int no_room(struct kecho_source *s, u64 size)
{
	if (ke_source_stalled(&s->s, size))
		queue_work(kn_wq, &s->chores);
	return -EAGAIN;
}

static u64 now_ns(void *arg)
{
	return ktime_get_real_ns();
}

const struct ke_filter_ops kn_filter_ops = { .now_ns = now_ns };

static int make_room(struct kecho_source *s, u64 size)
{
	if (!has_room(s, size))
		return no_room(s, size);
	return unlikely(s->s.nremote) && !ke_source_unpinned(&s->s, size) ? -EAGAIN : 0;
}

static int put_record(struct kecho_source *s, const struct ke_event_info *info, const void *data,
		      u32 len, u64 *seq)
{
	int err = make_room(s, ke_record_size(info, len));

	return err ?: ke_log_append(&s->s.log, info, data, len, s->s.limit, seq);
}

/* Other nodes have it sent by the workers of their links. True: our own sinks are to be woken. */
static bool publish(struct kecho_source *s)
{
	struct ke_tstream *ts;
	bool all, own;

	ke_log_publish(&s->s.log);
	all = ke_source_wakes_all(&s->s);
	own = all || s->s.wakes_own;
	if (unlikely(s->s.nremote))
		list_for_each_entry(ts, &s->s.streams, source_list)
			if (ts->link && (all || ts->wakes))
				kn_conn_kick(ts->link->owner);
	if (unlikely(s->s.decides))
		ke_source_woke(&s->s);
	return own;
}

/* Left without the source's lock. */
static void publish_all(struct kecho_source *s, unsigned long flags)
{
	bool own = publish(s);

	spin_unlock_irqrestore(&s->lock, flags);
	if (own)
		kn_bell_ring(s->ch->c->bell);
}

static void tell(struct kecho_source *s, unsigned long *flags)
{
	publish_all(s, *flags);
	spin_lock_irqsave(&s->lock, *flags);
}

/* ------------------------------------------------------- filters, and chosen sinks */

/* For which sinks it may be, and what it may say of filters: as much as a record then has. */
static void offer(const struct kecho_source *s, struct ke_event_info *info)
{
	info->judged = s->s.judge;
	info->named = info->to || ke_choice_chooses(s->s.choice);
	if (info->named && !info->to)
		info->nto = ke_choice_most(s->s.choice);
}

/* For which sinks it is, and what the filters of these say of it: found out once, when there is
 * room. Of one in pieces @data has all. */
static int decide(struct kecho_source *s, struct ke_event_info *info, const void *data, u32 len)
{
	u64 seq = s->s.log.seq + 1;
	int err = 0;

	if (info->named && !info->to)
		err = ke_choice_event(s->s.choice, info, seq, data, len, &kn_filter_ops);
	if (!err)
		ke_judge_event(s->s.judge, info, seq, data, len, &kn_filter_ops);
	return err;
}

static int put_decided(struct kecho_source *s, struct ke_event_info *info, const void *data,
		       u32 len, u64 *seq)
{
	int err = make_room(s, ke_record_size(info, len));

	err = err ?: decide(s, info, data, len);
	err = err ?: ke_log_append(&s->s.log, info, data, len, s->s.limit, seq);
	if (!err)
		ke_source_note(&s->s, info);
	return err;
}

/* The lock is let go between the pieces, and the roster may go: they all have a copy. */
static int decide_pieces(struct kecho_source *s, struct ke_event_info *info, const void *data,
			 size_t len)
{
	bool chooses = info->named && !info->to;
	int err;

	info->frag_total = len;
	err = decide(s, info, data, len);
	if (err || !chooses)
		return err;
	memcpy(s->names, info->to, info->nto * sizeof(*info->to));
	info->to = s->names;
	return 0;
}

static void count_named(struct kecho_source *s, const struct ke_event_info *info)
{
	s->chosen.sinks += info->nto;
	s->chosen.nobody += !info->nto;
}

/* There was room for all of it. If a `block` sink came meanwhile that the rest would lap, it
 * sees a loss. One that is larger than the log may overtake who sends it. */
static int put_all_pieces(struct kecho_source *s, struct ke_event_info *info, const u8 *data,
			  size_t len, u32 piece, unsigned long *flags)
{
	size_t at, untold = 0;
	u64 seq = 0;
	u32 n;
	int err = 0;

	info->frag_total = len;
	for (at = 0; at < len && !err; at += n) {
		n = min_t(size_t, piece, len - at);
		info->frag_offset = at;
		err = s->s.closed ? -ESHUTDOWN : put_record(s, info, data + at, n, &seq);
		info->attrs_len = 0;
		untold += n;
		if (untold >= s->s.log.size / TELL_PARTS) {
			tell(s, flags);
			untold = 0;
		} else {
			spin_unlock_irqrestore(&s->lock, *flags);
			spin_lock_irqsave(&s->lock, *flags);
		}
	}
	return err == -EAGAIN ? -EMSGSIZE : err;
}

static int put_pieces(struct kecho_source *s, struct ke_event_info *info, const u8 *data,
		      size_t len, unsigned long *flags)
{
	u32 names = info->named ? ke_record_names_size(info->nto) : 0;
	u32 piece = ke_payload_max(s->s.log.size) - PIECE_EXTRA - names - KE_EVENT_ATTRS_MAX;
	u64 end = ke_log_pieces_end(&s->s.log, info, len, piece), all;
	int err;

	if (info->named)	/* if fewer are, another one may lie at the ring's end */
		end += ke_record_align(ke_record_size(info, piece));
	all = end - s->s.log.end;
	if (ke_source_limit(&s->s, end) < end)
		return all > s->s.log.size ? -EMSGSIZE : no_room(s, all);
	/* From here on no sender begins to read what they will overwrite. */
	if (all <= s->s.log.size && !ke_source_unpinned_to(&s->s, end))
		return -EAGAIN;
	if (unlikely(s->s.decides)) {
		err = decide_pieces(s, info, data, len);
		if (err)
			return err;
	}
	s->s.in_pieces = true;
	err = put_all_pieces(s, info, data, len, piece, flags);
	s->s.in_pieces = false;
	if (s->s.decides)
		ke_source_note(&s->s, info);
	if (s->s.frozen)	/* others wait for that */
		queue_work(kn_wq, &s->chores);
	return err;
}

/* The source's lock is held, and may be let go meanwhile. */
static int put_event(struct kecho_source *s, struct ke_event_info *info, const void *data,
		     size_t len, unsigned long *flags)
{
	u64 seq = 0;
	int err = may_begin(s);

	if (unlikely(len > KECHO_EVENT_MAX))
		return -EMSGSIZE;
	if (unlikely(info->type > READ_ONCE(s->ntypes)))
		return -EINVAL;
	if (unlikely(s->s.decides))
		offer(s, info);
	if (likely(!err)) {
		if (unlikely(ke_record_size(info, len) > s->s.log.record_max))
			err = put_pieces(s, info, data, len, flags);
		else if (unlikely(s->s.decides))
			err = put_decided(s, info, data, len, &seq);
		else
			err = put_record(s, info, data, len, &seq);
	}
	if (likely(!err)) {
		s->stats.submitted++;
		s->stats.bytes += len;
		if (unlikely(info->named))
			count_named(s, info);
	}
	trace_kecho_submit(s->ch->c->ch.name, s->s.member.id, s->s.log.seq, len, err);
	return err;
}

int kn_submit(struct kecho_source *s, struct ke_event_info *info, const void *data, size_t len)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&s->lock, flags);
	err = put_event(s, info, data, len, &flags);
	s->stats.refused += err == -EAGAIN;
	publish_all(s, flags);
	return err;
}

int kecho_submit(struct kecho_source *s, const void *data, size_t len, unsigned int flags)
{
	struct ke_event_info info = kn_event_info(s, flags);

	return kn_submit(s, &info, data, len);
}
EXPORT_SYMBOL_GPL(kecho_submit);

int kecho_submit_until(struct kecho_source *s, const void *data, size_t len, u64 deadline_ns,
		       unsigned int flags)
{
	struct ke_event_info info = kn_event_info(s, flags);

	info.deadline_ns = deadline_ns;
	return kn_submit(s, &info, data, len);
}
EXPORT_SYMBOL_GPL(kecho_submit_until);

ssize_t kecho_submit_vector(struct kecho_source *s, const struct kvec *events, size_t n,
			    unsigned int flags)
{
	struct ke_event_info info, first = kn_event_info(s, flags);
	unsigned long irq;
	size_t i;
	int err = 0;

	spin_lock_irqsave(&s->lock, irq);
	for (i = 0; i < n; i++) {
		info = first;
		err = put_event(s, &info, events[i].iov_base, events[i].iov_len, &irq);
		if (err)
			break;
	}
	s->stats.refused += err == -EAGAIN;
	publish_all(s, irq);
	return i ?: err;
}
EXPORT_SYMBOL_GPL(kecho_submit_vector);

int kecho_submit_attrs(struct kecho_source *s, const void *data, size_t len,
		       const struct kecho_attr *attrs, size_t nattrs, unsigned int flags)
{
	struct ke_event_info info = kn_event_info(s, flags);
	struct ke_attrs set = { 0 };
	int err = kn_attrs_load(&set, attrs, nattrs);

	if (!err && set.len > KE_EVENT_ATTRS_MAX)
		err = -E2BIG;
	info.attrs = set.buf;
	info.attrs_len = set.len;
	if (!err)
		err = kn_submit(s, &info, data, len);
	ke_attrs_free(&set);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_submit_attrs);

/* Is it worth while to try again? */
static bool may_submit(struct kecho_source *s, size_t len)
{
	struct ke_event_info info = { 0 };
	unsigned long flags;
	bool may;
	int err;

	spin_lock_irqsave(&s->lock, flags);
	err = may_begin(s);
	if (s->s.decides)
		offer(s, &info);
	may = err ? err != -EAGAIN : has_room(s, ke_record_size(&info, len));
	spin_unlock_irqrestore(&s->lock, flags);
	return may;
}

/* Left to try again: 0; -ETIMEDOUT, -ERESTARTSYS. */
static int wait_for_room(struct kecho_source *s, size_t len, unsigned long until, bool for_ever)
{
	long left = msecs_to_jiffies(ROOM_LOOK_MS);

	if (!for_ever)
		left = min_t(long, left, until - jiffies);
	if (left <= 0)
		return -ETIMEDOUT;
	left = wait_event_interruptible_timeout(s->log->room, may_submit(s, len), left);
	return left < 0 ? left : 0;
}

int kecho_submit_wait(struct kecho_source *s, const void *data, size_t len, unsigned int flags,
		      int timeout_ms)
{
	unsigned long until = jiffies + msecs_to_jiffies(max(timeout_ms, 0));
	unsigned int waits = 0;
	int err;

	might_sleep();
	for (;;) {
		err = kecho_submit(s, data, len, flags);
		if (err != -EAGAIN)
			return err;
		err = wait_for_room(s, len, until, timeout_ms < 0);
		if (err)
			return err;
		spin_lock_irq(&s->lock);
		s->stats.refused--;	/* who waits was not refused */
		s->stats.waited += !waits++;
		spin_unlock_irq(&s->lock);
	}
}
EXPORT_SYMBOL_GPL(kecho_submit_wait);
