// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two linked nodes in kernels while memory is refused now and then, in works and softirqs, too:
 * what they are asked meanwhile may fail, and when there is memory again all goes well. The
 * guest's script refuses it, from loading this until it sets `fed`.
 */
#include <linux/moduleparam.h>

#include "link_test.h"

enum { EVENTS = 100 };

int link_test_pid;
module_param_named(pid, link_test_pid, int, 0);

static unsigned int seconds = 10;
module_param(seconds, uint, 0);

static bool fed;
module_param(fed, bool, 0644);

static int talk(struct two *t, int from)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	u64 seq = 0;
	int i, err;

	err = kecho_sink_open(t->ch[!from], &opt, &s) ?: open_source(t->ch[from], &src);
	for (i = 0; i < EVENTS && !err; i++)
		err = kecho_submit(src, &i, sizeof(i), 0);
	while (!err && seq < EVENTS)
		err = kecho_read(s, &ev, SOON_MS) ?: ev.seq == ++seq ? 0 : -EBADMSG;
	return err ?: kecho_node_set(t->k[from], "said", kecho_i64(seq));
}

/* All of it is closed with the attachments. */
static int try_all(void)
{
	struct two t;
	int err = open_two(&t, "starved");

	if (IS_ERR(t.net))
		return err;
	err = err ?: talk(&t, 0) ?: talk(&t, 1);
	close_two(&t);
	return err;
}

TEST(starves)
{
	unsigned long until = jiffies + seconds * HZ;
	unsigned int rounds = 0, good = 0;

	if (!link_test_pid)
		skip("there is no other namespace");
	for (; time_before(jiffies, until); rounds++)
		good += !try_all();
	pr_info("# %u rounds, of which %u went well\n", rounds, good);
	ok(rounds, "rounds");
	while (!READ_ONCE(fed))
		msleep(20);
	is_eq(try_all(), 0, "there is memory again");
}

TESTS(starve, starves);
