/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Memory of the kernel's house: who is charged for it; that which processes can map; logs.
 */
#ifndef KECHO_MEMORY_H
#define KECHO_MEMORY_H

#include <linux/gfp.h>
#include <linux/refcount.h>
#include <linux/wait.h>

#include "log.h"

struct file;
struct kn;
struct page;

/*
 * Whatever a process can have made is charged to its memory control group, also what another one,
 * or a work, makes for it; so nobody fails for a limit that is not his. What is large is refused
 * beyond the limit, and kills nobody.
 */
#define KN_GFP_LARGE (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* Memory that processes can map. */
struct kn_pages {
	struct file *file;
	unsigned int n;
	struct page **page;
	void *map;		/* NULL: there is none */
};

/* A log in memory: the header's page, then the ring. Counted references. */
struct kn_log {
	refcount_t refs;
	size_t ring;		/* bytes */
	struct kn_pages pages;
	wait_queue_head_t room;	/* who waits until a gate moves */
	struct kn *mirrored;	/* it is a mirror, which this node counts; NULL: it is none */
};

/* pages.c */
int kn_pages_make(struct kn_pages *p, const char *name, size_t size);
/* The same in two steps: a file, to be put, and as much of it as is wanted, from a page on. */
struct file *kn_pages_file(const char *name, size_t size);
int kn_pages_part(struct kn_pages *p, struct file *file, size_t from, size_t size);
void kn_pages_seal(struct kn_pages *p);	/* nobody else maps it for writing from here on */
void kn_pages_free(struct kn_pages *p);

/* log.c */
struct kn_log *kn_log_make(size_t ring);
struct kn_log *kn_log_make_open(size_t ring);	/* a process writes it, and then it is sealed */
/* A mirror; kn.lock is held, here and when it goes. */
struct kn_log *kn_log_make_mirror(struct kn *kn, size_t ring);
void kn_log_put(struct kn_log *log);
static inline struct kn_log *kn_log_get(struct kn_log *log)
{
	refcount_inc(&log->refs);
	return log;
}
static inline void *kn_log_ring(const struct kn_log *log)
{
	return log->pages.map + KECHO_LOG_HEADER_SIZE;
}

#endif
