// SPDX-License-Identifier: MIT
/*
 * How old attributes really are, and what may be known of that.
 *
 * An age travels and is counted on by the clock of who hears it, so it comes out too young by the
 * way that it took and by the time that a clock stood, and never too old, but for what is lost
 * where whole milliseconds are counted. A way takes no longer than a link is silent before it is
 * given up; unless who is to read stands still.
 */
#include "sim.h"

enum {
	COARSE_MS = 2,		/* a clock reads whole ones, twice */
	WAY_MS = KE_LINK_SILENT_MS + KE_HEARTBEAT_MS + 1000,
};

void sages_set(struct sages *a, const struct snode *n, s16 value)
{
	struct sim *w = n->w;
	struct sage *s;
	u32 i;

	if (!(a->n & (a->n - 1)))
		a->set = sim_grow(a->set, (2 * a->n + 1) * sizeof(a->set[0]));
	s = &a->set[a->n++];
	s->value = value;
	s->at_us = w->now_us;
	s->stood_us = sim_alloc(w->opt.nodes * sizeof(s->stood_us[0]));
	for (i = 0; i < w->opt.nodes; i++)
		s->stood_us[i] = snode_stood_us(&w->node[i]);
}

void sages_free(struct sages *a)
{
	u32 i;

	for (i = 0; i < a->n; i++)
		sim_free(a->set[i].stood_us);
	sim_free(a->set);
	a->set = NULL;
	a->n = 0;
}

/* May @age_ms be what @n knows, if it was set by @of then? */
static bool may_be(const struct sage *s, const struct snode *n, const struct snode *of, s32 age_ms)
{
	s64 is_ms = (n->w->now_us - s->at_us) / 1000, stood_us;

	stood_us = snode_stood_us(n) - s->stood_us[n->index] + snode_stood_us(of) -
		   s->stood_us[of->index];
	return age_ms <= is_ms + COARSE_MS && age_ms + stood_us / 1000 + WAY_MS >= is_ms;
}

void sages_check(const struct sages *a, const struct snode *n, const struct snode *of, s16 value,
		 s32 age_ms)
{
	u32 i;

	if (age_ms < 0)
		return;
	for (i = 0; i < a->n; i++)
		if (a->set[i].value == value && may_be(&a->set[i], n, of, age_ms))
			return;
	sim_broken(n->w, "node %u: an attribute of node %u is %d, since %d ms, but it was not so",
		   n->index, of->index, value, age_ms);
}
