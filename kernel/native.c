// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Whose filters run as code of the machine: a parameter of the module says so, a user has so many
 * bytes of it, and what there is and isn't is counted. All others are interpreted, which is slower
 * and else the same.
 *
 * A JIT is code that strangers have a say in. Blinding takes from them what they would put there,
 * see jit.c, but by default nobody gets it who could not load BPF himself: kernel code does, and
 * processes with CAP_BPF do. What other nodes say isn't known to be anybody's.
 */
#include <linux/filter.h>
#include <linux/moduleparam.h>

#include "jit.h"
#include "user.h"

enum { JIT_NONE,
       JIT_CAPABLE,
       JIT_ALL };

static unsigned int jit = JIT_CAPABLE;

module_param(jit, uint, 0644);
MODULE_PARM_DESC(jit, "whose filters are compiled: 0: nobody's; 1: kernel code's, and of processes "
		      "with CAP_BPF; 2: everybody's, of other nodes, too");

struct native {
	struct ke_native n;
	struct bpf_prog *prog;
	struct kn_natives *counts;
	struct kn_user *payer; /* NULL: kernel code's, nobody pays */
};

static bool may(u64 whose)
{
	switch (READ_ONCE(jit)) {
	case JIT_NONE:
		return false;
	case JIT_CAPABLE:
		return whose & (KN_OF_KERNEL | KN_CAPABLE);
	default:
		return true;
	}
}

/* All other nodes are one user. */
static kuid_t uid_of(u64 whose)
{
	return whose & KN_OF_USER ? KUIDT_INIT((uid_t)whose) : INVALID_UID;
}

u64 kn_whose(const struct cred *cred, bool capable)
{
	return KN_OF_USER | (capable ? KN_CAPABLE : 0) | __kuid_val(cred->euid);
}

static void free_native(struct ke_native *n)
{
	struct native *native = container_of(n, struct native, n);
	size_t bytes = kn_jit_bytes(native->prog);

	atomic_long_dec(&native->counts->here);
	atomic_long_sub(bytes, &native->counts->bytes);
	if (native->payer) {
		kn_uncharge(native->payer, KN_CODE, bytes);
		kn_user_put(native->payer);
	}
	bpf_prog_free(native->prog);
	kfree(native);
	kn_gone(KN_NATIVE);
}

static struct native *make(struct kn_natives *counts, const struct ke_program *p)
{
	struct native *native = kzalloc(sizeof(*native), GFP_KERNEL_ACCOUNT);

	if (!native)
		return NULL;
	native->prog = kn_jit(p);
	if (!native->prog) {
		kfree(native);
		return NULL;
	}
	native->n = (struct ke_native){ .run = native->prog->bpf_func, .free = free_native };
	native->counts = counts;
	atomic_long_inc(&counts->here);
	atomic_long_add(kn_jit_bytes(native->prog), &counts->bytes);
	kn_made(KN_NATIVE);
	return native;
}

/* -ENOSPC: he has too much of it; -ENOMEM. */
static int charge(struct native *native, kuid_t uid)
{
	struct kn_user *u = kn_user_get(uid);
	int err = u ? kn_charge(u, KN_CODE, kn_jit_bytes(native->prog)) : -ENOMEM;

	if (!err)
		native->payer = u;
	else if (u)
		kn_user_put(u);
	return err;
}

struct ke_native *kn_compile(struct kn *kn, u64 whose, const struct ke_program *p)
{
	struct kn_natives *counts = &kn->natives;
	struct native *native;

	if (!may(whose)) {
		atomic_long_inc(&counts->refused);
		return NULL;
	}
	native = make(counts, p);
	if (!native) {
		atomic_long_inc(&counts->failed);
		return NULL;
	}
	if (whose & KN_OF_KERNEL || !charge(native, uid_of(whose)))
		return &native->n;
	atomic_long_inc(&counts->full);
	free_native(&native->n);
	return NULL;
}
