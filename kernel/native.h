/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Filters as code of the machine, and whose are: see native.c.
 */
#ifndef KECHO_NATIVE_H
#define KECHO_NATIVE_H

#include <linux/atomic.h>

struct cred;
struct ke_native;
struct ke_program;
struct kn;

/* Whose a filter is, as core's ke_member.whose: kernel code's; a user's, with his number below, of
 * a process that may load BPF, perhaps. Neither: another node's. */
#define KN_OF_KERNEL	(1ULL << 32)
#define KN_OF_USER	(1ULL << 33)
#define KN_CAPABLE	(1ULL << 34)

/* Programs of filters that are code of the machine; and how many are not, ever. */
struct kn_natives {
	atomic_long_t here, bytes;
	atomic_long_t refused;		/* whose they are may not have any, */
	atomic_long_t full;		/* has as much as a user may, */
	atomic_long_t failed;		/* the kernel made none */
};

/* A process's, with these credentials; @capable: it has CAP_BPF. */
u64 kn_whose(const struct cred *cred, bool capable);
/* kn.lock is held. NULL: it is interpreted. */
struct ke_native *kn_compile(struct kn *kn, u64 whose, const struct ke_program *p);

#endif
