// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the process of a source is told to judge by: one change at a time, and nobody waits for
 * it for long.
 */
#include "filter_test.h"
#include "hostile_test.h"
#include "told.h"

enum { LONG_MS = 10000 };

static struct parts parts;
static char why[KE_TYPE_WHY_MAX];
static struct ke_house house;
static struct ke_tells tells;
static struct ke_told told;

static struct {
	u32 filters, slots, judges;
	u64 bits;		/* of the last JUDGE */
	bool due;
} seen;

static void send(struct ke_told __always_unused *t, u32 cmd, const void *body,
		 u32 __always_unused len, const void __always_unused *tail,
		 u32 __always_unused tail_len)
{
	const struct kecho_note_judge *n = body;

	seen.filters += cmd == KECHO_NOTE_JUDGE_FILTER;
	seen.slots += cmd == KECHO_NOTE_JUDGE_SLOTS;
	if (cmd != KECHO_NOTE_JUDGE)
		return;
	seen.judges++;
	seen.bits = le64_to_cpu(n->bits);
}

static void h_judges(struct ke_source __always_unused *s)
{
	seen.due |= ke_told_changed(&told);
}

/* Its process judges, and another node reads it. */
static struct world *elsewhere(void)
{
	struct world *w = stream(1, true, 0);

	if (!w)
		return NULL;
	memset(&seen, 0, sizeof(seen));
	house = test_house;
	house.judges = h_judges;
	w->n[0].node.house = &house;
	w->n[0].src.judged_later = true;
	INIT_LIST_HEAD(&tells.due);
	INIT_LIST_HEAD(&tells.open);
	told = (struct ke_told){ .s = &w->n[0].src, .tells = &tells, .send = send };
	INIT_LIST_HEAD(&told.list);
	return w;
}

/* The sink wants events of more than @n bytes. */
static void longer(struct world *w, u32 n)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, n, 1), MOV(0, 0), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_join(&parts);
	is_eq(ke_member_filter(&w->n[1].sink, parts.wire, parts.wire_len, NULL, 0, why), 0,
	      "a filter");
	ok(world_pump(w), "quiet");
}

static bool filtered(struct world *w)
{
	return world_pump(w) && ke_member_filtered(&w->n[1].sink);
}

TEST(one_by_one)
{
	struct world *w = elsewhere();

	must(w, "nodes");
	longer(w, 10);
	ok(seen.due, "something is due");
	ok(ke_tells_run(&tells, 0), "it is told, and waited for");
	ok(seen.filters == 1 && seen.slots == 1 && seen.judges == 1 && seen.bits == 1, "of one");
	ok(!filtered(w), "the sink hears nothing yet");
	longer(w, 30);
	ok(ke_tells_run(&tells, 1) && seen.judges == 1, "another waits");
	ok(!ke_told_took(&told, cpu_to_le64(2)), "what it was not told is no answer");
	ke_told_took(&told, cpu_to_le64(1));
	ok(!filtered(w), "it goes by the first");
	ok(ke_tells_run(&tells, 2), "then comes the other");
	ok(seen.filters == 2 && seen.judges == 2 && seen.bits == 3, "beside the first");
	ke_told_took(&told, cpu_to_le64(2));
	ok(filtered(w), "it goes by that, and the sink knows");
	ok(ke_tells_run(&tells, 3) && seen.bits == 2, "then the first goes");
	ke_told_took(&told, cpu_to_le64(3));
	is_eq(ke_tells_run(&tells, LONG_MS), 0, "no more is due");
	ke_told_end(&told);
	world_end(w);
}

TEST(late)
{
	struct world *w = elsewhere();
	u64 at;

	must(w, "nodes");
	longer(w, 10);
	at = ke_tells_run(&tells, 0);
	ok(at && at < LONG_MS, "it has some time");
	is_eq(ke_tells_run(&tells, at), 0, "then nobody waits");
	ok(filtered(w), "the sink judges by itself");
	longer(w, 30);
	is_eq(ke_tells_run(&tells, at + 1), 0, "nor for the next");
	ok(filtered(w) && seen.judges == 1, "which is not told");
	ok(ke_told_took(&told, cpu_to_le64(1)), "until it has come after");
	ok(ke_tells_run(&tells, at + 2) && seen.judges == 2, "now it is");
	ke_told_end(&told);
	ok(list_empty(&tells.due) && list_empty(&tells.open), "the end");
	longer(w, 50);
	ok(filtered(w), "of who has gone nobody waits");
	world_end(w);
}

TESTS(told, one_by_one, late);
