// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What core asks of its house, answered by the kernel's.
 */
#include <linux/random.h>
#include <linux/ktime.h>

#include "kn.h"

u64 kn_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

static u64 now_ms(void *house)
{
	return kn_now_ms();
}

static u64 realtime_ns(void *house)
{
	return ktime_get_real_ns();
}

static u64 monotonic_ns(void *house)
{
	return ktime_get_ns();
}

static u64 random_u64(void *house)
{
	return get_random_u64() ?: 1;
}

static struct kecho_source *source_of(struct ke_source *s)
{
	return container_of(s, struct kecho_source, s);
}

/* Control has interrupts on. */
static void source_lock(struct ke_source *s)
{
	spin_lock_irq(&source_of(s)->lock);
}

static void source_unlock(struct ke_source *s)
{
	spin_unlock_irq(&source_of(s)->lock);
}

static void dial(void *house, struct ke_peer *p)
{
	kn_dial(house, p);
}

static void kick(struct ke_link *l)
{
	kn_conn_kick(l->owner);
}

static void hangup(struct ke_link *l)
{
	kn_conn_close(l->owner);
}

static void tx_lock(struct ke_link *l)
{
	mutex_lock(&((struct kn_conn *)l->owner)->tx);
}

static void tx_unlock(struct ke_link *l)
{
	mutex_unlock(&((struct kn_conn *)l->owner)->tx);
}

/* There are no nodes that share memory with us: who says so lies. */
static u32 gate_slot(struct ke_rstream *rs)
{
	return 0;
}

static const u64 *gate(struct ke_link *l, u32 slot)
{
	return NULL;
}

static void share_log(struct ke_link *l, struct ke_source *s)
{
	ke_link_break(l);
}

static void share_channel(struct ke_link *l, struct ke_channel *ch)
{
	ke_link_break(l);
}

static void shared(struct ke_link *l, struct ke_channel *ch, struct ke_in *in)
{
	in->bad = true;
}

static bool judged(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
		   const struct ke_verdict *v)
{
	return kn_filter_judged(sink, remote ? remote->id : own->member.id, v);
}

static struct ke_native *compile(void *house, u64 whose, const struct ke_program *p)
{
	return kn_compile(house, whose, p);
}

static void announced(struct ke_remote *m, u32 index)
{
	kn_feeds_learn(m->presence->channel->owner, m->id);
}

static void live(struct ke_channel *ch, const struct ke_member *own, const struct ke_remote *remote)
{
	kn_filters_look(ch->owner);
	if (remote)
		kn_live_remote(remote);
	else if (own)
		kn_live_own(ch->owner, own, true);
	else
		kn_live_channel(ch->owner);
}

static void live_node(struct ke_node *n, const struct ke_peer *p)
{
	struct ke_channel *ch;

	list_for_each_entry(ch, &n->channels, list) {
		kn_filters_look(ch->owner);
		kn_live_node(ch->owner, p);
	}
}

static void repair(struct ke_channel *ch)
{
	if (!ch->ended)
		kn_reg_repair(ch->owner, 0);
}

static void room(struct ke_source *s)
{
	struct kecho_source *src = source_of(s);

	if (!src->proc) {
		wake_up_all(&src->log->room);
		return;
	}
	kn_copy_moved(src);
	kn_psource_frozen(src->proc);
}

static void changed(void *house)
{
	kn_changed(house);
}

const struct ke_house kn_house = {
	.now_ms = now_ms,
	.realtime_ns = realtime_ns,
	.monotonic_ns = monotonic_ns,
	.random = random_u64,
	.dial = dial,
	.kick = kick,
	.hangup = hangup,
	.tx_lock = tx_lock,
	.tx_unlock = tx_unlock,
	.source_lock = source_lock,
	.source_unlock = source_unlock,
	.open_log = kn_copy_open,
	.close_log = kn_copy_close,
	.attach = kn_stream_attach,
	.detach = kn_stream_detach,
	.gate_slot = gate_slot,
	.gate = gate,
	.share_log = share_log,
	.share_channel = share_channel,
	.shared = shared,
	.member = kn_member_remote,
	.live = live,
	.live_node = live_node,
	.announced = announced,
	.judged = judged,
	.judges = kn_judges,
	.wakes = kn_wakes,
	.compile = compile,
	.started = kn_stream_started,
	.published = kn_stream_published,
	.ended = kn_stream_ended,
	.lost = kn_stream_lost,
	.stalled_own = kn_stall_own,
	.stalled = kn_stream_stalled,
	.room = room,
	.lagging = kn_lagging,
	.destroyed = kn_destroyed,
	.changed = changed,
	.repair = repair,
	.stats = kn_stats_out,
	.stats_in = kn_stats_in,
	.pong = kn_pong,
};
