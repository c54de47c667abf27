// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Running a program that was verified: as the code of the machine that was made of it, or
 * instruction by instruction. There is nothing here that a JIT wouldn't do: the context, the stack
 * and the helpers are the same, and all that must be checked was. What 32 bits leave of a register
 * is 0; shifts take as many bits of their width as it has.
 */
#include "filter_program.h"

static void *pointer(u64 reg, s16 off)
{
	return (u8 *)(unsigned long)reg + off;
}

/* A number of @type in the host's order, aligned or not. */
#define LOAD(type, reg, off)							\
	({									\
		type __v;							\
										\
		memcpy(&__v, pointer(reg, off), sizeof(__v));			\
		__v;								\
	})
#define STORE(type, reg, off, val)						\
	({									\
		type __v = (type)(val);						\
										\
		memcpy(pointer(reg, off), &__v, sizeof(__v));			\
	})

static u64 remainder64(u64 a, u64 b)
{
	return b ? a - div64_u64(a, b) * b : a;
}

/* @imm is how many bits, and the others are cleared. */
static u64 to_order(u64 v, s32 imm, bool big)
{
	bool host_big = cpu_to_le16(1) != 1;

	switch (imm) {
	case 16:
		return big == host_big ? (u16)v : __builtin_bswap16(v);
	case 32:
		return big == host_big ? (u32)v : __builtin_bswap32(v);
	default:
		return big == host_big ? v : __builtin_bswap64(v);
	}
}

static u64 call(struct kecho_filter_ctx *ctx, const u64 *reg, s32 number)
{
	const struct ke_filter_helper *h = ke_filter_helper(number);

	return h->fn(ctx, reg[2], reg[3], reg[4], reg[5]);
}

/* One operation on registers of 64 bits and on their lower halves, with either source. */
#define DST reg[insn->dst_reg]
#define SRC reg[insn->src_reg]
#define IMM insn->imm
#define ALU_ONE(class, op, type, src, expr)					\
	case (class) | (op): {							\
		type a = (type)DST, b = (type)(src);				\
										\
		DST = (type)(expr);						\
		break;								\
	}
#define ALU(op, expr32, expr64)							\
	ALU_ONE(BPF_ALU64 | BPF_K, op, u64, (s64)IMM, expr64)			\
	ALU_ONE(BPF_ALU64 | BPF_X, op, u64, SRC, expr64)			\
	ALU_ONE(BPF_ALU | BPF_K, op, u32, IMM, expr32)				\
	ALU_ONE(BPF_ALU | BPF_X, op, u32, SRC, expr32)
#define ALU_SAME(op, expr) ALU(op, expr, expr)

#define JUMP_ONE(class, op, type, src, expr)					\
	case (class) | (op): {							\
		type a = (type)DST, b = (type)(src);				\
										\
		if (expr)							\
			insn += insn->off;					\
		break;								\
	}
#define JUMP(op, sign, expr)							\
	JUMP_ONE(BPF_JMP | BPF_K, op, sign##64, (s64)IMM, expr)			\
	JUMP_ONE(BPF_JMP | BPF_X, op, sign##64, SRC, expr)			\
	JUMP_ONE(BPF_JMP32 | BPF_K, op, sign##32, IMM, expr)			\
	JUMP_ONE(BPF_JMP32 | BPF_X, op, sign##32, SRC, expr)

#define MEM_ONE(size, type)							\
	case BPF_LDX | BPF_MEM | (size):					\
		DST = LOAD(type, SRC, insn->off);				\
		break;								\
	case BPF_STX | BPF_MEM | (size):					\
		STORE(type, DST, insn->off, SRC);				\
		break;								\
	case BPF_ST | BPF_MEM | (size):						\
		STORE(type, DST, insn->off, (s64)IMM);				\
		break;

static u32 interpret(const struct bpf_insn *insn, struct kecho_filter_ctx *ctx)
{
	u64 stack[KECHO_FILTER_STACK_SIZE / sizeof(u64)];
	u64 reg[MAX_BPF_REG];

	reg[BPF_REG_1] = (unsigned long)ctx;
	reg[BPF_REG_10] = (unsigned long)(stack + ARRAY_SIZE(stack));
	for (;; insn++) {
		switch (insn->code) {
			ALU_SAME(BPF_ADD, a + b)
			ALU_SAME(BPF_SUB, a - b)
			ALU_SAME(BPF_MUL, a * b)
			ALU_SAME(BPF_OR, a | b)
			ALU_SAME(BPF_AND, a & b)
			ALU_SAME(BPF_XOR, a ^ b)
			ALU(BPF_MOV, ((void)a, b), ((void)a, b))
			ALU(BPF_LSH, a << (b & 31), a << (b & 63))
			ALU(BPF_RSH, a >> (b & 31), a >> (b & 63))
			ALU(BPF_ARSH, (s32)a >> (b & 31), (s64)a >> (b & 63))
			ALU(BPF_DIV, b ? a / b : 0, b ? div64_u64(a, b) : 0)
			ALU(BPF_MOD, b ? a % b : a, remainder64(a, b))
			JUMP(BPF_JEQ, u, a == b)
			JUMP(BPF_JNE, u, a != b)
			JUMP(BPF_JGT, u, a > b)
			JUMP(BPF_JGE, u, a >= b)
			JUMP(BPF_JLT, u, a < b)
			JUMP(BPF_JLE, u, a <= b)
			JUMP(BPF_JSET, u, a & b)
			JUMP(BPF_JSGT, s, a > b)
			JUMP(BPF_JSGE, s, a >= b)
			JUMP(BPF_JSLT, s, a < b)
			JUMP(BPF_JSLE, s, a <= b)
			MEM_ONE(BPF_B, u8)
			MEM_ONE(BPF_H, u16)
			MEM_ONE(BPF_W, u32)
			MEM_ONE(BPF_DW, u64)
		case BPF_ALU64 | BPF_NEG:
			DST = -DST;
			break;
		case BPF_ALU | BPF_NEG:
			DST = -(u32)DST;
			break;
		case BPF_ALU | BPF_END | BPF_TO_LE:
			DST = to_order(DST, IMM, false);
			break;
		case BPF_ALU | BPF_END | BPF_TO_BE:
			DST = to_order(DST, IMM, true);
			break;
		case BPF_LD | BPF_DW | BPF_IMM:
			DST = (u32)IMM | (u64)(u32)insn[1].imm << 32;
			insn++;
			break;
		case BPF_JMP | BPF_JA:
			insn += insn->off;
			break;
		case BPF_JMP | BPF_CALL:
			reg[BPF_REG_0] = call(ctx, reg, IMM);
			break;
		case BPF_JMP | BPF_EXIT:
			return reg[BPF_REG_0];
		default:
			WARN_ON_ONCE(1);
			return 0;
		}
	}
}

void ke_filter_run_init(struct ke_filter_run *run, const struct ke_program *p,
			struct ke_filter_state *s, const struct ke_judged *j,
			const struct ke_filter_ops *ops)
{
	*run = (struct ke_filter_run){
		.ctx = {
			.payload = (unsigned long)(j->payload ?: ""),
			.slots = (unsigned long)j->slots,
			.state = (unsigned long)ke_filter_state_block(s),
			.seq = j->seq,
			.time_ns = j->time_ns,
			.len = j->len,
		},
		.p = p,
		.state = s,
		.j = j,
		.ops = ops,
	};
}

bool ke_program_run(const struct ke_program *p, struct ke_filter_state *s,
		    const struct ke_judged *j, const struct ke_filter_ops *ops, s64 *score)
{
	struct ke_filter_run run;
	bool yes;

	if (j->len < p->need) {
		if (score)
			*score = 0;
		return false;
	}
	ke_filter_run_init(&run, p, s, j, ops);
	yes = p->native ? p->native->run(&run.ctx, p->insns) : interpret(p->insns, &run.ctx);
	if (score)
		*score = run.ctx.score;
	return yes;
}
