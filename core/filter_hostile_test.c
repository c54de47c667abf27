// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs that may not run. Each is refused at the instruction that is wrong, with a reason
 * that no other has.
 */
#include "filter.h"
#include "filter_test.h"
#include "tap.h"

enum { HOSTILE_INSNS_MAX = 12 };

struct hostile {
	u32 at;
	const char *why;
	struct bpf_insn insns[HOSTILE_INSNS_MAX + 1];
};

/* Behind the last instruction. */
#define END		INSN(0xfe, 14, 14, 0, 0)
#define P(at, why, ...)	{ at, why, { __VA_ARGS__, END } }

static u32 length(const struct hostile *h)
{
	struct bpf_insn end = END;
	u32 n = 0;

	while (memcmp(&h->insns[n], &end, sizeof(end)))
		n++;
	return n;
}

static const struct hostile hostile[] = {
	/* instructions that there are not */
	P(0, "there is no instruction 0x00",
	  INSN(0, 0, 0, 0, 0), EXIT),
	P(0, "there is no instruction 0xff",
	  INSN(0xff, 0, 0, 0, 0), EXIT),
	P(0, "there is no instruction 0x8d",
	  INSN(BPF_JMP | BPF_CALL | BPF_X, 0, 0, 0, 1), EXIT),
	P(0, "there is no instruction 0x9d",
	  INSN(BPF_JMP | BPF_EXIT | BPF_X, 0, 0, 0, 0)),
	P(0, "there is no instruction 0x8f",
	  INSN(BPF_ALU64 | BPF_NEG | BPF_X, 0, 0, 0, 0), EXIT),
	P(0, "there is no instruction 0xe7",
	  INSN(BPF_ALU64 | 0xe0, 0, 0, 0, 0), EXIT),
	P(0, "there is no instruction 0xe5",
	  INSN(BPF_JMP | 0xe0, 0, 0, 0, 0), EXIT),
	P(0, "there is no instruction 0x86",
	  INSN(BPF_JMP32 | BPF_CALL, 0, 0, 0, 1), EXIT),
	P(0, "there is no instruction 0x96",
	  INSN(BPF_JMP32 | BPF_EXIT, 0, 0, 0, 0)),
	P(0, "there is no instruction 0x0d",
	  INSN(BPF_JMP | BPF_JA | BPF_X, 0, 0, 0, 0), EXIT),
	P(0, "there is no instruction 0x41",
	  INSN(BPF_LDX | BPF_IND, 0, 1, 0, 0), EXIT),
	P(0, "there is no instruction 0xa2",
	  INSN(BPF_ST | BPF_MSH, 10, 0, -8, 0), EXIT),
	P(0, "atomic operations are none of filters (0xdb)",
	  INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 1, -8, 0), EXIT),
	P(0, "atomic operations are none of filters (0xc3)",
	  INSN(BPF_STX | BPF_ATOMIC | BPF_W, 10, 1, -8, 0xe1), EXIT),
	P(0, "loads that extend a sign are none of filters (0x91)",
	  INSN(BPF_LDX | 0x80 | BPF_B, 2, 1, 0, 0), EXIT),
	P(0, "loads that extend a sign are none of filters (0x81)",
	  INSN(BPF_LDX | 0x80 | BPF_W, 2, 1, 0, 0), EXIT),
	P(0, "loads from packets are none of filters (0x20)",
	  INSN(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 14), EXIT),
	P(0, "loads from packets are none of filters (0x50)",
	  INSN(BPF_LD | BPF_IND | BPF_B, 0, 1, 0, 0), EXIT),
	P(0, "unconditional byte swaps are none of filters (0xd7)",
	  INSN(BPF_ALU64 | BPF_END, 0, 0, 0, 16), EXIT),
	P(0, "long jumps are none of filters (0x06)",
	  INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 1), EXIT),

	/* registers and what is reserved */
	P(0, "there is no r11",
	  MOV(11, 0), EXIT),
	P(0, "there is no r15",
	  COPY(0, 15), EXIT),
	P(0, "there is no r12",
	  LDX(BPF_DW, 12, 1, 0), EXIT),
	P(0, "its source is reserved, and r3",
	  INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 3, 0, 1), EXIT),
	P(0, "its offset is reserved, and 1",
	  INSN(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 1, 1), EXIT),
	P(1, "its offset is reserved, and -1",
	  MOV(0, 1), INSN(BPF_ALU | BPF_XOR | BPF_X, 0, 0, -1, 0), EXIT),
	P(0, "division with signs is none of filters",
	  INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, 1), EXIT),
	P(1, "its constant is reserved, and 5",
	  MOV(0, 1), INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 0, 0, 5), EXIT),
	P(0, "moves that extend a sign are none of filters",
	  INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 8, 0), EXIT),
	P(1, "its constant is reserved, and 9",
	  MOV(0, 1), INSN(BPF_ALU64 | BPF_NEG, 0, 0, 0, 9), EXIT),
	P(1, "its source is reserved, and r2",
	  MOV(0, 1), INSN(BPF_ALU | BPF_END, 0, 2, 0, 16), EXIT),
	P(0, "its constant is reserved, and 7",
	  INSN(BPF_LDX | BPF_MEM | BPF_DW, 2, 1, 0, 7), EXIT),
	P(1, "its constant is reserved, and 8",
	  MOV(2, 0), INSN(BPF_STX | BPF_MEM | BPF_DW, 10, 2, -8, 8), EXIT),
	P(0, "its source is reserved, and r4",
	  INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 4, -8, 8), EXIT),
	P(0, "its destination is reserved, and r1",
	  INSN(BPF_JMP | BPF_JA, 1, 0, 0, 0), EXIT),
	P(0, "its constant is reserved, and 3",
	  INSN(BPF_JMP | BPF_JA, 0, 0, 0, 3), EXIT),
	P(1, "its source is reserved, and r5",
	  MOV(0, 1), INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 0, 1), EXIT),
	P(1, "its constant is reserved, and 2",
	  MOV(0, 1), INSN(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 0, 2), EXIT),
	P(0, "its offset is reserved, and 4",
	  INSN(BPF_JMP | BPF_CALL, 0, 0, 4, KECHO_CALL_NOW), EXIT),
	P(0, "its destination is reserved, and r6",
	  INSN(BPF_JMP | BPF_CALL, 6, 0, 0, KECHO_CALL_NOW), EXIT),
	P(0, "its constant is reserved, and 1",
	  INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 1)),
	P(0, "its offset is reserved, and 2",
	  INSN(BPF_LD | BPF_DW | BPF_IMM, 0, 0, 2, 0), INSN(0, 0, 0, 0, 0), EXIT),
	P(0, "a 64-bit load of kind 1: only constants are",
	  INSN(BPF_LD | BPF_DW | BPF_IMM, 0, 1, 0, 3), INSN(0, 0, 0, 0, 0), EXIT),
	P(0, "the second half of a 64-bit load has only a constant",
	  INSN(BPF_LD | BPF_DW | BPF_IMM, 0, 0, 0, 3), EXIT, EXIT),
	P(0, "the program ends within a 64-bit load",
	  INSN(BPF_LD | BPF_DW | BPF_IMM, 0, 0, 0, 3)),
	P(0, "a call of kind 1: only helpers are called",
	  INSN(BPF_JMP | BPF_CALL, 0, 1, 0, 1), EXIT),
	P(0, "a call of kind 2: only helpers are called",
	  INSN(BPF_JMP | BPF_CALL, 0, 2, 0, 1), EXIT),
	P(1, "a shift by 64 of 64 bits",
	  MOV(0, 1), ALU(BPF_LSH, 0, 64), EXIT),
	P(1, "a shift by 32 of 32 bits",
	  MOV(0, 1), ALU32(BPF_RSH, 0, 32), EXIT),
	P(1, "a shift by -1 of 64 bits",
	  MOV(0, 1), ALU(BPF_ARSH, 0, -1), EXIT),
	P(1, "a division by 0",
	  MOV(0, 1), ALU(BPF_DIV, 0, 0), EXIT),
	P(1, "a byte swap of 8 bits",
	  MOV(0, 1), INSN(BPF_ALU | BPF_END, 0, 0, 0, 8), EXIT),
	P(1, "a byte swap of -16 bits",
	  MOV(0, 1), INSN(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, -16), EXIT),

	/* ways */
	P(0, "it jumps back, by -1",
	  JA(-1), EXIT),
	P(2, "it jumps back, by -3",
	  MOV(0, 1), ALU(BPF_ADD, 0, 1), JMP(BPF_JLT, 0, 9, -3), EXIT),
	P(1, "it jumps back, by -32768",
	  MOV(0, 1), JMP(BPF_JEQ, 0, 1, S16_MIN), EXIT),
	P(0, "it jumps out of the program, by 1",
	  JA(1), EXIT),
	P(1, "it jumps out of the program, by 32767",
	  MOV(0, 1), JMP32(BPF_JEQ, 0, 1, S16_MAX), EXIT),
	P(1, "it jumps into the middle of a 64-bit load",
	  MOV(0, 1), JMP(BPF_JEQ, 0, 0, 1), WIDE(2, 1), EXIT),
	P(0, "the program ends without an exit",
	  MOV(0, 1)),
	P(1, "it jumps out of the program, by 0",
	  MOV(0, 1), JA(0)),
	P(2, "no way leads to it",
	  MOV(0, 1), EXIT, EXIT),

	/* what registers hold */
	P(0, "r0 was never set",
	  EXIT),
	P(0, "r3 was never set",
	  COPY(0, 3), EXIT),
	P(0, "r4 was never set",
	  ALU(BPF_ADD, 4, 1), EXIT),
	P(1, "r5 was never set",
	  MOV(0, 1), ALUR(BPF_ADD, 0, 5), EXIT),
	P(0, "r9 was never set",
	  JMP(BPF_JEQ, 9, 0, 0), EXIT),
	P(3, "r2 is not set on every way that leads here",
	  MOV(0, 1), JMP(BPF_JEQ, 0, 1, 1), MOV(2, 1), COPY(0, 2), EXIT),
	P(1, "r1 was lost in a call",
	  CALL(KECHO_CALL_NOW), LDX(BPF_DW, 0, 1, CTX(seq)), EXIT),
	P(2, "r5 was lost in a call",
	  MOV(5, 1), CALL(KECHO_CALL_RANDOM), ALUR(BPF_ADD, 0, 5), EXIT),
	P(4, "r2 differs on the ways that lead here",
	  MOV(0, 1), MOV(2, 1), JMP(BPF_JEQ, 0, 1, 1), COPY(2, 1), COPY(0, 2), EXIT),
	P(5, "r6 differs on the ways that lead here",
	  LDX(BPF_DW, 6, 1, CTX(payload)), MOV(0, 1), JMP(BPF_JEQ, 0, 1, 1), COPY(6, 1),
	  MOV(2, 0), LDX(BPF_DW, 3, 6, 0), EXIT),
	P(0, "r10 is read only",
	  MOV(10, 0), EXIT),
	P(0, "r1 is no number: it points to the context",
	  ALU(BPF_ADD, 1, 8), EXIT),
	P(1, "r2 is no number: it points to the stack",
	  COPY(2, 10), ALU(BPF_SUB, 2, 8), EXIT),
	P(1, "r6 is no number: it points to the payload",
	  LDX(BPF_DW, 6, 1, CTX(payload)), COPY32(0, 6), EXIT),
	P(1, "r7 is no number: it points to the slots",
	  LDX(BPF_DW, 7, 1, CTX(slots)), JMP(BPF_JEQ, 7, 0, 0), EXIT),
	P(2, "r8 is no number: it points to the state block",
	  LDX(BPF_DW, 8, 1, CTX(state)), MOV(0, 1), JMPR(BPF_JGT, 0, 8, 0), EXIT),
	P(1, "r0 is no number: it points to the payload",
	  LDX(BPF_DW, 0, 1, CTX(payload)), EXIT),
	P(1, "r0 is no number: it points to the stack",
	  COPY(0, 10), EXIT),
	P(0, "r10 is no number: it points to the stack",
	  STX(BPF_DW, 10, -8, 10), EXIT),
	P(1, "r6 is no number: it points to the context",
	  COPY(6, 1), INSN(BPF_ALU | BPF_END, 6, 0, 0, 16), EXIT),
	P(2, "r3 may be 0, and is divided by",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_DW, 3, 6, 0), ALUR(BPF_DIV, 3, 3), EXIT),
	P(2, "r4 may be 0, and is divided by",
	  MOV(4, 0), MOV(0, 1), ALUR(BPF_MOD, 0, 4), EXIT),
	P(5, "r5 may be 0, and is divided by",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_DW, 5, 6, 0), MOV(0, 1), JMP(BPF_JNE, 5, 0, 1),
	  EXIT, ALU32R(BPF_DIV, 0, 5), EXIT),
	P(3, "r9 may be 0, and is divided by",
	  WIDE(9, 0x100000000ULL), MOV(0, 1), ALU32R(BPF_MOD, 0, 9), EXIT),

	/* memory */
	P(0, "8 bytes at 72 are not in the context, of 72",
	  LDX(BPF_DW, 0, 1, 72), EXIT),
	P(0, "8 bytes at -8 are not in the context, of 72",
	  LDX(BPF_DW, 0, 1, -8), EXIT),
	P(0, "members of the context are loaded whole",
	  LDX(BPF_W, 0, 1, CTX(seq)), EXIT),
	P(0, "the context has nothing at 48",
	  LDX(BPF_DW, 0, 1, CTX(pad)), EXIT),
	P(0, "the context has nothing at 56",
	  LDX(BPF_DW, 0, 1, CTX(pad) + 8), EXIT),
	P(1, "8 bytes at 57 are not in the payload, of 64",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_DW, 0, 6, 57), EXIT),
	P(1, "1 bytes at 64 are not in the payload, of 64",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_B, 0, 6, 64), EXIT),
	P(1, "2 bytes at -1 are not in the payload, of 64",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_H, 0, 6, -1), EXIT),
	P(1, "8 bytes at 32767 are not in the payload, of 64",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_DW, 0, 6, S16_MAX), EXIT),
	P(1, "8 bytes at 64 are not in the slots, of 64",
	  LDX(BPF_DW, 7, 1, CTX(slots)), LDX(BPF_DW, 0, 7, 64), EXIT),
	P(1, "8 bytes at -8 are not in the slots, of 64",
	  LDX(BPF_DW, 7, 1, CTX(slots)), LDX(BPF_DW, 0, 7, -8), EXIT),
	P(1, "members of slots are loaded whole",
	  LDX(BPF_DW, 7, 1, CTX(slots)), LDX(BPF_DW, 0, 7, 4), EXIT),
	P(1, "8 bytes at 60 are not in the state block, of 64",
	  LDX(BPF_DW, 8, 1, CTX(state)), LDX(BPF_DW, 0, 8, 60), EXIT),
	P(1, "4 bytes at -4 are not in the state block, of 64",
	  LDX(BPF_DW, 8, 1, CTX(state)), ST(BPF_W, 8, -4, 1), EXIT),
	P(1, "4 bytes at 2 are not aligned",
	  LDX(BPF_DW, 8, 1, CTX(state)), LDX(BPF_W, 0, 8, 2), EXIT),
	P(1, "8 bytes at 12 are not aligned",
	  LDX(BPF_DW, 8, 1, CTX(state)), ST(BPF_DW, 8, 12, 1), EXIT),
	P(0, "8 bytes at 0 are not in the stack, of 128",
	  ST(BPF_DW, 10, 0, 1), EXIT),
	P(0, "8 bytes at -136 are not in the stack, of 128",
	  ST(BPF_DW, 10, -136, 1), EXIT),
	P(0, "4 bytes at -2 are not in the stack, of 128",
	  LDX(BPF_W, 0, 10, -2), EXIT),
	P(0, "2 bytes at -7 are not aligned",
	  ST(BPF_H, 10, -7, 1), EXIT),
	P(0, "8 bytes at -8 of the stack are not written on every way",
	  LDX(BPF_DW, 0, 10, -8), EXIT),
	P(1, "8 bytes at -16 of the stack are not written on every way",
	  ST(BPF_W, 10, -16, 0), LDX(BPF_DW, 0, 10, -16), EXIT),
	P(3, "1 bytes at -1 of the stack are not written on every way",
	  MOV(0, 1), JMP(BPF_JEQ, 0, 1, 1), ST(BPF_B, 10, -1, 1), LDX(BPF_B, 0, 10, -1), EXIT),
	P(5, "8 bytes at -24 of the stack are not written on every way",
	  MOV(0, 1), JMP(BPF_JEQ, 0, 1, 2), ST(BPF_DW, 10, -24, 1), JA(1), MOV(2, 1),
	  LDX(BPF_DW, 0, 10, -24), EXIT),
	P(1, "a load through r2, which is a number",
	  MOV(2, 4096), LDX(BPF_DW, 0, 2, 0), EXIT),
	P(2, "a load through r3, which is a number",
	  LDX(BPF_DW, 6, 1, CTX(payload)), LDX(BPF_DW, 3, 6, 0), LDX(BPF_DW, 0, 3, 0), EXIT),
	P(2, "a load through r6, which is a number",
	  ST(BPF_DW, 10, -8, 0), LDX(BPF_DW, 6, 10, -8), LDX(BPF_DW, 0, 6, 0), EXIT),
	P(1, "a store through r2, which is a number",
	  MOV(2, 4096), ST(BPF_DW, 2, 0, 1), EXIT),
	P(1, "the payload can't be written",
	  LDX(BPF_DW, 6, 1, CTX(payload)), ST(BPF_DW, 6, 0, 1), EXIT),
	P(1, "the slots can't be written",
	  LDX(BPF_DW, 7, 1, CTX(slots)), ST(BPF_DW, 7, 0, 1), EXIT),
	P(0, "of the context only the score is written, and whole",
	  ST(BPF_DW, 1, CTX(payload), 0), EXIT),

	/* calls and cost */
	P(0, "there is no helper 0",
	  CALL(0), EXIT),
	P(0, "there is no helper 10",
	  CALL(10), EXIT),
	P(0, "there is no helper -1",
	  CALL(-1), EXIT),
	P(1, "now() wants the context in r1",
	  MOV(1, 0), CALL(KECHO_CALL_NOW), EXIT),
	P(1, "random() wants the context in r1",
	  COPY(1, 10), CALL(KECHO_CALL_RANDOM), EXIT),
	P(0, "r2 was never set",
	  CALL(KECHO_CALL_HASH), EXIT),
	P(1, "r2 is no number: it points to the context",
	  COPY(2, 1), CALL(KECHO_CALL_HASH), EXIT),
	P(1, "r2 must be the same constant on every way that leads here",
	  LDX(BPF_DW, 2, 1, CTX(len)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(5, "r3 must be the same constant on every way that leads here",
	  LDX(BPF_DW, 0, 1, CTX(seq)), MOV(2, 1), MOV(3, 1), JMP(BPF_JEQ, 0, 0, 1), MOV(3, 2),
	  CALL(KECHO_CALL_EQUAL), EXIT),
	P(1, "20 bytes at 1 are not in the constants, of 20",
	  MOV32(2, KECHO_STR(KECHO_STR_CONST, 1, 20)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(1, "60 bytes at 5 are not in the payload, of 64",
	  MOV32(2, KECHO_STR(KECHO_STR_FIELD, 5, 60)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(1, "16383 bytes at 65535 are not in the payload, of 64",
	  MOV32(2, KECHO_STR(KECHO_STR_BYTES, KECHO_STR_AT_MAX, KECHO_STR_LEN_MAX)),
	  CALL(KECHO_CALL_HASH_STR), EXIT),
	P(1, "r2 is no string: there is no slot 4",
	  MOV32(2, KECHO_STR(KECHO_STR_SLOT, 4, 0)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(1, "r2 is no string: there is no slot 1",
	  MOV32(2, KECHO_STR(KECHO_STR_SLOT, 1, 1)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(2, "r3 is no string: slot 0 is none",
	  MOV32(2, KECHO_STR(KECHO_STR_SLOT, 1, 0)), MOV32(3, KECHO_STR(KECHO_STR_SLOT, 0, 0)),
	  CALL(KECHO_CALL_PREFIX), EXIT),
	P(1, "r2 is no string: slot 2 is none",
	  MOV32(2, KECHO_STR(KECHO_STR_SLOT, 2, 0)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(1, "r2 is no string: slot 3 is none",
	  MOV32(2, KECHO_STR(KECHO_STR_SLOT, 3, 0)), CALL(KECHO_CALL_HASH_STR), EXIT),
	P(2, "r3 is a window of 1 ns to a week, not 0",
	  MOV(2, 1), MOV(3, 0), CALL(KECHO_CALL_ONCE), EXIT),
	P(2, "r3 is a window of 1 ns to a week, not 18446744073709551615",
	  MOV(2, 1), MOV(3, -1), CALL(KECHO_CALL_ONCE), EXIT),
	P(2, "r2 is a rate of 1 to 1000000000, not 0",
	  MOV(2, 0), MOV(3, 0), CALL(KECHO_CALL_RATE), EXIT),
	P(2, "r2 is a rate of 1 to 1000000000, not 1000000001",
	  MOV(2, 1000000001), MOV(3, 0), CALL(KECHO_CALL_RATE), EXIT),
	P(2, "r3 is the number of a rate, under 16, not 16",
	  MOV(2, 1), MOV(3, 16), CALL(KECHO_CALL_RATE), EXIT),
	P(8, "up to here it may cost 16409: 16384 at most",
	  COPY(6, 1), COPY(1, 6), MOV32(2, KECHO_STR(KECHO_STR_SLOT, 1, 0)),
	  MOV32(3, KECHO_STR(KECHO_STR_SLOT, 1, 0)), CALL(KECHO_CALL_CONTAINS), COPY(1, 6),
	  MOV32(2, KECHO_STR(KECHO_STR_SLOT, 1, 0)), MOV32(3, KECHO_STR(KECHO_STR_SLOT, 1, 0)),
	  CALL(KECHO_CALL_CONTAINS), EXIT),
};

static const struct ke_filter_slot slots[] = {
	{ .scope = KECHO_SCOPE_SINK, .kind = KE_VALUE_I64 },
	{ .scope = KECHO_SCOPE_SINK, .kind = KE_VALUE_STRING },
	{ .scope = KECHO_SCOPE_SINK, .kind = KE_VALUE_STRING, .flags = KECHO_SLOT_AGE },
	{ .scope = KECHO_SCOPE_SINK },
};

static const struct ke_filter_bounds bounds = {
	.payload = 64,
	.nslots = ARRAY_SIZE(slots),
	.consts_len = 20,
	.slots = slots,
};

TEST(refused)
{
	char why[KE_FILTER_WHY_MAX];
	struct ke_filter_proof proof;
	struct bpf_insn *insns;
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		const struct hostile *h = &hostile[i];

		/* It ends where its memory does, so that a sanitizer sees a read past it. */
		n = length(h);
		insns = kmemdup(h->insns, n * sizeof(*insns), GFP_KERNEL);
		must(insns, "memory");
		why[0] = 0;
		is_eq(ke_filter_verify(&proof, insns, n, &bounds, why), -EACCES, "%s", h->why);
		is_str(why, h->why, "number %u", i);
		is_eq(proof.at, h->at, "%s", h->why);
		kfree(insns);
	}
}

TEST(each_for_its_own_reason)
{
	u32 i, j;

	ok(ARRAY_SIZE(hostile) >= 100, "%u programs", (u32)ARRAY_SIZE(hostile));
	for (i = 0; i < ARRAY_SIZE(hostile); i++)
		for (j = 0; j < i; j++)
			ok(strcmp(hostile[i].why, hostile[j].why), "%s: once", hostile[i].why);
}

TESTS(filter_hostile, refused, each_for_its_own_reason);
