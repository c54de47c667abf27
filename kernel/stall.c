// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * `block` sinks that have held a source up for longer than its limit: core/stall.c says
 * which. Such a sink gives up all of its logs, so that nobody waits for it any more. It stays
 * a member until it is closed; read, it tells what it lost of each source, and that it has
 * ended.
 */
#include "kn.h"

/* What of its log was published, or will ever be. */
static u64 last_of(const struct kn_feed *f)
{
	if (f->ended && !f->failed)
		return f->last_seq;
	return le64_to_cpu(READ_ONCE(f->reader.view.hdr->seq));
}

/* The sink's lock is held. */
static void cut(struct kn_feed *f)
{
	struct kecho_source *src = f->source;

	if (!f->told) {
		f->last_seq = last_of(f);
		if (f->last_seq > f->reader.seq)
			f->reader.lost += f->last_seq - f->reader.seq;
		f->cut = f->ended = true;
	}
	if (!src)
		return;
	spin_lock_irq(&src->lock);
	ke_source_ungate(&src->s, &f->gate);
	spin_unlock_irq(&src->lock);
	f->source = NULL;
	wake_up_all(&f->log->room);
	kn_copy_moved(src);
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
	WRITE_ONCE(s->disconnected, !more);
	spin_unlock_bh(&s->lock);
	/* What is lost is counted, and said, before the streams go. */
	kn_count_loss(c->kn);
	ke_channel_count_lost(&c->ch);
	ke_channel_say_lost(&c->ch);
	c->ch.sinks--;
	c->ch.gated--;
	while ((rs = let_go(s)))
		kn_stream_released(rs);
	ke_channel_unsubscribe(&c->ch);
	kn_bell_ring(c->bell);
}

void kn_stall_own(struct ke_source *s, struct ke_gate *gate)
{
	if (!kn_pfeed_stalled_own(container_of(s, struct kecho_source, s), gate))
		kn_stall_end(container_of(gate, struct kn_feed, gate)->sink);
}
