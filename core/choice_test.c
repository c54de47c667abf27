// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Tests of choices: who is chosen by attributes and scores, what changes meanwhile, and what a
 * record names.
 */
#include "choice.h"
#include "filter_test.h"
#include "reader_test.h"
#include "tap.h"

enum { SINKS = 1000, MOST = 1024 };

static struct parts parts;
static char why[KE_TYPE_WHY_MAX];

/* A source's choice without a node. Sink i has the id 10 * i. */
static struct {
	struct ke_choice *c;
	struct ke_types types;
	struct ke_attrs attrs[SINKS + 1];
	struct ke_names *names;
	u32 locked;
	u64 now_ms;
	u8 flags;	/* of the slot */
} b;

static void lock(void __always_unused *owner)
{
	is_eq(b.locked++, 0, "not locked");
}

static void unlock(void __always_unused *owner)
{
	b.locked--;
}

static u64 now_ms(void __always_unused *owner)
{
	return b.now_ms;
}

static const struct ke_attrs *attrs_of(void __always_unused *owner, u8 scope, u64 sink)
{
	return scope == KECHO_SCOPE_SINK && sink ? &b.attrs[sink / 10] : NULL;
}

static const struct ke_types *types_of(void __always_unused *owner)
{
	return &b.types;
}

/* The sinks are numbers 1 to @n. */
static void offer(u32 n)
{
	u32 i;

	b.names->n = n;
	for (i = 0; i < n; i++)
		b.names->id[i] = cpu_to_le64(10 * (i + 1));
	is_eq(ke_choice_sinks(b.c, b.names), 0, "%u sinks", n);
}

static void begin(u32 n)
{
	static const struct ke_judge_ops ops = {
		.lock = lock, .unlock = unlock, .now_ms = now_ms,
	};
	static const struct ke_seats_ops attrs = { .attrs = attrs_of, .types = types_of };

	memset(&b, 0, sizeof(b));
	b.names = kvzalloc(sizeof(*b.names) + SINKS * sizeof(__le64), GFP_KERNEL);
	b.c = ke_choice_make(&ops, &attrs, NULL, 1, MOST);
	must(b.c && b.names, "a choice");
	offer(n);
}

static void end(void)
{
	u32 i;

	ke_choice_free(b.c);
	is_eq(b.locked, 0, "left");
	kvfree(b.names);
	for (i = 0; i <= SINKS; i++)
		ke_attrs_free(&b.attrs[i]);
}

static void set(u32 sink, s64 v)
{
	struct ke_value value = { .kind = KE_VALUE_I64, .len = sizeof(v), .i64 = v };

	is_eq(ke_attrs_set(&b.attrs[sink], "a", &value, b.now_ms), 0, "attribute");
	ke_choice_refresh(b.c, 1 << KECHO_SCOPE_SINK, 10 * sink);
}

static void choose(const struct bpf_insn *insns, u32 n, bool of_sink, u32 best)
{
	struct ke_sieve *s = NULL;

	parts_begin(&parts, KECHO_FILTER_OUT);
	parts.h.best = cpu_to_le32(best);
	parts_insns(&parts, insns, n);
	if (of_sink)
		parts_slot(&parts, KECHO_SCOPE_SINK, b.flags, 0, "a");
	parts_join(&parts);
	is_eq(ke_sieve_make_out(&s, parts.wire, parts.wire_len, why), 0, "a filter: %s", why);
	is_eq(ke_choice_filter(b.c, s), 0, "is set");
	ke_sieve_put(s);
}

/* Those that have the attribute, which is the score; @best 0: all of them. */
static void choose_best(u32 best)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(slots)), LDX(BPF_DW, 3, 2, 0), LDX(BPF_DW, 4, 2, 8),
		MOV(0, 0), JMP(BPF_JEQ, 3, 0, 2), STX(BPF_DW, 1, CTX(score), 4), MOV(0, 1), EXIT,
	};

	choose(insns, ARRAY_SIZE(insns), true, best);
}

/* Events of more than @len bytes are for all, or with @best for so many. */
static void choose_longer(u32 len, u32 best)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, len, 1), MOV(0, 0), EXIT,
	};

	choose(insns, ARRAY_SIZE(insns), false, best);
}

static struct ke_event_info event(u32 len)
{
	struct ke_event_info info = { .type = 0 };

	is_eq(ke_choice_event(b.c, &info, 1, "0123456789", len, NULL), 0, "an event");
	ok(!info.named || info.nto <= ke_choice_most(b.c), "no more than foretold");
	return info;
}

static u32 nth(const struct ke_event_info *info, u32 i)
{
	return i < info->nto ? le64_to_cpu(info->to[i]) / 10 : 0;
}

/* ------------------------------------------------------------------------ choosing */

TEST(best)
{
	struct ke_event_info info;

	begin(5);
	choose_best(2);
	info = event(1);
	ok(info.named && !info.nto, "nobody has it");
	set(2, 7);
	set(4, -9);
	set(5, 8);
	info = event(1);
	is_eq(info.nto, 2, "two");
	ok(nth(&info, 0) == 2 && nth(&info, 1) == 5, "with the most, in order");
	set(4, 9);
	info = event(1);
	ok(nth(&info, 0) == 4 && nth(&info, 1) == 5, "it has changed");
	choose_best(0);
	info = event(1);
	is_eq(info.nto, 3, "all that have it");
	is_eq(ke_choice_filter(b.c, NULL), 0, "none");
	ok(!event(1).named, "all");
	end();
}

/* The best is whose attribute was set first. */
TEST(ages)
{
	struct ke_event_info info;

	begin(3);
	b.flags = KECHO_SLOT_AGE;
	choose_best(1);
	b.now_ms = 100;
	set(1, 5);
	b.now_ms = 200;
	set(3, 5);
	b.now_ms = 300;
	info = event(1);
	ok(info.nto == 1 && nth(&info, 0) == 1, "the oldest");
	set(1, 5);
	info = event(1);
	ok(info.nto == 1 && nth(&info, 0) == 3, "set again: the other is");
	end();
}

/* Of equal ones each has its turn. */
TEST(chance)
{
	u32 i, got[5] = {};
	struct ke_event_info info;

	begin(4);
	for (i = 1; i <= 4; i++)
		set(i, 3);
	choose_best(1);
	for (i = 0; i < 400; i++) {
		info = event(1);
		is_eq(info.nto, 1, "one");
		got[nth(&info, 0)]++;
	}
	for (i = 1; i <= 4; i++)
		ok(got[i] > 50, "%u of 400", got[i]);
	end();
}

/* Who is asked once names none, or for nobody; best ones are drawn by lot. */
TEST(once)
{
	struct ke_event_info info;

	begin(5);
	choose_longer(4, 0);
	is_eq(ke_choice_most(b.c), 0, "names none");
	ok(!event(5).named, "for all");
	info = event(4);
	ok(info.named && !info.nto, "for nobody");
	choose_longer(4, 3);
	is_eq(event(5).nto, 3, "three");
	is_eq(event(4).nto, 0, "nobody");
	end();
}

/* Those that stay keep what is known of them. */
TEST(roster)
{
	struct ke_roster *held;
	struct ke_event_info info;

	begin(3);
	choose_best(0);
	set(1, 1);
	set(3, 1);
	info = event(1);
	held = ke_roster_hold(b.c);
	offer(2);
	ok(nth(&info, 0) == 1 && nth(&info, 1) == 3, "held");
	ke_roster_drop(held);
	info = event(1);
	is_eq(info.nto, 1, "one has gone");
	offer(5);
	info = event(1);
	is_eq(info.nto, 2, "is there again");
	ok(ke_choice_has(b.c, 50) && !ke_choice_has(b.c, 60) && !ke_choice_has(b.c, 0), "ids");
	offer(0);
	is_eq(event(1).nto, 0, "nobody is left");
	end();
}

TEST(many)
{
	struct ke_event_info info;
	u32 i, wrong = 0;

	begin(SINKS);
	for (i = 1; i <= SINKS; i++)
		set(i, i * 7919 % SINKS);
	choose_best(100);
	info = event(1);
	is_eq(info.nto, 100, "a tenth");
	for (i = 0; i < info.nto; i++)
		wrong += nth(&info, i) * 7919 % SINKS < SINKS - 100 ||
			 (i && nth(&info, i) <= nth(&info, i - 1));
	is_eq(wrong, 0, "the best ones, in order");
	choose_best(0);
	is_eq(event(1).nto, SINKS, "all");
	b.c->names_max = SINKS - 1;
	info = (struct ke_event_info){};
	is_eq(ke_choice_event(b.c, &info, 1, "", 0, NULL), -E2BIG, "more than a record names");
	end();
}

/* ------------------------------------------------------------------------- records */

static int append_named(struct log_fix *f, const struct ke_event_info *info)
{
	u64 seq = 0;
	int err = ke_log_append(&f->log, info, "payload", 7, KE_NO_LIMIT, &seq);

	ke_log_publish(&f->log);
	return err;
}

BOTH(named)
{
	const __le64 to[] = { cpu_to_le64(3), cpu_to_le64(5), cpu_to_le64(9) };
	struct ke_event_info info = { .named = true, .to = to, .nto = 3, .judged = true,
				      .attrs = "abc", .attrs_len = 3, .bits = 1, .generation = 1 };
	struct pair *p = pair_new(SIZE, in_place);

	must(p, "memory");
	ke_reader_for(&p->r, 5);
	is_eq(append_named(p->f, &info), 0, "for three");
	info.nto = 1;
	is_eq(append_named(p->f, &info), 0, "for one");
	info.nto = 0;
	is_eq(append_named(p->f, &info), 0, "for nobody");
	is_eq(next(p), 1, "the first");
	is_eq(p->item.seq, 1, "the first");
	is_eq(p->item.len, 7, "all of it");
	is_mem(p->item.data, "payload", 7, "payload");
	is_eq(p->item.attrs_len, 3, "attributes");
	gets_nothing(p);
	is_eq(p->r.filtered, 2, "filtered");
	pair_free(p);
}

/* With room for three, of which @nto are chosen; or for all. */
static void reserve_named(struct log_fix *f, u32 nto, bool all)
{
	const __le64 to[] = { cpu_to_le64(3), cpu_to_le64(5), cpu_to_le64(9) };
	struct ke_event_info info = { .named = true, .nto = 3, .judged = true, .attrs = "abc",
				      .attrs_len = 3, .type = 2 };
	u64 cookie, other;
	void *data;

	is_eq(ke_log_reserve(&f->log, &info, 40, KE_NO_LIMIT, &data, &cookie), 0, "room");
	is_eq(ke_log_names_room(&f->log, cookie), 3, "for three");
	memcpy(data, "what is written before it is known", 34);
	info = (struct ke_event_info){};
	is_eq(ke_log_reserve(&f->log, &info, 8, KE_NO_LIMIT, &data, &other), 0, "another");
	is_eq(ke_log_names_room(&f->log, other), -EINVAL, "that names none");
	info = (struct ke_event_info){ .named = !all, .to = to, .nto = nto };
	ke_log_named(&f->log, cookie, &info, 34);
	is_eq(ke_log_judged(&f->log, cookie, 1, 1), 0, "judged");
	is_eq(ke_log_commit(&f->log, cookie, 34, 0), 0, "committed");
	is_eq(ke_log_names_room(&f->log, cookie), -EINVAL, "over");
	is_eq(ke_log_abort(&f->log, other), 0, "the other");
}

BOTH(reserved)
{
	struct pair *p = pair_new(SIZE, in_place);
	u32 nto, n = 0;

	must(p, "memory");
	ke_reader_for(&p->r, 5);
	ke_reader_judged(&p->r, 0, 1, 0);
	for (nto = 0; nto <= 4; nto++) {
		reserve_named(p->f, nto % 4, nto == 4);
		if (nto < 2)
			continue;
		n = next(p);
		is_eq(n, 1, "with %u of them", nto);
		is_eq(p->item.seq, 1 + 2 * nto, "its number");
		is_eq(p->item.len, 34, "all of it");
		is_mem(p->item.data, "what is written before it is known", 34, "as it was");
		is_eq(p->item.attrs_len, 3, "attributes");
		ok(p->item.judged && p->item.type == 2, "judged, typed");
	}
	gets_nothing(p);
	is_eq(p->r.filtered, 2, "filtered");
	pair_free(p);
}

/* More ids than the record has bytes; or a section where none is. */
BOTH(lies)
{
	const u64 full[] = { word_of(40, KECHO_RECORD_EVENT, KECHO_RECORD_F_TO, 4, 0), 1, 0, 2, 5 };
	const u64 none[] = { word_of(24, KECHO_RECORD_EVENT, KECHO_RECORD_F_TO, 3, 0), 1, 0 };
	struct pair *p = pair_new(SIZE, in_place);

	must(p, "memory");
	ke_reader_for(&p->r, 5);
	hostile(p, full, ARRAY_SIZE(full), 40);
	is_eq(next(p), -EPROTO, "two in the place of one");
	pair_free(p);
	p = pair_new(SIZE, in_place);
	must(p, "memory");
	hostile(p, none, ARRAY_SIZE(none), 24);
	is_eq(next(p), -EPROTO, "no section");
	pair_free(p);
}

/* The most that a record names leaves room for the rest. */
TEST(full)
{
	u32 n = ke_names_max(ke_record_max(SIZE)), i;
	__le64 *to = kvzalloc(n * sizeof(*to), GFP_KERNEL);
	struct ke_event_info info = { .named = true, .to = to, .nto = n, .judged = true,
				      .attrs_len = KE_EVENT_ATTRS_MAX, .frag_total = 9 };

	must(to, "memory");
	for (i = 0; i < n; i++)
		to[i] = cpu_to_le64(i + 1);
	is_eq(n, MOST, "in the smallest log");
	ok(ke_record_size(&info, 512) <= ke_record_max(SIZE), "with a payload");
	ok(ke_names_have(to, n, 1) && ke_names_have(to, n, n) && !ke_names_have(to, n, n + 1) &&
	   !ke_names_have(to, 0, 1), "found");
	kvfree(to);
}

TESTS(choice, best, ages, chance, once, roster, many, named, reserved, lies,
      full);
