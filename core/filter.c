// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters as they travel: see filter.h. What comes from elsewhere is copied field by field
 * and only the copy is judged. Here it is looked at as far as one need not know what the
 * instructions do; that is the verifier's.
 */
#include "filter_program.h"

static_assert(sizeof(struct kecho_filter_header) == 24);
static_assert(sizeof(struct kecho_filter_insn) == 8);
static_assert(sizeof(struct kecho_filter_ref) == 8);
static_assert(sizeof(struct kecho_filter_slot) == 8);
static_assert(sizeof(struct kecho_filter_value) == 16);
static_assert(sizeof(struct kecho_filter_ctx) == 72);

int ke_filter_refuse(int err, char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(why, KE_FILTER_WHY_MAX, fmt, ap);
	va_end(ap);
	return err;
}

#define refuse(why, fmt, ...) ke_filter_refuse(-EPROTO, why, fmt, ##__VA_ARGS__)

static int check_count(const char *what, u32 n, u32 max, char *why)
{
	return n <= max ? 0 : refuse(why, "%u %s: %u at most", n, what, max);
}

/* The counts are then those of @f. */
static int check_header(struct ke_filter *f, const struct kecho_filter_header *h, char *why)
{
	int err;

	if (le16_to_cpu(h->magic) != KECHO_FILTER_MAGIC)
		return refuse(why, "it is no filter");
	if (h->version != KECHO_FILTER_VERSION)
		return refuse(why, "a filter of version %u, not %u", h->version,
			      KECHO_FILTER_VERSION);
	*f = (struct ke_filter){
		.kind = h->kind,
		.ninsns = le16_to_cpu(h->insns),
		.nrefs = le16_to_cpu(h->refs),
		.nslots = le16_to_cpu(h->slots),
		.consts_len = le16_to_cpu(h->consts),
		.best = le32_to_cpu(h->best),
	};
	if (f->kind < KECHO_FILTER_EVENT || f->kind > KECHO_FILTER_OUT)
		return refuse(why, "kind %u is none of filters", f->kind);
	if (f->best && f->kind != KECHO_FILTER_OUT)
		return refuse(why, "only filters of kind OUT choose the best");
	if (memchr_inv(h->pad, 0, sizeof(h->pad)))
		return refuse(why, "the header's reserved bytes are not 0");
	if (!f->ninsns)
		return refuse(why, "it has no instructions");
	err = check_count("instructions", f->ninsns, KE_FILTER_INSNS_MAX, why);
	err = err ?: check_count("references", f->nrefs, KE_FILTER_REFS_MAX, why);
	err = err ?: check_count("slots", f->nslots, KE_FILTER_SLOTS_MAX, why);
	return err ?: check_count("bytes of constants", f->consts_len, KE_FILTER_CONSTS_MAX, why);
}

/* Bytes that it has as it travels, without the header. */
static u32 wire_len(const struct ke_filter *f)
{
	return f->ninsns * sizeof(struct kecho_filter_insn) +
	       f->nrefs * sizeof(struct kecho_filter_ref) +
	       f->nslots * sizeof(struct kecho_filter_slot) + f->consts_len;
}

static const u8 *copy_insns(struct bpf_insn *to, u32 n, const u8 *p)
{
	struct kecho_filter_insn in;

	for (; n; n--, p += sizeof(in)) {
		memcpy(&in, p, sizeof(in));
		*to++ = (struct bpf_insn){
			.code = in.code,
			.dst_reg = in.regs & 15,
			.src_reg = in.regs >> 4,
			.off = (s16)le16_to_cpu(in.off),
			.imm = (s32)le32_to_cpu(in.imm),
		};
	}
	return p;
}

/* A name of @what number @i: printable as those of attributes, inside of the constants. */
static int check_name(const struct ke_filter *f, const char *what, u32 i, u32 name, u32 len,
		      char *why)
{
	u32 at;

	if (name + len > f->consts_len)
		return refuse(why, "%s %u: its name is not in the constants", what, i);
	if (!len || len > KE_NAME_MAX)
		return refuse(why, "%s %u: a name of %u bytes, not 1 to %u", what, i, len,
			      KE_NAME_MAX);
	for (at = name; at < name + len; at++)
		if ((u8)f->consts[at] < 0x21)
			return refuse(why, "%s %u: its name has blanks or control characters",
				      what, i);
	return 0;
}

/* What is rewritten is what the compiler left there for it. */
static bool insn_fits(const struct bpf_insn *insn, u8 kind)
{
	if (insn->off || insn->imm)
		return false;
	if (kind == KECHO_REF_FIELD)
		return insn->code == (BPF_LDX | BPF_MEM | BPF_DW);
	return insn->code == (BPF_ALU | BPF_MOV | BPF_K) && !insn->src_reg;
}

static int check_ref(const struct ke_filter *f, u32 i, char *why)
{
	const struct ke_filter_ref *r = &f->refs[i];

	if (r->kind < KECHO_REF_FIELD || r->kind > KECHO_REF_TYPE)
		return refuse(why, "reference %u: kind %u is none of references", i, r->kind);
	if (r->wants && (r->kind != KECHO_REF_HAS_FIELD ||
			 (r->wants != KE_VALUE_I64 && r->wants != KE_VALUE_STRING)))
		return refuse(why, "reference %u: it can't want kind %u", i, r->wants);
	if (r->insn >= f->ninsns)
		return refuse(why, "reference %u: there is no instruction %u", i, r->insn);
	if (i && r->insn <= f->refs[i - 1].insn)
		return refuse(why, "reference %u: not in the order of instructions", i);
	if (!insn_fits(&f->insns[r->insn], r->kind))
		return refuse(why, "reference %u: instruction %u is no %s", i, r->insn,
			      r->kind == KECHO_REF_FIELD ? "load of 64 bits at 0" :
							   "32-bit move of 0");
	return check_name(f, "reference", i, r->name, r->name_len, why);
}

static int check_slot(const struct ke_filter *f, u32 i, char *why)
{
	const struct ke_filter_slot *s = &f->slots[i];

	if (s->scope < KECHO_SCOPE_EVENT || s->scope > KECHO_SCOPE_NODE)
		return refuse(why, "slot %u: scope %u is none", i, s->scope);
	if (s->flags & ~KECHO_SLOT_AGE)
		return refuse(why, "slot %u: flags 0x%x are none", i, s->flags);
	if (s->kind > KE_VALUE_BYTES)
		return refuse(why, "slot %u: kind %u is none of attributes", i, s->kind);
	if (s->flags & KECHO_SLOT_AGE && s->scope == KECHO_SCOPE_EVENT)
		return refuse(why, "slot %u: an event's attributes have no age", i);
	return check_name(f, "slot", i, s->name, s->name_len, why);
}

static int take_refs(struct ke_filter *f, struct ke_filter_ref *to, const u8 **p, char *why)
{
	struct kecho_filter_ref in;
	u32 i;
	int err = 0;

	for (i = 0; i < f->nrefs && !err; i++, *p += sizeof(in)) {
		memcpy(&in, *p, sizeof(in));
		to[i] = (struct ke_filter_ref){
			.insn = le16_to_cpu(in.insn),
			.kind = in.kind,
			.wants = in.wants,
			.name = le16_to_cpu(in.name),
			.name_len = le16_to_cpu(in.name_len),
		};
		err = check_ref(f, i, why);
	}
	return err;
}

static int take_slots(struct ke_filter *f, struct ke_filter_slot *to, const u8 *p, char *why)
{
	struct kecho_filter_slot in;
	u32 i;
	int err = 0;

	for (i = 0; i < f->nslots && !err; i++, p += sizeof(in)) {
		memcpy(&in, p, sizeof(in));
		to[i] = (struct ke_filter_slot){
			.scope = in.scope,
			.flags = in.flags,
			.kind = in.kind,
			.name = le16_to_cpu(in.name),
			.name_len = le16_to_cpu(in.name_len),
		};
		f->of_ages |= in.flags & KECHO_SLOT_AGE;
		err = in.pad ? refuse(why, "slot %u: its reserved byte is not 0", i) :
			       check_slot(f, i, why);
	}
	return err;
}

/* @f has its counts, and memory for all of it behind it. */
static int take_apart(struct ke_filter *f, const u8 *p, char *why)
{
	struct bpf_insn *insns = (void *)(f + 1);
	struct ke_filter_ref *refs = (void *)(insns + f->ninsns);
	struct ke_filter_slot *slots = (void *)(refs + f->nrefs);
	char *consts = (void *)(slots + f->nslots);
	int err;

	f->insns = insns;
	f->refs = refs;
	f->slots = slots;
	f->consts = consts;
	memcpy(consts, p + wire_len(f) - f->consts_len, f->consts_len);
	p = copy_insns(insns, f->ninsns, p);
	err = take_refs(f, refs, &p, why);
	return err ?: take_slots(f, slots, p, why);
}

int ke_filter_load(struct ke_filter **out, const void *buf, u32 len, char *why)
{
	struct kecho_filter_header h;
	struct ke_filter counts, *f;
	int err;

	if (len < sizeof(h))
		return refuse(why, "%u bytes are no filter", len);
	memcpy(&h, buf, sizeof(h));
	err = check_header(&counts, &h, why);
	if (err)
		return err;
	if (len - sizeof(h) != wire_len(&counts))
		return refuse(why, "%u bytes, where its parts have %u", len,
			      (u32)sizeof(h) + wire_len(&counts));
	f = kvmalloc(sizeof(*f) + counts.ninsns * sizeof(*f->insns) +
			     counts.nrefs * sizeof(*f->refs) + counts.nslots * sizeof(*f->slots) +
			     counts.consts_len,
		     GFP_KERNEL_ACCOUNT);
	if (!f)
		return ke_filter_refuse(-ENOMEM, why, "no memory");
	*f = counts;
	err = take_apart(f, (const u8 *)buf + sizeof(h), why);
	if (err)
		kvfree(f);
	else
		*out = f;
	return err;
}

void ke_filter_free(struct ke_filter *f)
{
	kvfree(f);
}
