// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A module that is made of test suites. Loading it runs them all, with their TAP on the
 * console, and succeeds whether they pass or not; unloading it shows that nothing of it is in
 * use.
 */
#include "tap.h"

/* Made by lib.sh: SUITE(name) for each test file. */
#define SUITE(name) extern const struct tap_suite name##_suite;
#include "suites.h"
#undef SUITE

static const struct tap_suite *const suites[] = {
#define SUITE(name) &name##_suite,
#include "suites.h"
#undef SUITE
};

static int __init suites_init(void)
{
	tap_run(suites, ARRAY_SIZE(suites));
	return 0;
}

static void __exit suites_exit(void)
{
	pr_info("%s: unloaded\n", KBUILD_MODNAME);
}

module_init(suites_init);
module_exit(suites_exit);
MODULE_DESCRIPTION("unit tests of kecho");
MODULE_LICENSE("Dual MIT/GPL");
