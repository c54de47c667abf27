// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What filters may call, as a JIT would: with the context and registers.
 */
#include "filter.h"
#include "filter_test.h"
#include "type_test.h"
#include "tap.h"

#define NS_PER_S 1000000000ULL

enum { SLOTS = 4, LONG = KE_ATTR_VALUE_MAX };

/* What a helper finds behind the context. */
static struct {
	struct ke_filter_state *state;
	struct kecho_filter_value slots[SLOTS];
	struct ke_filter_str strs[SLOTS];
	char consts[2 * LONG], payload[2 * LONG];
	struct ke_judged j;
	struct ke_filter_run run;
	struct ke_program p;
} g;

static bool begin(void)
{
	memset(&g, 0, sizeof(g));
	test_now_ns = 1000 * NS_PER_S;
	g.state = ke_filter_state_make(7);
	g.p = (struct ke_program){
		.nslots = SLOTS,
		.consts_len = sizeof(g.consts),
		.consts = g.consts,
	};
	g.j = (struct ke_judged){
		.payload = g.payload,
		.len = sizeof(g.payload),
		.slots = g.slots,
		.strs = g.strs,
	};
	if (!ok(g.state, "memory"))
		return false;
	ke_filter_run_init(&g.run, &g.p, g.state, &g.j, &test_ops);
	return true;
}

static void end(void)
{
	ke_filter_state_free(g.state);
}

/* Registers that a helper doesn't take hold anything. */
static u64 call(s32 number, u64 a, u64 b)
{
	return ke_filter_helper(number)->fn(&g.run.ctx, a, b, ~0ULL, 0x1234);
}

static u32 text_const(u32 at, const char *text)
{
	memcpy(g.consts + at, text, strlen(text));
	return KECHO_STR(KECHO_STR_CONST, at, strlen(text));
}

/* A field of @size bytes; what follows the text in it is no zero where there is room. */
static u32 text_field(u32 at, const char *text, u32 size)
{
	memset(g.payload + at, 'x', size);
	memcpy(g.payload + at, text, min_t(u32, strlen(text) + 1, size));
	return KECHO_STR(KECHO_STR_FIELD, at, size);
}

static u32 text_slot(u32 i, const char *text)
{
	g.slots[i] = (struct kecho_filter_value){ 1, strlen(text) };
	g.strs[i] = (struct ke_filter_str){ text, strlen(text) };
	return KECHO_STR(KECHO_STR_SLOT, i, 0);
}

TEST(there_are)
{
	s32 i;

	for (i = KECHO_CALL_NOW; i <= KECHO_CALL_RATE; i++)
		ok(ke_filter_helper(i), "helper %d", i);
	ok(!ke_filter_helper(0) && !ke_filter_helper(-1) && !ke_filter_helper(i) &&
		   !ke_filter_helper(S32_MIN) && !ke_filter_helper(S32_MAX),
	   "no others");
}

TEST(now)
{
	must(begin(), "begun");
	is_eq(call(KECHO_CALL_NOW, 1, 2), 1000 * NS_PER_S, "the time");
	test_now_ns = 5;
	is_eq(call(KECHO_CALL_NOW, 1, 2), 5, "the time");
	end();
}

/* One in four of many, and of each bit half; another seed gives others. */
TEST(random)
{
	u32 i, bit, quarter = 0, ones[64] = { 0 };
	struct ke_filter_state *other = ke_filter_state_make(8), *zero = ke_filter_state_make(0);
	u64 v = 0, first = 0;

	must(begin() && other && zero, "begun");
	for (i = 0; i < 4000; i++) {
		v = call(KECHO_CALL_RANDOM, 0, 0);
		first = first ?: v;
		quarter += v % 4 == 0;
		for (bit = 0; bit < 64; bit++)
			ones[bit] += v >> bit & 1;
	}
	ok(quarter > 850 && quarter < 1150, "%u in 4000", quarter);
	for (bit = 0; bit < 64; bit++)
		ok(ones[bit] > 1800 && ones[bit] < 2200, "bit %u: %u", bit, ones[bit]);
	g.run.state = other;
	ok(call(KECHO_CALL_RANDOM, 0, 0) != first, "another seed");
	g.run.state = zero;
	ok(call(KECHO_CALL_RANDOM, 0, 0) != call(KECHO_CALL_RANDOM, 0, 0), "it never stands still");
	ke_filter_state_free(other);
	ke_filter_state_free(zero);
	end();
}

/* Written down: they are to be the same on every machine and with every release. */
TEST(hashes)
{
	u32 text;
	u8 bits;
	u64 i;

	must(begin(), "begun");
	text = text_const(0, "kecho");
	is_eq(call(KECHO_CALL_HASH, 0, 0), 0xe4c4c01b56d0238bULL, "of 0");
	is_eq(call(KECHO_CALL_HASH, 1, 0), 0xd4c2870fb0eb402fULL, "of 1");
	is_eq(call(KECHO_CALL_HASH_STR, text, 0), 0x1bc2fc24ec4ec392ULL, "of a string");
	is_eq(call(KECHO_CALL_HASH_STR, KECHO_STR(KECHO_STR_CONST, 0, 0), 0),
	      0x4a92a09c7b16c5d2ULL, "of an empty one");
	is_eq(call(KECHO_CALL_HASH_STR, KECHO_STR_NONE, 0), 0, "of none");
	is_eq(call(KECHO_CALL_HASH_STR, text, 0),
	      call(KECHO_CALL_HASH_STR, text_field(9, "kecho", 20), 0), "wherever it is");
	is_eq(call(KECHO_CALL_HASH_STR, text, 0),
	      call(KECHO_CALL_HASH_STR, text_slot(1, "kecho"), 0), "wherever it is");
	for (i = 0; i < 1000; i++) {
		bits = hweight64(call(KECHO_CALL_HASH, i, 0) ^ call(KECHO_CALL_HASH, i + 1, 0));
		ok(bits > 8 && bits < 56, "neighbours differ, in %u bits", bits);
	}
	end();
}

static void both(const char *a, const char *b, bool equal, bool prefix, bool contains)
{
	u32 as[] = { text_const(0, a), text_field(0, a, strlen(a)), text_field(64, a, 60),
		     text_slot(0, a) };
	u32 bs[] = { text_const(LONG, b), text_field(256, b, strlen(b)), text_field(320, b, 60),
		     text_slot(1, b) };
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(as); i++) {
		for (j = 0; j < ARRAY_SIZE(bs); j++) {
			is_eq(call(KECHO_CALL_EQUAL, as[i], bs[j]), equal, "%s = %s, %u %u", a, b,
			      i, j);
			is_eq(call(KECHO_CALL_PREFIX, as[i], bs[j]), prefix, "%s, %s.., %u %u", a,
			      b, i, j);
			is_eq(call(KECHO_CALL_CONTAINS, as[i], bs[j]), contains,
			      "%s, ..%s.., %u %u", a, b, i, j);
		}
	}
}

TEST(strings)
{
	must(begin(), "begun");
	both("north", "north", true, true, true);
	both("north", "nort", false, true, true);
	both("nort", "north", false, false, false);
	both("north", "orth", false, false, true);
	both("north", "south", false, false, false);
	both("north", "", false, true, true);
	both("", "north", false, false, false);
	both("", "", true, true, true);
	both("aaaaab", "aab", false, false, true);
	both("aaaaaa", "aab", false, false, false);
	both("abcabcabd", "abcabd", false, false, true);
	both("\xff\x01", "\xff", false, true, true);
	end();
}

/* Bytes are compared to their end, zeros or not; of a string only what is before. */
TEST(zeros)
{
	u32 bytes = KECHO_STR(KECHO_STR_BYTES, 0, 4), text = KECHO_STR(KECHO_STR_FIELD, 0, 4);

	must(begin(), "begun");
	memcpy(g.payload, "a\0b", 4);
	g.slots[0].present = 1;
	g.strs[0] = (struct ke_filter_str){ "a\0b", 4 };
	ok(call(KECHO_CALL_EQUAL, bytes, KECHO_STR(KECHO_STR_SLOT, 0, 0)), "four bytes");
	ok(!call(KECHO_CALL_EQUAL, text, KECHO_STR(KECHO_STR_SLOT, 0, 0)), "one");
	ok(call(KECHO_CALL_EQUAL, text, text_const(0, "a")), "one");
	ok(call(KECHO_CALL_CONTAINS, bytes, text_const(0, "b")), "behind the zero");
	ok(!call(KECHO_CALL_CONTAINS, text, text_const(0, "b")), "behind the zero");
	end();
}

TEST(absent)
{
	u32 none[] = { KECHO_STR_NONE, KECHO_STR(KECHO_STR_SLOT, 2, 0) }, there, i;

	must(begin(), "begun");
	there = text_const(0, "");
	/* What lies behind a slot that is empty counts for nothing. */
	g.strs[2] = (struct ke_filter_str){ "x", 1 };
	for (i = 0; i < ARRAY_SIZE(none); i++) {
		s32 h;

		for (h = KECHO_CALL_EQUAL; h <= KECHO_CALL_CONTAINS; h++) {
			is_eq(call(h, none[i], there), 0, "helper %d", h);
			is_eq(call(h, there, none[i]), 0, "helper %d", h);
			is_eq(call(h, none[i], none[i]), 0, "helper %d", h);
		}
		is_eq(call(KECHO_CALL_HASH_STR, none[i], 0), 0, "hash");
	}
	end();
}

/* Over two letters, so that much is nearly there, against the plain way to look for it. */
TEST(contains_much)
{
	u32 round, a_len, b_len, at, i, found = 0;
	struct lots l = { 5 };
	bool is;

	must(begin(), "begun");
	for (round = 0; round < 30000; round++) {
		a_len = lots(&l, 40);
		b_len = lots(&l, 12);
		for (i = 0; i < a_len; i++)
			g.payload[i] = 'a' + lots(&l, 2);
		for (i = 0; i < b_len; i++)
			g.consts[i] = 'a' + lots(&l, 2);
		is = false;
		for (at = 0; at + b_len <= a_len; at++)
			is |= !memcmp(g.payload + at, g.consts, b_len);
		found += is;
		if (!is_eq(call(KECHO_CALL_CONTAINS, KECHO_STR(KECHO_STR_BYTES, 0, a_len),
				KECHO_STR(KECHO_STR_CONST, 0, b_len)),
			   is, "round %u", round))
			break;
	}
	ok(found > round / 10 && found < round, "%u of them", found);
	end();
}

/* The longest, which is nearly there everywhere. */
TEST(contains_long)
{
	u32 a = KECHO_STR(KECHO_STR_BYTES, 0, 2 * LONG), b = KECHO_STR(KECHO_STR_CONST, 0, LONG);

	must(begin(), "begun");
	memset(g.payload, 'a', sizeof(g.payload));
	memset(g.consts, 'a', LONG);
	ok(call(KECHO_CALL_CONTAINS, a, b), "at the begin");
	g.consts[LONG / 2] = 'b';
	ok(!call(KECHO_CALL_CONTAINS, a, b), "nowhere");
	g.payload[LONG + LONG / 2] = 'b';
	ok(call(KECHO_CALL_CONTAINS, a, b), "at the end");
	end();
}

static bool once(u64 key, u64 window)
{
	return call(KECHO_CALL_ONCE, key, window);
}

TEST(once_within_a_window)
{
	must(begin(), "begun");
	ok(once(0, NS_PER_S), "0 is a key");
	ok(!once(0, NS_PER_S), "again");
	ok(once(1, NS_PER_S), "another");
	test_now_ns += NS_PER_S - 1;
	ok(!once(0, NS_PER_S) && !once(1, NS_PER_S), "at the end of the window");
	test_now_ns++;
	ok(once(0, NS_PER_S) && !once(0, NS_PER_S), "the next window");
	is_eq(ke_filter_state_forgotten(g.state), 0, "none was forgotten");
	end();
}

/* A clock that is set back doesn't make a key stay for ever. */
TEST(once_with_a_clock_set_back)
{
	must(begin(), "begun");
	ok(once(9, NS_PER_S), "first");
	test_now_ns -= 500 * NS_PER_S;
	ok(once(9, NS_PER_S) && !once(9, NS_PER_S), "once by the new time");
	test_now_ns += NS_PER_S;
	ok(once(9, NS_PER_S), "the next window");
	end();
}

/* With as many keys as it may have at most a few were unlucky; beyond, the oldest go. */
TEST(once_forgets_the_oldest)
{
	u32 i, again = 0;

	must(begin(), "begun");
	for (i = 0; i < KE_FILTER_ONCE_MAX / 4; i++)
		ok(once(i, NS_PER_S), "new");
	for (i = 0; i < KE_FILTER_ONCE_MAX / 4; i++)
		again += once(i, NS_PER_S);
	ok(again <= 2 * ke_filter_state_forgotten(g.state) && again < 8, "%u again", again);
	for (i = 0; i < 10 * KE_FILTER_ONCE_MAX; i++) {
		test_now_ns++;
		ok(once(1000000 + i, NS_PER_S), "new");
		ok(!once(1000000 + i, NS_PER_S), "the youngest stays");
	}
	ok(ke_filter_state_forgotten(g.state) > 9 * KE_FILTER_ONCE_MAX - 100, "counted");
	ok(once(3, NS_PER_S), "long forgotten");
	end();
}

static u32 granted(u32 n, u32 id, u32 tries, u64 step_ns)
{
	u32 i, yes = 0;

	for (i = 0; i < tries; i++) {
		yes += call(KECHO_CALL_RATE, n, id);
		test_now_ns += step_ns;
	}
	return yes;
}

TEST(rate)
{
	must(begin(), "begun");
	is_eq(granted(10, 0, 100, 0), 10, "at once");
	is_eq(granted(10, 1, 100, 0), 10, "another's");
	is_eq(granted(3, 2, 3000, 1000000), 3 + 8, "in three seconds, after those at once");
	test_now_ns += 100 * NS_PER_S;
	is_eq(granted(10, 0, 100, 0), 10, "no more for having waited long");
	is_eq(granted(1000000000, 3, 1000, 1), 1000, "as many as can be");
	is_eq(call(KECHO_CALL_RATE, 1, KE_FILTER_RATES_MAX), 0, "no such");
	end();
}

/* Over a long time exactly as many as it says. */
TEST(rate_is_exact)
{
	u32 yes;

	must(begin(), "begun");
	granted(7, 0, 7, 0);
	yes = granted(7, 0, 100 * 300, NS_PER_S / 300);
	ok(yes == 7 * 100 || yes == 7 * 100 - 1, "%u in 100 s", yes);
	end();
}

TEST(rate_with_a_clock_set_back)
{
	must(begin(), "begun");
	is_eq(granted(5, 0, 10, 0), 5, "at once");
	test_now_ns -= 900 * NS_PER_S;
	is_eq(granted(5, 0, 10, 0), 0, "nothing for that");
	test_now_ns += NS_PER_S;
	is_eq(granted(5, 0, 10, 0), 5, "a second later");
	end();
}

TESTS(filter_help, there_are, now, random, hashes, strings, zeros, absent, contains_much,
      contains_long, once_within_a_window, once_with_a_clock_set_back, once_forgets_the_oldest,
      rate, rate_is_exact, rate_with_a_clock_set_back);
