/* SPDX-License-Identifier: MIT */
/*
 * Filters written in C, for clang -target bpf -O2; kecho filter compile --c FILE.o makes a
 * filter of the object. Not for programs that run on the host: those include filter.h.
 *
 *	KECHO_EVENT_FILTER int busy(struct kecho_bpf *f)
 *	{
 *		return kecho_has_field(f, "cpu") && kecho_field(f, "cpu") > 80;
 *	}
 *
 * An object has one filter, all of it in one function: what it calls must be inlined. It may
 * have no loops that are not unrolled, no global variables, and no strings but those of the
 * macros below. A macro leaves an instruction that is completed later, and in the section
 * .kecho.refs a word about what it refers to. Names are constant strings.
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_FILTER_BPF_H
#define KECHO_FILTER_BPF_H

/* Headers of the host are none of the target. */
typedef unsigned long long kecho_u64;
typedef long long kecho_s64;

/* What a filter sees; it returns 0 for no. */
struct kecho_bpf {
	kecho_u64 payload, slots;	/* where they are: for the macros */
	kecho_u64 state;	/* where 64 bytes are that stay from event to event, 0 at first */
	kecho_u64 seq;
	kecho_u64 time_ns;		/* since 1970; 0: not told */
	kecho_u64 len;
	kecho_u64 pad[2];
	kecho_s64 score;	/* may be written, in an OUT filter: the highest are the best */
};

#define KECHO_EVENT_FILTER	__attribute__((section("kecho/event"), used))
#define KECHO_IN_FILTER		__attribute__((section("kecho/in"), used))
#define KECHO_OUT_FILTER	__attribute__((section("kecho/out"), used))

/* Outside of the function, of an OUT filter: only the @n sinks with the highest score. */
#define KECHO_BEST(n)								\
	asm(".pushsection .kecho.best,\"\",@progbits\n.long " #n "\n.popsection")

/* Whose attribute it is. */
#define KECHO_OF_EVENT		1
#define KECHO_OF_CHANNEL	2
#define KECHO_OF_SOURCE		3
#define KECHO_OF_SOURCE_NODE	4
#define KECHO_OF_SINK		5
#define KECHO_OF_SINK_NODE	6
#define KECHO_OF_NODE		7	/* where it is judged */

#define kecho_ref_text_(insn, what, of, name)					\
	"1: " insn "\n.pushsection .kecho.refs,\"\",@progbits\n.quad 1b\n.byte " #what ", " #of \
	"\n.asciz \"" name "\"\n.balign 8\n.popsection"
#define kecho_ref_(insn, what, of, name) kecho_ref_text_(insn, what, of, name)
#define kecho_load_(from, what, of, name)					\
	({									\
		kecho_s64 __v;							\
		asm(kecho_ref_("%0 = *(u64 *)(%1 + 0)", what, of, name)		\
		    : "=r"(__v)							\
		    : "r"(from));						\
		__v;								\
	})
#define kecho_move_(what, of, name)						\
	({									\
		kecho_u64 __v;							\
		asm(kecho_ref_("%0 = 0", what, of, name)			\
		    : "=r"(__v));						\
		__v;								\
	})

/* A number of the event; 0 if the type has none of that name. */
#define kecho_field(f, name)		kecho_load_((f)->payload, 1, 0, name)
/* 1 or 0: whether the type has such a number, such a string. */
#define kecho_has_field(f, name)	kecho_move_(2, 0, name)
#define kecho_has_string(f, name)	kecho_move_(3, 0, name)
/* 1 or 0: whether the event's type is this one. */
#define kecho_is_type(f, name)		kecho_move_(5, 0, name)

/* An attribute that is a number: whether it is there, its value, its age in ns. */
#define kecho_has_attr(f, of, name)	kecho_load_((f)->slots, 16, of, name)
#define kecho_attr(f, of, name)		kecho_load_((f)->slots, 17, of, name)
#define kecho_has_age(f, of, name)	kecho_load_((f)->slots, 18, of, name)
#define kecho_age(f, of, name)		kecho_load_((f)->slots, 19, of, name)

/* Strings, for the calls below: a field, an attribute, a constant. */
#define kecho_string_field(f, name)	kecho_move_(4, 0, name)
#define kecho_string_attr(f, of, name)	kecho_move_(20, of, name)
#define kecho_string_const(text)	kecho_move_(21, 0, text)

/* docs/filters.md says what each of them gives. A window is in nanoseconds. */
#define kecho_call_(f, n, a, b)							\
	(((kecho_u64(*)(struct kecho_bpf *, kecho_u64, kecho_u64))(n))(f, a, b))
#define kecho_now(f)			kecho_call_(f, 1, 0, 0)
#define kecho_random(f)			kecho_call_(f, 2, 0, 0)
#define kecho_hash(f, v)		kecho_call_(f, 3, v, 0)
#define kecho_hash_string(f, s)		kecho_call_(f, 4, s, 0)
#define kecho_equal(f, a, b)		kecho_call_(f, 5, a, b)
#define kecho_prefix(f, a, b)		kecho_call_(f, 6, a, b)
#define kecho_contains(f, a, b)		kecho_call_(f, 7, a, b)
#define kecho_once(f, key, window)	kecho_call_(f, 8, key, window)
#define kecho_rate(f, n, id)		kecho_call_(f, 9, n, id)

#endif
