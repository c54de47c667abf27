/* SPDX-License-Identifier: MIT */
/*
 * Tests that run in user space and in the kernel, reported in TAP: one line
 * per test, with the failed checks of it as comments before the line.
 *
 *	TEST(adds)
 *	{
 *		is_eq(1 + 1, 2, "sum");
 *		ok(p != q, "round %d", i);
 *	}
 *
 *	TESTS(arith, adds, ...);
 *
 * ends arith_test.c and defines arith_suite. Compiled with TAP_MAIN the file is
 * a program; without, its suite is one of those that a module runs.
 *
 * Rules: a test that checks nothing fails; checks may be made in any thread,
 * and in helper functions of the same file; must() ends the function it is in.
 */
#ifndef KECHO_TAP_H
#define KECHO_TAP_H

#include "plat.h"

struct tap_state {
	unsigned int checks;	/* of the running test */
	unsigned int failed;
	const char *skip;	/* why the running test could not be made */
};

struct tap_case {
	const char *name;
	void (*run)(void);
};

struct tap_suite {
	const char *name;
	const struct tap_case *cases;
	unsigned int n;
	struct tap_state *state;	/* of the suite's file */
};

static struct tap_state __maybe_unused tap_state;

#define TEST(name) static void test_##name(void)

/* Checks @cond; the rest says what was checked. Gives whether it holds. */
#define ok(cond, fmt, ...)							\
	({									\
		bool __ok = !!(cond);						\
										\
		__atomic_fetch_add(&tap_state.checks, 1, __ATOMIC_RELAXED);	\
		if (!__ok)							\
			tap_fail("%s: " fmt, #cond, ##__VA_ARGS__);		\
		__ok;								\
	})

/* The same for two integers, which are shown. */
#define is_eq(a, b, fmt, ...)							\
	({									\
		long long __is_a = (long long)(a), __is_b = (long long)(b);	\
										\
		__atomic_fetch_add(&tap_state.checks, 1, __ATOMIC_RELAXED);	\
		if (__is_a != __is_b)						\
			tap_fail("%s is %lld, not %s (%lld): " fmt, #a, __is_a, \
				 #b, __is_b, ##__VA_ARGS__);			\
		__is_a == __is_b;						\
	})

/* The same for two strings. */
#define is_str(a, b, fmt, ...)							\
	({									\
		const char *__is_a = (a), *__is_b = (b);			\
		bool __is_ok = !strcmp(__is_a, __is_b);				\
										\
		__atomic_fetch_add(&tap_state.checks, 1, __ATOMIC_RELAXED);	\
		if (!__is_ok)							\
			tap_fail("%s is \"%s\", not \"%s\": " fmt, #a, __is_a,	\
				 __is_b, ##__VA_ARGS__);			\
		__is_ok;							\
	})

/* The same for two runs of @len bytes. */
#define is_mem(a, b, len, fmt, ...)						\
	ok(!memcmp(a, b, len), fmt, ##__VA_ARGS__)

/* Without @cond the rest of this function makes no sense. */
#define must(cond, fmt, ...)							\
	do {									\
		if (!ok(cond, fmt, ##__VA_ARGS__))				\
			return;							\
	} while (0)

/* This test can't be made here, and why: a constant string. */
#define skip(why)								\
	do {									\
		tap_state.skip = (why);						\
		return;								\
	} while (0)

#define tap_fail(fmt, ...)							\
	do {									\
		__atomic_fetch_add(&tap_state.failed, 1, __ATOMIC_RELAXED);	\
		pr_info("# %s:%d: " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__); \
	} while (0)

static inline bool tap_run_case(const struct tap_suite *suite, const struct tap_case *c,
				unsigned int number)
{
	struct tap_state *s = suite->state;
	bool good;

	memset(s, 0, sizeof(*s));
	c->run();
	if (!s->checks && !s->skip)
		pr_info("# %s/%s checked nothing\n", suite->name, c->name);
	good = !s->failed && (s->checks || s->skip);
	pr_info("%s %u - %s/%s%s%s\n", good ? "ok" : "not ok", number, suite->name, c->name,
		s->skip ? " # SKIP " : "", s->skip ? s->skip : "");
	return good;
}

/* Runs all suites; returns how many tests failed. */
static inline unsigned int tap_run(const struct tap_suite *const *suites, unsigned int n)
{
	unsigned int i, j, total = 0, number = 0, failed = 0;

	for (i = 0; i < n; i++)
		total += suites[i]->n;
	pr_info("TAP version 13\n");
	pr_info("1..%u\n", total);
	for (i = 0; i < n; i++)
		for (j = 0; j < suites[i]->n; j++)
			failed += !tap_run_case(suites[i], &suites[i]->cases[j], ++number);
	return failed;
}

/*
 * TAP_EACH(a, b, c) is TAP_CASE(a) TAP_CASE(b) TAP_CASE(c), for up to 256
 * names: each rescan of TAP_AGAIN TAP_PARENS expands one step more.
 */
#define TAP_CASE(name) { #name, test_##name },
#define TAP_PARENS ()
#define TAP_SCAN(...) TAP_SCAN3(TAP_SCAN3(TAP_SCAN3(TAP_SCAN3(__VA_ARGS__))))
#define TAP_SCAN3(...) TAP_SCAN2(TAP_SCAN2(TAP_SCAN2(TAP_SCAN2(__VA_ARGS__))))
#define TAP_SCAN2(...) TAP_SCAN1(TAP_SCAN1(TAP_SCAN1(TAP_SCAN1(__VA_ARGS__))))
#define TAP_SCAN1(...) TAP_SCAN0(TAP_SCAN0(TAP_SCAN0(TAP_SCAN0(__VA_ARGS__))))
#define TAP_SCAN0(...) __VA_ARGS__
#define TAP_EACH(...) TAP_SCAN(TAP_STEP(__VA_ARGS__))
#define TAP_STEP(name, ...) TAP_CASE(name) __VA_OPT__(TAP_AGAIN TAP_PARENS(__VA_ARGS__))
#define TAP_AGAIN() TAP_STEP

/* Ends a test file; a TEST that isn't named here is an unused function. */
#define TESTS(suite, ...)							\
	static const struct tap_case suite##_cases[] = { TAP_EACH(__VA_ARGS__) }; \
	extern const struct tap_suite suite##_suite;				\
	const struct tap_suite suite##_suite = {				\
		.name = #suite,							\
		.cases = suite##_cases,						\
		.n = ARRAY_SIZE(suite##_cases),					\
		.state = &tap_state,						\
	};									\
	TAP_PROGRAM(suite##_suite)						\
	struct tap_suite

#ifdef TAP_MAIN
#define TAP_PROGRAM(suite)							\
	int main(void)								\
	{									\
		const struct tap_suite *const all[] = { &suite };		\
										\
		setvbuf(stdout, NULL, _IOLBF, 0);				\
		setenv(SHIM_PANIC_ON_WARN, "1", 0);				\
		return tap_run(all, 1) ? EXIT_FAILURE : EXIT_SUCCESS;		\
	}
#else
#define TAP_PROGRAM(suite)
#endif

#endif
