// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Choices between nodes: a source chooses among the sinks of all of them, as they come and go;
 * and what there was no memory for is seen later.
 */
#include "filter_test.h"
#include "stream_test.h"

static struct parts parts;

/* The sink with the highest attribute. */
static int choose_best(struct ke_source *s)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 0, 2, 0), LDX(BPF_DW, 4, 2, 8),
		STX(BPF_DW, 1, CTX(score), 4), EXIT,
	};
	char why[KE_TYPE_WHY_MAX];

	parts_begin(&parts, KECHO_FILTER_OUT);
	parts.h.best = cpu_to_le32(1);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_slot(&parts, KECHO_SCOPE_SINK, 0, 0, "a");
	parts_join(&parts);
	return ke_source_choose(s, parts.wire, parts.wire_len, why);
}

/* Who is chosen by the source at node 0; 0: nobody. */
static u64 chosen(struct world *w)
{
	struct ke_event_info info = { .time_ns = 1 };
	u64 id;

	h_source_lock(&w->n[0].src);
	is_eq(ke_choice_event(w->n[0].src.choice, &info, 1, w->event, 1, &test_ops), 0, "chosen");
	id = info.nto ? le64_to_cpu(info.to[0]) : 0;
	h_source_unlock(&w->n[0].src);
	return id;
}

static void set(struct world *w, u32 node, s64 v)
{
	struct ke_value value = { .kind = KE_VALUE_I64, .i64 = v };

	is_eq(ke_member_set(&w->n[node].sink, "a", &value), 0, "set");
	w->now += KE_ATTR_DELAY_MS;
	ke_node_tell(&w->n[node].node);
	ok(world_pump(w), "quiet");
}

/* A source at node 0 that chooses, sinks at both. */
static struct world *choosing(void)
{
	struct world *w = stream(1, false, 0);

	if (!w)
		return NULL;
	is_eq(sink_open(&w->n[0], false, false), 0, "a sink beside it");
	is_eq(choose_best(&w->n[0].src), 0, "a filter");
	return w;
}

TEST(elsewhere)
{
	struct world *w = choosing();

	must(w, "nodes");
	is_eq(chosen(w), 0, "nobody has the attribute");
	set(w, 1, 5);
	ok(chosen(w) == w->n[1].sink.id, "another node's");
	set(w, 0, 9);
	ok(chosen(w) == w->n[0].sink.id, "its own");
	sink_close(&w->n[0]);
	ok(chosen(w) == w->n[1].sink.id, "which has left");
	sink_close(&w->n[1]);
	ok(world_pump(w), "quiet");
	is_eq(chosen(w), 0, "nobody is left");
	is_eq(sink_open(&w->n[1], false, false), 0, "it is back");
	set(w, 1, 1);
	ok(chosen(w) == w->n[1].sink.id, "and is chosen");
	world_end(w);
}

/* A sink came, and there was no memory for that. */
TEST(again)
{
	const struct ke_names none = { .n = 0 };
	struct world *w = choosing();
	struct ke_choice *c;

	must(w, "nodes");
	set(w, 1, 5);
	c = w->n[0].src.choice;
	ok(!c->stale && !ke_node_is_stale(&w->n[0].node), "nothing is old");
	is_eq(ke_choice_sinks(c, &none), 0, "as it was before");
	c->stale = true;
	is_eq(chosen(w), 0, "nobody");
	ok(ke_node_is_stale(&w->n[0].node), "that is known");
	ok(world_wait(w, KE_HEARTBEAT_MS), "quiet");
	ok(chosen(w) == w->n[1].sink.id, "it is there");
	ok(!c->stale, "all is seen");
	world_end(w);
}

TESTS(choosing, elsewhere, again);
