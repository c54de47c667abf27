// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What other nodes do to a channel as a whole, and ask of it: whether it is drained, that it
 * has ended, its members' counters.
 */
#include "counters.h"
#include "kn.h"

static bool lags(struct kecho_sink *s, struct ke_in marks)
{
	struct ke_drain_mark m;
	struct kn_feed *f;
	bool is = false;

	spin_lock_bh(&s->lock);
	while (!is && !s->disconnected && !s->stalled && ke_drain_mark(&marks, &m))
		list_for_each_entry(f, &s->feeds, list)
			is |= f->member == m.member && !f->told && f->reader.pos < m.pos;
	spin_unlock_bh(&s->lock);
	return is;
}

u32 kn_lagging(struct ke_channel *ch, const struct ke_in *marks)
{
	struct kn_channel *c = ch->owner;
	struct kecho_sink *s;
	u32 n = 0;

	list_for_each_entry(s, &c->sinks, list)
		n += lags(s, *marks);
	n += kn_psinks_lagging(c, marks);
	if (n)	/* they are to read on, also what is not for them, and processes to say so */
		kn_bell_ring(c->bell);
	return n;
}

void kn_destroyed(struct ke_channel *ch)
{
	struct kn_channel *c = ch->owner;
	struct kecho_channel *of;
	struct kecho_source *s;

	kn_members_left(c);
	list_for_each_entry(s, &c->sources, list)
		if (!s->proc)
			kn_source_end(s);
	c->nholders = 0;
	list_for_each_entry(of, &c->users, users) {
		of->holds = false;
		if (of->process)
			kn_opening_ended(of->process);
	}
	kn_reg_leave(c);
	kn_bell_ring(c->bell);
	kn_changed(c->kn);
}

void kn_put_source_stats(struct ke_out *o, const struct ke_source *s,
			 const struct kecho_source_stats *st)
{
	ke_counters_put(o, &s->member, &(struct ke_counters){
		.events = st->submitted, .bytes = st->bytes, .lost = s->lost,
		.expired = st->expired,
	});
}

void kn_put_sink_stats(struct ke_out *o, const struct ke_member *m,
		       const struct kecho_sink_stats *st)
{
	ke_counters_put(o, m, &(struct ke_counters){
		.events = st->received, .bytes = st->bytes, .lost = st->lost,
		.expired = st->expired, .lag_bytes = st->lag_bytes,
	});
}

void kn_stats_put(struct ke_out *o, struct kn_channel *c)
{
	struct kecho_source_stats out;
	struct kecho_sink_stats in;
	struct kecho_source *src;
	struct kecho_sink *s;

	kn_process_stats(o, c);
	list_for_each_entry(src, &c->sources, list) {
		if (src->proc)
			continue;
		kecho_source_stats(src, &out);
		kn_put_source_stats(o, &src->s, &out);
	}
	list_for_each_entry(s, &c->sinks, list) {
		kecho_sink_stats(s, &in);
		kn_put_sink_stats(o, &s->m, &in);
	}
}

void kn_stats_out(struct ke_link *l, struct ke_channel *ch, u64 cookie)
{
	u8 *buf = kvmalloc(KECHO_FRAME_BODY_MAX, GFP_KERNEL);
	struct ke_out o = { .buf = buf, .size = KECHO_FRAME_BODY_MAX };

	if (!buf) {
		ke_link_break(l);
		return;
	}
	ke_put_u64(&o, cookie);
	kn_stats_put(&o, ch->owner);
	ke_link_send(l, KECHO_FRAME_STATS, ch->index, 0, buf, o.len);
	kvfree(buf);
}
