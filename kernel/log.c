// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The memory of a log, which a process may map; a sink keeps it as long as it reads there.
 */
#include "kn.h"

/* NULL: no memory. */
static struct kn_log *make(size_t ring)
{
	struct kn_log *log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);

	if (!log)
		return NULL;
	refcount_set(&log->refs, 1);
	log->ring = ring;
	init_waitqueue_head(&log->room);
	if (!kn_pages_make(&log->pages, "kecho-log", KECHO_LOG_HEADER_SIZE + ring)) {
		kn_made(KN_LOG);
		return log;
	}
	kfree(log);
	return NULL;
}

struct kn_log *kn_log_make(size_t ring)
{
	struct kn_log *log = make(ring);

	if (log)
		kn_pages_seal(&log->pages);
	return log;
}

struct kn_log *kn_log_make_open(size_t ring)
{
	return make(ring);
}

struct kn_log *kn_log_make_mirror(struct kn *kn, size_t ring)
{
	struct kn_log *log = kn_log_make(ring);

	if (log) {
		log->mirrored = kn;
		kn->mirrors_bytes += ring;
	}
	return log;
}

void kn_log_put(struct kn_log *log)
{
	if (!refcount_dec_and_test(&log->refs))
		return;
	if (log->mirrored)
		log->mirrored->mirrors_bytes -= log->ring;
	kn_pages_free(&log->pages);
	kfree(log);
	kn_gone(KN_LOG);
}
