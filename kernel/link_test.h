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

/* ------------------------------------------------------------------- all of it */

enum { TALK_EVENTS = 100 };

static inline int talk(struct two *t, int from)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	u64 seq = 0;
	int i, err;

	err = kecho_sink_open(t->ch[!from], &opt, &s) ?: open_source(t->ch[from], &src);
	for (i = 0; i < TALK_EVENTS && !err; i++)
		err = kecho_submit(src, &i, sizeof(i), 0);
	while (!err && seq < TALK_EVENTS)
		err = kecho_read(s, &ev, SOON_MS) ?: ev.seq == ++seq ? 0 : -EBADMSG;
	return err ?: kecho_node_set(t->k[from], "said", kecho_i64(seq));
}

/* Two nodes come, hear all of each other, and go. */
static inline int talk_once(const char *name)
{
	struct two t;
	int err = open_two(&t, name);

	if (IS_ERR(t.net))
		return err;
	err = err ?: talk(&t, 0) ?: talk(&t, 1);
	close_two(&t);
	return err;
}

#endif
