/* SPDX-License-Identifier: MIT */
/* A filter out of an object of clang -target bpf: see include/kecho/filter_bpf.h. */
#ifndef CLI_FILTER_OBJECT_H
#define CLI_FILTER_OBJECT_H

#include "buf.h"

/* The filter as it travels, in @wire; -EINVAL after complaining of @path. */
int filter_object(const char *path, const struct buf *object, struct buf *wire);

#endif
