/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of the module share: a channel with what is opened in it. They run as a
 * module that uses the exported calls, in the namespace of who loads it.
 */
#ifndef KECHO_KERNEL_TEST_H
#define KECHO_KERNEL_TEST_H

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/nsproxy.h>

#include "kecho.h"
#include "tap.h"

enum { SOON_MS = 10000 };	/* an emulated machine is slow */

struct test_channel {
	struct kecho *k;
	struct kecho_channel *ch;
};

static inline int test_open(struct test_channel *t)
{
	struct kecho_options opt = { .net = current->nsproxy->net_ns };
	int err = kecho_open(&t->k, &opt);

	return err ?: kecho_channel_open(t->k, "test", NULL, &t->ch);
}

static inline void test_close(struct test_channel *t)
{
	kecho_close(t->k);
}

#endif
