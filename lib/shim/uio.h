/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Runs of memory, as in <linux/uio.h>. */
#ifndef SHIM_UIO_H
#define SHIM_UIO_H

#include <stddef.h>
#include <sys/uio.h>

#include "shim/compiler.h"

/* Lies in memory as a struct iovec does, so an array of it may be cast to one. */
struct kvec {
	void *iov_base;
	size_t iov_len;
};

static_assert(sizeof(struct kvec) == sizeof(struct iovec));
static_assert(offsetof(struct kvec, iov_base) == offsetof(struct iovec, iov_base));
static_assert(offsetof(struct kvec, iov_len) == offsetof(struct iovec, iov_len));

#endif
