// SPDX-License-Identifier: MIT
/*
 * Whom a source that decides wakes: see core/wake.c. Processes of a host share doorbells, so
 * whoever sleeps there is woken for what anybody of the host wants.
 *
 * Of a source that is attached to a node that says what is wanted, of its host and by others, in
 * the source's limits, and changes it at any time, for who then begins to sleep. So here it is
 * noted what the events say, all together, and looked at who wants that when it was published.
 */
#include "client.h"
#include "submit.h"

static bool wants(const struct kecho_slot_wants *there, const struct ke_event_info *info)
{
	struct ke_wants w = {
		.bits = le64_to_cpu(READ_ONCE(there->bits)),
		.from = le32_to_cpu(READ_ONCE(there->from)),
	};

	/* Who narrows them says first that all are, and last that this is over. */
	smp_rmb();
	w.all = READ_ONCE(there->all);
	return ke_wants(&w, info);
}

bool source_wakes(const struct kecho_source *s, const struct kecho_slot_wants *there)
{
	struct ke_event_info info = {
		.judged = !s->noted.unjudged, .bits = s->noted.bits,
		.generation = s->noted.oldest,
	};

	return s->noted.any && wants(there, &info);
}

static void note(struct noted *n, const struct ke_event_info *info)
{
	n->unjudged |= !info->judged;
	n->bits |= info->bits;
	n->oldest = n->any ? min(n->oldest, info->generation) : info->generation;
	n->any = true;
}

/* An event was appended; the source's lock is held. */
void source_note(struct kecho_source *s, const struct ke_event_info *info)
{
	if (!s->slot)
		ke_source_note(&s->s, info);
	else if (!info->named || info->nto)
		note(&s->noted, info);
}

void source_decides(struct kecho_source *s)
{
	if (!s->s.decides && s->s.log.head != s->s.log.end)
		s->noted.any = s->noted.unjudged = true;
	s->s.decides = true;
}

/* Does somebody of this host want something of what was published? */
static bool is_wanted_here(const struct kecho_source *s)
{
	const struct ke_tstream *ts;

	if (s->s.wakes_own)
		return true;
	list_for_each_entry(ts, &s->s.streams, source_list)
		if (ts->local && ts->wakes)
			return true;
	return false;
}

/* Those who want something of what was published; the source's lock is held. */
void source_wake(struct kecho_source *s)
{
	bool all = ke_source_wakes_all(&s->s);
	struct ke_tstream *ts;

	if (all || is_wanted_here(s))
		doorbell_ring(s->ch);
	list_for_each_entry(ts, &s->s.streams, source_list)
		if (ts->link && (all || ts->wakes))
			conn_kick(ts->link->owner);
	if (s->s.decides)
		ke_source_woke(&s->s);
}
