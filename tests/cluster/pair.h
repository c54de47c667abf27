/* SPDX-License-Identifier: MIT */
/* Two nodes, or two processes' worth of kechod: a source in one, a sink in the other. One
 * file includes it. */
#ifndef CLUSTER_PAIR_H
#define CLUSTER_PAIR_H

#include "cluster.h"

/* [0] submits, [1] reads. */
struct pair {
	struct kecho *k[2];
	struct kecho_channel *ch[2];
	struct kecho_source *src;
	struct kecho_sink *snk;
};

static inline bool pair_open(struct pair *p, const char *name,
			     const struct kecho_channel_options *opt)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (!ok(!kecho_open(&p->k[i], NULL), "node %d: %s", i, kecho_explain()) ||
		    !ok(!kecho_channel_open(p->k[i], name, opt, &p->ch[i]), "channel: %s",
			kecho_explain()))
			return false;
	}
	return true;
}

static inline bool pair_stream(struct pair *p, const char *name, enum kecho_policy policy)
{
	struct kecho_source_options src = { .log_size = KECHO_LOG_SIZE_MIN };
	struct kecho_sink_options snk = { .policy = policy };

	return pair_open(p, name, NULL) &&
	       ok(!kecho_source_open(p->ch[0], &src, &p->src), "source: %s", kecho_explain()) &&
	       ok(!kecho_sink_open(p->ch[1], &snk, &p->snk), "sink: %s", kecho_explain());
}

static void pair_end(struct pair *p)
{
	kecho_close(p->k[0]);
	kecho_close(p->k[1]);
}

#endif
