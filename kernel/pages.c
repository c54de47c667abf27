// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory that processes can map: a file of tmpfs that has no name, whose pages are there from
 * the start, charged to who makes it, and mapped here in a row. Its size is sealed. What is
 * sealed for writing, too, is written by who has it mapped by then, by us, and by nobody else
 * ever, whatever descriptor of it he gets.
 *
 * We hold each page: if a process punches a hole in what it may write it has others then,
 * and talks to itself.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/vmalloc.h>

#include "kn.h"

static void add_seals(struct file *file, unsigned int seals)
{
	struct inode *inode = file_inode(file);

	inode_lock(inode);
	SHMEM_I(inode)->seals |= seals;
	inode_unlock(inode);
}

static void put_pages_of(struct kn_pages *p)
{
	while (p->n)
		put_page(p->page[--p->n]);
	kvfree(p->page);
	fput(p->file);
}

static int get_pages_of(struct kn_pages *p, unsigned int first, unsigned int n)
{
	struct address_space *mapping = p->file->f_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping) | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	struct page *page;

	p->page = kvmalloc_array(n, sizeof(*p->page), KN_GFP_LARGE);
	if (!p->page)
		return -ENOMEM;
	while (p->n < n) {
		page = shmem_read_mapping_page_gfp(mapping, first + p->n, gfp);
		if (IS_ERR(page))
			return PTR_ERR(page);
		p->page[p->n++] = page;
	}
	return 0;
}

struct file *kn_pages_file(const char *name, size_t size)
{
	struct file *file = shmem_file_setup(name, size, VM_NORESERVE);

	/* Without memory for it tmpfs says -ENOSPC, which is a limit's here. */
	if (IS_ERR(file))
		return ERR_PTR(-ENOMEM);
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	mapping_set_unevictable(file->f_mapping);
	add_seals(file, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return file;
}

int kn_pages_part(struct kn_pages *p, struct file *file, size_t from, size_t size)
{
	unsigned int n = DIV_ROUND_UP(size, PAGE_SIZE);
	int err;

	*p = (struct kn_pages){ .file = get_file(file) };
	err = get_pages_of(p, from / PAGE_SIZE, n);
	if (!err) {
		p->map = vmap(p->page, n, VM_MAP, PAGE_KERNEL);
		err = p->map ? 0 : -ENOMEM;
	}
	if (err) {
		put_pages_of(p);
		/* At once: the file goes later, and its pages would be charged until then. */
		shmem_truncate_range(file_inode(file), from, from + (loff_t)n * PAGE_SIZE - 1);
	}
	return err;
}

int kn_pages_make(struct kn_pages *p, const char *name, size_t size)
{
	struct file *file = kn_pages_file(name, size);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = kn_pages_part(p, file, 0, size);
	fput(file);
	return err;
}

void kn_pages_seal(struct kn_pages *p)
{
	add_seals(p->file, F_SEAL_FUTURE_WRITE);
}

void kn_pages_free(struct kn_pages *p)
{
	if (!p->map)
		return;
	vunmap(p->map);
	p->map = NULL;
	put_pages_of(p);
}
