// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How far the source of a process may write its log: no further than whoever is waited for has
 * read, a log's size on. Sinks that stand in the way for longer than the source allows are ended:
 * a source that waits rings now and then, so no clock of ours has to run.
 */
#include "dev.h"

static u64 gates_limit(struct kn_psource *ps, u64 head)
{
	struct ke_source *s = &ps->src.s;
	u64 limit = KE_NO_LIMIT, size = ps->copy.from.size;
	struct kn_pfeed *f;

	list_for_each_entry(f, &ps->src.pfeeds, source_list) {
		if (f->sink->m.policy != KECHO_BLOCK)
			continue;
		kn_pfeed_look(f, head);
		if (f->pos != U64_MAX)
			limit = min(limit, f->pos + size);
	}
	if (s->frozen && !s->in_pieces)
		limit = head;
	/* What others are to read is in the copy, or still in the log. */
	if (ps->readers && !list_empty(&s->gates))
		limit = min(limit, s->log.end + size);
	return limit;
}

/* Does its process wait for this limit? If it only asks to be told of a new one in time, it
 * wants the gates to be less than half a log on. */
static bool waits(const struct kn_psource *ps, u64 limit)
{
	u64 want = le64_to_cpu(READ_ONCE(ps->copy.from.hdr->want)), half = ps->copy.from.size / 2;

	return ps->src.s.stall_ms && !ps->src.s.frozen && limit != KE_NO_LIMIT &&
	       want != U64_MAX && limit >= half && want > limit - half;
}

/* Whether it stands where the limit comes from, and could go on from there. */
static bool is_slowest(const struct kn_psource *ps, const struct kn_pfeed *f, u64 limit)
{
	return f->sink->m.policy == KECHO_BLOCK && f->pos != U64_MAX &&
	       f->pos + ps->copy.from.size == limit && f->pos < ps->copy.head;
}

static void end_slowest(struct kn_psource *ps, u64 limit)
{
	struct kn_pfeed *f;

	list_for_each_entry(f, &ps->src.pfeeds, source_list) {
		if (!is_slowest(ps, f, limit))
			continue;
		ps->src.s.stalls++;
		kn_psink_fail(f->sink, -EPIPE);
	}
}

/* Some of what is in the way may not be for them: they are asked once where they stand. */
static void ask_slowest(struct kn_psource *ps, u64 limit)
{
	struct kn_pfeed *f;

	if (!(ps->src.s.judge || ps->src.s.names_sinks) || limit == KE_NO_LIMIT ||
	    !READ_ONCE(ps->copy.from.hdr->want))
		return;
	list_for_each_entry(f, &ps->src.pfeeds, source_list) {
		struct kecho_note_move_on note = { .sink = cpu_to_le32(f->sink->handle),
						   .feed = cpu_to_le32(f->id) };

		if (!is_slowest(ps, f, limit) || f->asked == limit)
			continue;
		f->asked = limit;
		kn_note(f->sink->o->s, KECHO_NOTE_MOVE_ON, &note, sizeof(note), NULL);
	}
}

static void look_at_stalls(struct kn_psource *ps, u64 limit)
{
	u64 now = kn_now_ms(), most = ke_record_max(ps->copy.from.size);
	bool stalled = false;

	if (!waits(ps, limit)) {
		ps->stall_since_ms = 0;
		return;
	}
	if (!ps->stall_since_ms || ps->stall_at != limit) {
		ps->stall_since_ms = now;
		ps->stall_at = limit;
	}
	/* It waits with a record of any size. */
	if (ps->readers) {
		spin_lock_irq(&ps->src.lock);
		stalled = ke_source_stalled(&ps->src.s, most);
		spin_unlock_irq(&ps->src.lock);
	}
	if (stalled)
		ke_source_end_stalled(&ps->src.s);
	if (now - ps->stall_since_ms < ps->src.s.stall_ms)
		return;
	ps->stall_since_ms = 0;
	end_slowest(ps, limit);
}

static void wake_source(struct kn_psource *ps, struct kecho_limit_slot *slot)
{
	WRITE_ONCE(slot->bell, slot->bell + 1);
	smp_mb();
	wake_up_all(&ps->o->s->room);
}

/* A gate has moved, or come, or gone. */
void kn_psource_room(struct kn_psource *ps)
{
	struct kecho_limit_slot *slot;
	u64 limit, head, was = ps->limit;

	if (ps->state != KN_JOINED || ps->why)
		return;
	slot = kn_limit(ps->o->s, ps->slot);
	if (ke_copy_head(&ps->copy, &head)) {
		kn_psource_lies(ps);
		return;
	}
	spin_lock_irq(&ps->src.lock);
	limit = gates_limit(ps, head);
	spin_unlock_irq(&ps->src.lock);
	ask_slowest(ps, limit);
	look_at_stalls(ps, limit);
	WRITE_ONCE(slot->stalls, cpu_to_le32(ps->src.s.stalls));
	if (limit == was)
		return;
	ps->limit = limit;
	smp_store_release(&slot->limit, cpu_to_le64(limit));
	smp_mb();
	if (limit > was && READ_ONCE(ps->copy.from.hdr->want))
		wake_source(ps, slot);
}
