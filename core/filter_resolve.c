// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A filter written for a type: what its references stand for is put in, jumps are led
 * around what was inserted, and the result is verified. Nothing here is trusted later; a
 * field that says what can't be makes instructions that the verifier refuses.
 *
 * A division by a register becomes one that is not made where the register is 0: by
 * RFC 9669 a quotient is 0 then, and a remainder what was divided, but a processor may trap,
 * and a JIT leaves it at that.
 */
#include "filter_program.h"

enum {
	EXPANDED_MAX = 4,	/* what one instruction becomes */
	NAME_SHOWN_MAX = 40,
};

static_assert(KE_FILTER_INSNS_MAX * EXPANDED_MAX <= KE_PROGRAM_INSNS_MAX);

struct writer {
	const struct ke_filter *f;
	const struct ke_type *t;
	struct bpf_insn *out;
	u16 *origin;		/* of each in @out, its number in the filter */
	u16 *at;		/* of each in the filter, its number in @out; one more: the end */
	u32 n;			/* in @out */
	u32 ref;		/* the next */
	char *why;
};

#define refuse(w, fmt, ...) ke_filter_refuse(-EACCES, (w)->why, fmt, ##__VA_ARGS__)

static void put(struct writer *w, struct bpf_insn insn)
{
	w->out[w->n++] = insn;
}

/* ------------------------------------------------------------------------- fields */

static bool is_number(const struct ke_field *field)
{
	return ke_kind_is_integer(field->kind) && is_power_of_2(field->size) && field->size <= 8;
}

static bool is_str(const struct ke_field *field)
{
	return field->kind == KE_FIELD_STRING || field->kind == KE_FIELD_BYTES;
}

static void put_shift(struct writer *w, u8 dst, u8 op, u32 by)
{
	if (by)
		put(w, (struct bpf_insn){ .code = BPF_ALU64 | op | BPF_K, .dst_reg = dst,
					  .imm = by });
}

static u8 size_code(u32 size)
{
	switch (size) {
	case 1:
		return BPF_B;
	case 2:
		return BPF_H;
	case 4:
		return BPF_W;
	default:
		return BPF_DW;
	}
}

/* Loads of fewer than 64 bits clear the others, as swaps do. */
static void put_field(struct writer *w, const struct bpf_insn *load, const struct ke_field *field)
{
	bool host_big = cpu_to_le16(1) != 1, is_signed = field->kind == KE_FIELD_SIGNED;
	u32 width = field->size * 8, bits = field->bits ?: width;
	u32 above = 64 - (field->bits ? field->bit_offset + bits : width);
	u8 dst = load->dst_reg;

	put(w, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | size_code(field->size),
				  .dst_reg = dst, .src_reg = load->src_reg,
				  .off = field->offset });
	if (w->t->big_endian != host_big && width > 8)
		put(w, (struct bpf_insn){
			       .code = BPF_ALU | BPF_END | (host_big ? BPF_TO_LE : BPF_TO_BE),
			       .dst_reg = dst, .imm = width });
	if (!is_signed && !field->bits)
		return;
	put_shift(w, dst, BPF_LSH, above);
	put_shift(w, dst, is_signed ? BPF_ARSH : BPF_RSH, 64 - bits);
}

static int put_load(struct writer *w, const struct bpf_insn *load, const struct ke_field *field,
		    const struct ke_filter_ref *r)
{
	if (!field || !is_number(field)) {
		put(w, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K,
					  .dst_reg = load->dst_reg });
		return 0;
	}
	if (field->offset > S16_MAX)
		return refuse(w, "field %.*s is at %u: loads reach to %d",
			      min_t(int, r->name_len, NAME_SHOWN_MAX), w->f->consts + r->name,
			      field->offset, S16_MAX);
	put_field(w, load, field);
	return 0;
}

static int put_str(struct writer *w, struct bpf_insn insn, const struct ke_field *field,
		   const struct ke_filter_ref *r)
{
	insn.imm = (s32)KECHO_STR_NONE;
	if (field && is_str(field)) {
		if (field->offset > KECHO_STR_AT_MAX || field->size > KECHO_STR_LEN_MAX)
			return refuse(w, "field %.*s has %u bytes at %u: filters read %u to %u",
				      min_t(int, r->name_len, NAME_SHOWN_MAX),
				      w->f->consts + r->name, field->size, field->offset,
				      KECHO_STR_LEN_MAX, KECHO_STR_AT_MAX);
		insn.imm = KECHO_STR(field->kind == KE_FIELD_STRING ? KECHO_STR_FIELD :
								      KECHO_STR_BYTES,
				     field->offset, field->size);
	}
	put(w, insn);
	return 0;
}

static bool is_of_type(const struct writer *w, const struct ke_filter_ref *r)
{
	const struct ke_type *t = w->t;

	return t && t->name_len == r->name_len &&
	       !memcmp(t->names + t->name, w->f->consts + r->name, r->name_len);
}

static int put_ref(struct writer *w, struct bpf_insn insn, const struct ke_filter_ref *r)
{
	const struct ke_field *field = NULL;

	if (w->t && r->kind != KECHO_REF_TYPE)
		field = ke_type_field(w->t, w->f->consts + r->name, r->name_len);
	switch (r->kind) {
	case KECHO_REF_FIELD:
		return put_load(w, &insn, field, r);
	case KECHO_REF_FIELD_STR:
		return put_str(w, insn, field, r);
	case KECHO_REF_HAS_FIELD:
		insn.imm = field && ((r->wants != KE_VALUE_STRING && is_number(field)) ||
				     (r->wants != KE_VALUE_I64 && is_str(field)));
		break;
	default:
		insn.imm = is_of_type(w, r);
	}
	put(w, insn);
	return 0;
}

/* ---------------------------------------------------------------------- divisions */

static bool divides_by_register(const struct bpf_insn *insn)
{
	u8 class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	return (class == BPF_ALU || class == BPF_ALU64) && BPF_SRC(insn->code) == BPF_X &&
	       (op == BPF_DIV || op == BPF_MOD);
}

static void put_test(struct writer *w, const struct bpf_insn *insn, u8 op, s16 off)
{
	u8 class = BPF_CLASS(insn->code) == BPF_ALU64 ? BPF_JMP : BPF_JMP32;

	put(w, (struct bpf_insn){ .code = class | op | BPF_K, .dst_reg = insn->src_reg,
				  .off = off });
}

static void put_division(struct writer *w, struct bpf_insn insn)
{
	struct bpf_insn zero = { .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = insn.dst_reg };
	struct bpf_insn skip = { .code = BPF_JMP | BPF_JA, .off = 1 };

	put_test(w, &insn, BPF_JNE, 2);
	put(w, zero);
	put(w, skip);
	put(w, insn);
}

/* What was divided remains; of 32 bits the upper ones are cleared as always. */
static void put_remainder(struct writer *w, struct bpf_insn insn)
{
	struct bpf_insn keep = { .code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = insn.dst_reg,
				 .src_reg = insn.dst_reg };
	struct bpf_insn skip = { .code = BPF_JMP | BPF_JA, .off = 1 };

	if (BPF_CLASS(insn.code) == BPF_ALU64) {
		put_test(w, &insn, BPF_JEQ, 1);
		put(w, insn);
		return;
	}
	put_test(w, &insn, BPF_JEQ, 2);
	put(w, insn);
	put(w, skip);
	put(w, keep);
}

/* ---------------------------------------------------------------------- the whole */

static int write_one(struct writer *w, u32 i)
{
	const struct bpf_insn *insn = &w->f->insns[i];
	u32 from = w->n;
	int err = 0;

	w->at[i] = from;
	if (w->ref < w->f->nrefs && w->f->refs[w->ref].insn == i)
		err = put_ref(w, *insn, &w->f->refs[w->ref++]);
	else if (divides_by_register(insn) && BPF_OP(insn->code) == BPF_DIV)
		put_division(w, *insn);
	else if (divides_by_register(insn))
		put_remainder(w, *insn);
	else
		put(w, *insn);
	for (; from < w->n; from++)
		w->origin[from] = i;
	return err;
}

/* Jumps back stay so, and those out of the program lead to its end: the verifier sees it. */
static void lead_jumps(struct writer *w)
{
	const struct bpf_insn *insns = w->f->insns;
	s32 i, to, n = w->f->ninsns;

	for (i = 0; i < n; i += 1 + ke_insn_is_wide(&insns[i])) {
		to = min(i + 1 + insns[i].off, n);
		if (ke_insn_is_jump(&insns[i]) && to > i)
			w->out[w->at[i]].off = w->at[to] - w->at[i] - 1;
	}
}

/* The second half of a 64-bit load is copied, whatever it looks like. */
static void write_half(struct writer *w, u32 i)
{
	w->at[i] = w->n;
	w->origin[w->n] = i;
	put(w, w->f->insns[i]);
}

/* The number of an instruction as it came, and as it was written if that is another. */
static int refuse_at(const struct writer *w, u32 at, const char *reason)
{
	if (w->origin[at] == at)
		return refuse(w, "instruction %u: %s", at, reason);
	return refuse(w, "instruction %u (%u with fields resolved): %s", w->origin[at], at,
		      reason);
}

static int write_all(struct writer *w)
{
	const struct ke_filter *f = w->f;
	char reason[KE_FILTER_WHY_MAX], *why = w->why;
	u32 i;
	int err;

	for (i = 0; i < f->ninsns; i++) {
		w->why = reason;
		err = write_one(w, i);
		w->why = why;
		w->origin[w->n] = i;
		if (err)
			return refuse_at(w, w->n, reason);
		if (ke_insn_is_wide(&f->insns[i]) && i + 1 < f->ninsns)
			write_half(w, ++i);
	}
	w->at[f->ninsns] = w->n;
	lead_jumps(w);
	return 0;
}

static int verify(struct writer *w, struct ke_filter_proof *proof)
{
	struct ke_filter_bounds bounds = {
		.payload = w->t ? w->t->size : KE_FILTER_PAYLOAD_MAX,
		.nslots = w->f->nslots,
		.consts_len = w->f->consts_len,
		.slots = w->f->slots,
	};
	char reason[KE_FILTER_WHY_MAX];
	int err = ke_filter_verify(proof, w->out, w->n, &bounds, reason);

	if (err == -EACCES)
		return refuse_at(w, proof->at, reason);
	return err ? ke_filter_refuse(err, w->why, "%s", reason) : 0;
}

static int finish(struct ke_program **out, const struct writer *w,
		  const struct ke_filter_proof *proof)
{
	const struct ke_filter *f = w->f;
	struct ke_program *p;
	char *consts;

	p = kvmalloc(struct_size(p, insns, w->n) + f->consts_len, GFP_KERNEL_ACCOUNT);
	if (!p)
		return ke_filter_refuse(-ENOMEM, w->why, "no memory");
	consts = (char *)&p->insns[w->n];
	*p = (struct ke_program){
		.need = proof->need,
		.cost = proof->cost,
		.n = w->n,
		.nslots = f->nslots,
		.consts_len = f->consts_len,
		.consts = consts,
	};
	memcpy(p->insns, w->out, w->n * sizeof(*w->out));
	memcpy(consts, f->consts, f->consts_len);
	*out = p;
	return 0;
}

int ke_program_make(struct ke_program **p, const struct ke_filter *f, const struct ke_type *t,
		    char *why)
{
	u32 most = f->ninsns * EXPANDED_MAX + 1;
	struct writer w = { .f = f, .t = t, .why = why };
	struct ke_filter_proof proof;
	int err;

	w.out = kvmalloc(most * (sizeof(*w.out) + sizeof(*w.origin)) +
				 (f->ninsns + 1) * sizeof(*w.at),
			 GFP_KERNEL_ACCOUNT);
	if (!w.out)
		return ke_filter_refuse(-ENOMEM, why, "no memory");
	w.origin = (u16 *)(w.out + most);
	w.at = w.origin + most;
	err = write_all(&w) ?: verify(&w, &proof) ?: finish(p, &w, &proof);
	kvfree(w.out);
	return err;
}

void ke_program_free(struct ke_program *p)
{
	if (p && p->native)
		p->native->free(p->native);
	kvfree(p);
}

void ke_program_native(struct ke_program *p, struct ke_native *n)
{
	WARN_ON_ONCE(p->native);
	p->native = n;
}

bool ke_program_is_native(const struct ke_program *p)
{
	return p->native;
}

u32 ke_program_need(const struct ke_program *p)
{
	return p->need;
}

u32 ke_program_cost(const struct ke_program *p)
{
	return p->cost;
}

const struct bpf_insn *ke_program_insns(const struct ke_program *p, u32 *n)
{
	*n = p->n;
	return p->insns;
}
