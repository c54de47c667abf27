/* SPDX-License-Identifier: MIT */
/*
 * A process with a source that has promised signs of life, which does what the test says, and a
 * sink that is told whether it keeps that. One file includes it.
 */
#ifndef CLUSTER_BEATING_H
#define CLUSTER_BEATING_H

#include "cluster.h"

enum {
	BEAT_MS = 20,		/* between two signs, of who gives any */
	PAYLOAD = 1000,
};

/* All of it, on a busy machine. Times mean little under a sanitizer, and in a guest. */
#ifdef SANITIZED
#define LATE_MS	5000u
#else
#define LATE_MS	(emulated() ? 2000u : 400u)
#endif

/* Memory that the test shares with it. */
struct beating {
	const struct kecho_options *opt;	/* of its node; NULL: as any */
	const char *channel;
	unsigned int alive_ms;
	/* What it is to do. */
	bool begins;
	bool beats;		/* give signs */
	u32 submits;		/* so many events, in all, with a pause of @pause_ms before each */
	u32 pause_ms;
	bool closes;
	/* What it has done. */
	u64 id, sign_ns;	/* its member; its last sign */
	u32 submitted;
	int err;
	pid_t pid;
};

static inline u64 sign_of(const struct beating *b)
{
	return __atomic_load_n(&b->sign_ns, __ATOMIC_ACQUIRE);
}

static inline void signed_now(struct beating *b)
{
	__atomic_store_n(&b->sign_ns, now_ns(), __ATOMIC_RELEASE);
}

static inline int beat_on(struct beating *b, struct kecho_source *s)
{
	static const char payload[PAYLOAD];
	u64 beaten = 0;

	while (!READ_ONCE(b->closes) && !b->err) {
		if (READ_ONCE(b->beats) && now_ns() - beaten >= BEAT_MS * 1000000ull) {
			beaten = now_ns();
			b->err = kecho_source_alive(s);
			signed_now(b);
		}
		if (b->submitted < READ_ONCE(b->submits)) {
			sleep_us(READ_ONCE(b->pause_ms) * 1000);
			b->err = b->err ?: kecho_submit(s, payload, sizeof(payload), 0);
			signed_now(b);
			WRITE_ONCE(b->submitted, b->submitted + 1);
		}
		sleep_us(STEP_US);
	}
	return b->err;
}

/* For spawn(). */
static inline int beating_main(void *arg)
{
	struct kecho_source_options opt = { .log_size = KECHO_LOG_SIZE_MIN, .linger_ms = -1 };
	struct beating *b = arg;
	struct kecho_channel *ch;
	struct kecho_source *s;
	struct kecho *k;

	while (!smp_load_acquire(&b->begins))
		sleep_us(STEP_US);
	opt.alive_ms = b->alive_ms;
	if (kecho_open(&k, b->opt) || kecho_channel_open(k, b->channel, NULL, &ch) ||
	    kecho_source_open(ch, &opt, &s)) {
		WRITE_ONCE(b->err, -1);
		return 1;
	}
	signed_now(b);
	__atomic_store_n(&b->id, kecho_source_id(s), __ATOMIC_RELEASE);
	beat_on(b, s);
	kecho_close(k);
	return b->err ? 1 : 0;
}

/* Before this process has threads; it does nothing yet. */
static inline struct beating *beating_make(const char *channel, const struct kecho_options *opt,
					   unsigned int alive_ms)
{
	struct beating *b = shared(sizeof(*b));

	if (!ok(b, "memory"))
		return NULL;
	b->opt = opt;
	b->channel = channel;
	b->alive_ms = alive_ms;
	b->beats = true;
	b->pid = spawn(beating_main, b);
	return b;
}

/* It becomes a source. */
static inline bool beating_begin(struct beating *b)
{
	smp_store_release(&b->begins, true);
	if (ok(comes_true(__atomic_load_n(&b->id, __ATOMIC_ACQUIRE) || READ_ONCE(b->err)) &&
	       !b->err, "a process with a source: %d", b->err))
		return true;
	put_down(b->pid);
	return false;
}

/* What it was stays to be compared with. */
static inline void beating_end(struct beating *b)
{
	WRITE_ONCE(b->closes, true);
	kill(b->pid, SIGCONT);
	is_eq(ends(b->pid), 0, "it ends: %d", b->err);
}

/* ----------------------------------------------------------------- what a sink is told */

/* The next of another kind than events comes, and is this one, of @b. */
static inline bool told(struct kecho_sink *s, const struct beating *b, enum kecho_event_kind kind,
			const char *what)
{
	struct kecho_event ev = { 0 };
	int err;

	do
		err = kecho_read(s, &ev, SOON_MS);
	while (!err && ev.kind == KECHO_EVENT);
	return is_eq(err, 0, "%s: %s", what, kecho_explain()) &&
	       is_eq(ev.kind, kind, "%s", what) && ok(ev.source == b->id, "%s: of it", what);
}

/* It does what breaks its promise from now on, or did: that is told in time. */
static inline bool told_silent(struct kecho_sink *s, const struct beating *b)
{
	unsigned int ms;

	if (!told(s, b, KECHO_SILENT, "it falls silent"))
		return false;
	ms = (now_ns() - sign_of(b)) / 1000000;
	return ok(ms >= b->alive_ms && ms <= 2 * b->alive_ms + LATE_MS, "told after %u ms", ms);
}

/* Nothing is told for @ms but events: how many these were. */
static inline u32 untold(struct kecho_sink *s, unsigned int ms)
{
	u64 until = now_ns() + ms * 1000000ull;
	struct kecho_event ev;
	u32 n = 0;
	int err;

	while (now_ns() < until) {
		err = kecho_read(s, &ev, 1 + (int)((until - now_ns()) / 1000000));
		if (err == -ETIMEDOUT)
			continue;
		if (!is_eq(err, 0, "%s", kecho_explain()) ||
		    !is_eq(ev.kind, KECHO_EVENT, "nothing is told"))
			break;
		n++;
	}
	return n;
}

#endif
