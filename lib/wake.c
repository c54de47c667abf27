// SPDX-License-Identifier: MIT
/*
 * Whom a source that decides wakes: see core/wake.c. Nodes of a host, and processes that are
 * attached to one, share doorbells, and sleep there each by a bit of its own.
 *
 * Of a source that is attached to a node that says what is wanted, of its host and by others, in
 * the source's limits, and changes it at any time, for who then begins to sleep. So here it is
 * noted what the events say, all together, and looked at who wants that when it was published.
 */
#include "client.h"
#include "submit.h"

/* Of those of our own host who want one of @bits. */
static u32 who(const struct kecho_limit_slot *slot, u64 bits)
{
	u32 whom = 0;

	for (; bits; bits &= bits - 1)
		whom |= le32_to_cpu(
			READ_ONCE(slot->who[__builtin_ctzll(bits) % KECHO_SLOT_WHO]));
	return whom;
}

u32 source_wakes(const struct kecho_source *s, bool there)
{
	const struct kecho_slot_wants *slot = there ? &s->slot->there : &s->slot->here;
	const struct ke_noted *n = &s->noted;
	struct ke_wants w = {
		.bits = le64_to_cpu(READ_ONCE(slot->bits)),
		.from = le32_to_cpu(READ_ONCE(slot->from)),
	};
	u32 whom = there ? U32_MAX : who(s->slot, n->bits & w.bits);

	/* Who narrows them says first that all are, and last that this is over. */
	smp_rmb();
	w.all = READ_ONCE(slot->all);
	if (!ke_wants_noted(&w, n))
		return 0;
	if (w.all || n->unjudged || n->oldest < w.from)
		return U32_MAX;
	return whom | KECHO_WAIT_FUTEX | KECHO_WAIT_POLL;
}

/* An event was appended; the source's lock is held. */
void source_note(struct kecho_source *s, const struct ke_event_info *info)
{
	if (!s->slot)
		ke_source_note(&s->s, info);
	else if (!info->named || info->nto)
		ke_note(&s->noted, info);
}

void source_decides(struct kecho_source *s)
{
	if (!s->s.decides && s->s.log.head != s->s.log.end)
		s->noted.any = s->noted.unjudged = true;
	s->s.decides = true;
}

/* Those who want something of what was published, or have slept for long. */
static void wake_some(struct kecho_source *s)
{
	struct ke_tstream *ts;
	u32 nodes = 0;

	if (s->s.wakes_own)
		nodes |= doorbell_bit(&s->ch->k->node.self.node);
	list_for_each_entry(ts, &s->s.streams, source_list) {
		if (!ts->wakes)
			continue;
		if (ts->local)
			nodes |= doorbell_bit(&ts->peer->contact.node);
		else if (ts->link)
			conn_kick(ts->link->owner);
	}
	if (nodes)
		doorbell_ring_some(s->ch, nodes);
	ke_source_woke(&s->s);
}

/* The source's lock is held, here and below. */
void source_wake_all(struct kecho_source *s)
{
	struct ke_tstream *ts;

	doorbell_ring(s->ch);
	list_for_each_entry(ts, &s->s.streams, source_list)
		if (ts->link)
			conn_kick(ts->link->owner);
	if (s->s.decides)
		ke_source_woke(&s->s);
}

void source_wake(struct kecho_source *s)
{
	if (ke_source_wakes_all(&s->s))
		source_wake_all(s);
	else
		wake_some(s);
}
