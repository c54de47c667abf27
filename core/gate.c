// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Gates: who reads a source's log, and must not be overrun. Each says where it has read up to; the
 * log ends no further than its size behind the slowest. A gate is looked at only when the log is to
 * go beyond the limit that was computed last.
 *
 * What it says is another's, who may say anything: it counts if the gate moves on by it, and not
 * beyond the head. One that stands keeps all from there on, also where the tail has run ahead
 * of it by a part of the ring.
 */
#include "source.h"

u64 ke_gate_pos(const struct ke_source *s, struct ke_gate *g)
{
	u64 pos = smp_load_acquire(g->pos);

	if (pos > g->seen && pos <= s->log.head)
		g->seen = pos;
	return g->seen;
}

static u64 gates_limit(struct ke_source *s)
{
	u64 limit = KE_NO_LIMIT;
	struct ke_gate *g;

	list_for_each_entry(g, &s->gates, list)
		limit = min(limit, ke_gate_pos(s, g) + s->log.size);
	return limit;
}

void ke_source_gate(struct ke_source *s, struct ke_gate *g, const u64 *pos)
{
	g->pos = pos;
	g->seen = max(READ_ONCE(*pos), s->log.tail);
	if (g->seen > s->log.head)
		g->seen = s->log.head;
	g->step = KE_STALL_NONE;
	list_add_tail(&g->list, &s->gates);
	s->limit = gates_limit(s);
}

void ke_source_ungate(struct ke_source *s, struct ke_gate *g)
{
	list_del(&g->list);
	s->limit = gates_limit(s);
}

u64 ke_source_limit(struct ke_source *s, u64 want)
{
	if (want > s->limit)
		s->limit = gates_limit(s);
	return s->limit;
}
