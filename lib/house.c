// SPDX-License-Identifier: MIT
/*
 * What core asks of its house, answered by the embedded one.
 */
#include "feed.h"
#include "probe.h"

#include <sys/random.h>

static struct kecho_channel *channel_of(const struct ke_rstream *rs)
{
	return rs->remote->presence->channel->owner;
}

static u64 now_ms(void *house)
{
	(void)house;
	return lib_clock_ns(CLOCK_MONOTONIC_COARSE) / 1000000;
}

static u64 realtime_ns(void *house)
{
	(void)house;
	return lib_clock_ns(CLOCK_REALTIME);
}

static u64 monotonic_ns(void *house)
{
	(void)house;
	return lib_clock_ns(CLOCK_MONOTONIC);
}

static u64 random_u64(void *house)
{
	u64 v;

	(void)house;
	while (getrandom(&v, sizeof(v), 0) != sizeof(v) || !v)
		;
	return v;
}

static void dial_peer(void *house, struct ke_peer *p)
{
	dial(house, p);
}

static void kick(struct ke_link *l)
{
	conn_kick(l->owner);
}

static void hangup(struct ke_link *l)
{
	conn_close(l->owner);
}

static void tx_lock(struct ke_link *l)
{
	lib_lock(&((struct conn *)l->owner)->tx);
}

static void tx_unlock(struct ke_link *l)
{
	struct conn *c = l->owner;

	lib_unlock(&c->tx);
	if (unlikely(atomic_load(&c->kicked)))
		conn_kick(c);
}

static void source_lock(struct ke_source *s)
{
	lib_lock(&((struct kecho_source *)s->member.owner)->lock);
}

static void source_unlock(struct ke_source *s)
{
	lib_unlock(&((struct kecho_source *)s->member.owner)->lock);
}

/* --------------------------------------------------------------------- logs */

static struct shared_log *private_log(size_t ring)
{
	struct shared_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->fd = -1;
	log->size = KECHO_LOG_HEADER_SIZE + ring;
	log->map = mmap(NULL, log->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	atomic_init(&log->refs, 1);
	if (log->map != MAP_FAILED)
		return log;
	free(log);
	return NULL;
}

static int attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	struct shared_log *mem;

	if (rs->local)
		mem = share_take(rs->peer->link->owner, rs->remote->log);
	else
		mem = private_log(rs->remote->log_size);
	if (!mem)
		return rs->local ? -EPROTO : -ENOMEM;
	rs->owner = mem;
	*hdr = mem->map;
	*ring = (char *)mem->map + KECHO_LOG_HEADER_SIZE;
	rs->view = (struct ke_view){ .hdr = *hdr, .ring = *ring, .size = rs->remote->log_size };
	return 0;
}

static void feed_gone(struct feed *f, void *arg)
{
	const struct ke_remote *m = arg;
	const struct ke_attrs *node = &m->presence->peer->attrs;

	/* Without memory for them they are just not there any more. */
	if (ke_attrs_copy(&f->attrs, &m->attrs) || ke_attrs_copy(&f->node_attrs, node))
		ke_attrs_free(&f->attrs);
	feed_types_keep(f, m->types);
	f->gone = f->ended = true;
	f->rs = NULL;
}

static void detach(struct ke_rstream *rs)
{
	struct kecho *k = lib_of(rs->peer->node);
	struct kecho_sink *s;

	feeds_of(rs, feed_gone, rs->remote);
	/* Some may have told their end already, when the node failed. */
	list_for_each_entry(s, &channel_of(rs)->sinks, list)
		feeds_drop_told(s);
	shared_log_put(rs->owner);
	rs->owner = NULL;
	if (rs->slot) {
		k->gate_used[rs->slot] = false;
		rs->slot = 0;
	}
}

/* Slot 0 is no gate: it never moves. */
static u32 gate_slot(struct ke_rstream *rs)
{
	struct kecho *k = lib_of(rs->peer->node);
	u32 i;

	for (i = 1; i < GATES_MAX && !rs->slot; i++) {
		if (k->gate_used[i])
			continue;
		k->gate_used[i] = true;
		k->gates[i * GATE_STRIDE / sizeof(u64)] = 0;
		rs->slot = i;
	}
	return rs->slot;
}

static const u64 *gate(struct ke_link *l, u32 slot)
{
	struct conn *c = l->owner;

	if (!c->gates || slot >= GATES_MAX)
		return NULL;
	return c->gates + slot * GATE_STRIDE / sizeof(u64);
}

static void share_channel(struct ke_link *l, struct ke_channel *ch)
{
	share_doorbell(l->owner, ch->owner);
}

static bool has_feed(struct kecho_sink *s, const struct ke_rstream *rs)
{
	struct feed *f;
	bool has = false;

	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		has |= f->rs == rs;
	lib_unlock(&s->lock);
	return has;
}

static void feed_goes_on(struct feed *f, void *arg)
{
	(void)arg;
	f->ended = f->told = false;
}

/* A `block` sink reads in place, which only a gate makes safe, or a source that is over. */
static bool may_begin(const struct kecho_sink *s, const struct ke_rstream *rs)
{
	return s->m.policy != KECHO_BLOCK || ke_rstream_gate_stands(rs) ||
	       rs->remote->state != KE_JOINED;
}

static void started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct kecho_channel *ch = channel_of(rs);
	struct kecho_sink *s;

	feeds_of(rs, feed_goes_on, NULL);
	list_for_each_entry(s, &ch->sinks, list)
		/* Without memory the link is set up again, and starts again. */
		if (!s->stalled && !has_feed(s, rs) && may_begin(s, rs) &&
		    feed_stream(s, rs, pos, seq))
			WRITE_ONCE(rs->peer->link->broken, true);
	feeds_released(ch->k, rs);
	wait_wake(ch->k);
}

static void published(struct ke_rstream *rs)
{
	wait_wake(channel_of(rs)->k);
}

static void feed_ends(struct feed *f, void *arg)
{
	const struct ke_rstream *rs = arg;

	f->ended = true;
	f->failed = rs->remote->state == KE_FAILED;
	f->last_seq = rs->last_seq;
}

static void ended(struct ke_rstream *rs)
{
	feeds_of(rs, feed_ends, rs);
	wait_wake(channel_of(rs)->k);
}

static void add_lost(struct feed *f, void *sum)
{
	*(u64 *)sum += f->reader.lost;
}

static u64 lost(struct ke_rstream *rs)
{
	u64 sum = 0;

	feeds_of(rs, add_lost, &sum);
	return sum;
}

/* ------------------------------------------------------------------ members */

void member_describe(const struct ke_remote *m, struct kecho_member *out)
{
	const struct ke_peer *p = m->presence->peer;
	u64 node;

	memcpy(&node, p->contact.node.b, sizeof(node));
	*out = (struct kecho_member){
		.id = m->id, .node = node, .role = (enum kecho_role)m->role,
		.policy = (enum kecho_policy)m->policy,
		.state = (enum kecho_member_state)m->state, .remote = !p->local,
		.traffic_class = (enum kecho_class)m->traffic_class,
	};
}

static void member(struct ke_remote *m)
{
	struct kecho_channel *ch = m->presence->channel->owner;
	struct kecho_member out;

	pthread_cond_broadcast(&ch->k->changed);
	member_describe(m, &out);
	if (m->state != KE_JOINED)
		PROBE(member_gone, ch->ch.name, m->id, m->state);
	watch_tell(ch, &out);
}

static void changed(void *house)
{
	struct kecho *k = house;
	u64 one = 1;

	pthread_cond_broadcast(&k->changed);
	/* The helper may sleep for longer, or for ever; a full counter wakes it as well. */
	if (ke_node_sooner(&k->node) && write(k->wake, &one, sizeof(one)) < 0)
		return;
}

static void room(struct ke_source *s)
{
	struct kecho_source *src = s->member.owner;

	pthread_cond_broadcast(&src->ch->k->changed);
}

static void repair(struct ke_channel *ch)
{
	struct kecho *k = lib_of(ch->node);

	if (k->reg && !ch->ended)
		ke_reg_repair(k->reg, ch->name);
}

static void pong(struct ke_link *l, u64 sent)
{
	struct kecho *k = lib_of(l->node);

	if (k->ping_peer != l->peer || k->ping_sent != sent)
		return;
	k->ping_rtt_ns = lib_clock_ns(CLOCK_MONOTONIC) - sent;
	k->ping_peer = NULL;
	pthread_cond_broadcast(&k->changed);
}

u64 lib_deadline(unsigned int timeout_ms)
{
	return now_ms(NULL) + timeout_ms;
}

bool lib_wait(struct kecho *k, u64 deadline_ms)
{
	struct timespec t = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 };

	return pthread_cond_timedwait(&k->changed, &k->lock, &t) != ETIMEDOUT;
}

const struct ke_house lib_house = {
	.now_ms = now_ms,
	.realtime_ns = realtime_ns,
	.monotonic_ns = monotonic_ns,
	.random = random_u64,
	.dial = dial_peer,
	.kick = kick,
	.hangup = hangup,
	.tx_lock = tx_lock,
	.tx_unlock = tx_unlock,
	.source_lock = source_lock,
	.source_unlock = source_unlock,
	.attach = attach,
	.detach = detach,
	.gate_slot = gate_slot,
	.gate = gate,
	.share_log = share_log,
	.share_channel = share_channel,
	.shared = share_in,
	.member = member,
	.started = started,
	.published = published,
	.judged = seat_judged,
	.ended = ended,
	.lost = lost,
	.stalled_own = stall_own,
	.stalled = stall_in,
	.room = room,
	.lagging = life_lagging,
	.destroyed = life_destroyed,
	.changed = changed,
	.repair = repair,
	.stats = stats_out,
	.stats_in = stats_in,
	.pong = pong,
};
