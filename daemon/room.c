// SPDX-License-Identifier: MIT
/*
 * How far a source has written its log, by what its process says made sane, and how far it
 * may: no further than whoever is waited for has read, a log's size on.
 */
#include "daemon.h"

#include <linux/futex.h>
#include <sys/syscall.h>

struct kecho_limit_slot *kd_limit_slot(const struct kd_source *src)
{
	return (struct kecho_limit_slot *)src->o->s->limits.map + src->slot;
}

/* What its process says, made sane. -EPROTO. */
int kd_source_head(struct kd_source *src, u64 *head)
{
	struct ke_view v = kd_log_view(&src->log);
	u64 h = le64_to_cpu(smp_load_acquire(&v.hdr->head));
	u64 tail = min(le64_to_cpu(READ_ONCE(v.hdr->tail)), h);

	if (h < src->head || h > KE_POSITION_MAX || h - tail > v.size ||
	    !IS_ALIGNED(h, KECHO_RECORD_ALIGN))
		return -EPROTO;
	*head = src->head = h;
	return 0;
}

static void wake_source(struct kecho_limit_slot *slot)
{
	__atomic_fetch_add(&slot->bell, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &slot->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/*
 * Gates of other hosts hold the log as they hold the copy, so that the next kechod finds
 * there all that is to be sent. It begins at the tail, which may pass what is held by a part
 * of the ring and a record: by so much the log ends sooner.
 */
u64 kd_source_spare(const struct kd_source *src)
{
	return src->log.size / KECHO_LOG_MARKS + ke_record_max(src->log.size);
}

static u64 remote_limit(struct kd_source *src)
{
	if (!src->copied || list_empty(&src->s.gates))
		return KE_NO_LIMIT;
	return ke_source_limit(&src->s, KE_NO_LIMIT) - kd_source_spare(src);
}

/* Until all may be back who read its log when we were not there; others do not count. */
static bool is_held(struct kd_source *src)
{
	const struct kd *d = src->c->d;
	u32 n = 0, back = 0;
	struct ke_gate *g;

	list_for_each_entry(g, &src->s.gates, list) {
		n++;
		back += g->stream->goes_on;
	}
	if (src->awaits > back && d->gates_by)
		return true;
	src->awaits = 0;
	kd_keep_gates(src->kept, n);
	return d->holds;
}

static u64 gates_limit(struct kd_source *src, u64 head)
{
	u64 limit = KE_NO_LIMIT;
	struct kd_feed *f;

	list_for_each_entry(f, &src->feeds, log_list) {
		if (f->sink->m.policy != KECHO_BLOCK)
			continue;
		kd_feed_look(f, head);
		if (f->pos != U64_MAX)
			limit = min(limit, f->pos + src->log.size);
	}
	if (src->frozen && !src->s.in_pieces)
		limit = head;
	if (is_held(src))
		limit = min(limit, src->held);
	return min(limit, remote_limit(src));
}

/* A gate has moved, or come, or gone: how far may the log grow? */
void kd_source_room(struct kd_source *src)
{
	struct kecho_limit_slot *slot;
	u64 limit, head;

	/* Who still reads there goes on without us: it is as if we were not there. */
	if (src->state != KD_JOINED || src->c->d->leaving)
		return;
	if (kd_source_head(src, &head)) {
		kd_source_fail(src, "its log says what cannot be");
		return;
	}
	limit = gates_limit(src, head);
	kd_source_stalls(src, limit);
	slot = kd_limit_slot(src);
	WRITE_ONCE(slot->stalls, cpu_to_le32(src->s.stalls));
	WRITE_ONCE(slot->expired, cpu_to_le64(ke_source_expired(&src->s)));
	if (limit == src->limit)
		return;
	smp_store_release(&slot->limit, cpu_to_le64(limit));
	atomic_thread_fence(memory_order_seq_cst);
	if (limit > src->limit && READ_ONCE(kd_log_view(&src->log).hdr->want))
		wake_source(slot);
	src->limit = limit;
}

/*
 * Its head now, and the number of the last event before it. One that never stands still
 * gets the number that it said before: its sinks may be told a loss that was none.
 */
int kd_source_now(struct kd_source *src, u64 *head, u64 *seq)
{
	struct ke_view v = kd_log_view(&src->log);
	u64 number = le64_to_cpu(smp_load_acquire(&v.hdr->head_seq)), h;
	int err = kd_source_head(src, head);

	if (!err && !ke_view_now(&v, &h, &number)) {
		if (h < *head || h - *head > KE_POSITION_MAX - *head)
			return -EPROTO;
		*head = src->head = h;
	}
	*seq = number;
	return err;
}
