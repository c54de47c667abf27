// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The memory of a log: single pages, charged to whoever makes it, and mapped in a row. A
 * process is given the pages later; a sink keeps them as long as it reads them.
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "kn.h"

static void free_pages_of(struct kn_log *log)
{
	while (log->npages)
		__free_page(log->pages[--log->npages]);
	kvfree(log->pages);
}

static int alloc_pages_of(struct kn_log *log, unsigned int n)
{
	struct page *page;

	log->pages = kvmalloc_array(n, sizeof(*log->pages), GFP_KERNEL_ACCOUNT);
	if (!log->pages)
		return -ENOMEM;
	while (log->npages < n) {
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		log->pages[log->npages++] = page;
	}
	return 0;
}

/* NULL: no memory. */
struct kn_log *kn_log_make(size_t ring)
{
	unsigned int n = DIV_ROUND_UP(KECHO_LOG_HEADER_SIZE + ring, PAGE_SIZE);
	struct kn_log *log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);

	if (!log)
		return NULL;
	refcount_set(&log->refs, 1);
	init_waitqueue_head(&log->room);
	if (!alloc_pages_of(log, n))
		log->map = vmap(log->pages, n, VM_MAP, PAGE_KERNEL);
	if (log->map) {
		kn_made(KN_LOG);
		return log;
	}
	free_pages_of(log);
	kfree(log);
	return NULL;
}

void kn_log_put(struct kn_log *log)
{
	if (!refcount_dec_and_test(&log->refs))
		return;
	vunmap(log->map);
	free_pages_of(log);
	kfree(log);
	kn_gone(KN_LOG);
}
