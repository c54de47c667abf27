// SPDX-License-Identifier: MIT
/*
 * How far a source may write its log, as its node says, and waiting for more.
 *
 * The limit can be lowered at any time, for a sink that is new, without the source's
 * help: the node stores it, and then takes the head that it sees for the sink's start.
 * So the limit is loaded for every record, and what is written is published, with a
 * fence, before it is much: nothing behind that head is overwritten then.
 *
 * Who waits sleeps on two futexes: the node's, which has changed when the limit has, and
 * the source's own, for what this process does to it: the node's is not ours to change,
 * and a wake-up alone is lost on who is about to sleep.
 */
#include "alive.h"
#include "client.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>

/* A sink that has read as far as this rings the node. 0: none needs to. */
static void set_want(struct kecho_source *s, u64 want)
{
	WRITE_ONCE(s->s.log.hdr->want, cpu_to_le64(want));
	atomic_thread_fence(memory_order_seq_cst);
}

/* Of a record of @size bytes, in the half of the log before it. */
static u64 want_for(const struct kecho_source *s, u64 size)
{
	u64 end = s->s.log.end + 2 * size, half = s->s.log.size / 2;

	return end > half ? end - half : 1;
}

/* More than half of what may be written now has been: ask for more before it is all. */
static void ask_early(struct kecho_source *s, u64 limit)
{
	u64 want = limit - s->s.log.size + s->s.log.size / 4;

	s->asked = limit;
	if (!s->waiting)
		set_want(s, want ?: 1);
	client_ring(s->ch->k);
}

/* The source's lock is held; a record is to end at @end. */
u64 client_limit(struct kecho_source *s, u64 end)
{
	struct ke_log *log = &s->s.log;
	u64 limit;

	if (log->end - log->head > log->size / 8) {
		ke_log_publish(log);
		atomic_thread_fence(memory_order_seq_cst);
	}
	limit = le64_to_cpu(READ_ONCE(s->slot->limit));
	if (unlikely(s->asked && s->asked != limit)) {
		s->asked = 0;
		if (!s->waiting)
			set_want(s, 0);
	}
	if (limit != KE_NO_LIMIT && end > limit - min(limit, log->size / 2) && !s->asked)
		ask_early(s, limit);
	s->s.limit = limit;
	return limit;
}

/*
 * For the node this is as if somebody waited, until there is another limit: its clock
 * runs for who is in the way, at each look. The source's lock is held.
 */
void client_refused(struct kecho_source *s, u64 size)
{
	u64 now = lib_deadline(0);

	s->asked = s->s.limit;
	if (!s->waiting)
		set_want(s, want_for(s, size));
	if (now - s->refused_ms < REFUSED_RING_MS)
		return;
	s->refused_ms = now;
	client_ring(s->ch->k);
}

/* @slot has the number @i. Without the source's lock its pages may be others any time. */
static void wait_for_bells(const struct kecho_source *s, const struct kecho_limit_slot *slot,
			   u32 i, u32 bell, u32 kick)
{
	struct futex_waitv v[] = {
		{ .val = bell, .uaddr = (uintptr_t)&slot->bell, .flags = FUTEX_32 },
		{ .val = kick, .uaddr = (uintptr_t)&s->kick,
		  .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
	};
	struct kecho_dev_room r = {
		.kick = (uintptr_t)&s->kick, .kicked = kick, .slot = i,
		.bell = bell, .timeout_ms = source_look_ms(s),
	};

	if (s->ch->k->client->device)
		ioctl(s->ch->k->client->sock, KECHO_DEV_ROOM, &r);
	else
		client_wait_futexes(v, ARRAY_SIZE(v), source_look_ms(s));
}

/* Who waits is to look again: the source is thawed, closed or has another node, which was
 * done under its lock. */
void client_room_wake(struct kecho_source *s)
{
	__atomic_fetch_add(&s->kick, 1, __ATOMIC_SEQ_CST);
	if (s->ch->k->client->device)
		ioctl(s->ch->k->client->sock, KECHO_DEV_KICK);
	else
		syscall(SYS_futex, &s->kick, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Until a record of @size bytes may be written, or none ever; what is there was told.
 * The source's lock is held, and let go meanwhile. */
void client_wait_for_room(struct kecho_source *s, u64 size)
{
	s->waiting++;
	for (;;) {
		const struct kecho_limit_slot *slot = s->slot;
		u32 bell = smp_load_acquire(&slot->bell), kick = READ_ONCE(s->kick);
		u64 end = s->s.log.end + 2 * size;
		u32 i = slot - s->pages->limits;

		source_sign(s);
		set_want(s, want_for(s, size));
		if (s->s.closed || (!source_held(s) &&
				    ke_log_room(&s->s.log, size, client_limit(s, end))))
			break;
		lib_unlock(&s->lock);
		client_ring(s->ch->k);
		wait_for_bells(s, slot, i, bell, kick);
		lib_lock(&s->lock);
	}
	if (!--s->waiting) {
		s->asked = 0;
		set_want(s, 0);
	}
}
