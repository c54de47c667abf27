/* SPDX-License-Identifier: MIT */
/*
 * btf.so's files: open.c has the table and opens BTF, merge.c makes one of many, flatten.c
 * makes a struct's fields, and shape.c tells layouts apart.
 */
#ifndef KE_BTF_PARTS_H
#define KE_BTF_PARTS_H

#include <bpf/btf.h>

#include "btf.h"

enum {
	DEPTH_MAX = 32,		/* of structs in structs */
	WORK_MAX = 1 << 16,	/* members that one struct is made of, all counted */
};

/* NULL, and why not. */
struct btf *open_btf(const struct ke_btf_place *from, int *err, char *why, size_t size);

/* As in the table; complaints say @where the BTF is. */
int flatten(const struct btf *btf, const char *where, const char *name, struct ke_btf_sink *to,
	    char *why, size_t size);

/* A type without the names that it has beside its own, const and the like; NULL: none. */
const struct btf_type *bare_type(const struct btf *btf, u32 id);

/* What tells the layout of the type @id from others; never 0. */
u32 shape(const struct btf *btf, u32 id);

int merge(const char *const *paths, size_t n, void **data, u32 *len, char *why, size_t size);

#endif
