// SPDX-License-Identifier: MIT
/*
 * Instructions, one after the other. See expr_insn.h.
 */
#include "expr_insn.h"

static const u8 slot_kinds[CODE_KINDS] = {
	[EXPR_NUMBER] = KE_VALUE_I64,
	[EXPR_STRING] = KE_VALUE_STRING,
};

void code_insn(struct expr_code *c, u8 op, u8 dst, u8 src, s16 off, s32 imm)
{
	if (c->insns == KE_FILTER_INSNS_MAX) {
		c->too_large = true;
		return;
	}
	c->insn[c->insns++] = (struct kecho_filter_insn){
		.code = op, .regs = src << 4 | dst, .off = cpu_to_le16((u16)off),
		.imm = cpu_to_le32((u32)imm),
	};
}

void code_set(struct expr_code *c, u8 dst, s64 value)
{
	if (fits_imm(value)) {
		code_insn(c, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, (s32)value);
		return;
	}
	code_insn(c, BPF_LD | BPF_IMM | BPF_DW, dst, 0, 0, (s32)(u32)value);
	code_insn(c, 0, 0, 0, 0, (s32)(u32)((u64)value >> 32));
}

void code_move(struct expr_code *c, u8 dst, u8 src)
{
	if (dst != src)
		code_insn(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

void code_load(struct expr_code *c, u8 dst, u8 src, s16 off)
{
	code_insn(c, BPF_LDX | BPF_MEM | BPF_DW, dst, src, off, 0);
}

void code_store(struct expr_code *c, u8 dst, s16 off, u8 src)
{
	code_insn(c, BPF_STX | BPF_MEM | BPF_DW, dst, src, off, 0);
}

void code_alu(struct expr_code *c, u8 op, u8 dst, u8 src)
{
	code_insn(c, BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
}

void code_alu_value(struct expr_code *c, u8 op, u8 dst, s32 value)
{
	code_insn(c, BPF_ALU64 | op | BPF_K, dst, 0, 0, value);
}

/* The other arguments are where they belong. */
void code_call(struct expr_code *c, enum kecho_filter_helper helper)
{
	code_move(c, REG_ARG, REG_CONTEXT);
	code_insn(c, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

void code_return(struct expr_code *c, s32 value)
{
	code_set(c, REG_NOW, value);
	code_insn(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void add_jump(struct expr_code *c, struct expr_label *to, u8 op, u8 dst, u8 src, s32 imm)
{
	code_insn(c, BPF_JMP | op, dst, src, (s16)to->last, imm);
	if (!c->too_large)
		to->last = c->insns;
}

void code_jump(struct expr_code *c, u8 op, u8 dst, u8 src, struct expr_label *to)
{
	add_jump(c, to, op | BPF_X, dst, src, 0);
}

void code_jump_value(struct expr_code *c, u8 op, u8 dst, s64 value, struct expr_label *to)
{
	if (fits_imm(value)) {
		add_jump(c, to, op | BPF_K, dst, 0, (s32)value);
		return;
	}
	code_set(c, REG_NOW, value);
	code_jump(c, op, dst, REG_NOW, to);
}

void code_go(struct expr_code *c, struct expr_label *to)
{
	add_jump(c, to, BPF_JA, 0, 0, 0);
}

void code_here(struct expr_code *c, struct expr_label *label)
{
	u16 at, before;

	for (at = label->last; at; at = before) {
		before = le16_to_cpu(c->insn[at - 1].off);
		c->insn[at - 1].off = cpu_to_le16(c->insns - at);
	}
	label->last = 0;
}

static u16 add_const(struct expr_code *c, const char *s, u16 len)
{
	int there = expr_find(c->consts, c->consts_len, s, len);

	if (there >= 0)
		return there;
	if (len > sizeof(c->consts) - c->consts_len) {
		c->too_large = true;
		return 0;
	}
	memcpy(c->consts + c->consts_len, s, len);
	c->consts_len += len;
	return c->consts_len - len;
}

/* Of the next instruction. */
static void add_ref(struct expr_code *c, enum kecho_filter_ref_kind kind, enum expr_kind as,
		    const char *name, u16 len)
{
	if (c->refs == KE_FILTER_REFS_MAX) {
		c->too_large = true;
		return;
	}
	c->ref[c->refs++] = (struct kecho_filter_ref){
		.insn = cpu_to_le16(c->insns), .kind = kind, .wants = slot_kinds[as],
		.name = cpu_to_le16(add_const(c, name, len)), .name_len = cpu_to_le16(len),
	};
}

void code_set_ref(struct expr_code *c, u8 dst, enum kecho_filter_ref_kind kind,
		  enum expr_kind as, const char *name, u16 len)
{
	add_ref(c, kind, as, name, len);
	code_insn(c, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, 0);
}

void code_load_field(struct expr_code *c, u8 dst, const char *name, u16 len)
{
	add_ref(c, KECHO_REF_FIELD, EXPR_OPEN, name, len);
	code_load(c, dst, REG_PAYLOAD, 0);
}

u8 code_slot(struct expr_code *c, u16 name, enum expr_kind kind)
{
	const struct expr_name *n = &c->x->name[name];
	u8 *at = &c->slot_of[name][kind];

	if (*at)
		return *at - 1;
	if (c->slots == KE_FILTER_SLOTS_MAX) {
		c->too_large = true;
		return 0;
	}
	c->slot[c->slots] = (struct kecho_filter_slot){
		.scope = n->scope, .flags = n->age ? KECHO_SLOT_AGE : 0,
		.kind = n->age ? 0 : slot_kinds[kind],
		.name = cpu_to_le16(add_const(c, c->x->strings + n->str, n->str_len)),
		.name_len = cpu_to_le16(n->str_len),
	};
	*at = ++c->slots;
	return *at - 1;
}

u32 code_const(struct expr_code *c, const char *s, u16 len)
{
	return KECHO_STR(KECHO_STR_CONST, add_const(c, s, len), len);
}
