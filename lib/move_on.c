// SPDX-License-Identifier: MIT
/*
 * A `block` sink that does not read just now, and has nothing in hand, holds nobody up by what is
 * not for it: when a source waits, the sink's place moves on over that, as far as it is next.
 */
#include "feed.h"

/* Its source waits: on over what is not for the sink, if that has nothing in hand. The sink's
 * lock is held. */
static bool move_on(struct feed *f)
{
	u64 pos = f->reader.pos, seq = f->reader.seq, filtered = f->reader.filtered;

	if (f->told || f->cut || f->sink->m.policy != KECHO_BLOCK || f->released != pos)
		return false;
	ke_reader_skim(&f->reader);
	if (f->may_go && !feed_is_kept(f->sink, f)) {
		f->reader.pos = f->reader.released = pos;
		f->reader.seq = seq;
		f->reader.filtered = filtered;
		return false;
	}
	__atomic_store_n(&f->released, f->reader.released, __ATOMIC_RELEASE);
	return f->released != pos;
}

/* Of one source, of our own or (@rs) of another node. The kecho lock is held. */
void feeds_move_on(struct kecho_channel *ch, struct kecho_source *src, struct ke_rstream *rs)
{
	struct kecho_sink *s;
	struct feed *f;

	list_for_each_entry(s, &ch->sinks, list) {
		lib_lock(&s->lock);
		list_for_each_entry(f, &s->feeds, list)
			if (f->source == src && f->rs == rs && !f->slot)
				move_on(f);
		lib_unlock(&s->lock);
	}
}

/* Of a node's feed, as that asks. */
void feed_move_on(struct kecho_sink *s, struct feed *f)
{
	lib_lock(&s->lock);
	if (f->slot && move_on(f)) {
		feed_store_released(s, f);
		client_ring(s->ch->k);
	}
	lib_unlock(&s->lock);
}
