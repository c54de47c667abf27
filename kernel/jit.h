/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Programs of filters as code of the machine: see jit.c.
 */
#ifndef KECHO_JIT_H
#define KECHO_JIT_H

struct bpf_prog;
struct ke_program;

/* kn_jit - it can be called once it has returned; bpf_prog_free() it. May sleep. NULL: there is
 * no code of it, for want of a JIT, of memory, or of the kernel's share for such, or as it is too
 * long. */
struct bpf_prog *kn_jit(const struct ke_program *p);
/* Bytes of memory that it has. */
size_t kn_jit_bytes(const struct bpf_prog *prog);

#endif
