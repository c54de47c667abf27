// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A module with a data race, for as long as it takes to load it: who looks for such must see it.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

enum { RACE_MS = 2000 };

static unsigned long counted;

static int count(void *arg)
{
	while (!kthread_should_stop()) {
		counted++;
		cond_resched();
	}
	return 0;
}

static int __init races_init(void)
{
	struct task_struct *one = kthread_run(count, NULL, "races");
	unsigned long until = jiffies + msecs_to_jiffies(RACE_MS);

	if (IS_ERR(one))
		return PTR_ERR(one);
	while (time_before(jiffies, until))
		counted++;
	kthread_stop(one);
	pr_info("# counted to %lu\n", counted);
	return 0;
}

static void __exit races_exit(void)
{
}

module_init(races_init);
module_exit(races_exit);
MODULE_DESCRIPTION("has a data race");
MODULE_LICENSE("Dual MIT/GPL");
