// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Streams of other nodes: the mirrors of their logs, and our sinks' feeds of those. All of it
 * is control, under kn.lock; what sinks have read comes here as their chore.
 */
#include "kn.h"

static struct kn_channel *channel_of(const struct ke_rstream *rs)
{
	return rs->remote->presence->channel->owner;
}

static void feeds_of(struct ke_rstream *rs, void (*fn)(struct kn_feed *f, void *arg), void *arg)
{
	struct kecho_sink *s;
	struct kn_feed *f;

	list_for_each_entry(s, &channel_of(rs)->sinks, list) {
		spin_lock_bh(&s->lock);
		list_for_each_entry(f, &s->feeds, list)
			if (f->rs == rs)
				fn(f, arg);
		spin_unlock_bh(&s->lock);
	}
}

/* ------------------------------------------------------------------- mirrors */

/* Deaf to one source no sink is what its owner believes: those that are to read it end. Others
 * of the link are none the worse. */
static int refuse(struct ke_rstream *rs, int err)
{
	struct kn_channel *c = channel_of(rs);
	struct kecho_sink *s;

	c->kn->mirrors_refused++;
	pr_warn_ratelimited("kecho: channel '%s': no place for a log of node %*pE, %llu bytes\n",
			    c->ch.name, (int)strlen(rs->peer->name), rs->peer->name,
			    rs->remote->log_size);
	list_for_each_entry(s, &c->sinks, list)
		kn_sink_refuse(s, err);
	kn_psinks_refuse(c, err);
	kn_bell_ring(c->bell);
	return -ECANCELED;
}

/* A process pays for it, if some are to read it; else nobody does. NULL: they can't, or there is
 * no memory. */
static struct kn_log *make_mirror(struct kn_channel *c, size_t ring)
{
	struct kn_log *log = kn_psinks_mirror(c, ring);

	if (log || list_empty(&c->sinks))
		return log;
	return kn_log_make_mirror(c->kn, ring);
}

/* Nobody shares memory with us: who says so lies. */
int kn_stream_attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	struct kn *kn = channel_of(rs)->kn;
	u64 size = rs->remote->log_size;
	struct kn_log *log;

	if (rs->local || !ke_log_size_fits(size))
		return -EPROTO;
	if (kn->mirrors_bytes + size > READ_ONCE(kn->mirrors_max_bytes))
		return refuse(rs, -ENOSPC);
	log = make_mirror(channel_of(rs), size);
	if (!log)
		return refuse(rs, -ENOMEM);
	rs->owner = log;
	*hdr = log->pages.map;
	*ring = kn_log_ring(log);
	return 0;
}

static void feed_gone(struct kn_feed *f, void *arg)
{
	f->ended = true;
	f->rs = NULL;
}

void kn_stream_detach(struct ke_rstream *rs)
{
	struct kecho_sink *s;

	feeds_of(rs, feed_gone, NULL);
	kn_pfeeds_detach(rs);
	/* Some may have told their end already, when the node failed. */
	list_for_each_entry(s, &channel_of(rs)->sinks, list)
		kn_feeds_drop_told(s);
	if (rs->owner)
		kn_log_put(rs->owner);
	rs->owner = NULL;
}

/* --------------------------------------------------------------------- feeds */

static bool has_feed(struct kecho_sink *s, const struct ke_rstream *rs)
{
	struct kn_feed *f;
	bool has = false;

	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		has |= f->rs == rs;
	spin_unlock_bh(&s->lock);
	return has;
}

static void feed_goes_on(struct kn_feed *f, void *arg)
{
	f->ended = f->told = false;
}

/* A `block` sink reads in place, which only a gate makes safe, or a source that is over. */
static bool may_begin(const struct kecho_sink *s, const struct ke_rstream *rs)
{
	return s->m.policy != KECHO_BLOCK || ke_rstream_gate_stands(rs) ||
	       rs->remote->state != KE_JOINED;
}

void kn_stream_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct kn_channel *c = channel_of(rs);
	struct kecho_sink *s;

	feeds_of(rs, feed_goes_on, NULL);
	list_for_each_entry(s, &c->sinks, list)
		/* Without memory the link is set up again, and starts again. */
		if (!s->stalled && !has_feed(s, rs) && may_begin(s, rs) &&
		    kn_feed_stream(s, rs, pos, seq))
			WRITE_ONCE(rs->peer->link->broken, true);
	kn_pfeeds_started(rs, pos, seq);
	kn_stream_released(rs);
	kn_bell_ring(c->bell);
}

void kn_stream_published(struct ke_rstream *rs)
{
	kn_bell_ring(channel_of(rs)->bell);
}

static void feed_ends(struct kn_feed *f, void *arg)
{
	const struct ke_rstream *rs = arg;

	f->ended = true;
	f->failed = rs->remote->state == KE_FAILED;
	f->last_seq = rs->last_seq;
}

void kn_stream_ended(struct ke_rstream *rs)
{
	feeds_of(rs, feed_ends, rs);
	kn_pfeeds_ended(rs);
	kn_bell_ring(channel_of(rs)->bell);
}

static void add_lost(struct kn_feed *f, void *sum)
{
	*(u64 *)sum += f->reader.lost;
}

u64 kn_stream_lost(struct ke_rstream *rs)
{
	u64 sum = 0;

	feeds_of(rs, add_lost, &sum);
	return sum + kn_pfeeds_lost(rs);
}

/* ------------------------------------------------------------- what was read */

static void take_slowest(struct kn_feed *f, void *min)
{
	if (f->sink->m.policy == KECHO_BLOCK)
		*(u64 *)min = min(*(u64 *)min, READ_ONCE(f->released));
}

/* What the slowest `block` sink has read goes back to the source's node. */
void kn_stream_released(struct ke_rstream *rs)
{
	u64 min = kn_pfeeds_slowest(rs);

	feeds_of(rs, take_slowest, &min);
	if (min != U64_MAX)
		ke_rstream_release(rs, min);
}

/* Does it hold, or leave unread, what was there for so long? */
static bool stalls(struct kecho_sink *s, const struct ke_rstream *rs, u64 pos)
{
	struct kn_feed *f;
	bool is = false;

	if (s->m.policy != KECHO_BLOCK || s->stalled)
		return false;
	spin_lock_bh(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		is |= f->rs == rs && f->released <= pos &&
		      f->released != ke_reader_head(&f->reader);
	spin_unlock_bh(&s->lock);
	return is;
}

void kn_stream_stalled(struct ke_rstream *rs, u64 pos, bool end)
{
	struct kn_channel *c = channel_of(rs);
	struct ke_remote *m = rs->remote;
	struct kecho_sink *s;

	list_for_each_entry(s, &c->sinks, list)
		if (end && m->stream && stalls(s, m->stream, pos))
			kn_stall_end(s);
	if (end && m->stream)
		kn_pfeeds_stalled(m->stream, pos);
	if (m->stream)
		kn_stream_released(m->stream);
}
