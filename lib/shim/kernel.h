/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The user-space stand-in for the kernel headers that core uses: the same
 * names, the same types and the same meaning, nothing more. What is missing
 * here is missing on purpose: core has no locks, threads, clock or I/O.
 */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <linux/bpf.h>

#include "shim/compiler.h"
#include "shim/types.h"
#include "shim/bug.h"
#include "shim/math.h"
#include "shim/barrier.h"
#include "shim/byteorder.h"
#include "shim/err.h"
#include "shim/list.h"
#include "shim/slab.h"
#include "shim/sort.h"
#include "shim/string.h"
#include "shim/uio.h"

#endif
