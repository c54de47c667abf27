// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The instructions that a filter may have, each by itself: see filter.h. One table says
 * what form each code has; a code that isn't there is none.
 */
#include "filter_program.h"

enum form {
	FORM_NONE = 0,
	FORM_ALU_K,
	FORM_ALU_X,
	FORM_SHIFT_K,
	FORM_DIV_K,
	FORM_NEG,
	FORM_END,
	FORM_WIDE,
	FORM_LOAD,
	FORM_STORE_K,
	FORM_STORE_X,
	FORM_JUMP,
	FORM_JUMP_K,
	FORM_JUMP_X,
	FORM_CALL,
	FORM_EXIT,
	FORMS,
};

/* Linux 6.1 has no name for it. */
enum { MODE_MEMSX = 0x80 };

#define ALU(op, form)								\
	[BPF_ALU | (op)] = (form), [BPF_ALU64 | (op)] = (form)
#define ALU_BOTH(op) ALU((op) | BPF_K, FORM_ALU_K), ALU((op) | BPF_X, FORM_ALU_X)
#define JUMP(class, op)								\
	[(class) | (op) | BPF_K] = FORM_JUMP_K, [(class) | (op) | BPF_X] = FORM_JUMP_X
#define JUMP_BOTH(op) JUMP(BPF_JMP, op), JUMP(BPF_JMP32, op)
#define SMALL(class, form)							\
	[(class) | BPF_B] = (form), [(class) | BPF_H] = (form)
#define LARGE(class, form)							\
	[(class) | BPF_W] = (form), [(class) | BPF_DW] = (form)
#define SIZES(class, form)							\
	SMALL((class) | BPF_MEM, form), LARGE((class) | BPF_MEM, form)

static const u8 forms[256] = {
	ALU_BOTH(BPF_ADD),
	ALU_BOTH(BPF_SUB),
	ALU_BOTH(BPF_MUL),
	ALU_BOTH(BPF_OR),
	ALU_BOTH(BPF_AND),
	ALU_BOTH(BPF_XOR),
	ALU_BOTH(BPF_MOV),
	ALU(BPF_LSH | BPF_K, FORM_SHIFT_K),
	ALU(BPF_LSH | BPF_X, FORM_ALU_X),
	ALU(BPF_RSH | BPF_K, FORM_SHIFT_K),
	ALU(BPF_RSH | BPF_X, FORM_ALU_X),
	ALU(BPF_ARSH | BPF_K, FORM_SHIFT_K),
	ALU(BPF_ARSH | BPF_X, FORM_ALU_X),
	ALU(BPF_DIV | BPF_K, FORM_DIV_K),
	ALU(BPF_DIV | BPF_X, FORM_ALU_X),
	ALU(BPF_MOD | BPF_K, FORM_DIV_K),
	ALU(BPF_MOD | BPF_X, FORM_ALU_X),
	ALU(BPF_NEG, FORM_NEG),
	[BPF_ALU | BPF_END | BPF_TO_LE] = FORM_END,
	[BPF_ALU | BPF_END | BPF_TO_BE] = FORM_END,
	[BPF_LD | BPF_DW | BPF_IMM] = FORM_WIDE,
	SIZES(BPF_LDX, FORM_LOAD),
	SIZES(BPF_ST, FORM_STORE_K),
	SIZES(BPF_STX, FORM_STORE_X),
	[BPF_JMP | BPF_JA] = FORM_JUMP,
	JUMP_BOTH(BPF_JEQ),
	JUMP_BOTH(BPF_JNE),
	JUMP_BOTH(BPF_JGT),
	JUMP_BOTH(BPF_JGE),
	JUMP_BOTH(BPF_JLT),
	JUMP_BOTH(BPF_JLE),
	JUMP_BOTH(BPF_JSET),
	JUMP_BOTH(BPF_JSGT),
	JUMP_BOTH(BPF_JSGE),
	JUMP_BOTH(BPF_JSLT),
	JUMP_BOTH(BPF_JSLE),
	[BPF_JMP | BPF_CALL] = FORM_CALL,
	[BPF_JMP | BPF_EXIT] = FORM_EXIT,
};

/* Which parts of an instruction are reserved. */
enum { DST = 1, SRC = 2, OFF = 4, IMM = 8 };

static const u8 reserved[FORMS] = {
	[FORM_ALU_K] = SRC | OFF,
	[FORM_ALU_X] = OFF | IMM,
	[FORM_SHIFT_K] = SRC | OFF,
	[FORM_DIV_K] = SRC | OFF,
	[FORM_NEG] = SRC | OFF | IMM,
	[FORM_END] = SRC | OFF,
	[FORM_WIDE] = OFF,
	[FORM_LOAD] = IMM,
	[FORM_STORE_K] = SRC,
	[FORM_STORE_X] = IMM,
	[FORM_JUMP] = DST | SRC | IMM,
	[FORM_JUMP_K] = SRC,
	[FORM_JUMP_X] = IMM,
	[FORM_CALL] = DST | OFF,
	[FORM_EXIT] = DST | SRC | OFF | IMM,
};

#define refuse(why, fmt, ...) ke_filter_refuse(-EACCES, why, fmt, ##__VA_ARGS__)

/* What newer kernels and packet filters have, by name. */
static int refuse_code(u8 code, char *why)
{
	u8 class = BPF_CLASS(code), mode = BPF_MODE(code);

	if (class == BPF_STX && mode == BPF_ATOMIC)
		return refuse(why, "atomic operations are none of filters (0x%02x)", code);
	if (class == BPF_LDX && mode == MODE_MEMSX)
		return refuse(why, "loads that extend a sign are none of filters (0x%02x)", code);
	if (class == BPF_LD && (mode == BPF_ABS || mode == BPF_IND))
		return refuse(why, "loads from packets are none of filters (0x%02x)", code);
	if (class == BPF_ALU64 && BPF_OP(code) == BPF_END)
		return refuse(why, "unconditional byte swaps are none of filters (0x%02x)", code);
	if (code == (BPF_JMP32 | BPF_JA))
		return refuse(why, "long jumps are none of filters (0x%02x)", code);
	return refuse(why, "there is no instruction 0x%02x", code);
}

static int check_reserved(const struct bpf_insn *insn, u8 form, char *why)
{
	u8 parts = reserved[form], op = BPF_OP(insn->code);

	if (parts & OFF && insn->off) {
		if (op == BPF_DIV || op == BPF_MOD)
			return refuse(why, "division with signs is none of filters");
		if (form == FORM_ALU_X && op == BPF_MOV)
			return refuse(why, "moves that extend a sign are none of filters");
		return refuse(why, "its offset is reserved, and %d", insn->off);
	}
	if (parts & DST && insn->dst_reg)
		return refuse(why, "its destination is reserved, and r%u", insn->dst_reg);
	if (parts & SRC && insn->src_reg)
		return refuse(why, "its source is reserved, and r%u", insn->src_reg);
	if (parts & IMM && insn->imm)
		return refuse(why, "its constant is reserved, and %d", insn->imm);
	return 0;
}

static int check_wide(const struct bpf_insn *insn, u32 left, char *why)
{
	if (insn->src_reg)
		return refuse(why, "a 64-bit load of kind %u: only constants are", insn->src_reg);
	if (left < 2)
		return refuse(why, "the program ends within a 64-bit load");
	if (insn[1].code || insn[1].dst_reg || insn[1].src_reg || insn[1].off)
		return refuse(why, "the second half of a 64-bit load has only a constant");
	return 0;
}

static int check_jump(const struct bpf_insn *insns, u32 n, u32 i, char *why)
{
	s32 off = insns[i].off;
	u32 to = i + 1 + off;

	if (off < 0)
		return refuse(why, "it jumps back, by %d", off);
	if (to >= n)
		return refuse(why, "it jumps out of the program, by %d", off);
	if (off && ke_insn_is_wide(&insns[to - 1]))
		return refuse(why, "it jumps into the middle of a 64-bit load");
	return 0;
}

static int check_imm(const struct bpf_insn *insn, u8 form, char *why)
{
	u32 bits = BPF_CLASS(insn->code) == BPF_ALU64 ? 64 : 32;

	if (form == FORM_SHIFT_K && (u32)insn->imm >= bits)
		return refuse(why, "a shift by %d of %u bits", insn->imm, bits);
	if (form == FORM_DIV_K && !insn->imm)
		return refuse(why, "a division by 0");
	if (form == FORM_END && insn->imm != 16 && insn->imm != 32 && insn->imm != 64)
		return refuse(why, "a byte swap of %d bits", insn->imm);
	if (form == FORM_CALL && insn->src_reg)
		return refuse(why, "a call of kind %u: only helpers are called", insn->src_reg);
	return 0;
}

int ke_filter_form(const struct bpf_insn *insns, u32 n, u32 i, char *why)
{
	const struct bpf_insn *insn = &insns[i];
	u8 form = forms[insn->code];
	int err;

	if (form == FORM_NONE)
		return refuse_code(insn->code, why);
	if (insn->dst_reg >= MAX_BPF_REG || insn->src_reg >= MAX_BPF_REG)
		return refuse(why, "there is no r%u",
			      max_t(u32, insn->dst_reg, insn->src_reg));
	err = check_reserved(insn, form, why) ?: check_imm(insn, form, why);
	if (err)
		return err;
	if (form == FORM_WIDE)
		return check_wide(insn, n - i, why);
	return ke_insn_is_jump(insn) ? check_jump(insns, n, i, why) : 0;
}
