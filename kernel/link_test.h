/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Two nodes, each in a kernel's network namespace of its own, and the link between them: the
 * namespace of who loads this, and that of the process `pid`. A registry is there, and both
 * are set up to listen and to find it.
 */
#ifndef KECHO_LINK_TEST_H
#define KECHO_LINK_TEST_H

#include <net/net_namespace.h>

#include "kernel_test.h"

enum { LOG_SIZE = KECHO_LOG_SIZE_MIN };

extern int link_test_pid;	/* the module's parameter `pid` */

struct two {
	struct net *net;
	struct kecho *k[2];
	struct kecho_channel *ch[2];
};

static inline int open_two(struct two *t, const char *name)
{
	struct kecho_options opt = { .net = current->nsproxy->net_ns };
	int err;

	memset(t, 0, sizeof(*t));
	t->net = get_net_ns_by_pid(link_test_pid);
	if (IS_ERR(t->net))
		return PTR_ERR(t->net);
	err = kecho_open(&t->k[0], &opt);
	opt.net = t->net;
	err = err ?: kecho_open(&t->k[1], &opt);
	err = err ?: kecho_channel_open(t->k[0], name, NULL, &t->ch[0]);
	return err ?: kecho_channel_open(t->k[1], name, NULL, &t->ch[1]);
}

static inline void close_two(struct two *t)
{
	kecho_close(t->k[0]);
	kecho_close(t->k[1]);
	put_net(t->net);
}

static inline int open_source(struct kecho_channel *ch, struct kecho_source **src)
{
	struct kecho_source_options opt = { .log_size = LOG_SIZE };

	return kecho_source_open(ch, &opt, src);
}

#endif
