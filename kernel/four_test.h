/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A filter whose cost is measured: four comparisons of fields of different widths, as an expression
 * becomes, and the same in C.
 */
#ifndef KECHO_FOUR_TEST_H
#define KECHO_FOUR_TEST_H

#include "filter_test.h"

struct sample {
	u32 cpu;
	s32 temp;
	u16 port;
	u8 level;
};

/* cpu < 80 && temp > -10 && port == 7390 && level != 3 */
static const struct bpf_insn four[] = {
	LDX(BPF_DW, 6, 1, CTX(payload)),
	LDX(BPF_W, 2, 6, offsetof(struct sample, cpu)),
	JMP(BPF_JGE, 2, 80, 10),
	LDX(BPF_W, 2, 6, offsetof(struct sample, temp)),
	ALU(BPF_LSH, 2, 32),
	ALU(BPF_ARSH, 2, 32),
	JMP(BPF_JSLE, 2, -10, 6),
	LDX(BPF_H, 2, 6, offsetof(struct sample, port)),
	JMP(BPF_JNE, 2, 7390, 4),
	LDX(BPF_B, 2, 6, offsetof(struct sample, level)),
	JMP(BPF_JEQ, 2, 3, 2),
	MOV(0, 1),
	EXIT,
	MOV(0, 0),
	EXIT,
};

static noinline bool four_in_c(const struct sample *s)
{
	return s->cpu < 80 && s->temp > -10 && s->port == 7390 && s->level != 3;
}

#endif
