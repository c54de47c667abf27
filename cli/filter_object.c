/* SPDX-License-Identifier: MIT */
/*
 * A filter out of an object of clang -target bpf. The instructions are those of the section
 * kecho/event, kecho/in or kecho/out; the section .kecho.refs says which of them refer to
 * what, and is an array of
 *
 *	u64 offset of the instruction | u8 what | u8 of | name | zeros, to 8 bytes
 *
 * that the macros of filter_bpf.h wrote, in the order of the instructions. Nothing of the
 * object is believed: what it says of itself is checked here against its length, and what
 * becomes of it is loaded and verified as any filter.
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kecho/filter_bpf.h>
#include <kecho/kecho.h>
#include <linux/bpf.h>

#include "cli.h"
#include "filter_object.h"
#include "uapi/kecho_filter.h"

#define INSN_BYTES	sizeof(struct kecho_filter_insn)
#define SLOT_BYTES	sizeof(struct kecho_filter_value)
#define VALUE_OFFSET	offsetof(struct kecho_filter_value, value)
#define SLOTS_MAX	64
#define REF_HEAD	10	/* bytes before the name */
#define REF_ALIGN	8

_Static_assert(sizeof(struct kecho_bpf) == sizeof(struct kecho_filter_ctx), "one context");
_Static_assert(offsetof(struct kecho_bpf, score) == offsetof(struct kecho_filter_ctx, score), "");
_Static_assert(KECHO_OF_NODE == KECHO_SCOPE_NODE, "the same scopes");

/* As the macros number them. */
enum what {
	WHAT_FIELD = 1,
	WHAT_HAS_NUMBER = 2,
	WHAT_HAS_STRING = 3,
	WHAT_FIELD_STRING = 4,
	WHAT_TYPE = 5,
	WHAT_PRESENT = 16,
	WHAT_VALUE = 17,
	WHAT_AGE_PRESENT = 18,
	WHAT_AGE = 19,
	WHAT_ATTR_STRING = 20,
	WHAT_STRING = 21,
};

struct object {
	const char *path;
	const unsigned char *p;
	size_t len;
	const Elf64_Ehdr *h;
	struct buf insns, refs, consts;
	struct kecho_filter_slot slot[SLOTS_MAX];
	size_t slots;
	int use;
	uint32_t best;
};

struct part {
	const unsigned char *p;
	size_t len;
};

#define refuse(o, fmt, ...) (complain("%s: " fmt, (o)->path, ##__VA_ARGS__), -EINVAL)

/* ---------------------------------------------------------------------- sections */

static int section(const struct object *o, size_t i, Elf64_Shdr *s)
{
	uint64_t at = le64toh(o->h->e_shoff) + i * sizeof(*s);

	if (at > o->len || o->len - at < sizeof(*s))
		return refuse(o, "its sections are not in it");
	memcpy(s, o->p + at, sizeof(*s));
	return 0;
}

static int bytes_of(const struct object *o, const Elf64_Shdr *s, struct part *part)
{
	uint64_t at = le64toh(s->sh_offset), len = le64toh(s->sh_size);

	if (at > o->len || len > o->len - at)
		return refuse(o, "a section is not in it");
	part->p = o->p + at;
	part->len = len;
	return 0;
}

/* The name of a section; "" if it has none that ends. */
static const char *name_of(const struct part *names, const Elf64_Shdr *s)
{
	size_t at = le32toh(s->sh_name);

	if (at >= names->len || !memchr(names->p + at, '\0', names->len - at))
		return "";
	return (const char *)names->p + at;
}

/* Where the program itself refers to something, the macros have no part in it. */
static int check_section(const struct object *o, const char *name, const Elf64_Shdr *s)
{
	uint32_t type = le32toh(s->sh_type);

	if (type == SHT_REL && !strncmp(name, ".relkecho/", strlen(".relkecho/")))
		return refuse(o, "the filter refers to a variable or to a function of its own");
	if (!strcmp(name, ".text") && le64toh(s->sh_size))
		return refuse(o, "it has functions that are not inlined");
	return 0;
}

struct parts {
	struct part program, refs, best;
	size_t programs;
};

static int sort_section(struct object *o, const char *name, const Elf64_Shdr *s,
			struct parts *parts)
{
	static const char *const uses[] = {
		[KECHO_FILTER_EVENT] = "kecho/event", [KECHO_FILTER_IN] = "kecho/in",
		[KECHO_FILTER_OUT] = "kecho/out",
	};
	struct part *to = NULL;

	for (size_t i = KECHO_FILTER_EVENT; i <= KECHO_FILTER_OUT; i++) {
		if (!strcmp(name, uses[i])) {
			o->use = i;
			parts->programs++;
			to = &parts->program;
		}
	}
	if (!strcmp(name, ".kecho.refs"))
		to = &parts->refs;
	else if (!strcmp(name, ".kecho.best"))
		to = &parts->best;
	return to ? bytes_of(o, s, to) : check_section(o, name, s);
}

static int sort_sections(struct object *o, struct parts *parts)
{
	size_t n = le16toh(o->h->e_shnum), i;
	struct part names;
	Elf64_Shdr s;
	int err;

	err = section(o, le16toh(o->h->e_shstrndx), &s);
	if (!err)
		err = bytes_of(o, &s, &names);
	for (i = 0; i < n && !err; i++) {
		err = section(o, i, &s);
		if (!err)
			err = sort_section(o, name_of(&names, &s), &s, parts);
	}
	if (err)
		return err;
	if (parts->programs != 1)
		return refuse(o, "it has %zu filters, not one", parts->programs);
	return 0;
}

static int check_header(struct object *o)
{
	o->h = (const Elf64_Ehdr *)o->p;
	if (o->len < sizeof(*o->h) || memcmp(o->h->e_ident, ELFMAG, SELFMAG))
		return refuse(o, "it is no object");
	if (o->h->e_ident[EI_CLASS] != ELFCLASS64 || o->h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    le16toh(o->h->e_machine) != EM_BPF || le16toh(o->h->e_type) != ET_REL ||
	    le16toh(o->h->e_shentsize) != sizeof(Elf64_Shdr))
		return refuse(o, "it is no object of clang -target bpf, or of bpfel");
	return 0;
}

/* -------------------------------------------------------------------- references */

static size_t add_const(struct object *o, const char *s)
{
	size_t at = o->consts.len;

	buf_str(&o->consts, s);
	return at;
}

static int slot_of(struct object *o, uint8_t scope, uint8_t kind, uint8_t flags, const char *name)
{
	struct kecho_filter_slot *s;
	size_t i;

	for (i = 0; i < o->slots; i++) {
		s = &o->slot[i];
		if (s->scope == scope && s->kind == kind && s->flags == flags &&
		    le16toh(s->name_len) == strlen(name) &&
		    !memcmp(o->consts.p + le16toh(s->name), name, strlen(name)))
			return i;
	}
	if (i == SLOTS_MAX)
		return refuse(o, "it reads more than %d attributes", SLOTS_MAX);
	o->slot[o->slots++] = (struct kecho_filter_slot){
		.scope = scope, .flags = flags, .kind = kind,
		.name = htole16(add_const(o, name)), .name_len = htole16(strlen(name)),
	};
	return i;
}

static void add_ref(struct object *o, size_t insn, uint8_t kind, uint8_t wants, const char *name)
{
	struct kecho_filter_ref r = {
		.insn = htole16(insn), .kind = kind, .wants = wants,
		.name = htole16(add_const(o, name)), .name_len = htole16(strlen(name)),
	};

	buf_add(&o->refs, &r, sizeof(r));
}

static int complete_load(struct object *o, struct kecho_filter_insn *insn, uint8_t what,
			 uint8_t of, const char *name)
{
	bool value = what == WHAT_VALUE || what == WHAT_AGE;
	int slot = slot_of(o, of, what <= WHAT_VALUE ? KECHO_I64 : 0,
			   what <= WHAT_VALUE ? 0 : KECHO_SLOT_AGE, name);

	if (slot < 0)
		return slot;
	insn->off = htole16(slot * SLOT_BYTES);
	if (value)
		insn->off = htole16(slot * SLOT_BYTES + VALUE_OFFSET);
	return 0;
}

static int complete_string(struct object *o, struct kecho_filter_insn *insn, uint8_t what,
			   uint8_t of, const char *name)
{
	int slot;

	if (what == WHAT_STRING) {
		insn->imm = htole32(KECHO_STR(KECHO_STR_CONST, add_const(o, name), strlen(name)));
		return 0;
	}
	slot = slot_of(o, of, KECHO_STRING, 0, name);
	if (slot < 0)
		return slot;
	insn->imm = htole32(KECHO_STR(KECHO_STR_SLOT, slot, 0));
	return 0;
}

/* What the macros have written as a move of 64 bits is one of 32: constants have no sign. */
static int complete(struct object *o, size_t at, uint8_t what, uint8_t of, const char *name)
{
	struct kecho_filter_insn *insn = (struct kecho_filter_insn *)o->insns.p + at;
	bool load = what == WHAT_FIELD || (what >= WHAT_PRESENT && what <= WHAT_AGE);
	uint8_t code = load ? BPF_LDX | BPF_MEM | BPF_DW : BPF_ALU64 | BPF_MOV | BPF_K;

	if (insn->code != code || insn->off || insn->imm)
		return refuse(o, "instruction %zu is not what filter_bpf.h has left", at);
	if (!load)
		insn->code = BPF_ALU | BPF_MOV | BPF_K;
	switch (what) {
	case WHAT_FIELD:
		add_ref(o, at, KECHO_REF_FIELD, 0, name);
		return 0;
	case WHAT_HAS_NUMBER:
	case WHAT_HAS_STRING:
		add_ref(o, at, KECHO_REF_HAS_FIELD,
			what == WHAT_HAS_NUMBER ? KECHO_I64 : KECHO_STRING, name);
		return 0;
	case WHAT_FIELD_STRING:
		add_ref(o, at, KECHO_REF_FIELD_STR, 0, name);
		return 0;
	case WHAT_TYPE:
		add_ref(o, at, KECHO_REF_TYPE, 0, name);
		return 0;
	case WHAT_PRESENT ... WHAT_AGE:
		return complete_load(o, insn, what, of, name);
	case WHAT_ATTR_STRING:
	case WHAT_STRING:
		return complete_string(o, insn, what, of, name);
	}
	return refuse(o, "its filter_bpf.h is of another version");
}

/* Functions are laid out in the order of the text, and so are their references; the compiler
 * may move instructions, but what is about them moves with them. */
static int complete_all(struct object *o, const struct part *refs)
{
	const unsigned char *p = refs->p, *end, *name;
	uint64_t at;
	int err = 0;

	if (!refs->len)
		return 0;
	end = p + refs->len;
	while (p < end && !err) {
		name = p + REF_HEAD;
		if (end - p <= REF_HEAD || !memchr(name, '\0', end - name))
			return refuse(o, "its references are cut off");
		memcpy(&at, p, sizeof(at));
		at = le64toh(at);
		if (at % INSN_BYTES || at >= o->insns.len)
			return refuse(o, "it refers to what is no instruction");
		err = complete(o, at / INSN_BYTES, p[8], p[9], (const char *)name);
		p = name + strlen((const char *)name) + 1;
		p += (REF_ALIGN - (p - refs->p) % REF_ALIGN) % REF_ALIGN;
	}
	return err;
}

/* ------------------------------------------------------------------------ the whole */

static int read_best(struct object *o, const struct part *best)
{
	uint32_t n;

	if (!best->p)
		return 0;
	if (best->len != sizeof(n))
		return refuse(o, "KECHO_BEST() is there more than once");
	memcpy(&n, best->p, sizeof(n));
	o->best = le32toh(n);
	return 0;
}

static int assemble(const struct object *o, struct buf *wire)
{
	struct kecho_filter_header h = {
		.magic = htole16(KECHO_FILTER_MAGIC), .version = KECHO_FILTER_VERSION,
		.kind = o->use, .insns = htole16(o->insns.len / INSN_BYTES),
		.refs = htole16(o->refs.len / sizeof(struct kecho_filter_ref)),
		.slots = htole16(o->slots), .consts = htole16(o->consts.len),
		.best = htole32(o->best),
	};

	if (o->insns.len / INSN_BYTES > UINT16_MAX || o->consts.len > UINT16_MAX)
		return refuse(o, "the filter is too large");
	buf_add(wire, &h, sizeof(h));
	buf_add(wire, o->insns.p, o->insns.len);
	buf_add(wire, o->refs.p, o->refs.len);
	buf_add(wire, o->slot, o->slots * sizeof(o->slot[0]));
	buf_add(wire, o->consts.p, o->consts.len);
	return 0;
}

int filter_object(const char *path, const struct buf *object, struct buf *wire)
{
	struct object o = { .path = path, .p = (unsigned char *)object->p, .len = object->len };
	struct parts parts = { .programs = 0 };
	int err = check_header(&o);

	if (!err)
		err = sort_sections(&o, &parts);
	if (!err && parts.program.len % INSN_BYTES)
		err = refuse(&o, "its program is cut off");
	if (!err) {
		buf_add(&o.insns, parts.program.p, parts.program.len);
		err = complete_all(&o, &parts.refs);
	}
	if (!err)
		err = read_best(&o, &parts.best);
	if (!err)
		err = assemble(&o, wire);
	buf_free(&o.insns);
	buf_free(&o.refs);
	buf_free(&o.consts);
	return err;
}
