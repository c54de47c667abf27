// SPDX-License-Identifier: MIT
/*
 * Whom a source that decides wakes: see core/wake.c. Processes of a host share doorbells, so
 * whoever sleeps there is woken for what anybody of the host wants. Of a source that is attached
 * to a node that says what this is, and what is wanted by others, in the source's limits.
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

/* An event was appended; the source's lock is held. */
void source_note(struct kecho_source *s, const struct ke_event_info *info)
{
	if (!s->slot) {
		ke_source_note(&s->s, info);
	} else if (!info->named || info->nto) {
		s->s.wakes_own |= wants(&s->slot->here, info);
		s->wakes_node |= wants(&s->slot->there, info);
	}
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
