// SPDX-License-Identifier: MIT
/*
 * Seats: where sources judge by the filter of a sink, so that nothing comes which is not for
 * it.
 *
 * A new filter is said to the nodes of all sources of the channel. Each source answers since
 * when it judges by it, and which bit of its records says yes; the feed's reader goes by that.
 * What a source has not judged, or not yet, the sink judges as it reads, by the filter that it
 * has then: so each event is judged once, by one filter. A filter that only the sink can judge
 * by takes no seat; that nobody else has one for it is then nothing to go by.
 */
#include "feed.h"
#include "filter_impl.h"
#include "kecho/type.h"

/* The reader of one source's log goes by it. The sink's lock is held. */
void seat_go_by(struct feed *f, const struct ke_verdict *v)
{
	u8 bit = v->bit;

	if (bit == KE_BIT_ALL && READ_ONCE(f->sink->filter))
		bit = KE_BIT_SELF;
	ke_reader_judged(&f->reader, bit, v->from, v->since);
}

/* What was said before there was this feed, which nobody else knows yet. The kecho lock is
 * held. */
void seat_take(struct feed *f)
{
	struct ke_member *sink = &f->sink->m;
	struct ke_verdict v;

	if (sink->filter_version && ke_member_verdict(sink, f->member, &v))
		seat_go_by(f, &v);
}

bool seat_judged(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
		 const struct ke_verdict *v)
{
	u64 member = remote ? remote->id : own->member.id;
	struct kecho_sink *s = sink->owner;
	struct feed *f;

	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		if (f->member == member)
			seat_go_by(f, v);
	lib_unlock(&s->lock);
	pthread_cond_broadcast(&s->ch->k->changed);
	wait_wake(s->ch->k);	/* see core/wake.c */
	return true;
}

/* What can't be said, of one that is over a limit, is judged here. */
void embedded_seat(struct kecho_sink *s, const struct kecho_filter *f,
		   const struct kecho_type *type)
{
	struct kecho *k = s->ch->k;
	char why[KE_TYPE_WHY_MAX];
	const void *blob = NULL;
	size_t len = 0;
	int err = -EINVAL;

	if (type)
		blob = kecho_type_wire(type, &len);
	pthread_mutex_lock(&k->lock);
	if (f)
		err = ke_member_filter(&s->m, f->wire, f->len, blob, len, why);
	if (err)
		ke_member_filter(&s->m, NULL, 0, NULL, 0, why);
	pthread_mutex_unlock(&k->lock);
}

/* The kecho lock is held. */
static int wait_for_seats(struct kecho_sink *s)
{
	u64 deadline = lib_deadline(SEAT_MS);
	struct kecho_channel *ch = s->ch;

	while (!ke_member_filtered(&s->m)) {
		if (ch->ch.ended)
			return lib_fail(-ESHUTDOWN, "sink of '%s': the channel was destroyed",
					ch->ch.name);
		if (s->stalled || READ_ONCE(s->disconnected))
			return lib_fail(-EPIPE, "sink of '%s': it has ended", ch->ch.name);
		if (!lib_wait(ch->k, deadline))
			break;
	}
	return 0;
}

int embedded_seated(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	int err;

	if (pthread_equal(pthread_self(), k->helper))	/* it is who would hear of it */
		return 0;
	pthread_mutex_lock(&k->lock);
	err = wait_for_seats(s);
	pthread_mutex_unlock(&k->lock);
	return err;
}
