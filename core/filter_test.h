/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Filters that tests make: instructions by name, and what travels put together part by part.
 */
#ifndef KE_FILTER_TEST_H
#define KE_FILTER_TEST_H

#include "filter_program.h"

#define INSN(code_, dst_, src_, off_, imm_)					\
	((struct bpf_insn){							\
		.code = (code_),						\
		.dst_reg = (dst_),						\
		.src_reg = (src_),						\
		.off = (off_),							\
		.imm = (s32)(imm_),						\
	})

#define MOV(dst, imm)		INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define MOV32(dst, imm)		INSN(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define COPY(dst, src)		INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define COPY32(dst, src)	INSN(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0)
#define ALU(op, dst, imm)	INSN(BPF_ALU64 | (op) | BPF_K, dst, 0, 0, imm)
#define ALUR(op, dst, src)	INSN(BPF_ALU64 | (op) | BPF_X, dst, src, 0, 0)
#define ALU32(op, dst, imm)	INSN(BPF_ALU | (op) | BPF_K, dst, 0, 0, imm)
#define ALU32R(op, dst, src)	INSN(BPF_ALU | (op) | BPF_X, dst, src, 0, 0)
#define JMP(op, dst, imm, off)	INSN(BPF_JMP | (op) | BPF_K, dst, 0, off, imm)
#define JMPR(op, dst, src, off)	INSN(BPF_JMP | (op) | BPF_X, dst, src, off, 0)
#define JMP32(op, dst, imm, off) INSN(BPF_JMP32 | (op) | BPF_K, dst, 0, off, imm)
#define JA(off)			INSN(BPF_JMP | BPF_JA, 0, 0, off, 0)
#define LDX(size, dst, src, off) INSN(BPF_LDX | BPF_MEM | (size), dst, src, off, 0)
#define STX(size, dst, off, src) INSN(BPF_STX | BPF_MEM | (size), dst, src, off, 0)
#define ST(size, dst, off, imm)	INSN(BPF_ST | BPF_MEM | (size), dst, 0, off, imm)
#define WIDE(dst, v)								\
	INSN(BPF_LD | BPF_DW | BPF_IMM, dst, 0, 0, (u32)(v)),			\
		INSN(0, 0, 0, 0, (u64)(v) >> 32)
#define CALL(helper)		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define CTX(member)		offsetof(struct kecho_filter_ctx, member)

#define PART_CONSTS_MAX	512
#define PART_REFS_MAX	16
#define PART_SLOTS_MAX	8

/* What a filter is made of, before it travels; too large for a kernel's stack. */
struct parts {
	struct kecho_filter_header h;
	struct kecho_filter_insn insns[KE_FILTER_INSNS_MAX + 1];
	struct kecho_filter_ref refs[PART_REFS_MAX];
	struct kecho_filter_slot slots[PART_SLOTS_MAX];
	char consts[PART_CONSTS_MAX];
	u8 wire[sizeof(struct kecho_filter_header) +
		(KE_FILTER_INSNS_MAX + 1 + PART_REFS_MAX + PART_SLOTS_MAX) * 8 + PART_CONSTS_MAX];
	u32 wire_len;
	char why[KE_FILTER_WHY_MAX];
};

static __maybe_unused void parts_begin(struct parts *p, u8 kind)
{
	memset(p, 0, sizeof(*p));
	p->h = (struct kecho_filter_header){
		.magic = cpu_to_le16(KECHO_FILTER_MAGIC),
		.version = KECHO_FILTER_VERSION,
		.kind = kind,
	};
}

/* Each gives the place of what it added. */
static __maybe_unused u32 parts_insn(struct parts *p, struct bpf_insn insn)
{
	u32 i = le16_to_cpu(p->h.insns);

	p->insns[i] = (struct kecho_filter_insn){
		.code = insn.code,
		.regs = insn.dst_reg | insn.src_reg << 4,
		.off = cpu_to_le16(insn.off),
		.imm = cpu_to_le32(insn.imm),
	};
	p->h.insns = cpu_to_le16(i + 1);
	return i;
}

static __maybe_unused void parts_insns(struct parts *p, const struct bpf_insn *insns, u32 n)
{
	for (; n; n--)
		parts_insn(p, *insns++);
}

static __maybe_unused u32 parts_const(struct parts *p, const char *text)
{
	u32 at = le16_to_cpu(p->h.consts), len = strlen(text);

	memcpy(p->consts + at, text, len);
	p->h.consts = cpu_to_le16(at + len);
	return at;
}

static __maybe_unused u32 parts_ref(struct parts *p, u16 insn, u8 kind, u8 wants,
				    const char *name)
{
	u32 i = le16_to_cpu(p->h.refs);

	p->refs[i] = (struct kecho_filter_ref){
		.insn = cpu_to_le16(insn),
		.kind = kind,
		.wants = wants,
		.name = cpu_to_le16(parts_const(p, name)),
		.name_len = cpu_to_le16(strlen(name)),
	};
	p->h.refs = cpu_to_le16(i + 1);
	return i;
}

static __maybe_unused u32 parts_slot(struct parts *p, u8 scope, u8 flags, u8 kind,
				     const char *name)
{
	u32 i = le16_to_cpu(p->h.slots);

	p->slots[i] = (struct kecho_filter_slot){
		.scope = scope,
		.flags = flags,
		.kind = kind,
		.name = cpu_to_le16(parts_const(p, name)),
		.name_len = cpu_to_le16(strlen(name)),
	};
	p->h.slots = cpu_to_le16(i + 1);
	return i;
}

static __maybe_unused void parts_put(struct parts *p, const void *from, u32 len)
{
	memcpy(p->wire + p->wire_len, from, len);
	p->wire_len += len;
}

/* As it travels. */
static __maybe_unused void parts_join(struct parts *p)
{
	p->wire_len = 0;
	parts_put(p, &p->h, sizeof(p->h));
	parts_put(p, p->insns, le16_to_cpu(p->h.insns) * sizeof(*p->insns));
	parts_put(p, p->refs, le16_to_cpu(p->h.refs) * sizeof(*p->refs));
	parts_put(p, p->slots, le16_to_cpu(p->h.slots) * sizeof(*p->slots));
	parts_put(p, p->consts, le16_to_cpu(p->h.consts));
}

/* NULL: refused, and why. */
static __maybe_unused struct ke_filter *parts_load(struct parts *p)
{
	struct ke_filter *f = NULL;

	p->why[0] = 0;
	parts_join(p);
	return ke_filter_load(&f, p->wire, p->wire_len, p->why) ? NULL : f;
}

/* Where there is a JIT: programs of tests are its code. */
void test_compile(struct ke_program *p) __attribute__((weak));

/* Loaded, written for @t and verified; NULL: refused, and why. */
static __maybe_unused struct ke_program *parts_make(struct parts *p, const struct ke_type *t)
{
	struct ke_filter *f = parts_load(p);
	struct ke_program *made = NULL;

	if (f && ke_program_make(&made, f, t, p->why))
		made = NULL;
	if (made && test_compile)
		test_compile(made);
	ke_filter_free(f);
	return made;
}

/* A clock that tests set. */
static __maybe_unused u64 test_now_ns;

static u64 test_clock(void __always_unused *arg)
{
	return test_now_ns;
}

static const struct ke_filter_ops __maybe_unused test_ops = { .now_ns = test_clock };

#endif
