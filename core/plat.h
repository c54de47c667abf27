/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The platform: the kernel's own headers in the kernel, the shim of the same
 * names in user space. It is the only file of core that may look at __KERNEL__;
 * all others include it and are written in kernel idiom.
 */
#ifndef KE_PLAT_H
#define KE_PLAT_H

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <uapi/linux/bpf.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>
#if __has_include(<linux/unaligned.h>)	/* from 6.12 on */
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif
#else
#include "shim/kernel.h"
#endif

#endif
