// SPDX-License-Identifier: MIT
/*
 * `block` sinks that have held a source up for longer than its limit: core/stall.c says
 * which. Such a sink gives up all of its logs, so that nobody waits for it any more. It
 * stays a member until it is closed; read, it tells what it lost of each source, and then
 * that it has ended.
 */
#include "feed.h"

/* What of its log was published, or will ever be. */
static u64 last_of(const struct feed *f)
{
	if (f->ended && !f->failed)
		return f->last_seq;
	return le64_to_cpu(READ_ONCE(f->reader.view.hdr->seq));
}

static void cut(struct kecho_sink *s, struct feed *f)
{
	u64 lost;

	if (f->told)
		return;
	f->last_seq = last_of(f);
	lost = f->last_seq > f->reader.seq ? f->last_seq - f->reader.seq : 0;
	f->reader.lost += lost;
	s->stats.lost += lost;
	f->cut = f->ended = true;
}

/* Its logs' sources need not wait for it. The feeds stay, to tell what they lack. */
static void let_go(struct kecho_sink *s)
{
	struct ke_rstream *rs;
	struct feed *f;

	list_for_each_entry(f, &s->feeds, list) {
		lib_lock(&s->lock);
		if (f->source) {
			lib_lock(&f->source->lock);
			ke_source_ungate(&f->source->s, &f->gate);
			lib_unlock(&f->source->lock);
		}
		rs = f->rs;
		f->source = NULL;
		f->rs = NULL;
		f->gone = true;
		lib_unlock(&s->lock);
		if (rs && rs->attached)
			feeds_released(s->ch->k, rs);
	}
	pthread_cond_broadcast(&s->ch->k->changed);
}

/* It reads nothing any more, and tells only what it lost. */
void stall_cut(struct kecho_sink *s)
{
	bool more = false;
	struct feed *f;

	lib_lock(&s->lock);
	WRITE_ONCE(s->stalled, true);
	WRITE_ONCE(s->taken, false);
	list_for_each_entry(f, &s->feeds, list) {
		cut(s, f);
		more |= !f->told;
	}
	smp_store_release(&s->disconnected, !more);
	lib_unlock(&s->lock);
}

/* The kecho lock is held. What is lost is counted, and said, before the streams go. */
void stall_end(struct kecho_sink *s)
{
	struct ke_channel *ch = &s->ch->ch;

	if (s->stalled)
		return;
	stall_cut(s);
	__atomic_fetch_add(&ch->node->losses, 1, __ATOMIC_RELAXED);
	ke_channel_count_lost(ch);
	ke_channel_say_lost(ch);
	ch->sinks--;
	ch->gated--;
	let_go(s);
	ke_channel_unsubscribe(ch);
	wait_wake(s->ch->k);
}

/* The thread that reads @s has found that its gate was taken away. No lock is held. */
bool stall_taken(struct kecho_sink *s)
{
	if (likely(!READ_ONCE(s->taken)))
		return false;
	pthread_mutex_lock(&s->ch->k->lock);
	if (s->ch->client)
		client_taken(s);
	else
		stall_end(s);
	pthread_mutex_unlock(&s->ch->k->lock);
	return true;
}

void stall_own(struct ke_source *src, struct ke_gate *gate)
{
	(void)src;
	stall_end(container_of(gate, struct feed, gate)->sink);
}

/* Does it hold, or leave unread, what was there for so long? */
static bool stalls(struct kecho_sink *s, const struct ke_rstream *rs, u64 pos)
{
	struct feed *f;
	bool is = false;

	if (s->m.policy != KECHO_BLOCK || s->stalled)
		return false;
	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		is |= f->rs == rs && f->released <= pos &&
		      f->released != ke_reader_head(&f->reader);
	lib_unlock(&s->lock);
	return is;
}

void stall_in(struct ke_rstream *rs, u64 pos, bool end)
{
	struct kecho_channel *ch = rs->remote->presence->channel->owner;
	struct ke_remote *m = rs->remote;
	struct kecho_sink *s;

	list_for_each_entry(s, &ch->sinks, list)
		if (end && m->stream && stalls(s, m->stream, pos))
			stall_end(s);
	if (m->stream) {
		feeds_move_on(ch, NULL, m->stream);
		feeds_released(ch->k, m->stream);
	}
}
