// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A module that is made of core, core's tests and those of what the shim stands
 * for. Loading it runs them all, with their TAP on the console, and succeeds
 * whether they pass or not; unloading it shows that nothing of it is in use.
 */
#include "tap.h"

/* Made by core-kernel.sh: SUITE(name) for each test file. */
#define SUITE(name) extern const struct tap_suite name##_suite;
#include "suites.h"
#undef SUITE

static const struct tap_suite *const suites[] = {
#define SUITE(name) &name##_suite,
#include "suites.h"
#undef SUITE
};

static int __init core_kernel_init(void)
{
	tap_run(suites, ARRAY_SIZE(suites));
	return 0;
}

static void __exit core_kernel_exit(void)
{
	pr_info("core-kernel: unloaded\n");
}

module_init(core_kernel_init);
module_exit(core_kernel_exit);
MODULE_DESCRIPTION("kecho core and its unit tests");
MODULE_LICENSE("Dual MIT/GPL");
