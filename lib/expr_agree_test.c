// SPDX-License-Identifier: MIT
/*
 * Random expressions and events: what the compiled filter says is what a plain walk over the
 * tree says, in which every rule of the language is written down a second time.
 *
 * With KECHO_LONG=1 in the environment there are a million pairs. A seed in KECHO_SEED runs
 * another set; each complaint has the expression.
 */
#include "expr.h"
#include "expr_world_test.h"
#include "filter.h"
#include "tap.h"

enum {
	PAIRS = 100000,
	PAIRS_LONG = 1000000,
	EVENTS = 4,		/* of one expression */
	DEPTH = 4,
	REFUSED_PERCENT = 1,	/* expressions that are too complex, at most */
};

/* --------------------------------------------------------------------- the rules */

/* Where a name alone says nothing of its kind. */
static bool stays_open(const struct r_node *n)
{
	bool both = n->b && n->a->op == R_NAME && n->b->op == R_NAME;

	switch (n->op) {
	case R_EQ:
	case R_NE:
	case R_STR_EQ:
	case R_STR_NE:
		return both;
	case R_HAS:
	case R_ONCE:
	case R_SAME_HASH:
		return true;
	default:
		return false;
	}
}

static bool mark(u32 name, enum kind kind)
{
	bool is_new = !w.use[name];

	w.use[name] = kind;
	return is_new;
}

static enum kind kind_of_name(u32 name)
{
	return names[name].is_string ? STRING : NUMBER;
}

/* What a name is used as, from all its uses: again as long as anything comes of it. */
static bool infer(void)
{
	bool changed = false;
	u32 i;

	for (i = 0; i < w.r.nodes; i++) {
		const struct r_node *n = &w.r.node[i], *a = n->a, *b = n->b;

		if (!stays_open(n)) {
			if (a && a->op == R_NAME)
				changed |= mark(a->name, kind_of_name(a->name));
			if (b && b->op == R_NAME)
				changed |= mark(b->name, kind_of_name(b->name));
		} else if (n->op != R_SAME_HASH && b) {
			if (w.use[a->name])
				changed |= mark(b->name, w.use[a->name]);
			if (w.use[b->name])
				changed |= mark(a->name, w.use[b->name]);
		}
	}
	return changed;
}

static void infer_all(void)
{
	memset(w.use, 0, sizeof(w.use));
	w.use[NAME_LOAD_AGE] = NUMBER;
	w.use[NAME_MEM_AGE] = NUMBER;
	if (w.score && w.score->op == R_NAME)
		w.use[w.score->name] = NUMBER;
	while (infer())
		;
}

static bool number(const struct r_node *n, s64 *v);

/* What there is, if it is of the kind that the name is used as. */
static enum kind look(const struct r_node *n, struct value *v)
{
	*v = (struct value){ .kind = NUMBER };
	if (n->op == R_STRING) {
		v->kind = STRING;
		v->s = n->str;
	} else if (n->op == R_NAME) {
		*v = w.value[n->name];
		if (w.use[n->name] && w.use[n->name] != v->kind)
			v->kind = NOTHING;
		if (v->kind == BYTES)
			v->kind = NOTHING;
	} else if (!number(n, &v->i)) {
		v->kind = NOTHING;
	}
	return v->kind;
}

static s64 arithmetic(enum r_op op, s64 a, s64 b)
{
	__int128 wide = a;

	switch (op) {
	case R_ADD:
		return (s64)(wide + b);
	case R_SUB:
		return (s64)(wide - b);
	case R_MUL:
		return (s64)(wide * b);
	case R_DIV:
		return b ? (s64)(wide / b) : 0;
	case R_MOD:
		return b ? (s64)(wide % b) : 0;
	case R_BAND:
		return a & b;
	case R_BOR:
		return a | b;
	case R_BXOR:
		return a ^ b;
	case R_SHL:
		return (s64)((u64)a << (b & 63));
	case R_SHR:
		return a >> (b & 63);
	default:
		abort();
	}
}

static bool number(const struct r_node *n, s64 *v)
{
	struct value found;
	s64 a, b;

	switch (n->op) {
	case R_LITERAL:
		*v = n->value;
		return true;
	case R_NAME:
		*v = look(n, &found) == NUMBER ? found.i : 0;
		return found.kind == NUMBER;
	case R_SEQ:
		*v = w.seq;
		return true;
	case R_LEN:
		*v = TYPE_BYTES;
		return true;
	case R_TIME:
		*v = w.time_ns;
		return w.time_ns != 0;
	case R_NOW:
		*v = w.now_ns;
		return true;
	case R_NEG:
		if (!number(n->a, &a))
			return false;
		*v = arithmetic(R_SUB, 0, a);
		return true;
	case R_INV:
		if (!number(n->a, &a))
			return false;
		*v = ~a;
		return true;
	default:
		if (!number(n->a, &a) || !number(n->b, &b))
			return false;
		*v = arithmetic(n->op, a, b);
		return true;
	}
}

static bool same_string(const struct r_string *a, const struct r_string *b)
{
	return a->len == b->len && !memcmp(a->s, b->s, a->len);
}

static bool same(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind || a->kind == NOTHING)
		return false;
	return a->kind == NUMBER ? a->i == b->i : same_string(&a->s, &b->s);
}

static bool compare(const struct r_node *n)
{
	struct value a, b;
	s64 x, y;

	if (n->op <= R_NE) {
		if (!look(n->a, &a) || look(n->b, &b) != a.kind)
			return false;
		return same(&a, &b) == (n->op == R_EQ);
	}
	if (!number(n->a, &x) || !number(n->b, &y))
		return false;
	switch (n->op) {
	case R_LT:
		return x < y;
	case R_LE:
		return x <= y;
	case R_GT:
		return x > y;
	default:
		return x >= y;
	}
}

static bool in_set(const struct r_node *n)
{
	struct value v;
	u32 i;

	look(n->a, &v);
	for (i = 0; i < n->items; i++) {
		if (n->op == R_IN && v.kind == NUMBER && v.i >= n->from[i] && v.i <= n->to[i])
			return true;
		if (n->op == R_STR_IN && v.kind == STRING && same_string(&v.s, &n->item[i]))
			return true;
	}
	return false;
}

static bool within(const struct r_string *a, const struct r_string *b, u32 last)
{
	u32 i;

	for (i = 0; i <= last && i + b->len <= a->len; i++)
		if (!memcmp(a->s + i, b->s, b->len))
			return true;
	return false;
}

static bool compare_strings(const struct r_node *n)
{
	struct value a, b;

	if (!look(n->a, &a) || look(n->b, &b) != a.kind)
		return false;
	if (n->op == R_STR_EQ || n->op == R_STR_NE)
		return same(&a, &b) == (n->op == R_STR_EQ);
	return within(&a.s, &b.s, n->op == R_PREFIX ? 0 : R_STRING_MAX);
}

static bool once(struct r_node *n)
{
	struct r_key *k;
	struct value v;
	u32 i;

	if (!look(n->a, &v))
		return false;
	for (i = 0; i < n->keys; i++) {
		k = &n->key[i];
		if (k->is_string == (v.kind == STRING) &&
		    (k->is_string ? same_string(&k->s, &v.s) : k->i == v.i))
			break;
	}
	k = &n->key[i];
	if (i < n->keys && k->until > w.now_ns)
		return false;
	n->keys += i == n->keys;
	*k = (struct r_key){ .is_string = v.kind == STRING, .i = v.i, .s = v.s,
			     .until = w.now_ns + n->value };
	return true;
}

/* The clock here stands still or makes steps of a second at least. */
static bool rate(struct r_node *n)
{
	if (w.now_ns != n->last)
		n->credit = n->value;
	n->last = w.now_ns;
	if (!n->credit)
		return false;
	n->credit--;
	return true;
}

static bool has(const struct r_node *a)
{
	if (a->op == R_TIME)
		return w.time_ns != 0;
	if (w.use[a->name])
		return w.value[a->name].kind == w.use[a->name];
	return w.value[a->name].kind != NOTHING;
}

static bool holds(struct r_node *n)
{
	struct value a, b;
	s64 v;

	switch (n->op) {
	case R_OR:
		return holds(n->a) || holds(n->b);
	case R_AND:
		return holds(n->a) && holds(n->b);
	case R_NOT:
		return !holds(n->a);
	case R_EQ ... R_GE:
		return compare(n);
	case R_IN:
	case R_STR_IN:
		return in_set(n);
	case R_TRUTH:
		return number(n->a, &v) && v;
	case R_HAS:
		return has(n->a);
	case R_ONCE:
		return once(n);
	case R_RATE:
		return rate(n);
	case R_TYPE:
		return !n->value;
	case R_NOT_TYPE:
		return n->value;
	case R_SAME_HASH:
		return look(n->a, &a) && look(n->b, &b) && same(&a, &b);
	default:
		return compare_strings(n);
	}
}

/* ------------------------------------------------------------------ what is tried */

static u64 now(void __maybe_unused *arg)
{
	return w.now_ns;
}

static const struct ke_filter_ops ops = { .now_ns = now };

static u32 attribute_of(const struct ke_filter_slot *s)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		if (attributes[i].scope == s->scope &&
		    strlen(attributes[i].text) == s->name_len &&
		    !memcmp(attributes[i].text, w.filter->consts + s->name, s->name_len))
			return attributes[i].name;
	abort();
}

static void fill_slots(struct kecho_filter_value *slot, struct ke_filter_str *str)
{
	u32 i, name;

	for (i = 0; i < w.filter->nslots; i++) {
		const struct ke_filter_slot *s = &w.filter->slots[i];
		const struct value *v;

		name = attribute_of(s);
		v = &w.value[name];
		slot[i] = (struct kecho_filter_value){ 0 };
		if (v->kind == NOTHING)
			continue;
		if (s->flags & KECHO_SLOT_AGE) {
			v = &w.value[name == NAME_LOAD ? NAME_LOAD_AGE : NAME_MEM_AGE];
			slot[i] = (struct kecho_filter_value){ .present = 1, .value = v->i };
		} else if (!s->kind || s->kind == (u8)v->kind) {
			slot[i].present = 1;
			slot[i].value = v->kind == NUMBER ? v->i : v->s.len;
			str[i] = (struct ke_filter_str){ .data = v->s.s, .len = v->s.len };
		}
	}
}

static bool judge(struct ke_filter_state *state, s64 *score)
{
	struct kecho_filter_value slot[KE_FILTER_SLOTS_MAX];
	struct ke_filter_str str[KE_FILTER_SLOTS_MAX];
	struct ke_judged j = {
		.payload = w.payload, .len = TYPE_BYTES, .seq = w.seq, .time_ns = w.time_ns,
		.slots = slot, .strs = str,
	};

	fill_slots(slot, str);
	return ke_program_run(w.program[w.big], state, &j, &ops, score);
}

static void agree(struct ke_filter_state *state)
{
	bool yes = !w.condition || holds(w.condition), said;
	s64 score = 0, is;

	if (yes && w.score) {
		yes = number(w.score, &score);
		if (w.least)
			score = ~score;
	}
	said = judge(state, &is);
	is_eq(said, yes, "%s", w.r.text);
	if (yes && w.score)
		is_eq(is, score, "the score of %s", w.r.text);
}

static void random_expression(void)
{
	w.r.nodes = 0;
	w.r.onces = 0;
	w.r.rates = 0;
	w.r.len = 0;
	w.condition = NULL;
	w.score = NULL;
	w.least = r_below(&w.r, 2);
	if (!r_below(&w.r, 4)) {
		w.score = r_num(&w.r, 3);
		r_put(&w.r, "best %u by %s ", 1 + r_below(&w.r, 3),
		      w.least ? r_below(&w.r, 2) ? "" : "least" : "most");
		r_write(&w.r, w.score, 0);
		r_put(&w.r, " where ");
	}
	w.condition = r_condition(&w.r, DEPTH);
	r_write(&w.r, w.condition, 0);
	infer_all();
}

/* 0, or it is too complex. */
static int compile(void)
{
	struct kecho_filter_error e = { 0 };
	char why[KE_FILTER_WHY_MAX];
	size_t len;
	void *wire;
	int err, i;

	err = expr_compile(&wire, &len, KECHO_FOR_OUT, w.r.text, &e);
	if (err) {
		ok(strstr(e.message, "too "), "%s: %zu: %s", w.r.text, e.column, e.message);
		return err;
	}
	err = ke_filter_load(&w.filter, wire, len, why);
	is_eq(err, 0, "%s: %s", w.r.text, why);
	kfree(wire);
	for (i = 0; i < 2 && !err; i++) {
		err = ke_program_make(&w.program[i], w.filter, &w.type[i].type, why);
		ok(!err || strstr(why, "cost"), "%s: %s", w.r.text, why);
		if (err && i)
			ke_program_free(w.program[0]);
		if (err)
			ke_filter_free(w.filter);
	}
	return err;
}

static u64 from_environment(const char *name, u64 otherwise)
{
	const char *set = getenv(name);

	return set && *set ? strtoull(set, NULL, 0) : otherwise;
}

TEST(agree)
{
	u32 pairs = from_environment("KECHO_LONG", 0) ? PAIRS_LONG : PAIRS;
	u32 done = 0, refused = 0, expressions, i;
	struct ke_filter_state *state;

	w.r.random = from_environment("KECHO_SEED", 1);
	w.r.names = names;
	w.r.nnames = NAMES;
	w.now_ns = 1700000000000000000ULL;
	make_types();
	for (expressions = 0; done < pairs && !tap_state.failed; expressions++) {
		random_expression();
		if (compile()) {
			refused++;
			continue;
		}
		state = ke_filter_state_make(expressions);
		must(state, "memory");
		for (i = 0; i < EVENTS && !tap_state.failed; i++, done++) {
			random_event();
			agree(state);
		}
		ke_filter_state_free(state);
		ke_program_free(w.program[0]);
		ke_program_free(w.program[1]);
		ke_filter_free(w.filter);
	}
	pr_info("# %u pairs, %u expressions, of which %u too complex\n", done, expressions,
		refused);
	ok(refused * 100 <= expressions * REFUSED_PERCENT, "few are too complex");
}

TESTS(expr_agree, agree);
