// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs as code of the machine: which of them a house is asked to make, for whom, and that
 * they run, and go. Here all of that code says yes.
 */
#include "filter_test.h"
#include "hostile_test.h"
#include "type_test.h"

enum { REMOTE = 0, GRANTED = 7, REFUSED = 8 };

static struct parts parts;
static char why[KE_TYPE_WHY_MAX];
static struct ke_house house;

static struct {
	u32 asked, made, gone, runs;
	u64 whose;		/* as it was asked last */
} seen;

static unsigned int say_yes(const void __always_unused *ctx,
			    const struct bpf_insn __always_unused *insns)
{
	seen.runs++;
	return 1;
}

static void forget(struct ke_native *n)
{
	seen.gone++;
	kfree(n);
}

static struct ke_native *h_compile(void __always_unused *owner, u64 whose,
				   const struct ke_program *p)
{
	struct ke_native *n;

	ok(!ke_program_is_native(p), "it isn't yet");
	seen.asked++;
	seen.whose = whose;
	if (whose != GRANTED)
		return NULL;
	n = kzalloc(sizeof(*n), GFP_KERNEL);
	if (!n)
		return NULL;
	*n = (struct ke_native){ .run = say_yes, .free = forget };
	seen.made++;
	return n;
}

/* Two nodes with a sink each, a source at the first. */
static struct world *begin(void)
{
	struct world *w = stream(1, true, 0);
	u32 i;

	if (!w)
		return NULL;
	memset(&seen, 0, sizeof(seen));
	house = test_house;
	house.compile = h_compile;
	for (i = 0; i < WORLD_NODES; i++)
		if (w->n[i].up)
			w->n[i].node.house = &house;
	is_eq(sink_open(&w->n[0], false, false), 0, "a sink at the source's node");
	return w;
}

static void end(struct world *w)
{
	sink_close(&w->n[0]);
	world_end(w);
	is_eq(seen.gone, seen.made, "all have gone");
}

/* Events of more than @n bytes. */
static void set_longer(struct ke_member *sink, u32 n)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, n, 1), MOV(0, 0), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_join(&parts);
	is_eq(ke_member_filter(sink, parts.wire, parts.wire_len, NULL, 0, why), 0, "a filter");
}

static u64 bits(struct world *w, u32 len, u32 type)
{
	struct ke_event_info info = { .time_ns = 1, .type = type };

	h_source_lock(&w->n[0].src);
	ke_judge_event(w->n[0].src.judge, &info, 1, w->event, len, &test_ops);
	h_source_unlock(&w->n[0].src);
	return info.judged ? info.bits : 0;
}

TEST(granted)
{
	struct world *w = begin();
	struct ke_member *sink;

	must(w, "nodes");
	sink = &w->n[0].sink;
	sink->whose = GRANTED;
	set_longer(sink, 10);
	ok(seen.made && seen.whose == GRANTED, "asked for its user");
	is_eq(bits(w, 5, 0), 1, "its code is what runs");
	is_eq(seen.runs, 1, "once");
	set_longer(sink, 20);
	is_eq(seen.gone, 1, "another filter, and the first has gone");
	is_eq(ke_member_filter(sink, NULL, 0, NULL, 0, why), 0, "none");
	is_eq(seen.gone, 2, "no code");
	end(w);
}

TEST(refused)
{
	struct world *w = begin();

	must(w, "nodes");
	w->n[0].sink.whose = REFUSED;
	set_longer(&w->n[0].sink, 10);
	is_eq(seen.whose, REFUSED, "asked");
	is_eq(bits(w, 5, 0), 0, "no");
	is_eq(bits(w, 15, 0), 1, "yes, as it is interpreted");
	end(w);
}

/* What another node says is nobody's here, whoever has set it there. */
TEST(of_another_node)
{
	struct world *w = begin();

	must(w, "nodes");
	w->n[1].sink.whose = GRANTED;
	set_longer(&w->n[1].sink, 10);
	ok(world_pump(w), "quiet");
	ok(seen.asked && seen.whose == REMOTE, "asked");
	is_eq(bits(w, 5, 0), 0, "no");
	is_eq(bits(w, 15, 0), 1, "yes, as it is interpreted");
	end(w);
}

static void announce(struct world *w)
{
	static struct draft draft;
	struct tnode *n = &w->n[0];
	u32 len;

	draft_begin(&draft, "sample", 8, false);
	draft_number(&draft, "cpu", KE_FIELD_SIGNED, 0, 4);
	len = ke_type_encode(&draft.type, draft.encoded, sizeof(draft.encoded));
	is_eq(ke_source_announce(&n->src, &n->node, draft.encoded, len, why), 1, "a type");
}

/* One bit, one code, by the rights of whichever of them has some; so of types to come. */
TEST(shared)
{
	struct world *w = begin();

	must(w, "nodes");
	set_longer(&w->n[1].sink, 10);
	ok(world_pump(w), "quiet");
	is_eq(seen.made, 0, "interpreted");
	w->n[0].sink.whose = GRANTED;
	set_longer(&w->n[0].sink, 10);
	is_eq(seen.made, 1, "not any more");
	is_eq(bits(w, 5, 0), 1, "it runs");
	announce(w);
	ok(seen.made == 2 && seen.whose == GRANTED, "a new type's is made, too");
	is_eq(bits(w, 5, 1), 1, "it runs");
	is_eq(ke_member_filter(&w->n[0].sink, NULL, 0, NULL, 0, why), 0, "the one wants no more");
	is_eq(seen.gone, 0, "the other does");
	end(w);
}

/* A type's program was refused once; it isn't asked for again by who has no right either. */
TEST(shared_by_none)
{
	struct world *w = begin();

	must(w, "nodes");
	set_longer(&w->n[1].sink, 10);
	ok(world_pump(w), "quiet");
	announce(w);
	w->n[0].sink.whose = REFUSED;
	seen.asked = 0;
	set_longer(&w->n[0].sink, 10);
	is_eq(seen.asked, 1, "asked once");
	is_eq(bits(w, 5, 1), 0, "interpreted");
	end(w);
}

TEST(judged_elsewhere)
{
	struct world *w = begin();

	must(w, "nodes");
	w->n[0].src.judged_later = true;
	w->n[0].sink.whose = GRANTED;
	set_longer(&w->n[0].sink, 10);
	is_eq(seen.asked, 0, "what another process runs is not compiled");
	end(w);
}

TESTS(native, granted, refused, of_another_node, shared, shared_by_none,
      judged_elsewhere);
