// SPDX-License-Identifier: MIT
/*
 * How long events live: deadlines, by the clock of their source's host, which each other host
 * knows as well as core says.
 *
 * That nothing is sent which has expired, and what was not sent for that, verdict.c sees. Here a
 * sink drops what has expired when it reads it, as lib/deadline.c does. The clock that it goes by
 * is its source's to half of the time that the answer took: unless one of the two has stood still
 * since, or the source's was set, and the event is older than that.
 */
#include "sim.h"

enum {
	ROUNDING_NS = 2000,
	SET_UNSAID_NS = KE_CLOCK_SET_MS * 1000000,
};

/* Most of it is over soon, or while a link is down, or never. */
u64 slife_choose(struct ssource *s)
{
	static const u32 most_ms[] = { 5, 100, 2000, 3600000 };
	struct snode *n = s->chan->node;
	u32 most;

	if (!s->t->lives || sim_one_in(n->w, 4))
		return 0;
	most = most_ms[sim_random(n->w, ARRAY_SIZE(most_ms))];
	return snode_real_ns(n) + 1000000ULL * sim_random(n->w, most);
}

/* What time it is at the source, as the sink's host knows; 0: it doesn't. */
static u64 source_now(const struct sfeed *f)
{
	const struct snode *n = f->sink->chan->node;
	u64 clock_ns = le64_to_cpu(f->log->hdr->clock_ns);

	if (!clock_ns)
		return snode_real_ns(n);
	return clock_ns == KECHO_CLOCK_UNKNOWN ? 0 : snode_now_us(n) * 1000 + clock_ns;
}

/* When it was asked for the clock, of those answers that came the best. */
static u64 asked_us(const struct snode *n, const struct ke_clock *c)
{
	return n->w->now_us - (snode_now_us(n) - (c->at_ns - c->rtt_ns) / 1000);
}

/* By how much it may differ; U64_MAX: by anything. */
static u64 may_differ_ns(const struct sfeed *f, const struct snode *of, u64 seq)
{
	const struct snode *n = f->sink->chan->node;
	const struct ke_clock *c;
	u64 us;

	if (f->log->shared)
		return 0;
	if (!f->rs)		/* it is what it was when its source went */
		return U64_MAX;
	c = &f->rs->peer->clock;
	us = asked_us(n, c);
	if (us <= max(snode_runs_from_us(n), snode_runs_from_us(of)))
		return U64_MAX;
	if (us > of->set_us)
		return c->rtt_ns / 2 + ROUNDING_NS;
	if (f->t->event[seq].at_us <= of->set_us)
		return U64_MAX;
	return c->rtt_ns / 2 + SET_UNSAID_NS + ROUNDING_NS;
}

static void check_clock(const struct sfeed *f, u64 seq, u64 now)
{
	const struct snode *n = f->sink->chan->node, *of = &n->w->node[f->t->node];
	u64 is = snode_real_ns(of), off = now > is ? now - is : is - now;
	u64 most = may_differ_ns(f, of, seq);

	n->w->cover.path[PATH_CLOCK] += most && most != U64_MAX;
	if (off > most)
		sim_broken(n->w, "node %u: the clock of source %u is off by %llu ns at event %llu, "
			   "%llu at most", n->index, f->t->index, (unsigned long long)off,
			   (unsigned long long)seq, (unsigned long long)most);
}

bool slife_over(struct sfeed *f, const struct ke_item *item)
{
	struct cover *c = &f->sink->chan->node->w->cover;
	u64 now;

	if (!item->deadline_ns)
		return false;
	now = source_now(f);
	c->path[PATH_NO_CLOCK] += !now;
	if (!now)
		return false;
	check_clock(f, item->seq, now);
	if (now <= item->deadline_ns)
		return false;
	c->path[PATH_LATE]++;
	return true;
}

bool slife_same_count(const struct sfeed *f, const struct ke_tstream *ts)
{
	if (!f->whole || !f->rs || f->log->shared || f->r.lost || !ts || ts->goes_on)
		return true;
	/* What was said into a link that broke, and is said again, the source counts again. */
	if (f->t->starts[f->sink->chan->node->index] > 1)
		return f->r.expired <= ts->expired;
	f->sink->chan->node->w->cover.path[PATH_BOTH_COUNT] += ts->expired > 0;
	return f->r.expired == ts->expired;
}
