// SPDX-License-Identifier: MIT
/*
 * Signs of life: sources that promise some give them, but that now and then one hangs; and who
 * reads their logs looks for them, as lib/alive.c does. Of what readers find it is seen that
 *
 *  - a source falls silent for them a promise after its last sign, but for what it may take to
 *    tell one; on one host, and where nothing goes wrong, never sooner;
 *  - where nothing goes wrong that is no later than two of them, and it is back a half after it
 *    has given a sign again;
 *  - no event comes between a silence and its end.
 */
#include "sim.h"

enum {
	PROMISE_LEAST_MS = 100,
	PROMISE_MORE_MS = 300,
	PROMISE_LONG_MS = 3000,
	HANG_ONE_IN = 60,
	SLACK_US = 250000,	/* the way, at most, and steps of a clock */
};

/* ------------------------------------------------------------------ giving them */

void salive_promise(struct ssource *s)
{
	struct sim *w = s->chan->node->w;
	u32 ms = PROMISE_LEAST_MS + sim_random(w, PROMISE_MORE_MS);

	if (sim_one_in(w, 2) || w->opt.steady)
		return;
	s->s.member.alive_ms = sim_one_in(w, 4) ? PROMISE_LONG_MS : ms;
}

/* In time also if the next one is a little late. */
static void sign_later(struct ssource *s)
{
	u32 most_us = s->s.member.alive_ms * 1000 / 2;

	sim_set(s->chan->node, &s->sign, most_us / 2 + sim_random(s->chan->node->w, most_us / 2));
}

void salive_gave(struct ssource *s)
{
	u64 sign = ke_log_sign(s->log->hdr), now = s->chan->node->w->now_us;
	struct truth *t = s->t;

	if (s->signed_at == sign)
		return;
	if (now - t->sign_us > t->alive_ms * 500ULL) {
		t->gap_us = t->sign_us;
		t->gap_end_us = now;
	}
	t->sign_us = now;
	s->signed_at = sign;
}

bool salive_hangs(const struct ssource *s)
{
	const struct sim *w = s->chan->node->w;

	return s->hangs_us > w->now_us && w->phase < PHASE_QUIET && !s->closing;
}

static void hang(struct ssource *s)
{
	struct sim *w = s->chan->node->w;
	u32 ms = s->s.member.alive_ms * (1 + sim_random(w, 3)) + sim_random(w, 1000);

	s->hangs_us = w->now_us + ms * 1000;
	w->cover.path[PATH_HANGS]++;
	sim_trace(s->chan->node, TRACE_HANG, s->t->index, ms, 0);
}

static void sign_fire(struct timer *t)
{
	struct ssource *s = container_of(t, struct ssource, sign);
	struct kecho_log_header *hdr = s->log->hdr;

	if (!salive_hangs(s)) {
		hdr->alive = cpu_to_le64(le64_to_cpu(hdr->alive) + 1);
		salive_gave(s);
		if (sim_one_in(s->chan->node->w, HANG_ONE_IN))
			hang(s);
	}
	sign_later(s);
}

void salive_begin(struct ssource *s)
{
	s->sign = (struct timer){ .node = s->chan->node, .fn = sign_fire };
	s->t->alive_ms = s->s.member.alive_ms;
	s->t->sign_us = s->chan->node->w->now_us;
	if (s->t->alive_ms)
		sign_later(s);
}

/* ------------------------------------------------------------------ seeing them */

static u64 now_ms(const struct sfeed *f)
{
	return snode_now_us(f->sink->chan->node) / 1000;
}

/* Bytes from its source's node vanish, and nobody has found out yet. */
static bool in_a_hole(const struct sfeed *f)
{
	const struct ke_link *l = f->rs ? f->rs->peer->link : NULL;
	const struct conn *c = l ? l->owner : NULL;

	return c && (c->hole || !c->other);
}

/* So long nothing has gone wrong that could keep a sign from it. */
static u64 well_since_us(const struct sfeed *f)
{
	const struct snode *n = f->sink->chan->node, *of = &n->w->node[f->t->node];

	if (in_a_hole(f))
		return U64_MAX;
	return max(max(f->heard_us, n->w->well_us), max(n->thaw_us, of->thaw_us));
}

static void wrong(const struct sfeed *f, const char *what, u64 us)
{
	const struct snode *n = f->sink->chan->node;

	sim_broken(n->w, "node %u, sink %llx: source %u, which promises a sign each %u ms, %s "
		   "%llu us after one", n->index, (unsigned long long)f->sink->m.id,
		   f->t->index, f->t->alive_ms, what, (unsigned long long)us);
}

/* It was seen to have broken its promise just now. Elsewhere the newest signs are yet to come. */
static void check_broken(const struct sfeed *f)
{
	u64 promise_us = f->t->alive_ms * 1000ULL, now = f->sink->chan->node->w->now_us;
	u64 since = now - f->t->sign_us, least = promise_us, way = promise_us / 4 + SLACK_US;

	if (!f->log->shared) {
		least -= min(least, way);
		if (f->t->gap_end_us + way > now)
			since = now - f->t->gap_us;
	}
	if (since < least && (f->log->shared || well_since_us(f) < now - 2 * promise_us))
		wrong(f, "is silent", since);
}

/* Is it known what must be, by now? What has been on its way, or without credit, is a sign when
 * it comes. */
static void check_kept(struct sfeed *f, bool deaf)
{
	u64 promise_us = f->t->alive_ms * 1000ULL, now = f->sink->chan->node->w->now_us;
	u64 from, head = le64_to_cpu(f->log->hdr->head);

	if (f->head_seen != head)
		f->head_us = now;
	f->head_seen = head;
	from = max3(f->t->sign_us, f->head_us, well_since_us(f));
	if (deaf || f->promise.broken)
		return;
	if (now > from && now - from > 2 * promise_us + SLACK_US)
		wrong(f, "is not silent", now - f->t->sign_us);
}

static void look_later(struct sfeed *f)
{
	struct snode *n = f->sink->chan->node;
	u64 at_us = f->promise.look_ms * 1000, now_us = snode_now_us(n);

	sim_set(n, &f->look, at_us > now_us ? at_us - now_us : 1000);
}

static void look_fire(struct timer *t)
{
	struct sfeed *f = container_of(t, struct sfeed, look);
	const struct kecho_log_header *hdr = f->log->hdr;
	bool deaf = f->ended || f->told || READ_ONCE(hdr->cut), was = f->promise.broken;

	if (!ke_promise_glance(&f->promise, hdr, now_ms(f)) &&
	    ke_promise_look(&f->promise, hdr, deaf, now_ms(f)))
		ssink_wake(f->sink->chan);
	if (f->promise.broken && !was)
		check_broken(f);
	check_kept(f, deaf);
	look_later(f);
}

void salive_watch(struct sfeed *f)
{
	u32 ms = f->src ? f->src->s.member.alive_ms : f->rs->remote->alive_ms;

	f->heard_us = f->sink->chan->node->w->now_us;
	f->look = (struct timer){ .node = f->sink->chan->node, .fn = look_fire };
	ke_promise_begin(&f->promise, f->log->hdr, ms, now_ms(f));
	if (ms)
		look_later(f);
}

/* ------------------------------------------------------------------ telling */

bool salive_tell(struct sfeed *f)
{
	struct cover *c = &f->sink->chan->node->w->cover;
	enum ke_promise_news news;

	if (!f->promise.ms)
		return false;
	news = ke_promise_news(&f->promise, f->log->hdr, f->r.pos);
	f->r.until = ke_promise_until(&f->promise);
	if (news == KE_NO_NEWS)
		return false;
	ke_promise_told(&f->promise, f->log->hdr, news);
	if (f->silent == (news == KE_NEWS_SILENT))
		wrong(f, "is told twice to be so", 0);
	f->silent = news == KE_NEWS_SILENT;
	c->path[f->silent ? PATH_SILENT : PATH_BACK]++;
	sim_trace(f->sink->chan->node, TRACE_SILENT, f->t->index, f->silent, f->seq);
	return true;
}

void salive_item(const struct sfeed *f)
{
	if (f->silent && !f->ended)	/* an end says all, and what was lost before it */
		wrong(f, "is silent, but something comes,",
		      f->sink->chan->node->w->now_us - f->t->sign_us);
}

void salive_end(struct sfeed *f)
{
	ke_promise_end(&f->promise);
	f->silent = false;
}

bool salive_settled(const struct sfeed *f)
{
	return !f->silent;
}
