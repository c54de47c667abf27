/* SPDX-License-Identifier: MIT */
/*
 * What judging an event costs, interpreted: a program that compares four fields of different
 * widths, each of which is so, and by the way others: one that looks at nothing, one that
 * compares a string and an attribute, and the four comparisons as a C function. Bar: four
 * comparisons take at most 40 ns.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "filter_test.h"
#include "measure.h"
#include "options.h"
#include "type_test.h"

enum {
	ROUNDS = 50000,		/* judgements of one measurement */
	ROUNDS_QUICK = 5000,
	PAIRS = 96,
	SET = 8,
	EVENTS = 16,		/* that are judged in turn */
	FOUR_NS_MAX = 40,
};

static const char about[] = "what judging an event by a filter costs";

struct sample {
	u64 seq;
	u32 cpu;
	s32 temp;
	u16 port;
	u8 level;
	char zone[13];
};

typedef bool judge_fn(const struct sample *s);

static struct {
	u32 rounds;
	struct draft type;
	struct parts parts;
	struct sample events[EVENTS];
	struct ke_filter_state *state;
	struct kecho_filter_value slot;
	struct ke_filter_str str;
	struct ke_program *program;	/* what is measured; NULL: */
	judge_fn *fn;
} g;

static void make_type(void)
{
	struct draft *d = &g.type;

	draft_begin(d, "sample", sizeof(struct sample), cpu_to_le16(1) != 1);
	draft_number(d, "cpu", KE_FIELD_UNSIGNED, offsetof(struct sample, cpu), 4);
	draft_number(d, "temp", KE_FIELD_SIGNED, offsetof(struct sample, temp), 4);
	draft_number(d, "port", KE_FIELD_UNSIGNED, offsetof(struct sample, port), 2);
	draft_number(d, "level", KE_FIELD_UNSIGNED, offsetof(struct sample, level), 1);
	draft_number(d, "zone", KE_FIELD_STRING, offsetof(struct sample, zone), 13);
}

static void make_events(void)
{
	struct sample *s;

	for (s = g.events; s < g.events + EVENTS; s++)
		*s = (struct sample){
			.cpu = 5 * (s - g.events),
			.temp = -8 + (s - g.events),
			.port = 7390,
			.level = 4 + (s - g.events),
			.zone = "north",
		};
}

/* No way on unless @name compares so. */
static void compare(const char *name, u8 not, s32 with, u32 left)
{
	u32 load = parts_insn(&g.parts, LDX(BPF_DW, 2, 6, 0));

	parts_ref(&g.parts, load, KECHO_REF_FIELD, 0, name);
	parts_insn(&g.parts, JMP(not, 2, with, left));
}

static void end_program(void)
{
	parts_insn(&g.parts, MOV(0, 1));
	parts_insn(&g.parts, EXIT);
	parts_insn(&g.parts, MOV(0, 0));
	parts_insn(&g.parts, EXIT);
}

static void four(void)
{
	parts_insn(&g.parts, LDX(BPF_DW, 6, 1, CTX(payload)));
	compare("cpu", BPF_JGE, 80, 8);
	compare("temp", BPF_JSLE, -10, 6);
	compare("port", BPF_JNE, 7390, 4);
	compare("level", BPF_JEQ, 3, 2);
	end_program();
}

static judge_fn four_in_c;

static bool four_in_c(const struct sample *s)
{
	return s->cpu < 80 && s->temp > -10 && s->port == 7390 && s->level != 3;
}

static void nothing(void)
{
	parts_insn(&g.parts, MOV(0, 1));
	parts_insn(&g.parts, EXIT);
}

/* A string against a constant, one against an attribute. */
static void strings(void)
{
	u32 zone = parts_const(&g.parts, "north"), move;

	parts_slot(&g.parts, KECHO_SCOPE_SINK, 0, KE_VALUE_STRING, "zone");
	parts_insn(&g.parts, COPY(6, 1));
	move = parts_insn(&g.parts, MOV32(2, 0));
	parts_ref(&g.parts, move, KECHO_REF_FIELD_STR, 0, "zone");
	parts_insn(&g.parts, MOV32(3, KECHO_STR(KECHO_STR_CONST, zone, 5)));
	parts_insn(&g.parts, CALL(KECHO_CALL_EQUAL));
	parts_insn(&g.parts, JMP(BPF_JEQ, 0, 0, 7));
	parts_insn(&g.parts, COPY(1, 6));
	move = parts_insn(&g.parts, MOV32(2, 0));
	parts_ref(&g.parts, move, KECHO_REF_FIELD_STR, 0, "zone");
	parts_insn(&g.parts, MOV32(3, KECHO_STR(KECHO_STR_SLOT, 0, 0)));
	parts_insn(&g.parts, CALL(KECHO_CALL_EQUAL));
	parts_insn(&g.parts, JMP(BPF_JEQ, 0, 0, 2));
	end_program();
}

static int renew(void *arg)
{
	(void)arg;
	ke_filter_state_free(g.state);
	g.state = ke_filter_state_make(1);
	return g.state ? 0 : -ENOMEM;
}

static u32 judge_all(void)
{
	struct ke_judged j = {
		.len = sizeof(struct sample),
		.slots = &g.slot,
		.strs = &g.str,
	};
	u32 i, yes = 0;

	for (i = 0; i < g.rounds; i++) {
		const struct sample *s = &g.events[i % EVENTS];

		j.payload = s;
		j.seq = i;
		/* as in a node: one that is known at run time only */
		barrier();
		yes += g.program ? ke_program_run(g.program, g.state, &j, &test_ops, NULL) :
				   g.fn(s);
	}
	return yes;
}

static int measure(void *arg, enum measure_arm arm, double *value)
{
	u64 begin = measure_thread_cpu_ns();

	(void)arg;
	(void)arm;
	if (judge_all() != g.rounds)
		return -EPROTO;
	*value = (double)(measure_thread_cpu_ns() - begin) / g.rounds;
	return 0;
}

static int show(const struct options *o, const char *name, double bar)
{
	struct claim c = {
		.name = name,
		.unit = "ns",
		.bar = bar,
		.side = AT_MOST,
		.absolute = true,
		.pairs = PAIRS,
		.set = SET,
		.renew = renew,
		.measure = measure,
	};

	return measure_show(&c, o->json);
}

static int show_program(const struct options *o, const char *name, void (*write)(void), double bar)
{
	int status;

	parts_begin(&g.parts, KECHO_FILTER_EVENT);
	write();
	g.program = parts_make(&g.parts, &g.type.type);
	if (!g.program) {
		fprintf(stderr, "filter_cost: %s: %s\n", name, g.parts.why);
		return 2;
	}
	status = show(o, name, bar);
	ke_program_free(g.program);
	g.program = NULL;
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	int status = options_parse(&o, argc, argv, about), worst;

	if (status >= 0)
		return status;
	measure_pin(0);
	g.rounds = o.quick ? ROUNDS_QUICK : ROUNDS;
	g.fn = four_in_c;
	g.slot = (struct kecho_filter_value){ 1, 5 };
	g.str = (struct ke_filter_str){ "north", 5 };
	make_type();
	make_events();
	if (!o.json)
		measure_print_header(stdout);
	worst = show_program(&o, "four comparisons", four, FOUR_NS_MAX);
	status = show_program(&o, "nothing", nothing, 0);
	worst = status > worst ? status : worst;
	status = show_program(&o, "two strings", strings, 0);
	worst = status > worst ? status : worst;
	status = show(&o, "four comparisons in C", 0);
	worst = status > worst ? status : worst;
	ke_filter_state_free(g.state);
	return worst;
}
