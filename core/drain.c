// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Draining a channel: until every sink has read what its sources had published when it
 * began. A log's positions are the same in its mirrors, so they are what is compared.
 *
 *	DRAIN	pos: a number; marks, each: member u64, position u64; none: say yours
 *	DRAINED	pos: the same; u32 of its sender's sinks have not read to those marks;
 *		then the marks of its own sources
 *
 * First all nodes are asked for their marks; then, until none lags, how many sinks do:
 * at growing intervals, as no node is told when a sink reads. Each question has a number
 * of its own; one that was lost with its link is asked again. A node that has failed has
 * no sinks any more.
 */
#include "link.h"

enum { MARK_BYTES = 16 };

struct ke_drain {
	u64 number;
	bool marking;
	u32 wait_ms, lag;
	u64 next_ms;		/* the next question; 0: one is under way */
	struct ke_out marks;
};

static const struct ke_house *house(const struct ke_channel *ch)
{
	return ch->node->house;
}

bool ke_drain_mark(struct ke_in *marks, struct ke_drain_mark *m)
{
	if (marks->bad || marks->p == marks->end)
		return false;
	m->member = ke_get_u64(marks);
	m->pos = ke_get_u64(marks);
	return !marks->bad;
}

/* Where our sources are. */
static void put_marks(struct ke_channel *ch, struct ke_out *o)
{
	struct ke_member *m;
	u64 pos;

	list_for_each_entry(m, &ch->members, list) {
		if (!m->source)
			continue;
		pos = le64_to_cpu(READ_ONCE(m->source->log.hdr->head));
		ke_source_due(m->source, pos);
		ke_put_u64(o, m->id);
		ke_put_u64(o, pos);
	}
}

static void ask(struct ke_presence *pr)
{
	struct ke_drain *d = pr->channel->drain;

	if (!pr->here || !pr->peer->link || pr->drain_asked == d->number)
		return;
	pr->drain_asked = d->number;
	ke_link_send(pr->peer->link, KECHO_FRAME_DRAIN, pr->channel->index, d->number,
		     d->marking ? NULL : d->marks.buf, d->marking ? 0 : d->marks.len);
}

/* How many nodes have yet to answer; who has not been asked is. */
static u32 ask_all(struct ke_channel *ch)
{
	struct ke_presence *pr;
	u32 due = 0;

	list_for_each_entry(pr, &ch->presences, channel_list) {
		if (pr->drain_done == ch->drain->number || ke_presence_failed(pr))
			continue;
		ask(pr);
		due++;
	}
	return due;
}

static u32 all_lag(struct ke_channel *ch)
{
	struct ke_in marks = { .p = ch->drain->marks.buf,
			       .end = ch->drain->marks.buf + ch->drain->marks.len };
	struct ke_presence *pr;
	u32 lag = house(ch)->lagging(ch, &marks);

	list_for_each_entry(pr, &ch->presences, channel_list)
		if (pr->drain_done == ch->drain->number && !ke_presence_failed(pr))
			lag += pr->lag;
	return lag;
}

int ke_drain_begin(struct ke_channel *ch)
{
	struct ke_drain *d;

	if (ch->drain)
		return -EBUSY;
	d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	if (!d)
		return -ENOMEM;
	d->marks.size = KE_DRAIN_SOURCES_MAX * MARK_BYTES;
	d->marks.buf = kvmalloc(d->marks.size, GFP_KERNEL_ACCOUNT);
	if (!d->marks.buf) {
		kfree(d);
		return -ENOMEM;
	}
	d->number = house(ch)->random(ch->node->owner) | 1;
	d->marking = true;
	d->wait_ms = KE_DRAIN_MIN_MS;
	put_marks(ch, &d->marks);
	ch->drain = d;
	return d->marks.bad ? -ENOSPC : 0;
}

static u64 now_ms(const struct ke_channel *ch)
{
	return house(ch)->now_ms(ch->node->owner);
}

/* All have answered: what, and what is asked next? */
static bool round_over(struct ke_channel *ch)
{
	struct ke_drain *d = ch->drain;

	if (d->marking) {
		d->marking = false;
		d->next_ms = now_ms(ch);
		return false;
	}
	d->lag = all_lag(ch);
	d->next_ms = now_ms(ch) + d->wait_ms;
	d->wait_ms = min_t(u32, 2 * d->wait_ms, KE_DRAIN_MAX_MS);
	return !d->lag;
}

int ke_drain_step(struct ke_channel *ch, u32 *lag, u32 *silent)
{
	struct ke_drain *d = ch->drain;
	bool done = false;

	*silent = 0;
	if (d->marks.bad)
		return -ENOSPC;
	if (d->next_ms && now_ms(ch) >= d->next_ms) {
		d->number++;
		d->next_ms = 0;
	}
	if (!d->next_ms) {
		*silent = ask_all(ch);
		done = !*silent && round_over(ch);
	}
	*lag = d->lag;
	return done;
}

void ke_drain_end(struct ke_channel *ch)
{
	if (!ch->drain)
		return;
	kvfree(ch->drain->marks.buf);
	kfree(ch->drain);
	ch->drain = NULL;
}

/* -------------------------------------------------------------- by a peer */

int ke_drain_in(struct ke_presence *pr, u64 pos, struct ke_in *in)
{
	struct ke_channel *ch = pr->channel;
	struct ke_out o = { .size = 4 + KE_DRAIN_SOURCES_MAX * MARK_BYTES };
	bool marks = in->p == in->end;

	if ((in->end - in->p) % MARK_BYTES)
		return -EPROTO;
	o.buf = kvmalloc(o.size, GFP_KERNEL_ACCOUNT);
	if (!o.buf)
		return -ENOMEM;
	ke_put_u32(&o, marks ? 0 : house(ch)->lagging(ch, in));
	if (marks)
		put_marks(ch, &o);
	/* More than fit are more than it can take. */
	ke_link_send(pr->peer->link, KECHO_FRAME_DRAINED, ch->index, pos, o.buf, o.len);
	kvfree(o.buf);
	return 0;
}

int ke_drained_in(struct ke_presence *pr, u64 pos, struct ke_in *in)
{
	struct ke_drain *d = pr->channel->drain;
	u32 lag = ke_get_u32(in), len = in->end - in->p;

	if (in->bad || len % MARK_BYTES)
		return -EPROTO;
	/* Of a question that nobody asks any more, or twice. */
	if (!d || pos != d->number || pr->drain_asked != pos || pr->drain_done == pos)
		return 0;
	pr->drain_done = pos;
	pr->lag = lag;
	if (d->marking)
		ke_put(&d->marks, in->p, len);
	return 0;
}
