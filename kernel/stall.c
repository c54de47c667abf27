// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * `block` sinks that have held a source up for longer than its limit: core/stall.c says
 * which. Such a sink gives up all of its logs, so that nobody waits for it any more. It stays
 * a member until it is closed; read, it tells what it lost of each source, and that it has
 * ended. So does one for which there is no place for a log that it is to read. A sink whose
 * callback takes too long, see budget.c, gives them up, too, and is told nothing any more.
 */
#include "kn.h"
#include "trace.h"

/* What of its log was published, or will ever be. */
static u64 last_of(const struct kn_feed *f)
{
	if (f->ended && !f->failed)
		return f->last_seq;
	return le64_to_cpu(READ_ONCE(f->reader.view.hdr->seq));
}

static void count_lost(struct kn_feed *f)
{
	struct kecho_sink *s = f->sink;
	u64 seq = f->reader.seq;

	if (f->last_seq <= seq)
		return;
	f->reader.lost += f->last_seq - seq;
	if (!s->overran)
		return;
	s->stats.lost += f->last_seq - seq;
	trace_kecho_drop(s->ch->c->ch.name, s->m.id, f->member, seq + 1, f->last_seq);
}

/* The sink's lock is held. */
static void cut(struct kn_feed *f)
{
	struct kecho_source *src = f->source;

	if (!f->told) {
		f->last_seq = last_of(f);
		count_lost(f);
		f->cut = f->ended = true;
		f->told = f->sink->overran;
	}
	if (!src || f->sink->m.policy != KECHO_BLOCK)
		return;
	spin_lock_irq(&src->lock);
	ke_source_ungate(&src->s, &f->gate);
	spin_unlock_irq(&src->lock);
	wake_up_all(&f->log->room);
	kn_copy_moved(src);
}

/* Its feeds of our own sources let go of those, which they read no more; NULL: none is left. */
static struct kecho_source *let_go_own(struct kecho_sink *s)
{
	struct kecho_source *src = NULL;
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list) {
		src = f->source;
		f->source = NULL;
		if (src)
			break;
	}
	spin_unlock_bh(&s->lock);
	return src;
}

/* Its feeds of mirrors let go of those, which are read no more; NULL: there is none left. */
static struct ke_rstream *let_go(struct kecho_sink *s)
{
	struct ke_rstream *rs = NULL;
	struct kn_feed *f;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list) {
		rs = f->rs;
		f->rs = NULL;
		if (rs)
			break;
	}
	spin_unlock_bh(&s->lock);
	return rs;
}

void kn_stall_end(struct kecho_sink *s)
{
	struct kn_channel *c = s->ch->c;
	struct kecho_source *src;
	struct ke_rstream *rs;
	struct kn_feed *f;
	bool more = false;

	if (s->stalled)
		return;
	s->stalled = true;
	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list) {
		cut(f);
		more |= !f->told;
	}
	if (!more)
		WRITE_ONCE(s->disconnected, true);
	spin_unlock_bh(&s->lock);
	/* What is lost is counted, and said, before the streams go. */
	kn_count_loss(c->kn);
	ke_channel_count_lost(&c->ch);
	ke_channel_say_lost(&c->ch);
	c->ch.sinks--;
	c->ch.gated -= s->m.policy == KECHO_BLOCK;
	while ((src = let_go_own(s)))
		kn_copy_release(src);
	while ((rs = let_go(s)))
		kn_stream_released(rs);
	ke_channel_unsubscribe(&c->ch);
	kn_bell_ring(c->bell);
}

void kn_sink_refuse(struct kecho_sink *s, int err)
{
	if (s->stalled)
		return;
	WRITE_ONCE(s->refused, err);
	WRITE_ONCE(s->chores_due, true);
}

void kn_stall_own(struct ke_source *s, struct ke_gate *gate)
{
	if (!kn_pfeed_stalled_own(container_of(s, struct kecho_source, s), gate))
		kn_stall_end(container_of(gate, struct kn_feed, gate)->sink);
}
