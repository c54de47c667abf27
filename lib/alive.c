// SPDX-License-Identifier: MIT
/*
 * Sources that have promised signs of life: giving them, and seeing whether they come.
 *
 * The helper looks, for all sinks of the process: at each feed whose source has promised some,
 * as often as that asks for, and not at all if there is none. It wakes nobody unless a source has
 * fallen silent, or is back. What a sink is told, and where among the events, its reader finds.
 */
#include "alive.h"
#include "feed.h"

int kecho_source_alive(struct kecho_source *s)
{
	if (lib_forked(s->ch->k))
		return lib_fail(-EBADF, "source of '%s': a child of fork has no part in it",
				s->ch->ch.name);
	if (!s->s.member.alive_ms)
		return lib_fail(-EINVAL, "source of '%s': it has promised no signs of life",
				s->ch->ch.name);
	source_sign(s);
	return 0;
}

/* ------------------------------------------------------------------ looking */

void alive_watch(struct feed *f, u32 promise_ms)
{
	struct kecho *k = f->sink->ch->k;
	u64 one = 1;

	ke_promise_begin(&f->promise, f->reader.view.hdr, promise_ms, lib_deadline(0));
	INIT_LIST_HEAD(&f->promised);
	if (!promise_ms)
		return;
	list_add_tail(&f->promised, &k->promised);
	if (k->look_ms && k->look_ms <= f->promise.look_ms)
		return;
	k->look_ms = f->promise.look_ms;
	if (write(k->wake, &one, sizeof(one)) < 0)
		return;		/* full: the helper is awake */
}

/* What its source does can't be seen, or does not matter any more. */
static bool is_deaf(const struct feed *f)
{
	return f->ended || f->told || (f->orphan && !f->mine) ||
	       READ_ONCE(f->reader.view.hdr->cut);
}

/* Is its sink to be woken? */
static bool look_at(struct feed *f, u64 now)
{
	const struct kecho_log_header *hdr = f->reader.view.hdr;
	bool news;

	if (likely(ke_promise_glance(&f->promise, hdr, now)))
		return false;
	lib_lock(&f->sink->lock);
	news = ke_promise_look(&f->promise, hdr, is_deaf(f), now);
	lib_unlock(&f->sink->lock);
	return news;
}

static void look_around(struct kecho *k, u64 now)
{
	u64 due = U64_MAX;
	bool news = false;
	struct feed *f;

	list_for_each_entry(f, &k->promised, promised) {
		news |= look_at(f, now);
		due = min(due, f->promise.look_ms);
	}
	k->look_ms = due == U64_MAX ? 0 : due;
	if (news)
		wait_wake(k);
}

int alive_run(struct kecho *k, int timeout_ms)
{
	u64 now;
	int left;

	if (likely(!k->look_ms))
		return timeout_ms;
	now = lib_deadline(0);	/* the node's clock: one wake-up for both */
	if (now >= k->look_ms)
		look_around(k, now);
	if (!k->look_ms)
		return timeout_ms;
	left = k->look_ms - now;
	return timeout_ms < 0 ? left : min(left, timeout_ms);
}

/* ------------------------------------------------------------------ telling */

bool alive_news(const struct feed *f)
{
	return ke_promise_news(&f->promise, f->reader.view.hdr, f->reader.pos) != KE_NO_NEWS;
}

unsigned int alive_tell(struct feed *f, struct kecho_event *ev)
{
	const struct kecho_log_header *hdr = f->reader.view.hdr;
	enum ke_promise_news news = ke_promise_news(&f->promise, hdr, f->reader.pos);

	f->reader.until = ke_promise_until(&f->promise);
	if (news == KE_NO_NEWS)
		return 0;
	ke_promise_told(&f->promise, hdr, news);
	*ev = (struct kecho_event){
		.kind = news == KE_NEWS_SILENT ? KECHO_SILENT : KECHO_BACK,
		.source = f->member, .last_seq = f->reader.seq,
	};
	return 1;
}
