// SPDX-License-Identifier: MIT
/*
 * A filter as text: its slots, and its instructions as they came, with the names of what
 * they refer to. Of what a register points to it is known what the instructions before have
 * done, whichever way leads here; it is used for remarks only.
 */
#include "filter_impl.h"
#include "filter_program.h"
#include "internal.h"

enum {
	REMARK_COLUMN = 40,
	STRING_SHOWN_MAX = 60,	/* bytes of a constant */
	FIRST_ARG = 2,		/* the register of a helper's first argument but the context */
};

enum base {
	BASE_NONE = 0,
	BASE_CONTEXT,
	BASE_PAYLOAD,
	BASE_SLOTS,
	BASE_STATE,
};

struct dump {
	const struct ke_filter *f;
	char *buf;
	size_t size, len, line;	/* written; where the line began */
	enum base base[MAX_BPF_REG];
	u32 ref;		/* the next */
};

static __printf(2, 3) void add(struct dump *d, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(d->len < d->size ? d->buf + d->len : NULL,
		      d->len < d->size ? d->size - d->len : 0, fmt, ap);
	va_end(ap);
	d->len += n > 0 ? n : 0;
}

static __printf(2, 3) void remark(struct dump *d, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(d, "%*s; %s", (int)max_t(s64, REMARK_COLUMN - (s64)(d->len - d->line), 1), "", text);
}

static void add_quoted(struct dump *d, const char *s, u32 len)
{
	u32 i;

	add(d, "\"");
	for (i = 0; i < min_t(u32, len, STRING_SHOWN_MAX); i++) {
		if (s[i] == '"' || s[i] == '\\')
			add(d, "\\%c", s[i]);
		else if (s[i] >= ' ' && s[i] < 0x7f)
			add(d, "%c", s[i]);
		else
			add(d, "\\x%02x", (u8)s[i]);
	}
	add(d, len > STRING_SHOWN_MAX ? "\"..." : "\"");
}

static void add_slot(struct dump *d, u32 i)
{
	const struct ke_filter_slot *s = &d->f->slots[i];

	add(d, "%s%.*s%s", filter_scope_text(s->scope), s->name_len, d->f->consts + s->name,
	    s->flags & KECHO_SLOT_AGE ? ".age" : "");
}

static void add_str(struct dump *d, u32 str)
{
	u32 at = str >> 14 & KECHO_STR_AT_MAX, len = str & KECHO_STR_LEN_MAX;

	switch (str >> 30) {
	case KECHO_STR_CONST:
		if (at + len <= d->f->consts_len)
			add_quoted(d, d->f->consts + at, len);
		break;
	case KECHO_STR_SLOT:
		if (at < d->f->nslots)
			add_slot(d, at);
		break;
	default:
		add(d, "bytes %u to %u of the payload", at, at + len);
	}
}

static const char *alu_text(u8 op)
{
	switch (op) {
	case BPF_ADD:
		return "+=";
	case BPF_SUB:
		return "-=";
	case BPF_MUL:
		return "*=";
	case BPF_DIV:
		return "/=";
	case BPF_MOD:
		return "%=";
	case BPF_AND:
		return "&=";
	case BPF_OR:
		return "|=";
	case BPF_XOR:
		return "^=";
	case BPF_LSH:
		return "<<=";
	case BPF_RSH:
		return ">>=";
	case BPF_ARSH:
		return "s>>=";
	default:
		return "=";
	}
}

static const char *jump_text(u8 op)
{
	switch (op) {
	case BPF_JEQ:
		return "==";
	case BPF_JNE:
		return "!=";
	case BPF_JGT:
		return ">";
	case BPF_JGE:
		return ">=";
	case BPF_JLT:
		return "<";
	case BPF_JLE:
		return "<=";
	case BPF_JSET:
		return "&";
	case BPF_JSGT:
		return "s>";
	case BPF_JSGE:
		return "s>=";
	case BPF_JSLT:
		return "s<";
	default:
		return "s<=";
	}
}

/* Whether the constant that is set here is what a helper takes for a string. */
static bool is_str(const struct dump *d, u32 i)
{
	const struct bpf_insn *insn = &d->f->insns[i];
	const struct ke_filter_helper *h;
	u32 arg = insn->dst_reg - FIRST_ARG;

	if (arg >= KE_FILTER_ARGS_MAX)
		return false;
	while (++i < d->f->ninsns && !ke_insn_is_jump(&d->f->insns[i])) {
		if (d->f->insns[i].code == (BPF_JMP | BPF_CALL)) {
			h = ke_filter_helper(d->f->insns[i].imm);
			return h && h->arg[arg] == KE_ARG_STR;
		}
		if (d->f->insns[i].dst_reg == insn->dst_reg)
			return false;
	}
	return false;
}

static void add_alu(struct dump *d, u32 i)
{
	const struct bpf_insn *insn = &d->f->insns[i];
	u8 class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);
	char w = class == BPF_ALU64 ? 'r' : 'w';

	if (op == BPF_NEG)
		add(d, "%c%u = -%c%u", w, insn->dst_reg, w, insn->dst_reg);
	else if (op == BPF_END)
		add(d, "r%u = %s%d r%u", insn->dst_reg, BPF_SRC(insn->code) ? "be" : "le",
		    insn->imm, insn->dst_reg);
	else if (BPF_SRC(insn->code) == BPF_X)
		add(d, "%c%u %s %c%u", w, insn->dst_reg, alu_text(op), w, insn->src_reg);
	else
		add(d, "%c%u %s %d", w, insn->dst_reg, alu_text(op), insn->imm);
	if (op == BPF_MOV && BPF_SRC(insn->code) == BPF_K && is_str(d, i)) {
		remark(d, "%s", "");
		add_str(d, insn->imm);
	}
	d->base[insn->dst_reg] = insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) ?
				 d->base[insn->src_reg] : BASE_NONE;
}

/* What the context has at an offset; NULL: nothing. */
static const char *context_text(s32 off, enum base *base)
{
	static const struct {
		u32 off;
		const char *text;
		enum base base;
	} words[] = {
		{ offsetof(struct kecho_filter_ctx, payload), "payload", BASE_PAYLOAD },
		{ offsetof(struct kecho_filter_ctx, slots), "slots", BASE_SLOTS },
		{ offsetof(struct kecho_filter_ctx, state), "state", BASE_STATE },
		{ offsetof(struct kecho_filter_ctx, seq), "seq", BASE_NONE },
		{ offsetof(struct kecho_filter_ctx, time_ns), "time", BASE_NONE },
		{ offsetof(struct kecho_filter_ctx, len), "len", BASE_NONE },
		{ offsetof(struct kecho_filter_ctx, score), "score", BASE_NONE },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].off == (u32)off) {
			*base = words[i].base;
			return words[i].text;
		}
	}
	return NULL;
}

/* Behind a load or store at @off of register @reg; what a load makes of its destination. */
static enum base remark_memory(struct dump *d, u8 reg, s32 off)
{
	enum base base = BASE_NONE;
	const char *text;
	u32 slot;

	switch (d->base[reg]) {
	case BASE_CONTEXT:
		text = context_text(off, &base);
		if (text)
			remark(d, "%s", text);
		break;
	case BASE_SLOTS:
		slot = off / (s32)sizeof(struct kecho_filter_value);
		if (off < 0 || slot >= d->f->nslots)
			break;
		remark(d, "%s",
		       off % (s32)sizeof(struct kecho_filter_value) ? "" : "whether there is ");
		add_slot(d, slot);
		break;
	case BASE_PAYLOAD:
		remark(d, "payload");
		break;
	case BASE_STATE:
		remark(d, "state");
		break;
	default:
		break;
	}
	return base;
}

static unsigned int width(u8 code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 8;
	case BPF_H:
		return 16;
	case BPF_W:
		return 32;
	default:
		return 64;
	}
}

static void add_memory(struct dump *d, const struct bpf_insn *insn)
{
	u8 class = BPF_CLASS(insn->code);

	if (class == BPF_LDX) {
		add(d, "r%u = *(u%u *)(r%u %+d)", insn->dst_reg, width(insn->code), insn->src_reg,
		    insn->off);
		d->base[insn->dst_reg] = remark_memory(d, insn->src_reg, insn->off);
		return;
	}
	add(d, "*(u%u *)(r%u %+d) = ", width(insn->code), insn->dst_reg, insn->off);
	if (class == BPF_STX)
		add(d, "r%u", insn->src_reg);
	else
		add(d, "%d", insn->imm);
	remark_memory(d, insn->dst_reg, insn->off);
}

static void add_jump(struct dump *d, u32 i)
{
	const struct bpf_insn *insn = &d->f->insns[i];
	u8 op = BPF_OP(insn->code);
	char w = BPF_CLASS(insn->code) == BPF_JMP ? 'r' : 'w';
	const struct ke_filter_helper *h;
	u32 to = i + 1 + insn->off;

	if (op == BPF_EXIT) {
		add(d, "exit");
	} else if (op == BPF_CALL) {
		h = ke_filter_helper(insn->imm);
		add(d, "call %s", h ? h->name : "?");
	} else if (op == BPF_JA) {
		add(d, "goto %u", to);
	} else {
		add(d, "if %c%u %s ", w, insn->dst_reg, jump_text(op));
		if (BPF_SRC(insn->code) == BPF_X)
			add(d, "%c%u", w, insn->src_reg);
		else
			add(d, "%d", insn->imm);
		add(d, " goto %u", to);
	}
}

static void add_ref(struct dump *d, const struct bpf_insn *insn, const struct ke_filter_ref *r)
{
	static const char *const texts[] = {
		[KECHO_REF_FIELD] = "r%u = field ", [KECHO_REF_HAS_FIELD] = "w%u = has field ",
		[KECHO_REF_FIELD_STR] = "w%u = string field ", [KECHO_REF_TYPE] = "w%u = is type ",
	};

	add(d, texts[r->kind], insn->dst_reg);
	add(d, "%.*s", r->name_len, d->f->consts + r->name);
	if (r->kind == KECHO_REF_HAS_FIELD && r->wants)
		remark(d, "%s", r->wants == KE_VALUE_I64 ? "a number" : "a string");
	d->base[insn->dst_reg] = BASE_NONE;
}

/* Returns how many instructions that were. */
static u32 add_insn(struct dump *d, u32 i)
{
	const struct bpf_insn *insn = &d->f->insns[i];
	bool wide = ke_insn_is_wide(insn);

	d->line = d->len;
	add(d, "%4u  ", i);
	if (d->ref < d->f->nrefs && d->f->refs[d->ref].insn == i) {
		add_ref(d, insn, &d->f->refs[d->ref++]);
	} else if (wide) {
		add(d, "r%u = %lld", insn->dst_reg,
		    (long long)((u64)(u32)insn[1].imm << 32 | (u32)insn->imm));
		d->base[insn->dst_reg] = BASE_NONE;
	} else if (BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32) {
		add_jump(d, i);
	} else if (BPF_CLASS(insn->code) == BPF_ALU || BPF_CLASS(insn->code) == BPF_ALU64) {
		add_alu(d, i);
	} else {
		add_memory(d, insn);
	}
	add(d, "\n");
	return 1 + wide;
}

static void add_head(struct dump *d)
{
	static const char *const uses[] = {
		[KECHO_FILTER_EVENT] = "event",
		[KECHO_FILTER_IN] = "IN",
		[KECHO_FILTER_OUT] = "OUT",
	};
	static const char *const kinds[] = {
		[0] = "any kind", [KE_VALUE_I64] = "a number", [KE_VALUE_STRING] = "a string",
		[KE_VALUE_BYTES] = "bytes",
	};
	u32 i;

	add(d, "%s filter: %u instruction%s\n", uses[d->f->kind], d->f->ninsns,
	    d->f->ninsns == 1 ? "" : "s");
	if (d->f->best)
		add(d, "best: %u\n", d->f->best);
	for (i = 0; i < d->f->nslots; i++) {
		d->line = d->len;
		add(d, "slot %u: ", i);
		add_slot(d, i);
		if (!(d->f->slots[i].flags & KECHO_SLOT_AGE))
			remark(d, "%s", kinds[d->f->slots[i].kind]);
		add(d, "\n");
	}
}

ssize_t kecho_filter_dump(const struct kecho_filter *f, char *buf, size_t size)
{
	struct dump d = { .f = f->f, .buf = buf, .size = size };
	u32 i = 0;

	if (size)
		buf[0] = '\0';
	d.base[BPF_REG_1] = BASE_CONTEXT;
	add_head(&d);
	while (i < f->f->ninsns)
		i += add_insn(&d, i);
	return d.len;
}
