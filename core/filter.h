/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Filters: checked when they come, written for each type of event that they meet, verified,
 * run. Nothing but the verifier is trusted: what it accepts reads no byte outside of its
 * event, its slots, its state and its stack, calls helpers with what they may be given, and
 * ends within KE_FILTER_COST_MAX. Kernels may JIT what was verified; the interpreter is one
 * way to run it.
 *
 * The instructions are those of RFC 9669, of the groups base32, base64, divmul32 and
 * divmul64 (Linux 6.1 has no others): 64- and 32-bit arithmetic without signed division,
 * byte swaps to and from an order, loads of 64-bit constants, jumps forward, loads and stores
 * at constant offsets, calls of helpers, exit. What RFC 9669 calls reserved is 0.
 *
 *	- r1 to r5 are lost in a call, r0 is what it gave. r10 is read only.
 *	- A pointer comes from the context and stays one: it is copied, or is the base of a load
 *	  or store; no arithmetic, no comparison, no spill, and it isn't what exit returns.
 *	- What a register holds is followed along all paths at once: where two meet that
 *	  disagree on more than a number's value, it can't be read any more.
 *	- The context is loaded by whole members. Of it only the score is written, in whole.
 *	- The payload is read at any offset and width, as far as the type has bytes, or without
 *	  a type as far as offsets reach; it need not be aligned. Slots are read by whole
 *	  members. The state block and the stack are read and written, aligned to the width; of
 *	  the stack only bytes that were written on all ways there are read.
 *	- A shift by a constant is less than the width. A divisor isn't 0 on any way: a constant,
 *	  or a register since it was compared with 0, see ke_program_make().
 *	- An instruction that no way leads to is refused.
 *
 * A run costs 1 for each instruction, 8 for each call, and for a helper's strings 1 for each
 * byte that may be looked at; where the bytes of two are searched, twice those of the one and
 * six times those of the other. The most costly way counts. KE_ATTR_VALUE_MAX is what an
 * attribute's value may have.
 */
#ifndef KE_FILTER_H
#define KE_FILTER_H

#include "plat.h"
#include "bounds.h"
#include "type.h"
#include "attr.h"
#include "uapi/kecho_filter.h"

#define KE_FILTER_WHY_MAX 160

struct ke_filter_ref {
	u16 insn;
	u8 kind;		/* enum kecho_filter_ref_kind */
	u8 wants;		/* enum ke_value_kind, or 0 */
	u16 name, name_len;	/* in the constants */
};

struct ke_filter_slot {
	u8 scope;		/* enum kecho_filter_scope */
	u8 flags;		/* enum kecho_filter_slot_flags */
	u8 kind;		/* enum ke_value_kind, or 0 */
	u16 name, name_len;	/* in the constants */
};

/* As it came, checked, in the host's byte order. It lies in one piece of memory. */
struct ke_filter {
	u8 kind;		/* enum kecho_filter_kind */
	bool of_ages;		/* one of its slots is an attribute's age */
	u16 ninsns, nrefs, nslots, consts_len;
	u32 best;
	const struct bpf_insn *insns;
	const struct ke_filter_ref *refs;
	const struct ke_filter_slot *slots;
	const char *consts;
};

/* What is known of bytes that are in a slot; programs don't see it. */
struct ke_filter_str {
	const void *data;
	u32 len;		/* at most KE_ATTR_VALUE_MAX */
};

/* A filter for one type, verified: it may run. It needs the filter no more. */
struct ke_program;

/* What a filter keeps from event to event: the program's block, and what random(), once()
 * and rate() need. One user at a time. */
struct ke_filter_state;

struct ke_filter_ops {
	u64 (*now_ns)(void *arg);	/* CLOCK_REALTIME */
	void *arg;
};

/* ke_filter_load - a checked copy of what travelled. -EPROTO, with the reason in @why, of
 * KE_FILTER_WHY_MAX bytes; -ENOMEM. ke_filter_free() frees it. */
int ke_filter_load(struct ke_filter **f, const void *buf, u32 len, char *why);
void ke_filter_free(struct ke_filter *f);

/* ke_program_make - @f for events of type @t, which is not kept; NULL: of plain bytes, which
 * have no fields. Loads of fields become what the type asks for, and divisions by a register
 * get a test for 0 before them. -EACCES: not verified, @why has the instruction's number, as
 * it came and as written for the type if that differs, and the reason; -ENOMEM. */
int ke_program_make(struct ke_program **p, const struct ke_filter *f, const struct ke_type *t,
		    char *why);
void ke_program_free(struct ke_program *p);

/* The bytes that an event's payload must have at least; with less it is not run: no. */
u32 ke_program_need(const struct ke_program *p);

/* The most that a run can cost. */
u32 ke_program_cost(const struct ke_program *p);

/* What runs: for a JIT, or to be shown. */
const struct bpf_insn *ke_program_insns(const struct ke_program *p, u32 *n);

/* A program as code of the machine: what Linux's JIT makes is called like this. It does what the
 * interpreter does, with the same context; free() gives it back. */
struct ke_native {
	unsigned int (*run)(const void *ctx, const struct bpf_insn *insns);
	void (*free)(struct ke_native *n);
};

/* ke_program_native - it is run by @n from here on, which it has now; NULL: it is interpreted, as
 * before. Nobody runs it meanwhile; it has none yet. */
void ke_program_native(struct ke_program *p, struct ke_native *n);
bool ke_program_is_native(const struct ke_program *p);

/* What a program may touch. */
struct ke_filter_bounds {
	u32 payload;		/* bytes; at most KE_FILTER_PAYLOAD_MAX are of use */
	u16 nslots, consts_len;
	const struct ke_filter_slot *slots;
};

/* Loads reach no further: their offsets have a sign and 16 bits. Strings do. */
#define KE_FILTER_PAYLOAD_MAX (KECHO_STR_AT_MAX + KECHO_STR_LEN_MAX)

/* What was found out of it. */
struct ke_filter_proof {
	u32 need, cost;		/* as ke_program_need() and ke_program_cost() */
	u32 at;			/* refused: the instruction */
};

/* ke_filter_verify - whether a finished program may run; it trusts nothing of it. -EACCES:
 * not, @why has the reason without the number; -ENOMEM. */
int ke_filter_verify(struct ke_filter_proof *proof, const struct bpf_insn *insns, u32 n,
		     const struct ke_filter_bounds *bounds, char *why);

/* ke_filter_state_make - zeroed; @seed is random()'s. NULL: no memory. */
struct ke_filter_state *ke_filter_state_make(u64 seed);
void ke_filter_state_free(struct ke_filter_state *s);

/* The program's own KECHO_FILTER_STATE_SIZE bytes. */
void *ke_filter_state_block(struct ke_filter_state *s);

/* How many keys of once() had to be forgotten before their window's end. */
u64 ke_filter_state_forgotten(const struct ke_filter_state *s);

/* What is judged. Slots and their strings are the caller's, as many as the filter has. */
struct ke_judged {
	const void *payload;
	u32 len;
	u64 seq, time_ns;
	const struct kecho_filter_value *slots;
	const struct ke_filter_str *strs;
};

/* ke_program_run - judge; allocates nothing, takes no lock, may run in softirq. @score may be
 * NULL; it is 0 if the payload is too short. */
bool ke_program_run(const struct ke_program *p, struct ke_filter_state *s,
		    const struct ke_judged *j, const struct ke_filter_ops *ops, s64 *score);

#endif
