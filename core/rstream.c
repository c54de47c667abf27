// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The receiving side of a stream: another node's log, mirrored here, or on one host
 * mapped. stream.c has the frames' bodies.
 */
#include "link.h"

static const struct ke_house *house(const struct ke_peer *p)
{
	return p->node->house;
}

struct ke_rstream *ke_peer_rstream(struct ke_peer *p, u32 log)
{
	struct ke_rstream *rs = p->last;

	if (rs && rs->remote->log == log)
		return rs;
	list_for_each_entry(rs, &p->rstreams, list)
		if (rs->remote->log == log) {
			p->last = rs;
			return rs;
		}
	return NULL;
}

void ke_rstream_add(struct ke_rstream *rs, struct ke_remote *m)
{
	rs->remote = m;
	rs->peer = m->presence->peer;
	m->stream = rs;
	list_add_tail(&rs->list, &rs->peer->rstreams);
}

static struct ke_rstream *make_rstream(struct ke_remote *m, u8 from)
{
	struct ke_rstream *rs = kzalloc(sizeof(*rs), GFP_KERNEL_ACCOUNT);

	if (!rs)
		return NULL;
	ke_rstream_add(rs, m);
	rs->local = rs->peer->link->local;
	rs->from = from;
	return rs;
}

int ke_remote_subscribe(struct ke_remote *m, u8 from)
{
	struct ke_peer *p = m->presence->peer;
	struct ke_rstream *rs = m->stream ?: make_rstream(m, from);
	u64 pos = 0, seq = 0;
	u8 buf[16];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	if (!rs)
		return -ENOMEM;
	if (from == KE_FROM_POS) {
		rs->resumes = rs->attached;
		rs->skip = 0;
		rs->passes = false;
		rs->starts_due = 0;	/* what was due came on the old link or never */
		pos = rs->local ? 0 : rs->mirror.head;
		seq = rs->local ? 0 : rs->mirror.seq;
	}
	rs->gated = m->presence->channel->gated > 0;
	if (!rs->gated)
		rs->credit = KE_NO_LIMIT;
	rs->starts_due++;
	ke_put_u8(&o, from);
	ke_put_u8(&o, rs->gated);
	ke_put_u32(&o, rs->local && rs->gated ? house(p)->gate_slot(rs) : 0);
	ke_put_u64(&o, seq);
	WARN_ON_ONCE(o.bad);
	ke_clock_ask(p->link);
	ke_link_send(p->link, KECHO_FRAME_SUBSCRIBE, m->log, pos, buf, o.len);
	return 0;
}

/* A sink that closes takes its count along: ours goes on. */
static void count_lost(struct ke_rstream *rs)
{
	u64 lost = house(rs->peer)->lost(rs);

	if (lost > rs->lost_seen)
		rs->lost += lost - rs->lost_seen;
	rs->lost_seen = lost;
}

void ke_channel_count_lost(struct ke_channel *ch)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	list_for_each_entry(pr, &ch->presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->stream)
				count_lost(m->stream);
}

static void say_ack(struct ke_rstream *rs)
{
	u8 buf[16];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	if (!rs->peer->link)
		return;
	count_lost(rs);
	/* What is to be passed over is said again after a break. */
	rs->acked = rs->passes ? rs->mirror.head : max(rs->mirror.head, rs->skip);
	rs->lost_said = rs->lost;
	/* The source's node may know already that the stream is gated again. */
	ke_put_u64(&o, rs->credit == KE_NO_LIMIT ? 0 : rs->credit);
	ke_put_u64(&o, rs->lost);
	ke_link_send(rs->peer->link, KECHO_FRAME_ACK, rs->remote->log, rs->acked, buf, o.len);
}

void ke_peer_say_lost(struct ke_peer *p)
{
	u32 losses = READ_ONCE(p->node->losses);
	struct ke_rstream *rs;
	bool all = true;

	list_for_each_entry(rs, &p->rstreams, list) {
		if (!rs->attached || rs->starts_due || rs->remote->stale) {
			all = false;
			continue;
		}
		count_lost(rs);
		if (rs->lost != rs->lost_said)
			say_ack(rs);
	}
	if (all)
		p->losses_said = losses;
}

void ke_channel_say_lost(struct ke_channel *ch)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &ch->presences, channel_list)
		ke_peer_say_lost(pr->peer);
}

/* Would pads up to there lie where something has yet to be read, in place perhaps? */
static bool skips_unread(const struct ke_rstream *rs, u64 pos)
{
	return rs->gated && rs->credit != KE_NO_LIMIT && rs->released < rs->mirror.head &&
	       pos > rs->released + rs->mirror.size;
}

/*
 * What is between here and @pos won't come. The source may send nothing behind it before
 * it has credit, so that can wait until there is room.
 */
static int skip_to(struct ke_rstream *rs, u64 pos)
{
	int err;

	rs->skip = 0;
	rs->passes = false;
	if (!skips_unread(rs, pos))
		return ke_log_skip(&rs->mirror, pos);
	if (pos < rs->mirror.head || pos > KE_POSITION_MAX ||
	    !IS_ALIGNED(pos, KECHO_RECORD_ALIGN))
		return -EPROTO;
	err = ke_log_skip(&rs->mirror, rs->mirror.head);	/* no rest of a record comes */
	if (!err)
		rs->skip = pos;
	return err;
}

/* Sinks are to tell when they have read so far, as those of a source that waits. */
static void want(struct ke_rstream *rs, u64 pos)
{
	WRITE_ONCE(rs->mirror.hdr->want, cpu_to_le64(pos));
	smp_mb();
}

static int pass_to(struct ke_rstream *rs, u64 pos)
{
	rs->skip = 0;
	rs->passes = false;
	want(rs, 0);
	return ke_log_pass(&rs->mirror, pos, rs->pass_before, rs->pass_seq, rs->pass_expired);
}

static void skip_now(struct ke_rstream *rs)
{
	if (!rs->skip || skips_unread(rs, rs->skip))
		return;
	if (!WARN_ON_ONCE(rs->passes ? pass_to(rs, rs->skip) : skip_to(rs, rs->skip)))
		house(rs->peer)->published(rs);
}

/* Gated or not: what START has fixed. */
static u64 credit_now(const struct ke_rstream *rs)
{
	if (rs->credit == KE_NO_LIMIT)
		return KE_NO_LIMIT;
	return max(rs->released + rs->mirror.size, rs->credit);
}

/*
 * What is here and what room there is are best said together: one alone only if the source may
 * need it before the other follows. A source that has used its credit up is told of a quarter, as
 * those whose sinks tell in steps of half a log hear of so much for sure.
 */
bool ke_rstream_ack_due(const struct ke_rstream *rs)
{
	u64 size = rs->mirror.size, head = rs->mirror.head;
	u64 here = max(head, rs->acked) - rs->acked, room = credit_now(rs) - rs->credit;
	u64 limit = rs->credit == KE_NO_LIMIT ? rs->acked + size : rs->credit;

	if (min(here, room) >= size / 4)
		return true;
	return max(here, room) >= size / 4 && limit <= head + size / 2;
}

void ke_rstream_came(struct ke_link *l, struct ke_rstream *rs)
{
	rs->ack_due = ke_rstream_ack_due(rs);
	l->acks_due |= rs->ack_due;
}

void ke_rstream_release(struct ke_rstream *rs, u64 pos)
{
	if (rs->local || !rs->attached)
		return;
	rs->released = max(rs->released, pos);
	skip_now(rs);
	if (ke_rstream_ack_due(rs)) {
		rs->credit = credit_now(rs);
		say_ack(rs);
	}
}

void ke_peer_ack(struct ke_peer *p)
{
	struct ke_rstream *rs;

	list_for_each_entry(rs, &p->rstreams, list) {
		if (rs->ack_due)
			ke_rstream_release(rs, rs->released);
		rs->ack_due = false;
	}
}

/* The first START: memory to read from. */
static int attach(struct ke_rstream *rs, u64 pos, u64 seq)
{
	u64 size = rs->local ? 0 : rs->remote->log_size;
	struct kecho_log_header *hdr = NULL;
	void *ring = NULL;
	int err;

	if (size > KE_MIRRORS_MAX - rs->peer->mirrored)
		return -ENOSPC;
	err = house(rs->peer)->attach(rs, &hdr, &ring);
	if (err)
		return err;
	if (!rs->local) {
		err = ke_log_init(&rs->mirror, hdr, ring, rs->remote->log_size, pos, seq);
		if (err) {
			house(rs->peer)->detach(rs);
			return err;
		}
		rs->view = ke_log_view(&rs->mirror);
		rs->acked = rs->released = pos;
	}
	rs->peer->mirrored += size;
	rs->attached = true;
	ke_clock_show(rs);
	return 0;
}

/*
 * Sinks that were there before the source are to see all of it. If it has gone before
 * START came they begin at the log's start all the same, and so see what they lost. Its
 * node may come back: those that block hold the mirror from here on, also if they came
 * after it was asked for.
 */
static void begin_late(struct ke_rstream *rs)
{
	struct ke_channel *ch = rs->remote->presence->channel;

	if (rs->attached || rs->from != KE_FROM_START || !ch->sinks)
		return;
	/* A shared log came over the link, if it did. */
	if ((rs->local && !rs->peer->link) || attach(rs, 0, 0))
		return;
	if (ch->gated && !rs->local)
		rs->credit = rs->mirror.size;
	house(rs->peer)->started(rs, 0, 0);
}

void ke_rstream_stop(struct ke_rstream *rs)
{
	if (rs->ended)
		return;
	begin_late(rs);
	rs->ended = true;
	house(rs->peer)->ended(rs);
}

void ke_rstream_drop(struct ke_rstream *rs)
{
	struct ke_peer *p = rs->peer;

	if (p->last == rs)
		p->last = NULL;
	if (p->link && p->link->data_to == rs)
		p->link->data_to = NULL;
	ke_rstream_stop(rs);
	if (rs->attached && !rs->local)
		p->mirrored -= rs->mirror.size;
	house(p)->detach(rs);
	rs->remote->stream = NULL;
	list_del(&rs->list);
	kfree(rs);
}

/* How far the mirror may be written to from START on. A gate that is new counts from
 * the last START that is due: until then data may come that knows nothing of it. */
static void gate_mirror(struct ke_rstream *rs, bool resumes)
{
	if (!rs->gated)
		rs->credit = KE_NO_LIMIT;
	else if (rs->credit == KE_NO_LIMIT && !rs->starts_due)
		rs->released = rs->mirror.head;
	else if (!resumes && rs->credit)
		return;
	if (rs->gated && (rs->credit != KE_NO_LIMIT || !rs->starts_due))
		rs->credit = rs->released + rs->mirror.size;
	say_ack(rs);
}

/* The answer to a SUBSCRIBE whose stream was given up before it came? */
static bool start_is_void(const struct ke_peer *p, u32 log)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	list_for_each_entry(pr, &p->presences, peer_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->starts_void && m->log == log) {
				m->starts_void--;
				return true;
			}
	return false;
}

/* Its readers have been told. Who subscribes again, as they go or others come, tries again. */
static int start_nowhere(struct ke_rstream *rs)
{
	rs->starts_due--;
	house(rs->peer)->changed(rs->peer->node->owner);
	return 0;
}

int ke_rstream_start(struct ke_link *l, u32 log, u64 pos, struct ke_in *in)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);
	bool resumes = rs && rs->attached && !rs->local && rs->resumes;
	u64 seq = ke_get_u64(in), taken = ke_get_u64(in);
	int err = 0;

	if (in->bad || pos > KE_POSITION_MAX || !IS_ALIGNED(pos, KECHO_RECORD_ALIGN))
		return -EPROTO;
	if (start_is_void(l->peer, log) || !rs || !rs->starts_due)
		return 0;
	if (!rs->attached) {
		err = attach(rs, pos, seq);
	} else if (!rs->local && pos != (rs->passes ? rs->skip : rs->mirror.end)) {
		/* It resumes: further on if what we want next was overwritten. */
		err = skip_to(rs, pos);
	}
	if (err)
		return err == -ECANCELED ? start_nowhere(rs) : err;
	rs->starts_due--;
	rs->ended = false;
	rs->taken = taken;
	if (!rs->local) {
		WRITE_ONCE(rs->mirror.hdr->cut, 0);
		pos = rs->mirror.head;
		seq = rs->mirror.seq;
		gate_mirror(rs, resumes);
		rs->resumes = false;
	} else if (rs->gated && !rs->starts_due) {
		rs->credit = 0;		/* what comes now knows of the gate */
	}
	l->node->house->started(rs, pos, seq);
	l->node->house->changed(l->node->owner);
	return 0;
}

int ke_rstream_end(struct ke_link *l, u32 log, struct ke_in *in)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);
	u64 last = ke_get_u64(in);
	bool failed = ke_get_u8_or(in, false);

	if (in->bad)
		return -EPROTO;
	if (!rs || rs->ended)
		return 0;
	if (failed)
		ke_remote_tell(rs->remote, KE_FAILED);
	rs->starts_due = 0;
	rs->last_seq = last;
	rs->ended = true;
	if (!rs->local && rs->attached)
		say_ack(rs);
	l->node->house->ended(rs);
	l->node->house->changed(l->node->owner);
	return 0;
}

int ke_rstream_skip(struct ke_link *l, u32 log, u64 pos)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);
	int err;

	if (!rs || !rs->attached || rs->resumes || rs->ended)
		return 0;
	if (rs->local || (rs->gated && rs->credit != KE_NO_LIMIT))
		return -EPROTO;
	err = skip_to(rs, pos);
	if (!err)
		l->node->house->published(rs);
	return err;
}

/* What is read of them is overwritten by it: it waits for that, and what is behind it for the
 * credit that follows. */
static void pass_later(struct ke_rstream *rs, u64 pos)
{
	rs->passes = true;
	rs->skip = pos;
	/* They tell in steps only, and may have read all. */
	want(rs, rs->mirror.head ?: 1);
	house(rs->peer)->stalled(rs, 0, false);
}

static bool may_pass(const struct ke_rstream *rs, u64 pos, u64 before, u64 seq, u64 expired)
{
	if (rs->local || !ke_log_may_pass(&rs->mirror, pos, before, seq, expired))
		return false;
	return !rs->skip || (rs->passes && before == rs->pass_seq && pos > rs->skip);
}

int ke_rstream_pass(struct ke_link *l, u32 log, u64 pos, struct ke_in *in)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);
	u64 seq = ke_get_u64(in), before = ke_get_u64(in), expired = ke_get_u64(in);
	int err;

	if (in->bad)
		return -EPROTO;
	if (!rs || !rs->attached || rs->resumes || rs->ended)
		return 0;
	if (!may_pass(rs, pos, before, seq, expired))
		return -EPROTO;
	if (!rs->skip) {
		rs->pass_before = before;
		rs->pass_expired = 0;
	}
	rs->pass_seq = seq;
	rs->pass_expired += expired;
	if (skips_unread(rs, pos)) {
		pass_later(rs, pos);
		return 0;
	}
	err = pass_to(rs, pos);
	if (err)
		return err;
	l->node->house->published(rs);
	ke_rstream_release(rs, rs->released);
	return 0;
}

/* The source wants to go on: where are they? In steps is not enough here. */
static void say_where(struct ke_rstream *rs)
{
	if (rs->local)
		return;
	if (ke_rstream_gate_stands(rs))
		rs->credit = max(rs->credit, rs->released + rs->mirror.size);
	say_ack(rs);
}

/* A new START settles what is not started; then it may ask again. */
static bool may_stall(const struct ke_rstream *rs)
{
	return rs && rs->attached && !rs->starts_due && !rs->ended;
}

int ke_rstream_stall(struct ke_link *l, u32 log, u64 pos, struct ke_in *in)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);
	u8 end = ke_get_u8(in);

	if (in->bad || end > 1)
		return -EPROTO;
	if (!may_stall(rs))
		return 0;
	l->node->house->stalled(rs, pos, end);
	/* Without sinks there is none any more. */
	rs = ke_peer_rstream(l->peer, log);
	if (may_stall(rs))
		say_where(rs);
	return 0;
}
