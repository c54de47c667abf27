// SPDX-License-Identifier: MIT
/*
 * Conditions as jumps, and the filter that becomes of all.
 *
 * condition() writes code that jumps to @to if the condition is @wanted, and goes on behind
 * itself if not. All jumps lead forward.
 *
 * What is known of names (that they are there) is so on the way that goes on. Where another
 * way comes in, it is what was known before the two parted.
 */
#include "expr_insn.h"

enum {
	SITE_STEP = 0x3779b97f,	/* makes keys of one once() others than those of the next */
};

static void condition(struct expr_code *c, u16 i, bool wanted, struct expr_label *to);

static u8 jump_of(u8 op, bool wanted)
{
	static const u8 jumps[][2] = {
		[OP_EQ] = { BPF_JNE, BPF_JEQ }, [OP_NE] = { BPF_JEQ, BPF_JNE },
		[OP_LT] = { BPF_JSGE, BPF_JSLT }, [OP_LE] = { BPF_JSGT, BPF_JSLE },
		[OP_GT] = { BPF_JSLE, BPF_JSGT }, [OP_GE] = { BPF_JSLT, BPF_JSGE },
	};

	return jumps[op][wanted];
}

/* The same seen from the other operand. */
static u8 mirrored(u8 op)
{
	static const u8 mirror[] = {
		[OP_EQ] = OP_EQ, [OP_NE] = OP_NE, [OP_LT] = OP_GT, [OP_LE] = OP_GE,
		[OP_GT] = OP_LT, [OP_GE] = OP_LE,
	};

	return mirror[op];
}

/* r0 is 1 or 0. */
static void decide(struct expr_code *c, bool wanted, struct expr_label *to)
{
	code_jump_value(c, wanted ? BPF_JNE : BPF_JEQ, REG_NOW, 0, to);
}

static void compare_numbers(struct expr_code *c, const struct expr_node *n, bool wanted,
			    struct expr_label *to, struct expr_label *absent)
{
	const struct expr_node *node = c->x->node;
	u8 a, b;

	if (node[n->b].op == OP_NUMBER) {
		code_number(c, n->a, 0, absent);
		code_jump_value(c, jump_of(n->op, wanted), temp(0), node[n->b].value, to);
	} else if (node[n->a].op == OP_NUMBER) {
		code_number(c, n->b, 0, absent);
		code_jump_value(c, jump_of(mirrored(n->op), wanted), temp(0), node[n->a].value, to);
	} else {
		code_pair(c, n->a, n->b, 0, absent, &a, &b);
		code_jump(c, jump_of(n->op, wanted), a, b, to);
	}
}

static void need_string(struct expr_code *c, u16 i, struct expr_label *absent)
{
	const struct expr_node *n = &c->x->node[i];

	if (n->op == OP_NAME)
		code_present(c, n->name, EXPR_STRING, absent);
}

static void call_strings(struct expr_code *c, u16 a, u16 b, enum kecho_filter_helper helper)
{
	code_string(c, a, temp(0));
	code_string(c, b, temp(1));
	code_call(c, helper);
}

/* Helpers say no of what is absent; for != that has to be asked before. */
static void compare_strings(struct expr_code *c, const struct expr_node *n, bool wanted,
			    struct expr_label *to, struct expr_label *absent)
{
	static const u8 helpers[] = {
		[OP_EQ] = KECHO_CALL_EQUAL, [OP_NE] = KECHO_CALL_EQUAL,
		[OP_PREFIX] = KECHO_CALL_PREFIX, [OP_CONTAINS] = KECHO_CALL_CONTAINS,
	};

	if (n->op == OP_NE) {
		need_string(c, n->a, absent);
		need_string(c, n->b, absent);
	}
	call_strings(c, n->a, n->b, helpers[n->op]);
	decide(c, wanted == (n->op != OP_NE), to);
}

/* Of two names, both numbers or both strings; nothing is known of them behind it. */
static void compare_open(struct expr_code *c, const struct expr_node *n, bool wanted,
			 struct expr_label *to, struct expr_label *absent)
{
	struct expr_label strings = { 0 }, done = { 0 };
	u64 known[CODE_KINDS];

	memcpy(known, c->known, sizeof(known));
	code_present(c, c->x->node[n->a].name, EXPR_NUMBER, &strings);
	code_present(c, c->x->node[n->b].name, EXPR_NUMBER, absent);
	compare_numbers(c, n, wanted, to, absent);
	code_go(c, &done);
	memcpy(c->known, known, sizeof(known));
	code_here(c, &strings);
	compare_strings(c, n, wanted, to, absent);
	code_here(c, &done);
	memcpy(c->known, known, sizeof(known));
}

static bool is_string(const struct expr *x, u16 i)
{
	const struct expr_node *n = &x->node[i];

	return n->op == OP_STRING || (n->op == OP_NAME && x->name[n->name].kind == EXPR_STRING);
}

static bool both_open(const struct expr *x, const struct expr_node *n)
{
	const struct expr_node *a = &x->node[n->a], *b = &x->node[n->b];

	return a->op == OP_NAME && b->op == OP_NAME && x->name[a->name].kind == EXPR_OPEN;
}

static void test_type(struct expr_code *c, const struct expr_node *name, bool wanted,
		      struct expr_label *to)
{
	code_set_ref(c, REG_NOW, KECHO_REF_TYPE, EXPR_OPEN, c->x->strings + name->str,
		     name->str_len);
	decide(c, wanted, to);
}

static void compare(struct expr_code *c, const struct expr_node *n, bool wanted,
		    struct expr_label *to, struct expr_label *absent)
{
	const struct expr_node *node = c->x->node;

	if (node[n->a].op == OP_TYPE)
		test_type(c, &node[n->b], wanted == (n->op == OP_EQ), to);
	else if (node[n->b].op == OP_TYPE)
		test_type(c, &node[n->a], wanted == (n->op == OP_EQ), to);
	else if (both_open(c->x, n))
		compare_open(c, n, wanted, to, absent);
	else if (is_string(c->x, n->a) || is_string(c->x, n->b))
		compare_strings(c, n, wanted, to, absent);
	else
		compare_numbers(c, n, wanted, to, absent);
}

/* Jumps if the number in r2 is in the item, or if it isn't. */
static void in_range(struct expr_code *c, const struct expr_node *item, bool wanted,
		     struct expr_label *to)
{
	struct expr_label outside = { 0 };

	if (item->value == item->last) {
		code_jump_value(c, wanted ? BPF_JEQ : BPF_JNE, temp(0), item->value, to);
	} else if (wanted) {
		code_jump_value(c, BPF_JSLT, temp(0), item->value, &outside);
		code_jump_value(c, BPF_JSLE, temp(0), item->last, to);
		code_here(c, &outside);
	} else {
		code_jump_value(c, BPF_JSLT, temp(0), item->value, to);
		code_jump_value(c, BPF_JSGT, temp(0), item->last, to);
	}
}

static void in_item(struct expr_code *c, const struct expr_node *n, u16 item, bool wanted,
		    struct expr_label *to)
{
	const struct expr_node *i = &c->x->node[item];

	if (c->x->node[n->a].op == OP_TYPE) {
		test_type(c, i, wanted, to);
	} else if (i->op == OP_STRING) {
		call_strings(c, n->a, item, KECHO_CALL_EQUAL);
		decide(c, wanted, to);
	} else {
		in_range(c, i, wanted, to);
	}
}

/* The last item decides where the ways part; those before know only when it is in. */
static void in_set(struct expr_code *c, const struct expr_node *n, bool wanted,
		   struct expr_label *to, struct expr_label *absent)
{
	struct expr_label in = { 0 };
	u16 item = n->b;

	if (c->x->node[item].op != OP_STRING)
		code_number(c, n->a, 0, absent);
	for (; c->x->node[item].next; item = c->x->node[item].next)
		in_item(c, n, item, true, wanted ? to : &in);
	in_item(c, n, item, wanted, to);
	code_here(c, &in);
}

static void has(struct expr_code *c, const struct expr_node *n, bool wanted, struct expr_label *to)
{
	const struct expr_node *a = &c->x->node[n->a];
	u8 kind = c->x->name[a->name].kind;

	if (a->op == OP_TIME)
		code_load(c, REG_NOW, code_context(c), offsetof(struct kecho_filter_ctx, time_ns));
	else if (wanted)
		code_presence(c, a->name, kind);
	else
		code_present(c, a->name, kind, to);
	if (wanted || a->op == OP_TIME)
		decide(c, wanted, to);
}

static void once(struct expr_code *c, const struct expr_node *n, bool wanted,
		 struct expr_label *to, struct expr_label *absent)
{
	code_key(c, n->a, absent);
	if (n->site) {
		code_alu_value(c, BPF_ADD, REG_NOW, (s32)(SITE_STEP + n->site));
		code_move(c, temp(0), REG_NOW);
		code_call(c, KECHO_CALL_HASH);
	}
	code_move(c, temp(0), REG_NOW);
	code_set(c, temp(1), n->value);
	code_call(c, KECHO_CALL_ONCE);
	decide(c, wanted, to);
}

static void rate(struct expr_code *c, const struct expr_node *n, bool wanted,
		 struct expr_label *to)
{
	code_set(c, temp(0), n->value);
	code_set(c, temp(1), n->site);
	code_call(c, KECHO_CALL_RATE);
	decide(c, wanted, to);
}

/* What is false as a whole if anything in it is absent. */
static void atom(struct expr_code *c, const struct expr_node *n, bool wanted,
		 struct expr_label *to)
{
	struct expr_label behind = { 0 }, *absent = wanted ? &behind : to;
	u64 known[CODE_KINDS];

	memcpy(known, c->known, sizeof(known));
	switch (n->op) {
	case OP_EQ ... OP_GE:
		compare(c, n, wanted, to, absent);
		break;
	case OP_PREFIX:
	case OP_CONTAINS:
		compare_strings(c, n, wanted, to, absent);
		break;
	case OP_IN:
		in_set(c, n, wanted, to, absent);
		break;
	case OP_HAS:
		has(c, n, wanted, to);
		break;
	case OP_ONCE:
		once(c, n, wanted, to, absent);
		break;
	case OP_RATE:
		rate(c, n, wanted, to);
		break;
	default:
		code_number(c, n->a, 0, absent);
		code_jump_value(c, wanted ? BPF_JNE : BPF_JEQ, temp(0), 0, to);
	}
	if (behind.last)
		memcpy(c->known, known, sizeof(known));
	code_here(c, &behind);
}

/* && and ||. If one side is enough for what is wanted, either may jump; else the first has to
 * leave the way to the second. */
static void join(struct expr_code *c, const struct expr_node *n, bool wanted,
		 struct expr_label *to)
{
	struct expr_label behind = { 0 };
	u64 known[CODE_KINDS];

	if (wanted == (n->op == OP_ANY)) {
		condition(c, n->a, wanted, to);
		condition(c, n->b, wanted, to);
		return;
	}
	memcpy(known, c->known, sizeof(known));
	condition(c, n->a, !wanted, &behind);
	condition(c, n->b, wanted, to);
	code_here(c, &behind);
	memcpy(c->known, known, sizeof(known));
}

static void condition(struct expr_code *c, u16 i, bool wanted, struct expr_label *to)
{
	const struct expr_node *n = &c->x->node[i];

	if (n->op == OP_NOT)
		condition(c, n->a, !wanted, to);
	else if (n->op == OP_ALL || n->op == OP_ANY)
		join(c, n, wanted, to);
	else
		atom(c, n, wanted, to);
}

/* What has to be loaded at the beginning. */
static void look_ahead(struct expr_code *c, u16 i)
{
	const struct expr_node *n = &c->x->node[i];
	bool strings = false;

	switch (n->op) {
	case OP_NAME:
		if (c->x->name[n->name].scope)
			c->uses_slots = true;
		else if (c->x->name[n->name].kind != EXPR_STRING)
			c->uses_payload = true;
		return;
	case OP_NOW:
	case OP_RANDOM:
	case OP_HASH:
	case OP_PREFIX:
	case OP_CONTAINS:
	case OP_ONCE:
	case OP_RATE:
		c->calls = true;
		break;
	case OP_EQ:
	case OP_NE:
		strings = is_string(c->x, n->a) || is_string(c->x, n->b) || both_open(c->x, n);
		break;
	case OP_IN:
		strings = is_string(c->x, n->b);
		break;
	}
	c->calls |= strings;
	if (n->a)
		look_ahead(c, n->a);
	if (n->b)
		look_ahead(c, n->b);
}

static void begin(struct expr_code *c)
{
	if (c->x->condition)
		look_ahead(c, c->x->condition);
	if (c->x->score)
		look_ahead(c, c->x->score);
	if (c->calls)
		code_move(c, REG_CONTEXT, REG_ARG);
	if (c->uses_slots)
		code_load(c, REG_SLOTS, REG_ARG, offsetof(struct kecho_filter_ctx, slots));
	if (c->uses_payload)
		code_load(c, REG_PAYLOAD, REG_ARG, offsetof(struct kecho_filter_ctx, payload));
}

static void program(struct expr_code *c)
{
	const struct expr_node *known = &c->x->node[c->x->condition];
	struct expr_label no = { 0 };

	if (known->op == OP_CONDITION && !known->value) {
		code_return(c, 0);
		return;
	}
	begin(c);
	if (c->x->condition && known->op != OP_CONDITION)
		condition(c, c->x->condition, false, &no);
	if (c->x->score) {
		code_number(c, c->x->score, 0, &no);
		code_store(c, code_context(c), offsetof(struct kecho_filter_ctx, score), temp(0));
	}
	code_return(c, 1);
	if (no.last) {
		code_here(c, &no);
		code_return(c, 0);
	}
}

static size_t put(char *to, size_t at, const void *p, size_t len)
{
	memcpy(to + at, p, len);
	return at + len;
}

static int assemble(const struct expr_code *c, void **wire, size_t *len)
{
	struct kecho_filter_header h = {
		.magic = cpu_to_le16(KECHO_FILTER_MAGIC), .version = KECHO_FILTER_VERSION,
		.kind = c->x->use, .insns = cpu_to_le16(c->insns), .refs = cpu_to_le16(c->refs),
		.slots = cpu_to_le16(c->slots), .consts = cpu_to_le16(c->consts_len),
		.best = cpu_to_le32(c->x->best),
	};
	size_t at;
	char *to;

	*len = sizeof(h) + c->insns * sizeof(c->insn[0]) + c->refs * sizeof(c->ref[0]) +
	       c->slots * sizeof(c->slot[0]) + c->consts_len;
	to = kmalloc(*len, GFP_KERNEL);
	if (!to)
		return -ENOMEM;
	at = put(to, 0, &h, sizeof(h));
	at = put(to, at, c->insn, c->insns * sizeof(c->insn[0]));
	at = put(to, at, c->ref, c->refs * sizeof(c->ref[0]));
	at = put(to, at, c->slot, c->slots * sizeof(c->slot[0]));
	at = put(to, at, c->consts, c->consts_len);
	WARN_ON(at != *len);
	*wire = to;
	return 0;
}

int expr_code(struct expr *x, void **wire, size_t *len)
{
	struct expr_code *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int err;

	if (!c)
		return -ENOMEM;
	c->x = x;
	program(c);
	if (c->too_large)
		expr_fail(x, 0, x->text_len,
			  "the expression is too large: a filter has at most %d instructions, %d "
			  "attributes and %d bytes of strings", KE_FILTER_INSNS_MAX,
			  KE_FILTER_SLOTS_MAX, KE_FILTER_CONSTS_MAX);
	err = x->failed ? -EINVAL : assemble(c, wire, len);
	kfree(c);
	return err;
}

int expr_compile(void **wire, size_t *len, u8 use, const char *text,
		 struct kecho_filter_error *err)
{
	struct expr *x;
	int ret = -EINVAL;

	x = kzalloc(sizeof(*x), GFP_KERNEL);
	if (!x)
		return -ENOMEM;
	x->text = text;
	x->text_len = strlen(text);
	x->use = use;
	x->err = err;
	if (expr_parse(x) && expr_check(x)) {
		expr_fold(x);
		ret = expr_code(x, wire, len);
	}
	kfree(x);
	return ret;
}
