/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What differs between the kernels that the module is built for, 6.1 and 6.12: here and
 * nowhere else.
 */
#ifndef KECHO_COMPAT_H
#define KECHO_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "kecho is for Linux 6.1 and later"
#endif

#endif
