// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What filters may call, and what a filter keeps for that from event to event.
 *
 * Helpers are called as a JIT calls them: the context and four registers, of which those
 * that the verifier didn't ask for hold anything. What it wanted constant is looked at once
 * more where it is an index: a processor that guesses may be here with another.
 */
#include "filter_program.h"

#define NS_PER_S 1000000000ULL

enum { ONCE_WAYS = 4 };		/* where one key may be */

static_assert(KE_FILTER_ONCE_MAX % ONCE_WAYS == 0);

struct once_key {
	u64 key, until;			/* 0: free */
};

/* Credit of one event is NS_PER_S, so that any rate is met exactly. */
struct bucket {
	u64 at, credit;
	bool used;
};

struct ke_filter_state {
	u64 block[KECHO_FILTER_STATE_SIZE / sizeof(u64)];
	u64 random, forgotten;
	struct bucket rate[KE_FILTER_RATES_MAX];
	struct once_key once[KE_FILTER_ONCE_MAX / ONCE_WAYS][ONCE_WAYS];
};

/* Every bit of @v gets to bear on every bit of what it gives, and no two @v on the same:
 * each step can be undone. */
static u64 mix(u64 v)
{
	v = (v ^ v >> 32) * 0xd6e8feb86659fd93ULL;
	v = (v ^ v >> 29) * 0x9fb21c651e98df25ULL;
	return v ^ v >> 32;
}

struct ke_filter_state *ke_filter_state_make(u64 seed)
{
	struct ke_filter_state *s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	/* xorshift stands still at 0 */
	if (s)
		s->random = mix(seed) ?: 1;
	return s;
}

void ke_filter_state_free(struct ke_filter_state *s)
{
	kvfree(s);
}

void *ke_filter_state_block(struct ke_filter_state *s)
{
	return s->block;
}

u64 ke_filter_state_forgotten(const struct ke_filter_state *s)
{
	return s->forgotten;
}

static struct ke_filter_run *run_of(struct kecho_filter_ctx *ctx)
{
	return container_of(ctx, struct ke_filter_run, ctx);
}

static u64 now_ns(const struct ke_filter_run *run)
{
	return run->ops->now_ns(run->ops->arg);
}

/* Most helpers take fewer than there are registers. */
#define HELPER(name, a, b)							\
	static u64 help_##name(struct kecho_filter_ctx __always_unused *ctx, u64 a, u64 b, \
			       u64 __always_unused c, u64 __always_unused d)

HELPER(now, __always_unused a, __always_unused b)
{
	return now_ns(run_of(ctx));
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators,
 * scrambled", section 3. */
HELPER(random, __always_unused a, __always_unused b)
{
	struct ke_filter_state *s = run_of(ctx)->state;

	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * 0x2545f4914f6cdd1dULL;
}

HELPER(hash, v, __always_unused b)
{
	return mix(v + 1);
}

/* ------------------------------------------------------------------------- strings */

struct str {
	const u8 *p;	/* NULL: absent */
	u32 len;
	bool zero_ends;	/* its first zero is its end, and @len only where the memory's is */
};

static struct str slot_str(const struct ke_filter_run *run, u32 at)
{
	const struct ke_filter_str *s;

	if (at >= run->p->nslots)
		return (struct str){};
	at = array_index_nospec(at, run->p->nslots);
	s = &run->j->strs[at];
	if (!run->j->slots[at].present || WARN_ON_ONCE(s->len > KE_ATTR_VALUE_MAX))
		return (struct str){};
	return (struct str){ .p = s->len ? s->data : "", .len = s->len };
}

static struct str get_str(const struct ke_filter_run *run, u32 str)
{
	u32 area = str >> 30, at = str >> 14 & KECHO_STR_AT_MAX, len = str & KECHO_STR_LEN_MAX;

	if (area == KECHO_STR_SLOT)
		return slot_str(run, at);
	if (area == KECHO_STR_CONST)
		return (struct str){ .p = (const u8 *)run->p->consts + at, .len = len };
	return (struct str){ .p = (const u8 *)(unsigned long)run->ctx.payload + at, .len = len,
			     .zero_ends = area == KECHO_STR_FIELD };
}

/* Looks for its end, no further than @max; what is longer stays so. */
static void end_str(struct str *s, u32 max)
{
	if (s->zero_ends)
		s->len = strnlen((const char *)s->p, min(s->len, max));
}

/* FNV-1a, by Fowler, Noll and Vo, and a finish, as its upper bits depend on few. */
HELPER(hash_str, a, __always_unused b)
{
	struct str s = get_str(run_of(ctx), a);
	u64 h = 0xcbf29ce484222325ULL;
	u32 i;

	if (!s.p)
		return 0;
	end_str(&s, s.len);
	for (i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 0x100000001b3ULL;
	return mix(h);
}

/* Both are there; of the longer no more is known than that it is longer. */
static bool get_both(struct kecho_filter_ctx *ctx, u64 a, u64 b, struct str *sa, struct str *sb)
{
	u32 most;

	*sa = get_str(run_of(ctx), a);
	*sb = get_str(run_of(ctx), b);
	if (!sa->p || !sb->p)
		return false;
	most = min(sa->len, sb->len) + 1;
	end_str(sa, most);
	end_str(sb, most);
	return true;
}

HELPER(equal, a, b)
{
	struct str sa, sb;

	return get_both(ctx, a, b, &sa, &sb) && sa.len == sb.len &&
	       !memcmp(sa.p, sb.p, sa.len);
}

HELPER(prefix, a, b)
{
	struct str sa, sb;

	return get_both(ctx, a, b, &sa, &sb) && sa.len >= sb.len &&
	       !memcmp(sa.p, sb.p, sb.len);
}

/*
 * Where the greatest suffix of @s begins, in the order of bytes or the reverse, and its
 * period. Crochemore and Perrin, "Two-way string-matching", section 3.
 */
static u32 greatest_suffix(const struct str *s, bool reverse, u32 *period)
{
	u32 begin = 0, rival = 1, same = 0, p = 1;
	u8 a, b;

	while (rival + same < s->len) {
		a = s->p[begin + same];
		b = s->p[rival + same];
		if (a == b) {
			same++;
			if (same == p) {
				rival += p;
				same = 0;
			}
		} else if (reverse ? b > a : b < a) {
			rival += same + 1;
			same = 0;
			p = rival - begin;
		} else {
			begin = rival++;
			same = 0;
			p = 1;
		}
	}
	*period = p;
	return begin;
}

/*
 * Whether @b, which isn't empty, is in @a: the same paper, section 4. @b is cut where its
 * parts have nothing in common; the right part is compared first, then the left, and what
 * differs tells how far nothing can fit. So no byte of @a is looked at more than twice.
 */
static bool is_within(const struct str *a, const struct str *b)
{
	u32 period, other, cut = greatest_suffix(b, false, &period);
	u32 at = 0, known = 0, i, cut2 = greatest_suffix(b, true, &other);
	bool periodic;

	if (cut2 > cut) {
		cut = cut2;
		period = other;
	}
	periodic = cut + period <= b->len && !memcmp(b->p, b->p + period, cut);
	if (!periodic)
		period = max(cut, b->len - cut) + 1;
	while (at + b->len <= a->len) {
		i = max(cut, known);
		while (i < b->len && b->p[i] == a->p[at + i])
			i++;
		if (i < b->len) {
			at += i - cut + 1;
			known = 0;
			continue;
		}
		i = cut;
		while (i > known && b->p[i - 1] == a->p[at + i - 1])
			i--;
		if (i <= known)
			return true;
		at += period;
		known = periodic ? b->len - period : 0;
	}
	return false;
}

HELPER(contains, a, b)
{
	struct str sa = get_str(run_of(ctx), a), sb = get_str(run_of(ctx), b);

	if (!sa.p || !sb.p)
		return 0;
	end_str(&sa, sa.len);
	end_str(&sb, sb.len);
	return !sb.len || (sa.len >= sb.len && is_within(&sa, &sb));
}

/* ------------------------------------------------------------------- once() and rate() */

/* Whether its time runs: what a clock that was set back left behind isn't believed. */
static bool runs(const struct once_key *k, u64 now, u64 window)
{
	return k->until > now && k->until - now <= window;
}

/* The first that is free or over, else the one that ends first. */
static struct once_key *replaced(struct ke_filter_state *s, struct once_key *ways, u64 now)
{
	struct once_key *first = &ways[0];
	u32 i;

	for (i = 0; i < ONCE_WAYS; i++)
		if (!runs(&ways[i], now, KE_FILTER_WINDOW_MAX))
			return &ways[i];
	for (i = 1; i < ONCE_WAYS; i++)
		if (ways[i].until < first->until)
			first = &ways[i];
	s->forgotten++;
	return first;
}

HELPER(once, key, window)
{
	struct ke_filter_state *s = run_of(ctx)->state;
	u64 now = now_ns(run_of(ctx));
	u32 set = mix(key) % ARRAY_SIZE(s->once), i;
	struct once_key *ways = s->once[array_index_nospec(set, ARRAY_SIZE(s->once))], *k = NULL;

	for (i = 0; i < ONCE_WAYS && !k; i++)
		if (ways[i].key == key && ways[i].until)
			k = &ways[i];
	if (k && runs(k, now, window))
		return 0;
	k = k ?: replaced(s, ways, now);
	*k = (struct once_key){ .key = key, .until = now + window };
	return 1;
}

HELPER(rate, n, id)
{
	u64 now = now_ns(run_of(ctx)), elapsed;
	struct bucket *b;

	if (id >= KE_FILTER_RATES_MAX)
		return 0;
	b = &run_of(ctx)->state->rate[array_index_nospec(id, KE_FILTER_RATES_MAX)];
	elapsed = b->used ? now > b->at ? min_t(u64, now - b->at, NS_PER_S) : 0 : NS_PER_S;
	b->credit = min(b->credit + elapsed * n, NS_PER_S * n);
	b->used = true;
	b->at = now;
	if (b->credit < NS_PER_S)
		return 0;
	b->credit -= NS_PER_S;
	return 1;
}

/* ------------------------------------------------------------------------------------ */

static const struct ke_filter_helper helpers[] = {
	[KECHO_CALL_NOW] = { "now", help_now, {} },
	[KECHO_CALL_RANDOM] = { "random", help_random, {} },
	[KECHO_CALL_HASH] = { "hash", help_hash, { KE_ARG_NUMBER } },
	[KECHO_CALL_HASH_STR] = { "hash_str", help_hash_str, { KE_ARG_STR } },
	[KECHO_CALL_EQUAL] = { "equal", help_equal, { KE_ARG_STR, KE_ARG_STR } },
	[KECHO_CALL_PREFIX] = { "prefix", help_prefix, { KE_ARG_STR, KE_ARG_STR } },
	[KECHO_CALL_CONTAINS] = { "contains", help_contains, { KE_ARG_STR, KE_ARG_STR } },
	[KECHO_CALL_ONCE] = { "once", help_once, { KE_ARG_NUMBER, KE_ARG_WINDOW } },
	[KECHO_CALL_RATE] = { "rate", help_rate, { KE_ARG_RATE, KE_ARG_RATE_ID } },
};

const struct ke_filter_helper *ke_filter_helper(s32 number)
{
	if (number < KECHO_CALL_NOW || number >= (s32)ARRAY_SIZE(helpers))
		return NULL;
	return &helpers[number];
}
