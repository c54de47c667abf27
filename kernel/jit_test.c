// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs as code of the machine beside the same ones interpreted: those of the fuzzer's corpus
 * and as many that chance writes, and what is in that code. In the module that has this core's
 * tests run that code, too, where they run a program.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/ktime.h>
#include <linux/random.h>

#include "four_test.h"
#include "jit.h"
#include "tap.h"
#include "written.h"

enum {
	CHANCES = 3000,		/* programs that chance writes, */
	CHANCE_MAX = 600,	/* of so many bytes of decisions; */
	EVENTS = 4,		/* that each is asked about */
	PAYLOAD_MAX = 512,
	STRINGS_MAX = KE_ATTR_VALUE_MAX,
	ROUNDS = 1000,		/* runs that are measured at a time, */
	TIMES = 20,		/* and how often: the shortest counts */
};

struct code {
	struct ke_native n;
	struct bpf_prog *prog;
};

static struct {
	u32 made, none;		/* of core's tests */
	struct parts parts;
	u8 wire[WRITTEN_MAX], chance[CHANCE_MAX];
	u8 payload[PAYLOAD_MAX], strings[STRINGS_MAX];
	struct kecho_filter_value values[KE_FILTER_SLOTS_MAX];
	struct ke_filter_str strs[KE_FILTER_SLOTS_MAX];
	u32 accepted, differ, not_made;
} t;

static void free_code(struct ke_native *n)
{
	struct code *c = container_of(n, struct code, n);

	bpf_prog_free(c->prog);
	kfree(c);
}

/* False: it stays interpreted. */
static bool compile(struct ke_program *p)
{
	struct code *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return false;
	c->prog = kn_jit(p);
	if (!c->prog) {
		kfree(c);
		return false;
	}
	c->n = (struct ke_native){ .run = c->prog->bpf_func, .free = free_code };
	ke_program_native(p, &c->n);
	return true;
}

static struct bpf_prog *code_of(const struct ke_program *p)
{
	return container_of(p->native, struct code, n)->prog;
}

void test_compile(struct ke_program *p)
{
	if (compile(p))
		t.made++;
	else
		t.none++;
}

TEST(tests_of_core)
{
	ok(t.made > 1000, "its tests have run %u programs", t.made);
	is_eq(t.none, 0, "all as code");
}

/* ------------------------------------------------------------- one beside the other */

static void fill_event(struct lots *l, const struct ke_program *p)
{
	u32 i;

	for (i = 0; i < PAYLOAD_MAX; i++)
		t.payload[i] = lots(l, 4) ? 'a' + lots(l, 3) : lots(l, 256);
	for (i = 0; i < STRINGS_MAX; i++)
		t.strings[i] = 'a' + lots(l, 3);
	for (i = 0; i < p->nslots; i++) {
		t.values[i].present = !!lots(l, 4);
		t.values[i].value = lots(l, 7) ? lots(l, 32) : lots(l, STRINGS_MAX + 1);
		t.strs[i] = (struct ke_filter_str){ t.strings, t.values[i].value };
	}
}

static bool agree(const struct ke_program *a, const struct ke_program *b, u64 seed)
{
	struct ke_filter_state *s = ke_filter_state_make(seed), *r = ke_filter_state_make(seed);
	struct ke_judged j = { .payload = t.payload, .slots = t.values, .strs = t.strs };
	s64 score = 1, other = 2;
	struct lots l = { seed };
	bool same = s && r;
	u32 i;

	for (i = 0; i < EVENTS && same; i++) {
		fill_event(&l, a);
		j.len = a->need + lots(&l, 2);
		j.seq = lots(&l, U32_MAX);
		j.time_ns = (u64)j.seq << 31;
		test_now_ns += lots(&l, 100000);
		same = ke_program_run(a, s, &j, &test_ops, &score) ==
		       ke_program_run(b, r, &j, &test_ops, &other);
		same &= score == other && ke_filter_state_forgotten(s) ==
						  ke_filter_state_forgotten(r);
		same &= !memcmp(ke_filter_state_block(s), ke_filter_state_block(r),
				KECHO_FILTER_STATE_SIZE);
	}
	ke_filter_state_free(s);
	ke_filter_state_free(r);
	return same;
}

/* An input of the fuzzer's; @what and @number: which. */
static void run_input(const u8 *data, size_t size, const char *what, u32 number)
{
	struct plan plan = begin_program(data, size);
	struct ke_program *a = NULL, *b = NULL;
	const struct ke_type *type = f.typed ? &f.type.type : NULL;
	struct ke_filter *filter = NULL;
	char why[KE_FILTER_WHY_MAX];
	const void *wire = plan.raw ? f.in.data : t.wire;
	u32 len = plan.raw ? f.in.len : write_program(t.wire, take_u8(&f.in));

	if (ke_filter_load(&filter, wire, len, why) || ke_program_make(&a, filter, type, why))
		goto free;
	t.accepted++;
	if (ke_program_make(&b, filter, type, why) || !compile(b))
		t.not_made++;
	else if (a->need < PAYLOAD_MAX && !agree(a, b, plan.seed) && !t.differ++)
		ok(false, "%s, input %u: it differs", what, number);
free:
	ke_program_free(a);
	ke_program_free(b);
	ke_filter_free(filter);
}

static void check_all(u32 accepted_min)
{
	ok(t.accepted >= accepted_min, "%u programs", t.accepted);
	is_eq(t.not_made, 0, "all are made code");
	is_eq(t.differ, 0, "all do the same");
	t.accepted = t.not_made = t.differ = 0;
}

static const struct {
	u32 len;
	const u8 *data;
} corpus[] = {
#include "corpus.h"
};

TEST(corpus)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(corpus); i++)
		run_input(corpus[i].data, corpus[i].len, "corpus", i);
	check_all(ARRAY_SIZE(corpus) / 5);
}

/* By the same decisions in each run; honest ones, without a mistake. */
TEST(by_chance)
{
	struct lots l = { 1 };
	u32 i, j, len;

	for (i = 0; i < CHANCES; i++) {
		len = lots(&l, CHANCE_MAX);
		for (j = 0; j < len; j++)
			t.chance[j] = lots(&l, 256);
		t.chance[0] &= 127;
		run_input(t.chance, len, "chance", i);
		cond_resched();
	}
	check_all(CHANCES / 2);
}

/* -------------------------------------------------------------------------- blinding */

enum { A = 0x5eed0001, B = 0x5eed0102, C = 0x5eed0203, D = 0x5eed0304, E = 0x5eed0405,
       F = 0x5eed0506, G = 0x5eed0607 };

static const u32 constants[] = { A, B, C, D, E, F, G };

static u32 count_constants(const void *code, u32 len)
{
	const u8 *p = code;
	u32 i, at, n = 0;

	for (i = 0; i < ARRAY_SIZE(constants); i++)
		for (at = 0; at + sizeof(u32) <= len; at++)
			n += !memcmp(p + at, &constants[i], sizeof(u32));
	return n;
}

/* A stranger's constants, wherever instructions have some, are not in the code. */
TEST(blinded)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(seq)),
		LDX(BPF_DW, 6, 1, CTX(state)),
		ALU(BPF_XOR, 2, A),
		ALU32(BPF_ADD, 2, B),
		WIDE(3, (u64)C << 32 | D),
		ST(BPF_DW, 6, 0, E),
		MOV(0, 0),
		JMP(BPF_JEQ, 2, F, 1),
		JMP32(BPF_JSGT, 2, G, 0),
		EXIT,
	};
	struct ke_program *p;
	struct bpf_prog *code;

	parts_begin(&t.parts, KECHO_FILTER_EVENT);
	parts_insns(&t.parts, insns, ARRAY_SIZE(insns));
	p = parts_make(&t.parts, NULL);
	must(p && ke_program_is_native(p), "%s", t.parts.why);
	code = code_of(p);
	is_eq(count_constants(p->insns, p->n * sizeof(*p->insns)), ARRAY_SIZE(constants),
	      "the program has them");
	ok(code->jited_len > 4 * p->n, "there is code, of %u bytes", code->jited_len);
	is_eq(count_constants(code->bpf_func, code->jited_len), 0, "its code hasn't");
	ke_program_free(p);
}

/* ------------------------------------------------------------------------------ cost */

/* As many constants as instructions, but for the last; interpreted. */
static struct ke_program *make_long(u32 n)
{
	struct ke_program *p = NULL;
	struct ke_filter *filter;
	u32 i;

	parts_begin(&t.parts, KECHO_FILTER_EVENT);
	for (i = 0; i + 1 < n; i++)
		parts_insn(&t.parts, MOV(0, A + i));
	parts_insn(&t.parts, EXIT);
	filter = parts_load(&t.parts);
	if (filter)
		is_eq(ke_program_make(&p, filter, NULL, t.parts.why), 0, "%s", t.parts.why);
	ke_filter_free(filter);
	return p;
}

/* The longest that travels is compiled, and soon. */
TEST(longest)
{
	struct ke_program *p = make_long(KE_FILTER_INSNS_MAX);
	u64 begin = ktime_get_ns();

	must(p, "%s", t.parts.why);
	ok(compile(p), "it is made code");
	pr_info("# %u instructions are compiled in %llu us\n", p->n,
		(ktime_get_ns() - begin) / NSEC_PER_USEC);
	ke_program_free(p);
}

/* What references and divisions make longer than that is interpreted. */
TEST(too_long)
{
	struct bpf_insn divides = ALUR(BPF_DIV, 0, 2);
	struct ke_program *p = NULL;
	struct ke_filter *filter;
	u32 i;

	parts_begin(&t.parts, KECHO_FILTER_EVENT);
	parts_insn(&t.parts, LDX(BPF_DW, 2, 1, CTX(seq)));
	parts_insn(&t.parts, MOV(0, 1));
	for (i = 0; i < 400; i++)
		parts_insn(&t.parts, divides);
	parts_insn(&t.parts, EXIT);
	filter = parts_load(&t.parts);
	must(filter && !ke_program_make(&p, filter, NULL, t.parts.why), "%s", t.parts.why);
	ok(p->n > KE_FILTER_INSNS_MAX && !compile(p), "it is not compiled");
	ke_program_free(p);
	ke_filter_free(filter);
}

/* Nanoseconds of ROUNDS judgements, all of them yes; NULL: the function in C. */
static u64 cost_once(const struct ke_program *p, struct ke_filter_state *s)
{
	const struct sample sample = { .cpu = 40, .temp = 20, .port = 7390, .level = 5 };
	struct ke_judged j = { .payload = &sample, .len = sizeof(sample) };
	u64 begin = ktime_get_ns();
	u32 i, yes = 0;

	for (i = 0; i < ROUNDS; i++) {
		barrier();
		yes += p ? ke_program_run(p, s, &j, &test_ops, NULL) : four_in_c(&sample);
	}
	begin = ktime_get_ns() - begin;
	return ok(yes == ROUNDS, "all are yes") ? begin : U64_MAX;
}

static u64 cost(const struct ke_program *p)
{
	struct ke_filter_state *s = ke_filter_state_make(1);
	u64 least = U64_MAX;
	u32 i;

	for (i = 0; i < TIMES && s; i++)
		least = min(least, cost_once(p, s));
	ke_filter_state_free(s);
	return least;
}

/* In a guest whose clock are its instructions a nanosecond is one. */
TEST(costs)
{
	struct ke_program *native, *slow = NULL;
	struct ke_filter *filter;
	u64 in_c, code, steps;

	parts_begin(&t.parts, KECHO_FILTER_EVENT);
	parts_insns(&t.parts, four, ARRAY_SIZE(four));
	native = parts_make(&t.parts, NULL);
	filter = parts_load(&t.parts);
	must(native && filter, "%s", t.parts.why);
	is_eq(ke_program_make(&slow, filter, NULL, t.parts.why), 0, "interpreted");
	ke_filter_free(filter);
	must(slow, "%s", t.parts.why);
	in_c = cost(NULL);
	code = cost(native);
	steps = cost(slow);
	pr_info("# four comparisons take %llu ns in C, %llu as code, %llu interpreted\n",
		in_c / ROUNDS, code / ROUNDS, steps / ROUNDS);
	ok(3 * code <= steps, "code takes a third at most");
	ke_program_free(native);
	ke_program_free(slow);
}

TESTS(jit, corpus, by_chance, blinded, longest, too_long, costs, tests_of_core);
