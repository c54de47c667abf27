// SPDX-License-Identifier: MIT
/*
 * The BTF of many files as one, each type in it once: what a linker would have to do, which
 * puts their sections one behind the other instead.
 */
#include <stdio.h>
#include <stdlib.h>

#include "parts.h"

/* The files are of one machine; @pointer is its pointers' size, 0 as long as it isn't known. */
static int add(struct btf *all, const char *path, bool first, size_t *pointer, char *why,
	       size_t size)
{
	struct ke_btf_place from = { .path = path };
	struct btf *btf;
	size_t pointer_here;
	int err;

	btf = open_btf(&from, &err, why, size);
	if (!btf)
		return err;
	if (first)
		btf__set_endianness(all, btf__endianness(btf));
	pointer_here = btf__pointer_size(btf);
	*pointer = *pointer ?: pointer_here;
	err = -EINVAL;
	if (btf__endianness(all) != btf__endianness(btf) ||
	    (pointer_here && pointer_here != *pointer)) {
		snprintf(why, size, "%s: it is for another machine than those before it", path);
	} else {
		err = btf__add_btf(all, btf);
		if (err < 0)
			snprintf(why, size, "%s: %s", path, strerror(-err));
	}
	btf__free(btf);
	return min(err, 0);
}

static int copy(const struct btf *all, void **data, u32 *len)
{
	u32 size;
	const void *raw = btf__raw_data(all, &size);
	void *to = raw ? malloc(size) : NULL;

	if (!to)
		return -ENOMEM;
	memcpy(to, raw, size);
	*data = to;
	*len = size;
	return 0;
}

int merge(const char *const *paths, size_t n, void **data, u32 *len, char *why, size_t size)
{
	struct btf *all = btf__new_empty();
	int err = all ? 0 : -errno;
	size_t pointer = 0, i;

	snprintf(why, size, "no memory");
	for (i = 0; i < n && !err; i++)
		err = add(all, paths[i], !i, &pointer, why, size);
	if (!err) {
		err = btf__dedup(all, NULL);
		if (err)
			snprintf(why, size, "types of these files can't be told apart: %s",
				 strerror(-err));
	}
	if (!err)
		err = copy(all, data, len);
	btf__free(all);
	return err;
}
