// SPDX-License-Identifier: MIT
/*
 * `block` sinks that have held a source up for longer than its limit are ended, and
 * nobody waits for them any more. Of sinks of other hosts core/stall.c decides: they hold
 * up our copy of the log, and the log somewhat sooner. Of those of this host we do, by the
 * same rule: the source waits, and for so long the slowest of them has not moved, though it
 * has something to read.
 *
 * A source that waits rings now and then, so no clock of ours has to run.
 */
#include "daemon.h"

static const char too_long[] = "it has held a source up for too long";

/* Does its process wait for this limit? If it only asks to be told of a new one in
 * time, it wants the gates to be less than half a log on. */
static bool waits(const struct kd_source *src, u64 limit)
{
	u64 want = le64_to_cpu(READ_ONCE(kd_log_view(&src->log).hdr->want));

	return src->s.stall_ms && !src->frozen && limit != KE_NO_LIMIT && want != U64_MAX &&
	       limit >= src->log.size / 2 && want > limit - src->log.size / 2;
}

static void end_slowest(struct kd_source *src, u64 limit)
{
	struct kd_feed *f;

	list_for_each_entry(f, &src->feeds, log_list) {
		if (f->sink->m.policy != KECHO_BLOCK || f->pos + src->log.size != limit ||
		    f->pos >= src->head)
			continue;
		src->s.stalls++;
		kd_sink_fail(f->sink, -EPIPE, too_long);
	}
}

/* Some of what is in the way may not be for them: they are asked once where they stand. */
static void ask_slowest(struct kd_source *src, u64 limit)
{
	struct kd_feed *f;

	if (!(src->s.judge || src->s.names_sinks) || limit == KE_NO_LIMIT ||
	    !READ_ONCE(kd_log_view(&src->log).hdr->want))
		return;
	list_for_each_entry(f, &src->feeds, log_list) {
		struct kecho_note_move_on note = { .sink = cpu_to_le32(f->sink->handle),
						   .feed = cpu_to_le32(f->id) };

		if (f->sink->m.policy != KECHO_BLOCK || f->pos + src->log.size != limit ||
		    f->pos >= src->head || f->asked == limit)
			continue;
		f->asked = limit;
		kd_note(f->sink->o->s, KECHO_NOTE_MOVE_ON, &note, sizeof(note), NULL, 0);
	}
}

void kd_source_stalls(struct kd_source *src, u64 limit)
{
	u64 now = lib_deadline(0), most = ke_record_max(src->log.size);

	ask_slowest(src, limit);
	if (!waits(src, limit)) {
		src->stall_since_ms = 0;
		return;
	}
	if (!src->stall_since_ms || src->stall_at != limit) {
		src->stall_since_ms = now;
		src->stall_at = limit;
	}
	/* It waits with a record of any size. */
	if (src->copied && ke_source_stalled(&src->s, kd_source_spare(src) + most))
		ke_source_end_stalled(&src->s);
	if (now - src->stall_since_ms < src->s.stall_ms)
		return;
	src->stall_since_ms = 0;
	end_slowest(src, limit);
}

/* A source of another host asks where our sinks are, or (@end) to end those that stand. */
void kd_mirror_stalled(struct ke_rstream *rs, u64 pos, bool end)
{
	struct kd_mirror *m = rs->owner;
	struct kd_feed *f;

	if (!m)
		return;
	list_for_each_entry(f, &m->feeds, log_list) {
		if (f->sink->m.policy != KECHO_BLOCK)
			continue;
		kd_feed_look(f, rs->mirror.head);
		if (end && f->pos <= pos && f->pos < rs->mirror.head)
			kd_sink_fail(f->sink, -EPIPE, too_long);
	}
	kd_mirror_released(m);
}
