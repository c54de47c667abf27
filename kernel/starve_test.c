// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two linked nodes in kernels while memory is refused now and then, in works and softirqs, too:
 * what they are asked meanwhile may fail, and when there is memory again all goes well. The
 * guest's script refuses it, from loading this until it sets `fed`.
 */
#include <linux/moduleparam.h>

#include "link_test.h"

int link_test_pid;
module_param_named(pid, link_test_pid, int, 0);

static unsigned int seconds = 10;
module_param(seconds, uint, 0);

static bool fed;
module_param(fed, bool, 0644);

TEST(starves)
{
	unsigned long until = jiffies + seconds * HZ;
	unsigned int rounds = 0, good = 0;

	if (!link_test_pid)
		skip("there is no other namespace");
	for (; time_before(jiffies, until); rounds++)
		good += !talk_once("starved");
	pr_info("# %u rounds, of which %u went well\n", rounds, good);
	ok(rounds, "rounds");
	while (!READ_ONCE(fed))
		msleep(20);
	is_eq(talk_once("starved"), 0, "there is memory again");
}

TESTS(starve, starves);
