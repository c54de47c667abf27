// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Promises as who reads a log sees them kept: when a silence is seen, and where among the events
 * it is told.
 */
#include "promise.h"
#include "tap.h"

enum { N = 1000, EVENT = 64 };

/* A log's header, who looks at it, by a clock of its own, and who reads. */
struct watch {
	struct kecho_log_header *hdr;
	struct ke_promise p;
	u64 now, pos, rng;
	u32 silent, back;	/* told, ever */
};

static u32 random_below(struct watch *w, u32 n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (u32)(w->rng >> 32) % n;
}

static bool watch_begin(struct watch *w, u64 seed)
{
	*w = (struct watch){ .now = 5000000, .rng = 0x9e3779b97f4a7c15ULL * (seed + 1) };
	w->hdr = kvzalloc(sizeof(*w->hdr), GFP_KERNEL);
	if (!ok(w->hdr, "memory"))
		return false;
	ke_promise_begin(&w->p, w->hdr, N, w->now);
	return true;
}

static void watch_end(struct watch *w)
{
	ok(w->silent == w->back || w->silent == w->back + 1, "in turns: %u, %u", w->silent,
	   w->back);
	kvfree(w->hdr);
}

static void sign(struct watch *w)
{
	w->hdr->alive = cpu_to_le64(le64_to_cpu(w->hdr->alive) + 1);
}

static void submit(struct watch *w)
{
	w->hdr->head = cpu_to_le64(le64_to_cpu(w->hdr->head) + EVENT);
}

/* Until the reader is to be woken, @ms at most: how many of them; with a look whenever it is time
 * for one, and up to @late ms after that. */
static u32 pass(struct watch *w, u32 ms, u32 late)
{
	u64 end = w->now + ms, begun = w->now, due;
	bool news = false;

	while (w->now < end && !news) {
		due = max(w->p.look_ms, w->now) + random_below(w, late + 1);
		w->now = min(due, end);
		if (random_below(w, 2) && ke_promise_glance(&w->p, w->hdr, w->now))
			continue;
		news = ke_promise_look(&w->p, w->hdr, false, w->now);
	}
	return w->now - begun;
}

/* What there is to be told, and is, at w->pos. */
static enum ke_promise_news tell(struct watch *w)
{
	enum ke_promise_news news = ke_promise_news(&w->p, w->hdr, w->pos);

	ke_promise_told(&w->p, w->hdr, news);
	w->silent += news == KE_NEWS_SILENT;
	w->back += news == KE_NEWS_BACK;
	return news;
}

/* The reader is told what there is, and reads the next event: how many there were. */
static u32 read_one(struct watch *w)
{
	if (w->pos == le64_to_cpu(w->hdr->head))
		return 0;
	w->pos += EVENT;
	return 1;
}

TEST(what_fits)
{
	ok(ke_promise_fits(0), "none");
	ok(!ke_promise_fits(KE_PROMISE_MS_MIN - 1) && ke_promise_fits(KE_PROMISE_MS_MIN), "least");
	ok(ke_promise_fits(KE_PROMISE_MS_MAX) && !ke_promise_fits(KE_PROMISE_MS_MAX + 1), "most");
}

/* A sign in each N, by the word or an event, whenever in there. */
TEST(kept)
{
	struct watch w;
	u32 i, ms;

	must(watch_begin(&w, 1), "a log");
	for (i = 0; i < 2000; i++) {
		ms = i % 3 ? N - random_below(&w, 10) : 1 + random_below(&w, N);
		if (!ok(pass(&w, ms, 30) == ms, "round %u", i))
			break;
		if (random_below(&w, 2))
			sign(&w);
		else
			submit(&w);
	}
	ok(!w.p.broken, "it was kept");
	watch_end(&w);
}

/* Not before N, and before 2 N, less the quarter that a sign may take to another host. */
TEST(broken_in_time)
{
	u32 i, late, ms;
	struct watch w;

	for (i = 0; i < 500; i++) {
		late = i % 50;
		must(watch_begin(&w, i), "a log");
		pass(&w, random_below(&w, N), late);
		sign(&w);
		ms = pass(&w, 3 * N, late);
		ok(w.p.broken && ms > N && ms <= N * 3 / 2 + 6 * late + 1, "seen after %u ms", ms);
		watch_end(&w);
	}
}

TEST(once)
{
	struct watch w;
	u32 i;

	must(watch_begin(&w, 3), "a log");
	for (i = 1; i <= 5; i++) {
		is_eq(tell(&w), KE_NO_NEWS, "nothing yet");
		ok(pass(&w, 3 * N, 0) < 3 * N, "it is seen");
		is_eq(tell(&w), KE_NEWS_SILENT, "told");
		is_eq(tell(&w), KE_NO_NEWS, "once");
		is_eq(pass(&w, 10 * N, 0), 10 * N, "for as long as it lasts");
		is_eq(tell(&w), KE_NO_NEWS, "it is known");
		sign(&w);
		ok(pass(&w, N, 0) <= N / 4, "and its end, by the next look");
		is_eq(tell(&w), KE_NEWS_BACK, "told");
		is_eq(tell(&w), KE_NO_NEWS, "once");
		is_eq(w.silent, i, "as often as it was");
	}
	watch_end(&w);
}

/* Behind what came before, in front of what came after, wherever the reader is by then. */
TEST(in_order)
{
	struct watch w;
	u32 i;

	must(watch_begin(&w, 4), "a log");
	for (i = 0; i < 5; i++)
		submit(&w);
	ok(pass(&w, 3 * N, 0) < 3 * N, "silent");
	is_eq(ke_promise_until(&w.p), 5 * EVENT, "that far is read first");
	for (i = 0; i < 5; i++) {
		is_eq(tell(&w), KE_NO_NEWS, "not before event %u", i);
		is_eq(read_one(&w), 1, "event %u", i);
	}
	is_eq(tell(&w), KE_NEWS_SILENT, "behind them");
	is_eq(ke_promise_until(&w.p), KE_NO_LIMIT, "nothing is ahead");
	submit(&w);
	is_eq(tell(&w), KE_NEWS_BACK, "in front of the next, though nobody has looked");
	is_eq(tell(&w), KE_NO_NEWS, "that is all");
	is_eq(read_one(&w), 1, "the next");
	is_eq(pass(&w, N, 0), N, "looks see that it was a sign");
	is_eq(tell(&w), KE_NO_NEWS, "so it is kept");
	ok(pass(&w, N, 0) < N, "and broken again");
	is_eq(tell(&w), KE_NEWS_SILENT, "told");
	watch_end(&w);
}

/* Who reads nothing for a while is told of a silence that is over, where it was. */
TEST(late_reader)
{
	struct watch w;
	u32 i;

	must(watch_begin(&w, 5), "a log");
	submit(&w);
	ok(pass(&w, 3 * N, 0) < 3 * N, "silent");
	submit(&w);
	pass(&w, N / 4, 0);
	ok(!w.p.broken, "back");
	submit(&w);
	ok(pass(&w, 3 * N, 0) < 3 * N, "silent again");
	read_one(&w);
	is_eq(tell(&w), KE_NEWS_SILENT, "the first");
	is_eq(tell(&w), KE_NEWS_BACK, "and its end");
	for (i = 0; i < 2; i++) {
		is_eq(tell(&w), KE_NO_NEWS, "then event %u", i);
		is_eq(read_one(&w), 1, "event %u", i);
	}
	is_eq(tell(&w), KE_NEWS_SILENT, "then that of now");
	is_eq(tell(&w), KE_NO_NEWS, "which lasts");
	watch_end(&w);
}

/* Silences that were over before anybody was told of one: that is told, and its end. */
TEST(seldom_reader)
{
	struct watch w;
	u32 i;

	must(watch_begin(&w, 6), "a log");
	for (i = 0; i < 4; i++) {
		ok(pass(&w, 3 * N, 0) < 3 * N, "silent");
		sign(&w);
		pass(&w, N / 4, 0);
		ok(!w.p.broken, "back");
	}
	is_eq(tell(&w), KE_NEWS_SILENT, "one");
	is_eq(tell(&w), KE_NEWS_BACK, "and its end");
	is_eq(tell(&w), KE_NO_NEWS, "that is all");
	watch_end(&w);
}

/* Who was stopped has seen nothing: the source has all of its time again. */
TEST(nobody_looked)
{
	struct watch w;
	u32 i, ms;

	for (i = 0; i < 200; i++) {
		must(watch_begin(&w, i), "a log");
		ms = random_below(&w, N * 3 / 4);
		is_eq(pass(&w, ms, 0), ms, "kept");
		w.now += N / 2 + 1 + random_below(&w, 10 * N);
		ok(!ke_promise_look(&w.p, w.hdr, false, w.now), "nobody knows");
		is_eq(pass(&w, N, 0), N, "for all of the time");
		ok(pass(&w, N, 0) < N, "then one does");
		watch_end(&w);
	}
}

/* But a silence that was seen lasts, and its end is seen. */
TEST(silent_meanwhile)
{
	struct watch w;

	must(watch_begin(&w, 8), "a log");
	ok(pass(&w, 3 * N, 0) < 3 * N, "silent");
	is_eq(tell(&w), KE_NEWS_SILENT, "told");
	w.now += 5 * N;
	ok(!ke_promise_look(&w.p, w.hdr, false, w.now), "it lasts");
	is_eq(tell(&w), KE_NO_NEWS, "it is known");
	w.now += 5 * N;
	sign(&w);
	ok(ke_promise_look(&w.p, w.hdr, false, w.now), "until there is a sign");
	is_eq(tell(&w), KE_NEWS_BACK, "told");
	watch_end(&w);
}

TEST(deaf)
{
	struct watch w;
	u32 i;

	must(watch_begin(&w, 9), "a log");
	is_eq(pass(&w, N * 3 / 4, 0), N * 3 / 4, "kept");
	for (i = 0; i < 20; i++) {
		w.now += N / 4;
		ok(!ke_promise_look(&w.p, w.hdr, true, w.now), "what can't be heard");
	}
	is_eq(pass(&w, N, 0), N, "all of its time again");
	ok(pass(&w, N, 0) < N, "which it lets go by");
	is_eq(tell(&w), KE_NEWS_SILENT, "told");
	w.now += N / 4;
	ok(!ke_promise_look(&w.p, w.hdr, true, w.now), "a break is no sign");
	is_eq(tell(&w), KE_NO_NEWS, "it lasts");
	watch_end(&w);
}

/* It ends in its silence, and goes on: that is not told as its being back. */
TEST(ended)
{
	struct watch w;

	must(watch_begin(&w, 10), "a log");
	ok(pass(&w, 3 * N, 0) < 3 * N, "silent");
	is_eq(tell(&w), KE_NEWS_SILENT, "told");
	ke_promise_end(&w.p);
	submit(&w);
	is_eq(tell(&w), KE_NO_NEWS, "who goes on was not silent");
	w.silent = 0;
	is_eq(pass(&w, N, 0), N, "and has its time");
	ok(pass(&w, N, 0) < N, "again");
	watch_end(&w);
}

/* Whatever stands there: silence and its end take turns, and one look brings one at most. */
TEST(anything)
{
	struct watch w;
	u32 i, looks = 0;
	u64 *word;

	must(watch_begin(&w, 11), "a log");
	for (i = 0; i < 20000; i++) {
		word = (u64 *)(random_below(&w, 2) ? &w.hdr->head : &w.hdr->alive);
		if (!random_below(&w, 6))
			*word += (s64)random_below(&w, 7) - 3;
		if (!random_below(&w, 50))
			*word = (u64)random_below(&w, U32_MAX) << random_below(&w, 33);
		looks += pass(&w, random_below(&w, N), 20) > 0;
		if (random_below(&w, 2))
			w.pos = random_below(&w, 2) ? le64_to_cpu(w.hdr->head) : w.pos + 8;
		tell(&w);
	}
	ok(w.silent && w.silent <= looks, "%u silences", w.silent);
	watch_end(&w);
}

TESTS(promise, what_fits, kept, broken_in_time, once, in_order, late_reader, seldom_reader,
      nobody_looked, silent_meanwhile, deaf, ended, anything);
