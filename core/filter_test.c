// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters as they travel: what is whole is taken as it is, and of what comes from elsewhere
 * nothing is believed.
 */
#include "filter.h"
#include "filter_test.h"
#include "type_test.h"
#include "tap.h"

static struct parts parts;

/* Something of everything. */
static void whole_filter(struct parts *p)
{
	static const struct bpf_insn insns[] = {
		LDX(BPF_DW, 6, 1, CTX(payload)),
		LDX(BPF_DW, 7, 6, 0),
		MOV32(8, 0),
		WIDE(9, 0x123456789abcdef0ULL),
		STX(BPF_DW, 1, CTX(score), 9),
		COPY(0, 8),
		EXIT,
	};

	parts_begin(p, KECHO_FILTER_OUT);
	p->h.best = cpu_to_le32(2);
	parts_insns(p, insns, ARRAY_SIZE(insns));
	parts_ref(p, 1, KECHO_REF_FIELD, 0, "pos.x");
	parts_ref(p, 2, KECHO_REF_HAS_FIELD, KE_VALUE_I64, "pos.y");
	parts_slot(p, KECHO_SCOPE_SINK, 0, KE_VALUE_I64, "load");
	parts_slot(p, KECHO_SCOPE_NODE, KECHO_SLOT_AGE, 0, "zone");
}

TEST(whole)
{
	struct ke_filter *f;

	whole_filter(&parts);
	f = parts_load(&parts);
	must(f, "%s", parts.why);
	ok(f->kind == KECHO_FILTER_OUT && f->best == 2, "header");
	ok(f->ninsns == 8 && f->nrefs == 2 && f->nslots == 2, "counts");
	is_eq(f->consts_len, 18, "constants");
	is_mem(f->consts, "pos.xpos.yloadzone", 18, "constants");
	ok(f->insns[0].dst_reg == 6 && f->insns[0].src_reg == 1, "registers");
	is_eq(f->insns[5].off, CTX(score), "offset");
	is_eq(f->insns[3].imm, (s32)0x9abcdef0, "constant");
	is_eq(f->insns[4].imm, 0x12345678, "constant");
	ok(f->refs[1].insn == 2 && f->refs[1].kind == KECHO_REF_HAS_FIELD &&
		   f->refs[1].wants == KE_VALUE_I64,
	   "reference");
	ok(f->refs[1].name == 5 && f->refs[1].name_len == 5, "its name");
	ok(f->slots[1].scope == KECHO_SCOPE_NODE && f->slots[1].flags == KECHO_SLOT_AGE &&
		   f->slots[1].kind == 0,
	   "slot");
	ok(f->slots[1].name == 14 && f->slots[1].name_len == 4, "its name");
	ke_filter_free(f);
	ke_filter_free(NULL);
}

/* It ends where its memory does, so that a sanitizer sees a read past it. */
TEST(cut)
{
	struct ke_filter *f = NULL;
	u32 len;
	void *p;

	whole_filter(&parts);
	parts_join(&parts);
	for (len = 0; len < parts.wire_len; len++) {
		p = kmemdup(parts.wire, len, GFP_KERNEL);
		must(p, "memory");
		parts.why[0] = 0;
		is_eq(ke_filter_load(&f, p, len, parts.why), -EPROTO, "%u bytes", len);
		ok(parts.why[0] && !f, "%u bytes: a reason and nothing else", len);
		kfree(p);
	}
	is_eq(ke_filter_load(&f, parts.wire, len + 1, parts.why), -EPROTO, "one more");
}

/* A byte of a whole filter that is another, and what is said. */
struct wrong {
	const char *why;
	u32 at;
	u8 value;
};

#define H(member)	offsetof(struct kecho_filter_header, member)
#define OF_INSN(i)	(sizeof(struct kecho_filter_header) + 8 * (i))
#define OF_REF(i)	OF_INSN(8 + (i))
#define OF_SLOT(i)	OF_REF(2 + (i))
#define OF_CONST(i)	(OF_SLOT(2) + (i))
#define REF(i, member)	(OF_REF(i) + offsetof(struct kecho_filter_ref, member))
#define SLOT(i, member)	(OF_SLOT(i) + offsetof(struct kecho_filter_slot, member))
#define IMM(i)		(OF_INSN(i) + offsetof(struct kecho_filter_insn, imm))

static const struct wrong wrongs[] = {
	{ "it is no filter", H(magic), 0 },
	{ "a filter of version 2, not 1", H(version), 2 },
	{ "kind 0 is none of filters", H(kind), 0 },
	{ "kind 4 is none of filters", H(kind), 4 },
	{ "only filters of kind OUT choose the best", H(kind), KECHO_FILTER_EVENT },
	{ "the header's reserved bytes are not 0", H(pad[7]), 1 },
	{ "it has no instructions", H(insns), 0 },
	{ "1032 instructions: 1024 at most", H(insns) + 1, 4 },
	{ "514 references: 512 at most", H(refs) + 1, 2 },
	{ "65 slots: 64 at most", H(slots), 65 },
	{ "18450 bytes of constants: 16384 at most", H(consts) + 1, 72 },
	{ "reference 0: kind 0 is none of references", REF(0, kind), 0 },
	{ "reference 1: kind 5 is none of references", REF(1, kind), 5 },
	{ "reference 0: it can't want kind 1", REF(0, wants), KE_VALUE_I64 },
	{ "reference 1: it can't want kind 3", REF(1, wants), KE_VALUE_BYTES },
	{ "reference 1: there is no instruction 8", REF(1, insn), 8 },
	{ "reference 1: there is no instruction 258", REF(1, insn) + 1, 1 },
	{ "reference 1: not in the order of instructions", REF(1, insn), 1 },
	{ "reference 0: instruction 5 is no load of 64 bits at 0", REF(0, insn), 5 },
	{ "reference 0: instruction 1 is no 32-bit move of 0", REF(0, kind), KECHO_REF_TYPE },
	{ "reference 1: instruction 6 is no 32-bit move of 0", REF(1, insn), 6 },
	{ "reference 1: instruction 2 is no 32-bit move of 0", IMM(2), 1 },
	{ "reference 1: its name is not in the constants", REF(1, name), 14 },
	{ "reference 0: its name is not in the constants", REF(0, name_len) + 1, 1 },
	{ "reference 0: a name of 0 bytes, not 1 to 127", REF(0, name_len), 0 },
	{ "reference 1: its name has blanks or control characters",
	  OF_CONST(7), ' ' },
	{ "slot 0: scope 0 is none", SLOT(0, scope), 0 },
	{ "slot 1: scope 8 is none", SLOT(1, scope), 8 },
	{ "slot 0: flags 0x2 are none", SLOT(0, flags), 2 },
	{ "slot 0: kind 4 is none of attributes", SLOT(0, kind), 4 },
	{ "slot 1: an event's attributes have no age", SLOT(1, scope), KECHO_SCOPE_EVENT },
	{ "slot 1: its reserved byte is not 0", SLOT(1, pad), 1 },
	{ "slot 1: its name is not in the constants", SLOT(1, name), 15 },
	{ "slot 1: a name of 0 bytes, not 1 to 127", SLOT(1, name_len), 0 },
	{ "slot 0: its name has blanks or control characters",
	  OF_CONST(10), '\n' },
};

TEST(malformed)
{
	struct ke_filter *f;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
		whole_filter(&parts);
		parts_join(&parts);
		parts.wire[wrongs[i].at] = wrongs[i].value;
		f = NULL;
		parts.why[0] = 0;
		is_eq(ke_filter_load(&f, parts.wire, parts.wire_len, parts.why), -EPROTO, "%s",
		      wrongs[i].why);
		is_str(parts.why, wrongs[i].why, "the reason");
		ok(!f, "nothing is made");
	}
}

/* Whatever bytes it has: it is refused with a reason, or is as long as its parts. */
TEST(hostile)
{
	u32 round, passed = 0, made = 0;
	struct lots l = { 7 };
	struct ke_program *p;
	struct ke_filter *f;

	for (round = 0; round < 20000; round++) {
		whole_filter(&parts);
		parts_join(&parts);
		parts.wire[lots(&l, parts.wire_len)] = lots(&l, 256);
		parts.wire[lots(&l, parts.wire_len)] ^= 1 << lots(&l, 8);
		f = NULL;
		if (ke_filter_load(&f, parts.wire, parts.wire_len, parts.why))
			continue;
		passed++;
		if (!ke_program_make(&p, f, NULL, parts.why)) {
			made++;
			ke_program_free(p);
		}
		ke_filter_free(f);
	}
	ok(passed > 1000 && passed < round - 1000, "%u were well-formed", passed);
	ok(made > 100 && made < passed - 100, "%u were programs", made);
}

TEST(long_names)
{
	char name[KE_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[KE_NAME_MAX + 1] = 0;
	whole_filter(&parts);
	parts_slot(&parts, KECHO_SCOPE_SINK, 0, 0, name);
	ok(!parts_load(&parts), "too long");
	is_str(parts.why, "slot 2: a name of 128 bytes, not 1 to 127", "the reason");
}

TESTS(filter, whole, cut, malformed, hostile, long_names);
