/* SPDX-License-Identifier: MIT */
/*
 * What libkecho and btf.so agree on. btf.so has libbpf in it, so it is loaded by who makes a
 * type of BTF only (lib/type_btf.c), and exports this one table.
 *
 * The table changes only with its version; both sides are of one installation.
 */
#ifndef KE_BTF_H
#define KE_BTF_H

#include "type.h"

enum { KE_BTF_VERSION = 1 };

#define KE_BTF_TABLE	"kecho_btf"

/* Where BTF is: in the file @path, or if that is NULL @len bytes at @data. */
struct ke_btf_place {
	const char *path;
	const void *data;
	u32 len;
};

/* Who gets the fields of a struct, one by one. */
struct ke_btf_sink {
	void *arg;
	/* An error ends it, and is explained by who gives it. */
	int (*add)(void *arg, const char *name, const struct ke_field *f);
	/* and is told of the struct: */
	u32 size;
	bool big_endian;
};

struct ke_btf_table {
	u32 version;
	u32 size;	/* of this struct */
	/*
	 * The fields of the struct @name, or of that which the typedef @name is one of.
	 * -ENOENT: there is no such struct or file; -EINVAL: that is no BTF; -EOPNOTSUPP: a
	 * field that types don't have; an error of reading: @why says which. It is empty if
	 * the sink gave the error.
	 */
	int (*flatten)(const struct ke_btf_place *from, const char *name,
		       struct ke_btf_sink *to, char *why, size_t size);
	/* All BTF of the files together, each type once, in memory that @free takes. */
	int (*merge)(const char *const *paths, size_t n, void **data, u32 *len, char *why,
		     size_t size);
	void (*free)(void *data);
};

#endif
