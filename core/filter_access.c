// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a program's instructions may read and write, by what is known of the registers:
 * see filter.h.
 */
#include "filter_verify.h"

static const char *const targets[KE_REG_KINDS] = {
	[KE_REG_CONTEXT] = "the context",
	[KE_REG_PAYLOAD] = "the payload",
	[KE_REG_SLOTS] = "the slots",
	[KE_REG_STATE] = "the state block",
	[KE_REG_STACK] = "the stack",
};

#define refuse(v, fmt, ...) ke_filter_refuse(-EACCES, (v)->why, fmt, ##__VA_ARGS__)

const char *ke_reg_target(u8 kind)
{
	return targets[kind];
}

int ke_reg_readable(struct ke_verifier *v, u8 r)
{
	switch (v->now.kind[r]) {
	case KE_REG_UNSET:
		return refuse(v, "r%u was never set", r);
	case KE_REG_PARTLY:
		return refuse(v, "r%u is not set on every way that leads here", r);
	case KE_REG_LOST:
		return refuse(v, "r%u was lost in a call", r);
	case KE_REG_MIXED:
		return refuse(v, "r%u differs on the ways that lead here", r);
	default:
		return 0;
	}
}

int ke_reg_number(struct ke_verifier *v, u8 r)
{
	u8 kind = v->now.kind[r];

	if (kind < KE_REG_NUMBER)
		return ke_reg_readable(v, r);
	if (!ke_reg_is_number(kind))
		return refuse(v, "r%u is no number: it points to %s", r, ke_reg_target(kind));
	return 0;
}

int ke_reg_writable(struct ke_verifier *v, u8 r)
{
	return r == BPF_REG_10 ? refuse(v, "r10 is read only") : 0;
}

static u32 size_of(u8 code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

int ke_access_range(struct ke_verifier *v, const char *what, s32 off, u32 size, u32 max)
{
	if (off < 0 || off + size > max)
		return refuse(v, "%u bytes at %d are not in %s, of %u", size, off, what, max);
	return 0;
}

static int check_aligned(struct ke_verifier *v, s32 off, u32 size)
{
	return off & (s32)(size - 1) ? refuse(v, "%u bytes at %d are not aligned", size, off) : 0;
}

static int load_context(struct ke_verifier *v, u8 dst, s32 off, u32 size)
{
	int err = ke_access_range(v, ke_reg_target(KE_REG_CONTEXT), off, size,
				  sizeof(struct kecho_filter_ctx));

	if (err)
		return err;
	if (size != sizeof(u64) || off % sizeof(u64))
		return refuse(v, "members of the context are loaded whole");
	switch (off) {
	case offsetof(struct kecho_filter_ctx, payload):
		ke_reg_set(&v->now, dst, KE_REG_PAYLOAD);
		return 0;
	case offsetof(struct kecho_filter_ctx, slots):
		ke_reg_set(&v->now, dst, KE_REG_SLOTS);
		return 0;
	case offsetof(struct kecho_filter_ctx, state):
		ke_reg_set(&v->now, dst, KE_REG_STATE);
		return 0;
	case offsetof(struct kecho_filter_ctx, pad):
	case offsetof(struct kecho_filter_ctx, pad) + sizeof(u64):
		return refuse(v, "the context has nothing at %d", off);
	}
	ke_reg_set(&v->now, dst, KE_REG_NUMBER);
	return 0;
}

static int load_payload(struct ke_verifier *v, s32 off, u32 size)
{
	int err = ke_access_range(v, ke_reg_target(KE_REG_PAYLOAD), off, size, v->bounds->payload);

	if (!err)
		v->proof->need = max(v->proof->need, off + size);
	return err;
}

static int load_slot(struct ke_verifier *v, s32 off, u32 size)
{
	u32 max = v->bounds->nslots * sizeof(struct kecho_filter_value);
	int err = ke_access_range(v, ke_reg_target(KE_REG_SLOTS), off, size, max);

	if (!err && (size != sizeof(u64) || off % sizeof(u64)))
		return refuse(v, "members of slots are loaded whole");
	return err;
}

/* Where in the stack, from its lowest byte; -EACCES. */
static int stack_at(struct ke_verifier *v, s32 off, u32 size)
{
	s32 at = off + KECHO_FILTER_STACK_SIZE;

	if (at < 0 || at + size > KECHO_FILTER_STACK_SIZE)
		return refuse(v, "%u bytes at %d are not in %s, of %d", size, off,
			      ke_reg_target(KE_REG_STACK), KECHO_FILTER_STACK_SIZE);
	return check_aligned(v, off, size) ?: at;
}

/* They don't cross a word: they are aligned. */
static u64 stack_mask(u32 at, u32 size)
{
	return GENMASK_ULL(size - 1, 0) << at % 64;
}

static int load_stack(struct ke_verifier *v, s32 off, u32 size)
{
	int at = stack_at(v, off, size);

	if (at < 0)
		return at;
	if (~v->now.written[at / 64] & stack_mask(at, size))
		return refuse(v, "%u bytes at %d of the stack are not written on every way", size,
			      off);
	return 0;
}

static int access_state(struct ke_verifier *v, s32 off, u32 size)
{
	int err = ke_access_range(v, ke_reg_target(KE_REG_STATE), off, size,
				  KECHO_FILTER_STATE_SIZE);

	return err ?: check_aligned(v, off, size);
}

int ke_access_load(struct ke_verifier *v, const struct bpf_insn *insn)
{
	u32 size = size_of(insn->code);
	int err = ke_reg_writable(v, insn->dst_reg) ?: ke_reg_readable(v, insn->src_reg);

	if (err)
		return err;
	switch (v->now.kind[insn->src_reg]) {
	case KE_REG_CONTEXT:
		return load_context(v, insn->dst_reg, insn->off, size);
	case KE_REG_PAYLOAD:
		err = load_payload(v, insn->off, size);
		break;
	case KE_REG_SLOTS:
		err = load_slot(v, insn->off, size);
		break;
	case KE_REG_STATE:
		err = access_state(v, insn->off, size);
		break;
	case KE_REG_STACK:
		err = load_stack(v, insn->off, size);
		break;
	default:
		return refuse(v, "a load through r%u, which is a number", insn->src_reg);
	}
	if (!err)
		ke_reg_set(&v->now, insn->dst_reg, KE_REG_NUMBER);
	return err;
}

static int store_stack(struct ke_verifier *v, s32 off, u32 size)
{
	int at = stack_at(v, off, size);

	if (at < 0)
		return at;
	v->now.written[at / 64] |= stack_mask(at, size);
	return 0;
}

int ke_access_store(struct ke_verifier *v, const struct bpf_insn *insn)
{
	u32 size = size_of(insn->code);
	u8 kind = v->now.kind[insn->dst_reg];
	int err = ke_reg_readable(v, insn->dst_reg);

	if (!err && BPF_CLASS(insn->code) == BPF_STX)
		err = ke_reg_number(v, insn->src_reg);
	if (err)
		return err;
	switch (kind) {
	case KE_REG_STATE:
		return access_state(v, insn->off, size);
	case KE_REG_STACK:
		return store_stack(v, insn->off, size);
	case KE_REG_CONTEXT:
		if (insn->off == offsetof(struct kecho_filter_ctx, score) && size == sizeof(s64))
			return 0;
		return refuse(v, "of the context only the score is written, and whole");
	case KE_REG_PAYLOAD:
	case KE_REG_SLOTS:
		return refuse(v, "%s can't be written", ke_reg_target(kind));
	default:
		return refuse(v, "a store through r%u, which is a number", insn->dst_reg);
	}
}
