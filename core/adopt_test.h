/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What is left of a mirror when its node dies, and a node that goes on with it. */
#ifndef KE_ADOPT_TEST_H
#define KE_ADOPT_TEST_H

#include "node_test.h"

struct left {
	struct ke_kept kept;
	struct ke_reader reader;
	u64 seq;
};

static __maybe_unused void left_free(struct left *left)
{
	kvfree(left->kept.hdr);
	kvfree(left->kept.ring);
}

/* What @f has of a log, which its node will not read any more. */
static __maybe_unused bool feed_leave(struct feed *f, struct left *left)
{
	const struct ke_remote *m = f->rs->remote;

	*left = (struct left){
		.kept = {
			.contact = m->presence->peer->contact, .id = m->id, .log = m->log,
			.log_size = m->log_size, .lost = f->rs->lost,
			.hdr = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL),
			.ring = kvzalloc(m->log_size, GFP_KERNEL),
		},
		.reader = f->r, .seq = f->seq,
	};
	if (!left->kept.hdr || !left->kept.ring) {
		left_free(left);
		return false;
	}
	memcpy(left->kept.hdr, f->hdr, KECHO_LOG_HEADER_SIZE);
	memcpy(left->kept.ring, f->ring, m->log_size);
	f->begun = false;
	return true;
}

/* The node that has come in its place goes on reading; what was left is its own then. */
static __maybe_unused struct feed *feed_adopt(struct tnode *tn, const struct left *left)
{
	struct feed *f = kvzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->copy = kvzalloc(KE_RECORD_MAX, GFP_KERNEL);
	f->rs = f->copy ? ke_channel_adopt(&tn->ch, &left->kept) : NULL;
	if (!f->rs) {
		kvfree(f->copy);
		kvfree(f);
		return NULL;
	}
	f->hdr = left->kept.hdr;
	f->ring = left->kept.ring;
	f->rs->owner = f;
	f->r = left->reader;
	f->r.view = f->rs->view;
	f->r.copy = f->copy;
	f->seq = left->seq;
	f->begun = true;
	f->next = tn->feeds;
	tn->feeds = f;
	return f;
}

#endif
