// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A source's judge and its seats: which filter has which bit, what is held until a sink has
 * taken a change, and what the bits of an event say.
 */
#include "filter_test.h"
#include "seats.h"
#include "tap.h"
#include "type_test.h"

static struct parts parts;
static struct draft draft;
static char why[KE_TYPE_WHY_MAX];

/* A judge without a node. */
static struct {
	struct ke_judge *j;
	struct ke_seats t;
	struct ke_types types;
	struct ke_attrs attrs[KECHO_SCOPE_NODE + 1];
	u32 locks, said;
	u64 now_ms;
	struct ke_verdict last;
} b;

static void take_lock(void __always_unused *owner)
{
	b.locks++;
}

static u64 bench_now(void __always_unused *owner)
{
	return b.now_ms;
}

static const struct ke_attrs *bench_attrs(void __always_unused *owner, u8 scope,
					  u64 __always_unused sink)
{
	return &b.attrs[scope];
}

static const struct ke_types *bench_types(void __always_unused *owner)
{
	return &b.types;
}

static void bench_say(void __always_unused *owner, u64 __always_unused sink,
		      const struct ke_verdict *v)
{
	b.said++;
	b.last = *v;
}

static void bench_begin(void)
{
	static const struct ke_judge_ops ops = {
		.lock = take_lock, .unlock = take_lock, .now_ms = bench_now,
	};
	static const struct ke_seats_ops seats = { .attrs = bench_attrs, .types = bench_types };

	memset(&b, 0, sizeof(b));
	b.j = ke_judge_make(&ops, NULL, 1);
	must(b.j, "a judge");
	ke_seats_init(&b.t, &seats, NULL, b.j);
}

static void bench_end(void)
{
	u32 i;

	ke_seats_fini(&b.t);
	is_eq(b.j->live, 0, "no filter is left");
	ke_judge_free(b.j);
	for (i = 0; i < ARRAY_SIZE(b.attrs); i++)
		ke_attrs_free(&b.attrs[i]);
	for (i = 0; i < KE_TYPES_MAX; i++)
		ke_type_free(b.types.type[i]);
}

static struct ke_sieve *sieve(void)
{
	struct ke_sieve *s = NULL;

	parts_join(&parts);
	is_eq(ke_sieve_make(&s, parts.wire, parts.wire_len, NULL, 0, why), 0, "a sieve");
	return s;
}

/* Events of more than @n bytes. */
static struct ke_sieve *longer(u32 n)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, n, 1), MOV(0, 0), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	return sieve();
}

/* Events where attribute a of @scope is @v. */
static struct ke_sieve *attr_is(u8 scope, s32 v)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 3, 2, 0), LDX(BPF_DW, 4, 2, 8),
		MOV(0, 0), JMP(BPF_JEQ, 3, 0, 2), JMP(BPF_JNE, 4, v, 1), MOV(0, 1), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_slot(&parts, scope, 0, 0, "a");
	return sieve();
}

/* Events while that attribute is younger than @ns; @kind: what its slot asks for. */
static struct ke_sieve *younger(u8 scope, u8 kind, s32 ns)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 3, 2, 0), LDX(BPF_DW, 4, 2, 8),
		MOV(0, 0), JMP(BPF_JEQ, 3, 0, 2), JMP(BPF_JGE, 4, ns, 1), MOV(0, 1), EXIT,
	};

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_slot(&parts, scope, KECHO_SLOT_AGE, kind, "a");
	return sieve();
}

/* Seats it, drops our reference, and takes what is said. */
static struct ke_verdict set(u64 sink, u32 version, struct ke_sieve *s)
{
	struct ke_verdict v;

	ke_seats_set(&b.t, sink, version, s, &v);
	ke_sieve_put(s);
	return v;
}

static struct ke_verdict set_taken(u64 sink, u32 version, struct ke_sieve *s)
{
	struct ke_verdict v = set(sink, version, s);

	ke_seats_taken(&b.t, sink, version, &v);
	return v;
}

/* The bits of an event of @len bytes; 0 also if it isn't judged. */
static u64 bits(u32 len)
{
	static const u8 payload[4096];
	struct ke_event_info info = { .time_ns = 1 };

	ke_judge_event(b.j, &info, 1, payload, len, &test_ops);
	return info.judged ? info.bits : 0;
}

TEST(same_filter)
{
	struct ke_verdict v, u;

	bench_begin();
	v = set_taken(1, 1, longer(10));
	u = set_taken(2, 1, longer(10));
	is_eq(v.bit, u.bit, "one bit");
	is_eq(u.from, v.from, "since the same generation");
	is_eq(b.j->generation, 1, "in force once");
	u = set_taken(3, 1, longer(20));
	ok(u.bit != v.bit, "another filter has another");
	is_eq(bits(5), 0, "neither");
	is_eq(bits(15), 1ULL << v.bit, "the first");
	is_eq(bits(25), 1ULL << v.bit | 1ULL << u.bit, "both");
	ke_seats_leave(&b.t, 1);
	is_eq(bits(15), 1ULL << v.bit, "one of two sinks has gone");
	ke_seats_leave(&b.t, 2);
	is_eq(bits(25), 1ULL << u.bit, "both have");
	ke_seats_leave(&b.t, 9);
	is_eq(b.j->generation, 2, "nothing new");
	bench_end();
}

TEST(replaced)
{
	struct ke_verdict v, u;

	bench_begin();
	v = set_taken(1, 1, longer(10));
	u = set(1, 2, longer(20));
	ok(u.bit != v.bit && u.from == 2 && u.since == 1, "another bit from the next generation");
	is_eq(bits(25), 3, "both are judged");
	u = set(1, 3, longer(30));
	is_eq(u.version, 2, "the third waits for the second");
	u = set(1, 4, longer(40));
	is_eq(u.version, 2, "and is replaced meanwhile");
	ok(!ke_seats_taken(&b.t, 1, 1, &u), "an old answer");
	ok(ke_seats_taken(&b.t, 1, 2, &u), "taken: there is more to say");
	is_eq(u.version, 4, "the newest");
	is_eq(u.bit, v.bit, "the first bit is free again");
	is_eq(u.from, 3, "and is another's from then on");
	ok(!ke_seats_taken(&b.t, 1, 4, &u), "taken");
	is_eq(bits(35), 0, "by that");
	is_eq(bits(45), 1ULL << u.bit, "and nothing else");
	v = set(1, 4, longer(40));
	ok(v.bit == u.bit && v.from == u.from, "said again: the same");
	v = set_taken(1, 5, NULL);
	is_eq(v.bit, KE_BIT_ALL, "no filter");
	is_eq(b.j->live, 0, "nothing is judged");
	is_eq(bits(45), 0, "nor an event");
	v = set_taken(1, 2, longer(50));
	is_eq(v.version, 2, "another life of the sink counts anew");
	ok(v.since <= v.from, "in order");
	bench_end();
}

/* What the old filter has judged is not judged by the new one, whatever that is. */
TEST(replaced_by_old)
{
	struct ke_verdict v, u;

	bench_begin();
	v = set_taken(1, 1, longer(10));
	u = set_taken(2, 1, longer(20));
	is_eq(set_taken(3, 1, longer(10)).from, v.from, "a first one may be an old one");
	v = set_taken(1, 2, longer(20));
	is_eq(v.bit, u.bit, "that of the other sink");
	is_eq(v.from, 3, "from here on");
	is_eq(set_taken(2, 1, longer(20)).from, 2, "the other's is what it was");
	is_eq(set_taken(1, 3, NULL).from, 4, "none, from here on");
	is_eq(set_taken(1, 4, longer(20)).from, 4, "nor what is older than that");
	bench_end();
}

TEST(full)
{
	struct ke_verdict v;
	u64 i;

	bench_begin();
	for (i = 0; i < KE_JUDGE_FILTERS_MAX; i++)
		set_taken(i + 1, 1, longer(i));
	is_eq(bits(100), U64_MAX, "64 filters");
	v = set_taken(100, 1, longer(200));
	is_eq(v.bit, KE_BIT_SELF, "a 65th is its sink's own");
	v = set_taken(101, 1, longer(7));
	is_eq(v.bit, 7, "one that is there isn't");
	ke_seats_leave(&b.t, 4);
	v = set_taken(100, 2, longer(200));
	is_eq(v.bit, 3, "what became free is given away");
	is_eq(v.from, b.j->generation, "from the next generation on");
	bench_end();
}

/* Of the sink: a bit each. Values follow their attributes. */
TEST(attributes)
{
	struct ke_value one = { .kind = KE_VALUE_I64, .i64 = 1 };
	struct ke_value text = { .kind = KE_VALUE_STRING, .data = "x", .len = 1 };
	struct ke_verdict v, u;

	bench_begin();
	v = set_taken(1, 1, attr_is(KECHO_SCOPE_SINK, 1));
	u = set_taken(2, 1, attr_is(KECHO_SCOPE_SINK, 1));
	ok(v.bit != u.bit, "two bits");
	is_eq(set_taken(2, 1, attr_is(KECHO_SCOPE_SINK, 1)).bit, u.bit, "and not three");
	set_taken(3, 1, attr_is(KECHO_SCOPE_CHANNEL, 1));
	is_eq(bits(1), 0, "they are not set");
	is_eq(ke_judge_slot(b.j, 2, 0).kind, 0, "absent");
	is_eq(ke_attrs_set(&b.attrs[KECHO_SCOPE_SINK], "a", &one, 0), 0, "set");
	is_eq(ke_attrs_set(&b.attrs[KECHO_SCOPE_CHANNEL], "a", &one, 0), 0, "set");
	is_eq(bits(1), 0, "not looked at yet");
	ke_seats_refresh(&b.t, 1 << KECHO_SCOPE_SINK, 2);
	is_eq(bits(1), 2, "of one sink");
	ke_seats_refresh(&b.t, 1 << KECHO_SCOPE_SINK | 1 << KECHO_SCOPE_CHANNEL, 0);
	is_eq(bits(1), 7, "all");
	is_eq(ke_judge_slot(b.j, 2, 0).i64, 1, "it can be read");
	is_eq(ke_attrs_set(&b.attrs[KECHO_SCOPE_CHANNEL], "a", &text, 0), 0, "a string");
	ke_seats_refresh(&b.t, 1 << KECHO_SCOPE_CHANNEL, 0);
	is_eq(ke_judge_slot(b.j, 2, 0).kind, KE_VALUE_STRING, "it is one");
	is_eq(bits(1), 7, "whose length is 1");
	bench_end();
}

static void set_attr(u8 scope, const struct ke_value *v)
{
	is_eq(ke_attrs_set(&b.attrs[scope], "a", v, b.now_ms), 0, "set");
	ke_seats_refresh(&b.t, 1 << scope, 0);
}

/* They grow from event to event, and are numbers, whatever the attribute is. */
TEST(ages)
{
	struct ke_value one = { .kind = KE_VALUE_I64, .i64 = 1 };
	struct ke_value text = { .kind = KE_VALUE_STRING, .data = "xyz", .len = 3 };

	bench_begin();
	b.now_ms = 5000;
	set_taken(1, 1, younger(KECHO_SCOPE_SINK, 0, 1000000000));
	set_taken(2, 1, younger(KECHO_SCOPE_CHANNEL, KE_VALUE_I64, 7000000));
	set_taken(3, 1, younger(KECHO_SCOPE_CHANNEL, KE_VALUE_STRING, 7000000));
	is_eq(bits(1), 0, "they are not set");
	set_attr(KECHO_SCOPE_SINK, &one);
	b.now_ms += 990;
	set_attr(KECHO_SCOPE_CHANNEL, &text);
	is_eq(bits(1), 3, "both are young; of none that is a string");
	is_eq(ke_judge_slot(b.j, 0, 0).i64, 5000, "known by when it was set");
	b.now_ms += 6;
	is_eq(bits(1), 3, "older");
	is_eq(ke_judge_slot(b.j, 1, 0).i64, 5990, "which stays");
	b.now_ms += 1;
	is_eq(bits(1), 1, "one is too old");
	b.now_ms += 3;
	is_eq(bits(1), 0, "so are both");
	set_attr(KECHO_SCOPE_SINK, &one);
	is_eq(bits(1), 1, "set to what it was: it is young");
	b.now_ms = 10;
	is_eq(bits(1), 3, "never less than nothing");
	bench_end();
}

/* There was no memory for one that has changed: nothing is judged by what it was. */
TEST(attributes_lost)
{
	struct ke_event_info info = { .time_ns = 1 };

	bench_begin();
	set_taken(1, 1, attr_is(KECHO_SCOPE_CHANNEL, 1));
	is_eq(ke_judge_slots(b.j, 0, NULL), -ENOMEM, "no memory");
	ke_judge_event(b.j, &info, 1, "x", 1, &test_ops);
	ok(!info.judged, "unjudged");
	ke_seats_refresh(&b.t, 0, 0);
	ke_judge_event(b.j, &info, 1, "x", 1, &test_ops);
	ok(info.judged, "judged again");
	is_eq(ke_judge_slots(b.j, 0, NULL), -ENOMEM, "no memory");
	ke_seats_leave(&b.t, 1);
	set_taken(2, 1, longer(0));
	ke_judge_event(b.j, &info, 1, "x", 1, &test_ops);
	ok(info.judged, "it was that filter's");
	bench_end();
}

TEST(event_attributes)
{
	struct ke_value one = { .kind = KE_VALUE_I64, .i64 = 1 };
	struct ke_event_info info = { .time_ns = 1 };
	struct ke_attrs a = { 0 };

	bench_begin();
	set_taken(1, 1, attr_is(KECHO_SCOPE_EVENT, 1));
	is_eq(ke_attrs_set(&a, "a", &one, 0), 0, "set");
	info.attrs = a.buf;
	info.attrs_len = a.len;
	ke_judge_event(b.j, &info, 1, NULL, 0, &test_ops);
	ok(info.judged && info.bits == 1 && info.generation == 1, "it has it");
	is_eq(bits(0), 0, "the next has not");
	bench_end();
	ke_attrs_free(&a);
}

static void every_second(u8 kind)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(state)), LDX(BPF_DW, 0, 2, 0), ALU(BPF_ADD, 0, 1),
		STX(BPF_DW, 2, 0, 0), ALU(BPF_AND, 0, 1), EXIT,
	};

	parts_begin(&parts, kind);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
}

/* What it remembers stays as long as somebody has it. */
TEST(state)
{
	u32 i;

	bench_begin();
	every_second(KECHO_FILTER_EVENT);
	set_taken(1, 1, sieve());
	is_eq(bits(0), 1, "every second");
	for (i = 0; i < 4; i++) {
		set_taken(2, i + 1, longer(100 + i));
		is_eq(bits(0) & 1, i & 1, "through generations");
	}
	bench_end();
}

static void put_shared(u32 bit, struct ke_sieve *s, struct ke_filter_state *state)
{
	const struct ke_value none = { 0 };

	is_eq(ke_judge_put(b.j, bit, 1, s, NULL, &none), 0, "a filter");
	ke_judge_lend(b.j, bit, state);
}

/* One that was lent to several goes with none of them. */
TEST(shared_state)
{
	struct ke_filter_state *state = ke_filter_state_make(1);
	struct ke_sieve *s = NULL;

	bench_begin();
	must(state, "memory");
	every_second(KECHO_FILTER_IN);
	parts_join(&parts);
	is_eq(ke_sieve_make_in(&s, parts.wire, parts.wire_len, NULL, 0, why), 0, "one for IN");
	put_shared(0, s, state);
	put_shared(1, s, state);
	is_eq(bits(0), 1, "what the first has counted the second sees");
	is_eq(bits(0), 1, "again");
	ke_judge_drop(b.j, 0);
	is_eq(bits(0), 2, "the second goes on");
	ke_judge_drop(b.j, 1);
	ke_sieve_put(s);
	ke_filter_state_free(state);
	bench_end();
}

static void announce(const char *name, u32 offset)
{
	u32 len;

	draft_begin(&draft, name, offset + 8, false);
	draft_number(&draft, "cpu", KE_FIELD_SIGNED, offset, 4);
	len = ke_type_encode(&draft.type, draft.encoded, sizeof(draft.encoded));
	is_eq(ke_type_load(&b.types.type[b.types.n], draft.encoded, len, why), 0, "a type");
	b.types.n++;
	ke_seats_announced(&b.t, b.types.n, bench_say);
}

/* A field that loads don't reach makes a type that its filter isn't judged for. */
TEST(types)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(payload)), LDX(BPF_DW, 0, 2, 0), EXIT,
	};
	struct ke_event_info info = { .type = 1 };
	static const u8 payload[64] = { 1 };
	struct ke_verdict v;

	bench_begin();
	announce("before", 0);
	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_ref(&parts, 1, KECHO_REF_FIELD, 0, "cpu");
	v = set_taken(1, 1, sieve());
	is_eq(v.bit, 0, "judged");
	set_taken(2, 1, longer(1000));
	ke_judge_event(b.j, &info, 1, payload, 8, &test_ops);
	is_eq(info.bits, 1, "by its field");
	info.type = 9;
	ke_judge_event(b.j, &info, 1, payload, 8, &test_ops);
	ok(info.judged && !info.bits, "of no type: bytes");
	announce("after", 4);
	is_eq(b.said, 0, "nobody need know");
	announce("far", 40000);
	is_eq(b.said, 1, "one judges by itself");
	ok(b.last.bit == KE_BIT_SELF && b.last.version == 1, "from here on");
	info.type = 3;
	ke_judge_event(b.j, &info, 1, payload, 8, &test_ops);
	ok(!info.judged, "such events are not judged");
	info.type = 2;
	ke_judge_event(b.j, &info, 1, payload, 8, &test_ops);
	ok(info.judged, "others are");
	ok(!ke_seats_taken(&b.t, 1, 1, &v), "taken");
	info.type = 3;
	ke_judge_event(b.j, &info, 1, payload, 8, &test_ops);
	ok(info.judged, "now all are");
	parts_join(&parts);
	bench_end();
}

TEST(refused)
{
	struct ke_sieve *s = NULL;
	u8 big[1];

	parts_begin(&parts, KECHO_FILTER_IN);
	parts_insn(&parts, MOV(0, 1));
	parts_insn(&parts, EXIT);
	parts_join(&parts);
	is_eq(ke_sieve_make(&s, parts.wire, parts.wire_len, NULL, 0, why), -EPROTO, "one for IN");
	is_eq(ke_sieve_make(&s, parts.wire, 5, NULL, 0, why), -EPROTO, "none");
	is_eq(ke_sieve_make(&s, big, KECHO_FRAME_BODY_MAX + 1, NULL, 0, why), -EPROTO, "too long");
	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insn(&parts, MOV(0, 1));
	parts_insn(&parts, EXIT);
	parts_join(&parts);
	is_eq(ke_sieve_make(&s, parts.wire, parts.wire_len, "x", 1, why), -EPROTO, "no type");
	ok(!s, "nothing was made");
	ok(ke_sieve_same(NULL, NULL) && !ke_sieve_get(NULL), "nothing is like nothing");
}

TESTS(judge, same_filter, replaced, replaced_by_old, full, attributes, ages,
      attributes_lost, event_attributes, state, shared_state, types, refused);
